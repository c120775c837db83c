//! A database that lost commits, by a restore or a failover, takes back from hosts what it signed for them.

use super::Wrong;
use super::rows::{self, Standing};
use crate::following::behind;
use crate::ledger::put_signed;
use crate::limits;
use crate::site::Site;
use crate::teller::Teller;
use access::HostName;
use api::{CameBack, Known, TakenBack};
use desk::{DeskError, Restored, Worlds as _};
use loglines::Level;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use sync::{Era, Membership, SignedGrant, SignedMembership};

impl Site {
    /// That this host is one of this hub's, as the root signs it for the host to keep.
    pub fn membership(&self, host: HostName, known: &rows::Host) -> Result<SignedMembership, DeskError> {
        let rows::Joined { labels, at: joined_at } =
            self.read(|sql| rows::joined(sql, &host))?.ok_or_else(|| super::no_host(&host))?;
        let of = Membership {
            hub: self.hub.clone(),
            incarnation: self.voice.load().manifest.era.incarnation,
            host,
            machine: known.machine,
            key: known.key,
            labels,
            token: known.joined,
            joined_at,
            issued_at: self.clock.time(),
        };
        self.signer.membership(of).map_err(|why| DeskError::Away(why.to_string()))
    }

    /// Knows a host again that this database lost, by what the root signed of it.
    pub fn know_again(&self, host: &HostName, signed: &SignedMembership) -> Result<CameBack, DeskError> {
        let forbidden = |why: &str| Err(DeskError::Forbidden(format!("host {host} {why}")));
        let of = signed.verify(&self.hub, &self.root).map_err(|why| {
            DeskError::Forbidden(format!("this makes {host} no host of this hub ({}): {why}", why.code()))
        })?;
        if of.host != *host {
            return forbidden(&format!("shows what was signed of {}", of.host));
        }
        let now = self.clock.time();
        let stood = match self.read(|sql| rows::standing(sql, &of))? {
            Standing::Lost if of.incarnation >= self.voice.load().manifest.era.incarnation => {
                let why = "shows that it joined this hub, whose database does not know it: where that was restored or failed over \
                           run `jit-hub recover` as root";
                if self.hosts.is_told(host, Wrong::Lost, now) {
                    self.log.put(Level::Err, format!("host {host} {why}"));
                }
                return forbidden(why);
            }
            Standing::Lost if now - of.issued_at > limits::MEMBERSHIP_GOOD => {
                return forbidden("was none of this hub for too long: enrol it anew with `jitd enrol TOKEN`");
            }
            Standing::Lost => self.ledger.know_again(of, now)?,
            stood => stood,
        };
        match stood {
            Standing::Gone => forbidden(
                "was taken away, or has joined anew, since the root signed that: enrol it anew with `jitd enrol TOKEN`",
            ),
            Standing::Known => Ok(CameBack { anew: false }),
            Standing::Lost => {
                self.hosts_changed()?;
                self.wakes.forget(host);
                Ok(CameBack { anew: true })
            }
        }
    }

    /// Takes back what this host knows. A host is asked once in the life of a database: at other times what it says of
    /// ends would be its word against the desk's.
    pub fn take_back(
        &self,
        host: HostName,
        known: &rows::Host,
        given: Known,
    ) -> Result<TakenBack, DeskError> {
        let voice = self.voice.load_full();
        let Era { incarnation, .. } = voice.manifest.era;
        let spoken = self.read(rows::era)?;
        if let Some(later) = spoken.filter(|spoken| *spoken > voice.manifest.era) {
            // By its own keys it is done with what another hub asks for, and believes nothing that is signed by new ones.
            return Err(DeskError::Store(behind(later)));
        }
        if given.incarnation.is_some_and(|asked| asked != incarnation) {
            return Err(DeskError::Store(format!("incarnation {incarnation} of the hub did not ask for it")));
        }
        if known.incarnation >= incarnation {
            // It may not have heard that this was done: it goes on, and nothing more is taken in.
            return Ok(TakenBack::default());
        }
        let (mut signed, mut wrong) = (BTreeMap::new(), None);
        for envelope in given.bodies {
            match SignedGrant::verify(&envelope, &self.hub, &voice.manifest.grant_keys) {
                Ok((grant, key)) => {
                    signed.insert(grant.id, (grant, envelope, key));
                }
                Err(why) => wrong = Some(why),
            }
        }
        if let Some(why) = wrong.filter(|_| self.hosts.is_told(&host, Wrong::GivenBack, self.clock.time())) {
            let what = format!("host {host} gives back grants that are not taken ({}): {why}", why.code());
            self.log.put(Level::Err, what);
        }
        let grants = signed.values().map(|(grant, ..)| grant.clone()).collect();
        let restores = self.desk.restores(&host, grants, given.ended);
        let (Restored { grants, new, ended }, revision) = self.ledger.write(move |tx| {
            let back = desk::within(tx, restores)?;
            // A grant whose request is lost is signed by nobody again.
            let kept: Vec<_> = back.grants.iter().filter_map(|grant| signed.remove(&grant.id)).collect();
            let revision = put_signed(tx.connection(), &kept, &[])?;
            Ok((back, revision))
        })?;
        let count = |all: usize| u32::try_from(all).unwrap_or(u32::MAX);
        let taken = TakenBack { grants: count(new), ended: count(ended.len()) };
        let hosts: Vec<HostName> = grants.iter().flat_map(|grant| grant.hosts.iter().cloned()).collect();
        if let Some(revision) = revision {
            self.wakes.wake(&hosts, revision);
        }
        if !hosts.is_empty() && self.policies.in_force().is_readable() {
            // Somebody may have left meanwhile.
            self.desk.reconcile()?;
        }
        if given.last {
            self.ledger.gave_back(host, incarnation, self.clock.time())?;
        }
        Ok(taken)
    }
}

