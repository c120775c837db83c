//! Short ids.

use super::Subject;
use super::samples::{grant, pending, put, put_grant, request};
use crate::store::Store;
use access::{GrantId, RequestId};

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
