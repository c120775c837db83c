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
        let token = super::secret(&config.token).map_err(|why| format!("slack.token: {why}"))?;
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
    async fn call(&self, method: &str, body: &Value) -> Result<Value, Outcome> {
        let url = format!("{}/{method}", self.api.as_str().trim_end_matches('/'));
        let call = self.client.post(url).bearer_auth(self.token.as_str());
        let call = call.header("content-type", "application/json; charset=utf-8").body(body.to_string());
        let answer = call.send().await.map_err(|why| Outcome::later(http::chain(&why.without_url())))?;
        let (status, after) = (answer.status(), http::retry_after(&answer));
        if !status.is_success() {
            return Err(Outcome::Later { after, why: format!("{method}: Slack answered {status}") });
        }
        let read: Value = serde_json::from_str(&http::whole(answer).await?)
            .map_err(|why| Outcome::later(format!("{method}: reading Slack's answer: {why}")))?;
        if read["ok"] == true {
            return Ok(read);
        }
        let error = read["error"].as_str().unwrap_or("no error");
        let why = format!("{method}: Slack says {error:?}");
        Err(match error {
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
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("users.lookupByEmail");
        }
        url.query_pairs_mut().append_pair("email", &mail);
        let found = self.call("conversations.open", &json!({ "users": self.user(url).await? })).await?;
        found["channel"]["id"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Outcome::later("conversations.open: there is no channel in Slack's answer"))
    }

    async fn user(&self, url: reqwest::Url) -> Result<String, Outcome> {
        let call = self.client.get(url).bearer_auth(self.token.as_str());
        let answer = call.send().await.map_err(|why| Outcome::later(http::chain(&why.without_url())))?;
        let (status, after) = (answer.status(), http::retry_after(&answer));
        if !status.is_success() {
            return Err(Outcome::Later {
                after,
                why: format!("users.lookupByEmail: Slack answered {status}"),
            });
        }
        let read: Value = serde_json::from_str(&http::whole(answer).await?)
            .map_err(|why| Outcome::later(format!("users.lookupByEmail: reading Slack's answer: {why}")))?;
        if let Some(user) = read["user"]["id"].as_str() {
            return Ok(user.to_owned());
        }
        let error = read["error"].as_str().unwrap_or("no error");
        let why = format!("users.lookupByEmail: Slack says {error:?}");
        Err(if error == "users_not_found" { Outcome::Never { why } } else { Outcome::later(why) })
    }

    async fn send(&self, parcel: &Parcel, passage: &Passage) -> Result<String, Outcome> {
        let reader = parcel.recipient.strip_prefix(PERSON).and_then(|person| Person::parse(person).ok());
        let mut message = message(&stands(parcel, reader.as_ref()));
        if let Some((channel, at)) = parcel.reference.as_deref().and_then(|found| found.split_once(' ')) {
            message["channel"] = channel.into();
            message["ts"] = at.into();
            match self.call("chat.update", &message).await {
                Ok(_) => return Ok(format!("{channel} {at}")),
                // Somebody took it away there: then nobody wants it.
                Err(Outcome::Later { why, .. }) if why.ends_with("\"message_not_found\"") => {
                    return Err(Outcome::Moot);
                }
                Err(outcome) => return Err(outcome),
            }
        }
        message["channel"] = self.place(parcel).await?.into();
        message["metadata"] = json!({ "event_type": "jit_request", "event_payload": { "id": parcel.id } });
        passage.enter().await;
        let posted = self.call("chat.postMessage", &message).await?;
        match (posted["channel"].as_str(), posted["ts"].as_str()) {
            (Some(channel), Some(at)) => Ok(format!("{channel} {at}")),
            _ => Err(Outcome::Never {
                why: "chat.postMessage: Slack's answer does not say where it is".to_owned(),
            }),
        }
    }
}

impl Channel for Slack {
    fn name(&self) -> &str {
        "slack"
    }

    fn keeps(&self) -> Keeps {
        Keeps::Copies
    }

    fn hears(&self, news: &News, world: &World) -> Vec<String> {
        let mut all: Vec<String> = self.channel.clone().into_iter().collect();
        if self.people {
            let has_mail =
                |person: &&Person| world.people.get(*person).is_some_and(|human| human.mail.is_some());
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
fn message(said: &Said) -> Value {
    let plain =
        |text: &str, most: usize| json!({ "type": "plain_text", "text": cut(text, most), "emoji": false });
    let mut blocks = vec![json!({ "type": "header", "text": plain(&said.title, limits::SLACK_TITLE) })];
    for facts in said.facts.chunks(limits::SLACK_FIELDS) {
        let fields =
            facts.iter().map(|(name, value)| plain(&format!("{name}: {value}"), limits::SLACK_FIELD));
        blocks.push(json!({ "type": "section", "fields": fields.collect::<Vec<_>>() }));
    }
    let link = format!("<{}|{}, signed in>", said.link, said.next);
    blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": link } }));
    // What notifications show, which is markup: so names alone, of which none has a character of it.
    json!({ "text": escaped(&said.title), "blocks": blocks })
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
        let message = message(&Said { title, facts, next, is_loud: false, link });
        let field = &message["blocks"][1]["fields"][0];
        let text = field["text"].as_str().unwrap();
        assert!(field["type"] == "plain_text" && !text.contains('<') && text.ends_with("..."), "{text}");
        assert!(text.chars().count() <= 2000, "{}", text.len());
        assert!(message["blocks"][0]["text"]["text"].as_str().unwrap().chars().count() <= 150);
        let links = message.to_string().matches('<').count();
        assert_eq!(links, 1, "{message}");
    }
}
