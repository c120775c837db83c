//! Why a question was answered as it was: the closed list.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The reason of a decision. Each belongs to exactly one verdict, so a decision cannot contradict
/// itself; the codes are what logs and programs rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A grant covers it.
    Granted,
    /// Root's own sudo and su.
    Exempt,
    /// An approver over ssh, on a machine with its own desk.
    Approver,
    /// A spare key, decided by the module.
    SpareKey,
    /// A grant somebody gave themselves, to be reviewed afterwards.
    BreakGlass,
    /// The line says `mode=monitor`: would have been refused, was let in.
    Monitor,
    /// No grant at all.
    NoGrant,
    /// The grant starts later.
    NotYetValid,
    /// The time to start using the grant is over.
    ClaimOver,
    /// The grant's time is over.
    Expired,
    /// Taken back.
    Revoked,
    /// Given back.
    Released,
    /// The grant is for other services.
    WrongService,
    /// The grant is for other hosts.
    WrongHost,
    /// The grant is for other login or run-as names.
    WrongRunAs,
    /// The grant is pinned to another client address.
    WrongSource,
    /// The grant carries as many sessions as it may.
    TooManySessions,
    /// The view is too old for a strict service.
    Stale,
    /// This host belongs to no source yet.
    NotEnrolled,
    /// The clock is not confirmed and the grant starts later than its approval.
    ClockUntrusted,
    /// Asked too often.
    RateLimited,
    /// The record could not be made durable.
    JournalFailed,
    /// The daemon could not decide.
    Unavailable,
    /// The question makes no sense.
    BadRequest,
}

impl Reason {
    /// The whole list, in the order of the contract.
    pub const ALL: [Self; 24] = [
        Self::Granted,
        Self::Exempt,
        Self::Approver,
        Self::SpareKey,
        Self::BreakGlass,
        Self::Monitor,
        Self::NoGrant,
        Self::NotYetValid,
        Self::ClaimOver,
        Self::Expired,
        Self::Revoked,
        Self::Released,
        Self::WrongService,
        Self::WrongHost,
        Self::WrongRunAs,
        Self::WrongSource,
        Self::TooManySessions,
        Self::Stale,
        Self::NotEnrolled,
        Self::ClockUntrusted,
        Self::RateLimited,
        Self::JournalFailed,
        Self::Unavailable,
        Self::BadRequest,
    ];

    /// Whether this reason lets in.
    pub const fn allows(self) -> bool {
        matches!(
            self,
            Self::Granted | Self::Exempt | Self::Approver | Self::SpareKey | Self::BreakGlass | Self::Monitor
        )
    }

    /// The code, as logs and answers carry it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Exempt => "exempt",
            Self::Approver => "approver",
            Self::SpareKey => "spare_key",
            Self::BreakGlass => "break_glass",
            Self::Monitor => "monitor",
            Self::NoGrant => "no_grant",
            Self::NotYetValid => "not_yet_valid",
            Self::ClaimOver => "claim_over",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Released => "released",
            Self::WrongService => "wrong_service",
            Self::WrongHost => "wrong_host",
            Self::WrongRunAs => "wrong_run_as",
            Self::WrongSource => "wrong_source",
            Self::TooManySessions => "too_many_sessions",
            Self::Stale => "stale",
            Self::NotEnrolled => "not_enrolled",
            Self::ClockUntrusted => "clock_untrusted",
            Self::RateLimited => "rate_limited",
            Self::JournalFailed => "journal_failed",
            Self::Unavailable => "unavailable",
            Self::BadRequest => "bad_request",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_codes_is_closed() {
        let codes = Reason::ALL.map(Reason::code).join(" ");
        assert_eq!(
            codes,
            "granted exempt approver spare_key break_glass monitor no_grant not_yet_valid claim_over expired \
             revoked released wrong_service wrong_host wrong_run_as wrong_source too_many_sessions stale \
             not_enrolled clock_untrusted rate_limited journal_failed unavailable bad_request"
        );
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
        }
    }

    #[test]
    fn six_reasons_let_in_and_no_other() {
        let open: Vec<_> = Reason::ALL.into_iter().filter(|r| r.allows()).map(Reason::code).collect();
        assert_eq!(open, ["granted", "exempt", "approver", "spare_key", "break_glass", "monitor"]);
    }
}
