//! What tells hosts what they must hold: a database to read and a key that signs views. Nothing here writes, grants or
//! signs a grant, and a hub in role `feed` is this and nothing else (S4).

use crate::address::{Address, Seats, Tries};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::error::HubError;
use crate::feed::{Hosts, Lost, Wakes, rows};
use crate::keys::ServerKeys;
use crate::limits;
use crate::metrics::{Metrics, Slow};
use crate::sight::Sight;
use crate::voice::Voice;
use access::Time;
use api::Problem;
use arc_swap::ArcSwap;
use chrono::TimeDelta;
use desk::DeskError;
use loglines::{Level, Log};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use store::{Reader, Sql};
use sync::{Digest, HubId};
use tokio::sync::Semaphore;

/// The part of a hub that hosts listen to.
pub struct Teller {
    /// What is committed.
    pub reader: Reader,
    /// The time.
    pub clock: Arc<Clock>,
    /// For what cannot be recorded.
    pub log: Log,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Connections by address.
    pub seats: Arc<Seats>,
    /// Addresses of what brings the calls of many, and has as many connections as there are places.
    pub proxies: Vec<IpAddr>,
    /// Connections that found no place, by address.
    pub turned_away: Tries,
    /// Clients that were cut off, by address.
    pub slow: Tries,
    /// Calls of strangers that could not be answered.
    pub unable: Tries<()>,
    /// Calls without a token that were refused, by address.
    pub refused: Tries,
    /// What it signs as.
    pub hub: HubId,
    /// The fingerprint of its root, which a join token names.
    pub root: Digest,
    /// What views are signed by.
    pub voice: ArcSwap<Voice>,
    /// When that is looked at again.
    pub renew_at: Mutex<Time>,
    /// Where its key is.
    pub keys: ServerKeys,
    /// What is known of hosts beside the database.
    pub hosts: Hosts,
    /// Whether what others commit is seen.
    pub sight: Sight,
    /// Turns at reading what changed for hosts.
    pub looks: Semaphore,
    /// Hosts that listen.
    pub wakes: Arc<Wakes>,
    /// Hosts that say that the database lost commits.
    pub lost: Lost,
}

/// What a hub is known by to its hosts.
pub struct Speaker {
    /// What it signs as.
    pub hub: HubId,
    /// The fingerprint of its root.
    pub root: Digest,
    /// What its nonces are known by, to all hubs of a database.
    pub nonces: Digest,
    /// What views are signed by.
    pub voice: Voice,
    /// Where its key is.
    pub keys: ServerKeys,
}

impl Teller {
    /// One that speaks as this, of what is read there.
    pub fn new(
        config: &Config,
        log: &Log,
        speaker: Speaker,
        reader: Reader,
        clock: Arc<Clock>,
    ) -> Result<Self, HubError> {
        let Speaker { hub, root, nonces, voice, keys } = speaker;
        // One that could not be renewed is looked at again at once.
        let renew_at = if voice.renewed { clock::wall() + limits::MANIFEST_RENEWED } else { Time::MIN_UTC };
        Ok(Self {
            reader,
            clock,
            log: log.clone(),
            metrics: Arc::new(Metrics::default()),
            seats: Arc::new(Seats::default()),
            proxies: config.proxies.clone(),
            turned_away: Tries::telling(1),
            slow: Tries::telling(1),
            unable: Tries::telling(1),
            refused: Tries::telling(limits::FAILED_TRIES),
            hub,
            root,
            renew_at: Mutex::new(renew_at),
            voice: ArcSwap::from_pointee(voice),
            keys,
            lost: Lost::default(),
            hosts: Hosts::new(random_digest()?.to_string(), nonces, clock::wall()),
            sight: Sight::of(config.database.url.is_some()),
            looks: Semaphore::new(limits::READ_AT_ONCE),
            wakes: Arc::default(),
        })
    }

    /// Looks something up in what is committed.
    pub fn read<T>(&self, look: impl FnOnce(&dyn Sql) -> Result<T, DeskError>) -> Result<T, DeskError> {
        self.reader.read(look)
    }

    /// Whether this address brings the calls of many, and says nothing of who calls: to refuse what comes from it because of
    /// what came from it would be to refuse everybody.
    pub fn is_proxy(&self, from: IpAddr) -> bool {
        self.proxies.contains(&from.to_canonical())
    }

