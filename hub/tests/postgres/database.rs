//! The database of a hub in these tests: on a PostgreSQL server of each test's own.

use disk::{Disk, Names};
use std::path::Path;
use testbed::Postgres;

/// How often its power is cut: each takes it some seconds to come back.
pub const CUTS: u64 = 8;

/// Whether several hubs share it.
pub const SHARED: bool = true;

/// What it may build on: the name of a new file comes with the file's own sync, as PostgreSQL expects of a checkpoint.
pub const NAMES: Names = Names::WithFile;

/// Where it is in a hub's folder.
pub const FILES: &[&str] = &[];

pub struct Database(pub Postgres);

impl Database {
    pub fn start() -> Self {
        Self(Postgres::start().unwrap())
    }

    /// On a disk of its own, where it has been for a while.
    pub fn on(disk: &Disk) -> Self {
        let mut postgres = Postgres::on(disk.path().join("postgres")).unwrap();
        disk.settle();
        postgres.begin().unwrap();
        Self(postgres)
    }

    /// The power of its disk is cut.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
    }

    /// The power is back.
    pub fn begin(&mut self) {
        self.0.begin().unwrap();
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
