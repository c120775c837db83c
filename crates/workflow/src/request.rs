//! A request: what was asked, and where it stands.

use access::{GrantId, HostName, Login, Person, RequestId, Service, Span, Text, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What was asked. Never changes once made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Never reused.
    pub id: RequestId,
    /// Who asked.
    pub asked_by: Person,
    /// Who is to get the access; mostly the same.
    pub person: Person,
    /// The login names of that person.
    pub names: BTreeSet<Login>,
    /// Where.
    pub hosts: BTreeSet<HostName>,
    /// What for.
    pub services: BTreeSet<Service>,
    /// As whom, if not as themself (login services) or root (sudo, su).
    pub run_as: Option<Login>,
    /// For how long.
    pub length: Span,
    /// From when, if not from the approval.
    pub starts: Option<Time>,
    /// Why, in their words.
    pub reason: Text,
    /// The ticket it belongs to.
    pub ticket: Option<Text>,
    /// How it came in.
    pub channel: Channel,
    /// The desk's trusted time when it came in.
    pub asked_at: Time,
}

impl Ask {
    /// Login names that the grant will open at login services: the shared name that was asked for
    /// where the request is for login services alone, else the person's own.
    pub fn logins(&self) -> BTreeSet<Login> {
        match &self.run_as {
            Some(shared) if !self.services.iter().any(Service::switches) => BTreeSet::from([shared.clone()]),
            _ => self.names.clone(),
        }
    }

    /// Names the grant will let the person become by sudo and su; empty where neither was asked for.
    pub fn targets(&self) -> BTreeSet<Login> {
        if !self.services.iter().any(Service::switches) {
            return BTreeSet::new();
        }
        self.run_as.clone().or_else(|| Login::parse("root").ok()).into_iter().collect()
    }

    /// Whether this asks for the same access as `other`, so that one of the two is enough.
    pub fn equals(&self, other: &Self) -> bool {
        self.person == other.person
            && self.hosts == other.hosts
            && self.services == other.services
            && self.run_as == other.run_as
            && self.starts == other.starts
    }
}

/// The way a request or review came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// `jit` on a terminal.
    Terminal,
    /// A login that was refused.
    Login,
}

impl Channel {
    /// The name in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Login => "login",
        }
    }
}

/// A request and everything that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What was asked.
    pub ask: Ask,
    /// The policy rule that covers it.
    pub rule: String,
    /// Where it stands.
    pub state: RequestState,
    /// What approvers said, oldest first.
    pub reviews: Vec<Review>,
}

/// Where a request stands. It reaches exactly one end, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum RequestState {
    /// Waits for approvers.
    Pending {
        /// First instant it no longer waits.
        until: Time,
    },
    /// Enough people agreed.
    Approved {
        /// When.
        at: Time,
        /// What it yielded.
        grant: GrantId,
        /// Who agreed.
        by: Vec<Person>,
    },
    /// One approver said no.
    Denied {
        /// When.
        at: Time,
        /// Who.
        by: Person,
        /// Why.
        comment: Option<Text>,
    },
    /// Taken back before a decision.
    Cancelled {
        /// When.
        at: Time,
        /// Who.
        by: Person,
    },
    /// Nobody decided in time.
    Expired {
        /// When.
        at: Time,
    },
}

impl RequestState {
    /// The name in logs and tables.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Approved { .. } => "approved",
            Self::Denied { .. } => "denied",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired { .. } => "expired",
        }
    }

    /// Whether it still waits.
    pub const fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }
}

/// What one approver said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Who.
    pub by: Person,
    /// What.
    pub verdict: ReviewVerdict,
    /// Why, in their words.
    pub comment: Option<Text>,
    /// How it came in.
    pub channel: Channel,
    /// The desk's trusted time when it came in.
    pub at: Time,
    /// [`crate::digest`] of what the approver had before them.
    pub digest: String,
}

/// Yes or no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReviewVerdict {
    /// Yes, to this much of it.
    Approve {
        /// What is left of the ask.
        narrowing: Narrowing,
    },
    /// No.
    Deny,
}

/// How an approver cuts an ask down. An absent part is left as it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Narrowing {
    /// At most this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<Span>,
    /// Only these hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeSet<HostName>>,
    /// Only these services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<BTreeSet<Service>>,
}

/// What is left of an ask after every narrowing so far: their intersection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// At most this long.
    pub length: Span,
    /// These hosts.
    pub hosts: BTreeSet<HostName>,
    /// These services.
    pub services: BTreeSet<Service>,
}

impl Request {
    /// What is left of the ask after the narrowings so far.
    pub fn scope(&self) -> Scope {
        let whole = Scope {
            length: self.ask.length,
            hosts: self.ask.hosts.clone(),
            services: self.ask.services.clone(),
        };
        self.reviews.iter().fold(whole, |scope, review| match &review.verdict {
            ReviewVerdict::Approve { narrowing } => scope.cut(narrowing),
            ReviewVerdict::Deny => scope,
        })
    }

    /// Those who said yes so far, each once.
    pub fn approved_by(&self) -> Vec<Person> {
        let yes = |review: &&Review| matches!(review.verdict, ReviewVerdict::Approve { .. });
        self.reviews.iter().filter(yes).map(|review| review.by.clone()).collect()
    }
}

impl Scope {
    /// This scope, cut down.
    #[must_use]
    pub fn cut(self, narrowing: &Narrowing) -> Self {
        let within = |all: BTreeSet<_>, some: &Option<BTreeSet<_>>| match some {
            Some(some) => all.intersection(some).cloned().collect(),
            None => all,
        };
        let services = match &narrowing.services {
            Some(some) => self.services.intersection(some).cloned().collect(),
            None => self.services,
        };
        Self {
            length: narrowing.length.map_or(self.length, |length| length.min(self.length)),
            hosts: within(self.hosts, &narrowing.hosts),
            services,
        }
    }
}
