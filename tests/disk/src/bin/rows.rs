//! For the disk's own tests: counts up in a database, a commit at a time, until one fails; and says each that
//! did not.
//!
//! `rows FILE SYNCHRONOUS`

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use std::io::Write as _;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("which file?")?;
    let synchronous = arguments.next().context("which synchronous?")?;
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    let found: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(found == "ok", "the database is damaged: {found}");
    db.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")?;
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, u32>(0));
    let mut out = std::io::stdout();
    let mut n = count("SELECT coalesce(max(n), 0) FROM t")?;
    loop {
        writeln!(out, "{n}")?;
        n += 1;
        db.execute("INSERT INTO t VALUES (?1)", [n])?;
    }
}
