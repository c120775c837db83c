//! How long, from when, how often longer.

use super::step::steps;
use super::terms::all_or_none;
use super::{ExtendBy, ExtendTerms, TimeTerms};
use crate::document::{Table, Value};
use crate::{Clock, limits};
use access::Span;

/// `time`
pub(super) fn time(table: &Table<'_>) -> Option<TimeTerms> {
    let max = table.get("max");
    let longest = length(max.as_ref(), hours(8))?;
    let default = table.get("default");
    // A short max alone is enough: what is built in gives way, what was written does not.
    let usual = length(default.as_ref(), hours(1).min(longest))?;
    if usual > longest {
        match (&default, &max) {
            (default, Some(max)) if default.as_ref().is_none_or(|default| default.inherited) => max.wrong(
                format!("{longest} is shorter than default = {usual}"),
                "raise it, or set default lower here too",
            ),
            (Some(default), _) => {
                default.wrong(format!("{usual} is longer than max = {longest}"), "lower it, or raise max");
            }
            _ => {}
        }
    }
    let time = TimeTerms {
        default: usual,
        max: longest,
        ahead: length(table.get("ahead").as_ref(), hours(7 * 24))?,
        clock: clock(table)?,
        pending: length(table.get("pending").as_ref(), hours(24))?,
        extend: match table.get("extend") {
            Some(value) => extend(&value.table()?, longest)?,
            None => None,
        },
        sessions: table
            .get("sessions")
            .and_then(|value| value.number(1..=limits::SESSIONS))
            .and_then(|count| u32::try_from(count).ok()),
    };
    table.done();
    Some(time)
}

fn clock(table: &Table<'_>) -> Option<Clock> {
    let first_use = match table.get("clock") {
        Some(value) => value.choice(&[("approval", false), ("first-use", true)])?,
        None => false,
    };
    let written = table.get("claim_by");
    let claim_by = length(written.as_ref(), hours(8))?;
    if first_use {
        return Some(Clock::FirstUse { claim_by });
    }
    if let Some(value) = written.filter(|value| !value.inherited) {
        value.wrong(
            "means nothing while the clock starts with the approval",
            "write clock = \"first-use\" too",
        );
    }
    Some(Clock::Approval)
}

/// `count = 0` takes back what the defaults allow.
#[allow(clippy::option_option)]
fn extend(table: &Table<'_>, longest: Span) -> Option<Option<ExtendTerms>> {
    let count = table.need("count", "say how often, for example count = 2");
    let max = length(table.get("max").as_ref(), longest)?;
    let written = table.get("total");
    let approve = table.get("approve").map(|value| extend_by(&value));
    table.done();
    let count = u32::try_from(count?.number(0..=limits::COUNT)?).ok()?;
    let most = longest.as_seconds().saturating_add(max.as_seconds().saturating_mul(count));
    let total = length(written.as_ref(), Span::seconds(most).unwrap_or(Span::LONGEST))?;
    if let (true, Some(value)) = (total < longest, &written) {
        value.wrong(format!("{total} is shorter than time.max = {longest}"), "raise it, or lower time.max");
    }
    let approve = all_or_none(approve)?.unwrap_or(ExtendBy::Same);
    Some((count > 0).then_some(ExtendTerms { count, max, total, approve }))
}

fn extend_by(value: &Value<'_>) -> Option<ExtendBy> {
    if value.is_text() {
        return value
            .choice(&[("same", true), ("nobody", false)])
            .map(|same| if same { ExtendBy::Same } else { ExtendBy::Nobody });
    }
    let steps = steps(value);
    if steps.is_empty() {
        value.wrong("names nobody", "write \"same\", \"nobody\" or steps as in approve");
        return None;
    }
    Some(ExtendBy::Steps(steps))
}

/// A length of time, or what is built in.
pub(super) fn length(value: Option<&Value<'_>>, otherwise: Span) -> Option<Span> {
    value.map_or(Some(otherwise), Value::span)
}

/// So many hours.
pub(super) fn hours(hours: u32) -> Span {
    Span::seconds(hours * 3600).unwrap_or(Span::LONGEST)
}
