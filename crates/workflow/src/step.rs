//! One event on one request: the state that follows, or why it cannot.

use crate::change::Change;
use crate::digest::digest;
use crate::policy::ChatWeight;
use crate::request::{
    Afterwards, Ask, Decider, Kind, Narrowing, Request, RequestState, Review, ReviewVerdict, Scope,
};
use crate::rule::{Clock, Rule, are_met, most_seats};
use crate::{Refusal, limits};
use access::{Ended, EndedHow, Grant, GrantId, Login, Person, RequestId, Set, Span, Time, Window};
use std::collections::BTreeSet;

/// What can happen to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An approver answers.
    Review {
        /// The answer.
        review: Review,
        /// Every login name that the approver has at this moment.
        names: BTreeSet<Login>,
        /// Id for the grant that this may yield.
        mint: GrantId,
    },
    /// The one who asked takes it back.
    Cancel {
        /// Who.
        by: Person,
    },
    /// Policy or people changed.
    Recheck {
        /// Id for the grant that this may yield.
        mint: GrantId,
    },
    /// Time passed.
    Tick,
}

/// What the store knows that bears on a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// How often the rule approved for this person by itself, within its quota's time.
    pub auto_used: u32,
    /// This person's break glasses that nobody has looked at.
    pub unseen: Vec<RequestId>,
    /// The grant that is to be extended, or that a break glass yielded, as it is now.
    pub held: Option<Held>,
}

/// A grant with its end on this host, where its clock may have started by use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The grant.
    pub grant: Grant,
    /// First instant it is no longer good here.
    pub ends: Time,
}

/// What an event did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// The request afterwards.
    pub request: Request,
    /// The grant it yielded or changed.
    pub grant: Option<Grant>,
    /// What happened, in order; nothing, if nothing did.
    pub changes: Vec<Change>,
}

/// Who could approve this request by this rule, now.
pub fn could_approve(request: &Request, rule: &Rule) -> BTreeSet<Person> {
    let ask = &request.ask;
    let mut people: BTreeSet<Person> =
        rule.steps_of(request).into_iter().flat_map(|step| step.from).collect();
    people.retain(|person| *person != ask.asked_by && *person != ask.person);
    people
}

/// Who could say something to this request, now: approve it, or look at it afterwards.
pub fn could_review(request: &Request, rule: &Rule) -> BTreeSet<Person> {
    if request.state.is_pending() {
        return could_approve(request, rule);
    }
    match (&rule.break_glass, request.is_unseen()) {
        (Some(glass), true) => {
            glass.review_by.iter().filter(|person| **person != request.ask.person).cloned().collect()
        }
        _ => BTreeSet::new(),
    }
}

/// What `event` makes of `request` at `now`, the desk's trusted time. `rule` is resolved at this very
/// moment (or in words why none covers the request any more): whoever lost their right since the request
/// was opened has none here.
pub fn step(
    request: &Request,
    rule: Result<&Rule, &str>,
    facts: &Facts,
    event: Event,
    now: Time,
) -> Result<Stepped, Refusal> {
    let id = request.ask.id;
    let RequestState::Pending { until } = &request.state else {
        return match event {
            Event::Tick | Event::Recheck { .. } => Ok(looked_for(request, now)),
            Event::Review { review, names, .. } if request.is_unseen() => {
                looked_at(request, rule, facts, review, &names, now)
            }
            _ => Err(already_decided(request)),
        };
    };
    let late = now >= *until;
    match event {
        Event::Tick | Event::Recheck { .. } if late => {
            Ok(ended(request, RequestState::Expired { at: now }, Change::Lapsed))
        }
        Event::Tick => Ok(match rule {
            Ok(rule) => escalated(request, rule, now),
            Err(why) => denied_by_policy(request, why.to_owned(), now),
        }),
        _ if late => Err(Refusal::AlreadyDecided { request: id, state: "expired", by: String::new() }),
        Event::Cancel { by } if by != request.ask.asked_by && by != request.ask.person => {
            Err(Refusal::NotYours(id))
        }
        Event::Cancel { by } => {
            Ok(ended(request, RequestState::Cancelled { at: now, by }, Change::Cancelled))
        }
        Event::Recheck { mint } => Ok(rechecked(request, rule, facts, mint, now)),
        Event::Review { review, names, mint } => {
            let rule = rule.map_err(|why| Refusal::NotCovered { request: id, why: why.to_owned() })?;
            reviewed(request, rule, facts, review, &names, mint, now)
        }
    }
}

