//! What was acknowledged is there, whatever happens to the process.

use crate::room::Hub;
use access::{Person, Span, Text};
use api::{NewToken, Scope};
use rustix::process::Signal;

#[test]
fn a_hub_that_is_killed_keeps_everything_that_it_acknowledged() {
    let mut hub = Hub::with_policy();
    let mut told = Vec::new();
    for round in 0..4 {
        let client = hub.client(&hub.admin);
        let (acknowledged, heard) = std::sync::mpsc::channel();
        let making = std::thread::spawn(move || {
            let new = NewToken {
                name: Text::parse("a test").unwrap(),
                person: Some(Person::parse(&format!("person{round}")).unwrap()),
                scopes: [Scope::Read].into(),
                length: Span::parse("1d").unwrap(),
            };
            while let Ok(made) = client.make_token(&new) {
                acknowledged.send(made.secret).unwrap();
            }
        });
        // In the middle of whatever it does after so many.
        told.extend((0..3 + round).map(|_| heard.recv().unwrap()));
        hub.signal(Signal::KILL);
        assert!(!hub.ends());
        making.join().unwrap();
        told.extend(heard.try_iter());
        hub.serve();
        for secret in &told {
            assert!(hub.client(secret).status().is_ok());
        }
    }
    let client = hub.client(&hub.admin);
    assert_eq!(client.policy().unwrap().version, 1);
    assert!(client.tokens(&api::AskTokens::default()).unwrap().len() > told.len());
}

#[test]
fn where_every_administrators_token_is_lost_the_stopped_hub_makes_another() {
    let mut hub = Hub::new();
    let busy = hub.command("admin").arg("carol").output().unwrap();
    let shared = crate::database::SHARED;
    assert_eq!(
        busy.status.success(),
        shared,
        "while it serves, administrators do that, or whoever has the database"
    );
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    let made = hub.command("admin").arg("carol").output().unwrap();
    let secret = crate::room::text(&made.stdout).trim().to_owned();
    hub.serve();
    assert!(hub.client(&secret).status().unwrap().roles.contains(&"admin".to_owned()));
}
