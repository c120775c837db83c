//! Faults that last, told when they begin, once in a while after that, and when they are over.

use crate::{Level, Log, limits};
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What goes wrong now, by what was being done.
#[derive(Default)]
pub struct Faults {
    told: HashMap<&'static str, Instant>,
}

/// What the log hears of an outcome.
#[derive(Debug, PartialEq, Eq)]
pub enum Tells {
    /// It fails, which is to be told.
    Fails,
    /// It works again.
    Works,
    /// Nothing new.
    Nothing,
}

impl Faults {
    /// Takes the outcome of `doing` at `now`.
    pub fn take(&mut self, doing: &'static str, works: bool, now: Instant) -> Tells {
        if works {
            return if self.told.remove(doing).is_some() { Tells::Works } else { Tells::Nothing };
        }
        match self.told.get(doing) {
            Some(told) if now.duration_since(*told) < limits::FAULT_EVERY => Tells::Nothing,
            _ => {
                self.told.insert(doing, now);
                Tells::Fails
            }
        }
    }
}

/// What is done again and again: the log hears at warning of what fails, and at notice once it works again.
pub struct Outcomes {
    log: Log,
    faults: Mutex<Faults>,
}

impl Outcomes {
    /// Told to this log.
    pub fn of(log: Log) -> Self {
        Self { log, faults: Mutex::default() }
    }

    /// Takes the outcome of `doing`.
    pub fn told<T>(&self, doing: &'static str, outcome: Result<T, impl Display>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let tells = faults.take(doing, outcome.is_ok(), Instant::now());
        drop(faults);
        match (tells, outcome) {
            (Tells::Fails, Err(why)) => self.log.put(Level::Warning, format!("{doing}: {why}")),
            (Tells::Works, _) => self.log.put(Level::Notice, format!("{doing}: works again")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_fault_of_an_hour_is_a_few_lines_and_its_end_is_one() {
        let (mut faults, start) = (Faults::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let told: Vec<u64> =
            (0..3600).filter(|second| faults.take("this", false, at(*second)) == Tells::Fails).collect();
        assert_eq!(told, (0..12).map(|n| n * 300).collect::<Vec<_>>());
        assert_eq!(faults.take("that", false, at(3600)), Tells::Fails, "another one is not hidden");
        assert_eq!(faults.take("this", true, at(3600)), Tells::Works);
        assert_eq!(faults.take("this", true, at(3601)), Tells::Nothing);
        assert_eq!(faults.take("this", false, at(3602)), Tells::Fails, "a new fault is told at once");
    }
}
