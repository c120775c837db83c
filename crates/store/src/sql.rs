//! Statements, as every database behind a [`Writer`](crate::Writer) takes them.
//!
//! Rooms that keep rows write them once, in the SQL that SQLite and PostgreSQL have in common: parameters are `?1`,
//! truth is 0 or 1, times are milliseconds, and nothing looks into JSON.

use crate::StoreError;

/// A value in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// A number, a time, or 0 or 1.
    Integer(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// What a parameter is, also where there is none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Value::Integer`].
    Integer,
    /// [`Value::Text`].
    Text,
    /// [`Value::Bytes`].
    Bytes,
}

/// What can stand for a parameter.
pub trait Bind {
    /// What it is.
    fn kind(&self) -> Kind;

    /// The value; an error where no database holds it.
    fn value(&self) -> Result<Value<'_>, StoreError>;
}

macro_rules! bind {
    ($($type:ty, $kind:ident, $this:ident => $value:expr;)*) => {$(
        impl Bind for $type {
            fn kind(&self) -> Kind {
                Kind::$kind
            }

            fn value(&self) -> Result<Value<'_>, StoreError> {
                let $this = self;
                Ok(Value::$kind($value))
            }
        }

        impl Bind for Option<$type> {
            fn kind(&self) -> Kind {
                Kind::$kind
            }

            fn value(&self) -> Result<Value<'_>, StoreError> {
                self.as_ref().map_or(Ok(Value::Null), Bind::value)
            }
        }
    )*};
}

bind! {
    i64, Integer, this => *this;
    u32, Integer, this => i64::from(*this);
    bool, Integer, this => i64::from(*this);
    u64, Integer, this => i64::try_from(*this)
        .map_err(|_| StoreError::Unreadable(format!("{this} is more than a database counts to")))?;
    &str, Text, this => this;
    String, Text, this => this;
    [u8; 32], Bytes, this => this;
}

/// The values of one row.
pub trait Cells {
    /// The value in this column, counted from 0.
    fn value(&self, column: usize) -> Result<Value<'_>, StoreError>;
}

/// What can be read from one column.
pub trait FromValue: Sized {
    /// None where the value is something else.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

macro_rules! from_value {
    ($($type:ty, $pattern:pat => $value:expr;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: Value<'_>) -> Option<Self> {
                match value {
                    $pattern => $value,
                    _ => None,
                }
            }
        }
    )*};
}

from_value! {
    i64, Value::Integer(value) => Some(value);
    u32, Value::Integer(value) => value.try_into().ok();
    u64, Value::Integer(value) => value.try_into().ok();
    String, Value::Text(value) => Some(value.to_owned());
    [u8; 32], Value::Bytes(value) => value.try_into().ok();
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

/// What can be read from a row: one column, or a tuple of the first ones.
pub trait FromRow: Sized {
    /// The row read.
    fn from_row(row: &dyn Cells) -> Result<Self, StoreError>;
}

fn column<T: FromValue>(row: &dyn Cells, column: usize) -> Result<T, StoreError> {
    let value = row.value(column)?;
    T::from_value(value).ok_or_else(|| {
        let found = match value {
            Value::Null => "nothing",
            Value::Integer(_) => "another number",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
        };
        let wanted = std::any::type_name::<T>();
        StoreError::Unreadable(format!("column {column} of a row holds {found} in place of {wanted}"))
    })
}

impl<T: FromValue> FromRow for T {
    fn from_row(row: &dyn Cells) -> Result<Self, StoreError> {
        column(row, 0)
    }
}

macro_rules! from_row {
    ($($($type:ident $at:literal)*;)*) => {$(
        impl<$($type: FromValue),*> FromRow for ($($type,)*) {
            fn from_row(row: &dyn Cells) -> Result<Self, StoreError> {
                Ok(($(column::<$type>(row, $at)?,)*))
            }
        }
    )*};
}

from_row! {
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
}

/// A connection.
pub trait Sql {
    /// Runs one statement. How many rows it changed.
    fn execute(&self, sql: &str, values: &[&dyn Bind]) -> Result<usize, StoreError>;

    /// Runs one statement of a transaction, of which nobody asks how many rows it changed. Where the database is another
    /// process it may be sent along with the next call, [`Self::flush`] at the latest, which tells of its failure.
    fn put(&self, sql: &str, values: &[&dyn Bind]) -> Result<(), StoreError> {
        self.execute(sql, values).map(drop)
    }

    /// Has all that was put run, and says what came of it.
    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Runs one statement, and hands its rows to `take` for as long as that says so.
    fn query(
        &self,
        sql: &str,
        values: &[&dyn Bind],
        take: &mut dyn FnMut(&dyn Cells) -> bool,
    ) -> Result<(), StoreError>;

    /// Runs statements that have no parameters.
    fn batch(&self, sql: &str) -> Result<(), StoreError>;
}

impl dyn Sql + '_ {
    /// All rows of a statement.
    pub fn rows<T: FromRow>(&self, sql: &str, values: &[&dyn Bind]) -> Result<Vec<T>, StoreError> {
        let (mut all, mut failed) = (Vec::new(), None);
        self.query(sql, values, &mut |row| match T::from_row(row) {
            Ok(read) => {
                all.push(read);
                true
            }
            Err(why) => {
                failed = Some(why);
                false
            }
        })?;
        failed.map_or(Ok(all), Err)
    }

    /// The first row of a statement, if there is one.
    pub fn row<T: FromRow>(&self, sql: &str, values: &[&dyn Bind]) -> Result<Option<T>, StoreError> {
        let mut found = None;
        self.query(sql, values, &mut |row| {
            found = Some(T::from_row(row));
            false
        })?;
        found.transpose()
    }

    /// The row of a statement that always has one.
    pub fn one<T: FromRow>(&self, sql: &str, values: &[&dyn Bind]) -> Result<T, StoreError> {
        self.row(sql, values)?
            .ok_or_else(|| StoreError::Unreadable("a row is missing that is always there".into()))
    }
}
