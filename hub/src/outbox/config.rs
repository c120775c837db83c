//! What `hub.toml` says of who is told, and how.

use super::{http, limits};
use crate::config::Config;
use serde::Deserialize;
use settings::Wrong;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// `[mail]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The mail server, by the name in its certificate.
    pub server: String,
    /// Its port, where that is not the one that goes with `security`.
    pub port: Option<u16>,
    /// How the way there is kept.
    #[serde(default)]
    pub security: Security,
    /// Who this hub is there.
    pub user: Option<String>,
    /// File of the password.
    pub password: Option<PathBuf>,
    /// Whose mail it is, as `jit <jit@example.org>`.
    pub from: String,
    /// PEM file with the CA that issued the server's certificate; default: the system's CAs.
    pub ca: Option<PathBuf>,
}

/// How the way to a mail server is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS begins on the open connection, or nothing is sent.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: the server is this machine.
    None,
}

impl Mail {
    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::Starttls => 587,
            Security::Tls => 465,
            Security::None => 25,
        })
    }
}

/// `[slack]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// File of the app's bot token.
    pub token: PathBuf,
    /// The id of a channel that is shown what happens.
    pub channel: Option<String>,
    /// Whether people are, each what concerns them; Slack knows them by their mail address.
    #[serde(default)]
    pub people: bool,
    /// The id of the workspace that clicks and words are taken from.
    pub team: Option<String>,
    /// File of the app's signing secret, by which they are believed. None: messages have a link and no buttons.
    pub signing_secret: Option<PathBuf>,
    /// Where Slack is.
    #[serde(default = "slack")]
    pub api: String,
    /// PEM file with the CA that issued its certificate; default: the system's CAs.
    pub ca: Option<PathBuf>,
}

fn slack() -> String {
    "https://slack.com/api".to_owned()
}

/// `[[workflows]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflows {
    /// What it is known by here.
    pub name: String,
    /// File of the address, which is a secret as a whole.
    pub address: PathBuf,
    /// Where workflows are too, beside Microsoft's own.
    pub hosts: Option<Vec<String>>,
    /// PEM file with the CA that issued its certificate; default: the system's CAs.
    pub ca: Option<PathBuf>,
}

/// `[[webhook]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// What it is known by here.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// File of the secret that it knows.
    pub secret: PathBuf,
    /// PEM file with the CA that issued its certificate; default: the system's CAs.
    pub ca: Option<PathBuf>,
}

/// What types cannot tell.
pub fn check(config: &Config) -> Result<(), Wrong> {
    if let Some(mail) = &config.mail {
        check_mail(mail)?;
    }
    if let Some(slack) = &config.slack {
        let is_id = |id: &str| {
            (1..=limits::NAME).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric())
        };
        if let Some(id) = slack.channel.as_deref().filter(|id| !is_id(id)) {
            let what = format!(
                "{id:?} is no channel's id: take it, as C0123ABCD, from the end of the channel's details in Slack"
            );
            return Err(Wrong::new("slack.channel", what));
        }
        if let Some(id) = slack.team.as_deref().filter(|id| !is_id(id)) {
            let what = format!(
                "{id:?} is no workspace's id: take it, as T0123ABCD, from an address of the workspace in a browser"
            );
            return Err(Wrong::new("slack.team", what));
        }
        if slack.team.is_some() != slack.signing_secret.is_some() {
            let what = "it and team go together, by which clicks are believed: write both, or neither";
            return Err(Wrong::new("slack.signing_secret", what));
        }
        if slack.channel.is_none() && !slack.people && slack.team.is_none() {
            let what = "nobody would hear of anything: name a channel, or write people = true";
            return Err(Wrong::new("slack.channel", what));
        }
    }
    are_names("workflows", config.workflows.iter().map(|flow| flow.name.as_str()), limits::WORKFLOWS)?;
    are_names("webhook", config.webhook.iter().map(|webhook| webhook.name.as_str()), limits::WEBHOOKS)?;
    for (place, Webhook { url, .. }) in config.webhook.iter().enumerate() {
        let wrong = |why: &str| Wrong::new(format!("webhook.{place}.url"), why);
        let url = http::address(url).map_err(|why| wrong(&why))?;
        if http::is_under(url.host_str().unwrap_or_default(), "webhook.office.com") {
            return Err(wrong(http::CONNECTOR));
        }
    }
    Ok(())
}

fn check_mail(mail: &Mail) -> Result<(), Wrong> {
    let here = matches!(mail.server.as_str(), "localhost" | "127.0.0.1" | "::1");
    if mail.security == Security::None && !here {
        let what = format!(
            "mail to {} would be readable on the way: write \"starttls\" or \"tls\", or name a server on this machine",
            mail.server
        );
        return Err(Wrong::new("mail.security", what));
    }
    if mail.user.is_some() != mail.password.is_some() {
        return Err(Wrong::new("mail.password", "user and password go together: write both, or neither"));
    }
    Ok(())
}

/// Whether sections of which there can be several are told apart by names that can be used.
pub fn are_names<'a>(what: &str, names: impl Iterator<Item = &'a str>, most: usize) -> Result<(), Wrong> {
    let mut known = BTreeSet::new();
    for (place, name) in names.enumerate() {
        let wrong = |why: String| Err(Wrong::new(format!("{what}.{place}.name"), why));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > limits::NAME || !name.chars().all(plain) {
            let most = limits::NAME;
            return wrong(format!("{name:?} cannot be used: write up to {most} of a-z, 0-9 and -"));
        }
        if !known.insert(name) {
            return wrong(format!("two are called {name:?}: give one another name"));
        }
    }
    if known.len() > most {
        return Err(Wrong::new(what, format!("there are {}, and {most} at most can be", known.len())));
    }
    Ok(())
}
