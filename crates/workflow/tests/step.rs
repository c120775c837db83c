//! One event at a time: what it makes of a request, and what it is refused for.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{GrantId, HostName, Login, Person, RequestId, Service, Span, Text, Time, Window};
use std::collections::{BTreeMap, BTreeSet};
use workflow::policy::{ChatWeight, When};
use workflow::{
    Ask, Channel, Clock, Event, Facts, Kind, Narrowing, OnRefusal, Refusal, Request, Review, ReviewVerdict,
    Rule, Step, Stepped, Wants, digest,
};

fn at(second: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

fn people(names: &[&str]) -> BTreeSet<Person> {
    names.iter().map(|name| person(name)).collect()
}

fn hour() -> Span {
    Span::parse("1h").unwrap()
}

fn ask(by: &str, of: &str) -> Ask {
    Ask {
        id: RequestId::from_random(1),
        kind: Kind::Access,
        asked_by: person(by),
        person: person(of),
        names: [Login::parse(of).unwrap()].into(),
        hosts: [HostName::parse("a").unwrap(), HostName::parse("b").unwrap()].into(),
        services: [Service::parse("ssh").unwrap(), Service::parse("sudo").unwrap()].into(),
        labels: BTreeMap::new(),
        run_as: None,
        length: hour(),
        starts: None,
        reason: Text::parse("why").unwrap(),
        ticket: None,
        source: None,
        channel: Channel::Terminal,
        asked_at: at(0),
    }
}

fn rule(steps: &[(&[&str], usize)]) -> Rule {
    Rule {
        id: "r".into(),
        policy: "p".into(),
        wants: Wants::default(),
        default: hour(),
        longest: hour(),
        ahead: Span::parse("7d").unwrap(),
        pending: Span::parse("10m").unwrap(),
        clock: Clock::Approval,
        steps: steps
            .iter()
            .map(|(from, need)| Step {
                from: people(from),
                need: *need,
                when: When::default(),
                named: "group g".into(),
            })
            .collect(),
        sessions: None,
        escalations: Vec::new(),
        auto: None,
        extend: None,
        break_glass: None,
        chat: ChatWeight::Full,
        tell: BTreeSet::new(),
        on_refusal: OnRefusal::Open,
    }
}

fn open(ask: Ask, rule: &Rule, now: Time) -> Result<Request, Refusal> {
    workflow::open(ask, rule, &Facts::default(), GrantId::from_random(7), now).map(|stepped| stepped.request)
}

fn step(request: &Request, rule: &Rule, event: Event, now: Time) -> Result<Stepped, Refusal> {
    workflow::step(request, Ok(rule), &Facts::default(), event, now)
}

fn yes(request: &Request, by: &str) -> Event {
    narrowed(request, by, Narrowing::default())
}

fn narrowed(request: &Request, by: &str, narrowing: Narrowing) -> Event {
    review(request, by, ReviewVerdict::Approve { narrowing })
}

fn review(request: &Request, by: &str, verdict: ReviewVerdict) -> Event {
    Event::Review {
        review: Review {
            by: person(by),
            verdict,
            comment: None,
            channel: Channel::Terminal,
            at: at(1),
            digest: digest(request),
        },
        names: [Login::parse(by).unwrap()].into(),
        mint: GrantId::from_random(7),
    }
}

/// Whether these people, one after the other, are enough.
fn is_enough(rule: &Rule, names: &[&str]) -> bool {
    let mut request = open(ask("alice", "alice"), rule, at(0)).unwrap();
    for name in names {
        assert!(request.state.is_pending(), "{name} was not needed any more");
        request = step(&request, rule, yes(&request, name), at(1)).unwrap().request;
    }
    !request.state.is_pending()
}

#[test]
fn one_person_fills_one_seat_however_many_steps_name_them() {
    let two = rule(&[(&["bob", "carol"], 1), (&["bob", "dave"], 1)]);
    for (names, enough) in [
        (&["bob"][..], false),
        (&["carol"], false),
        (&["dave"], false),
        (&["bob", "carol"], true),
        (&["bob", "dave"], true),
        (&["carol", "dave"], true),
    ] {
        assert_eq!(is_enough(&two, names), enough, "{names:?}");
    }
    let three = rule(&[(&["bob", "carol"], 2), (&["bob", "dave", "erin"], 1)]);
    for (names, enough) in
        [(&["bob", "carol"][..], false), (&["bob", "dave", "erin"], false), (&["dave", "bob", "carol"], true)]
    {
        assert_eq!(is_enough(&three, names), enough, "{names:?}");
    }
    assert!(three.has_approver(&person("dave")) && !three.has_approver(&person("mallory")));
}

#[test]
fn a_request_that_nobody_could_approve_is_refused_at_once_and_says_why() {
    let alone = rule(&[(&["alice"], 1)]);
    let refusal = open(ask("alice", "alice"), &alone, at(0)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "nobody could approve this: rule \"r\" needs 1 of group g, and without alice there is nobody. \
         Whoever keeps the policy can change that"
    );
}

#[test]
fn what_the_rule_does_not_give_is_refused_at_once() {
    let rule = rule(&[(&["bob"], 1)]);
    let refused = |change: fn(&mut Ask)| {
        let mut ask = ask("alice", "alice");
        change(&mut ask);
        open(ask, &rule, at(0)).unwrap_err().to_string()
    };
    assert!(refused(|ask| ask.length = Span::parse("61m").unwrap()).contains("ask with --for 1h or less"));
    assert!(refused(|ask| ask.starts = Some(at(8 * 86_400))).contains("more than 7d from now"));
    assert!(refused(|ask| ask.starts = Some(at(-3600))).contains("ended at"));
    assert!(refused(|ask| ask.services.clear()).contains("at least one host"));
}

#[test]
fn who_left_the_group_has_no_say_and_no_longer_counts() {
    let before = rule(&[(&["bob", "carol", "dave"], 2)]);
    let request = open(ask("alice", "alice"), &before, at(0)).unwrap();
    let request = step(&request, &before, yes(&request, "bob"), at(1)).unwrap().request;
    let after = rule(&[(&["carol", "dave"], 2)]);
    assert!(matches!(step(&request, &after, yes(&request, "bob"), at(2)), Err(Refusal::NotApprover { .. })));
    let counted = step(&request, &after, yes(&request, "carol"), at(2)).unwrap();
    assert_eq!(counted.grant, None, "bob's review counts no more");
    assert!(step(&counted.request, &after, yes(&counted.request, "dave"), at(3)).unwrap().grant.is_some());
}

#[test]
fn narrowings_add_up_and_a_review_is_of_what_was_left() {
    let rule = rule(&[(&["bob", "carol"], 2)]);
    let request = open(ask("alice", "alice"), &rule, at(0)).unwrap();
    let only_a = Narrowing { hosts: Some([HostName::parse("a").unwrap()].into()), ..Narrowing::default() };
    let stale = yes(&request, "carol");
    let request = step(&request, &rule, narrowed(&request, "bob", only_a), at(1)).unwrap().request;
    assert!(matches!(step(&request, &rule, stale, at(2)), Err(Refusal::Changed(_))));
    let wider = Narrowing { hosts: Some([HostName::parse("b").unwrap()].into()), ..Narrowing::default() };
    assert!(matches!(
        step(&request, &rule, narrowed(&request, "carol", wider), at(2)),
        Err(Refusal::Widens(_))
    ));
    let longer = Narrowing { length: Span::parse("2h").ok(), ..Narrowing::default() };
    assert!(matches!(
        step(&request, &rule, narrowed(&request, "carol", longer), at(2)),
        Err(Refusal::Widens(_))
    ));
    let nothing = Narrowing { services: Some(BTreeSet::new()), ..Narrowing::default() };
    assert!(matches!(
        step(&request, &rule, narrowed(&request, "carol", nothing), at(2)),
        Err(Refusal::Widens(_))
    ));
    let sudo = Narrowing {
        services: Some([Service::parse("sudo").unwrap()].into()),
        length: Span::parse("10m").ok(),
        ..Narrowing::default()
    };
    let grant = step(&request, &rule, narrowed(&request, "carol", sudo), at(2)).unwrap().grant.unwrap();
    assert_eq!(grant.hosts, [HostName::parse("a").unwrap()].into());
    assert_eq!(grant.services, [Service::parse("sudo").unwrap()].into());
    assert_eq!(grant.window, Window::Approval { not_before: at(2), expires: at(602) });
}

#[test]
fn a_window_that_was_asked_for_does_not_move_when_it_is_approved_late() {
    let rule = rule(&[(&["bob"], 1)]);
    let request = open(Ask { starts: Some(at(100)), ..ask("alice", "alice") }, &rule, at(0)).unwrap();
    let early = step(&request, &rule, yes(&request, "bob"), at(50)).unwrap().grant.unwrap();
    assert_eq!(early.window, Window::Approval { not_before: at(100), expires: at(3700) });
    let late = step(&request, &rule, yes(&request, "bob"), at(400)).unwrap().grant.unwrap();
    assert_eq!(late.window, Window::Approval { not_before: at(400), expires: at(3700) });
}

#[test]
fn a_first_use_grant_carries_its_absolute_latest_end() {
    let rule =
        Rule { clock: Clock::FirstUse { claim_by: Span::parse("8h").unwrap() }, ..rule(&[(&["bob"], 1)]) };
    let request = open(ask("alice", "alice"), &rule, at(0)).unwrap();
    let grant = step(&request, &rule, yes(&request, "bob"), at(10)).unwrap().grant.unwrap();
    let claim_by = at(10 + 8 * 3600);
    assert_eq!(
        grant.window,
        Window::FirstUse { not_before: at(10), claim_by, length: hour(), latest_end: at(10 + 9 * 3600) }
    );
}

#[test]
fn whom_a_grant_opens_for_follows_from_what_was_asked() {
    let login = |name: &str| Login::parse(name).unwrap();
    let both = Ask { run_as: Some(login("postgres")), ..ask("alice", "alice") };
    assert_eq!((both.logins(), both.targets()), ([login("alice")].into(), [login("postgres")].into()));
    let shared = Ask { services: [Service::parse("ssh").unwrap()].into(), ..both };
    assert_eq!((shared.logins(), shared.targets()), ([login("postgres")].into(), BTreeSet::new()));
    let plain = ask("alice", "alice");
    assert_eq!((plain.logins(), plain.targets()), ([login("alice")].into(), [login("root")].into()));
    assert!(plain.equals(&plain) && !plain.equals(&ask("bob", "bob")));
}
