//! Who asks what, and what the policy makes of it: which rule, which steps, who could agree now, and why
//! the other rules do not count.

use crate::open::conditions;
use crate::outcome::{How, Outcome, outcome};
use crate::policy::{ChatWeight, Effect, PolicyRule, When, Who};
use crate::request::{Ask, Scope};
use crate::rule::{Rule, Step, Wants};
use crate::step::Facts;
use crate::uncovered::misses;
use crate::world::World;
use crate::{Human, limits, some_of};
use access::{HostName, Login, Now, Person, RequestId, Service, Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the policy makes of an ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explained {
    /// Who.
    pub person: Person,
    /// Where.
    pub hosts: BTreeSet<HostName>,
    /// What for.
    pub services: BTreeSet<Service>,
    /// Whom they would become.
    pub becomes: BTreeSet<Login>,
    /// For how long; unknown where no rule says its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Span>,
    /// When it is asked.
    pub at: Time,
    /// What becomes of it at once.
    pub outcome: Outcome,
    /// The rule that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<ExplainedRule>,
    /// The other rules, and why they do not count.
    pub others: Vec<OtherRule>,
}

impl Explained {
    /// How it ends by the rule that covers it if all goes well, or why it does not.
    pub fn ends(&self, rule: &ExplainedRule) -> String {
        let length = self.length.unwrap_or(rule.longest);
        let clock = match rule.claim_by {
            None => format!("for {length}"),
            Some(by) => format!("for {length} from first use, which must come within {by}"),
        };
        match self.outcome.how {
            How::Refused => {
                let why = self.outcome.why.as_deref().unwrap_or("nobody could approve it");
                format!("refused at once: {why}")
            }
            How::ByItself => format!("approved at once by the rule, {clock}"),
            How::ByPeople => {
                let people = if self.outcome.needs == 1 { "person" } else { "people" };
                format!(
                    "approved once {} {people} agreed, {clock}; waits {} for them",
                    self.outcome.needs, rule.waits
                )
            }
        }
    }
}

/// The rule that covers an ask, for that ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainedRule {
    /// Its name.
    pub id: String,
    /// The line of the policy it starts on.
    pub line: usize,
    /// What the person must say, each in words.
    pub wants: Vec<String>,
    /// The longest it gives.
    pub longest: Span,
    /// With a clock that the first use starts: within so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by: Option<Span>,
    /// How long a request waits for people.
    pub waits: Span,
    /// Steps of approval, those that do not count for this ask among them.
    pub steps: Vec<ExplainedStep>,
    /// When the rule itself approves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<ExplainedAuto>,
    /// Who may agree too after a while.
    pub escalations: Vec<ExplainedEscalation>,
    /// Who may let themselves in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<ExplainedGlass>,
    /// How a grant of it can be made longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extend: Option<ExplainedExtend>,
    /// What a click in a chat is worth, in words.
    pub chat: String,
    /// Who hears of it too.
    pub told: BTreeSet<Person>,
}

/// A step of approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainedStep {
    /// How many people must agree.
    pub need: usize,
    /// Where they come from, in words.
    pub from: String,
    /// Who could now.
    pub could: BTreeSet<Person>,
    /// Whether it counts for this ask.
    pub counts: bool,
    /// When it counts, where it does not always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// When the rule itself approves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainedAuto {
    /// What holds.
    pub held: Vec<String>,
    /// What does not.
    pub missed: Vec<String>,
}

/// Who may agree too after a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainedEscalation {
    /// So long after it was asked.
    pub after: Span,
    /// Where they come from, in words.
    pub to: String,
    /// Who that is now.
    pub could: BTreeSet<Person>,
}

/// Who may let themselves in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainedGlass {
    /// Whether this person may.
    pub may: bool,
    /// For at most so long.
    pub longest: Span,
    /// Who looks at it afterwards.
    pub review_by: BTreeSet<Person>,
    /// Within so long.
    pub within: Span,
    /// An earlier one that must be looked at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<RequestId>,
}

