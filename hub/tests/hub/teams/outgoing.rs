//! Outgoing webhooks of Teams: what they are sent is made as Microsoft documents it, and signed by Python.

use super::double::{Account, TENANT, hub_of, linked};
use crate::outbox::{hub, secret};
use crate::room::{Hub, PEOPLE, POLICY};
use crate::web::{Browser, OWN};
use api::{AskRequests, Which};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// As Teams shows one: 32 bytes.
const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const OTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn lines(folder: &std::path::Path) -> String {
    let key = secret(folder, "ops.key", KEY);
    format!("[[teams_webhook]]\nname = \"ops\"\ntenant = \"{TENANT}\"\nkey = \"{key}\"\n")
}

fn room() -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines(folder.path());
    hub(folder, &lines, POLICY, PEOPLE)
}

/// The head of a call with this body, by Python.
fn signed(key: &str, body: &str) -> String {
    let script = "import base64, hashlib, hmac, sys\n\
                  mac = hmac.new(base64.b64decode(sys.argv[1]), sys.stdin.buffer.read(), hashlib.sha256)\n\
                  print('HMAC ' + base64.b64encode(mac.digest()).decode(), end='')";
    let mut child = Command::new("python3")
        .args(["-c", script, key])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// What Teams sends where this account types this in a channel, so many seconds ago, under this id.
fn typed(from: &Account, text: &str, id: &str, ago: i64) -> Value {
    #[allow(clippy::disallowed_methods)] // what calls the hub has a clock of its own
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let at = access::Time::from_timestamp(i64::try_from(now).unwrap() - ago, 0).unwrap();
    json!({
        "type": "message", "id": id, "timestamp": at.to_rfc3339(), "serviceUrl": "https://smba.trafficmanager.net/emea/",
        "channelId": "msteams", "from": from.of(),
        "conversation": {"isGroup": true, "id": "19:ops@thread.tacv2;messageid=1", "name": null, "conversationType": "channel", "tenantId": TENANT},
        "recipient": null, "textFormat": "plain", "attachmentLayout": null, "membersAdded": [], "topicName": null,
        "text": format!("<at>jit</at> {text}"), "summary": null, "attachments": [{"contentType": "text/html", "content": "<div/>"}],
        "entities": [], "replyToId": "1",
        "channelData": {"channel": {"id": "19:ops@thread.tacv2"}, "team": {"id": "19:ops@thread.tacv2"}, "tenant": {"id": TENANT}}
    })
}

/// Status and body of the answer.
fn sent(hub: &Hub, heads: &str, body: &str) -> (u16, Value) {
    let answer =
        hub.raw("POST /teams/webhook/ops", &format!("content-type: application/json\r\n{heads}"), body);
    let status = answer.get(9..12).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
}

fn posted(hub: &Hub, key: &str, says: &Value) -> (u16, Value) {
    let body = says.to_string();
    sent(hub, &format!("authorization: {}\r\n", signed(key, &body)), &body)
}

/// What is answered to this, typed now.
fn hears(hub: &Hub, from: &Account, text: &str, id: &str) -> String {
    let (status, said) = posted(hub, KEY, &typed(from, text, id, 0));
    assert_eq!((status, said["type"].as_str()), (200, Some("message")), "{said}");
    said["text"].as_str().unwrap().to_owned()
}

/// What is refused with these words, and told.
fn refused(hub: &Hub, answer: &(u16, Value), words: &str) {
    let (status, said) = answer;
    assert!(*status == 403 && said["detail"].as_str().unwrap().contains(words), "{status} {said}");
    hub.logs(words);
}

/// An account is this person's by the webhook, as if both had said so.
fn known(hub: &Hub, person: &str) -> Account {
    let account = Account::named(person);
    hub.sql(&format!(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
         VALUES ('webhook/ops', '{}', '{person}', '{person}', '', 0, 1)",
        account.id
    ));
    account
}

/// Says a code and confirms.
fn links(hub: &Hub, person: &str) -> Account {
    let (account, browser) = (Account::named(person), Browser::of(hub, person));
    let made = browser.fill(&browser.get("/web/teams"), "/web/teams/code", &[]);
    let code = made.0.split("<code>link ").nth(1).unwrap_or_else(|| panic!("{}", made.0));
    let code = code.split('<').next().unwrap();
    assert!(hears(hub, &account, &format!("link {code}"), &format!("link {person}")).contains("Now confirm"));
    let page = browser.get("/web/teams");
    assert!(page.has("by the webhook ops alone") && page.has(&account.id), "{}", page.0);
    let done =
        browser.send("/web/teams/link", OWN, &[("csrf", page.field("csrf")), ("code", page.field("code"))]);
    assert_eq!(done.status(), "303", "{}", done.0);
    account
}

#[test]
fn one_links_an_account_and_asks_and_looks() {
    let hub = room();
    let stranger = Account::named("mallory");
    assert!(hears(&hub, &stranger, "list", "1").contains("do not know whose account"));
    assert!(
        hears(&hub, &stranger, "request ssh on db-1 because x", "2").contains("do not know whose account")
    );
    let alice = links(&hub, "alice");
    hub.logs("mark=teams_linked");
    assert!(hears(&hub, &alice, "&nbsp;help", "3").contains("**request**"));
    assert!(!hears(&hub, &alice, "help", "4").contains("here, away"), "that is the bot's alone");
    assert!(hears(&hub, &alice, "here", "5").contains("I do not know **here**"));
    let asked = hears(&hub, &alice, "request ssh,sudo on db-1 for 2h because the *disk* is full", "6");
    assert!(asked.starts_with("Asked: [R-") && asked.contains("bob or carol can approve it"), "{asked}");
    let id = asked.split('[').nth(1).unwrap().split(']').next().unwrap();
    assert!(hears(&hub, &alice, "list", "7").contains(id));
    assert!(hears(&hub, &alice, "status", "8").contains("You hold no grant"));
    let ask = hub.client(&hub.admin).show_request(id).unwrap().ask;
    assert_eq!(
        (ask.person.as_str(), ask.asked_by.as_str(), ask.channel),
        ("alice", "alice", workflow::Channel::Webhook)
    );
}

#[test]
fn there_is_no_word_that_decides() {
    let hub = room();
    let (alice, bob) = (known(&hub, "alice"), known(&hub, "bob"));
    let asked = hears(&hub, &alice, "request ssh on db-1 because x", "1");
    let id = asked.split('[').nth(1).unwrap().split(']').next().unwrap();
    for (n, word) in ["approve", "deny", "review"].iter().enumerate() {
        let said = hears(&hub, &bob, &format!("{word} {id}"), &format!("w{n}"));
        assert!(said.contains(&format!("I do not know **{word}**")), "{said}");
    }
    // What a card's button would carry is nothing here.
    let mut click = typed(&bob, "", "click", 0);
    let view = hub.client(&hub.admin).show_request(id).unwrap();
    click["value"] =
        json!({"jit": {"verb": "approve", "request": id, "revision": "x", "digest": view.digest}});
    assert_eq!(posted(&hub, KEY, &click).0, 200);
    let view = hub.client(&hub.admin).show_request(id).unwrap();
    assert!(view.reviews.is_empty() && view.state.is_pending(), "{view:?}");
}

#[test]
fn nobody_asks_on_behalf_of_another() {
    let hub = room();
    let alice = known(&hub, "alice");
    for (n, text) in ["request ssh on db-1 user bob because x", "request ssh on db-1 person bob because x"]
        .iter()
        .enumerate()
    {
        assert!(hears(&hub, &alice, text, &format!("{n}")).contains("is not understood there"));
    }
    let all = hub
        .client(&hub.admin)
        .requests(&AskRequests { which: Which::All, ..AskRequests::default() })
        .unwrap();
    assert!(all.is_empty(), "{all:?}");
}

#[test]
fn what_is_signed_with_another_key_is_refused() {
    let hub = room();
    let bob = known(&hub, "bob");
    refused(&hub, &posted(&hub, OTHER_KEY, &typed(&bob, "list", "1", 0)), "its HMAC is not by the key");
    // The same under the right one, with one letter changed on the way.
    let body = typed(&bob, "list", "2", 0).to_string();
    let head = format!("authorization: {}\r\n", signed(KEY, &body));
    refused(&hub, &sent(&hub, &head, &body.replace("list", "lisT")), "its HMAC is not by the key");
    refused(&hub, &sent(&hub, "", &body), "it shows no HMAC");
    assert_eq!(sent(&hub, &head, &body).0, 200);
}

#[test]
fn an_empty_body_is_refused_though_it_is_signed() {
    let hub = room();
    let head = format!("authorization: {}\r\n", signed(KEY, ""));
    refused(&hub, &sent(&hub, &head, ""), "there is nothing in it");
}

#[test]
fn what_is_old_or_of_another_day_is_refused() {
    let hub = room();
    let bob = known(&hub, "bob");
    refused(&hub, &posted(&hub, KEY, &typed(&bob, "list", "1", 330)), "more than five minutes from now");
    refused(&hub, &posted(&hub, KEY, &typed(&bob, "list", "2", -330)), "more than five minutes from now");
    let mut timeless = typed(&bob, "list", "3", 0);
    timeless["timestamp"] = Value::Null;
    refused(&hub, &posted(&hub, KEY, &timeless), "its timestamp");
    assert_eq!(posted(&hub, KEY, &typed(&bob, "list", "4", 270)).0, 200);
}

#[test]
fn what_was_heard_counts_once() {
    let hub = room();
    let alice = known(&hub, "alice");
    let says = typed(&alice, "request ssh on db-1 because x", "1", 0);
    assert_eq!(posted(&hub, KEY, &says).0, 200);
    refused(&hub, &posted(&hub, KEY, &says), "this was heard before");
    let all = hub
        .client(&hub.admin)
        .requests(&AskRequests { which: Which::All, ..AskRequests::default() })
        .unwrap();
    assert_eq!(all.len(), 1);
    let too_much =
        |n: i32| hears(&hub, &alice, "help", &format!("h{n}")).contains("within a minute: wait a minute");
    assert!((0..200).any(too_much), "one account says so much and no more");
    let bob = known(&hub, "bob");
    assert!(hears(&hub, &bob, "list", "b").contains("**Waiting for you**"));
}

/// Also after a restart, and at another hub: the desk knows what it did by the activity's id.
#[test]
fn a_request_is_asked_for_once_also_by_a_hub_that_forgot() {
    let mut hub = room();
    let alice = known(&hub, "alice");
    let says = typed(&alice, "request ssh on db-1 because x", "1", 0);
    let first = posted(&hub, KEY, &says).1["text"].as_str().unwrap().to_owned();
    let id = first.split('[').nth(1).unwrap().split(']').next().unwrap().to_owned();
    let token = hub.token("alice", &[api::Scope::Read, api::Scope::Request], "1h").secret;
    hub.client(&token).cancel(&id).unwrap();
    hub.signal(rustix::process::Signal::TERM);
    assert!(hub.ends());
    hub.begin();
    let again = posted(&hub, KEY, &says);
    assert!(again.0 == 200 && again.1["text"].as_str().unwrap().contains(&id), "{again:?}");
    let all = hub
        .client(&hub.admin)
        .requests(&AskRequests { which: Which::All, ..AskRequests::default() })
        .unwrap();
    assert_eq!(all.len(), 1, "though the first is taken back");
}

#[test]
fn what_is_of_another_tenant_is_refused() {
    let hub = room();
    let bob = known(&hub, "bob");
    for at in ["/channelData/tenant/id", "/conversation/tenantId"] {
        let mut says = typed(&bob, "list", at, 0);
        *says.pointer_mut(at).unwrap() = json!("99999999-2222-3333-4444-555555555555");
        refused(&hub, &posted(&hub, KEY, &says), "it comes of tenant");
    }
    // The first outgoing webhooks say none.
    let mut says = typed(&bob, "list", "none", 0);
    says["channelData"]["tenant"] = Value::Null;
    says["conversation"]["tenantId"] = Value::Null;
    assert_eq!(posted(&hub, KEY, &says).0, 200);
}

#[test]
fn nobody_is_called_by_another_name_and_a_hub_starts_with_no_key_that_others_read() {
    let hub = room();
    let answer = hub.raw("POST /teams/webhook/web", "", "{}");
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("[[teams_webhook]]"), "{answer}");
    for (key, mode, why) in [(KEY, 0o644, "chmod 0600"), ("c2hvcnQ=", 0o600, "44 letters of base64")] {
        let folder = tempfile::tempdir().unwrap();
        let lines = lines(folder.path());
        std::fs::write(folder.path().join("ops.key"), key).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(folder.path().join("ops.key"), mode).unwrap();
        let hub = Hub::set_up_in(folder, "", crate::database::Database::start(), &lines);
        let tried = hub.command("serve").output().unwrap();
        let said = crate::room::text(&tried.stderr);
        assert!(
            !tried.status.success() && said.contains("teams_webhook \"ops\": key: ") && said.contains(why),
            "{said}"
        );
        assert!(!said.contains(key), "{said}");
    }
}

