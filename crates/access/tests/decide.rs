//! The decision against a naive reading of its rules, over random views and over a small domain whole.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::panic)] // also in the functions that tests share

use access::{
    Claim, Decision, Ended, EndedHow, Freshness, Grant, GrantId, HostName, Local, Login, Now, Person, Phase,
    Question, Reason, RequestId, Service, Set, Span, Time, View, Window, decide,
};
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn at(second: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn login(name: &str) -> Login {
    Login::parse(name).unwrap()
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn service(name: &str) -> Service {
    Service::parse(name).unwrap()
}

fn some<T: Ord>(all: impl IntoIterator<Item = T>) -> Set<T> {
    all.into_iter().collect()
}

/// Alice's grant for everything here, from 100 to 200.
fn grant(id: u64) -> Grant {
    Grant {
        id: GrantId::from_random(id),
        version: 1,
        request: RequestId::from_random(id),
        person: Person::parse("alice").unwrap(),
        names: some([login("alice")]),
        logins: some([login("alice")]),
        hosts: some([host("here")]),
        services: some([service("ssh"), service("sudo")]),
        run_as: some([login("root")]),
        window: Window::Approval { not_before: at(100), expires: at(200) },
        source: None,
        sessions: None,
        approved_at: at(100),
        approved_by: vec![Person::parse("bob").unwrap()],
        rule: "r".into(),
        policy: "p".into(),
        break_glass: false,
        extended: 0,
        ended: None,
    }
}

fn ask(subject: &str, door: &str, phase: Phase) -> Question {
    let target = match (door, phase) {
        ("sudo", Phase::Open) | ("su", _) => Some(login("root")),
        ("sudo", _) => None,
        _ => Some(login(subject)),
    };
    Question { subject: login(subject), service: service(door), target, phase, address: None, inside: vec![] }
}

fn view(grants: &[Grant]) -> View {
    let mut view = View::of(host("here"));
    grants.iter().for_each(|grant| view.put(grant.clone()));
    view
}

/// The rules, read one by one: does this one grant carry the question?
fn carries(grant: &Grant, local: &Local, question: &Question, now: Now) -> bool {
    let here = grant.hosts.contains(&host("here"));
    let door = grant.services.contains(&question.service);
    let who = match question.service.as_str() {
        "sudo" | "su" => {
            grant.names.contains(&question.subject)
                && match &question.target {
                    None => true,
                    Some(target) => grant.run_as.contains(target),
                }
        }
        _ => grant.logins.contains(&question.subject),
    };
    let claim = local.claims.get(&grant.id);
    let (starts, ends) = match (&grant.window, claim) {
        (Window::Approval { not_before, expires }, _) => (*not_before, *expires),
        (Window::FirstUse { not_before, claim_by, .. }, None) => (*not_before, *claim_by),
        (Window::FirstUse { not_before, .. }, Some(claim)) => (*not_before, claim.ends),
    };
    let over_at_once = match (&grant.window, claim) {
        (Window::FirstUse { length, latest_end, .. }, None) => {
            let ends = (now.trusted + length.delta()).min(*latest_end);
            ends <= now.latest
        }
        _ => false,
    };
    let started = !over_at_once && starts <= now.trusted && !(now.provisional && starts > grant.approved_at);
    let within = |net: ipnet::IpNet| {
        question.address.is_some_and(|address| (net.network()..=net.broadcast()).contains(&address))
    };
    let pinned = grant.source.is_none_or(within);
    let carried = local.sessions.get(&grant.id).copied().unwrap_or(0);
    let room = grant.sessions.is_none_or(|most| carried < most) || question.inside.contains(&grant.id);
    here && door && who && grant.ended.is_none() && started && now.latest < ends && pinned && room
}

/// Which of several that carry does: whether it is in use already or needs no use, and until when it would be good.
fn order(grant: &Grant, local: &Local, now: Now) -> (bool, Time) {
    match (&grant.window, local.claims.get(&grant.id)) {
        (Window::Approval { expires, .. }, _) => (true, *expires),
        (Window::FirstUse { .. }, Some(claim)) => (true, claim.ends),
        (Window::FirstUse { length, latest_end, .. }, None) => {
            (false, (now.trusted + length.delta()).min(*latest_end))
        }
    }
}

/// What any decision must be, by those rules.
fn is_right(
    grants: &[Grant],
    local: &Local,
    approvers: &[Login],
    question: &Question,
    now: Now,
    decision: &Decision,
) -> Result<(), String> {
    let carrying: Vec<&Grant> = grants.iter().filter(|grant| carries(grant, local, question, now)).collect();
    let Freshness { as_of, strict } = &local.freshness;
    let too_old = |longest: &TimeDelta| as_of.is_none_or(|as_of| now.trusted - as_of >= *longest);
    let stale = strict.get(&question.service).is_some_and(too_old);
    let approver = question.service.as_str() == "ssh" && approvers.contains(&question.subject);
    let allowed = local.enrolled && ((!carrying.is_empty() && !stale) || (carrying.is_empty() && approver));
    if decision.allows() != allowed {
        return Err(format!("allowed should be {allowed}"));
    }
    let fine = match decision.reason {
        Reason::NotEnrolled => !local.enrolled,
        Reason::Stale => stale && !carrying.is_empty(),
        Reason::Approver => approver && decision.grant.is_none(),
        Reason::NoGrant => !grants
            .iter()
            .any(|g| g.names.contains(&question.subject) || g.logins.contains(&question.subject)),
        Reason::Granted | Reason::BreakGlass => {
            let by = decision.grant.as_ref().ok_or("an allow names its grant")?;
            (decision.reason == Reason::BreakGlass) == by.break_glass
                && carrying.iter().any(|grant| **by == **grant)
                // No first use is spent while another grant is good, and what is good for longer goes first.
                && carrying.iter().map(|grant| order(grant, local, now)).max() == Some(order(by, local, now))
                && decision.ends == Some(order(by, local, now).1)
        }
        _ => decision.grant.is_some(),
    };
    if !fine {
        return Err("the reason does not fit".into());
    }
    let starts_clock = decision.claim.is_some();
    let may_start = decision.allows()
        && question.phase != Phase::Auth
        && decision.grant.as_ref().is_some_and(|g| {
            matches!(g.window, Window::FirstUse { .. }) && !local.claims.contains_key(&g.id)
        });
    if starts_clock != may_start {
        return Err(format!("should a clock start? {may_start}"));
    }
    if let (Some(claim), Some(grant)) = (decision.claim, &decision.grant)
        && let Window::FirstUse { length, latest_end, .. } = grant.window
        && (claim.started != now.trusted || claim.ends != (now.trusted + length.delta()).min(latest_end))
    {
        return Err("the clock starts now and runs for the length".into());
    }
    Ok(())
}

fn windows() -> Vec<Window> {
    let length = Span::seconds(10).unwrap();
    vec![
        Window::Approval { not_before: at(100), expires: at(200) },
        Window::FirstUse { not_before: at(100), claim_by: at(150), length, latest_end: at(160) },
    ]
}

/// Every combination of everything that the rules look at, for one grant and for none.
#[test]
fn the_whole_of_a_small_domain_is_decided_right() {
    let mut seen = 0u64;
    let ended = |how| Some(Ended { how, at: at(120), by: Some(Person::parse("bob").unwrap()), reason: None });
    let hosts = [some([host("here")]), some([host("there")]), some([host("here"), host("there")])];
    let doors = [some([service("ssh")]), some([service("sudo")]), some([service("su"), service("ssh")])];
    let pin = Some("203.0.113.5/32".parse().unwrap());
    let net = Some("203.0.112.0/23".parse().unwrap());
    for (window, hosts, doors) in itertools(&windows(), &hosts, &doors) {
        for (logins, run_as) in [("alice", "root"), ("root", "root"), ("alice", "bob")] {
            for ending in [None, ended(EndedHow::Revoked), ended(EndedHow::Released)] {
                for (source, sessions, approved) in
                    [(None, None, 100), (pin, Some(1), 100), (None, Some(0), 99), (net, None, 99)]
                {
                    let grant = Grant {
                        window,
                        hosts: hosts.clone(),
                        services: doors.clone(),
                        logins: some([login(logins)]),
                        run_as: some([login(run_as)]),
                        ended: ending.clone(),
                        source,
                        sessions,
                        approved_at: at(approved),
                        break_glass: sessions.is_some(),
                        ..grant(1)
                    };
                    seen += every_question(&grant);
                }
            }
        }
    }
    eprintln!("{seen} decisions");
    assert!(seen > 1_000_000, "{seen}");
}

fn itertools<'a, A: Copy, B, C>(
    a: &'a [A],
    b: &'a [B],
    c: &'a [C],
) -> impl Iterator<Item = (A, &'a B, &'a C)> {
    a.iter().flat_map(move |a| b.iter().flat_map(move |b| c.iter().map(move |c| (*a, b, c))))
}

fn every_question(grant: &Grant) -> u64 {
    let mut seen = 0;
    let view = view(std::slice::from_ref(grant));
    let claims = [None, Some(Claim { started: at(110), ends: at(120) })];
    let times = [
        (99, 99),
        (100, 100),
        (119, 119),
        (119, 120),
        (149, 150),
        (149, 149),
        (100, 199),
        (199, 200),
        (200, 201),
    ];
    for claim in claims {
        for (carried, stale, enrolled) in
            [(0, false, true), (1, false, true), (0, true, true), (0, false, false)]
        {
            let doors = if stale { ["ssh", "sudo", "su"].as_slice() } else { &[] };
            let strict = doors.iter().map(|door| (service(door), TimeDelta::minutes(1))).collect();
            let freshness = Freshness { as_of: Some(at(0)), strict };
            let mut local = Local { freshness, enrolled, ..Local::default() };
            claim.map(|claim| local.claims.insert(grant.id, claim));
            local.sessions.insert(grant.id, carried);
            for ((trusted, latest), provisional) in
                times.into_iter().flat_map(|time| [(time, false), (time, true)])
            {
                let now = Now { trusted: at(trusted), latest: at(latest), provisional };
                for subject in ["alice", "root"] {
                    for door in ["ssh", "sudo", "su"] {
                        for phase in [Phase::Account, Phase::Auth, Phase::Open] {
                            let question = Question {
                                address: (trusted % 2 == 0).then(|| "203.0.113.5".parse().unwrap()),
                                ..ask(subject, door, phase)
                            };
                            let decision = decide(&view, &local, &question, now);
                            if let Err(why) =
                                is_right(std::slice::from_ref(grant), &local, &[], &question, now, &decision)
                            {
                                panic!("{why}: {grant:#?}\n{local:?}\n{question:?}\n{now:?}\n{decision:#?}");
                            }
                            seen += 1;
                        }
                    }
                }
            }
        }
    }
    seen
}

fn any_grant() -> impl Strategy<Value = Grant> {
    let length = |s| Span::seconds(s).unwrap();
    let window = prop_oneof![
        (0i64..40, 1i64..40)
            .prop_map(|(from, long)| Window::Approval { not_before: at(from), expires: at(from + long) }),
        (0i64..40, 1i64..20, 1u32..20).prop_map(move |(from, wait, long)| Window::FirstUse {
            not_before: at(from),
            claim_by: at(from + wait),
            length: length(long),
            latest_end: at(from + wait + i64::from(long)),
        }),
    ];
    let names = prop::sample::subsequence(vec!["alice", "root", "web"], 1..=3);
    let doors = prop::sample::subsequence(vec!["ssh", "sudo", "su"], 1..=3);
    let places = prop::sample::subsequence(vec!["here", "there"], 1..=2);
    (
        0u64..6,
        window,
        names.clone(),
        names,
        doors,
        places,
        (0i64..40, any::<bool>(), prop::option::of(0u32..3), any::<bool>(), 0u8..6),
    )
        .prop_map(
            |(id, window, logins, run_as, doors, places, (approved, pinned, sessions, glass, ending))| {
                Grant {
                    window,
                    logins: logins.into_iter().map(login).collect(),
                    run_as: run_as.into_iter().map(login).collect(),
                    services: doors.into_iter().map(service).collect(),
                    hosts: places.into_iter().map(host).collect(),
                    approved_at: at(approved),
                    source: pinned.then(|| "203.0.113.5/32".parse().unwrap()),
                    sessions,
                    break_glass: glass,
                    ended: (ending == 0).then(|| Ended {
                        how: EndedHow::Revoked,
                        at: at(1),
                        by: Some(Person::parse("bob").unwrap()),
                        reason: None,
                    }),
                    ..grant(id)
                }
            },
        )
}

prop_compose! {
    fn any_now()(trusted in 0i64..80, ahead in prop_oneof![Just(0i64), 0i64..80], provisional: bool) -> Now {
        Now { trusted: at(trusted), latest: at(trusted + ahead), provisional }
    }
}

fn any_question() -> impl Strategy<Value = Question> {
    let phase = prop_oneof![Just(Phase::Account), Just(Phase::Auth), Just(Phase::Open)];
    (
        prop::sample::select(vec!["alice", "root", "web", "mallory"]),
        prop::sample::select(vec!["ssh", "sudo", "su"]),
        phase,
        any::<bool>(),
        prop::collection::vec((0u64..6).prop_map(GrantId::from_random), 0..2),
    )
        .prop_map(|(subject, door, phase, addressed, inside)| Question {
            address: addressed.then(|| "203.0.113.5".parse().unwrap()),
            inside,
            ..ask(subject, door, phase)
        })
}

fn any_local() -> impl Strategy<Value = Local> {
    (
        prop::collection::hash_map(0u64..6, (0i64..60, 1i64..20), 0..3),
        prop::collection::hash_map(0u64..6, 0u32..3, 0..3),
        prop::option::of(0i64..80),
        prop::collection::btree_map(
            prop::sample::select(vec![service("ssh"), service("sudo")]),
            (0i64..60).prop_map(TimeDelta::seconds),
            0..2,
        ),
        0u8..8,
    )
        .prop_map(|(claims, sessions, as_of, strict, enrolled)| Local {
            claims: claims
                .into_iter()
                .map(|(id, (from, long))| {
                    (GrantId::from_random(id), Claim { started: at(from), ends: at(from + long) })
                })
                .collect(),
            sessions: sessions.into_iter().map(|(id, count)| (GrantId::from_random(id), count)).collect(),
            freshness: Freshness { as_of: as_of.map(at), strict },
            enrolled: enrolled != 0,
        })
}

/// One grant for each id, as a view holds them.
fn distinct(grants: Vec<Grant>) -> Vec<Grant> {
    let mut seen = BTreeSet::new();
    grants.into_iter().filter(|grant| seen.insert(grant.id)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_view_is_decided_right(
        grants in prop::collection::vec(any_grant(), 0..6), local in any_local(), question in any_question(),
        now in any_now(), approver: bool,
    ) {
        let grants = distinct(grants);
        let mut view = view(&grants);
        let approvers = if approver { vec![login("alice")] } else { vec![] };
        view.approvers.extend(approvers.iter().cloned());
        let decision = decide(&view, &local, &question, now);
        prop_assert_eq!(is_right(&grants, &local, &approvers, &question, now, &decision), Ok(()), "{:#?}", decision);
    }

    #[test]
    fn one_more_grant_never_shuts_a_door(
        grants in prop::collection::vec(any_grant(), 0..5), more in any_grant(), local in any_local(),
        question in any_question(), now in any_now(),
    ) {
        let mut grants = distinct(grants);
        grants.retain(|grant| grant.id != more.id);
        let before = decide(&view(&grants), &local, &question, now);
        let mut view = view(&grants);
        view.put(more);
        prop_assert!(!before.allows() || decide(&view, &local, &question, now).allows());
    }

    #[test]
    fn a_wall_clock_set_anywhere_never_opens_a_door(
        grants in prop::collection::vec(any_grant(), 0..5), local in any_local(), question in any_question(),
        now in any_now(), wall in 0i64..200,
    ) {
        let view = view(&distinct(grants));
        let honest = decide(&view, &local, &question, Now { latest: now.trusted, ..now });
        let set = decide(&view, &local, &question, Now { latest: now.trusted.max(at(wall)), ..now });
        prop_assert!(honest.allows() || !set.allows());
    }

    #[test]
    fn a_revoked_grant_never_returns_whatever_the_order_of_messages(
        grant in any_grant(), question in any_question(), now in any_now(),
        order in Just((0u32..5).collect::<Vec<_>>()).prop_shuffle(), revoked in 0usize..5,
    ) {
        let ended = Some(Ended { how: EndedHow::Revoked, at: at(0), by: Some(Person::parse("bob").unwrap()), reason: None });
        let mut view = View::of(host("here"));
        let mut heard = false;
        for version in order {
            let told = version as usize >= revoked;
            let ended = if told { ended.clone() } else { None };
            view.put(Grant { version, ended, ..grant.clone() });
            heard |= told;
            let decision = decide(&view, &Local::default(), &question, now);
            prop_assert!(!heard || !decision.allows());
        }
    }

    #[test]
    fn reconnecting_never_adds_time(first in 100i64..150, later in 0i64..100) {
        let grant = Grant { window: windows()[1], ..grant(1) };
        let view = view(std::slice::from_ref(&grant));
        let mut local = Local::default();
        let question = ask("alice", "ssh", Phase::Account);
        let decision = decide(&view, &local, &question, Now::exactly(at(first)));
        let claim = decision.claim.unwrap();
        local.claims.insert(grant.id, claim);
        let again = decide(&view, &local, &question, Now::exactly(at(first + later)));
        prop_assert_eq!(again.claim, None);
        prop_assert_eq!(again.allows(), at(first + later) < claim.ends);
        if again.allows() {
            prop_assert_eq!(again.ends, Some(claim.ends));
        }
    }
}

#[test]
fn the_nearest_miss_is_the_one_that_failed_last() {
    let now = Now::exactly(at(150));
    let question = ask("alice", "ssh", Phase::Account);
    let there = Grant { hosts: some([host("there")]), ..grant(1) };
    let sudo = Grant { services: some([service("sudo")]), ..grant(2) };
    let shared = Grant { logins: some([login("web")]), ..grant(3) };
    let revoked = Grant {
        ended: Some(Ended {
            how: EndedHow::Revoked,
            at: at(1),
            by: Some(Person::parse("bob").unwrap()),
            reason: None,
        }),
        ..grant(4)
    };
    let released = Grant {
        ended: Some(Ended {
            how: EndedHow::Released,
            at: at(1),
            by: Some(Person::parse("bob").unwrap()),
            reason: None,
        }),
        ..grant(5)
    };
    let length = Span::seconds(10).unwrap();
    let unclaimed = Grant {
        window: Window::FirstUse { not_before: at(100), claim_by: at(150), length, latest_end: at(160) },
        ..grant(6)
    };
    let expired = Grant { window: Window::Approval { not_before: at(100), expires: at(150) }, ..grant(7) };
    let later = Grant { window: Window::Approval { not_before: at(151), expires: at(200) }, ..grant(8) };
    let pinned = Grant { source: Some("192.0.2.1/32".parse().unwrap()), ..grant(10) };
    let full = Grant { sessions: Some(0), ..grant(11) };
    let mut grants = Vec::new();
    for (grant, reason) in [
        (there, Reason::WrongHost),
        (sudo, Reason::WrongService),
        (shared, Reason::WrongRunAs),
        (revoked, Reason::Revoked),
        (released, Reason::Released),
        (unclaimed, Reason::ClaimOver),
        (expired, Reason::Expired),
        (later, Reason::NotYetValid),
        (pinned, Reason::WrongSource),
        (full, Reason::TooManySessions),
        (grant(12), Reason::Granted),
    ] {
        let id = grant.id;
        grants.push(grant);
        let decision = decide(&view(&grants), &Local::default(), &question, now);
        assert_eq!((decision.reason, decision.grant.map(|grant| grant.id)), (reason, Some(id)));
    }
    let scheduled = Grant { approved_at: at(50), ..grant(9) };
    let decision =
        decide(&view(&[scheduled]), &Local::default(), &question, Now { provisional: true, ..now });
    assert_eq!(decision.reason, Reason::ClockUntrusted);
}

#[test]
fn a_first_use_is_not_spent_while_another_grant_is_good() {
    let hour = Span::seconds(3_600).unwrap();
    let first_use = |id, claim_by| Grant {
        window: Window::FirstUse {
            not_before: at(0),
            claim_by: at(claim_by),
            length: hour,
            latest_end: at(claim_by + 3_600),
        },
        ..grant(id)
    };
    let until_six =
        Grant { window: Window::Approval { not_before: at(0), expires: at(8 * 3_600) }, ..grant(1) };
    let (tomorrow, sooner) = (first_use(3, 34 * 3_600), first_use(2, 20 * 3_600));
    let view = view(&[until_six, tomorrow, sooner]);
    let mut local = Local::default();
    let by = |local: &Local, phase, second| {
        let decision = decide(&view, local, &ask("alice", "ssh", phase), Now::exactly(at(second)));
        (decision.grant.map(|grant| grant.id), decision.claim.is_some(), decision.ends)
    };
    let id = |n| Some(GrantId::from_random(n));
    for phase in [Phase::Account, Phase::Auth, Phase::Open] {
        assert_eq!(by(&local, phase, 0), (id(1), false, Some(at(8 * 3_600))), "{phase:?}");
        // One that is in use goes first too, though it ends sooner than the other would.
        local.claims.insert(GrantId::from_random(3), Claim { started: at(0), ends: at(9 * 3_600) });
        let late = 8 * 3_600 + 1_800;
        assert_eq!(by(&local, phase, late), (id(3), false, Some(at(9 * 3_600))), "{phase:?}");
        local.claims.clear();
        // Once there is no other, both would be good for an hour.
        let starts = phase != Phase::Auth;
        assert_eq!(by(&local, phase, late), (id(3), starts, Some(at(late + 3_600))), "{phase:?}");
    }
}

#[test]
fn at_another_door_the_grant_that_is_not_over_speaks() {
    let revoked = Grant {
        ended: Some(Ended { how: EndedHow::Revoked, at: at(1), by: None, reason: None }),
        window: Window::Approval { not_before: at(100), expires: at(900) },
        ..grant(2)
    };
    let expired = Grant { window: Window::Approval { not_before: at(1), expires: at(150) }, ..grant(3) };
    let held = Grant { window: Window::Approval { not_before: at(100), expires: at(151) }, ..grant(1) };
    let now = Now::exactly(at(150));
    let decision =
        decide(&view(&[held, revoked, expired]), &Local::default(), &ask("alice", "su", Phase::Account), now);
    assert_eq!(decision.reason, Reason::WrongService);
    assert_eq!(decision.grant.map(|grant| grant.id), Some(grant(1).id));
}

#[test]
fn a_view_forgets_what_it_is_told_to() {
    let mut view = view(&[grant(1), grant(2)]);
    assert_eq!(view.grants().count(), 2);
    assert_eq!(view.grants_of(&login("alice")).len(), 2);
    view.remove(GrantId::from_random(1));
    view.remove(GrantId::from_random(1));
    assert!(view.grant(GrantId::from_random(1)).is_none() && view.grant(GrantId::from_random(2)).is_some());
    view.remove(GrantId::from_random(2));
    assert!(view.grants_of(&login("alice")).is_empty());
    assert_eq!(view.host().as_str(), "here");
}

/// Where each of these lies: what is held once lies where another holds it.
fn places(grant: &Grant) -> [*const u8; 8] {
    [
        grant.person.as_str().as_ptr(),
        grant.names.as_ptr().cast(),
        grant.hosts.as_ptr().cast(),
        grant.services.as_ptr().cast(),
        grant.run_as.as_ptr().cast(),
        grant.rule.as_ptr(),
        grant.policy.as_ptr(),
        grant.approved_by.first().unwrap().as_str().as_ptr(),
    ]
}

#[test]
fn what_grants_of_a_view_have_in_common_is_held_once() {
    let (names, logins) = (some([login("carol")]), some([login("carol")]));
    let carol = Grant { person: Person::parse("carol").unwrap(), names, logins, ..grant(3) };
    assert!(std::iter::zip(places(&grant(1)), places(&grant(2))).all(|(one, other)| one != other));
    let view = view(&[grant(1), grant(2), carol]);
    let held = |id| places(view.grant(GrantId::from_random(id)).unwrap());
    assert_eq!(held(1), held(2));
    let common: Vec<bool> = std::iter::zip(held(1), held(3)).map(|(one, other)| one == other).collect();
    assert_eq!(common, [false, false, true, true, true, true, true, true], "but for whose it is");
    let carol = view.grant(GrantId::from_random(3)).unwrap();
    assert_eq!(carol.names.as_ptr(), carol.logins.as_ptr(), "a person's own names");
}

#[test]
fn a_state_is_told_for_every_moment() {
    use access::GrantState::{Active, Expired, Released, Revoked, Scheduled, Unclaimed};
    let fixed = grant(1);
    let state = |grant: &Grant, claim, second| grant.state(claim, Now::exactly(at(second)));
    assert_eq!([99, 100, 199, 200].map(|s| state(&fixed, None, s)), [Scheduled, Active, Active, Expired]);
    for state in [Scheduled, Unclaimed, Active, Expired, Revoked, Released] {
        assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.code()));
    }
    let first_use = Grant { window: windows()[1], ..grant(1) };
    assert_eq!(
        [99, 100, 149, 150].map(|s| state(&first_use, None, s)),
        [Scheduled, Unclaimed, Unclaimed, Expired]
    );
    let claim = Some(Claim { started: at(140), ends: at(150) });
    assert_eq!([140, 149, 150].map(|s| state(&first_use, claim, s)), [Active, Active, Expired]);
    assert_eq!((first_use.ends(None), first_use.ends(claim)), (at(160), at(150)));
    let over = |how| Grant {
        ended: Some(Ended { how, at: at(1), by: Some(Person::parse("bob").unwrap()), reason: None }),
        ..grant(1)
    };
    assert_eq!(state(&over(EndedHow::Revoked), None, 500), Revoked);
    assert_eq!(state(&over(EndedHow::Released), None, 500), Released);
    assert_eq!(Claim::start(&fixed.window, at(1)), None);
    let late = Claim::start(&first_use.window, at(155)).unwrap();
    assert_eq!(late.ends - late.started, TimeDelta::seconds(5), "never past the latest end");
}