/// How a grant can be made longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainedExtend {
    /// So often.
    pub count: u32,
    /// By so much each time.
    pub longest: Span,
    /// From start to end with all of them.
    pub total: Span,
    /// Whether the rule itself must approve all of it, for want of people who could.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_itself: bool,
    /// How many people must agree.
    pub needs: usize,
}

/// A rule that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OtherRule {
    /// Its name.
    pub id: String,
    /// The line it starts on.
    pub line: usize,
    /// Why it does not.
    pub why: String,
}

/// What the policy of this world makes of `ask`. What the person must say is told, not asked for.
pub fn explained(world: &World, ask: &Ask, facts: &Facts, now: Now) -> Explained {
    let found = world.rule(ask, now);
    let outcome = match &found {
        Ok(rule) => outcome(ask, &Rule { wants: Wants::default(), ..rule.clone() }, facts),
        Err(why) => Outcome::uncovered(why),
    };
    let chosen = outcome.rule.clone();
    let place = world.policy.rules.iter().position(|rule| Some(&rule.id) == chosen.as_ref());
    let others = match world.people.get(&ask.person) {
        Some(human) => {
            let others = world.policy.rules.iter().enumerate().filter(|(other, _)| Some(*other) != place);
            let line = |(other, rule): (usize, &PolicyRule)| {
                let after = place.is_some_and(|place| other > place);
                let denied = matches!(found, Err(crate::Uncovered::Denied { .. }));
                let why = why_not(world, rule, human, ask, after, denied);
                OtherRule { id: rule.id.clone(), line: rule.line, why }
            };
            others.map(line).collect()
        }
        None => Vec::new(),
    };
    let line = place.and_then(|place| world.policy.rules.get(place)).map_or(0, |rule| rule.line);
    Explained {
        person: ask.person.clone(),
        hosts: ask.hosts.clone(),
        services: ask.services.clone(),
        becomes: ask.becomes(),
        length: (found.is_ok() || ask.length != Span::SHORTEST).then_some(ask.length),
        at: now.trusted,
        outcome,
        rule: found.ok().map(|rule| of_rule(&rule, line, ask, facts)),
        others,
    }
}

impl Explained {
    /// Who could agree now, to any step that counts.
    pub fn could(&self) -> BTreeSet<Person> {
        let steps = self.rule.iter().flat_map(|rule| &rule.steps).filter(|step| step.counts);
        steps.flat_map(|step| &step.could).cloned().collect()
    }

    /// How many steps count; none where nobody has to agree.
    pub fn steps(&self) -> usize {
        if self.outcome.how != How::ByPeople {
            return 0;
        }
        self.rule.iter().flat_map(|rule| &rule.steps).filter(|step| step.counts).count()
    }
}

fn of_rule(rule: &Rule, line: usize, ask: &Ask, facts: &Facts) -> ExplainedRule {
    let scope = Scope {
        length: ask.length,
        before: ask.before,
        hosts: ask.hosts.clone(),
        services: ask.services.clone(),
    };
    let others = |people: &BTreeSet<Person>| -> BTreeSet<Person> {
        people.iter().filter(|person| **person != ask.person).cloned().collect()
    };
    let step = |step: &Step| ExplainedStep {
        need: step.need,
        from: step.named.clone(),
        could: others(&step.from),
        counts: step.when.holds(&scope),
        when: when(step.when),
    };
    ExplainedRule {
        id: rule.id.clone(),
        line,
        wants: wants(&rule.wants),
        longest: rule.longest,
        claim_by: rule.claim_by(),
        waits: rule.pending,
        steps: rule.steps.iter().map(step).collect(),
        auto: rule.auto.as_ref().map(|auto| {
            let (held, missed) = conditions(auto, ask, facts);
            ExplainedAuto { held, missed }
        }),
        escalations: rule
            .escalations
            .iter()
            .map(|more| ExplainedEscalation {
                after: more.after,
                to: more.named.clone(),
                could: others(&more.to),
            })
            .collect(),
        break_glass: rule.break_glass.as_ref().map(|glass| ExplainedGlass {
            may: glass.who.contains(&ask.person),
            longest: glass.longest,
            review_by: others(&glass.review_by),
            within: glass.within,
            blocked_by: facts.unseen.first().filter(|_| glass.block_next).copied(),
        }),
        extend: rule.extend.as_ref().map(|extend| ExplainedExtend {
            count: extend.count,
            longest: extend.longest,
            total: extend.total,
            by_itself: !extend.free && extend.steps.is_empty(),
            needs: extend.steps.iter().filter(|step| step.when.holds(&scope)).map(|step| step.need).sum(),
        }),
        chat: match rule.chat {
            ChatWeight::Full => "a click in a chat counts like any other",
            ChatWeight::FirstOfTwo => "a click in a chat counts, but never as the last that is needed",
            ChatWeight::Notify => "a click in a chat counts for nothing",
        }
        .to_owned(),
        told: rule.tell.clone(),
    }
}

