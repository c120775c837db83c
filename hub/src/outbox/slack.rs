//! Slack: one message for each request, in a channel and to people, changed in place (`chat.postMessage`, `chat.update`).
//! Nothing in a message decides anything: its link leads to a page that needs a sign-in.

use super::channel::{Channel, Keeps, Outcome, Parcel, Rate, Rates};
use super::config::Slack as Config;
use super::doubt::Passage;
use super::http;
use super::limits;
use super::news::News;
use super::says::{Said, stands};
use access::Person;
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

    async fn send(&self, parcel: &Parcel, passage: &Passage) -> Result<String, Outcome> {
        let reader = parcel.recipient.strip_prefix(PERSON).and_then(|person| Person::parse(person).ok());
        let mut message = Message::of(&stands(parcel, reader.as_ref()));
        if let Some((channel, at)) = parcel.reference.as_deref().and_then(|found| found.split_once(' ')) {
            (message.channel, message.ts) = (channel.to_owned(), Some(at.to_owned()));
            return self.call("chat.update", &message).await.map(|_| format!("{channel} {at}"));
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
}

/// A message in Block Kit. All but the link is plain text, in which nothing is markup.
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
    fn of(said: &Said) -> Self {
        let plain = |text: &str, most: usize| json!({ "type": "plain_text", "text": cut(text, most), "emoji": false });
        let mut blocks = vec![json!({ "type": "header", "text": plain(&said.title, limits::SLACK_TITLE) })];
        for facts in said.facts.chunks(limits::SLACK_FIELDS) {
            let field =
                |(name, value): &(&str, String)| plain(&format!("{name}: {value}"), limits::SLACK_FIELD);
            blocks.push(json!({ "type": "section", "fields": facts.iter().map(field).collect::<Vec<_>>() }));
        }
        let link = format!("<{}|{}, signed in>", said.link, said.next);
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": link } }));
        Self { channel: String::new(), ts: None, text: escaped(&said.title), blocks, metadata: None }
    }
}

/// As much of a text as there is room for, escaped as Slack wants all text to be.
fn cut(text: &str, most: usize) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        let one = escaped(letter.encode_utf8(&mut [0; 4]));
        // Slack counts characters.
        if out.chars().count() + one.chars().count() + 3 > most {
            out.push_str("...");
            break;
        }
        out.push_str(&one);
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_wrote_is_markup_or_longer_than_slack_takes() {
        let facts = vec![("Reason", "<!channel> *x* <https://evil.example|y> ".repeat(200))];
        let (title, next, link) = ("t".repeat(400), "See it".to_owned(), "https://hub/x".to_owned());
        let message = Message::of(&Said { title, facts, next, is_loud: false, link });
        let message = serde_json::to_value(&message).unwrap();
        let field = &message["blocks"][1]["fields"][0];
        let text = field["text"].as_str().unwrap();
        assert!(field["type"] == "plain_text" && !text.contains('<') && text.ends_with("..."), "{text}");
        assert!(text.chars().count() <= 2000, "{}", text.len());
        assert!(message["blocks"][0]["text"]["text"].as_str().unwrap().chars().count() <= 150);
        let links = message.to_string().matches('<').count();
        assert_eq!(links, 1, "{message}");
    }
}
