//! Who is told of what happens: programs, by webhooks that the vendor's own library believes.

use crate::python::python;
use crate::receiver::{Call, Receiver};
use crate::room::{Hub, PEOPLE, POLICY, text, until};
use api::{NewPolicy, NewRequest, NewReview, NewVerdict, Scope};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use workflow::Narrowing;

/// Of 32 bytes, as anybody could have made it.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD8TXvHgL3nX0=";

/// A file that only its owner reads.
pub fn secret(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// A hub with these lines, this policy and these people, that has db-1.
pub fn hub(folder: tempfile::TempDir, lines: &str, policy: &str, people: &str) -> Hub {
    let mut hub = Hub::set_up_in(folder, "", crate::database::Database::start(), lines);
    hub.sql("INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES ('db-1', '{}', '', '', x'', 0, 1)");
    hub.serve();
    let new = NewPolicy { policy: policy.to_owned(), people: Some(people.to_owned()), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    hub
}

/// Alice asks for db-1. The id of the request.
pub fn asks(hub: &Hub, reason: &str) -> String {
    let alice = hub.token("alice", &[Scope::Read, Scope::Request], "1h").secret;
    let new: NewRequest = serde_json::from_value(serde_json::json!({
        "hosts": ["db-1"], "services": ["ssh"], "for": "1h", "reason": reason
    }))
    .unwrap();
    hub.client(&alice).request(&new).unwrap().request.ask.id.to_string()
}

/// Bob agrees.
pub fn agrees(hub: &Hub, id: &str) {
    let bob = hub.token("bob", &[Scope::Read, Scope::Review], "1h").secret;
    let client = hub.client(&bob);
    let digest = client.show_request(id).unwrap().digest;
    let review =
        NewReview { verdict: NewVerdict::Approve, digest, narrowing: Narrowing::default(), comment: None };
    client.review(id, &review).unwrap();
}

/// Whether the library that Standard Webhooks publishes believes a call.
fn believes(call: &Call, secret: &str) -> bool {
    let script = "import json, sys\nfrom standardwebhooks import Webhook\ncall = json.load(sys.stdin)\n\
                  Webhook(call['secret']).verify(call['body'], call['heads'])\n";
    let heads: serde_json::Map<String, serde_json::Value> =
        call.heads.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let said = serde_json::json!({ "secret": secret, "body": call.body, "heads": heads }).to_string();
    let mut child = Command::new(python("webhooks", include_str!("webhooks.txt")))
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), said.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let why = text(&output.stderr);
    assert!(output.status.success() || why.contains("WebhookVerificationError"), "{why}");
    output.status.success()
}

fn kinds(calls: &[Call]) -> Vec<String> {
    calls.iter().map(|call| call.json()["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_program_hears_of_everything_by_webhooks_that_the_vendors_library_believes() {
    let (folder, program) = (tempfile::tempdir().unwrap(), Receiver::new());
    let secret = secret(folder.path(), "siem.secret", SECRET);
    let lines =
        format!("[[webhook]]\nname = \"siem\"\nurl = \"http://{}/jit\"\nsecret = \"{secret}\"\n", program.at);
    let hub = hub(folder, &lines, POLICY, PEOPLE);
    let id = asks(&hub, "the disk is full");
    until("it hears of the request", || program.calls().len() == 1);
    agrees(&hub, &id);
    until("it hears of the approval", || program.calls().len() == 2);
    let calls = program.calls();
    assert_eq!(kinds(&calls), ["access.requested", "access.approved"]);
    for call in &calls {
        assert_eq!(call.line, "POST /jit HTTP/1.1");
        assert!(believes(call, SECRET), "{call:?}");
        let data = &call.json()["data"];
        assert_eq!(data["request"]["ask"]["id"], id.as_str());
        assert_eq!(
            data["link"],
            format!("{}/web/requests/{id}", hub.url().replace(&hub.at().port().to_string(), "0"))
        );
    }
    assert_eq!(calls[1].json()["data"]["grant"]["grant"]["person"], "alice");
    let mut changed = calls[0].clone();
    changed.body = changed.body.replace("disk", "door");
    assert!(!believes(&changed, SECRET), "what somebody changed is not believed");
    assert_ne!(calls[0].head("webhook-id"), calls[1].head("webhook-id"));
}

#[test]
fn what_a_program_does_not_take_comes_again_under_the_same_id_and_in_order() {
    let works = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&works);
    let program = Receiver::answering(move |_| {
        if up.load(Ordering::Relaxed) {
            return ("200 OK", String::new(), String::new());
        }
        ("429 Too Many Requests", "retry-after: 1\r\n".to_owned(), "busy".to_owned())
    });
    let folder = tempfile::tempdir().unwrap();
    let secret = secret(folder.path(), "siem.secret", SECRET);
    let lines =
        format!("[[webhook]]\nname = \"siem\"\nurl = \"http://{}/\"\nsecret = \"{secret}\"\n", program.at);
    let mut hub = hub(folder, &lines, POLICY, PEOPLE);
    let id = asks(&hub, "the disk is full");
    until("it is told once", || !program.calls().is_empty());
    hub.logs("sending by webhook:siem to \"siem\": it answered 429 Too Many Requests: \"busy\"");
    let listed = || text(&hub.command("outbox").output().unwrap().stdout);
    until("it is listed", || listed().contains(&format!("webhook:siem to siem: requested of {id}, ")));
    agrees(&hub, &id);
    // What waits outlives the hub that wrote it down.
    hub.signal(Signal::KILL);
    assert!(!hub.ends());
    hub.begin();
    let before = program.calls().len();
    until("it is told again", || program.calls().len() > before);
    works.store(true, Ordering::Relaxed);
    until("it takes both", || kinds(&program.calls()).last().is_some_and(|last| last == "access.approved"));
    let mut calls = program.calls();
    let last = calls.pop().unwrap();
    assert!(
        calls.len() >= 3 && kinds(&calls).iter().all(|kind| kind == "access.requested"),
        "{:?}",
        kinds(&calls)
    );
    let first = calls[0].head("webhook-id");
    assert!(calls.iter().all(|call| call.head("webhook-id") == first) && last.head("webhook-id") != first);
    hub.logs("sending by webhook:siem to \"siem\": works again");
    let listed = text(&hub.command("outbox").output().unwrap().stdout);
    assert!(listed.starts_with("Everything that was to be told is told"), "{listed}");
}

#[test]
fn a_hub_does_not_start_with_a_secret_that_others_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = secret(folder.path(), "siem.secret", SECRET);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let lines =
        format!("[[webhook]]\nname = \"siem\"\nurl = \"https://siem.example.org/\"\nsecret = \"{path}\"\n");
    let hub = Hub::set_up_in(folder, "", crate::database::Database::start(), &lines);
    let tried = hub.command("serve").output().unwrap();
    let why = text(&tried.stderr);
    assert!(!tried.status.success(), "{why}");
    assert!(
        why.contains("webhook \"siem\": secret: ") && why.contains(&format!("chmod 0600 {path}")),
        "{why}"
    );
}
