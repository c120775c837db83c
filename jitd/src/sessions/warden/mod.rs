//! The thread that watches over sessions: it warns, ends, and tells what is left.
//!
//! It wakes when a grant, a first use or a session changes, when a warning or an end is due, and each second. A
//! session that should be over is ended whether or not the journal takes the record of it; one that another grant
//! covers goes on under that once *this* is durable.

mod closed;
mod managers;

use super::belongs::{Key, Processes, Wanted};
use super::chase::chase;
use super::ending::{Ending, TO_OPENER};
use super::fate::{Fate, Over, fate};
use super::{terminal, warning};
use crate::memory::{Carried, Memory};
use crate::process::{self, NO_SESSION, Process};
use crate::site::Site;
use crate::{ledger::LedgerError, limits};
use access::{Decision, GrantId, Login, Now, Person, Phase, Question, SessionId, Time};
use api::{EndCause, HowEnded, Session, SessionChange, SessionRecord};
use chrono::TimeDelta;
use loglines::{Faults, Level, Tells};
use rustix::process::Signal;
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Watches over the sessions of one host.
pub struct Warden {
    site: Arc<Site>,
    watched: HashMap<SessionId, Watched>,
    managers: HashMap<u32, Manager>,
    /// When the first login by a grant began of whoever is in, or whose manager has still to end, in clock ticks after boot.
    in_since: HashMap<u32, u64>,
    /// What ran under somebody's manager before they came in and stayed there when they left.
    stays: HashMap<u32, HashSet<Key>>,
    /// Accounts whose processes are to be looked through for some that no session carries.
    sweeps: HashMap<Login, Instant>,
    words: Vec<(Arc<Session>, String)>,
    ticked: Instant,
    looked_at_left: Instant,
    haunted: Instant,
    faults: Faults,
}

/// A session as the warden knows it.
struct Watched {
    session: Arc<Session>,
    /// Tells when the process that opened it is gone. None where the kernel gave no handle.
    opener: Option<OwnedFd>,
    /// Warnings that were shown, for an end at this time.
    warned: Option<(Time, usize)>,
    ending: Option<Ending>,
    closed: bool,
    /// Looks in a row that found nothing of what it left behind.
    empty: u32,
    /// Since when it is to go on under another grant.
    moves_since: Option<Instant>,
    /// Its person's user id, where the session is a login by a grant.
    login_of: Option<u32>,
}

/// A user manager that ends with its person's last login.
struct Manager {
    due: Instant,
    grace: Duration,
    /// Whether the gate ended that login, and not its person.
    by_the_gate: bool,
    ending: Option<Ending>,
}

/// A session that is to end, and how long it may take to end by itself.
type Due = HashMap<SessionId, (Over, Duration)>;

/// When the warden looks again at the latest.
struct Next(Instant);

impl Next {
    fn by(&mut self, at: Instant) {
        self.0 = self.0.min(at);
    }
}

impl Warden {
    /// Starts the thread.
    pub fn start(site: Arc<Site>) -> std::io::Result<()> {
        let (wake, wakes) = sync_channel(1);
        site.memory.wakes(wake);
        let now = Instant::now();
        let mut warden = Self {
            site,
            watched: HashMap::new(),
            managers: HashMap::new(),
            in_since: HashMap::new(),
            stays: HashMap::new(),
            sweeps: HashMap::new(),
            words: Vec::new(),
            ticked: now,
            looked_at_left: now,
            haunted: now,
            faults: Faults::default(),
        };
        std::thread::Builder::new().name("warden".into()).spawn(move || {
            warden.take_up_managers();
            warden.watch(&wakes);
        })?;
        Ok(())
    }

