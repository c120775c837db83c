//! Attacks on a hub and by what was stolen of one: refused, logged, and the hub lives.

use crate::host::{Host, granted, joined, now, token};
use crate::jitd::beside;
use crate::nginx::Nginx;
use crate::room::{Hub, Tls, rest, text, until};
use access::{Grant, GrantId};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, Signal, getrlimit, setrlimit};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use sync::{Body, LocalTime, Message, Rejected, SecretKey, SignedGrant, Token, View, whole};

/// A connection from another machine, as far as the hub sees.
fn from(hub: &Hub, ip: Ipv4Addr) -> TcpStream {
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&stream, &SocketAddr::from((ip, 0))).unwrap();
    connect(&stream, &hub.at()).unwrap();
    let stream = TcpStream::from(stream);
    stream.set_read_timeout(Some(crate::room::PATIENCE)).unwrap();
    stream
}

/// As many open files as there may be, also for what is started from here.
fn more_files() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
}

/// What keeps a connection that says too little.
enum Slow {
    Plain(TcpStream),
    Inside(Box<Tls>),
}

impl Slow {
    fn new(hub: &Hub, number: u16) -> Self {
        let [high, low] = (number / 50).to_be_bytes();
        let mut stream = from(hub, Ipv4Addr::new(127, 9, high, low + 1));
        match number % 10 {
            0 => {
                let mut inside = Hub::over(&hub.ca(), stream).unwrap();
                inside.write_all(b"GET /readyz HTTP/1.1\r\nhost: loc").unwrap();
                return Self::Inside(Box::new(inside));
            }
            // The first bytes of a greeting of 512.
            1..5 => stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap(),
            _ => {}
        }
        Self::Plain(stream)
    }

    /// One byte more, where it has begun to say something.
    fn goes_on(&mut self) {
        // One that was cut off meanwhile is.
        let _ = match self {
            Self::Plain(_) => Ok(()),
            Self::Inside(stream) => stream.write_all(b"a"),
        };
    }

    fn is_cut_off(&mut self) -> bool {
        let mut byte = [0; 256];
        match self {
            Self::Plain(stream) => matches!(stream.read(&mut byte), Ok(0) | Err(_)),
            Self::Inside(stream) => {
                let said = rest(stream);
                said.is_empty() || said.starts_with("HTTP/1.1 408 ")
            }
        }
    }
}

#[test]
fn a_thousand_connections_that_never_come_to_the_point_hold_nobody_up_and_are_cut_off() {
    more_files();
    let hub = Hub::new();
    let begun = Instant::now();
    let mut slow: Vec<Slow> = (0..1000).map(|number| Slow::new(&hub, number)).collect();
    while begun.elapsed() < Duration::from_secs(8) {
        slow.iter_mut().for_each(Slow::goes_on);
        assert!(hub.raw("GET /readyz", "", "").ends_with("ready\n"), "others are answered");
    }
    for (number, slow) in slow.iter_mut().enumerate() {
        assert!(slow.is_cut_off(), "{number}");
    }
    let bearer = format!("authorization: bearer {}\r\n", hub.admin);
    let metrics = || hub.raw("GET /metrics", &bearer, "");
    until("their places are free", || metrics().contains("\njit_hub_connections 1\n"));
    let counted = metrics();
    for line in
        ["jit_hub_too_slow_total{at=\"handshake\"} 900\n", "jit_hub_too_slow_total{at=\"head\"} 100\n"]
    {
        assert!(counted.contains(line), "{line} is not in {counted}");
    }
    until("there is a line for each address", || hub.logged(" and is cut off") >= 20);
    assert_eq!(hub.logged(" and is cut off"), 20, "and no more");
}

#[test]
fn who_takes_too_many_places_is_told_of_in_the_log() {
    let hub = Hub::new();
    let one = Ipv4Addr::new(127, 7, 7, 7);
    let _held: Vec<_> = (0..64).map(|_| from(&hub, one)).collect();
    assert!(matches!(from(&hub, one).read(&mut [0]), Ok(0) | Err(_)), "the 65th");
    hub.logs("127.7.7.7 has 64 connections open and gets no more");
    assert!(hub.client(&hub.admin).status().is_ok(), "others are served");
}

