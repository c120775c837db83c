//! What time alone does, also over a restart and whatever the clock does.

use crate::room::{caller, code, room};
use access::GrantState;
use api::{AskGrants, ProblemCode};
use workflow::RequestState;

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
