//! The first step of a request: opened, refused at once, or decided at once by the rule itself.

use crate::Refusal;
use crate::change::Change;
use crate::request::{Afterwards, Ask, Decider, Kind, Request, RequestState};
use crate::rule::{Auto, BreakGlass, Extend, Rule, are_met, most_seats};
use crate::step::{Facts, Stepped, is_as_long, longer, yields};
use access::{GrantId, Person, Span, Time};
use std::collections::BTreeSet;

/// A new request, or why the rule refuses it at once. `mint` is the id of the grant it may yield.
pub fn open(ask: Ask, rule: &Rule, facts: &Facts, mint: GrantId, now: Time) -> Result<Stepped, Refusal> {
    makes_sense(&ask)?;
    says_enough(&ask, rule)?;
    match ask.kind {
        Kind::Access => access(ask, rule, facts, mint, now),
        Kind::Extend { .. } => extend(ask, rule, facts, now),
        Kind::BreakGlass => break_glass(ask, rule, facts, mint, now),
        Kind::Standing => Err(Refusal::Senseless("only the policy gives standing access".to_owned())),
    }
}

fn makes_sense(ask: &Ask) -> Result<(), Refusal> {
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
    Ok(())
}

/// What the rule wants to read. A login that was refused says what it can, so where the rule wants more the
/// person asks by command.
fn says_enough(ask: &Ask, rule: &Rule) -> Result<(), Refusal> {
    let written = ask.reason.as_str().chars().count();
    if written < rule.wants.reason_min {
        return Err(Refusal::ReasonTooShort { least: rule.wants.reason_min, rule: rule.id.clone() });
    }
    if let Some(pattern) = &rule.wants.ticket
        && !ask.ticket.as_ref().is_some_and(|ticket| pattern.is_match(ticket.as_str()))
    {
        let pattern = rule.wants.ticket_pattern().unwrap_or_default();
        return Err(Refusal::Ticket { pattern, rule: rule.id.clone() });
    }
    let extends = matches!(ask.kind, Kind::Extend { .. });
    if rule.wants.pin && ask.source.is_none() && !extends {
        return Err(Refusal::NoAddress { rule: rule.id.clone() });
    }
    Ok(())
}

fn access(ask: Ask, rule: &Rule, facts: &Facts, mint: GrantId, now: Time) -> Result<Stepped, Refusal> {
    if ask.length > rule.longest {
        return Err(Refusal::TooLong { asked: ask.length, longest: rule.longest, rule: rule.id.clone() });
    }
    let mut request = pending(ask, rule, now);
    let RequestState::Pending { until } = &mut request.state else {
        return Err(Refusal::AlreadyReviewed(request.ask.id));
    };
    if let Some(starts) = request.ask.starts {
        if starts > now + rule.ahead.delta() {
            return Err(Refusal::TooFarAhead { ahead: rule.ahead, rule: rule.id.clone() });
        }
        let over = starts + request.ask.length.delta();
        if over <= now {
            return Err(Refusal::Over(over));
        }
        *until = (*until).min(over);
    }
    let auto = rule.auto.as_ref().map(|auto| judged(auto, &request.ask, facts));
    match auto {
        Some(Ok(saw)) => at_once(request, rule, saw, mint, now),
        Some(Err(missed)) => waits(request, rule, Some(&missed)),
        None => waits(request, rule, None),
    }
}

/// What the rule saw if it approves by itself, or what was missing.
fn judged(auto: &Auto, ask: &Ask, facts: &Facts) -> Result<Vec<String>, String> {
    let (saw, missed) = conditions(auto, ask, facts);
    if missed.is_empty() { Ok(saw) } else { Err(missed.join("; ")) }
}

