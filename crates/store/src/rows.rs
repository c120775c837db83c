//! Rows of the journal and of `meta` in SQL.

use crate::{Sql, StoreError, limits};
use journal::{Checkpoint, Hash, Head, LogId, Row, Stamp, Verifier, Witness};
use std::path::Path;

/// A value of `meta`.
pub fn meta(connection: &dyn Sql, key: &str) -> Result<Option<String>, StoreError> {
    connection.row("SELECT value FROM meta WHERE key = ?1", &[&key])
}

/// Sets a value of `meta`.
pub fn set_meta(connection: &dyn Sql, key: &str, value: &str) -> Result<(), StoreError> {
    connection.put(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        &[&key, &value],
    )?;
    Ok(())
}

/// Appends a record after `head`.
pub fn append(connection: &dyn Sql, head: Head, stamp: Stamp, body: String) -> Result<Head, StoreError> {
    let row = head.next(stamp, body);
    connection.put(
        "INSERT INTO journal (seq, boot, wall_ms, boot_ms, body, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[&row.seq, &row.stamp.boot, &row.stamp.wall_ms, &row.stamp.boot_ms, &row.body, &row.prev.0, &row.hash.0],
    )?;
    Ok(Head::of(&row))
}

/// Writes down where the log stands.
pub(crate) fn checkpoint(connection: &dyn Sql, head: Head, wall_ms: i64) -> Result<Checkpoint, StoreError> {
    connection.put(
        "INSERT INTO checkpoint (seq, hash, wall_ms) VALUES (?1, ?2, ?3) \
         ON CONFLICT (seq) DO UPDATE SET hash = ?2, wall_ms = ?3",
        &[&head.seq, &head.hash.0, &wall_ms],
    )?;
    Ok(Checkpoint(head))
}

/// The last checkpoint.
pub(crate) fn last_checkpoint(connection: &dyn Sql, log: LogId) -> Result<Option<Head>, StoreError> {
    let last = connection.row("SELECT seq, hash FROM checkpoint ORDER BY seq DESC LIMIT 1", &[])?;
    Ok(last.map(|(seq, hash)| Head { log, seq, hash: Hash(hash) }))
}

/// The place of the last checkpoint up to this record; 0 without one.
pub fn checkpoint_up_to(connection: &dyn Sql, seq: u64) -> Result<u64, StoreError> {
    connection.one("SELECT coalesce(max(seq), 0) FROM checkpoint WHERE seq <= ?1", &[&seq])
}

/// A name for a new log.
pub fn new_log() -> Result<LogId, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|why| StoreError::Database(format!("the kernel gives no random numbers: {why}")))?;
    Ok(LogId(bytes))
}

/// The name of the log.
pub fn log_id(connection: &dyn Sql) -> Result<LogId, StoreError> {
    let text = meta(connection, "log")?.unwrap_or_default();
    text.parse().map_err(|why: String| StoreError::Open { path: "meta".into(), why })
}

/// Rows after `after`, at most `limit`, oldest first.
pub fn journal_after(connection: &dyn Sql, after: u64, limit: u64) -> Result<Vec<Row>, StoreError> {
    let log = log_id(connection)?;
    let sql = "SELECT seq, boot, wall_ms, boot_ms, body, prev, hash FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    Ok(connection.rows(sql, &[&after, &limit])?.into_iter().map(|columns| row(log, columns)).collect())
}

/// The record at this place.
pub(crate) fn journal_at(connection: &dyn Sql, log: LogId, seq: i64) -> Result<Option<Row>, StoreError> {
    let sql = "SELECT seq, boot, wall_ms, boot_ms, body, prev, hash FROM journal WHERE seq = ?1";
    Ok(connection.row(sql, &[&seq])?.map(|columns| row(log, columns)))
}

type Columns = (u64, String, i64, i64, String, [u8; 32], [u8; 32]);

fn row(log: LogId, (seq, boot, wall_ms, boot_ms, body, prev, hash): Columns) -> Row {
    Row { log, seq, stamp: Stamp { boot, wall_ms, boot_ms }, body, prev: Hash(prev), hash: Hash(hash) }
}

/// The place of the last record.
pub fn last_seq(connection: &dyn Sql) -> Result<u64, StoreError> {
    connection.one("SELECT coalesce(max(seq), 0) FROM journal", &[])
}

/// The place of the first record that is there; 1 where there is none.
pub fn first_seq(connection: &dyn Sql) -> Result<u64, StoreError> {
    connection.one("SELECT coalesce(min(seq), 1) FROM journal", &[])
}

/// Verifies the journal from its last checkpoint on, that one included. `path` is what errors call the database.
pub fn verify_tail(connection: &dyn Sql, path: &Path) -> Result<Head, StoreError> {
    let verified = log_id(connection)
        .and_then(|log| Ok((log, last_checkpoint(connection, log)?)))
        .and_then(|(log, checkpoint)| verify_from(connection, path, log, checkpoint));
    verified.map_err(|error| in_words(error, path))
}

/// Verifies the journal from the first record that is there on. `path` is what errors call the database.
pub fn verify_whole(connection: &dyn Sql, path: &Path) -> Result<Head, StoreError> {
    let verified = log_id(connection).and_then(|log| verify_from(connection, path, log, None));
    verified.map_err(|error| in_words(error, path))
}

fn in_words(error: StoreError, path: &Path) -> StoreError {
    match error {
        StoreError::Sql(why) => StoreError::damaged(path, &why),
        StoreError::Unreadable(why) => StoreError::damaged(path, &why),
        StoreError::Open { why, .. } => {
            StoreError::damaged(path, &format!("the name of its log is gone ({why})"))
        }
        other => other,
    }
}