fn reviewed(
    request: &Request,
    rule: &Rule,
    facts: &Facts,
    review: Review,
    names: &BTreeSet<Login>,
    mint: GrantId,
    now: Time,
) -> Result<Stepped, Refusal> {
    let ask = &request.ask;
    has_a_say(request, rule, &review.by, names)?;
    by_chat(request, rule, &review)?;
    if review.digest != digest(request) {
        return Err(Refusal::Changed(ask.id));
    }
    if request.reviews.len() >= limits::REVIEWS {
        return Err(Refusal::TooManyReviews(ask.id));
    }
    let ReviewVerdict::Approve { narrowing } = &review.verdict else {
        let by = Decider::People(vec![review.by.clone()]);
        let state = RequestState::Denied { at: now, by, comment: review.comment.clone() };
        let mut stepped = ended(request, state, Change::Denied);
        stepped.request.reviews.push(review);
        return Ok(stepped);
    };
    // A click in a chat that is worth less than a word elsewhere can be followed by one.
    let is_worth_more = |before: &Review| {
        before.channel.is_chat() && !review.channel.is_chat() && rule.chat != ChatWeight::Full
    };
    if counted(request, rule).iter().any(|before| before.by == review.by && !is_worth_more(before)) {
        return Err(Refusal::AlreadyReviewed(ask.id));
    }
    only_narrows(request, &request.scope(), narrowing)?;
    let mut request = request.clone();
    request.reviews.push(review);
    within(&request, rule, facts)?;
    if let Some(stepped) = concluded(&request, rule, facts, mint, now)? {
        return Ok(stepped);
    }
    if request.reviews.last().is_some_and(|review| review.channel.is_chat()) && has_enough(&request, rule) {
        return Err(Refusal::LastInChat { request: ask.id, rule: rule.id.clone() });
    }
    Ok(Stepped { request, grant: None, changes: vec![Change::Reviewed] })
}

/// Whether the rule takes a word from a chat at all.
fn by_chat(request: &Request, rule: &Rule, review: &Review) -> Result<(), Refusal> {
    if review.channel.is_chat() && rule.chat == ChatWeight::Notify {
        return Err(Refusal::NotInChat { request: request.ask.id, rule: rule.id.clone() });
    }
    Ok(())
}

/// Approvals that count by this rule at this moment, the first first. An approver who lost the right since their
/// review no longer does, nor one whose word came by a chat that counts for nothing now.
fn counted<'a>(request: &'a Request, rule: &Rule) -> Vec<&'a Review> {
    let could = could_approve(request, rule);
    let yes = |review: &&Review| matches!(review.verdict, ReviewVerdict::Approve { .. });
    let counts = |review: &&Review| {
        could.contains(&review.by) && !(review.channel.is_chat() && rule.chat == ChatWeight::Notify)
    };
    request.reviews.iter().filter(yes).filter(counts).collect()
}

/// Those whose approval counts by this rule at this moment, each once, the first first.
pub fn agreed(request: &Request, rule: &Rule) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    for review in counted(request, rule) {
        if !people.contains(&review.by) {
            people.push(review.by.clone());
        }
    }
    people
}

/// How many of those that [`Rule::needs`] says have agreed: who agreed twice to one step leaves another one open.
pub fn has(request: &Request, rule: &Rule) -> usize {
    most_seats(&rule.steps_of(request), &counted(request, rule).iter().map(|review| &review.by).collect())
}

