//! The daemon's time: a floor, an anchor, and what both say now.
//!
//! Time is a pair (see [`access::Now`]). `trusted` runs from an anchor (wall time and `CLOCK_BOOTTIME` of
//! one moment) by `CLOCK_BOOTTIME` alone, so setting the wall clock moves nothing; it never falls below the
//! floor, nor below what a hub signed of time. `latest` is the wall clock where that is ahead. The anchor belongs to
//! one start of the machine.
//! After the next it is made anew from the wall clock and is *provisional*: it decides, but does not raise
//! the floor until the clock is confirmed, so one bad clock cannot lock a host out for ever.
//!
//! `CLOCK_BOOTTIME` stands still while a virtual machine is saved. So a confirmed clock is confirmed again where a time
//! service has kept the wall clock far ahead of it for as long as it takes to be believed after a start; never one that is
//! behind. On a host of a hub the hub must say that it is that late, too.

use crate::limits;
use access::{Now, Time};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// The same, where it is far ahead of a clock that was confirmed before: the machine stood still (a saved virtual machine),
    /// or what was confirmed was wrong.
    AgainByTimeService,
}

impl Confirmed {
    /// In the record.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ByRoot => "accepted by root",
            Self::ByTimeService => "kept by a time service",
            Self::AgainByTimeService => {
                "kept by a time service, and far ahead of the time that was gone by until then"
            }
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
    /// Held by who writes it down, from the look at what it is until that is durable: the newest is written last.
    writing: Mutex<()>,
    boot: String,
    steady: Mutex<Steady>,
    signed: Mutex<Option<Signed>>,
    agreed: AtomicBool,
    word: Mutex<Option<Word>>,
}

/// When a hub signed what was heard last, by its own clock.
#[derive(Clone, Copy, Debug)]
struct Word {
    signed: Time,
    heard: TimeDelta,
}

