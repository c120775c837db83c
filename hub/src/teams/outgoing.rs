//! `POST /teams/webhook/NAME`: an outgoing webhook of a team, by which people in its channels ask and look, without a bot
//! (Microsoft Teams, "Create Outgoing Webhooks").
//!
//! What comes is signed with a key that the team's owners have seen, and says itself whose account it is of. So whoever knows
//! the key can claim to be anybody, and nothing that comes this way decides: it is good for what a refused login could do.

use super::activity::Activity;
use super::card::escape;
use super::commands::spoken;
use super::limits;
use super::settings::Outgoing as Settings;
use crate::chats;
use crate::chats::known::{Known, Unheard};
use crate::chats::limits::{BELIEVED, NAME};
use crate::chats::speaker::Speaker;
use crate::chats::words::{self, Typed};
use crate::error::HubError;
use crate::secret_file;
use crate::site::Site;
use access::Time;
use api::ProblemCode;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use desk::Refused;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Arc;
use std::time::Instant;
use workflow::Channel;
use zeroize::Zeroizing;

/// Where Teams calls them, each by its name behind this.
pub const PATH: &str = "/teams/webhook/";

/// One of them.
pub struct Outgoing {
    name: String,
    /// The tenant of Microsoft's.
    tenant: String,
    /// Where accounts are that are linked by it.
    linked: String,
    key: Zeroizing<Vec<u8>>,
    known: Known,
}

impl Outgoing {
    /// The one that the configuration names.
    pub fn new(settings: &Settings) -> Result<Self, HubError> {
        let wrong = |why: String| HubError::Teams(format!("teams_webhook {:?}: key: {why}", settings.name));
        let text = secret_file::read(&settings.key).map_err(wrong)?;
        let key = STANDARD.decode(text.as_bytes()).map(Zeroizing::new);
        let key = key.ok().filter(|key| key.len() >= limits::WEBHOOK_KEY).ok_or_else(|| {
            wrong(format!(
                "{} holds no key as Teams shows it, which is 44 letters of base64: copy it again, or make the webhook anew",
                settings.key.display()
            ))
        })?;
        Ok(Self {
            name: settings.name.clone(),
            tenant: settings.tenant.clone(),
            linked: chats::webhook(&settings.name),
            key,
            known: Known::default(),
        })
    }

    /// What was sent, if whoever sent it knows the key, and it is of now.
    fn believed(&self, shown: Option<&str>, body: &[u8], now: Time) -> Result<Activity, String> {
        if body.is_empty() {
            return Err("there is nothing in it".to_owned());
        }
        let shown = shown.and_then(|shown| shown.strip_prefix("HMAC ")).ok_or("it shows no HMAC")?;
        let shown = STANDARD.decode(shown.trim()).map_err(|_| "its HMAC is no base64")?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|why| why.to_string())?;
        mac.update(body);
        mac.verify_slice(&shown).map_err(
            |_| "its HMAC is not by the key of this webhook: is that in the file which hub.toml names?",
        )?;
        let activity = Activity::with_nulls(body).map_err(|why| format!("it is no activity: {why}"))?;
        if let Some(other) = activity.tenants().find(|tenant| !tenant.eq_ignore_ascii_case(&self.tenant)) {
            return Err(format!("it comes of tenant {other:?}, and this webhook is of {:?}", self.tenant));
        }
        let sent = chrono::DateTime::parse_from_rfc3339(&activity.timestamp)
            .map_err(|why| format!("its timestamp {:?} is none: {why}", activity.timestamp))?;
        if (now - sent.to_utc()).abs() > BELIEVED {
            return Err(format!(
                "it was sent at {sent}, more than five minutes from now: is the clock right?"
            ));
        }
        let named = [&activity.id, &activity.from.aad_object_id];
        if named.iter().any(|name| name.is_empty() || name.len() > NAME) {
            return Err("it does not say what it is, and of whose account".to_owned());
        }
        Ok(activity)
    }
}

/// Why nothing that comes by one is a review.
const NO_REVIEW: &str = "an outgoing webhook of Teams decides nothing, for whoever has seen its key can claim to be \
                         anybody: decide on the page of the hub";

