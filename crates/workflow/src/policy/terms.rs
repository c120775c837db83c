//! The terms of an allow rule, over `[defaults]`, over what is built in.

use super::pattern::Ticket;
use super::source::sources;
use super::step::steps;
use super::time::{hours, length, time};
use super::{
    AskTerms, AutoTerms, BreakGlassTerms, ChatWeight, EscalateTerms, OnRefusal, Quota, ScheduleSource,
    Source, Terms, TimeTerms,
};
use crate::document::{Table, Value, quoted};
use crate::limits;
use access::Span;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

type Schedules = BTreeMap<String, ScheduleSource>;

/// Notes what is wrong in `[defaults]` itself, whether a rule uses it or not.
pub(super) fn check_defaults(table: &Table<'_>, schedules: &Schedules) {
    table.only(&["ask", "time", "approve", "escalate", "teams", "tell", "on_refusal"], "[defaults]");
    let _ = shared(table, schedules);
}

/// The terms of a rule.
pub(super) fn terms(table: &Table<'_>, schedules: &Schedules) -> Option<Terms> {
    let terms = shared(table, schedules);
    if !table.has("auto") && !table.has("break_glass") {
        match table.get("approve") {
            None => table.lacks(
                "approve",
                "is missing, so nobody could ever agree",
                "write approve = [{ from = [\"group:...\"] }] here or in [defaults], or auto, or break_glass",
            ),
            Some(value) if value.is_empty_list() => {
                value.wrong("is empty, so nobody could ever agree", "name who must agree");
            }
            Some(_) => {}
        }
    }
    terms
}

fn shared(table: &Table<'_>, schedules: &Schedules) -> Option<Terms> {
    let ask = ask(&table.table("ask"));
    let time = time(&table.table("time"));
    let longest = time.as_ref().map(|time| time.max);
    let approve = table.get("approve").map(|value| steps(&value)).unwrap_or_default();
    let auto = table.get("auto").map(|value| auto(&value, longest, schedules));
    let escalate = table.get("escalate").map(|value| escalate(&value, time.as_ref())).unwrap_or_default();
    let break_glass = table.get("break_glass").map(|value| break_glass(&value, longest));
    let teams = table.get("teams").map(|value| {
        let words = [
            ("full", ChatWeight::Full),
            ("first-of-two", ChatWeight::FirstOfTwo),
            ("notify", ChatWeight::Notify),
        ];
        value.choice(&words)
    });
    let tell = table.get("tell").map(|value| sources(&value)).unwrap_or_default();
    let on_refusal = table.get("on_refusal").map(|value| {
        value.choice(&[("open", OnRefusal::Open), ("hint", OnRefusal::Hint), ("off", OnRefusal::Off)])
    });
    Some(Terms {
        ask,
        time: time?,
        approve,
        auto: all_or_none(auto)?,
        escalate,
        break_glass: all_or_none(break_glass)?,
        teams: all_or_none(teams)?.unwrap_or_default(),
        tell,
        on_refusal: all_or_none(on_refusal)?.unwrap_or_default(),
    })
}

fn ask(table: &Table<'_>) -> AskTerms {
    let most = access::limits::TEXT as u64;
    let ask = AskTerms {
        reason_min: number(table, "reason_min", 0..=most).unwrap_or(0),
        ticket: table
            .get("ticket")
            .and_then(|value| value.parse::<Ticket>("write a regular expression, for example OPS-[0-9]+"))
            .map(|ticket| ticket.0),
        pin: table
            .get("source")
            .and_then(|value| value.choice(&[("pin", true), ("any", false)]))
            .unwrap_or(false),
    };
    table.done();
    ask
}

fn auto(value: &Value<'_>, longest: Option<Span>, schedules: &Schedules) -> Option<AutoTerms> {
    let table = value.table()?;
    if table.is_empty() {
        value.wrong(
            "is empty, so the rule would approve everything",
            "write at least one of hours, on_call, max and quota, or remove it",
        );
        return None;
    }
    let fix = "write for example \"Mon-Fri 08:00-19:00 Europe/Berlin\"";
    let hours = table.get("hours").map(|value| value.parse(fix));
    let on_call = table.get("on_call").map(|value| schedule(&value, schedules));
    let level = table.get("level");
    let max = table.get("max").map(|value| at_most(&value, longest));
    let quota = table.get("quota").map(|value| quota(&value));
    if let (Some(level), false) = (&level, table.has("on_call")) {
        level.wrong("means nothing without on_call", "name the schedule in on_call, or remove it");
    }
    table.done();
    let level = match &level {
        Some(value) => value.number(1..=limits::LEVELS)?,
        None => 1,
    };
    Some(AutoTerms {
        hours: all_or_none(hours)?,
        on_call: all_or_none(on_call)?,
        level: u8::try_from(level).ok()?,
        max: all_or_none(max)?,
        quota: all_or_none(quota)?,
    })
}

