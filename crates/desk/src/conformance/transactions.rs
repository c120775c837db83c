//! What a transaction does, and who sees it when.

use super::Subject;
use super::samples::{applied, at, changed, grant, pending, person, policy, put, request};
use crate::DeskError;
use crate::store::{Committed, RequestFilter, Store, Transaction};
use access::{GrantId, RequestId, Text};
use api::{Change, ChangeRecord};
use workflow::RequestState;

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

/// The place of a record.
fn seq(event: &Committed) -> Option<u64> {
    match event {
        Committed::Record { seq, .. } => Some(*seq),
        _ => None,
    }
}
