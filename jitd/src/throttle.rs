//! How many requests the refused logins of one person may open.

use crate::limits;
use access::Login;
use chrono::TimeDelta;
use std::collections::HashMap;

/// Counts by login name over a sliding window.
#[derive(Default)]
pub struct Throttle {
    opened: HashMap<Login, Vec<TimeDelta>>,
}

impl Throttle {
    /// Whether `login` may open one more at `now`, time since boot; if so it is counted.
    pub fn admits(&mut self, login: &Login, now: TimeDelta) -> bool {
        let window = TimeDelta::from_std(limits::LOGIN_REQUESTS_PER).unwrap_or_default();
        if !self.opened.contains_key(login) && self.opened.len() >= limits::LOGIN_PEOPLE {
            self.opened.retain(|_, times| times.iter().any(|time| now - *time < window));
            if self.opened.len() >= limits::LOGIN_PEOPLE {
                return false;
            }
        }
        let times = self.opened.entry(login.clone()).or_default();
        times.retain(|time| now - *time < window);
        let admits = times.len() < limits::LOGIN_REQUESTS;
        if admits {
            times.push(now);
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_an_hour_for_each_person() {
        let mut throttle = Throttle::default();
        let (alice, bob) = (Login::parse("alice").unwrap(), Login::parse("bob").unwrap());
        let at = TimeDelta::seconds;
        let admitted = (0..50).filter(|second| throttle.admits(&alice, at(*second))).count();
        assert_eq!(admitted, limits::LOGIN_REQUESTS);
        assert!(throttle.admits(&bob, at(60)));
        assert!(!throttle.admits(&alice, at(3599)) && throttle.admits(&alice, at(3600)));
    }

    #[test]
    fn strangers_without_end_are_not_kept_without_end() {
        let mut throttle = Throttle::default();
        for n in 0..limits::LOGIN_PEOPLE {
            assert!(throttle.admits(&Login::parse(&format!("u{n}")).unwrap(), TimeDelta::zero()));
        }
        let late = Login::parse("late").unwrap();
        assert!(!throttle.admits(&late, TimeDelta::seconds(1)));
        assert!(throttle.admits(&late, TimeDelta::hours(1)));
        assert_eq!(throttle.opened.len(), 1);
    }
}
