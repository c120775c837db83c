//! Places for those who wait at a prompt: each is a process of sshd or sudo that stays, and of sshd's there are
//! few.

use crate::config::Prompt;
use crate::limits;
use access::{Person, Reason, RequestId};
use chrono::TimeDelta;
use std::collections::HashMap;

/// A process as it is known over time: another may have its id later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Its id.
    pub pid: i32,
    /// Its start in clock ticks after boot; 0 where processes cannot be seen.
    pub start_ticks: u64,
}

/// The doors whose places are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Logins: sshd has few places for those that it has not let in yet (MaxStartups).
    Login,
    /// sudo and su.
    Switch,
}

/// Who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// At which door.
    pub door: Door,
    /// Who.
    pub person: Person,
    /// The refusal that is on record.
    pub refused: Reason,
    /// For which request, once there is one.
    pub request: Option<RequestId>,
}

/// Who waits at a prompt, each with the time since boot when it last asked something.
#[derive(Default)]
pub struct Seats {
    taken: HashMap<Caller, (Seat, TimeDelta)>,
}

impl Seats {
    /// Gives `process` a place at `now`, or lets it keep its own. Whether there was one, within what `most` says
    /// and once those are up whose process is not `alive`.
    pub fn take(
        &mut self,
        process: Caller,
        seat: Seat,
        most: &Prompt,
        now: TimeDelta,
        alive: impl Fn(Caller) -> bool,
    ) -> bool {
        self.taken.remove(&process);
        self.taken.retain(|process, (_, seen)| is_fresh(*seen, now) && alive(*process));
        let (in_all, each) = match seat.door {
            Door::Login => (most.ssh_seats, most.ssh_seats_per_person),
            Door::Switch => (most.sudo_seats, most.sudo_seats_per_person),
        };
        let at_this_door = || self.taken.values().filter(|(other, _)| other.door == seat.door);
        let theirs = at_this_door().filter(|(other, _)| other.person == seat.person).count();
        let free = at_this_door().count() < in_all && theirs < each;
        if free {
            self.taken.insert(process, (seat, now));
        }
        free
    }

    /// The place of `process`, which shows with this that it is still there.
    pub fn of(&mut self, process: Caller, now: TimeDelta) -> Option<&mut Seat> {
        let (seat, seen) = self.taken.get_mut(&process).filter(|(_, seen)| is_fresh(*seen, now))?;
        *seen = now;
        Some(seat)
    }

    /// `process` needs its place no more.
    pub fn leave(&mut self, process: Caller) -> Option<Seat> {
        self.taken.remove(&process).map(|(seat, _)| seat)
    }

    /// Whether any process of this id has a place: cheaper to ask than who it is.
    pub fn any_of(&self, pid: i32) -> bool {
        self.taken.keys().any(|process| process.pid == pid)
    }
}

fn is_fresh(seen: TimeDelta, now: TimeDelta) -> bool {
    now - seen < TimeDelta::from_std(limits::SEAT_KEPT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(door: Door, person: &str) -> Seat {
        Seat { door, person: Person::parse(person).unwrap(), refused: Reason::NoGrant, request: None }
    }

    fn process(pid: i32) -> Caller {
        Caller { pid, start_ticks: 7 }
    }

    fn at(seconds: i64) -> TimeDelta {
        TimeDelta::seconds(seconds)
    }

    /// Which of these, in this order, find a place.
    fn seated(seats: &mut Seats, door: Door, people: &[&str]) -> Vec<bool> {
        let most = Prompt::default();
        let pids = 1..;
        let take =
            |(pid, who): (i32, &&str)| seats.take(process(pid), seat(door, who), &most, at(0), |_| true);
        pids.zip(people).map(take).collect()
    }

    #[test]
    fn four_logins_wait_and_two_of_one_person() {
        let mut seats = Seats::default();
        let waiting = seated(&mut seats, Door::Login, &["alice", "alice", "alice", "bob", "carol", "dave"]);
        assert_eq!(waiting, [true, true, false, true, true, false]);
        let mut seats = Seats::default();
        assert_eq!(seated(&mut seats, Door::Switch, &["alice"; 5]), [true, true, true, true, false]);
        let many: Vec<String> = (0..70).map(|n| format!("u{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let waiting = seated(&mut Seats::default(), Door::Switch, &many);
        assert_eq!(waiting.iter().filter(|seated| **seated).count(), 64);
    }

    #[test]
    fn waiting_logins_leave_sudo_its_places_and_the_other_way_round() {
        let mut seats = Seats::default();
        assert_eq!(
            seated(&mut seats, Door::Login, &["a", "b", "c", "d", "e"]).iter().filter(|s| **s).count(),
            4
        );
        let sudo = seats.take(process(9), seat(Door::Switch, "a"), &Prompt::default(), at(0), |_| true);
        assert!(sudo, "another door, another count");
    }

    #[test]
    fn a_place_is_free_again_once_its_process_is_gone_or_silent_or_done() {
        let most = Prompt { ssh_seats: 1, ..Prompt::default() };
        let alice = || seat(Door::Login, "alice");
        let mut seats = Seats::default();
        assert!(seats.take(process(1), alice(), &most, at(0), |_| true));
        assert!(seats.take(process(1), alice(), &most, at(1), |_| true), "it keeps its own");
        assert!(!seats.take(process(2), alice(), &most, at(2), |_| true));
        assert!(seats.take(process(2), alice(), &most, at(3), |other| other.pid != 1), "gone");
        assert!(seats.of(process(1), at(3)).is_none());
        assert!(seats.of(process(2), at(100)).is_some(), "a sign of life");
        assert!(!seats.take(process(3), alice(), &most, at(229), |_| true));
        assert!(seats.of(process(2), at(230)).is_none(), "silent for 130 s");
        assert!(seats.take(process(3), alice(), &most, at(230), |_| true));
        assert_eq!(seats.leave(process(3)), Some(alice()));
        assert_eq!(seats.leave(process(3)), None);
        assert!(seats.take(process(4), alice(), &most, at(231), |_| true), "done");
    }

    #[test]
    fn another_process_of_the_same_id_has_no_place_of_the_first() {
        let mut seats = Seats::default();
        assert!(seats.take(process(1), seat(Door::Login, "alice"), &Prompt::default(), at(0), |_| true));
        let later = Caller { start_ticks: 8, ..process(1) };
        assert!(seats.any_of(1) && !seats.any_of(2));
        assert!(seats.of(later, at(1)).is_none() && seats.leave(later).is_none());
        assert!(seats.of(process(1), at(1)).is_some());
    }

    #[test]
    fn no_places_at_all_is_a_wish_that_can_be_written() {
        let none = Prompt { ssh_seats: 0, ..Prompt::default() };
        let take = Seats::default().take(process(1), seat(Door::Login, "alice"), &none, at(0), |_| true);
        assert!(!take);
    }
}
