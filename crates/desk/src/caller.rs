//! Who calls, and what they may.

use access::{Login, Person};
use std::collections::BTreeSet;
use std::net::IpAddr;
use workflow::Channel;

/// The one who calls, as the door they came through made sure.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub person: Person,
    /// By which login.
    pub login: Login,
    /// Every login name they have: one person is one voice under all of them.
    pub names: BTreeSet<Login>,
    /// The client address they came from, where the door knows it.
    pub source: Option<IpAddr>,
    /// Their rights beside their own affairs.
    pub roles: Roles,
    /// The door.
    pub channel: Channel,
    /// Whether the door is sure enough that it is really them to count a review, or why not.
    pub reviews: Result<(), String>,
}

/// Rights beside one's own affairs. Who may review is not here: the policy says so for each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Sees everything, changes nothing.
    pub auditor: bool,
    /// Also revokes grants and ends sessions.
    pub operator: bool,
    /// Also changes policy, people and hosts.
    pub admin: bool,
}

impl Roles {
    /// Whether everybody's affairs are visible.
    pub const fn sees_all(self) -> bool {
        self.auditor || self.operator || self.admin
    }

    /// Whether anybody's grant can be revoked.
    pub const fn revokes(self) -> bool {
        self.operator || self.admin
    }

    /// The names of these rights.
    pub fn names(self) -> Vec<String> {
        [(self.auditor, "auditor"), (self.operator, "operator"), (self.admin, "admin")]
            .into_iter()
            .filter(|(has, _)| *has)
            .map(|(_, name)| name.to_owned())
            .collect()
    }
}
