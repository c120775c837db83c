//! Whom, which hosts and which services a rule is about.
//!
//! An empty list is a mistake here: it would read as nobody and mean everybody.

use super::{RunAs, What, Where, Who, source};
use crate::document::{Table, Value, quoted};
use crate::limits;
use access::Service;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn who(table: &Table<'_>) -> Who {
    let groups = |key| match table.get(key) {
        Some(value) => value.list(limits::NAMES).iter().filter_map(source::group).collect(),
        None => BTreeSet::new(),
    };
    let who = Who {
        users: table.get("users").map(|users| set(&users, limits::NAMES, source::PERSON)).unwrap_or_default(),
        groups: groups("groups"),
        not_groups: groups("not_groups"),
    };
    table.done();
    who
}

pub(super) fn place(table: &Table<'_>) -> Where {
    let hosts = match table.get("hosts") {
        Some(value) => {
            let fix = "write lower-case letters, digits, - _ . and * for any run of characters";
            value.list(limits::NAMES).iter().filter_map(|value| value.parse(fix)).collect()
        }
        None => Vec::new(),
    };
    let most = access::limits::HOSTS as u64;
    let max_hosts = table.get("max_hosts").and_then(|value| value.number(1..=most));
    let follow = table.get("follow_labels");
    let place = Where {
        hosts,
        labels: labels(table),
        max_hosts: max_hosts.and_then(|most| usize::try_from(most).ok()),
        follow_labels: follow.as_ref().and_then(Value::flag).unwrap_or(false),
    };
    if let (true, true, Some(value)) = (place.follow_labels, place.labels.is_empty(), &follow) {
        value.wrong("follows nothing", "name where.labels too, or remove it");
    }
    table.done();
    place
}

fn labels(table: &Table<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let Some(value) = table.get("labels") else { return labels };
    let Some(entries) = value.table().map(|table| table.entries()) else { return labels };
    if entries.is_empty() || entries.len() > limits::NAMES {
        let what = format!("holds {} labels", entries.len());
        value.wrong(what, format!("name 1 to {}, or leave the key out", limits::NAMES));
    }
    let fits = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        !text.is_empty() && text.len() <= limits::ID && text.chars().all(fits)
    };
    for (name, value) in entries.into_iter().take(limits::NAMES) {
        let Some(text) = value.text() else { continue };
        if fits(&name) && fits(text) {
            labels.insert(name, text.to_owned());
        } else {
            let what = format!("{} = {} is not a label", quoted(&name), quoted(text));
            value.wrong(what, "write letters, digits, - _ . and /, at most 64 of each");
        }
    }
    labels
}

pub(super) fn what(table: &Table<'_>) -> What {
    let services = table.get("services").map(|value| {
        let listed = value.list(access::limits::NAMES);
        listed.iter().filter_map(service).collect()
    });
    let what = What { services, run_as: table.get("run_as").and_then(|value| run_as(&value)) };
    table.done();
    what
}

fn service(value: &Value<'_>) -> Option<Service> {
    let service: Service = value.parse("write a class as ssh, sudo or su, or a PAM service's name")?;
    let class = Service::of_pam(service.as_str()).ok()?;
    if class != service {
        let what = format!("{service} is the name of a PAM service");
        value.wrong(what, format!("write its class, \"{class}\""));
    }
    Some(class)
}

fn run_as(value: &Value<'_>) -> Option<RunAs> {
    let listed = value.list(access::limits::NAMES);
    let anybody = listed.iter().any(|value| value.is_text() && value.text() == Some("*"));
    if anybody && listed.len() > 1 {
        value.wrong("names \"*\" and others", "write [\"*\"] alone for anybody, or the names alone");
        return None;
    }
    if anybody {
        return Some(RunAs::Anybody);
    }
    let names = listed.iter().filter_map(|value| value.parse("correct the login name")).collect();
    Some(RunAs::These(names))
}

fn set<T: Ord + std::str::FromStr<Err: std::fmt::Display>>(
    value: &Value<'_>,
    most: usize,
    fix: &str,
) -> BTreeSet<T> {
    value.list(most).iter().filter_map(|value| value.parse(fix)).collect()
}
