//! `POST /teams/messages`: what Microsoft sends.

use super::activity::Activity;
use super::card::attachment;
use super::clicks::{self, Said};
use super::commands;
use super::connector::{Failed, Place};
use super::rows::{self, Heard};
use super::{Teams, limits};
use super::{outgoing, token};
use crate::site::Site;
use api::ProblemCode;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use desk::{DeskError, Refused};
use loglines::Level;
use serde_json::{Value, json};
use std::sync::Arc;

/// Where Microsoft sends it.
pub const PATH: &str = "/teams/messages";

/// What the bot and the outgoing webhooks are called by.
pub fn routes(site: &Arc<Site>) -> Router {
    Router::new()
        .route(PATH, post(take))
        .route("/teams/webhook/{name}", post(outgoing::take))
        .layer(DefaultBodyLimit::max(limits::ACTIVITY))
        .with_state(Arc::clone(site))
}

async fn take(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let Some(teams) = site.teams.clone() else {
        return Err(Refused(
            ProblemCode::NotFound.because("this hub has no bot in Teams: see [teams] in hub.toml"),
        ));
    };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let now = site.clock.time();
    let activity = match token::believed(&teams.settings, &teams.keys, shown, &body, now).await {
        Ok(activity) => activity,
        Err(why) => {
            return Err(Refused(
                ProblemCode::Forbidden.because(format!("what came from Teams is not believed: {why}")),
            ));
        }
    };
    Ok(answered(site, teams, activity).await)
}

async fn answered(site: Arc<Site>, teams: Arc<Teams>, activity: Activity) -> Response {
    let activity = Arc::new(activity);
    {
        let (site, teams, activity) = (Arc::clone(&site), Arc::clone(&teams), Arc::clone(&activity));
        // Where it was heard of is kept before it is answered there.
        let kept = tokio::task::spawn_blocking(move || keep_place(&site, &teams, &activity)).await;
        if !matches!(kept, Ok(Ok(()))) {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    if let Some(click) = activity.click() {
        let (at, by) = ((Arc::clone(&site), Arc::clone(&teams)), Arc::clone(&activity));
        let said = tokio::task::spawn_blocking(move || clicks::clicked(&at.0, &at.1, &by, &click)).await;
        let said = said.unwrap_or_else(|_| Said::Unable("the hub is stopping: try again".to_owned()));
        if activity.kind == "invoke" {
            return Json(said.invoke()).into_response();
        }
        later(site, teams, activity, move |_, _, _| said);
        return StatusCode::OK.into_response();
    }
    match activity.kind.as_str() {
        "message" if !activity.text.trim().is_empty() => {
            later(site, teams, activity, |site, teams, activity| {
                Said::Text(commands::answered(site, teams, activity))
            });
        }
        "invoke" => {
            let said = Said::Wrong("this is no button of this bot".to_owned());
            return Json(said.invoke()).into_response();
        }
        _ => {}
    }
    StatusCode::OK.into_response()
}

/// Keeps where the bot is, and forgets where it is no more.
fn keep_place(site: &Site, teams: &Teams, activity: &Activity) -> Result<(), DeskError> {
    let tenant = teams.tenant().to_owned();
    let conversation = activity.place().to_owned();
    let names = [
        &conversation,
        &activity.service_url,
        &activity.conversation.conversation_type,
        &activity.from.aad_object_id,
    ];
    if conversation.is_empty() || names.iter().any(|name| name.len() > limits::NAME) {
        return Ok(());
    }
    let before = site.ledger.read(|sql| rows::place(sql, &tenant, &conversation))?;
    if activity.kind == "installationUpdate" && activity.action.starts_with("remove") {
        if before.is_some() {
            site.ledger.write(move |tx| rows::drop_place(tx.connection(), &tenant, &conversation))?;
        }
        return Ok(());
    }
    let kind = &activity.conversation.conversation_type;
    let kind = if kind.is_empty() { "channel" } else { kind };
    let is_personal = kind == "personal";
    let account = if is_personal { activity.from.aad_object_id.to_lowercase() } else { String::new() };
    if is_personal && account.is_empty() {
        // What the service itself says of a chat names nobody.
        return Ok(());
    }
    let heard = Heard {
        place: Place { service: activity.service_url.clone(), conversation },
        kind: kind.to_owned(),
        account,
        listens: before.as_ref().is_some_and(|before| before.listens),
    };
    if before.as_ref() == Some(&heard) {
        return Ok(());
    }
    let now = site.clock.time();
    site.ledger.write(move |tx| rows::put_place(tx.connection(), &tenant, &heard, now))
}

/// Says something after the call was answered: a few at once, and no more.
fn later(
    site: Arc<Site>,
    teams: Arc<Teams>,
    activity: Arc<Activity>,
    make: impl FnOnce(&Site, &Teams, &Activity) -> Said + Send + 'static,
) {
    let Ok(place) = Arc::clone(&teams.replies).try_acquire_owned() else {
        site.log.put(
            Level::Warning,
            format!("more than {} words from Teams at once: one was not answered", limits::REPLIES),
        );
        return;
    };
    tokio::spawn(async move {
        let _place = place;
        let done = {
            let (site, teams, activity) = (Arc::clone(&site), Arc::clone(&teams), Arc::clone(&activity));
            tokio::task::spawn_blocking(move || make(&site, &teams, &activity)).await
        };
        let Ok(said) = done else { return };
        let mut sent = send(&teams, &activity, &said).await;
        for _ in 0..limits::REPLY_AGAIN {
            let Err(Failed::Later(after, _)) = &sent else { break };
            tokio::time::sleep(after.unwrap_or(limits::AGAIN).min(limits::AGAIN_MOST)).await;
            sent = send(&teams, &activity, &said).await;
        }
        if let Err(why) = sent {
            site.log.put(Level::Warning, format!("answering in Teams: {why:?}"));
        }
    });
}

/// Says it there.
async fn send(teams: &Teams, activity: &Activity, said: &Said) -> Result<(), Failed> {
    // In a channel the answer belongs to the thread that was written in.
    let at = Place { service: activity.service_url.clone(), conversation: activity.conversation.id.clone() };
    match said {
        Said::Card(card) if !activity.reply_to_id.is_empty() => {
            teams.connector.put(&at, &activity.reply_to_id, &message(card)).await
        }
        Said::Card(card) => teams.connector.post(&at, &message(card)).await.map(drop),
        Said::Text(text) | Said::Wrong(text) | Said::Unable(text) => {
            teams.connector.post(&at, &text_message(text)).await.map(drop)
        }
    }
}

/// A card as a message.
pub fn message(card: &Value) -> Value {
    json!({"type": "message", "attachments": [attachment(card)]})
}

/// A text as a message.
pub fn text_message(text: &str) -> Value {
    json!({"type": "message", "textFormat": "markdown", "text": text})
}
