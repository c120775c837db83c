//! `jit-hub migrate`: everything of the file goes to a PostgreSQL server, in one transaction of which all is read back
//! before it ends.

use crate::config::Config;
use crate::error::HubError;
use crate::postgres::{Link, Place};
use crate::{limits, postgres, say, serve};
use journal::Head;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use store::{Bind, Cells, File, Kind, Sql, StoreError, Value};

/// Copies the database of a hub that is stopped into an empty one on a server.
pub fn migrate(config: &Config, url: &str, ca: Option<&Path>) -> Result<(), HubError> {
    if config.database.url.is_some() {
        return Err(HubError::Database(
            "this hub is on PostgreSQL already: there is nothing to bring over".to_owned(),
        ));
    }
    serve::is_set_up(config)?;
    let place = Place::of(url, ca)?;
    // Whoever serves has it locked.
    let file = File::open(config.file(), |_| {
        (journal::Stamp { boot: String::new(), wall_ms: 0, boot_ms: 0 }, String::new())
    })?;
    let from: &dyn Sql = file.connection();
    let link = place.connect()?;
    postgres::begin_empty(&link, place.said())?;
    link.batch("DELETE FROM head")?;
    link.batch(postgres::UNCOUNTED)?;
    let mut rows = 0;
    for table in tables(from)? {
        rows += table.copy(from, &link)?;
    }
    link.batch_within(limits::MIGRATION_COMMIT, &postgres::counted())?;
    let head = file.head();
    link.execute("UPDATE head SET seq = ?1, hash = ?2", &[&head.seq, &head.hash.0])?;
    verify_journal(&link, head, place.said())?;
    link.batch_within(limits::MIGRATION_COMMIT, "COMMIT")?;
    say(&format!(
        "{} holds all that {} did: {rows} rows, of which {} are the journal, read back and found the same.\n\n\
         Next:\n  [database]\n  url = \"...\"                  in hub.toml, of every hub that shares it\n  \
         systemctl start jit-hub\n\nKeep {} until you have seen that work, and take it away then: two hubs on two databases are two truths.",
        place.said(),
        config.file().path.display(),
        head.seq,
        config.file().path.display()
    ));
    Ok(())
}

/// One table of the file.
struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
    /// Columns of its key.
    key: Vec<String>,
}

fn tables(from: &dyn Sql) -> Result<Vec<Table>, StoreError> {
    let names: Vec<String> = from.rows(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        &[],
    )?;
    names.into_iter().map(|name| Table::of(from, name)).collect()
}

impl Table {
    fn of(from: &dyn Sql, name: String) -> Result<Self, StoreError> {
        let all: Vec<(String, String, i64)> =
            from.rows("SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY cid", &[&name])?;
        let mut key: Vec<_> =
            all.iter().filter(|(.., pk)| *pk > 0).map(|(name, _, pk)| (*pk, name.clone())).collect();
        key.sort();
        let kind = |of: &str| match of {
            "INTEGER" => Ok(Kind::Integer),
            "TEXT" => Ok(Kind::Text),
            "BLOB" => Ok(Kind::Bytes),
            _ => Err(StoreError::Unreadable(format!("table {name} has a column of type {of}"))),
        };
        let columns = all.iter().map(|(name, of, _)| Ok((name.clone(), kind(of)?)));
        Ok(Self {
            columns: columns.collect::<Result<_, StoreError>>()?,
            key: key.into_iter().map(|(_, name)| name).collect(),
            name,
        })
    }

    /// Copies it, and reads it back. How many rows.
    fn copy(&self, from: &dyn Sql, to: &Link) -> Result<u64, HubError> {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let marks: Vec<String> = (1..=names.len()).map(|n| format!("?{n}")).collect();
        let insert =
            format!("INSERT INTO {} ({}) VALUES ({})", self.name, names.join(", "), marks.join(", "));
        // Both order by bytes.
        let select =
            format!("SELECT {} FROM {} ORDER BY {}", names.join(", "), self.name, self.key.join(", "));
        let (mut sent, mut waiting, mut failed) = (Sum::default(), Vec::new(), None);
        let flush = |waiting: &mut Vec<Vec<Copied>>| {
            let rows = std::mem::take(waiting);
            to.execute_all(&insert, &rows)
        };
        from.query(&select, &[], &mut |row| {
            let copied = self.row(row).and_then(|row| {
                sent.add(&row);
                waiting.push(row);
                if waiting.len() < limits::MIGRATION_AT_ONCE { Ok(()) } else { flush(&mut waiting) }
            });
            failed = copied.err();
            failed.is_none()
        })?;
        failed.map_or(Ok(()), Err)?;
        flush(&mut waiting)?;
        let mut found = Sum::default();
        to.each(&select, limits::MIGRATION_AT_ONCE, &mut |row| {
            found.add(&self.row(row)?);
            Ok(())
        })?;
        if found.rows != sent.rows || found.bytes.clone().finalize() != sent.bytes.clone().finalize() {
            return Err(HubError::Database(format!(
                "table {} is not there as it was sent, {} rows of {}: nothing was brought over",
                self.name, found.rows, sent.rows
            )));
        }
        Ok(sent.rows)
    }

    fn row(&self, row: &dyn Cells) -> Result<Vec<Copied>, StoreError> {
        let cell = |(at, (_, kind)): (usize, &(String, Kind))| Copied::of(*kind, row.value(at)?);
        self.columns.iter().enumerate().map(cell).collect()
    }
}

/// A value on its way.
pub struct Copied {
    kind: Kind,
    value: Owned,
}

enum Owned {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Copied {
    fn of(kind: Kind, value: Value<'_>) -> Result<Self, StoreError> {
        let value = match (kind, value) {
            (_, Value::Null) => Owned::Null,
            (Kind::Integer, Value::Integer(value)) => Owned::Integer(value),
            (Kind::Text, Value::Text(value)) => Owned::Text(value.to_owned()),
            (Kind::Bytes, Value::Bytes(value)) => Owned::Bytes(value.to_vec()),
            _ => return Err(StoreError::Unreadable("a column holds something of another type".into())),
        };
        Ok(Self { kind, value })
    }
}

impl Bind for Copied {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn value(&self) -> Result<Value<'_>, StoreError> {
        Ok(match &self.value {
            Owned::Null => Value::Null,
            Owned::Integer(value) => Value::Integer(*value),
            Owned::Text(value) => Value::Text(value),
            Owned::Bytes(value) => Value::Bytes(value),
        })
    }
}

/// What tells two tables apart.
#[derive(Default)]
struct Sum {
    rows: u64,
    bytes: Sha256,
}

impl Sum {
    fn add(&mut self, row: &[Copied]) {
        self.rows += 1;
        for cell in row {
            // Each with its length, so that no two rows are alike.
            let (kind, bytes): (u8, &[u8]) = match &cell.value {
                Owned::Null => (0, &[]),
                Owned::Integer(value) => (1, &value.to_be_bytes()),
                Owned::Text(value) => (2, value.as_bytes()),
                Owned::Bytes(value) => (3, value),
            };
            self.bytes.update([kind]);
            self.bytes.update((bytes.len() as u64).to_be_bytes());
            self.bytes.update(bytes);
        }
    }
}

/// The chain as it is there, from its first record on, to the end that the file has.
fn verify_journal(link: &Link, head: Head, said: &str) -> Result<(), HubError> {
    let found = store::verify_whole(link, Path::new(said))?;
    if found == head {
        return Ok(());
    }
    Err(HubError::Database(format!(
        "the journal on {said} ends elsewhere than the file's: nothing was brought over"
    )))
}
