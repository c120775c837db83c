//! What the gate, the control socket and the daemon share: one of each for the life of the process.

use crate::accounts::AccountBook;
use crate::clock::Clock;
use crate::config::Config;
use crate::ledger::Ledger;
use crate::log::Log;
use crate::memory::{Changed, Memory};
use crate::policy::Policies;
use access::HostName;
use arc_swap::ArcSwap;
use desk::{Desk, SqliteStore};
use std::sync::Arc;

/// This host, and everything that answers for it.
pub struct Site {
    /// This host.
    pub host: HostName,
    /// The committed state.
    pub memory: Arc<Memory>,
    /// Where decisions and changes become durable.
    pub ledger: Arc<Ledger>,
    /// Requests, reviews, grants.
    pub desk: Arc<Desk<SqliteStore<Changed>>>,
    /// The time.
    pub clock: Arc<Clock>,
    /// Accounts of this host.
    pub accounts: Arc<AccountBook>,
    /// The policy in force, over people and hosts as they are.
    pub policies: Arc<Policies>,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// For what cannot be recorded.
    pub log: Log,
}
