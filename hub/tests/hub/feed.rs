//! Hosts of the hub: who joins, what they hear, and who is not believed to be one.

use crate::room::{Hub, Tls, rest, until};
use access::{HostName, Time};
use api::{AskFeed, HostToken, Join, NewHostToken, NewRequest, NewReview, NewVerdict, Nonced, Scope};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use sync::{Digest, LocalTime, Request, SecretKey, State, Token};

/// A host as far as the hub sees one.
pub struct Host {
    pub name: HostName,
    pub key: SecretKey,
    pub machine: Digest,
    pub state: State,
}

pub fn token(hub: &Hub, uses: u32) -> Token {
    let labels = [("env".to_owned(), "prod".to_owned())].into();
    let new = NewHostToken { labels, length: access::Span::parse("1h").unwrap(), uses };
    let HostToken { token, .. } = hub.client(&hub.admin).host_token(&new).unwrap();
    Token::parse(&token).unwrap()
}

impl Host {
    pub fn new(name: &str, token: &Token) -> Self {
        let name = HostName::parse(name).unwrap();
        Self {
            key: SecretKey::from_random(Digest::of(name.as_str().as_bytes()).as_bytes()),
            machine: Digest::of(name.as_str().as_bytes()),
            state: State::new(token.hub.clone(), token.root, name.clone()),
            name,
        }
    }

    /// What the hub answers when it joins by this token.
    pub fn join(&self, hub: &Hub, token: &Token) -> String {
        let join = Join {
            token: token.hash(),
            host: self.name.clone(),
            machine: self.machine,
            key: self.key.public(),
        };
        hub.raw("POST /v1/hosts", "", &serde_json::to_string(&join).unwrap())
    }

    pub fn nonce(&self, hub: &Hub) -> sync::Nonce {
        let answer = hub.raw(&format!("POST /v1/hosts/{}/nonce", self.name), "", "");
        let Nonced { nonce } = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        nonce
    }

    pub fn ask(&self) -> String {
        let ask = AskFeed {
            holds: self.state.holds(),
            revision: self.state.watermark().map_or(0, |(_, revision)| revision),
            machine: self.machine,
            version: access::Text::parse("9.9.9").unwrap(),
        };
        serde_json::to_string(&ask).unwrap()
    }

    pub fn signed(&self, nonce: sync::Nonce, path: &str, body: &str) -> String {
        let body = Digest::of(body.as_bytes());
        let request = Request { host: &self.name, method: "POST", path, body, nonce };
        format!("jit-host: {} {nonce} {}\r\n", self.name, request.sign(&self.key))
    }

    /// Begins to listen.
    pub fn listen(&self, hub: &Hub) -> BufReader<Tls> {
        let (path, body) = (format!("/v1/hosts/{}/feed", self.name), self.ask());
        let signed = self.signed(self.nonce(hub), &path, &body);
        Self::listen_by(hub, &path, &signed, &body)
    }

    /// The same by this signature.
    pub fn listen_by(hub: &Hub, path: &str, signed: &str, body: &str) -> BufReader<Tls> {
        let mut stream = hub.connect(&hub.ca()).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{signed}\r\n{body}"
        )
        .unwrap();
        BufReader::new(stream)
    }

    /// Takes the next event in.
    pub fn hears(&mut self, stream: &mut BufReader<Tls>) {
        let mut line = String::new();
        while !line.starts_with("data: ") {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        }
        #[allow(clippy::disallowed_methods)] // a host has a clock of its own
        let now = Time::from(std::time::SystemTime::now());
        let message = line.trim_start_matches("data: ").trim_end().as_bytes();
        self.state = sync::apply(&self.state, message, LocalTime { own: now, latest: now }).unwrap().state;
    }
}

pub fn ask_for(host: &str) -> NewRequest {
    serde_json::from_value(serde_json::json!({
        "hosts": [host], "services": ["ssh"], "reason": "the import hangs", "for": "1h"
    }))
    .unwrap()
}

/// Bob agrees.
pub fn approve(hub: &Hub, id: &str) {
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    let digest = bob.show_request(id).unwrap().digest;
    let narrowing = workflow::Narrowing::default();
    bob.review(id, &NewReview { verdict: NewVerdict::Approve, digest, narrowing, comment: None }).unwrap();
}

#[test]
fn a_host_joins_and_hears_of_a_grant_for_it_and_of_its_end() {
    let hub = Hub::with_policy();
    let joining = token(&hub, 1);
    let mut host = Host::new("db-7", &joining);
    assert!(host.join(&hub, &joining).starts_with("HTTP/1.1 200"));
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    assert_eq!(host.state.grants().count(), 0);

    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    let opened = alice.request(&ask_for("db-7")).unwrap();
    let id = opened.request.ask.id.to_string();
    let digest = bob.show_request(&id).unwrap().digest;
    let narrowing = workflow::Narrowing::default();
    bob.review(&id, &NewReview { verdict: NewVerdict::Approve, digest, narrowing, comment: None }).unwrap();
    host.hears(&mut stream);
    let held: Vec<_> = host.state.grants().cloned().collect();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].person.as_str(), held[0].approved_by[0].as_str()), ("alice", "bob"));

    let end = api::EndGrant { reason: access::Text::parse("wrong host").ok() };
    bob.revoke(&held[0].id.to_string(), &end).unwrap();
    host.hears(&mut stream);
    assert!(host.state.grants().all(|grant| grant.ended.is_some()));

    let views = hub.client(&hub.admin).hosts().unwrap();
    let view = views.iter().find(|view| view.host == host.name).unwrap();
    assert!(view.connected && view.version.as_ref().map(ToString::to_string).as_deref() == Some("9.9.9"));
    assert_eq!(view.labels.get("env").map(String::as_str), Some("prod"));
}

