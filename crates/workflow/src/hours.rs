//! Hours of the week as people write them: `Mon-Fri 08:00-19:00 Europe/Berlin`.
//!
//! They mean the clock on the wall. An hour that the clock shows twice when summer time ends is within both
//! times, one that it skips is never.

use crate::document::quoted;
use access::Time;
use chrono::{Datelike as _, Timelike as _, Weekday};
use chrono_tz::Tz;
use std::fmt;
use std::str::FromStr;

const DAY_MIN: u32 = 24 * 60;

/// Hours of some days of the week in a time zone. What runs over midnight belongs to the day it starts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    text: String,
    days: Vec<Weekday>,
    /// Minutes from midnight.
    from: u32,
    /// Minutes from midnight; the first that is over.
    to: u32,
    zone: Tz,
}

/// Text that is no hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HoursError(String);

impl Hours {
    /// The hours this text writes.
    pub fn parse(text: &str) -> Result<Self, HoursError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [days, hours, zone] = words.as_slice() else {
            return Err(HoursError("hours are days, times and a time zone".to_owned()));
        };
        let (from, to) = hours
            .split_once('-')
            .and_then(|(from, to)| Some((minute(from)?, minute(to)?)))
            .filter(|(from, _)| *from < DAY_MIN)
            .ok_or_else(|| HoursError(format!("{} is not two times of a day", quoted(hours))))?;
        if from == to {
            return Err(HoursError("they end when they start (00:00-24:00 is the whole day)".to_owned()));
        }
        let zone = zone
            .parse()
            .map_err(|_| HoursError(format!("{} is not a time zone of the IANA list", quoted(zone))))?;
        Ok(Self { text: words.join(" "), days: weekdays(days)?, from, to, zone })
    }

    /// Whether the clock on the wall is within them.
    pub fn contains(&self, now: Time) -> bool {
        let local = now.with_timezone(&self.zone);
        let minute = local.hour() * 60 + local.minute();
        let starts_on = |day: Weekday| self.days.contains(&day);
        if self.from < self.to {
            starts_on(local.weekday()) && (self.from..self.to).contains(&minute)
        } else {
            (starts_on(local.weekday()) && minute >= self.from)
                || (starts_on(local.weekday().pred()) && minute < self.to)
        }
    }
}

/// `08:00`, and `24:00` for the end of a day.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| match text.len() {
        2 if text.bytes().all(|c| c.is_ascii_digit()) => text.parse::<u32>().ok(),
        _ => None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MIN).then_some(minute)
}

