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

use crate::output::Output;
use crate::{CliError, words};
use api::{Client, NewPolicy};
use kernel::wall;
use std::path::Path;

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

pub fn apply(
    client: &Client,
    policy: &Path,
    people: Option<&Path>,
    out: &mut Output,
) -> Result<(), CliError> {
    let applied = client.apply_policy(&read(policy, people)?)?;
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

/// A policy and, from the file named or `people.toml` beside it, its people.
pub fn read(policy: &Path, people: Option<&Path>) -> Result<NewPolicy, CliError> {
    let beside = policy.with_file_name("people.toml");
    let people = match people {
        Some(people) => Some(rules(people)?),
        None if beside.exists() => Some(rules(&beside)?),
        None => None,
    };
    Ok(NewPolicy { policy: rules(policy)?, people })
}

fn rules(path: &Path) -> Result<String, CliError> {
    text(path, api::limits::POLICY as u64)
}
