//! Answers to whoever clicked or typed: to the address that came with it, if that is Slack's.

use super::blocks::{escaped, rich};
use super::limits;
use crate::chats::says::Answer;
use crate::outbox::config::Slack as Settings;
use crate::outbox::http;
use reqwest::Url;
use serde_json::{Value, json};

/// Where Slack takes answers.
const HOOKS: &str = "hooks.slack.com";

/// What sends them.
pub struct Replies {
    client: reqwest::Client,
    api: Url,
}

/// What is said to whoever clicked or typed, and to nobody else.
pub fn message(answer: &Answer, more: Vec<Value>, hub: &str) -> Value {
    let mut blocks = vec![rich(answer, hub)];
    blocks.extend(more);
    json!({
        "response_type": "ephemeral", "replace_original": false, "text": escaped(&answer.bare()), "blocks": blocks
    })
}

impl Replies {
    /// As the configuration has it.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            client: http::client(settings.ca.as_deref()).map_err(|why| format!("slack.ca: {why}"))?,
            api: http::address(&settings.api).map_err(|why| format!("slack.api: {why}"))?,
        })
    }

    /// Sends one. What is wrong where it was not taken; never the address, which is a secret while it is good.
    pub async fn send(&self, to: &str, message: &Value) -> Result<(), String> {
        let url = self.address(to)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.client.post(url.clone()).json(message).send().await;
            let (why, again) = match answer {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    (format!("Slack answered {status}"), status.is_server_error() || status.as_u16() == 429)
                }
                Err(why) => (http::chain(&why.without_url()), true),
            };
            if !again || tries >= limits::REPLY_TRIES {
                return Err(why);
            }
            tokio::time::sleep(limits::REPLY_AGAIN).await;
        }
    }

    /// The address of Slack's, by https, or where the configuration says that Slack is.
    fn address(&self, to: &str) -> Result<Url, String> {
        let url = Url::parse(to).map_err(|why| format!("the address for it is none: {why}"))?;
        let is_slack = url.scheme() == "https" && url.host_str() == Some(HOOKS) && url.port().is_none();
        if is_slack || url.origin() == self.api.origin() {
            return Ok(url);
        }
        Err(format!(
            "the address for it is on {:?}, which is not Slack's",
            url.host_str().unwrap_or_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_slack_alone() {
        let settings = "token = \"/t\"\napi = \"http://127.0.0.1:9/api\"\n";
        let replies = Replies::new(&toml::from_str(settings).unwrap()).unwrap();
        for good in ["https://hooks.slack.com/actions/T/1/x", "http://127.0.0.1:9/actions/1"] {
            assert!(replies.address(good).is_ok(), "{good}");
        }
        for wrong in [
            "http://hooks.slack.com/actions/T/1/x",
            "https://hooks.slack.com:444/x",
            "https://hooks.slack.com.evil.example/x",
            "https://evil.example/hooks.slack.com",
            "https://hooks.slack.com@evil.example/",
            "http://127.0.0.1:8/actions/1",
            "https://127.0.0.1:9/actions/1",
            "",
        ] {
            assert!(replies.address(wrong).is_err(), "{wrong}");
        }
    }
}