    fn watch(&mut self, wakes: &Receiver<()>) {
        loop {
            let next = self.round();
            match wakes.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// One look at everything, and when the next is due.
    fn round(&mut self) -> Instant {
        let (now, at) = (self.site.clock.now(), Instant::now());
        let mut next = Next(at + limits::TICK);
        // Audit sessions are counted anew after each start of the machine, so those of before tell nothing now.
        let (all, before): (Vec<Carried>, Vec<Carried>) =
            self.site.memory.carried().into_iter().partition(|carried| self.is_of_now(&carried.session));
        self.meet(&all, at);
        let mut due = self.judge(&all, now, &mut next);
        let covered = self.covered(&all, &mut due, now);
        self.take_what_is_inside(&all, &mut due);
        self.begin(&all, due, at);
        let processes = self.look(&all);
        self.speak(&processes);
        let at = Instant::now();
        self.strike(&all, &processes, now, at, &mut next);
        self.end_managers(&all, at, &mut next);
        self.move_on(&all, covered, at, &mut next);
        if at.duration_since(self.ticked) >= limits::TICK {
            self.ticked = at;
            self.let_go(&before, now);
            self.close_those_gone(&all, now);
            self.look_at_left(&all, at);
            self.haunt(at);
            self.sweep(&all, at);
        }
        next.0
    }

    /// Takes up sessions that are new, and lets go of those of which nothing is left.
    fn meet(&mut self, all: &[Carried], at: Instant) {
        let there: HashSet<SessionId> = all.iter().map(|carried| carried.session.id).collect();
        let gone: Vec<SessionId> = self.watched.keys().filter(|id| !there.contains(id)).copied().collect();
        let mut left = Vec::new();
        for id in gone {
            left.extend(self.watched.remove(&id).filter(|watched| !watched.closed));
            self.ending_ids(|ids| ids.remove(&id));
        }
        left.iter().for_each(|watched| self.login_is_over(watched.login_of, at));
        for Carried { session, .. } in all {
            let closed = session.closed.is_some();
            if let Some(watched) = self.watched.get_mut(&session.id) {
                if closed && !std::mem::replace(&mut watched.closed, true) {
                    let login_of = watched.login_of;
                    self.login_is_over(login_of, at);
                }
                continue;
            }
            let opener = i32::try_from(session.pid).ok().and_then(Process::now);
            let opener = opener.filter(|opener| opener.start == session.start_ticks);
            let by_grant = session.is_login() && session.grant.is_some() && !session.monitored;
            let login_of = if by_grant { self.uid_of(&session.target) } else { None };
            self.is_in_since(login_of, session.start_ticks);
            let watched = Watched {
                session: Arc::clone(session),
                opener: opener.and_then(|opener| opener.hold()),
                warned: None,
                ending: None,
                closed,
                empty: 0,
                moves_since: None,
                login_of,
            };
            self.watched.insert(session.id, watched);
        }
    }

    /// Warns whose end comes near, and finds whose is there.
    fn judge(&mut self, all: &[Carried], now: Now, next: &mut Next) -> Due {
        let mut due = Due::new();
        for Carried { session, grant, claim, fresh } in all {
            if self.is_ending(session.id) {
                continue;
            }
            match fate(session, grant.as_deref(), *claim, *fresh, now) {
                Fate::Free => {}
                Fate::Until(ends) => {
                    next.by(Instant::now() + (ends - now.latest).to_std().unwrap_or_default());
                    self.warn(session, ends, now, next);
                }
                Fate::Over(over) if over.cause == EndCause::Released && is_just_now(&over, now) => {
                    next.by(Instant::now() + limits::RELEASE_PAUSE);
                }
                Fate::Over(over) => {
                    let grace = self.grace(&over, now);
                    due.insert(session.id, (over, grace));
                }
            }
        }
        due
    }

    /// How long it may take to end by itself. What should have been over for a while had that time.
    fn grace(&self, over: &Over, now: Now) -> Duration {
        let sessions = &self.site.config.load().sessions;
        let (grace, least) = (sessions.grace.0, sessions.grace_revoked.0);
        match over.cause {
            EndCause::Revoked | EndCause::Asked => least,
            _ => {
                let late = (now.trusted - over.since).to_std().unwrap_or_default();
                grace.saturating_sub(late).max(least.min(grace))
            }
        }
    }

    /// A session that opens within the time of a warning is not told what its person was told at the approval.
    fn warn(&mut self, session: &Arc<Session>, ends: Time, now: Now, next: &mut Next) {
        let config = self.site.config.load();
        let before: Vec<TimeDelta> = config.sessions.warn.iter().map(|span| span.delta()).collect();
        let left = ends - now.latest;
        if let Some(before) = warning::next(&before, left) {
            next.by(Instant::now() + (left - before).to_std().unwrap_or_default());
        }
        let reached = warning::reached(&before, left);
        let Some(watched) = self.watched.get_mut(&session.id) else { return };
        let shown = match watched.warned {
            Some((end, shown)) if end == ends => shown,
            // The end moved: what was shown of it before is void.
            Some(_) => warning::reached(&before, left),
            None => warning::reached(&before, ends - session.opened),
        };
        watched.warned = Some((ends, reached));
        if reached > shown && session.closed.is_none() {
            let words = warning::ends_soon(session, &self.site.host, ends, now.latest);
            self.words.push((Arc::clone(session), words));
        }
    }

    /// Those of `due` that another grant covers, without a first use: nobody need be there. They are struck off it.
    fn covered(&self, all: &[Carried], due: &mut Due, now: Now) -> Due {
        let mut covered = Due::new();
        for Carried { session, grant, .. } in all {
            let may = due.get(&session.id).is_some_and(|(over, _)| over.cause != EndCause::Asked);
            let Some(before) = grant.as_ref().filter(|_| may) else { continue };
            let decision = self.site.memory.decide(&question_of(session, &self.site.memory), now);
            if carrier(&decision, &before.person).is_some() {
                covered.extend(due.remove_entry(&session.id));
            }
        }
        covered
    }

    /// Has sessions go on under the grant that covers them, once that is durable. One for which it cannot be made
    /// so in time ends.
    fn move_on(&mut self, all: &[Carried], mut covered: Due, at: Instant, next: &mut Next) {
        let mut too_late = HashSet::new();
        for (id, watched) in &mut self.watched {
            if watched.is_late_to_move(covered.contains_key(id), at) {
                too_late.insert(*id);
            }
        }
        let mut late = Due::new();
        for Carried { session, grant, .. } in all {
            let Some((over, grace)) = covered.remove(&session.id) else { continue };
            let Some(Err(why)) = grant.as_ref().map(|before| self.goes_on(session, &before.person)) else {
                continue;
            };
            next.by(at + limits::MOVE_WAIT);
            if too_late.contains(&session.id) {
                let what = "another grant covers it, which cannot be written down, so it ends";
                self.site.log.put(Level::Err, format!("session {}: {what}: {why}", session.id));
                late.insert(session.id, (over, grace));
            }
            if late.is_empty() {
                // Where one has to wait all do, and the next round comes soon.
                return;
            }
        }
        if !late.is_empty() {
            self.begin(all, late, at);
            next.by(at);
        }
    }

    fn goes_on(&self, session: &Session, person: &Person) -> Result<(), LedgerError> {
        let (clock, id, person) = (Arc::clone(&self.site.clock), session.id, person.clone());
        let question = question_of(session, &self.site.memory);
        self.site.ledger.append(limits::MOVE_WAIT, move |entry| {
            let now = clock.now();
            let decision = entry.memory().decide(&question, now);
            let Some(grant) = carrier(&decision, &person) else { return Ok(()) };
            entry.change(id, |before| SessionRecord {
                at: now.trusted,
                change: SessionChange::Moved,
                detail: before.grant.map(|grant| format!("grant {grant} is over")).unwrap_or_default(),
                session: Session { grant: Some(grant), reason: decision.reason, ..before },
                actor: None,
                comment: None,
                end: None,
            })?;
            Ok(())
        })
    }

    /// Whatever was opened inside of a session that ends, ends with it.
    fn take_what_is_inside(&self, all: &[Carried], due: &mut Due) {
        loop {
            let more: Vec<_> = all
                .iter()
                .map(|carried| &carried.session)
                .filter(|session| !due.contains_key(&session.id) && !self.is_ending(session.id))
                .filter_map(|session| {
                    let outer = session.inside?;
                    let ending = self.watched.get(&outer).and_then(|outer| outer.ending.as_ref());
                    let (since, grace) = match (due.get(&outer), ending) {
                        (Some((over, grace)), _) => (over.since, *grace),
                        (None, Some(ending)) => (ending.over.since, ending.grace()),
                        (None, None) => return None,
                    };
                    let over = Over { cause: EndCause::LoginEnded, since, by: None, why: None };
                    Some((session.id, (over, grace)))
                })
                .collect();
            if more.is_empty() {
                return;
            }
            due.extend(more);
        }
    }

    fn begin(&mut self, all: &[Carried], mut due: Due, at: Instant) {
        for Carried { session, .. } in all {
            let Some((over, grace)) = due.remove(&session.id) else { continue };
            let Some(watched) = self.watched.get_mut(&session.id) else { continue };
            if let Some(words) = warning::ends_now(session, &over).filter(|_| session.closed.is_none()) {
                self.words.push((Arc::clone(session), words));
            }
            watched.ending = Some(Ending::begin(over, grace, at + limits::SHOWN));
            if let Some(uid) = watched.login_of {
                self.managers.insert(uid, Manager { due: at, grace, by_the_gate: true, ending: None });
            }
            self.ending_ids(|ids| ids.insert(session.id));
            if session.audit_session != NO_SESSION {
                let mut over = self.site.over.lock().unwrap_or_else(PoisonError::into_inner);
                over.insert(session.audit_session);
                // They are counted upwards, so the first is the oldest.
                if over.len() > limits::AUDITS_OVER {
                    over.pop_first();
                }
            }
        }
    }

    /// A look for what those are that hear something or end.
    fn look(&self, all: &[Carried]) -> Processes {
        let mut wanted = Wanted::default();
        self.words.iter().for_each(|(session, _)| wanted.session(session));
        let ending = all.iter().filter(|carried| self.is_ending(carried.session.id));
        ending.for_each(|carried| wanted.session(&carried.session));
        if wanted == Wanted::default() { Processes::default() } else { Processes::look(&wanted) }
    }

    /// Shows what there is to say on the terminals of whom it concerns.
    fn speak(&mut self, processes: &Processes) {
        for (session, line) in std::mem::take(&mut self.words) {
            let mut members = processes.of(&session, &HashSet::new());
            if !session.is_login() {
                // What sudo runs may sit at a terminal that sudo made, and shows on the person's own.
                members.retain(|process| key(process) == opener_of(&session));
            }
            let owner = self.uid_of(&session.subject);
            let devices: HashSet<u32> = members.iter().map(|process| process.tty).collect();
            let shown = |device: &u32| owner.is_some_and(|owner| terminal::show(*device, owner, &line));
            let shown = devices.iter().filter(|device| shown(device)).count();
            let ending = self.watched.get_mut(&session.id).and_then(|watched| watched.ending.as_mut());
            if let (0, Some(ending)) = (shown, ending) {
                ending.begin_at(Instant::now());
            }
        }
    }

    /// Signals what belongs to sessions that end, and writes down those of which nothing is left.
    fn strike(&mut self, all: &[Carried], processes: &Processes, now: Now, at: Instant, next: &mut Next) {
        let ending: Vec<&Arc<Session>> =
            all.iter().map(|carried| &carried.session).filter(|session| self.is_ending(session.id)).collect();
        if ending.is_empty() {
            return;
        }
        if !process::all_are_seen() {
            let doing = "ending sessions";
            if self.faults.take(doing, false, at) == Tells::Fails {
                let why = "processes are hidden from jitd: mount /proc without hidepid";
                self.site.log.put(Level::Err, format!("{doing}: {why}"));
            }
            return;
        }
        let (mut forced, mut quiet, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for session in ending {
            let Some(Watched { ending: Some(ending), .. }) = self.watched.get_mut(&session.id) else {
                continue;
            };
            let members = processes.of(session, &ending.seen);
            if members.is_empty() {
                quiet.push(session);
                continue;
            }
            ending.stirs();
            next.by(at + ending.pace(at));
            if !ending.has_begun(at) {
                continue;
            }
            if !ending.is_forced(at) {
                next.by(ending.forced_at());
                asked.extend(ending.ask(&members, opener_of(session)));
            } else if ending.counts().1 == 0 {
                // Most go at the first blow; those that come back for more are stopped first.
                let blows = ending.kill(&members);
                blows.iter().for_each(|process| signal(process, &[Signal::KILL]));
            } else {
                forced.push(Arc::clone(session));
            }
        }
        // Those that opened a session come last: they have the most to do once they hear.
        let (openers, others): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|(_, signals)| *signals == TO_OPENER);
        others.iter().chain(&openers).for_each(|(process, signals)| signal(process, signals));
        self.force(&forced, at);
        self.finish(all, &quiet, now, at, next);
    }

    /// Writes down those of which nothing was found again and again, also none of those that start one another
    /// faster than a look takes.
    fn finish(&mut self, all: &[Carried], quiet: &[&Arc<Session>], now: Now, at: Instant, next: &mut Next) {
        if quiet.is_empty() {
            return;
        }
        let audits: HashSet<u32> =
            quiet.iter().map(|session| session.audit_session).filter(|audit| *audit != NO_SESSION).collect();
        let caught = chase(&audits);
        for session in quiet {
            let Some(Watched { ending: Some(ending), .. }) = self.watched.get_mut(&session.id) else {
                continue;
            };
            if caught {
                ending.stirs();
            }
            let is_over = ending.is_quiet();
            // What is inside goes first, so that a daemon that is started anew meanwhile knows why it goes.
            let holds_others = all.iter().any(|carried| carried.session.inside == Some(session.id));
            if is_over && !holds_others {
                self.site.ledger.ended(how(session, ending, now));
            } else {
                next.by(at + limits::STRIKE_EVERY);
            }
        }
    }

    /// What carries the audit session of a login that ended long ago is none the less its own.
    fn haunt(&mut self, at: Instant) {
        let over = self.site.over.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ending: HashSet<u32> = self.watched.values().filter_map(Watched::audit_of_ending).collect();
        let over: HashSet<u32> = over.into_iter().filter(|audit| !ending.contains(audit)).collect();
        if over.is_empty() || at.duration_since(self.haunted) < limits::LEFT_EVERY || !process::all_are_seen()
        {
            return;
        }
        self.haunted = at;
        let processes = Processes::look(&Wanted { audits: over, ..Wanted::default() });
        for process in processes.all() {
            let what = format!("{} of a session that was ended ran on, and is killed", named(process));
            self.site.log.put(Level::Err, what);
            signal(process, &[Signal::KILL]);
        }
    }

    /// Stops all that belongs to these sessions until nothing runs, and kills it.
    fn force(&mut self, sessions: &[Arc<Session>], at: Instant) {
        if sessions.is_empty() {
            return;
        }
        let every: Vec<&Arc<Session>> = sessions.iter().collect();
        for _ in 0..limits::STOP_ROUNDS {
            let processes = look_for(&every);
            let mut stops = Vec::new();
            for session in sessions {
                if let Some(Watched { ending: Some(ending), .. }) = self.watched.get_mut(&session.id) {
                    stops.extend(ending.stop(&processes.of(session, &ending.seen.clone())));
                }
            }
            if stops.is_empty() {
                break;
            }
            stops.iter().for_each(|process| signal(process, &[Signal::STOP]));
        }
        let processes = look_for(&every);
        for session in sessions {
            let Some(Watched { ending: Some(ending), .. }) = self.watched.get_mut(&session.id) else {
                continue;
            };
            let members = processes.of(session, &ending.seen);
            let names: Vec<String> = members.iter().map(|process| named(process)).collect();
            let blows = ending.kill(&members);
            blows.iter().for_each(|process| signal(process, &[Signal::KILL]));
            if !names.is_empty() && ending.tells(at, limits::STUCK_AFTER, loglines::limits::FAULT_EVERY) {
                let what = format!("session {} does not end: {} run on", session.id, names.join(", "));
                self.site.log.put(Level::Err, what);
            }
        }
    }

    fn is_ending(&self, id: SessionId) -> bool {
        self.watched.get(&id).is_some_and(|watched| watched.ending.is_some())
    }

    fn is_of_now(&self, session: &Session) -> bool {
        session.boot == self.site.clock.boot()
    }

    fn uid_of(&self, login: &Login) -> Option<u32> {
        self.site.accounts.now().uid(login)
    }

    fn ending_ids<T>(&self, change: impl FnOnce(&mut HashSet<SessionId>) -> T) -> T {
        change(&mut self.site.ending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watched {
    /// By the handle, or by a look where the kernel gave none.
    fn is_open(&self) -> bool {
        let Session { pid, start_ticks, .. } = *self.session;
        let is_there = || process::start_ticks(i32::try_from(pid).unwrap_or(-1)) == Some(start_ticks);
        self.opener.as_ref().map_or_else(is_there, process::is_alive)
    }

    /// Whether it has been to go on under another grant for too long, where it `is_to`. By a clock that only goes on: since
    /// when a grant is gone nobody knows, and trusted time may be behind of its end.
    fn is_late_to_move(&mut self, is_to: bool, at: Instant) -> bool {
        if !is_to {
            self.moves_since = None;
            return false;
        }
        at.duration_since(*self.moves_since.get_or_insert(at)) > limits::MOVE_WITHIN
    }

    fn audit_of_ending(&self) -> Option<u32> {
        self.ending.as_ref().map(|_| self.session.audit_session)
    }
}

/// Whoever gives a grant back from a session of its own reads the answer first.
fn is_just_now(over: &Over, now: Now) -> bool {
    (now.trusted - over.since).to_std().is_ok_and(|since| since < limits::RELEASE_PAUSE)
}

/// The grant that a session of this person goes on under, by what the gate would say: another's, where they share a login name,
/// is about another. A clock that starts by use is started by who comes in, never by a session that is left open.
fn carrier(decision: &Decision, person: &Person) -> Option<GrantId> {
    let carries = decision.allows() && decision.claim.is_none();
    decision.grant.as_ref().filter(|grant| carries && grant.person == *person).map(|grant| grant.id)
}

/// What the gate would be asked if the session opened now.
fn question_of(session: &Session, memory: &Memory) -> Question {
    Question {
        subject: session.subject.clone(),
        service: session.service.clone(),
        target: Some(session.target.clone()),
        phase: Phase::Open,
        address: session.address,
        inside: memory.grants_around(session.inside),
    }
}

/// A look for what these sessions are.
fn look_for(sessions: &[&Arc<Session>]) -> Processes {
    let mut wanted = Wanted::default();
    sessions.iter().for_each(|session| wanted.session(session));
    Processes::look(&wanted)
}

fn key(process: &Process) -> Key {
    (process.pid, process.start)
}

fn opener_of(session: &Session) -> Key {
    (i32::try_from(session.pid).unwrap_or(-1), session.start_ticks)
}

fn named(process: &Process) -> String {
    format!("process {} ({})", process.pid, process.program)
}

/// Never the daemon itself, whatever the kernel may say of it.
fn signal(process: &Process, signals: &[Signal]) {
    let itself = i32::try_from(std::process::id()).unwrap_or(-1);
    if process.pid > 1 && process.pid != itself {
        process.signal(signals);
    }
}

/// The record of an end.
fn how(session: &Session, ending: &Ending, now: Now) -> SessionRecord {
    let over = &ending.over;
    let (processes, killed) = ending.counts();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    SessionRecord {
        at: now.trusted,
        change: SessionChange::Ended,
        session: session.clone(),
        actor: over.by.clone(),
        comment: over.why.clone(),
        end: Some(HowEnded {
            cause: over.cause,
            overrun_ms: u64::try_from((now.trusted - over.since).num_milliseconds()).unwrap_or(0),
            processes: count(processes),
            killed: count(killed),
        }),
        detail: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::sample::{grant, session};
    use access::{Claim, Grant, HostName, Local, Span, View, Window, decide};

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_session_goes_on_under_a_grant_that_is_in_use_and_uses_none_for_the_first_time() {
        let first_use = Grant {
            id: GrantId::from_random(2),
            window: Window::FirstUse {
                not_before: at(0),
                claim_by: at(900),
                length: Span::seconds(100).unwrap(),
                latest_end: at(1000),
            },
            ..grant(0)
        };
        let mut view = View::of(HostName::parse("web-1").unwrap());
        view.put(grant(10));
        view.put(first_use);
        let mut local = Local { enrolled: true, ..Local::default() };
        let empty = Memory::new(View::of(HostName::parse("web-1").unwrap()), HashMap::new(), Vec::new(), 0);
        let question = question_of(&session(1), &empty);
        let carrier = |view: &View, local: &Local| {
            carrier(&decide(view, local, &question, Now::exactly(at(20))), &grant(0).person)
        };
        assert_eq!(carrier(&view, &local), None, "nobody need be there");
        local.claims.insert(GrantId::from_random(2), Claim { started: at(5), ends: at(105) });
        assert_eq!(carrier(&view, &local), Some(GrantId::from_random(2)));
        local.claims.clear();
        view.put(Grant { id: GrantId::from_random(3), ..grant(30) });
        assert_eq!(carrier(&view, &local), Some(GrantId::from_random(3)));
        view.put(Grant {
            version: 2,
            person: Person::parse("bob").unwrap(),
            id: GrantId::from_random(3),
            ..grant(30)
        });
        assert_eq!(carrier(&view, &local), None, "another has the login name too");
    }

    #[test]
    fn a_session_that_cannot_be_moved_in_time_is_late_whatever_its_grant_says() {
        let mut watched = Watched {
            session: Arc::new(session(1)),
            opener: None,
            warned: None,
            ending: None,
            closed: false,
            empty: 0,
            moves_since: None,
            login_of: None,
        };
        let start = Instant::now();
        let mut is_late =
            |is_to, seconds| watched.is_late_to_move(is_to, start + Duration::from_secs(seconds));
        assert!(!is_late(true, 0) && !is_late(true, 5) && is_late(true, 6));
        // It went on, and is to once more later.
        assert!(!is_late(false, 7));
        assert!(!is_late(true, 60) && !is_late(true, 65) && is_late(true, 66));
    }
}
