//! Every page in a real browser, before axe, with nothing that the content security policy refuses: `pages.mjs` says what is
//! looked at. Pictures of all of them stay in `target/tmp/pages`.

use crate::host::{Host, joined};
use crate::oidc::Room;
use crate::room::Hub;
use crate::web::{Browser, Past, link, lived};
use access::{Person, Span, Text};
use api::{NewReview, NewVerdict, Roles, Scope};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use testbed::teams::TENANT;

/// Somebody asks by the API and somebody agrees. The request and the grant.
fn granted(hub: &Hub, person: &str, host: &str, reason: &str) -> (String, String) {
    let token = |person: &str| hub.token(person, &Scope::ALL, "1h").secret;
    let new = json!({ "hosts": [host], "services": ["ssh", "sudo"], "for": "2h", "reason": reason, "ticket": "OPS-7" });
    let asked = hub.client(&token(person)).request(&serde_json::from_value(new).unwrap()).unwrap().request;
    let id = asked.ask.id.to_string();
    let yes = NewReview {
        verdict: NewVerdict::Approve,
        digest: asked.digest,
        narrowing: workflow::Narrowing {
            length: Some(Span::parse("1h").unwrap()),
            ..workflow::Narrowing::default()
        },
        comment: Some(Text::parse("an hour will do").unwrap()),
    };
    let grant = hub.client(&token("bob")).review(&id, &yes).unwrap().grant.unwrap();
    (id, grant.grant.id.to_string())
}

/// A command that waits for a browser, and what it says first.
fn command(
    hub: &Hub,
    who: &str,
    more: &[&str],
) -> (std::process::Child, BufReader<std::process::ChildStdout>, String) {
    let (url, ca) = (hub.url(), hub.path("ca.crt"));
    std::fs::write(&ca, hub.ca()).unwrap();
    let mut arguments = vec!["login", "--hub", url.as_str(), "--ca", ca.to_str().unwrap()];
    arguments.extend(more);
    let mut child = hub.begin_jit(who, &arguments);
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    (child, said, line.trim().to_owned())
}

#[test]
fn every_page_is_fit_for_every_reader_and_breaks_no_policy_of_its_own() {
    testbed::install(&[("chromium", "chromium")]).unwrap();
    let keys = tempfile::tempdir().unwrap();
    let key = crate::outbox::secret(keys.path(), "ops.key", &format!("{}=", "A".repeat(43)));
    let chat = format!("[[teams_webhook]]\nname = \"ops\"\ntenant = \"{TENANT}\"\nkey = \"{key}\"\n");
    let room = Room::with(&chat);
    let hub = &room.hub;
    for person in ["alice", "admin"] {
        hub.sql(&format!(
            "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
             VALUES ('{TENANT}', 'aaaaaaaa-0000-0000-0000-{person}', '{person}', '{person}', '29:{person}', 0, 1)"
        ));
    }
    room.provider.is("u-17");
    let admin = hub.client(&hub.admin);
    admin
        .set_roles(&Roles { person: Person::parse("carol").unwrap(), roles: [api::Role::Auditor].into() })
        .unwrap();
    let hosts: Vec<Host> =
        ["db-7", "db-8", "db-a-host-with-a-rather-long-name"].iter().map(|name| joined(hub, name)).collect();
    let (request, grant) = granted(hub, "alice", "db-7", "the import hangs since the upgrade of last night");
    granted(hub, "alice", "db-8", "see why the disk is full");
    let carol = [(300, 25), (200, 12)].map(|(ago, minutes)| Past {
        ago,
        minutes: Some(minutes),
        grant: Some(&grant),
    });
    lived(hub, &hosts[0], "alice", &carol);
    lived(hub, &hosts[1], "alice", &[Past { ago: 30, minutes: None, grant: None }]);
    let waiting = Browser::of(hub, "alice").asks("<b>the</b> import hangs again");
    let (mut beside, mut beside_said, page) = command(hub, "a", &[]);
    let (mut anywhere, mut anywhere_said, asked) = command(hub, "d", &["--device", "--json"]);
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    // One that nobody lets in is there in every look.
    let (mut unanswered, _said, waits) = command(hub, "u", &["--device", "--json"]);
    let waits: serde_json::Value = serde_json::from_str(&waits).unwrap();
    let device = format!("/web/device?code={}", waits["code"].as_str().unwrap());

    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    let plan = json!({
        "hub": hub.url(),
        "chromium": "/usr/bin/chromium",
        "shots": shots,
        "links": { "alice": link(hub, "alice"), "bob": link(hub, "bob"), "admin": link(hub, "admin") },
        "command": page,
        "word": asked["code"],
        "pages": {
            "alice": {
                "inbox": "/web", "ask": "/web/ask", "grants": "/web/grants", "grant": format!("/web/grants/{grant}"),
                "tokens": "/web/tokens", "refused": "/web/journal", "chats": "/web/teams", "login": page, "device": device,
                "word": "/web/device"
            },
            "nobody": { "sign-in": "/web/grants", "link": link(hub, "dave") },
            "bob": { "review": waiting, "request": format!("/web/requests/{request}") },
            "admin": {
                "hosts": "/web/hosts", "sessions": "/web/sessions", "timeline": "/web/timeline?days=1",
                "policy": "/web/policy?hosts=db-7&services=ssh&user=alice", "people": "/web/people",
                "journal": "/web/journal?words=alice", "journal-host": "/web/journal?host=db-7", "nothing": "/web/nothing",
                "chats-of-all": "/web/teams"
            },
        }
    });
    let file = hub.path("plan.json");
    std::fs::write(&file, plan.to_string()).unwrap();
    let mut node = testbed::Node::run("pages.mjs", &[file.to_str().unwrap()]).unwrap();
    let mut all = String::new();
    while let Some(line) = node.line() {
        all.push_str(&line);
        all.push('\n');
    }
    assert!(node.ends(), "{all}");
    // Each page by day, by night and on a telephone, and seven on the way.
    assert!(all.contains("76 looks, 0 findings"), "{all}");
    unanswered.kill().unwrap();
    unanswered.wait().unwrap();
    for (child, said) in [(&mut beside, &mut beside_said), (&mut anywhere, &mut anywhere_said)] {
        let mut words = String::new();
        said.read_to_string(&mut words).unwrap();
        assert!(child.wait().unwrap().success() && words.contains("alice"), "{words}");
    }
}
