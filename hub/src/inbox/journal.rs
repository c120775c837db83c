//! Journals of hosts: taken in whole ranges, each record once, and compared with what was taken before.

use super::past::learn;
use super::rows::{self, Log, Whose};
use super::uses;
use crate::feed::Wrong;
use crate::forgetting::forget_told;
use crate::ledger::{Ledger, mark};
use crate::limits;
use crate::site::Site;
use access::{HostName, Time};
use api::{JournalHas, JournalPart, Mark};
use desk::DeskError;
use journal::{Broken, Head, Verifier, Witness};
use std::collections::BTreeSet;
use sync::Digest;

/// What became of a part of a journal.
enum Taken {
    Has(u64),
    /// Nothing of it: it contradicts what was taken before, or is of one log too many.
    Refused(String),
}

impl Site {
    /// Takes a part in, durably; what is there already changes nothing.
    pub(super) fn host_journal(
        &self,
        host: HostName,
        joined: Digest,
        part: JournalPart,
    ) -> Result<JournalHas, DeskError> {
        is_whole(&part)?;
        let bytes = part.rows.iter().map(|row| row.body.len() as u64 + limits::RECORD_AROUND).sum();
        let now = self.clock.time();
        self.has_left(&self.allowance, &host, bytes, Wrong::Records, || {
            let most = limits::HOST_JOURNAL_A_DAY / 1024 / 1024;
            format!(
                "{host} has written more than {most} MB a day, which the hub takes from no host: it keeps its records, and \
                 they are taken as the day goes on; look there what it records, with `jit audit tail`"
            )
        })?;
        let whose = Whose { host, joined, log: part.log };
        let (host, last) = (whose.host.clone(), part.rows.last().map_or(0, |row| row.seq));
        let taken = self.ledger.take_journal(whose, part, now);
        if !matches!(taken, Ok(Taken::Has(through)) if through >= last) {
            self.allowance.give_back(&host, bytes);
        }
        match taken? {
            Taken::Has(through) => Ok(JournalHas { through }),
            Taken::Refused(why) => Err(DeskError::BadRequest(why)),
        }
    }
}

/// Whether the rows follow each other and are what was hashed, and whether they are of this log.
fn is_whole(part: &JournalPart) -> Result<(), DeskError> {
    let wrong =
        |why: &dyn std::fmt::Display| DeskError::BadRequest(format!("the part of the journal: {why}"));
    let Some(first) = part.rows.first() else { return Err(wrong(&"it is empty")) };
    if first.log != part.log {
        return Err(wrong(&"its records are of another log"));
    }
    if let Some(odd) = part.rows.iter().find(|row| row.stamp.boot.len() > limits::BOOT_ID) {
        return Err(wrong(&format!(
            "record {} names a start of the machine by more than {} bytes",
            odd.seq,
            limits::BOOT_ID
        )));
    }
    if let Some(large) = part.rows.iter().find(|row| !row.is_whole()) {
        return Err(wrong(&Broken::Edited(large.seq)));
    }
    let mut verifier = Verifier::new(None, Witness::default());
    part.rows.iter().try_for_each(|row| verifier.take(row)).map_err(|why| wrong(&why))
}

