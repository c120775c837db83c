//! The database of a hub in these tests: a file in its folder of state.

use std::path::Path;

/// Whether several hubs share it.
pub const SHARED: bool = false;

/// Where it is in a hub's folder.
pub const FILES: &[&str] = &["state/hub.db"];

pub struct Database;

impl Database {
    pub fn start() -> Self {
        Self
    }
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
