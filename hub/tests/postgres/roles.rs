//! A hub taken apart: a desk that grants and a feed that hosts listen to, behind a real nginx, with a real `jitd`.

use crate::host::{Host, approve, token};
use crate::jitd::{ALICE, NAME, POLICY, There, request_id};
use crate::nginx::Nginx;
use crate::room::{Hub, text, until};
use access::{Grant, HostName, Login, Person, Service, Set, Time, Window};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use sync::{Body, Digest, Message, Nonce, SecretKey, SignedGrant, SignedManifest, View, whole};

/// A desk, a feed that it admitted, and what stands before both.
fn apart() -> (Hub, Hub, Nginx) {
    let mut desk = Hub::set_up("role = \"desk\"\nproxies = [\"127.0.0.1\"]");
    desk.serve();
    desk.stay();
    let new = api::NewPolicy {
        policy: POLICY.to_owned(),
        people: Some(crate::room::PEOPLE.to_owned()),
        no_people: false,
    };
    desk.client(&desk.admin).apply_policy(&new).unwrap();
    let mut feed = desk.feed();
    let made = feed.command("init").output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let refused = feed.command("serve").output().unwrap();
    assert!(text(&refused.stderr).contains("jit-hub keys admit"), "{}", text(&refused.stderr));
    desk.keys("admit", text(&made.stdout).trim());
    until("the desk has told of the new key", || {
        psql(&desk, "hub", "SELECT value FROM meta WHERE key = 'era'").unwrap().contains("\"epoch\":2")
    });
    feed.begin();
    feed.stay();
    let shipped = include_str!("../../../config/nginx-hub.conf")
        .replace("desk-1.example.org:8443", &desk.at().to_string())
        .replace("feed-1.example.org:8443", &feed.at().to_string());
    let nginx = Nginx::with(&shipped, &format!("{}{}", desk.ca(), feed.ca()));
    (desk, feed, nginx)
}

/// What this user of the database hears of a statement, or why nothing.
fn psql(hub: &Hub, user: &str, sql: &str) -> Result<String, String> {
    let url = hub.database.lock().unwrap().0.url().replace("://hub@", &format!("://{user}@"));
    let output =
        Command::new("psql").args(["-XqAt", "-v", "ON_ERROR_STOP=1", &url, "-c", sql]).output().unwrap();
    if output.status.success() {
        Ok(text(&output.stdout).trim().to_owned())
    } else {
        Err(text(&output.stderr))
    }
}

fn ready(hub: &Hub) -> bool {
    hub.raw("GET /readyz", "", "").starts_with("HTTP/1.1 200")
}

fn connected(hub: &Hub) -> bool {
    let views = hub.client(&hub.admin).hosts().unwrap();
    views.iter().any(|view| view.host.as_str() == NAME && view.connected)
}

