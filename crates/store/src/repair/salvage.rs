//! What can still be read of a damaged file.
//!
//! Only damage is read around. What fails for another reason (no room for SQLite's index of the write-ahead
//! log, no memory) ends the repair: a row must never be given up because the machine was short of something.

use super::{Lost, Own};
use crate::file::read_only;
use crate::{StoreError, rows};
use journal::{Head, LogId, Row};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use std::collections::BTreeMap;
use std::path::Path;

/// Tables of state whose rows have an `id`, a `body` and the record that last changed them.
pub(super) const TABLES: [(&str, &str); 4] =
    [("request", "id"), ("grants", "id"), ("session", "id"), ("policy", "version")];

/// A damaged file, taken apart.
pub(super) struct Salvaged {
    pub(super) log: Option<LogId>,
    /// Records that are whole by their own hash.
    pub(super) records: BTreeMap<u64, Row>,
    /// The place of the last record that there is, whole or not.
    pub(super) last_there: u64,
    /// The last checkpoint.
    pub(super) checkpoint: Option<Head>,
    /// Rows of state.
    pub(super) rows: Vec<(&'static str, Found)>,
    /// First uses, by grant.
    pub(super) claims: BTreeMap<u64, Found>,
    /// The clock's row.
    pub(super) clock: Option<String>,
    /// Rows of the daemon's own.
    pub(super) own: Vec<(&'static str, Found)>,
    /// Values of `meta` of the daemon's own.
    pub(super) meta: Vec<(&'static str, String)>,
    /// What could not be read.
    pub(super) lost: Vec<Lost>,
}

/// One row of state.
pub(super) struct Found {
    pub(super) id: i64,
    pub(super) columns: Vec<(String, Value)>,
}

impl Found {
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        match self.value(column)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, column: &str) -> Option<i64> {
        match self.value(column)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn blob(&self, column: &str) -> Option<&[u8]> {
        match self.value(column)? {
            Value::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The record that last changed it.
    pub(super) fn seq(&self) -> Option<u64> {
        self.number("seq").and_then(|seq| u64::try_from(seq).ok())
    }

    fn value(&self, column: &str) -> Option<&Value> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }
}

/// Reads everything that can be read. The file is not changed.
pub(super) fn salvage(kept: &Path, theirs: Own) -> Result<Salvaged, StoreError> {
    let damaged = read_only(kept)?;
    let mut lost = Vec::new();
    // The first look has SQLite index the write-ahead log: whatever it needs for that, it needs here.
    unless_damaged(damaged.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())))?
        .unwrap_or_default();
    let log = unless_damaged(rows::log_id(&damaged))?.ok();
    let (records, last_there) = records(&damaged, log, &mut lost)?;
    let checkpoint =
        unless_damaged(rows::last_checkpoint(&damaged, log.unwrap_or(LogId([0; 16]))))?.ok().flatten();
    let mut rows = Vec::new();
    for (table, key) in TABLES {
        rows.extend(table_rows(&damaged, table, key, &mut lost)?.into_iter().map(|found| (table, found)));
    }
    let claims = table_rows(&damaged, "claim", "grant_id", &mut lost)?;
    let claims =
        claims.into_iter().filter_map(|found| Some((u64::try_from(found.id).ok()?, found))).collect();
    let clock = match unless_damaged(rows::meta(&damaged, "clock"))? {
        Ok(clock) => clock,
        Err(why) => {
            lost.push(Lost { table: "meta", which: "clock".into(), why });
            None
        }
    };
    let (mut own, mut meta) = (Vec::new(), Vec::new());
    for (table, key) in theirs.tables {
        // A database of before they were has none.
        let there = damaged.table_exists(None, *table);
        if unless_damaged(there)?.unwrap_or(true) {
            let found = table_rows(&damaged, table, key, &mut lost)?;
            own.extend(found.into_iter().map(|found| (*table, found)));
        }
    }
    for key in theirs.meta {
        match unless_damaged(rows::meta(&damaged, key))? {
            Ok(value) => meta.extend(value.map(|value| (*key, value))),
            Err(why) => lost.push(Lost { table: "meta", which: (*key).into(), why }),
        }
    }
    Ok(Salvaged { log, records, last_there, checkpoint, rows, claims, clock, own, meta, lost })
}

/// Every record that is whole by its own hash, wherever pages can be read, and the place of the last one that
/// is there at all.
fn records(
    damaged: &Connection,
    log: Option<LogId>,
    lost: &mut Vec<Lost>,
) -> Result<(BTreeMap<u64, Row>, u64), StoreError> {
    let mut whole = BTreeMap::new();
    let gone = |which: String, why: String| Lost { table: "journal", which, why };
    let Some(log) = log else {
        lost.push(gone("all".into(), "the name of its log is gone".into()));
        return Ok((whole, 0));
    };
    let ids = row_ids(damaged, "journal", "seq", lost)?;
    let last_there = ids.last().and_then(|seq| u64::try_from(*seq).ok()).unwrap_or(0);
    for seq in ids {
        match unless_damaged(rows::journal_at(damaged, log, seq))? {
            Ok(Some(row)) if row.is_whole() => {
                whole.insert(row.seq, row);
            }
            Ok(None) => {}
            Ok(Some(row)) => {
                lost.push(gone(row.seq.to_string(), "it was changed after it was written".into()));
            }
            Err(why) => lost.push(gone(seq.to_string(), why)),
        }
    }
    Ok((whole, last_there))
}

fn table_rows(
    damaged: &Connection,
    table: &'static str,
    key: &str,
    lost: &mut Vec<Lost>,
) -> Result<Vec<Found>, StoreError> {
    let sql = format!("SELECT * FROM {table} WHERE {key} = ?1");
    let mut found = Vec::new();
    for id in row_ids(damaged, table, key, lost)? {
        let row = damaged.prepare_cached(&sql).and_then(|mut select| {
            let names: Vec<String> = select.column_names().map(str::to_owned).collect();
            select
                .query_row([id], |row| {
                    let value = |(at, name): (usize, &String)| Ok((name.clone(), row.get::<_, Value>(at)?));
                    names.iter().enumerate().map(value).collect::<rusqlite::Result<Vec<_>>>()
                })
                .optional()
        });
        match unless_damaged(row)? {
            Ok(Some(columns)) => found.push(Found { id, columns }),
            Ok(None) => {}
            Err(why) => lost.push(Lost { table, which: id.to_string(), why }),
        }
    }
    Ok(found)
}

/// The ids of a table, read forward and backward around pages that cannot be read, so that one bad page
/// costs its own rows alone.
fn row_ids(
    damaged: &Connection,
    table: &'static str,
    key: &str,
    lost: &mut Vec<Lost>,
) -> Result<Vec<i64>, StoreError> {
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
    if let Err(why) = unless_damaged(walk("ASC", &mut ids))? {
        lost.push(Lost { table, which: format!("some after {}", ids.last().unwrap_or(&0)), why });
        let mut backward = Vec::new();
        // It fails at the same page from the other side; what lies beyond it is what this finds.
        let _ = unless_damaged(walk("DESC", &mut backward))?;
        ids.extend(backward);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// What was read, or in words how it is damaged; an error where it failed for another reason.
fn unless_damaged<T>(read: Result<T, impl Into<StoreError>>) -> Result<Result<T, String>, StoreError> {
    let error = match read {
        Ok(read) => return Ok(Ok(read)),
        Err(why) => why.into(),
    };
    let fault = match &error {
        StoreError::Sql(why) => why.sqlite_error().is_some_and(|why| match why.code {
            ErrorCode::CannotOpen
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly => true,
            // A sector that cannot be read is damage; everything else of this kind is not.
            ErrorCode::SystemIoFailure => ![
                rusqlite::ffi::SQLITE_IOERR_READ,
                rusqlite::ffi::SQLITE_IOERR_SHORT_READ,
                rusqlite::ffi::SQLITE_IOERR_CORRUPTFS,
                rusqlite::ffi::SQLITE_IOERR_DATA,
            ]
            .contains(&why.extended_code),
            _ => false,
        }),
        StoreError::Full(_) => true,
        _ => false,
    };
    if fault { Err(error) } else { Ok(Err(error.to_string())) }
}
