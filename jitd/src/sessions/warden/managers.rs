//! User managers: they end with their person's last login. Of one that was there before, as lingering ones are from the
//! start of the machine on, only what came since ends.

use super::{Manager, Next, Warden, key, signal};
use crate::limits;
use crate::memory::Carried;
use crate::process::{self, Process};
use crate::sessions::ending::Ending;
use crate::sessions::fate::Over;
use crate::sessions::left::Found;
use crate::sessions::manager::{self, Units};
use access::{Login, Time};
use api::{EndCause, LeftOver, Session};
use rustix::process::Signal;
use std::collections::HashSet;
use std::time::Instant;

/// Why something under a user manager goes on.
const ANOTHER_KEEPS: &str = "which another session keeps";
const WAS_THERE: &str = "where it was before they came in";

impl Warden {
    /// The last login of a person was closed, by themself or not: their user manager goes too.
    pub(super) fn login_is_over(&mut self, login_of: Option<u32>, at: Instant) {
        let Some(uid) = login_of else { return };
        let due = at + limits::MANAGER_STAYS;
        let grace = self.site.config.load().sessions.grace.0;
        self.managers.entry(uid).or_insert(Manager { due, grace, by_the_gate: false, ending: None });
    }

    /// A login by a grant began then.
    pub(super) fn is_in_since(&mut self, login_of: Option<u32>, start: u64) {
        let Some(uid) = login_of else { return };
        let since = self.in_since.entry(uid).or_insert(start);
        *since = start.min(*since);
    }

    /// Managers that the daemon did not see to the end before it was started.
    pub(super) fn take_up_managers(&mut self) {
        for Carried { session, .. } in self.site.memory.carried() {
            let ended = session.closed.is_some() || session.end.is_some();
            if ended && session.is_login() && session.grant.is_some() && self.is_of_now(&session) {
                let login_of = self.uid_of(&session.target);
                self.is_in_since(login_of, session.start_ticks);
                self.login_is_over(login_of, Instant::now());
            }
        }
    }

    pub(super) fn end_managers(&mut self, all: &[Carried], at: Instant, next: &mut Next) {
        self.end_those_due(all, at, next);
        // Whoever is out, with all that was theirs, begins anew when they come in again.
        let (watched, managers) = (&self.watched, &self.managers);
        let is_in =
            |uid: u32| watched.values().any(|watched| !watched.closed && watched.login_of == Some(uid));
        self.in_since.retain(|uid, _| managers.contains_key(uid) || is_in(*uid));
    }

    fn end_those_due(&mut self, all: &[Carried], at: Instant, next: &mut Next) {
        for manager in self.managers.values() {
            // A unit can have itself started again and again.
            let pace = manager.ending.as_ref().map_or(limits::STRIKE_EVERY, |ending| ending.pace(at));
            next.by(manager.due.max(at + pace));
        }
        let mut due: HashSet<u32> =
            self.managers.iter().filter(|(_, manager)| manager.due <= at).map(|(uid, _)| *uid).collect();
        // Whoever is in keeps theirs.
        let kept: HashSet<u32> = due.iter().copied().filter(|uid| self.is_in(*uid, all)).collect();
        let ended = |uid: &u32| self.managers.get(uid).is_some_and(|manager| manager.by_the_gate);
        self.list_kept(&kept.iter().copied().filter(ended).collect());
        for uid in kept {
            due.remove(&uid);
            self.managers.remove(&uid);
        }
        if due.is_empty() || !process::all_are_seen() {
            return;
        }
        let keeps = self.site.config.load().sessions.keep_user_manager;
        let ending = self.audits_that_end(all);
        let mut units = manager::look(&due);
        for uid in due {
            let Units { manager: members, logins } = units.remove(&uid).unwrap_or_default();
            let others = logins.iter().any(|process| !ending.contains(&process.audit));
            let Some(manager) = self.managers.get_mut(&uid) else { continue };
            if others {
                // Somebody whom the gate did not let in: as long as they stay, their manager does.
                manager.due = at + limits::SWEEP_EVERY;
                continue;
            }
            let since = self.in_since.get(&uid).copied().unwrap_or_default();
            let (members, before) = manager::apart(members, since);
            if keeps || members.is_empty() {
                self.managers.remove(&uid);
                let stays = if keeps { Vec::new() } else { before };
                self.list(uid, &[], &stays);
                self.stays.insert(uid, stays.iter().map(key).collect());
                self.sweep_soon(uid, at);
                continue;
            }
            let members: Vec<&Process> = members.iter().collect();
            let over = || Over { cause: EndCause::LoginEnded, since: Time::UNIX_EPOCH, by: None, why: None };
            let grace = manager.grace;
            let ending = manager.ending.get_or_insert_with(|| Ending::begin(over(), grace, at));
            if ending.is_forced(at) {
                ending.kill(&members).iter().for_each(|process| signal(process, &[Signal::KILL]));
            } else {
                // The manager itself takes a hangup for something else.
                let itself = members.iter().find(|process| process.program == "systemd");
                let itself = itself.map_or((0, 0), |process| key(process));
                let asked = ending.ask(&members, itself);
                asked.iter().for_each(|(process, signals)| signal(process, signals));
            }
        }
    }

