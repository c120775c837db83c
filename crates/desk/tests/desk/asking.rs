//! Asking: what waits already, for whom, and how much of it.

use crate::glass::GLASS;
use crate::room::{POLICY, Room, caller, code, key, room, room_by, room_of, said, wants};
use access::{HostName, Login, Service, Text};
use api::{AskRequests, NewRequest, Opened, ProblemCode, Which};
use desk::{Caller, DeskError, Knock};
use std::collections::BTreeSet;
use workflow::{Channel, RequestState};

#[test]
fn an_equal_request_that_waits_is_pointed_at_and_one_person_has_only_so_many() {
    let room = room();
    let first = room.asks("alice", "ssh");
    let again = room.desk.request(&caller("alice"), &wants("ssh"), &key()).unwrap();
    assert!(again.existed && again.request.ask.id == first.ask.id);
    for n in 1..workflow::limits::PENDING_PER_PERSON {
        room.asks("alice", &format!("door{n}"));
    }
    let more = room.desk.request(&caller("alice"), &wants("one-more"), &key());
    assert_eq!(code(&more), Some(ProblemCode::RateLimited));
    assert!(room.desk.request(&caller("dave"), &wants("ssh"), &key()).is_ok());
}

#[test]
fn asking_for_somebody_else_shows_nothing_of_theirs_and_takes_no_place_of_theirs() {
    let room = room();
    let own = room.asks("alice", "ssh");
    let for_alice = |service: &str| NewRequest { user: Login::parse("alice").ok(), ..wants(service) };
    let stranger = room.desk.request(&caller("mallory"), &for_alice("ssh"), &key()).unwrap();
    assert!(!stranger.existed && stranger.request.ask.id != own.ask.id);
    let approver = room.desk.request(&caller("bob"), &for_alice("ssh"), &key()).unwrap();
    assert!(approver.existed, "who may see it is pointed at it");
    for n in 1..workflow::limits::PENDING_PER_PERSON {
        room.desk.request(&caller("mallory"), &for_alice(&format!("door{n}")), &key()).unwrap();
    }
    let own = room.desk.request(&caller("alice"), &wants("door1"), &key()).unwrap();
    assert!(!own.existed, "what she asks herself says what she says");
    let more = room.desk.request(&caller("mallory"), &for_alice("one-more"), &key());
    assert_eq!(code(&more), Some(ProblemCode::RateLimited));
    assert!(room.desk.request(&caller("alice"), &wants("sudo"), &key()).is_ok(), "alice's places are hers");
}

#[test]
fn opening_and_cancelling_without_end_is_stopped_and_a_later_hour_is_fine() {
    let room = room();
    for _ in 0..workflow::limits::OPENED_PER_HOUR {
        let id = room.asks("mallory", "ssh").ask.id.to_string();
        room.desk.cancel(&caller("mallory"), &id, &key()).unwrap();
    }
    let more = room.desk.request(&caller("mallory"), &wants("ssh"), &key());
    assert_eq!(code(&more), Some(ProblemCode::RateLimited));
    assert!(room.desk.request(&caller("alice"), &wants("ssh"), &key()).is_ok());
    room.hand.set(3601);
    assert!(room.desk.request(&caller("mallory"), &wants("ssh"), &key()).is_ok());
}

/// A host says that alice asks for this.
fn host_asks(room: &Room, service: &str) -> Result<Opened, DeskError> {
    room.desk.request(&by_host(), &wants(service), &key())
}

fn by_host() -> Caller {
    Caller { channel: Channel::Host, ..caller("alice") }
}

fn is_kept_for_her(refused: Result<Opened, DeskError>) {
    assert_eq!(code(&refused), Some(ProblemCode::RateLimited));
    let why = said(refused);
    assert!(why.contains("is kept for what you ask for yourself"), "{why}");
}

#[test]
fn what_hosts_have_waiting_in_somebodys_name_leaves_half_of_it_to_them_and_all_glass() {
    let room = room_by(GLASS);
    let most = workflow::limits::PENDING_PER_PERSON;
    for n in 0..most / 2 {
        host_asks(&room, &format!("door{n}")).unwrap();
    }
    is_kept_for_her(host_asks(&room, "one-more"));
    let (login, service) = (Login::parse("alice").unwrap(), Service::parse("one-more").unwrap());
    let knock = Knock { login: &login, service: &service, run_as: None, source: None, host: None };
    let by_webhook = Caller { channel: Channel::Webhook, ..caller("alice") };
    is_kept_for_her(room.desk.request(&by_webhook, &wants("one-more"), &key()));
    let at_a_door = room.desk.request_of_login(knock, Text::parse("refused").unwrap(), true, None);
    assert_eq!(code(&at_a_door), Some(ProblemCode::RateLimited), "a login is a host's word too");
    for n in most / 2..most {
        room.asks("alice", &format!("door{n}"));
    }
    assert_eq!(code(&room.tries("alice", &wants("one-more"))), Some(ProblemCode::RateLimited));
    let glass = NewRequest { break_glass: true, ..wants("ssh") };
    assert!(room.tries("alice", &glass).unwrap().grant.is_some(), "what waits is not in its way");
}

