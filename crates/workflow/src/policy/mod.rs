//! The policy as it was written: rules in file order, checked, but not yet applied to anybody.
//!
//! Small enough to learn in ten minutes, and no expression language: a rule lists who, where and what it
//! covers, what to ask for, how long, and who must agree. [`crate::World`] applies it to people and hosts.

mod parse;
mod pattern;
mod place;
mod source;
mod step;
mod terms;
mod time;

pub use pattern::PatternError;
pub(crate) use source::group;

use crate::{Clock, Hours};
use access::{Login, Person, Service, Span};
use ipnet::IpNet;
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A policy: what `policy.toml` says.
#[derive(Clone, Debug)]
pub struct Policy {
    /// SHA-256 of its text, in hex.
    pub digest: String,
    /// Rules, in the order of the file: deny rules are looked at first, then the first that covers wins.
    pub rules: Vec<PolicyRule>,
    /// On-call schedules that rules name.
    pub schedules: BTreeMap<String, ScheduleSource>,
}

/// Where an on-call schedule comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleSource {
    /// A TOML file of shifts, or an iCalendar file (`.ics`, RFC 5545).
    pub file: PathBuf,
    /// Facts older than this are not believed: a person decides instead.
    pub max_age: Span,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct PolicyRule {
    /// Its name, unique in the policy.
    pub id: String,
    /// The line it starts on, from 1.
    pub line: usize,
    /// Whom it is about.
    pub who: Who,
    /// Which hosts.
    pub place: Where,
    /// Which services, and as whom.
    pub what: What,
    /// What it does.
    pub effect: Effect,
}

/// Whom a rule is about. Nothing named means everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// These people,
    pub users: BTreeSet<Person>,
    /// and the members of these groups,
    pub groups: BTreeSet<String>,
    /// but no member of these.
    pub not_groups: BTreeSet<String>,
}

/// Which hosts a rule is about. Nothing named means every host.
#[derive(Clone, Debug, Default)]
pub struct Where {
    /// Names or patterns with `*`; a host matches one of them,
    pub hosts: Vec<HostPattern>,
    /// and carries all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Hosts that one request may name at most.
    pub max_hosts: Option<usize>,
    /// Whether hosts that get the labels later are covered too, by a grant that was asked for by label.
    pub follow_labels: bool,
}

/// A host name in which `*` stands for any run of characters.
#[derive(Clone, Debug)]
pub struct HostPattern {
    /// As it was written.
    pub text: String,
    /// The same, anchored.
    pub regex: Regex,
}

/// Which services a rule is about, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct What {
    /// Service classes; none named means any.
    pub services: Option<BTreeSet<Service>>,
    /// Whom one may become; none named means oneself at a login and root by sudo and su.
    pub run_as: Option<RunAs>,
}

/// Names one may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// Anybody: `run_as = ["*"]`.
    Anybody,
    /// These.
    These(BTreeSet<Login>),
}

/// What a rule does.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Refuses whatever touches it.
    Deny,
    /// Gives, on these terms.
    Allow(Box<Terms>),
    /// Gives automation accounts a grant of their own, without a request.
    Standing(Standing),
}

/// The terms of an allow rule, `[defaults]` merged in.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What the person must say.
    pub ask: AskTerms,
    /// How long, from when, how often longer.
    pub time: TimeTerms,
    /// Steps of approval, all of which must be met.
    pub approve: Vec<StepTerms>,
    /// When the rule itself approves.
    pub auto: Option<AutoTerms>,
    /// Who may agree too after a while, in order of time.
    pub escalate: Vec<EscalateTerms>,
    /// Who may let themselves in once, to be looked at afterwards.
    pub break_glass: Option<BreakGlassTerms>,
    /// What a click in a chat is worth.
    pub teams: ChatWeight,
    /// Who hears of requests and grants beside approvers and the person.
    pub tell: Vec<Source>,
    /// What a refused login does beside being refused.
    pub on_refusal: OnRefusal,
}

