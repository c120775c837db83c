//! The policy in force.

use super::Subject;
use super::samples::{policy, put_policy};
use crate::DeskError;
use crate::store::Store;

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
