//! The terms of an allow rule, over `[defaults]`, over what is built in.

use super::pattern::Ticket;
use super::{
    AskTerms, AutoTerms, BreakGlassTerms, ChatWeight, EscalateTerms, ExtendBy, ExtendTerms, OnRefusal, Quota,
    ScheduleSource, Source, StepTerms, Terms, TimeTerms, When,
};
use crate::document::{Table, Value, quoted};
use crate::{Clock, limits};
use access::{Person, Span, Text};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

type Schedules = BTreeMap<String, ScheduleSource>;

/// What to do about a name that is none.
pub(super) const PERSON: &str = "correct the person's name";

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

/// A part that may be left out, but not be wrong.
#[allow(clippy::option_option)]
fn all_or_none<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(part) => part.map(Some),
    }
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

fn time(table: &Table<'_>) -> Option<TimeTerms> {
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

fn steps(value: &Value<'_>) -> Vec<StepTerms> {
    let steps: Vec<StepTerms> = value.tables(limits::STEPS).iter().filter_map(step).collect();
    if !steps.is_empty() && steps.iter().all(|step| step.when != When::default()) {
        let what = "has a when in every step, so what none of them counts for would need nobody";
        value.wrong(what, "add a step without when");
    }
    if steps.iter().map(|step| step.need).sum::<usize>() > limits::REVIEWS {
        let what = format!("needs more than the {} people who can review one request", limits::REVIEWS);
        value.wrong(what, "lower need");
    }
    steps
}

fn step(table: &Table<'_>) -> Option<StepTerms> {
    let from = table.need("from", "say who may agree, for example from = [\"group:leads\"]");
    let need = table.get("need");
    let when_table = table.table("when");
    let when = When {
        longer_than: when_table.get("longer_than").and_then(|value| value.span()),
        more_hosts_than: number(&when_table, "more_hosts_than", 1..=access::limits::HOSTS as u64),
    };
    if table.has("when") && when_table.is_empty() {
        when_table.lacks("", "says nothing", "write longer_than or more_hosts_than, or remove it");
    }
    when_table.done();
    table.done();
    let from = sources(&from?);
    let people = match &need {
        Some(need) => need.number(1..=limits::REVIEWS as u64)?,
        None => 1,
    };
    let need_people = usize::try_from(people).ok()?;
    let named = from.iter().all(|source| !matches!(source, Source::Group(_))).then_some(from.len());
    if let (Some(value), Some(named)) = (&need, named.filter(|named| *named < need_people)) {
        value.wrong(format!("{people} people are needed of {named} named"), "name more, or lower need");
    }
    (!from.is_empty()).then_some(StepTerms { from, need: need_people, when })
}

/// People, as `group:NAME`, `user:NAME` and `manager`.
fn sources(value: &Value<'_>) -> Vec<Source> {
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

fn length(value: Option<&Value<'_>>, otherwise: Span) -> Option<Span> {
    value.map_or(Some(otherwise), Value::span)
}

fn number(table: &Table<'_>, key: &'static str, bounds: RangeInclusive<u64>) -> Option<usize> {
    let number = table.get(key)?.number(bounds)?;
    usize::try_from(number).ok()
}

fn hours(hours: u32) -> Span {
    Span::seconds(hours * 3600).unwrap_or(Span::LONGEST)
}
