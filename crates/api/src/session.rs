//! A session: one login, sudo or su that the gate let in.

use access::{GrantId, HostName, Login, Person, Reason, Service, SessionId, Text, Time};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A session as the daemon keeps it. Its process is known by id, start time and start of the machine
/// together, since process ids are used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
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
    /// Its audit session id, which everything that it starts inherits; `u32::MAX` when unset.
    pub audit_session: u32,
    /// The session that it was opened in: the login around a sudo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<SessionId>,
    /// Whose grant counts.
    pub subject: Login,
    /// Whom they became.
    pub target: Login,
    /// The door.
    pub service: Service,
    /// The terminal as PAM has it.
    pub tty: String,
    /// The client.
    pub rhost: String,
    /// The client's address as sshd tells it, that of the login around it for a sudo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Why it was let in.
    pub reason: Reason,
    /// Whether the PAM line says `mode=monitor`, so that it is never ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub monitored: bool,
    /// When, in trusted time.
    pub opened: Time,
    /// When its login or sudo was over, while something that it started still ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Time>,
    /// Somebody wants it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndAsked>,
}

impl Session {
    /// The grant whose sessions it counts among.
    pub fn counts_for(&self) -> Option<GrantId> {
        self.grant.filter(|_| self.closed.is_none())
    }

    /// Whether somebody came in by it, as against becoming somebody else inside another.
    pub fn is_login(&self) -> bool {
        !self.service.switches()
    }
}

/// `jit end`, as it stands in the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EndAsked {
    /// Who.
    pub by: Person,
    /// When, in trusted time.
    pub at: Time,
    /// Why.
    pub reason: Text,
}

/// Why a session ends before its person ends it, a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Its grant is over by time.
    Expired,
    /// Its grant was taken back.
    Revoked,
    /// Its grant was given back.
    Released,
    /// `jit end`.
    Asked,
    /// The login that it was opened in ends.
    LoginEnded,
    /// Its grant is not there any more: a repair lost it.
    GrantLost,
    /// The hub was not heard for longer than its service allows.
    Stale,
}

impl EndCause {
    /// The name in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Released => "released",
            Self::Asked => "asked",
            Self::LoginEnded => "login_ended",
            Self::GrantLost => "grant_lost",
            Self::Stale => "stale",
        }
    }
}

/// What can happen to a session, a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionChange {
    /// Its login or sudo is over.
    Closed,
    /// It goes on under another grant.
    Moved,
    /// Somebody wants it ended.
    Ending,
    /// It was ended, and nothing of it is left.
    Ended,
    /// A repair took it over from a damaged database.
    Carried,
}

impl SessionChange {
    /// The name in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Closed => "session_closed",
            Self::Moved => "session_moved",
            Self::Ending => "session_ending",
            Self::Ended => "session_ended",
            Self::Carried => "carried",
        }
    }
}

/// A change to a session. The whole session is in it, so that its row can be proved from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionRecord {
    /// Trusted time.
    pub at: Time,
    /// What happened.
    pub change: SessionChange,
    /// The session afterwards.
    pub session: Session,
    /// Who did it; none where time, the policy or the session itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Person>,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text>,
    /// For an end: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<HowEnded>,
    /// In plain words what else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// How a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HowEnded {
    /// Why.
    pub cause: EndCause,
    /// How long it went on after it should have been over, in milliseconds.
    pub overrun_ms: u64,
    /// Processes that carried it.
    pub processes: u32,
    /// Those of them that had to be killed.
    pub killed: u32,
}

/// A session as its reader may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// The host that it is open on, where a hub lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Where it stands.
    pub state: SessionState,
    /// When its grant ends; none for a session that no grant carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Time>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Somebody is in.
    Open,
    /// They left, and something that they started still runs.
    Left,
    /// It is being ended.
    Ending,
}

impl SessionState {
    /// The name in tables.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Left => "left",
            Self::Ending => "ending",
        }
    }
}

/// Query of `GET /v1/sessions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskSessions {
    /// Of this name alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Login>,
    /// On this host alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
}

impl AskSessions {
    /// Whether sessions of this name are asked for.
    pub fn is_of(&self, subject: &Login) -> bool {
        self.user.as_ref().is_none_or(|user| user == subject)
    }
}

/// Ends a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EndSession {
    /// Why; the person reads it.
    pub reason: Text,
    /// On which host, where more than one says that it has a session of that id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
}

/// Something of a person's that runs on, or will, and that no session carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftOver {
    /// Whose.
    pub user: Login,
    /// What, in words: `crontab`, `process 4711 (sleep)`.
    pub what: String,
}

/// What `jitd watch` found where the daemon's own user may not look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WatchReport {
    /// Jobs and lingering managers of any account.
    pub left_over: Vec<LeftOver>,
}
