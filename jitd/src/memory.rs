//! What is committed, as the gate reads it: a decision touches no disk.

use crate::log::{Level, Log};
use crate::session::Session;
use access::{Claim, Decision, GrantId, Local, Login, Now, Question, Reason, SessionId, View};
use api::{Mark, Record};
use desk::Committed;
use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

/// Something that was committed.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// By the desk, or a record.
    Desk(Committed),
    /// A first-use clock started.
    Claimed(GrantId, Claim),
    /// A session opened.
    Opened(Box<Session>),
    /// A session closed.
    Closed(SessionId),
}

impl From<Committed> for Changed {
    fn from(committed: Committed) -> Self {
        Self::Desk(committed)
    }
}

/// The committed state in memory. Only the writer thread changes it, in commit order.
pub struct Memory {
    held: RwLock<Held>,
    log: Log,
}

struct Held {
    view: View,
    local: Local,
    sessions: HashMap<SessionId, Session>,
    seq: u64,
}

impl Memory {
    /// What was loaded from the store.
    pub fn new(
        view: View,
        claims: HashMap<GrantId, Claim>,
        sessions: Vec<Session>,
        seq: u64,
        log: Log,
    ) -> Self {
        let memory = Self {
            held: RwLock::new(Held {
                view,
                local: Local { claims, ..Local::default() },
                sessions: HashMap::new(),
                seq,
            }),
            log,
        };
        for session in sessions {
            memory.apply(Changed::Opened(Box::new(session)));
        }
        memory
    }

    /// Replaces everything but the approvers by what the store holds.
    pub fn reload(&self, loaded: Self) {
        let loaded = loaded.held.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let approvers = std::mem::take(&mut held.view.approvers);
        *held = loaded;
        held.view.approvers = approvers;
    }

    /// Takes a committed change in, and logs it.
    pub fn apply(&self, changed: Changed) {
        if let Changed::Desk(Committed::Record { seq, record }) = &changed {
            self.log.put(level(record), record.line(*seq));
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        match changed {
            Changed::Desk(Committed::Record { seq, .. }) => held.seq = seq,
            Changed::Desk(Committed::Grant(grant)) => {
                // An extension moves the end of a clock that a first use has started.
                if let Some(claim) = held.local.claims.get_mut(&grant.id)
                    && let Some(moved) = Claim::start(&grant.window, claim.started)
                {
                    *claim = moved;
                }
                held.view.put(*grant);
            }
            Changed::Desk(Committed::Request(_)) => {}
            Changed::Claimed(grant, claim) => {
                held.local.claims.entry(grant).or_insert(claim);
            }
            Changed::Opened(session) => {
                if let Some(grant) = session.grant {
                    *held.local.sessions.entry(grant).or_insert(0) += 1;
                }
                held.sessions.insert(session.id, *session);
            }
            Changed::Closed(id) => {
                if let Some(grant) = held.sessions.remove(&id).and_then(|session| session.grant)
                    && let Some(count) = held.local.sessions.get_mut(&grant)
                {
                    *count = count.saturating_sub(1);
                }
            }
        }
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

    /// The client address of the login that this audit session of this start of the machine belongs to: the
    /// kernel counts them from one again after the next.
    pub fn came_from(&self, boot: &str, audit_session: Option<u32>) -> Option<std::net::IpAddr> {
        let audit_session = audit_session?;
        self.read(|held| {
            let mut logins = held
                .sessions
                .values()
                .filter(|session| session.boot == boot && session.audit_session == audit_session);
            logins.find_map(|session| session.rhost.parse().ok())
        })
    }

    /// The session that this process of this start of the machine opened.
    pub fn session_of(&self, boot: &str, pid: u32, start_ticks: u64) -> Option<SessionId> {
        self.read(|held| {
            let mine = |session: &&Session| {
                session.boot == boot && session.pid == pid && session.start_ticks == start_ticks
            };
            held.sessions.values().find(mine).map(|session| session.id)
        })
    }

    /// Open sessions whose process is gone. Where processes cannot be seen none is, but for those of another
    /// start of the machine.
    pub fn gone(&self, boot: &str, sees_processes: bool) -> Vec<SessionId> {
        let open: Vec<Session> = self.read(|held| held.sessions.values().cloned().collect());
        let is_gone = |session: &&Session| session.boot != boot || (sees_processes && !session.lives(boot));
        open.iter().filter(is_gone).map(|session| session.id).collect()
    }

    /// Forgets grants that are over and carry no session, so that memory stays small.
    pub fn forget(&self, now: Now) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let keep = chrono::TimeDelta::hours(24);
        let over: Vec<GrantId> = held
            .view
            .grants()
            .filter(|grant| grant.window.latest_end() + keep < now.trusted)
            .filter(|grant| held.local.sessions.get(&grant.id).copied().unwrap_or(0) == 0)
            .map(|grant| grant.id)
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
            sessions: held.sessions.len() as u64,
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

fn level(record: &Record) -> Level {
    match record {
        Record::Decision(decision) => match decision.reason {
            // Somebody was let in only because a PAM line says so.
            Reason::Monitor => Level::Err,
            Reason::SpareKey | Reason::BreakGlass => Level::Warning,
            reason if reason.allows() => Level::Info,
            _ => Level::Notice,
        },
        Record::Change(change) if change.change.is_loud() => Level::Err,
        Record::Mark(mark) if mark.mark == Mark::LinesDropped => Level::Err,
        Record::Change(_) | Record::Mark(_) => Level::Notice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::{HostName, Service};

    fn session(n: u64, boot: &str, pid: u32) -> Session {
        let login = Login::parse("alice").unwrap();
        Session {
            id: SessionId::from_random(n),
            grant: None,
            boot: boot.into(),
            pid,
            start_ticks: 7,
            audit_session: 3,
            subject: login.clone(),
            target: login,
            service: Service::parse("ssh").unwrap(),
            tty: "ssh".into(),
            rhost: format!("203.0.113.{n}"),
            reason: Reason::Granted,
            opened: access::Time::UNIX_EPOCH,
        }
    }

    fn memory(sessions: Vec<Session>) -> Memory {
        let log = Log::to(std::path::Path::new("/nonexistent")).unwrap();
        Memory::new(View::of(HostName::parse("web-1").unwrap()), HashMap::new(), sessions, 0, log)
    }

    #[test]
    fn a_session_of_another_start_of_the_machine_says_nothing_of_this_one() {
        let memory = memory(vec![session(1, "before", 5)]);
        assert_eq!(memory.came_from("now", Some(3)), None);
        assert_eq!(memory.session_of("now", 5, 7), None);
        memory.apply(Changed::Opened(Box::new(session(2, "now", 5))));
        assert_eq!(memory.came_from("now", Some(3)), Some("203.0.113.2".parse().unwrap()));
        assert_eq!(memory.session_of("now", 5, 7), Some(SessionId::from_random(2)));
    }

    #[test]
    fn where_processes_are_hidden_no_session_is_taken_for_over() {
        // No process has this id: it is larger than any (proc(5), pid_max).
        let memory = memory(vec![session(1, "before", 5), session(2, "now", 1 << 30)]);
        let gone = |sees| {
            let mut gone = memory.gone("now", sees);
            gone.sort_unstable();
            gone
        };
        let mut both = [1, 2].map(SessionId::from_random);
        both.sort_unstable();
        assert_eq!(gone(true), both);
        assert_eq!(gone(false), [SessionId::from_random(1)]);
    }
}
