//! What systemd runs in a person's name: their user manager with everything that it started for them
//! (`systemd-run --user`, timers, services), and their logins as logind has them.
//!
//! A program under the manager has an audit session of its own and outlives the login that had it started. Its
//! control group tells whose it is, and a person cannot move anything out of there by themself.

use crate::peer::{class_of, systemd_path};
use crate::process::{self, Process};
use std::collections::{HashMap, HashSet};

/// What runs for one user id.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Processes in `user@UID.service`.
    pub manager: Vec<Process>,
    /// Processes in scopes of logins.
    pub logins: Vec<Process>,
}

/// Where a process runs.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Manager(u32),
    Login(u32),
}

/// What runs for these user ids.
pub fn look(uids: &HashSet<u32>) -> HashMap<u32, Units> {
    let mut found: HashMap<u32, Units> = HashMap::new();
    for pid in process::ids() {
        let Ok(cgroup) = process::read(pid, "cgroup") else { continue };
        let Some(place) = place(&cgroup, class_of) else { continue };
        let (Place::Manager(uid) | Place::Login(uid)) = place;
        if !uids.contains(&uid) {
            continue;
        }
        let Some(process) = Process::now(pid) else { continue };
        let units = found.entry(uid).or_default();
        match place {
            Place::Manager(_) => units.manager.push(process),
            Place::Login(_) => units.logins.push(process),
        }
    }
    found
}

/// `/user.slice/user-1000.slice/user@1000.service/…`. What is below the unit is the unit's own affair.
fn place(cgroup: &str, class: impl Fn(&str) -> Option<String>) -> Option<Place> {
    let mut parts = systemd_path(cgroup).split('/').filter(|part| !part.is_empty());
    if parts.next()? != "user.slice" {
        return None;
    }
    let uid = parts.next()?.strip_prefix("user-")?.strip_suffix(".slice")?.parse().ok()?;
    let unit = parts.next()?;
    if unit == format!("user@{uid}.service") {
        Some(Place::Manager(uid))
    } else {
        let session = unit.strip_prefix("session-")?.strip_suffix(".scope")?;
        // Some systems give cron's jobs a session too, which nobody is in.
        class(session).is_none_or(|class| class.starts_with("user")).then_some(Place::Login(uid))
    }
}

/// What began under a manager since `since`, in clock ticks after boot, and what was there before. Each process counts by
/// itself, for its person writes in which unit it is.
pub fn apart(manager: Vec<Process>, since: u64) -> (Vec<Process>, Vec<Process>) {
    manager.into_iter().partition(|process| process.start >= since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::NO_SESSION;

    #[test]
    fn a_job_of_cron_is_no_login() {
        let path = "0::/user.slice/user-1000.slice/session-c3.scope\n";
        assert_eq!(place(path, |_| Some("background".to_owned())), None);
        assert_eq!(place(path, |_| None), Some(Place::Login(1000)));
    }

    #[test]
    fn a_unit_tells_whose_and_what_and_names_further_down_tell_nothing() {
        let user = |_: &str| Some("user".to_owned());
        for (path, is) in [
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/run-u1.service",
                Some(Place::Manager(1000)),
            ),
            ("/user.slice/user-1000.slice/user@1000.service", Some(Place::Manager(1000))),
            ("/user.slice/user-1000.slice/session-c3.scope", Some(Place::Login(1000))),
            ("/user.slice/user-1000.slice/user@1001.service/x", None),
            ("/user.slice/user-1000.slice", None),
            ("/system.slice/cron.service", None),
            ("/system.slice/docker-1.scope/user.slice/user-1000.slice/user@1000.service", None),
            ("/", None),
        ] {
            assert_eq!(place(&format!("0::{path}\n"), user), is, "{path}");
        }
        let hybrid = "1:name=systemd:/user.slice/user-7.slice/user@7.service/init.scope\n0::/\n";
        assert_eq!(place(hybrid, user), Some(Place::Manager(7)));
    }

    #[test]
    fn what_a_lingering_manager_ran_before_a_session_stays_and_what_began_since_does_not() {
        let process = |pid: i32, start| Process {
            pid,
            start,
            parent: 1,
            audit: NO_SESSION,
            tty: 0,
            program: "x".to_owned(),
        };
        let pids = |processes: &[Process]| processes.iter().map(|process| process.pid).collect::<Vec<_>>();
        let manager = vec![process(1, 100), process(2, 110), process(3, 800), process(4, 900)];
        let (since, before) = apart(manager.clone(), 800);
        assert_eq!((pids(&since), pids(&before)), (vec![3, 4], vec![1, 2]));
        // A manager that a login had start is all of it theirs.
        let (since, before) = apart(manager, 100);
        assert_eq!((pids(&since), before), (vec![1, 2, 3, 4], vec![]));
    }
}
