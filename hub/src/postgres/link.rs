//! One connection, with a deadline on each call. It has a runtime of its own, which runs while it is called.

use super::dialect;
use crate::limits;
use futures_util::future::{join, try_join_all};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{Bind, Cells, Kind, Sql, StoreError, Value};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connection.
pub struct Link {
    runtime: Runtime,
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
    /// What goes along with the next call, in this order.
    unsent: RefCell<Vec<Unsent>>,
    /// Nobody knows what it would answer next: a call was given up.
    given_up: Cell<bool>,
    /// The last call that failed did so because another had what it wanted.
    in_the_way: Cell<bool>,
    hears: Arc<Hears>,
    said: Arc<str>,
}

/// A statement that nobody waits for.
struct Unsent {
    statement: Statement,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

/// What comes unasked.
#[derive(Default)]
struct Hears {
    /// Something was committed.
    hint: Notify,
    /// A warning, since this was last set to false.
    warned: AtomicBool,
}

impl Link {
    /// A new one, to a server that keeps what it says it keeps.
    pub(super) fn to(config: &Config, tls: MakeRustlsConnect, said: Arc<str>) -> Result<Self, StoreError> {
        let failed = |why: String| StoreError::Database(format!("connecting to {said}: {why}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| failed(why.to_string()))?;
        let connected =
            runtime.block_on(async { timeout(limits::DATABASE_CONNECT * 2, config.connect(tls)).await });
        let (client, mut connection) = connected
            .map_err(|_| failed("it does not answer".to_owned()))?
            .map_err(|why| failed(words(&why)))?;
        let hears = Arc::new(Hears::default());
        let hearing = Arc::clone(&hears);
        runtime.spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    AsyncMessage::Notification(_) => hearing.hint.notify_one(),
                    AsyncMessage::Notice(notice) if notice.parsed_severity() == Some(Severity::Warning) => {
                        hearing.warned.store(true, Ordering::Relaxed);
                    }
                    _ => {}
                }
            }
        });
        let link = Self {
            runtime,
            client,
            statements: RefCell::default(),
            unsent: RefCell::default(),
            given_up: Cell::new(false),
            in_the_way: Cell::new(false),
            hears,
            said,
        };
        link.settle_in()?;
        Ok(link)
    }

    /// Deadlines of the server's own, so that it does not go on with what nobody waits for; how it goes about what is asked;
    /// and what it promises.
    fn settle_in(&self) -> Result<(), StoreError> {
        // What many calls ask for has an index that fits. A plan that was made while a table was small, and is kept, would read
        // all of it from there on, until the server next looks at how large it is; nor does compiling one pay.
        self.batch(
            "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off",
        )?;
        let (wait, idle) = (limits::DATABASE_WAIT.as_millis(), limits::DATABASE_IDLE.as_millis());
        self.batch(&format!(
            "SET statement_timeout = {wait}; SET lock_timeout = {wait}; SET idle_in_transaction_session_timeout = {idle}"
        ))?;
        let (fsync, commit, encoding): (String, String, String) = (self as &dyn Sql).one(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding')",
            &[],
        )?;
        let not = |what: &str| Err(StoreError::Database(format!("{}: {what}", self.said)));
        if fsync != "on" {
            return not(
                "it runs with fsync = off, so that a power cut would lose what was acknowledged: set it on",
            );
        }
        if encoding != "UTF8" {
            return not(&format!("its encoding is {encoding}: make the database with ENCODING 'UTF8'"));
        }
        // remote_apply promises more.
        if commit != "on" && commit != "remote_apply" {
            self.batch("SET synchronous_commit = on")?;
        }
        Ok(())
    }

    /// Whether it can be used no more.
    pub fn is_broken(&self) -> bool {
        self.given_up.get() || self.client.is_closed()
    }

    /// Whether it was lost without having been given up: what was asked last was not begun, or came to nothing.
    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed() && !self.given_up.get()
    }

    /// Whether what failed last did so for the sake of another, and may do better now.
    pub(super) fn was_in_the_way(&self) -> bool {
        self.in_the_way.take()
    }

    /// Whether the server warned of something since this was asked last.
    pub(super) fn warned(&self) -> bool {
        self.hears.warned.swap(false, Ordering::Relaxed)
    }

    /// Waits until something was committed, as far as `LISTEN` tells, and at most so long.
    pub fn hint(&self, wait: Duration) {
        // No hint is as good as one: whoever waits looks.
        let _ = self.runtime.block_on(async { timeout(wait, self.hears.hint.notified()).await });
    }

    /// Sends what was not sent yet and this, one after the other, and waits for the answers to all of it. What failed first
    /// is what failed.
    fn call<T>(
        &self,
        wait: Duration,
        called: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        if self.is_broken() {
            return Err(StoreError::Database(format!("{}: the connection is lost", self.said)));
        }
        // Each is sent when it is polled first, which is in this order.
        let sent = try_join_all(
            self.unsent
                .take()
                .into_iter()
                .map(async |Unsent { statement, values }| self.client.execute_raw(&statement, values).await),
        );
        let answered = async {
            let (sent, called) = join(sent, called).await;
            sent.and(called)
        };
        match self.runtime.block_on(async { timeout(wait, answered).await }) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(why)) => Err(self.told(&why)),
            Err(_) => {
                self.given_up.set(true);
                Err(StoreError::Database(format!("{}: it does not answer", self.said)))
            }
        }
    }

    fn told(&self, why: &tokio_postgres::Error) -> StoreError {
        let said = &self.said;
        let conflicts = [SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE];
        self.in_the_way.set(why.code().is_some_and(|code| conflicts.contains(code)));
        match why.code() {
            Some(&SqlState::DISK_FULL) => {
                StoreError::Full(format!("the disk of {said} is used up: make room"))
            }
            _ => StoreError::Database(format!("{said}: {}", words(why))),
        }
    }

    /// [`Sql::batch`], given up only after so long.
    pub fn batch_within(&self, wait: Duration, sql: &str) -> Result<(), StoreError> {
        self.call(wait, self.client.batch_execute(sql))
    }

    fn statement(&self, sql: &str, values: &[&dyn Bind]) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let types: Vec<Type> = values.iter().map(|value| column_type(value.kind())).collect();
        let translated = dialect::statement(sql);
        let statement = self.call(limits::DATABASE_WAIT, self.client.prepare_typed(&translated, &types))?;
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// One statement for each of these rows of values, sent without waiting for one another.
    pub fn execute_all<B: Bind>(&self, sql: &str, rows: &[Vec<B>]) -> Result<(), StoreError> {
        let rows: Vec<Vec<&dyn Bind>> =
            rows.iter().map(|row| row.iter().map(|value| value as &dyn Bind).collect()).collect();
        let Some(first) = rows.first() else { return Ok(()) };
        let statement = self.statement(sql, first)?;
        let rows = rows.iter().map(|row| parameters(row)).collect::<Result<Vec<_>, _>>()?;
        let calls = rows.iter().map(|row| self.client.execute_raw(&statement, borrowed(row)));
        self.call(limits::DATABASE_WAIT, try_join_all(calls)).map(drop)
    }

    /// Hands all rows of a statement to `take`, of which some are held at once; within a transaction.
    pub fn each(
        &self,
        sql: &str,
        at_once: usize,
        take: &mut dyn FnMut(&dyn Cells) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.batch(&format!("DECLARE looks CURSOR FOR {}", dialect::statement(sql)))?;
        let fetch = format!("FETCH {at_once} FROM looks");
        loop {
            let rows = self.call(limits::DATABASE_WAIT, self.client.query(fetch.as_str(), &[]))?;
            if rows.is_empty() {
                return self.batch("CLOSE looks");
            }
            rows.iter().try_for_each(|row| take(&Came(row)))?;
        }
    }

    /// All rows of a statement.
    pub(super) fn fetch(&self, sql: &str, values: &[&dyn Bind]) -> Result<Vec<Row>, StoreError> {
        let statement = self.statement(sql, values)?;
        let parameters = parameters(values)?;
        self.call(limits::DATABASE_WAIT, self.client.query(&statement, &borrowed(&parameters)))
    }
}

