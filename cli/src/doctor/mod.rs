//! `jit doctor`: what must be right around the daemon and is not its own to see, each with what puts it right.

mod changes;
mod ground;
mod lines;
mod module;
mod sudo;
mod sudoers;

use crate::hub::SOCKET;
use crate::output::Output;
use crate::{CliError, limits, output};
use api::{Client, DoctorReport, Drill, Finding};
use lines::Try;
use serde::Serialize;
use std::path::Path;

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    /// What was looked at, in a word or two.
    what: &'static str,
    /// Nothing where it is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong: Option<String>,
    /// What puts it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Look {
    fn right(what: &'static str) -> Self {
        Self { what, wrong: None, fix: None }
    }

    fn wrong(what: &'static str, wrong: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what, wrong: Some(wrong.into()), fix: Some(fix.into()) }
    }
}

/// What was found of one thing: each that is wrong, or that it is right.
fn found(what: &'static str, wrong: Vec<(String, String)>) -> Vec<Look> {
    if wrong.is_empty() {
        return vec![Look::right(what)];
    }
    wrong.into_iter().map(|(wrong, fix)| Look::wrong(what, wrong, fix)).collect()
}

/// What to look at, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// For a person: everything; and the spare keys at their doors.
    Person { spare_key: bool },
    /// For the daemon, which knows itself what is wrong with it.
    Daemon,
}

pub fn doctor(socket: Option<&Path>, asked: Asked, out: &mut Output) -> Result<(), CliError> {
    if !rustix::process::geteuid().is_root() {
        return Err(CliError::NotDone("only root sees all of it: run it as `sudo jit doctor`".to_owned()));
    }
    let socket = socket.unwrap_or(Path::new(SOCKET));
    let how = match asked {
        Asked::Daemon => return reports(socket, out),
        Asked::Person { spare_key: false } => Try::Files,
        Asked::Person { spare_key: true } => Try::Doors,
    };
    let (mut looks, drill) = all(how);
    looks.extend(daemon(socket));
    let wrong = looks.iter().filter(|look| look.wrong.is_some()).count();
    out.say(&looks, || {
        let drill = drill.iter().filter(|drill| !drill.passed.is_empty());
        let drill = drill.map(|drill| format!("\nlet in: {}", drill.passed.join(", ")));
        told(&looks) + &drill.collect::<String>()
    })?;
    match wrong {
        0 => Ok(()),
        1 => Err(CliError::NotDone("1 problem found".to_owned())),
        wrong => Err(CliError::NotDone(format!("{wrong} things are not as they must be"))),
    }
}

/// All but the daemon.
fn all(how: Try) -> (Vec<Look>, Option<Drill>) {
    let mut looks = module::look();
    let (lines, drill) = lines::look(how);
    looks.extend(lines);
    looks.extend(sudo::look());
    looks.extend(sudoers::look());
    looks.extend(ground::look());
    (looks, drill)
}

/// Tells the daemon, and once more where something changed while it was looked at.
fn reports(socket: &Path, out: &mut Output) -> Result<(), CliError> {
    for _ in 0..limits::LOOKS {
        let before = changes::stamps();
        let (looks, drill) = all(Try::WhereDue);
        let report = report(looks, drill);
        Client::on_socket(socket)?.examined(&report)?;
        out.say(&report, || match report.findings.len() {
            0 => "Reported: all is right.".to_owned(),
            1 => "Reported: one finding.".to_owned(),
            many => format!("Reported: {many} findings."),
        })?;
        if changes::stamps() == before {
            break;
        }
    }
    Ok(())
}

/// What is wrong, as the daemon takes it.
fn report(looks: Vec<Look>, drill: Option<Drill>) -> DoctorReport {
    let cut = |text: String| {
        let text = output::clean(&text);
        text.get(..text.floor_char_boundary(api::limits::FINDING)).unwrap_or_default().to_owned()
    };
    let finding = |look: Look| {
        let (what, fix) = (look.what.to_owned(), cut(look.fix.unwrap_or_default()));
        Some(Finding { what, wrong: cut(look.wrong?), fix })
    };
    let findings = looks.into_iter().filter_map(finding).take(api::limits::FINDINGS).collect();
    DoctorReport { findings, drill }
}

/// Findings first, each with what to do, then what is right.
fn told(looks: &[Look]) -> String {
    let wrong = looks.iter().filter_map(|Look { what, wrong, fix }| {
        Some(format!("! {what}: {}\n  {}", wrong.as_deref()?, fix.as_deref().unwrap_or_default()))
    });
    let right: Vec<&str> = looks.iter().filter(|look| look.wrong.is_none()).map(|look| look.what).collect();
    let mut lines: Vec<String> = wrong.collect();
    lines.push(format!("right: {}", right.join(", ")));
    lines.join("\n")
}

/// Whether the daemon answers, and what it says itself is wrong.
fn daemon(socket: &Path) -> Vec<Look> {
    let status = match Client::on_socket(socket).and_then(|client| client.status()) {
        Ok(status) => status,
        Err(why) => {
            return vec![Look::wrong("daemon", why.to_string(), "systemctl status jitd; journalctl -u jitd")];
        }
    };
    // What it warns of says itself what to do.
    let mut wrong: Vec<(String, String)> =
        status.warnings.into_iter().map(|warning| (warning, "see also jit status".to_owned())).collect();
    if !status.clock_confirmed {
        wrong.push((
            format!("the clock is not confirmed since the machine started: {}", status.clock),
            "start a time service, or say that it is right: jitd clock accept".to_owned(),
        ));
    }
    if !status.somebody_decides {
        wrong.push((
            "nobody could decide a request now".to_owned(),
            "name approvers in the policy; on a host of a hub see whether the hub is heard".to_owned(),
        ));
    }
    found("daemon", wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_come_first_with_what_to_do() {
        let looks =
            [Look::right("module"), Look::wrong("disk", "it is full", "make room"), Look::right("sudoers")];
        assert_eq!(told(&looks), "! disk: it is full\n  make room\nright: module, sudoers");
    }

    #[test]
    fn a_report_has_what_is_wrong_alone_and_fits_into_a_call() {
        let long = "x\u{1b}[2J\u{20ac}".repeat(1000);
        let mut looks = vec![Look::right("module")];
        looks.extend((0..100).map(|_| Look::wrong("disk", long.clone(), long.clone())));
        let report = report(looks, None);
        assert_eq!(report.findings.len(), api::limits::FINDINGS);
        assert!(
            report.findings.iter().all(|finding| finding.what == "disk" && !finding.wrong.contains('\u{1b}'))
        );
        assert!(serde_json::to_string(&report).unwrap().len() < api::limits::BODY);
    }
}