#[test]
fn what_a_desk_granted_opens_a_door_by_way_of_a_feed_that_goes_on_without_it() {
    let (mut desk, feed, nginx) = apart();
    let there = There::joined_by(&desk, &nginx.url(), &nginx.ca, "");
    let said = there.done(ALICE, "request --service ssh --for 1h --reason 'the import hangs'");
    let id = request_id(&said);
    until("the desk has it", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    let grant = approve(&desk, &id).to_string();
    until("the grant is there", || there.lets_in());
    until("the desk knows that it listens, by its own word", || connected(&desk));
    // A permit is no grant: what wakes a stream for it is that the record names the host.
    let permits = || -> u64 {
        let connection = rusqlite::Connection::open(there.inside("state/jitd.db")).unwrap();
        connection.query_row("SELECT count(*) FROM permit", [], |row| row.get(0)).unwrap()
    };
    until("and its permit", || permits() == 1);
    assert!(nginx.log().contains(&format!("POST /v1/hosts/{NAME}/state HTTP/1.1\" 200")), "{}", nginx.log());

    // Each answers what is its own, and says where the rest belongs.
    let away = desk.raw(&format!("POST /v1/hosts/{NAME}/feed"), "", "{}");
    assert!(away.starts_with("HTTP/1.1 421 ") && away.contains("role desk"), "{away}");
    let admin = format!("authorization: Bearer {}\r\n", desk.admin);
    for call in ["GET /v1/status", "POST /v1/hosts", "GET /v1/authority", "GET /metrics", "POST /v1/requests"]
    {
        let away = feed.raw(call, &admin, "{}");
        assert!(away.starts_with("HTTP/1.1 421 ") && away.contains("role feed"), "{call}: {away}");
    }
    for what in ["state", "asks", "journal", "sessions", "calls", "known"] {
        let away = feed.raw(&format!("POST /v1/hosts/{NAME}/{what}"), "", "{}");
        assert!(away.starts_with("HTTP/1.1 421 "), "{what}: {away}");
    }

    // What a feed has is enough for files, too.
    let files = feed.path("files");
    std::fs::create_dir(&files).unwrap();
    let done = feed.command("publish").arg(&files).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    let file: Message =
        serde_json::from_slice(&std::fs::read(files.join(format!("{NAME}.json"))).unwrap()).unwrap();
    assert_eq!((file.bodies.len(), file.permits.len()), (1, 1));

    // Without the desk nothing is asked and nothing is lost, and a host that begins anew hears the truth.
    desk.signal(Signal::KILL);
    assert!(!desk.ends());
    assert!(ready(&feed));
    let stranger = there.jit(ALICE, "request --service sudo --for 1h --reason 'and sudo'");
    assert!(
        text(&stranger.stdout).contains("will be sent when the hub is reachable"),
        "{}",
        text(&stranger.stdout)
    );
    assert!(there.lets_in());
    desk.begin();
    let bob = desk.client(&desk.token("bob", &[api::Scope::Review], "1h").secret);
    bob.revoke(&grant, &api::EndGrant { reason: access::Text::parse("wrong host").ok() }).unwrap();
    until("the end is there", || !there.lets_in());
    let mut one = Host::new("db-8", &token(&desk, 1));
    let joining = token(&desk, 1);
    assert!(one.join(&desk, &joining).starts_with("HTTP/1.1 200"));
    let mut stream = one.listen(&feed);
    one.hears(&mut stream);
    desk.client(&desk.admin).remove_host(&one.name).unwrap();
    crate::room::rest(&mut stream);
}

#[test]
fn what_stands_before_hubs_lets_one_address_try_a_few_times_a_minute_where_the_hubs_count_nobody() {
    let (desk, _feed, nginx) = apart();
    let port = nginx.url().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let call = |what: &str, body: &str| {
        let mut stream = Hub::over(&nginx.ca, TcpStream::connect(("127.0.0.1", port)).unwrap()).unwrap();
        let call = format!(
            "{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(call.as_bytes()).unwrap();
        crate::room::rest(&mut stream).get(9..12).unwrap_or_default().to_owned()
    };
    let ask = "{\"name\":\"x\",\"scopes\":[\"read\"]}";
    for (what, body, first) in [("POST /v1/login", ask, "200"), ("GET /web/oidc/back", "", "403")] {
        assert_eq!(call(what, body), first, "{what}");
        assert!((0..200).any(|_| call(what, body) == "429"), "{what}");
    }
    assert!(desk.raw("POST /v1/login", "", ask).starts_with("HTTP/1.1 200"), "others' are taken");
    assert_eq!(call("GET /healthz", ""), "200");
}

/// Everything that a machine of a feed has, in wrong hands: it answers in the feed's place, with its certificate and its
/// key for views, and knows what its user of the database can read.
struct Thief {
    key: SecretKey,
    manifest: SignedManifest,
    revision: u64,
}

impl Thief {
    fn of(feed: &Hub) -> Self {
        let key = std::fs::read_to_string(feed.path("state/view.pem")).unwrap();
        let read = |sql: &str| psql(feed, "jit_feed", sql).unwrap();
        Self {
            key: SecretKey::from_pem(&key).unwrap(),
            manifest: serde_json::from_str(&read("SELECT value FROM meta WHERE key = 'manifest'")).unwrap(),
            revision: read("SELECT revision FROM head").parse().unwrap(),
        }
    }

    /// A view of these grants, later by so much than the truth.
    fn says(&self, later: u64, grants: &[SignedGrant]) -> String {
        let manifest = self.manifest.verify(&self.manifest.roots.fingerprint(), None).unwrap();
        let host = HostName::parse(NAME).unwrap();
        let entries: Vec<_> = grants.iter().map(|grant| grant.entry).collect();
        let now = now();
        let view = View {
            hub: manifest.hub.clone(),
            host: host.clone(),
            era: manifest.era,
            revision: self.revision + later,
            issued_at: now,
            fresh_until: now + chrono::TimeDelta::seconds(90),
            whole: whole(&host, &entries),
            grants: entries,
            permits: Vec::new(),
        };
        let message =
            Message::new(Some(self.manifest.clone()), view.sign(&self.key), grants, &BTreeSet::new());
        format!("event: view\ndata: {}\n\n", String::from_utf8(message.to_bytes()).unwrap())
    }

    /// A grant that nobody agreed to, signed by this key.
    fn forged(&self, key: &SecretKey) -> SignedGrant {
        let manifest = self.manifest.verify(&self.manifest.roots.fingerprint(), None).unwrap();
        let alice: Set<Login> = [Login::parse("alice").unwrap()].into();
        let grant = Grant {
            id: access::GrantId::from_random(77),
            version: 1,
            request: access::RequestId::from_random(78),
            person: Person::parse("alice").unwrap(),
            names: alice.clone(),
            logins: alice,
            hosts: [HostName::parse(NAME).unwrap()].into(),
            services: [Service::parse("ssh").unwrap()].into(),
            run_as: Set::new(),
            window: Window::Approval { not_before: now(), expires: now() + chrono::TimeDelta::hours(1) },
            source: None,
            sessions: None,
            approved_at: now(),
            approved_by: vec![Person::parse("bob").unwrap()],
            rule: "production".into(),
            policy: "p".into(),
            break_glass: false,
            extended: 0,
            ended: None,
        };
        SignedGrant::sign(&Body { hub: manifest.hub, grant }, key)
    }

    /// Answers as the feed did at this address, until the process ends: these views, each on a stream of its own.
    fn answers(feed: &Path, at: SocketAddr, views: Vec<String>) -> Arc<AtomicUsize> {
        let pem = |name: &str| std::fs::read_to_string(feed.join("state").join(name)).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "jit-hub authority");
        let issuer = Issuer::new(params, KeyPair::from_pem(&pem("ca.key")).unwrap());
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&own, &issuer).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
        let key: PrivateKeyDer<'_> = PrivatePkcs8KeyDer::from(own.serialize_der()).into();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
        let (config, listener) = (Arc::new(config), TcpListener::bind(at).unwrap());
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, views, told) = (Arc::clone(&config), views.clone(), Arc::clone(&told));
                std::thread::spawn(move || {
                    let connection = rustls::ServerConnection::new(config).unwrap();
                    let mut tls = BufReader::new(rustls::StreamOwned::new(connection, stream.unwrap()));
                    // One call on each connection will do.
                    let (mut first, mut length) = (String::new(), 0);
                    if tls.read_line(&mut first).unwrap_or(0) == 0 {
                        return;
                    }
                    loop {
                        let mut head = String::new();
                        if tls.read_line(&mut head).unwrap_or(0) == 0 || head.trim().is_empty() {
                            break;
                        }
                        if let Some(value) = head.to_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                    }
                    let mut body = vec![0; length];
                    tls.read_exact(&mut body).unwrap();
                    let answer = if first.contains("/nonce") {
                        serde_json::json!({ "nonce": Nonce::from_random([7; 16]) }).to_string()
                    } else if first.contains("/feed") {
                        let count = told.fetch_add(1, Ordering::Relaxed);
                        views[count.min(views.len() - 1)].clone()
                    } else {
                        String::new()
                    };
                    let tls = tls.get_mut();
                    let length = answer.len();
                    let _ = write!(
                        tls,
                        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
                    );
                    tls.conn.send_close_notify();
                    let _ = tls.flush();
                });
            }
        });
        count
    }
}