/// Whether so many agreed that it would be approved, were no word of a chat among them.
fn has_enough(request: &Request, rule: &Rule) -> bool {
    let counted = counted(request, rule);
    let people: BTreeSet<&Person> = counted.iter().map(|review| &review.by).collect();
    !people.is_empty() && are_met(&rule.steps_of(request), &people)
}

/// The request as approved, if enough people have agreed.
fn concluded(
    request: &Request,
    rule: &Rule,
    facts: &Facts,
    mint: GrantId,
    now: Time,
) -> Result<Option<Stepped>, Refusal> {
    let mut agreed = counted(request, rule);
    if rule.chat == ChatWeight::FirstOfTwo {
        // The last that is needed came otherwise.
        let last = agreed.iter().rposition(|review| !review.channel.is_chat());
        agreed.truncate(last.map_or(0, |last| last + 1));
    }
    let counted: BTreeSet<&Person> = agreed.iter().map(|review| &review.by).collect();
    if counted.is_empty() || !are_met(&rule.steps_of(request), &counted) {
        return Ok(None);
    }
    let by: Vec<Person> = counted.into_iter().cloned().collect();
    let (grant, change) = match (request.ask.kind, &facts.held) {
        (Kind::Extend { .. }, Some(held)) => {
            (longer(held, request.scope().length, rule, &by, now)?, Change::Extended)
        }
        (Kind::Extend { grant }, None) => {
            return Err(Refusal::Senseless(format!("grant {grant}, which was to be extended, is gone")));
        }
        _ => (yields(request, rule, mint, by.clone(), now)?, Change::Approved),
    };
    let state = RequestState::Approved { at: now, grant: grant.id, by: Decider::People(by) };
    let mut stepped = ended(request, state, change);
    stepped.grant = Some(grant);
    Ok(Some(stepped))
}

/// What a changed policy makes of a request that waits: the rule that covers it now, or a denial.
fn rechecked(
    request: &Request,
    rule: Result<&Rule, &str>,
    facts: &Facts,
    mint: GrantId,
    now: Time,
) -> Stepped {
    let denied = |why: String| denied_by_policy(request, why, now);
    let rule = match rule {
        Ok(rule) => rule,
        Err(why) => return denied(why.to_owned()),
    };
    match within(request, rule, facts) {
        Ok(()) => {}
        Err(Refusal::GivesLess { asked, longest, rule, .. }) => {
            return denied(format!("rule \"{rule}\" gives {longest} at most now, and it was for {asked}"));
        }
        Err(why) => return denied(why.to_string()),
    }
    let mut request = request.clone();
    let before = (request.rule.clone(), request.escalates);
    request.rule.clone_from(&rule.id);
    request.escalates = next_escalation(&request, rule);
    match concluded(&request, rule, facts, mint, now) {
        Ok(Some(stepped)) => return stepped,
        Ok(None) => {}
        Err(why) => return denied(why.to_string()),
    }
    let later = Request { escalated: Some(Span::LONGEST), ..request.clone() };
    let (steps, could) = (rule.steps_of(&later), could_approve(&later, rule));
    if steps.is_empty() || !are_met(&steps, &could.iter().collect()) {
        return denied(format!("rule \"{}\" leaves nobody who could approve it", rule.id));
    }
    let changed = before != (request.rule.clone(), request.escalates);
    Stepped { request, grant: None, changes: if changed { vec![Change::Rechecked] } else { Vec::new() } }
}

