//! The desk on a real store: one outcome, told once, seen by whom it concerns.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{EndedHow, GrantState, HostName, Login, Now, Person, Service, Span, Text, Time};
use api::{AskGrants, EndGrant, NewRequest, NewReview, NewVerdict, ProblemCode, Which};
use desk::{Caller, Clock, Committed, Desk, DeskError, Key, Policy, Roles, SqliteStore};
use journal::{Checkpoint, Stamp};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use store::{File, Observer, Options, StoreError, Writer};
use workflow::{Ask, Channel, Narrowing, RequestState, Rule, Step};

/// One group of approvers, that a test can change.
struct Group(Mutex<BTreeSet<Person>>);

impl Policy for Group {
    fn rule(&self, _: &Ask) -> Result<Rule, String> {
        Ok(Rule {
            id: "group".into(),
            policy: "p".into(),
            longest: Span::parse("8h").unwrap(),
            ahead: Span::parse("7d").unwrap(),
            pending: Span::parse("1h").unwrap(),
            clock: workflow::Clock::Approval,
            steps: vec![Step { from: self.0.lock().unwrap().clone(), need: 1, named: "group g".into() }],
        })
    }
    fn reviews(&self, person: &Person) -> bool {
        self.0.lock().unwrap().contains(person)
    }
    fn default_length(&self) -> Span {
        Span::parse("1h").unwrap()
    }
    fn person(&self, login: &Login) -> Option<(Person, BTreeSet<Login>)> {
        (login.as_str() != "ghost").then(|| (Person::parse(login.as_str()).unwrap(), [login.clone()].into()))
    }
}

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Now {
        Now::exactly(Time::from_timestamp(1_800_000_000 + self.0.load(Ordering::Relaxed), 0).unwrap())
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Committed>>>);

impl Observer<Committed> for Heard {
    fn committed(&mut self, events: Vec<Committed>) {
        self.0.lock().unwrap().extend(events);
    }
    fn checkpoint(&mut self, _: Checkpoint) {}
    fn reopened(&mut self, _: &Connection) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, error: &StoreError) {
        assert!(matches!(error, StoreError::Failed), "{error}");
    }
}

struct Room {
    desk: Arc<Desk<SqliteStore<Committed>>>,
    group: Arc<Group>,
    hand: Arc<Hand>,
    heard: Heard,
    _folder: tempfile::TempDir,
}

fn room() -> Room {
    room_of(64 << 20)
}

fn room_of(max_bytes: u64) -> Room {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { path: folder.path().join("x.db"), max_bytes };
    let stamp = || Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 };
    let file = File::open(options.clone(), |_| (stamp(), "{}".into())).unwrap();
    let heard = Heard::default();
    let (writer, _) = Writer::start(file, Box::new(stamp), heard.clone()).unwrap();
    let store = SqliteStore::new(writer, store::read_only(&options.path).unwrap(), Duration::from_secs(20));
    let group = Arc::new(Group(Mutex::new(["bob", "carol"].map(|name| Person::parse(name).unwrap()).into())));
    let hand = Arc::new(Hand(AtomicI64::new(0)));
    let host = HostName::parse("here").unwrap();
    let desk = Arc::new(Desk::new(store, Arc::<Group>::clone(&group), Arc::<Hand>::clone(&hand), host));
    Room { desk, group, hand, heard, _folder: folder }
}

fn caller(name: &str) -> Caller {
    Caller {
        person: Person::parse(name).unwrap(),
        login: Login::parse(name).unwrap(),
        roles: Roles { admin: name == "root", ..Roles::default() },
        channel: Channel::Terminal,
        reviews: if name == "root" { Err("root".into()) } else { Ok(()) },
    }
}

fn wants(service: &str) -> NewRequest {
    NewRequest {
        hosts: BTreeSet::new(),
        services: [Service::parse(service).unwrap()].into(),
        run_as: None,
        length: None,
        at: None,
        reason: Text::parse("why").unwrap(),
        ticket: None,
        user: None,
    }
}

fn key() -> Key {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Key::of(&NEXT.fetch_add(1, Ordering::Relaxed).to_string(), "/", b"")
}

fn answer(verdict: NewVerdict, digest: &str) -> NewReview {
    NewReview { verdict, digest: digest.into(), narrowing: Narrowing::default(), comment: None }
}