/// `Mon,Wed-Fri`; a range may run over the weekend.
fn weekdays(text: &str) -> Result<Vec<Weekday>, HoursError> {
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let day = |name: &str| match name.len() {
            3 => name.parse::<Weekday>().ok(),
            _ => None,
        };
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            return Err(HoursError(format!("{} is not a day of the week", quoted(part))));
        };
        let mut day = first;
        loop {
            if !days.contains(&day) {
                days.push(day);
            }
            if day == last {
                break;
            }
            day = day.succ();
        }
    }
    Ok(days)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Hours {
    type Err = HoursError;
    fn from_str(text: &str) -> Result<Self, HoursError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(hours: &str, instants: &[(&str, bool)]) {
        let parsed = Hours::parse(hours).unwrap();
        for (instant, inside) in instants {
            assert_eq!(parsed.contains(instant.parse().unwrap()), *inside, "{hours} at {instant}");
        }
    }

    #[test]
    fn hours_are_those_of_the_clock_on_the_wall_there() {
        // 2026-11-24 is a Tuesday, Berlin is an hour ahead of UTC.
        within(
            "Mon-Fri 08:00-19:00 Europe/Berlin",
            &[
                ("2026-11-24T06:59:59Z", false),
                ("2026-11-24T07:00:00Z", true),
                ("2026-11-24T17:59:59Z", true),
                ("2026-11-24T18:00:00Z", false),
                ("2026-11-28T09:00:00Z", false),
                // In summer it is two.
                ("2026-07-01T06:00:00Z", true),
                ("2026-07-01T17:00:00Z", false),
            ],
        );
        within(
            "Mon,Wed-Fri 00:00-24:00 UTC",
            &[
                ("2026-11-23T23:59:59Z", true),
                ("2026-11-24T00:00:00Z", false),
                ("2026-11-25T00:00:00Z", true),
                ("2026-11-28T00:00:00Z", false),
            ],
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_it_starts_on() {
        within(
            "Fri-Sat 22:00-06:00 Europe/Berlin",
            &[
                // Friday the 27th
                ("2026-11-27T04:00:00Z", false),
                ("2026-11-27T20:59:59Z", false),
                ("2026-11-27T21:00:00Z", true),
                ("2026-11-28T04:59:59Z", true),
                ("2026-11-28T05:00:00Z", false),
                ("2026-11-29T04:59:59Z", true),
                // Sunday night is nobody's
                ("2026-11-29T21:00:00Z", false),
            ],
        );
        within("Sat-Mon 01:00-02:00 UTC", &[("2026-11-29T01:00:00Z", true), ("2026-11-27T01:00:00Z", false)]);
    }

    #[test]
    fn an_hour_that_summer_time_skips_is_never_and_one_it_repeats_is_twice() {
        within(
            "Sun 02:30-03:30 Europe/Berlin",
            &[
                // 2026-03-29: 01:59:59 is followed by 03:00:00.
                ("2026-03-29T00:59:59Z", false),
                ("2026-03-29T01:00:00Z", true),
                ("2026-03-29T01:29:59Z", true),
                ("2026-03-29T01:30:00Z", false),
                // 2026-10-25: 02:59:59 is followed by 02:00:00.
                ("2026-10-25T00:29:59Z", false),
                ("2026-10-25T00:30:00Z", true),
                ("2026-10-25T01:00:00Z", false),
                ("2026-10-25T01:30:00Z", true),
                ("2026-10-25T02:29:59Z", true),
                ("2026-10-25T02:30:00Z", false),
            ],
        );
        within(
            "Sun 02:00-03:00 Europe/Berlin",
            &[("2026-03-29T00:59:59Z", false), ("2026-03-29T01:00:00Z", false)],
        );
    }

    #[test]
    fn hours_read_back_as_they_were_written() {
        let hours = Hours::parse(" Mon,Wed-Fri  22:00-06:00 America/New_York").unwrap();
        assert_eq!(hours.to_string(), "Mon,Wed-Fri 22:00-06:00 America/New_York");
        assert_eq!(hours.to_string().parse(), Ok(hours));
    }

    #[test]
    fn what_is_no_hours_is_refused_with_why() {
        for (bad, why) in [
            ("", "hours are days, times and a time zone"),
            ("Mon-Fri 08:00-19:00", "hours are days, times and a time zone"),
            ("Mon-Fri 08:00-19:00 Berlin", "\"Berlin\" is not a time zone of the IANA list"),
            ("Moo 08:00-19:00 UTC", "\"Moo\" is not a day of the week"),
            ("Mon- 08:00-19:00 UTC", "\"Mon-\" is not a day of the week"),
            ("Mon 8-19 UTC", "\"8-19\" is not two times of a day"),
            ("Mon 08:60-19:00 UTC", "\"08:60-19:00\" is not two times of a day"),
            ("Mon +8:00-19:00 UTC", "\"+8:00-19:00\" is not two times of a day"),
            ("Mon 24:00-08:00 UTC", "\"24:00-08:00\" is not two times of a day"),
            ("Mon 08:00-24:01 UTC", "\"08:00-24:01\" is not two times of a day"),
            ("Mon 08:00-08:00 UTC", "they end when they start (00:00-24:00 is the whole day)"),
        ] {
            assert_eq!(Hours::parse(bad).unwrap_err().to_string(), why, "{bad}");
        }
    }
}
