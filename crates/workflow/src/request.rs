//! A request: what was asked, and where it stands.

use access::{GrantId, HostName, Login, Person, RequestId, Service, Span, Text, Time};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// What was asked. Never changes once made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Never reused.
    pub id: RequestId,
    /// What sort of ask it is.
    #[serde(default, skip_serializing_if = "Kind::is_access")]
    pub kind: Kind,
    /// Who asked.
    pub asked_by: Person,
    /// Who is to get the access; mostly the same.
    pub person: Person,
    /// The login names of that person.
    pub names: BTreeSet<Login>,
    /// Where.
    pub hosts: BTreeSet<HostName>,
    /// The labels that the hosts were asked for by, where they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether hosts that get these labels later are covered too, as the rule says that it does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
    /// What for.
    pub services: BTreeSet<Service>,
    /// As whom, if not as themself (login services) or root (sudo, su).
    pub run_as: Option<Login>,
    /// For how long.
    pub length: Span,
    /// Of an extension: how long the grant was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Span>,
    /// From when, if not from the approval.
    pub starts: Option<Time>,
    /// Why, in their words.
    pub reason: Text,
    /// The ticket it belongs to.
    pub ticket: Option<Text>,
    /// The client address it was asked from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// How it came in.
    pub channel: Channel,
    /// The desk's trusted time when it came in.
    pub asked_at: Time,
}

/// What sort of ask it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// For access.
    #[default]
    Access,
    /// For more time on a grant.
    Extend {
        /// Which.
        grant: GrantId,
    },
    /// For access at once, to be looked at afterwards.
    BreakGlass,
    /// Of an automation account; the policy asks and approves.
    Standing,
}

impl Kind {
    /// Whether it is for access, as most are.
    pub const fn is_access(&self) -> bool {
        matches!(self, Self::Access)
    }
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

    /// Login names other than the person's own default that it asks for: whom to become by sudo and su, or
    /// the shared name to log in as.
    pub fn becomes(&self) -> BTreeSet<Login> {
        let mut names = self.targets();
        if !self.services.iter().any(Service::switches) {
            names.extend(self.run_as.clone());
        }
        names
    }

    /// The labels that it was asked for by, as people read them; none where it was asked for by name.
    pub fn labels_in_words(&self) -> Option<String> {
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let later = if self.follows { ", also on hosts that get this label later" } else { "" };
        (!labels.is_empty()).then(|| format!("{}{later}", labels.join(", ")))
    }

    /// Whether this asks for the same access as `other`, so that one of the two is enough. An extension is about time
    /// alone.
    pub fn equals(&self, other: &Self) -> bool {
        if self.person != other.person || self.kind != other.kind {
            return false;
        }
        if matches!(self.kind, Kind::Extend { .. }) {
            return self.before == other.before;
        }
        self.hosts == other.hosts
            && self.services == other.services
            && self.run_as == other.run_as
            && self.starts == other.starts
    }
}

/// The way a request or review came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// `jit` on a terminal.
    Terminal,
    /// A login that was refused.
    Login,
    /// The policy itself.
    Policy,
    /// A token, over HTTPS: `jit` on a laptop, or a program.
    Token,
    /// A host of the hub, by whose word it is: `jit` there.
    Host,
    /// A page of the hub, in a browser that somebody signed in with.
    Web,
    /// A chat in Microsoft Teams: a click or a message of an account that is a person's.
    Teams,
    /// Slack: a click or a slash command of an account that is a person's.
    Slack,
    /// An outgoing webhook of Microsoft Teams: words of an account that is a person's, as whoever knows its key says.
    Webhook,
}

impl Channel {
    /// The name in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Login => "login",
            Self::Policy => "policy",
            Self::Token => "token",
            Self::Host => "host",
            Self::Web => "web",
            Self::Teams => "teams",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
        }
    }

    /// Whether it is somebody else's word whose ask it is: root of a host says so of anybody, and so does whoever knows the key
    /// of a webhook.
    pub const fn is_hearsay(self) -> bool {
        matches!(self, Self::Host | Self::Login | Self::Webhook)
    }

    /// Whether what it brings is worth what the rule says of chats: whoever has somebody's chat account can click.
    pub const fn is_chat(self) -> bool {
        matches!(self, Self::Teams | Self::Slack | Self::Webhook)
    }
}

/// A request and everything that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The rule's escalations after so long, and those before, have come about. They stay, whatever the
    /// clock does; a rule that takes its place has its own times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated: Option<Span>,
    /// When the next one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalates: Option<Time>,
    /// For a break glass: what becomes of it afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub afterwards: Option<Afterwards>,
}

/// What becomes of a break glass afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Afterwards {
    /// Somebody should have looked at it by then.
    pub due: Time,
    /// Whether nobody had by then.
    pub overdue: bool,
    /// What whoever looked at it said.
    pub review: Option<Review>,
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// People.
    People(Vec<Person>),
    /// The rule itself.
    Rule {
        /// What it saw, each in words.
        saw: Vec<String>,
    },
    /// A policy that changed.
    Policy {
        /// What it no longer gives.
        why: String,
    },
}

