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
    let half = half_gated(&doors);
    let recommended = recommended(&doors);
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
        lines.push(("no door is gated".to_owned(), recommended));
    }
    lines.extend(half);
    let mut looks = found("PAM lines", lines);
    let (keys, drill) =
        keys(&gated, how).unwrap_or_else(|why| (vec![(why.to_string(), AGAIN.to_owned())], None));
    looks.extend(found("spare keys", keys));
    if gated.iter().any(|door| door.service == "sshd") {
        looks.extend(found("sshd", sshd().into_iter().collect()));
    }
    (looks, drill)
}

/// What gates all that the gate is made for, as far as it is there.
fn recommended(doors: &[Shown]) -> String {
    let is_there = |name: &str| doors.iter().any(|door| door.service == name);
    let names: Vec<&str> =
        ["sshd", "sudo", "sudo-i", "su"].into_iter().filter(|name| is_there(name)).collect();
    format!("jit pam enable {} --spare-user NAME", names.join(" "))
}

/// Programs of which one door is gated and the other is not.
fn half_gated(doors: &[Shown]) -> Wrong {
    pam::half_gated(doors)
        .into_iter()
        .map(|(gated, open)| {
            let wrong = format!(
                "{} is gated and {} is not, so whoever uses that needs no grant",
                gated.service, open.service
            );
            (wrong, gated.enable(&open.service))
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use pamfile::{Folder, Wanted, enabled};

    fn doors(names: &[&str], gated: &[&str]) -> Vec<Shown> {
        let text = "account required pam_unix.so\nsession required pam_unix.so\n";
        let mut folder = Folder(names.iter().map(|&name| (name.to_owned(), text.to_owned())).collect());
        let wanted = Wanted { arguments: "spare_user=rescue".to_owned(), ..Wanted::default() };
        for service in gated {
            folder = folder.with(service, &enabled(&folder, service, &wanted).unwrap());
        }
        pam::doors_of(folder)
    }

    #[test]
    fn every_door_that_is_there_is_recommended() {
        let all = doors(&["sshd", "su", "sudo", "sudo-i", "su-l", "login"], &[]);
        assert_eq!(recommended(&all), "jit pam enable sshd sudo sudo-i su --spare-user NAME");
        assert_eq!(recommended(&doors(&["sshd", "su"], &[])), "jit pam enable sshd su --spare-user NAME");
    }

    #[test]
    fn a_sudo_that_is_gated_by_half_is_a_finding_with_what_gates_the_rest() {
        let half = half_gated(&doors(&["sudo", "sudo-i"], &["sudo"]));
        let (wrong, fix) = &half[0];
        assert!(wrong.starts_with("sudo is gated and sudo-i is not"), "{wrong}");
        assert_eq!((half.len(), fix.as_str()), (1, "jit pam enable sudo-i --spare-user rescue"));
        assert!(half_gated(&doors(&["sudo", "sudo-i"], &["sudo", "sudo-i"])).is_empty());
        assert!(half_gated(&doors(&["sudo"], &["sudo"])).is_empty());
    }
}
