//! A new file from every row of a damaged one that verifies.
//!
//! The damaged files are kept. The new log starts with a record that names the break and the old head.
//! Rows of state are taken over when two places agree: the row itself (its digest is that of its body) and
//! the journal record that last changed it (whole by its own hash, and holding that very body). An early
//! end is taken over when *either* says so: damage must never bring back what was revoked. A grant is
//! dropped where records after its last known change are lost, for one of them may have ended it.

use crate::file::{Options, connect, create, lock};
use crate::{StoreError, rows};
use journal::{Hash, Head, LogId, Row, Stamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What became of a damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Where the damaged file is kept.
    pub kept: PathBuf,
    /// The log that ended.
    pub old: Option<LogId>,
    /// The last record of it up to which the chain is whole.
    pub whole_to: u64,
    /// The last record of it that could be read at all.
    pub last_seen: u64,
    /// The hash of that record.
    pub old_head: Option<Hash>,
    /// The body of that record.
    pub last_body: Option<String>,
    /// Rows of each table that were taken over.
    pub taken: BTreeMap<&'static str, u64>,
    /// What was not.
    pub lost: Vec<Lost>,
}

/// Something that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The table.
    pub table: &'static str,
    /// Which row, or which rows.
    pub which: String,
    /// Why.
    pub why: String,
}

