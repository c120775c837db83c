//! Hosts of the hub: who joins, what they hear, and who is not believed to be one.

use crate::host::{Host, approve, ask_for, granted, joined, revoked, token};
use crate::nginx::Nginx;
use crate::room::{Hub, PEOPLE, rest, until};
use api::{AskFeed, Scope};
use reqwest::header::{HeaderValue, IF_NONE_MATCH};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use sync::{Digest, SecretKey};

#[test]
fn a_host_joins_and_hears_of_a_grant_for_it_and_of_its_end() {
    let hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    assert_eq!(host.state.grants().count(), 0);

    granted(&hub, "db-7");
    host.hears(&mut stream);
    let held: Vec<_> = host.state.grants().cloned().collect();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].person.as_str(), held[0].approved_by[0].as_str()), ("alice", "bob"));

    let end = api::EndGrant { reason: access::Text::parse("wrong host").ok() };
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    bob.revoke(&held[0].id.to_string(), &end).unwrap();
    host.hears(&mut stream);
    assert!(host.state.grants().all(|grant| grant.ended.is_some()));

    let views = hub.client(&hub.admin).hosts().unwrap();
    let view = views.iter().find(|view| view.host == host.name).unwrap();
    assert!(view.connected && view.version.as_ref().map(ToString::to_string).as_deref() == Some("9.9.9"));
    assert_eq!(view.labels.get("env").map(String::as_str), Some("prod"));
}

const AS_THEY_COME: &str = r#"
[[rule]]
id = "nightly"
who = { users = ["robot"] }
where = { labels = { env = "prod" } }
what = { services = ["ssh"] }
standing = { owner = "bob", review_by = "2099-12-31" }

[[rule]]
id = "production"
who = { groups = ["dev"] }
where = { labels = { env = "prod" }, follow_labels = true }
what = { services = ["ssh"] }
approve = [{ from = ["group:leads"] }]
"#;

