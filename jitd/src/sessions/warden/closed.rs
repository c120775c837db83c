//! Logins that are over by themselves, and what of them still runs.

use super::{Warden, Watched, key, look_for};
use crate::limits;
use crate::memory::Carried;
use crate::process::{self, NO_SESSION, Process};
use crate::sessions::left::Found;
use crate::sessions::manager;
use access::{Login, Now};
use api::{LeftOver, Session};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

impl Warden {
    /// Sessions of another start of the machine are over, and nothing of them is left.
    pub(super) fn let_go(&self, before: &[Carried], now: Now) {
        for Carried { session, .. } in before {
            match session.closed {
                None => self.site.ledger.close(session, now.trusted, "the machine was started anew"),
                Some(_) => self.site.ledger.forget(session.id),
            }
        }
    }

    /// Closes sessions whose login ended without a word.
    pub(super) fn close_those_gone(&self, all: &[Carried], now: Now) {
        for Carried { session, .. } in all {
            if session.closed.is_some() || self.is_ending(session.id) {
                continue;
            }
            if !self.watched.get(&session.id).is_some_and(Watched::is_open) && process::all_are_seen() {
                self.site.ledger.close(session, now.trusted, "its process is gone");
            }
        }
    }

    /// Forgets closed sessions of which nothing runs any more.
    pub(super) fn look_at_left(&mut self, all: &[Carried], at: Instant) {
        let holds_others = |id| all.iter().any(|carried| carried.session.inside == Some(id));
        let is_left = |session: &&Arc<Session>| {
            session.closed.is_some() && !self.is_ending(session.id) && !holds_others(session.id)
        };
        let left: Vec<&Arc<Session>> = all.iter().map(|carried| &carried.session).filter(is_left).collect();
        let fresh = left.iter().any(|session| {
            session.closed.is_some_and(|closed| self.site.clock.now().trusted - closed < limits::LEFT_FRESH)
        });
        let due = at.duration_since(self.looked_at_left) >= limits::LEFT_EVERY;
        if left.is_empty() || !(fresh || due) || !process::all_are_seen() {
            return;
        }
        self.looked_at_left = at;
        let processes = look_for(&left);
        for session in left {
            let Some(watched) = self.watched.get_mut(&session.id) else { continue };
            let is_empty = processes.of(session, &HashSet::new()).is_empty();
            watched.empty = if is_empty { watched.empty + 1 } else { 0 };
            // A chain of processes can slip through one.
            if watched.empty >= limits::EMPTY_LOOKS {
                self.site.ledger.forget(session.id);
            }
        }
    }

    pub(super) fn sweep_soon(&mut self, uid: u32, at: Instant) {
        let names = self.site.accounts.now().person_of_uid(uid).map(|(_, names)| names);
        for login in names.into_iter().flatten().filter(|_| uid != 0) {
            self.sweeps.insert(login, at + limits::SWEEP_AFTER);
        }
    }

    /// Looks for processes of people who are out, once what was theirs has had time to end.
    pub(super) fn sweep(&mut self, all: &[Carried], at: Instant) {
        for login in self.site.left.with_processes() {
            self.sweeps.entry(login).or_insert(at + limits::SWEEP_EVERY);
        }
        let due: Vec<Login> =
            self.sweeps.iter().filter(|(_, due)| **due <= at).map(|(login, _)| login.clone()).collect();
        if due.is_empty() || !process::all_are_seen() {
            return;
        }
        // What was under a manager before its person came in was told as that.
        let mut kept: HashMap<u32, (&Login, Vec<LeftOver>)> = HashMap::new();
        for login in &due {
            let told = self.site.left.kept(login);
            if let Some(uid) = self.uid_of(login).filter(|_| !told.is_empty()) {
                kept.insert(uid, (login, told));
            }
        }
        if !kept.is_empty() {
            let mut units = manager::look(&kept.keys().copied().collect());
            for (uid, (login, told)) in kept {
                self.list_still_kept(login, told, &units.remove(&uid).unwrap_or_default().manager);
            }
        }
        let in_sessions: HashSet<u32> = all.iter().map(|carried| carried.session.audit_session).collect();
        let mut found: HashMap<u32, Vec<Process>> = HashMap::new();
        for pid in process::ids() {
            let uid = process::read(pid, "status").ok().and_then(|status| process::real_uid(&status));
            if let (Some(uid), Some(process)) = (uid, Process::now(pid)) {
                let carried = process.audit != NO_SESSION && in_sessions.contains(&process.audit);
                let stays = self.stays.get(&uid).is_some_and(|stays| stays.contains(&key(&process)));
                if !carried && uid != 0 && !stays {
                    found.entry(uid).or_default().push(process);
                }
            }
        }
        for login in due {
            self.sweeps.remove(&login);
            let Some(uid) = self.uid_of(&login) else { continue };
            // While they are in, what is theirs may be of a login that the gate did not let in.
            let theirs =
                if self.is_in(uid, all) { Vec::new() } else { found.remove(&uid).unwrap_or_default() };
            let what = |process: &Process| LeftOver {
                user: login.clone(),
                what: format!("a process that no session carries: {}", process.program),
            };
            let now = theirs.iter().map(what).collect();
            self.site.found_left(Found::Processes(login.clone()), now);
        }
    }
}
