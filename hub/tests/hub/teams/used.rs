//! Cards of grants that are used: since when, and how much.

use super::deciding::{Asker, PEOPLE, click, new, room};
use super::double::{hub_of, linked};
use crate::host::{Host, joined, now};
use crate::room::Hub;
use crate::web::Browser;
use access::{GrantState, HostName, Text};
use chrono::TimeDelta;
use journal::{Head, LogId, Stamp};
use serde_json::json;
use workflow::RequestState;

/// What a host writes down of a session that is over after so many minutes.
fn session_over(id: u64, grant: access::GrantId, opened: i64, minutes: i64) -> String {
    let at = |minute: i64| access::Time::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap();
    session(id, grant, "closed", at(opened), at(opened + minutes))
}

/// What a host writes down of a session.
fn session(id: u64, grant: access::GrantId, change: &str, opened: access::Time, at: access::Time) -> String {
    json!({
        "kind": "session", "at": at, "change": change, "session": {
            "id": access::SessionId::from_random(id), "grant": grant, "boot": "b", "pid": 5, "start_ticks": 7,
            "audit_session": 3, "subject": "alice", "target": "alice", "service": "ssh", "tty": "ssh", "rhost": "",
            "reason": "granted", "opened": opened
        }
    })
    .to_string()
}

#[test]
fn a_grant_that_is_over_says_how_its_hosts_say_it_was_used() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let (host, other) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let id = alice.asks("db-7", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    double.click(&click(&message, "approve", &bob));
    let RequestState::Approved { grant, .. } = alice.sees(&id).state else { panic!("not approved") };
    Asker::of(&hub, "bob")
        .client
        .revoke(&grant.to_string(), &api::EndGrant { reason: Text::parse("x").ok() })
        .unwrap();
    double.card(&bob.personal(), "not used.");
    // A host that the grant is not for has nothing to say of it.
    tells(&hub, &other, vec![session_over(9, grant, 0, 500)]);
    let said =
        vec![session_over(1, grant, 0, 30), session_over(2, grant, 20, 21), "something else".to_owned()];
    tells(&hub, &host, said);
    double.card(&bob.personal(), "used 41 min, 2 sessions.");
    hub.logs("mark=grant_used");
}

#[test]
fn a_grant_that_ends_by_itself_says_when_and_how_it_was_used() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let host = joined(&hub, "db-7");
    let id = alice.client.request(&new("db-7", "ssh", "5s", "why")).unwrap().request.ask.id.to_string();
    let (message, _) = double.card(&bob.personal(), &id);
    double.click(&click(&message, "approve", &bob));
    let RequestState::Approved { grant, .. } = alice.sees(&id).state else { panic!("not approved") };
    tells(&hub, &host, vec![session_over(1, grant, 0, 30), session_over(2, grant, 50, 11)]);
    let (same, card) = double.card(&bob.personal(), "Ended ");
    let ends = alice.client.show_grant(&grant.to_string()).unwrap().ends;
    let words = format!("Approved by bob. Ended {}: used 41 min, 2 sessions.", ends.format("%F %R UTC"));
    assert!(same == message && card.to_string().contains(&words), "{words}: {card}");
    assert!(!card.to_string().contains("\"verb\":\"approve\""), "{card}");
}

#[test]
fn a_grant_whose_clock_the_first_use_starts_is_active_from_then_on() {
    let policy = r#"
[[rule]]
id = "first"
who = { groups = ["dev"] }
where = { hosts = ["db-7", "db-8"] }
what = { services = ["ssh"] }
time = { max = "8h", clock = "first-use", claim_by = "2h" }
approve = [{ from = ["group:leads"] }]
"#;
    let (hub, double) = hub_of(policy, PEOPLE);
    let (bob, asker) = (linked(&hub, &double, "bob"), linked(&hub, &double, "alice"));
    let (alice, host, other) = (Asker::of(&hub, "alice"), joined(&hub, "db-7"), joined(&hub, "db-8"));
    let mut ask = new("db-7", "ssh", "1h", "why");
    ask.hosts.insert(HostName::parse("db-8").unwrap());
    let id = alice.client.request(&ask).unwrap().request.ask.id.to_string();
    let (message, card) = double.card(&bob.personal(), &id);
    let clock = "starts at the first use on each host, which must come within 2h of the approval";
    assert!(card.to_string().contains(clock), "who agrees sees until when they may: {card}");
    assert_eq!(alice.sees(&id).clock().as_deref(), Some(clock));
    double.click(&click(&message, "approve", &bob));
    let (_, card) =
        double.card(&bob.personal(), "Good until 1h from the first use on each host, which must come by ");
    let RequestState::Approved { grant, .. } = alice.sees(&id).state else { panic!("not approved") };
    let stands = || {
        let view = alice.client.show_grant(&grant.to_string()).unwrap();
        (view.state, view.ends, view.grant.window.latest_end())
    };
    let (state, ends, latest) = stands();
    assert_eq!((state, ends), (GrantState::Unclaimed, latest));
    let by = (latest - TimeDelta::hours(1)).format("%F %R UTC").to_string();
    assert!(
        card.to_string().contains(&by) && !card.to_string().contains(&latest.format("%F %R").to_string()),
        "{card}"
    );
    let words = format!("1h from the first use on each host, which must come by {by}");
    let status = double.hears(&asker.personal(), &asker, "status");
    assert!(status.contains(&format!("unclaimed, until {words}")), "{status}");
    let page = Browser::of(&hub, "alice").get(&format!("/web/grants/{grant}"));
    assert!(page.has("1h from the first use on each host, which must come by <time"), "{}", page.0);

    let opened = now();
    tells(&hub, &host, vec![session(1, grant, "ending", opened, opened)]);
    let until = |ends: access::Time| format!("Active until {}.", ends.format("%F %R UTC"));
    double.card(&bob.personal(), &until(latest));
    assert_eq!(stands(), (GrantState::Active, latest, latest), "the other host may still begin");
    // One that is told of when it is over has begun too.
    tells(&hub, &other, vec![session(1, grant, "closed", opened, opened)]);
    let (state, ends, _) = stands();
    let hour = TimeDelta::hours(1);
    assert!(
        state == GrantState::Active && ends - opened <= hour && ends - opened > hour - TimeDelta::minutes(1)
    );
    double.card(&bob.personal(), &until(ends));
    assert_eq!(hub.logged("mark=grant_used"), 2);
    // Who joins under a name that is free again has told nothing.
    hub.client(&hub.admin).remove_host(&HostName::parse("db-8").unwrap()).unwrap();
    assert_eq!(stands(), (GrantState::Active, latest, latest));
}

/// What a host's journal says, in a log of its own.
fn tells(hub: &Hub, host: &Host, bodies: Vec<String>) {
    let log = LogId([7; 16]);
    let mut head = Head::start(log);
    let row = |body| {
        let row = head.next(Stamp { boot: "b".into(), wall_ms: 1_800_000_000_000, boot_ms: 1 }, body);
        head = Head::of(&row);
        row
    };
    let rows: Vec<journal::Row> = bodies.into_iter().map(row).collect();
    let count = rows.len() as u64;
    let has: api::JournalHas = host.is_heard(hub, "journal", &api::JournalPart { log, rows, oldest: false });
    assert_eq!(has.through, count);
}
