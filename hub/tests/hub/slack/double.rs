//! What Slack runs, as a double: its Web API as far as it is called (docs.slack.dev/reference/methods), and the calls that it
//! makes. Slack's own library (`sdk.py`) signs those, and looks at the blocks of every message.

use crate::outbox::secret;
use crate::python::python;
use crate::receiver::{Answer, Call, Receiver};
use crate::room::{Hub, PATIENCE};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

pub const TEAM: &str = "T0JIT";
pub const CHANNEL: &str = "C0OPS";
pub const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN: &str = "xoxb-of-a-test";

/// Who has an account in the workspace, U0 and the name in capitals; mail is to the name at example.org.
const USERS: [&str; 7] = ["alice", "bob", "dave", "erin", "frank", "grace", "mallory"];

/// How soon is looked again for what is to come.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Slack's library.
struct Sdk(Mutex<(Child, BufReader<ChildStdout>)>);

impl Sdk {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hub/slack/sdk.py");
        let mut child = Command::new(python("slack", include_str!("sdk.txt")))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self(Mutex::new((child, said)))
    }

    fn asks(&self, what: &Value) -> Value {
        let mut sdk = self.0.lock().unwrap();
        writeln!(sdk.0.stdin.as_mut().unwrap(), "{what}").unwrap();
        let mut line = String::new();
        sdk.1.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{what}: {line}"))
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        let sdk = self.0.get_mut().unwrap();
        let _ = sdk.0.kill();
        let _ = sdk.0.wait();
    }
}

/// A message, with all that it was.
#[derive(Clone, Debug)]
pub struct Message {
    pub channel: String,
    pub at: String,
    pub versions: Vec<Value>,
}

impl Message {
    /// What it is now.
    pub fn now(&self) -> &Value {
        self.versions.last().unwrap()
    }
}

struct Workspace {
    sdk: Sdk,
    messages: Mutex<Vec<Message>>,
    /// What was said to who clicked, as it came.
    replies: Mutex<Vec<Value>>,
    /// What Slack would not have taken, and why.
    wrong: Mutex<Vec<String>>,
}

/// Slack.
pub struct Double {
    pub service: Receiver,
    workspace: Arc<Workspace>,
    count: AtomicUsize,
}

impl Double {
    pub fn start() -> Self {
        Self::but(|_| None)
    }

    /// One that answers some calls in another way.
    pub fn but(other: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let workspace = Arc::new(Workspace {
            sdk: Sdk::start(),
            messages: Mutex::default(),
            replies: Mutex::default(),
            wrong: Mutex::default(),
        });
        let answering = Arc::clone(&workspace);
        let service = Receiver::answering(move |call| other(call).unwrap_or_else(|| answering.answer(call)));
        Self { service, workspace, count: AtomicUsize::new(0) }
    }

    /// What a hub is told of it.
    pub fn lines(&self, folder: &std::path::Path, more: &str) -> String {
        let token = secret(folder, "slack.token", TOKEN);
        format!(
            "[slack]\ntoken = \"{token}\"\nchannel = \"{CHANNEL}\"\napi = \"http://{}/api\"\n{more}",
            self.service.at
        )
    }

    /// The lines by which it is listened to.
    pub fn listening(folder: &std::path::Path) -> String {
        let file = secret(folder, "slack.signing-secret", SECRET);
        format!("team = \"{TEAM}\"\nsigning_secret = \"{file}\"\n")
    }

    pub fn messages(&self) -> Vec<Message> {
        self.workspace.messages.lock().unwrap().clone()
    }

    /// A message there whose last version has these words, now or soon.
    pub fn message(&self, channel: &str, words: &str) -> Message {
        let found = || {
            let is_it =
                |message: &Message| message.channel == channel && message.now().to_string().contains(words);
            self.messages().into_iter().find(is_it)
        };
        self.soon(&format!("{words:?} in {channel}"), found)
    }

    fn soon<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            let wrong = self.workspace.wrong.lock().unwrap();
            assert!(wrong.is_empty(), "{wrong:?}");
            drop(wrong);
            assert!(begun.elapsed() < PATIENCE, "{what} is not among {:#?}", self.messages());
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// What Slack says of blocks, if they are none.
    pub fn looks_at(&self, message: &Value) -> Option<String> {
        self.workspace.wrong_with(message)
    }

