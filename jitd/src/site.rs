//! What the gate, the control socket and the daemon share: one of each for the life of the process.

use crate::accounts::AccountBook;
use crate::clock::Clock;
use crate::config::Config;
use crate::examined::Examined;
use crate::ledger::Ledger;
use crate::memory::{Changed, Memory};
use crate::policy::Policies;
use crate::sessions::Left;
use crate::source::Source;
use access::{HostName, SessionId};
use arc_swap::ArcSwap;
use desk::{Desk, SqlStore};
use loglines::Log;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

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
        let strict = match self.source.hub() {
            Some(_) => self.config.load().hub.max_staleness.clone(),
            None => BTreeMap::new(),
        };
        let strict = strict.into_iter().map(|(service, longest)| (service, longest.delta()));
        self.memory.be_strict(strict.collect());
    }
}
