//! `jit policy check`

use super::count;
use super::offline::Files;
use crate::CliError;
use crate::output::Output;
use access::Now;
use kernel::wall;
use serde::Serialize;
use workflow::{Finding, Hosts, PolicyErrors, Weight, findings};

/// What `--json` prints.
#[derive(Serialize)]
struct Checked<'a> {
    file: String,
    good: bool,
    mistakes: &'a PolicyErrors,
    findings: &'a [Finding],
}

pub fn check(files: &Files, out: &mut Output) -> Result<(), CliError> {
    let now = wall();
    let file = files.policy.display().to_string();
    let none = PolicyErrors(Vec::new());
    let world = match files.world(Hosts::default(), now) {
        Ok(world) => world,
        Err(CliError::Policy(mistakes)) => {
            if out.is_json() {
                Output::json(&Checked { file, good: false, mistakes: &mistakes, findings: &[] })?;
            }
            return Err(mistakes.into());
        }
        Err(why) => return Err(why),
    };
    let findings = findings(&world, Now::exactly(now));
    let refusing = findings.iter().filter(|finding| finding.refuses()).count();
    let checked = Checked { file, good: refusing == 0, mistakes: &none, findings: &findings };
    out.say(&checked, || {
        let mut lines: Vec<String> = findings.iter().map(|finding| line(&checked.file, finding)).collect();
        let of = |weight| findings.iter().filter(|finding| finding.weight == weight).count();
        lines.push(format!(
            "{}: {}, {}: {} refused, {}, {}.",
            checked.file,
            count(world.policy.rules.len() as u64, "rule", "rules"),
            count(world.people.all().count() as u64, "person", "people"),
            of(Weight::Refusal),
            count(of(Weight::Warning) as u64, "warning", "warnings"),
            count(of(Weight::Note) as u64, "note", "notes"),
        ));
        lines.join("\n")
    })?;
    match refusing {
        0 => Ok(()),
        some => Err(CliError::NotMet(format!(
            "{} cannot come into force: mend what is marked as refused ({some})",
            checked.file
        ))),
    }
}

fn line(file: &str, finding: &Finding) -> String {
    format!("{file}:{}: {}: rule \"{}\": {}", finding.line, finding.weight.code(), finding.rule, finding.what)
}
