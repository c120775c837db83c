//! One login or sudo that the gate let in.

use access::{GrantId, Login, Reason, Service, SessionId, Time};
use serde::{Deserialize, Serialize};

/// A session, as it was when it opened. Its process is known by id, start time and start of the machine
/// together, since process ids are used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Never reused.
    pub id: SessionId,
    /// The grant that carries it; none for approvers and exempt logins.
    pub grant: Option<GrantId>,
    /// The start of the machine.
    pub boot: String,
    /// The process that asked: sshd's monitor, sudo.
    pub pid: u32,
    /// When it started, in clock ticks after boot.
    pub start_ticks: u64,
    /// Its audit session id; `u32::MAX` when unset.
    pub audit_session: u32,
    /// Whose grant counts.
    pub subject: Login,
    /// Whom they became.
    pub target: Login,
    /// The door.
    pub service: Service,
    /// The terminal.
    pub tty: String,
    /// The client.
    pub rhost: String,
    /// Why it was let in.
    pub reason: Reason,
    /// When, in trusted time.
    pub opened: Time,
}

impl Session {
    /// Whether its process still runs, in this start of the machine.
    pub fn lives(&self, boot: &str) -> bool {
        let pid = i32::try_from(self.pid).unwrap_or(-1);
        self.boot == boot && crate::peer::start_ticks(pid) == Some(self.start_ticks)
    }
}
