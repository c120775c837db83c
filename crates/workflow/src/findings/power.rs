//! Rules that give much for little: root by one click or by none, access that nobody asks for.

use super::reach::doors;
use super::{FindingKind, Found, Weight};
use crate::limits;
use crate::policy::{ChatWeight, RunAs, Standing, Terms, When};
use crate::world::{World, end_of_day};
use access::{Login, Now, Time};
use std::collections::BTreeSet;

/// Root by one click in a chat, or by the rule itself.
pub(super) fn root(terms: &Terms, found: &mut Found<'_>) {
    let (switches, _) = doors(found.rule);
    let root = |names: &BTreeSet<Login>| names.iter().any(|login| login.as_str() == "root");
    let gives = match &found.rule.what.run_as {
        None => switches,
        Some(RunAs::Anybody) => true,
        Some(RunAs::These(names)) => root(names),
    };
    if !gives {
        return;
    }
    let always: usize =
        terms.approve.iter().filter(|step| step.when == When::default()).map(|step| step.need).sum();
    if terms.teams == ChatWeight::Full && always == 1 {
        let what =
            "one click in a chat gives root: write teams = \"notify\", or let two people agree and write \
             teams = \"first-of-two\""
                .to_owned();
        found.add(Weight::Note, FindingKind::ChatGivesRoot, what);
    }
    if let Some(auto) = &terms.auto {
        let mut while_ = Vec::new();
        while_.extend(auto.hours.as_ref().map(|hours| format!("within {hours}")));
        while_.extend(auto.on_call.as_ref().map(|name| format!("on call by {name}")));
        while_.extend(auto.max.map(|max| format!("for {max} at most")));
        while_.extend(auto.quota.map(|quota| format!("{} per {}", quota.count, quota.per)));
        let what = format!(
            "gives root without anybody ({}): leave sudo and su to another rule if that is too much",
            while_.join(", ")
        );
        found.add(Weight::Note, FindingKind::AutoGivesRoot, what);
    }
}

/// A schedule that is not to be had or too old: then people decide, and nobody would know why.
pub(super) fn schedule(world: &World, terms: &Terms, now: Now, found: &mut Found<'_>) {
    let Some(name) = terms.auto.as_ref().and_then(|auto| auto.on_call.as_ref()) else { return };
    if let Err(why) = world.schedule(name, now) {
        let what = format!("{why}, so people decide instead: bring its file up to date");
        found.add(Weight::Warning, FindingKind::Schedule, what);
    }
}

/// Access of automation accounts, told until it is renewed or removed.
pub(super) fn standing(standing: &Standing, now: Time, found: &mut Found<'_>) {
    let users: Vec<&str> = found.rule.who.users.iter().map(access::Person::as_str).collect();
    let (users, owner, day) = (users.join(", "), &standing.owner, standing.review_by);
    let ends = end_of_day(day);
    if ends <= now {
        let what = format!(
            "{users} has no access any more: nobody renewed it by {day}. {owner} answers for it: write a later \
             review_by, or remove the rule"
        );
        return found.add(Weight::Warning, FindingKind::StandingOver, what);
    }
    let days = (ends - now).num_days();
    let left = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let what = format!("{users} has standing access, for which {owner} answers, until {day} ({left} left)");
    if days < limits::STANDING_TOLD_DAYS {
        let what = format!("{what}: write a later review_by, or remove the rule");
        return found.add(Weight::Warning, FindingKind::Standing, what);
    }
    found.add(Weight::Note, FindingKind::Standing, what);
}
