//! A policy that is applied while something is under way: between the look at the rules and the write that
//! rests on it. The one in force at the write decides.

use crate::between::Between;
use crate::room::{Hand, POLICY, Room, answer, at, caller, code, key, room_by, said, wants, written};
use access::{EndedHow, GrantState, Person, Span, Text};
use api::{Change, ChangeRecord, EndGrant, NewExtension, NewVerdict, PolicyApplied, ProblemCode};
use desk::{PolicyVersion, Store, Worlds};
use std::sync::Arc;
use workflow::RequestState;

/// What [`POLICY`] gives, by the leads' leave.
fn by_leads() -> String {
    POLICY.replace("group:g", "group:leads")
}

/// Rules that give the same without anybody.
fn by_itself() -> String {
    POLICY.replace("approve =", "auto = { max = \"8h\" }\napprove =")
}

/// As far as whoever applies a policy has come when the write happens.
#[derive(Clone, Copy, Debug)]
enum Applied {
    /// All is done.
    Wholly,
    /// It is durable, and this process does not go by it yet.
    InTheStoreAlone,
}

/// A room with `before` in force, and a store where `after` is applied before the next write.
fn room_between(before: &str, after: &str, how: Applied) -> (Room, Between) {
    let room = room_by(before);
    let between = Between::of(&room);
    let (desk, store, policy) = (Arc::clone(&room.desk), room.paper.store.clone(), after.to_owned());
    between.before_the_next_write(move || match how {
        Applied::Wholly => drop(desk.apply(&caller("root"), written(&policy), &key()).unwrap()),
        Applied::InTheStoreAlone => put(&store, 2, &policy),
    });
    (room, between)
}

fn put(store: &impl Store, version: u32, policy: &str) {
    let version = PolicyVersion { version, at: at(0), by: None, policy: policy.to_owned(), people: None };
    let record = ChangeRecord {
        at: at(0),
        change: Change::PolicyApplied,
        actor: None,
        channel: None,
        comment: None,
        request: None,
        grant: None,
        used: None,
        policy: Some(PolicyApplied { version: version.version, digest: String::new(), diff: String::new() }),
    };
    store
        .write(move |store| {
            store.record(record)?;
            store.put_policy(&version)
        })
        .unwrap();
}

fn now() -> Arc<Hand> {
    Arc::new(Hand::at(0))
}

#[test]
fn a_review_is_judged_by_the_policy_that_was_applied_while_it_was_under_way() {
    for how in [Applied::Wholly, Applied::InTheStoreAlone] {
        let (room, between) = room_between(POLICY, &by_leads(), how);
        let request = room.asks("alice", "ssh");
        let desk = between.desk(&room, now());
        let id = request.ask.id.to_string();
        let review = answer(NewVerdict::Approve, &request.digest);
        let refused = desk.review(&caller("bob"), &id, &review, &key());
        assert_eq!(code(&refused), Some(ProblemCode::NotFound), "bob has no say in it any more, {how:?}");
        let waits = room.request(request.ask.id);
        assert!(waits.state.is_pending() && waits.reviews.is_empty(), "{:?}", waits.state);
        assert_eq!(room.place.in_force().now().version, Some(2), "and the desk goes by it from now on");
        let approved = room.approves("dave", &waits).unwrap();
        assert_eq!(approved.grant.unwrap().grant.approved_by, [Person::parse("dave").unwrap()]);
    }
}

#[test]
fn a_request_is_opened_by_the_policy_that_was_applied_while_it_was_under_way() {
    for how in [Applied::Wholly, Applied::InTheStoreAlone] {
        let (room, between) = room_between(&by_itself(), POLICY, how);
        let opened = between.desk(&room, now()).request(&caller("alice"), &wants("ssh"), &key()).unwrap();
        assert!(opened.grant.is_none() && opened.request.state.is_pending(), "{how:?}");

        // And one that the new policy does not cover is none at all.
        let none = POLICY.replace("[[rule]]", "[[rule]]\nwho = { groups = [\"leads\"] }");
        let (room, between) = room_between(POLICY, &none, how);
        let refused = between.desk(&room, now()).request(&caller("alice"), &wants("ssh"), &key());
        assert!(said(refused).contains("no rule is for alice"), "{how:?}");
        assert!(room.paper.heard.changes().iter().all(|change| change == "policy_applied"));
    }
}

#[test]
fn a_refused_login_opens_its_request_by_the_policy_that_was_applied_while_it_was_under_way() {
    let (room, between) = room_between(&by_itself(), POLICY, Applied::InTheStoreAlone);
    let alice = caller("alice");
    let service = access::Service::parse("ssh").unwrap();
    let reason = Text::parse("refused ssh login").unwrap();
    let desk = between.desk(&room, now());
    let knock =
        desk::Knock { login: &alice.login, service: &service, run_as: None, source: None, host: None };
    let opened = desk.request_of_login(knock, reason, true, None).unwrap();
    let desk::AtTheDoor::Opened(opened) = opened else { panic!("{opened:?}") };
    assert!(opened.grant.is_none() && opened.request.state.is_pending());
}

