//! Equal refusals in a row: the first is told, the others are counted.

use crate::limits;
use chrono::TimeDelta;
use std::collections::HashMap;
use std::hash::Hash;

/// What can be counted.
pub trait Refusal: Clone {
    /// What makes two equal: everything but their time.
    type Kind: Clone + Eq + Hash;

    /// What it is one of.
    fn kind(&self) -> Self::Kind;

    /// So many of them.
    #[must_use]
    fn times(self, times: u32) -> Self;
}

/// Refusals that are being counted.
pub struct Repeats<R: Refusal> {
    counted: HashMap<R::Kind, Counted<R>>,
}

struct Counted<R> {
    since: TimeDelta,
    first: R,
    more: u32,
}

impl<R: Refusal> Default for Repeats<R> {
    fn default() -> Self {
        Self { counted: HashMap::new() }
    }
}

impl<R: Refusal> Repeats<R> {
    /// Takes a refusal at `now`, time since boot. Gives back what is to be told: this one if it is the first
    /// of its kind, and a count that had to make room.
    pub fn take(&mut self, refusal: R, now: TimeDelta) -> Vec<R> {
        let kind = refusal.kind();
        if let Some(counted) = self.counted.get_mut(&kind) {
            counted.more = counted.more.saturating_add(1);
            return Vec::new();
        }
        let mut out = Vec::new();
        if self.counted.len() >= limits::REPEAT_KINDS {
            let oldest =
                self.counted.iter().min_by_key(|(_, counted)| counted.since).map(|(kind, _)| kind.clone());
            out.extend(oldest.and_then(|kind| self.counted.remove(&kind)).and_then(Counted::told));
        }
        self.counted.insert(kind, Counted { since: now, first: refusal.clone(), more: 0 });
        out.push(refusal);
        out
    }

    /// Counts whose window is over at `now`; after that the next of their kind is told again.
    pub fn due(&mut self, now: TimeDelta) -> Vec<R> {
        let window = TimeDelta::from_std(limits::REPEAT_WINDOW).unwrap_or_default();
        let over: Vec<R::Kind> = self
            .counted
            .iter()
            .filter(|(_, counted)| now - counted.since >= window)
            .map(|(kind, _)| kind.clone())
            .collect();
        over.iter().filter_map(|kind| self.counted.remove(kind)).filter_map(Counted::told).collect()
    }

    /// Every count, for a daemon that stops.
    pub fn drain(&mut self) -> Vec<R> {
        self.counted.drain().filter_map(|(_, counted)| counted.told()).collect()
    }
}

impl<R: Refusal> Counted<R> {
    fn told(self) -> Option<R> {
        (self.more > 0).then(|| self.first.times(self.more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::{Login, Reason, Service};
    use api::DecisionRecord;

    fn refusal(user: &str) -> DecisionRecord {
        DecisionRecord {
            at: access::Time::UNIX_EPOCH,
            reason: Reason::NoGrant,
            would: None,
            user: Login::parse(user).unwrap(),
            target: Login::parse("root").unwrap(),
            service: Service::parse("sudo").unwrap(),
            phase: "account".into(),
            host: "web-1".into(),
            rhost: String::new(),
            tty: "/dev/pts/0".into(),
            grant: None,
            request: None,
            approved_by: Vec::new(),
            rule: None,
            expires: None,
            session: None,
            source: "local".into(),
            staleness_s: Some(0),
            times: 1,
        }
    }

    #[test]
    fn a_loop_of_refusals_is_one_record_and_one_count() {
        let mut repeats = Repeats::default();
        let at = TimeDelta::seconds;
        assert_eq!(repeats.take(refusal("alice"), at(0)).len(), 1);
        for _ in 0..5000 {
            assert_eq!(repeats.take(refusal("alice"), at(1)).len(), 0);
        }
        assert_eq!(repeats.take(refusal("bob"), at(1)).len(), 1, "another person's refusal is not hidden");
        assert!(repeats.due(at(59)).is_empty());
        let counts: Vec<u32> = repeats.due(at(60)).iter().map(|record| record.times).collect();
        assert_eq!(counts, [5000]);
        assert_eq!(repeats.take(refusal("alice"), at(61)).len(), 1, "a new window starts with a record");
    }

    #[test]
    fn more_kinds_than_are_counted_push_the_oldest_count_out_and_lose_nothing() {
        let mut repeats = Repeats::default();
        for n in 0..limits::REPEAT_KINDS {
            let now = TimeDelta::milliseconds(i64::try_from(n).unwrap());
            repeats.take(refusal(&format!("u{n}")), now);
            repeats.take(refusal(&format!("u{n}")), now);
        }
        let out = repeats.take(refusal("last"), TimeDelta::seconds(30));
        assert_eq!(
            out.iter().map(|r| (r.user.as_str(), r.times)).collect::<Vec<_>>(),
            [("u0", 1), ("last", 1)]
        );
        assert_eq!(repeats.drain().len(), limits::REPEAT_KINDS - 1);
    }
}
