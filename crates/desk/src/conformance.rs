//! What every [`Store`] must do, as tests that each store runs: `desk::conformance!(Subject)`.
//!
//! Queries are compared to the plain answer: a list in memory, filtered and sorted, over rows drawn from so
//! few names and times that equal ones are common.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_docs
)] // tests, by name

use crate::store::{Committed, PolicyVersion, RequestFilter, Store, Transaction};
use crate::{DeskError, limits};
use access::{
    Claim, Ended, EndedHow, Grant, GrantId, HostName, Login, Person, RequestId, Service, Span, Text, Time,
    Window,
};
use api::{Change, ChangeRecord, PolicyApplied};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use workflow::{Afterwards, Ask, Channel, Decider, Kind, Request, RequestState};

/// A store under test, and what others write into it beside the desk.
pub trait Subject: Sized {
    /// The store.
    type Store: Store;

    /// An empty one.
    fn fresh() -> Self;

    /// An empty one with room for at most some thousand records.
    fn tight() -> Self;

    /// The store.
    fn store(&self) -> &Self::Store;

    /// What its observer heard.
    fn heard(&self) -> Vec<Committed>;

    /// A gate writes the first use of a grant.
    fn claims(&self, grant: &Grant, now: Time);

    /// A gate writes a session of a grant; each has a number of its own.
    fn opens_session(&self, grant: GrantId, number: i64);
}

/// The whole suite as tests of the subject.
#[macro_export]
macro_rules! conformance {
    ($subject:ty) => {
        $crate::conformance!($subject:
            a_request_is_found_as_it_was_put_last
            requests_are_what_a_plain_list_of_them_says
            requests_are_listed_whole_page_by_page_also_at_equal_times
            short_ids_are_found_and_told_apart
            grants_are_what_a_plain_list_of_them_says
            an_extension_moves_the_end_of_a_first_use_and_of_no_other
            a_first_use_that_is_over_is_over_and_sessions_are_counted
            the_policy_is_the_one_put_last_and_each_version_is_put_once
            an_answer_is_each_persons_own_and_forgotten_in_time
            no_more_answers_are_kept_than_anybody_retries_and_the_newest_are
            work_that_fails_leaves_nothing_behind_and_is_heard_of_by_nobody
            work_sees_what_it_did_and_others_do_not_until_it_is_done
            writes_at_the_same_instant_happen_one_after_the_other
            what_was_committed_is_heard_in_order_before_who_wrote_it_is_told
            nothing_is_put_before_the_record_that_vouches_for_it
            the_room_kept_for_logins_is_no_bodys_to_fill
        );
    };
    ($subject:ty: $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::conformance::$name::<$subject>();
        })*
    };
}

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

pub fn short_ids_are_found_and_told_apart<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let numbers = [0, 1, 0x1_0000, (1 << 50) - 1];
    put(store, &numbers.map(|number| request(number, "alice", "alice", 0, pending(60))));
    for number in numbers {
        put_grant(store, &grant(number, "alice", 0, 60), false);
    }
    for (low, high, count) in [(0, 0, 1), (2, 0xffff, 0), (0, 1, 2), (1 << 49, (1 << 50) - 1, 1)] {
        let ids = |number| RequestId::from_random(number);
        let found = store.read(|store| store.request_ids(ids(low), ids(high))).unwrap();
        assert_eq!(found.len(), count, "requests {low} to {high}");
        let ids = |number| GrantId::from_random(number);
        let found = store.read(|store| store.grant_ids(ids(low), ids(high))).unwrap();
        assert_eq!(found.len(), count, "grants {low} to {high}");
    }
    let all = (RequestId::from_random(0), RequestId::from_random((1 << 50) - 1));
    let found = store.read(|store| store.request_ids(all.0, all.1)).unwrap();
    assert_eq!(found.len(), 2, "two are enough to know that it is not one");
}

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
    let sessions = |id| store.read(|store| store.sessions(GrantId::from_random(id))).unwrap();
    subject.opens_session(used.id, 1);
    subject.opens_session(used.id, 2);
    subject.opens_session(unused.id, 3);
    assert_eq!([sessions(1), sessions(2), sessions(3)], [2, 1, 0]);
}

