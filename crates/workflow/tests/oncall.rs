//! On-call schedules, in the form in which they are exported.
#![allow(clippy::unwrap_used, clippy::panic)] // also in what tests share

use access::Time;
use proptest::prelude::*;
use std::path::Path;
use workflow::Schedule;

const AROUND: &str = "2026-11-25T02:00:00Z";

fn at(instant: &str) -> Time {
    instant.parse().unwrap()
}

fn read(text: &str, path: &str, around: &str) -> Result<Schedule, String> {
    Schedule::parse(text, Path::new(path), at(around)).map_err(|errors| errors.to_string())
}

/// An .ics around these events, with the line ends of RFC 5545.
fn calendar(events: &str) -> String {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example//EN\n{events}\nEND:VCALENDAR\n");
    text.replace('\n', "\r\n")
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:1@example\nDTSTAMP:20261101T000000Z\nSUMMARY:alice\n{lines}\nEND:VEVENT")
}

fn ics(events: &str) -> Schedule {
    read(&calendar(events), "oncall.ics", AROUND).unwrap_or_else(|errors| panic!("{errors}"))
}

fn error(events: &str) -> String {
    read(&calendar(events), "oncall.ics", AROUND).unwrap_err()
}

fn on_call(schedule: &Schedule, instant: &str) -> Vec<String> {
    schedule.on_call(at(instant)).map(|shift| format!("{} {}", shift.who, shift.level)).collect()
}

/// Shifts as `from/to`, in UTC.
fn times(schedule: &Schedule) -> Vec<String> {
    let short = |time: Time| time.format("%m-%dT%H:%M").to_string();
    schedule.shifts.iter().map(|shift| format!("{}/{}", short(shift.from), short(shift.to))).collect()
}

#[test]
fn pagerduty_exports_plain_shifts_with_a_bare_address() {
    let schedule = read(include_str!("oncall/pagerduty.ics"), "a.ics", AROUND).unwrap();
    assert_eq!(on_call(&schedule, "2026-11-25T02:00:00Z"), ["alice@example.org 1"]);
    assert_eq!(on_call(&schedule, "2026-11-30T07:59:59Z"), ["alice@example.org 1"]);
    assert_eq!(on_call(&schedule, "2026-11-30T08:00:00Z"), ["carol@example.org 1"]);
    assert!(on_call(&schedule, "2026-12-07T08:00:00Z").is_empty());
}

#[test]
fn opsgenie_and_grafana_name_the_person_in_the_title() {
    let schedule = read(include_str!("oncall/rotation.ics"), "a.ics", AROUND).unwrap();
    assert_eq!(on_call(&schedule, "2026-11-25T02:00:00Z"), ["alice@example.org 1", "bob 2"]);
}

#[test]
fn google_exports_a_recurring_event_its_exceptions_and_its_swaps() {
    let schedule = read(include_str!("oncall/google.ics"), "a.ics", "2026-12-01T00:00:00Z").unwrap();
    // Alice every second week from Monday 09:00 in Berlin, the week of 7 December given to Carol, 21 December
    // left out.
    let before = read(include_str!("oncall/google.ics"), "a.ics", AROUND).unwrap();
    assert_eq!(on_call(&before, AROUND), ["alice@example.org 1"]);
    assert_eq!(on_call(&before, "2026-11-30T07:59:59Z"), ["alice@example.org 1"]);
    assert_eq!(on_call(&schedule, "2026-11-30T08:00:00Z"), Vec::<String>::new());
    assert_eq!(on_call(&schedule, "2026-12-07T08:00:00Z"), ["carol@example.org 1"]);
    assert_eq!(on_call(&schedule, "2026-12-22T08:00:00Z"), Vec::<String>::new());
    assert_eq!(on_call(&schedule, "2027-01-04T08:00:00Z"), ["alice@example.org 1"]);
    // Declined, cancelled, and a room are nobody on call.
    assert!(
        schedule.shifts.iter().all(|shift| ["alice@example.org", "carol@example.org"].contains(&&*shift.who))
    );
}

