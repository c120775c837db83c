//! `POST /slack/interactions` and `POST /slack/commands`: what Slack sends.

use super::payload::Payload;
use super::reply::message;
use super::{Slack, clicks, limits};
use crate::chats::known::Unheard;
use crate::chats::limits::{COMMAND, NAME, SIGNED};
use crate::chats::says::Answer;
use crate::chats::words::{self, Typed};
use crate::site::Site;
use api::ProblemCode;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use desk::Refused;
use loglines::Level;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// What Slack calls begins with this.
pub const PATH: &str = "/slack/";

/// Both calls.
pub fn routes(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/slack/interactions", post(interact))
        .route("/slack/commands", post(command))
        .layer(DefaultBodyLimit::max(SIGNED))
        .with_state(Arc::clone(site))
}

/// A call that Slack signed.
struct Believed {
    slack: Arc<Slack>,
    form: HashMap<String, String>,
    signature: String,
    place: OwnedSemaphorePermit,
}

fn refuse(why: impl std::fmt::Display) -> Refused {
    Refused(ProblemCode::Forbidden.because(format!("what came from Slack is not believed: {why}")))
}

impl Believed {
    fn of(site: &Site, headers: &HeaderMap, body: &[u8]) -> Result<Self, Refused> {
        let Some(slack) = site.chats.slack.clone() else {
            return Err(Refused(ProblemCode::NotFound.because(
                "this hub listens to no Slack: write team and signing_secret into [slack] of hub.toml",
            )));
        };
        let signature = slack.secret.verified(headers, body, site.clock.time()).map_err(refuse)?;
        let place = Arc::clone(&slack.places).try_acquire_owned().map_err(|_| {
            Refused(ProblemCode::Unavailable.because(format!(
                "{} clicks and words from Slack are being done: try again in a moment",
                limits::AT_ONCE
            )))
        })?;
        let fields = form_urlencoded::parse(body).take(limits::FORM);
        let form = fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Ok(Self { slack, form, signature, place })
    }

    fn text(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// Whether it counts, if it is of this workspace: once, and of nobody too much. Why not, to be said to them.
    fn counts(&self, is_ours: bool, account: &str) -> Result<Option<String>, Refused> {
        if !is_ours {
            return Err(refuse(format!("it is not of workspace {}", self.slack.team)));
        }
        if account.is_empty() || account.len() > NAME {
            return Err(refuse("it does not say of whose account it is"));
        }
        match self.slack.known.hear(self.signature.as_bytes(), account, Instant::now()) {
            Ok(()) => Ok(None),
            Err(why @ Unheard::Again) => Err(refuse(why.why())),
            Err(why) => Ok(Some(why.why())),
        }
    }
}

async fn interact(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let believed = Believed::of(&site, &headers, &body)?;
    let payload: Payload = serde_json::from_str(believed.text("payload")).map_err(|why| {
        Refused(ProblemCode::BadRequest.because(format!("reading the payload of a click in Slack: {why}")))
    })?;
    let quiet = believed.counts(payload.is_of(&believed.slack.team), &payload.user.id)?;
    // A link that was followed, or a choice before the button.
    let Some(click) = payload.click() else { return Ok(StatusCode::OK.into_response()) };
    let (slack, to) = (Arc::clone(&believed.slack), payload.response_url.clone().unwrap_or_default());
    let work = {
        let (site, slack) = (Arc::clone(&site), Arc::clone(&slack));
        move || match quiet {
            Some(why) => message(&Answer::plain(why), Vec::new(), &site.url),
            None => clicks::clicked(&site, &slack, &payload, &click),
        }
    };
    if let Some(said) = soon(&site, &slack, to.clone(), believed.place, work).await {
        // The answer to this call is shown to nobody.
        later(site, slack, to, async move { Some(said) });
    }
    Ok(StatusCode::OK.into_response())
}

async fn command(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let believed = Believed::of(&site, &headers, &body)?;
    if believed.text("ssl_check") == "1" {
        return Ok(StatusCode::OK.into_response());
    }
    let is_ours = believed.text("team_id") == believed.slack.team;
    let quiet = believed.counts(is_ours, believed.text("user_id"))?;
    let text = |name: &str| believed.text(name).to_owned();
    let (account, name, id, to) =
        (text("user_id"), text("user_name"), text("trigger_id"), text("response_url"));
    let typed = spoken(believed.text("text"));
    // Slack gives each an id; what has none is told apart by what signed it.
    let id = if id.is_empty() { believed.signature.clone() } else { id };
    let slack = Arc::clone(&believed.slack);
    let work = {
        let (site, slack) = (Arc::clone(&site), Arc::clone(&slack));
        move || {
            let answers = || {
                let typed = Typed { text: &typed, id: &id, link: Ok(()), lists: Ok(()), more: &[] };
                words::answered(&site, &slack.speaker(&account, &name), &typed)
            };
            let answer = quiet.map_or_else(answers, Answer::plain);
            message(&answer, Vec::new(), &site.url)
        }
    };
    Ok(match soon(&site, &slack, to, believed.place, work).await {
        Some(said) => Json(said).into_response(),
        None => StatusCode::OK.into_response(),
    })
}

/// Does it off the event loop, in a place that is free once it is done: what is said of it can take Slack long. What that is, if
/// it is known within the time that Slack waits; else it is sent when it is.
async fn soon(
    site: &Arc<Site>,
    slack: &Arc<Slack>,
    to: String,
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> Value + Send + 'static,
) -> Option<Value> {
    let mut working = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    match tokio::time::timeout(limits::ANSWERED, &mut working).await {
        Ok(Ok(said)) => Some(said),
        // The hub is stopping.
        Ok(Err(_)) => None,
        Err(_) => {
            later(Arc::clone(site), Arc::clone(slack), to, async move { working.await.ok() });
            None
        }
    }
}

/// Says it to whoever clicked or typed, after the call was answered: to a few at once, and no more.
fn later(
    site: Arc<Site>,
    slack: Arc<Slack>,
    to: String,
    said: impl Future<Output = Option<Value>> + Send + 'static,
) {
    tokio::spawn(async move {
        let Some(said) = said.await else { return };
        let Ok(_line) = slack.lines.try_acquire() else {
            let most = limits::REPLIES;
            let what = format!(
                "more than {most} answers to Slack at once: what was asked there is done, and one was not told so"
            );
            site.log.put(Level::Warning, what);
            return;
        };
        if let Err(why) = slack.replies.send(&to, &said).await {
            site.log.put(Level::Warning, format!("answering somebody in Slack: {why}"));
        }
    });
}

/// What was typed, without the escapes of Slack's.
fn spoken(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(COMMAND)).unwrap_or_default();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_read_as_it_was() {
        assert_eq!(
            spoken(" request ssh on db-1 because a &lt; b &amp;lt; c "),
            "request ssh on db-1 because a < b &lt; c"
        );
        assert!(spoken(&"\u{e9}".repeat(4000)).len() <= COMMAND);
    }
}
