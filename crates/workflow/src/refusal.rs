//! Why the desk says no to an event: each says what to do next.

use access::{GrantId, GrantState, Person, RequestId, Span, Time};

/// An event that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It reached another end first.
    #[error("request {request} is already {state}{}: nothing was changed", by_whom(.by))]
    AlreadyDecided {
        /// Which.
        request: RequestId,
        /// Its end.
        state: &'static str,
        /// Who brought it there.
        by: Vec<Person>,
    },
    /// Its own author.
    #[error("request {0} is yours or gives you access, so somebody else must review it")]
    OwnRequest(RequestId),
    /// No right to.
    #[error("{by} may not review request {request}: {}", who_can(.could))]
    NotApprover {
        /// Which.
        request: RequestId,
        /// Who tried.
        by: Person,
        /// Who could.
        could: Vec<Person>,
    },
    /// One person is one voice.
    #[error("you already approved request {0}: it waits for other people")]
    AlreadyReviewed(RequestId),
    /// What they saw is not what stands now.
    #[error("request {0} changed since you looked at it: look again with `jit show {0}`, then review it")]
    Changed(RequestId),
    /// More than was asked.
    #[error("an approval can only cut a request down: {0}")]
    Widens(String),
    /// Too many voices.
    #[error("request {0} has as many reviews as one can have")]
    TooManyReviews(RequestId),
    /// Nobody is left to agree.
    #[error("nobody could approve this: {0}")]
    NobodyCouldApprove(String),
    /// Longer than the rule gives.
    #[error(
        "{asked} is longer than the {longest} that rule \"{rule}\" gives: ask with --for {longest} or less"
    )]
    TooLong {
        /// What was asked.
        asked: Span,
        /// What the rule gives.
        longest: Span,
        /// Which rule.
        rule: String,
    },
    /// Starts too far ahead.
    #[error("it would start more than {ahead} from now, which rule \"{rule}\" does not allow: ask later")]
    TooFarAhead {
        /// How far is allowed.
        ahead: Span,
        /// Which rule.
        rule: String,
    },
    /// The time asked for is over.
    #[error("the time that was asked for ended at {0}: ask again")]
    Over(Time),
    /// Not theirs to take back.
    #[error("request {0} is not yours: only who asked or gets the access can cancel it; approvers deny")]
    NotYours(RequestId),
    /// A grant that ended already.
    #[error("grant {grant} is already {}: nothing was changed", .state.code())]
    AlreadyEnded {
        /// Which.
        grant: GrantId,
        /// How.
        state: GrantState,
    },
    /// Not theirs to give back or take back.
    #[error("{by} may not {what} grant {grant}: {can}")]
    NotYourGrant {
        /// Which.
        grant: GrantId,
        /// Who tried.
        by: Person,
        /// What they tried.
        what: &'static str,
        /// Who can.
        can: &'static str,
    },
    /// Too much at once.
    #[error("you have {0} pending requests, as many as one person can: cancel one with `jit cancel ID`")]
    TooManyPending(u64),
    /// Too much in too short a time.
    #[error("you opened {0} requests within an hour, as many as one person can: try again later")]
    TooManyOpened(u64),
    /// More than a decision can look through.
    #[error("{person} holds {count} grants, as many as one person can: revoke or release some first")]
    TooManyGrants {
        /// Who.
        person: Person,
        /// How many.
        count: u64,
    },
    /// It asks for nothing, or for somebody unknown.
    #[error("{0}")]
    Senseless(String),
}

fn by_whom(by: &[Person]) -> String {
    if by.is_empty() { String::new() } else { format!(" by {}", names(by)) }
}

/// `bob, carol or 3 others can approve it`.
pub fn who_can(could: &[Person]) -> String {
    if could.is_empty() {
        return "nobody can approve it".to_owned();
    }
    let mut shown: Vec<String> =
        could.iter().take(crate::limits::NAMED_APPROVERS).map(ToString::to_string).collect();
    match could.len().saturating_sub(shown.len()) {
        0 => {}
        1 => shown.push("1 other".to_owned()),
        more => shown.push(format!("{more} others")),
    }
    let last = shown.pop().unwrap_or_default();
    if shown.is_empty() {
        format!("{last} can approve it")
    } else {
        format!("{} or {last} can approve it", shown.join(", "))
    }
}

fn names(people: &[Person]) -> String {
    people.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
