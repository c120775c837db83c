//! The server of a database dies, and a standby that has all that was acknowledged takes over.

use crate::host::{granted, joined};
use crate::replicas::ready;
use crate::room::{Hub, PATIENCE, until};
use access::{Person, Span, Text};
use api::{EndGrant, NewToken, Scope};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;
use testbed::Postgres;

/// A hub that knows two servers, and the second of them.
fn with_standby() -> (Hub, Postgres) {
    let mut hub = Hub::set_up("");
    let (both, standby) = {
        let first = &hub.database.lock().unwrap().0;
        let standby = first.standby().unwrap();
        (standby_url(&hub, &first.url(), &first.url_with(&standby)), standby)
    };
    std::fs::write(hub.path("hub.toml"), both).unwrap();
    hub.serve();
    let people = Some(crate::room::PEOPLE.to_owned());
    let new = api::NewPolicy { policy: crate::room::POLICY.to_owned(), people, no_people: false };
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
    let (one, standby) = with_standby();
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
