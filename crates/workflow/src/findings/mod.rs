//! What is worth a look in a policy before it comes into force.

mod people;
mod power;
mod reach;

use crate::policy::{Effect, PolicyRule};
use crate::world::World;
use access::Now;
use serde::Serialize;
use std::fmt;

/// Something worth a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// What sort it is.
    pub kind: FindingKind,
    /// The rule it is about.
    pub rule: String,
    /// The line that rule starts on.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// As somebody may well want it; they should know.
    Note,
    /// Hardly what was meant.
    Warning,
    /// The policy cannot come into force like this.
    Refusal,
}

impl Weight {
    /// The word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Refusal => "refused",
        }
    }
}

/// What sort a finding is; a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A group that is named has no members.
    EmptyGroup,
    /// Somebody who is named is not there.
    Nobody,
    /// Two approvals could come from one person.
    OneVoice,
    /// Those it is for cannot get it, since nobody else could agree.
    OnlyThemselves,
    /// An earlier rule, or a deny rule, takes everything it could cover.
    Unreachable,
    /// Many people hear of each request.
    TellsMany,
    /// One click in a chat gives root.
    ChatGivesRoot,
    /// The rule itself gives root.
    AutoGivesRoot,
    /// An automation account has access without asking.
    Standing,
    /// Such access is over, since nobody renewed it.
    StandingOver,
    /// An on-call schedule is not known or not believed.
    Schedule,
}

impl Finding {
    /// Whether the policy cannot come into force like this.
    pub fn refuses(&self) -> bool {
        self.weight == Weight::Refusal
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy.toml:{}: rule \"{}\": {}", self.line, self.rule, self.what)
    }
}

/// Findings about one rule while it is looked at.
struct Found<'a> {
    rule: &'a PolicyRule,
    list: &'a mut Vec<Finding>,
}

impl Found<'_> {
    fn add(&mut self, weight: Weight, kind: FindingKind, what: String) {
        let finding = Finding { weight, kind, rule: self.rule.id.clone(), line: self.rule.line, what };
        if !self.list.contains(&finding) {
            self.list.push(finding);
        }
    }
}

/// Everything worth a look in the policy of this world, in the order of the file.
pub fn findings(world: &World, now: Now) -> Vec<Finding> {
    let mut list = Vec::new();
    for (place, rule) in world.policy.rules.iter().enumerate() {
        let mut found = Found { rule, list: &mut list };
        people::unknown(world, &mut found);
        match &rule.effect {
            Effect::Allow(terms) => {
                reach::unreachable(world, place, &mut found);
                people::one_voice(world, terms, &mut found);
                people::only_themselves(world, terms, &mut found);
                people::tells_many(world, terms, &mut found);
                power::root(terms, &mut found);
                power::schedule(world, terms, now, &mut found);
            }
            Effect::Standing(standing) => power::standing(standing, now.trusted, &mut found),
            Effect::Deny => {}
        }
    }
    list
}