#[test]
fn a_host_that_comes_again_is_not_sent_what_it_holds() {
    let hub = Hub::with_policy();
    let joining = token(&hub, 1);
    let mut host = Host::new("db-7", &joining);
    host.join(&hub, &joining);
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let id = alice.request(&ask_for("db-7")).unwrap().request.ask.id.to_string();
    approve(&hub, &id);
    let mut stream = host.listen(&hub);
    while host.state.grants().count() == 0 {
        host.hears(&mut stream);
    }
    drop(stream);
    assert_eq!(serde_json::from_str::<AskFeed>(&host.ask()).unwrap().holds.len(), 1);
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    assert_eq!(host.state.grants().count(), 1);
}

#[test]
fn a_token_lets_in_as_many_hosts_as_it_says_and_a_name_belongs_to_one_key() {
    let hub = Hub::new();
    let joining = token(&hub, 1);
    let host = Host::new("db-7", &joining);
    assert!(host.join(&hub, &joining).starts_with("HTTP/1.1 200"));
    assert!(host.join(&hub, &joining).starts_with("HTTP/1.1 200"), "the answer may have been lost");
    let second = Host::new("db-77", &joining).join(&hub, &joining);
    assert!(second.contains("this token lets nobody in"), "{second}");
    let other = Host { key: SecretKey::from_random(&[99; 32]), ..Host::new("db-7", &joining) };
    let refused = other.join(&hub, &token(&hub, 1));
    assert!(refused.contains("has joined with another key"), "{refused}");
}

#[test]
fn nobody_is_believed_to_be_a_host_who_does_not_sign_this_very_call_now() {
    let hub = Hub::new();
    let joining = token(&hub, 2);
    let (host, other) = (Host::new("db-7", &joining), Host::new("web-11", &joining));
    host.join(&hub, &joining);
    other.join(&hub, &joining);
    let (path, body) = ("/v1/hosts/db-7/feed", host.ask());
    let call = |head: &str| hub.raw(&format!("POST {path}"), head, &body);
    assert!(call("").contains("this call is not signed by a host"));
    let stolen = format!("jit-host: db-7 {} {}\r\n", host.nonce(&hub), "0".repeat(128));
    assert!(call(&stolen).contains("did not sign this call"));
    let by_other = other.signed(other.nonce(&hub), path, &body).replace("web-11", "db-7");
    assert!(call(&by_other).contains("HTTP/1.1 401"), "another host's nonce and key");
    let copied = Host { machine: Digest::of(b"a copy"), ..Host::new("db-7", &joining) };
    let (copied_body, nonce) = (copied.ask(), copied.nonce(&hub));
    let said = hub.raw(&format!("POST {path}"), &copied.signed(nonce, path, &copied_body), &copied_body);
    assert!(said.contains("joined on another machine"), "{said}");
    let nonce = host.nonce(&hub);
    let signed = host.signed(nonce, path, &body);
    let mut stream = Host::listen_by(&hub, path, &signed, &body);
    let mut first = String::new();
    stream.read_line(&mut first).unwrap();
    assert!(first.contains("200"), "{first}");
    let changed = host.ask().replace("9.9.9", "9.9.8");
    assert!(hub.raw(&format!("POST {path}"), &signed, &changed).contains("did not sign this call"));
    assert!(call(&signed).contains("was not given to this host, was used, or is over"));
}

#[test]
fn a_host_that_is_removed_hears_nothing_more() {
    let hub = Hub::new();
    let joining = token(&hub, 1);
    let mut host = Host::new("db-7", &joining);
    host.join(&hub, &joining);
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    hub.client(&hub.admin).remove_host(&host.name).unwrap();
    rest(&mut stream);
    let (path, body) = ("/v1/hosts/db-7/feed", host.ask());
    let nonce = host.nonce(&hub);
    let said = hub.raw(&format!("POST {path}"), &host.signed(nonce, path, &body), &body);
    assert!(said.contains("no host of this hub is called db-7"), "{said}");
    until("it is listed no more", || {
        let hosts: BTreeSet<_> =
            hub.client(&hub.admin).hosts().unwrap().into_iter().map(|view| view.host).collect();
        !hosts.contains(&host.name)
    });
}

#[test]
fn what_was_granted_while_the_signer_was_away_is_signed_when_it_is_back() {
    let mut hub = Hub::with_policy();
    let joining = token(&hub, 1);
    let mut host = Host::new("db-7", &joining);
    host.join(&hub, &joining);
    hub.stop_signing();
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let id = alice.request(&ask_for("db-7")).unwrap().request.ask.id.to_string();
    approve(&hub, &id);
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    assert_eq!(host.state.grants().count(), 0, "nothing that is not signed is told");
    hub.sign();
    while host.state.grants().count() == 0 {
        host.hears(&mut stream);
    }
}
