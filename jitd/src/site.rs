//! What the gate, the control socket and the daemon share: one of each for the life of the process.

use crate::accounts::AccountBook;
use crate::clock::Clock;
use crate::config::Config;
use crate::examined::Examined;
use crate::ledger::Ledger;
use crate::limits;
use crate::memory::{Changed, Memory};
use crate::policy::Policies;
use crate::sessions::Left;
use crate::source::Source;
use access::{HostName, SessionId};
use api::Record;
use arc_swap::ArcSwap;
use desk::{Desk, SqlStore, Worlds as _};
use frame::Pairs;
use loglines::{Level, Log};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use workflow::World;

/// This host, and everything that answers for it.
pub struct Site {
    /// This host.
    pub host: HostName,
    /// The committed state.
    pub memory: Arc<Memory>,
    /// Where decisions and changes become durable.
    pub ledger: Arc<Ledger>,
    /// Requests, reviews, grants.
    pub desk: Arc<Desk<SqlStore<Changed>>>,
    /// The time.
    pub clock: Arc<Clock>,
    /// Accounts of this host.
    pub accounts: Arc<AccountBook>,
    /// The policy in force, over people and hosts as they are.
    pub policies: Arc<Policies>,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// What the approvers in memory were worked out from, and when.
    pub approvers_of: Mutex<Option<(World, Arc<Config>, Instant)>>,
    /// Sessions that are being ended.
    pub ending: Mutex<HashSet<SessionId>>,
    /// Audit sessions, of this start of the machine, of sessions that are being ended or were.
    pub over: Mutex<BTreeSet<u32>>,
    /// What runs on that no session carries.
    pub left: Left,
    /// What `jit doctor` found around the daemon.
    pub examined: Examined,
    /// Where grants come from.
    pub source: Source,
    /// For what cannot be recorded.
    pub log: Log,
}

impl Site {
    /// What the configuration says of how old may be what is known from a hub.
    pub fn be_strict(&self) {
        let strict = if self.source.has_hub() {
            self.config.load().hub.max_staleness.clone()
        } else {
            BTreeMap::new()
        };
        let strict = strict.into_iter().map(|(service, longest)| (service, longest.delta()));
        self.memory.be_strict(strict.collect());
    }

    /// Who approves follows from the policy and the people, and is worked out when one changed, or when an
    /// absence may have ended.
    pub fn refresh_approvers(&self) {
        let (world, config) = (self.policies.world(), self.config.load_full());
        let mut known = self.approvers_of.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|(before, c, at)| {
            Arc::ptr_eq(&before.policy, &world.policy)
                && Arc::ptr_eq(&before.people, &world.people)
                && Arc::ptr_eq(c, &config)
                && at.elapsed() < limits::APPROVERS_EVERY
        }) {
            return;
        }
        let mut approvers = HashSet::new();
        // Where a hub decides, nobody needs to come in here to approve.
        if config.gate.approvers_log_in && !self.source.has_hub() {
            for person in world.approvers(self.clock.now()) {
                approvers.extend(world.people.get(&person).into_iter().flat_map(|human| human.names.clone()));
            }
        }
        self.memory.set_approvers(approvers);
        *known = Some((world, config, Instant::now()));
    }

    /// Puts something on record that nobody waits for, or tells the log what is not there, and why.
    pub fn record_later(&self, record: Record) {
        let log = self.log.clone();
        self.ledger.append_later(record, move |record, why| {
            let why = Pairs::default().with("unrecorded", &why.to_string()).line();
            log.put(Level::Err, format!("{} {why}", record.line(0)));
        });
    }
}