    /// Where a call comes from, as people are told.
    pub fn place_of(&self, from: IpAddr) -> String {
        if self.is_proxy(from) {
            return "not known: it came through a proxy".to_owned();
        }
        from.to_canonical().to_string()
    }

    /// A client was cut off: the log hears of the first of each address in a minute alone. Browsers open connections ahead
    /// that they may never use.
    pub fn cuts_off(&self, from: IpAddr, slow: Slow) {
        self.metrics.slow(slow);
        let address = Address::of(from);
        if self.slow.told(address, Instant::now()) {
            let (what, within) = match slow {
                Slow::Handshake => ("did not finish the TLS handshake", limits::HANDSHAKE),
                Slow::Head => ("did not send the head of a call", limits::HEAD_WAIT),
                Slow::Call => ("did not send a whole call, or have its answer,", limits::CALL),
            };
            let within = within.as_secs();
            self.log.put(Level::Notice, format!("{address} {what} within {within} s and is cut off"));
        }
    }

    /// A host or who claims to be one was refused: the log hears of the first of them alone.
    pub fn refuses(&self, from: IpAddr, problem: Option<&Problem>) {
        let address = Address::of(from);
        if self.refused.told(address, Instant::now()) {
            let why = problem.map_or("the call is none of this hub's", |problem| problem.detail.as_str());
            // It can hold the caller's own words, which are to look like nothing else.
            self.log.put(Level::Warning, format!("refused {address}: {why:?}"));
        }
    }

    /// Something does not work that a stranger asked for: why, where and what the database is are for the log, which hears of
    /// the first in a minute alone.
    pub fn cannot(&self, why: &str) {
        if self.unable.told((), Instant::now()) {
            self.log.put(Level::Err, format!("calls of who is not known cannot be answered: {why:?}"));
        }
    }

    /// Whether it sees what other hubs write.
    pub fn sees(&self) -> Result<(), DeskError> {
        if self.sight.is_clear(Instant::now()) {
            return Ok(());
        }
        Err(DeskError::Away("what other hubs do is not seen".to_owned()))
    }

    /// Whether it is time to look at the keys again.
    pub fn is_voice_old(&self) -> bool {
        self.clock.time() >= *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at them as soon as may be.
    pub fn doubt_voice(&self) {
        *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) = Time::MIN_UTC;
    }

    /// Signs views by this from now on.
    pub fn speak_by(&self, voice: Voice) {
        let era = voice.manifest.era;
        self.renew_in(limits::MANIFEST_RENEWED);
        if self.voice.swap(Arc::new(voice)).manifest.era != era {
            self.lost.clear();
            self.wakes.keys();
        }
    }

    /// Looks at the keys again after so long.
    pub fn renew_in(&self, wait: TimeDelta) {
        *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.time() + wait;
    }

    /// Speaks by the keys that a desk told of last in this database, where those are others, or it is time to look. A feed
    /// has no signer that it could ask.
    pub fn speak_as_told(&self, sql: &dyn Sql) -> Result<(), DeskError> {
        let spoken = rows::era(sql)?;
        if spoken == Some(self.voice.load().manifest.era) && !self.is_voice_old() {
            return Ok(());
        }
        let voice = told(sql, &self.keys, &self.root).map_err(|why| DeskError::Store(why.to_string()))?;
        if voice.manifest.era == self.voice.load().manifest.era && spoken != Some(voice.manifest.era) {
            // A desk has what there is signed by other keys just now.
            return Ok(());
        }
        self.renew_in(limits::MANIFEST_AGAIN);
        self.speak_by(voice);
        Ok(())
    }
}

/// A secret of this process, or of its database.
pub fn random_digest() -> Result<Digest, HubError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(crate::ledger::random)?;
    Ok(Digest::of(&bytes))
}

/// The keys that a desk told of last in this database, as this feed speaks by them.
pub fn told(sql: &dyn Sql, keys: &ServerKeys, root: &Digest) -> Result<Voice, HubError> {
    let none = || {
        HubError::Database(
            "no desk of this release has served from this database yet, so no keys are known that hosts believe: start a \
             hub in role desk or all on it first"
                .to_owned(),
        )
    };
    Voice::of(rows::manifest(sql)?.ok_or_else(none)?, keys, root, true)
}