impl Word {
    /// Whether the hub's clock says what this wall clock says. One that was signed long ago and comes again does not.
    fn agrees(self, wall: Time, since_boot: TimeDelta) -> bool {
        (self.signed + (since_boot - self.heard) - wall).abs() <= sync::limits::SKEW
    }
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

/// Since when the kernel's clock has been synchronised without a break, and how far ahead of the gate's time it was then.
#[derive(Default)]
struct Steady {
    since: Option<(TimeDelta, TimeDelta)>,
}

impl Steady {
    /// Whether that is long enough at `now`, time since boot. A break starts it anew, and so does a jump: it can be one
    /// between two looks.
    fn holds(&mut self, synchronised: bool, now: TimeDelta, ahead: TimeDelta) -> bool {
        if !synchronised {
            self.since = None;
            return false;
        }
        let (mut since, was_ahead) = *self.since.get_or_insert((now, ahead));
        if (ahead - was_ahead).abs() > strays() {
            self.since = Some((now, ahead));
            since = now;
        }
        let settles = TimeDelta::from_std(limits::CLOCK_SETTLES).unwrap_or(TimeDelta::MAX);
        now - since >= settles
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
            writing: Mutex::new(()),
            boot,
            steady: Mutex::default(),
            signed: Mutex::default(),
            agreed: AtomicBool::new(false),
            word: Mutex::default(),
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

    /// A hub has signed what is heard now when it was this late there.
    pub fn hub_signed(&self, signed: Time) {
        let word = Word { signed, heard: kernel::since_boot() };
        *self.word.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
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

    /// The turn of who writes it down.
    pub fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was made durable.
    pub fn adopt(&self, kept: Kept) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// Whether the kernel's clock has been synchronised long enough to confirm a provisional clock, or one that the wall
    /// clock has left far behind. `has_hub` where this host goes by a hub.
    pub fn settled(&self, has_hub: bool) -> Option<Confirmed> {
        let (wall, since_boot) = (kernel::wall(), kernel::since_boot());
        let ahead = wall - self.held(|kept| kept.now(wall, since_boot)).trusted;
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = steady.holds(kernel::synchronised(), since_boot, ahead);
        drop(steady);
        if holds { self.confirms(wall, since_boot, has_hub) } else { None }
    }

    /// What a wall clock confirms that a time service has kept for long enough.
    fn confirms(&self, wall: Time, since_boot: TimeDelta, has_hub: bool) -> Option<Confirmed> {
        let (trusted, is_confirmed) = self.held(|kept| (kept.now(wall, since_boot).trusted, kept.confirmed));
        if !is_confirmed {
            return Some(Confirmed::ByTimeService);
        }
        let word = *self.word.lock().unwrap_or_else(PoisonError::into_inner);
        let hub_agrees = !has_hub || word.is_some_and(|word| word.agrees(wall, since_boot));
        (wall - trusted > strays() && hub_agrees).then_some(Confirmed::AgainByTimeService)
    }

    /// What the clock rests on, in words; with what to do where it is not confirmed.
    pub fn words(&self, has_hub: bool) -> String {
        let now = self.now();
        // To the nearest minute: the clock that is a day behind was not read at one instant.
        let span = |drift: TimeDelta| access::for_people(drift.abs() + TimeDelta::seconds(30));
        if let Some(ahead) = self.hub_ahead() {
            return format!(
                "the wall clock is {} behind what the hub signed, and at most 10 minutes of that are accepted here: correct whichever of \
                 the two is wrong",
                span(ahead)
            );
        }
        let drift = kernel::wall() - now.trusted;
        if drift.abs() > strays() {
            let by = span(drift);
            let (way, or) = match (drift < TimeDelta::zero(), has_hub) {
                (true, _) => ("behind", ""),
                (_, false) => {
                    ("ahead of", ", as happens by itself once a time service has kept it for 10 minutes")
                }
                (_, true) => (
                    "ahead of",
                    ", as happens by itself once a time service has kept it for 10 minutes and the hub says so too",
                ),
            };
            return format!(
                "the wall clock is {by} {way} the gate's time: set it right, or if it is right run `jitd clock accept` as root{or}"
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
        let mut holds = |synchronised, now| steady.holds(synchronised, now, TimeDelta::zero());
        assert!(!holds(false, minutes(1)), "nobody keeps it");
        assert!(!holds(true, minutes(60)), "the ten minutes start at the first look, not at boot");
        assert!(!holds(true, minutes(70) - TimeDelta::milliseconds(1)));
        assert!(holds(true, minutes(70)));
        assert!(!holds(false, minutes(71)), "a break");
        assert!(!holds(true, minutes(72)));
        assert!(!holds(true, minutes(81)), "starts them anew");
        assert!(holds(true, minutes(82)));
    }

    #[test]
    fn a_jump_starts_the_ten_minutes_anew_and_a_clock_that_is_brought_near_bit_by_bit_does_not() {
        let minutes = TimeDelta::minutes;
        for to in [minutes(180), minutes(-180)] {
            let mut steady = Steady::default();
            assert!(!steady.holds(true, minutes(0), minutes(0)));
            assert!(steady.holds(true, minutes(20), minutes(0)));
            assert!(!steady.holds(true, minutes(21), to), "no look saw a break");
            assert!(!steady.holds(true, minutes(30), to));
            assert!(steady.holds(true, minutes(31), to));
        }
        let mut steady = Steady::default();
        assert!((0..10).all(|minute| !steady.holds(true, minutes(minute), TimeDelta::seconds(minute * 50))));
        assert!(steady.holds(true, minutes(10), TimeDelta::seconds(500)));
    }

    #[test]
    fn a_confirmed_clock_that_was_left_far_behind_is_confirmed_again_and_only_forward() {
        let clock = Clock::resume(None).unwrap();
        clock.adopt(Kept { boot: clock.boot().to_owned(), ..confirmed() });
        let up = TimeDelta::hours(2);
        let confirms = |wall| clock.confirms(wall, up, false);
        let ahead = Some(Confirmed::AgainByTimeService);
        assert_eq!(confirms(at(1)), None, "it is right");
        assert_eq!(confirms(at(1) + TimeDelta::minutes(10)), None);
        assert_eq!(confirms(at(1) + TimeDelta::minutes(10) + TimeDelta::seconds(1)), ahead);
        assert_eq!(confirms(at(4)), ahead, "saved for three hours");
        assert_eq!(confirms(at(-4)), None, "never back");
        // What was over stays over, and what is granted now is good for as long as it says.
        let kept = confirmed();
        for hours in [2, 4, 9000] {
            let before = kept.now(at(hours), up);
            let after = kept.confirmed(&reading("a", at(hours), 2), false);
            let now = after.now(at(hours), up);
            assert!(now.trusted > before.trusted && now.latest == before.latest, "{hours}");
            assert_eq!((now.trusted, now.provisional), (now.latest, false));
            assert!(after.floor >= kept.floor);
        }
    }

    #[test]
    fn on_a_host_of_a_hub_the_hub_must_say_that_it_is_that_late_too() {
        let clock = Clock::resume(None).unwrap();
        clock.adopt(Kept { boot: clock.boot().to_owned(), ..confirmed() });
        let up = TimeDelta::hours(2);
        let says = |signed, heard| {
            *clock.word.lock().unwrap() = Some(Word { signed, heard });
            clock.confirms(at(4), up, true)
        };
        assert_eq!(clock.confirms(at(4), up, true), None, "nothing was heard");
        assert_eq!(says(at(1), up), None, "the hub says that the wall clock is wrong");
        assert_eq!(
            says(at(1), up - TimeDelta::minutes(30)),
            None,
            "a word of before, which ran on as this host's clock did"
        );
        assert_eq!(says(at(4) - TimeDelta::minutes(11), up), None);
        assert_eq!(says(at(4) + TimeDelta::minutes(11), up), None);
        let ahead = Some(Confirmed::AgainByTimeService);
        assert_eq!(says(at(4) - TimeDelta::minutes(9), up), ahead);
        assert_eq!(says(at(4) - TimeDelta::minutes(9), up - TimeDelta::minutes(9)), ahead);
        assert_eq!(clock.confirms(at(1), up, true), None, "there is nothing to put right");
    }

    #[test]
    fn a_running_clock_is_not_confirmed_twice_nor_at_the_first_look() {
        let clock = Clock::resume(None).unwrap();
        assert_eq!(clock.settled(false), None, "whatever the kernel says now");
        // As if the kernel had said so since it started.
        let long_ago =
            || Steady { since: Some((kernel::since_boot() - TimeDelta::hours(1), TimeDelta::zero())) };
        *clock.steady.lock().unwrap() = long_ago();
        let confirmed = kernel::synchronised().then_some(Confirmed::ByTimeService);
        assert_eq!(clock.settled(false), confirmed, "the kernel has the last word");
        clock.adopt(clock.if_confirmed(false));
        *clock.steady.lock().unwrap() = long_ago();
        assert_eq!(clock.settled(false), None, "it is confirmed already");
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
        assert!(
            clock.strays() && clock.words(false).starts_with("the wall clock is 1 day"),
            "{}",
            clock.words(false)
        );
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
