//! What verified records prove of time.
//!
//! Each record carries the trusted time of its moment and the stamp of the machine's start and
//! `CLOCK_BOOTTIME`, which together are an anchor. But only *confirmed* time may become the floor: what was
//! written under a provisional anchor came from an unchecked wall clock and proves nothing. So the floor is
//! raised by records of a start of the machine in which the clock was confirmed before them, and by what an
//! earlier repair wrote into the first record of its log.
//!
//! Of the row only its floor counts, and only upwards; the daemon raises it between records too. Its anchor
//! is not believed, since one that is ahead would open grants early: it is made again from the records, and
//! where there are none the next start makes a provisional one, as after any start of the machine.

use crate::clock::{Confirmed, Kept};
use crate::limits;
use access::Time;
use api::{Change, Mark, Record, SessionChange};
use chrono::TimeDelta;
use journal::Row;

/// Before the floor, in milliseconds after the Unix epoch, in the first record of a repaired log.
pub const FLOOR: &str = "floor_ms=";

/// The clock that counts after a repair, and what is wrong with the row.
pub fn judge(row: Option<&str>, records: &mut dyn Iterator<Item = &Row>) -> (Option<Kept>, Option<String>) {
    let proven = Proven::by(records);
    let (floor, wrong) = match row.map(serde_json::from_str::<Kept>) {
        None if proven == Proven::default() => return (None, None),
        None => (None, Some("it is gone: the time that records prove counts".to_owned())),
        Some(Err(why)) => {
            (None, Some(format!("it cannot be read ({why}): the time that records prove counts")))
        }
        Some(Ok(kept)) => {
            let early = proven.floor.filter(|proven| *proven > kept.floor);
            let words = |proven: Time| format!("its floor was {}, and records prove {proven}", kept.floor);
            (Some(kept.floor), early.map(words))
        }
    };
    let floor = floor.max(proven.floor).unwrap_or(Time::UNIX_EPOCH);
    let kept = match proven.anchor {
        Some(anchor) => Kept { floor, ..anchor },
        None => Kept { floor, boot: String::new(), wall: floor, since_boot_ms: 0, confirmed: false },
    };
    (Some(kept), wrong)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Proven {
    floor: Option<Time>,
    /// Of the last start of the machine.
    anchor: Option<Kept>,
}

impl Proven {
    fn by(records: &mut dyn Iterator<Item = &Row>) -> Self {
        let mut proven = Self::default();
        // The confirmation of this start of the machine: its record's time and CLOCK_BOOTTIME.
        let mut confirmed: Option<(Time, i64)> = None;
        let (mut boot, mut last) = (String::new(), 0);
        for row in records {
            let stamp = &row.stamp;
            if stamp.boot != boot {
                boot.clone_from(&stamp.boot);
                (proven.anchor, confirmed) = (None, None);
            }
            if row.seq != last + 1 {
                // What is lost could have set the clock anew.
                proven.anchor = None;
            }
            last = row.seq;
            let Ok(record) = serde_json::from_str::<Record>(&row.body) else { continue };
            let at = record.at();
            match &record {
                Record::Mark(mark) if mark.mark == Mark::Repaired => {
                    proven.floor = proven.floor.max(floor_in(&mark.detail));
                    continue;
                }
                // These carry the wall clock.
                Record::Mark(mark) if matches!(mark.mark, Mark::Opened | Mark::Carried) => continue,
                Record::Change(change) if change.change == Change::Carried => continue,
                Record::Session(told) if told.change == SessionChange::Carried => continue,
                Record::Mark(mark) if mark.mark == Mark::ClockConfirmed => {
                    confirmed = Some((at, stamp.boot_ms));
                    proven.anchor = None;
                    if mark.detail == Confirmed::ByRoot.words() {
                        proven.floor = None;
                    }
                }
                _ => {}
            }
            if let Some((then, boot_ms)) = confirmed {
                // A time from before the confirmation can be written down after it; where the clock was ahead
                // until then, it is no time of the confirmed clock.
                let slack = TimeDelta::from_std(limits::DESK_WAIT).unwrap_or_default();
                if at > then + TimeDelta::milliseconds(stamp.boot_ms - boot_ms) + slack {
                    continue;
                }
                proven.floor = proven.floor.max(Some(at));
            }
            // A record is written after its time was read, so the one that was written fastest is nearest.
            let offset = |wall: Time, boot_ms: i64| wall.timestamp_millis() - boot_ms;
            let nearest = proven.anchor.as_ref().map(|anchor| offset(anchor.wall, anchor.since_boot_ms));
            if nearest.is_none_or(|nearest| offset(at, stamp.boot_ms) > nearest) {
                proven.anchor = Some(Kept {
                    floor: Time::UNIX_EPOCH,
                    boot: boot.clone(),
                    wall: at,
                    since_boot_ms: stamp.boot_ms,
                    confirmed: confirmed.is_some(),
                });
            }
        }
        proven
    }
}

fn floor_in(detail: &str) -> Option<Time> {
    let millis = detail.split(' ').find_map(|word| word.strip_prefix(FLOOR))?.parse().ok()?;
    Time::from_timestamp_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::MarkRecord;
    use journal::{Head, LogId, Stamp};

    fn at(minutes: i64) -> Time {
        "2026-11-24T12:00:00Z".parse::<Time>().unwrap() + TimeDelta::minutes(minutes)
    }

    /// A record of trusted time `at`, written `up` minutes after the start of the machine.
    struct Written(&'static str, i64, Mark, &'static str, Time);

    fn by(written: &[Written]) -> Proven {
        let mut head = Head::start(LogId([1; 16]));
        let rows: Vec<Row> = written
            .iter()
            .map(|Written(boot, up, mark, detail, at)| {
                let record = MarkRecord { at: *at, mark: *mark, detail: (*detail).into() };
                let stamp = Stamp { boot: (*boot).into(), wall_ms: 0, boot_ms: up * 60_000 };
                let row = head.next(stamp, serde_json::to_string(&Record::Mark(Box::new(record))).unwrap());
                head = Head::of(&row);
                row
            })
            .collect();
        Proven::by(&mut rows.iter())
    }

    fn said(proven: &Proven) -> (Option<Time>, Option<(Time, bool)>) {
        let anchor = proven.anchor.as_ref();
        let trusted_at_boot = anchor
            .map(|anchor| (anchor.wall - TimeDelta::milliseconds(anchor.since_boot_ms), anchor.confirmed));
        (proven.floor, trusted_at_boot)
    }

    const SERVICE: &str = Confirmed::ByTimeService.words();
    const ROOT: &str = Confirmed::ByRoot.words();

    #[test]
    fn only_what_was_written_after_a_confirmation_in_the_same_start_of_the_machine_is_a_floor() {
        let started = |boot, up, at| Written(boot, up, Mark::Started, "", at);
        assert_eq!(said(&by(&[started("a", 1, at(1))])), (None, Some((at(0), false))));
        let confirmed = Written("a", 2, Mark::ClockConfirmed, SERVICE, at(2));
        assert_eq!(
            said(&by(&[started("a", 1, at(1)), confirmed, started("a", 3, at(3)), started("b", 1, at(900))])),
            (Some(at(3)), Some((at(899), false)))
        );
    }

    #[test]
    fn what_root_set_back_stays_back_also_against_a_time_that_was_read_before() {
        let proven = by(&[
            Written("a", 1, Mark::ClockConfirmed, SERVICE, at(9000)),
            Written("a", 2, Mark::Started, "", at(9001)),
            Written("a", 3, Mark::ClockConfirmed, ROOT, at(3)),
            Written("a", 3, Mark::LeftOver, "", at(9002)),
            Written("a", 4, Mark::LeftOver, "", at(4)),
        ]);
        assert_eq!(said(&proven), (Some(at(4)), Some((at(0), true))));
    }

    #[test]
    fn a_time_service_never_moves_the_floor_back() {
        let proven = by(&[
            Written("a", 1, Mark::ClockConfirmed, SERVICE, at(9000)),
            Written("b", 3, Mark::ClockConfirmed, SERVICE, at(3)),
        ]);
        assert_eq!(proven.floor, Some(at(9000)));
    }

    #[test]
    fn a_repaired_log_hands_on_the_floor_and_its_own_wall_clock_proves_nothing() {
        let proven = by(&[Written("a", 1, Mark::Repaired, "log=x floor_ms=1795521600000 lost=1", at(9000))]);
        assert_eq!(said(&proven), (Some(at(0)), None));
    }
}
