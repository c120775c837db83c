//! `POST /teams/messages`: what Microsoft sends.

use super::activity::Activity;
use super::card::attachment;
use super::clicks::{self, Said};
use super::commands;
use super::connector::{Failed, Place};
use super::rows::{self, Heard};
use super::token::{self, Unbelieved};
use super::{Teams, limits, outgoing};
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
use std::time::Instant;

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
    let Some(teams) = site.chats.teams.clone() else {
        return Err(Refused(
            ProblemCode::NotFound.because("this hub has no bot in Teams: see [teams] in hub.toml"),
        ));
    };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let now = site.clock.time();
    let activity = match token::believed(&teams.settings, &teams.keys, shown, &body, now).await {
        Ok(activity) => activity,
        Err(why) => {
            let code = match why {
                Unbelieved::NoKeys(_) => ProblemCode::Unavailable,
                _ => ProblemCode::Forbidden,
            };
            return Err(Refused(code.because(format!("what came from Teams is not believed: {why}"))));
        }
    };
    Ok(answered(site, teams, activity).await)
}

async fn answered(site: Arc<Site>, teams: Arc<Teams>, activity: Activity) -> Response {
    let activity = Arc::new(activity);
    {
        let (site, teams, activity) = (Arc::clone(&site), Arc::clone(&teams), Arc::clone(&activity));
        // Where it was heard of is kept before it is answered there.
        let kept = tokio::task::spawn_blocking(move || {
            if let Err(why) = keep_place(&site, &teams, &activity) {
                site.log.put(Level::Warning, format!("keeping where the bot in Teams is: {why}"));
            }
        });
        if kept.await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let (at, by) = ((Arc::clone(&site), Arc::clone(&teams)), Arc::clone(&activity));
    // What is asked is done before it is answered that it came: nothing that was taken is lost.
    let done = tokio::task::spawn_blocking(move || {
        let (site, teams) = (&at.0, &at.1);
        let counts = || teams.known.count(&by.account().unwrap_or_default(), Instant::now());
        match by.click() {
            // Teams has cards drawn anew by itself where somebody looks at them.
            Some(click) if click.verb == "refresh" => Some(clicks::clicked(site, teams, &by, &click)),
            Some(click) => Some(match counts() {
                Ok(()) => clicks::clicked(site, teams, &by, &click),
                Err(why) => Said::Text(why.why()),
            }),
            // Beyond what a person types nothing is answered: each answer is a call, and Microsoft takes so many.
            None if by.kind == "message" && !by.text.trim().is_empty() => {
                counts().ok().map(|()| Said::Text(commands::answered(site, teams, &by)))
            }
            None if by.kind == "invoke" => Some(Said::Wrong("this is no button of this bot".to_owned())),
            None => None,
        }
    });
    match done.await {
        Ok(Some(said)) if activity.kind == "invoke" => Json(said.invoke()).into_response(),
        Ok(Some(said)) => {
            later(site, teams, activity, said.in_words());
            StatusCode::OK.into_response()
        }
        Ok(None) => StatusCode::OK.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Keeps where the bot is, and forgets where it is no more.
fn keep_place(site: &Site, teams: &Teams, activity: &Activity) -> Result<(), DeskError> {
    let tenant = teams.tenant().to_owned();
    let conversation = activity.place().to_owned();
    let names = [&conversation, &activity.service_url, &activity.conversation.conversation_type];
    if conversation.is_empty() || names.iter().any(|name| name.len() > limits::NAME) {
        return Ok(());
    }
    let before = site.ledger.read(|sql| rows::place(sql, &tenant, &conversation))?;
    if activity.takes_away(&teams.settings.app_id) {
        if before.is_some() {
            site.ledger.write(move |tx| rows::drop_place(tx.connection(), &tenant, &conversation))?;
        }
        return Ok(());
    }
    let kind = &activity.conversation.conversation_type;
    let kind = if kind.is_empty() { "channel" } else { kind };
    let is_personal = kind == "personal";
    let account = match activity.account() {
        Some(account) if is_personal => account,
        // What the service itself says of a chat names nobody.
        None if is_personal => return Ok(()),
        _ => String::new(),
    };
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
fn later(site: Arc<Site>, teams: Arc<Teams>, activity: Arc<Activity>, text: String) {
    let Ok(place) = Arc::clone(&teams.replies).try_acquire_owned() else {
        site.log.put(
            Level::Warning,
            format!("more than {} answers to Teams at once: what was asked there is done, and one was not told so", limits::REPLIES),
        );
        return;
    };
    tokio::spawn(async move {
        let _place = place;
        // In a channel the answer belongs to the thread that was written in.
        let at =
            Place { service: activity.service_url.clone(), conversation: activity.conversation.id.clone() };
        let message = text_message(&text);
        let mut sent = teams.connector.say(&at, &message).await;
        for _ in 0..limits::REPLY_AGAIN {
            let Err(Failed::Later(after, _)) = &sent else { break };
            tokio::time::sleep(after.unwrap_or(limits::AGAIN).min(limits::REPLY_WAITS)).await;
            sent = teams.connector.say(&at, &message).await;
        }
        if let Err(Failed::Later(_, why) | Failed::Gone(why) | Failed::TooLarge(why) | Failed::Never(why)) =
            sent
        {
            site.log.put(Level::Warning, format!("answering in Teams: {why}"));
        }
    });
}

/// A card as a message.
pub fn message(card: &Value) -> Value {
    json!({"type": "message", "attachments": [attachment(card)]})
}

/// A text as a message.
pub fn text_message(text: &str) -> Value {
    json!({"type": "message", "textFormat": "markdown", "text": text})
}
