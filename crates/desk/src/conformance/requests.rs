//! Requests: found, listed, due.

use super::Subject;
use super::samples::{Dice, NAMES, RULES, TIMES, at, pending, person, put, request};
use crate::store::{RequestFilter, Store};
use access::{GrantId, Person, RequestId};
use std::collections::BTreeMap;
use workflow::{Afterwards, Decider, Kind, Request, RequestState};

pub fn a_request_is_found_as_it_was_put_last<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let first = request(1, "alice", "alice", 0, pending(60));
    assert_eq!(store.read(|store| store.request(first.ask.id)).unwrap(), None);
    put(store, std::slice::from_ref(&first));
    assert_eq!(store.read(|store| store.request(first.ask.id)).unwrap(), Some(first.clone()));
    let state = RequestState::Cancelled { at: at(7), by: person("alice") };
    let after = Request { state, rule: "other".into(), ..first };
    put(store, std::slice::from_ref(&after));
    assert_eq!(store.read(|store| store.request(after.ask.id)).unwrap(), Some(after.clone()));
    assert_eq!(store.read(|store| store.requests(&RequestFilter::All, None, 9)).unwrap(), [after]);
    assert!(store.read(|store| store.pending_of(&person("alice"))).unwrap().is_empty());
}

pub fn requests_are_what_a_plain_list_of_them_says<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let mut dice = Dice(7);
    let mut plain: BTreeMap<RequestId, Request> = BTreeMap::new();
    // Some are put again in another state: what a query rests on must follow.
    for round in 0..4 {
        let drawn: Vec<Request> = (0..80).map(|_| any_request(&mut dice)).collect();
        for mut one in drawn {
            if let Some(before) = plain.get(&one.ask.id) {
                one.ask = before.ask.clone();
            }
            put(store, std::slice::from_ref(&one));
            plain.insert(one.ask.id, one);
        }
        let all: Vec<Request> = plain.values().cloned().collect();
        for name in NAMES {
            compare_of(store, &all, &person(name), round);
        }
        compare_lists(store, &all);
        compare_due(store, &all);
    }
}

fn compare_of<S: Store>(store: &S, all: &[Request], who: &Person, round: i64) {
    let mut waiting = store.read(|store| store.pending_of(who)).unwrap();
    waiting.sort_by_key(|request| request.ask.id);
    let mine = |request: &&Request| request.ask.person == *who;
    assert_eq!(
        waiting,
        kept(all, |request| mine(&request) && request.state.is_pending()),
        "pending of {who}, round {round}"
    );
    let mut unseen = store.read(|store| store.unseen(who)).unwrap();
    unseen.sort();
    let plain: Vec<RequestId> =
        all.iter().filter(mine).filter(|request| request.is_unseen()).map(|request| request.ask.id).collect();
    assert_eq!(unseen, plain, "unseen of {who}");
    for since in TIMES {
        let asked = store.read(|store| store.asked_by(who, at(since))).unwrap();
        let by = kept(all, |request| request.ask.asked_by == *who);
        let pending = by.iter().filter(|request| request.state.is_pending()).count();
        let lately = by.iter().filter(|request| request.ask.asked_at >= at(since)).count();
        assert_eq!((asked.pending, asked.lately), (pending as u64, lately as u64), "{who} since {since}");
        for rule in RULES {
            let count = store.read(|store| store.automatic(who, rule, at(since))).unwrap();
            let plain = kept(all, |request| {
                mine(&request)
                    && request.is_automatic()
                    && request.rule == rule
                    && request.ask.asked_at >= at(since)
            });
            assert_eq!(count as usize, plain.len(), "{rule} let {who} in since {since}");
        }
    }
}