#[test]
fn the_body_of_a_grant_never_changes_its_form() {
    let grant = Grant { window: windows()[1], source: Some("203.0.113.4/31".parse().unwrap()), ..grant(1) };
    let json = serde_json::to_string(&grant).unwrap();
    assert_eq!(json, include_str!("golden_grant.json").trim());
    assert_eq!(serde_json::from_str::<Grant>(&json).unwrap(), grant);
    assert!(serde_json::from_str::<Grant>(&json.replacen('{', "{\"more\":1,", 1)).is_err(), "unknown keys");
    assert!(serde_json::from_str::<Grant>(&json.replacen('{', "{\"version\":1,", 1)).is_err(), "keys twice");
}

#[test]
fn a_grant_says_how_often_it_was_extended_once_it_was() {
    let grant = grant(1);
    let text = |extended| serde_json::to_string(&Grant { extended, ..grant.clone() }).unwrap();
    assert!(!text(0).contains("extended") && text(2).contains("\"extended\":2"));
    for extended in [0, 2] {
        let again: Grant = serde_json::from_str(&text(extended)).unwrap();
        assert_eq!(again, Grant { extended, ..grant.clone() });
    }
}

#[test]
fn a_sudo_inside_of_a_session_of_the_same_grant_is_no_further_one() {
    let one = Grant { sessions: Some(1), ..grant(1) };
    let view = view(std::slice::from_ref(&one));
    let mut local = Local { enrolled: true, ..Local::default() };
    local.sessions.insert(one.id, 1);
    let now = Now::exactly(at(101));
    let reason = |door, inside: &[GrantId]| {
        let question = Question { inside: inside.to_vec(), ..ask("alice", door, Phase::Account) };
        decide(&view, &local, &question, now).reason
    };
    assert_eq!(reason("sudo", &[one.id]), Reason::Granted);
    assert_eq!(reason("sudo", &[]), Reason::TooManySessions, "from elsewhere it is one");
    assert_eq!(
        reason("sudo", &[GrantId::from_random(9)]),
        Reason::TooManySessions,
        "in a session of another grant too"
    );
    assert_eq!(reason("ssh", &[]), Reason::TooManySessions);
}
