//! Grants, their first use and their sessions.

use super::Subject;
use super::samples::{Dice, NAMES, TIMES, at, grant, host, person, put_grant};
use crate::store::Store;
use access::{Claim, Grant, GrantId, Span, Window};
use chrono::TimeDelta;
use std::collections::BTreeMap;

pub fn grants_are_what_a_plain_list_of_them_says<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let mut dice = Dice(11);
    let mut plain: BTreeMap<GrantId, (Grant, bool)> = BTreeMap::new();
    for _ in 0..3 {
        for _ in 0..60 {
            let (mut one, closed) = any_grant(&mut dice);
            if let Some((before, _)) = plain.get(&one.id) {
                // Its person and approval never change.
                one = Grant { version: before.version + 1, window: one.window, ..before.clone() };
            }
            put_grant(store, &one, closed);
            assert_eq!(store.read(|store| store.grant(one.id)).unwrap(), Some(one.clone()));
            plain.insert(one.id, (one, closed));
        }
        compare_grants(store, &plain.values().cloned().collect::<Vec<_>>());
    }
}

fn compare_grants<S: Store>(store: &S, all: &[(Grant, bool)]) {
    let open = |(_, closed): &&(Grant, bool)| !closed;
    for name in NAMES {
        let held = store.read(|store| store.held_by(&person(name))).unwrap();
        let plain = all.iter().filter(open).filter(|(grant, _)| grant.person == person(name)).count();
        assert_eq!(held, plain as u64, "held by {name}");
    }
    let people = NAMES.iter().map(|name| Some(person(name))).chain([None]);
    for who in people {
        for at_host in [None, Some(host("web-1")), Some(host("db-1")), Some(host("none"))] {
            for with_closed in [false, true] {
                let mut plain: Vec<Grant> = all
                    .iter()
                    .filter(|(grant, closed)| {
                        (with_closed || !closed)
                            && who.as_ref().is_none_or(|who| grant.person == *who)
                            && at_host.as_ref().is_none_or(|host| grant.hosts.contains(host))
                    })
                    .map(|(grant, _)| grant.clone())
                    .collect();
                plain.sort_by_key(|grant| std::cmp::Reverse((grant.approved_at, grant.id)));
                for limit in [1, 5, 1000] {
                    let found = store
                        .read(|store| store.grants(who.as_ref(), at_host.as_ref(), with_closed, None, limit))
                        .unwrap();
                    let first = &plain[..plain.len().min(limit as usize)];
                    assert_eq!(found, first, "{who:?} {at_host:?} {with_closed} {limit}");
                    let Some(last) = first.last() else { continue };
                    let after = Some((last.approved_at, last.id));
                    let found = store
                        .read(|store| store.grants(who.as_ref(), at_host.as_ref(), with_closed, after, limit))
                        .unwrap();
                    let rest = &plain[first.len()..];
                    let rest = &rest[..rest.len().min(limit as usize)];
                    assert_eq!(found, rest, "{who:?} {at_host:?} {with_closed} {limit}, the next page");
                }
            }
        }
    }
    for (grant, closed) in all {
        let found = store.read(|store| store.open_grant(grant.id)).unwrap();
        assert_eq!(found.as_ref(), (!closed).then_some(grant));
    }
    for name in NAMES {
        for until in TIMES {
            let closed = all.iter().filter(|(grant, closed)| {
                *closed && grant.person == person(name) && grant.window.latest_end() == at(until)
            });
            let plain: Vec<GrantId> = closed.map(|(grant, _)| grant.id).collect();
            for (grant, _) in all {
                let is = |one: &Grant| one.id == grant.id;
                let found = store.read(|store| store.any_closed(&person(name), at(until), &is)).unwrap();
                assert_eq!(found, plain.contains(&grant.id), "{name} {until}");
            }
        }
    }
    let (mut seen, mut after) = (Vec::new(), None);
    while let Some(page) =
        Some(store.read(|store| store.open_grants(after, 4)).unwrap()).filter(|page| !page.is_empty())
    {
        assert!(page.len() <= 4);
        after = Some(page[page.len() - 1].id);
        seen.extend(page);
    }
    let plain: Vec<Grant> = all.iter().filter(open).map(|(grant, _)| grant.clone()).collect();
    assert_eq!(seen, plain, "open ones, page by page");
    for now in TIMES {
        let mut over = store.read(|store| store.over(at(now), 1000)).unwrap();
        over.sort_by_key(|grant| grant.id);
        let plain: Vec<Grant> =
            plain.iter().filter(|grant| grant.window.latest_end() <= at(now)).cloned().collect();
        assert_eq!(over, plain, "over at {now}");
        let some = store.read(|store| store.over(at(now), 2)).unwrap();
        assert_eq!(some.len(), plain.len().min(2), "at most as many as wanted");
    }
}

