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
mod http;
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

pub use delivering::{Bell, start};
pub use listing::list;

use crate::config::Config;
use channel::Channel;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
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

/// What is in a file that nobody else may read.
pub(crate) fn secret(path: &Path) -> Result<zeroize::Zeroizing<String>, String> {
    let at = path.display();
    let cannot = |why: std::io::Error| format!("reading {at}: {why}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.permissions().mode();
    if mode & 0o037 != 0 {
        let mode = mode & 0o777;
        return Err(format!("{at} has mode {mode:04o}, so others can read or write it: chmod 0600 {at}"));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(limits::SECRET).read_to_string(&mut text).map_err(cannot)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(format!("{at} is empty: write the secret into it"));
    }
    Ok(zeroize::Zeroizing::new(trimmed.to_owned()))
}
