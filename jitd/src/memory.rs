//! What is committed, as the gate reads it: a decision touches no disk.

use crate::limits;
use access::{Claim, Decision, Grant, GrantId, Local, Login, Now, Question, Service, SessionId, Time, View};
use api::{Record, Session};
use chrono::TimeDelta;
use desk::Committed;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// Something that was committed.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// By the desk, or a record.
    Desk(Committed),
    /// A grant that this host must not go by any more, whatever it was.
    Withdrawn(GrantId),
    /// A first-use clock started.
    Claimed(GrantId, Claim),
    /// A session opened, or is another by now.
    Session(Box<Session>),
    /// Nothing is left of a session.
    Gone(SessionId),
}

impl From<Committed> for Changed {
    fn from(committed: Committed) -> Self {
        Self::Desk(committed)
    }
}

/// The committed state in memory. Whoever writes changes it, in commit order.
pub struct Memory {
    held: RwLock<Held>,
    /// Hears of what sessions depend on.
    wake: OnceLock<SyncSender<()>>,
}

struct Held {
    view: View,
    local: Local,
    sessions: HashMap<SessionId, Arc<Session>>,
    seq: u64,
}

/// A session with what carries it.
#[derive(Clone)]
pub struct Carried {
    /// The session.
    pub session: Arc<Session>,
    /// Its grant, if it is known.
    pub grant: Option<Arc<Grant>>,
    /// When that was used first.
    pub claim: Option<Claim>,
    /// Until when what is known is new enough for its service, where that matters.
    pub fresh: Option<Time>,
}

impl Memory {
    /// What was loaded from the store.
    pub fn new(view: View, claims: HashMap<GrantId, Claim>, sessions: Vec<Session>, seq: u64) -> Self {
        let local = Local { claims, ..Local::default() };
        let sessions = sessions.into_iter().map(|session| (session.id, Arc::new(session))).collect();
        let mut held = Held { view, local, sessions, seq };
        let counting: Vec<GrantId> = held.counting().collect();
        for grant in counting {
            *held.local.sessions.entry(grant).or_insert(0) += 1;
        }
        Self { held: RwLock::new(held), wake: OnceLock::new() }
    }

    /// Has `wake` told from now on when a session, a grant or a first use has changed.
    pub fn wakes(&self, wake: SyncSender<()>) {
        // There is one who watches over sessions.
        let _ = self.wake.set(wake);
    }

    /// Replaces everything that the store holds by what is in it.
    pub fn reload(&self, loaded: Self) {
        let loaded = loaded.held.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let approvers = std::mem::take(&mut held.view.approvers);
        let freshness = std::mem::take(&mut held.local.freshness);
        *held = loaded;
        held.view.approvers = approvers;
        held.local.freshness = freshness;
        drop(held);
        self.tell();
    }

    fn tell(&self) {
        if let Some(wake) = self.wake.get() {
            // A word that waits already says the same.
            let _ = wake.try_send(());
        }
    }

    /// Takes a committed change in. A record is given back with its place: the log is to hear of it.
    pub fn apply(&self, changed: Changed) -> Option<(u64, Box<Record>)> {
        match changed {
            Changed::Desk(Committed::Record { seq, record }) => {
                self.held.write().unwrap_or_else(PoisonError::into_inner).seq = seq;
                return Some((seq, record));
            }
            Changed::Desk(Committed::Request(_)) => {}
            Changed::Desk(Committed::Grant(grant)) => self.change(|held| held.put(*grant)),
            Changed::Withdrawn(id) => self.change(|held| held.view.remove(id)),
            Changed::Claimed(grant, claim) => self.change(|held| {
                held.local.claims.entry(grant).or_insert(claim);
            }),
            Changed::Session(session) => self.change(|held| {
                let counts = session.counts_for();
                let before = held.sessions.insert(session.id, Arc::from(session));
                held.count(before.and_then(|before| before.counts_for()), counts);
            }),
            Changed::Gone(id) => self.change(|held| {
                let before = held.sessions.remove(&id);
                held.count(before.and_then(|before| before.counts_for()), None);
            }),
        }
        None
    }

    /// Changes what sessions depend on, and wakes who watches over them.
    fn change(&self, how: impl FnOnce(&mut Held)) {
        how(&mut self.held.write().unwrap_or_else(PoisonError::into_inner));
        self.tell();
    }

