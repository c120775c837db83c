//! Asking: what waits already, for whom, and how much of it.

use crate::room::{POLICY, caller, code, key, room, room_of, said, wants};
use access::{HostName, Login, Service, Text};
use api::{NewRequest, ProblemCode};
use desk::AtTheDoor;

#[test]
fn an_equal_request_that_waits_is_pointed_at_and_one_person_has_only_so_many() {
    let room = room();
    let first = room.asks("alice", "ssh");
    let again = room.desk.request(&caller("alice"), wants("ssh"), &key()).unwrap();
    assert!(again.existed && again.request.ask.id == first.ask.id);
    let by_login = room.desk.request_of_login(
        &Login::parse("alice").unwrap(),
        &Service::parse("ssh").unwrap(),
        None,
        None,
        Text::parse("x").unwrap(),
        false,
    );
    let AtTheDoor::Opened(named) = by_login.unwrap() else { panic!("what waits is not named") };
    assert!(named.existed, "what waits is named, also to who may open no more");
    for n in 1..workflow::limits::PENDING_PER_PERSON {
        room.asks("alice", &format!("door{n}"));
    }
    let more = room.desk.request(&caller("alice"), wants("one-more"), &key());
    assert_eq!(code(&more), Some(ProblemCode::RateLimited));
    assert!(room.desk.request(&caller("dave"), wants("ssh"), &key()).is_ok());
}

#[test]
fn asking_for_somebody_else_shows_nothing_of_theirs_and_takes_no_place_of_theirs() {
    let room = room();
    let own = room.asks("alice", "ssh");
    let for_alice = |service: &str| NewRequest { user: Login::parse("alice").ok(), ..wants(service) };
    let stranger = room.desk.request(&caller("mallory"), for_alice("ssh"), &key()).unwrap();
    assert!(!stranger.existed && stranger.request.ask.id != own.ask.id);
    let approver = room.desk.request(&caller("bob"), for_alice("ssh"), &key()).unwrap();
    assert!(approver.existed, "who may see it is pointed at it");
    for n in 1..workflow::limits::PENDING_PER_PERSON {
        room.desk.request(&caller("mallory"), for_alice(&format!("door{n}")), &key()).unwrap();
    }
    let more = room.desk.request(&caller("mallory"), for_alice("one-more"), &key());
    assert_eq!(code(&more), Some(ProblemCode::RateLimited));
    assert!(room.desk.request(&caller("alice"), wants("sudo"), &key()).is_ok(), "alice's places are hers");
}

#[test]
fn opening_and_cancelling_without_end_is_stopped_and_a_later_hour_is_fine() {
    let room = room();
    for _ in 0..workflow::limits::OPENED_PER_HOUR {
        let id = room.asks("mallory", "ssh").ask.id.to_string();
        room.desk.cancel(&caller("mallory"), &id, &key()).unwrap();
    }
    let more = room.desk.request(&caller("mallory"), wants("ssh"), &key());
    assert_eq!(code(&more), Some(ProblemCode::RateLimited));
    assert!(room.desk.request(&caller("alice"), wants("ssh"), &key()).is_ok());
    room.hand.set(3601);
    assert!(room.desk.request(&caller("mallory"), wants("ssh"), &key()).is_ok());
}

#[test]
fn what_anybody_can_bring_about_leaves_the_last_quarter_to_logins_and_reviews() {
    let room = room_of(1 << 20);
    room.applies(POLICY);
    let waiting = room.asks("alice", "ssh");
    let mut refused = None;
    for n in 0..2000 {
        room.hand.set(n * 100);
        let long = Text::parse(&"x".repeat(1000)).unwrap();
        let ask = NewRequest { reason: long, ..wants("sudo") };
        match room.desk.request(&caller("mallory"), ask, &key()) {
            Ok(opened) => {
                let id = opened.request.ask.id.to_string();
                if let Err(why) = room.desk.cancel(&caller("mallory"), &id, &key()) {
                    refused = Some(why);
                    break;
                }
            }
            Err(why) => {
                refused = Some(why);
                break;
            }
        }
    }
    let refused = refused.unwrap();
    assert!(refused.to_string().contains("kept for logins"), "{refused}");
    room.hand.set(1);
    assert!(room.approves("bob", &waiting).unwrap().grant.is_some(), "a review still finds room");
}

#[test]
fn a_request_names_no_more_hosts_than_an_approver_reads() {
    let room = room();
    let hosts = (0..=access::limits::HOSTS).map(|n| HostName::parse(&format!("h{n}")).unwrap()).collect();
    let refused = room.desk.request(&caller("alice"), NewRequest { hosts, ..wants("ssh") }, &key());
    assert!(refused.unwrap_err().to_string().contains("257 hosts are more than the 256"));
}

#[test]
fn nobody_is_asked_for_who_is_not_there() {
    let room = room();
    let ghost = NewRequest { user: Some(Login::parse("ghost").unwrap()), ..wants("ssh") };
    let refused = room.desk.request(&caller("bob"), ghost, &key());
    assert!(refused.unwrap_err().to_string().contains("there is no account ghost"));
}
