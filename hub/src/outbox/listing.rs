//! `jit-hub outbox`: what could not be told, and why.

use super::rows::{self, Failed};
use crate::config::Config;
use crate::error::{HubError, os};
use crate::postgres::{Place, Pool};
use crate::serve;
use std::io::Write as _;
use store::Reader;

/// Lists it, the newest first.
pub fn list(config: &Config) -> Result<(), HubError> {
    serve::is_set_up(config)?;
    let reader = match &config.database.url {
        Some(url) => Reader::over(Pool::of(Place::of(url, config.database.ca.as_deref())?)),
        None => Reader::from(store::read_only(&config.file().path)?),
    };
    let failed = reader.read(rows::failed)?;
    let mut out = std::io::stdout().lock();
    let mut put = |line: &str| writeln!(out, "{line}").map_err(os("writing to standard output"));
    if failed.is_empty() {
        return put("Everything that was to be told is told, or has not failed yet.");
    }
    failed.iter().try_for_each(|failed| put(&line(failed)))
}

/// One of them. The reason can hold the other side's own words, which are to look like nothing else.
fn line(failed: &Failed) -> String {
    let Failed { key, kind, next, tries, why } = failed;
    let about = key.about.map_or_else(|| "what was held back".to_owned(), |about| about.to_string());
    let next =
        next.map_or_else(|| "given up".to_owned(), |next| format!("again at {}", next.format("%F %TZ")));
    let tries = if *tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
    format!("{} to {}: {kind} of {about}, {tries}, {next}: {why:?}", key.channel, key.recipient)
}