impl Teller {
    /// A host that was told more than this database knows shows that it lost commits.
    pub fn compare(&self, host: &HostName, watermark: Option<(Era, u64)>) -> Result<(), DeskError> {
        let Some((era, held)) = watermark else { return Ok(()) };
        let incarnation = self.voice.load().manifest.era.incarnation;
        let revision = self.read(rows::revision)?;
        if era.incarnation != incarnation || held <= revision {
            return Ok(());
        }
        if let Some((level, why)) = self.lost.says(host, held) {
            self.log.put(level, why);
        }
        Ok(())
    }
}

/// Hosts that say they hold more than this database knows, each with the revision. Nobody signed that number: one of them
/// alone may be in wrong hands.
#[derive(Default)]
pub struct Lost(Mutex<BTreeMap<HostName, u64>>);

impl Lost {
    /// A host says so. What is to be logged of it: once for each host.
    fn says(&self, host: &HostName, held: u64) -> Option<(Level, String)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limits::LOST_TOLD || all.contains_key(host) {
            return None;
        }
        all.insert(host.clone(), held);
        let level = if all.len() == 1 { Level::Warning } else { Level::Err };
        Some(level).zip(told(&all))
    }

    /// What is to be known of it.
    pub fn told(&self) -> Option<String> {
        told(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The word of those that are no hosts any more is nobody's.
    pub fn keep(&self, is_host: impl Fn(&HostName) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|host, _| is_host(host));
    }

    /// Revisions begin anew.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn told(all: &BTreeMap<HostName, u64>) -> Option<String> {
    let (host, held) = all.first_key_value()?;
    if all.len() == 1 {
        return Some(format!(
            "host {host} says (unproven) that it holds revision {held}, to which this database has not come: where that was \
             restored or failed over run `jit-hub recover` as root, and where not look at {host}, which `jit host remove` takes away"
        ));
    }
    let each: Vec<String> = all.iter().map(|(host, held)| format!("{host} {held}")).collect();
    Some(format!(
        "{} hosts say, each by itself, that they hold revisions to which this database has not come ({}): it lost commits, by \
         a restore or a failover; run `jit-hub recover` as root",
        all.len(),
        each.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_alone_is_not_believed_and_tells_once() {
        let host = |name: &str| HostName::parse(name).unwrap();
        let lost = Lost::default();
        assert_eq!(lost.told(), None);
        let (level, why) = lost.says(&host("db-7"), 1 << 60).unwrap();
        assert_eq!(level, Level::Warning);
        assert!(why.contains("db-7 says (unproven)") && !why.contains("it lost commits"), "{why}");
        assert_eq!(lost.says(&host("db-7"), 1 << 61), None);
        assert_eq!(lost.told(), Some(why.clone()));
        let (level, second) = lost.says(&host("db-8"), 9).unwrap();
        assert_eq!(level, Level::Err);
        assert!(second.contains("db-7 1152921504606846976, db-8 9): it lost commits"), "{second}");
        lost.keep(|host| host.as_str() != "db-8");
        assert_eq!(lost.told(), Some(why));
        let said = (0..100).filter(|n| lost.says(&host(&format!("web-{n}")), 9).is_some()).count();
        assert_eq!(said, limits::LOST_TOLD - 1);
        lost.clear();
        assert_eq!(lost.told(), None);
    }
}
