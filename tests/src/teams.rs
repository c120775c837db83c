//! What Microsoft runs for a bot in Teams, as a double: `tests/node/connector.cjs`, with Microsoft's own types, renderer and
//! validation under it. It stands in for a service that no machine of ours can run.

use crate::host::Host;
use crate::limits;
use crate::node::Node;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The tenant.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// The application of the bot.
pub const APP: &str = "66666666-7777-8888-9999-000000000000";
/// Its client secret.
pub const SECRET: &str = "s3cret-of-the-bot";

/// The double, until this is dropped.
pub struct Teams {
    node: Mutex<Node>,
    port: u16,
}

impl Teams {
    /// One on this machine.
    pub fn start() -> Result<Self> {
        Self::of(Node::run("connector.cjs", &[TENANT, APP, SECRET])?)
    }

    /// One that a host finds on its own loopback.
    pub fn start_at(host: &Host) -> Result<Self> {
        Self::of(Node::run_at(host, "connector.cjs", &[TENANT, APP, SECRET])?)
    }

    fn of(mut node: Node) -> Result<Self> {
        let line = node.line().unwrap_or_default();
        let port =
            line.strip_prefix("listening ").with_context(|| format!("the double of Teams says {line:?}"))?;
        Ok(Self { port: port.parse()?, node: Mutex::new(node) })
    }

    /// What a hub is told of it, whose secret is in that file.
    #[must_use]
    pub fn lines(&self, secret: &str) -> String {
        let base = self.service();
        format!(
            "[teams]\ntenant = \"{TENANT}\"\napp_id = \"{APP}\"\nsecret = '{secret}'\ntoken_url = \"{base}token\"\n\
             openid_url = \"{base}openid\"\nservice_hosts = [\"127.0.0.1:{}\"]\n",
            self.port
        )
    }

    /// Where a bot says things.
    #[must_use]
    pub fn service(&self) -> String {
        format!("http://127.0.0.1:{}/emea/", self.port)
    }

    /// Where a browser shows a chat, as one account sees it.
    #[must_use]
    pub fn chat(&self, conversation: &str, account: &Account) -> String {
        format!("{}chat/{conversation}/{}/{}", self.service(), account.chat, account.id)
    }

    /// Asks something of it that no protocol knows; its file says what there is.
    #[track_caller]
    pub fn asks(&self, what: &str, says: &Value) -> Value {
        let asked = json!({"what": what, "says": says});
        let answer = self.node.lock().unwrap_or_else(PoisonError::into_inner).asks(&asked);
        assert!(answer.get("why").is_none(), "{what} {says}: {answer}");
        answer.get("done").cloned().unwrap_or_default()
    }

    /// What was said in a chat, the first first.
    #[track_caller]
    pub fn messages(&self, conversation: &str) -> Vec<Value> {
        let messages = self.asks("messages", &json!({"conversation": conversation}));
        messages.as_array().cloned().unwrap_or_default()
    }

    /// What becomes true there within a while, of what was said.
    #[track_caller]
    fn soon<T>(&self, what: &str, conversation: &str, found: impl Fn(&[Value]) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let all = self.messages(conversation);
            if let Some(found) = found(&all) {
                return found;
            }
            assert!(begun.elapsed() < limits::ANSWER, "nothing in {conversation} is {what:?}: {all:#?}");
            std::thread::sleep(limits::LOOK_AGAIN);
        }
    }

    /// Somebody says something, and hears an answer there.
    #[track_caller]
    pub fn hears(&self, conversation: &str, from: &Account, text: &str) -> String {
        let before = self.messages(conversation).len();
        let said = self.asks("say", &json!({"conversation": conversation, "from": from.of(), "text": text}));
        assert_eq!(said.get("status"), Some(&json!(200)), "{said}");
        self.soon(text, conversation, |all| {
            let mut texts =
                all.iter().skip(before).filter_map(|one| one.pointer("/versions/0/text")?.as_str());
            texts.next_back().map(str::to_owned)
        })
    }

    /// The last card with these words there, now or soon: its message, and what it is.
    #[track_caller]
    pub fn card(&self, conversation: &str, words: &str) -> (String, Value) {
        self.soon(words, conversation, |all| {
            all.iter().rev().find_map(|message| {
                let last = message.get("versions")?.as_array()?.last()?;
                let card = last.pointer("/attachments/0/content")?;
                let id = message.get("id")?.as_str()?.to_owned();
                card.to_string().contains(words).then(|| (id, card.clone()))
            })
        })
    }

    /// One answer to a click, that is one by the protocol.
    #[track_caller]
    pub fn click(&self, says: &Value) -> Value {
        let answered = self.asks("click", says);
        let one = answered.pointer("/answers/0").cloned().unwrap_or_default();
        assert_eq!(one.get("wrong"), Some(&json!([])), "{one}");
        one
    }

    /// There is a chat between the bot and this account, in which the bot was added.
    #[track_caller]
    pub fn chats(&self, account: &Account) {
        self.asks("place", &json!({"id": account.personal(), "type": "personal"}));
        let more = json!({"type": "installationUpdate", "action": "add"});
        let added = json!({"conversation": account.personal(), "from": account.of(), "more": more});
        assert_eq!(self.asks("send", &added).get("status"), Some(&json!(200)));
    }
}

/// An account in Teams.
#[derive(Clone)]
pub struct Account {
    /// As Teams shows it.
    pub name: String,
    /// What the bot calls it by.
    pub chat: String,
    /// Its id in the directory.
    pub id: String,
}

impl Account {
    /// One for each name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let number =
            name.bytes().fold(0_u64, |number, byte| number << 8 | u64::from(byte)) & 0xffff_ffff_ffff;
        let id = format!("aaaaaaaa-bbbb-cccc-dddd-{number:012x}");
        Self { name: name.to_owned(), chat: format!("29:{name}"), id }
    }

    /// As activities name it.
    #[must_use]
    pub fn of(&self) -> Value {
        json!({"id": self.chat, "name": self.name, "aadObjectId": self.id})
    }

    /// The chat between the bot and this account.
    #[must_use]
    pub fn personal(&self) -> String {
        format!("a:{}", self.name)
    }
}
