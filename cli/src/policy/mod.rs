//! `jit policy`.

mod check;
mod diff;
mod explain;
mod offline;
mod test;

pub use check::check;
pub use diff::diff;
pub use explain::explain;
pub use offline::{Files, text};
pub use test::test;

use crate::arguments::ApplyPolicy;
use crate::output::Output;
use crate::{CliError, hub, words};
use api::{Client, Door, Foreseen, NewPolicy};
use kernel::wall;
use std::path::{Path, PathBuf};

/// The rules of this machine.
pub const OWN: &str = "/etc/jitd/policy.toml";

pub fn show(client: &Client, out: &mut Output) -> Result<(), CliError> {
    let policy = client.policy()?;
    out.say(&policy, || {
        let by = match &policy.by {
            Some(by) => format!("applied by {by}, {}", words::when(policy.at, wall())),
            None => "shipped with this release".to_owned(),
        };
        let people =
            policy.people.as_ref().map(|text| format!("\n# people.toml\n{text}")).unwrap_or_default();
        format!("# version {}, {by}\n{}{people}", policy.version, policy.policy)
    })
}

pub fn apply(client: &Client, asked: &ApplyPolicy, out: &mut Output) -> Result<(), CliError> {
    let file = meant(asked.policy.as_deref(), client)?;
    let new = if asked.no_people {
        NewPolicy { policy: rules(&file)?, people: None, no_people: true }
    } else {
        read(&file, asked.people.as_deref())?
    };
    if !asked.yes && out.can_ask() {
        agreed(client, &new)?;
    }
    let applied = client.apply_policy(&new)?;
    out.say(&applied, || {
        let mut lines: Vec<String> = applied.findings.iter().map(|finding| format!("! {finding}")).collect();
        if applied.unchanged {
            lines.push(format!("Version {} is in force already: nothing was changed.", applied.version));
        } else {
            lines.push(format!("{}Version {} is in force.", applied.diff, applied.version));
        }
        lines.join("\n")
    })
}

/// Asks whether what would end by it may end.
fn agreed(client: &Client, new: &NewPolicy) -> Result<(), CliError> {
    let Foreseen { grants, requests } = client.foresee_policy(new)?;
    let ends = [
        (grants, count(grants, "grant ends", "grants end")),
        (requests, count(requests, "waiting request is denied", "waiting requests are denied")),
    ];
    let ends: Vec<String> = ends.into_iter().filter(|(some, _)| *some > 0).map(|(_, words)| words).collect();
    let question = format!("{} by it, for good. Put it in force at {}?", ends.join(" and "), client.door());
    if ends.is_empty() || Output::agrees(&question) {
        return Ok(());
    }
    Err(CliError::NotDone("nothing was applied".to_owned()))
}

fn count(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The rules that are meant. Those of a hub are in no place of their own.
fn meant(file: Option<&Path>, client: &Client) -> Result<PathBuf, CliError> {
    match (file, client.door()) {
        (Some(file), _) => Ok(file.into()),
        (None, Door::Socket(_)) => Ok(OWN.into()),
        (None, hub @ Door::Hub(_)) => Err(CliError::Usage(format!(
            "commands go to {hub}, so name the FILE that is meant for it: {OWN} is for this machine, with --socket {}",
            hub::SOCKET
        ))),
    }
}

/// A policy and, from the file named or `people.toml` beside it, its people.
pub fn read(policy: &Path, people: Option<&Path>) -> Result<NewPolicy, CliError> {
    let beside = policy.with_file_name("people.toml");
    let people = match people {
        Some(people) => Some(rules(people)?),
        None if beside.exists() => Some(rules(&beside)?),
        None => None,
    };
    Ok(NewPolicy { policy: rules(policy)?, people, no_people: false })
}

fn rules(path: &Path) -> Result<String, CliError> {
    text(path, api::limits::POLICY as u64)
}
