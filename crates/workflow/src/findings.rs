//! What is worth a look in a policy before it comes into force.

use crate::policy::{Effect, Source, StepTerms, Terms};
use crate::world::World;
use access::{Now, Person};
use std::collections::BTreeSet;
use std::fmt;

/// Something worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule it is about.
    pub rule: String,
    /// The line that rule starts on.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
    /// Whether the policy cannot come into force like this.
    pub refuses: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy.toml:{}: rule \"{}\": {}", self.line, self.rule, self.what)
    }
}

/// Everything worth a look in the policy of this world, in the order of the file.
pub fn findings(world: &World, now: Now) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &world.policy.rules {
        let mut add = |what: String, refuses| {
            findings.push(Finding { rule: rule.id.clone(), line: rule.line, what, refuses });
        };
        if let Effect::Allow(terms) = &rule.effect {
            empty_groups(world, terms, &mut add);
            one_voice(world, terms, now, &mut add);
        }
    }
    findings
}

fn steps(terms: &Terms) -> impl Iterator<Item = &StepTerms> {
    let own: &[StepTerms] = match terms.time.extend.as_ref().map(|extend| &extend.approve) {
        Some(crate::policy::ExtendBy::Steps(steps)) => steps,
        _ => &[],
    };
    terms.approve.iter().chain(own)
}

fn empty_groups(world: &World, terms: &Terms, add: &mut impl FnMut(String, bool)) {
    let sources = steps(terms).flat_map(|step| &step.from);
    let sources = sources.chain(terms.escalate.iter().flat_map(|more| &more.to));
    let sources = sources.chain(terms.break_glass.iter().flat_map(|glass| &glass.review_by));
    let mut told = BTreeSet::new();
    for source in sources {
        match source {
            Source::Group(group) if world.people.members(group).is_empty() && told.insert(group) => add(
                format!("group {group} has no members, so nobody of it could approve: add somebody to it"),
                false,
            ),
            Source::User(person) if world.people.get(person).is_none() => {
                add(format!("there is nobody named {person}: name somebody who is there"), false);
            }
            _ => {}
        }
    }
}

/// Two approvals must be two people. Only `people.toml` says which accounts are one person's.
fn one_voice(world: &World, terms: &Terms, now: Now, add: &mut impl FnMut(String, bool)) {
    let need: usize = terms.approve.iter().map(|step| step.need).sum();
    if need < 2 {
        return;
    }
    let sources: Vec<Source> = terms.approve.iter().flat_map(|step| step.from.clone()).collect();
    let unlisted: Vec<Person> = world
        .people_of(&sources, None, now)
        .into_iter()
        .filter(|person| world.people.get(person).is_some_and(|human| !human.listed))
        .collect();
    if !unlisted.is_empty() {
        add(
            format!(
                "it needs {need} people, and {} could be one person with two accounts: list them in people.toml with all their names",
                crate::some_of(&unlisted)
            ),
            true,
        );
    }
}
