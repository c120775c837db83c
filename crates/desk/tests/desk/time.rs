//! What time alone does, also over a restart and whatever the clock does.

use crate::between::Between;
use crate::room::{Hand, POLICY, at, caller, code, key, room, room_by, said};
use access::GrantState;
use api::{AskGrants, ProblemCode};
use desk::{Store, Worlds as _};
use std::path::Path;
use std::sync::Arc;
use workflow::{Policy, RequestState};

#[test]
fn time_closes_what_nobody_decided_and_what_is_over() {
    let room = room();
    let request = room.asks("alice", "ssh");
    let other = room.asks("alice", "sudo");
    let grant = room.approves("bob", &other).unwrap().grant.unwrap();
    room.hand.set(3599);
    assert_eq!(room.desk.tick().unwrap(), 0);
    room.hand.set(3600);
    assert_eq!(room.desk.tick().unwrap(), 2);
    assert_eq!(room.desk.tick().unwrap(), 0);
    let after = room.desk.show_request(&caller("alice"), &request.ask.id.to_string()).unwrap();
    assert!(matches!(after.state, RequestState::Expired { .. }));
    assert_eq!(code(&room.approves("bob", &request)), Some(ProblemCode::Conflict));
    assert_eq!(
        room.desk.show_grant(&caller("alice"), &grant.grant.id.to_string()).unwrap().state,
        GrantState::Expired
    );
    assert!(room.desk.grants(&caller("alice"), &AskGrants::default(), 10).unwrap().is_empty());
}

#[test]
fn what_would_be_over_at_once_by_the_wall_clock_is_not_granted_and_says_what_to_do() {
    let room = room();
    let request = room.asks("alice", "ssh");
    room.hand.wall_ahead(3 * 3600);
    let refused = room.approves("bob", &request);
    assert_eq!(code(&refused), Some(ProblemCode::Refused));
    let said = said(refused);
    assert!(said.contains("3 hours ahead of the time that starts go by"), "{said}");
    assert!(said.contains("`jitd clock accept`"), "{said}");
    assert_eq!(room.paper.heard.changes(), ["requested"]);
    assert!(room.request(request.ask.id).state.is_pending(), "it goes on waiting");
    // An instant is left of it.
    room.hand.wall_ahead(3599);
    assert!(room.approves("bob", &request).unwrap().grant.is_some());
}

const ESCALATES: &str = r#"
[[rule]]
id = "group"
time = { default = "1h", max = "8h", pending = "4h" }
approve = [{ from = ["group:g"], need = 1 }]
escalate = [{ after = "30m", to = ["group:leads"] }, { after = "1h", to = ["user:mallory"] }]
"#;

#[test]
fn an_escalation_comes_at_its_time_once_also_over_a_restart() {
    let room = room_by(ESCALATES);
    let request = room.asks("alice", "ssh");
    assert_eq!(request.escalates, Some(at(1800)));
    assert_eq!(code(&room.approves("dave", &request)), Some(ProblemCode::Forbidden), "not yet");
    let room = room.restarted();
    room.hand.set(1799);
    assert_eq!(room.desk.tick().unwrap(), 0);
    room.hand.set(1800);
    room.desk.tick().unwrap();
    room.desk.tick().unwrap();
    assert_eq!(room.paper.heard.changes(), ["escalated"]);
    let waits = room.request(request.ask.id);
    assert_eq!(waits.escalates, Some(at(3600)));
    let names: Vec<&str> = waits.could_approve.iter().map(access::Person::as_str).collect();
    assert_eq!(names, ["bob", "carol", "dave"]);
    let room = room.restarted();
    assert!(room.approves("dave", &request).unwrap().grant.is_some());
}

#[test]
fn a_clock_that_jumps_ahead_escalates_all_that_is_due_and_one_that_goes_back_takes_nothing_away() {
    let room = room_by(ESCALATES);
    let request = room.asks("alice", "ssh");
    room.hand.set(2 * 3600);
    room.desk.tick().unwrap();
    assert_eq!(room.paper.heard.changes(), ["requested", "escalated"], "both, told once");
    let waits = room.request(request.ask.id);
    assert_eq!((waits.escalates, waits.could_approve.len()), (None, 4));
    room.hand.set(10);
    let room = room.restarted();
    room.desk.tick().unwrap();
    assert!(room.approves("mallory", &room.request(request.ask.id)).unwrap().grant.is_some());
}

#[test]
fn a_clock_that_jumps_over_everything_ends_each_once() {
    let room = room_by(ESCALATES);
    let (lapses, grant) = (room.asks("alice", "ssh"), room.granted("alice", "sudo"));
    room.paper.heard.clear();
    room.hand.set(365 * 86_400);
    room.desk.tick().unwrap();
    assert_eq!(room.desk.tick().unwrap(), 0);
    assert_eq!(room.paper.heard.changes(), ["lapsed", "expired"], "no escalation of what is over");
    room.hand.set(0);
    assert!(matches!(room.request(lapses.ask.id).state, RequestState::Expired { .. }));
    assert_eq!(code(&room.approves("bob", &lapses)), Some(ProblemCode::Conflict), "it does not come back");
    assert!(room.paper.store.read(|store| store.open_grants(None, 9)).unwrap().is_empty());
    assert_eq!(grant.version, 1);
}

#[test]
fn more_than_one_tick_takes_is_done_by_the_next_ones() {
    let room = room();
    for number in 0..300 {
        room.asks(&format!("user{}", number % 100), &format!("door{number}"));
    }
    room.hand.set(3600);
    assert_eq!(room.desk.tick().unwrap(), desk::limits::PER_TICK as usize);
    assert_eq!(room.desk.tick().unwrap(), 300 - desk::limits::PER_TICK as usize);
    assert_eq!(room.desk.tick().unwrap(), 0);
}

