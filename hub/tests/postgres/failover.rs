//! The server of a database dies, and a standby that has all that was acknowledged takes over.

use crate::host::{approve, granted, joined};
use crate::jitd::{ALICE, NAME, POLICY, There, lets_alice_in, request_id};
use crate::nginx::Nginx;
use crate::paused::PAUSE;
use crate::replicas::ready;
use crate::room::{Hub, PATIENCE, text, until};
use access::{Person, Span, Text};
use api::{EndGrant, NewToken, Scope};
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;
use testbed::Postgres;

/// A hub that knows two servers, with these lines and this policy, and the second of them.
fn with_standby(lines: &str, policy: &str) -> (Hub, Postgres) {
    let mut hub = Hub::set_up(lines);
    let (both, standby) = {
        let first = &hub.database.lock().unwrap().0;
        let standby = first.standby().unwrap();
        (standby_url(&hub, &first.url(), &first.url_with(&standby)), standby)
    };
    std::fs::write(hub.path("hub.toml"), both).unwrap();
    hub.serve();
    let people = Some(crate::room::PEOPLE.to_owned());
    let new = api::NewPolicy { policy: policy.to_owned(), people, no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    (hub, standby)
}

fn standby_url(hub: &Hub, first: &str, both: &str) -> String {
    let config = std::fs::read_to_string(hub.path("hub.toml")).unwrap();
    assert!(config.contains(first));
    config.replace(first, both)
}

/// Makes a token of a person of this name.
fn makes(hub: &Hub, person: &str) -> Result<String, api::ClientError> {
    let new = NewToken {
        name: Text::parse("written meanwhile").unwrap(),
        person: Some(Person::parse(person).unwrap()),
        scopes: [Scope::Read].into(),
        length: Span::parse("1d").unwrap(),
    };
    hub.client(&hub.admin).make_token(&new).map(|made| made.secret)
}

#[test]
fn a_server_is_killed_and_its_synchronous_standby_has_all_that_was_acknowledged() {
    let (one, standby) = with_standby("", crate::room::POLICY);
    let other = one.beside();
    let mut host = joined(&one, "db-7");
    let early = granted(&one, "db-7");
    let mut stream = host.listen(&other);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    let before = host.state.watermark();

    // Both hubs write while it happens.
    let ((acknowledged, heard), over) = (channel(), AtomicBool::new(false));
    let mut told: Vec<(usize, String)> = Vec::new();
    std::thread::scope(|scope| {
        for (which, hub) in [&one, &other].into_iter().enumerate() {
            let (acknowledged, over) = (acknowledged.clone(), &over);
            scope.spawn(move || {
                let (begun, mut made) = (Instant::now(), 0);
                // Also where the test has failed.
                while !over.load(Ordering::Relaxed) && begun.elapsed() < PATIENCE * 2 {
                    // Each person has so many tokens at most.
                    if let Ok(secret) = makes(hub, &format!("person{which}-{}", made / 10)) {
                        acknowledged.send((which, secret)).unwrap();
                        made += 1;
                    }
                }
            });
        }
        let both_make = |told: &mut Vec<(usize, String)>| {
            let mut made = [0, 0];
            while made.iter().any(|made| *made < 5) {
                let one = heard.recv_timeout(PATIENCE).unwrap();
                made[one.0] += 1;
                told.push(one);
            }
        };
        both_make(&mut told);
        one.database.lock().unwrap().0.kill().unwrap();
        until("both hubs notice", || !ready(&one) && !ready(&other));
        told.extend(heard.try_iter());
        standby.promote().unwrap();
        until("both hubs go on with the other server", || ready(&one) && ready(&other));
        both_make(&mut told);
        over.store(true, Ordering::Relaxed);
    });
    told.extend(heard.try_iter());
    for (_, secret) in &told {
        assert!(one.client(secret).status().is_ok() && other.client(secret).status().is_ok());
    }

    // What was granted before is ended after, and no revision means two things: the host would refuse that.
    let bob = other.client(&other.token("bob", &[Scope::Review], "1h").secret);
    bob.revoke(&early.to_string(), &EndGrant { reason: Text::parse("wrong host").ok() }).unwrap();
    let late = granted(&one, "db-7");
    let mut stream = host.listen(&other);
    host.hears_until(&mut stream, |state| {
        state.grants[&early].ended.is_some() && state.grants.contains_key(&late)
    });
    assert!(host.state.watermark() > before, "{before:?} {:?}", host.state.watermark());

    // Every record once, and everything that was written down on record.
    let count = |what: &str| standby.psql(what).unwrap();
    assert_eq!(count("SELECT max(seq) = count(*) AND min(seq) = 1 FROM journal"), "t");
    assert_eq!(count("SELECT j.seq = h.seq FROM head h, (SELECT max(seq) AS seq FROM journal) j"), "t");
    let of_tokens = count("SELECT count(*) FROM token WHERE body LIKE '%written meanwhile%'");
    let on_record = "SELECT count(*) FROM journal WHERE body LIKE '%token_made%written meanwhile%'";
    assert_eq!(count(on_record), of_tokens);
    assert!(of_tokens.parse::<usize>().unwrap() >= told.len());
}

/// What both hubs are called by: one after the other, as it comes.
fn balanced(one: &Hub, other: &Hub) -> Nginx {
    let shipped = ["desk-1", "feed-1"].iter().fold(
        include_str!("../../../config/nginx-hub.conf").to_owned(),
        |lines, name| {
            let both = format!("{};\n    server {}", one.at(), other.at());
            lines.replace(&format!("{name}.example.org:8443"), &both)
        },
    );
    Nginx::with(&shipped, &one.ca())
}

/// Each record of a journal by its place and hash.
fn records(database: &rusqlite::Connection) -> Vec<String> {
    let mut all =
        database.prepare("SELECT seq || ' ' || lower(hex(hash)) FROM journal ORDER BY seq").unwrap();
    let rows = all.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_real_host_behind_a_balancer_goes_on_while_a_server_dies_and_a_hub_stands_still_and_is_told_all_of() {
    let (mut one, standby) = with_standby("proxies = [\"127.0.0.1\"]", POLICY);
    let other = one.beside();
    let nginx = balanced(&one, &other);
    let there = There::joined_by(&one, &nginx.url(), &nginx.ca, "");
    let asks = |service: &str| {
        let said =
            there.jit(ALICE, &format!("request --service {service} --for 1h --reason 'the import hangs'"));
        assert!(said.status.success(), "{}", text(&said.stderr));
        text(&said.stdout)
    };
    let id = request_id(&there.done(ALICE, "request --service ssh --for 1h --reason 'the import hangs'"));
    until("a hub has it", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    let grant = approve(&other, &id);
    until("the grant is there", || there.lets_in());
    // One that is over, and known to be, before anything happens.
    let with_sudo = there.done(ALICE, "request --service sudo --for 1h --reason 'the import hangs'");
    let ended = request_id(&with_sudo);
    until("a hub has it", || there.done(ALICE, &format!("show {ended}"))["could_approve"][0] == "bob");
    let ended = approve(&other, &ended).to_string();
    let may_sudo = || {
        let checked = there.jit(ALICE, "check alice --service sudo --json");
        serde_json::from_slice::<serde_json::Value>(&checked.stdout).is_ok_and(|said| said["allowed"] == true)
    };
    until("it opens", may_sudo);
    let bob = other.client(&other.token("bob", &[Scope::Read, Scope::Review], "1h").secret);
    let end = EndGrant { reason: Text::parse("wrong host").ok() };
    bob.revoke(&ended, &end).unwrap();
    until("it is over", || !may_sudo());

    let (over, logins) = (AtomicBool::new(false), AtomicUsize::new(0));
    let gate = there.inside("gate");
    let all_let_in = std::thread::scope(|scope| {
        let logging_in = scope.spawn(|| {
            let begun = Instant::now();
            while !over.load(Ordering::Relaxed) && begun.elapsed() < PATIENCE * 3 {
                if !lets_alice_in(&gate) {
                    return false;
                }
                logins.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            true
        });
        let go_on = |while_what: &str| {
            let before = logins.load(Ordering::Relaxed);
            until(while_what, || logins.load(Ordering::Relaxed) > before + 5);
        };
        one.database.lock().unwrap().0.kill().unwrap();
        until("both hubs notice", || !ready(&one) && !ready(&other));
        go_on("people log in without a database");
        let said = asks("sudo");
        assert!(said.contains("will be sent when the hub is reachable"), "{said}");
        standby.promote().unwrap();
        until("both hubs go on with the other server", || ready(&one) && ready(&other));
        one.signal(Signal::STOP);
        // How long it stands still is what happens to it; nothing here waits for something.
        std::thread::sleep(PAUSE);
        go_on("people log in while a hub stands still");
        one.signal(Signal::CONT);
        until("both are ready again", || ready(&one) && ready(&other));
        over.store(true, Ordering::Relaxed);
        logging_in.join().unwrap()
    });
    assert!(all_let_in, "after {logins:?} logins");

    assert!(!may_sudo(), "nothing brought it back");
    let all = api::AskRequests { which: api::Which::All, limit: None, after: None };
    until("what was asked meanwhile is there", || bob.requests(&all).unwrap().len() == 3);
    bob.revoke(&grant.to_string(), &end).unwrap();
    until("the end is there", || !there.lets_in());

    let database = store::read_only(&there.inside("state/jitd.db")).unwrap();
    let told = format!(
        "SELECT seq || ' ' || encode(hash, 'hex') FROM host_record WHERE host = '{NAME}' ORDER BY seq"
    );
    until("every record of the host is there, once, as it is here", || {
        let there_now: Vec<String> = standby.psql(&told).unwrap().lines().map(str::to_owned).collect();
        there_now == records(&database)
    });
    assert!(records(&database).len() > logins.load(Ordering::Relaxed), "each login has its own");
    assert_eq!(bob.requests(&all).unwrap().len(), 3, "nothing was asked twice");
    assert_eq!(standby.psql("SELECT count(*) FROM host_log WHERE alarm IS NOT NULL").unwrap(), "0");
}
