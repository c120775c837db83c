//! What a host gives back to a store that lost it.

use crate::glass::GLASS;
use crate::room::{Room, at, room, room_by, wants};
use access::{Ended, EndedHow, Grant, HostName, Person, Text};
use api::NewRequest;
use desk::Store as _;
use std::collections::BTreeMap;

#[test]
fn an_end_that_a_host_says_counts_and_is_nobodys_but_the_hosts_word() {
    let room = room();
    let (first, second) = (room.granted("alice", "ssh"), room.granted("alice", "sudo"));
    let here = HostName::parse("here").unwrap();
    let end = |seconds, reason: String| Ended {
        how: EndedHow::Revoked,
        at: at(seconds),
        by: Some(Person::parse("carol").unwrap()),
        reason: Some(Text::parse(&reason).unwrap()),
    };
    let long = "x".repeat(access::limits::TEXT);
    let ends =
        BTreeMap::from([(first.id, end(20, "wrong host".to_owned())), (second.id, end(1 << 33, long))]);
    room.paper.heard.clear();
    room.hand.set(30);
    let elsewhere = HostName::parse("elsewhere").unwrap();
    let none = room.paper.store.write(room.desk.restores(&elsewhere, Vec::new(), ends.clone())).unwrap();
    assert_eq!(none, desk::Restored::default(), "it is of other hosts");
    let restored = room.paper.store.write(room.desk.restores(&here, Vec::new(), ends)).unwrap();
    assert_eq!(restored.ended.len(), 2);
    let ended = |id| room.grant(id).grant.ended.unwrap();
    let of = |seconds, words: &str| Ended {
        how: EndedHow::Revoked,
        at: at(seconds),
        by: None,
        reason: Some(Text::parse(words).unwrap()),
    };
    assert_eq!(ended(first.id), of(20, "as host here says, by carol: wrong host"));
    assert_eq!(
        ended(second.id),
        of(30, "as host here says"),
        "none is to come, and what is too long is left out"
    );
    let lines = room.paper.heard.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines.iter().all(|line| line.starts_with("change=revoked actor=nobody channel=host ")),
        "{lines:#?}"
    );
}

fn gives_back(room: &Room, grant: &Grant) -> desk::Restored {
    let here = HostName::parse("here").unwrap();
    room.paper.store.write(room.desk.restores(&here, vec![grant.clone()], BTreeMap::new())).unwrap()
}

#[test]
fn broken_glass_that_a_host_gives_back_is_loud_and_somebody_has_to_look_at_it() {
    let (room, copy) = (room_by(GLASS), room_by(GLASS));
    let glass = NewRequest { break_glass: true, ..wants("sudo") };
    let grant = room.tries("alice", &glass).unwrap().grant.unwrap().grant;
    for new in [1, 0] {
        assert_eq!(gives_back(&copy, &grant).new, new);
        assert_eq!(copy.paper.heard.changes(), ["requested", "break_glass", "received"]);
    }
    let request = copy.request(grant.request);
    assert_eq!(request.afterwards.clone().unwrap().due, at(4 * 3600), "as its rule says");
    assert!(request.ask.reason.as_str().starts_with("host here gave it back"), "{}", request.ask.reason);
    assert!(copy.desk.has_unseen(&grant.person).unwrap());
    copy.approves("dave", &request).unwrap();
    assert!(!copy.desk.has_unseen(&grant.person).unwrap());
    gives_back(&copy, &grant);
    assert!(!copy.desk.has_unseen(&grant.person).unwrap(), "once is enough");
    assert_eq!(gives_back(&room, &grant).new, 0);
    assert_eq!(room.request(grant.request).ask.reason, glass.reason, "what is not lost stays as it is");
}

#[test]
fn no_policy_that_is_older_than_a_grant_which_a_host_gives_back_ends_it() {
    let (room, copy) = (room_by(GLASS), room_by(GLASS));
    room.place.groups("nora", &["dev"]);
    room.hand.set(10);
    let glass = NewRequest { break_glass: true, ..wants("sudo") };
    let given = [room.granted("nora", "ssh"), room.tries("nora", &glass).unwrap().grant.unwrap().grant];
    copy.hand.set(20);
    for grant in &given {
        gives_back(&copy, grant);
        copy.desk.reconcile().unwrap();
        assert_eq!(
            copy.grant(grant.id).grant.ended,
            None,
            "people of the copy are those of before nora came"
        );
    }
    copy.applies(&GLASS.replace("8h", "7h"));
    for grant in &given {
        let why = copy.grant(grant.id).grant.ended.unwrap().reason.unwrap();
        assert_eq!(why.as_str(), "nora has no account any more");
    }
}
