//! What is found around the daemon that it cannot see itself, and what `mode=monitor` let in.

use access::{HostName, Login, Person, Reason, Service, Time};
use serde::{Deserialize, Serialize};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What was looked at, in a word or two: `module`, `PAM lines`, `sudoers`.
    pub what: String,
    /// What is wrong with it. The same fault has the same words each time.
    pub wrong: String,
    /// What puts it right.
    pub fix: String,
}

/// The last time that spare keys went through the account part of their doors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// When, by the wall clock.
    pub at: Time,
    /// Each that was let in: `rescue at sshd`.
    pub passed: Vec<String>,
    /// Each that was not.
    pub failed: Vec<String>,
}

/// What `jit doctor --report` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DoctorReport {
    /// All that is wrong.
    pub findings: Vec<Finding>,
    /// The last drill, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
}

/// The last report, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Watched {
    /// When it came; none since the daemon started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Whether a later one should have come by now.
    pub late: bool,
    /// All that is wrong.
    pub findings: Vec<Finding>,
    /// The last drill of the spare keys, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
}

/// What `mode=monitor` let in and a gate would not have, of the days before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Monitored {
    /// This host.
    pub host: HostName,
    /// From when on.
    pub since: Time,
    /// Where the look through the journal ended, because there is more of it than one look reads; or since older
    /// records are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<Time>,
    /// PAM services whose lines say `mode=monitor` now.
    pub doors: Vec<String>,
    /// Who would have been refused, by service, the most often first.
    pub refused: Vec<WouldRefuse>,
    /// Further such lines, that one answer has no room for.
    pub more: u64,
}

/// Who would have been refused at one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WouldRefuse {
    /// The service, as grants name it.
    pub service: Service,
    /// By which login.
    pub user: Login,
    /// Whose login that is, where one person has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// Whom they became.
    #[serde(rename = "as")]
    pub run_as: Login,
    /// How often.
    pub times: u64,
    /// The first time.
    pub first: Time,
    /// The last time ...
    pub last: Time,
    /// ... from where, as sshd tells it, ...
    pub from: String,
    /// ... and why it would have been refused.
    pub why: Reason,
    /// The grant that would have covered it, as who needs it asks for it.
    pub request: String,
    /// The rule of the policy that gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the policy makes of that request, in words.
    pub policy: String,
    /// Whether a grant or a role covers it by now.
    pub covered: bool,
}
