//! What is asked and answered.

use crate::{LeftOver, SessionView, Watched};
use access::{
    Grant, GrantId, GrantState, HostName, Login, Person, Reason, RequestId, Service, Span, Text, Time, Window,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use workflow::{Afterwards, Ask, Narrowing, Outcome, RequestState, Review};

/// A request to be made. Hosts left out mean the machine that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRequest {
    /// Where.
    #[serde(default)]
    pub hosts: BTreeSet<HostName>,
    /// All hosts that carry these labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What for.
    pub services: BTreeSet<Service>,
    /// As whom.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub run_as: Option<Login>,
    /// For how long; the rule's default if left out.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Span>,
    /// From when; the approval if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Why.
    pub reason: Text,
    /// The ticket it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
    /// For whom, if not for oneself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Login>,
    /// At once and alone, to be looked at afterwards.
    #[serde(default)]
    pub break_glass: bool,
}

/// More time on a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewExtension {
    /// So much more.
    #[serde(rename = "for")]
    pub length: Span,
    /// Why.
    pub reason: Text,
    /// The ticket it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
}

/// A request was made, or an equal one already waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Opened {
    /// The request.
    pub request: RequestView,
    /// The grant, where the rule approved by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantView>,
    /// Whether it waited already, so that nothing new was made.
    pub existed: bool,
    /// Why the hub has not heard of it yet: it is kept on this host, and sent when the hub is reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsent: Option<String>,
}

/// A request as its reader may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestView {
    /// What was asked.
    pub ask: Ask,
    /// The rule that covers it.
    pub rule: String,
    /// Where it stands.
    pub state: RequestState,
    /// What approvers said.
    pub reviews: Vec<Review>,
    /// For a break glass: what becomes of it afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub afterwards: Option<Afterwards>,
    /// When others may approve too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalates: Option<Time>,
    /// What is left of the ask after the narrowings so far.
    pub left: Narrowing,
    /// While it waits, where the first use on each host would start the clock: how long after the start it must come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by: Option<Span>,
    /// Fingerprint of what is asked for and what is left of it; a review carries it.
    pub digest: String,
    /// Who could approve it now, or look at it afterwards.
    pub could_approve: Vec<Person>,
    /// Whose approval counts now, each once, the first first.
    pub agreed: Vec<Person>,
    /// How many people have to approve, those who did included.
    pub needs: usize,
    /// How many of those did: two may have agreed to one step while another waits.
    pub has: usize,
    /// Whether the reader could.
    pub yours_to_review: bool,
}

impl RequestView {
    /// When the clock would start, where that is not at the approval: who agrees to an hour may agree to one of next week.
    pub fn clock(&self) -> Option<String> {
        let claim_by = self.claim_by?;
        let hosts = self.left.hosts.as_ref().unwrap_or(&self.ask.hosts);
        let each = if hosts.len() == 1 { "" } else { " on each host" };
        let start = if self.ask.starts.is_some() { "its start" } else { "the approval" };
        Some(format!("starts at the first use{each}, which must come within {claim_by} of {start}"))
    }

    /// What the narrowings so far leave of the ask, where they leave less than all.
    pub fn narrowed(&self) -> Option<Narrowing> {
        let Self { ask, left, .. } = self;
        let less = Narrowing {
            length: left.length.filter(|length| *length != ask.length),
            hosts: left.hosts.clone().filter(|hosts| *hosts != ask.hosts),
            services: left.services.clone().filter(|services| *services != ask.services),
        };
        (less != Narrowing::default()).then_some(less)
    }
}

/// Which requests to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those that wait.
    #[default]
    Pending,
    /// The reader's own.
    Mine,
    /// All.
    All,
}

/// Query of `GET /v1/requests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskRequests {
    /// Which.
    #[serde(default)]
    pub which: Which,
    /// At most so many, newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Those that come after this one in the list: the id that header `jit-next` of the page before named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RequestId>,
}

