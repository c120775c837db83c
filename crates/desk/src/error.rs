//! What the desk refuses, and what it answers then.

use api::{Problem, ProblemCode};
use workflow::Refusal;

/// Why the desk did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No rule covers it.
    #[error("{0}")]
    NoRule(String),
    /// No such thing, or not for these eyes.
    #[error("no {what} {id} that you may see: look in the list of all {what}s")]
    NotFound {
        /// Request or grant.
        what: &'static str,
        /// As it was typed.
        id: String,
    },
    /// A short id that fits several.
    #[error("{id} is the start of more than one {what}: type more of it")]
    Ambiguous {
        /// Request or grant.
        what: &'static str,
        /// As it was typed.
        id: String,
    },
    /// Nobody of that name.
    #[error("there is no account {0} here: whoever keeps the policy can name them in people.toml")]
    NoAccount(String),
    /// The door is not sure who it is: what was not done, and why.
    #[error("{0}: {1}")]
    NotThem(&'static str, String),
    /// The same key with another call.
    #[error("this Idempotency-Key was used for another call: use a new one")]
    KeyReused,
    /// The call makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Not this caller's business.
    #[error("{0}")]
    Forbidden(String),
    /// Nobody can ask for anything.
    #[error(
        "no policy is in force: a repair lost it, so nobody can ask for anything and approvers cannot come in. As \
         root, look at /etc/jitd/policy.toml and put it in force with `jit policy apply`"
    )]
    NoPolicy,
    /// Policies were applied between the look at the rules and the write, again and again.
    #[error("the policy was replaced just now, and this was not done: try again")]
    Overtaken,
    /// Something else must be done first.
    #[error("{0}")]
    Busy(String),
    /// Who would do it cannot be asked, or is not in a position to.
    #[error("{0}")]
    Away(String),
    /// It may have been done.
    #[error("it is not known whether this was done: {0}. Look before you do it again")]
    Unsure(String),
    /// The store cannot make anything durable, or is damaged.
    #[error(
        "the store cannot take this now: {0}. Nothing was changed; try again, and see the daemon's log (journalctl -u jitd, \
         on a hub -u jit-hub)"
    )]
    Store(String),
}

impl DeskError {
    /// What the caller is answered.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::Refused(refusal) => match refusal {
                Refusal::AlreadyDecided { .. }
                | Refusal::AlreadyEnded { .. }
                | Refusal::AlreadyReviewed(_)
                | Refusal::Changed(_)
                | Refusal::NotAsLong { .. } => ProblemCode::Conflict,
                Refusal::OwnRequest { .. }
                | Refusal::NotApprover { .. }
                | Refusal::NotYours(_)
                | Refusal::NotInChat { .. }
                | Refusal::LastInChat { .. }
                | Refusal::NotYourGrant { .. } => ProblemCode::Forbidden,
                Refusal::TooManyPending(_)
                | Refusal::TooManyOpened(_)
                | Refusal::TooManyThere { .. }
                | Refusal::TooManyGrants { .. } => ProblemCode::RateLimited,
                _ => ProblemCode::Refused,
            },
            Self::Busy(_) | Self::Overtaken => ProblemCode::RateLimited,
            Self::NoRule(_) | Self::NoAccount(_) => ProblemCode::Refused,
            Self::NotFound { .. } | Self::NoPolicy => ProblemCode::NotFound,
            Self::Ambiguous { .. } | Self::KeyReused | Self::BadRequest(_) => ProblemCode::BadRequest,
            Self::NotThem(..) | Self::Forbidden(_) => ProblemCode::Forbidden,
            Self::Store(_) | Self::Away(_) | Self::Unsure(_) => ProblemCode::Unavailable,
        };
        code.because(self.to_string())
    }
}