    /// As of when the truth is known.
    pub fn heard(&self, as_of: Option<Time>) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).local.freshness.as_of = as_of;
    }

    /// For which services it must be known as of how long ago.
    pub fn be_strict(&self, strict: BTreeMap<Service, TimeDelta>) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).local.freshness.strict = strict;
    }

    /// Decides a question.
    pub fn decide(&self, question: &Question, now: Now) -> Decision {
        self.read(|held| access::decide(&held.view, &held.local, question, now))
    }

    /// Decides a question as if asked on another host too.
    pub fn decide_on(&self, host: Option<&access::HostName>, question: &Question, now: Now) -> Decision {
        self.read(|held| match host {
            Some(host) if host != held.view.host() => {
                let mut view = View::of(host.clone());
                held.view.grants_of(&question.subject).iter().for_each(|grant| view.put((**grant).clone()));
                view.approvers.clone_from(&held.view.approvers);
                access::decide(&view, &held.local, question, now)
            }
            _ => access::decide(&held.view, &held.local, question, now),
        })
    }

    /// Who may come in to approve, by login name.
    pub fn set_approvers(&self, approvers: HashSet<Login>) {
        if self.read(|held| held.view.approvers != approvers) {
            self.held.write().unwrap_or_else(PoisonError::into_inner).view.approvers = approvers;
        }
    }

    /// The session that an audit session of this start of the machine is: the kernel counts them from one
    /// again after the next.
    pub fn session_of_audit(&self, boot: &str, audit_session: Option<u32>) -> Option<Arc<Session>> {
        let audit_session = audit_session?;
        self.find(|session| session.boot == boot && session.audit_session == audit_session)
    }

    /// The session that this process of this start of the machine opened.
    pub fn session_of(&self, boot: &str, pid: u32, start_ticks: u64) -> Option<Arc<Session>> {
        self.find(|session| session.boot == boot && session.pid == pid && session.start_ticks == start_ticks)
    }

    fn find(&self, is: impl Fn(&Session) -> bool) -> Option<Arc<Session>> {
        self.read(|held| held.sessions.values().find(|session| is(session)).cloned())
    }

    /// Grants of the open sessions that this one is or is inside of.
    pub fn grants_around(&self, session: Option<SessionId>) -> Vec<GrantId> {
        self.read(|held| held.around(session).filter_map(Session::counts_for).collect())
    }

    /// Every session of which something is left, with what carries it.
    pub fn carried(&self) -> Vec<Carried> {
        self.read(|held| {
            let carried = |session: &Arc<Session>| Carried {
                session: Arc::clone(session),
                grant: session.grant.and_then(|id| held.view.grant(id)).cloned(),
                claim: session.grant.and_then(|id| held.local.claims.get(&id)).copied(),
                fresh: held.local.freshness.until(&session.service),
            };
            held.sessions.values().map(carried).collect()
        })
    }

    /// Forgets grants that are over and carry no session, so that memory stays small; none by a clock that may be wrong.
    pub fn forget(&self, now: Now) {
        if now.provisional {
            return;
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<GrantId> = held
            .view
            .grants()
            .filter(|grant| grant.window.latest_end() + limits::GRANTS_KEPT < now.trusted)
            .map(|grant| grant.id)
            .filter(|id| !held.sessions.values().any(|session| session.grant == Some(*id)))
            .collect();
        for id in over {
            held.view.remove(id);
            held.local.claims.remove(&id);
            held.local.sessions.remove(&id);
        }
    }

    /// The last record, open sessions, and grants that can still be used.
    pub fn counts(&self, now: Now) -> Counts {
        self.read(|held| Counts {
            seq: held.seq,
            sessions: held.sessions.values().filter(|session| session.closed.is_none()).count() as u64,
            grants: held
                .view
                .grants()
                .filter(|grant| {
                    grant.ended.is_none()
                        && now.latest < grant.ends(held.local.claims.get(&grant.id).copied())
                })
                .count() as u64,
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Held) -> T) -> T {
        look(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    /// Takes a grant in, or a further version of it.
    fn put(&mut self, grant: Grant) {
        // An extension moves the end of a clock that a first use has started.
        if let Some(claim) = self.local.claims.get_mut(&grant.id)
            && let Some(moved) = Claim::start(&grant.window, claim.started)
        {
            *claim = moved;
        }
        self.view.put(grant);
    }

    /// A session counts for another grant than before, or for none. What is inside of it may count from now on, or no more.
    fn count(&mut self, before: Option<GrantId>, after: Option<GrantId>) {
        if before == after {
            return;
        }
        for grant in [before, after].into_iter().flatten() {
            let count = self.counting().filter(|counts| *counts == grant).count();
            self.local.sessions.insert(grant, u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// For each session that counts the grant for which it does: not for one by which a session around it is open.
    fn counting(&self) -> impl Iterator<Item = GrantId> {
        self.sessions.values().filter_map(|session| {
            let grant = session.counts_for()?;
            let is_part = self.around(session.inside).any(|outer| outer.counts_for() == Some(grant));
            (!is_part).then_some(grant)
        })
    }

    /// This session, the one around it, and so on outwards.
    fn around(&self, session: Option<SessionId>) -> impl Iterator<Item = &Session> {
        let find = |id: Option<SessionId>| self.sessions.get(&id?).map(|session| &**session);
        std::iter::successors(find(session), move |session| find(session.inside))
    }
}

/// Figures for `jit status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The last record.
    pub seq: u64,
    /// Open sessions.
    pub sessions: u64,
    /// Grants that are good or will be.
    pub grants: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::sample::{grant, session};
    use access::HostName;
    use chrono::TimeDelta;

    fn memory(sessions: Vec<Session>) -> Memory {
        let mut view = View::of(HostName::parse("web-1").unwrap());
        view.put(grant(100));
        Memory::new(view, HashMap::new(), sessions, 0)
    }

    #[test]
    fn a_session_of_another_start_of_the_machine_says_nothing_of_this_one() {
        let of = |n, boot: &str| Session { boot: boot.into(), ..session(n) };
        let memory = memory(vec![of(1, "before")]);
        let id = |session: Option<Arc<Session>>| session.map(|session| session.id);
        assert_eq!(id(memory.session_of_audit("now", Some(3))), None);
        assert_eq!(id(memory.session_of("now", 5, 7)), None);
        memory.apply(Changed::Session(Box::new(of(2, "now"))));
        assert_eq!(id(memory.session_of_audit("now", Some(3))), Some(SessionId::from_random(2)));
        assert_eq!(id(memory.session_of_audit("now", None)), None);
        assert_eq!(id(memory.session_of("now", 5, 7)), Some(SessionId::from_random(2)));
    }

    #[test]
    fn a_session_counts_for_its_grant_until_it_is_closed_moved_or_gone() {
        let memory = memory(vec![session(1), session(2), session(3)]);
        let counts = |memory: &Memory| {
            memory.read(|held| {
                [1, 2].map(|n| held.local.sessions.get(&GrantId::from_random(n)).copied().unwrap_or(0))
            })
        };
        assert_eq!(counts(&memory), [3, 0]);
        let put = |session| memory.apply(Changed::Session(Box::new(session)));
        put(Session { closed: Some(access::Time::UNIX_EPOCH), ..session(1) });
        assert_eq!((counts(&memory), memory.carried().len()), ([2, 0], 3), "what is left of it is kept");
        put(Session { grant: Some(GrantId::from_random(2)), ..session(2) });
        assert_eq!(counts(&memory), [1, 1]);
        for n in [1, 2, 3, 3] {
            memory.apply(Changed::Gone(SessionId::from_random(n)));
        }
        assert_eq!((counts(&memory), memory.carried().len()), ([0, 0], 0));
    }

    #[test]
    fn a_sudo_counts_with_the_login_around_it_and_by_itself_where_that_is_closed_or_of_another_grant() {
        let inside = |n, outer| Session { inside: Some(SessionId::from_random(outer)), ..session(n) };
        let of = |n, session| Session { grant: Some(GrantId::from_random(n)), ..session };
        // A login, an su in it by another grant, and a sudo in that by the first.
        let memory = memory(vec![session(1), of(2, inside(2, 1)), inside(3, 2)]);
        let counts = |memory: &Memory| {
            memory.read(|held| [1, 2].map(|n| held.local.sessions.get(&GrantId::from_random(n)).copied()))
        };
        assert_eq!(counts(&memory), [Some(1), Some(1)]);
        let grants = |n: u64| memory.grants_around(Some(SessionId::from_random(n)));
        assert_eq!((grants(3).len(), grants(1)), (3, vec![GrantId::from_random(1)]));
        let put = |session| memory.apply(Changed::Session(Box::new(session)));
        put(inside(4, 1));
        assert_eq!(counts(&memory), [Some(1), Some(1)], "another sudo");
        put(Session { closed: Some(access::Time::UNIX_EPOCH), ..session(1) });
        assert_eq!(counts(&memory), [Some(2), Some(1)], "both go on without it");
        assert_eq!(grants(1), []);
    }

    #[test]
    fn a_grant_is_remembered_as_long_as_something_of_a_session_is_left() {
        let memory = memory(vec![Session { closed: Some(access::Time::UNIX_EPOCH), ..session(1) }]);
        let late = Now::exactly(access::Time::UNIX_EPOCH + TimeDelta::days(3));
        memory.forget(late);
        assert!(memory.carried().iter().all(|carried| carried.grant.is_some()));
        memory.apply(Changed::Gone(SessionId::from_random(1)));
        memory.forget(late);
        assert_eq!(memory.read(|held| held.view.grants().count()), 0);
    }

    #[test]
    fn whoever_watches_over_sessions_hears_of_what_they_depend_on() {
        let memory = memory(vec![]);
        let (wake, woken) = std::sync::mpsc::sync_channel(1);
        memory.wakes(wake);
        let claim = Claim { started: access::Time::UNIX_EPOCH, ends: access::Time::UNIX_EPOCH };
        for changed in [
            Changed::Session(Box::new(session(1))),
            Changed::Claimed(GrantId::from_random(1), claim),
            Changed::Desk(Committed::Grant(Box::new(grant(50)))),
            Changed::Gone(SessionId::from_random(1)),
        ] {
            memory.apply(changed);
            assert_eq!(woken.try_recv(), Ok(()));
            assert!(woken.try_recv().is_err());
        }
    }
}