impl Sql for Link {
    fn execute(&self, sql: &str, values: &[&dyn Bind]) -> Result<usize, StoreError> {
        let statement = self.statement(sql, values)?;
        let parameters = parameters(values)?;
        let changed =
            self.call(limits::DATABASE_WAIT, self.client.execute(&statement, &borrowed(&parameters)))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn put(&self, sql: &str, values: &[&dyn Bind]) -> Result<(), StoreError> {
        let statement = self.statement(sql, values)?;
        let values = parameters(values)?.iter().map(Parameter::to_owned).collect();
        self.unsent.borrow_mut().push(Unsent { statement, values });
        if self.unsent.borrow().len() < limits::DATABASE_UNSENT { Ok(()) } else { self.flush() }
    }

    fn flush(&self) -> Result<(), StoreError> {
        if self.unsent.borrow().is_empty() { Ok(()) } else { self.call(limits::DATABASE_WAIT, ready(Ok(()))) }
    }

    fn query(
        &self,
        sql: &str,
        values: &[&dyn Bind],
        take: &mut dyn FnMut(&dyn Cells) -> bool,
    ) -> Result<(), StoreError> {
        // Not before all are here: whoever takes them may ask this connection for more.
        let _ = self.fetch(sql, values)?.iter().all(|row| take(&Came(row)));
        Ok(())
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.batch_within(limits::DATABASE_WAIT, sql)
    }
}

const fn column_type(kind: Kind) -> Type {
    match kind {
        Kind::Integer => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Bytes => Type::BYTEA,
    }
}

/// A value as this protocol wants it, none with its type.
enum Parameter<'a> {
    Integer(Option<i64>),
    Text(Option<&'a str>),
    Bytes(Option<&'a [u8]>),
}

impl Parameter<'_> {
    fn to_owned(&self) -> Box<dyn ToSql + Sync + Send> {
        match *self {
            Self::Integer(value) => Box::new(value),
            Self::Text(value) => Box::new(value.map(str::to_owned)),
            Self::Bytes(value) => Box::new(value.map(<[u8]>::to_vec)),
        }
    }
}

fn parameters<'a>(values: &'a [&dyn Bind]) -> Result<Vec<Parameter<'a>>, StoreError> {
    let parameter = |value: &&'a dyn Bind| {
        Ok(match (value.value()?, value.kind()) {
            (Value::Integer(value), _) => Parameter::Integer(Some(value)),
            (Value::Text(value), _) => Parameter::Text(Some(value)),
            (Value::Bytes(value), _) => Parameter::Bytes(Some(value)),
            (Value::Null, Kind::Integer) => Parameter::Integer(None),
            (Value::Null, Kind::Text) => Parameter::Text(None),
            (Value::Null, Kind::Bytes) => Parameter::Bytes(None),
        })
    };
    values.iter().map(parameter).collect()
}

