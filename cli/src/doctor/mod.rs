//! `jit doctor`: what must be right around the daemon and is not its own to see, each with what puts it right.

mod ground;
mod lines;
mod module;
mod sudoers;

use crate::CliError;
use crate::hub::SOCKET;
use crate::output::Output;
use api::Client;
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

pub fn doctor(socket: Option<&Path>, spare_key: bool, out: &mut Output) -> Result<(), CliError> {
    if !rustix::process::geteuid().is_root() {
        return Err(CliError::NotDone("only root sees all of it: run it as `sudo jit doctor`".to_owned()));
    }
    let mut looks = module::look();
    looks.extend(lines::look(spare_key)?);
    looks.extend(sudoers::look());
    looks.extend(ground::look());
    looks.extend(daemon(socket.unwrap_or(Path::new(SOCKET))));
    let wrong = looks.iter().filter(|look| look.wrong.is_some()).count();
    out.say(&looks, || told(&looks))?;
    match wrong {
        0 => Ok(()),
        1 => Err(CliError::NotDone("one thing is not as it must be".to_owned())),
        wrong => Err(CliError::NotDone(format!("{wrong} things are not as they must be"))),
    }
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
}
