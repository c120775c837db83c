//! Who waits for a thread that writes their record itself: while the disk hangs so does that thread, and one that waits for a
//! timer alone gives their answer in time. To set the timer wakes nobody.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The soonest that a timer can be set to: zero stops it (timerfd_create(2)).
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 1 };

/// At most one at a time, as one thread at a time writes.
pub struct Overdue<T> {
    timer: OwnedFd,
    /// The timer is set by whoever holds it.
    state: Mutex<State<T>>,
}

enum State<T> {
    Idle,
    Watched(Instant, T),
    Ended,
}

/// For as long as it may become overdue.
pub struct Watched<'a, T>(&'a Overdue<T>);

impl<T> Overdue<T> {
    /// Nobody yet.
    pub fn new() -> std::io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer, state: Mutex::new(State::Idle) })
    }

    /// This is due at that time, unless what is given back is dropped before.
    pub fn watch(&self, by: Instant, what: T) -> Watched<'_, T> {
        let left = by.saturating_duration_since(Instant::now());
        self.go_on(State::Watched(by, what), Timespec::try_from(left).unwrap_or(NOW).max(NOW));
        Watched(self)
    }

    /// What is overdue, once it is; nothing after [`Self::end`].
    pub fn wait(&self) -> Option<T> {
        loop {
            // How often it went off does not matter, and a signal is as good.
            let _ = rustix::io::read(&self.timer, &mut [0_u8; 8]);
            let mut state = self.state();
            match std::mem::replace(&mut *state, State::Idle) {
                State::Watched(by, what) if by <= Instant::now() => return Some(what),
                before @ State::Ended => {
                    *state = before;
                    return None;
                }
                before => *state = before,
            }
        }
    }

    /// Nothing will be watched any more.
    pub fn end(&self) {
        *self.state() = State::Ended;
        self.set(NOW);
    }

    /// Unless it has ended.
    fn go_on(&self, next: State<T>, timer: Timespec) {
        let mut state = self.state();
        if !matches!(*state, State::Ended) {
            *state = next;
            self.set(timer);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, left: Timespec) {
        let once = Itimerspec { it_interval: Timespec::default(), it_value: left };
        // Only a malformed time could fail.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once);
    }
}

impl<T> Drop for Watched<'_, T> {
    fn drop(&mut self) {
        self.0.go_on(State::Idle, Timespec::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    const WAIT: Duration = Duration::from_secs(20);

    #[test]
    fn what_hangs_is_given_once_when_it_is_due_and_what_was_done_in_time_never() {
        let overdue = Overdue::new().unwrap();
        let in_ms = |ms| Instant::now() + Duration::from_millis(ms);
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                while let Some(what) = overdue.wait() {
                    tell.send((what, Instant::now())).unwrap();
                }
            });
            let by = in_ms(30);
            let watched = overdue.watch(by, "hangs");
            let (what, at) = told.recv_timeout(WAIT).unwrap();
            assert!(what == "hangs" && at >= by);
            drop(watched);

            drop(overdue.watch(in_ms(3_600_000), "done in time"));
            let watched = overdue.watch(Instant::now(), "too late from the start");
            assert_eq!(told.recv_timeout(WAIT).unwrap().0, "too late from the start");
            assert_eq!(told.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
            drop(watched);
            overdue.end();
            waits.join().unwrap();
        });
    }
}