pub fn an_extension_moves_the_end_of_a_first_use_and_of_no_other<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let claim = |id: u64| store.read(|store| store.claim(GrantId::from_random(id))).unwrap();
    let (used, other) = (first_use(1, 100, 60), first_use(2, 100, 60));
    put_grant(store, &used, false);
    put_grant(store, &other, false);
    assert_eq!(claim(1), None);
    subject.claims(&used, at(10));
    subject.claims(&other, at(20));
    assert_eq!(claim(1), Some(Claim { started: at(10), ends: at(70) }));
    put_grant(store, &Grant { version: 2, ..first_use(1, 100, 90) }, false);
    assert_eq!(claim(1), Some(Claim { started: at(10), ends: at(100) }), "half as long again");
    assert_eq!(claim(2), Some(Claim { started: at(20), ends: at(80) }));
    put_grant(store, &Grant { version: 3, ..first_use(1, 100, 90) }, true);
    assert_eq!(claim(1).unwrap().ends, at(100), "an end is no extension");
}

pub fn a_first_use_that_is_over_is_over_and_sessions_are_counted<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let (used, unused) = (first_use(1, 100, 60), first_use(2, 100, 60));
    put_grant(store, &used, false);
    put_grant(store, &unused, false);
    subject.claims(&used, at(10));
    let over = |now| -> Vec<u64> {
        let over = store.read(|store| store.over(at(now), 9)).unwrap();
        over.iter().map(|grant| grant.id.bits()).collect()
    };
    assert!(over(69).is_empty());
    assert_eq!(over(70), [1], "its own clock ran out");
    assert_eq!(over(160).len(), 2, "no host can use the other any more");
    put_grant(store, &used, true);
    assert_eq!(over(160), [2], "what is closed is done with");
    let sessions = |id| store.read(|store| store.usage(GrantId::from_random(id), at(160))).unwrap().sessions;
    subject.opens_session(used.id, 1);
    subject.opens_session(used.id, 2);
    subject.opens_session(unused.id, 3);
    assert_eq!([sessions(1), sessions(2), sessions(3)], [2, 1, 0]);
}

fn any_grant(dice: &mut Dice) -> (Grant, bool) {
    let mut one = grant(dice.below(120), dice.one_of(&NAMES), 0, dice.one_of(&TIMES));
    one.approved_at = at(dice.one_of(&TIMES));
    one.hosts = match dice.below(3) {
        0 => [host("web-1")].into(),
        1 => [host("db-1")].into(),
        _ => [host("db-1"), host("web-1")].into(),
    };
    (one, dice.below(3) == 0)
}

/// A grant to be used first until `claim_by`, and then for `length` seconds.
fn first_use(number: u64, claim_by: i64, length: u32) -> Grant {
    let window = Window::FirstUse {
        not_before: at(0),
        claim_by: at(claim_by),
        length: Span::seconds(length).unwrap(),
        latest_end: at(claim_by) + TimeDelta::seconds(length.into()),
    };
    Grant { window, ended: None, ..grant(number, "alice", 0, 1) }
}
