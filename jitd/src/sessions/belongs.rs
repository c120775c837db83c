//! Which processes a session is.

use crate::process::{self, NO_SESSION, Process};
use api::Session;
use std::collections::{HashMap, HashSet};

/// A process, told from all others there ever are.
pub type Key = (i32, u64);

/// A look at the processes of this host, as far as sessions are concerned.
#[derive(Default)]
pub struct Processes {
    by_pid: HashMap<i32, Process>,
    by_audit: HashMap<u32, Vec<i32>>,
    children: HashMap<i32, Vec<i32>>,
}

/// What to look for: reading all of every process takes five times as long.
#[derive(Default, PartialEq, Eq)]
pub struct Wanted {
    /// Processes of these audit sessions.
    pub audits: HashSet<u32>,
    /// Processes with these ids.
    pub pids: HashSet<i32>,
    /// All of them.
    pub all: bool,
}

impl Wanted {
    /// Adds what [`Processes::of`] needs for this session.
    pub fn session(&mut self, session: &Session) {
        self.pids.extend(i32::try_from(session.pid));
        if session.audit_session == NO_SESSION {
            self.all = true;
        } else {
            self.audits.insert(session.audit_session);
        }
    }
}

impl Processes {
    /// As they are now.
    pub fn look(wanted: &Wanted) -> Self {
        let audit = |pid| process::audit_session(pid).is_some_and(|audit| wanted.audits.contains(&audit));
        let interesting = |pid: &i32| wanted.all || wanted.pids.contains(pid) || audit(*pid);
        process::ids().filter(interesting).filter_map(Process::now).collect()
    }

    /// Every process that was found.
    pub fn all(&self) -> impl Iterator<Item = &Process> {
        self.by_pid.values()
    }

    /// The processes that `session` is: those of its audit session, else those that descend from the process
    /// that opened it or from one of `known`; and that process itself.
    pub fn of(&self, session: &Session, known: &HashSet<Key>) -> Vec<&Process> {
        let opener = i32::try_from(session.pid).unwrap_or(-1);
        let is_opener = |process: &Process| process.pid == opener && process.start == session.start_ticks;
        if session.audit_session != NO_SESSION {
            let mut found: Vec<&Process> = self
                .by_audit
                .get(&session.audit_session)
                .into_iter()
                .flatten()
                .filter_map(|pid| self.by_pid.get(pid))
                .collect();
            let has_opener = found.iter().any(|process| process.pid == opener);
            let opener = self.by_pid.get(&opener).filter(|process| !has_opener && is_opener(process));
            found.extend(opener);
            return found;
        }
        let is_root =
            |process: &&Process| is_opener(process) || known.contains(&(process.pid, process.start));
        let mut found: Vec<&Process> = self.by_pid.values().filter(is_root).collect();
        let mut seen: HashSet<i32> = found.iter().map(|process| process.pid).collect();
        let mut next = 0;
        while let Some(parent) = found.get(next).map(|process| process.pid) {
            next += 1;
            let children = self.children.get(&parent).into_iter().flatten();
            for child in children.filter_map(|pid| self.by_pid.get(pid)) {
                if seen.insert(child.pid) {
                    found.push(child);
                }
            }
        }
        found
    }
}

impl FromIterator<Process> for Processes {
    fn from_iter<T: IntoIterator<Item = Process>>(processes: T) -> Self {
        let mut all = Self::default();
        for process in processes {
            all.by_audit.entry(process.audit).or_default().push(process.pid);
            all.children.entry(process.parent).or_default().push(process.pid);
            all.by_pid.insert(process.pid, process);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::sample::session;

    fn process(pid: i32, parent: i32, audit: u32) -> Process {
        let start = u64::from(pid.cast_unsigned()) * 10;
        Process { pid, start, parent, audit, tty: 0, program: "x".into() }
    }

    fn pids(session: &Session, processes: &[Process], known: &[Key]) -> Vec<i32> {
        let all: Processes = processes.iter().cloned().collect();
        let mut pids: Vec<i32> =
            all.of(session, &known.iter().copied().collect()).iter().map(|process| process.pid).collect();
        pids.sort_unstable();
        pids
    }

    /// sshd's listener, two logins of one person, an orphan of the first, and a sudo in it.
    fn host() -> Vec<Process> {
        vec![
            process(100, 1, NO_SESSION),
            process(200, 100, 5),
            process(201, 200, 5),
            process(202, 201, 5),
            process(203, 1, 5),
            process(204, 202, 6),
            process(300, 100, 7),
            process(301, 300, 7),
        ]
    }

    #[test]
    fn a_login_is_all_of_its_audit_session_orphans_included_and_nothing_else() {
        let login = Session { pid: 200, start_ticks: 2000, audit_session: 5, ..session(1) };
        assert_eq!(pids(&login, &host(), &[]), [200, 201, 202, 203]);
        let sudo = Session { pid: 204, start_ticks: 2040, audit_session: 6, ..session(2) };
        assert_eq!(pids(&sudo, &host(), &[]), [204]);
    }

    #[test]
    fn the_opener_belongs_wherever_its_audit_session_is_and_another_with_its_id_does_not() {
        let elsewhere = Session { pid: 300, start_ticks: 3000, audit_session: 5, ..session(1) };
        assert_eq!(pids(&elsewhere, &host(), &[]), [200, 201, 202, 203, 300]);
        let used_again = Session { pid: 300, start_ticks: 2999, audit_session: 5, ..session(1) };
        assert_eq!(pids(&used_again, &host(), &[]), [200, 201, 202, 203]);
    }

    #[test]
    fn without_an_audit_session_it_is_the_opener_and_who_descends_from_it() {
        let tree = Session { pid: 202, start_ticks: 2020, audit_session: NO_SESSION, ..session(1) };
        assert_eq!(pids(&tree, &host(), &[]), [202, 204]);
        // Once the opener is gone, those that were seen to belong still do, and what they start.
        let orphaned: Vec<Process> = host().into_iter().filter(|process| process.pid != 202).collect();
        assert_eq!(pids(&tree, &orphaned, &[]), [] as [i32; 0]);
        assert_eq!(pids(&tree, &orphaned, &[(204, 2040)]), [204]);
        assert_eq!(pids(&tree, &orphaned, &[(204, 2041)]), [] as [i32; 0], "another process by now");
    }

    #[test]
    fn a_loop_in_what_proc_shows_ends() {
        let tree = Session { pid: 8, start_ticks: 80, audit_session: NO_SESSION, ..session(1) };
        assert_eq!(pids(&tree, &[process(8, 9, 1), process(9, 8, 1)], &[]), [8, 9]);
    }
}
