//! Who is on call, from a file that somebody keeps up to date: our own TOML, or what a calendar exports.
//!
//! A file with a mistake yields no schedule at all and never a part of one: a swap that was not understood
//! would leave the wrong person on call. Without a schedule a person decides.

mod ics;
mod moment;

use crate::document::{Document, PolicyErrors, Table, Value};
use crate::limits;
use access::{Text, Time};
use chrono::TimeDelta;
use std::path::Path;

/// Who is on call when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// By start.
    pub shifts: Vec<Shift>,
}

/// One turn of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The first instant of it.
    pub from: Time,
    /// The first instant after it.
    pub to: Time,
    /// A mail address, a person or a login name, as [`crate::People::by_mail_or_name`] takes it.
    pub who: String,
    /// 1 is the first to be called.
    pub level: u8,
}

impl Schedule {
    /// The shifts in this text: iCalendar if the path ends in `.ics`, else TOML. Of a calendar those from a
    /// day before `around` to 40 days after it.
    pub fn parse(text: &str, path: &Path, around: Time) -> Result<Self, PolicyErrors> {
        let mut shifts = if path.extension().is_some_and(|end| end == "ics") {
            ics::shifts(text, path, &Read::around(around))?
        } else {
            Document::read(text, path, limits::SCHEDULE, |root| Some(toml_shifts(root)))?
        };
        shifts.sort_by(|one, other| {
            (one.from, one.to, one.level, &one.who).cmp(&(other.from, other.to, other.level, &other.who))
        });
        Ok(Self { shifts })
    }

    /// The shifts of this instant, of every level.
    pub fn on_call(&self, now: Time) -> impl Iterator<Item = &Shift> {
        self.shifts.iter().take_while(move |shift| shift.from <= now).filter(move |shift| now < shift.to)
    }
}

/// The days of a schedule that are read.
struct Read {
    from: Time,
    to: Time,
}

impl Read {
    fn around(now: Time) -> Self {
        let at = |days| now.checked_add_signed(TimeDelta::days(days)).unwrap_or(now);
        Self { from: at(-limits::SCHEDULE_BACK_D), to: at(limits::SCHEDULE_AHEAD_D) }
    }
}

fn toml_shifts(root: &Table<'_>) -> Vec<Shift> {
    let Some(written) = root.get("shift") else { return Vec::new() };
    written.tables(limits::SHIFTS).into_iter().filter_map(|table| shift(&table.named("shift"))).collect()
}

fn shift(table: &Table<'_>) -> Option<Shift> {
    let who = table.need("who", "name the person, for example who = \"alice\"");
    let from = table.need("from", INSTANT);
    let to = table.need("to", INSTANT);
    let level = table.get("level");
    table.done();
    let level = match &level {
        Some(value) => value.number(1..=limits::LEVELS)?,
        None => 1,
    };
    let who = who?.parse::<Text>("correct the name")?;
    let (from, to) = (instant(&from?)?, to.as_ref().map(|to| (instant(to), to))?);
    if to.0.is_some_and(|to| to <= from) {
        to.1.wrong("is not after from", "write the end of the shift");
    }
    Some(Shift { from, to: to.0?, who: who.to_string(), level: u8::try_from(level).ok()? })
}

const INSTANT: &str = "write it with its offset, for example \"2026-11-24T08:00:00+01:00\"";

fn instant(value: &Value<'_>) -> Option<Time> {
    let read = value.moment()?.parse::<Time>();
    if read.is_err() {
        value.wrong("is not an instant", INSTANT);
    }
    read.ok()
}
