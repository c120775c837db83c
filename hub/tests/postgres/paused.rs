//! One of two hubs that stands still for a while, and then goes on as if nothing had been.

use crate::host::{Host, granted, joined};
use crate::replicas::ready;
use crate::room::{Hub, until};
use access::{Person, Span, Text, Time};
use api::{EndGrant, NewToken, Scope};
use rustix::process::Signal;
use std::time::Duration;
use sync::{Digest, SecretKey};

/// Longer than a hub may go without a look at the database, and than the database waits for one in the middle of a
/// transaction.
pub const PAUSE: Duration = Duration::from_secs(7);

fn wall() -> Time {
    #[allow(clippy::disallowed_methods)] // when a test did something
    Time::from(std::time::SystemTime::now())
}

#[test]
fn a_hub_that_was_paused_holds_nobody_up_and_what_it_says_late_calls_nothing_fresh() {
    let mut one = Hub::with_policy();
    let other = one.beside();
    let mut host = joined(&one, "db-7");
    let grant = granted(&one, "db-7");
    let mut stream = host.listen(&one);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    let mut stays = Host {
        name: host.name.clone(),
        key: SecretKey::from_random(&[7; 32]),
        machine: Digest::of(b"it says nothing"),
        state: host.state.clone(),
    };

    let bob = other.client(&other.token("bob", &[Scope::Review], "1h").secret);
    // It is stopped in the middle of writing.
    let (acknowledged, heard) = std::sync::mpsc::channel();
    let making: Vec<_> = ["dave", "erin", "frank"]
        .map(|person| {
            let (client, acknowledged) = (one.client(&one.admin), acknowledged.clone());
            let new = NewToken {
                name: Text::parse("written meanwhile").unwrap(),
                person: Person::parse(person).ok(),
                scopes: [Scope::Read].into(),
                length: Span::parse("1d").unwrap(),
            };
            std::thread::spawn(move || {
                while let Ok(made) = client.make_token(&new) {
                    acknowledged.send(made.secret).unwrap();
                }
            })
        })
        .into();
    drop(acknowledged);
    let mut told: Vec<String> = (0..6).map(|_| heard.recv().unwrap()).collect();
    one.signal(Signal::STOP);
    let paused = wall();

    let end = EndGrant { reason: Text::parse("wrong host").ok() };
    until("it is revoked at the other", || {
        // Of a call without an answer nobody knows before asking whether it was done.
        bob.revoke(&grant.to_string(), &end).is_ok()
            || bob.show_grant(&grant.to_string()).is_ok_and(|shown| shown.grant.ended.is_some())
    });
    let mut moved = host.listen(&other);
    host.hears_until(&mut moved, |state| state.grants[&grant].ended.is_some());
    // How long it stands still is what happens to it; nothing here waits for something.
    std::thread::sleep(PAUSE);
    one.signal(Signal::CONT);

    // A host that stayed hears of it too, and nothing before that says that all is as it was.
    while stays.state.grants[&grant].ended.is_none() {
        stays.hears(&mut stream);
        let as_of = stays.state.served.as_ref().unwrap().as_of;
        assert!(stays.state.grants[&grant].ended.is_some() || as_of <= paused, "{as_of} is after {paused}");
    }
    until("it is ready again", || ready(&one));
    making.into_iter().for_each(|thread| thread.join().unwrap());
    told.extend(heard.try_iter());
    assert!(told.iter().all(|secret| other.client(secret).status().is_ok()));
    let count = |what: &str| one.database.lock().unwrap().0.psql(what).unwrap();
    assert_eq!(count("SELECT max(seq) = count(*) AND min(seq) = 1 FROM journal"), "t");
    let of_tokens = count("SELECT count(*) FROM token WHERE body LIKE '%written meanwhile%'");
    let on_record = "SELECT count(*) FROM journal WHERE body LIKE '%token_made%written meanwhile%'";
    assert_eq!(count(on_record), of_tokens);
    one.token("grace", &[Scope::Read], "1h");
}
