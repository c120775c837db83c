//! Shifts in an iCalendar file (RFC 5545), as PagerDuty, Opsgenie, Grafana OnCall and calendars export them.
//!
//! Recurrences are expanded on the clock of the event's own time zone, and only then put on the world's: a
//! shift from 20:00 to 08:00 stays that when summer time ends.

use super::moment::{Clock, Moment, Stamp, When, stamp};
use super::{Read, Shift};
use crate::document::{Document, PolicyErrors, quoted};
use crate::limits;
use access::{Span, Text, Time};
use chrono::{Datelike as _, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use icalendar::parser::{Component, ParseString, Property, read_components, unfold};
use rrule::{Frequency, RRule, Unvalidated};
use std::collections::HashSet;
use std::path::Path;

/// What is wrong with an event, by property, and what would be right.
struct Wrong {
    property: &'static str,
    what: String,
    fix: &'static str,
}

type Found<T> = Result<T, Wrong>;

fn wrong<T>(property: &'static str, what: impl Into<String>, fix: &'static str) -> Found<T> {
    Err(Wrong { property, what: what.into(), fix })
}

/// The shifts of the calendar within the days that are read.
pub(super) fn shifts(text: &str, path: &Path, read: &Read) -> Result<Vec<Shift>, PolicyErrors> {
    let told = |at: usize, key: &str, what: &str, fix: &str| {
        let document = Document::new(text, path);
        document.wrong(at, "", "", key, what, fix);
        document.close()
    };
    if text.len() > limits::SCHEDULE {
        let what = format!("is larger than {} bytes", limits::SCHEDULE);
        return Err(told(0, "", &what, "export fewer weeks"));
    }
    let unfolded = unfold(text);
    let export = "export it again as iCalendar (.ics)";
    if depth(&unfolded) > limits::CALENDAR_DEPTH {
        return Err(told(0, "", "is nested deeper than any calendar", export));
    }
    let roots = read_components(&unfolded)
        .map_err(|why| told(0, "", &format!("is not iCalendar: {}", first_words(&why)), export))?;
    let calendars: Vec<&Component<'_>> = roots.iter().filter(|root| is(&root.name, "VCALENDAR")).collect();
    if calendars.is_empty() {
        return Err(told(0, "", "holds no calendar", export));
    }
    // The parser keeps no lines, but the order.
    let mut starts = text.match_indices("BEGIN:VEVENT").map(|(at, _)| at);
    let mut events = Vec::new();
    for calendar in calendars {
        let zone =
            calendar_zone(calendar).map_err(|wrong| told(0, wrong.property, &wrong.what, wrong.fix))?;
        for component in calendar.components.iter().filter(|component| is(&component.name, "VEVENT")) {
            let at = starts.next().unwrap_or(0);
            let event = Event::read(component, zone)
                .map_err(|wrong| told(at, wrong.property, &wrong.what, wrong.fix))?;
            events.push((at, event));
        }
    }
    if let Some((at, _)) = events.iter().filter(|(_, event)| event.rule.is_some()).nth(limits::RECURRING) {
        let what = format!("is one more than {} recurring events", limits::RECURRING);
        return Err(told(*at, "RRULE", &what, "export fewer"));
    }
    // An event of the same name with RECURRENCE-ID stands for that one occurrence.
    let replaced: HashSet<(&str, Moment)> =
        events.iter().filter_map(|(_, event)| Some((event.uid.as_str(), event.replaces?.moment()))).collect();
    let mut shifts = Vec::new();
    for (at, event) in &events {
        let found = event
            .shifts(read, &replaced)
            .map_err(|wrong| told(*at, wrong.property, &wrong.what, wrong.fix))?;
        shifts.extend(found);
        if shifts.len() > limits::SHIFTS {
            return Err(told(*at, "", &format!("makes more than {} shifts", limits::SHIFTS), "export fewer"));
        }
    }
    Ok(shifts)
}

/// How deep components are nested, at most: the parser follows them on the stack.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for word in text.split_whitespace() {
        let starts =
            |with: &str| word.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        if starts("BEGIN:") {
            depth += 1;
            deepest = deepest.max(depth);
        } else if starts("END:") {
            depth = depth.saturating_sub(1);
        }
    }
    deepest
}

