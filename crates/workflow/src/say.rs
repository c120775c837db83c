//! What one person could have a say about, found without resolving a rule for each of many requests.

use crate::policy::{Effect, ExtendBy, PolicyRule, Source, Terms};
use crate::request::Ask;
use crate::world::World;
use crate::{Human, People};
use access::{Now, Person};
use std::collections::BTreeSet;

/// The part of the rules in which one person has a say, now or by escalation.
#[derive(Debug)]
pub struct Say<'a> {
    world: &'a World,
    /// Rules that name the person, a group of theirs, or either of somebody they stand for.
    named: BTreeSet<&'a str>,
    /// Rules that name the manager of whoever asks.
    by_manager: BTreeSet<&'a str>,
    /// Those whose manager the person is or stands for.
    managed: BTreeSet<&'a Person>,
}

impl World {
    /// What `person` has a say about.
    pub fn say_of<'a>(&'a self, person: &Person, now: Now) -> Say<'a> {
        let is_them = |other: &Person| self.present(other, now).as_ref() == Some(person);
        // A look at each human is cheaper than one at each source of each rule.
        let voices: Vec<&Human> = self.people.all().filter(|human| is_them(&human.person)).collect();
        let is_theirs = |human: &&Human| human.manager.as_ref().is_some_and(is_them);
        let managed: Vec<&Human> = self.people.all().filter(is_theirs).collect();
        let mut say = Say {
            world: self,
            named: BTreeSet::new(),
            by_manager: BTreeSet::new(),
            managed: managed.iter().map(|human| &human.person).collect(),
        };
        for rule in &self.policy.rules {
            let Effect::Allow(terms) = &rule.effect else { continue };
            if terms.with_a_say().any(|source| voices.iter().any(|human| names(source, human, &self.people)))
            {
                say.named.insert(&rule.id);
            }
            if terms.with_a_say().any(|source| *source == Source::Manager)
                && managed.iter().any(|human| Self::is_for(&rule.who, human))
            {
                say.by_manager.insert(&rule.id);
            }
        }
        say
    }
}

impl Say<'_> {
    /// Whether there is anything at all.
    pub fn is_some(&self) -> bool {
        !self.named.is_empty() || !self.by_manager.is_empty()
    }

    /// Whether it may be about this ask. Where this is false the rule that covers it now has no
    /// [`Rule::has_approver`](crate::Rule::has_approver) of the person; where it is true that is still to be seen.
    pub fn may_be_about(&self, ask: &Ask) -> bool {
        self.world.covering(ask).is_ok_and(|(rule, ..)| self.is_in(rule, &ask.person))
    }

    fn is_in(&self, rule: &PolicyRule, subject: &Person) -> bool {
        let id = rule.id.as_str();
        self.named.contains(id) || (self.by_manager.contains(id) && self.managed.contains(subject))
    }
}

/// Whether a source names this human, whoever asks.
fn names(source: &Source, human: &Human, people: &People) -> bool {
    match source {
        Source::User(person) => people.get(person).is_some_and(|named| named.person == human.person),
        Source::Group(group) => people.is_member(group, &human.person),
        Source::Manager => false,
    }
}

impl Terms {
    /// Where those come from who could have a say about something under this rule, now or by escalation.
    pub(crate) fn with_a_say(&self) -> impl Iterator<Item = &Source> {
        let extending = match self.time.extend.as_ref().map(|extend| &extend.approve) {
            Some(ExtendBy::Steps(steps)) => steps.as_slice(),
            _ => &[],
        };
        let steps = self.approve.iter().chain(extending).flat_map(|step| &step.from);
        let escalated = self.escalate.iter().flat_map(|more| &more.to);
        let afterwards = self.break_glass.iter().flat_map(|glass| &glass.review_by);
        steps.chain(escalated).chain(afterwards)
    }
}
