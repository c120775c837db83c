//! Workflows webhooks of Teams (Power Automate): a card for each thing that happens, with a link. Nothing comes back.

use super::card;
use super::channel::{Channel, Keeps, Outcome, Parcel, Rate, Rates};
use super::config::Workflows as Config;
use super::doubt::Passage;
use super::http;
use super::news::News;
use super::says::said;
use access::Person;
use desk::DeskError;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::json;
use workflow::World;

/// Where Microsoft has them.
const HOSTS: [&str; 2] = ["logic.azure.com", "environment.api.powerplatform.com"];

/// One flow.
pub struct Workflows {
    name: String,
    recipient: String,
    url: reqwest::Url,
    client: reqwest::Client,
}

impl Workflows {
    /// The one that the configuration names.
    pub fn new(config: &Config) -> Result<Self, String> {
        let key = |key: &str| format!("workflows \"{}\": {key}", config.name);
        let wrong = |why: String| format!("{}: {}: {why}", key("address"), config.address.display());
        let text =
            crate::secret_file::read(&config.address).map_err(|why| format!("{}: {why}", key("address")))?;
        let url = http::address(&text).map_err(|_| wrong("it is no https address".to_owned()))?;
        let host = url.host_str().unwrap_or_default();
        if http::is_under(host, "webhook.office.com") {
            return Err(wrong(http::CONNECTOR.to_owned()));
        }
        let own = config.hosts.iter().flatten().map(String::as_str);
        // What is not https is of this machine.
        if url.scheme() == "https" && !HOSTS.into_iter().chain(own).any(|known| http::is_under(host, known)) {
            let hosts = HOSTS.join(", ");
            return Err(wrong(format!(
                "{host} is not where workflows are ({hosts}): add it to hosts if it is"
            )));
        }
        Ok(Self {
            name: format!("workflows:{}", config.name),
            recipient: config.name.clone(),
            url,
            client: http::client(config.ca.as_deref()).map_err(|why| format!("{}: {why}", key("ca")))?,
        })
    }

    async fn send(&self, parcel: &Parcel, passage: &Passage) -> Outcome {
        let Some(said) = said(parcel, None) else { return Outcome::Moot };
        let body = json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": card::of(&said),
            }],
        });
        let call = self.client.post(self.url.clone()).header("content-type", "application/json");
        passage.enter().await;
        http::outcome(call.body(body.to_string()).send().await).await
    }
}

impl Channel for Workflows {
    fn name(&self) -> &str {
        &self.name
    }

    fn keeps(&self) -> Keeps {
        Keeps::Letters
    }

    fn hears(&self, news: &News, _: &World) -> Vec<String> {
        if news.is_for_places() { vec![self.recipient.clone()] } else { Vec::new() }
    }

    fn is_for_people(&self) -> bool {
        true
    }

    /// More than four a second are throttled.
    fn reader(&self, _: &str) -> Result<Option<Person>, DeskError> {
        Ok(None)
    }

    fn rates(&self) -> Rates {
        Rates { each: None, all: Some(Rate { burst: 4.0, per_second: 3.0 }) }
    }

    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome> {
        self.send(parcel, passage).boxed()
    }
}