/// From a checkpoint, whose own record is read first, for what it follows is covered by its hash; else from the
/// beginning.
fn verify_from(
    connection: &dyn Sql,
    path: &Path,
    log: LogId,
    checkpoint: Option<Head>,
) -> Result<Head, StoreError> {
    let mut after = checkpoint.map_or(0, |head| head.seq.saturating_sub(1));
    let mut witness = Witness::default();
    if let Some(head) = checkpoint {
        witness.saw(head);
    }
    let start = if after == 0 { Some(Head::start(log)) } else { None };
    let mut verifier = Verifier::new(start, witness);
    let mut first = true;
    loop {
        let rows = journal_after(connection, after, limits::PRUNE)?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        if first && checkpoint.is_some() && rows.first().map(|row| row.seq) != checkpoint.map(|head| head.seq)
        {
            return Err(StoreError::damaged(path, &"the record of its last checkpoint is missing"));
        }
        first = false;
        for row in &rows {
            verifier.take(row).map_err(|broken| StoreError::broken(path, &broken))?;
        }
    }
    let end = verifier.end(log).map_err(|broken| StoreError::broken(path, &broken))?;
    if end.head.seq == 0 {
        return Err(StoreError::damaged(path, &"its journal is empty"));
    }
    Ok(end.head)
}

/// Bytes of the file that hold something: what was freed within it is used again before it grows.
pub fn used_bytes(connection: &dyn Sql) -> Result<u64, StoreError> {
    let pages: u64 = connection.one("PRAGMA page_count", &[])?;
    let free: u64 = connection.one("PRAGMA freelist_count", &[])?;
    Ok(pages.saturating_sub(free) * limits::PAGE)
}

/// What [`StoreError::Reserved`] says where three quarters of the allowance are used.
pub fn allowance_is_short(max_bytes: u64) -> String {
    format!("three quarters of the {} MiB of [journal] max_bytes are used: raise it", max_bytes >> 20)
}

/// Whether so much is in use that the oldest go.
pub fn is_short(connection: &dyn Sql, max_bytes: u64) -> Result<bool, StoreError> {
    let (part, whole) = limits::PRUNE_FROM;
    Ok(used_bytes(connection)? > max_bytes / whole * part)
}

/// Bytes of the journal, about: as many records as there are, each like the oldest, which would go.
fn journal_bytes(connection: &dyn Sql) -> Result<u64, StoreError> {
    let (oldest, bytes): (u64, u64) = connection.one(
        "SELECT count(*), coalesce(sum(length(body) + ?1), 0) FROM (SELECT body FROM journal ORDER BY seq LIMIT ?2)",
        &[&limits::ROW, &limits::PRUNE],
    )?;
    let records = (last_seq(connection)? + 1).saturating_sub(first_seq(connection)?);
    Ok(records * bytes / oldest.max(1))
}

/// Which records may go: a prefix of the journal, so that what stays is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prune {
    /// The newest checkpoint that a witness has. It stays, and so does everything after it.
    pub witnessed: u64,
    /// How old a record must be; none where the time is not known for sure.
    pub age: Option<Age>,
    /// Bytes that the file may grow to. From [`limits::PRUNE_FROM`] of it on the oldest records go, however
    /// young they are.
    pub max_bytes: u64,
}

/// What is old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// Written before this by the wall clock, in milliseconds after the Unix epoch ...
    pub before_ms: i64,
    /// ... and, where it was written in this start of the machine, ...
    pub boot: String,
    /// ... before this `CLOCK_BOOTTIME` in milliseconds: a wall clock that stood at 1970 until a time service
    /// set it makes no record old.
    pub before_boot_ms: i64,
}

impl Prune {
    fn by_size(&self, connection: &dyn Sql) -> Result<bool, StoreError> {
        let least = self.max_bytes / limits::JOURNAL_KEEPS;
        Ok(is_short(connection, self.max_bytes)? && journal_bytes(connection)? > least)
    }

    /// The last of the oldest records that go, of at most so many.
    fn last(&self, connection: &dyn Sql, most: u64) -> Result<Option<u64>, StoreError> {
        let all = self.by_size(connection)?;
        let rows: Vec<(u64, i64, String, i64)> = connection.rows(
            "SELECT seq, wall_ms, boot, boot_ms FROM journal \
             WHERE seq < ?1 AND EXISTS (SELECT 1 FROM checkpoint WHERE seq = ?1) ORDER BY seq LIMIT ?2",
            &[&self.witnessed, &most],
        )?;
        let goes = |stamp| all || self.age.as_ref().is_some_and(|age| age.has(&stamp));
        let going = rows.into_iter().take_while(|(_, wall_ms, boot, boot_ms)| {
            goes(Stamp { wall_ms: *wall_ms, boot: boot.clone(), boot_ms: *boot_ms })
        });
        Ok(going.last().map(|(seq, ..)| seq))
    }
}

impl Age {
    fn has(&self, stamp: &Stamp) -> bool {
        stamp.wall_ms < self.before_ms && (stamp.boot != self.boot || stamp.boot_ms < self.before_boot_ms)
    }
}

/// Whether there is something to prune.
pub fn prunable(connection: &dyn Sql, prune: &Prune) -> Result<bool, StoreError> {
    Ok(prune.last(connection, 1)?.is_some())
}

/// Takes away the oldest records that may go, at most [`limits::PRUNE`] of them. Returns how many.
pub fn prune(connection: &dyn Sql, prune: &Prune) -> Result<usize, StoreError> {
    let Some(last) = prune.last(connection, limits::PRUNE)? else {
        return Ok(0);
    };
    let gone = connection.execute("DELETE FROM journal WHERE seq <= ?1", &[&last])?;
    connection.put("DELETE FROM checkpoint WHERE seq <= ?1", &[&last])?;
    Ok(gone)
}