impl Room {
    fn asks(&self, name: &str, service: &str) -> api::RequestView {
        self.desk.request(&caller(name), wants(service), &key()).unwrap().request
    }

    fn approves(&self, name: &str, request: &api::RequestView) -> Result<api::Reviewed, DeskError> {
        let review = answer(NewVerdict::Approve, &request.digest);
        self.desk.review(&caller(name), &request.ask.id.to_string(), review, &key())
    }
}

fn code(result: &Result<impl Sized, DeskError>) -> Option<ProblemCode> {
    result.as_ref().err().map(|error| error.problem().code)
}

#[test]
fn of_two_approvers_at_the_same_instant_one_decides_and_the_other_is_told_who_did() {
    let room = room();
    for n in 0..200 {
        let request = room.asks(&format!("user{n}"), "ssh");
        let barrier = Barrier::new(2);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = ["bob", "carol"]
                .map(|name| {
                    scope.spawn(|| {
                        barrier.wait();
                        room.approves(name, &request)
                    })
                })
                .into_iter()
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won: Vec<_> = results.iter().flatten().collect();
        assert_eq!(won.len(), 1, "one outcome");
        let grant = won.first().and_then(|reviewed| reviewed.grant.as_ref()).unwrap();
        let winner = grant.grant.approved_by.first().unwrap();
        let lost = results.iter().find_map(|result| result.as_ref().err()).unwrap();
        assert_eq!(lost.problem().code, ProblemCode::Conflict);
        assert!(lost.to_string().contains(&format!("is already approved by {winner}")), "{lost}");
    }
    let heard = room.heard.0.lock().unwrap();
    assert_eq!(heard.iter().filter(|event| matches!(event, Committed::Grant(_))).count(), 200);
}

#[test]
fn a_write_that_is_sent_again_with_its_key_happens_once_and_answers_the_same() {
    let room = room();
    let alice = caller("alice");
    let once = Key::of("k", "/v1/requests", b"body");
    let first = room.desk.request(&alice, wants("ssh"), &once).unwrap();
    let again = room.desk.request(&alice, wants("ssh"), &once).unwrap();
    assert_eq!(first, again);
    let other = room.desk.request(&alice, wants("sudo"), &Key::of("k", "/v1/requests", b"other"));
    assert_eq!(code(&other), Some(ProblemCode::BadRequest));
    assert!(room.desk.request(&caller("bob"), wants("ssh"), &once).is_ok(), "keys are each person's own");

    let review = || answer(NewVerdict::Approve, &first.request.digest);
    let id = first.request.ask.id.to_string();
    let key = Key::of("r", "/v1", b"yes");
    let approved = room.desk.review(&caller("carol"), &id, review(), &key).unwrap();
    assert_eq!(room.desk.review(&caller("carol"), &id, review(), &key).unwrap(), approved);
}

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
        Text::parse("x").unwrap(),
        false,
    );
    assert!(by_login.unwrap().unwrap().existed, "what waits is named, also to who may open no more");
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
    room.hand.0.store(3601, Ordering::Relaxed);
    assert!(room.desk.request(&caller("mallory"), wants("ssh"), &key()).is_ok());
}

