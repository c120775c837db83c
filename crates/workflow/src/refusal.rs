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
        /// Who brought it there, in words; nobody for time.
        by: String,
    },
    /// Its own author.
    #[error("request {request} is yours or gives you access, so somebody else must review it: {}", can(.could))]
    OwnRequest {
        /// Which.
        request: RequestId,
        /// Who can.
        could: Vec<Person>,
    },
    /// No right to.
    #[error("{by} may not review request {request}: {}", can(.could))]
    NotApprover {
        /// Which.
        request: RequestId,
        /// Who tried.
        by: Person,
        /// Who could.
        could: Vec<Person>,
    },
    /// One person is one voice.
    #[error("you already approved request {0}: it waits for somebody else")]
    AlreadyReviewed(RequestId),
    /// A rule that takes no word from a chat.
    #[error(
        "rule \"{rule}\" counts no click in a chat for request {request}: review it on the web page of the hub, or with jit"
    )]
    NotInChat {
        /// Which.
        request: RequestId,
        /// Which rule.
        rule: String,
    },
    /// A rule by which a chat never decides.
    #[error(
        "this would be the last approval that request {request} needs, and by rule \"{rule}\" that is never a click in a \
         chat: approve it on the web page of the hub, or with jit"
    )]
    LastInChat {
        /// Which.
        request: RequestId,
        /// Which rule.
        rule: String,
    },
    /// What they saw is not what stands now.
    #[error("request {0} changed since you looked at it: look at it again, then review it")]
    Changed(RequestId),
    /// More than was asked.
    #[error("an approval can only cut a request down: {0}")]
    Widens(String),
    /// Too many voices.
    #[error("request {0} has as many reviews as one can have: cancel it, and ask again")]
    TooManyReviews(RequestId),
    /// Nobody is left to agree.
    #[error("nobody could approve this: {0}. Whoever keeps the policy can change that")]
    NobodyCouldApprove(String),
    /// Longer than the rule gives.
    #[error("{asked} is longer than the {longest} that rule \"{rule}\" gives: ask for {longest} or less")]
    TooLong {
        /// What was asked.
        asked: Span,
        /// What the rule gives.
        longest: Span,
        /// Which rule.
        rule: String,
    },
    /// Longer than the rule gives since the policy changed.
    #[error(
        "rule \"{rule}\" gives {longest} at most now, and request {request} is for {asked}: it can be approved \
         for {longest} or less"
    )]
    GivesLess {
        /// Which.
        request: RequestId,
        /// What is left of it.
        asked: Span,
        /// What the rule gives.
        longest: Span,
        /// Which rule.
        rule: String,
    },
    /// Too few words.
    #[error("rule \"{rule}\" wants a reason of at least {least} characters: say more")]
    ReasonTooShort {
        /// Characters it wants.
        least: usize,
        /// Which rule.
        rule: String,
    },
    /// No ticket, or another sort of ticket.
    #[error("rule \"{rule}\" wants a ticket that looks like {pattern}: name one")]
    Ticket {
        /// What it looks like.
        pattern: String,
        /// Which rule.
        rule: String,
    },
    /// Nothing to pin to.
    #[error(
        "rule \"{rule}\" pins access to the client address that asks, and there is none here: run ssh, \
         and let the refused login ask"
    )]
    NoAddress {
        /// Which rule.
        rule: String,
    },
    /// Not by this rule, or not by this person.
    #[error("rule \"{rule}\" lets {}: ask as usual", only(.who))]
    NoBreakGlass {
        /// Which rule.
        rule: String,
        /// Who could.
        who: Vec<Person>,
    },
    /// The last one was not looked at.
    #[error(
        "you broke glass with request {request}, which nobody has looked at yet ({}): until then ask as usual",
        can(.by)
    )]
    Unseen {
        /// Which.
        request: RequestId,
        /// Who can look at it.
        by: Vec<Person>,
    },
    /// Not by this rule.
    #[error("rule \"{rule}\" extends nothing: ask for a new grant")]
    NoExtension {
        /// Which rule.
        rule: String,
    },
    /// As often as it can be.
    #[error(
        "grant {grant} was extended {}, as often as it can be: ask for a new one",
        times(*.count)
    )]
    TooManyExtensions {
        /// Which.
        grant: GrantId,
        /// How often.
        count: u32,
    },
    /// Another extension came between.
    #[error(
        "grant {grant} was extended since request {request} was asked, and people agree to its whole length: cancel that \
         request, and ask again"
    )]
    NotAsLong {
        /// Which.
        request: RequestId,
        /// Which grant.
        grant: GrantId,
    },
    /// Longer than it can become.
    #[error("grant {grant} can be {total} long at most with all extensions: ask for less, or for a new one")]
    ExtendedTooFar {
        /// Which.
        grant: GrantId,
        /// How long in all.
        total: Span,
    },
    /// The policy changed.
    #[error("request {request} cannot be approved any more: {why}")]
    NotCovered {
        /// Which.
        request: RequestId,
        /// Why.
        why: String,
    },
    /// Starts too far ahead.
    #[error(
        "it would start more than {ahead} from now, which rule \"{rule}\" does not allow: ask for an earlier start, or ask later"
    )]
    TooFarAhead {
        /// How far is allowed.
        ahead: Span,
        /// Which rule.
        rule: String,
    },
    /// The time asked for is over.
    #[error("the time that was asked for ended at {}: ask again", .0.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))]
    Over(Time),
    /// The wall clock is so far ahead that it would be over at once.
    #[error(
        "what this would grant ends at {}, and the wall clock here is past that, {} ahead of the time that starts go by: have \
         that clock set right or, if it is right, have root run `jitd clock accept`, and do this again",
        .ends.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        access::for_people(*.wall - *.trusted)
    )]
    OverByTheWall {
        /// Its end.
        ends: Time,
        /// What the wall clock says.
        wall: Time,
        /// What it is at least.
        trusted: Time,
    },
    /// Not theirs to take back.
    #[error(
        "request {0} is not yours: only who asked or gets the access can cancel it, and approvers can deny it"
    )]
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
    #[error("you have {0} pending requests, as many as one person can: cancel one")]
    TooManyPending(u64),
    /// Too much in too short a time.
    #[error("you opened {0} requests within an hour, as many as one person can: try again later")]
    TooManyOpened(u64),
    /// Half of what one person can stays for what they ask for themself.
    #[error(
        "you have {count} {what}, and what is left of the {most} that one person can have is kept for what you ask for \
         yourself: use `jit request`, at a hub after `jit login` or on its pages"
    )]
    TooManyThere {
        /// How many.
        count: u64,
        /// Of what.
        what: &'static str,
        /// As many as one person can.
        most: u64,
    },
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

fn by_whom(by: &str) -> String {
    if by.is_empty() { ", since nobody decided in time".to_owned() } else { format!(" by {by}") }
}

fn only(who: &[Person]) -> String {
    if who.is_empty() {
        "nobody break glass".to_owned()
    } else {
        format!("only {} break glass", some_of(who))
    }
}

fn can(could: &[Person]) -> String {
    if could.is_empty() { "nobody can now".to_owned() } else { format!("{} can", some_of(could)) }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// `bob, carol or 3 others can approve it`.
pub fn who_can(could: &[Person]) -> String {
    if could.is_empty() {
        return "nobody can approve it".to_owned();
    }
    format!("{} can approve it", some_of(could))
}

/// `bob, carol or 3 others`; some people, not none.
pub fn some_of(could: &[Person]) -> String {
    let mut shown: Vec<String> =
        could.iter().take(crate::limits::NAMED_APPROVERS).map(ToString::to_string).collect();
    match could.len().saturating_sub(shown.len()) {
        0 => {}
        1 => shown.push("1 other".to_owned()),
        more => shown.push(format!("{more} others")),
    }
    let last = shown.pop().unwrap_or_default();
    if shown.is_empty() { last } else { format!("{} or {last}", shown.join(", ")) }
}
