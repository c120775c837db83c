//! One PAM call, parsed.

use crate::{GrantId, Login, Service, Time};
use std::net::IpAddr;

/// What the gate is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whose grant counts.
    pub subject: Login,
    /// The door.
    pub service: Service,
    /// Whom the subject becomes, where it is known already and is somebody else's account to enter.
    /// Unknown in sudo's account phase, where PAM tells only the invoker.
    pub target: Option<Login>,
    /// The PAM call.
    pub phase: Phase,
    /// The client's address as sshd tells it, where there is a client.
    pub address: Option<IpAddr>,
    /// Grants of the open sessions that this is asked in: what opens inside of a session is part of it, also by their count.
    pub inside: Vec<GrantId>,
}

/// The PAM call that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The decision; may start a first-use clock.
    Account,
    /// The verdict account would give; starts nothing.
    Auth,
    /// The session begins; run-as is known by now.
    Open,
}

/// The time a decision is made at, as a pair that no clock trick can use: starts are judged by what is
/// certainly past, ends by the latest it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// It is at least this late.
    pub trusted: Time,
    /// It could be this late: `max(trusted, wall clock)`.
    pub latest: Time,
    /// The clock is not confirmed since the machine started.
    pub provisional: bool,
}

impl Now {
    /// A clock that is right.
    pub const fn exactly(time: Time) -> Self {
        Self { trusted: time, latest: time, provisional: false }
    }
}
