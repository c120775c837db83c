//! Break glass: alone and loud, looked at afterwards, and not again until then.

use crate::between::Between;
use crate::room::{Hand, Room, at, caller, code, key, room_by, room_of, said, wants};
use access::{GrantState, HostName, Span};
use api::{Change, NewRequest, NewVerdict, ProblemCode, Record, RequestView, Which};
use desk::{Caller, Committed, Worlds as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use workflow::Channel;

pub const GLASS: &str = r#"
[[rule]]
id = "night"
time = { default = "1h", max = "8h", pending = "1h" }
approve = [{ from = ["group:g"], need = 1 }]
break_glass = { who = ["group:dev"], max = "2h", review_by = ["group:leads"], within = "4h" }
"#;

fn breaks(room: &Room, name: &str) -> Result<api::Opened, desk::DeskError> {
    room.tries(name, &NewRequest { break_glass: true, ..wants("ssh") })
}

fn broken(room: &Room) -> (RequestView, access::Grant) {
    let opened = breaks(room, "alice").unwrap();
    (opened.request, opened.grant.unwrap().grant)
}

#[test]
fn glass_is_broken_alone_by_whom_the_rule_names_for_as_long_as_it_says_and_loudly() {
    let room = room_by(GLASS);
    let (request, grant) = broken(&room);
    assert!(grant.break_glass && grant.approved_by.is_empty());
    assert_eq!(grant.window.latest_end(), at(3600), "the usual length, within what glass gives");
    assert_eq!(request.afterwards.unwrap().due, at(4 * 3600));
    let loud = room.paper.heard.0.lock().unwrap().iter().any(|event| match event {
        Committed::Record { record, .. } => {
            matches!(&**record, Record::Change(change) if change.change == Change::BreakGlass)
        }
        _ => false,
    });
    assert!(loud && Change::BreakGlass.is_loud());
    for (name, why) in [("mallory", "only alice"), ("bob", "only alice")] {
        let refused = breaks(&room, name);
        assert_eq!(code(&refused), Some(ProblemCode::Refused));
        assert!(said(refused).contains(why));
    }
    let long = NewRequest { break_glass: true, length: Span::parse("3h").ok(), ..wants("sudo") };
    assert_eq!(code(&room.tries("alice", &long)), Some(ProblemCode::Refused));
    let unsure = Caller { reviews: Err("it came from cron".into()), ..caller("alice") };
    let glass = NewRequest { break_glass: true, ..wants("sudo") };
    let refused = room.desk.request(&unsure, &glass, &key());
    assert_eq!(code(&refused), Some(ProblemCode::Forbidden), "it is an approval, so the door must be sure");
}

#[test]
fn the_next_glass_waits_until_somebody_looked_at_the_last_one() {
    let room = room_by(GLASS);
    let (request, grant) = broken(&room);
    let again = said(breaks(&room, "alice"));
    assert!(again.contains(&request.ask.id.to_string()) && again.contains("dave can"), "{again}");
    let waits_for =
        |name: &str| room.desk.requests(&caller(name), Which::Pending, 10).unwrap()[0].yours_to_review;
    assert!(waits_for("dave") && !waits_for("bob") && !waits_for("alice"));
    for name in ["alice", "bob"] {
        assert_eq!(code(&room.approves(name, &request)), Some(ProblemCode::Forbidden));
    }

    let room = room.restarted();
    assert_eq!(code(&breaks(&room, "alice")), Some(ProblemCode::Refused), "also after a restart");
    let looked = room.approves("dave", &request).unwrap();
    assert!(looked.grant.is_none() && looked.request.afterwards.unwrap().review.is_some());
    assert_eq!(room.grant(grant.id).state, GrantState::Active, "well done: it goes on");
    assert!(breaks(&room, "alice").is_ok());
    let twice = room.approves("dave", &request);
    assert_eq!(code(&twice), Some(ProblemCode::Conflict));
    assert!(said(twice).contains("already"));
}

#[test]
fn a_glass_that_is_found_wrong_ends_its_grant_where_it_still_runs() {
    let room = room_by(GLASS);
    let (request, grant) = broken(&room);
    let looked = room.reviews("dave", &request, NewVerdict::Deny).unwrap();
    assert_eq!(looked.grant.unwrap().state, GrantState::Revoked);
    let ended = room.grant(grant.id).grant.ended.unwrap();
    assert_eq!(ended.by.unwrap().as_str(), "dave");
    assert_eq!(room.paper.heard.changes(), ["requested", "break_glass", "looked_at", "revoked"]);

    let (request, grant) = broken(&room);
    room.hand.set(3600);
    room.desk.tick().unwrap();
    let late = room.reviews("dave", &request, NewVerdict::Deny).unwrap();
    assert!(late.grant.is_none(), "what is over is over");
    assert_eq!(room.grant(grant.id).state, GrantState::Expired);
}

#[test]
fn a_glass_nobody_looks_at_in_time_is_told_once_also_over_a_restart_and_can_still_be_looked_at() {
    let room = room_by(GLASS);
    let (request, _) = broken(&room);
    room.paper.heard.clear();
    room.hand.set(4 * 3600 - 1);
    room.desk.tick().unwrap();
    assert_eq!(room.paper.heard.changes(), ["expired"]);
    room.hand.set(4 * 3600);
    room.desk.tick().unwrap();
    assert_eq!(room.paper.heard.changes(), ["expired", "overdue"]);
    let room = room.restarted();
    room.hand.set(9 * 3600);
    assert_eq!(room.desk.tick().unwrap(), 0);
    assert!(room.request(request.ask.id).afterwards.unwrap().overdue);
    assert_eq!(code(&breaks(&room, "alice")), Some(ProblemCode::Refused));
    room.approves("dave", &request).unwrap();
    assert!(breaks(&room, "alice").is_ok());
}

#[test]
fn glass_that_a_host_broke_in_somebodys_name_is_in_the_way_of_hosts_and_not_of_them() {
    let room = room_by(GLASS);
    let by_host = || {
        let caller = Caller { channel: Channel::Host, ..caller("alice") };
        room.desk.request(&caller, &NewRequest { break_glass: true, ..wants("ssh") }, &key())
    };
    assert!(by_host().unwrap().grant.is_some());
    assert_eq!(code(&by_host()), Some(ProblemCode::Refused), "nobody has looked at it");
    assert!(breaks(&room, "alice").unwrap().grant.is_some());
    assert_eq!(code(&breaks(&room, "alice")), Some(ProblemCode::Refused), "her own is to be looked at");
}

#[test]
fn glass_is_broken_in_room_that_is_kept_and_nothing_else_is_asked_for_there() {
    let room = room_of(400 * 4096);
    room.applies(GLASS);
    let fill = |body: String| {
        let done: Result<u64, store::StoreError> =
            room.paper.writer.run(Duration::from_secs(20), move |tx| tx.record_refusal(body));
        done
    };
    let refused = (0..1000).find_map(|_| fill("x".repeat(3000)).err()).unwrap();
    assert!(matches!(refused, store::StoreError::Reserved(_)), "{refused}");
    let asked = said(room.tries("alice", &wants("ssh")));
    assert!(asked.contains("is kept for logins that are let in") && asked.contains("raise it"), "{asked}");
    assert!(broken(&room).1.break_glass);
}

#[test]
fn what_could_be_broken_on_each_host_of_a_fleet_is_told_without_a_look_at_the_store() {
    let room = room_by(GLASS);
    let between = Between::of(&room);
    let desk = between.desk(&room, Arc::new(Hand::at(0)));
    let hosts: Vec<HostName> = (0..50).map(|n| HostName::parse(&format!("web-{n}")).unwrap()).collect();
    let mut world = room.place.world();
    let labels = hosts.iter().map(|host| (host.clone(), BTreeMap::new())).collect();
    world.hosts = Arc::new(workflow::Hosts { labels, all: false });
    let good = (chrono::TimeDelta::days(30), Span::parse("1d").unwrap());
    let people = world.breakers();
    for host in &hosts {
        let permits = desk.could_break(&world, &people, host, good);
        assert_eq!(permits.iter().map(|permit| permit.person.as_str()).collect::<Vec<_>>(), ["alice"]);
    }
    assert!(desk.could_break(&world, &BTreeSet::new(), &hosts[0], good).is_empty());
    assert_eq!(between.reads(), 0);
}

#[test]
fn broken_glass_is_looked_at_by_whom_its_rule_names_though_host_and_person_are_gone() {
    let room = room_by(GLASS);
    let (request, _) = broken(&room);
    room.place.hosts(&[("another", "prod")]);
    room.place.groups("alice", &[]);
    room.desk.reconcile().unwrap();
    let seen = room.desk.show_request(&caller("dave"), &request.ask.id.to_string()).unwrap();
    assert_eq!(seen.could_approve, [access::Person::parse("dave").unwrap()]);
    assert!(room.reviews("mallory", &seen, NewVerdict::Approve).is_err());
    room.approves("dave", &seen).unwrap();
    assert!(!room.desk.has_unseen(&request.ask.person).unwrap());
}
