//! When the hub is called again, and for what: soon at first, later the longer nothing is heard, and not all hosts at once.

use super::follow::Ended;
use crate::limits;
use std::time::Duration;

/// The longest next pause, and how many answers are still asked for one by one.
pub struct Pace {
    wait: Duration,
    apart: u32,
}

/// What comes before the next call.
#[derive(Debug, PartialEq, Eq)]
pub enum Pause {
    /// Some part of this.
    PartOf(Duration),
    /// This.
    Exactly(Duration),
}

impl Pace {
    /// As after a call that went well.
    pub const fn new() -> Self {
        Self { wait: limits::HUB_AGAIN.0, apart: 0 }
    }

    /// Whether one answer is asked for, rather than a stream: something on the way holds back what does not end.
    pub const fn once(&self) -> bool {
        self.apart > 0
    }

    /// There is a reason to call at once, and the call after it is as soon as the first.
    pub const fn at_once(&mut self) {
        self.wait = limits::HUB_AGAIN.0;
    }

    /// The pause after a call that ended like this. What was `heard` is only what was verified and written down: a hub that
    /// answers and says nothing that holds is one that is away (a server that comes back is answered by its proxy first).
    pub fn after(&mut self, ended: &Ended, heard: bool) -> Pause {
        let held_back = matches!(ended, Ended::Silent(_)) && !heard;
        let once = self.once();
        self.apart = if held_back { limits::HUB_APART } else { self.apart.saturating_sub(1) };
        // Of one that is held back: it is there, and what it said meanwhile is late already.
        if heard || held_back {
            self.wait = limits::HUB_AGAIN.0;
        }
        // Nobody signed that nothing changed: it does not make the pauses after a failure short again.
        if matches!(ended, Ended::Same) {
            return Pause::Exactly(limits::HUB_APART_EVERY);
        }
        let pause =
            if once && heard { Pause::Exactly(limits::HUB_APART_EVERY) } else { Pause::PartOf(self.wait) };
        self.wait = (self.wait * 2).min(limits::HUB_AGAIN.1);
        pause
    }
}

impl Pause {
    /// Waits.
    pub fn wait(self) {
        std::thread::sleep(match self {
            Self::PartOf(longest) => part_of(longest),
            Self::Exactly(pause) => pause,
        });
    }
}

/// Some part of this wait, so that hosts do not come back all at once.
pub fn part_of(wait: Duration) -> Duration {
    let random = getrandom::u64().unwrap_or(u64::MAX);
    #[allow(clippy::cast_precision_loss)] // a pause
    wait.mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Ended {
        Ended::Failed("its answer is a page of a proxy".to_owned())
    }

    fn seconds(pause: &Pause) -> u64 {
        let (Pause::PartOf(pause) | Pause::Exactly(pause)) = pause;
        pause.as_secs()
    }

    #[test]
    fn only_what_was_verified_makes_the_next_pause_a_short_one() {
        let mut pace = Pace::new();
        let pauses = |pace: &mut Pace, ended: &dyn Fn() -> Ended| -> Vec<u64> {
            (0..6).map(|_| seconds(&pace.after(&ended(), false))).collect()
        };
        assert_eq!(pauses(&mut pace, &failed), [10, 20, 40, 80, 90, 90]);
        // Whatever a hub says or does without saying anything that holds.
        let answers: [fn() -> Ended; 4] = [
            || Ended::ByTheHub,
            failed,
            || Ended::WantsAll("not whole".to_owned()),
            || Ended::Distrusted("an unknown issuer".to_owned()),
        ];
        for answer in answers {
            assert_eq!(pauses(&mut pace, &answer), [90; 6]);
        }
        assert_eq!(pace.after(&failed(), true), Pause::PartOf(Duration::from_secs(10)));
        assert_eq!(pauses(&mut pace, &failed), [20, 40, 80, 90, 90, 90]);
        pace.at_once();
        assert_eq!(seconds(&pace.after(&failed(), false)), 10);
    }

    #[test]
    fn where_streams_are_held_back_answers_are_asked_for_one_by_one_for_a_while() {
        let mut pace = Pace::new();
        let silent = || Ended::Silent("nothing for 50 s".to_owned());
        pace.after(&failed(), false);
        assert_eq!(pace.after(&silent(), true), Pause::PartOf(Duration::from_secs(10)), "it was heard");
        assert!(!pace.once());
        assert_eq!(pace.after(&silent(), false), Pause::PartOf(Duration::from_secs(10)));
        for _ in 0..limits::HUB_APART {
            assert!(pace.once());
            assert_eq!(pace.after(&Ended::ByTheHub, true), Pause::Exactly(limits::HUB_APART_EVERY));
        }
        assert!(!pace.once(), "a stream is tried again");
        pace.after(&silent(), false);
        assert_eq!(pace.after(&Ended::Same, false), Pause::Exactly(limits::HUB_APART_EVERY));
    }

    #[test]
    fn a_pause_is_a_part_of_the_longest() {
        let wait = Duration::from_secs(10);
        let pauses: Vec<Duration> = (0..50).map(|_| part_of(wait)).collect();
        assert!(pauses.iter().all(|pause| *pause <= wait) && pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
