//! Rules that nothing can reach, because what stands before them takes it all.
//!
//! One rule is compared with one other. That several together take everything from a third goes unsaid;
//! what is said is true.

use super::{FindingKind, Found, Weight};
use crate::policy::{Effect, PolicyRule, RunAs, Where, Who};
use crate::world::World;
use access::{Login, Service};
use std::collections::BTreeSet;

/// Says so if another rule takes everything from the rule at this place.
pub(super) fn unreachable(world: &World, place: usize, found: &mut Found<'_>) {
    let rule = found.rule;
    let denies = |other: &&PolicyRule| {
        matches!(other.effect, Effect::Deny)
            && all_who(world, &other.who, &rule.who)
            && all_where(&other.place, &rule.place)
            && denies_every(other, rule)
    };
    if let Some(other) = world.policy.rules.iter().find(denies) {
        let what = format!(
            "gives nothing, since deny rule \"{}\" on line {} forbids all of it: remove one of the two, or \
             narrow the deny rule",
            other.id, other.line
        );
        return found.add(Weight::Warning, FindingKind::Unreachable, what);
    }
    let covers = |other: &&PolicyRule| {
        matches!(other.effect, Effect::Allow(_))
            && all_who(world, &other.who, &rule.who)
            && all_where(&other.place, &rule.place)
            && other.place.max_hosts.is_none_or(|most| rule.place.max_hosts.is_some_and(|own| own <= most))
            && covers_all(other, rule)
    };
    if let Some(other) = world.policy.rules.iter().take(place).find(covers) {
        let what = format!(
            "is never reached, since rule \"{}\" on line {} covers all of it first: move it above, or remove it",
            other.id, other.line
        );
        found.add(Weight::Warning, FindingKind::Unreachable, what);
    }
}

/// Whether `wide` is about everybody that `narrow` is about.
fn all_who(world: &World, wide: &Who, narrow: &Who) -> bool {
    if !wide.not_groups.is_subset(&narrow.not_groups) {
        return false;
    }
    if wide.users.is_empty() && wide.groups.is_empty() {
        return true;
    }
    if narrow.users.is_empty() && narrow.groups.is_empty() {
        return false;
    }
    let member =
        |person| world.people.get(person).is_some_and(|human| !wide.groups.is_disjoint(&human.groups));
    narrow.groups.is_subset(&wide.groups)
        && narrow.users.iter().all(|person| wide.users.contains(person) || member(person))
}

/// Whether `wide` is about every host that `narrow` is about.
fn all_where(wide: &Where, narrow: &Where) -> bool {
    let named = wide.hosts.is_empty()
        || (!narrow.hosts.is_empty()
            && narrow.hosts.iter().all(|own| wide.hosts.iter().any(|other| other.includes(own))))
        || wide.hosts.iter().any(|other| other.text.bytes().all(|c| c == b'*'));
    named && wide.labels.iter().all(|(key, value)| narrow.labels.get(key) == Some(value))
}

/// Whether every request that `rule` covers is within the services and names of `other`.
fn covers_all(other: &PolicyRule, rule: &PolicyRule) -> bool {
    let services = match (&other.what.services, &rule.what.services) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow.is_subset(wide),
    };
    let (switches, logs_in) = doors(rule);
    let names = match (&other.what.run_as, &rule.what.run_as) {
        (Some(RunAs::Anybody), _) | (None, None) => true,
        (Some(RunAs::These(wide)), Some(RunAs::These(narrow))) => narrow.is_subset(wide),
        (Some(RunAs::These(wide)), None) => !switches || wide.contains(ROOT),
        (None, Some(RunAs::These(narrow))) => !logs_in && only_root(narrow),
        (_, Some(RunAs::Anybody)) => false,
    };
    services && names
}

/// Whether every request that `rule` covers has a part that the deny rule `other` is about.
fn denies_every(other: &PolicyRule, rule: &PolicyRule) -> bool {
    let services = match (&other.what.services, &rule.what.services) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow.is_subset(wide),
    };
    let (_, logs_in) = doors(rule);
    let names = match (&other.what.run_as, &rule.what.run_as) {
        (None | Some(RunAs::Anybody), _) => true,
        // A login as oneself becomes nobody else, so a deny rule with names is not about it.
        (Some(RunAs::These(_)), _) if logs_in => false,
        (Some(RunAs::These(wide)), Some(RunAs::These(narrow))) => narrow.is_subset(wide),
        (Some(RunAs::These(wide)), None) => wide.contains(ROOT),
        (Some(RunAs::These(_)), Some(RunAs::Anybody)) => false,
    };
    services && names
}

const ROOT: &str = "root";

fn only_root(names: &BTreeSet<Login>) -> bool {
    names.iter().all(|login| login.as_str() == ROOT)
}

/// Whether a rule can cover requests with sudo or su, and requests without.
pub(super) fn doors(rule: &PolicyRule) -> (bool, bool) {
    match &rule.what.services {
        None => (true, true),
        Some(some) => (some.iter().any(Service::switches), !some.iter().all(Service::switches)),
    }
}