impl Ledger {
    fn take_journal(&self, whose: Whose, part: JournalPart, now: Time) -> Result<Taken, DeskError> {
        self.write(move |tx| {
            let room = tx.room()?;
            if !room.is_there() {
                return Err(DeskError::Busy(crate::room::in_words(room, WAITS)));
            }
            let before = rows::log(tx.connection(), &whose)?;
            let known = |seq| rows::hash_of(tx.connection(), &whose, seq);
            let (judged, fresh) = judge(before.as_ref(), &part, known)?;
            let alarm = match judged {
                Judged::Wants(through) => return Ok(Taken::Has(through)),
                Judged::Follows if before.is_none() => match rows::other_logs(tx.connection(), &whose)? {
                    0 => None,
                    limits::LOGS.. => return Ok(Taken::Refused(too_many_logs(&whose.host))),
                    _ => Some((ANOTHER_LOG.to_owned(), false)),
                },
                Judged::Follows => None,
                Judged::Gap(why) | Judged::Forked(why) => Some((why, fresh.is_none())),
            };
            // Told once, a fork also after what is less: a host that is not what it should be could say as many as it likes,
            // under as many logs.
            let is_fork = |why: &str| why.contains(FORKED);
            let told = match &alarm {
                Some((why, _)) => {
                    let alarms = rows::alarms(tx.connection(), &whose)?;
                    let is_told = alarms.iter().any(|told| is_fork(told) || !is_fork(why));
                    (!is_told).then(|| why.clone())
                }
                None => None,
            };
            if let Some(why) = &told {
                mark(tx, Mark::HostJournal, format!("host={} log={} {why}", whose.host, whose.log), now)?;
                rows::set_alarm(tx.connection(), &whose, why)?;
            }
            if let Some((why, true)) = alarm {
                return Ok(Taken::Refused(why));
            }
            let Some(last) = part.rows.last() else { return Ok(Taken::Has(0)) };
            let new = part.rows.get(fresh.unwrap_or_default()..).unwrap_or_default();
            if room.is_past(limits::HOSTS_SHARE) {
                let most = u32::try_from(new.len() * limits::GO_FOR_EACH).unwrap_or(limits::GO_AT_ONCE);
                forget_told(tx.connection(), None, most)?;
            }
            let mut uses = BTreeSet::new();
            for row in new {
                rows::put_record(tx.connection(), &whose, row, now)?;
                let told = learn(tx.connection(), &whose.host, &row.body, now)?;
                uses.extend(told.into_iter().flatten());
            }
            uses.into_iter().try_for_each(|of| uses::tell(tx, &whose.host, of, now))?;
            let through = before.as_ref().map_or(last.seq, |log| log.head.seq.max(last.seq));
            if !new.is_empty() {
                let first = part.rows.first().map_or(last.seq, |row| row.seq);
                rows::put_log(tx.connection(), &whose, Head::of(last), first, now)?;
                if let Some(why) = told.filter(|_| before.is_none()) {
                    rows::set_alarm(tx.connection(), &whose, &why)?;
                }
            }
            Ok(Taken::Has(through))
        })
    }
}

/// What becomes of a part for which there is no room.
const WAITS: &str = "the host keeps its records until then";

/// How a part stands to what was taken before.
enum Judged {
    /// It goes on from there.
    Follows,
    /// It comes too early: the record after this one is wanted.
    Wants(u64),
    /// Records in between are gone for good.
    Gap(String),
    /// It contradicts that.
    Forked(String),
}

/// How `part` stands to the `log` as it was taken so far, and from which of its rows on it is new; none where it is not
/// to be taken. `known` gives the hash of a record that was taken.
fn judge(
    log: Option<&Log>,
    part: &JournalPart,
    known: impl Fn(u64) -> Result<Option<journal::Hash>, DeskError>,
) -> Result<(Judged, Option<usize>), DeskError> {
    let Some(first) = part.rows.first() else { return Ok((Judged::Wants(0), None)) };
    let Some(Head { seq: size, hash, .. }) = log.map(|log| log.head) else {
        // What a host wrote and pruned before it joined is no gap.
        let begins = first.seq == 1 || part.oldest;
        return Ok(if begins { (Judged::Follows, Some(0)) } else { (Judged::Wants(0), None) });
    };
    for row in part.rows.iter().take_while(|row| row.seq <= size) {
        // Of what was forgotten here nothing can be said.
        if known(row.seq)?.is_some_and(|hash| hash != row.hash) {
            return Ok((Judged::Forked(fork(row.seq)), None));
        }
    }
    let fresh = part.rows.iter().position(|row| row.seq > size);
    let Some(next) = fresh.and_then(|fresh| part.rows.get(fresh)) else {
        return Ok((Judged::Follows, Some(part.rows.len())));
    };
    Ok(match next.seq - size {
        1 if next.prev == hash => (Judged::Follows, fresh),
        1 => (Judged::Forked(fork(size)), None),
        _ if !part.oldest => (Judged::Wants(size), None),
        _ => {
            let why =
                format!("records {} to {} are gone: neither host nor hub has them", size + 1, next.seq - 1);
            (Judged::Gap(why), fresh)
        }
    })
}

/// What an alarm has in it where a log contradicts what was taken of it.
const FORKED: &str = "rolled back or forked";

