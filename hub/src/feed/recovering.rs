//! A database that lost commits, by a restore or a failover, takes back from hosts what it signed for them.

use super::rows;
use crate::site::Site;
use crate::teller::Teller;
use access::HostName;
use api::{Known, TakenBack};
use desk::{DeskError, Restored};
use loglines::Level;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use sync::{Era, SignedGrant};

impl Site {
    /// Takes back what this host knows. A host is asked once in the life of a database: at other times what it says of
    /// ends would be its word against the desk's.
    pub fn take_back(
        &self,
        host: HostName,
        known: &rows::Host,
        given: Known,
    ) -> Result<TakenBack, DeskError> {
        let voice = self.voice.load_full();
        let incarnation = voice.manifest.era.incarnation;
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
        if let Some(why) = wrong.filter(|_| self.hosts.is_told(&host, self.clock.time())) {
            let what = format!("host {host} gives back grants that are not taken ({}): {why}", why.code());
            self.log.put(Level::Err, what);
        }
        let grants = signed.values().map(|(grant, ..)| grant.clone()).collect();
        let Restored { grants, ended } = self.desk.restore_from(&host, grants, given.ended)?;
        let count = |all: usize| u32::try_from(all).unwrap_or(u32::MAX);
        let taken = TakenBack { grants: count(grants.len()), ended: count(ended.len()) };
        let hosts: Vec<HostName> = grants.iter().flat_map(|grant| grant.hosts.iter().cloned()).collect();
        let signed = grants.iter().filter_map(|grant| signed.remove(&grant.id)).collect();
        if let Some(revision) = self.ledger.put_signed(signed, Vec::new())? {
            self.wakes.wake(&hosts, revision);
        }
        if !hosts.is_empty() {
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
        let why = format!(
            "host {host} holds revision {held} and this database is at {revision}: it lost commits, by a restore or a failover; \
             run `jit-hub recover` as root"
        );
        let before = self.lost.lock().unwrap_or_else(PoisonError::into_inner).replace(why.clone());
        if before.is_none() {
            self.log.put(Level::Err, why);
        }
        Ok(())
    }
}
