//! `jit check` and `jit status`.

use crate::arguments::Check;
use crate::output::Output;
use crate::words;
use crate::{CliError, sessions};
use access::Time;
use api::{CheckQuery, Client, Door, Finding, Watched};
use kernel::wall;

pub fn check(client: &Client, check: Check, out: &mut Output) -> Result<(), CliError> {
    let answer = client.check(&CheckQuery {
        user: check.user,
        service: check.service,
        host: check.host,
        run_as: check.run_as,
        at: check.at,
    })?;
    out.say(&answer, || {
        let verdict = if answer.allowed { "Would be let in" } else { "Would be refused" };
        let mut words = format!("{verdict} ({}): {}.", answer.reason, answer.because);
        if let Some(ends) = answer.ends.filter(|_| answer.allowed) {
            words.push_str(&format!("\nUntil {}", words::when(ends, wall())));
        }
        if let Some(next) = &answer.next {
            words.push_str(&format!("\nNext: {next}"));
        }
        words
    })
}

/// What is left of the session one is in, for a prompt.
pub fn left(here: &Client, out: &mut Output) -> Result<(), CliError> {
    match &here.status()?.session {
        Some(session) => out.say(session, || sessions::left(session, wall())),
        None if out.is_json() => Output::json(&()),
        None => Ok(()),
    }
}

pub fn status(client: &Client, out: &mut Output) -> Result<(), CliError> {
    let status = client.status()?;
    out.say(&status, || {
        let mut lines: Vec<String> = status.warnings.iter().map(|warning| format!("! {warning}")).collect();
        lines.extend(
            status
                .left_over
                .iter()
                .map(|left| format!("! still running for {} outside any session: {}", left.user, left.what)),
        );
        let watch = status.watch.as_ref();
        lines.extend(
            watch
                .iter()
                .flat_map(|watch| &watch.findings)
                .map(|Finding { what, wrong, fix }| format!("! {what}: {wrong}\n  {fix}")),
        );
        let roles = if status.roles.is_empty() { "no role".to_owned() } else { status.roles.join(", ") };
        let count = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        if matches!(client.door(), Door::Hub(_)) {
            lines.push(format!("hub       {}", status.host));
        } else {
            let from = match status.source.as_str() {
                "local" => "its own desk",
                "static" => "files that its hub signed",
                _ => "its hub",
            };
            lines.push(format!("host      {}, grants from {from}", status.host));
            let gated = if status.gated.is_empty() { "nothing".to_owned() } else { status.gated.join(", ") };
            lines.push(format!("gated     {gated}"));
        }
        lines.push(format!("you       {} ({roles})", status.you));
        lines.extend(status.session.iter().map(|here| format!("session   {}", sessions::here(here, wall()))));
        lines.push(format!("clock     {}", status.clock));
        lines.push(format!(
            "journal   {} records, {}",
            status.journal_seq,
            if status.journal_ok { "accepting records" } else { "NOT ACCEPTING ANY" }
        ));
        lines.push(format!(
            "now       {}, {}, {}",
            count(status.pending, "pending request"),
            count(status.grants, "grant"),
            count(status.sessions, "session")
        ));
        lines.extend(watch.map(|watch| format!("watch     {}", watched(watch, wall()))));
        lines.push(format!("version   {}", status.version));
        lines.join("\n")
    })
}

/// When was looked around the daemon last, and when spare keys were tried.
fn watched(watch: &Watched, now: Time) -> String {
    let Some(at) = watch.at else { return "nothing reported yet".to_owned() };
    let found = match watch.findings.len() {
        0 => "all is right".to_owned(),
        1 => "one finding".to_owned(),
        many => format!("{many} findings"),
    };
    let drill = match &watch.drill {
        Some(drill) if drill.passed.is_empty() && drill.failed.is_empty() => {
            ", no spare key to try".to_owned()
        }
        Some(drill) => {
            let (passed, all) = (drill.passed.len(), drill.passed.len() + drill.failed.len());
            format!(", spare keys tried {}: {passed} of {all} let in", words::since(drill.at, now))
        }
        None => String::new(),
    };
    format!("{}, {found}{drill}", words::since(at, now))
}
