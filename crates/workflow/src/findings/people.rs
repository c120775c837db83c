//! People that a rule names: whether they are there, can be told apart, and are not too many or too few.

use super::{FindingKind, Found, Weight};
use crate::policy::{Effect, ExtendBy, Source, StepTerms, Terms};
use crate::rule::{Step, are_met};
use crate::world::World;
use crate::{Human, limits, some_of};
use access::Person;
use std::collections::BTreeSet;

/// Steps of the rule, and those of its extensions where they are others.
fn steps(terms: &Terms) -> impl Iterator<Item = &StepTerms> {
    let own: &[StepTerms] = match terms.time.extend.as_ref().map(|extend| &extend.approve) {
        Some(ExtendBy::Steps(steps)) => steps,
        _ => &[],
    };
    terms.approve.iter().chain(own)
}

/// Groups without members, and people who are not there.
pub(super) fn unknown(world: &World, found: &mut Found<'_>) {
    let who = &found.rule.who;
    for group in who.groups.iter().filter(|group| world.people.members(group).is_empty()) {
        let what = format!("group {group} has no members, so it is for nobody of it: add somebody to it");
        found.add(Weight::Note, FindingKind::EmptyGroup, what);
    }
    for person in who.users.iter().filter(|person| world.people.get(person).is_none()) {
        found.add(Weight::Warning, FindingKind::Nobody, nobody(person));
    }
    let terms = match &found.rule.effect {
        Effect::Allow(terms) => terms,
        Effect::Standing(standing) => {
            if world.people.get(&standing.owner).is_none() {
                found.add(Weight::Warning, FindingKind::Nobody, nobody(&standing.owner));
            }
            return;
        }
        Effect::Deny => return,
    };
    let agree = steps(terms).flat_map(|step| &step.from);
    let agree = agree.chain(terms.escalate.iter().flat_map(|more| &more.to));
    let agree = agree.chain(terms.break_glass.iter().flat_map(|glass| &glass.review_by));
    let others = terms.tell.iter().chain(terms.break_glass.iter().flat_map(|glass| &glass.who));
    let sources =
        agree.map(|source| (source, "could approve")).chain(others.map(|source| (source, "is meant")));
    for (source, does) in sources {
        match source {
            Source::Group(group) if world.people.members(group).is_empty() => found.add(
                Weight::Warning,
                FindingKind::EmptyGroup,
                format!("group {group} has no members, so nobody of it {does}: add somebody to it"),
            ),
            Source::User(person) if world.people.get(person).is_none() => {
                found.add(Weight::Warning, FindingKind::Nobody, nobody(person));
            }
            _ => {}
        }
    }
}

fn nobody(person: &Person) -> String {
    format!("there is nobody named {person}: name somebody who is there")
}

/// Two approvals must be two people. Only `people.toml` says which accounts are one person's.
pub(super) fn one_voice(world: &World, terms: &Terms, found: &mut Found<'_>) {
    let need = |steps: &[StepTerms]| steps.iter().map(|step| step.need).sum::<usize>();
    let extension: &[StepTerms] = match terms.time.extend.as_ref().map(|extend| &extend.approve) {
        Some(ExtendBy::Steps(steps)) => steps,
        _ => &[],
    };
    let need = need(&terms.approve).max(need(extension));
    if need < 2 {
        return;
    }
    // Managers are named in people.toml, so they are listed there.
    let sources = steps(terms).flat_map(|step| &step.from).chain(late(terms));
    let unlisted: Vec<Person> = named_by(world, sources, None)
        .into_iter()
        .filter(|person| world.people.get(person).is_some_and(|human| !human.listed))
        .collect();
    if !unlisted.is_empty() {
        let what = format!(
            "it needs {need} people, and {} could be one person with two accounts: list them in people.toml \
             with all their names",
            some_of(&unlisted)
        );
        found.add(Weight::Refusal, FindingKind::OneVoice, what);
    }
}

