//! [`Sql`] on a connection to the file.

use crate::sql::{Bind, Cells, Sql, Value};
use crate::{Opened, Room, StoreError, rows};
use journal::Head;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Statement};
use std::path::{Path, PathBuf};

impl Sql for Connection {
    fn execute(&self, sql: &str, values: &[&dyn Bind]) -> Result<usize, StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()?)
    }

    fn query(
        &self,
        sql: &str,
        values: &[&dyn Bind],
        take: &mut dyn FnMut(&dyn Cells) -> bool,
    ) -> Result<(), StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !take(row) {
                break;
            }
        }
        Ok(())
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        Ok(self.execute_batch(sql)?)
    }
}

fn bind(statement: &mut Statement<'_>, values: &[&dyn Bind]) -> Result<(), StoreError> {
    let (given, wanted) = (values.len(), statement.parameter_count());
    if given != wanted {
        return Err(rusqlite::Error::InvalidParameterCount(given, wanted).into());
    }
    for (at, value) in (1..).zip(values) {
        let value = match value.value()? {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Bytes(value) => ValueRef::Blob(value),
        };
        statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(value))?;
    }
    Ok(())
}

impl Cells for Row<'_> {
    fn value(&self, column: usize) -> Result<Value<'_>, StoreError> {
        let unreadable =
            |what: &str| StoreError::Unreadable(format!("column {column} of a row holds {what}"));
        Ok(match self.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Text(value) => {
                Value::Text(str::from_utf8(value).map_err(|_| unreadable("text that is none"))?)
            }
            ValueRef::Blob(value) => Value::Bytes(value),
            ValueRef::Real(_) => return Err(unreadable("a fraction")),
        })
    }
}

/// The file as its writer has it open.
pub struct OpenFile {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) max_bytes: u64,
}

impl Opened for OpenFile {
    fn sql(&self) -> &dyn Sql {
        &self.connection
    }

    fn begin(&mut self, head: Head) -> Result<Head, StoreError> {
        self.connection.put("BEGIN IMMEDIATE", &[])?;
        // Nobody else writes it.
        Ok(head)
    }

    fn commit(&mut self, _: Head) -> Result<(), StoreError> {
        self.connection.put("COMMIT", &[])
    }

    fn is_broken(&self) -> bool {
        // SQLite gives up the whole transaction on some errors: then there is no savepoint left.
        self.connection.is_autocommit()
    }

    fn room(&self) -> Result<Room, StoreError> {
        let used = rows::used_bytes(&self.connection)?;
        let left =
            rustix::fs::statvfs(&self.path).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        Ok(Room { used, most: self.max_bytes, left: Some(left) })
    }

    fn folder(&self) -> Option<&Path> {
        self.path.parent()
    }
}
