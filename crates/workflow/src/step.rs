//! One event on one request: the state that follows, or why it cannot.

use crate::digest::digest;
use crate::request::{Narrowing, Request, RequestState, Review, ReviewVerdict, Scope};
use crate::rule::{Clock, Rule};
use crate::{Ask, Refusal, limits};
use access::{Grant, GrantId, Person, Span, Time, Window};
use std::collections::BTreeSet;

/// What can happen to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An approver answers. The grant id is minted by the caller and used only if this yields one.
    Review {
        /// The answer.
        review: Review,
        /// Id for the grant that this may yield.
        mint: GrantId,
    },
    /// The one who asked takes it back.
    Cancel {
        /// Who.
        by: Person,
    },
    /// Time passed.
    Tick,
}

/// What an event did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// The request afterwards.
    pub request: Request,
    /// The grant it yielded, if it was approved by this event.
    pub grant: Option<Grant>,
}

/// A new request, or why the rule refuses it at once.
pub fn open(ask: Ask, rule: &Rule, now: Time) -> Result<Request, Refusal> {
    if ask.hosts.is_empty() || ask.services.is_empty() || ask.names.is_empty() {
        return Err(Refusal::Senseless("a request names at least one host, service and login".to_owned()));
    }
    for (what, count, most) in [
        ("hosts", ask.hosts.len(), access::limits::HOSTS),
        ("services", ask.services.len(), access::limits::NAMES),
    ] {
        if count > most {
            let why = format!("{count} {what} are more than the {most} that one request can name: split it");
            return Err(Refusal::Senseless(why));
        }
    }
    if ask.length > rule.longest {
        return Err(Refusal::TooLong { asked: ask.length, longest: rule.longest, rule: rule.id.clone() });
    }
    let mut until = now + rule.pending.delta();
    if let Some(starts) = ask.starts {
        if starts > now + rule.ahead.delta() {
            return Err(Refusal::TooFarAhead { ahead: rule.ahead, rule: rule.id.clone() });
        }
        let over = starts + ask.length.delta();
        if over <= now {
            return Err(Refusal::Over(over));
        }
        until = until.min(over);
    }
    let could = could_approve(&ask, rule);
    if !rule.is_met_by(&could) {
        let from: Vec<_> = rule.steps.iter().map(|step| format!("{} of {}", step.need, step.named)).collect();
        return Err(Refusal::NobodyCouldApprove(format!(
            "rule \"{}\" needs {}, and without {} there are {}",
            rule.id,
            from.join(" and "),
            if ask.asked_by == ask.person {
                ask.person.to_string()
            } else {
                format!("{} and {}", ask.asked_by, ask.person)
            },
            could.len(),
        )));
    }
    Ok(Request { rule: rule.id.clone(), state: RequestState::Pending { until }, reviews: Vec::new(), ask })
}

/// Who could approve this ask by this rule, now.
pub fn could_approve<'a>(ask: &Ask, rule: &'a Rule) -> BTreeSet<&'a Person> {
    let mut people: BTreeSet<_> = rule.steps.iter().flat_map(|step| &step.from).collect();
    people.retain(|person| **person != ask.asked_by && **person != ask.person);
    people
}

/// What `event` makes of `request` at `now`, the desk's trusted time. `rule` is resolved at this very
/// moment: whoever lost their right since the request was opened has none here.
pub fn step(request: &Request, rule: &Rule, event: Event, now: Time) -> Result<Stepped, Refusal> {
    let id = request.ask.id;
    let RequestState::Pending { until } = &request.state else {
        return match event {
            Event::Tick => Ok(Stepped { request: request.clone(), grant: None }),
            _ => Err(already_decided(request)),
        };
    };
    let late = now >= *until;
    match event {
        Event::Tick if late => Ok(ended(request, RequestState::Expired { at: now })),
        Event::Tick => Ok(Stepped { request: request.clone(), grant: None }),
        _ if late => Err(Refusal::AlreadyDecided { request: id, state: "expired", by: Vec::new() }),
        Event::Cancel { by } if by != request.ask.asked_by && by != request.ask.person => {
            Err(Refusal::NotYours(id))
        }
        Event::Cancel { by } => Ok(ended(request, RequestState::Cancelled { at: now, by })),
        Event::Review { review, mint } => reviewed(request, rule, review, mint, now),
    }
}