/// The conditions on which the rule approves by itself: those that hold, and those that do not.
pub(crate) fn conditions(auto: &Auto, ask: &Ask, facts: &Facts) -> (Vec<String>, Vec<String>) {
    let mut missed = auto.missed.clone();
    // Others could use up what it gives them, quota and grants.
    if ask.asked_by != ask.person {
        missed.push(format!("{} asks for it, and it gives by itself to who asks alone", ask.asked_by));
    }
    if let Some(longest) = auto.longest
        && ask.length > longest
    {
        missed.push(format!("{} is longer than the {longest} that it gives by itself", ask.length));
    }
    let mut saw = auto.held.clone();
    if let Some(quota) = auto.quota {
        let used = format!("{} of {} per {} used", facts.auto_used, quota.count, quota.per);
        if facts.auto_used < quota.count { saw.push(used) } else { missed.push(used) }
    }
    (saw, missed)
}

fn extend(ask: Ask, rule: &Rule, facts: &Facts, now: Time) -> Result<Stepped, Refusal> {
    let none = || Refusal::NoExtension { rule: rule.id.clone() };
    let extend = rule.extend.as_ref().ok_or_else(none)?;
    if ask.length > extend.longest {
        return Err(Refusal::TooLong { asked: ask.length, longest: extend.longest, rule: rule.id.clone() });
    }
    let held = facts.held.as_ref().ok_or_else(none)?;
    is_as_long(&ask, &held.grant)?;
    if ask.person != held.grant.person || ask.asked_by != held.grant.person {
        return Err(Refusal::NotYourGrant {
            grant: held.grant.id,
            by: ask.asked_by,
            what: "extend",
            can: "only its holder can",
        });
    }
    // Asked now what could be refused only at the approval.
    let grant = longer(held, ask.length, rule, &[], now)?;
    let mut request = pending(ask, rule, now);
    let missed = match extends_by_itself(extend, rule, &request.ask, facts) {
        Some(Ok(mut saw)) => {
            saw.push(format!("extension {} of {}", grant.extended, extend.count));
            let by = Decider::Rule { saw };
            request.state = RequestState::Approved { at: now, grant: grant.id, by };
            return Ok(Stepped {
                request,
                grant: Some(grant),
                changes: vec![Change::Requested, Change::Extended],
            });
        }
        Some(Err(missed)) => Some(missed),
        None => None,
    };
    if let RequestState::Pending { until } = &mut request.state {
        *until = (*until).min(held.ends);
    }
    waits(request, rule, missed.as_deref())
}

/// What the rule saw if nobody has to agree to this extension, or what was missing; neither where people do. A rule that has
/// nobody agree to a grant gives no more by extensions than at once: all of it must be what it approves by itself.
pub(crate) fn extends_by_itself(
    extend: &Extend,
    rule: &Rule,
    ask: &Ask,
    facts: &Facts,
) -> Option<Result<Vec<String>, String>> {
    if extend.free {
        return Some(Ok(Vec::new()));
    }
    let auto = rule.auto.as_ref().filter(|_| extend.steps.is_empty())?;
    let before = ask.before.map_or(0, Span::as_seconds);
    let whole = Span::seconds(before.saturating_add(ask.length.as_seconds())).unwrap_or(Span::LONGEST);
    Some(judged(auto, &Ask { length: whole, ..ask.clone() }, facts))
}

