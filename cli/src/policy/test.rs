//! `jit policy test`

use super::offline::{Files, fresh, text};
use crate::arguments::Try;
use crate::output::Output;
use crate::{CliError, table};
use access::Now;
use comfy_table::Cell;
use kernel::wall;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use workflow::{Cases, Hosts, Missed};

/// What `--json` prints.
#[derive(Serialize)]
struct Tested {
    cases: usize,
    failed: usize,
    missed: Vec<Missed>,
}

pub fn test(asked: Try, out: &mut Output) -> Result<(), CliError> {
    let now = wall();
    let cases = Cases::parse(&text(&asked.cases, api::limits::POLICY as u64)?, &asked.cases)?;
    let beside = |path: &PathBuf| asked.cases.parent().unwrap_or(Path::new(".")).join(path);
    let policy = asked.file.or_else(|| cases.policy.as_ref().map(beside));
    let policy = policy.ok_or_else(|| {
        CliError::Usage(format!(
            "{} names no policy: write policy = \"FILE\" at its top, or add --file FILE",
            asked.cases.display()
        ))
    })?;
    let mut files = Files {
        policy,
        people: asked.people.or_else(|| cases.people.as_ref().map(beside)),
        accounts: asked.accounts,
    };
    // Cases say the same on every machine, unless the policy has no people but those of the machine.
    if files.people().is_none() && files.accounts.is_none() {
        files.accounts = Some(PathBuf::from("/etc"));
    }
    let mut schedules = BTreeMap::new();
    for (name, path) in &cases.schedules {
        let path = beside(path);
        let text = text(&path, crate::limits::SCHEDULE)?;
        schedules.insert(name.clone(), (path, text));
    }
    let base = files.world(Hosts { labels: cases.hosts.clone(), all: false }, now)?;
    let mut tested = Tested { cases: cases.cases.len(), failed: 0, missed: Vec::new() };
    for case in &cases.cases {
        let at = case.at.unwrap_or(now);
        let mut world = base.clone();
        let mut known = world.schedules.as_ref().clone();
        known.extend(fresh(&schedules, at)?);
        world.schedules = Arc::new(known);
        // Schedules of the cases are of the time of the case; others are judged as of now.
        let latest = if cases.schedules.is_empty() { now } else { at };
        let missed = case.run(&world, Now { trusted: at, latest, provisional: false });
        tested.failed += usize::from(!missed.is_empty());
        tested.missed.extend(missed);
    }
    out.say(&tested, || words(&tested))?;
    match tested.failed {
        0 => Ok(()),
        some => Err(CliError::NotMet(format!(
            "{some} of {} cases are not met by {}",
            tested.cases,
            files.policy.display()
        ))),
    }
}

fn words(tested: &Tested) -> String {
    let good = tested.cases - tested.failed;
    let summary = format!("{good} of {} cases are met.", tested.cases);
    if tested.missed.is_empty() {
        return summary;
    }
    let mut table = table::table(&["CASE", "LINE", "WHAT", "EXPECTED", "GOT"]);
    for missed in &tested.missed {
        table.add_row([
            Cell::new(&missed.case),
            Cell::new(missed.line),
            Cell::new(missed.what),
            Cell::new(&missed.expected),
            Cell::new(&missed.got),
        ]);
    }
    format!("{table}\n{summary}")
}
