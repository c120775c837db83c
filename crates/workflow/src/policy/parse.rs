//! `policy.toml` read: rules, schedules, defaults.

use super::{Effect, Policy, PolicyRule, ScheduleSource, Standing, What, Where, Who, place, terms};
use crate::document::{Document, PolicyErrors, Table, Value, quoted};
use crate::{hex, limits};
use access::Span;
use chrono::{Datelike as _, NaiveDate};
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

impl Policy {
    /// The policy this text writes; `path` is for the errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyErrors> {
        Document::read(text, path, limits::POLICY, |root| {
            let schedules = schedules(root);
            let defaults = root.table("defaults").named("[defaults]");
            terms::check_defaults(&defaults, &schedules);
            let mut rules: Vec<PolicyRule> = Vec::new();
            let written = root.need("rule", "write at least one [[rule]]: without any, nobody gets in")?;
            let tables = written.tables(limits::RULES);
            if tables.is_empty() {
                written.wrong("holds no rule", "write at least one [[rule]]: without any, nobody gets in");
            }
            for (number, table) in tables.into_iter().enumerate() {
                let Some(rule) = rule(table, number + 1, &defaults, &schedules) else { continue };
                match rules.iter().find(|other| other.id == rule.0.id) {
                    Some(other) => rule.1.wrong(
                        format!("is also the id of the rule on line {}", other.line),
                        "give each rule an id of its own",
                    ),
                    None => rules.push(rule.0),
                }
            }
            Some(Self { digest: hex(&Sha256::digest(text)), rules, schedules })
        })
    }
}

fn schedules(root: &Table<'_>) -> BTreeMap<String, ScheduleSource> {
    let named = root.table("schedule").entries();
    if let Some((_, one)) = named.get(limits::SCHEDULES) {
        one.wrong(format!("is one more than {} schedules", limits::SCHEDULES), "remove some");
    }
    named.into_iter().take(limits::SCHEDULES).filter_map(|(name, value)| schedule(name, &value)).collect()
}

fn schedule(name: String, value: &Value<'_>) -> Option<(String, ScheduleSource)> {
    if !is_id(&name) {
        value.wrong(format!("{} is not a name", quoted(&name)), ID);
        return None;
    }
    let table = value.table()?.named(&format!("schedule \"{name}\""));
    let file = table.need("file", "name the file, for example file = \"/etc/jitd/oncall.ics\"");
    let max_age = table.get("max_age").map_or(DAY, |value| value.span().unwrap_or(DAY));
    table.done();
    let file = file?;
    let path = PathBuf::from(file.text()?);
    let known = path.extension().is_some_and(|end| end == "ics" || end == "toml");
    if !path.is_absolute() || !known {
        file.wrong(
            format!("{} is not a schedule that can be read", quoted(file.text()?)),
            "write a whole path that ends in .ics or .toml",
        );
        return None;
    }
    Some((name, ScheduleSource { file: path, max_age }))
}

/// A rule, and its id for errors about that.
fn rule<'d>(
    table: Table<'d>,
    number: usize,
    defaults: &Table<'d>,
    schedules: &BTreeMap<String, ScheduleSource>,
) -> Option<(PolicyRule, Value<'d>)> {
    let table = table.named(&format!("rule {number}"));
    let id_value = table.need("id", ID);
    let id = id_value.as_ref().and_then(id);
    let table = match &id {
        Some(id) => table.named(&format!("rule \"{id}\"")),
        None => table,
    };
    let who = place::who(&table.table("who"));
    let place = place::place(&table.table("where"));
    let what = place::what(&table.table("what"));
    let line = table.line();
    let effect = effect(table, (&who, &place, &what), defaults, schedules)?;
    Some((PolicyRule { id: id?, line, who, place, what, effect }, id_value?))
}

fn id(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if is_id(text) {
        return Some(text.to_owned());
    }
    value.wrong(format!("{} is not an id", quoted(text)), ID);
    None
}

fn effect<'d>(
    table: Table<'d>,
    (who, place, what): (&Who, &Where, &What),
    defaults: &Table<'d>,
    schedules: &BTreeMap<String, ScheduleSource>,
) -> Option<Effect> {
    let denies = match table.get("effect") {
        Some(value) => value.choice(&[("allow", false), ("deny", true)])?,
        None => false,
    };
    if denies {
        table.only(&["id", "effect", "who", "where", "what"], "a deny rule");
        table.table("where").only(&["hosts", "labels"], "a deny rule");
        let everything = *who == Who::default()
            && place.hosts.is_empty()
            && place.labels.is_empty()
            && *what == What::default();
        if everything {
            let fix = "name a who, where or what (what no rule covers is refused anyway)";
            table.lacks("effect", "would refuse everybody everything", fix);
        }
        return Some(Effect::Deny);
    }
    if let Some(value) = table.get("standing") {
        table.only(&["id", "effect", "who", "where", "what", "standing"], "a standing rule");
        return standing(&value, &table, (who, place, what)).map(Effect::Standing);
    }
    let table = table.over(Some(defaults));
    let terms = terms::terms(&table, schedules);
    table.done();
    terms.map(|terms| Effect::Allow(Box::new(terms)))
}

fn standing(
    value: &Value<'_>,
    rule: &Table<'_>,
    (who, place, what): (&Who, &Where, &What),
) -> Option<Standing> {
    // Nobody looks at each use of it, so it says itself whom, where and what.
    if who.users.is_empty() || !who.groups.is_empty() || !who.not_groups.is_empty() {
        rule.lacks("who", "does not name accounts one by one", "write who = { users = [...] } and no groups");
    }
    if place.hosts.is_empty() && place.labels.is_empty() {
        rule.lacks("where", "is missing, so it would be every host", "name hosts or labels");
    }
    if what.services.is_none() {
        rule.lacks("what.services", "is missing, so it would be every service", "name the services");
    }
    let table = value.table()?;
    let source = table.get("source").map(|value| network(&value));
    let owner = table.need("owner", "name the person who answers for it, for example owner = \"alice\"");
    let review =
        table.need("review_by", "name the day it ends on unless renewed, for example \"2027-01-31\"");
    table.done();
    let owner = owner?.parse(super::source::PERSON);
    let review = review?;
    let review_by = review.moment()?.parse::<NaiveDate>();
    match review_by {
        Err(_) => review.wrong("is not a date", "write it as 2027-01-31"),
        Ok(day) if day.year() > limits::REVIEW_BY => {
            let what = format!("is a day after {}, on which nobody here will look at it", limits::REVIEW_BY);
            review.wrong(what, "name one some months ahead, like 2027-01-31");
        }
        Ok(_) => {}
    }
    Some(Standing {
        source: match source {
            Some(source) => Some(source?),
            None => None,
        },
        owner: owner?,
        review_by: review_by.ok()?,
    })
}

fn network(value: &Value<'_>) -> Option<IpNet> {
    let text = value.text()?;
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if network.is_none() {
        let what = format!("{} is not an address or network", quoted(text));
        value.wrong(what, "write for example 10.0.0.5 or 10.0.0.0/24");
    }
    network
}

const ID: &str = "write an id of a-z, 0-9 and -, at most 64 characters, for example id = \"prod-db\"";

const DAY: Span = match Span::seconds(86_400) {
    Some(span) => span,
    None => Span::LONGEST,
};

fn is_id(text: &str) -> bool {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !text.is_empty() && text.len() <= limits::ID && text.bytes().all(fits)
}