#[test]
fn what_hosts_open_and_take_back_without_end_in_somebodys_name_leaves_half_of_an_hour_to_them() {
    let room = room();
    for _ in 0..workflow::limits::OPENED_PER_HOUR / 2 {
        let id = host_asks(&room, "ssh").unwrap().request.ask.id.to_string();
        room.desk.cancel(&by_host(), &id, &key()).unwrap();
    }
    is_kept_for_her(host_asks(&room, "ssh"));
    assert!(room.tries("alice", &wants("ssh")).is_ok());
}

#[test]
fn grants_that_hosts_have_a_rule_give_by_itself_leave_half_of_all_to_their_person() {
    let room = room_by(&POLICY.replace("approve =", "auto = { max = \"8h\" }\napprove ="));
    let most = i64::try_from(access::limits::GRANTS_PER_LOGIN / 2).unwrap();
    for n in 0..most {
        room.hand.set(n * 200);
        assert!(host_asks(&room, "ssh").unwrap().grant.is_some());
    }
    room.hand.set(most * 200);
    is_kept_for_her(host_asks(&room, "ssh"));
    assert!(room.tries("alice", &wants("ssh")).unwrap().grant.is_some());
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
        match room.desk.request(&caller("mallory"), &ask, &key()) {
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
    let refused = room.desk.request(&caller("alice"), &NewRequest { hosts, ..wants("ssh") }, &key());
    assert!(refused.unwrap_err().to_string().contains("257 hosts are more than the 256"));
}

#[test]
fn nobody_is_asked_for_who_is_not_there() {
    let room = room();
    let ghost = NewRequest { user: Some(Login::parse("ghost").unwrap()), ..wants("ssh") };
    let refused = room.desk.request(&caller("bob"), &ghost, &key());
    assert!(refused.unwrap_err().to_string().contains("there is no account ghost"));
}

const QUOTA: &str = r#"
[[rule]]
id = "on-its-own"
time = { default = "1h", max = "8h", pending = "1h" }
approve = [{ from = ["group:g"], need = 1 }]
auto = { max = "2h", quota = "2 per 7d" }
"#;

#[test]
fn a_rule_lets_in_by_itself_within_its_quota_and_then_asks_people() {
    let room = room_by(QUOTA);
    for used in 0..2 {
        let opened = room.tries("alice", &wants("ssh")).unwrap();
        assert!(opened.grant.unwrap().grant.approved_by.is_empty());
        let RequestState::Approved { by, .. } = opened.request.state else { panic!() };
        assert!(by.to_string().contains(&format!("{used} of 2 per 7d used")), "{by}");
    }
    let lines = room.paper.heard.lines();
    assert!(lines[1].starts_with("change=approved actor=rule:on-its-own"), "{}", lines[1]);
    let third = room.tries("alice", &wants("ssh")).unwrap();
    assert!(third.grant.is_none() && third.request.state.is_pending());
    assert!(room.tries("mallory", &wants("ssh")).unwrap().grant.is_some(), "each person's own");
    let long = NewRequest { length: access::Span::parse("3h").ok(), ..wants("sudo") };
    assert!(room.tries("mallory", &long).unwrap().grant.is_none(), "longer than it gives alone");
    let hers = NewRequest { user: Login::parse("alice").ok(), ..wants("su") };
    assert!(room.tries("mallory", &hers).unwrap().grant.is_none(), "it is not for others to use up");

    let room = room.restarted();
    assert!(room.approves("bob", &third.request).unwrap().grant.is_some());
    assert!(room.tries("alice", &wants("ssh")).unwrap().grant.is_none(), "used up over a restart too");
    room.hand.set(7 * 86_400 + 1);
    assert!(room.tries("alice", &wants("ssh")).unwrap().grant.is_some(), "a week later");
}

#[test]
fn a_quota_that_is_used_up_where_nobody_could_approve_is_refused_with_why() {
    let room = room_by(&QUOTA.replace("[\"group:g\"]", "[\"group:empty\"]"));
    for _ in 0..2 {
        assert!(room.tries("alice", &wants("ssh")).unwrap().grant.is_some());
    }
    let refused = said(room.tries("alice", &wants("ssh")));
    assert!(refused.contains("2 of 2 per 7d used") && refused.contains("nobody could approve"), "{refused}");
}

#[test]
fn two_equal_asks_at_the_same_instant_are_one_request() {
    let room = room();
    for round in 0..50 {
        let (barrier, name) = (std::sync::Barrier::new(2), format!("user{round}"));
        let opened: Vec<api::Opened> = std::thread::scope(|scope| {
            let ask = || {
                barrier.wait();
                room.tries(&name, &wants("ssh")).unwrap()
            };
            let threads = [scope.spawn(ask), scope.spawn(ask)];
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(opened[0].request.ask.id, opened[1].request.ask.id);
        assert_ne!(opened[0].existed, opened[1].existed, "one of the two was first");
    }
}

#[test]
fn all_requests_are_listed_page_by_page() {
    let room = room();
    for number in 0..450 {
        room.hand.set(number / 100);
        room.asks(&format!("user{}", number % 100), &format!("door{number}"));
    }
    let (mut seen, mut pages) = (BTreeSet::new(), 0);
    let mut ask = AskRequests { which: Which::All, limit: None, after: None };
    loop {
        let page = room.desk.requests_page(&caller("root"), &ask).unwrap();
        seen.extend(page.rows.into_iter().map(|view| view.ask.id));
        pages += 1;
        ask.after = page.next;
        if ask.after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (450, 3));
}