#[test]
fn hosts_that_listen_take_no_place_of_their_address_and_each_listens_once() {
    let hub = Hub::new();
    let joining = token(&hub, 70);
    let mut hosts: Vec<Host> = (0..70).map(|number| Host::new(&format!("web-{number}"), &joining)).collect();
    let mut streams = Vec::new();
    for host in &mut hosts {
        assert!(host.join(&hub, &joining).starts_with("HTTP/1.1 200"));
        let mut stream = host.listen(&hub);
        host.hears(&mut stream);
        streams.push(stream);
    }
    let again = hosts[0].listen(&hub);
    rest(&mut streams[0]);
    drop(again);
    assert!(hub.client(&hub.admin).hosts().unwrap().iter().filter(|view| view.connected).count() >= 69);
}

#[test]
fn a_body_without_an_end_is_read_to_its_limit_and_no_further() {
    let hub = Hub::new();
    for path in ["/v1/hosts", "/v1/hosts/db-1/feed", "/v1/hosts/db-1/journal", "/v1/hosts/db-1/nonce"] {
        let mut stream = hub.connect(&hub.ca()).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        // What the kernel takes on both sides beside what the hub reads is a few MB.
        let sent = (0..4096).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count() * 0x4000;
        assert!(sent < 32 * 1024 * 1024, "{path}: {sent} bytes");
        let answer = rest(&mut stream);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 200"),
            "{answer}"
        );
    }
    hub.logs("refused 127.0.0.1: \"the body is longer than the call may have\"");
    assert!(hub.client(&hub.admin).status().is_ok());
}

#[test]
fn who_joins_by_a_used_token_or_chooses_labels_or_signs_as_another_is_refused_and_logged() {
    let hub = Hub::new();
    let joining = token(&hub, 1);
    let host = Host::new("db-7", &joining);
    let chosen = serde_json::json!({
        "token": joining.hash(), "host": "db-7", "machine": host.machine, "key": host.key.public(),
        "labels": { "env": "prod", "tier": "database" }
    });
    let answer = hub.raw("POST /v1/hosts", "", &chosen.to_string());
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("unknown field `labels`"), "{answer}");
    hub.logs("refused 127.0.0.1: \"reading the host that joins: unknown field `labels`");
    assert!(host.join(&hub, &joining).starts_with("HTTP/1.1 200"), "the token is still good");
    let views = hub.client(&hub.admin).hosts().unwrap();
    let view = views.iter().find(|view| view.host == host.name).unwrap();
    assert_eq!(
        view.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        ["env=prod"]
    );

    let second = Host::new("db-8", &joining).join(&hub, &joining);
    assert!(second.starts_with("HTTP/1.1 403"), "{second}");
    hub.logs("refused 127.0.0.1: \"this token lets nobody in");

    let thief = Host { key: SecretKey::from_random(&[9; 32]), ..Host::new("db-7", &joining) };
    let said = thief.says(&hub, "feed", &serde_json::from_str::<serde_json::Value>(&thief.ask()).unwrap());
    assert!(said.starts_with("HTTP/1.1 401"), "{said}");
    hub.logs("refused 127.0.0.1: \"host db-7 did not sign this call with the key it joined with");
}

#[test]
fn a_host_that_asks_for_another_is_refused_and_logged() {
    let hub = Hub::with_policy();
    let (host, _other) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let ask = serde_json::json!({
        "id": access::RequestId::from_random(7), "login": "alice", "source": null, "asked_at": now(),
        "wish": { "how": "command", "new": { "hosts": ["db-8"], "services": ["ssh"], "reason": "the import hangs" } }
    });
    let answer = host.says(&hub, "asks", &ask);
    assert!(answer.contains("counts for itself alone"), "{answer}");
    hub.logs("host db-7 asks for others (db-8), which it must not: was it taken over?");
}

/// What somebody says who has a view key.
struct Thief {
    key: SecretKey,
}