/// Whether what is left of a request is no more than the rule gives now: it may give less than when it was asked, or
/// only to a known address. An extension is of a grant as it was when it was asked.
fn within(request: &Request, rule: &Rule, facts: &Facts) -> Result<(), Refusal> {
    if let Some(held) = &facts.held {
        is_as_long(&request.ask, &held.grant)?;
    }
    let longest = match request.ask.kind {
        Kind::Extend { .. } => rule.extend.as_ref().map(|extend| extend.longest),
        _ => Some(rule.longest),
    };
    let longest = longest.ok_or_else(|| Refusal::NoExtension { rule: rule.id.clone() })?;
    if rule.wants.pin && request.ask.source.is_none() && !matches!(request.ask.kind, Kind::Extend { .. }) {
        return Err(Refusal::NoAddress { rule: rule.id.clone() });
    }
    let asked = request.scope().length;
    if asked > longest {
        let (request, rule) = (request.ask.id, rule.id.clone());
        return Err(Refusal::GivesLess { request, asked, longest, rule });
    }
    Ok(())
}

/// Which steps count hangs on how long the grant would be in all, and so does what people agree to: two extensions that
/// were asked of the same length would pass by a step that one after the other meet.
pub(crate) fn is_as_long(ask: &Ask, grant: &Grant) -> Result<(), Refusal> {
    if matches!(ask.kind, Kind::Extend { .. }) && ask.before != length_of(grant) {
        return Err(Refusal::NotAsLong { request: ask.id, grant: grant.id });
    }
    Ok(())
}

/// The request, denied by the policy itself.
pub fn denied_by_policy(request: &Request, why: String, now: Time) -> Stepped {
    let state = RequestState::Denied { at: now, by: Decider::Policy { why }, comment: None };
    ended(request, state, Change::Denied)
}

fn next_escalation(request: &Request, rule: &Rule) -> Option<Time> {
    let next = rule.escalations.iter().find(|next| Some(next.after) > request.escalated)?;
    Some(request.ask.asked_at + next.after.delta())
}

fn escalated(request: &Request, rule: &Rule, now: Time) -> Stepped {
    let mut request = request.clone();
    let (before, was_next) = (request.escalated, request.escalates);
    let due = |after: &Span| request.ask.asked_at + after.delta() <= now;
    let latest = rule.escalations.iter().map(|escalation| escalation.after).filter(due).max();
    request.escalated = before.max(latest);
    request.escalates = next_escalation(&request, rule);
    let changes = match (request.escalated > before, request.escalates == was_next) {
        (true, _) => vec![Change::Escalated],
        (false, false) => vec![Change::Rechecked],
        (false, true) => Vec::new(),
    };
    Stepped { request, grant: None, changes }
}

/// A break glass that nobody looked at in time is told once.
fn looked_for(request: &Request, now: Time) -> Stepped {
    match &request.afterwards {
        Some(afterwards @ Afterwards { due, overdue: false, review: None }) if *due <= now => Stepped {
            request: Request {
                afterwards: Some(Afterwards { overdue: true, ..afterwards.clone() }),
                ..request.clone()
            },
            grant: None,
            changes: vec![Change::Overdue],
        },
        _ => unchanged(request),
    }
}

/// Somebody looks at a break glass: well done, or the grant ends where it still runs.
fn looked_at(
    request: &Request,
    rule: Result<&Rule, &str>,
    facts: &Facts,
    review: Review,
    names: &BTreeSet<Login>,
    now: Time,
) -> Result<Stepped, Refusal> {
    let id = request.ask.id;
    let rule = rule.map_err(|why| Refusal::NotCovered { request: id, why: why.to_owned() })?;
    has_a_say(request, rule, &review.by, names)?;
    by_chat(request, rule, &review)?;
    if review.digest != digest(request) {
        return Err(Refusal::Changed(id));
    }
    let is_well = matches!(review.verdict, ReviewVerdict::Approve { .. });
    if is_well && review.channel.is_chat() && rule.chat == ChatWeight::FirstOfTwo {
        // Whoever looks at it is the only one who does.
        return Err(Refusal::LastInChat { request: id, rule: rule.id.clone() });
    }
    let grant = match (&review.verdict, &facts.held) {
        (ReviewVerdict::Approve { narrowing }, _) if *narrowing != Narrowing::default() => {
            let why = "a break glass is looked at as it was: nothing of it can be cut down";
            return Err(Refusal::Senseless(why.to_owned()));
        }
        (ReviewVerdict::Deny, Some(Held { grant: held, ends })) if held.ended.is_none() && now < *ends => {
            Some(Grant {
                version: held.version + 1,
                ended: Some(Ended {
                    how: EndedHow::Revoked,
                    at: now,
                    by: Some(review.by.clone()),
                    reason: review.comment.clone(),
                }),
                ..held.clone()
            })
        }
        _ => None,
    };
    let mut changes = vec![Change::LookedAt];
    changes.extend(grant.iter().map(|_| Change::Revoked));
    let mut request = request.clone();
    if let Some(afterwards) = &mut request.afterwards {
        afterwards.review = Some(review);
    }
    Ok(Stepped { request, grant, changes })
}

