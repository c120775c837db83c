//! Answers to writes that are sent again.

use super::Subject;
use super::samples::{at, person};
use crate::store::{Store, Transaction};
use crate::{DeskError, limits};

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
