//! The daemon's time: a floor, an anchor, and what both say now.
//!
//! Time is a pair (see [`access::Now`]). `trusted` runs from an anchor (wall time and `CLOCK_BOOTTIME` of
//! one moment) by `CLOCK_BOOTTIME` alone, so setting the wall clock moves nothing; it never falls below the
//! floor, nor below what a hub signed of time. `latest` is the wall clock where that is ahead. The anchor belongs to
//! one start of the machine.
//! After the next it is made anew from the wall clock and is *provisional*: it decides, but does not raise
//! the floor until the clock is confirmed, so one bad clock cannot lock a host out for ever.

use crate::{kernel, limits};
use access::{Now, Time};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is written down of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Trusted time is never before this.
    pub floor: Time,
    /// The start of the machine that the anchor belongs to.
    pub boot: String,
    /// The anchor's wall time.
    pub wall: Time,
    /// The anchor's `CLOCK_BOOTTIME` in milliseconds.
    pub since_boot_ms: i64,
    /// Whether the anchor was confirmed.
    pub confirmed: bool,
}

/// Who confirmed the clock; the words stand in the record of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// `jitd clock accept`, which can also move the floor back.
    ByRoot,
    /// A time service that kept it for long enough.
    ByTimeService,
}

impl Confirmed {
    /// In the record.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ByRoot => "accepted by root",
            Self::ByTimeService => "kept by a time service",
        }
    }
}

/// What the machine says at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// This start of the machine.
    pub boot: String,
    /// The wall clock.
    pub wall: Time,
    /// `CLOCK_BOOTTIME`.
    pub since_boot: TimeDelta,
}

impl Kept {
    /// What holds after a start of the daemon: the anchor of this start of the machine as it was, or a
    /// new provisional one.
    pub fn resumed(before: Option<Self>, reading: &Reading) -> Self {
        match before {
            Some(kept) if kept.boot == reading.boot => kept,
            before => {
                let floor = before.map_or(Time::UNIX_EPOCH, |kept| kept.floor);
                Self {
                    floor,
                    boot: reading.boot.clone(),
                    wall: reading.wall.max(floor),
                    since_boot_ms: reading.since_boot.num_milliseconds(),
                    confirmed: false,
                }
            }
        }
    }

    /// The time at this reading.
    pub fn now(&self, wall: Time, since_boot: TimeDelta) -> Now {
        let elapsed = since_boot - TimeDelta::milliseconds(self.since_boot_ms);
        let trusted = (self.wall + elapsed).max(self.floor);
        Now { trusted, latest: trusted.max(wall), provisional: !self.confirmed }
    }

    /// The clock is right: it becomes the anchor. Only a person (`jitd clock accept`) can move the floor
    /// back; a time service cannot.
    #[must_use]
    pub fn confirmed(&self, reading: &Reading, by_a_person: bool) -> Self {
        let floor = if by_a_person { reading.wall } else { self.floor.max(reading.wall) };
        Self {
            floor,
            boot: reading.boot.clone(),
            wall: reading.wall.max(floor),
            since_boot_ms: reading.since_boot.num_milliseconds(),
            confirmed: true,
        }
    }

    /// The floor raised to now, while the clock is confirmed.
    #[must_use]
    pub fn risen(&self, now: Now) -> Self {
        let floor = if self.confirmed { self.floor.max(now.trusted) } else { self.floor };
        Self { floor, ..self.clone() }
    }
}

/// The running clock.
pub struct Clock {
    kept: Mutex<Kept>,
    boot: String,
    steady: Mutex<Steady>,
    signed: Mutex<Option<Signed>>,
    agreed: AtomicBool,
}

/// It was at least this late when it was heard, as a hub signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signed {
    /// What was signed.
    said: Time,
    /// What that made it, where more had passed since an earlier word.
    time: Time,
    heard: TimeDelta,
}

impl Signed {
    /// No further ahead of this host's own time, which has none of it, than ten minutes: whoever signs moves the clock by so
    /// much, and none can creep.
    fn now(self, own: Time, since_boot: TimeDelta) -> Time {
        self.goes_on(since_boot).clamp(own, own + sync::limits::SKEW)
    }

    fn goes_on(self, since_boot: TimeDelta) -> Time {
        self.time + (since_boot - self.heard)
    }

