//! A click on a request in a chat: whose it is, whether what was clicked on was of this moment, and what the desk says to it.
//! What it is worth is not decided here: it is a review on the channel of its chat, by the same function as every review.

use super::picture::{self, Picture};
use super::speaker::Speaker;
use super::words::typed;
use crate::site::Site;
use access::{Person, RequestId, Span};
use api::{NewReview, NewVerdict};
use desk::{DeskError, Key};
use sha2::{Digest as _, Sha256};
use workflow::{Narrowing, Refusal, hex};

/// A click on a button, with what was filled in beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Click {
    /// Which button.
    pub verb: String,
    /// The request.
    pub request: String,
    /// Which state of it was shown.
    pub revision: String,
    /// Which request was shown.
    pub digest: String,
    /// The length that was chosen.
    pub length: Option<String>,
    /// What was typed.
    pub comment: Option<String>,
}

/// What came of a click.
pub enum Done {
    /// How the request stands now.
    Now {
        /// As everybody sees it.
        picture: Box<Picture>,
        /// What the click had to do with that.
        by: By,
    },
    /// A word to whoever clicked; nothing was changed.
    Word(String),
}

/// What a click had to do with how a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// It was a review, or the same one again.
    Review,
    /// Nothing: what was clicked on was of another state, or somebody was first.
    Late,
    /// Nothing: it asked how the request stands.
    Look,
}

/// Does what a click says. Blocks.
pub fn clicked(site: &Site, speaker: &Speaker<'_>, click: &Click) -> Result<Done, DeskError> {
    let Some(account) = speaker.whose(site)? else {
        return Ok(Done::Word(format!(
            "This {} account is not linked to anybody: sign in at {}/web/teams, and link it there. Nothing was changed.",
            speaker.service(),
            site.url
        )));
    };
    let bad = |what: &str| DeskError::BadRequest(format!("the button carries {what}: nothing was changed"));
    let id: RequestId = click.request.parse().map_err(|_| bad("no request"))?;
    let Some(picture) = picture::look(site, id)? else {
        return Ok(Done::Word(format!("There is no request {id} here any more.")));
    };
    let caller = speaker.caller(site, &account.person)?;
    if let Err(DeskError::NotFound { .. }) = site.desk.show_request(&caller, &click.request) {
        return Ok(Done::Word(format!(
            "{} may not review request {id}: nothing was changed.",
            account.person
        )));
    }
    let now = |picture, by| Ok(Done::Now { picture: Box::new(picture), by });
    let verdict = match click.verb.as_str() {
        "approve" => NewVerdict::Approve,
        "deny" => NewVerdict::Deny,
        "refresh" => return now(picture, By::Look),
        _ => return Err(bad("a word that this hub does not know")),
    };
    if click.revision != picture.revision() || !picture.is_open() {
        // Somebody was first: what stands now is the answer, and nothing is decided by what was seen before.
        return now(picture, By::Late);
    }
    let review = match review(click, verdict, &picture) {
        Ok(review) => review,
        Err(why) => return Ok(Done::Word(format!("{why}. Nothing was changed."))),
    };
    let key = key(speaker, click, &account.person);
    let by = match site.desk.review(&caller, &click.request, &review, &key) {
        Ok(_) => By::Review,
        // Or it was done already, by the same click or by another one of theirs.
        Err(
            DeskError::KeyReused
            | DeskError::Refused(
                Refusal::AlreadyDecided { .. } | Refusal::AlreadyReviewed(_) | Refusal::Changed(_),
            ),
        ) => By::Late,
        Err(DeskError::Refused(why @ (Refusal::LastInChat { .. } | Refusal::NotInChat { .. }))) => {
            return Ok(Done::Word(format!("{why}: {}/web/requests/{id}", site.url)));
        }
        Err(why) => return Err(why),
    };
    match picture::look(site, id)? {
        Some(picture) => now(picture, by),
        None => Ok(Done::Word("It was done.".to_owned())),
    }
}

/// The review that a click is, or why what was filled in makes none.
fn review(click: &Click, verdict: NewVerdict, picture: &Picture) -> Result<NewReview, String> {
    let wrong = |what: &str, why: &dyn std::fmt::Display| format!("{what}: {why}");
    let chosen =
        click.length.as_deref().map(Span::parse).transpose().map_err(|why| wrong("how long", &why))?;
    let left = picture.request.scope().length;
    let length = chosen
        .filter(|length| verdict == NewVerdict::Approve && *length != left && !picture.request.is_unseen());
    let comment =
        click.comment.as_deref().map(typed).transpose().map_err(|why| wrong("the comment", &why))?;
    Ok(NewReview {
        verdict,
        digest: click.digest.clone(),
        narrowing: Narrowing { length, ..Narrowing::default() },
        comment,
    })
}

/// One for each request, state of it, and person: a click that comes twice is the same one.
fn key(speaker: &Speaker<'_>, click: &Click, person: &Person) -> Key {
    let chat = speaker.channel.code();
    let once = Sha256::digest(format!("{chat} {} {} {person}", click.request, click.revision));
    let said = format!("{} {:?} {:?}", click.verb, click.length, click.comment);
    Key::of(&hex(&once), &format!("/v1/requests/{}/reviews", click.request), said.as_bytes())
}
