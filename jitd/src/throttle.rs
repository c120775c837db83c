//! How many requests the refused logins of one person may open.

use crate::limits;
use access::Person;
use chrono::TimeDelta;
use std::collections::HashMap;

/// Counts by person, under whichever of their names they knock, over a sliding window.
#[derive(Default)]
pub struct Throttle {
    opened: HashMap<Person, Vec<TimeDelta>>,
}

impl Throttle {
    /// Whether `person` may open one more at `now`, time since boot. If so it is counted at once: others of
    /// theirs knock at the same time.
    pub fn reserve(&mut self, person: &Person, now: TimeDelta) -> bool {
        let window = TimeDelta::from_std(limits::LOGIN_REQUESTS_PER).unwrap_or_default();
        let is_late = |time: &TimeDelta| now - *time < window;
        if !self.opened.contains_key(person) && self.opened.len() >= limits::LOGIN_PEOPLE {
            self.opened.retain(|_, times| times.iter().any(is_late));
            if self.opened.len() >= limits::LOGIN_PEOPLE {
                return false;
            }
        }
        let times = self.opened.entry(person.clone()).or_default();
        times.retain(is_late);
        let admits = times.len() < limits::LOGIN_REQUESTS;
        if admits {
            times.push(now);
        }
        admits
    }

    /// Takes back what was reserved at `now` and did not open one.
    pub fn give_back(&mut self, person: &Person, now: TimeDelta) {
        if let Some(times) = self.opened.get_mut(person) {
            if let Some(at) = times.iter().position(|time| *time == now) {
                times.remove(at);
            }
            if times.is_empty() {
                self.opened.remove(person);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Person {
        Person::parse(name).unwrap()
    }

    #[test]
    fn ten_an_hour_for_each_person() {
        let mut throttle = Throttle::default();
        let (alice, bob) = (person("alice"), person("bob"));
        let at = TimeDelta::seconds;
        let admitted = (0..50).filter(|second| throttle.reserve(&alice, at(*second))).count();
        assert_eq!(admitted, limits::LOGIN_REQUESTS);
        assert!(throttle.reserve(&bob, at(60)));
        assert!(!throttle.reserve(&alice, at(3599)) && throttle.reserve(&alice, at(3600)));
        assert!(!throttle.reserve(&alice, at(3600)), "one ran out, one was taken");
    }

    #[test]
    fn many_at_once_get_ten_and_what_opened_none_is_free_again() {
        let mut throttle = Throttle::default();
        let (alice, now) = (person("alice"), TimeDelta::seconds(1));
        // All of them have asked before any has opened.
        let reserved = (0..limits::GATE_THREADS).filter(|_| throttle.reserve(&alice, now)).count();
        assert_eq!(reserved, limits::LOGIN_REQUESTS);
        throttle.give_back(&alice, now);
        assert!(throttle.reserve(&alice, now) && !throttle.reserve(&alice, now));
        (0..limits::LOGIN_REQUESTS).for_each(|_| throttle.give_back(&alice, now));
        assert!(throttle.opened.is_empty(), "and costs no room");
        throttle.give_back(&alice, now);
        assert!(throttle.reserve(&alice, now));
    }

    #[test]
    fn strangers_without_end_are_not_kept_without_end() {
        let mut throttle = Throttle::default();
        for n in 0..limits::LOGIN_PEOPLE {
            assert!(throttle.reserve(&person(&format!("u{n}")), TimeDelta::zero()));
        }
        let late = person("late");
        assert!(!throttle.reserve(&late, TimeDelta::seconds(1)));
        assert!(throttle.reserve(&late, TimeDelta::hours(1)));
        assert_eq!(throttle.opened.len(), 1, "what is long ago is forgotten");
    }
}
