//! The hub's time: the wall clock, and never before what was written down by it.

use access::{Now, Time};
use journal::Stamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// The wall clock, in whole milliseconds.
#[allow(clippy::disallowed_methods)] // the one place
pub fn wall() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Time::from_timestamp_millis(millis).unwrap_or(Time::MAX_UTC)
}

/// Time that does not go back while the hub runs.
pub struct Clock {
    /// In milliseconds after the Unix epoch.
    floor: AtomicI64,
}

impl Clock {
    /// A clock that is never before this.
    pub fn since(floor: Time) -> Self {
        Self { floor: AtomicI64::new(floor.timestamp_millis()) }
    }

    fn at(&self, wall: Time) -> Time {
        let wall_ms = wall.timestamp_millis();
        let floor = self.floor.fetch_max(wall_ms, Ordering::Relaxed);
        Time::from_timestamp_millis(floor.max(wall_ms)).unwrap_or(wall)
    }

    /// The time now.
    pub fn time(&self) -> Time {
        self.at(wall())
    }
}

impl desk::Clock for Clock {
    fn now(&self) -> Now {
        Now::exactly(self.time())
    }
}

/// When records are written down.
pub fn stamps() -> std::io::Result<store::Stamps> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    Ok(Box::new(move || {
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Stamp {
            boot: boot.clone(),
            wall_ms: wall().timestamp_millis(),
            boot_ms: since_boot.tv_sec * 1000 + since_boot.tv_nsec / 1_000_000,
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_stands_while_the_wall_clock_is_behind_and_goes_on_with_it_after() {
        let at = |seconds: i64| Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let clock = Clock::since(at(0));
        let seen = [-5, 3, 2, 4].map(|seconds| clock.at(at(seconds)));
        assert_eq!(seen, [0, 3, 3, 4].map(at));
    }
}