/// What is wrong where a host begins another log without joining anew.
const ANOTHER_LOG: &str = "the host began another log: its journal was repaired (`jitd repair`), wiped, or is another machine's; \
                           look at it, and enrol it anew once you know";

fn too_many_logs(host: &HostName) -> String {
    format!(
        "{host} has begun {} logs since it joined, and the hub takes no other: look at the host, and enrol it anew once you \
         know what it did",
        limits::LOGS
    )
}

fn fork(seq: u64) -> String {
    format!(
        "record {seq} is not the one that the hub has: the journal was {FORKED}, or two machines use one name; \
         look at the host, and enrol it anew to begin another log"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::{Hash, LogId, Row, Stamp};

    const LOG: LogId = LogId([7; 16]);

    fn rows(after: Head, count: u64, word: &str) -> Vec<Row> {
        let mut head = after;
        (0..count)
            .map(|n| {
                let row = head.next(Stamp { boot: "b".into(), wall_ms: 5, boot_ms: 5 }, format!("{word}{n}"));
                head = Head::of(&row);
                row
            })
            .collect()
    }

    /// What is made of the rows `from..to` of those that were written, where the hub has the first `has` of `held`.
    fn judged(held: &[Row], has: usize, rows: &[Row], oldest: bool) -> (&'static str, Option<usize>) {
        let log = held[..has].last().map(|last| Log { head: Head::of(last), alarm: None });
        let part = JournalPart { log: LOG, rows: rows.to_vec(), oldest };
        assert!(is_whole(&part).is_ok());
        let known = |seq: u64| Ok(held[..has].iter().find(|row| row.seq == seq).map(|row| row.hash));
        let (judged, fresh) = judge(log.as_ref(), &part, known).unwrap();
        let code = match judged {
            Judged::Follows => "follows",
            Judged::Wants(_) => "wants",
            Judged::Gap(_) => "gap",
            Judged::Forked(_) => "forked",
        };
        (code, fresh)
    }

    #[test]
    fn a_part_is_taken_where_it_goes_on_and_refused_where_it_contradicts_or_comes_too_early() {
        let all = rows(Head::start(LOG), 9, "a");
        assert_eq!(judged(&all, 0, &all[..3], false), ("follows", Some(0)));
        assert_eq!(judged(&all, 0, &all[2..3], false), ("wants", None));
        assert_eq!(
            judged(&all, 0, &all[2..3], true),
            ("follows", Some(0)),
            "what was pruned before it joined"
        );
        assert_eq!(judged(&all, 3, &all[3..5], false), ("follows", Some(0)));
        assert_eq!(judged(&all, 3, &all[..5], false), ("follows", Some(3)), "some of it again");
        assert_eq!(judged(&all, 5, &all[1..3], false), ("follows", Some(2)), "all of it again");
        assert_eq!(judged(&all, 3, &all[5..7], false), ("wants", None));
        assert_eq!(judged(&all, 3, &all[5..7], true), ("gap", Some(0)));
        let fork: Vec<Row> = [&all[..2], &rows(Head::of(&all[1]), 4, "b")].concat();
        assert_eq!(judged(&all, 5, &fork[..4], false), ("forked", None));
        assert_eq!(judged(&all, 2, &fork[..4], false), ("follows", Some(2)), "before it parts");
        assert_eq!(judged(&all, 3, &fork[3..], false), ("forked", None), "it goes on from another record");
        assert_eq!(judged(&all, 3, &fork[3..], true), ("forked", None));
    }

    #[test]
    fn rows_that_were_changed_or_do_not_follow_each_other_are_no_part() {
        let all = rows(Head::start(LOG), 4, "a");
        let whole = |rows: Vec<Row>, log| is_whole(&JournalPart { log, rows, oldest: false }).is_ok();
        assert!(whole(all.clone(), LOG) && !whole(all.clone(), LogId([8; 16])) && !whole(Vec::new(), LOG));
        let mut edited = all.clone();
        edited[1].body = "b".into();
        let mut unlinked = all.clone();
        unlinked[2].prev = Hash::NONE;
        assert!(!whole(edited, LOG) && !whole(unlinked, LOG));
        assert!(!whole([&all[..1], &all[2..]].concat(), LOG), "a gap within");
    }
}
