//! So many of something in so long: what somebody can bring about at will must not fill the log.

use std::time::{Duration, Instant};

/// What was spent since an instant.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    since: Instant,
    spent: u32,
}

impl Budget {
    /// Nothing is spent yet.
    pub const fn new(now: Instant) -> Self {
        Self { since: now, spent: 0 }
    }

    /// Spends one more at `now`, if there is one left of `most` in `per`. All are there again once that is over.
    pub fn spend(&mut self, most: u32, per: Duration, now: Instant) -> bool {
        if now.duration_since(self.since) >= per {
            *self = Self::new(now);
        }
        let is_left = self.spent < most;
        self.spent += u32::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_so_long_and_then_again() {
        let (start, per) = (Instant::now(), Duration::from_secs(60));
        let mut budget = Budget::new(start);
        let mut spent =
            |seconds| (0..10).filter(|_| budget.spend(3, per, start + Duration::from_secs(seconds))).count();
        assert_eq!([0, 1, 59, 60, 61, 119, 200].map(&mut spent), [3, 0, 0, 3, 0, 0, 3]);
    }
}
