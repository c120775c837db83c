//! The database of a hub in these tests: on a PostgreSQL server of each test's own.

use std::path::Path;
use testbed::Postgres;

/// Whether several hubs share it.
pub const SHARED: bool = true;

/// Where it is in a hub's folder.
pub const FILES: &[&str] = &[];

pub struct Database(pub Postgres);

impl Database {
    pub fn start() -> Self {
        Self(Postgres::start().unwrap())
    }
}

/// What the configuration says of it.
pub fn lines(database: &Database) -> String {
    format!("[database]\nurl = \"{}\"\n", database.0.url())
}

/// One statement of somebody who can write it.
pub fn sql(database: &Database, _: &Path, statement: &str) {
    database.0.psql(&statement.replace("x'", "'\\x")).unwrap();
}