    /// What counts once this is heard, again or anew. An earlier word is one of other keys, and what the old ones said is
    /// over.
    fn then(before: Option<Self>, said: Option<Time>, since_boot: TimeDelta) -> Option<Self> {
        let said = said?;
        let later = before.filter(|before| before.said <= said);
        let time = later.map_or(said, |later| said.max(later.goes_on(since_boot)));
        Some(Self { said, time, heard: since_boot })
    }
}

/// How long the kernel's clock has been synchronised without a break.
#[derive(Default)]
struct Steady {
    since: Option<TimeDelta>,
}

impl Steady {
    /// Whether that is long enough at `now`, time since boot. A break starts it anew.
    fn holds(&mut self, synchronised: bool, now: TimeDelta) -> bool {
        if !synchronised {
            self.since = None;
            return false;
        }
        let settles = TimeDelta::from_std(limits::CLOCK_SETTLES).unwrap_or(TimeDelta::MAX);
        now - *self.since.get_or_insert(now) >= settles
    }
}

impl Clock {
    /// The clock after a start of the daemon.
    pub fn resume(before: Option<Kept>) -> std::io::Result<Self> {
        let boot = kernel::boot_id()?;
        let reading = Reading { boot: boot.clone(), wall: kernel::wall(), since_boot: kernel::since_boot() };
        let kept = Kept::resumed(before, &reading);
        Ok(Self {
            kept: Mutex::new(kept),
            boot,
            steady: Mutex::default(),
            signed: Mutex::default(),
            agreed: AtomicBool::new(false),
        })
    }

    /// The time now.
    pub fn now(&self) -> Now {
        let (own, signed) = (self.own(), *self.signed.lock().unwrap_or_else(PoisonError::into_inner));
        let trusted = signed.map_or(own.trusted, |signed| signed.now(own.trusted, kernel::since_boot()));
        let provisional = own.provisional && !self.agreed.load(Ordering::Relaxed);
        Now { trusted, latest: own.latest.max(trusted), provisional }
    }

    /// The same by this host's own clock, without what a hub signed.
    pub fn own(&self) -> Now {
        self.held(|kept| kept.now(kernel::wall(), kernel::since_boot()))
    }

    /// It is at least this late, as a hub signed.
    pub fn hears(&self, signed: Option<Time>) {
        let mut held = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Signed::then(*held, signed, kernel::since_boot());
    }

    /// A hub has just said that it is this late. While the last such word agrees with this host's own time, the time is
    /// not provisional; that moves neither anchor nor floor, so whoever keeps the clock can still set it right.
    pub fn heard_just_now(&self, signed: Time) {
        let agrees = (self.own().trusted - signed).abs() <= sync::limits::SKEW;
        self.agreed.store(agrees, Ordering::Relaxed);
    }

    /// This start of the machine.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// What to write down, the floor raised to now.
    pub fn to_keep(&self) -> Kept {
        let own = self.own();
        self.held(|kept| kept.risen(own))
    }

    /// What the clock would be once confirmed by the wall clock as it is. Takes effect by
    /// [`Self::adopt`], after it is durable.
    pub fn if_confirmed(&self, by_a_person: bool) -> Kept {
        let reading =
            Reading { boot: self.boot.clone(), wall: kernel::wall(), since_boot: kernel::since_boot() };
        self.held(|kept| kept.confirmed(&reading, by_a_person))
    }

    /// Takes what was made durable.
    pub fn adopt(&self, kept: Kept) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// Whether the kernel's clock has just been synchronised long enough to confirm a provisional one.
    pub fn settled(&self) -> bool {
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let steady = steady.holds(kernel::synchronised(), kernel::since_boot());
        steady && !self.held(|kept| kept.confirmed)
    }

    /// What the clock rests on, in words; with what to do where it is not confirmed.
    pub fn words(&self) -> String {
        let now = self.now();
        // To the nearest minute: the clock that is a day behind was not read at one instant.
        let span = |drift: TimeDelta| access::for_people(drift.abs() + TimeDelta::seconds(30));
        if let Some(ahead) = self.hub_ahead() {
            return format!(
                "the wall clock is {} behind of what the hub signed, of which 10 minutes count here: set right which of \
                 the two is wrong",
                span(ahead)
            );
        }
        let drift = kernel::wall() - now.trusted;
        if drift.abs() > strays() {
            let by = span(drift);
            let way = if drift < TimeDelta::zero() { "behind" } else { "ahead" };
            return format!(
                "the wall clock is {by} {way} of the gate's time: set it right, or if it is right run `jitd clock accept` as root"
            );
        }
        if now.provisional {
            return "not confirmed since the machine started, so grants that start later than their approval wait: \
                    it is confirmed once a time service has kept it for 10 minutes, or by `jitd clock accept` as root"
                .to_owned();
        }
        if self.own().provisional {
            return "agrees with the hub's".to_owned();
        }
        "confirmed".to_owned()
    }