#[test]
fn grants_that_are_for_hosts_as_they_come_are_told_to_those_that_join() {
    let hub = Hub::with_policy();
    let people = Some(format!("{PEOPLE}[robot]\n"));
    let new = api::NewPolicy { policy: AS_THEY_COME.to_owned(), people, no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    let mut first = joined(&hub, "db-7");
    let mut stream = first.listen(&hub);
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let mut by_label = ask_for("db-7");
    by_label.hosts.clear();
    by_label.labels = [("env".to_owned(), "prod".to_owned())].into();
    let asked = alice.request(&by_label).unwrap().request;
    assert!(asked.ask.follows);
    let followed = approve(&hub, &asked.ask.id.to_string());
    first.hears_until(&mut stream, |state| state.grants().count() == 2);
    let standing = first.state.grants().find(|grant| grant.id != followed).unwrap().id;

    let mut next = joined(&hub, "db-8");
    let mut of_next = next.listen(&hub);
    next.hears_until(&mut of_next, |state| state.grants().count() == 2);
    for grant in [followed, standing] {
        let told = |state: &sync::State| {
            state.grants().any(|held| held.id == grant && held.hosts.contains(&next.name))
        };
        first.hears_until(&mut stream, told);
        assert!(next.state.grants().any(|held| held.id == grant && held.ended.is_none()));
    }
    assert!(first.state.grants().all(|grant| grant.ended.is_none()), "nobody who is in is sent away");

    // Who left and is back hears of what has gone on without it.
    hub.client(&hub.admin).remove_host(&next.name).unwrap();
    let left = |state: &sync::State| {
        state.grants().any(|held| held.id == standing && !held.hosts.contains(&next.name))
    };
    first.hears_until(&mut stream, left);
    let mut back = joined(&hub, "db-8");
    let mut of_back = back.listen(&hub);
    back.hears_until(&mut of_back, |state| state.grants().any(|held| held.id == standing));
}

#[test]
fn a_host_that_is_labelled_anew_loses_what_is_for_hosts_with_the_label_of_before_and_comes_to_it_again() {
    let hub = Hub::with_policy();
    let people = Some(format!("{PEOPLE}[robot]\n"));
    let new = api::NewPolicy { policy: AS_THEY_COME.to_owned(), people, no_people: false };
    let admin = hub.client(&hub.admin);
    admin.apply_policy(&new).unwrap();
    let mut host = joined(&hub, "db-7");
    let mut stream = host.listen(&hub);
    let holds = |state: &sync::State| state.grants().any(|held| held.ended.is_none());
    host.hears_until(&mut stream, holds);
    let labels = |env: &str| api::NewLabels { labels: [("env".to_owned(), env.to_owned())].into() };
    let labelled = admin.label_host(&host.name, &labels("test")).unwrap();
    assert_eq!(labelled.labels, labels("test").labels);
    host.hears_until(&mut stream, |state| !holds(state));
    admin.label_host(&host.name, &labels("prod")).unwrap();
    host.hears_until(&mut stream, holds);

    let records = admin.journal(&api::AskJournal::default()).unwrap();
    let says = |words: &str| records.iter().any(|row| row.line.contains(words));
    assert!(says("mark=host_labelled") && says("host=db-7 by=admin labels=env=test"));
    let none = admin.label_host(&access::HostName::parse("db-9").unwrap(), &labels("prod")).unwrap_err();
    assert!(none.to_string().contains("db-9"), "{none}");
    let long = admin.label_host(&host.name, &labels(&"x".repeat(1000))).unwrap_err();
    assert!(long.to_string().contains("plain words"), "{long}");
}

#[test]
fn a_host_that_comes_again_is_not_sent_what_it_holds() {
    let hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() > 0);
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
    let copied_body = copied.ask();
    for _ in 0..3 {
        let nonce = copied.nonce(&hub);
        let said = hub.raw(&format!("POST {path}"), &copied.signed(nonce, path, &copied_body), &copied_body);
        assert!(said.contains("joined on another machine"), "{said}");
    }
    // The record of what came later is a later line.
    hub.token("alice", &[api::Scope::Read], "1h");
    hub.logs("change=token_made actor=admin person=alice");
    let told = hub.logged("host db-7 joined on another machine");
    // Beside that each refused call of an address is logged, and no more than a few of those.
    assert_eq!(told - hub.logged("\"host db-7 joined on another machine"), 1, "a copy fills no log");
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
fn a_copy_of_a_host_is_refused_whatever_it_says_and_told_of_once() {
    let hub = Hub::with_policy();
    let host = joined(&hub, "db-7");
    let says = |what: &str, machine: &str| {
        let (path, body) = (format!("/v1/hosts/db-7/{what}"), "{}");
        let signed = host.signed(host.nonce(&hub), &path, body);
        hub.raw(&format!("POST {path}"), &format!("{}{machine}\r\n", signed.trim_end()), body)
    };
    let copy = format!(" {}", Digest::of(b"a copy"));
    for what in ["asks", "calls", "state", "sessions", "journal", "known", "feed"] {
        let refused = says(what, &copy);
        assert!(
            refused.starts_with("HTTP/1.1 403") && refused.contains("joined on another machine"),
            "{refused}"
        );
        for of_the_host in [format!(" {}", host.machine), String::new()] {
            let read = says(what, &of_the_host);
            assert!(read.starts_with("HTTP/1.1 400") && read.contains("missing field"), "{what}: {read}");
        }
    }
    assert!(says("state", " nonsense").starts_with("HTTP/1.1 401"));
    let (feed, nonce) = ("/v1/hosts/db-7/feed", host.nonce(&hub));
    let looks = format!("{}{copy}\r\n", host.signed_for("GET", nonce, feed, "").trim_end());
    assert!(hub.raw(&format!("GET {feed}"), &looks, "").starts_with("HTTP/1.1 403"));
    hub.logs("host db-7 joined on another machine");
    let told = hub.logged("host db-7 joined on another machine");
    assert_eq!(told - hub.logged("\"host db-7 joined on another machine"), 1);
}

#[test]
fn a_revocation_waits_for_a_host_that_was_removed_until_its_grant_is_over() {
    let hub = Hub::with_policy();
    let (mut host, gone) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let (grant, over) = revoked(&hub, &mut host, &gone, |_| {});
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    until("the host that is left has confirmed", || {
        !bob.heard(&grant.to_string()).unwrap().confirmed.is_empty()
    });
    let heard = bob.heard(&grant.to_string()).unwrap();
    assert_eq!(heard.confirmed, [host.name]);
    assert_eq!(heard.not_yet, [(gone.name.clone(), None)].into());
    assert_eq!((heard.removed, heard.over), ([gone.name].into(), over));
}

#[test]
fn a_host_that_is_removed_hears_nothing_more() {
    let hub = Hub::new();
    let mut host = joined(&hub, "db-7");
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
    let mut host = joined(&hub, "db-7");
    hub.stop_signing();
    granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    assert_eq!(host.state.grants().count(), 0, "nothing that is not signed is told");
    hub.sign();
    host.hears_until(&mut stream, |state| state.grants().count() > 0);
}

/// A client that many programs use listens to this address as this host; what it is answered.
fn listened(hub: &Hub, host: &Host, (url, ca): (&str, &str), ask: &str) -> reqwest::blocking::Response {
    // The process has another one where a test came first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let trusted = reqwest::Certificate::from_pem_bundle(ca.as_bytes()).unwrap();
    let client = reqwest::blocking::Client::builder().timeout(None).tls_certs_only(trusted).build().unwrap();
    let path = format!("/v1/hosts/{}/feed", host.name);
    let signed = host.signed(host.nonce(hub), &path, ask);
    let (name, value) = signed.trim_end().split_once(": ").unwrap();
    client.post(format!("{url}{path}")).header(name, value).body(ask.to_owned()).send().unwrap()
}

/// An nginx before this hub that hands streams on, or holds them back.
fn before(hub: &Hub, buffering: &str) -> Nginx {
    let lines = format!(
        "server {{ listen 443 ssl; ssl_certificate /etc/nginx/jit-hub.crt; ssl_certificate_key /etc/nginx/jit-hub.key; \
         proxy_http_version 1.1; proxy_buffering {buffering}; location / {{ proxy_pass {}; }} }}",
        hub.url()
    );
    Nginx::with(&lines, "")
}

#[test]
fn a_stream_comes_event_by_event_and_ends_as_one_also_by_way_of_nginx() {
    let hub = Hub::with_policy();
    let nginx = before(&hub, "off");
    let mut host = joined(&hub, "db-7");
    let (direct, ca) = (hub.url(), hub.ca());
    let mut earlier: Option<BufReader<reqwest::blocking::Response>> = None;
    for (grants, at) in [(0, (direct.as_str(), ca.as_str())), (1, (&nginx.url(), &nginx.ca))] {
        let answer = listened(&hub, &host, at, &host.ask());
        assert_eq!((answer.status().as_u16(), answer.content_length()), (200, None));
        assert_eq!(answer.headers().get("content-type").unwrap(), "text/event-stream");
        let mut stream = BufReader::new(answer);
        host.hears(&mut stream);
        assert_eq!(host.state.grants().count(), grants);
        granted(&hub, "db-7");
        host.hears_until(&mut stream, |state| state.grants().count() > grants);
        if let Some(mut earlier) = earlier.replace(stream) {
            // The host listens elsewhere. A connection that broke off would be an error.
            earlier.read_to_end(&mut Vec::new()).unwrap();
        }
    }
    hub.client(&hub.admin).remove_host(&host.name).unwrap();
    earlier.unwrap().read_to_end(&mut Vec::new()).unwrap();
}

/// What a host is answered that asks for one answer at this address, and has what this mark is of.
fn asked_once(
    hub: &Hub,
    host: &Host,
    (url, ca): (&str, &str),
    mark: Option<&HeaderValue>,
) -> reqwest::blocking::Response {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let trusted = reqwest::Certificate::from_pem_bundle(ca.as_bytes()).unwrap();
    let client = reqwest::blocking::Client::builder().tls_certs_only(trusted).build().unwrap();
    let path = format!("/v1/hosts/{}/feed", host.name);
    let signed = host.signed_for("GET", host.nonce(hub), &path, "");
    let (name, value) = signed.trim_end().split_once(": ").unwrap();
    let mut call = client.get(format!("{url}{path}")).header(name, value);
    if let Some(mark) = mark {
        call = call.header(IF_NONE_MATCH, mark);
    }
    call.send().unwrap()
}

#[test]
fn a_host_behind_something_that_holds_streams_back_has_one_answer_at_a_time_and_nothing_twice() {
    let mut hub = Hub::with_policy();
    let nginx = before(&hub, "on");
    let (url, ca) = (nginx.url(), nginx.ca.clone());
    let (mut host, mut other) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    granted(&hub, "db-7");
    let mut mark: Option<HeaderValue> = None;
    let looks = |hub: &Hub, host: &mut Host, mark: &mut Option<HeaderValue>| {
        let answer = asked_once(hub, host, (&url, &ca), mark.as_ref());
        if answer.status() == 304 {
            return None;
        }
        *mark = Some(answer.headers()["etag"].clone());
        let text = answer.text().unwrap();
        host.hears(&mut text.as_bytes());
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let message: serde_json::Value = serde_json::from_str(data).unwrap();
        Some(message["bodies"].as_array().map_or(0, Vec::len))
    };
    until("the grant is signed", || looks(&hub, &mut host, &mut mark) == Some(1));
    assert_eq!(host.state.grants().count(), 1);
    let first = mark.clone();
    assert_eq!(looks(&hub, &mut host, &mut mark), None, "nothing changed");
    granted(&hub, "db-8");
    until("the other host hears of its grant", || looks(&hub, &mut other, &mut None) == Some(1));
    assert_eq!(looks(&hub, &mut host, &mut mark), None, "nothing that is for this host");
    granted(&hub, "db-7");
    until("the second is signed, and comes alone", || match looks(&hub, &mut host, &mut mark) {
        None => false,
        Some(bodies) => {
            assert_eq!(bodies, 1);
            true
        }
    });
    assert_eq!(host.state.grants().count(), 2);
    assert_eq!(looks(&hub, &mut host, &mut mark), None);
    // Whoever has what was true before, or names something else, is told.
    for mut earlier in [first, Some(HeaderValue::from_static("\"1-1-1\"")), None] {
        assert!(looks(&hub, &mut host, &mut earlier).is_some());
    }
    let rotated = hub.command("keys").arg("rotate").output().unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    hub.signal(rustix::process::Signal::HUP);
    until("keys of another era are told at once, and every body with them", || {
        looks(&hub, &mut host, &mut mark) == Some(2)
    });
    let before = host.signed(host.nonce(&hub), "/v1/hosts/db-7/feed", "");
    let said = hub.raw("GET /v1/hosts/db-7/feed", &before, "");
    assert!(said.starts_with("HTTP/1.1 401"), "signed for another call: {said}");
}

#[test]
fn a_host_that_went_away_or_talks_on_listens_no_more() {
    let hub = Hub::new();
    let mut host = joined(&hub, "db-7");
    let is_connected = || hub.client(&hub.admin).hosts().unwrap().iter().any(|view| view.connected);
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    assert!(is_connected());
    drop(stream);
    until("one that went away is not connected", || !is_connected());
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    stream.get_mut().write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let said = rest(&mut stream);
    assert!(!said.contains("HTTP/1.1"), "{said}");
    until("one that talks on is not connected", || !is_connected());
}

#[test]
fn the_head_of_a_stream_says_that_its_end_is_that_of_the_connection() {
    let hub = Hub::new();
    let host = joined(&hub, "db-7");
    let mut stream = host.listen(&hub);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n") && head.contains("connection: close\r\n"), "{head}");
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    let mut event = String::new();
    stream.read_line(&mut event).unwrap();
    assert_eq!(event, "event: view\n");
}
