//! People who ask and approve, by the API.

use crate::room::{Room, name};
use crate::wire::{Wire, connector};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as Gate;
use tokio_rustls::TlsConnector;

/// Those who ask, each for so many things at once at most (`workflow::limits`).
const ASK: usize = 200;
const EACH: usize = 20;

const POLICY: &str = "[[rule]]\nid = \"all\"\nwho = { groups = [\"dev\"] }\nwhere = { hosts = [\"h-*\"] }\n\
    what = { services = [\"ssh\"] }\napprove = [{ from = [\"group:leads\"] }]\n";

/// A request as it was answered.
pub struct Asked {
    id: String,
    digest: String,
}

pub struct People {
    tls: TlsConnector,
    at: Vec<SocketAddr>,
    wire: Gate<Wire>,
    tokens: Vec<String>,
    lead: String,
    asked: AtomicUsize,
}

async fn say(wire: &mut Wire, token: &str, path: &str, body: &Value) -> Value {
    let key = getrandom::u64().unwrap();
    let heads = format!(
        "authorization: Bearer {token}\r\nidempotency-key: {key}\r\ncontent-type: application/json\r\n"
    );
    let answer = wire.call(&format!("POST {path}"), &heads, &body.to_string()).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

impl People {
    /// All of them, with a token each, and a policy that lets them ask.
    pub async fn new(room: &Room) -> Self {
        let (tls, at) = (connector(&room.ca()), room.at());
        let mut wire = Wire::connect(&tls, at[0], Ipv4Addr::LOCALHOST).await.unwrap();
        let mut people = "[lead]\ngroups = [\"leads\"]\n".to_owned();
        (0..ASK).for_each(|number| people.push_str(&format!("[p{number}]\ngroups = [\"dev\"]\n")));
        say(&mut wire, room.admin(), "/v1/policy", &json!({"policy": POLICY, "people": people})).await;
        let mut tokens = Vec::new();
        for person in (0..ASK).map(|number| format!("p{number}")).chain(["lead".to_owned()]) {
            let new =
                json!({"name": "bench", "person": person, "scopes": ["request", "review"], "for": "1d"});
            let made = say(&mut wire, room.admin(), "/v1/tokens", &new).await;
            tokens.push(made["secret"].as_str().unwrap().to_owned());
        }
        let lead = tokens.pop().unwrap();
        Self { tls, at, wire: Gate::new(wire), tokens, lead, asked: AtomicUsize::new(0) }
    }

    /// The next of them asks for these hosts.
    pub async fn ask(&self, hosts: &[usize]) -> Asked {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let hosts: Vec<String> = hosts.iter().map(|host| name(*host)).collect();
        let body =
            json!({"hosts": hosts, "services": ["ssh"], "for": "1h", "reason": format!("figure {number}")});
        let mut wire = self.wire.lock().await;
        // A connection lives five minutes.
        *wire = Wire::connect(&self.tls, self.at[0], Ipv4Addr::LOCALHOST).await.unwrap();
        let opened = say(&mut wire, &self.tokens[number / EACH], "/v1/requests", &body).await;
        Asked {
            id: opened["request"]["ask"]["id"].as_str().unwrap().to_owned(),
            digest: opened["request"]["digest"].as_str().unwrap().to_owned(),
        }
    }

    /// Somebody else agrees.
    pub async fn approve(&self, asked: &Asked) {
        approve(&mut *self.wire.lock().await, &self.lead, asked).await;
    }

    /// The same of all of these, by so many connections. How long each took.
    pub async fn approve_all(&self, asked: Vec<Asked>, connections: usize) -> Vec<Duration> {
        let left = Arc::new(Mutex::new(asked));
        let mut working = Vec::new();
        for number in 0..connections {
            let at = self.at[number % self.at.len()];
            let mut wire = Wire::connect(&self.tls, at, Ipv4Addr::LOCALHOST).await.unwrap();
            let (left, lead) = (Arc::clone(&left), self.lead.clone());
            working.push(tokio::spawn(async move {
                let mut took = Vec::new();
                loop {
                    let Some(asked) = left.lock().unwrap().pop() else { return took };
                    let begun = Instant::now();
                    approve(&mut wire, &lead, &asked).await;
                    took.push(begun.elapsed());
                }
            }));
        }
        let mut all = Vec::new();
        for working in working {
            all.extend(working.await.unwrap());
        }
        all
    }
}

async fn approve(wire: &mut Wire, lead: &str, asked: &Asked) {
    let yes = json!({"verdict": "approve", "digest": asked.digest});
    let reviewed = say(wire, lead, &format!("/v1/requests/{}/reviews", asked.id), &yes).await;
    assert!(reviewed["grant"].is_object(), "{reviewed}");
}
