//! Grants that are for hosts as they come.

use crate::room::{Room, answer, caller, key, room_by, wants};
use access::{Grant, GrantState, Login, Span};
use api::{NewRequest, NewVerdict};
use std::collections::BTreeMap;

const ROBOT: &str = r#"
[[rule]]
id = "nightly"
who = { users = ["robot"] }
where = { labels = { env = "prod" } }
what = { services = ["ssh"] }
standing = { owner = "alice", review_by = "2027-01-31" }
"#;

fn robots(room: &Room) -> Vec<Grant> {
    let ask = api::AskGrants { user: Login::parse("robot").ok(), ..api::AskGrants::default() };
    room.desk.grants(&caller("root"), &ask, 10).unwrap().into_iter().map(|view| view.grant).collect()
}

fn names(grant: &Grant) -> Vec<&str> {
    grant.hosts.iter().map(access::HostName::as_str).collect()
}

#[test]
fn a_standing_grant_goes_on_when_hosts_come_and_go_and_nobody_who_is_in_by_it_is_sent_away() {
    let room = room_by(ROBOT);
    room.place.hosts(&[("web-1", "prod")]);
    room.desk.reconcile().unwrap();
    let first = robots(&room).remove(0);
    room.paper.heard.clear();
    for (hosts, has) in [
        (&[("web-1", "prod"), ("web-2", "prod"), ("db-1", "test")][..], &["web-1", "web-2"][..]),
        (&[("web-2", "prod")], &["web-2"]),
    ] {
        room.place.hosts(hosts);
        room.desk.reconcile().unwrap();
        let now = robots(&room);
        assert_eq!((now.len(), now[0].id, names(&now[0])), (1, first.id, has.to_vec()));
    }
    assert_eq!(room.paper.heard.changes(), ["hosts_changed", "hosts_changed"]);
    assert_eq!(robots(&room)[0].version, 3);
}

#[test]
fn a_host_that_is_there_and_has_lost_a_standing_grant_hears_that_it_ended_after_the_next_is_there() {
    let room = room_by(ROBOT);
    room.place.hosts(&[("web-1", "prod"), ("web-2", "prod")]);
    room.desk.reconcile().unwrap();
    let first = robots(&room).remove(0);
    room.paper.heard.clear();
    room.place.hosts(&[("web-1", "prod"), ("web-2", "test")]);
    room.desk.reconcile().unwrap();
    let now = robots(&room);
    assert_eq!((now.len(), names(&now[0])), (1, vec!["web-1"]));
    assert_eq!(room.grant(first.id).state, GrantState::Revoked);
    assert_eq!(room.paper.heard.changes(), ["approved", "revoked"]);
}

const FOLLOWS: &str = r#"
[[rule]]
id = "no-secrets"
effect = "deny"
where = { hosts = ["vault-*"] }

[[rule]]
id = "prod"
where = { labels = { env = "prod" }, max_hosts = 3, follow_labels = true }
time = { default = "1h", max = "8h", pending = "1h" }
approve = [{ from = ["group:g"], need = 1 }]
"#;

fn by_label() -> NewRequest {
    NewRequest { labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]), ..wants("ssh") }
}

#[test]
fn a_grant_by_label_covers_hosts_that_get_the_label_later_where_its_rule_says_so() {
    let room = room_by(FOLLOWS);
    let two = &[("web-1", "prod"), ("web-2", "prod"), ("db-1", "test")];
    let four =
        &[("db-1", "prod"), ("vault-1", "prod"), ("web-1", "prod"), ("web-2", "prod"), ("web-3", "prod")];
    room.place.hosts(two);
    let asked = room.tries("alice", &by_label()).unwrap().request;
    assert!(asked.ask.follows, "who agrees sees it");
    let follows = room.approves("bob", &asked).unwrap().grant.unwrap().grant;
    let by_name = NewRequest {
        hosts: ["web-1", "web-2"].map(|name| access::HostName::parse(name).unwrap()).into(),
        length: Span::parse("2h").ok(),
        ..wants("sudo")
    };
    let by_name = room.tries("alice", &by_name).unwrap().request;
    let named = room.approves("bob", &by_name).unwrap().grant.unwrap().grant;
    let cut = room.tries("carol", &by_label()).unwrap().request;
    let mut review = answer(NewVerdict::Approve, &cut.digest);
    review.narrowing.hosts = Some(["web-1"].map(|name| access::HostName::parse(name).unwrap()).into());
    let cut = room.desk.review(&caller("bob"), &cut.ask.id.to_string(), &review, &key()).unwrap();
    let cut = cut.grant.unwrap().grant;

    room.place.hosts(four);
    room.desk.reconcile().unwrap();
    let now = room.grant(follows.id).grant;
    assert_eq!(names(&now), ["db-1", "web-1", "web-2"], "as many as its rule gives, and none that is denied");
    assert_eq!((now.version, now.window), (2, follows.window));
    assert_eq!(room.grant(named.id).grant, named, "what was asked for by name is for what was named");
    assert_eq!(room.grant(cut.id).grant, cut, "somebody who agreed left hosts out");
    room.paper.heard.clear();
    room.desk.reconcile().unwrap();
    assert!(room.paper.heard.changes().is_empty());
}

#[test]
fn a_grant_by_label_never_covers_more_hosts_than_who_agreed_could_agree_to() {
    let two =
        "{ from = [\"group:g\"], need = 1 }, { from = [\"group:leads\"], when = { more_hosts_than = 2 } }";
    let room = room_by(FOLLOWS);
    let people = ["alice", "bob", "carol", "dave"].map(|name| format!("[{name}]\n")).concat();
    let policy = FOLLOWS.replace("{ from = [\"group:g\"], need = 1 }", two);
    let new = api::NewPolicy { policy, people: Some(people), no_people: false };
    room.desk.apply(&caller("root"), new, &key()).unwrap();
    room.place.hosts(&[("web-1", "prod")]);
    let asked = room.tries("alice", &by_label()).unwrap().request;
    let grant = room.approves("bob", &asked).unwrap().grant.unwrap().grant;
    room.place.hosts(&[("web-1", "prod"), ("web-2", "prod"), ("web-3", "prod")]);
    room.desk.reconcile().unwrap();
    assert_eq!(names(&room.grant(grant.id).grant), ["web-1", "web-2"], "a third takes a lead");
}
