//! What Microsoft runs, as a double: `connector.cjs`, with Microsoft's own types, renderer and validation under it.

use crate::room::{Hub, PATIENCE, text};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How soon is looked again for what is to come: each look is a call.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Tries until it is so.
pub fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// What the double needs of npm.
const NEEDS: &str = include_str!("package.json");

pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub const APP: &str = "66666666-7777-8888-9999-000000000000";
const SECRET: &str = "s3cret-of-the-bot";

/// A folder with those, made once.
pub fn modules() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("teams");
    std::fs::create_dir_all(&folder).unwrap();
    // Whoever is first makes it, and the others wait.
    let lock = std::fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    testbed::install(&[("node", "nodejs"), ("npm", "npm")]).unwrap();
    let done = folder.join("done");
    if !std::fs::read_to_string(&done).is_ok_and(|made| made == NEEDS) {
        std::fs::write(folder.join("package.json"), NEEDS).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&folder);
        let output = npm.output().unwrap();
        assert!(output.status.success(), "{npm:?}: {}{}", text(&output.stdout), text(&output.stderr));
        std::fs::write(&done, NEEDS).unwrap();
    }
    folder
}

/// Microsoft.
pub struct Double {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    http: reqwest::blocking::Client,
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Double {
    fn start() -> Self {
        let modules = modules();
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hub/teams/connector.cjs");
        let mut child = Command::new("node")
            .args([script, TENANT, APP, SECRET])
            .env("NODE_PATH", modules.join("node_modules"))
            .env("KEYS", modules.join("key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port =
            line.trim().strip_prefix("listening ").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        // Somebody else has installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::blocking::Client::builder()
            .tls_certs_only(std::iter::empty::<reqwest::Certificate>())
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self { child, port, folder, http }
    }

    /// What a hub is told of it.
    fn lines(&self) -> String {
        let (port, secret) = (self.port, self.secret().display().to_string());
        format!(
            "[teams]\ntenant = \"{TENANT}\"\napp_id = \"{APP}\"\nsecret = '{secret}'\n\
             token_url = \"http://127.0.0.1:{port}/emea/token\"\nopenid_url = \"http://127.0.0.1:{port}/emea/openid\"\n\
             service_hosts = [\"127.0.0.1:{port}\"]\n"
        )
    }

    pub fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    pub fn service(&self) -> String {
        format!("http://127.0.0.1:{}/emea/", self.port)
    }

    pub fn asks(&self, what: &str, says: &Value) -> Value {
        let url = format!("{}control/{what}", self.service());
        let answer = self.http.post(url).json(says).send().unwrap();
        let (status, body) = (answer.status(), answer.text().unwrap());
        assert!(status.is_success(), "{what}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub fn messages(&self, conversation: &str) -> Vec<Value> {
        let state = self.asks("state", &json!({}));
        let messages = state["messages"].as_array().unwrap().iter();
        messages.filter(|message| message["conversation"] == conversation).cloned().collect()
    }

    /// Somebody says something, and hears an answer there.
    pub fn hears(&self, conversation: &str, from: &Account, text: &str) -> String {
        let before = self.messages(conversation).len();
        let said = self.asks("say", &json!({"conversation": conversation, "from": from.of(), "text": text}));
        assert_eq!(said["status"], 200, "{said}");
        let mut heard = String::new();
        soon(text, || {
            let all = self.messages(conversation);
            let mut texts =
                all.iter().skip(before).filter_map(|message| message["versions"][0]["text"].as_str());
            texts.next_back().is_some_and(|text| {
                text.clone_into(&mut heard);
                true
            })
        });
        heard
    }

    /// What was sent there last has a card with these words, now or soon: its message and its text.
    pub fn card(&self, conversation: &str, words: &str) -> (String, Value) {
        let mut found = None;
        let mut last = String::new();
        let begun = Instant::now();
        while found.is_none() {
            for message in self.messages(conversation) {
                let card =
                    &message["versions"].as_array().unwrap().last().unwrap()["attachments"][0]["content"];
                last = card.to_string();
                if last.contains(words) {
                    found = Some((message["id"].as_str().unwrap().to_owned(), card.clone()));
                }
            }
            assert!(begun.elapsed() < PATIENCE, "no card has {words:?} in {conversation}: {last}");
            std::thread::sleep(LOOK_AGAIN);
        }
        found.unwrap()
    }

    /// One answer to a click, that is one by the protocol.
    pub fn click(&self, says: &Value) -> Value {
        let answered = self.asks("click", says);
        let one = answered["answers"][0].clone();
        assert_eq!(one["wrong"], json!([]), "{one}");
        one
    }
}

/// An account in Teams.
#[derive(Clone)]
pub struct Account {
    pub name: String,
    pub chat: String,
    pub id: String,
}

impl Account {
    pub fn named(name: &str) -> Self {
        let hex = workflow::hex(name.as_bytes());
        let id = format!("aaaaaaaa-bbbb-cccc-dddd-{hex:0<12.12}");
        Self { name: name.to_owned(), chat: format!("29:{name}"), id }
    }

    pub fn of(&self) -> Value {
        json!({"id": self.chat, "name": self.name, "aadObjectId": self.id})
    }

    /// The chat between the bot and this account.
    pub fn personal(&self) -> String {
        format!("a:{}", self.name)
    }
}

/// A hub with a bot, under [`crate::room::POLICY`] or another one.
pub fn hub_of(policy: &str, people: &str) -> (Hub, Double) {
    let double = Double::start();
    let mut hub = Hub::set_up(&double.lines());
    hub.serve();
    let new = api::NewPolicy { policy: policy.to_owned(), people: Some(people.to_owned()) };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    double.asks("hub", &json!({"url": hub.url(), "ca": hub.ca()}));
    (hub, double)
}

/// An account is this person's, as if both had said so, and has a chat with the bot.
pub fn linked(hub: &Hub, double: &Double, person: &str) -> Account {
    let account = Account::named(person);
    hub.sql(&format!(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
         VALUES ('{TENANT}', '{}', '{person}', '{person}', '{}', 0, 1)",
        account.id, account.chat
    ));
    double.asks("place", &json!({"id": account.personal(), "type": "personal"}));
    let added = json!({"conversation": account.personal(), "from": account.of(), "more": {"type": "installationUpdate", "action": "add"}});
    assert_eq!(double.asks("send", &added)["status"], 200);
    account
}