    /// What runs under managers that outlive a session because their person is in by another one.
    fn list_kept(&self, uids: &HashSet<u32>) {
        if uids.is_empty() || !process::all_are_seen() {
            return;
        }
        let mut units = manager::look(uids);
        for uid in uids {
            let members = units.remove(uid).unwrap_or_default().manager;
            let since = self.in_since.get(uid).copied().unwrap_or_default();
            let (theirs, before) = manager::apart(members, since);
            self.list(*uid, &theirs, &before);
        }
    }

    /// Tells what goes on under somebody's manager: what another session keeps, and what was there before.
    fn list(&self, uid: u32, kept: &[Process], before: &[Process]) {
        const ITSELF: [&str; 3] = ["systemd", "(sd-pam)", "dbus-daemon"];
        let names = self.site.accounts.now().person_of_uid(uid).map(|(_, names)| names);
        let Some(login) = names.into_iter().flatten().next() else { return };
        let each = |processes: &[Process], why| {
            let theirs = processes.iter().filter(|process| !ITSELF.contains(&process.program.as_str()));
            theirs.map(|process| goes_on(&login, process, why)).collect::<Vec<_>>()
        };
        let all = [each(kept, ANOTHER_KEEPS), each(before, WAS_THERE)].concat();
        self.site.found_left(Found::Kept(login), all);
    }

    /// Of what was told to go on under this account's manager, only what still runs there.
    pub(super) fn list_still_kept(&self, login: &Login, mut kept: Vec<LeftOver>, members: &[Process]) {
        kept.retain(|told| {
            let is_it = |process, why| *told == goes_on(login, process, why);
            members.iter().any(|process| is_it(process, ANOTHER_KEEPS) || is_it(process, WAS_THERE))
        });
        self.site.found_left(Found::Kept(login.clone()), kept);
    }

    /// Whether somebody is in with this user id by a login that goes on.
    pub(super) fn is_in(&self, uid: u32, all: &[Carried]) -> bool {
        let goes_on =
            |session: &Session| session.is_login() && session.closed.is_none() && !self.is_ending(session.id);
        all.iter()
            .any(|Carried { session, .. }| goes_on(session) && self.uid_of(&session.target) == Some(uid))
    }

    fn audits_that_end(&self, all: &[Carried]) -> HashSet<u32> {
        let ends = |session: &Session| self.is_ending(session.id) || session.closed.is_some();
        all.iter()
            .filter(|carried| ends(&carried.session))
            .map(|carried| carried.session.audit_session)
            .collect()
    }
}

fn goes_on(login: &Login, process: &Process, why: &str) -> LeftOver {
    LeftOver { user: login.clone(), what: format!("{} under their user manager, {why}", process.program) }
}
