//! A process as the kernel shows it. Process ids are used again, so one is known by its id and its start
//! together, and is signalled only through a handle that cannot come to mean another one.

use crate::limits;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::borrow::Cow;
use std::io::Read as _;
use std::os::fd::OwnedFd;

/// The audit session id of what belongs to no login.
pub const NO_SESSION: u32 = u32::MAX;

/// One process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks after boot.
    pub start: u64,
    /// Its parent's id.
    pub parent: i32,
    /// Its audit session id, which it inherited and cannot change; [`NO_SESSION`] when unset.
    pub audit: u32,
    /// Device number of its controlling terminal; 0 for none.
    pub tty: u32,
    /// What it runs, as far as the kernel keeps the name.
    pub program: String,
}

/// What `/proc/PID/stat` says (proc(5)).
struct Stat {
    dead: bool,
    parent: i32,
    tty: u32,
    start: u64,
    program: String,
}

impl Stat {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, and may hold anything (PR_SET_NAME of prctl(2)).
        let (head, rest) = stat.rsplit_once(')')?;
        let (_, program) = head.split_once('(')?;
        let program = program.chars().map(|c| if access::fools(c) { '?' } else { c }).collect();
        let mut fields = rest.split_ascii_whitespace();
        let is_zombie = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        // The number is signed there, and a device all the same.
        let tty = fields.nth(2)?.parse::<i32>().ok()?.cast_unsigned();
        // A program can end its first thread alone: then that is a zombie, and the process is none.
        let dead = is_zombie && fields.nth(12)?.parse::<u32>().ok()? <= 1;
        let started = fields.nth(if is_zombie { 1 } else { 14 })?.parse().ok()?;
        Some(Self { dead, parent, tty, start: started, program })
    }

    fn of(pid: i32) -> Option<Self> {
        Self::parse(&read_short(pid, "stat", &mut [0; 1024])?)
    }
}

impl Process {
    /// The process that has this id now. None once it is gone, or a zombie, which holds nothing.
    pub fn now(pid: i32) -> Option<Self> {
        let audit = audit_session(pid).unwrap_or(NO_SESSION);
        let Stat { dead, parent, tty, start, program } = Stat::of(pid)?;
        (!dead).then_some(Self { pid, start, parent, audit, tty, program })
    }

    /// Signals this very process, in this order. Whether it was there to hear it.
    pub fn signal(&self, signals: &[Signal]) -> bool {
        let Some(held) = hold(self.pid) else { return false };
        // Its id belongs to whoever is held as long as that lives, so what is read in between is theirs.
        let same = Self::now(self.pid).is_some_and(|now| now.start == self.start && now.audit == self.audit);
        same && signals.iter().all(|signal| pidfd_send_signal(&held, *signal).is_ok())
    }

    /// A handle on this very process, which tells when it ends.
    pub fn hold(&self) -> Option<OwnedFd> {
        let held = hold(self.pid)?;
        (start_ticks(self.pid) == Some(self.start)).then_some(held)
    }
}

/// Stops the process that has this id now, if it is of one of these audit sessions. Whether it did.
pub fn stop_if(pid: i32, audits: &std::collections::HashSet<u32>) -> bool {
    // Its id belongs to whoever is held as long as that lives, and a handle on somebody who is gone stops nobody.
    hold(pid).is_some_and(|held| {
        audit_session(pid).is_some_and(|audit| audits.contains(&audit))
            && pidfd_send_signal(&held, Signal::STOP).is_ok()
    })
}

/// A handle on the process that has this id now.
fn hold(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

/// Whether the process of this handle still runs: a pidfd becomes readable when it ends (pidfd_open(2)).
pub fn is_alive(held: &OwnedFd) -> bool {
    let mut polled = [rustix::event::PollFd::new(held, rustix::event::PollFlags::IN)];
    matches!(rustix::event::poll(&mut polled, Some(&rustix::event::Timespec::default())), Ok(0))
}

/// Ids of all processes there are.
pub fn ids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A file of a process in `/proc`. Programs and control groups have names of any bytes.
pub fn read(pid: i32, name: &str) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(format!("/proc/{pid}/{name}"))?.take(limits::PROC).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same where it is one line, at once: a look reads thousands.
fn read_short<'a>(pid: i32, name: &str, buffer: &'a mut [u8]) -> Option<Cow<'a, str>> {
    let length = std::fs::File::open(format!("/proc/{pid}/{name}")).ok()?.read(buffer).ok()?;
    Some(String::from_utf8_lossy(buffer.get(..length)?))
}

