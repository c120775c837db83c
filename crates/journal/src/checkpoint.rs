//! Checkpoints: the head of a log, put where whoever changes the log cannot reach it.

use crate::{Broken, Hash, Head, LogId, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The head of a log at one moment, in the form of a syslog line: `checkpoint log=… seq=… hash=…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint(pub Head);

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { log, seq, hash } = self.0;
        write!(f, "checkpoint log={log} seq={seq} hash={hash}")
    }
}

impl Checkpoint {
    /// The checkpoint that is all that a line says, whatever a syslog daemon wrote before it. What stands between quotes is
    /// somebody's words, a reason say, and no checkpoint.
    pub fn parse(line: &str) -> Option<Self> {
        let (before, rest) = line.split_once("checkpoint log=")?;
        if before.contains('"') {
            return None;
        }
        let mut parts = rest.split_ascii_whitespace();
        let log: LogId = parts.next()?.parse().ok()?;
        let seq = parts.next()?.strip_prefix("seq=")?.parse().ok()?;
        let hash: Hash = parts.next()?.strip_prefix("hash=")?.parse().ok()?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self(Head { log, seq, hash }))
    }
}

/// What witnesses saw of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    seen: BTreeMap<u64, Hash>,
    contradicts: Option<u64>,
    others: BTreeMap<LogId, u64>,
}

impl Witness {
    /// The checkpoints of `log` among these lines, a syslog file for example.
    pub fn of<'a>(log: LogId, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut witness = Self::default();
        let (mut own, mut others) = (BTreeSet::new(), Vec::new());
        for (line, Checkpoint(head)) in
            lines.into_iter().filter_map(|line| Some((line, Checkpoint::parse(line)?)))
        {
            if head.log == log {
                own.insert(writer(line));
                witness.saw(head);
            } else {
                others.push((writer(line), head));
            }
        }
        for (_, Head { log, seq, .. }) in others.iter().filter(|(writer, _)| own.contains(writer)) {
            let seen = witness.others.entry(*log).or_default();
            *seen = (*seen).max(*seq);
        }
        witness
    }

    /// Other logs of the same program on the same host, each with the last place that was seen of it. Either this log says
    /// that it follows them, or they were thrown away.
    pub fn others(&self) -> &BTreeMap<LogId, u64> {
        &self.others
    }

    /// One more checkpoint. Two that contradict each other are a fork by themselves.
    pub fn saw(&mut self, head: Head) {
        let before = self.seen.insert(head.seq, head.hash);
        if before.is_some_and(|hash| hash != head.hash) {
            self.contradicts = Some(head.seq);
        }
    }

    /// How many checkpoints there are.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

/// The host and the program that a line of syslog is of: `web-1 jitd`, of `… web-1 jitd[71]: checkpoint …` (RFC 3164) and of
/// `<86>1 2026-11-26T10:00:00Z web-1 jitd 71 - - checkpoint …` (RFC 5424).
fn writer(line: &str) -> (&str, &str) {
    if line.starts_with('<') {
        let mut words = line.split(' ').skip(2);
        return (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    }
    let before = line.split_once("checkpoint log=").map_or("", |(before, _)| before);
    let mut words = before.split_ascii_whitespace().rev();
    let program = words.next().unwrap_or_default();
    (words.next().unwrap_or_default(), program.split(['[', ':']).next().unwrap_or_default())
}

/// What was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The first row, or one more than the last row if there is none.
    pub first: u64,
    /// The head.
    pub head: Head,
    /// Checkpoints of a witness that agreed.
    pub witnessed: usize,
}

/// Verifies rows one after the other, so that a journal of any size needs no memory.
pub struct Verifier {
    head: Option<Head>,
    first: u64,
    witness: Witness,
    witnessed: usize,
}

impl Verifier {
    /// A verifier of rows that follow `head`, or, without one, of rows that start anywhere: an old log
    /// whose first rows were pruned. What the first row follows is then taken from itself.
    pub fn new(head: Option<Head>, witness: Witness) -> Self {
        Self { head, first: head.map_or(0, |head| head.seq + 1), witness, witnessed: 0 }
    }

    /// The next row.
    pub fn take(&mut self, row: &Row) -> Result<(), Broken> {
        let before = self.head.unwrap_or_else(|| {
            self.first = row.seq;
            Head { log: row.log, seq: row.seq.saturating_sub(1), hash: row.prev }
        });
        if before.seq == 0 && before.hash != Hash::NONE {
            return Err(Broken::Unlinked(1));
        }
        let head = before.verify(row)?;
        match self.witness.seen.get(&row.seq) {
            Some(hash) if *hash != row.hash => return Err(Broken::Forked(row.seq)),
            Some(_) => self.witnessed += 1,
            None => {}
        }
        self.head = Some(head);
        Ok(())
    }

    /// The end of the rows. `log` is what is verified where there was no row at all.
    pub fn end(self, log: LogId) -> Result<Verified, Broken> {
        let head = self.head.unwrap_or(Head::start(log));
        if let Some(seq) = self.witness.contradicts {
            return Err(Broken::Forked(seq));
        }
        if let Some((seen, _)) = self.witness.seen.last_key_value()
            && *seen > head.seq
        {
            return Err(Broken::Cut { end: head.seq, seen: *seen });
        }
        Ok(Verified { first: self.first.max(1), head, witnessed: self.witnessed })
    }
}
