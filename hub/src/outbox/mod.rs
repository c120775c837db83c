//! Who is told of what happens, and how it reaches them.
//!
//! The desk knows nothing of this room: all that is told follows from the journal. `collecting` reads what was committed and
//! writes down who is to hear of it (`news` says who), together with how far it has come; `delivering` sends what is due and
//! writes down that it did. Between the two there are rows alone, so a hub that is killed goes on where it was: nothing is
//! lost, and what it was just sending may come twice, under the same id. What is sent is made of how things are at that
//! moment (`truth`).
//!
//! A [`Channel`] is one way to people or programs. It knows nothing of rows, retries and restarts.

mod card;
mod channel;
mod collecting;
pub mod config;
mod delivering;
mod doubt;
pub mod http;
pub mod limits;
mod listing;
mod mail;
mod news;
mod pace;
pub mod rows;
mod says;
mod slack;
mod standard;
mod truth;
mod webhook;
mod workflows;

pub use channel::{Channel, Keeps, Kind, Outcome, Parcel, Rate, Rates, WITHDRAWN};
pub use delivering::{Bell, start};
pub use doubt::Passage;
pub use listing::list;
pub use news::News;
pub use says::{Said, becomes, hearsay, stands_now};
pub use truth::Truth;

use crate::config::Config;
use std::sync::Arc;

/// The tables of this room, which hubs of before did not have.
pub const TABLES: &str = include_str!("tables.sql");

/// All that the configuration names, each looked at as far as that goes without sending anything, for a hub of this
/// name.
pub fn channels(config: &Config, hub: &str) -> Result<Vec<Arc<dyn Channel>>, String> {
    let mut all: Vec<Arc<dyn Channel>> = Vec::new();
    if let Some(mail) = &config.mail {
        all.push(Arc::new(mail::Mail::new(mail, hub)?));
    }
    if let Some(slack) = &config.slack {
        all.push(Arc::new(slack::Slack::new(slack)?));
    }
    for flow in &config.workflows {
        all.push(Arc::new(workflows::Workflows::new(flow)?));
    }
    for webhook in &config.webhook {
        all.push(Arc::new(webhook::Webhook::new(webhook)?));
    }
    Ok(all)
}
