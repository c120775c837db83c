//! A click on a card: whose it is, whether the card was of this moment, and what the desk says to it. What it is worth is
//! not decided here: it is a review on the channel `teams`, by the same function as every review.

use super::Teams;
use super::activity::{Activity, Click};
use super::card::{self, Shown};
use super::picture::{self, Picture};
use super::rows;
use crate::site::Site;
use access::{Login, Person, RequestId, Span, Text};
use api::{NewReview, NewVerdict, ProblemCode};
use desk::{Caller, DeskError, Key, Roles, Worlds as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use workflow::{Channel, Narrowing, Refusal, hex};

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

impl Said {
    /// The same as a message: what a card says in a line. The card itself is changed where it is, by the outbox.
    pub fn in_words(self) -> String {
        match self {
            Self::Card(card) => {
                card.get("fallbackText").and_then(Value::as_str).map(card::escape).unwrap_or_default()
            }
            Self::Text(text) | Self::Wrong(text) | Self::Unable(text) => text,
        }
    }
}

impl Site {
    /// The person whose account did this, with the rights that they have by the policy alone.
    pub(super) fn in_teams(&self, person: &Person) -> Result<Caller, DeskError> {
        let world = self.policies.world();
        let names = world.people.get(person).map(|human| human.names.clone()).unwrap_or_default();
        let login = match names.get(person.as_str()).or_else(|| names.first()) {
            Some(login) => login.clone(),
            None => Login::parse(person.as_str()).map_err(|why| DeskError::Store(why.to_string()))?,
        };
        Ok(Caller {
            person: person.clone(),
            login,
            names,
            source: None,
            roles: Roles::default(),
            channel: Channel::Teams,
            reviews: Ok(()),
        })
    }

    /// Whose account did this, if it is somebody's.
    pub(super) fn teams_account(
        &self,
        teams: &Teams,
        activity: &Activity,
    ) -> Result<Option<rows::Account>, DeskError> {
        let Some(id) = activity.account() else { return Ok(None) };
        self.ledger.read(|sql| rows::account_of(sql, teams.tenant(), &id))
    }

    /// The card of a request as it is now, for whom it is drawn again when they look at it.
    pub(super) fn teams_card(&self, teams: &Teams, picture: &Picture) -> Result<Value, DeskError> {
        let accounts = self.ledger.read(|sql| rows::accounts(sql, teams.tenant(), None))?;
        Ok(card::card(&Shown { picture, url: &self.url, viewers: &picture.viewers(&accounts) }))
    }
}

/// Does what a click says. Blocks.
pub fn clicked(site: &Site, teams: &Teams, activity: &Activity, click: &Click) -> Said {
    match answered(site, teams, activity, click) {
        Ok(said) => said,
        Err(why) => {
            let problem = why.problem();
            // The answer to an invoke is shown as it is, a message as Markdown.
            let detail =
                if activity.kind == "message" { card::escape(&problem.detail) } else { problem.detail };
            match problem.code {
                ProblemCode::Unavailable => Said::Unable(detail),
                ProblemCode::BadRequest => Said::Wrong(detail),
                _ => Said::Text(detail),
            }
        }
    }
}

fn answered(site: &Site, teams: &Teams, activity: &Activity, click: &Click) -> Result<Said, DeskError> {
    let Some(account) = site.teams_account(teams, activity)? else {
        return Ok(Said::Text(format!(
            "This Teams account is nobody's that the hub knows: sign in at {}/web/teams, and link it there. Nothing was changed.",
            site.url
        )));
    };
    let bad = |what: &str| DeskError::BadRequest(format!("the card carries {what}: nothing was changed"));
    let id: RequestId = click.request.parse().map_err(|_| bad("no request"))?;
    let Some(picture) = picture::look(site, id)? else {
        return Ok(Said::Text(format!("There is no request {id} here any more.")));
    };
    let caller = site.in_teams(&account.person)?;
    if let Err(DeskError::NotFound { .. }) = site.desk.show_request(&caller, &click.request) {
        return Ok(Said::Text(format!(
            "{} may not review request {id}: nothing was changed.",
            account.person
        )));
    }
    let verdict = match click.verb.as_str() {
        "approve" => NewVerdict::Approve,
        "deny" => NewVerdict::Deny,
        "refresh" => return site.teams_card(teams, &picture).map(Said::Card),
        _ => return Err(bad("a button that this hub does not know")),
    };
    if click.revision != card::revision(&picture) || !picture.is_open() {
        // Somebody was first: what stands now is the answer, and nothing is decided by what was seen before.
        return site.teams_card(teams, &picture).map(Said::Card);
    }
    let review = review(click, verdict, &picture)?;
    match site.desk.review(&caller, &click.request, &review, &key(click, &account.person)) {
        // Or it was done already, by the same click or by another one of theirs.
        Ok(_)
        | Err(
            DeskError::KeyReused
            | DeskError::Refused(
                Refusal::AlreadyDecided { .. } | Refusal::AlreadyReviewed(_) | Refusal::Changed(_),
            ),
        ) => {}
        Err(DeskError::Refused(why @ (Refusal::LastInChat { .. } | Refusal::NotInChat { .. }))) => {
            return Ok(Said::Text(format!("{why}: {}/web/requests/{id}", site.url)));
        }
        Err(why) => return Err(why),
    }
    match picture::look(site, id)? {
        Some(picture) => site.teams_card(teams, &picture).map(Said::Card),
        None => Ok(Said::Text("It was done.".to_owned())),
    }
}

fn review(click: &Click, verdict: NewVerdict, picture: &Picture) -> Result<NewReview, DeskError> {
    let wrong = |what: &str, why: &dyn std::fmt::Display| DeskError::BadRequest(format!("{what}: {why}"));
    let chosen =
        click.length.as_deref().map(Span::parse).transpose().map_err(|why| wrong("how long", &why))?;
    let left = picture.request.scope().length;
    let length = chosen
        .filter(|length| verdict == NewVerdict::Approve && *length != left && !picture.request.is_unseen());
    let comment =
        click.comment.as_deref().map(Text::parse).transpose().map_err(|why| wrong("the comment", &why))?;
    Ok(NewReview {
        verdict,
        digest: click.digest.clone(),
        narrowing: Narrowing { length, ..Narrowing::default() },
        comment,
    })
}

/// One for each request, state of it, and person: a click that comes twice is the same one.
fn key(click: &Click, person: &Person) -> Key {
    let once = Sha256::digest(format!("teams {} {} {person}", click.request, click.revision));
    let said = format!("{} {:?} {:?}", click.verb, click.length, click.comment);
    Key::of(&hex(&once), &format!("/v1/requests/{}/reviews", click.request), said.as_bytes())
}