/// An approver's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    /// Yes or no.
    pub verdict: NewVerdict,
    /// [`RequestView::digest`] of what they saw.
    pub digest: String,
    /// What to cut it down to; only with yes.
    #[serde(default)]
    pub narrowing: Narrowing,
    /// Why; a denial needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NewVerdict {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// What a review did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reviewed {
    /// The request afterwards.
    pub request: RequestView,
    /// The grant it yielded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantView>,
}

/// A grant as its reader may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GrantView {
    /// The grant.
    pub grant: Grant,
    /// Where it stands on this host; at a hub, on the hosts that it is for as far as they have told.
    pub state: GrantState,
    /// When it ends there.
    pub ends: Time,
    /// Sessions it carries on this host now.
    pub sessions: u32,
    /// How much it was used on this host so far.
    pub used: Used,
}

impl GrantView {
    /// When it ends, with instants as `time` says them: while its clock waits for the first use, how long it is good then.
    pub fn ends_in_words(&self, now: Time, time: impl Fn(Time) -> String) -> String {
        let ends = time(self.ends);
        match (self.state, &self.grant.window) {
            (GrantState::Unclaimed, Window::FirstUse { claim_by, .. }) if *claim_by <= now => {
                format!("{ends} at the latest, for no host has told of a first use")
            }
            (GrantState::Scheduled | GrantState::Unclaimed, Window::FirstUse { claim_by, length, .. }) => {
                let each = if self.grant.hosts.len() == 1 { "" } else { " on each host" };
                format!("{length} from the first use{each}, which must come by {}", time(*claim_by))
            }
            _ => ends,
        }
    }
}

/// How much a grant was used on one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// Sessions it carried in all.
    pub sessions: u32,
    /// Seconds that at least one of them was open.
    pub seconds: u64,
}

/// Query of `GET /v1/grants`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskGrants {
    /// Of this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Login>,
    /// On this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Also those that are over.
    #[serde(default)]
    pub all: bool,
    /// Those that come after this one in the list: the id that header `jit-next` of the page before named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<GrantId>,
}

/// The header of a list of which there is more: what to ask for the next page after.
pub const NEXT: &str = "jit-next";

/// Ends a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EndGrant {
    /// Why; a revocation needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyView {
    /// Its version on this desk; 0 is the one that was shipped.
    pub version: u32,
    /// When it came into force.
    pub at: Time,
    /// Who applied it; nobody for the shipped one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
    /// `policy.toml`.
    pub policy: String,
    /// `people.toml`; without it the accounts of this host are the people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<String>,
}

/// A policy to come into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// `policy.toml`.
    pub policy: String,
    /// `people.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<String>,
    /// That a hub is to have nobody from now on. A hub that has people takes no policy without any unless this says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_people: bool,
}

/// What putting a policy in force would end, and that does not come back. Asking does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Foreseen {
    /// Grants that would end.
    pub grants: u64,
    /// Requests that wait and would be denied.
    pub requests: u64,
}

/// A policy came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AppliedPolicy {
    /// Its version.
    pub version: u32,
    /// Whether it is what was in force before; then nothing was done.
    pub unchanged: bool,
    /// What changed, line by line.
    pub diff: String,
    /// What is worth a look, in words.
    pub findings: Vec<String>,
}

/// What would the policy make of this? Nothing is asked for by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskExplain {
    /// Who; oneself if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Login>,
    /// Where; this machine if left out.
    #[serde(default)]
    pub hosts: BTreeSet<HostName>,
    /// What for.
    pub services: BTreeSet<Service>,
    /// As whom.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub run_as: Option<Login>,
    /// For how long; the rule's default if left out.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Span>,
    /// Asked at this time; now if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// What would another policy have made of past requests?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewReplay {
    /// `policy.toml`.
    pub policy: String,
    /// `people.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<String>,
    /// What to compare with; the policy in force if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<NewPolicy>,
    /// Requests of so many days.
    pub days: u32,
}

