//! Grants: taken back, given back, made longer.

use crate::room::{caller, code, key, room, said};
use access::{EndedHow, GrantState, Text};
use api::{EndGrant, ProblemCode};

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