pub fn the_policy_is_the_one_put_last_and_each_version_is_put_once<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    assert_eq!(store.read(|store| Ok((store.policy()?, store.policy_version()?))).unwrap(), (None, None));
    for version in [1, 2, 10] {
        put_policy(store, version).unwrap();
        let stored = store.read(|store| store.policy()).unwrap().unwrap();
        assert_eq!(stored, policy(version));
        assert_eq!(store.read(|store| store.policy_version()).unwrap(), Some(version));
    }
    assert!(matches!(put_policy(store, 2), Err(DeskError::Store(_))), "what was in force stays as it was");
    assert_eq!(store.read(|store| store.policy()).unwrap().unwrap().version, 10);
}

pub fn an_answer_is_each_persons_own_and_forgotten_in_time<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let keep = |who: &str, key: &str, answer: &str, now: i64| {
        let (who, key, answer) = (person(who), key.to_owned(), answer.to_owned());
        store.write(move |store| store.answer(&who, &key, "call", &answer, at(now)))
    };
    let kept = |who: &str, key: &str| store.read(|store| store.answered(&person(who), key)).unwrap();
    keep("alice", "k", "one", 0).unwrap();
    keep("bob", "k", "two", 0).unwrap();
    assert_eq!(kept("alice", "k"), Some(("call".into(), "one".into())));
    assert_eq!(kept("bob", "k"), Some(("call".into(), "two".into())));
    assert_eq!(kept("alice", "K"), None, "keys are told apart to the letter");
    assert!(matches!(keep("alice", "k", "other", 1), Err(DeskError::Store(_))), "an answer is given once");
    assert_eq!(kept("alice", "k").unwrap().1, "one");
    let week = limits::KEY_DAYS * 86_400;
    keep("carol", "k", "three", week).unwrap();
    assert!(kept("alice", "k").is_some());
    keep("carol", "l", "four", week + 1).unwrap();
    assert!(kept("alice", "k").is_none() && kept("carol", "k").is_some());
}

pub fn no_more_answers_are_kept_than_anybody_retries_and_the_newest_are<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let most = i64::from(limits::KEYS_PER_PERSON);
    for number in 0..most + 5 {
        let keep = move |store: &mut dyn Transaction| {
            store.answer(&person("alice"), &number.to_string(), "call", "answer", at(number))
        };
        store.write(keep).unwrap();
    }
    for number in 0..most + 5 {
        let kept = store.read(|store| store.answered(&person("alice"), &number.to_string())).unwrap();
        assert_eq!(kept.is_some(), number >= 5, "key {number}");
    }
}

pub fn work_that_fails_leaves_nothing_behind_and_is_heard_of_by_nobody<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    put(store, &[request(1, "alice", "alice", 0, pending(60))]);
    let heard = subject.heard().len();
    let failed: Result<(), DeskError> = store.write(|store| {
        let one = request(1, "alice", "alice", 0, RequestState::Expired { at: at(9) });
        store.record(changed(Change::Lapsed, Some(one.clone()), None))?;
        store.put_request(&one)?;
        store.put_request(&request(2, "alice", "alice", 0, pending(60)))?;
        store.put_grant(&grant(3, "alice", 0, 60), false)?;
        store.put_policy(&policy(1))?;
        store.answer(&person("alice"), "k", "call", "answer", at(0))?;
        Err(DeskError::BadRequest("no after all".into()))
    });
    assert!(matches!(failed, Err(DeskError::BadRequest(why)) if why == "no after all"));
    store
        .read(|store| {
            assert!(store.request(RequestId::from_random(1))?.unwrap().state.is_pending());
            assert_eq!(store.request(RequestId::from_random(2))?, None);
            assert_eq!(store.grant(GrantId::from_random(3))?, None);
            assert_eq!(store.policy()?, None);
            assert_eq!(store.answered(&person("alice"), "k")?, None);
            assert!(store.due(at(1000), 9)?.len() == 1 && store.open_grants(None, 9)?.is_empty());
            Ok(())
        })
        .unwrap();
    assert_eq!(subject.heard().len(), heard);
    let seqs = || -> Vec<u64> { subject.heard().iter().filter_map(seq).collect() };
    let last = seqs()[seqs().len() - 1];
    put(store, &[request(2, "alice", "alice", 0, pending(60))]);
    assert_eq!(seqs()[seqs().len() - 1], last + 1, "no place in the journal is left empty");
}