/// What another policy would have made of past requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Replayed {
    /// Requests that both policies judged.
    pub looked_at: u64,
    /// Those that would have gone the same way.
    pub same: u64,
    /// The others, by what differs.
    pub kinds: BTreeMap<DifferenceKind, u64>,
    /// The first of the others, oldest first.
    pub differences: Vec<Difference>,
    /// Where it stopped, since there are more requests than one replay looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Time>,
    /// What to keep in mind when reading this.
    pub notes: Vec<String>,
}

/// What differs, the weightiest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// It would have been refused at once.
    Refused,
    /// It would not have been refused.
    NotRefused,
    /// The rule would have approved by itself.
    ByItself,
    /// People would have had to agree.
    ByPeople,
    /// More people.
    MorePeople,
    /// Fewer people.
    FewerPeople,
    /// Another rule would have covered it, otherwise the same way.
    OtherRule,
}

/// A past request that would have gone differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Difference {
    /// What differs.
    pub kind: DifferenceKind,
    /// The request.
    pub request: RequestId,
    /// Who would have got the access.
    pub person: Person,
    /// Where.
    pub hosts: BTreeSet<HostName>,
    /// What for.
    pub services: BTreeSet<Service>,
    /// When it was asked.
    pub asked_at: Time,
    /// What became of it.
    pub state: String,
    /// What the one policy makes of it at once.
    pub before: Outcome,
    /// What the other does.
    pub after: Outcome,
}

/// Query of `GET /v1/check`: what would the gate say?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckQuery {
    /// To whom.
    pub user: Login,
    /// At which door.
    pub service: Service,
    /// On which host; this one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// As whom.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub run_as: Option<Login>,
    /// When; now if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// What the gate would say, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// Whether the door would open.
    pub allowed: bool,
    /// The code.
    pub reason: Reason,
    /// In words: the grant that carries it, or the nearest miss.
    pub because: String,
    /// That grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// When it ends or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Time>,
    /// The request that already waits for this access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<RequestId>,
    /// What to type next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How the daemon is, and what the reader holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// Of the daemon.
    pub version: String,
    /// This host.
    pub host: HostName,
    /// Where grants come from.
    pub source: String,
    /// Trusted time.
    pub now: Time,
    /// Whether the clock is confirmed since the machine started.
    pub clock_confirmed: bool,
    /// What the clock rests on, in words.
    pub clock: String,
    /// Records in the journal.
    pub journal_seq: u64,
    /// Whether the journal takes records.
    pub journal_ok: bool,
    /// Log lines that could not be delivered since the daemon started.
    pub lines_dropped: u64,
    /// Requests that wait.
    pub pending: u64,
    /// Grants that are good or will be.
    pub grants: u64,
    /// Sessions that are open.
    pub sessions: u64,
    /// PAM services that the gate stands before.
    pub gated: Vec<String>,
    /// Whether requests for this host find somebody to decide them: an approver, or a hub that was heard.
    #[serde(default)]
    pub somebody_decides: bool,
    /// What an administrator should look at, each with what to do.
    pub warnings: Vec<String>,
    /// The session that the reader asks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionView>,
    /// What runs on, or will, of people whom the gate let in, and that no session carries; all of it for who
    /// sees everything, else the reader's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_over: Vec<LeftOver>,
    /// What is found around the daemon, for approvers and who sees everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watched>,
    /// Who the daemon takes the reader for.
    pub you: Person,
    /// The reader's rights: approver, auditor, operator, admin.
    pub roles: Vec<String>,
}

/// Query of `GET /v1/journal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskJournal {
    /// Records after this one; the last ones if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One record as it stands in the journal, chain and all, so that a reader can verify it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JournalRow {
    /// Its place.
    pub seq: u64,
    /// The row as `jit audit export` writes it.
    pub row: serde_json::Value,
    /// The line it is in syslog.
    pub line: String,
}
