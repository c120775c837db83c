//! A host as far as the hub sees one, that believes nothing which is not signed.

use crate::room::{Hub, Tls};
use access::{HostName, Time};
use api::{AskFeed, HostToken, Join, NewHostToken, NewRequest, NewReview, NewVerdict, Nonced, Scope};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Write as _};
use sync::{Digest, LocalTime, Request, SecretKey, State, Token};

/// A host as far as the hub sees one.
pub struct Host {
    pub name: HostName,
    pub key: SecretKey,
    pub machine: Digest,
    pub state: State,
}

/// A token that lets so many hosts in.
pub fn token(hub: &Hub, uses: u32) -> Token {
    let labels = [("env".to_owned(), "prod".to_owned())].into();
    let new = NewHostToken { labels, length: access::Span::parse("1h").unwrap(), uses };
    let HostToken { token, .. } = hub.client(&hub.admin).host_token(&new).unwrap();
    Token::parse(&token).unwrap()
}

impl Host {
    /// One of this name, for the hub of this token.
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

    /// What to sign the next call with.
    pub fn nonce(&self, hub: &Hub) -> sync::Nonce {
        let answer = hub.raw(&format!("POST /v1/hosts/{}/nonce", self.name), "", "");
        let Nonced { nonce } = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        nonce
    }

    /// What it says when it begins to listen.
    pub fn ask(&self) -> String {
        let ask = AskFeed {
            holds: self.state.holds(),
            watermark: self.state.watermark(),
            machine: self.machine,
            version: access::Text::parse("9.9.9").unwrap(),
        };
        serde_json::to_string(&ask).unwrap()
    }

    /// The head of a call that it signed.
    pub fn signed(&self, nonce: sync::Nonce, path: &str, body: &str) -> String {
        self.signed_for("POST", nonce, path, body)
    }

    /// The same of a call by this method.
    pub fn signed_for(&self, method: &str, nonce: sync::Nonce, path: &str, body: &str) -> String {
        let body = Digest::of(body.as_bytes());
        let request = Request { host: &self.name, method, path, body, nonce };
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
    pub fn hears(&mut self, stream: &mut impl BufRead) {
        self.state = self.applied(stream).unwrap().state;
    }

    /// Why it does not take the next event in.
    pub fn refuses(&self, stream: &mut BufReader<Tls>) -> sync::Rejected {
        self.applied(stream).unwrap_err()
    }

    /// What the hub answers when it is given all that this host knows, as hosts of older releases do.
    pub fn give_back(&self, hub: &Hub) -> String {
        self.give_back_to(hub, None)
    }

    /// The same by a host that says which incarnation asked for it.
    pub fn give_back_to(&self, hub: &Hub, incarnation: Option<u64>) -> String {
        let bodies = self.state.gives().collect();
        let known = api::Known { incarnation, bodies, ended: [].into(), last: true };
        let (path, body) = (format!("/v1/hosts/{}/known", self.name), serde_json::to_string(&known).unwrap());
        hub.raw(&format!("POST {path}"), &self.signed(self.nonce(hub), &path, &body), &body)
    }

    fn applied(&self, stream: &mut impl BufRead) -> Result<sync::Applied, sync::Rejected> {
        let mut line = String::new();
        while !line.starts_with("data: ") {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        }
        #[allow(clippy::disallowed_methods)] // a host has a clock of its own
        let now = Time::from(std::time::SystemTime::now());
        let message = line.trim_start_matches("data: ").trim_end().as_bytes();
        sync::apply(&self.state, message, LocalTime { own: now, latest: now })
    }

    /// Says something to the hub, signed; the whole answer.
    pub fn says(&self, hub: &Hub, what: &str, body: &impl Serialize) -> String {
        let (path, body) = (format!("/v1/hosts/{}/{what}", self.name), serde_json::to_string(body).unwrap());
        hub.raw(&format!("POST {path}"), &self.signed(self.nonce(hub), &path, &body), &body)
    }

    /// The same where the hub takes it.
    pub fn is_heard<T: DeserializeOwned>(&self, hub: &Hub, what: &str, body: &impl Serialize) -> T {
        let said = self.says(hub, what, body);
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        serde_json::from_str(said.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }

    /// What the hub's root signs of it, as it travels.
    pub fn membership(&self, hub: &Hub) -> String {
        let path = format!("/v1/hosts/{}/membership", self.name);
        let said = hub.raw(&format!("GET {path}"), &self.signed_for("GET", self.nonce(hub), &path, ""), "");
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        said.split("\r\n\r\n").nth(1).unwrap().to_owned()
    }

    /// Takes events in until it is so.
    pub fn hears_until(&mut self, stream: &mut impl BufRead, is_so: impl Fn(&State) -> bool) {
        let begun = std::time::Instant::now();
        while !is_so(&self.state) {
            assert!(begun.elapsed() < crate::room::PATIENCE, "it is not told: {:?}", self.state);
            self.hears(stream);
        }
    }
}

/// What alice asks for on this host.
pub fn ask_for(host: &str) -> NewRequest {
    serde_json::from_value(serde_json::json!({
        "hosts": [host], "services": ["ssh"], "reason": "the import hangs", "for": "1h"
    }))
    .unwrap()
}

/// Bob agrees.
pub fn approve(hub: &Hub, id: &str) -> access::GrantId {
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    let digest = bob.show_request(id).unwrap().digest;
    let narrowing = workflow::Narrowing::default();
    let yes = NewReview { verdict: NewVerdict::Approve, digest, narrowing, comment: None };
    bob.review(id, &yes).unwrap().grant.unwrap().grant.id
}

/// Alice asks for this host, and bob agrees.
pub fn granted(hub: &Hub, host: &str) -> access::GrantId {
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    approve(hub, &alice.request(&ask_for(host)).unwrap().request.ask.id.to_string())
}

/// A grant of alice's for this host and one that was removed since, revoked by bob, which this one has heard and confirmed. Until
/// when it is good on the other.
pub fn revoked(
    hub: &Hub,
    host: &mut Host,
    gone: &Host,
    before: impl FnOnce(access::GrantId),
) -> (access::GrantId, Time) {
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let mut both = ask_for(host.name.as_str());
    both.hosts.insert(gone.name.clone());
    let grant = approve(hub, &alice.request(&both).unwrap().request.ask.id.to_string());
    let mut stream = host.listen(hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    before(grant);
    hub.client(&hub.admin).remove_host(&gone.name).unwrap();
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    let end = api::EndGrant { reason: access::Text::parse("wrong hosts").ok() };
    let over = bob.revoke(&grant.to_string(), &end).unwrap().grant.window.latest_end();
    host.hears_until(&mut stream, |state| state.grants[&grant].ended.is_some());
    // What it holds it says as it listens again.
    let mut again = host.listen(hub);
    host.hears(&mut again);
    (grant, over)
}

/// The time of a host.
#[allow(dead_code)] // not every test asks
pub fn now() -> Time {
    #[allow(clippy::disallowed_methods)] // a host has a clock of its own
    let now = Time::from(std::time::SystemTime::now());
    now
}

/// A host that has joined.
pub fn joined(hub: &Hub, name: &str) -> Host {
    let joining = token(hub, 1);
    let host = Host::new(name, &joining);
    assert!(host.join(hub, &joining).starts_with("HTTP/1.1 200"));
    host
}
