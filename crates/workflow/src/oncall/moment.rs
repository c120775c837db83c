//! Times as a calendar writes them: on the clock of a zone, whole days, or instants.

use access::Time;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// A time on the clock of a zone.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) local: NaiveDateTime,
    pub(super) zone: Tz,
}

impl Clock {
    /// The instant: the first of two, and for one that is skipped what the clock would have shown without
    /// the change (RFC 5545, section 3.3.5).
    pub(super) fn instant(self) -> Time {
        let found = self.zone.from_local_datetime(&self.local).earliest();
        let before = || {
            let day_before = self.local.checked_sub_signed(TimeDelta::days(1))?;
            let known = self.zone.from_local_datetime(&day_before).earliest()?;
            known.with_timezone(&Utc).checked_add_signed(TimeDelta::days(1))
        };
        found
            .map(|found| found.with_timezone(&Utc))
            .or_else(before)
            .unwrap_or_else(|| Utc.from_utc_datetime(&self.local))
    }

    pub(super) fn later(self, by: TimeDelta) -> Self {
        Self { local: self.local.checked_add_signed(by).unwrap_or(self.local), zone: self.zone }
    }
}

/// A day, or a time of one.
#[derive(Clone, Copy)]
pub(super) enum When {
    Day(NaiveDate, Tz),
    At(Clock),
}

/// What two occurrences are compared by: an instant, or a day on the clock of the series.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Moment {
    Day(NaiveDate),
    At(Time),
}

impl When {
    pub(super) fn moment(self) -> Moment {
        match self {
            Self::Day(day, _) => Moment::Day(day),
            Self::At(clock) => Moment::At(clock.instant()),
        }
    }

    pub(super) fn clock(self) -> Clock {
        match self {
            Self::Day(day, zone) => Clock { local: day.and_time(NaiveTime::MIN), zone },
            Self::At(clock) => clock,
        }
    }
}

/// A value before its zone is known.
pub(super) enum Stamp {
    Day(NaiveDate),
    Local(NaiveDateTime),
    Utc(Time),
}

/// What a value of DATE or DATE-TIME (RFC 5545, sections 3.3.4 and 3.3.5) writes.
pub(super) fn stamp(text: &str) -> Option<Stamp> {
    let text = text.trim();
    if let Some(utc) = text.strip_suffix('Z') {
        let local = NaiveDateTime::parse_from_str(utc, "%Y%m%dT%H%M%S").ok()?;
        return Some(Stamp::Utc(DateTime::from_naive_utc_and_offset(local, Utc)));
    }
    if text.contains('T') {
        return NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").ok().map(Stamp::Local);
    }
    NaiveDate::parse_from_str(text, "%Y%m%d").ok().map(Stamp::Day)
}
