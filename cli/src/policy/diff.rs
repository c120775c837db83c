//! `jit policy diff`

use crate::arguments::Diff;
use crate::output::Output;
use crate::{CliError, table, words};
use access::Span;
use api::{Client, DifferenceKind, NewPolicy, NewReplay, Replayed};
use chrono::SecondsFormat;
use comfy_table::Cell;
use serde::Serialize;
use workflow::{How, Outcome, Texts, difference};

/// What `--json` prints.
#[derive(Serialize)]
struct Differs {
    diff: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<Replayed>,
}

pub fn diff(
    client: impl Fn() -> Result<Client, CliError>,
    asked: &Diff,
    out: &mut Output,
) -> Result<(), CliError> {
    let (old, new) = match asked.files.as_slice() {
        [] => (None, super::meant(None, &client()?)?),
        [new] => (None, new.clone()),
        [old, new, ..] => (Some(super::read(old, asked.old_people.as_deref())?), new.clone()),
    };
    let mut new = super::read(&new, asked.people.as_deref())?;
    let days = asked.replay.map(days);
    let diff = if let Some(old) = &old {
        difference(texts(old), texts(&new))
    } else {
        let client = client()?;
        let in_force = client.policy()?;
        let roles = client.status()?.roles;
        // Who may not see the people in force would be shown all of the file as new.
        let sees = ["auditor", "operator", "admin"].iter().any(|role| roles.iter().any(|has| has == role));
        if !sees {
            new.people = None;
        }
        difference((&in_force.policy, in_force.people.as_deref()), texts(&new))
    };
    let replayed = match days {
        Some(days) => {
            let NewPolicy { policy, people, .. } = new;
            Some(client()?.replay(&NewReplay { policy, people, old, days })?)
        }
        None => None,
    };
    let differs = Differs { diff, replayed };
    out.say(&differs, || {
        let diff = if differs.diff.is_empty() { "The two say the same.\n" } else { &differs.diff };
        let replayed = differs.replayed.as_ref().map(|replayed| format!("\n{}", told(replayed)));
        format!("{}{}", diff.trim_end(), replayed.map(|told| format!("\n{told}")).unwrap_or_default())
    })
}

fn texts(policy: &NewPolicy) -> Texts<'_> {
    (&policy.policy, policy.people.as_deref())
}

/// Whole days, begun ones counted.
fn days(span: Span) -> u32 {
    span.as_seconds().div_ceil(86_400)
}

fn told(replayed: &Replayed) -> String {
    let mut lines = vec![format!(
        "Of {} past requests {} would have gone the same way.",
        replayed.looked_at, replayed.same
    )];
    for (kind, count) in &replayed.kinds {
        lines.push(format!("  {count:>6}  {}", means(*kind)));
    }
    if !replayed.differences.is_empty() {
        let mut table = table::table(&["REQUEST", "ASKED", "WHO", "WHAT", "BECAME", "BEFORE", "AFTER"]);
        for one in &replayed.differences {
            table.add_row([
                Cell::new(one.request),
                Cell::new(one.asked_at.to_rfc3339_opts(SecondsFormat::Secs, true)),
                Cell::new(&one.person),
                Cell::new(format!("{} on {}", words::list(&one.services), words::list(&one.hosts))),
                Cell::new(&one.state),
                Cell::new(outcome(&one.before)),
                Cell::new(outcome(&one.after)),
            ]);
        }
        lines.push(String::new());
        lines.push(table.to_string());
        let counted: u64 = replayed.kinds.values().sum();
        let more = counted.saturating_sub(replayed.differences.len() as u64);
        if more > 0 {
            lines.push(format!("... and {more} more."));
        }
    }
    if let Some(at) = replayed.stopped_at {
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        lines.push(format!(
            "Stopped at {at}: there are more requests than one replay looks at. Name fewer days."
        ));
    }
    lines.extend(replayed.notes.iter().map(|note| format!("Note: {note}.")));
    lines.join("\n")
}

const fn means(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Refused => "would have been refused at once",
        DifferenceKind::NotRefused => "would not have been refused at once",
        DifferenceKind::ByItself => "would have been approved by the rule itself",
        DifferenceKind::ByPeople => "would have needed people, not the rule alone",
        DifferenceKind::MorePeople => "would have needed more people",
        DifferenceKind::FewerPeople => "would have needed fewer people",
        DifferenceKind::OtherRule => "would have been covered by another rule, in the same way",
    }
}

fn outcome(outcome: &Outcome) -> String {
    let rule = outcome.rule.as_deref().unwrap_or("no rule");
    match outcome.how {
        How::Refused => {
            format!("refused ({})", outcome.why.as_deref().unwrap_or(rule))
        }
        How::ByItself => format!("{rule}: by itself"),
        How::ByPeople => format!("{rule}: {} to agree", outcome.needs),
    }
}
