//! Permits: what a host holds for when its hub is away, and who cannot give it any.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

mod hub;

use access::{Grant, GrantId, Window};
use hub::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use sync::*;

const FIRST: Era = era(1, 1);
const SECOND: Era = era(1, 2);

fn taken(state: &State, message: &Message, seconds: i64) -> Applied {
    apply(state, &message.to_bytes(), clock(seconds)).unwrap()
}

fn held(state: &State) -> Vec<u64> {
    state.permits().map(|permit| permit.id.bits()).collect()
}

/// A host that holds a grant and two permits.
fn served() -> State {
    let permits = [permitted(&permit(5), 1), permitted(&permit(6), 1)];
    taken(&enrolled(), &with_permits(FIRST, 7, 10, &[signed(&grant(1, 1), 1)], &permits), 12).state
}

#[test]
fn the_bytes_of_a_permit_never_change() {
    let permit = permitted(&permit(5), 1);
    let text = str::from_utf8(permit.envelope.payload()).unwrap().to_owned();
    let whole = serde_json::to_string(&permit.envelope).unwrap();
    let golden = include_str!("golden_permit.txt").trim();
    assert_eq!(format!("{text}\n{whole}"), golden, "hosts in the field would refuse it");
}

#[test]
fn a_host_holds_the_permits_that_are_listed_and_none_of_them_is_a_grant() {
    let state = served();
    assert_eq!((held(&state), state.grants().count()), (vec![5, 6], 1));
    assert_eq!(state.holds().len(), 3, "they need not be sent again");
    let again = serde_json::from_str::<State>(&serde_json::to_string(&state).unwrap()).unwrap();
    assert_eq!(again, state);
    let (permit, grant) = (permitted(&permit(5), 1), signed(&grant(1, 1), 1));
    let news = with_permits(FIRST, 8, 20, std::slice::from_ref(&grant), &[permit]);
    let news = Message { bodies: Vec::new(), permits: Vec::new(), ..news };
    let applied = taken(&state, &news, 22);
    assert!(applied.permits && applied.changes.is_empty());
    assert_eq!(held(&applied.state), [5], "what is held already needs no body");
}

#[test]
fn a_permit_that_was_taken_back_never_comes_back_and_is_forgotten_when_it_is_over() {
    let both = [permitted(&permit(5), 1), permitted(&permit(6), 1)];
    let one = taken(&served(), &with_permits(FIRST, 8, 20, &[], &both[1..]), 22).state;
    assert_eq!(held(&one), [6]);
    let again = taken(&one, &with_permits(FIRST, 9, 30, &[], &both), 32);
    assert_eq!(held(&again.state), [6]);
    assert_eq!(again.alarms, [Alarm::EndTakenBack { id: GrantId::from_random(5), version: 1 }]);
    let late = 90_000 + 24 * 3600;
    let over = taken(&again.state, &with_permits(FIRST, 10, late, &[], &[]), late + 1).state;
    assert_eq!(over.permits.len(), 0);
}

#[test]
fn a_permit_that_has_become_a_grant_is_none_any_more() {
    let used = Grant { window: Window::Approval { not_before: at(15), expires: at(3600) }, ..permit(5) };
    let grants = [signed(&grant(1, 1), 1), signed(&used, 1)];
    let both = [permitted(&permit(5), 1), permitted(&permit(6), 1)];
    let late_hub = taken(&served(), &with_permits(FIRST, 8, 20, &grants, &both), 22).state;
    assert_eq!((held(&late_hub), late_hub.grants().count()), (vec![6], 2));
    let after = taken(&late_hub, &with_permits(FIRST, 9, 30, &[], &both), 32).state;
    assert_eq!(held(&after), [6], "also once the grant is listed no more");
}

