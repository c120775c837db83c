//! What can happen to requests, grants and the policy.

use serde::{Deserialize, Serialize};

/// A change, as the journal names it; a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A request was opened.
    Requested,
    /// Another rule covers it now.
    Rechecked,
    /// Nobody decided for a while, so others may now too.
    Escalated,
    /// An approver agreed, and more are needed.
    Reviewed,
    /// It was agreed to: there is a grant.
    Approved,
    /// A grant was made longer.
    Extended,
    /// Hosts came to it or left it: it is for those that its rule is about now.
    HostsChanged,
    /// Somebody let themselves in, to be looked at afterwards.
    BreakGlass,
    /// A break glass was looked at.
    LookedAt,
    /// A break glass was not looked at in time.
    Overdue,
    /// An approver, or a policy that changed, said no.
    Denied,
    /// Its author took it back.
    Cancelled,
    /// Nobody decided in time.
    Lapsed,
    /// A grant was taken back.
    Revoked,
    /// A grant was given back.
    Released,
    /// A grant's time is over.
    Expired,
    /// Another policy is in force.
    PolicyApplied,
    /// It was taken over from a damaged database, as it is now.
    Carried,
    /// A hub gave this host a grant, or a new version of one.
    Received,
    /// A hub lists a grant no more, so this host goes by it no more.
    Withdrawn,
}

impl Change {
    /// The name in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Rechecked => "rechecked",
            Self::Escalated => "escalated",
            Self::Reviewed => "reviewed",
            Self::Approved => "approved",
            Self::Extended => "extended",
            Self::HostsChanged => "hosts_changed",
            Self::BreakGlass => "break_glass",
            Self::LookedAt => "looked_at",
            Self::Overdue => "overdue",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Lapsed => "lapsed",
            Self::Revoked => "revoked",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::PolicyApplied => "policy_applied",
            Self::Carried => "carried",
            Self::Received => "received",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether somebody should look at it now: break glass is loud.
    pub const fn is_loud(self) -> bool {
        matches!(self, Self::BreakGlass | Self::Overdue)
    }
}