#[test]
fn a_shift_keeps_its_hours_on_the_clock_when_summer_time_ends_and_begins() {
    let nights = event(
        "DTSTART;TZID=Europe/Berlin:20261001T200000\nDTEND;TZID=Europe/Berlin:20261002T080000\nRRULE:FREQ=DAILY;UNTIL=20261026T190000Z",
    );
    let schedule = read(&calendar(&nights), "a.ics", "2026-10-25T12:00:00Z").unwrap();
    assert_eq!(
        times(&schedule),
        ["10-24T18:00/10-25T07:00", "10-25T19:00/10-26T07:00", "10-26T19:00/10-27T07:00"][..]
    );
    // 02:30 is skipped on 29 March: what the clock would have shown without the change is 01:30 UTC.
    let skipped =
        event("DTSTART;TZID=Europe/Berlin:20260328T023000\nDURATION:PT2H\nRRULE:FREQ=DAILY;COUNT=3");
    let schedule = read(&calendar(&skipped), "a.ics", "2026-03-29T00:00:00Z").unwrap();
    assert_eq!(
        times(&schedule),
        ["03-28T01:30/03-28T03:30", "03-29T01:30/03-29T02:30", "03-30T00:30/03-30T02:30"][..]
    );
}

#[test]
fn days_durations_and_zones_are_read_as_rfc_5545_has_them() {
    assert_eq!(times(&ics(&event("DTSTART;VALUE=DATE:20261125"))), ["11-25T00:00/11-26T00:00"]);
    let two_days = event("DTSTART;VALUE=DATE:20261125\nDTEND;VALUE=DATE:20261127");
    assert_eq!(times(&ics(&two_days)), ["11-25T00:00/11-27T00:00"]);
    assert_eq!(times(&ics(&event("DTSTART:20261125T080000Z\nDURATION:PT12H"))), ["11-25T08:00/11-25T20:00"]);
    assert_eq!(times(&ics(&event("DTSTART:20261125T080000Z\nDURATION:P1W"))), ["11-25T08:00/12-02T08:00"]);
    let vendor = event("DTSTART;TZID=/vendor.example/Europe/Berlin:20261125T080000\nDURATION:P1DT30M");
    assert_eq!(times(&ics(&vendor)), ["11-25T07:00/11-26T07:30"]);
    // A time of no zone is the calendar's, else UTC; an instant without a length is over at once.
    let floating = event("DTSTART:20261125T080000\nDTEND:20261125T100000");
    assert_eq!(times(&ics(&floating)), ["11-25T08:00/11-25T10:00"]);
    assert_eq!(times(&ics(&format!("X-WR-TIMEZONE:Europe/Berlin\n{floating}"))), ["11-25T07:00/11-25T09:00"]);
    assert!(ics(&event("DTSTART:20261125T080000Z")).shifts.is_empty());
}

#[test]
fn names_are_of_any_case_and_a_day_stands_for_its_occurrence() {
    let daily = "dtstart:20261125T080000Z\nduration:PT1H\nrrule:FREQ=DAILY;COUNT=3";
    let swap = event("DTSTART:20261126T100000Z\nDURATION:PT1H\nRecurrence-Id;VALUE=DATE:20261126");
    let left_out = event(&format!("{daily}\nexdate;value=date:20261127"));
    assert_eq!(
        times(&ics(&format!("{left_out}\n{swap}"))),
        ["11-25T08:00/11-25T09:00", "11-26T10:00/11-26T11:00"]
    );
    assert!(ics(&event(&format!("{daily}\nstatus:cancelled"))).shifts.is_empty());
}

#[test]
fn a_calendar_that_is_nested_without_end_is_refused() {
    let said = read(&"BEGIN:X\n".repeat(400_000), "oncall.ics", AROUND).unwrap_err();
    assert!(said.contains("is nested deeper than any calendar"), "{said}");
    let said = read(&"a = [".repeat(40_000), "oncall.toml", AROUND).unwrap_err();
    assert!(said.starts_with("oncall.toml:1: "), "{said}");
}

