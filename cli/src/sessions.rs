//! `jit sessions`, `jit end`, and the session that one is in.

use crate::output::Output;
use crate::{CliError, table, words};
use access::{SessionId, Time};
use api::{AskSessions, Client, EndSession, SessionState, SessionView};
use comfy_table::Cell;
use kernel::wall;

pub fn list(client: &Client, of: &AskSessions, out: &mut Output) -> Result<(), CliError> {
    let sessions = client.sessions(of)?;
    let colour = out.colour();
    out.say(&sessions, || {
        if sessions.is_empty() {
            return "No session is open.".to_owned();
        }
        let of_a_hub = sessions.iter().any(|view| view.host.is_some());
        let heads = ["SESSION", "STATE", "WHO", "DOOR", "FROM", "SINCE", "ENDS", "GRANT", "IN", "HOST"];
        let mut table =
            table::table(if of_a_hub { &heads } else { heads.split_last().map_or(&[][..], |of| of.1) });
        for view in &sessions {
            let session = &view.session;
            let id = |id: Option<&dyn std::fmt::Display>| id.map_or("-".to_owned(), ToString::to_string);
            let mut row = vec![
                Cell::new(session.id),
                table::state(view.state.code(), view.state.code(), colour),
                Cell::new(&session.subject),
                Cell::new(door(view)),
                Cell::new(from(view)),
                Cell::new(words::since(session.opened, wall())),
                Cell::new(ends(view, wall())),
                Cell::new(id(session.grant.as_ref().map(|id| id as _))),
                Cell::new(id(session.inside.as_ref().map(|id| id as _))),
            ];
            row.extend(view.host.as_ref().map(Cell::new));
            table.add_row(row);
        }
        table.to_string()
    })?;
    Output::note_cut(sessions.len(), "--host or --user");
    Ok(())
}

pub fn end(client: &Client, id: &str, end: &EndSession, out: &mut Output) -> Result<(), CliError> {
    SessionId::range(id).map_err(|why| CliError::Usage(why.to_string()))?;
    let view = client.end_session(id, end)?;
    let is_you = || client.status().is_ok_and(|status| status.you.as_str() == view.session.subject.as_str());
    let own = view.session.grant.is_some() && is_you();
    out.say(&view, || ended(&view, own))
}

fn ended(view: &SessionView, own: bool) -> String {
    let session = &view.session;
    let away = view.host.as_ref().filter(|_| view.state != SessionState::Ending);
    let ends = match away {
        Some(host) => format!("Session {} ends as soon as {host} reconnects.", session.id),
        None => format!("Session {} of {} ends now.", session.id, session.subject),
    };
    match (session.grant, own) {
        (Some(grant), true) => format!("{ends} The grant stays: to give that back too  jit release {grant}"),
        (Some(grant), false) => {
            format!("{ends} The grant stays: to take that back too  jit revoke {grant} --reason TEXT")
        }
        (None, _) => ends,
    }
}

/// `ssh`, `sudo as root`.
fn door(view: &SessionView) -> String {
    let session = &view.session;
    if session.subject == session.target {
        session.service.to_string()
    } else {
        format!("{} as {}", session.service, session.target)
    }
}

/// The client, else the terminal.
fn from(view: &SessionView) -> String {
    let session = &view.session;
    let place = [&session.rhost, &session.tty].into_iter().find(|place| !place.is_empty());
    place.cloned().unwrap_or_else(|| "-".to_owned())
}

fn ends(view: &SessionView, now: Time) -> String {
    match (view.state, view.ends) {
        (SessionState::Ending, _) => "now".to_owned(),
        (_, Some(ends)) => format!("in {}", words::countdown(ends - now)),
        (_, None) => "-".to_owned(),
    }
}

/// The session that one is in, for `jit status`.
pub fn here(view: &SessionView, now: Time) -> String {
    let session = &view.session;
    let by = session
        .grant
        .map_or_else(|| format!("let in as {}", session.reason), |grant| format!("by grant {grant}"));
    let ends = match (view.state, view.ends) {
        (SessionState::Ending, _) => ", ends now".to_owned(),
        (_, Some(ends)) => format!(", until {}", words::when(ends, now)),
        (_, None) => String::new(),
    };
    format!("{} ({}) {by}{ends}", session.id, door(view))
}

/// What is left of it, as short as can be, for a shell's prompt: `12m left`. Nothing where it does not end.
pub fn left(view: &SessionView, now: Time) -> String {
    match (view.state, view.ends) {
        (SessionState::Ending, _) => "ends now".to_owned(),
        (_, Some(ends)) => {
            let seconds = (ends - now).num_seconds().max(0);
            let (count, unit) = match seconds {
                0..120 => (seconds, "s"),
                120..7_200 => (seconds / 60, "m"),
                7_200..172_800 => (seconds / 3_600, "h"),
                _ => (seconds / 86_400, "d"),
            };
            format!("{count}{unit} left")
        }
        (_, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, session};

    #[test]
    fn what_is_left_is_short_and_in_the_unit_that_counts() {
        let mut view = session();
        let left = |view: &SessionView, seconds: i64| left(view, at(3_600 - seconds));
        for (seconds, words) in
            [(3_600, "60m left"), (121, "2m left"), (119, "119s left"), (1, "1s left"), (-5, "0s left")]
        {
            assert_eq!(left(&view, seconds), words);
        }
        view.state = SessionState::Ending;
        assert_eq!(left(&view, 9), "ends now");
        view.state = SessionState::Open;
        view.ends = None;
        assert_eq!(left(&view, 9), "");
    }

    #[test]
    fn who_ended_a_session_is_told_how_to_end_its_grant_where_it_has_one() {
        let mut view = session();
        view.state = SessionState::Ending;
        assert_eq!(
            ended(&view, false),
            "Session S-7K2Q9-M4XTB of alice ends now. The grant stays: to take that back too  jit revoke G-7K2Q9-M4XTB --reason TEXT"
        );
        assert!(ended(&view, true).ends_with(": to give that back too  jit release G-7K2Q9-M4XTB"));
        view.session.grant = None;
        assert_eq!(ended(&view, true), "Session S-7K2Q9-M4XTB of alice ends now.");
        (view.state, view.host) = (SessionState::Open, access::HostName::parse("web-1").ok());
        assert_eq!(ended(&view, false), "Session S-7K2Q9-M4XTB ends as soon as web-1 reconnects.");
    }

    #[test]
    fn a_session_says_what_carries_it_and_until_when() {
        let mut view = session();
        assert_eq!(
            here(&view, at(600)),
            "S-7K2Q9-M4XTB (sudo as root) by grant G-7K2Q9-M4XTB, until 2026-11-24T15:00:00Z (in 50 minutes)"
        );
        assert_eq!(
            (door(&view), from(&view), ends(&view, at(600))),
            ("sudo as root".into(), "/dev/pts/3".into(), "in 50m00s".into())
        );
        view.session.grant = None;
        view.session.reason = access::Reason::Approver;
        view.session.target = view.session.subject.clone();
        view.ends = None;
        assert_eq!(here(&view, at(600)), "S-7K2Q9-M4XTB (sudo) let in as approver");
        assert_eq!((door(&view), ends(&view, at(600))), ("sudo".into(), "-".into()));
    }
}
