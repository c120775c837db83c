//! `jit pam confirm`: only from inside of a session that the gate let in after its lines were written, which shows
//! that somebody does come in.

use super::files;
use super::name::Door;
use super::undo::{self, Pending};
use crate::output::Output;
use crate::{CliError, limits};
use access::Reason;
use api::{Client, Session, SessionView};
use pamfile::disabled;
use std::io::Read as _;

pub fn confirm(client: &Client, doors: Vec<Door>, out: &mut Output) -> Result<(), CliError> {
    let _turn = files::turn()?;
    let doors = if doors.is_empty() { waiting()? } else { with_those_along(doors) };
    let sessions: Vec<Session> = client
        .sessions(&api::AskSessions::default())?
        .into_iter()
        .map(|view: SessionView| view.session)
        .collect();
    let around = around(&sessions, &ancestors());
    let (mut confirmed, mut not) = (Vec::new(), Vec::new());
    for door in &doors {
        match one(door, &around) {
            Ok(()) => confirmed.push(door.to_string()),
            Err(why) => not.push(why.to_string()),
        }
    }
    if !confirmed.is_empty() {
        out.say(&serde_json::json!({ "confirmed": confirmed }), || {
            format!("Confirmed: {} stays gated. `jit pam disable` takes it back.", confirmed.join(", "))
        })?;
    }
    if not.is_empty() { Ok(()) } else { Err(CliError::NotDone(not.join("\n"))) }
}

fn one(door: &Door, around: &[&Session]) -> Result<(), CliError> {
    let Some(pending) = undo::pending(door) else {
        return Err(CliError::NotDone(format!(
            "nothing of {door} waits to be confirmed: it was confirmed, or undone, which `jit pam status` shows"
        )));
    };
    counts(door, &pending, around)?;
    undo::cancel(door)?;
    // It may have been undone at this very moment.
    if disabled(&files::read(&files::path(door))?, false).taken == 0 {
        return Err(CliError::NotDone(format!(
            "{door} was undone just before: run `jit pam enable {door}` again"
        )));
    }
    Ok(())
}

/// These services, and what waits with them.
fn with_those_along(mut doors: Vec<Door>) -> Vec<Door> {
    let along: Vec<Door> = doors.iter().filter_map(Door::along).collect();
    let wait = along.into_iter().filter(|door| undo::pending(door).is_some());
    let more: Vec<Door> = wait.filter(|door| !doors.contains(door)).collect();
    doors.extend(more);
    doors
}

/// Every service that waits.
fn waiting() -> Result<Vec<Door>, CliError> {
    let waiting: Vec<Door> = files::folder()?
        .0
        .keys()
        .filter_map(|name| name.parse().ok())
        .filter(|door| undo::pending(door).is_some())
        .collect();
    if waiting.is_empty() {
        return Err(CliError::NotDone("nothing waits to be confirmed".to_owned()));
    }
    Ok(waiting)
}

/// Whether one of the sessions around this process shows that the door opens.
fn counts(door: &Door, pending: &Pending, around: &[&Session]) -> Result<(), CliError> {
    let no = |why: String| Err(CliError::NotDone(why));
    let class = door.class();
    let here = around.iter().find(|session| Some(&session.service) == class.as_ref());
    let undo = undo::at(pending.undo);
    let Some(session) = here else {
        return no(format!(
            "this shell is in no session that the gate let in by {door}, so it shows nothing: come in anew from another \
             terminal, and run this there. Otherwise it is undone at {undo}"
        ));
    };
    if session.opened <= pending.enabled {
        return no(format!(
            "session {} is older than the lines of {door}: come in anew from another terminal, and run this there. \
             Otherwise it is undone at {undo}",
            session.id
        ));
    }
    let let_in = matches!(session.reason, Reason::Granted | Reason::BreakGlass | Reason::Approver);
    if !let_in && !session.monitored {
        return no(format!(
            "session {} was let in as {}, which shows nothing about grants: come in with a grant, or as an approver. \
             Otherwise it is undone at {undo}",
            session.id, session.reason
        ));
    }
    Ok(())
}

/// A process by its id and its start, in clock ticks after boot.
type Process = (u32, u64);

/// Sessions that were opened by a process above this one, in this start of the machine: what one has in the
/// environment anybody can write.
fn around<'a>(sessions: &'a [Session], above: &[Process]) -> Vec<&'a Session> {
    sessions.iter().filter(|session| above.contains(&(session.pid, session.start_ticks))).collect()
}

/// This process and those above it.
fn ancestors() -> Vec<Process> {
    let mut found = Vec::new();
    let mut at = std::process::id();
    while at > 1 && found.len() < limits::ANCESTORS {
        let Some((parent, start)) = stat(at) else { break };
        found.push((at, start));
        at = parent;
    }
    found
}

/// Parent and start of a process (proc_pid_stat(5)).
fn stat(pid: u32) -> Option<(u32, u64)> {
    let mut stat = String::new();
    std::fs::File::open(format!("/proc/{pid}/stat"))
        .ok()?
        .take(limits::STAT)
        .read_to_string(&mut stat)
        .ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    Some((parent, fields.nth(17)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, session};

    #[test]
    fn only_a_session_of_that_door_by_a_grant_and_after_the_change_counts() {
        let pending = Pending { enabled: at(0), undo: at(600) };
        let door = |name: &str| name.parse::<Door>().unwrap();
        let session = Session { opened: at(60), ..session().session };
        let told = |door: &Door, session: Option<&Session>| {
            let around: Vec<&Session> = session.into_iter().collect();
            counts(door, &pending, &around).map_err(|why| why.to_string())
        };
        assert_eq!(session.service.as_str(), "sudo");
        assert_eq!(told(&door("sudo"), Some(&session)), Ok(()));
        assert_eq!(told(&door("sudo-i"), Some(&session)), Ok(()));
        for (door, session, why) in [
            (door("sshd"), Some(session.clone()), "in no session that the gate let in by sshd"),
            (door("sudo"), None, "in no session"),
            (
                door("sudo"),
                Some(Session { opened: at(0), ..session.clone() }),
                "is older than the lines of sudo",
            ),
            (
                door("sudo"),
                Some(Session { reason: Reason::SpareKey, ..session.clone() }),
                "let in as spare_key",
            ),
            (door("sudo"), Some(Session { reason: Reason::Exempt, ..session.clone() }), "let in as exempt"),
        ] {
            let said = told(&door, session.as_ref()).unwrap_err();
            assert!(said.contains(why) && said.contains("undone at 2026-11-24T14:10:00Z"), "{said}");
        }
        let monitored = Session { reason: Reason::Monitor, monitored: true, ..session };
        assert_eq!(told(&door("sudo"), Some(&monitored)), Ok(()));
    }

    #[test]
    fn a_session_is_around_where_its_very_process_is_above() {
        let session = session().session;
        let above = [(1_000, 5), (session.pid, session.start_ticks)];
        assert_eq!(around(std::slice::from_ref(&session), &above).len(), 1);
        assert!(around(std::slice::from_ref(&session), &[(session.pid, session.start_ticks + 1)]).is_empty());
        let own = ancestors();
        assert_eq!(own.first().map(|(pid, _)| *pid), Some(std::process::id()));
        assert!(own.iter().any(|(pid, _)| *pid == std::os::unix::process::parent_id()), "{own:?}");
    }
}
