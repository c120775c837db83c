//! What one host knows when it is asked.

use crate::{Claim, Grant, GrantId, HostName, Login, Service, Time};
use chrono::TimeDelta;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The grants one host must hold, found by login name, and who may come in to approve.
#[derive(Clone, Debug)]
pub struct View {
    host: HostName,
    by_id: HashMap<GrantId, Arc<Grant>>,
    by_login: HashMap<Login, Vec<Arc<Grant>>>,
    /// Login names let in over ssh without a grant so that they can approve; empty where the desk is
    /// elsewhere.
    pub approvers: HashSet<Login>,
}

impl View {
    /// An empty view of this host.
    pub fn of(host: HostName) -> Self {
        Self { host, by_id: HashMap::new(), by_login: HashMap::new(), approvers: HashSet::new() }
    }

    /// The host.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// Takes a grant in, or its newer version. An older or equal version changes nothing, and an end
    /// stays whatever a version says.
    pub fn put(&mut self, grant: Grant) {
        let mut grant = grant;
        if let Some(held) = self.by_id.get(&grant.id) {
            if grant.version <= held.version {
                return;
            }
            if held.ended.is_some() {
                grant.ended.clone_from(&held.ended);
            }
            self.remove(grant.id);
        }
        if let Some(like) = self.like(&grant) {
            grant.share(like);
        }
        grant.approved_by.shrink_to_fit();
        let grant = Arc::new(grant);
        for login in logins(&grant) {
            self.by_login.entry(login.clone()).or_default().push(Arc::clone(&grant));
        }
        self.by_id.insert(grant.id, grant);
    }

    /// A grant that may have much in common with this one: of the same person, or else any.
    fn like(&self, grant: &Grant) -> Option<&Arc<Grant>> {
        let theirs = grant.names.first().and_then(|login| self.grants_of(login).last());
        theirs.or_else(|| self.by_id.values().next())
    }

    /// Forgets a grant: it is long over.
    pub fn remove(&mut self, id: GrantId) {
        let Some(grant) = self.by_id.remove(&id) else {
            return;
        };
        for login in logins(&grant) {
            if let Some(held) = self.by_login.get_mut(login) {
                held.retain(|g| g.id != id);
                if held.is_empty() {
                    self.by_login.remove(login);
                }
            }
        }
    }

    /// The grant with this id.
    pub fn grant(&self, id: GrantId) -> Option<&Arc<Grant>> {
        self.by_id.get(&id)
    }

    /// Every grant that this login name could use somehow.
    pub fn grants_of(&self, login: &Login) -> &[Arc<Grant>] {
        self.by_login.get(login).map_or(&[], Vec::as_slice)
    }

    /// Every grant, in no order.
    pub fn grants(&self) -> impl Iterator<Item = &Arc<Grant>> {
        self.by_id.values()
    }
}

/// The login names that could use a grant, each once.
fn logins(grant: &Grant) -> impl Iterator<Item = &Login> {
    grant.names.iter().chain(grant.logins.iter().filter(|login| !grant.names.contains(login)))
}

/// What only this host knows.
#[derive(Clone, Debug)]
pub struct Local {
    /// First uses of first-use grants.
    pub claims: HashMap<GrantId, Claim>,
    /// Live sessions per grant.
    pub sessions: HashMap<GrantId, u32>,
    /// How old what is known may be.
    pub freshness: Freshness,
    /// Whether the host belongs to a source.
    pub enrolled: bool,
}

impl Default for Local {
    fn default() -> Self {
        let (claims, sessions) = (HashMap::new(), HashMap::new());
        Self { claims, sessions, freshness: Freshness::default(), enrolled: true }
    }
}

/// How old what a host knows is, and may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// As of when the truth is known; none where it never was.
    pub as_of: Option<Time>,
    /// How old that may be, for services that are strict about it. Others go by what was known last.
    pub strict: BTreeMap<Service, TimeDelta>,
}

impl Freshness {
    /// First instant, in trusted time, that what is known is too old for this service; none where no age is.
    pub fn until(&self, service: &Service) -> Option<Time> {
        let longest = *self.strict.get(service)?;
        Some(self.as_of.map_or(Time::MIN_UTC, |as_of| as_of + longest))
    }
}