/// Everybody whom these sources mean, `subject` being the one whose manager is meant; absences aside: who is
/// away comes back without a look at the policy.
fn named_by<'a>(
    world: &World,
    sources: impl IntoIterator<Item = &'a Source>,
    subject: Option<&Human>,
) -> BTreeSet<Person> {
    let mut people = BTreeSet::new();
    for source in sources {
        match source {
            Source::User(person) => people.extend(world.people.get(person).map(|human| human.person.clone())),
            Source::Group(group) => people.extend(world.people.members(group)),
            Source::Manager => people.extend(subject.and_then(|human| human.manager.clone())),
        }
    }
    people.retain(|person| person.as_str() != "root");
    people
}

/// Who may agree too after a while.
fn late(terms: &Terms) -> impl Iterator<Item = &Source> {
    terms.escalate.iter().flat_map(|more| &more.to)
}

/// Those the rule is for and who could never get it, because too few people remain without themselves.
pub(super) fn only_themselves(world: &World, terms: &Terms, found: &mut Found<'_>) {
    // A rule without steps lets nobody in by approval, and that is as it was written.
    if terms.approve.is_empty() {
        return;
    }
    let mut sources = terms.approve.iter().flat_map(|step| &step.from).chain(late(terms));
    let manager = sources.any(|source| *source == Source::Manager);
    let common = resolved(world, terms, None);
    let need: usize = common.iter().map(|step| step.need).sum();
    // With one more than is needed in every step, nobody's own absence leaves too few.
    if common.iter().all(|step| step.from.len() > need) {
        return;
    }
    let theirs = |human: &&Human| World::is_for(&found.rule.who, human) && human.person.as_str() != "root";
    let mut stuck = Vec::new();
    let mut whom = 0_usize;
    let whole = met_without(&common, None);
    for human in world.people.all().filter(theirs) {
        whom += 1;
        let approves = common.iter().any(|step| step.from.contains(&human.person));
        let met = match (manager, approves) {
            (true, _) => met_without(&resolved(world, terms, Some(human)), Some(&human.person)),
            (false, true) => met_without(&common, Some(&human.person)),
            (false, false) => whole,
        };
        if !met {
            stuck.push(human.person.clone());
        }
    }
    // Groups without members are told as such.
    if stuck.is_empty() || common.iter().any(|step| step.from.is_empty()) && stuck.len() == whom && !manager {
        return;
    }
    let what = format!(
        "{} could never get it, since without the one who asks too few people are left to agree (it needs {need}): \
         name more approvers",
        match stuck.len() {
            1 => some_of(&stuck),
            many => format!("{many} of the {whom} people it is for ({})", some_of(&stuck)),
        }
    );
    found.add(Weight::Warning, FindingKind::OnlyThemselves, what);
}

/// Steps that always count, with all who can fill them at some time.
fn resolved(world: &World, terms: &Terms, human: Option<&Human>) -> Vec<Step> {
    let late = named_by(world, late(terms), human);
    let always = terms.approve.iter().filter(|step| step.when == crate::policy::When::default());
    always
        .map(|step| Step {
            from: named_by(world, &step.from, human).union(&late).cloned().collect(),
            need: step.need,
            when: step.when,
            named: String::new(),
        })
        .collect()
}

fn met_without(steps: &[Step], without: Option<&Person>) -> bool {
    let people: BTreeSet<&Person> =
        steps.iter().flat_map(|step| &step.from).filter(|person| Some(*person) != without).collect();
    are_met(steps, &people)
}

/// Rules that fill many inboxes.
pub(super) fn tells_many(world: &World, terms: &Terms, found: &mut Found<'_>) {
    let at_once = terms.approve.iter().flat_map(|step| &step.from).chain(&terms.tell);
    let at_once = named_by(world, at_once, None);
    let later = named_by(world, late(terms), None).difference(&at_once).count();
    if at_once.len() + later <= limits::TOLD_MANY {
        return;
    }
    let later = if later == 0 { String::new() } else { format!(", and {later} more if nobody answers") };
    let what = format!(
        "this rule will tell {} people of each request{later}: name a smaller group, or most will stop reading",
        at_once.len()
    );
    found.add(Weight::Warning, FindingKind::TellsMany, what);
}