fn break_glass(ask: Ask, rule: &Rule, facts: &Facts, mint: GrantId, now: Time) -> Result<Stepped, Refusal> {
    let none = |who| Refusal::NoBreakGlass { rule: rule.id.clone(), who };
    let glass: &BreakGlass = rule.break_glass.as_ref().ok_or_else(|| none(Vec::new()))?;
    if ask.asked_by != ask.person {
        return Err(Refusal::Senseless("glass is broken for oneself: ask for nobody else".to_owned()));
    }
    if !glass.who.contains(&ask.person) {
        return Err(none(glass.who.iter().cloned().collect()));
    }
    if ask.starts.is_some() {
        return Err(Refusal::Senseless("glass is broken now: ask for no other start".to_owned()));
    }
    if ask.length > glass.longest {
        return Err(Refusal::TooLong { asked: ask.length, longest: glass.longest, rule: rule.id.clone() });
    }
    if let (true, Some(unseen)) = (glass.block_next, facts.unseen.first()) {
        return Err(Refusal::Unseen { request: *unseen, by: glass.review_by.iter().cloned().collect() });
    }
    let mut review_by: BTreeSet<&Person> = glass.review_by.iter().collect();
    review_by.remove(&ask.person);
    if review_by.is_empty() {
        return Err(Refusal::Senseless(format!(
            "rule \"{}\" names nobody but {} to look at it afterwards: ask as usual",
            rule.id, ask.person
        )));
    }
    let saw = vec![format!("{} broke the glass", ask.person)];
    let mut stepped = at_once(pending(ask, rule, now), rule, saw, mint, now)?;
    stepped.changes = vec![Change::Requested, Change::BreakGlass];
    stepped.request.afterwards =
        Some(Afterwards { due: now + glass.within.delta(), overdue: false, review: None });
    Ok(stepped)
}

fn pending(ask: Ask, rule: &Rule, now: Time) -> Request {
    Request {
        escalates: rule.escalations.first().map(|first| ask.asked_at + first.after.delta()),
        rule: rule.id.clone(),
        state: RequestState::Pending { until: now + rule.pending.delta() },
        reviews: Vec::new(),
        escalated: None,
        afterwards: None,
        ask,
    }
}

/// Approved by the rule itself.
fn at_once(
    mut request: Request,
    rule: &Rule,
    saw: Vec<String>,
    mint: GrantId,
    now: Time,
) -> Result<Stepped, Refusal> {
    let by = Decider::Rule { saw };
    let grant = yields(&request, rule, mint, Vec::new(), now)?;
    request.state = RequestState::Approved { at: now, grant: grant.id, by };
    request.escalates = None;
    Ok(Stepped { request, grant: Some(grant), changes: vec![Change::Requested, Change::Approved] })
}

/// Waits for people, if there are any who could agree. `missed` says why the rule did not by itself.
fn waits(request: Request, rule: &Rule, missed: Option<&str>) -> Result<Stepped, Refusal> {
    // Those who come in later count too: somebody can agree in time.
    let steps = rule.steps_after(&request, Some(Span::LONGEST));
    let (by, whose) = (&request.ask.asked_by, &request.ask.person);
    let could: BTreeSet<&Person> =
        steps.iter().flat_map(|step| &step.from).filter(|person| *person != by && *person != whose).collect();
    if steps.is_empty() || !are_met(&steps, &could) {
        return Err(Refusal::NobodyCouldApprove(why_nobody(&request, rule, &could, missed)));
    }
    Ok(Stepped { request, grant: None, changes: vec![Change::Requested] })
}

fn why_nobody(request: &Request, rule: &Rule, could: &BTreeSet<&Person>, missed: Option<&str>) -> String {
    let (ask, id) = (&request.ask, &rule.id);
    let steps = rule.steps_of(request);
    if steps.is_empty() {
        return match (missed, &rule.break_glass) {
            (Some(missed), _) => format!("rule \"{id}\" approves only by itself, and not now: {missed}"),
            (None, Some(_)) => format!("rule \"{id}\" gives it only to who breaks glass"),
            (None, None) => format!("rule \"{id}\" names no approvers for it"),
        };
    }
    let from: Vec<_> = steps.iter().map(|step| format!("{} of {}", step.need, step.named)).collect();
    let own = if ask.asked_by == ask.person {
        ask.person.to_string()
    } else {
        format!("{} and {}", ask.asked_by, ask.person)
    };
    let left = match most_seats(&steps, could) {
        0 => "there is nobody".to_owned(),
        1 => "there is only 1".to_owned(),
        seats => format!("there are only {seats}"),
    };
    let by_itself = missed.map(|why| format!("; it does not approve by itself either: {why}"));
    format!(
        "rule \"{id}\" needs {}, and without {own} {left}{}",
        from.join(" and "),
        by_itself.unwrap_or_default()
    )
}
