//! Which process of a session that ends hears what, and when: first asked, then stopped and killed.

use super::belongs::Key;
use super::fate::Over;
use crate::limits;
use crate::process::Process;
use rustix::process::Signal;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A session that is being ended.
pub struct Ending {
    /// Why.
    pub over: Over,
    /// Processes that were seen to belong to it.
    pub seen: HashSet<Key>,
    began: Instant,
    grace: Duration,
    asked: HashSet<Key>,
    stopped: HashSet<Key>,
    killed: HashSet<Key>,
    /// Looks in a row that found nothing.
    empty: u32,
    told: Option<Instant>,
}

/// The process that opened a session hears of its end first: sshd's monitor closes the connection, and sudo
/// passes it on and puts the terminal right.
pub const TO_OPENER: &[Signal] = &[Signal::TERM];

/// The others at a terminal, whatever they sleep on: shells heed a hangup alone.
const AT_A_TERMINAL: &[Signal] = &[Signal::TERM, Signal::HUP, Signal::CONT];

/// The rest. Each signal costs the more the more of them die meanwhile.
const ELSEWHERE: &[Signal] = &[Signal::TERM];

/// What this process is to hear first.
fn first(process: &Process, opener: Key) -> &'static [Signal] {
    match process.tty {
        _ if (process.pid, process.start) == opener => TO_OPENER,
        0 => ELSEWHERE,
        _ => AT_A_TERMINAL,
    }
}

impl Ending {
    /// Ends from `began` on: asked then, forced once `grace` has passed.
    pub fn begin(over: Over, grace: Duration, began: Instant) -> Self {
        let none = HashSet::new;
        Self {
            over,
            seen: none(),
            began,
            grace,
            asked: none(),
            stopped: none(),
            killed: none(),
            empty: 0,
            told: None,
        }
    }

    /// Nobody reads anything first, so it begins at once.
    pub fn begin_at(&mut self, now: Instant) {
        self.began = now;
    }

    /// Whether it is time to ask.
    pub fn has_begun(&self, now: Instant) -> bool {
        now >= self.began
    }

    /// Whether its time to end by itself is over.
    pub fn is_forced(&self, now: Instant) -> bool {
        now >= self.forced_at()
    }

    /// When it will be.
    pub fn forced_at(&self) -> Instant {
        self.began + self.grace
    }

    /// Something of it was found.
    pub fn stirs(&mut self) {
        self.empty = 0;
    }

    /// Nothing of it was found; whether that was so often enough.
    pub fn is_quiet(&mut self) -> bool {
        self.empty += 1;
        self.empty >= limits::EMPTY_LOOKS
    }

    /// When to look again: often at first, and now and then at what does not end whatever it is told.
    pub fn pace(&self, now: Instant) -> Duration {
        let stuck = now.saturating_duration_since(self.forced_at()) > limits::STUCK_AFTER;
        if stuck { limits::TICK } else { limits::STRIKE_EVERY }
    }

    /// How long it may take to end by itself.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// How many processes were seen, and how many were killed.
    pub fn counts(&self) -> (usize, usize) {
        (self.seen.len(), self.killed.len())
    }

    /// Whether it is time to tell that it does not end, which is told every so often.
    pub fn tells(&mut self, now: Instant, after: Duration, again: Duration) -> bool {
        let due = self.told.map_or(self.began + self.grace + after, |told| told + again);
        let tells = now >= due;
        if tells {
            self.told = Some(now);
        }
        tells
    }

    /// What each of `members` that has not heard yet is to hear in the round that asks.
    pub fn ask(&mut self, members: &[&Process], opener: Key) -> Vec<(Process, &'static [Signal])> {
        let mut blows = Vec::new();
        for process in members {
            let key = (process.pid, process.start);
            self.seen.insert(key);
            if self.asked.insert(key) {
                blows.push(((*process).clone(), first(process, opener)));
            }
        }
        blows
    }

    /// Those of `members` that still run. What is stopped starts nothing more, so rounds of this come to an
    /// end even where a program does nothing but start itself again.
    pub fn stop(&mut self, members: &[&Process]) -> Vec<Process> {
        let mut blows = Vec::new();
        for process in members {
            let key = (process.pid, process.start);
            self.seen.insert(key);
            if self.stopped.insert(key) {
                blows.push((*process).clone());
            }
        }
        blows
    }

    /// All of `members`.
    pub fn kill(&mut self, members: &[&Process]) -> Vec<Process> {
        self.killed.extend(members.iter().map(|process| (process.pid, process.start)));
        members.iter().map(|process| (*process).clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::Time;
    use api::EndCause;

    fn process(pid: i32) -> Process {
        Process { pid, start: 1, parent: 1, audit: 5, tty: 0, program: "x".into() }
    }

    fn ending(grace: Duration, now: Instant) -> Ending {
        let over = Over { cause: EndCause::Expired, since: Time::UNIX_EPOCH, by: None, why: None };
        Ending::begin(over, grace, now)
    }

    #[test]
    fn each_process_is_asked_once_and_the_opener_without_a_hangup() {
        let now = Instant::now();
        let mut ending = ending(Duration::from_secs(5), now);
        let shell = Process { tty: 0x8803, ..process(11) };
        let (opener, late) = (process(10), process(12));
        let asked = ending.ask(&[&opener, &shell], (10, 1));
        assert_eq!(asked, [(opener.clone(), TO_OPENER), (shell.clone(), AT_A_TERMINAL)]);
        assert_eq!(ending.ask(&[&opener, &shell], (10, 1)), []);
        assert_eq!(ending.ask(&[&shell, &late], (10, 1)), [(late, ELSEWHERE)]);
        assert_eq!(ending.counts(), (3, 0));
    }

    #[test]
    fn force_comes_after_the_grace_and_not_before() {
        let before = Instant::now();
        let now = before + Duration::from_millis(1);
        let ending = ending(Duration::from_secs(5), now);
        assert!(ending.has_begun(now) && !ending.has_begun(before));
        assert!(!ending.is_forced(now + Duration::from_millis(4999)));
        assert!(ending.is_forced(now + Duration::from_secs(5)));
        assert_eq!(ending.forced_at(), now + Duration::from_secs(5));
    }

    #[test]
    fn what_is_stopped_is_killed_again_and_again_until_it_is_gone() {
        let mut ending = ending(Duration::ZERO, Instant::now());
        let (one, two) = (process(10), process(11));
        assert_eq!(ending.stop(&[&one]), vec![one.clone()]);
        assert_eq!(ending.stop(&[&one, &two]), vec![two.clone()]);
        assert!(ending.stop(&[&one, &two]).is_empty());
        for _ in 0..2 {
            assert_eq!(ending.kill(&[&one, &two]), [one.clone(), two.clone()]);
        }
        assert_eq!(ending.counts(), (2, 2));
    }

    #[test]
    fn what_does_not_end_is_told_now_and_then() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut ending = ending(Duration::ZERO, now);
        let told: Vec<u32> =
            (0..10).filter(|n| ending.tells(now + second * *n, second * 2, second * 3)).collect();
        assert_eq!(told, [2, 5, 8]);
    }
}
