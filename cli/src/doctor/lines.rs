//! PAM lines, the spare keys that they name, and whether sshd asks PAM at all.

use super::{Look, found};
use crate::CliError;
use crate::pam::{self, Shown};

/// What the service files say; with `drive` each spare key also goes through the account part of its door.
pub fn look(drive: bool) -> Result<Vec<Look>, CliError> {
    let doors = pam::doors()?;
    let (wrong, rest): (Vec<Shown>, Vec<Shown>) = doors.into_iter().partition(|door| door.state == "wrong");
    let gated: Vec<Shown> = rest.into_iter().filter(|door| door.state != "open").collect();
    let mut lines: Vec<(String, String)> = wrong
        .iter()
        .map(|Shown { service, notes, .. }| {
            let fix = format!("jit pam disable {service} --force, then jit pam enable {service}");
            (format!("{service}: {}", notes.join("; ")), fix)
        })
        .collect();
    if gated.is_empty() && wrong.is_empty() {
        lines.push(("no door is gated".to_owned(), "jit pam enable sshd sudo --spare-user NAME".to_owned()));
    }
    let mut looks = found("PAM lines", lines);
    looks.extend(found("spare keys", spare_keys(&gated, drive)));
    if gated.iter().any(|door| door.service == "sshd") {
        looks.extend(found("sshd", sshd().into_iter().collect()));
    }
    Ok(looks)
}

fn spare_keys(gated: &[Shown], drive: bool) -> Vec<(String, String)> {
    let wrong = |door: &Shown| {
        let Shown { service, spare_users, spare_groups, .. } = door;
        if spare_users.is_empty() && spare_groups.is_empty() {
            let wrong = format!("{service} names no spare key: a daemon that is dead locks everybody out");
            return Some((wrong, format!("jit pam enable {service} --spare-user NAME")));
        }
        let why = pam::spare_keys_work(door, drive).err()?;
        Some((format!("{service}: {why}"), "put it right, and try it: ssh NAME@host".to_owned()))
    };
    gated.iter().filter_map(wrong).collect()
}

fn sshd() -> Option<(String, String)> {
    match pam::sshd_asks() {
        Ok(true) => None,
        Ok(false) => Some((
            "sshd does not ask PAM, so it needs no grant".to_owned(),
            "write \"UsePAM yes\" into sshd_config, and reload sshd".to_owned(),
        )),
        Err(why) => Some((why, "sshd -t".to_owned())),
    }
}