fn borrowed<'a>(parameters: &'a [Parameter<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    let borrow = |parameter: &'a Parameter<'_>| -> &'a (dyn ToSql + Sync) {
        match parameter {
            Parameter::Integer(value) => value,
            Parameter::Text(value) => value,
            Parameter::Bytes(value) => value,
        }
    };
    parameters.iter().map(borrow).collect()
}

/// A row that came.
pub(super) struct Came<'a>(pub(super) &'a Row);

impl Cells for Came<'_> {
    fn value(&self, column: usize) -> Result<Value<'_>, StoreError> {
        fn or_null<'a, T>(
            read: Result<Option<T>, tokio_postgres::Error>,
            value: impl FnOnce(T) -> Value<'a>,
        ) -> Result<Value<'a>, StoreError> {
            let read =
                read.map_err(|why| StoreError::Unreadable(format!("a row cannot be read: {}", words(&why))))?;
            Ok(read.map_or(Value::Null, value))
        }
        let row = self.0;
        let Some(found) = row.columns().get(column).map(tokio_postgres::Column::type_) else {
            return Err(StoreError::Unreadable(format!("a row has no column {column}")));
        };
        match *found {
            Type::INT8 => or_null(row.try_get(column), Value::Integer),
            Type::INT4 => or_null(row.try_get(column), |value: i32| Value::Integer(value.into())),
            Type::BOOL => or_null(row.try_get(column), |value: bool| Value::Integer(value.into())),
            Type::BYTEA => or_null(row.try_get(column), Value::Bytes),
            Type::TEXT => or_null(row.try_get(column), Value::Text),
            _ => Err(StoreError::Unreadable(format!("column {column} of a row is of type {found}"))),
        }
    }
}

/// What the server says, and not only that it says something.
fn words(why: &tokio_postgres::Error) -> String {
    if let Some(db) = why.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    let mut said = why.to_string();
    let mut under = std::error::Error::source(why);
    while let Some(why) = under {
        said = format!("{said}: {why}");
        under = why.source();
    }
    said
}
