//! How much one host may say and have recorded: whoever is root there could else fill the disk of the hub, or keep its
//! writer busy, which then decides nothing for anybody.

use access::{HostName, Time};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What each host has left, of which some comes back with time (a token bucket).
pub struct Allowance {
    /// At once.
    pub most: u64,
    /// What each day gives back.
    pub a_day: u64,
    left: Mutex<HashMap<HostName, Left>>,
}

/// Of these parts is a unit, and each millisecond gives [`Allowance::a_day`] of them back: so nothing of what makes less than one
/// unit is lost, however often somebody calls.
const PARTS: u64 = 86_400_000;

#[derive(Clone, Copy)]
struct Left {
    parts: u64,
    at: Time,
}

impl Allowance {
    /// So much at once, of which each day gives so much back.
    pub fn of(most: u64, a_day: u64) -> Self {
        Self { most, a_day, left: Mutex::default() }
    }

    /// Takes so much of what a host that is known has left. Whether it had that.
    pub fn take(&self, host: &HostName, units: u64, now: Time) -> bool {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.entry(host.clone()).or_insert(Left { parts: self.full(), at: now });
        let passed = u64::try_from((now - left.at).num_milliseconds()).unwrap_or_default();
        let has = left.parts.saturating_add(passed.saturating_mul(self.a_day)).min(self.full());
        let Some(rest) = units.checked_mul(PARTS).and_then(|taken| has.checked_sub(taken)) else {
            return false;
        };
        *left = Left { parts: rest, at: now };
        true
    }

    /// So much of what was taken was not kept after all.
    pub fn give_back(&self, host: &HostName, units: u64) {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = all.get_mut(host) {
            left.parts = left.parts.saturating_add(units.saturating_mul(PARTS)).min(self.full());
        }
    }

    fn full(&self) -> u64 {
        self.most.saturating_mul(PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{HOST_JOURNAL, HOST_JOURNAL_A_DAY, HOST_SAYS, HOST_SAYS_A_DAY};
    use chrono::TimeDelta;

    #[test]
    fn a_host_that_wrote_much_may_write_again_with_time_and_takes_nothing_of_others() {
        let host = |name| HostName::parse(name).unwrap();
        let (loud, quiet) = (host("loud"), host("quiet"));
        let start = Time::from_timestamp(1_800_000_000, 0).unwrap();
        let allowance = Allowance::of(HOST_JOURNAL, HOST_JOURNAL_A_DAY);
        let part = HOST_JOURNAL / 4;
        assert_eq!([true, true, true, true, false], [(); 5].map(|()| allowance.take(&loud, part, start)));
        assert!(allowance.take(&quiet, part, start));
        assert!(!allowance.take(&loud, HOST_JOURNAL_A_DAY, start + TimeDelta::hours(23)));
        assert!(allowance.take(&loud, HOST_JOURNAL_A_DAY, start + TimeDelta::hours(24)));
        allowance.give_back(&loud, 1);
        assert!(allowance.take(&loud, 1, start));
        assert!(!allowance.take(&loud, 1, start), "a clock that goes back gives nothing");
        assert!(
            !allowance.take(&loud, HOST_JOURNAL + 1, start + TimeDelta::days(4000)),
            "it does not add up for ever"
        );
    }

    #[test]
    fn a_host_that_calls_all_the_time_is_given_its_share_back() {
        let host = HostName::parse("loud").unwrap();
        let start = Time::from_timestamp(1_800_000_000, 0).unwrap();
        let allowance = Allowance::of(HOST_SAYS, HOST_SAYS_A_DAY);
        assert!(allowance.take(&host, HOST_SAYS - 500, start));
        // One comes back in 50 ms, and each of these calls comes sooner.
        let calls = (1..=6000).map(|n| start + TimeDelta::milliseconds(n * 10));
        let taken = calls.filter(|now| allowance.take(&host, 1, *now)).count();
        assert_eq!(taken, 500 + 60 * 20, "what it had, and twenty in each of sixty seconds");
    }

    #[test]
    fn what_makes_less_than_one_is_given_back_with_the_next() {
        let host = HostName::parse("loud").unwrap();
        let start = Time::from_timestamp(1_800_000_000, 0).unwrap();
        let allowance = Allowance::of(HOST_SAYS, HOST_SAYS_A_DAY);
        assert!(allowance.take(&host, HOST_SAYS, start));
        // One comes back in 50 ms, and each of these calls takes two in 70 ms.
        let calls = (1..=1000).map(|n| start + TimeDelta::milliseconds(n * 70));
        let taken = calls.filter(|now| allowance.take(&host, 2, *now)).count();
        assert_eq!(taken, 70 * 20 / 2, "twenty in each of seventy seconds");
    }
}