impl Decider {
    /// The people, if it was people.
    pub fn people(&self) -> &[Person] {
        match self {
            Self::People(people) => people,
            Self::Rule { .. } | Self::Policy { .. } => &[],
        }
    }
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::People(people) => match people.as_slice() {
                [others @ .., before, last] => {
                    others.iter().try_for_each(|person| write!(f, "{person}, "))?;
                    write!(f, "{before} and {last}")
                }
                people => people.iter().try_for_each(|person| write!(f, "{person}")),
            },
            Self::Rule { saw } if saw.is_empty() => f.write_str("the rule itself"),
            Self::Rule { saw } => write!(f, "the rule itself ({})", saw.join("; ")),
            Self::Policy { why } => write!(f, "the policy ({why})"),
        }
    }
}

/// Where a request stands. It reaches exactly one end, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum RequestState {
    /// Waits for approvers.
    Pending {
        /// First instant it no longer waits.
        until: Time,
    },
    /// Enough people agreed, or the rule itself.
    Approved {
        /// When.
        at: Time,
        /// What it yielded.
        grant: GrantId,
        /// Who agreed.
        by: Decider,
    },
    /// One approver said no, or a policy that changed.
    Denied {
        /// When.
        at: Time,
        /// Who.
        by: Decider,
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

    /// Since when it no longer waits.
    pub const fn ended(&self) -> Option<Time> {
        match self {
            Self::Pending { .. } => None,
            Self::Approved { at, .. }
            | Self::Denied { at, .. }
            | Self::Cancelled { at, .. }
            | Self::Expired { at } => Some(*at),
        }
    }

    /// Whether it still waits.
    pub const fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }
}

/// What one approver said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

impl ReviewVerdict {
    /// What it says of glass that was broken, wherever people read it.
    pub const fn of_glass(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "it was in order",
            Self::Deny => "it was not in order",
        }
    }
}

/// How an approver cuts an ask down. An absent part is left as it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// What it leaves, in words to follow a verdict: `for at most 30m, on web-1,web-2 alone`; nothing where it leaves all.
impl fmt::Display for Narrowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: ToString>(names: &BTreeSet<T>) -> String {
            names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        let length = self.length.map(|length| format!("for at most {length}"));
        let hosts = self.hosts.as_ref().map(|hosts| format!("on {} alone", list(hosts)));
        let services = self.services.as_ref().map(|services| format!("for {} alone", list(services)));
        f.write_str(&[length, hosts, services].into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// What is left of an ask after every narrowing so far: their intersection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// At most this long.
    pub length: Span,
    /// On top of this, where it is more time on a grant.
    pub before: Option<Span>,
    /// These hosts.
    pub hosts: BTreeSet<HostName>,
    /// These services.
    pub services: BTreeSet<Service>,
}

impl Request {
    /// Whether an approval now would start a clock, or have the first use start it.
    pub fn starts_a_clock(&self) -> bool {
        self.state.is_pending() && self.ask.kind == Kind::Access
    }

    /// Whether it still waits at `now`, also where no tick has ended it yet.
    pub fn waits(&self, now: Time) -> bool {
        matches!(self.state, RequestState::Pending { until } if now < until)
    }

    /// When something happens to it by time alone, if something does.
    pub fn due(&self) -> Option<Time> {
        match (&self.state, &self.afterwards) {
            (RequestState::Pending { until }, _) => {
                Some(self.escalates.map_or(*until, |next| next.min(*until)))
            }
            (_, Some(Afterwards { due, overdue: false, review: None })) => Some(*due),
            _ => None,
        }
    }

    /// Whether it is a break glass that nobody has looked at yet.
    pub fn is_unseen(&self) -> bool {
        self.afterwards.as_ref().is_some_and(|afterwards| afterwards.review.is_none())
    }

    /// Whether the rule itself let in, within its quota.
    pub fn is_automatic(&self) -> bool {
        self.ask.kind.is_access()
            && matches!(self.state, RequestState::Approved { by: Decider::Rule { .. }, .. })
    }

    /// What is left of the ask after the narrowings so far.
    pub fn scope(&self) -> Scope {
        let whole = Scope {
            length: self.ask.length,
            before: self.ask.before,
            hosts: self.ask.hosts.clone(),
            services: self.ask.services.clone(),
        };
        self.reviews.iter().fold(whole, |scope, review| match &review.verdict {
            ReviewVerdict::Approve { narrowing } => scope.cut(narrowing),
            ReviewVerdict::Deny => scope,
        })
    }
}

impl Scope {
    /// How long the access is in all.
    pub fn whole(&self) -> TimeDelta {
        self.length.delta() + self.before.map_or_else(TimeDelta::zero, Span::delta)
    }

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
            before: self.before,
            hosts: within(self.hosts, &narrowing.hosts),
            services,
        }
    }
}
