//! The bot in Microsoft Teams: requests as cards, clicks on them as reviews, and a few words that can be typed.
//!
//! What comes in is believed by its `token` alone, and done for the person whose account it came of ([`crate::chats`]) with the
//! rights that they have at that moment. What goes out is drawn of what is committed (`card`), and sent to places (`rows`)
//! that came with something that was believed (`connector`).
//!
//! Beside it there are outgoing webhooks (`outgoing`), by which people ask and look in a channel, and nobody decides.

mod activity;
mod address;
mod answering;
mod card;
mod channel;
mod check;
mod clicks;
mod commands;
mod connector;
mod http;
mod limits;
mod manifest;
mod outgoing;
pub mod rows;
pub mod settings;
mod token;

pub use answering::{PATH, routes};
pub use channel::channels;
pub use check::check;
pub use limits::WEBHOOKS;
pub use manifest::write as write_manifest;
pub use outgoing::{Outgoing, PATH as WEBHOOK_PATH};

use crate::chats::known::Known;
use crate::chats::speaker::Speaker;
use crate::error::HubError;
use activity::Activity;
use clap::Subcommand;
use connector::Connector;
use settings::Settings;
use std::path::PathBuf;
use std::sync::Arc;
use token::Keys;
use tokio::sync::Semaphore;
use workflow::Channel;

/// The tables of this room, which hubs of before did not have.
pub const TABLES: &str = include_str!("tables.sql");

/// `jit-hub teams`
#[derive(Subcommand)]
pub enum Command {
    /// Write the app package, for an administrator of Teams to upload.
    Manifest {
        /// The new file; its name ends in .zip.
        file: PathBuf,
    },
    /// Check step by step whether the bot can work, and say what to do where it cannot.
    Check,
}

/// The bot of this hub.
pub struct Teams {
    settings: Settings,
    keys: Keys,
    connector: Connector,
    replies: Arc<Semaphore>,
    known: Known,
}

impl Teams {
    /// The bot that the configuration names, whose secret can be read.
    pub fn open(settings: &Settings) -> Result<Self, HubError> {
        settings.read_secret().map_err(HubError::Teams)?;
        Self::new(settings)
    }

    /// The same, whatever its secret is.
    fn new(settings: &Settings) -> Result<Self, HubError> {
        let http = http::client().map_err(HubError::Teams)?;
        Ok(Self {
            keys: Keys::at(settings.openid(), http.clone()),
            connector: Connector::new(settings.clone(), http),
            settings: settings.clone(),
            replies: Arc::new(Semaphore::new(limits::REPLIES)),
            known: Known::default(),
        })
    }

    /// The tenant whose people may talk to it, as rows have it.
    pub fn tenant(&self) -> &str {
        &self.settings.tenant
    }

    /// Who said something to it: the account, and what else it says of itself.
    fn speaker<'a>(&'a self, activity: &'a Activity, account: &'a str) -> Speaker<'a> {
        Speaker {
            tenant: self.tenant(),
            believed: None,
            account,
            name: &activity.from.name,
            chat: &activity.from.id,
            channel: Channel::Teams,
            reviews: Ok(()),
        }
    }
}
