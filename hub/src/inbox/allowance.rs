//! How much of the record one host may write: whoever is root there could else fill the disk of the hub, which then
//! decides nothing for anybody.

use crate::limits::{HOST_JOURNAL, HOST_JOURNAL_A_DAY};
use access::{HostName, Time};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What each host has left, of which some comes back with time (a token bucket).
#[derive(Default)]
pub struct Allowance(Mutex<HashMap<HostName, Left>>);

#[derive(Clone, Copy)]
struct Left {
    bytes: u64,
    at: Time,
}

impl Left {
    fn now(self, now: Time) -> u64 {
        let passed = u64::try_from((now - self.at).num_milliseconds()).unwrap_or_default();
        let back = passed.saturating_mul(HOST_JOURNAL_A_DAY) / 86_400_000;
        self.bytes.saturating_add(back).min(HOST_JOURNAL)
    }
}

impl Allowance {
    /// Takes so much of what a host that is known has left. Whether it had that.
    pub fn take(&self, host: &HostName, bytes: u64, now: Time) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.entry(host.clone()).or_insert(Left { bytes: HOST_JOURNAL, at: now });
        let Some(rest) = left.now(now).checked_sub(bytes) else { return false };
        *left = Left { bytes: rest, at: now.max(left.at) };
        true
    }

    /// So much of what was taken was not kept after all.
    pub fn give_back(&self, host: &HostName, bytes: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = all.get_mut(host) {
            left.bytes = left.bytes.saturating_add(bytes).min(HOST_JOURNAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_host_that_wrote_much_may_write_again_with_time_and_takes_nothing_of_others() {
        let host = |name| HostName::parse(name).unwrap();
        let (loud, quiet) = (host("loud"), host("quiet"));
        let start = Time::from_timestamp(1_800_000_000, 0).unwrap();
        let allowance = Allowance::default();
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
}
