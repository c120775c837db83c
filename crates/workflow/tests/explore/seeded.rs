//! Mistakes sown into the engine: the exploration finds each of them, so its silence means something.

use crate::engine::{Engine, PRODUCTION};
use crate::law::{APART, Law, ONE, PART, STEPS, TWO};
use crate::search::explore;
use crate::story::{Story, Wanted, Wish};
use crate::{AGAIN, DEPTH, FULL};
use chrono::TimeDelta;
use std::collections::BTreeSet;
use workflow::{
    Ask, Event, Narrowing, Refusal, Request, RequestState, Review, ReviewVerdict, Rule, Step, Stepped, World,
    digest, step,
};

#[track_caller]
fn finds(engine: Engine, laws: Vec<Law>, first: Wish, what: &str) {
    finds_in(&Story::new(engine, laws, [first, AGAIN]), what);
}

#[track_caller]
fn finds_in(story: &Story, what: &str) {
    let found = explore(story, DEPTH).map_err(|found| format!("{} after {:?}", found.what, found.path));
    assert!(found.as_ref().is_err_and(|found| found.starts_with(what)), "{what} was to be found: {found:?}");
}

#[test]
fn self_approval_through_a_second_name_is_found() {
    let engine = Engine { people: |_| APART, ..PRODUCTION };
    finds(engine, vec![TWO], FULL, "W2: alice-adm reviewed their own request");
}

#[test]
fn one_person_counted_once_in_each_step_is_found() {
    let engine = Engine {
        step: |request, rule, facts, event, now| {
            let stepped = step(request, rule, facts, event.clone(), now)?;
            let (None, Event::Review { .. }, Ok(rule)) = (&stepped.grant, &event, rule) else {
                return Ok(stepped);
            };
            let alone = |of: &Step| Rule { steps: vec![of.clone()], ..rule.clone() };
            let each = rule.steps.iter().map(|of| step(request, Ok(&alone(of)), facts, event.clone(), now));
            let each: Vec<Stepped> = each.collect::<Result<_, _>>().unwrap_or_default();
            let all = each.iter().all(|stepped| stepped.grant.is_some());
            Ok(each.into_iter().next_back().filter(|_| all).unwrap_or(stepped))
        },
        ..PRODUCTION
    };
    finds(
        engine,
        vec![STEPS],
        Wish { by: "bob", of: "bob", seconds: 1800, ..FULL },
        "W2: carol are not enough",
    );
}

#[test]
fn an_approval_after_the_request_expired_is_found() {
    let engine = Engine {
        step: |request, rule, facts, event, now| match request.state {
            RequestState::Pending { until } if matches!(event, Event::Review { .. }) => {
                step(request, rule, facts, event, now.min(until - TimeDelta::seconds(1)))
            }
            _ => step(request, rule, facts, event, now),
        },
        ..PRODUCTION
    };
    finds(engine, vec![PART], Wish { hosts: &["a"], ..FULL }, "W1: approved after it expired");
}

/// The request with every narrowing but the last one forgotten.
fn narrowed_by_the_last(request: &Request) -> Request {
    let whole = ReviewVerdict::Approve { narrowing: Narrowing::default() };
    let forgotten = |review: &Review| match review.verdict {
        ReviewVerdict::Approve { .. } => Review { verdict: whole.clone(), ..review.clone() },
        ReviewVerdict::Deny => review.clone(),
    };
    Request { reviews: request.reviews.iter().map(forgotten).collect(), ..request.clone() }
}

#[test]
fn a_grant_wider_than_all_approvers_agreed_to_is_found() {
    let engine = Engine {
        step: |request, rule, facts, event, now| {
            let Event::Review { review, names, mint } = event else {
                return step(request, rule, facts, event, now);
            };
            let wide = narrowed_by_the_last(request);
            let review = Review { digest: digest(&wide), ..review };
            let mut stepped = step(&wide, rule, facts, Event::Review { review, names, mint }, now)?;
            stepped.request.reviews.splice(..request.reviews.len(), request.reviews.iter().cloned());
            Ok(stepped)
        },
        ..PRODUCTION
    };
    finds(engine, vec![TWO], FULL, "W3: hosts {\"a\", \"b\"}, agreed {\"a\"}");
}

#[test]
fn a_rule_that_covers_only_some_of_the_hosts_is_found() {
    let engine = Engine {
        rule: |world, ask, now| {
            let first: BTreeSet<_> = ask.hosts.first().cloned().into_iter().collect();
            World::rule(world, &Ask { hosts: first, ..ask.clone() }, now)
        },
        ..PRODUCTION
    };
    finds(engine, vec![PART], FULL, "W3: the rule does not cover ssh on b");
}

#[test]
fn a_second_end_is_found() {
    let engine = Engine {
        step: |request, rule, facts, event, now| match step(request, rule, facts, event.clone(), now) {
            Err(Refusal::AlreadyDecided { .. }) => {
                let RequestState::Approved { at, .. } = request.state else {
                    return step(request, rule, facts, event, now);
                };
                let state = RequestState::Pending { until: at + TimeDelta::minutes(10) };
                step(&Request { state, ..request.clone() }, rule, facts, event, now)
            }
            other => other,
        },
        ..PRODUCTION
    };
    finds(engine, vec![PART], Wish { hosts: &["a"], ..FULL }, "W1: a second end");
}

#[test]
fn a_rule_as_it_was_when_it_was_asked_is_found() {
    let engine = Engine {
        rule: |world, ask, now| {
            let people = workflow::People::parse(APART, std::path::Path::new("people.toml")).unwrap();
            let before = World { people: people.into(), ..world.clone() };
            World::rule(&before, ask, now)
        },
        ..PRODUCTION
    };
    let for_carol = Wish { by: "alice-adm", of: "carol", ..FULL };
    finds(engine, vec![TWO], for_carol, "W2: alice and bob");
}

#[test]
fn an_extension_beyond_the_cap_is_found() {
    let engine = Engine {
        open: |ask, rule, facts, mint, now| {
            let mut rule = rule.clone();
            if let Some(extend) = &mut rule.extend {
                extend.total = access::Span::LONGEST;
            }
            workflow::open(ask, &rule, facts, mint, now)
        },
        ..PRODUCTION
    };
    let more = Wish { kind: Wanted::More, seconds: 1200, ..FULL };
    finds_in(&Story::new(engine, vec![ONE], [FULL, more]), "W3: 4800 s in all");
}