#[allow(clippy::disallowed_methods)] // a thief has a clock of its own
fn now() -> Time {
    Time::from_timestamp_millis(Time::from(std::time::SystemTime::now()).timestamp_millis()).unwrap()
}

#[test]
fn whoever_steals_a_feed_can_hide_a_grant_and_mint_none() {
    let (mut desk, mut feed, nginx) = apart();
    let there = There::joined_by(&desk, &nginx.url(), &nginx.ca, "");
    let id = request_id(&there.done(ALICE, "request --service ssh --for 1h --reason 'the import hangs'"));
    until("the desk has it", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    approve(&desk, &id);
    until("the grant is there", || there.lets_in());

    // Its user of the database.
    for statement in [
        "INSERT INTO signed SELECT 1, version, digest, envelope, key, hidden, until_ms, revision FROM signed",
        "INSERT INTO signed_host VALUES ('db-7', 1)",
        "UPDATE head SET revision = revision + 1",
        "UPDATE host SET key = ''",
        "DELETE FROM permit",
        "INSERT INTO token (id) VALUES (1)",
        "INSERT INTO role VALUES ('alice', 'admin', 1)",
        "UPDATE meta SET value = '' WHERE key = 'era'",
        "UPDATE request SET state = 'approved'",
        "CREATE TABLE mine (a INTEGER)",
        "SELECT hash FROM token",
        "SELECT body FROM journal",
        "SELECT body FROM request",
        "SELECT body FROM host_session",
        "SELECT hash FROM join_token",
        "SET ROLE hub",
    ] {
        let why = psql(&desk, "jit_feed", statement).unwrap_err();
        assert!(why.contains("permission denied"), "{statement}: {why}");
    }
    // No other key is on its machine.
    let files: Vec<PathBuf> =
        std::fs::read_dir(feed.path("state")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let keys: Vec<&PathBuf> =
        files.iter().filter(|path| path.extension().is_some_and(|end| end == "pem")).collect();
    assert!(keys.len() == 1 && keys[0].ends_with("view.pem"), "{files:?}");
    assert!(UnixStream::connect(feed.path("signer.sock")).is_err());

    let thief = Thief::of(&feed);
    let by_view_key = thief.forged(&thief.key);
    let by_own_key = thief.forged(&SecretKey::from_random(Digest::of(b"thief").as_bytes()));
    let views = vec![thief.says(1, &[]), thief.says(2, &[by_own_key]), thief.says(3, &[by_view_key])];
    let at = feed.at();
    feed.signal(Signal::KILL);
    assert!(!feed.ends());
    let told = Thief::answers(feed.folder.path(), at, views);
    until("it is believed that there is no grant", || !there.lets_in());
    let refused = there.says("a message was refused");
    assert!(refused.contains("unknown_key"), "{refused}");
    until("it has heard all three", || told.load(Ordering::Relaxed) >= 3);

    // What is stolen is believed no more once the desk says so.
    let stolen = thief.key.public().id().to_string();
    desk.keys("withdraw", &stolen);
    until("the desk has told of it", || {
        psql(&desk, "hub", "SELECT value FROM meta WHERE key = 'era'").unwrap().contains("\"epoch\":3")
    });
    let refused = feed.command("serve").output().unwrap();
    assert!(
        text(&refused.stderr).contains("hosts are not told to believe the key"),
        "{}",
        text(&refused.stderr)
    );
    let held = there.done(ALICE, "grants");
    assert!(!there.lets_in() && held.as_array().unwrap().is_empty(), "{held}");
}

#[test]
fn a_feed_whose_database_user_could_write_or_cannot_read_does_not_start() {
    let desk = Hub::new();
    let feed = desk.feed();
    let made = feed.command("init").output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let why = || {
        let output = feed.command("serve").output().unwrap();
        assert!(!output.status.success());
        text(&output.stderr)
    };
    desk.sql("GRANT UPDATE (revision) ON head TO jit_feed");
    assert!(why().contains("user jit_feed can write in this database"), "{}", why());
    desk.sql("REVOKE UPDATE (revision) ON head FROM jit_feed; GRANT hub TO jit_feed");
    assert!(why().contains("user jit_feed can write in this database"), "{}", why());
    desk.sql("REVOKE hub FROM jit_feed; REVOKE SELECT ON signed FROM jit_feed");
    assert!(why().contains("cannot read what a feed needs") && why().contains("feed.sql"), "{}", why());
}

#[test]
fn the_documents_say_what_is_shipped() {
    let document = include_str!("../../../docs/hub-postgres.md");
    let statements =
        include_str!("../../../packaging/feed.sql").lines().filter(|line| !line.starts_with("--"));
    for statement in statements {
        assert!(document.contains(statement), "{statement}");
    }
}
