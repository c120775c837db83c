//! Two hundred approvers at once: whom the connector is slow for or fails holds up nobody else, and a hub that is killed in
//! between loses nothing.

use super::double::{Account, Double, TENANT, hub_of, soon};
use crate::outbox::asks;
use crate::room::{Hub, POLICY, text};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Instant;

const APPROVERS: usize = 200;

/// Fewer, for whom what was sent is written down before the next is: see `DOUBT` in `hub/src/outbox/limits.rs`.
const FEWER: usize = 12;

/// After so many cards the hub is killed. On a database that several share a hub waits each time until nobody can be sending
/// any more.
const KILLED_AFTER: &[usize] = if crate::database::SHARED { &[3] } else { &[1, 4, 9] };

/// A hub that so many can approve at, each with an account and a chat.
fn room(approvers: usize) -> (Hub, Double, Vec<Account>) {
    let names = (0..approvers).map(|number| format!("lead{number}"));
    let accounts: Vec<Account> = names.map(|name| Account::named(&name)).collect();
    let lead = |account: &Account| format!("[{}]\ngroups = [\"leads\"]\n", account.name);
    let people: String = accounts.iter().map(lead).collect();
    let (hub, double) = hub_of(POLICY, &format!("[alice]\ngroups = [\"dev\"]\n{people}"));
    let row = |account: &Account| {
        format!("('{TENANT}', '{0}', '{1}', '{1}', '{2}', 0, 1)", account.id, account.name, account.chat)
    };
    let rows: Vec<String> = accounts.iter().map(row).collect();
    hub.sql(&format!(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) VALUES {}",
        rows.join(", ")
    ));
    accounts.iter().for_each(|account| double.chats(account));
    (hub, double, accounts)
}

/// Messages with these words, by their chats.
fn shown(double: &Double, words: &str) -> Vec<String> {
    let found = double.asks("shown", &json!({"words": words}));
    found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[test]
fn whom_the_connector_is_slow_for_or_fails_holds_up_none_of_two_hundred() {
    let (hub, double, accounts) = room(APPROVERS);
    let (slow, fails) = (accounts[7].personal(), accounts[100].personal());
    double.asks("fault", &json!({"delay": 60_000, "then": true, "times": 9, "conversation": slow}));
    double.asks("fault", &json!({"status": 502, "times": 1000, "conversation": fails}));
    let begun = Instant::now();
    let id = asks(&hub, "the disk is full");
    soon("all but two have a card", || shown(&double, &id).len() == APPROVERS - 2);
    eprintln!("{} cards after {:?}", APPROVERS - 2, begun.elapsed());
    let there = shown(&double, &id);
    assert!(!there.contains(&slow) && !there.contains(&fails));
    soon("it is listed why one has none", || {
        text(&hub.command("outbox").output().unwrap().stdout).contains("502")
    });
}

#[test]
fn cards_outlive_every_kill_come_twice_at_most_once_for_each_and_the_one_too_many_decides_nothing_twice() {
    let (mut hub, double, accounts) = room(FEWER);
    hub.stay();
    let id = asks(&hub, "the disk is full");
    for &after in KILLED_AFTER {
        soon("some have a card", || shown(&double, &id).len() >= after);
        hub.signal(Signal::KILL);
        assert!(!hub.ends());
        hub.begin();
    }
    let mut all = Vec::new();
    soon("everybody has a card", || {
        all = shown(&double, &id);
        accounts.iter().all(|account| all.contains(&account.personal()))
    });
    let twice = all.len() - accounts.len();
    assert!(twice <= KILLED_AFTER.len(), "{twice} too many after {} kills", KILLED_AFTER.len());

    let who = accounts
        .iter()
        .max_by_key(|account| all.iter().filter(|chat| **chat == account.personal()).count())
        .unwrap();
    let messages = double.messages(&who.personal());
    let cards = messages.iter().filter(|message| message.to_string().contains(&id));
    let answers: Vec<Value> = cards
        .map(|card| {
            double.click(&json!({"message": card["id"], "verb": "approve", "version": 0, "from": who.of()}))
        })
        .collect();
    for answer in &answers {
        assert!(
            answer["body"]["value"].to_string().contains(&format!("Approved by {}", who.name)),
            "{answer}"
        );
    }
    let reviews = hub.client(&hub.admin).show_request(&id).unwrap().reviews;
    assert_eq!(reviews.len(), 1, "{reviews:?}");
}