pub fn work_sees_what_it_did_and_others_do_not_until_it_is_done<S: Subject>() {
    let subject = S::fresh();
    let (store, other) = (subject.store(), subject.store().clone());
    let id = RequestId::from_random(1);
    let (inside, outside) = store
        .write(move |store| {
            let one = request(1, "alice", "alice", 0, pending(60));
            store.record(changed(Change::Requested, Some(one.clone()), None))?;
            store.put_request(&one)?;
            Ok((store.request(id)?.is_some(), other.read(|store| store.request(id))?.is_some()))
        })
        .unwrap();
    assert!(inside && !outside);
    assert!(store.read(|store| store.request(id)).unwrap().is_some());
}

pub fn writes_at_the_same_instant_happen_one_after_the_other<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let (threads, each) = (8, 25);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let next = |store: &mut dyn Transaction| {
                        let version = store.policy()?.map_or(0, |policy| policy.version) + 1;
                        store.record(applied(version))?;
                        store.put_policy(&policy(version))
                    };
                    store.write(next).unwrap();
                }
            });
        }
    });
    let last = store.read(|store| store.policy()).unwrap().unwrap();
    assert_eq!(last.version, threads * each, "each saw what the one before it did");
    let seqs: Vec<u64> = subject.heard().iter().filter_map(seq).collect();
    assert!(seqs.windows(2).all(|two| two[0] + 1 == two[1]), "heard in the order of the journal");
}

pub fn what_was_committed_is_heard_in_order_before_who_wrote_it_is_told<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    for number in 1..=20 {
        let one = request(number, "alice", "alice", 0, pending(60));
        let yields = grant(number, "alice", 0, 60);
        let (asked, given) = (one.clone(), yields.clone());
        let before = subject.heard().len();
        store
            .write(move |store| {
                store.record(changed(Change::Approved, Some(asked.clone()), Some(given.clone())))?;
                store.put_request(&asked)?;
                store.put_grant(&given, false)
            })
            .unwrap();
        let heard = subject.heard();
        let [Committed::Record { .. }, Committed::Request(request), Committed::Grant(grant)] =
            &heard[before..]
        else {
            panic!("{:?}", &heard[before..])
        };
        assert_eq!((&**request, &**grant), (&one, &yields));
    }
}

pub fn nothing_is_put_before_the_record_that_vouches_for_it<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let request = store.write(|store| store.put_request(&request(1, "alice", "alice", 0, pending(60))));
    let grant = store.write(|store| store.put_grant(&grant(1, "alice", 0, 60), false));
    let policy = store.write(|store| store.put_policy(&policy(1)));
    for refused in [request, grant, policy] {
        assert!(matches!(refused, Err(DeskError::Store(_))), "{refused:?}");
    }
    assert!(store.read(|store| store.requests(&RequestFilter::All, None, 9)).unwrap().is_empty());
}

pub fn the_room_kept_for_logins_is_no_bodys_to_fill<S: Subject>() {
    let subject = S::tight();
    let store = subject.store();
    let record = |change| {
        let long = Text::parse(&"x".repeat(access::limits::TEXT)).unwrap();
        let said = ChangeRecord { comment: Some(long), ..changed(change, None, None) };
        store.write(move |store| store.record(said))
    };
    let full = (0..5000).find_map(|_| record(Change::Requested).err());
    assert!(matches!(full, Some(DeskError::Store(_))), "{full:?}");
    for at_will in [Change::Requested, Change::Cancelled, Change::Released] {
        assert!(record(at_will).is_err(), "anybody can bring {at_will:?} about at will");
    }
    for kept in [Change::Approved, Change::Denied, Change::Revoked, Change::Expired, Change::PolicyApplied] {
        assert!(record(kept).is_ok(), "{kept:?} finds room");
    }
}

