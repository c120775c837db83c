//! Why the hub does not do what it was told by its own command line.

use settings::SettingsError;
use std::path::PathBuf;
use store::StoreError;

/// Said once, at the edge, behind `error: `.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The configuration.
    #[error("{}{}", .0, hint(.0))]
    Config(#[from] SettingsError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The desk.
    #[error(transparent)]
    Desk(#[from] desk::DeskError),
    /// How the database is reached, or what is in it.
    #[error("{0}")]
    Database(String),
    /// There is no database yet.
    #[error("there is no hub in {}: set one up with `jit-hub init`", .0.display())]
    NotSetUp(PathBuf),
    /// Nothing to call it by.
    #[error(
        "the name of this machine, {0:?}, cannot be used: write names = [\"hub.example.org\"] in hub.toml"
    )]
    NoName(String),
    /// A certificate, or its key.
    #[error("{doing}: {why}")]
    Certificate {
        /// What was being done.
        doing: String,
        /// What happened.
        why: String,
    },
    /// A key that cannot be used.
    #[error("{0}; the keys of a hub are made by `jit-hub init` and restored from a backup, never by hand")]
    Keys(String),
    /// Signing in by what is elsewhere cannot be set up.
    #[error("{0}")]
    SignIn(String),
    /// The signer does not sign now.
    #[error("{0}")]
    Signer(String),
    /// The signer looked at it, and does not sign it.
    #[error("the signer refuses: {0}")]
    Unsigned(String),
    /// The bot in Teams.
    #[error("{0}")]
    Teams(String),
    /// How people are told.
    #[error("hub.toml: {0}")]
    Outbox(String),
    /// The machine.
    #[error("{doing}: {why}")]
    Os {
        /// What was being done.
        doing: String,
        /// What happened.
        why: std::io::Error,
    },
}

/// What to do where there is no configuration.
fn hint(why: &SettingsError) -> &'static str {
    match why {
        SettingsError::Unreadable { why, .. } if why.kind() == std::io::ErrorKind::NotFound => {
            "; `jit-hub init` makes one"
        }
        _ => "",
    }
}

/// The machine did not let us do this.
pub fn os(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> HubError {
    let doing = doing.into();
    move |why| HubError::Os { doing, why }
}
