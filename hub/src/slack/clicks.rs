//! A click on a message, and what is said to whoever clicked. The message itself changes for everybody by the outbox.

use super::Slack;
use super::blocks;
use super::payload::Payload;
use super::reply::message;
use crate::chats::clicks::{self, By, Click, Done};
use crate::chats::picture::Picture;
use crate::chats::says::{Answer, plain};
use crate::outbox::{Truth, stands_now};
use crate::site::Site;
use desk::DeskError;
use serde_json::Value;

/// Does what a click says. Blocks.
pub fn clicked(site: &Site, slack: &Slack, payload: &Payload, click: &Click) -> Value {
    let name = payload.user.name.as_deref().unwrap_or_default();
    let speaker = slack.speaker(&payload.user.id, name);
    let said = clicks::clicked(site, &speaker, click).and_then(|done| match done {
        Done::Now { picture, by } => now(site, &picture, by),
        Done::Word(word) => Ok((Answer::plain(word), Vec::new())),
    });
    let (answer, more) = said.unwrap_or_else(|why| (Answer::plain(why.problem().detail), Vec::new()));
    message(&answer, more, &site.url)
}

fn now(site: &Site, picture: &Picture, by: By) -> Result<(Answer, Vec<Value>), DeskError> {
    let truth = Truth::of(site, picture.request.ask.id)?;
    let said = stands_now(&truth, None);
    if by == By::Review {
        let stands = said.facts.iter().find(|(name, _)| *name == "Now").map(|(_, value)| value.as_str());
        let words = format!("It was done. {}: {}.", said.title, stands.unwrap_or_default());
        return Ok((Answer::plain(words), Vec::new()));
    }
    let late = "Nothing was changed by this click: the request had already changed, or you had already reviewed it. Its state now:";
    Ok((Answer::text([plain(late)]), blocks::message(&said, Some(&truth.picture()))))
}
