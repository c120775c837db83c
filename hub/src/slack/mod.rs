//! Slack, as far as people answer there: clicks on messages about requests as reviews, and a slash command.
//!
//! What comes in is believed by its `signature` alone, and done for the person whose account it came of ([`crate::chats`])
//! with the rights that they have at that moment. Messages go out by [`crate::outbox`], as to every channel; what is drawn in
//! them is here (`blocks`).

mod answering;
pub mod blocks;
mod clicks;
pub mod limits;
mod payload;
mod reply;
mod signature;

pub use answering::{PATH, routes};

use crate::chats;
use crate::chats::known::Known;
use crate::chats::speaker::Speaker;
use crate::error::HubError;
use crate::outbox::config::Slack as Settings;
use crate::secret_file;
use reply::Replies;
use signature::Secret;
use std::sync::Arc;
use tokio::sync::Semaphore;
use workflow::Channel;

/// One workspace, whose people are listened to.
pub struct Slack {
    team: String,
    /// Where accounts are that are linked in it.
    linked: String,
    secret: Secret,
    known: Known,
    replies: Replies,
    /// What is done at once.
    places: Arc<Semaphore>,
    /// What is said at once of what was done.
    lines: Semaphore,
}

impl Slack {
    /// The one that the configuration names, if it says how it is believed.
    pub fn new(settings: &Settings) -> Result<Option<Self>, HubError> {
        let (Some(team), Some(file)) = (&settings.team, &settings.signing_secret) else { return Ok(None) };
        let wrong = |why: String| HubError::Outbox(why);
        let secret = secret_file::read(file).map_err(|why| wrong(format!("slack.signing_secret: {why}")))?;
        if secret.starts_with("xox") {
            return Err(wrong(format!(
                "slack.signing_secret: {} holds a token: take the signing secret from \"Basic Information\" of the app",
                file.display()
            )));
        }
        Ok(Some(Self {
            team: team.clone(),
            linked: chats::slack(team),
            secret: Secret::new(secret),
            known: Known::default(),
            replies: Replies::new(settings).map_err(wrong)?,
            places: Arc::new(Semaphore::new(limits::AT_ONCE)),
            lines: Semaphore::new(limits::REPLIES),
        }))
    }

    /// Who said something there.
    fn speaker<'a>(&'a self, account: &'a str, name: &'a str) -> Speaker<'a> {
        Speaker {
            tenant: &self.linked,
            believed: None,
            account,
            name,
            chat: "",
            channel: Channel::Slack,
            reviews: Ok(()),
        }
    }
}
