//! The database of a hub in these tests: a file in its folder of state.

use disk::{Disk, Names};
use std::path::Path;

/// What it may build on: SQLite syncs folders itself.
pub const NAMES: Names = Names::WithFolder;

/// How often its power is cut.
pub const CUTS: u64 = if cfg!(feature = "long") { 40 } else { 6 };

/// Whether several hubs share it.
pub const SHARED: bool = false;

/// Where it is in a hub's folder.
pub const FILES: &[&str] = &["state/hub.db"];

pub struct Database;

impl Database {
    pub fn start() -> Self {
        Self
    }

    /// On a disk of its own: where the hub's state is.
    pub fn on(_: &Disk) -> Self {
        Self
    }

    /// The power of its disk is cut.
    #[allow(clippy::unused_self)] // a server has something to do
    pub fn kill(&mut self) {}

    /// The power is back.
    #[allow(clippy::unused_self)] // a server has something to do
    pub fn begin(&mut self) {}
}

/// What the configuration says of it.
pub fn lines(_: &Database) -> String {
    String::new()
}

/// One statement of somebody who can write it.
pub fn sql(_: &Database, state: &Path, statement: &str) {
    let connection = rusqlite::Connection::open(state.join("hub.db")).unwrap();
    connection.execute(statement, []).unwrap();
}
