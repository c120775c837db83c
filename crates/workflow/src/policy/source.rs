//! People as rules name them: `group:NAME`, `user:NAME`, `manager`.

use super::Source;
use crate::document::{Value, quoted};
use crate::limits;
use access::{Person, Text};

/// What to do about a name that is none.
pub(super) const PERSON: &str = "correct the person's name";

/// A list of them, each once.
pub(super) fn sources(value: &Value<'_>) -> Vec<Source> {
    let mut sources: Vec<Source> = value.list(limits::NAMES).iter().filter_map(one_source).collect();
    sources.sort();
    sources.dedup();
    sources
}

fn one_source(value: &Value<'_>) -> Option<Source> {
    let text = value.text()?;
    if let Some(name) = text.strip_prefix("group:") {
        return group_name(value, name).map(Source::Group);
    }
    if let Some(name) = text.strip_prefix("user:") {
        return Person::parse(name).map_err(|why| value.wrong(why, PERSON)).ok().map(Source::User);
    }
    if text == "manager" {
        return Some(Source::Manager);
    }
    let fix = "write \"group:NAME\", \"user:NAME\" or \"manager\"";
    value.wrong(format!("{} names nobody", quoted(text)), fix);
    None
}

/// The name of a group.
pub(crate) fn group(value: &Value<'_>) -> Option<String> {
    group_name(value, value.text()?)
}

fn group_name(value: &Value<'_>, name: &str) -> Option<String> {
    let prefixed = name.starts_with("group:") || name.starts_with("user:");
    if prefixed
        || name.len() > access::limits::LOGIN
        || Text::parse(name).is_ok_and(|text| text.as_str() != name)
    {
        value.wrong(format!("{} is not the name of a group", quoted(name)), "write the bare name");
        return None;
    }
    match Text::parse(name) {
        Ok(_) => Some(name.to_owned()),
        Err(why) => {
            let why = why.to_string();
            let (what, fix) = why.split_once(": ").unwrap_or((&why, "correct the name"));
            value.wrong(format!("the name of the group {what}"), fix);
            None
        }
    }
}
