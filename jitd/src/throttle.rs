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
    /// Whether `login` may open one more at `now`, time since boot.
    pub fn admits(&mut self, login: &Login, now: TimeDelta) -> bool {
        let window = TimeDelta::from_std(limits::LOGIN_REQUESTS_PER).unwrap_or_default();
        if !self.opened.contains_key(login) && self.opened.len() >= limits::LOGIN_PEOPLE {
            self.opened.retain(|_, times| times.iter().any(|time| now - *time < window));
            if self.opened.len() >= limits::LOGIN_PEOPLE {
                return false;
            }
        }
        let lately = |times: &Vec<TimeDelta>| times.iter().filter(|time| now - **time < window).count();
        self.opened.get(login).is_none_or(|times| lately(times) < limits::LOGIN_REQUESTS)
    }

    /// Counts one that was opened.
    pub fn count(&mut self, login: &Login, now: TimeDelta) {
        let times = self.opened.entry(login.clone()).or_default();
        times.push(now);
        let over = times.len().saturating_sub(limits::LOGIN_REQUESTS);
        times.drain(..over);
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
        let mut opens = |login: &Login, second: i64| {
            let admits = throttle.admits(login, at(second));
            if admits {
                throttle.count(login, at(second));
            }
            admits
        };
        let admitted = (0..50).filter(|second| opens(&alice, *second)).count();
        assert_eq!(admitted, limits::LOGIN_REQUESTS);
        assert!(opens(&bob, 60));
        assert!(!throttle.admits(&alice, at(3599)) && throttle.admits(&alice, at(3600)));
    }

    #[test]
    fn strangers_without_end_are_not_kept_without_end() {
        let mut throttle = Throttle::default();
        for n in 0..limits::LOGIN_PEOPLE {
            let login = Login::parse(&format!("u{n}")).unwrap();
            assert!(throttle.admits(&login, TimeDelta::zero()));
            throttle.count(&login, TimeDelta::zero());
        }
        let late = Login::parse("late").unwrap();
        assert!(!throttle.admits(&late, TimeDelta::seconds(1)));
        assert!(throttle.admits(&late, TimeDelta::hours(1)));
        assert!(throttle.opened.is_empty(), "what is long ago is forgotten");
    }
}
