//! How fast, and how soon again.

use super::channel::{Rate, Rates};
use super::limits;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long until the next try after so many, with up to a quarter more or less so that not all come at once. `chance` is
/// from 0 to 1.
pub fn again(tries: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let (first, longest) = limits::AGAIN;
    let doubled = first.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
    let own = doubled.min(longest).mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0);
    asked.map_or(own, |asked| asked.min(limits::AGAIN_ASKED).max(own))
}

/// What a rate has left.
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn takes(&mut self, rate: Rate, now: Instant) -> bool {
        let come = now.saturating_duration_since(self.at).as_secs_f64() * rate.per_second;
        self.left = (self.left + come).min(rate.burst);
        self.at = now;
        self.left >= 1.0
    }
}

/// The rates of one channel, as far as they are used up.
#[derive(Default)]
pub struct Pace {
    all: Option<Bucket>,
    each: HashMap<String, Bucket>,
}

impl Pace {
    /// Whether one more may go to this recipient now; then it counts.
    pub fn goes(&mut self, rates: Rates, recipient: &str, now: Instant) -> bool {
        if let Some(rate) = rates.all
            && !self.all.get_or_insert(Bucket { left: rate.burst, at: now }).takes(rate, now)
        {
            return false;
        }
        if let Some(rate) = rates.each {
            if self.each.len() >= limits::PACES && !self.each.contains_key(recipient) {
                let oldest = self.each.iter().min_by_key(|(_, bucket)| bucket.at);
                if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                    self.each.remove(&oldest);
                }
            }
            let full = || Bucket { left: rate.burst, at: now };
            let bucket = self.each.entry(recipient.to_owned()).or_insert_with(full);
            if !bucket.takes(rate, now) {
                return false;
            }
            bucket.left -= 1.0;
        }
        if let Some(all) = &mut self.all {
            all.left -= 1.0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_never_shorter_than_what_was_asked() {
        let waits: Vec<u64> = [1, 2, 3, 4, 40].map(|tries| again(tries, None, 0.5).as_secs()).into();
        assert_eq!(waits, [1, 2, 4, 8, 600]);
        assert!(again(1, None, 0.0) < again(1, None, 1.0));
        assert_eq!(again(1, Some(Duration::from_secs(30)), 0.5).as_secs(), 30);
        assert_eq!(again(1, Some(Duration::MAX), 0.5), limits::AGAIN_ASKED);
    }

    #[test]
    fn a_rate_holds_back_one_recipient_or_all_of_them() {
        let rate = |burst: f64, per_second: f64| Some(Rate { burst, per_second });
        let (now, rates) = (Instant::now(), Rates { each: rate(2.0, 1.0), all: rate(3.0, 10.0) });
        let mut pace = Pace::default();
        let went = ["a", "a", "a", "b", "c"].map(|name| pace.goes(rates, name, now));
        assert_eq!(went, [true, true, false, true, false]);
        let later = now + Duration::from_secs(1);
        let went = ["a", "a", "b", "c"].map(|name| pace.goes(rates, name, later));
        assert_eq!(went, [true, false, true, true]);
        assert!(Pace::default().goes(Rates::default(), "a", now));
    }
}