fn compare_lists<S: Store>(store: &S, all: &[Request]) {
    let newest = |mut some: Vec<Request>| {
        some.sort_by_key(|request| std::cmp::Reverse((request.ask.asked_at, request.ask.id)));
        some
    };
    let waits = |request: &Request| request.state.is_pending() || request.is_unseen();
    let mut filters =
        vec![(RequestFilter::All, newest(all.to_vec())), (RequestFilter::Waiting, newest(kept(all, waits)))];
    for name in NAMES {
        let who = person(name);
        let of = kept(all, |request| request.ask.person == who || request.ask.asked_by == who);
        filters.push((RequestFilter::Of(who), newest(of)));
    }
    for since in TIMES {
        let mut plain = kept(all, |request| request.ask.asked_at >= at(since));
        plain.sort_by_key(|request| (request.ask.asked_at, request.ask.id));
        let found = store.read(|store| store.asked_since(at(since), None, 1000)).unwrap();
        assert_eq!(found, plain, "asked since {since}");
    }
    for (filter, plain) in filters {
        for limit in [1, 10, 1000] {
            let found = store.read(|store| store.requests(&filter, None, limit)).unwrap();
            assert_eq!(found, plain[..plain.len().min(limit as usize)], "{filter:?} {limit}");
            for place in [0, plain.len() / 2, plain.len().saturating_sub(1)] {
                let Some(last) = plain.get(place) else { continue };
                let after = Some((last.ask.asked_at, last.ask.id));
                let found = store.read(|store| store.requests(&filter, after, limit)).unwrap();
                let rest = &plain[place + 1..];
                assert_eq!(found, rest[..rest.len().min(limit as usize)], "{filter:?} after {place}");
            }
        }
    }
}

fn compare_due<S: Store>(store: &S, all: &[Request]) {
    for now in TIMES {
        let mut plain = kept(all, |request| request.due().is_some_and(|due| due <= at(now)));
        plain.sort_by_key(|request| (request.due(), request.ask.id));
        for limit in [1, 5, 1000] {
            let due = store.read(|store| store.due(at(now), limit)).unwrap();
            assert_eq!(due, plain[..plain.len().min(limit as usize)], "due at {now}, {limit} of them");
        }
    }
}

pub fn requests_are_listed_whole_page_by_page_also_at_equal_times<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let all: Vec<Request> = (1..=30).map(|number| request(number, "alice", "bob", 5, pending(60))).collect();
    put(store, &all);
    for filter in [RequestFilter::All, RequestFilter::Waiting, RequestFilter::Of(person("bob"))] {
        let (mut seen, mut after) = (Vec::new(), None);
        while let Some(page) = Some(store.read(|store| store.requests(&filter, after, 7)).unwrap())
            .filter(|page| !page.is_empty())
        {
            let last = &page[page.len() - 1].ask;
            after = Some((last.asked_at, last.id));
            seen.extend(page);
        }
        seen.reverse();
        assert_eq!(seen, all, "{filter:?}");
    }
    let (mut seen, mut after) = (Vec::new(), None);
    while let Some(page) =
        Some(store.read(|store| store.asked_since(at(5), after, 7)).unwrap()).filter(|page| !page.is_empty())
    {
        let last = &page[page.len() - 1].ask;
        after = Some((last.asked_at, last.id));
        seen.extend(page);
    }
    assert_eq!(seen, all, "oldest first");
}

fn any_request(dice: &mut Dice) -> Request {
    let (asked_by, who) = (dice.one_of(&NAMES), dice.one_of(&NAMES));
    let by = match dice.below(2) {
        0 => Decider::People(vec![person("bob")]),
        _ => Decider::Rule { saw: vec!["it is day".into()] },
    };
    let state = match dice.below(6) {
        0 | 1 => pending(dice.one_of(&TIMES)),
        2 | 3 => RequestState::Approved { at: at(1), grant: GrantId::from_random(1), by },
        4 => RequestState::Denied { at: at(1), by, comment: None },
        _ => RequestState::Expired { at: at(1) },
    };
    let mut one = request(dice.below(200), asked_by, who, dice.one_of(&TIMES), state);
    dice.one_of(&RULES).clone_into(&mut one.rule);
    if one.state.is_pending() {
        one.escalates = (dice.below(2) == 0).then(|| at(dice.one_of(&TIMES)));
    } else if dice.below(2) == 0 {
        one.afterwards =
            Some(Afterwards { due: at(dice.one_of(&TIMES)), overdue: dice.below(2) == 0, review: None });
    }
    if dice.below(3) == 0 {
        one.ask.kind = Kind::BreakGlass;
    }
    one
}

fn kept(all: &[Request], which: impl Fn(&Request) -> bool) -> Vec<Request> {
    all.iter().filter(|request| which(request)).cloned().collect()
}