#[test]
fn an_extension_that_comes_between_the_look_of_a_tick_and_its_write_stays() {
    let policy = POLICY.replace(
        "pending = \"1h\"",
        "pending = \"1h\", extend = { count = 1, max = \"1h\", total = \"9h\", approve = \"nobody\" }",
    );
    let room = room_by(&policy);
    let grant = room.granted("alice", "ssh");
    // The desk whose tick is under way; the other one writes before it does.
    let (between, other) = (Between::of(&room), Arc::clone(&room.desk));
    let ticking = between.desk(&room, Arc::new(Hand::at(3600)));
    let id = grant.id.to_string();
    between.before_the_next_write(move || {
        let new = api::NewExtension {
            length: access::Span::parse("1h").unwrap(),
            reason: access::Text::parse("not done").unwrap(),
            ticket: None,
        };
        // It was asked for a second before the end.
        other.extend(&caller("alice"), &id, &new, &key()).unwrap();
    });
    room.hand.set(3599);
    ticking.tick().unwrap();
    let after = room.grant(grant.id);
    assert_eq!((after.grant.version, after.state, after.ends), (2, GrantState::Active, at(7200)));
    assert_eq!(room.paper.store.read(|store| store.open_grants(None, 9)).unwrap().len(), 1);
}

#[test]
fn what_time_ends_or_the_policy_takes_back_at_two_desks_at_once_is_ended_once() {
    let room = room();
    let grant = room.granted("alice", "ssh");
    room.hand.set(3600);
    // Both desks have looked when the first of them writes.
    let (between, other) = (Between::of(&room), Arc::clone(&room.desk));
    let ticking = between.desk(&room, Arc::new(Hand::at(3600)));
    between.before_the_next_write(move || assert_eq!(other.tick().unwrap(), 1));
    room.paper.heard.clear();
    ticking.tick().unwrap();
    assert_eq!(room.paper.heard.changes(), ["expired"]);
    assert_eq!(room.grant(grant.id).state, GrantState::Expired);

    let other = Arc::clone(&room.desk);
    let grant = room.granted("alice", "ssh");
    let denies =
        format!("[[rule]]\nid = \"never\"\neffect = \"deny\"\nwho = {{ users = [\"alice\"] }}\n{POLICY}");
    let mut ground = room.place.ground();
    ground.world.policy = Arc::new(Policy::parse(&denies, Path::new("policy.toml")).unwrap());
    room.hand.set(7200);
    between.before_the_next_write(move || assert_eq!(other.tick().unwrap(), 1));
    room.paper.heard.clear();
    ticking.reconcile_with(&ground).unwrap();
    assert_eq!(room.paper.heard.changes(), ["expired"], "nothing is taken back that is over");
    assert!(room.grant(grant.id).grant.ended.is_none());
}

#[test]
fn a_tick_that_comes_before_the_look_at_people_who_changed_writes_down_what_it_does() {
    let two =
        format!("{}\n{POLICY}", ESCALATES.replace("\"group\"", "\"dev\"\nwho = { groups = [\"dev\"] }"));
    let room = room_by(&two);
    let request = room.asks("alice", "ssh");
    room.place.groups("alice", &[]);
    room.hand.set(1800);
    room.desk.tick().unwrap();
    assert_eq!(room.paper.heard.changes(), ["requested", "rechecked"]);
    assert_eq!(room.request(request.ask.id).escalates, None);
    assert_eq!(room.desk.tick().unwrap(), 0);
}

#[test]
fn what_ended_long_ago_is_forgotten_some_at_a_time_and_makes_room() {
    let room = room();
    let (hour, year) = (3600, 366 * 86_400);
    let kept = room.granted("alice", "ssh");
    for n in 0..desk::limits::PER_TICK + 44 {
        if n % 50 == 0 {
            // Nobody opens more within an hour.
            room.hand.set(i64::from(n) * hour);
        }
        let id = room.asks("mallory", "ssh").ask.id.to_string();
        room.desk.cancel(&caller("mallory"), &id, &key()).unwrap();
    }
    let waits = room.asks("mallory", "ssh").ask.id;
    let reader = store::read_only(&room.paper.folder.path().join("x.db")).unwrap();
    let used = || store::used_bytes(&reader).unwrap();
    let before = used();
    let old = |seconds| desk::Old { nothing: at(seconds), grants: at(seconds) };
    assert!(!room.desk.forget(old(0)).unwrap());
    assert!(room.desk.forget(old(year)).unwrap(), "there is more than one round forgets");
    assert!(!room.desk.forget(old(year)).unwrap());
    let all = room.desk.requests(&caller("root"), api::Which::All, 1000).unwrap();
    assert_eq!(all.len(), 2, "what waits, and what is granted");
    assert!(before - used() > 100 * 1024, "{before} and {}", used());
    assert_eq!(room.grant(kept.id).grant.id, kept.id);
    room.request(waits);
    // Once it is closed, and over for so long, it goes too.
    room.hand.set(2 * hour);
    room.desk.tick().unwrap();
    assert!(!room.desk.forget(old(hour)).unwrap());
    assert_eq!(room.grant(kept.id).grant.id, kept.id);
    room.desk.forget(old(hour + 1)).unwrap();
    assert!(room.desk.show_grant(&caller("root"), &kept.id.to_string()).is_err());
}