/// Names, times and rules to draw from.
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const TIMES: [i64; 4] = [0, 10, 11, 100];
const RULES: [&str; 2] = ["day", "night"];

/// Numbers that look drawn and are the same in each run (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one_of<T: Copy>(&mut self, some: &[T]) -> T {
        some[usize::try_from(self.below(some.len() as u64)).unwrap()]
    }
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

fn kept(all: &[Request], which: impl Fn(&Request) -> bool) -> Vec<Request> {
    all.iter().filter(|request| which(request)).cloned().collect()
}

fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn names(name: &str) -> BTreeSet<Login> {
    [Login::parse(name).unwrap()].into()
}

fn services() -> BTreeSet<Service> {
    [Service::parse("ssh").unwrap()].into()
}

fn pending(until: i64) -> RequestState {
    RequestState::Pending { until: at(until) }
}

fn request(number: u64, asked_by: &str, who: &str, asked: i64, state: RequestState) -> Request {
    Request {
        ask: Ask {
            id: RequestId::from_random(number),
            kind: Kind::Access,
            asked_by: person(asked_by),
            person: person(who),
            names: names(who),
            hosts: [host("web-1")].into(),
            labels: BTreeMap::new(),
            services: services(),
            run_as: None,
            length: Span::seconds(60).unwrap(),
            starts: None,
            reason: Text::parse("it's \"quoted\" – and not ASCII").unwrap(),
            ticket: None,
            source: None,
            channel: Channel::Terminal,
            asked_at: at(asked),
        },
        rule: "day".into(),
        state,
        reviews: Vec::new(),
        escalated: None,
        escalates: None,
        afterwards: None,
    }
}

fn grant(number: u64, who: &str, from: i64, to: i64) -> Grant {
    Grant {
        id: GrantId::from_random(number),
        version: 1,
        request: RequestId::from_random(number),
        person: person(who),
        names: names(who),
        logins: names(who),
        hosts: [host("web-1")].into(),
        services: services(),
        run_as: BTreeSet::new(),
        window: Window::Approval { not_before: at(from), expires: at(to) },
        source: None,
        sessions: None,
        approved_at: at(from),
        approved_by: vec![person("bob")],
        rule: "day".into(),
        policy: "p".into(),
        break_glass: false,
        extended: 0,
        ended: Some(Ended { how: EndedHow::Released, at: at(to), by: None, reason: None }),
    }
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

fn policy(version: u32) -> PolicyVersion {
    let people = version.is_multiple_of(2).then(|| "[bob]\n".to_owned());
    PolicyVersion { version, at: at(version.into()), by: Some(person("bob")), policy: "x".into(), people }
}

fn changed(change: Change, request: Option<Request>, grant: Option<Grant>) -> ChangeRecord {
    ChangeRecord {
        at: at(0),
        change,
        actor: None,
        channel: None,
        comment: None,
        request,
        grant,
        used: None,
        policy: None,
    }
}

fn applied(version: u32) -> ChangeRecord {
    let policy = PolicyApplied { version, digest: String::new(), diff: String::new() };
    ChangeRecord { policy: Some(policy), ..changed(Change::PolicyApplied, None, None) }
}

fn put<S: Store>(store: &S, requests: &[Request]) {
    let requests = requests.to_vec();
    let work = move |store: &mut dyn Transaction| {
        for request in &requests {
            store.record(changed(Change::Rechecked, Some(request.clone()), None))?;
            store.put_request(request)?;
        }
        Ok(())
    };
    store.write(work).unwrap();
}

fn put_grant<S: Store>(store: &S, grant: &Grant, closed: bool) {
    let grant = grant.clone();
    let work = move |store: &mut dyn Transaction| {
        store.record(changed(Change::Approved, None, Some(grant.clone())))?;
        store.put_grant(&grant, closed)
    };
    store.write(work).unwrap();
}

fn put_policy<S: Store>(store: &S, version: u32) -> Result<(), DeskError> {
    store.write(move |store| {
        store.record(applied(version))?;
        store.put_policy(&policy(version))
    })
}

/// The place of a record.
fn seq(event: &Committed) -> Option<u64> {
    match event {
        Committed::Record { seq, .. } => Some(*seq),
        _ => None,
    }
}
