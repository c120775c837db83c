//! A row of `faults.toml`.

use serde::Deserialize;
use std::time::Duration;

/// One fault, and what it means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The function that makes it.
    pub name: String,
    /// In words.
    pub what: String,
    /// A person with grants for ssh and sudo.
    pub user: Ways,
    /// root, who comes in by a grant and whose own sudo takes none.
    pub root: Ways,
    /// The spare key.
    pub spare: Ways,
}

/// The two ways in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ways {
    /// A login.
    pub ssh: Cell,
    /// sudo, by who is inside already.
    pub sudo: Cell,
}

/// What becomes of one of them.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    pub verdict: Verdict,
    /// The reason in the log; empty where nothing of the gate is there to log one.
    pub code: String,
    /// The line that is shown, with … for what differs; empty where none is.
    pub line: String,
    wait: f64,
}

/// Whether they are let in.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    In,
    Refused,
}

impl Row {
    /// Whose cells they are, by column.
    pub fn people(&self) -> [(&'static str, &Ways); 3] {
        [("user", &self.user), ("root", &self.root), ("spare key", &self.spare)]
    }
}

impl Cell {
    /// The longest that the gate makes them wait.
    pub fn wait(&self) -> Duration {
        Duration::from_secs_f64(self.wait)
    }
}

/// The table, in its order.
pub fn rows() -> Vec<Row> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        fault: Vec<Row>,
    }
    let file = testbed::repository().join("tests/hosts/faults.toml");
    toml::from_str::<Table>(&std::fs::read_to_string(file).unwrap()).unwrap().fault
}
