//! Slack: one message for each request, in a channel and to people, changed in place (`chat.postMessage`, `chat.update`).
//! Where nothing comes back from Slack, nothing in a message decides anything: its link leads to a page that needs a sign-in.
//! Else there are buttons in it, and what comes of a click is [`crate::slack`]'s.

use super::channel::{Channel, Keeps, Outcome, Parcel, Rate, Rates, WITHDRAWN};
use super::config::Slack as Config;
use super::doubt::Passage;
use super::http;
use super::news::News;
use super::says::{Said, stands};
use super::truth::Truth;
use crate::chats::picture::Picture;
use crate::slack::blocks;
use access::Person;
use desk::DeskError;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use workflow::World;
use zeroize::Zeroizing;

/// One workspace.
pub struct Slack {
    api: reqwest::Url,
    token: Zeroizing<String>,
    channel: Option<String>,
    people: bool,
    /// Whether a click in a message comes back.
    decides: bool,
    client: reqwest::Client,
}

/// What a recipient that is a person begins with; others are channels.
const PERSON: &str = "person:";

impl Slack {
    /// The one that the configuration names.
    pub fn new(config: &Config) -> Result<Self, String> {
        let token = crate::secret_file::read(&config.token).map_err(|why| format!("slack.token: {why}"))?;
        if !token.starts_with("xoxb-") {
            let file = config.token.display();
            return Err(format!(
                "slack.token: {file} holds no bot token, which starts with xoxb-: take it from \"OAuth & Permissions\" of the app"
            ));
        }
        Ok(Self {
            api: http::address(&config.api).map_err(|why| format!("slack.api: {why}"))?,
            token,
            channel: config.channel.clone(),
            people: config.people,
            decides: config.signing_secret.is_some(),
            client: http::client(config.ca.as_deref()).map_err(|why| format!("slack.ca: {why}"))?,
        })
    }

    /// One call of the Web API; its answer, or why there is none.
    async fn call(&self, method: &str, body: &impl Serialize) -> Result<Value, Outcome> {
        let body = serde_json::to_string(body).unwrap_or_default();
        let call = self.client.post(self.method(method)).header("content-type", JSON).body(body);
        self.answer(method, call).await
    }

    fn method(&self, method: &str) -> reqwest::Url {
        let mut url = self.api.clone();
        // What is https or http has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(method);
        }
        url
    }

    async fn answer(&self, method: &str, call: reqwest::RequestBuilder) -> Result<Value, Outcome> {
        let answer = call.bearer_auth(self.token.as_str()).send().await;
        let answer = answer.map_err(|why| Outcome::later(http::chain(&why.without_url())))?;
        let (status, after) = (answer.status(), http::retry_after(&answer));
        if !status.is_success() {
            return Err(Outcome::Later { after, why: format!("{method}: Slack answered {status}") });
        }
        let read: Value = serde_json::from_str(&http::whole(answer).await?)
            .map_err(|why| Outcome::later(format!("{method}: reading Slack's answer: {why}")))?;
        if read.get("ok") == Some(&Value::Bool(true)) {
            return Ok(read);
        }
        let error = text(&read, "/error").unwrap_or("no error");
        let why = format!("{method}: Slack says {error:?}");
        Err(match error {
            // Somebody took the message away there: then nobody wants it.
            "message_not_found" => Outcome::Moot,
            "users_not_found" | "user_not_found" | "user_disabled" => Outcome::Never { why },
            _ => Outcome::Later { after, why },
        })
    }

    /// Where a new message goes.
    async fn place(&self, parcel: &Parcel) -> Result<String, Outcome> {
        let Some(person) = parcel.recipient.strip_prefix(PERSON) else { return Ok(parcel.recipient.clone()) };
        let mail = parcel.world.people.by_mail_or_name(person).and_then(|human| human.mail.clone());
        let mail = mail.ok_or_else(|| Outcome::Never {
            why: format!(
                "{person} has no mail address any more, by which Slack knows them: write one into people.toml"
            ),
        })?;
        let found = "users.lookupByEmail";
        let call = self.client.get(self.method(found)).query(&[("email", &mail)]);
        let user = self.answer(found, call).await?;
        let user = text(&user, "/user/id").unwrap_or_default();
        let opened = self.call("conversations.open", &json!({ "users": user })).await?;
        let place = text(&opened, "/channel/id").map(str::to_owned);
        place.ok_or_else(|| Outcome::later("conversations.open: there is no channel in Slack's answer"))
    }

    /// Puts a message in place of the one that is found there.
    async fn change(&self, found: (&str, &str), mut message: Message) -> Result<String, Outcome> {
        let (channel, at) = found;
        (message.channel, message.ts) = (channel.to_owned(), Some(at.to_owned()));
        self.call("chat.update", &message).await.map(|_| format!("{channel} {at}"))
    }

    async fn send(&self, parcel: &Parcel, passage: &Passage) -> Result<String, Outcome> {
        let reader = parcel.recipient.strip_prefix(PERSON).and_then(|person| Person::parse(person).ok());
        let is_theirs = |truth: &&Truth| reader.as_ref().is_none_or(|reader| truth.is_decider(reader));
        let truth = parcel.truth.as_ref().filter(|_| self.decides).filter(is_theirs);
        let decides = truth.map(Truth::picture);
        let mut message = Message::of(&stands(parcel, reader.as_ref()), decides.as_ref());
        if let Some(found) = parcel.reference.as_deref().and_then(|found| found.split_once(' ')) {
            return self.change(found, message).await;
        }
        message.channel = self.place(parcel).await?;
        message.metadata = Some(json!({ "event_type": "jit_request", "event_payload": { "id": parcel.id } }));
        passage.enter().await;
        let posted = self.call("chat.postMessage", &message).await?;
        match (text(&posted, "/channel"), text(&posted, "/ts")) {
            (Some(channel), Some(at)) => Ok(format!("{channel} {at}")),
            _ => Err(Outcome::Never {
                why: "chat.postMessage: Slack's answer does not say where it is".to_owned(),
            }),
        }
    }
}