/// What the person must say.
#[derive(Clone, Debug, Default)]
pub struct AskTerms {
    /// Characters of the reason, at least.
    pub reason_min: usize,
    /// What the ticket looks like, whole; none: no ticket is needed.
    pub ticket: Option<Regex>,
    /// Whether the grant works only from the client address that asked: `source = "pin"`.
    pub pin: bool,
}

/// How long, from when, how often longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeTerms {
    /// For a request that does not say.
    pub default: Span,
    /// At most.
    pub max: Span,
    /// How far ahead it may start.
    pub ahead: Span,
    /// What starts the clock.
    pub clock: Clock,
    /// How long a request waits for approvers.
    pub pending: Span,
    /// How often and how far it can be extended; none: not at all.
    pub extend: Option<ExtendTerms>,
    /// Sessions at once on a host, if limited.
    pub sessions: Option<u32>,
}

/// `time.extend`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendTerms {
    /// So often.
    pub count: u32,
    /// By so much each time, at most.
    pub max: Span,
    /// From its start to its end at most, with all extensions.
    pub total: Span,
    /// Who must agree.
    pub approve: ExtendBy,
}

/// Who must agree to an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtendBy {
    /// The steps of the rule once more: `approve = "same"`, the default.
    Same,
    /// Nobody: `approve = "nobody"`.
    Nobody,
    /// Steps of their own.
    Steps(Vec<StepTerms>),
}

/// One step of approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTerms {
    /// Who may agree: any of these.
    pub from: Vec<Source>,
    /// How many distinct people must; at least 1.
    pub need: usize,
    /// When the step counts; always, if empty.
    pub when: When,
}

/// When a step counts: for what is longer, or names more hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Longer than this.
    pub longer_than: Option<Span>,
    /// More hosts than this.
    pub more_hosts_than: Option<usize>,
}

/// Where people come from: `group:NAME`, `user:NAME`, `manager`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// One person.
    User(Person),
    /// The members of a group.
    Group(String),
    /// The manager of the one who gets the access.
    Manager,
}

/// When the rule itself approves: all that is named must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoTerms {
    /// Within these hours.
    pub hours: Option<Hours>,
    /// While the person is on call by this schedule,
    pub on_call: Option<String>,
    /// at this level or a more urgent one (1 is the first to be called).
    pub level: u8,
    /// For at most so long.
    pub max: Option<Span>,
    /// So often in so long: `"5 per 7d"`.
    pub quota: Option<Quota>,
}

/// So often in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// So often.
    pub count: u32,
    /// In so long.
    pub per: Span,
}

/// Who may agree too, after a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscalateTerms {
    /// So long after it was asked.
    pub after: Span,
    /// They too may fill any step.
    pub to: Vec<Source>,
}

/// Who may let themselves in once, loudly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlassTerms {
    /// These, out of those the rule is about.
    pub who: Vec<Source>,
    /// For at most so long.
    pub max: Span,
    /// Who looks at it afterwards.
    pub review_by: Vec<Source>,
    /// Within so long.
    pub within: Span,
    /// Whether the person's next one waits until this one was looked at.
    pub block_next: bool,
}

/// What a click in a chat is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatWeight {
    /// A review like any other.
    #[default]
    Full,
    /// Counts, but never as the last review that is needed.
    FirstOfTwo,
    /// Nothing: chats only hear of it.
    Notify,
}

/// What a refused login does beside being refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRefusal {
    /// Opens a request for the refused service with the default length, and says so.
    #[default]
    Open,
    /// Says which command asks for it.
    Hint,
    /// Says only why.
    Off,
}

/// Access of an automation account, which nobody asks for each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It works only from here, if named.
    pub source: Option<IpNet>,
    /// Who answers for it.
    pub owner: Person,
    /// It ends at the end of this day (UTC) unless renewed in the policy.
    pub review_by: chrono::NaiveDate,
}
