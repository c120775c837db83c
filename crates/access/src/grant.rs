//! A grant: who may use which services of which hosts, as whom, and when.

use crate::{GrantId, HostName, Login, Person, RequestId, Service, Set, Span, Text, Time, Word};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What an approved request yields. Its body never changes but by a higher `version`: an end, or
/// (later) an extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Never reused.
    pub id: GrantId,
    /// Starts at 1; a higher one replaces a lower one.
    pub version: u32,
    /// The request that was approved.
    pub request: RequestId,
    /// Who asked and is answerable.
    pub person: Person,
    /// The person's own login names: who may switch (sudo, su) by this grant.
    pub names: Set<Login>,
    /// The login names that this grant opens at a login service: the person's own, or the shared name
    /// that was asked for.
    pub logins: Set<Login>,
    /// Where.
    pub hosts: Set<HostName>,
    /// What for.
    pub services: Set<Service>,
    /// Whom the person may become by sudo and su.
    pub run_as: Set<Login>,
    /// When.
    pub window: Window,
    /// The client addresses it works from, if pinned.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub source: Option<IpNet>,
    /// How many sessions at once it carries on a host, if limited.
    pub sessions: Option<u32>,
    /// The desk's trusted time of the approval.
    pub approved_at: Time,
    /// Who approved; nobody where the rule itself did.
    pub approved_by: Vec<Person>,
    /// The policy rule that allowed it.
    pub rule: Word,
    /// SHA-256 of the policy in force at the approval, in hex.
    pub policy: Word,
    /// Whether the person granted it to themself.
    pub break_glass: bool,
    /// How often it was extended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extended: u32,
    /// Its early end, if it had one. Once set it stays.
    pub ended: Option<Ended>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// When a grant is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "clock", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Window {
    /// The clock runs from the approval or a later start.
    Approval {
        /// First instant it is good.
        not_before: Time,
        /// First instant it is not.
        expires: Time,
    },
    /// The clock starts at the first use on each host; reconnecting adds nothing.
    FirstUse {
        /// First instant it can be claimed.
        not_before: Time,
        /// First instant it can no longer be claimed.
        claim_by: Time,
        /// How long it is good after the first use.
        length: Span,
        /// The last instant it can end at on any host: `claim_by + length`.
        latest_end: Time,
    },
}

impl Window {
    /// First instant it can be used.
    pub fn not_before(&self) -> Time {
        match self {
            Self::Approval { not_before, .. } | Self::FirstUse { not_before, .. } => *not_before,
        }
    }

    /// The instant after which it is certainly over, on every host.
    pub fn latest_end(&self) -> Time {
        match self {
            Self::Approval { expires, .. } => *expires,
            Self::FirstUse { latest_end, .. } => *latest_end,
        }
    }
}

/// An early end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Taken back or given back.
    pub how: EndedHow,
    /// When.
    pub at: Time,
    /// By whom; nobody for the policy itself.
    pub by: Option<Person>,
    /// Why, in their words; a release needs none.
    pub reason: Option<Text>,
}

/// The two early ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndedHow {
    /// Taken back by somebody with the right to.
    Revoked,
    /// Given back by the person.
    Released,
}

/// The first use of a first-use grant on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// When the clock started, in trusted time.
    pub started: Time,
    /// First instant the grant is no longer good on this host.
    pub ends: Time,
}

impl Claim {
    /// The claim of a grant whose clock starts now, if its clock starts by use.
    pub fn start(window: &Window, now: Time) -> Option<Self> {
        match window {
            Window::Approval { .. } => None,
            Window::FirstUse { length, latest_end, .. } => {
                Some(Self { started: now, ends: (now + length.delta()).min(*latest_end) })
            }
        }
    }
}

/// Where a grant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Starts later.
    Scheduled,
    /// Waits for its first use.
    Unclaimed,
    /// Good.
    Active,
    /// Over by time.
    Expired,
    /// Taken back.
    Revoked,
    /// Given back.
    Released,
}

impl GrantState {
    /// The name in logs and tables.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Unclaimed => "unclaimed",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Released => "released",
        }
    }
}

impl Grant {
    /// Where it stands at `now` on a host that knows `claim` of it.
    pub fn state(&self, claim: Option<Claim>, now: crate::Now) -> GrantState {
        match &self.ended {
            Some(Ended { how: EndedHow::Revoked, .. }) => return GrantState::Revoked,
            Some(Ended { how: EndedHow::Released, .. }) => return GrantState::Released,
            None => {}
        }
        match (&self.window, claim) {
            (Window::Approval { expires, .. }, _) if now.latest >= *expires => GrantState::Expired,
            (Window::FirstUse { .. }, Some(claim)) if now.latest >= claim.ends => GrantState::Expired,
            (Window::FirstUse { claim_by, .. }, None) if now.latest >= *claim_by => GrantState::Expired,
            (window, _) if now.trusted < window.not_before() => GrantState::Scheduled,
            (Window::FirstUse { .. }, None) => GrantState::Unclaimed,
            _ => GrantState::Active,
        }
    }

    /// Holds what it has in common with another once: many grants of a host say the same but for whose they are and when
    /// they are good.
    pub(crate) fn share(&mut self, with: &Self) {
        share(&mut self.person, &with.person);
        share(&mut self.names, &with.names);
        share(&mut self.logins, &self.names);
        share(&mut self.logins, &with.logins);
        share(&mut self.hosts, &with.hosts);
        share(&mut self.services, &with.services);
        share(&mut self.run_as, &with.run_as);
        share(&mut self.rule, &with.rule);
        share(&mut self.policy, &with.policy);
        for (own, with) in self.approved_by.iter_mut().zip(&with.approved_by) {
            share(own, with);
        }
    }

    /// First instant it is no longer good on a host that knows `claim` of it.
    pub fn ends(&self, claim: Option<Claim>) -> Time {
        match (&self.window, claim) {
            (Window::FirstUse { .. }, Some(claim)) => claim.ends,
            (window, _) => window.latest_end(),
        }
    }
}

/// Takes the room of the other one, where both say the same: a copy of a name, a word or a set takes none.
pub(crate) fn share<T: PartialEq + Clone>(own: &mut T, with: &T) {
    if own == with {
        own.clone_from(with);
    }
}
