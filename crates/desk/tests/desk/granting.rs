//! Grants: taken back, given back, made longer.

use crate::room::{POLICY, at, caller, code, key, room, room_by, said};
use access::{EndedHow, GrantId, GrantState, Text};
use api::{AskGrants, EndGrant, ProblemCode};

#[test]
fn a_grant_ends_by_its_holder_its_approvers_or_an_operator_and_once() {
    let room = room();
    let ends = |name: &str, id: &str, how| {
        let reason = (how == EndedHow::Revoked).then(|| Text::parse("done").unwrap());
        room.desk.end_grant(&caller(name), id, how, &EndGrant { reason }, &key())
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
    let wordless = room.desk.end_grant(&caller("bob"), &id, EndedHow::Revoked, &EndGrant::default(), &key());
    assert!(wordless.unwrap_err().to_string().contains("say why"));
}

const EXTENDS: &str = r#"
[[rule]]
id = "group"
time = { default = "1h", max = "1h", extend = { count = 2, max = "1h", total = "150m", approve = "same" } }
approve = [{ from = ["group:g"], need = 1 }]
[[rule]]
id = "none"
who = { groups = ["none"] }
approve = [{ from = ["group:g"], need = 1 }]
"#;

#[test]
fn an_extension_is_a_new_decision_that_moves_the_end_of_the_same_grant() {
    let room = room_by(EXTENDS);
    let grant = room.granted("alice", "ssh");
    let opened = room.extends("alice", &grant, "45m").unwrap();
    assert!(opened.grant.is_none() && opened.request.state.is_pending());
    assert_eq!(room.grant(grant.id).ends, at(3600), "nothing yet");
    let again = room.extends("alice", &grant, "30m").unwrap();
    assert!(again.existed && again.request.ask.id == opened.request.ask.id, "one waits already");
    assert_eq!(code(&room.approves("alice", &opened.request)), Some(ProblemCode::Forbidden));
    room.hand.set(1800);
    let longer = room.approves("carol", &opened.request).unwrap().grant.unwrap();
    assert_eq!((longer.grant.id, longer.grant.version, longer.ends), (grant.id, 2, at(6300)));
    assert_eq!(longer.grant.approved_by.len(), 2, "who approved it first is still named");
    assert_eq!(room.paper.heard.changes(), ["requested", "approved", "requested", "extended"]);
    room.hand.set(3600);
    assert_eq!(room.desk.tick().unwrap(), 0, "its old end is nothing any more");
    room.hand.set(6300);
    assert_eq!(room.desk.tick().unwrap(), 1);
    assert_eq!(room.grant(grant.id).state, GrantState::Expired);
}

#[test]
fn extensions_are_counted_and_end_at_the_total() {
    let room = room_by(EXTENDS);
    let grant = room.granted("alice", "ssh");
    let extend = |by: &str| room.extends("alice", &grant, by);
    assert!(said(extend("2h")).contains("2h is longer than the 1h"));
    let first = extend("45m").unwrap().request;
    room.approves("bob", &first).unwrap();
    let far = said(extend("1h"));
    assert!(far.contains("2h30m") || far.contains("150m"), "{far}");
    let second = extend("20m").unwrap().request;
    room.approves("bob", &second).unwrap();
    assert!(said(extend("1m")).contains("was extended 2 times, as often as it can be"));
    assert_eq!(room.grant(grant.id).ends, at(3600 + 65 * 60));
    for name in ["bob", "mallory"] {
        assert!(room.extends(name, &grant, "1m").is_err(), "its holder alone");
    }
}

#[test]
fn what_is_over_or_taken_back_is_not_extended() {
    let room = room_by(EXTENDS);
    let (first, second) = (room.granted("alice", "ssh"), room.granted("alice", "sudo"));
    let waits = room.extends("alice", &first, "30m").unwrap().request;
    let reason = Text::parse("enough").ok();
    let id = first.id.to_string();
    room.desk.end_grant(&caller("bob"), &id, EndedHow::Revoked, &EndGrant { reason }, &key()).unwrap();
    let late = room.approves("carol", &waits);
    assert!(said(late).contains("already revoked"));
    assert_eq!(room.grant(first.id).state, GrantState::Revoked);
    let waits = room.extends("alice", &second, "30m").unwrap().request;
    room.hand.set(3600);
    let late = said(room.approves("carol", &waits));
    assert!(late.contains("is already expired"), "{late}");
    assert!(said(room.extends("alice", &second, "30m")).contains("already expired"));
}

#[test]
fn an_extension_moves_the_end_of_a_clock_that_a_first_use_has_started() {
    let first_use = EXTENDS
        .replace("max = \"1h\", extend", "max = \"1h\", clock = \"first-use\", claim_by = \"4h\", extend");
    let room = room_by(&first_use);
    let asked = room.asks("alice", "sudo");
    assert_eq!(
        asked.clock().as_deref(),
        Some("starts at the first use, which must come within 4h of the approval")
    );
    let grant = room.granted("alice", "ssh");
    assert_eq!(room.grant(grant.id).state, GrantState::Unclaimed);
    room.hand.set(600);
    room.paper.claims(&grant, at(600));
    room.paper.opens_session(grant.id, 1);
    assert_eq!((room.grant(grant.id).ends, room.grant(grant.id).sessions), (at(4200), 1));
    let waits = room.extends("alice", &grant, "30m").unwrap().request;
    assert_eq!(waits.clock(), None, "it is running");
    let longer = room.approves("bob", &waits).unwrap().grant.unwrap();
    assert_eq!((longer.ends, longer.sessions), (at(6000), 1), "the session is kept");
    room.hand.set(5999);
    assert_eq!(room.desk.tick().unwrap(), 0);
    room.hand.set(6000);
    assert_eq!(room.desk.tick().unwrap(), 1);
    assert_eq!(room.grant(grant.id).state, GrantState::Expired);
}

#[test]
fn a_list_of_grants_is_as_long_as_was_asked_for_whoever_else_holds_newer_ones() {
    let two = format!("{}{}", POLICY.replace("[[rule]]", "[[rule]]\nwho = { groups = [\"dev\"] }"), LEADS);
    let room = room_by(&two);
    let older: Vec<GrantId> = ["ssh", "sudo", "su"].map(|door| room.granted("alice", door).id).into();
    room.hand.set(60);
    // More than a page of grants that bob may not see.
    for number in 0..250 {
        let request = room.asks(&format!("user{}", number % 100), &format!("door{number}"));
        room.approves("dave", &request).unwrap();
    }
    let list = |name: &str, limit| -> Vec<GrantId> {
        let listed = room.desk.grants(&caller(name), &AskGrants::default(), limit).unwrap();
        listed.into_iter().map(|view| view.grant.id).collect()
    };
    let mut all = list("bob", 9);
    all.sort();
    let mut mine = older;
    mine.sort();
    assert_eq!(all, mine, "what bob has a say in, however many came after it");
    assert_eq!(list("bob", 2).len(), 2);
    assert_eq!(list("dave", 220).len(), 220, "longer than a page");
    assert_eq!(list("root", 1000).len(), 253);
    // Page by page nothing is left out and nothing comes twice, however little of each page somebody may see.
    for (name, count, most) in [("root", 253, 100), ("bob", 3, 1), ("bob", 3, 100), ("user0", 3, 2)] {
        let (mut seen, mut ask) = (Vec::new(), AskGrants::default());
        loop {
            let page = room.desk.grants_page(&caller(name), &ask, most).unwrap();
            assert!(page.rows.len() <= most as usize);
            seen.extend(page.rows.into_iter().map(|view| view.grant.id));
            ask.after = page.next;
            if ask.after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), count, "{name} by {most}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count, "{name} by {most}");
    }
}

const LEADS: &str = r#"
[[rule]]
id = "others"
time = { default = "1h", max = "8h", pending = "1h" }
approve = [{ from = ["group:leads"], need = 1 }]
"#;