#[test]
fn only_the_days_around_now_are_read() {
    let schedule = ics(&event("DTSTART:20200101T080000Z\nDURATION:PT8H\nRRULE:FREQ=DAILY"));
    let times = times(&schedule);
    assert_eq!((times.len(), times[0].as_str()), (41, "11-24T08:00/11-24T16:00"));
    assert_eq!(times.last().unwrap(), "01-03T08:00/01-03T16:00");
    assert!(ics(&event("DTSTART:20261101T080000Z\nDURATION:PT8H")).shifts.is_empty());
    let long = ics(&event("DTSTART:20261101T080000Z\nDURATION:P30D"));
    assert_eq!(on_call(&long, AROUND), ["alice 1"]);
}

#[test]
fn the_level_is_ours_else_the_priority_else_the_first() {
    let level =
        |more: &str| ics(&event(&format!("DTSTART:20261125T000000Z\nDURATION:P1D{more}"))).shifts[0].level;
    assert_eq!(level(""), 1);
    assert_eq!(level("\nPRIORITY:0"), 1);
    assert_eq!(level("\nPRIORITY:3"), 3);
    assert_eq!(level("\nPRIORITY:3\nX-JIT-LEVEL:2"), 2);
}

#[test]
fn a_person_is_who_was_asked_unfolded_and_unescaped() {
    let who = |lines: &str| {
        let text =
            format!("BEGIN:VEVENT\nUID:1\nDTSTART:20261125T000000Z\nDURATION:P1D\n{lines}\nEND:VEVENT");
        ics(&text).shifts.first().map(|shift| shift.who.clone())
    };
    assert_eq!(
        who("ATTENDEE;CN=\"Doe; A\":MAILTO:alice@exam\n ple.org").as_deref(),
        Some("alice@example.org")
    );
    assert_eq!(who("SUMMARY:On call: <alice@example.org>\\, primary").as_deref(), Some("alice@example.org"));
    assert_eq!(who("SUMMARY:Doe\\, Alice").as_deref(), Some("Doe, Alice"));
    assert_eq!(who("DESCRIPTION:nobody"), None);
    assert_eq!(who("SUMMARY:a\u{202e}b"), None, "what could fool a reader is nobody");
}

#[test]
fn a_calendar_that_is_not_understood_is_refused_whole_with_line_property_and_fix() {
    for (events, said) in [
        (event("DTEND:20261125T000000Z"), "4: DTSTART: is missing: give the event a start"),
        (
            event("DTSTART;TZID=W. Europe Standard Time:20261125T000000\nDURATION:P1D"),
            "4: DTSTART: \"W. Europe Standard Time\" is not a time zone of the IANA list: export it with one, as Europe/Berlin",
        ),
        (
            event("DTSTART:tomorrow"),
            "4: DTSTART: \"tomorrow\" is not a date or time: write it as 20261124T080000Z",
        ),
        (
            event("DTSTART:20261125T080000Z\nDTEND:20261124T080000Z"),
            "4: DTEND: is before DTSTART: correct the end",
        ),
        (
            event("DTSTART:20261125T080000Z\nDURATION:PT1D"),
            "4: DURATION: \"PT1D\" is not a length: write for example PT12H",
        ),
        (
            event("DTSTART:20261125T080000Z\nDURATION:PT1H\nRRULE:FREQ=MINUTELY"),
            "4: RRULE: recurs more than once a day: make it daily or rarer",
        ),
        (
            event("DTSTART:20261125T080000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=M\u{1054d}"),
            "4: RRULE: \"FREQ=WEEKLY;BYDAY=M\u{1054d}\" has letters that no recurrence has: correct it",
        ),
        (
            event("DTSTART:19700101T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"),
            "4: DTSTART: is too long ago for an event that recurs: start the series anew",
        ),
        (
            event(
                "DTSTART:20261125T080000Z\nDURATION:PT1H\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261125T080000Z",
            ),
            "4: RECURRENCE-ID: changes all that follow: end the series there and start a new one",
        ),
    ] {
        assert_eq!(error(&events), format!("oncall.ics:{said}"), "{events}");
    }
    // The second event's line.
    let two = format!("{}\n{}", event("DTSTART:20261125T080000Z"), event("DTSTART:x"));
    assert!(error(&two).starts_with("oncall.ics:10: DTSTART: "), "{}", error(&two));
    for page in ["", "<!DOCTYPE html><html>Sign in</html>", "BEGIN:VCARD\r\nEND:VCARD\r\n"] {
        let said = read(page, "oncall.ics", AROUND).unwrap_err();
        assert!(
            said.starts_with("oncall.ics:1: ") && said.contains("export it again as iCalendar"),
            "{said}"
        );
    }
}

