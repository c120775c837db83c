//! Bars over time as a picture: lanes of hosts and people, drawn here, so that it is there without scripts.

use access::{GrantId, HostName, Person, Time};
use chrono::TimeDelta;
use maud::{Markup, html};

/// What a bar is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// A grant that is good or will be.
    Held,
    /// One whose time is over.
    Over,
    /// One that was taken or given back before.
    Early,
    /// A session.
    In,
}

impl Shape {
    const fn class(self) -> &'static str {
        match self {
            Self::Held => "bar held",
            Self::Over => "bar over",
            Self::Early => "bar early",
            Self::In => "bar inside",
        }
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// What it is of.
    pub shape: Shape,
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// In words.
    pub what: String,
    /// The grant that it is or was by.
    pub grant: Option<GrantId>,
    /// Whether its end is only that of what is known.
    pub goes_on: bool,
}

/// Those of one person on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Where.
    pub host: HostName,
    /// Who.
    pub person: Person,
    /// What they held and when they were in.
    pub bars: Vec<Bar>,
}

/// All of it.
pub struct Picture<'a> {
    /// Where it begins.
    pub since: Time,
    /// Where now is.
    pub now: Time,
    /// Where it ends.
    pub until: Time,
    /// From top to bottom.
    pub lanes: &'a [Lane],
}

/// Widths and heights, in the units of the picture.
const WIDTH: i64 = 960;
/// See [`WIDTH`].
const NAMES: i64 = 230;
/// See [`WIDTH`].
const LANE: i64 = 30;
/// See [`WIDTH`].
const TOP: i64 = 28;

/// Letters of a name that fit beside a lane.
const LETTERS: usize = 30;

/// Spans between two marks of time, the first that gives few enough of them is taken.
const STEPS: [TimeDelta; 8] = [
    TimeDelta::hours(1),
    TimeDelta::hours(3),
    TimeDelta::hours(6),
    TimeDelta::hours(12),
    TimeDelta::days(1),
    TimeDelta::days(2),
    TimeDelta::days(7),
    TimeDelta::days(14),
];

/// Half of the width of the words of a mark, which are to stay within the picture.
const MARGIN: i64 = 42;

/// Marks of time.
const MARKS: i64 = 10;

impl Picture<'_> {
    /// Where a moment is.
    fn x(&self, at: Time) -> i64 {
        let span = (self.until - self.since).num_seconds().max(1);
        let into = (at - self.since).num_seconds().clamp(0, span);
        NAMES + into * (WIDTH - NAMES - 10) / span
    }

    /// Moments that are marked, each with its words.
    fn marks(&self) -> Vec<(Time, String)> {
        let span = self.until - self.since;
        let few = |step: &&TimeDelta| span.num_seconds() / step.num_seconds().max(1) <= MARKS;
        let step = STEPS.iter().find(few).unwrap_or(&STEPS[7]).num_seconds();
        let first = self.since.timestamp().div_euclid(step) + 1;
        let words = if step < TimeDelta::days(1).num_seconds() { "%d %b %R" } else { "%d %b" };
        (0..=MARKS)
            .filter_map(|count| Time::from_timestamp((first + count) * step, 0))
            .take_while(|at| self.x(*at) < WIDTH - MARGIN)
            .map(|at| (at, at.format(words).to_string()))
            .collect()
    }

    /// The picture.
    pub fn drawn(&self) -> Markup {
        let lanes = i64::try_from(self.lanes.len()).unwrap_or_default();
        let height = TOP + lanes * LANE + 8;
        let bars: usize = self.lanes.iter().map(|lane| lane.bars.len()).sum();
        html! {
            svg.timeline role="img" aria-labelledby="timeline-title timeline-about" viewBox={ "0 0 " (WIDTH) " " (height) } {
                title #timeline-title { "Grants and sessions by host and person" }
                desc #timeline-about {
                    (self.lanes.len()) " rows with " (bars) " bars, from " (self.since.format("%F %R UTC")) " to "
                    (self.until.format("%F %R UTC")) ". The table below says the same in words."
                }
                @for (at, words) in self.marks() {
                    line.mark x1=(self.x(at)) x2=(self.x(at)) y1=(TOP - 6) y2=(height) {}
                    text.when x=(self.x(at)) y=(TOP - 12) text-anchor="middle" { (words) }
                }
                @for (lane, row) in self.lanes.iter().zip(0_i64..) { (self.lane(lane, TOP + row * LANE)) }
                line.now x1=(self.x(self.now)) x2=(self.x(self.now)) y1=(TOP - 6) y2=(height) {}
            }
        }
    }

    fn lane(&self, lane: &Lane, y: i64) -> Markup {
        // Of what does not fit, the host is shortened: who it is says most.
        let room = LETTERS.saturating_sub(lane.person.as_str().chars().count() + 3).max(6);
        let host = lane.host.as_str();
        let short: String = if host.chars().count() > room {
            host.chars().take(room - 1).chain(['…']).collect()
        } else {
            host.to_owned()
        };
        let short = format!("{short} · {}", lane.person);
        html! {
            line.lane x1="0" x2=(WIDTH) y1=(y) y2=(y) {}
            text.who x=(NAMES - 10) y=(y + 20) text-anchor="end" { (short) }
            @for bar in &lane.bars {
                @let (from, to) = (self.x(bar.from), self.x(bar.to));
                @let (top, thick) = if bar.shape == Shape::In { (y + 11, 9) } else { (y + 5, 21) };
                rect class=(bar.shape.class()) x=(from) y=(top) width=((to - from).max(2)) height=(thick) rx="2" {
                    title { (bar.what) ", " (bar.from.format("%F %R")) " to " (bar.to.format("%F %R UTC")) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn moments_are_where_they_belong_and_nothing_leaves_the_picture() {
        let (since, until) = (at("2026-11-20T00:00:00Z"), at("2026-11-27T00:00:00Z"));
        let bar = Bar {
            shape: Shape::Held,
            from: at("2026-11-19T00:00:00Z"),
            to: at("2026-12-24T00:00:00Z"),
            what: "<script>".to_owned(),
            grant: None,
            goes_on: false,
        };
        let lane = Lane {
            host: HostName::parse("db-1").unwrap(),
            person: Person::parse("alice").unwrap(),
            bars: vec![bar],
        };
        let lanes = [lane];
        let picture = Picture { since, now: until, until, lanes: &lanes };
        assert_eq!((picture.x(since), picture.x(until)), (NAMES, WIDTH - 10));
        assert_eq!(picture.x(at("2026-11-23T12:00:00Z")), i64::midpoint(NAMES, WIDTH - 10));
        assert_eq!((picture.x(lanes[0].bars[0].from), picture.x(lanes[0].bars[0].to)), (NAMES, WIDTH - 10));
        let marks: Vec<String> = picture.marks().into_iter().map(|mark| mark.1).collect();
        assert_eq!(marks, ["21 Nov", "22 Nov", "23 Nov", "24 Nov", "25 Nov", "26 Nov"]);
        let drawn = picture.drawn().into_string();
        assert!(drawn.contains("db-1 · alice") && drawn.contains("1 rows with 1 bars"), "{drawn}");
        assert!(!drawn.contains("<script>") && !drawn.contains("style="), "{drawn}");
    }

    #[test]
    fn every_span_has_some_marks_and_few() {
        let now = at("2026-11-27T07:31:00Z");
        for days in [1, 2, 3, 7, 30, 92] {
            let picture = Picture { since: now - TimeDelta::days(days), now, until: now, lanes: &[] };
            assert!((3..=11).contains(&picture.marks().len()), "{days}: {:?}", picture.marks());
        }
    }
}