fn reviewed(
    request: &Request,
    rule: &Rule,
    review: Review,
    mint: GrantId,
    now: Time,
) -> Result<Stepped, Refusal> {
    let ask = &request.ask;
    if review.by == ask.asked_by || review.by == ask.person {
        return Err(Refusal::OwnRequest(ask.id));
    }
    let could = could_approve(ask, rule);
    if !could.contains(&review.by) {
        return Err(Refusal::NotApprover {
            request: ask.id,
            by: review.by,
            could: could.into_iter().cloned().collect(),
        });
    }
    if review.digest != digest(request) {
        return Err(Refusal::Changed(ask.id));
    }
    if request.reviews.len() >= limits::REVIEWS {
        return Err(Refusal::TooManyReviews(ask.id));
    }
    let ReviewVerdict::Approve { narrowing } = &review.verdict else {
        let state = RequestState::Denied { at: now, by: review.by.clone(), comment: review.comment.clone() };
        let mut stepped = ended(request, state);
        stepped.request.reviews.push(review);
        return Ok(stepped);
    };
    if request.approved_by().contains(&review.by) {
        return Err(Refusal::AlreadyReviewed(ask.id));
    }
    only_narrows(&request.scope(), narrowing)?;

    let mut request = request.clone();
    request.reviews.push(review);
    let approved_by = request.approved_by();
    // An approver who lost the right since their review no longer counts.
    let counted: BTreeSet<_> = approved_by.iter().filter(|person| could.contains(person)).collect();
    if !rule.is_met_by(&counted) {
        return Ok(Stepped { request, grant: None });
    }
    let by: Vec<Person> = counted.into_iter().cloned().collect();
    let grant = yields(&request, rule, mint, by.clone(), now)?;
    request.state = RequestState::Approved { at: now, grant: grant.id, by };
    Ok(Stepped { request, grant: Some(grant) })
}

fn only_narrows(scope: &Scope, narrowing: &Narrowing) -> Result<(), Refusal> {
    if narrowing.length.is_some_and(|length| length > scope.length) {
        return Err(Refusal::Widens(format!("at most {} is left of what was asked", scope.length)));
    }
    if narrowing.hosts.as_ref().is_some_and(|hosts| hosts.is_empty() || !hosts.is_subset(&scope.hosts)) {
        return Err(Refusal::Widens(format!("the hosts are {}", list(&scope.hosts))));
    }
    if narrowing.services.as_ref().is_some_and(|some| some.is_empty() || !some.is_subset(&scope.services)) {
        return Err(Refusal::Widens(format!("the services are {}", list(&scope.services))));
    }
    Ok(())
}

fn list<T: ToString>(names: &BTreeSet<T>) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn yields(request: &Request, rule: &Rule, id: GrantId, by: Vec<Person>, now: Time) -> Result<Grant, Refusal> {
    let (ask, scope) = (&request.ask, request.scope());
    let not_before = ask.starts.map_or(now, |starts| starts.max(now));
    // A start that was asked for fixes the end too: approving late does not move the window.
    let expires = ask.starts.unwrap_or(now) + scope.length.delta();
    if expires <= not_before {
        return Err(Refusal::Over(expires));
    }
    let window = match rule.clock {
        Clock::Approval => Window::Approval { not_before, expires },
        Clock::FirstUse { claim_by } => {
            let claim_by = not_before + claim_by.delta();
            let length = whole_seconds(expires - not_before).unwrap_or(scope.length);
            Window::FirstUse { not_before, claim_by, length, latest_end: claim_by + length.delta() }
        }
    };
    let switches = scope.services.iter().any(access::Service::switches);
    Ok(Grant {
        id,
        version: 1,
        request: ask.id,
        person: ask.person.clone(),
        names: ask.names.clone(),
        logins: ask.logins(),
        hosts: scope.hosts,
        run_as: if switches { ask.targets() } else { BTreeSet::new() },
        services: scope.services,
        window,
        source: None,
        sessions: None,
        approved_at: now,
        approved_by: by,
        rule: rule.id.clone(),
        policy: rule.policy.clone(),
        break_glass: false,
        ended: None,
    })
}

fn whole_seconds(length: chrono::TimeDelta) -> Option<Span> {
    u32::try_from(length.num_seconds()).ok().and_then(Span::seconds)
}

fn ended(request: &Request, state: RequestState) -> Stepped {
    Stepped { request: Request { state, ..request.clone() }, grant: None }
}

fn already_decided(request: &Request) -> Refusal {
    let by = match &request.state {
        RequestState::Approved { by, .. } => by.clone(),
        RequestState::Denied { by, .. } | RequestState::Cancelled { by, .. } => vec![by.clone()],
        RequestState::Pending { .. } | RequestState::Expired { .. } => Vec::new(),
    };
    Refusal::AlreadyDecided { request: request.ask.id, state: request.state.code(), by }
}
