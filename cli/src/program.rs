//! Other programs, each for a bounded time.

use crate::limits;
use std::ffi::OsStr;
use std::io::Result;
use std::process::{Command, Output};

/// What this program said. By timeout(1), which kills what it started too.
pub fn ran<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<Output> {
    Command::new("timeout").arg(limits::PROGRAM_S).arg(program).args(arguments).output()
}