    /// A call as Slack signs it, so many seconds ago: its heads.
    pub fn signed(&self, secret: &str, body: &str, ago: i64) -> Vec<(String, String)> {
        #[allow(clippy::disallowed_methods)] // what calls the hub has a clock of its own
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let at = (i64::try_from(now).unwrap() - ago).to_string();
        let signed =
            self.workspace.sdk.asks(&json!({"what": "signs", "secret": secret, "at": at, "body": body}));
        vec![
            ("x-slack-request-timestamp".to_owned(), at),
            ("x-slack-signature".to_owned(), signed.as_str().unwrap().to_owned()),
        ]
    }

    /// Whether Slack's library believes a call.
    pub fn believes(&self, heads: &[(String, String)], body: &str) -> bool {
        let heads: serde_json::Map<String, Value> =
            heads.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let asked = json!({"what": "believes", "secret": SECRET, "heads": heads, "body": body});
        self.workspace.sdk.asks(&asked) == true
    }

    /// A click of this account on a button of a version of a message, with what was filled in: the payload.
    pub fn click(
        &self,
        on: &Message,
        version: usize,
        verb: &str,
        user: &str,
        filled: &[(&str, &str)],
    ) -> Value {
        let message = &on.versions[version];
        let (mut button, mut values) = (None, serde_json::Map::new());
        for block in message["blocks"].as_array().unwrap() {
            let id = block["block_id"].as_str().unwrap_or_default().to_owned();
            match block["type"].as_str().unwrap() {
                "actions" => {
                    button = button.or(block["elements"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .find(|e| e["action_id"] == verb));
                }
                "input" => {
                    let element = &block["element"];
                    let name = element["action_id"].as_str().unwrap().to_owned();
                    let said = filled.iter().find(|(field, _)| *field == name).map(|(_, said)| *said);
                    let state = if element["type"] == "static_select" {
                        let mut options = element["options"].as_array().unwrap().iter();
                        let chosen = said.map_or(element["initial_option"].clone(), |said| {
                            options.find(|option| option["value"] == said).unwrap().clone()
                        });
                        json!({"type": "static_select", "selected_option": chosen})
                    } else {
                        json!({"type": "plain_text_input", "value": said})
                    };
                    values.insert(id, json!({ name: state }));
                }
                _ => {}
            }
        }
        let button = button.unwrap_or_else(|| panic!("there is no button {verb}: {message}"));
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        json!({
            "type": "block_actions", "api_app_id": "A0JIT", "token": "legacy", "trigger_id": format!("1.2.{n}"),
            "user": {"id": user, "username": user.to_lowercase(), "name": user.to_lowercase(), "team_id": TEAM},
            "team": {"id": TEAM, "domain": "jit"}, "enterprise": null, "is_enterprise_install": false,
            "container": {"type": "message", "message_ts": on.at, "channel_id": on.channel, "is_ephemeral": false},
            "channel": {"id": on.channel, "name": "ops"}, "message": message,
            "state": {"values": values}, "response_url": format!("http://{}/actions/{TEAM}/{n}", self.service.at),
            "actions": [{
                "type": "button", "action_id": button["action_id"], "block_id": "b", "text": button["text"],
                "value": button["value"], "style": button["style"], "action_ts": format!("1700000000.{n:06}")
            }]
        })
    }

    /// The body of a call with this payload.
    pub fn body(payload: &Value) -> String {
        form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish()
    }

    /// Sends it as it is.
    pub fn sends(hub: &Hub, path: &str, heads: &[(String, String)], body: &str) -> (u16, String) {
        let mut lines = "content-type: application/x-www-form-urlencoded\r\n".to_owned();
        heads.iter().for_each(|(name, value)| lines.push_str(&format!("{name}: {value}\r\n")));
        let answer = hub.raw(&format!("POST {path}"), &lines, body);
        let status = answer.get(9..12).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// Sends a click, which is taken, and gives what is said to who clicked.
    pub fn clicks(&self, hub: &Hub, payload: &Value) -> Value {
        let (before, body) = (self.replies().len(), Self::body(payload));
        let (status, said) = Self::sends(hub, "/slack/interactions", &self.signed(SECRET, &body, 0), &body);
        assert_eq!((status, said.as_str()), (200, ""));
        self.soon("an answer to a click", || self.replies().get(before).cloned())
    }

    pub fn replies(&self) -> Vec<Value> {
        self.workspace.replies.lock().unwrap().clone()
    }

    /// The form of a slash command of this account.
    pub fn command(&self, user: &str, said: &str) -> String {
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        let said = said.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("token", "legacy"),
                ("team_id", TEAM),
                ("team_domain", "jit"),
                ("channel_id", CHANNEL),
                ("user_id", user),
                ("user_name", &user.to_lowercase()),
                ("command", "/jit"),
                ("text", &said),
                ("api_app_id", "A0JIT"),
                ("response_url", &format!("http://{}/commands/{TEAM}/{n}", self.service.at)),
                ("trigger_id", &format!("3.4.{n}")),
            ])
            .finish()
    }

