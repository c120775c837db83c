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
