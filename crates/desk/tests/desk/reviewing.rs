//! Reviews: one outcome, told once, by whoever has the right at that moment.

use crate::room::{answer, caller, code, key, room, wants};
use api::{AskGrants, NewVerdict, ProblemCode, Which};
use desk::{Committed, Key};
use std::sync::Barrier;

#[test]
fn of_two_approvers_at_the_same_instant_one_decides_and_the_other_is_told_who_did() {
    let room = room();
    for n in 0..1000 {
        let request = room.asks(&format!("user{}", n % 100), "ssh");
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
    let heard = room.paper.heard.0.lock().unwrap();
    assert_eq!(heard.iter().filter(|event| matches!(event, Committed::Grant(_))).count(), 1000);
}

#[test]
fn a_write_that_is_sent_again_with_its_key_happens_once_and_answers_the_same() {
    let room = room();
    let alice = caller("alice");
    let once = Key::of("k", "/v1/requests", b"body");
    let first = room.desk.request(&alice, &wants("ssh"), &once).unwrap();
    let again = room.desk.request(&alice, &wants("ssh"), &once).unwrap();
    assert_eq!(first, again);
    let other = room.desk.request(&alice, &wants("sudo"), &Key::of("k", "/v1/requests", b"other"));
    assert_eq!(code(&other), Some(ProblemCode::BadRequest));
    assert!(room.desk.request(&caller("bob"), &wants("ssh"), &once).is_ok(), "keys are each person's own");

    let review = || answer(NewVerdict::Approve, &first.request.digest);
    let id = first.request.ask.id.to_string();
    let key = Key::of("r", "/v1", b"yes");
    let approved = room.desk.review(&caller("carol"), &id, &review(), &key).unwrap();
    assert_eq!(room.desk.review(&caller("carol"), &id, &review(), &key).unwrap(), approved);
}

#[test]
fn rights_are_those_of_the_moment_and_a_door_that_is_not_sure_counts_no_review() {
    let room = room();
    let request = room.asks("alice", "ssh");
    assert_eq!(code(&room.approves("root", &request)), Some(ProblemCode::Forbidden));
    room.place.groups("bob", &[]);
    assert_eq!(
        code(&room.approves("bob", &request)),
        Some(ProblemCode::NotFound),
        "who left the group sees nothing"
    );
    let own = room.desk.request(&caller("carol"), &wants("sudo"), &key());
    assert!(own.unwrap_err().to_string().contains("nobody could approve this"), "she alone is left");
}

#[test]
fn a_denial_says_why() {
    let room = room();
    let request = room.asks("alice", "ssh");
    let denial = api::NewReview { comment: None, ..answer(NewVerdict::Deny, &request.digest) };
    let wordless = room.desk.review(&caller("bob"), &request.ask.id.to_string(), &denial, &key());
    assert!(wordless.unwrap_err().to_string().contains("a denial needs a reason"));
    assert!(room.reviews("bob", &request, NewVerdict::Deny).is_ok());
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