fn wants(wants: &Wants) -> Vec<String> {
    let reason = (wants.reason_min > 0).then(|| format!("a reason of {} characters", wants.reason_min));
    let ticket = wants.ticket_pattern().map(|pattern| format!("a ticket like {pattern}"));
    let pin = wants.pin.then(|| "the client address, to which access is pinned".to_owned());
    [reason, ticket, pin].into_iter().flatten().collect()
}

fn when(when: When) -> Option<String> {
    let longer = when.longer_than.map(|length| format!("longer than {length}"));
    let more = when
        .more_hosts_than
        .map(|hosts| format!("on more than {hosts} host{}", if hosts == 1 { "" } else { "s" }));
    let parts: Vec<String> = [longer, more].into_iter().flatten().collect();
    if parts.is_empty() { None } else { Some(parts.join(" and ")) }
}

/// Why a rule does not count for this ask. `after`: it comes after the one that does; `denied`: none does.
fn why_not(world: &World, rule: &PolicyRule, human: &Human, ask: &Ask, after: bool, denied: bool) -> String {
    if let Effect::Standing(_) = &rule.effect {
        return "standing access, which nobody asks for".to_owned();
    }
    if let Some(why) = not_for(&rule.who, human) {
        return why;
    }
    if matches!(rule.effect, Effect::Deny) {
        return if denied && world.denies(rule, human, ask) {
            "forbids it too".to_owned()
        } else {
            forbids_not(world, rule, ask)
        };
    }
    let misses = misses(world, rule, human, ask);
    if !misses.is_empty() {
        return misses.join(" and ");
    }
    if after && !denied {
        "would cover it too, but comes later".to_owned()
    } else {
        "would cover it, but deny rules come first".to_owned()
    }
}

/// Why a rule is not about this person.
fn not_for(who: &Who, human: &Human) -> Option<String> {
    let out: Vec<&str> = who.not_groups.intersection(&human.groups).map(String::as_str).collect();
    if !out.is_empty() {
        return Some(format!("not for group {}, which {} is in", out.join(", "), human.person));
    }
    if World::is_for(who, human) {
        return None;
    }
    let groups = who.groups.iter().map(|group| format!("group {group}"));
    let named: Vec<String> = who.users.iter().map(ToString::to_string).chain(groups).collect();
    let shown = named.iter().take(limits::NAMED_APPROVERS).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if named.len() > limits::NAMED_APPROVERS { ", ..." } else { "" };
    Some(format!("only for {shown}{more}"))
}

/// What of an ask a deny rule is not about.
fn forbids_not(world: &World, rule: &PolicyRule, ask: &Ask) -> String {
    let elsewhere = !ask.hosts.iter().any(|host| world.is_at(&rule.place, host));
    let other = rule.what.services.as_ref().is_some_and(|some| some.is_disjoint(&ask.services));
    match (elsewhere, other) {
        (true, _) => "forbids other hosts".to_owned(),
        (false, true) => "forbids other services".to_owned(),
        (false, false) => "forbids other names to become".to_owned(),
    }
}

impl ExplainedStep {
    /// Who could, in words.
    pub fn who(&self) -> String {
        if self.could.is_empty() {
            return "nobody now".to_owned();
        }
        let could: Vec<Person> = self.could.iter().cloned().collect();
        some_of(&could)
    }
}