fn schedule(value: &Value<'_>, schedules: &Schedules) -> Option<String> {
    let name = value.text()?;
    if schedules.contains_key(name) {
        return Some(name.to_owned());
    }
    let known: Vec<String> = schedules.keys().map(|name| format!("\"{name}\"")).collect();
    let fix = match known.as_slice() {
        [] => "there is none yet, so add a table [schedule.NAME] with its file".to_owned(),
        known => format!("write {}, or add a table for it", known.join(" or ")),
    };
    value.wrong(format!("there is no schedule {}", quoted(name)), fix);
    None
}

fn quota(value: &Value<'_>) -> Option<Quota> {
    let text = value.text()?;
    let read = text.split_once(" per ").and_then(|(count, per)| {
        let count = count.trim().parse::<u32>().ok()?;
        let per = Span::parse(per).ok()?;
        (1..=limits::COUNT).contains(&u64::from(count)).then_some(Quota { count, per })
    });
    if read.is_none() {
        let fix = format!("write for example \"5 per 7d\", from 1 to {}", limits::COUNT);
        value.wrong(format!("{} is not a quota", quoted(text)), fix);
    }
    read
}

fn escalate(value: &Value<'_>, time: Option<&TimeTerms>) -> Vec<EscalateTerms> {
    let one = |table: &Table<'_>| {
        let after = table.need("after", "say after how long, for example after = \"30m\"");
        let to = table.need("to", "say who may agree then, for example to = [\"group:leads\"]");
        table.done();
        let (after, to) = (after?, sources(&to?));
        let span = after.span()?;
        if let Some(time) = time.filter(|time| span >= time.pending) {
            let what =
                format!("{span} comes no sooner than the request's end by time.pending = {}", time.pending);
            after.wrong(what, "lower it, or raise pending");
        }
        (!to.is_empty()).then_some(EscalateTerms { after: span, to })
    };
    let mut steps: Vec<EscalateTerms> = value.tables(limits::STEPS).iter().filter_map(one).collect();
    steps.sort_by_key(|step| step.after);
    steps
}

fn break_glass(value: &Value<'_>, longest: Option<Span>) -> Option<BreakGlassTerms> {
    let table = value.table()?;
    let who_value = table.need("who", "say who may, for example who = [\"group:oncall\"]");
    let max = table.get("max").map(|value| at_most(&value, longest));
    let review_by =
        table.need("review_by", "say who looks at it afterwards, for example [\"group:security\"]");
    let within = length(table.get("within").as_ref(), hours(24));
    let block_next = table.get("block_next").map(|value| value.flag());
    table.done();
    let (who_value, review_by) = (who_value?, sources(&review_by?));
    let who = sources(&who_value);
    if who.contains(&Source::Manager) {
        who_value.wrong("names the manager, who is never the person", "name groups or users");
    }
    let usual = longest.map_or(hours(1), |longest| longest.min(hours(1)));
    (!who.is_empty() && !review_by.is_empty()).then_some(BreakGlassTerms {
        who,
        max: all_or_none(max)?.unwrap_or(usual),
        review_by,
        within: within?,
        block_next: all_or_none(block_next)?.unwrap_or(true),
    })
}

/// A length that is no longer than the rule gives.
fn at_most(value: &Value<'_>, longest: Option<Span>) -> Option<Span> {
    let span = value.span()?;
    if let Some(longest) = longest.filter(|longest| span > *longest) {
        value.wrong(format!("{span} is longer than time.max = {longest}"), "lower it, or raise time.max");
    }
    Some(span)
}

/// A part that may be left out, but not be wrong.
#[allow(clippy::option_option)]
pub(super) fn all_or_none<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(part) => part.map(Some),
    }
}

/// A number of things, as the machine counts them.
pub(super) fn number(table: &Table<'_>, key: &'static str, bounds: RangeInclusive<u64>) -> Option<usize> {
    let number = table.get(key)?.number(bounds)?;
    usize::try_from(number).ok()
}