struct Event {
    uid: String,
    start: Clock,
    /// By the clock of `start`.
    length: TimeDelta,
    who: Option<String>,
    level: u8,
    rule: Option<RRule<Unvalidated>>,
    more: Vec<When>,
    except: HashSet<Moment>,
    replaces: Option<When>,
    cancelled: bool,
}

impl Event {
    fn read(component: &Component<'_>, zone: Tz) -> Found<Self> {
        if one(component, "EXRULE").is_some() {
            return wrong("EXRULE", "is left out of RFC 5545", "write the days into EXDATE");
        }
        let start_property = one(component, "DTSTART");
        let Some(start) = start_property else {
            return wrong("DTSTART", "is missing", "give the event a start");
        };
        let start_at = when("DTSTART", start, start.val.as_str(), zone)?;
        let start = start_at.clock();
        let rule = match one(component, "RRULE") {
            Some(property) => Some(rule(property.val.as_str(), start)?),
            None => None,
        };
        let replaces = match one(component, "RECURRENCE-ID") {
            Some(property) if parameter(property, "RANGE").is_some() => {
                let fix = "end the series there and start a new one";
                return wrong("RECURRENCE-ID", "changes all that follow", fix);
            }
            Some(property) => Some(when("RECURRENCE-ID", property, property.val.as_str(), start.zone)?),
            None => None,
        };
        Ok(Self {
            uid: one(component, "UID").map(|uid| uid.val.to_string()).unwrap_or_default(),
            start,
            length: length(component, start_at, zone)?,
            who: who(component),
            level: level(component),
            rule,
            more: many(component, "RDATE", start.zone)?,
            except: many(component, "EXDATE", start.zone)?.into_iter().map(When::moment).collect(),
            replaces,
            cancelled: one(component, "STATUS")
                .is_some_and(|status| status.val.as_str().eq_ignore_ascii_case("CANCELLED")),
        })
    }

    /// Its shifts that touch the days that are read.
    fn shifts(&self, read: &Read, replaced: &HashSet<(&str, Moment)>) -> Found<Vec<Shift>> {
        let (Some(who), false) = (&self.who, self.cancelled) else { return Ok(Vec::new()) };
        let mut starts: Vec<Clock> = match &self.rule {
            Some(rule) => self.recurrences(rule, read)?,
            None => vec![self.start],
        };
        starts.extend(self.more.iter().map(|more| more.clock()));
        let mut shifts = Vec::new();
        for start in starts {
            let (from, to) = (start.instant(), start.later(self.length).instant());
            let moments = [Moment::At(from), Moment::Day(start.local.date())];
            let excepted = moments.iter().any(|moment| self.except.contains(moment));
            let gone = self.replaces.is_none()
                && moments.into_iter().any(|moment| replaced.contains(&(self.uid.as_str(), moment)));
            if !excepted && !gone && from < to && to > read.from && from < read.to {
                shifts.push(Shift { from, to, who: who.clone(), level: self.level });
            }
        }
        Ok(shifts)
    }

    fn recurrences(&self, rule: &RRule<Unvalidated>, read: &Read) -> Found<Vec<Clock>> {
        if self.start.local.year() < limits::FIRST_YEAR {
            return wrong("DTSTART", "is too long ago for an event that recurs", "start the series anew");
        }
        // The library walks in UTC over what are really times on a clock, so that no change of it disturbs.
        let clock = |local: NaiveDateTime| rrule::Tz::UTC.from_utc_datetime(&local);
        let on_clock = |instant: Time| instant.with_timezone(&self.start.zone).naive_local();
        let day = TimeDelta::days(1);
        let first = on_clock(read.from).checked_sub_signed(self.length + day);
        let last = on_clock(read.to).checked_add_signed(day);
        let (Some(first), Some(last)) = (first, last) else {
            return wrong("RRULE", "runs out of the calendar", "correct the dates");
        };
        let set = rule
            .clone()
            .build(clock(self.start.local))
            .or_else(|why| wrong("RRULE", format!("is not a recurrence: {why}"), "correct it"))?;
        let found = set.after(clock(first)).before(clock(last)).all(u16::MAX);
        if found.limited {
            return wrong("RRULE", "recurs too often", "make it daily or rarer");
        }
        Ok(found.dates.iter().map(|date| Clock { local: date.naive_utc(), zone: self.start.zone }).collect())
    }
}