#[test]
fn nobody_but_a_grant_key_of_now_gives_a_permit_and_only_one_that_is_for_this_host_alone() {
    let other = Permit { hub: HubId::new(name("evil")), grant: permit(5) };
    let elsewhere = Grant { hosts: [name("web-2")].into(), ..permit(5) };
    let wide = Grant { hosts: [name("web-1"), name("web-2")].into(), ..permit(5) };
    let active = Grant { window: grant(5, 1).window, ..permit(5) };
    let plain = Grant { break_glass: false, ..permit(5) };
    let by = |grant: &Grant| permitted(grant, 1);
    for (permit, code) in [
        (SignedPermit::sign(&Permit { hub: hub(), grant: permit(5) }, &key(VIEW + 1)), "unknown_key"),
        (SignedPermit::sign(&other, &key(GRANT + 1)), "other_hub"),
        (by(&elsewhere), "malformed"),
        (by(&wide), "malformed"),
        (by(&active), "malformed"),
        (by(&plain), "malformed"),
    ] {
        let message = with_permits(FIRST, 8, 20, &[], std::slice::from_ref(&permit));
        assert_eq!(apply(&served(), &message.to_bytes(), clock(22)).unwrap_err().code(), code);
    }
    // A grant is no permit and a permit no grant, whoever signed it.
    let (permit, grant) = (permitted(&permit(5), 1), signed(&grant(9, 1), 1));
    let as_permit = SignedPermit { entry: grant.entry, envelope: grant.envelope };
    let as_grant = SignedGrant { entry: permit.entry, envelope: permit.envelope };
    let permits = with_permits(FIRST, 8, 20, &[], &[as_permit]);
    let grants = message(FIRST, 8, 20, &[as_grant]);
    for message in [permits, grants] {
        assert_eq!(apply(&enrolled(), &message.to_bytes(), clock(22)).unwrap_err().code(), "malformed");
    }
}

#[test]
fn a_list_without_its_permits_or_with_others_is_not_the_one_that_was_committed() {
    let permits = [permitted(&permit(5), 1)];
    let whole_message = with_permits(FIRST, 8, 20, &[], &permits);
    let listed = vec![permits[0].entry];
    let view = view(FIRST, 8, 20, &[]);
    let silent = Message { view: sealed(&View { permits: listed, ..view }), ..whole_message.clone() };
    assert_eq!(apply(&enrolled(), &silent.to_bytes(), clock(22)).unwrap_err().code(), "not_whole");
    let missing = Message { permits: Vec::new(), ..whole_message.clone() };
    assert_eq!(apply(&enrolled(), &missing.to_bytes(), clock(22)).unwrap_err().code(), "missing_body");
    let unlisted = Message { permits: vec![permitted(&permit(6), 1).envelope], ..whole_message };
    assert_eq!(apply(&served(), &unlisted.to_bytes(), clock(22)).unwrap_err().code(), "unlisted");
}

#[test]
fn permits_of_a_key_that_was_rotated_out_are_signed_anew_or_none() {
    let old = with_permits(SECOND, 1, 20, &[], &[permitted(&permit(5), 1)]);
    assert_eq!(apply(&served(), &old.to_bytes(), clock(22)).unwrap_err().code(), "rotated_out");
    let silent = Message { permits: Vec::new(), ..old };
    assert_eq!(apply(&served(), &silent.to_bytes(), clock(22)).unwrap_err().code(), "missing_body");
    let anew = taken(&served(), &with_permits(SECOND, 1, 20, &[], &[permitted(&permit(7), 2)]), 22).state;
    assert_eq!(held(&anew), [7]);
}

proptest! {
    /// Whatever a hub lists after whatever it listed before, a host holds of it what was never taken back.
    #[test]
    fn what_is_held_is_what_is_listed_and_was_never_taken_back(
        lists in proptest::collection::vec(proptest::collection::btree_set(1u64..6, 0..5), 1..8)
    ) {
        let (mut state, mut gone, mut before) = (enrolled(), BTreeSet::new(), BTreeSet::new());
        for (n, list) in (1..).zip(&lists) {
            let permits: Vec<SignedPermit> = list.iter().map(|id| permitted(&permit(*id), 1)).collect();
            let seconds = i64::try_from(n).unwrap() * 10;
            let applied = taken(&state, &with_permits(FIRST, n, seconds, &[], &permits), seconds + 1);
            gone.extend(before.difference(list).copied());
            let wanted: Vec<u64> = list.difference(&gone).copied().collect();
            prop_assert_eq!(held(&applied.state), wanted);
            prop_assert_eq!(applied.alarms.len(), list.intersection(&gone).count());
            prop_assert_eq!(applied.permits, applied.state.permits != state.permits);
            prop_assert_eq!(applied.state.grants().count(), 0);
            state = applied.state;
            before.clone_from(list);
        }
    }

    /// No byte of a message with a permit can be changed on its way.
    #[test]
    fn every_byte_of_a_permit_counts(at in any::<proptest::sample::Index>(), bit in 0u8..8) {
        let mut bytes = with_permits(FIRST, 7, 10, &[], &[permitted(&permit(5), 1)]).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(apply(&enrolled(), &bytes, clock(12)).is_err());
    }
}
