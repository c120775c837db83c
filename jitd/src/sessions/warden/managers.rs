//! User managers: they end with their person's last login.

use super::{Manager, Next, Warden, key, signal};
use crate::limits;
use crate::memory::Carried;
use crate::process::{self, Process};
use crate::sessions::ending::Ending;
use crate::sessions::fate::Over;
use crate::sessions::left::Found;
use crate::sessions::manager::{self, Units};
use access::Time;
use api::{EndCause, LeftOver, Session};
use rustix::process::Signal;
use std::collections::HashSet;
use std::time::Instant;

impl Warden {
    /// The last login of a person was closed, by themself or not: their user manager goes too.
    pub(super) fn login_is_over(&mut self, login_of: Option<u32>, at: Instant) {
        let Some(uid) = login_of else { return };
        let due = at + limits::MANAGER_STAYS;
        let grace = self.site.config.load().sessions.grace.0;
        self.managers.entry(uid).or_insert(Manager { due, grace, by_the_gate: false, ending: None });
    }

    /// Managers that the daemon did not see to the end before it was started.
    pub(super) fn take_up_managers(&mut self) {
        for Carried { session, .. } in self.site.memory.carried() {
            let ended = session.closed.is_some() || session.end.is_some();
            if ended && session.is_login() && session.grant.is_some() && self.is_of_now(&session) {
                self.login_is_over(self.uid_of(&session.target), Instant::now());
            }
        }
    }

    pub(super) fn end_managers(&mut self, all: &[Carried], at: Instant, next: &mut Next) {
        self.managers.values().for_each(|manager| next.by(manager.due.max(at + limits::STRIKE_EVERY)));
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
            if keeps || members.is_empty() {
                self.managers.remove(&uid);
                self.list_none_kept(uid);
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
        const ITSELF: [&str; 3] = ["systemd", "(sd-pam)", "dbus-daemon"];
        if uids.is_empty() || !process::all_are_seen() {
            return;
        }
        let accounts = self.site.accounts.now();
        let units = manager::look(uids);
        for uid in uids {
            let names = accounts.person_of_uid(*uid).map(|(_, names)| names).unwrap_or_default();
            let Some(login) = names.into_iter().next() else { continue };
            let members = units.get(uid).map(|units| units.manager.as_slice()).unwrap_or_default();
            let theirs = members.iter().filter(|process| !ITSELF.contains(&process.program.as_str()));
            let what = |process: &Process| LeftOver {
                user: login.clone(),
                what: format!("{} under their user manager, which another session keeps", process.program),
            };
            self.site.found_left(Found::Kept(login.clone()), theirs.map(what).collect());
        }
    }

    fn list_none_kept(&self, uid: u32) {
        let names = self.site.accounts.now().person_of_uid(uid).map(|(_, names)| names);
        if let Some(login) = names.into_iter().flatten().next() {
            self.site.found_left(Found::Kept(login), Vec::new());
        }
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