    /// What is answered to a slash command, to who gave it alone.
    pub fn hears(&self, hub: &Hub, user: &str, said: &str) -> Value {
        let body = self.command(user, said);
        let (status, answer) = Self::sends(hub, "/slack/commands", &self.signed(SECRET, &body, 0), &body);
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
        assert_eq!(answer["response_type"], "ephemeral");
        assert_eq!(self.looks_at(&answer), None, "{answer}");
        answer
    }
}

/// The account of somebody.
pub fn account(person: &str) -> String {
    format!("U0{}", person.to_uppercase())
}

/// An account is this person's, as if both had said so.
pub fn linked(hub: &Hub, person: &str) -> String {
    let account = account(person);
    hub.sql(&format!(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
         VALUES ('slack/{TEAM}', '{account}', '{person}', '{person}', '', 0, 1)"
    ));
    account
}

/// A hub that listens to it, under this policy.
pub fn hub_of(policy: &str, people: &str, more: &str) -> (Hub, Double) {
    let double = Double::start();
    (hub_by(&double, policy, people, more), double)
}

/// A hub that listens to this one.
pub fn hub_by(double: &Double, policy: &str, people: &str, more: &str) -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let more = format!("{}{more}", Double::listening(folder.path()));
    let lines = double.lines(folder.path(), &more);
    let mut hub = Hub::set_up_in(folder, "", crate::database::Database::start(), &lines);
    for n in 1..=6 {
        hub.sql(&format!(
            "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES ('db-{n}', '{{}}', '', '', x'', 0, 1)"
        ));
    }
    hub.serve();
    let new = api::NewPolicy { policy: policy.to_owned(), people: Some(people.to_owned()), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    hub
}

impl Workspace {
    fn answer(&self, call: &Call) -> Answer {
        let path = call.line.split(' ').nth(1).unwrap();
        let said = if path.starts_with("/actions/") || path.starts_with("/commands/") {
            self.replied(call)
        } else if call.head("authorization") == format!("Bearer {TOKEN}") {
            self.method(call, path.trim_start_matches("/api/"))
        } else {
            Err("invalid_auth".to_owned())
        };
        let said = said.unwrap_or_else(|error| {
            if error != "users_not_found" {
                self.wrong.lock().unwrap().push(format!("{error}: {}", call.body));
            }
            json!({ "ok": false, "error": error })
        });
        ("200 OK", "content-type: application/json\r\n".to_owned(), said.to_string())
    }

    fn method(&self, call: &Call, method: &str) -> Result<Value, String> {
        if let Some(mail) = method.strip_prefix("users.lookupByEmail?email=") {
            let name = mail.strip_suffix("%40example.org").filter(|name| USERS.contains(name));
            let name = name.ok_or("users_not_found")?;
            return Ok(json!({ "ok": true, "user": { "id": account(name) } }));
        }
        let says = call.json();
        match method {
            "chat.postMessage" => {
                let channel = says["channel"].as_str().unwrap_or_default();
                if channel != CHANNEL && !channel.starts_with("D0") {
                    return Err("channel_not_found".to_owned());
                }
                self.wrong_with(&says).map_or(Ok(()), Err)?;
                let mut messages = self.messages.lock().unwrap();
                let at = format!("1700000000.{:06}", messages.len());
                messages.push(Message {
                    channel: channel.to_owned(),
                    at: at.clone(),
                    versions: vec![says.clone()],
                });
                Ok(json!({ "ok": true, "channel": channel, "ts": at, "message": says }))
            }
            "chat.update" => {
                self.wrong_with(&says).map_or(Ok(()), Err)?;
                let mut messages = self.messages.lock().unwrap();
                let found = messages.iter_mut().find(|m| says["channel"] == m.channel && says["ts"] == m.at);
                found.ok_or("message_not_found")?.versions.push(says.clone());
                Ok(json!({ "ok": true, "channel": says["channel"], "ts": says["ts"], "text": says["text"] }))
            }
            "conversations.open" => {
                let user = says["users"].as_str().and_then(|user| user.strip_prefix("U0"));
                let user = user.ok_or("user_not_found")?;
                Ok(json!({ "ok": true, "channel": { "id": format!("D0{user}") } }))
            }
            _ => Err("unknown_method".to_owned()),
        }
    }