#[test]
fn a_toml_schedule_is_read_whole_or_refused() {
    let shift =
        |more: &str| format!("[[shift]]\nwho = \"alice\"\nfrom = 2026-11-24T08:00:00+01:00\n{more}\n");
    let good = read(&shift("to = \"2026-11-25T08:00:00+01:00\"\nlevel = 2"), "a.toml", AROUND).unwrap();
    assert_eq!((times(&good), good.shifts[0].level), (vec!["11-24T07:00/11-25T07:00".to_owned()], 2));
    assert!(read("", "a.toml", AROUND).unwrap().shifts.is_empty());
    for (more, said) in [
        (
            "",
            "a.toml:1: shift: to: is missing: write it with its offset, for example \"2026-11-24T08:00:00+01:00\"",
        ),
        (
            "to = \"2026-11-24\"",
            "a.toml:4: shift: to: is not an instant: write it with its offset, for example \"2026-11-24T08:00:00+01:00\"",
        ),
        (
            "to = \"2026-11-24T07:00:00Z\"",
            "a.toml:4: shift: to: is not after from: write the end of the shift",
        ),
        (
            "to = \"2026-11-25T08:00:00Z\"\nlevel = 0",
            "a.toml:5: shift: level: \"0\" is out of bounds: write a whole number from 1 to 9",
        ),
        (
            "to = \"2026-11-25T08:00:00Z\"\nname = 1",
            "a.toml:5: shift: name: is not a key here: remove it, or write one of from, level, to, who",
        ),
    ] {
        assert_eq!(read(&shift(more), "a.toml", AROUND).unwrap_err(), said);
    }
}

const LINES: &str = r"BEGIN:VEVENT|END:VEVENT|RRULE:FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY);(COUNT|INTERVAL|BYMONTHDAY|BYYEARDAY|BYWEEKNO|BYSETPOS|BYMONTH|BYHOUR)=-?[0-9]{1,3};BYDAY=(MO|-1FR|5SU|53MO)|DTSTART:[0-9]{8}T[0-9]{6}Z|DTSTART;VALUE=DATE:[12][0-9]{3}(0[1-9]|1[0-2])(0[1-9]|[12][0-9])|DURATION:P[0-9]{1,4}[DW]|EXDATE:20261125|RDATE:20261125,[0-9]{8}|RECURRENCE-ID:20261125T000000Z|\PC{0,20}";

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_calendar_makes_it_panic_and_no_shift_is_outside_of_the_days_that_are_read(
        lines in prop::collection::vec((0..40_usize, LINES), 0..6),
    ) {
        let mut all: Vec<&str> = include_str!("oncall/google.ics").lines().collect();
        for (place, line) in &lines {
            let place = place % all.len();
            all.insert(place, line);
        }
        match read(&all.join("\r\n"), "a.ics", AROUND) {
            Ok(schedule) => {
                for shift in &schedule.shifts {
                    prop_assert!(shift.from < shift.to && (1..=9).contains(&shift.level));
                    prop_assert!(shift.to > at("2026-11-24T02:00:00Z") && shift.from < at("2027-01-04T02:00:00Z"));
                }
            }
            Err(said) => prop_assert!(said.starts_with("a.ics:") && said.matches(": ").count() >= 2, "{said}"),
        }
    }
}