#[test]
fn what_anybody_can_bring_about_leaves_the_last_quarter_to_logins_and_reviews() {
    let room = room_of(1 << 20);
    let waiting = room.asks("alice", "ssh");
    let mut refused = None;
    for n in 0..2000 {
        room.hand.0.store(n * 100, Ordering::Relaxed);
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
    room.hand.0.store(1, Ordering::Relaxed);
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
fn people_see_their_own_and_what_they_could_decide_and_ids_tell_nothing() {
    let room = room();
    let request = room.asks("alice", "ssh");
    let id = request.ask.id.to_string();
    let sees = |name: &str| room.desk.show_request(&caller(name), &id).is_ok();
    assert!(sees("alice") && sees("bob") && sees("root") && !sees("mallory"));
    let unknown = room.desk.show_request(&caller("mallory"), "R-00000-00000").unwrap_err().to_string();
    let hidden = room.desk.show_request(&caller("mallory"), &id).unwrap_err().to_string();
    assert_eq!(
        unknown.replace("R-00000-00000", "ID"),
        hidden.replace(&id, "ID"),
        "hidden looks like missing"
    );
    assert_eq!(code(&room.approves("mallory", &request)), Some(ProblemCode::NotFound));
    assert!(room.desk.requests(&caller("mallory"), Which::All, 10).unwrap().is_empty());
    assert_eq!(room.desk.requests(&caller("bob"), Which::Pending, 10).unwrap().len(), 1);
    assert_eq!(room.desk.requests(&caller("bob"), Which::Mine, 10).unwrap().len(), 0);
    let grant = room.approves("bob", &request).unwrap().grant.unwrap();
    let all = AskGrants::default();
    let count = |name: &str| room.desk.grants(&caller(name), &all, 10).unwrap().len();
    assert_eq!([count("alice"), count("carol"), count("root"), count("mallory")], [1, 1, 1, 0]);
    let short = grant.grant.id.to_string()[..4].to_owned();
    assert_eq!(room.desk.show_grant(&caller("alice"), &short).unwrap().grant.id, grant.grant.id);
    assert_eq!(code(&room.desk.show_grant(&caller("mallory"), &short)), Some(ProblemCode::NotFound));
}

#[test]
fn rights_are_those_of_the_moment_and_a_door_that_is_not_sure_counts_no_review() {
    let room = room();
    let request = room.asks("alice", "ssh");
    assert_eq!(code(&room.approves("root", &request)), Some(ProblemCode::Forbidden));
    room.group.0.lock().unwrap().remove(&Person::parse("bob").unwrap());
    assert_eq!(
        code(&room.approves("bob", &request)),
        Some(ProblemCode::NotFound),
        "who left the group sees nothing"
    );
    let own = room.desk.request(&caller("carol"), wants("sudo"), &key());
    assert!(own.unwrap_err().to_string().contains("nobody could approve this"), "she alone is left");
}

#[test]
fn a_grant_ends_by_its_holder_its_approvers_or_an_operator_and_once() {
    let room = room();
    let ends = |name: &str, id: &str, how| {
        let reason = (how == EndedHow::Revoked).then(|| Text::parse("done").unwrap());
        room.desk.end_grant(&caller(name), id, how, EndGrant { reason }, &key())
    };
    for (name, how, fine) in [
        ("alice", EndedHow::Released, true),
        ("alice", EndedHow::Revoked, true),
        ("bob", EndedHow::Released, false),
        ("bob", EndedHow::Revoked, true),
        ("root", EndedHow::Revoked, true),
        ("mallory", EndedHow::Revoked, false),
    ] {
        let request = room.asks("alice", "ssh");
        let id = room.approves("bob", &request).unwrap().grant.unwrap().grant.id.to_string();
        let ended = ends(name, &id, how);
        assert_eq!(ended.is_ok(), fine, "{name} {how:?}");
        if let Ok(ended) = ended {
            assert!(matches!(ended.state, GrantState::Released | GrantState::Revoked));
            assert_eq!(code(&ends(name, &id, how)), Some(ProblemCode::Conflict));
        }
    }
    let request = room.asks("alice", "ssh");
    let id = room.approves("bob", &request).unwrap().grant.unwrap().grant.id.to_string();
    let wordless = room.desk.end_grant(&caller("bob"), &id, EndedHow::Revoked, EndGrant::default(), &key());
    assert!(wordless.unwrap_err().to_string().contains("add --reason TEXT"));
}

#[test]
fn time_closes_what_nobody_decided_and_what_is_over() {
    let room = room();
    let request = room.asks("alice", "ssh");
    let other = room.asks("alice", "sudo");
    let grant = room.approves("bob", &other).unwrap().grant.unwrap();
    room.hand.0.store(3599, Ordering::Relaxed);
    assert_eq!(room.desk.tick().unwrap(), 0);
    room.hand.0.store(3600, Ordering::Relaxed);
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
fn nobody_is_asked_for_who_is_not_there() {
    let room = room();
    let ghost = NewRequest { user: Some(Login::parse("ghost").unwrap()), ..wants("ssh") };
    let refused = room.desk.request(&caller("bob"), ghost, &key());
    assert!(refused.unwrap_err().to_string().contains("there is no account ghost"));
}