/// The recurrence, its end put on the clock of the start.
fn rule(text: &str, start: Clock) -> Found<RRule<Unvalidated>> {
    // RFC 5545, section 3.3.10; the library cuts days off at bytes, and panics within a letter.
    if !text.is_ascii() {
        return wrong("RRULE", format!("{} has letters that no recurrence has", quoted(text)), "correct it");
    }
    let is_until = |part: &&str| part.to_ascii_uppercase().starts_with("UNTIL=");
    let rest: Vec<&str> = text.split(';').filter(|part| !is_until(part)).collect();
    let mut rule: RRule<Unvalidated> = rest.join(";").parse().or_else(|why| {
        wrong("RRULE", format!("{} is not a recurrence: {why}", quoted(text)), "correct it")
    })?;
    let often = matches!(rule.get_freq(), Frequency::Hourly | Frequency::Minutely | Frequency::Secondly)
        || [rule.get_by_hour(), rule.get_by_minute(), rule.get_by_second()].iter().any(|by| by.len() > 1);
    if often {
        return wrong("RRULE", "recurs more than once a day", "make it daily or rarer");
    }
    if let Some(until) = text.split(';').find(is_until).and_then(|part| part.get("UNTIL=".len()..)) {
        let Some(local) = until_on_clock(until, start.zone) else {
            return wrong("RRULE", format!("UNTIL={} is not a date", quoted(until)), "correct it");
        };
        rule = rule.until(rrule::Tz::UTC.from_utc_datetime(&local));
    }
    Ok(rule)
}

fn until_on_clock(text: &str, zone: Tz) -> Option<NaiveDateTime> {
    match stamp(text)? {
        Stamp::Day(day) => day.and_hms_opt(23, 59, 59),
        Stamp::Local(local) => Some(local),
        Stamp::Utc(instant) => Some(instant.with_timezone(&zone).naive_local()),
    }
}

fn length(component: &Component<'_>, start: When, zone: Tz) -> Found<TimeDelta> {
    let begins = start.clock();
    if let Some(property) = one(component, "DTEND") {
        let end = when("DTEND", property, property.val.as_str(), zone)?.clock();
        let length =
            if end.zone == begins.zone { end.local - begins.local } else { end.instant() - begins.instant() };
        return match length {
            length if length < TimeDelta::zero() => wrong("DTEND", "is before DTSTART", "correct the end"),
            length if length > Span::LONGEST.delta() => wrong("DTEND", "is more than a year on", "split it"),
            length => Ok(length),
        };
    }
    if let Some(property) = one(component, "DURATION") {
        let text = property.val.as_str();
        return match duration(text) {
            Some(span) => Ok(span.delta()),
            None => wrong("DURATION", format!("{} is not a length", quoted(text)), "write for example PT12H"),
        };
    }
    // RFC 5545, section 3.6.1: a day is a day long, an instant is over at once.
    Ok(if matches!(start, When::Day(..)) { TimeDelta::days(1) } else { TimeDelta::zero() })
}

/// `P7D`, `PT12H`, `P1DT30M`, `P1W`: ours, but for the weeks and the signs around it.
fn duration(text: &str) -> Option<Span> {
    let text = text.strip_prefix('+').unwrap_or(text).strip_prefix('P')?;
    if let Some(weeks) = text.strip_suffix('W') {
        return Span::seconds(weeks.parse::<u32>().ok()?.checked_mul(7 * 86_400)?);
    }
    let (days, time) = text.split_once('T').unwrap_or((text, ""));
    if days.contains(['H', 'M', 'S']) || time.contains('D') {
        return None;
    }
    Span::parse(&format!("{days}{time}").to_ascii_lowercase()).ok()
}