    /// Whether something about the clock needs an administrator.
    pub fn strays(&self) -> bool {
        self.hub_ahead().is_some() || (kernel::wall() - self.now().trusted).abs() > strays()
    }

    /// How far what a hub signed is ahead of the wall clock, where that is more than counts.
    fn hub_ahead(&self) -> Option<TimeDelta> {
        let signed = (*self.signed.lock().unwrap_or_else(PoisonError::into_inner))?;
        let ahead = signed.goes_on(kernel::since_boot()) - kernel::wall();
        (ahead > sync::limits::SKEW).then_some(ahead)
    }

    fn held<T>(&self, look: impl FnOnce(&Kept) -> T) -> T {
        look(&self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn strays() -> TimeDelta {
    TimeDelta::from_std(limits::CLOCK_STRAYS).unwrap_or(TimeDelta::MAX)
}

impl desk::Clock for Clock {
    fn now(&self) -> Now {
        Self::now(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Time {
        "2026-11-24T12:00:00Z".parse::<Time>().unwrap() + TimeDelta::hours(hours)
    }

    fn reading(boot: &str, wall: Time, up_hours: i64) -> Reading {
        Reading { boot: boot.into(), wall, since_boot: TimeDelta::hours(up_hours) }
    }

    fn confirmed() -> Kept {
        Kept::resumed(None, &reading("a", at(0), 1)).confirmed(&reading("a", at(0), 1), false)
    }

    #[test]
    fn setting_the_wall_clock_back_moves_nothing() {
        let now = confirmed().now(at(-24), TimeDelta::hours(2));
        assert_eq!((now.trusted, now.latest), (at(1), at(1)));
    }

    #[test]
    fn setting_it_forward_only_ends_things_and_setting_it_back_again_restores_them() {
        let kept = confirmed();
        let ahead = kept.now(at(8760), TimeDelta::hours(2));
        assert_eq!((ahead.trusted, ahead.latest), (at(1), at(8760)));
        assert_eq!(kept.risen(ahead).floor, at(1), "a wall clock ahead never raises the floor");
        assert_eq!(kept.now(at(1), TimeDelta::hours(2)).latest, at(1));
    }

    #[test]
    fn a_restart_of_the_daemon_keeps_the_anchor() {
        let kept = confirmed();
        assert_eq!(Kept::resumed(Some(kept.clone()), &reading("a", at(-500), 9)), kept);
    }

    #[test]
    fn a_machine_that_was_off_for_a_day_works_at_once_but_provisionally() {
        let kept = Kept::resumed(Some(confirmed().risen(Now::exactly(at(3)))), &reading("b", at(30), 0));
        let now = kept.now(at(30), TimeDelta::zero());
        assert_eq!((now.trusted, now.provisional), (at(30), true));
        assert_eq!(kept.risen(now).floor, at(3), "what is not confirmed never becomes the floor");
    }

    #[test]
    fn a_clock_that_starts_in_the_past_stands_at_the_floor() {
        let kept = Kept::resumed(Some(confirmed().risen(Now::exactly(at(3)))), &reading("b", at(-9999), 0));
        assert_eq!(kept.now(at(-9999), TimeDelta::zero()).trusted, at(3));
    }

    #[test]
    fn one_bad_clock_cannot_lock_the_host_out_for_ever() {
        let bad = Kept::resumed(Some(confirmed()), &reading("b", at(9999), 0));
        assert_eq!(bad.now(at(9999), TimeDelta::zero()).trusted, at(9999));
        let good = bad.confirmed(&reading("b", at(5), 1), false);
        assert_eq!(good.now(at(5), TimeDelta::hours(1)).trusted, at(5));
        let next_boot = Kept::resumed(Some(bad), &reading("c", at(6), 0));
        assert_eq!(next_boot.now(at(6), TimeDelta::zero()).trusted, at(6));
    }

    #[test]
    fn a_time_service_is_believed_after_ten_minutes_without_a_break() {
        let minutes = TimeDelta::minutes;
        let mut steady = Steady::default();
        assert!(!steady.holds(false, minutes(1)), "nobody keeps it");
        assert!(!steady.holds(true, minutes(60)), "the ten minutes start at the first look, not at boot");
        assert!(!steady.holds(true, minutes(70) - TimeDelta::milliseconds(1)));
        assert!(steady.holds(true, minutes(70)));
        assert!(!steady.holds(false, minutes(71)), "a break");
        assert!(!steady.holds(true, minutes(72)));
        assert!(!steady.holds(true, minutes(81)), "starts them anew");
        assert!(steady.holds(true, minutes(82)));
    }

    #[test]
    fn a_running_clock_is_not_confirmed_twice_nor_at_the_first_look() {
        let clock = Clock::resume(None).unwrap();
        assert!(!clock.settled(), "whatever the kernel says now");
        // As if the kernel had said so since it started.
        let long_ago = || Steady { since: Some(kernel::since_boot() - TimeDelta::hours(1)) };
        *clock.steady.lock().unwrap() = long_ago();
        assert_eq!(clock.settled(), kernel::synchronised(), "the kernel has the last word");
        clock.adopt(clock.if_confirmed(false));
        *clock.steady.lock().unwrap() = long_ago();
        assert!(!clock.settled(), "it is confirmed already");
    }

    #[test]
    fn a_hubs_time_goes_on_from_when_it_was_heard_and_ends_with_its_keys() {
        let minutes = TimeDelta::minutes;
        let (own, now) =
            (at(0) - minutes(5), |signed: Signed, passed| signed.now(at(0) - minutes(5), minutes(passed)));
        let heard = Signed::then(None, Some(at(0)), minutes(5)).unwrap();
        assert_eq!(now(heard, 7), at(0) + minutes(2));
        let mut again = heard;
        for passed in [6, 7, 8] {
            again = Signed::then(Some(again), Some(at(0)), minutes(passed)).unwrap();
            assert_eq!(
                now(again, passed),
                at(0) + minutes(passed - 5),
                "one that comes again sets nothing back"
            );
        }
        let next = Signed::then(Some(again), Some(at(0) + minutes(4)), minutes(8)).unwrap();
        assert_eq!(now(next, 8), at(0) + minutes(4));
        let other = Signed::then(Some(next), Some(at(0) - minutes(3)), minutes(9)).unwrap();
        assert_eq!(now(other, 9), at(0) - minutes(3), "of other keys");
        assert_eq!(Signed::then(Some(other), None, minutes(9)), None);

        let far = Signed::then(None, Some(at(0) + TimeDelta::days(1)), minutes(9)).unwrap();
        assert_eq!(now(far, 9), own + minutes(10), "whoever signed it");
        let behind = Signed::then(None, Some(at(0) - TimeDelta::days(1)), minutes(9)).unwrap();
        assert_eq!(now(behind, 9), own, "it sets nothing back");
    }

    #[test]
    fn what_a_hub_signed_of_time_counts_and_is_never_written_down_as_this_hosts_own() {
        let clock = Clock::resume(None).unwrap();
        let signed = kernel::wall() + TimeDelta::minutes(9);
        assert!(clock.now().provisional);
        clock.hears(Some(signed));
        clock.heard_just_now(signed);
        let (now, own) = (clock.now(), clock.own());
        assert!(now.trusted >= signed && now.latest >= signed && !now.provisional);
        assert!(own.trusted < signed && own.provisional);
        let kept = clock.to_keep();
        assert!(kept.floor < signed && !kept.confirmed);
        clock.heard_just_now(signed + TimeDelta::minutes(2));
        assert!(clock.now().provisional, "the hub's clock is another by now");
        clock.hears(Some(signed + TimeDelta::days(1)));
        assert!(clock.now().trusted <= clock.own().trusted + sync::limits::SKEW, "no more than ten minutes");
        assert!(clock.strays() && clock.words().starts_with("the wall clock is 1 day"), "{}", clock.words());
    }

    #[test]
    fn a_time_service_cannot_move_the_floor_back_and_a_person_can() {
        let kept = confirmed();
        assert_eq!(
            kept.confirmed(&reading("a", at(-5), 2), false).now(at(-5), TimeDelta::hours(2)).trusted,
            at(0)
        );
        assert_eq!(
            kept.confirmed(&reading("a", at(-5), 2), true).now(at(-5), TimeDelta::hours(2)).trusted,
            at(-5)
        );
    }
}