#[test]
fn an_extension_is_given_by_the_policy_that_was_applied_while_it_was_under_way() {
    let extends = POLICY.replace(
        "pending = \"1h\"",
        "pending = \"1h\", extend = { count = 1, max = \"1h\", total = \"9h\", approve = \"nobody\" }",
    );
    let (room, between) = room_between(&extends, POLICY, Applied::InTheStoreAlone);
    let grant = room.granted("alice", "ssh");
    let new = NewExtension {
        length: Span::parse("1h").unwrap(),
        reason: Text::parse("not done").unwrap(),
        ticket: None,
    };
    let desk = between.desk(&room, now());
    let refused = desk.extend(&caller("alice"), &grant.id.to_string(), &new, &key());
    assert_eq!(code(&refused), Some(ProblemCode::Refused));
    assert_eq!(room.grant(grant.id).grant.version, 1);
}

#[test]
fn a_grant_is_taken_back_by_those_who_may_by_the_policy_that_was_applied_while_it_was_under_way() {
    let (room, between) = room_between(POLICY, &by_leads(), Applied::InTheStoreAlone);
    let request = room.asks("alice", "ssh");
    let grant = room.approves("carol", &request).unwrap().grant.unwrap().grant;
    let reason = Text::parse("mine to end, until now").ok();
    let desk = between.desk(&room, now());
    let (id, how) = (grant.id.to_string(), EndedHow::Revoked);
    let refused = desk.end_grant(&caller("bob"), &id, how, &EndGrant { reason }, &key());
    assert_eq!(code(&refused), Some(ProblemCode::NotFound));
    assert_eq!(room.grant(grant.id).state, GrantState::Active);
}

#[test]
fn time_does_nothing_by_a_policy_that_was_replaced_while_it_was_at_it() {
    let escalates = format!("{POLICY}escalate = [{{ after = \"30m\", to = [\"group:leads\"] }}]\n");
    for how in [Applied::Wholly, Applied::InTheStoreAlone] {
        let (room, between) = room_between(&escalates, POLICY, how);
        let request = room.asks("alice", "ssh");
        room.hand.set(1800);
        between.desk(&room, Arc::new(Hand::at(1800))).tick().unwrap();
        let changes = room.paper.heard.changes();
        assert!(!changes.contains(&"escalated".to_owned()), "{changes:?}, {how:?}");
        assert_eq!(code(&room.approves("dave", &request)), Some(ProblemCode::NotFound));
    }
}

#[test]
fn nothing_is_given_or_taken_back_by_a_policy_that_was_replaced_while_it_was_followed() {
    let robot = "[[rule]]\nid = \"nightly\"\nwho = { users = [\"robot\"] }\nwhere = { hosts = [\"here\"] }\n\
        what = { services = [\"ssh\"] }\n\
        standing = { source = \"10.0.0.5\", owner = \"alice\", review_by = \"2027-01-31\" }\n";
    let denies = "[[rule]]\nid = \"never\"\neffect = \"deny\"\nwho = { users = [\"alice\"] }\n";
    for (policy, change) in [(robot, "approved"), (denies, "revoked")] {
        let (room, between) = room_between(POLICY, POLICY, Applied::Wholly);
        let grant = room.granted("alice", "ssh");
        // This one is in force, and not followed yet.
        put(&room.paper.store, 2, &format!("{POLICY}{policy}"));
        room.place.in_force().adopt(&room.desk.in_force().unwrap().unwrap()).unwrap();
        let ground = room.place.ground();
        room.paper.heard.clear();
        between.desk(&room, now()).reconcile_with(&ground).unwrap();
        assert_eq!(room.desk.in_force().unwrap().unwrap().version, 3, "it was replaced meanwhile");
        assert_eq!(room.paper.heard.changes(), ["policy_applied"], "and nothing was {change}");
        assert_eq!(room.grant(grant.id).state, GrantState::Active);
    }
}

#[test]
fn a_write_gives_up_where_policies_follow_each_other_without_end() {
    let room = room_by(POLICY);
    let between = Between::each(&room);
    let (store, mut version) = (room.paper.store.clone(), 1);
    between.before_writes(move || {
        version += 1;
        put(&store, version, &format!("{POLICY}# {version}\n"));
    });
    let refused = between.desk(&room, now()).request(&caller("alice"), &wants("ssh"), &key());
    assert_eq!(code(&refused), Some(ProblemCode::RateLimited));
    assert_eq!(said(refused), "the policy was replaced just now, and this was not done: try again");
    assert!(room.tries("alice", &wants("ssh")).is_ok());
}

#[test]
fn a_write_that_is_sent_again_is_answered_as_before_though_another_policy_is_in_force() {
    let room = room_by(POLICY);
    let request = room.asks("alice", "ssh");
    let (id, once) = (request.ask.id.to_string(), key());
    let review = answer(NewVerdict::Approve, &request.digest);
    let first = room.desk.review(&caller("bob"), &id, &review, &once).unwrap();
    put(&room.paper.store, 2, &by_leads());
    assert_eq!(room.desk.review(&caller("bob"), &id, &review, &once).unwrap(), first);
    assert!(matches!(room.request(request.ask.id).state, RequestState::Approved { .. }));
}