/// Text in an answer.
fn text<'a>(answer: &'a Value, at: &str) -> Option<&'a str> {
    answer.pointer(at)?.as_str()
}

/// As Slack wants it said.
const JSON: &str = "application/json; charset=utf-8";

impl Channel for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn keeps(&self) -> Keeps {
        Keeps::Copies
    }

    fn hears(&self, news: &News, world: &World) -> Vec<String> {
        let mut all: Vec<String> = self.channel.clone().into_iter().collect();
        if self.people {
            let has_mail =
                |person: &&Person| world.people.get(person).is_some_and(|human| human.mail.is_some());
            let people = news.people().into_iter().filter(has_mail);
            all.extend(people.map(|person| format!("{PERSON}{person}")));
        }
        all
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn reader(&self, recipient: &str) -> Result<Option<Person>, DeskError> {
        let person = recipient.strip_prefix(PERSON).map(Person::parse).transpose();
        person.map_err(|why| DeskError::Store(why.to_string()))
    }

    /// One a second in one channel, with some at once (api.slack.com/apis/rate-limits).
    fn rates(&self) -> Rates {
        let each = Rate { burst: 5.0, per_second: 1.0 };
        Rates { each: Some(each), all: Some(Rate { burst: 100.0, per_second: 20.0 }) }
    }

    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome> {
        async move {
            match self.send(parcel, passage).await {
                Ok(reference) => Outcome::Sent { reference: Some(reference) },
                Err(outcome) => outcome,
            }
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Outcome> {
        async move {
            let Some(found) = parcel.reference.as_deref().and_then(|found| found.split_once(' ')) else {
                return Outcome::Withdrawn;
            };
            match self.change(found, Message::withdrawn()).await {
                Ok(_) | Err(Outcome::Moot) => Outcome::Withdrawn,
                Err(outcome) => outcome,
            }
        }
        .boxed()
    }
}

/// A message in Block Kit.
#[derive(Serialize)]
struct Message {
    channel: String,
    /// Which one is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    /// What notifications show, which is markup: names alone, of which none has a character of it.
    text: String,
    blocks: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

impl Message {
    fn of(said: &Said, decides: Option<&Picture>) -> Self {
        let (text, blocks) = (blocks::escaped(&said.title), blocks::message(said, decides));
        Self { channel: String::new(), ts: None, text, blocks, metadata: None }
    }

    fn withdrawn() -> Self {
        let (text, blocks) = (WITHDRAWN.to_owned(), blocks::words(WITHDRAWN));
        Self { channel: String::new(), ts: None, text, blocks, metadata: None }
    }
}
