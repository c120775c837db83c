//! Signed webhooks: each thing that happens, to programs.

use super::channel::{Channel, Keeps, Kind, Outcome, Parcel, Rates};
use super::config::Webhook as Config;
use super::doubt::Passage;
use super::http;
use super::news::News;
use super::standard::Secret;
use crate::clock;
use access::Person;
use desk::DeskError;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::json;
use workflow::World;

/// One receiver.
pub struct Webhook {
    name: String,
    recipient: String,
    url: reqwest::Url,
    secret: Secret,
    client: reqwest::Client,
}

impl Webhook {
    /// The one that the configuration names.
    pub fn new(config: &Config) -> Result<Self, String> {
        let key = |key: &str| format!("webhook \"{}\": {key}", config.name);
        let secret =
            crate::secret_file::read(&config.secret).map_err(|why| format!("{}: {why}", key("secret")))?;
        let file = config.secret.display();
        Ok(Self {
            name: format!("webhook:{}", config.name),
            recipient: config.name.clone(),
            url: http::address(&config.url).map_err(|why| format!("{}: {why}", key("url")))?,
            secret: Secret::parse(&secret).map_err(|why| format!("{}: {file}: {why}", key("secret")))?,
            client: http::client(config.ca.as_deref()).map_err(|why| format!("{}: {why}", key("ca")))?,
        })
    }

    async fn send(&self, parcel: &Parcel, passage: &Passage) -> Outcome {
        let (Some(truth), Kind::Change(change)) = (&parcel.truth, parcel.kind) else { return Outcome::Moot };
        let body = json!({
            "type": format!("access.{}", change.code()),
            "timestamp": parcel.at,
            "data": { "request": truth.request, "grant": truth.grant, "link": truth.link },
        })
        .to_string();
        let at = clock::wall().timestamp();
        let call = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &parcel.id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", self.secret.signs(&parcel.id, at, &body))
            .body(body);
        passage.enter().await;
        http::outcome(call.send().await).await
    }
}

impl Channel for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn keeps(&self) -> Keeps {
        Keeps::Letters
    }

    fn hears(&self, _: &News, _: &World) -> Vec<String> {
        vec![self.recipient.clone()]
    }

    fn is_for_people(&self) -> bool {
        false
    }

    fn reader(&self, _: &str) -> Result<Option<Person>, DeskError> {
        Ok(None)
    }

    fn rates(&self) -> Rates {
        Rates::default()
    }

    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome> {
        self.send(parcel, passage).boxed()
    }
}