#[test]
fn the_bot_believes_nobody_by_the_webhook_and_the_webhook_whom_the_bot_believes() {
    let (mut hub, double) = hub_of(POLICY, PEOPLE);
    let config = std::fs::read_to_string(hub.path("hub.toml")).unwrap();
    let more = format!("{}[signer]", lines(hub.folder.path()));
    std::fs::write(hub.path("hub.toml"), config.replacen("[signer]", &more, 1)).unwrap();
    hub.stay();
    hub.signal(rustix::process::Signal::TERM);
    assert!(hub.ends());
    hub.begin();
    // Whoever knows the team's key says a code of their own as bob's account, and confirms it.
    let bob = links(&hub, "bob");
    assert!(hears(&hub, &bob, "list", "1").contains("**Waiting for you**"));
    double.asks("place", &json!({"id": bob.personal(), "type": "personal"}));
    assert!(double.hears(&bob.personal(), &bob, "list").contains("do not know whose account"));
    let carol = linked(&hub, &double, "carol");
    assert!(hears(&hub, &carol, "list", "2").contains("**Waiting for you**"));
    // Whom the bot believes is not believed to be somebody else.
    hub.sql(&format!(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
         VALUES ('webhook/ops', '{}', 'alice', 'x', '', 0, 1)",
        carol.id
    ));
    let asked = hears(&hub, &carol, "request ssh on db-1 because x", "3");
    assert!(!asked.starts_with("Asked"), "carol may not ask, and alice may: {asked}");
}
