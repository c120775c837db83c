//! Who is on the other end of a Unix socket, from what the kernel says alone.

use crate::{limits, process};
use nix::sys::socket::{getsockopt, sockopt};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};

/// The process on the other end, as it was when it connected.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its user id then.
    pub uid: u32,
    /// Its audit session then, if it has one: the login it belongs to.
    pub audit_session: Option<u32>,
    /// Whether a review through this connection comes from the person, or why not.
    pub is_the_person: Result<(), NotThem>,
}

/// Why a process is not taken for the person whose user id it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotThem {
    /// Root can be anybody.
    #[error("root can be anybody: whoever this is about runs it from their own login")]
    Root,
    /// The process is gone or hides.
    #[error("the calling process cannot be looked at ({0}): run the command again")]
    Hidden(String),
    /// It came from another login: sudo, su.
    #[error(
        "this process belongs to the login of user id {login}, not of {uid}: log in as yourself; \
         sudo and su do not count"
    )]
    OtherLogin {
        /// The login's user id.
        login: u32,
        /// The process's.
        uid: u32,
    },
    /// It came from no login at all.
    #[error(
        "this process belongs to no login (the kernel's audit login id is not set): log in over ssh or on a console"
    )]
    NoLogin,
    /// A service manager or a job scheduler started it, not the person.
    #[error(
        "this process runs under {0}, where others can start it too: run the command in your login shell"
    )]
    Scheduled(String),
}

/// The user id and process on the other end of `socket`.
pub fn credentials(socket: &impl AsFd) -> nix::Result<(u32, i32)> {
    let peer = getsockopt(socket, sockopt::PeerCredentials)?;
    Ok((peer.uid(), peer.pid()))
}

/// The process on the other end of `socket`, looked at as it is now.
pub fn look(socket: &impl AsFd) -> nix::Result<Peer> {
    let (uid, pid) = credentials(socket)?;
    Ok(Peer {
        uid,
        audit_session: process::audit_session(pid),
        is_the_person: is_the_person(socket, uid, pid),
    })
}

fn is_the_person(socket: &impl AsFd, uid: u32, pid: i32) -> Result<(), NotThem> {
    if uid == 0 {
        return Err(NotThem::Root);
    }
    let hidden = |why: &dyn std::fmt::Display| NotThem::Hidden(why.to_string());
    let held = hold(socket, pid).map_err(|why| hidden(&why))?;
    let read = |name: &str| process::read(pid, name).map_err(|why| hidden(&why));
    // Where the kernel keeps no handle on the process that connected, another may have its id by now; one of
    // the same user is all that it can be.
    let is_theirs = || match process::effective_uid(&read("status")?) {
        Some(now) if now == uid => Ok(()),
        _ => Err(hidden(&"it is another user's by now")),
    };
    is_theirs()?;
    let login: u32 = read("loginuid")?.trim().parse().map_err(|why| hidden(&why))?;
    let cgroup = read("cgroup")?;
    is_theirs()?;
    // What was read belongs to the process that connected only if that is still alive now.
    if !process::is_alive(&held) {
        return Err(hidden(&"it is gone"));
    }
    let start = if std::path::Path::new(SYSTEMD).exists() { Start::Systemd(class_of) } else { Start::Other };
    judge(uid, login, &cgroup, start)
}

/// There where systemd runs the machine (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";

/// What started the machine, and so what a cgroup's name tells.
#[derive(Clone, Copy)]
enum Start {
    /// systemd: each login and each service has a unit of its own. With it, how logind classes a session.
    Systemd(fn(&str) -> Option<String>),
    /// Something else, or nothing: in a container every cgroup may be `/`.
    Other,
}

/// The rule itself: the audit login id is set and the person's own, and nothing that starts processes on
/// somebody's behalf is above.
///
/// The audit login id alone does not tell: a process that has none may give itself its own user's, without any
/// right. What a mail service runs for a `.forward` is one. So where units tell logins from services, the
/// process must be in a login's.
fn judge(uid: u32, login: u32, cgroup: &str, start: Start) -> Result<(), NotThem> {
    if login == u32::MAX {
        return Err(NotThem::NoLogin);
    }
    if login != uid {
        return Err(NotThem::OtherLogin { login, uid });
    }
    let part =
        cgroup.lines().flat_map(|line| line.rsplit(':').next().unwrap_or("").split('/')).find(|part| {
            part.starts_with("user@")
                || matches!(*part, "cron.service" | "crond.service" | "atd.service" | "anacron.service")
        });
    if let Some(part) = part {
        return Err(NotThem::Scheduled(part.to_owned()));
    }
    let Start::Systemd(class_of) = start else { return Ok(()) };
    let path = systemd_path(cgroup);
    // What is below the first unit is the unit's own affair: a container's may have any name.
    let is_unit = |part: &&str| matches!(part.rsplit_once('.'), Some((_, "service" | "scope")));
    let unit = path.split('/').find(is_unit);
    let unit = unit.ok_or_else(|| NotThem::Scheduled(format!("cgroup {path}")))?;
    let from_a_login = match unit.strip_prefix("session-").and_then(|rest| rest.strip_suffix(".scope")) {
        // Some systems give cron's jobs a session too; logind calls it one in the background.
        Some(session) => class_of(session).is_none_or(|class| class.starts_with("user")),
        None => takes_logins(unit),
    };
    if from_a_login { Ok(()) } else { Err(NotThem::Scheduled(unit.to_owned())) }
}