/// The first who was asked and did not decline, else the mail address in the title, else the title.
fn who(component: &Component<'_>) -> Option<String> {
    let attends = |property: &&Property<'_>| {
        let has = |name: &str, value: &str| {
            parameter(property, name).is_some_and(|found| found.eq_ignore_ascii_case(value))
        };
        is(&property.name, "ATTENDEE")
            && !has("PARTSTAT", "DECLINED")
            && !has("CUTYPE", "ROOM")
            && !has("CUTYPE", "RESOURCE")
    };
    let attendee = component.properties.iter().find(attends).map(|property| {
        let value = property.val.as_str();
        let mail = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
        value.get(mail.map_or(0, str::len)..).unwrap_or_default().to_owned()
    });
    let from_title = || {
        let title = one(component, "SUMMARY")?.val.clone().unescape_text().to_string();
        let around = |c: char| !c.is_ascii_alphanumeric();
        let mail = title.split_whitespace().map(|word| word.trim_matches(around).to_owned()).find(|word| {
            word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        });
        mail.or(Some(title))
    };
    // Shown to people later, so it is what they could have written; else nobody is on call by this event.
    let who = attendee.or_else(from_title)?;
    Text::parse(&who).ok().map(|text| text.to_string())
}

fn level(component: &Component<'_>) -> u8 {
    let of = |name| {
        let level = one(component, name)?.val.as_str().trim().parse::<u8>().ok()?;
        (1..=limits::LEVELS).contains(&u64::from(level)).then_some(level)
    };
    of("X-JIT-LEVEL").or_else(|| of("PRIORITY")).unwrap_or(1)
}

/// The zone of times that name none.
fn calendar_zone(calendar: &Component<'_>) -> Found<Tz> {
    match one(calendar, "X-WR-TIMEZONE") {
        Some(property) => zone_named("X-WR-TIMEZONE", property.val.as_str()),
        None => Ok(Tz::UTC),
    }
}

fn zone_named(property: &'static str, name: &str) -> Found<Tz> {
    let name = name.trim_matches('"');
    // Some write /vendor.example/Europe/Berlin (RFC 5545, section 3.8.3.1).
    let mut rest = name.trim_start_matches('/');
    loop {
        if let Ok(zone) = rest.parse() {
            return Ok(zone);
        }
        match rest.split_once('/') {
            Some((_, tail)) if name.starts_with('/') => rest = tail,
            _ => {
                let what = format!("{} is not a time zone of the IANA list", quoted(name));
                return wrong(property, what, "export it with one, as Europe/Berlin");
            }
        }
    }
}

fn many(component: &Component<'_>, name: &'static str, zone: Tz) -> Found<Vec<When>> {
    let mut found = Vec::new();
    for property in component.properties.iter().filter(|property| is(&property.name, name)) {
        for value in property.val.as_str().split(',') {
            found.push(when(name, property, value, zone)?);
        }
    }
    Ok(found)
}

fn when(name: &'static str, property: &Property<'_>, value: &str, zone: Tz) -> Found<When> {
    let zone = match parameter(property, "TZID") {
        Some(tzid) => zone_named(name, tzid)?,
        None => zone,
    };
    match stamp(value) {
        Some(Stamp::Day(day)) => Ok(When::Day(day, zone)),
        Some(Stamp::Local(local)) => Ok(When::At(Clock { local, zone })),
        Some(Stamp::Utc(instant)) => Ok(When::At(Clock { local: instant.naive_utc(), zone: Tz::UTC })),
        None => {
            let what = format!("{} is not a date or time", quoted(value));
            wrong(name, what, "write it as 20261124T080000Z")
        }
    }
}

/// Names are of any case (RFC 5545, section 2).
fn is(found: &ParseString<'_>, name: &str) -> bool {
    found.as_str().eq_ignore_ascii_case(name)
}

fn one<'c, 'i>(component: &'c Component<'i>, name: &str) -> Option<&'c Property<'i>> {
    component.properties.iter().find(|property| is(&property.name, name))
}

fn parameter<'p>(property: &'p Property<'_>, name: &str) -> Option<&'p str> {
    let found = property.params.iter().find(|parameter| is(&parameter.key, name))?;
    found.val.as_ref().map(ParseString::as_str)
}

fn first_words(why: &str) -> String {
    why.split_whitespace().take(20).collect::<Vec<_>>().join(" ")
}