/// Builds a new file in place of the one at `options.path`. `opening` makes the first record of the new
/// log; `same` tells whether a record's body holds a row's body, and `ends` whether it ends this grant.
pub fn repair(
    options: &Options,
    opening: impl FnOnce(&Repaired, LogId) -> (Stamp, String),
    judge: &dyn Judge,
) -> Result<Repaired, StoreError> {
    let _lock = lock(&options.path)?;
    let kept = keep(&options.path)?;
    let damaged = crate::file::read_only(&kept)?;
    let old = rows::log_id(&damaged).ok();
    let (records, mut lost) = records(&damaged, old);
    let mut repaired = Repaired {
        kept,
        old,
        whole_to: whole_to(&records),
        last_seen: records.last_key_value().map_or(0, |(seq, _)| *seq),
        old_head: records.last_key_value().map(|(_, row)| row.hash),
        last_body: records.last_key_value().map(|(_, row)| row.body.clone()),
        taken: BTreeMap::new(),
        lost: Vec::new(),
    };
    let checkpointed = rows::last_checkpoint(&damaged, old.unwrap_or(LogId([0; 16]))).ok().flatten();
    if let Some(Head { seq, .. }) = checkpointed.filter(|head| head.seq > repaired.last_seen) {
        lost.push(Lost {
            table: "journal",
            which: format!("{} to {seq}", repaired.last_seen + 1),
            why: "cut off".into(),
        });
    }
    let gap_after = |seq: u64| lost_after(&records, seq, checkpointed.map_or(0, |head| head.seq));

    let mut keep_rows: Vec<(&'static str, Vec<(String, Value)>)> = Vec::new();
    for table in TABLES {
        for found in table_rows(&damaged, table, &mut lost) {
            match judge_row(table, &found, &records, judge, &gap_after) {
                Ok(()) => {
                    *repaired.taken.entry(table).or_insert(0) += 1;
                    keep_rows.push((table, found.columns));
                }
                Err(why) => lost.push(Lost { table, which: found.name, why }),
            }
        }
    }
    repaired.lost = lost;

    let fresh = Options { path: options.path.with_extension("new"), ..options.clone() };
    remove(&fresh.path)?;
    let connection = connect(&fresh)?;
    let head = create(&connection, |log| opening(&repaired, log))?;
    let transaction = connection.unchecked_transaction()?;
    for (table, columns) in keep_rows {
        insert(&transaction, table, columns, head.seq)?;
    }
    transaction.commit()?;
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    drop(connection);
    let failed = |why: std::io::Error| StoreError::Open { path: options.path.clone(), why: why.to_string() };
    std::fs::rename(&fresh.path, &options.path).map_err(failed)?;
    if let Some(folder) = options.path.parent() {
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(repaired)
}

/// Knows what bodies mean.
pub trait Judge {
    /// Whether the record holds this very body of the row.
    fn holds(&self, table: &str, record: &str, body: &str) -> bool;

    /// Whether the record, whatever row it belongs to, ends the grant with this body early.
    fn ends(&self, record: &str, grant_body: &str) -> bool;

    /// Whether the row itself says that its grant ended early.
    fn ended(&self, grant_body: &str) -> bool;
}

const TABLES: [&str; 5] = ["request", "grants", "claim", "session", "meta"];

struct Found {
    name: String,
    columns: Vec<(String, Value)>,
}

impl Found {
    fn text(&self, column: &str) -> Option<&str> {
        self.columns.iter().find(|(name, _)| name == column).and_then(|(_, value)| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    fn number(&self, column: &str) -> Option<i64> {
        self.columns.iter().find(|(name, _)| name == column).and_then(|(_, value)| match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        })
    }

    fn blob(&self, column: &str) -> Option<&[u8]> {
        self.columns.iter().find(|(name, _)| name == column).and_then(|(_, value)| match value {
            Value::Blob(bytes) => Some(bytes.as_slice()),
            _ => None,
        })
    }
}

fn judge_row(
    table: &str,
    found: &Found,
    records: &BTreeMap<u64, Row>,
    judge: &dyn Judge,
    gap_after: &dyn Fn(u64) -> Option<u64>,
) -> Result<(), String> {
    if table == "meta" {
        // Only the clock: its floor can but refuse too much. The log's name is the new one's own.
        return if found.text("key") == Some("clock") {
            Ok(())
        } else {
            Err("belongs to the old log".into())
        };
    }
    let seq = found.number("seq").and_then(|seq| u64::try_from(seq).ok()).ok_or("it names no record")?;
    let record = records.get(&seq).ok_or_else(|| format!("record {seq}, which made it, is lost"))?;
    let Some(body) = found.text("body") else {
        // Claims and their grants stand in one record.
        return if table == "claim" { Ok(()) } else { Err("it has no body".into()) };
    };
    if let Some(digest) = found.blob("digest")
        && digest != Hash::of(body.as_bytes()).0
    {
        return Err("it was changed after it was written".into());
    }
    if !judge.holds(table, &record.body, body) {
        return Err(format!("record {seq}, which made it, says something else"));
    }
    if table == "grants" && !judge.ended(body) {
        if let Some(row) =
            records.range(seq + 1..).map(|(_, row)| row).find(|row| judge.ends(&row.body, body))
        {
            return Err(format!("record {} ended it", row.seq));
        }
        if let Some(gap) = gap_after(seq) {
            return Err(format!("record {gap} is lost and could have ended it"));
        }
    }
    Ok(())
}

/// The first record after `seq` that is lost, if any.
fn lost_after(records: &BTreeMap<u64, Row>, seq: u64, known_end: u64) -> Option<u64> {
    let mut expected = seq;
    for found in records.range(seq..).map(|(seq, _)| *seq) {
        if found > expected {
            return Some(expected);
        }
        expected = found + 1;
    }
    (known_end >= expected).then_some(expected)
}

/// The last place up to which every record follows the one before.
fn whole_to(records: &BTreeMap<u64, Row>) -> u64 {
    let mut head: Option<Head> = None;
    for row in records.values() {
        let before = head.unwrap_or(Head { log: row.log, seq: row.seq.saturating_sub(1), hash: row.prev });
        match before.verify(row) {
            Ok(next) => head = Some(next),
            Err(_) => break,
        }
    }
    head.map_or(0, |head| head.seq)
}

/// Every record that is whole by its own hash, wherever pages can be read.
fn records(damaged: &Connection, log: Option<LogId>) -> (BTreeMap<u64, Row>, Vec<Lost>) {
    let mut whole = BTreeMap::new();
    let mut lost = Vec::new();
    let Some(log) = log else {
        lost.push(Lost { table: "journal", which: "all".into(), why: "the name of its log is gone".into() });
        return (whole, lost);
    };
    let sql = "SELECT seq, boot, wall_ms, boot_ms, body, prev, hash FROM journal WHERE seq = ?1";
    for seq in row_ids(damaged, "journal", "seq", &mut lost) {
        let row = damaged
            .prepare_cached(sql)
            .and_then(|mut select| select.query_row([seq], |row| rows::read(row, log)).optional());
        match row {
            Ok(Some(row)) if row.is_whole() => {
                whole.insert(row.seq, row);
            }
            Ok(None) => {}
            Ok(Some(row)) => lost.push(Lost {
                table: "journal",
                which: row.seq.to_string(),
                why: "it was changed after it was written".into(),
            }),
            Err(why) => lost.push(Lost { table: "journal", which: seq.to_string(), why: why.to_string() }),
        }
    }
    (whole, lost)
}

fn table_rows(damaged: &Connection, table: &'static str, lost: &mut Vec<Lost>) -> Vec<Found> {
    if table == "meta" {
        let clock = rows::meta(damaged, "clock").ok().flatten();
        return clock
            .map(|value| Found {
                name: "clock".into(),
                columns: vec![
                    ("key".into(), Value::Text("clock".into())),
                    ("value".into(), Value::Text(value)),
                ],
            })
            .into_iter()
            .collect();
    }
    let key = if table == "claim" { "grant_id" } else { "id" };
    let sql = format!("SELECT * FROM {table} WHERE {key} = ?1");
    let mut found = Vec::new();
    for id in row_ids(damaged, table, key, lost) {
        let row = damaged.prepare_cached(&sql).and_then(|mut select| {
            let names: Vec<String> = select.column_names().map(str::to_owned).collect();
            select
                .query_row([id], |row| {
                    let value = |(at, name): (usize, &String)| Ok((name.clone(), row.get::<_, Value>(at)?));
                    names.iter().enumerate().map(value).collect::<rusqlite::Result<Vec<_>>>()
                })
                .optional()
        });
        match row {
            Ok(Some(columns)) => found.push(Found { name: id.to_string(), columns }),
            Ok(None) => {}
            Err(why) => lost.push(Lost { table, which: id.to_string(), why: why.to_string() }),
        }
    }
    found
}

/// The ids of a table, read forward and backward around pages that cannot be read, so that one bad page
/// costs its own rows alone.
fn row_ids(damaged: &Connection, table: &'static str, key: &str, lost: &mut Vec<Lost>) -> Vec<i64> {
    let walk = |order: &str, ids: &mut Vec<i64>| -> Result<(), rusqlite::Error> {
        let mut select =
            damaged.prepare(&format!("SELECT {key} FROM {table} NOT INDEXED ORDER BY {key} {order}"))?;
        let mut found = select.query([])?;
        while let Some(row) = found.next()? {
            ids.push(row.get(0)?);
        }
        Ok(())
    };
    let mut ids = Vec::new();
    if let Err(why) = walk("ASC", &mut ids) {
        lost.push(Lost {
            table,
            which: format!("some after {}", ids.last().unwrap_or(&0)),
            why: why.to_string(),
        });
        let mut backward = Vec::new();
        // It fails at the same page from the other side; what lies beyond it is what this finds.
        let _ = walk("DESC", &mut backward);
        backward.reverse();
        ids.extend(backward);
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn insert(new: &Connection, table: &str, columns: Vec<(String, Value)>, seq: u64) -> Result<(), StoreError> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let marks: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), marks.join(", "));
    // In the new log the record that vouches for the row is the one that names the break.
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let values =
        columns.into_iter().map(|(name, value)| if name == "seq" { Value::Integer(seq) } else { value });
    new.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

/// Moves the damaged files aside, under a name that is not taken.
fn keep(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |why: std::io::Error| StoreError::Open { path: path.into(), why: why.to_string() };
    let kept = (1..1000)
        .map(|n| path.with_extension(format!("damaged-{n}")))
        .find(|kept| !kept.exists())
        .ok_or_else(|| {
            failed(std::io::Error::other("a thousand damaged copies are kept already: remove some"))
        })?;
    for beside in ["", "-wal", "-shm"] {
        let from = PathBuf::from(format!("{}{beside}", path.display()));
        let to = PathBuf::from(format!("{}{beside}", kept.display()));
        match std::fs::copy(&from, &to) {
            Ok(_) => {}
            Err(why) if why.kind() == std::io::ErrorKind::NotFound && !beside.is_empty() => {}
            Err(why) => return Err(failed(why)),
        }
    }
    for beside in ["-wal", "-shm"] {
        remove(Path::new(&format!("{}{beside}", path.display())))?;
    }
    Ok(kept)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::Open { path: path.into(), why: why.to_string() })
        }
        _ => Ok(()),
    }
}