fn has_a_say(request: &Request, rule: &Rule, by: &Person, names: &BTreeSet<Login>) -> Result<(), Refusal> {
    let (id, could) = (request.ask.id, could_review(request, rule));
    if is_own(request, by, names) {
        return Err(Refusal::OwnRequest { request: id, could: could.into_iter().collect() });
    }
    if !could.contains(by) {
        let (by, could) = (by.clone(), could.into_iter().collect());
        return Err(Refusal::NotApprover { request: id, by, could });
    }
    Ok(())
}

/// Whether this is a request of their own, or for their own access, under any of their names.
fn is_own(request: &Request, by: &Person, names: &BTreeSet<Login>) -> bool {
    let ask = &request.ask;
    *by == ask.asked_by
        || *by == ask.person
        || !names.is_disjoint(&ask.names)
        || names.iter().any(|name| name.as_str() == ask.asked_by.as_str())
}

fn only_narrows(request: &Request, scope: &Scope, narrowing: &Narrowing) -> Result<(), Refusal> {
    if narrowing.length.is_some_and(|length| length > scope.length) {
        return Err(Refusal::Widens(format!("at most {} is left of it", scope.length)));
    }
    if matches!(request.ask.kind, Kind::Extend { .. })
        && (narrowing.hosts.is_some() || narrowing.services.is_some())
    {
        return Err(Refusal::Widens("an extension is about time alone".to_owned()));
    }
    if narrowing.hosts.as_ref().is_some_and(|hosts| hosts.is_empty() || !hosts.is_subset(&scope.hosts)) {
        return Err(Refusal::Widens(format!("the hosts left of it are {}", list(&scope.hosts))));
    }
    if narrowing.services.as_ref().is_some_and(|some| some.is_empty() || !some.is_subset(&scope.services)) {
        return Err(Refusal::Widens(format!("the services left of it are {}", list(&scope.services))));
    }
    Ok(())
}

fn list<T: ToString>(names: &BTreeSet<T>) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The grant of an approved request.
pub(crate) fn yields(
    request: &Request,
    rule: &Rule,
    id: GrantId,
    by: Vec<Person>,
    now: Time,
) -> Result<Grant, Refusal> {
    let (ask, scope) = (&request.ask, request.scope());
    let not_before = ask.starts.map_or(now, |starts| starts.max(now));
    // A start that was asked for fixes the end too: approving late does not move the window.
    let expires = ask.starts.unwrap_or(now) + scope.length.delta();
    if expires <= not_before {
        return Err(Refusal::Over(expires));
    }
    let window = match (rule.clock, ask.kind) {
        (Clock::FirstUse { claim_by }, Kind::Access) => {
            let claim_by = not_before + claim_by.delta();
            let length = whole_seconds(expires - not_before).unwrap_or(scope.length);
            Window::FirstUse { not_before, claim_by, length, latest_end: claim_by + length.delta() }
        }
        _ => Window::Approval { not_before, expires },
    };
    let switches = scope.services.iter().any(access::Service::switches);
    Ok(Grant {
        id,
        version: 1,
        request: ask.id,
        person: ask.person.clone(),
        names: ask.names.clone().into(),
        logins: ask.logins().into(),
        hosts: scope.hosts.into(),
        run_as: if switches { ask.targets().into() } else { Set::new() },
        services: scope.services.into(),
        window,
        source: if rule.wants.pin { ask.source.map(Into::into) } else { None },
        sessions: rule.sessions,
        approved_at: now,
        approved_by: by,
        rule: rule.id.clone().into(),
        policy: rule.policy.clone().into(),
        break_glass: ask.kind == Kind::BreakGlass,
        extended: 0,
        ended: None,
    })
}