    /// An answer to a click.
    fn replied(&self, call: &Call) -> Result<Value, String> {
        let says = call.json();
        self.wrong_with(&says).map_or(Ok(()), Err)?;
        if says["response_type"] != "ephemeral" || says["replace_original"] != false {
            return Err(format!("it would be seen by others: {says}"));
        }
        self.replies.lock().unwrap().push(says);
        Ok(json!({ "ok": true }))
    }

    /// Why Slack takes no such message.
    fn wrong_with(&self, message: &Value) -> Option<String> {
        let text = message["text"].as_str().unwrap_or_default();
        if text.is_empty() || text.chars().count() > 40_000 {
            return Some("msg_too_long or no_text".to_owned());
        }
        let none = Vec::new();
        let blocks = message["blocks"].as_array().unwrap_or(&none);
        if blocks.is_empty() || blocks.len() > 50 {
            return Some(format!("invalid_blocks: {} of them", blocks.len()));
        }
        let mut ids: Vec<&str> = blocks.iter().filter_map(|block| block["block_id"].as_str()).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|two| two[0] == two[1]) {
            return Some(format!("invalid_blocks: two are {ids:?}"));
        }
        for block in blocks {
            for field in block["fields"].as_array().unwrap_or(&none) {
                if field["text"].as_str().unwrap().chars().count() > 2000 {
                    return Some(format!("invalid_blocks: {field}"));
                }
            }
            if texts(block).any(|text| text.chars().count() > 3000) {
                return Some(format!("invalid_blocks: {block}"));
            }
        }
        let said = self.sdk.asks(&json!({ "what": "blocks", "blocks": blocks }));
        said.as_str().map(|why| format!("invalid_blocks: {why}"))
    }
}

/// All texts in it.
fn texts(block: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match block {
        Value::Object(fields) => Box::new(
            fields.get("text").and_then(Value::as_str).into_iter().chain(fields.values().flat_map(texts)),
        ),
        Value::Array(items) => Box::new(items.iter().flat_map(texts)),
        _ => Box::new(std::iter::empty()),
    }
}

/// What Slack does not take: the double is as strict as its documents.
#[test]
fn slack_takes_no_message_that_is_none() {
    let double = Double::start();
    let header = |text: &str| json!({"type": "header", "text": {"type": "plain_text", "text": text}});
    let of = |blocks: Vec<Value>| double.looks_at(&json!({"text": "x", "blocks": blocks}));
    assert_eq!(of(vec![header("good")]), None);
    let section = |text: String| json!({"type": "section", "text": {"type": "plain_text", "text": text}});
    for wrong in [
        Vec::new(),
        vec![header("x"); 51],
        vec![header(&"x".repeat(151))],
        vec![section("x".repeat(3001))],
        vec![json!({"type": "section", "fields": [{"type": "plain_text", "text": "x".repeat(2001)}]})],
        vec![
            json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x".repeat(3001)}]}]}),
        ],
        vec![json!({"type": "divider", "block_id": "1"}), json!({"type": "divider", "block_id": "1"})],
        vec![json!({"type": "nothing"})],
    ] {
        assert!(of(wrong.clone()).is_some(), "{wrong:?}");
    }
    let http = reqwest::blocking::Client::builder()
        .tls_certs_only(std::iter::empty::<reqwest::Certificate>())
        .build();
    let says = |token: &str, method: &str, body: &Value| -> Value {
        let url = format!("http://{}/api/{method}", double.service.at);
        let call = http.as_ref().unwrap().post(url).bearer_auth(token).json(body);
        call.send().unwrap().json().unwrap()
    };
    let message = json!({"channel": CHANNEL, "ts": "1.2", "text": "x", "blocks": [header("x")]});
    assert_eq!(says(TOKEN, "chat.update", &message)["error"], "message_not_found");
    assert_eq!(says("xoxb-other", "chat.update", &message)["error"], "invalid_auth");
    assert_eq!(says(TOKEN, "chat.postMessage", &message)["ok"], true);
}
