//! PAM lines, the spare keys that they name, and whether sshd asks PAM at all.

use super::{Look, found};
use crate::CliError;
use crate::pam::{self, Keyed, Shown};
use api::Drill;
use kernel::wall;

/// How far spare keys are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// What files say of them.
    Files,
    /// They go through their doors now.
    Doors,
    /// They do where the last time is long ago.
    WhereDue,
}

/// What the service files say, and the drill of the spare keys that was made now or last. What cannot be looked at is
/// a finding too: the others are worth telling all the same.
pub fn look(how: Try) -> (Vec<Look>, Option<Drill>) {
    let doors = match pam::doors() {
        Ok(doors) => doors,
        Err(why) => {
            let fix = "each file there is a service's, and is to be read by root: see pam.conf(5)";
            return (vec![Look::wrong("PAM lines", why.to_string(), fix)], None);
        }
    };
    let (wrong, rest): (Vec<Shown>, Vec<Shown>) = doors
        .into_iter()
        .partition(|door| door.state == "wrong" || door.state == "unread" && pam::is_made_for(&door.service));
    let gated: Vec<Shown> =
        rest.into_iter().filter(|door| !matches!(door.state, "open" | "unread")).collect();
    let mut lines: Wrong = wrong
        .iter()
        .map(|door| {
            let fix = if door.state == "unread" { "see pam.conf(5)".to_owned() } else { door.mend() };
            (format!("{}: {}", door.service, door.notes.join("; ")), fix)
        })
        .collect();
    if gated.is_empty() && wrong.is_empty() {
        lines.push(("no door is gated".to_owned(), "jit pam enable sshd sudo --spare-user NAME".to_owned()));
    }
    let mut looks = found("PAM lines", lines);
    let (keys, drill) =
        keys(&gated, how).unwrap_or_else(|why| (vec![(why.to_string(), AGAIN.to_owned())], None));
    looks.extend(found("spare keys", keys));
    if gated.iter().any(|door| door.service == "sshd") {
        looks.extend(found("sshd", sshd().into_iter().collect()));
    }
    (looks, drill)
}

/// What is wrong, each with what puts it right.
type Wrong = Vec<(String, String)>;

/// What to do about a spare key that is none.
const AGAIN: &str = "put it right, and see it with `sudo jit doctor --spare-key`";

/// What is wrong with the spare keys of these doors.
fn keys(gated: &[Shown], how: Try) -> Result<(Wrong, Option<Drill>), CliError> {
    let keyed = pam::spare_keys(gated)?;
    let last = match how {
        Try::Files => return Ok((keyed.iter().filter_map(spare_keys).collect(), None)),
        Try::Doors => None,
        Try::WhereDue => pam::last_drill(&keyed, wall())?,
    };
    let drill = match last {
        Some(last) => last,
        None => pam::drill(&keyed, wall())?,
    };
    let failed = drill.failed.iter().map(|failed| format!("a spare key is not let in: {failed}"));
    let failed = failed.map(|wrong| (wrong, AGAIN.to_owned()));
    Ok((keyed.iter().filter_map(spare_keys).chain(failed).collect(), Some(drill)))
}

fn spare_keys(Keyed { door, keys }: &Keyed<'_>) -> Option<(String, String)> {
    let Shown { service, spare_users, spare_groups, .. } = door;
    if spare_users.is_empty() && spare_groups.is_empty() {
        let wrong = format!("{service} names no spare key: a daemon that is dead locks everybody out");
        return Some((wrong, format!("jit pam enable {service} --spare-user NAME")));
    }
    let why = keys.as_ref().err()?;
    Some((format!("{service}: {why}"), "put it right, and try it: ssh NAME@host".to_owned()))
}

fn sshd() -> Option<(String, String)> {
    pam::sshd_goes_around().unwrap_or_else(|why| Some((why, "sshd -t".to_owned())))
}
