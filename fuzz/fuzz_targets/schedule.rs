#![no_main]
//! No on-call schedule makes the reader panic or hang, in either form, and every shift has a length.

use std::path::Path;
use workflow::Schedule;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Some(now) = chrono::DateTime::from_timestamp(1_800_000_000, 0) else { return };
    for path in ["oncall.ics", "oncall.toml"] {
        match Schedule::parse(text, Path::new(path), now) {
            Ok(schedule) => assert!(schedule.shifts.iter().all(|shift| shift.from < shift.to)),
            Err(errors) => assert!(errors.0.iter().all(|error| error.to_string().starts_with("oncall."))),
        }
    }
});