/// The next version of `held`, longer by `length`.
pub(crate) fn longer(
    held: &Held,
    length: Span,
    rule: &Rule,
    by: &[Person],
    now: Time,
) -> Result<Grant, Refusal> {
    let extend = rule.extend.as_ref().ok_or_else(|| Refusal::NoExtension { rule: rule.id.clone() })?;
    let Held { grant: held, ends } = held;
    if held.break_glass {
        // Its length is what somebody gave themself alone.
        return Err(Refusal::NoExtension { rule: rule.id.clone() });
    }
    if let Some(Ended { how, .. }) = &held.ended {
        let state = match how {
            EndedHow::Revoked => access::GrantState::Revoked,
            EndedHow::Released => access::GrantState::Released,
        };
        return Err(Refusal::AlreadyEnded { grant: held.id, state });
    }
    if now >= *ends {
        return Err(Refusal::AlreadyEnded { grant: held.id, state: access::GrantState::Expired });
    }
    if held.extended >= extend.count {
        return Err(Refusal::TooManyExtensions { grant: held.id, count: extend.count });
    }
    let (window, total) = match held.window {
        Window::Approval { not_before, expires } => {
            let expires = expires + length.delta();
            (Window::Approval { not_before, expires }, expires - not_before)
        }
        Window::FirstUse { not_before, claim_by, length: before, latest_end } => {
            let total = before.delta() + length.delta();
            let length = whole_seconds(total).unwrap_or(before);
            let latest_end = latest_end + (length.delta() - before.delta());
            (Window::FirstUse { not_before, claim_by, length, latest_end }, total)
        }
    };
    if total > extend.total.delta() {
        return Err(Refusal::ExtendedTooFar { grant: held.id, total: extend.total });
    }
    let mut approved_by = held.approved_by.clone();
    approved_by.extend(by.iter().filter(|person| !held.approved_by.contains(person)).cloned());
    Ok(Grant { version: held.version + 1, extended: held.extended + 1, window, approved_by, ..held.clone() })
}

/// How long a grant lets in.
pub fn length_of(grant: &Grant) -> Option<Span> {
    match grant.window {
        Window::Approval { not_before, expires } => whole_seconds(expires - not_before),
        Window::FirstUse { length, .. } => Some(length),
    }
}

fn whole_seconds(length: chrono::TimeDelta) -> Option<Span> {
    u32::try_from(length.num_seconds()).ok().and_then(Span::seconds)
}

fn unchanged(request: &Request) -> Stepped {
    Stepped { request: request.clone(), grant: None, changes: Vec::new() }
}

fn ended(request: &Request, state: RequestState, change: Change) -> Stepped {
    let request = Request { state, escalates: None, ..request.clone() };
    Stepped { request, grant: None, changes: vec![change] }
}

fn already_decided(request: &Request) -> Refusal {
    let by = match &request.state {
        RequestState::Approved { by, .. } | RequestState::Denied { by, .. } => by.to_string(),
        RequestState::Cancelled { by, .. } => by.to_string(),
        RequestState::Pending { .. } | RequestState::Expired { .. } => String::new(),
    };
    Refusal::AlreadyDecided { request: request.ask.id, state: request.state.code(), by }
}
