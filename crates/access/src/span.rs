//! Lengths of time as people write them: `2h`, `90m`, `1h30m`, `3d`.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// A positive, whole number of seconds, at most [`Span::LONGEST`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Span(u32);

/// Text or a number that is not a span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("duration {given:?} {wrong}: write for example 30m, 2h, 1h30m or 3d")]
pub struct SpanError {
    given: String,
    wrong: &'static str,
}

impl Span {
    /// A year. What is asked for longer is standing access by another name.
    pub const LONGEST: Self = Self(366 * 86_400);

    /// A second.
    pub const SHORTEST: Self = Self(1);

    /// So many seconds; none for zero or for more than [`Span::LONGEST`].
    pub const fn seconds(seconds: u32) -> Option<Self> {
        if seconds == 0 || seconds > Self::LONGEST.0 { None } else { Some(Self(seconds)) }
    }

    /// The span in seconds.
    pub const fn as_seconds(self) -> u32 {
        self.0
    }

    /// The span to add to a time.
    pub fn delta(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.0))
    }

    /// The span this text writes.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let wrong = |wrong| SpanError { given: text.chars().take(32).collect(), wrong };
        let mut total: u64 = 0;
        let mut number: Option<u64> = None;
        let mut last = u64::MAX;
        for c in text.trim().chars() {
            if let Some(digit) = c.to_digit(10) {
                let so_far = number.unwrap_or(0);
                number = Some(so_far.saturating_mul(10).saturating_add(u64::from(digit)));
                continue;
            }
            let unit: u64 = match c {
                'd' => 86_400,
                'h' => 3_600,
                'm' => 60,
                's' => 1,
                _ => return Err(wrong("has a unit other than d, h, m or s")),
            };
            let count = number.take().ok_or_else(|| wrong("has a unit without a number"))?;
            if unit >= last {
                return Err(wrong("does not go from days to seconds"));
            }
            last = unit;
            total = total.saturating_add(count.saturating_mul(unit));
        }
        if number.is_some() {
            return Err(wrong("has a number without a unit"));
        }
        let seconds = u32::try_from(total).map_err(|_| wrong("is longer than a year"))?;
        match Self::seconds(seconds) {
            Some(span) => Ok(span),
            None if seconds == 0 => Err(wrong("is no time at all")),
            None => Err(wrong("is longer than a year")),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut rest = self.0;
        for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
            if rest >= length {
                write!(text, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        Self::parse(&text)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl std::str::FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, seconds) in
            [("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("3d", 259_200), ("1d1h1m1s", 90_061)]
        {
            assert_eq!(Span::parse(text).unwrap().as_seconds(), seconds);
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
            assert_eq!(format!("{:?}", Span::parse(text).unwrap()), text);
        }
        assert_eq!(Span::parse("90m").unwrap().to_string(), "1h30m");
        assert_eq!(Span::parse("366d"), Ok(Span::LONGEST));
    }

    #[test]
    fn no_time_negative_time_and_endless_time_are_refused() {
        for bad in [
            "",
            "0m",
            "0h0m",
            "-5m",
            "5",
            "m",
            "1h2",
            "1m1h",
            "1h1h",
            "2w",
            "367d",
            "99999999999999999999d",
            "1.5h",
        ] {
            assert!(Span::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Span::parse("5").unwrap_err().to_string(),
            r#"duration "5" has a number without a unit: write for example 30m, 2h, 1h30m or 3d"#
        );
        assert!(Span::parse("0h0m").unwrap_err().to_string().contains("is no time at all"));
        assert!(Span::parse("367d").unwrap_err().to_string().contains("is longer than a year"));
        assert_eq!(Span::seconds(0), None);
        assert_eq!(Span::seconds(Span::LONGEST.as_seconds() + 1), None);
    }

    proptest! {
        #[test]
        fn every_span_reads_back(seconds in 1..=Span::LONGEST.as_seconds()) {
            let span = Span::seconds(seconds).unwrap();
            prop_assert_eq!(Span::parse(&span.to_string()), Ok(span));
        }
    }
}
