//! What the door, the calls and the daemon share: one of each for the life of the process.

use crate::address::{Seats, Tries};
use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::policy::Policies;
use access::HostName;
use desk::{Committed, Desk, SqliteStore};
use loglines::Log;
use std::sync::Arc;

/// This hub.
pub struct Site {
    /// What the hub is called.
    pub name: HostName,
    /// Requests, reviews, grants.
    pub desk: Arc<Desk<SqliteStore<Committed>>>,
    /// Tokens and roles.
    pub ledger: Ledger,
    /// The policy in force, over people and hosts as they are.
    pub policies: Arc<Policies>,
    /// The time.
    pub clock: Arc<Clock>,
    /// For what cannot be recorded.
    pub log: Log,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Connections by address.
    pub seats: Arc<Seats>,
    /// Tokens that opened nothing, by address.
    pub failed: Tries,
    /// Connections that found no place, by address.
    pub turned_away: Tries,
}
