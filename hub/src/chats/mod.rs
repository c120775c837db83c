//! What all chats have in common: whose account is whose (`binding`), what can be typed (`words`), what a click on a request
//! does (`clicks`), and what was heard before (`known`). How a chat is believed, and what its messages look like, is the
//! chat's own: [`crate::teams`], [`crate::slack`].
//!
//! Nothing here decides what a click is worth. It is a review on the channel of its chat, by the desk's own function.

pub mod binding;
pub mod clicks;
pub mod known;
pub mod limits;
pub mod picture;
pub mod rows;
pub mod says;
pub mod speaker;
pub mod words;

use crate::config::Config;
use crate::error::HubError;
use crate::slack::Slack;
use crate::teams::{Outgoing, Teams};
use std::sync::Arc;

/// The chats that a hub listens to.
pub struct Chats {
    /// The bot in Microsoft Teams, where there is one.
    pub teams: Option<Arc<Teams>>,
    /// Outgoing webhooks of Teams.
    pub outgoing: Vec<Arc<Outgoing>>,
    /// The workspace of Slack whose people are listened to, where there is one.
    pub slack: Option<Arc<Slack>>,
}

impl Chats {
    /// Those that are configured, with their secrets.
    pub fn open(config: &Config) -> Result<Self, HubError> {
        let outgoing = config.teams_webhook.iter().map(|one| Outgoing::new(one).map(Arc::new));
        Ok(Self {
            teams: config.teams.as_ref().map(Teams::open).transpose()?.map(Arc::new),
            outgoing: outgoing.collect::<Result<_, _>>()?,
            slack: config.slack.as_ref().map(Slack::new).transpose()?.flatten().map(Arc::new),
        })
    }

    /// Whether there are any, so that accounts there can be somebody's.
    pub fn are_there(&self) -> bool {
        self.teams.is_some() || !self.outgoing.is_empty() || self.slack.is_some()
    }
}

/// The tables of this room, which hubs of before did not have.
pub const TABLES: &str = include_str!("tables.sql");

/// Where accounts of a workspace of Slack are linked.
pub fn slack(team: &str) -> String {
    format!("slack/{team}")
}

/// Where accounts are linked that came by an outgoing webhook of Teams: nowhere that the bot looks.
pub fn webhook(name: &str) -> String {
    format!("webhook/{name}")
}

/// Whether accounts there are of Slack.
pub fn is_slack(tenant: &str) -> bool {
    tenant.starts_with("slack/")
}

/// What accounts there are, for people.
pub fn named(tenant: &str) -> String {
    match tenant.split_once('/') {
        Some(("slack", team)) => format!("Slack, workspace {team}"),
        Some(("webhook", name)) => format!("Microsoft Teams, by the webhook {name} alone"),
        _ => "Microsoft Teams".to_owned(),
    }
}
