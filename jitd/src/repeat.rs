//! Equal refusals in a row: the first is recorded, the others are counted.

use crate::limits;
use access::{Login, Reason, Service};
use api::DecisionRecord;
use chrono::TimeDelta;
use std::collections::HashMap;

/// What makes two refusals equal: everything but their time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    user: Login,
    target: Login,
    service: Service,
    phase: String,
    reason: Reason,
    rhost: String,
    tty: String,
}

/// Refusals that are being counted.
#[derive(Default)]
pub struct Repeats {
    counted: HashMap<Kind, Counted>,
}

struct Counted {
    since: TimeDelta,
    record: DecisionRecord,
    more: u32,
}

impl Repeats {
    /// Takes a refusal at `now`, time since boot. Gives back what is to be recorded: this one if it is
    /// the first of its kind, and a count that had to make room.
    pub fn take(&mut self, record: DecisionRecord, now: TimeDelta) -> Vec<DecisionRecord> {
        let kind = Kind {
            user: record.user.clone(),
            target: record.target.clone(),
            service: record.service.clone(),
            phase: record.phase.clone(),
            reason: record.reason,
            rhost: record.rhost.clone(),
            tty: record.tty.clone(),
        };
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
        self.counted.insert(kind, Counted { since: now, record: record.clone(), more: 0 });
        out.push(record);
        out
    }

    /// Counts whose window is over at `now`; after that the next of their kind is recorded again.
    pub fn due(&mut self, now: TimeDelta) -> Vec<DecisionRecord> {
        let window = TimeDelta::from_std(limits::REPEAT_WINDOW).unwrap_or_default();
        let over: Vec<Kind> = self
            .counted
            .iter()
            .filter(|(_, counted)| now - counted.since >= window)
            .map(|(kind, _)| kind.clone())
            .collect();
        over.iter().filter_map(|kind| self.counted.remove(kind)).filter_map(Counted::told).collect()
    }

    /// Every count, for a daemon that stops.
    pub fn drain(&mut self) -> Vec<DecisionRecord> {
        self.counted.drain().filter_map(|(_, counted)| counted.told()).collect()
    }
}

impl Counted {
    fn told(self) -> Option<DecisionRecord> {
        (self.more > 0).then_some(DecisionRecord { times: self.more, ..self.record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            staleness_s: 0,
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
