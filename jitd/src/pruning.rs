//! What goes once it is old, or where room is short: records of the journal, and requests and grants that are over.

use crate::ledger::LedgerError;
use crate::limits;
use crate::memory::Changed;
use crate::site::Site;
use crate::source::Outward;
use desk::{Desk, DeskError, Old, SqlStore};
use loglines::Level;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What is kept of it from one round to the next.
pub struct Pruning {
    max_bytes: u64,
    unseen: Mutex<Unseen>,
}

/// Records that went without the hub.
#[derive(Default)]
struct Unseen {
    /// The first record that was there at the last look, and the last that the hub had.
    looked: Option<(u64, u64)>,
    /// Those that are not told of yet.
    count: u64,
    /// When some were told of last.
    at: Option<Instant>,
}

impl Pruning {
    /// Of a database that may grow to so many bytes.
    pub fn of(max_bytes: u64) -> Self {
        Self { max_bytes, unseen: Mutex::default() }
    }

    /// Forgets requests and grants that ended long ago. Only a confirmed clock says what that is.
    pub fn forget(&self, site: &Site, desk: &Desk<SqlStore<Changed>>) -> Result<(), DeskError> {
        let now = site.clock.now();
        if now.provisional {
            return Ok(());
        }
        let keep = site.config.load().journal.keep.delta().max(limits::NOTHING_KEPT);
        let nothing = now.trusted - if self.is_short(site)? { limits::NOTHING_KEPT } else { keep };
        let old = Old { nothing, grants: now.trusted - limits::ENDED_KEPT };
        for _ in 0..limits::FORGET_ROUNDS {
            if !desk.forget(old)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes old records away, as many rounds as it takes where room is short. Age counts only while the clock is confirmed:
    /// one that is ahead would make everything old.
    pub fn prune(&self, site: &Site) -> Result<(), LedgerError> {
        let (now, keep) = (site.clock.now(), site.config.load().journal.keep.delta());
        // Where nothing is told to the hub its journal stays here, and syslog has the witnesses.
        let is_told = site.source.has_hub() && site.source.files().is_none();
        let uploaded = site.source.outward().ok().and_then(Outward::uploaded);
        // What the hub may want again stays.
        let keep = if is_told { keep.max(limits::UPLOADED_KEPT) } else { keep };
        let age = (!now.provisional).then(|| store::Age {
            before_ms: (now.trusted - keep).timestamp_millis(),
            boot: site.clock.boot().to_owned(),
            before_boot_ms: (kernel::since_boot() - keep).num_milliseconds(),
        });
        let by_syslog = site.log.witnessed();
        let witnessed = if is_told {
            let uploaded = uploaded.unwrap_or(0);
            site.ledger.read(|connection| store::checkpoint_up_to(connection, uploaded))?
        } else {
            by_syslog
        };
        self.tell_unseen(site, uploaded.filter(|_| is_told))?;
        let mut prune = store::Prune { witnessed, age, max_bytes: self.max_bytes };
        if is_told && !site.ledger.prunable(&prune)? {
            // Where room is short records go that the hub has not taken, and may never, as on a host that has none: one whose
            // journal is full lets nobody in. The hub finds the gap.
            prune = store::Prune { witnessed: by_syslog, age: None, ..prune };
        }
        site.ledger.relieve_by(prune.clone());
        for _ in 0..limits::PRUNE_ROUNDS {
            let is_whole = site.ledger.prune(prune.clone())? as u64 >= store::limits::PRUNE;
            if !is_whole || !self.is_short(site)? {
                break;
            }
        }
        Ok(())
    }

    fn is_short(&self, site: &Site) -> Result<bool, LedgerError> {
        Ok(site.ledger.read(|connection| store::is_short(connection, self.max_bytes))?)
    }

    /// Tells of records that went since the last look, and that the hub had not taken by then, where it is known what it has.
    fn tell_unseen(&self, site: &Site, uploaded: Option<u64>) -> Result<(), LedgerError> {
        let first = site.ledger.read(|connection| store::first_seq(connection))?;
        let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, had)) = unseen.looked {
            unseen.count += first.saturating_sub(before.max(had + 1));
        }
        unseen.looked = uploaded.map(|uploaded| (first, uploaded));
        if unseen.count > 0 && unseen.at.is_none_or(|at| at.elapsed() >= limits::LOSS_EVERY) {
            let what = format!(
                "{} records went from the journal for want of room, and the hub never got them; syslog alone has them: see the \
                 lines on telling the hub in `journalctl -u jitd`, or raise [journal] max_bytes",
                unseen.count
            );
            site.log.put(Level::Warning, what);
            (unseen.count, unseen.at) = (0, Some(Instant::now()));
        }
        Ok(())
    }
}