/// See the module.
pub async fn take(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Some(webhook) = site.chats.outgoing.iter().find(|webhook| webhook.name == name).cloned() else {
        return Err(Refused(ProblemCode::NotFound.because(format!(
            "this hub has no outgoing webhook {name:?} of Teams: see [[teams_webhook]] in hub.toml"
        ))));
    };
    let refuse = |why: String| {
        let why =
            format!("what came by the outgoing webhook {:?} of Teams is not believed: {why}", webhook.name);
        Refused(ProblemCode::Forbidden.because(why))
    };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let activity = webhook.believed(shown, &body, site.clock.time()).map_err(refuse)?;
    match webhook.known.hear(activity.id.as_bytes(), &activity.account().unwrap_or_default(), Instant::now())
    {
        Ok(()) => {}
        Err(why @ Unheard::Again) => return Err(refuse(why.why())),
        Err(why) => return Ok(message(&why.why())),
    }
    let working = tokio::task::spawn_blocking(move || answered(&site, &webhook, &activity));
    let said = tokio::time::timeout(limits::ANSWERED, working).await;
    Ok(match said {
        Ok(Ok(said)) => message(&said),
        Ok(Err(_)) => message("The hub is stopping: say it again."),
        Err(_) => message("The hub is slow just now: say **list** in a moment, and see what came of it."),
    })
}

fn message(text: &str) -> Json<Value> {
    Json(json!({"type": "message", "text": text}))
}

fn answered(site: &Site, webhook: &Outgoing, activity: &Activity) -> String {
    let account = activity.account().unwrap_or_default();
    let bot = site.chats.teams.as_ref().map(|bot| bot.tenant());
    let speaker = Speaker {
        tenant: &webhook.linked,
        // Whom the bot believes is believed by what can do less.
        believed: bot.filter(|tenant| tenant.eq_ignore_ascii_case(&webhook.tenant)),
        account: &account,
        name: &activity.from.name,
        chat: "",
        channel: Channel::Webhook,
        reviews: Err(NO_REVIEW.to_owned()),
    };
    let text = spoken(&activity.text);
    let typed = Typed { text: &text, id: &activity.id, link: Ok(()), lists: Ok(()), more: &[] };
    words::answered(site, &speaker, &typed).markdown(escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 32 zero bytes, `hmac.new(bytes(32), body, "sha256")` of Python.
    const BODY: &str = r#"{"type":"message","id":"1","timestamp":"2027-01-15T08:00:00.000Z","from":{"aadObjectId":"A"},"recipient":null}"#;
    const SHOWN: &str = "HMAC JduSUdyicRYrLL798H8CS6MnIabivM/0KXZNpgTJ2Yw=";

    fn webhook() -> Outgoing {
        Outgoing {
            name: "ops".to_owned(),
            tenant: "t".to_owned(),
            linked: chats::webhook("ops"),
            key: Zeroizing::new(vec![0; 32]),
            known: Known::default(),
        }
    }

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn what_is_signed_and_of_now_is_believed() {
        for seconds in [-300, 0, 300] {
            let read = webhook().believed(Some(SHOWN), BODY.as_bytes(), at(seconds)).unwrap();
            assert_eq!(read.from.aad_object_id, "A");
        }
        for (shown, body, seconds, why) in [
            (None, BODY, 0, "shows no HMAC"),
            (Some("Bearer x"), BODY, 0, "shows no HMAC"),
            (Some("HMAC !"), BODY, 0, "no base64"),
            (Some("HMAC AAAA"), BODY, 0, "not by the key"),
            (Some(SHOWN), "", 0, "nothing in it"),
            (Some(SHOWN), &BODY[..40], 0, "not by the key"),
            (Some(SHOWN), BODY, 301, "five minutes"),
            (Some(SHOWN), BODY, -301, "five minutes"),
        ] {
            let said = webhook().believed(shown, body.as_bytes(), at(seconds)).map(drop).unwrap_err();
            assert!(said.contains(why), "{why}: {said}");
        }
    }
}
