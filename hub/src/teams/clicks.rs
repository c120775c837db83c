//! A click on a card, and what is answered to it.

use super::Teams;
use super::activity::Activity;
use super::card::{self, Shown};
use crate::chats::clicks::{self, Click, Done};
use crate::chats::picture::Picture;
use crate::chats::rows;
use crate::site::Site;
use api::ProblemCode;
use desk::DeskError;
use serde_json::{Value, json};

/// What is answered to a click.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The card as it is now.
    Card(Value),
    /// A word to whoever clicked.
    Text(String),
    /// It made no sense.
    Wrong(String),
    /// It could not be done now.
    Unable(String),
}

impl Said {
    /// As the answer to an invoke (Microsoft Teams, "Response format of a Universal Action").
    pub fn invoke(&self) -> Value {
        let (status, kind, value) = match self {
            Self::Card(card) => (200, "application/vnd.microsoft.card.adaptive", card.clone()),
            Self::Text(text) => (200, "application/vnd.microsoft.activity.message", json!(text)),
            Self::Wrong(why) => {
                (400, "application/vnd.microsoft.error", json!({"code": "BadRequest", "message": why}))
            }
            Self::Unable(why) => {
                (500, "application/vnd.microsoft.error", json!({"code": "Unavailable", "message": why}))
            }
        };
        json!({"statusCode": status, "type": kind, "value": value})
    }
}

/// The card of a request as it is now, for whom it is drawn again when they look at it.
fn drawn(site: &Site, teams: &Teams, picture: &Picture) -> Result<Value, DeskError> {
    let accounts = site.ledger.read(|sql| rows::accounts(sql, teams.tenant(), None))?;
    Ok(card::card(&Shown { picture, url: &site.url, viewers: &picture.viewers(&accounts) }))
}

impl Said {
    /// The same as a message: what a card says in a line. The card itself is changed where it is, by the outbox.
    pub fn in_words(self) -> String {
        match self {
            Self::Card(card) => {
                card.get("fallbackText").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
            Self::Text(text) | Self::Wrong(text) | Self::Unable(text) => text,
        }
    }
}

/// Does what a click says. Blocks.
pub fn clicked(site: &Site, teams: &Teams, activity: &Activity, click: &Click) -> Said {
    let account = activity.account().unwrap_or_default();
    let done = clicks::clicked(site, &teams.speaker(activity, &account), click);
    let said = done.and_then(|done| match done {
        Done::Now { picture, .. } => drawn(site, teams, &picture).map(Said::Card),
        Done::Word(word) => Ok(Said::Text(word)),
    });
    said.unwrap_or_else(|why| {
        let problem = why.problem();
        // The answer to an invoke is shown as it is, a message as Markdown.
        let detail = if activity.kind == "message" { card::escape(&problem.detail) } else { problem.detail };
        match problem.code {
            ProblemCode::Unavailable => Said::Unable(detail),
            ProblemCode::BadRequest => Said::Wrong(detail),
            _ => Said::Text(detail),
        }
    })
}