/// The cgroup by which systemd knows the process: in the hierarchy of its own where there are several
/// (cgroups(7)).
pub fn systemd_path(cgroup: &str) -> &str {
    let of = |hierarchy: &str| {
        cgroup.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(hierarchy)?.strip_prefix(':'))
    };
    of("name=systemd").or_else(|| of("")).unwrap_or("")
}

/// Services whose processes are logins: where no logind moves them into a session of their own, they stay.
fn takes_logins(unit: &str) -> bool {
    const INSTANCES: [&str; 5] = ["ssh@", "sshd@", "getty@", "serial-getty@", "container-getty@"];
    matches!(unit, "ssh.service" | "sshd.service" | "console-getty.service")
        || INSTANCES.iter().any(|service| unit.starts_with(service)) && unit.ends_with(".service")
}

/// How logind classes a session, where it says so: `user` has somebody at the other end, `background` has not
/// (pam_systemd(8)).
pub fn class_of(session: &str) -> Option<String> {
    let mut text = String::new();
    let file = std::fs::File::open(format!("/run/systemd/sessions/{session}")).ok()?;
    file.take(limits::PROC).read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("CLASS=")).map(str::to_owned)
}

/// A handle on the very process that connected, where the kernel keeps one (Linux 6.5); else on the
/// process that has its id now.
fn hold(socket: &impl AsFd, pid: i32) -> std::io::Result<OwnedFd> {
    match getsockopt(socket, sockopt::PeerPidfd) {
        Ok(process) => Ok(process),
        Err(nix::errno::Errno::ENOPROTOOPT) => {
            let pid = Pid::from_raw(pid).ok_or_else(|| std::io::Error::other("it has no process id here"))?;
            Ok(pidfd_open(pid, PidfdFlags::empty())?)
        }
        Err(why) => Err(why.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: &str = "1:name=systemd:/user.slice/user-1000.slice/session-3.scope\n0::/user.slice/user-1000.slice/session-3.scope\n";

    const SYSTEMD: Start = Start::Systemd(|_| Some("user".to_owned()));

    #[test]
    fn a_login_shell_of_the_person_counts() {
        for start in [SYSTEMD, Start::Systemd(|_| None), Start::Other] {
            assert_eq!(judge(1000, 1000, SHELL, start), Ok(()));
        }
        assert_eq!(judge(1000, 1000, "0::/\n", Start::Other), Ok(()));
        // Where there is no logind, a login stays where it came from.
        for under in [
            "ssh.service",
            "sshd.service",
            "system-ssh.slice/ssh@3-203.0.113.5:22-203.0.113.9:4711.service",
            "system-getty.slice/getty@tty1.service",
            "system-serial\\x2dgetty.slice/serial-getty@ttyS0.service",
        ] {
            assert_eq!(judge(1000, 1000, &format!("0::/system.slice/{under}\n"), SYSTEMD), Ok(()), "{under}");
        }
        let several =
            "5:memory:/user.slice\n1:name=systemd:/user.slice/user-1000.slice/session-3.scope\n0::/\n";
        assert_eq!(judge(1000, 1000, several, SYSTEMD), Ok(()));
    }

    #[test]
    fn what_a_service_runs_for_the_person_does_not() {
        for under in [
            "/system.slice/system-postfix.slice/postfix@-.service",
            "/system.slice/cron-bob-0.service",
            "/system.slice/incron.service",
            "/system.slice/docker-4a1b.scope/user.slice/user-1000.slice/session-3.scope",
            "/system.slice/my-session-3.scope",
            "/system.slice/sshguard.service",
            "/user.slice/user-1000.slice",
            "/",
        ] {
            for cgroup in
                [format!("0::{under}\n"), format!("1:name=systemd:{under}\n0::/x/session-3.scope\n")]
            {
                let said = judge(1000, 1000, &cgroup, SYSTEMD);
                assert!(matches!(said, Err(NotThem::Scheduled(_))), "{cgroup}: {said:?}");
            }
        }
        let by_cron = Start::Systemd(|session| (session == "3").then(|| "background".to_owned()));
        assert_eq!(judge(1000, 1000, SHELL, by_cron), Err(NotThem::Scheduled("session-3.scope".to_owned())));
    }

    #[test]
    fn sudo_su_services_and_schedulers_do_not() {
        assert_eq!(judge(1000, 1001, SHELL, SYSTEMD), Err(NotThem::OtherLogin { login: 1001, uid: 1000 }));
        assert_eq!(judge(1000, u32::MAX, SHELL, SYSTEMD), Err(NotThem::NoLogin));
        for under in [
            "/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.service",
            "/system.slice/cron.service",
            "/system.slice/atd.service",
        ] {
            for cgroup in [format!("0::{under}\n"), format!("0::/\n1:name=systemd:{under}\n")] {
                for start in [SYSTEMD, Start::Other] {
                    let said = judge(1000, 1000, &cgroup, start);
                    assert!(matches!(said, Err(NotThem::Scheduled(_))), "{cgroup}");
                }
            }
        }
    }

    #[test]
    fn a_process_that_is_another_users_is_not_the_person_who_connected() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let somebody_else = rustix::process::geteuid().as_raw() + 1;
        let not_them = is_the_person(&ours, somebody_else, own).unwrap_err();
        assert_eq!(not_them, NotThem::Hidden("it is another user's by now".to_owned()));
    }
}