/// The audit session that a process belongs to, if it belongs to a login.
pub fn audit_session(pid: i32) -> Option<u32> {
    let session = read_short(pid, "sessionid", &mut [0; 32])?.trim().parse().ok()?;
    (session != NO_SESSION).then_some(session)
}

/// When a process started, in clock ticks after boot. None once it is gone, or a zombie.
pub fn start_ticks(pid: i32) -> Option<u64> {
    let stat = Stat::of(pid)?;
    (!stat.dead).then_some(stat.start)
}

/// The parent's id.
pub fn parent(pid: i32) -> Option<i32> {
    Some(Stat::of(pid)?.parent)
}

/// The real user id in a `/proc/PID/status` (proc(5)).
pub fn real_uid(status: &str) -> Option<u32> {
    uid_field(status, 0)
}

/// The effective one, which is what a socket's credentials are made from.
pub fn effective_uid(status: &str) -> Option<u32> {
    uid_field(status, 1)
}

/// One of the `Uid:` line. A program's name stands before it and cannot hold a line's end there.
fn uid_field(status: &str, which: usize) -> Option<u32> {
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_ascii_whitespace().nth(which)?.parse().ok()
}

/// Whether other users' processes can be seen: not where `/proc` is mounted with `hidepid` (proc(5)).
pub fn all_are_seen() -> bool {
    read(1, "stat").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn own() -> Process {
        Process::now(i32::try_from(std::process::id()).unwrap()).unwrap()
    }

    #[test]
    fn a_name_cannot_pass_for_other_fields() {
        let stat = "77 (a) S 1 (b)) S 5 77 77 34816 77 4194560 1 2 3 4 5 6 7 8 20 0 1 0 990 123 45";
        let read = Stat::parse(stat).unwrap();
        assert_eq!((read.parent, read.tty, read.start, read.dead), (5, 34816, 990, false));
        assert_eq!(read.program, "a) S 1 (b)");
        assert!(Stat::parse("77 (zombie) Z 5 77 77 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 990 0").unwrap().dead);
        let first_thread_gone = "77 (z) Z 5 77 77 0 -1 0 1 2 3 4 5 6 7 8 20 0 2 0 990 0";
        let read = Stat::parse(first_thread_gone).unwrap();
        assert_eq!((read.start, read.dead), (990, false));
        assert!(Stat::parse("77 (cut) S 5").is_none());
    }

    #[test]
    fn a_process_has_a_start_time_until_it_is_gone() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(start_ticks(pid), None);
        assert!(own().start > 0);
    }

    #[test]
    fn a_program_whose_name_is_no_text_is_seen_like_any_other() {
        // Perl sets the name that the kernel keeps (prctl(2), PR_SET_NAME).
        let script = "$0 = \"\\xff\\xfe)\\x80\"; print \"ready\\n\"; $| = 1; sleep 60";
        let mut child = Command::new("perl")
            .args(["-e", &format!("$| = 1; {script}")])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        let process = Process::now(i32::try_from(child.id()).unwrap()).unwrap();
        assert_eq!(process.program, "??)?");
        assert!(process.signal(&[Signal::KILL]));
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_has_the_id_of_another_is_not_signalled() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let right = Process::now(i32::try_from(child.id()).unwrap()).unwrap();
        for wrong in [
            Process { start: right.start + 1, ..right.clone() },
            Process { audit: right.audit.wrapping_add(1), ..right.clone() },
        ] {
            assert!(!wrong.signal(&[Signal::KILL]));
        }
        let held = right.hold().unwrap();
        assert!(is_alive(&held));
        assert!(right.signal(&[Signal::KILL]));
        child.wait().unwrap();
        assert!(!is_alive(&held) && !right.signal(&[Signal::KILL]));
    }

    #[test]
    fn user_ids_are_real_and_effective() {
        let status = "Name:\tUid: 0 0\nUmask:\t0022\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t5\t5\t5\n";
        assert_eq!((real_uid(status), effective_uid(status)), (Some(1000), Some(1001)));
        assert_eq!(effective_uid("Name:\tx\n"), None);
        let status = read(own().pid, "status").unwrap();
        assert_eq!(effective_uid(&status), Some(rustix::process::geteuid().as_raw()));
    }
}
