//! What other hubs on the same database did: looked for at each hint and each second, and told on here.

use crate::door::House;
use crate::feed;
use crate::limits;
use crate::postgres::{Link, Place};
use crate::site::Site;
use crate::teller::Teller;
use access::HostName;
use api::{Change, Mark, Record};
use desk::{DeskError, Worlds as _};
use loglines::{Faults, Level, Tells};
use std::time::Instant;
use store::Sql;
use sync::Era;

/// Follows the others.
pub struct Following {
    place: Place,
    house: House,
    link: Option<Link>,
    /// Where the journal ended, and the revision, at the last look.
    seq: u64,
    revision: u64,
}

impl Following {
    /// After a first look, before anything is served that could miss what comes after it.
    pub fn begin(place: Place, house: House) -> Result<Self, DeskError> {
        let mut following = Self { place, house, link: None, seq: 0, revision: 0 };
        following.look()?;
        Ok(following)
    }

    /// Goes on in a thread of its own, for as long as the process lives, and calls `after` after each look, whatever came
    /// of it.
    pub fn start(mut self, after: impl Fn() + Send + 'static) -> std::io::Result<()> {
        let follows = move || {
            let mut faults = Faults::default();
            loop {
                match &self.link {
                    Some(link) => link.hint(limits::LOOK),
                    None => std::thread::sleep(limits::LOOK),
                }
                let looked = self.look();
                after();
                let log = &self.house.teller().log;
                match (faults.take("the database", looked.is_ok(), Instant::now()), looked) {
                    (Tells::Fails, Err(why)) => {
                        let what =
                            "what other hubs do is not known, so no host is told that it is up to date";
                        log.put(Level::Err, format!("looking at the database: {why}; {what}"));
                    }
                    (Tells::Works, _) => log.put(Level::Notice, "the database is seen again".to_owned()),
                    _ => {}
                }
            }
        };
        std::thread::Builder::new().name("following".into()).spawn(follows).map(drop)
    }

    fn look(&mut self) -> Result<(), DeskError> {
        let began = Instant::now();
        let link = if let Some(link) = self.link.take().filter(|link| !link.is_broken()) {
            link
        } else {
            let link = self.place.connect_to_read()?;
            link.batch("LISTEN jit_hub")?;
            // It may be another server, that lacks what the one before had committed and has others' records in its place.
            self.seq = 0;
            link
        };
        self.catch_up(&link)?;
        let spoken = match &self.house {
            House::Hub(site) => self::spoken(site, &link),
            House::Feed(teller) => teller.speak_as_told(&link),
        };
        self.link = Some(link);
        spoken?;
        self.house.teller().sight.saw(began);
        Ok(())
    }

    fn catch_up(&mut self, sql: &dyn Sql) -> Result<(), DeskError> {
        let (seq, revision): (u64, u64) = sql.one("SELECT seq, revision FROM head", &[])?;
        if seq != self.seq {
            match &self.house {
                House::Hub(site) => {
                    self.follow_journal(site, sql, seq)?;
                    site.ledger.saw(seq);
                }
                House::Feed(teller) => self.follow_hints(teller, sql, seq)?,
            }
        }
        if revision != self.revision {
            let hosts = feed::rows::hosts_since(sql, self.revision)?;
            self.house.teller().wakes.wake(&hosts, revision);
        }
        (self.seq, self.revision) = (seq, revision);
        Ok(())
    }

    /// Whether so much was missed that all there is has to be looked at.
    fn is_far_from(&self, until: u64) -> bool {
        // What went back lost commits, and what is there now under the same numbers may be something else.
        self.seq == 0 || until < self.seq || until - self.seq > limits::CATCH_UP
    }

    /// Which hosts records up to `until` are about is all that a feed reads of them.
    fn follow_hints(&self, teller: &Teller, sql: &dyn Sql, until: u64) -> Result<(), DeskError> {
        if self.is_far_from(until) {
            teller.wakes.look_again_all();
        } else {
            let hosts = feed::rows::hinted(sql, self.seq, until)?;
            hosts.iter().for_each(|host| teller.wakes.look_again(host));
        }
        Ok(())
    }

    /// Records up to `until` say what there is to read anew. Who has missed many reads all of it.
    fn follow_journal(&self, site: &Site, sql: &dyn Sql, until: u64) -> Result<(), DeskError> {
        let (mut after, all) = (self.seq, self.is_far_from(until));
        let (mut policy, mut hosts, mut changed, mut every) = (all, all, Vec::new(), all);
        while !all && after < until {
            let rows = store::journal_after(sql, after, limits::CATCH_UP_AT_ONCE)?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                match serde_json::from_str(&row.body) {
                    Ok(Record::Change(change)) => policy |= change.change == Change::PolicyApplied,
                    Ok(Record::Mark(mark)) => {
                        hosts |= matches!(
                            mark.mark,
                            Mark::HostJoined | Mark::HostCameBack | Mark::HostLabelled | Mark::HostRemoved
                        );
                        changed.extend(host_in(&mark.detail));
                    }
                    // Somebody wants it ended.
                    Ok(Record::Session(session)) => changed.extend(host_in(&session.detail)),
                    Ok(_) => {}
                    // Of a newer release: it could say anything.
                    Err(_) => (policy, hosts, every) = (true, true, true),
                }
            }
        }
        if policy && let Some(version) = desk::policy_in_force(sql)? {
            // One that this release cannot read is told where it was applied, and at the next start here.
            if all || site.policies.in_force().now().version < Some(version.version) {
                site.policies.in_force().adopt(&version).map_err(DeskError::Store)?;
            }
        }
        if hosts {
            site.read_hosts(sql)?;
        }
        // A stream looks what there is for its host, and whether that is still the one that it was.
        if every {
            site.wakes.look_again_all();
        } else {
            changed.iter().for_each(|host| site.wakes.look_again(host));
        }
        Ok(())
    }
}

/// Whether no hub of this database speaks in a later era.
fn spoken(site: &Site, sql: &dyn Sql) -> Result<(), DeskError> {
    let spoken = feed::rows::era(sql)?;
    let Some(later) = spoken.filter(|era| *era > site.voice.load().manifest.era) else { return Ok(()) };
    // The signer here may have been given the keys by now.
    site.renew_voice_now();
    Err(DeskError::Away(behind(later)))
}

/// The keys of this hub are not those of the others.
pub fn behind(later: Era) -> String {
    format!(
        "another hub speaks in era {later} by now: copy the signer's folder and view.pem from it to here, and run \
         `systemctl restart jit-hub-signer && systemctl reload jit-hub`"
    )
}

/// The host that a mark is about.
fn host_in(detail: &str) -> Option<HostName> {
    let name = detail.split(' ').find_map(|word| word.strip_prefix("host="))?;
    HostName::parse(name).ok()
}
