//! What a host believes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

mod hub;

use hub::*;
use sync::*;

const FIRST: Era = era(1, 1);

#[test]
fn a_new_host_takes_the_truth_from_one_message() {
    let grants = [signed(&grant(1, 1), 1), signed(&grant(2, 1), 1)];
    let applied = apply(&enrolled(), &message(FIRST, 7, 10, &grants).to_bytes(), clock(12)).unwrap();
    assert_eq!(applied.state.grants().cloned().collect::<Vec<_>>(), [grant(1, 1), grant(2, 1)]);
    assert_eq!(applied.changes, grants.each_ref().map(|grant| Change::Put(grant.entry.id)));
    assert_eq!(applied.state.watermark(), Some((FIRST, 7)));
    assert_eq!(applied.alarms, []);
}
