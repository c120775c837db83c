//! The decision.

use crate::{
    Claim, Ended, EndedHow, Grant, GrantId, Local, Now, Phase, Question, Reason, Time, View, Window,
};
use std::sync::Arc;

/// A verdict with its reason, and the grant it rests on or came nearest to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why; also says whether, see [`Reason::allows`].
    pub reason: Reason,
    /// The grant that carries it, or for a refusal the nearest miss.
    pub grant: Option<Arc<Grant>>,
    /// First instant that grant is no longer good on this host; for a refusal, when it ended or would.
    pub ends: Option<Time>,
    /// The first-use clock that this decision starts. It must be durable before anybody is let in.
    pub claim: Option<Claim>,
}

impl Decision {
    /// Whether the door opens.
    pub fn allows(&self) -> bool {
        self.reason.allows()
    }

    fn bare(reason: Reason) -> Self {
        Self { reason, grant: None, ends: None, claim: None }
    }
}

/// How one grant answers the question: by carrying it, or by the check it fails.
///
/// The order is how near it came: a grant that fails a later check was nearer. Of two that fail the same check, one that
/// is not over speaks, and of those the one that ends later. Of two that carry, no first use is spent while another is
/// good, and of those the one that is good for longer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    WrongHost,
    WrongService,
    WrongRunAs,
    Revoked,
    Released,
    ClaimOver,
    Expired,
    NotYetValid,
    ClockUntrusted,
    WrongSource,
    TooManySessions,
    Carries,
}

/// Whether `question` is let in at `now`, by which grant, and for how long.
///
/// Pure: everything it knows is in its arguments. A refusal never starts a clock, and neither does
/// [`Phase::Auth`].
pub fn decide(view: &View, local: &Local, question: &Question, now: Now) -> Decision {
    if !local.enrolled {
        return Decision::bare(Reason::NotEnrolled);
    }
    let best = view
        .grants_of(&question.subject)
        .iter()
        .map(|grant| {
            let claim = local.claims.get(&grant.id).copied();
            let fit = fit(grant, claim, view, local, question, now);
            let carries = fit == Fit::Carries && claim.is_none();
            let first_use = if carries { Claim::start(&grant.window, now.trusted) } else { None };
            Candidate { fit, first_use, ends: grant.ends(claim.or(first_use)), grant }
        })
        .max_by_key(|candidate| candidate.rank(now));

    if let Some(Candidate { fit: Fit::Carries, first_use, ends, grant }) = best {
        if local.freshness.until(&question.service).is_some_and(|until| now.trusted >= until) {
            return Decision {
                reason: Reason::Stale,
                grant: Some(Arc::clone(grant)),
                ends: Some(ends),
                claim: None,
            };
        }
        let reason = if grant.break_glass { Reason::BreakGlass } else { Reason::Granted };
        let claim = match question.phase {
            Phase::Account | Phase::Open => first_use,
            Phase::Auth => None,
        };
        return Decision { reason, grant: Some(Arc::clone(grant)), ends: Some(ends), claim };
    }
    if question.service.as_str() == "ssh" && view.approvers.contains(&question.subject) {
        return Decision::bare(Reason::Approver);
    }
    match best {
        None => Decision::bare(Reason::NoGrant),
        Some(Candidate { fit, ends, grant, .. }) => {
            Decision { reason: fit.reason(), grant: Some(Arc::clone(grant)), ends: Some(ends), claim: None }
        }
    }
}

/// A grant and how it answers.
struct Candidate<'a> {
    fit: Fit,
    /// The clock that it would start, where it carries and is used for the first time.
    first_use: Option<Claim>,
    /// With that clock.
    ends: Time,
    grant: &'a Arc<Grant>,
}

impl Candidate<'_> {
    /// The highest speaks.
    fn rank(&self, now: Now) -> (Fit, bool, bool, Time, GrantId) {
        let is_over = self.grant.ended.is_some() || now.latest >= self.ends;
        (self.fit, !is_over, self.first_use.is_none(), self.ends, self.grant.id)
    }
}

fn fit(
    grant: &Grant,
    claim: Option<Claim>,
    view: &View,
    local: &Local,
    question: &Question,
    now: Now,
) -> Fit {
    if !grant.hosts.contains(view.host()) {
        return Fit::WrongHost;
    }
    if !grant.services.contains(&question.service) {
        return Fit::WrongService;
    }
    let own_name = if question.service.switches() {
        let becomes = |target| grant.run_as.contains(target);
        grant.names.contains(&question.subject) && question.target.as_ref().is_none_or(becomes)
    } else {
        grant.logins.contains(&question.subject)
    };
    if !own_name {
        return Fit::WrongRunAs;
    }
    match &grant.ended {
        Some(Ended { how: EndedHow::Revoked, .. }) => return Fit::Revoked,
        Some(Ended { how: EndedHow::Released, .. }) => return Fit::Released,
        None => {}
    }
    match (&grant.window, claim) {
        (Window::Approval { expires, .. }, _) if now.latest >= *expires => return Fit::Expired,
        (Window::FirstUse { .. }, Some(claim)) if now.latest >= claim.ends => return Fit::Expired,
        (Window::FirstUse { claim_by, .. }, None) if now.latest >= *claim_by => {
            return Fit::ClaimOver;
        }
        _ => {}
    }
    let starts = grant.window.not_before();
    if now.trusted < starts {
        return Fit::NotYetValid;
    }
    if now.provisional && starts > grant.approved_at {
        return Fit::ClockUntrusted;
    }
    // With a wall clock far ahead, a first use now would be over before it began.
    if claim.is_none() && Claim::start(&grant.window, now.trusted).is_some_and(|use_| now.latest >= use_.ends)
    {
        return Fit::Expired;
    }
    if grant.source.is_some_and(|from| !question.address.is_some_and(|address| from.contains(&address))) {
        return Fit::WrongSource;
    }
    let carried = local.sessions.get(&grant.id).copied().unwrap_or(0);
    let is_part = question.inside.contains(&grant.id);
    if grant.sessions.is_some_and(|most| carried >= most && !is_part) {
        return Fit::TooManySessions;
    }
    Fit::Carries
}

impl Fit {
    const fn reason(self) -> Reason {
        match self {
            Self::WrongHost => Reason::WrongHost,
            Self::WrongService => Reason::WrongService,
            Self::WrongRunAs => Reason::WrongRunAs,
            Self::Revoked => Reason::Revoked,
            Self::Released => Reason::Released,
            Self::ClaimOver => Reason::ClaimOver,
            Self::Expired => Reason::Expired,
            Self::NotYetValid => Reason::NotYetValid,
            Self::ClockUntrusted => Reason::ClockUntrusted,
            Self::WrongSource => Reason::WrongSource,
            Self::TooManySessions => Reason::TooManySessions,
            Self::Carries => Reason::Granted,
        }
    }
}