impl Thief {
    /// A view for this host after what it heard last, of these grants.
    fn view(&self, host: &Host, grants: &[SignedGrant]) -> Message {
        let served = host.state.served.as_ref().unwrap();
        let grants_of: Vec<_> = grants.iter().map(|grant| grant.entry).collect();
        let view = View {
            hub: host.state.hub.clone(),
            host: host.name.clone(),
            era: served.manifest.era,
            revision: served.revision + 1,
            issued_at: now(),
            fresh_until: now() + chrono::TimeDelta::seconds(90),
            whole: whole(&host.name, &grants_of),
            grants: grants_of,
            permits: Vec::new(),
        };
        Message::new(None, view.sign(&self.key), grants, &BTreeSet::new())
    }

    fn told(&self, host: &Host, grants: &[SignedGrant]) -> Result<sync::Applied, Rejected> {
        let now = now();
        let bytes = self.view(host, grants).to_bytes();
        sync::apply(&host.state, &bytes, LocalTime { own: now, latest: now })
    }
}

#[test]
fn who_stole_the_view_key_hides_mints_nothing_and_is_believed_no_more_after_the_rotation() {
    let mut hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    let pem = std::fs::read_to_string(hub.path("state/view.pem")).unwrap();
    let thief = Thief { key: SecretKey::from_pem(&pem).unwrap() };
    let hidden = thief.told(&host, &[]).unwrap().state;
    assert_eq!(hidden.grants().count(), 0, "that much it can");

    let real = host.state.grants().next().unwrap().clone();
    let wider =
        Grant { id: GrantId::from_random(1), person: access::Person::parse("mallory").unwrap(), ..real };
    let minted = SignedGrant::sign(&Body { hub: host.state.hub.clone(), grant: wider }, &thief.key);
    let refused = thief.told(&host, &[minted]).unwrap_err();
    assert!(refused.code() == "unknown_key", "{refused}");

    let before = host.state.served.as_ref().unwrap().manifest.era;
    let done = hub.command("keys").args(["rotate", "view", "--stolen"]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    hub.signal(Signal::HUP);
    host.hears_until(&mut stream, |state| {
        state.served.as_ref().is_some_and(|served| served.manifest.era > before)
    });
    let refused = thief.told(&host, &[]).unwrap_err();
    assert!(matches!(refused.code(), "unknown_key" | "rotated_out"), "{refused}");
    assert_eq!(host.state.grants().count(), 1);
}

#[test]
fn who_answers_in_the_place_of_a_hub_is_not_told_the_token_of_a_host_that_is_to_join() {
    let (hub, thief) = (Hub::new(), Hub::new());
    let joining = token(&hub, 1);
    let authority = |hub: &Hub| rest_of(&hub.raw("GET /v1/authority", "", ""));
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    std::fs::create_dir(inside("state")).unwrap();
    let config = format!("state = '{}'\nhost = 'db-7'\n", inside("state").display());
    std::fs::write(inside("jitd.toml"), config).unwrap();
    for (what, says, why) in [
        ("a root of its own", authority(&thief), "is not the hub"),
        ("the hub's word, and a certificate of its own", authority(&hub), "this host believes"),
    ] {
        std::fs::write(inside("authority.json"), says).unwrap();
        let certificate = "listen 443 ssl; ssl_certificate /etc/nginx/jit-hub.crt; ssl_certificate_key /etc/nginx/jit-hub.key;";
        let answers = format!(
            "server {{ {certificate} location = /v1/authority {{ alias {}; }} location / {{ return 200 '{{}}'; }} }}",
            inside("authority.json").display()
        );
        let nginx = Nginx::with(&answers, "");
        let shown = Token::new(nginx.url(), joining.hub.clone(), joining.root, [7; 32]).unwrap();
        let mut jitd = Command::new(beside("jitd"));
        let enrols = jitd.arg("--config").arg(inside("jitd.toml")).args(["enrol", &shown.reveal()]);
        let refused = enrols.output().unwrap();
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains(why), "{what}: {said}");
        let log = nginx.log();
        assert!(log.contains("GET /v1/authority") && !log.contains("/v1/hosts"), "{what}: {log}");
        assert!(!inside("state/enrolment.json").exists(), "{what}");
    }
}

/// What comes after the head of an answer.
fn rest_of(answer: &str) -> String {
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
