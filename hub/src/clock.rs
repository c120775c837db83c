//! The hub's time: the wall clock, unless it jumps.
//!
//! What the hub ends and forgets by time never comes back, and a machine that starts with a wrong clock is put right while
//! the hub runs. So a wall clock that is suddenly far from where it should be by the time gone by since counts only
//! once a time service has kept it there for as long as a host's clock takes to be believed. Until then time goes on as it did.

use crate::limits;
use access::{Now, Time};
use chrono::TimeDelta;
use journal::Stamp;
pub use kernel::wall;
use std::sync::{Mutex, PoisonError};

/// The running clock.
pub struct Clock(Mutex<Kept>);

/// What a reading is held against.
struct Kept {
    /// Time does not go back: never before this, but where [`Kept::at`] takes a jump for right.
    floor: Time,
    /// A wall clock that counted, and the time since boot at which it did.
    anchor: (Time, TimeDelta),
    strays: Option<Strays>,
}

/// The wall clock has jumped.
#[derive(Clone, Copy)]
struct Strays {
    /// How far from the hub's time, ahead where positive.
    by: TimeDelta,
    /// Time since boot.
    since: TimeDelta,
}

impl Kept {
    /// The time at this reading; `settled` says whether a time service keeps the wall clock.
    fn at(&mut self, wall: Time, since_boot: TimeDelta, settled: impl Fn() -> bool) -> Time {
        let steady = self.anchor.0 + (since_boot - self.anchor.1);
        let by = wall - steady;
        if by.abs() <= limits::CLOCK_STRAYS {
            (self.anchor, self.strays) = ((wall, since_boot), None);
            self.floor = self.floor.max(wall);
            return self.floor;
        }
        // One that jumps again starts anew.
        let same = self.strays.filter(|strays| (strays.by - by).abs() <= limits::CLOCK_STRAYS);
        let strays = same.unwrap_or(Strays { by, since: since_boot });
        if since_boot - strays.since >= limits::CLOCK_SETTLES && settled() {
            *self = Self { floor: wall, anchor: (wall, since_boot), strays: None };
            return wall;
        }
        self.strays = Some(strays);
        self.floor = self.floor.max(steady);
        self.floor
    }
}

impl Clock {
    /// A clock that is never before this.
    pub fn since(floor: Time) -> Self {
        let anchor = (wall().max(floor), kernel::since_boot());
        Self(Mutex::new(Kept { floor, anchor, strays: None }))
    }

    /// A clock from which the wall clock has jumped ahead by this.
    #[cfg(test)]
    pub fn behind(by: TimeDelta) -> Self {
        let floor = wall() - by;
        Self(Mutex::new(Kept { floor, anchor: (floor, kernel::since_boot()), strays: None }))
    }

    /// The time now.
    pub fn time(&self) -> Time {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.at(wall(), kernel::since_boot(), kernel::synchronised)
    }

    /// How far the wall clock has jumped from the hub's time, where it has: what time alone makes due has to wait then.
    pub fn strays(&self) -> Option<TimeDelta> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).strays.map(|strays| strays.by)
    }
}

/// What is wrong where the wall clock is off by this, and what to do.
pub fn strayed(by: TimeDelta) -> String {
    let (far, way) = (by.num_minutes().abs(), if by < TimeDelta::zero() { "behind" } else { "ahead of" });
    let settles = limits::CLOCK_SETTLES.num_minutes();
    format!(
        "the clock of this machine has jumped and is {far} minutes {way} the hub's time, by which nothing is closed or forgotten \
         until one of them is right: set the clock right; where it is, the hub goes by it once a time service has kept it for \
         {settles} minutes, or at once after `systemctl restart jit-hub`"
    )
}

impl desk::Clock for Clock {
    fn now(&self) -> Now {
        Now::exactly(self.time())
    }
}

/// When records are written down.
pub fn stamps() -> std::io::Result<store::Stamps> {
    let boot = kernel::boot_id()?;
    Ok(Box::new(move || Stamp {
        boot: boot.clone(),
        wall_ms: wall().timestamp_millis(),
        boot_ms: kernel::since_boot().num_milliseconds(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn clock() -> Kept {
        Kept { floor: at(0), anchor: (at(0), TimeDelta::zero()), strays: None }
    }

    #[test]
    fn the_time_stands_while_the_wall_clock_is_behind_and_goes_on_with_it_after() {
        let mut clock = clock();
        let seen = [-5, 3, 2, 4].map(|seconds| clock.at(at(seconds), TimeDelta::zero(), || true));
        assert_eq!(seen, [0, 3, 3, 4].map(at));
    }

    #[test]
    fn a_wall_clock_that_jumps_counts_once_a_time_service_has_kept_it_for_ten_minutes() {
        for jump in [-7200, 7200, 86400 * 500] {
            let mut clock = clock();
            let mut look = |wall: i64, boot: i64, settled: bool| {
                let time = clock.at(at(wall), TimeDelta::seconds(boot), || settled);
                (time, clock.strays.is_some())
            };
            assert_eq!(look(1, 1, true), (at(1), false));
            assert_eq!(look(jump + 2, 2, true), (at(2), true), "time goes on as it did");
            assert_eq!(look(jump + 601, 601, true), (at(601), true));
            assert_eq!(look(jump + 602, 602, false), (at(602), true), "nothing keeps it there");
            assert_eq!(look(jump * 2 + 603, 603, true), (at(603), true), "it jumps again");
            assert_eq!(look(jump * 2 + 1202, 1202, true), (at(1202), true));
            assert_eq!(look(jump * 2 + 1203, 1203, true), (at(jump * 2 + 1203), false));
        }
    }

    #[test]
    fn a_wall_clock_that_is_put_right_counts_at_once() {
        let mut clock = clock();
        let look = |clock: &mut Kept, wall, boot| clock.at(at(wall), TimeDelta::seconds(boot), || false);
        assert_eq!(look(&mut clock, 7200, 5), at(5));
        assert!(clock.strays.is_some());
        assert_eq!(look(&mut clock, 6, 6), at(6));
        assert!(clock.strays.is_none());
        // It drifts as far as it likes where it does so slowly.
        for step in 1..100 {
            assert_eq!(look(&mut clock, step * 900, step * 600), at(step * 900));
        }
    }
}
