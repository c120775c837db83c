//! What ended long ago, and what of it must stay.

use super::Subject;
use super::samples::{at, grant, pending, person, put, put_grant, request};
use crate::store::{Old, RequestFilter, Store, Usage};
use access::{Grant, GrantId, RequestId, Span, Time, Window};
use workflow::{Afterwards, Decider, Kind, Request, RequestState};

fn old(seconds: i64) -> Old {
    Old { nothing: at(seconds), grants: at(seconds) }
}

fn found<S: Store>(store: &S, old: Old) -> (Vec<RequestId>, Vec<GrantId>) {
    let (requests, grants) = store.read(|store| store.old(old, 100)).unwrap();
    (requests, grants.into_iter().map(|grant| grant.id).collect())
}

fn cancelled(number: u64, asked: i64, ended: i64) -> Request {
    request(number, "alice", "alice", asked, RequestState::Cancelled { at: at(ended), by: person("alice") })
}

fn approved(number: u64, asked: i64) -> Request {
    let by = Decider::People(vec![person("bob")]);
    request(
        number,
        "alice",
        "alice",
        asked,
        RequestState::Approved { at: at(asked), grant: GrantId::from_random(number), by },
    )
}

pub fn what_ended_long_ago_is_forgotten_whole_and_so_much_at_a_time<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    let all: Vec<Request> = (0..5).map(|n| cancelled(n, 10, 20)).collect();
    put(store, &all);
    let (some, _) = store.read(|store| store.old(old(21), 3)).unwrap();
    assert_eq!(some.len(), 3);

    let extension = Request {
        ask: workflow::Ask { kind: Kind::Extend { grant: GrantId::from_random(7) }, ..approved(8, 60).ask },
        ..approved(8, 60)
    };
    put(store, &[approved(7, 50), extension]);
    let window = Window::FirstUse {
        not_before: at(50),
        claim_by: at(60),
        length: Span::seconds(45).unwrap(),
        latest_end: at(105),
    };
    let gone = Grant { extended: 1, window, ..grant(7, "alice", 50, 100) };
    put_grant(store, &gone, true);
    subject.claims(&gone, at(55));
    let ids = (0..5).map(RequestId::from_random).collect::<Vec<_>>();
    assert_eq!(found(store, old(101)), (ids.clone(), vec![gone.id]));
    let whole = gone.clone();
    store
        .write(move |store| {
            ids.into_iter().try_for_each(|id| store.forget_request(id))?;
            store.forget_grant(&whole)
        })
        .unwrap();
    assert_eq!(found(store, old(1000)), (vec![], vec![]));
    let left = store.read(|store| store.requests(&RequestFilter::All, None, 100)).unwrap();
    assert_eq!(left, [], "an extension goes with its grant");
    assert_eq!(store.read(|store| store.grant(gone.id)).unwrap(), None);
    assert_eq!(store.read(|store| store.usage(gone.id, at(100))).unwrap(), Usage::default());
}

pub fn what_is_needed_still_is_not_forgotten<S: Subject>() {
    let subject = S::fresh();
    let store = subject.store();
    // Waits; ended late; approved, whose grant is there or not.
    put(store, &[request(1, "alice", "alice", 0, pending(5)), cancelled(2, 0, 90), approved(3, 0)]);
    let long: fn(u64) -> Grant = |n| grant(n, "alice", 0, 50);
    // Open; over later than that; with something of it that runs; looked at by nobody.
    put_grant(store, &long(3), false);
    put_grant(store, &grant(4, "alice", 0, 95), true);
    put_grant(store, &long(5), true);
    subject.opens_session(GrantId::from_random(5), 1);
    put_grant(store, &Grant { break_glass: true, ..long(6) }, true);
    let afterwards = |review| Some(Afterwards { due: at(10), overdue: true, review });
    put(store, &[Request { afterwards: afterwards(None), ..approved(6, 0) }]);
    assert_eq!(found(store, old(90)), (vec![], vec![]));
    assert_eq!(found(store, old(91)).0, [RequestId::from_random(2)]);
    assert_eq!(found(store, old(96)).1, [GrantId::from_random(4)]);
    // Neither hides what comes after it.
    put_grant(store, &Grant { break_glass: true, ..grant(0, "alice", -9, 50) }, true);
    put(store, &[Request { afterwards: afterwards(None), ..approved(0, -9) }, cancelled(9, -9, 200)]);
    let (requests, grants) = store.read(|store| store.old(old(96), 1)).unwrap();
    assert_eq!((requests, grants[0].id), (vec![RequestId::from_random(2)], GrantId::from_random(4)));
    let times = |nothing: Time, grants: Time| found(store, Old { nothing, grants });
    assert_eq!(times(at(91), at(0)), (vec![RequestId::from_random(2)], vec![]), "each by its own time");
}
