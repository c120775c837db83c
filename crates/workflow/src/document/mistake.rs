//! Mistakes in a file: where, what, and what would be right.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// One mistake: `policy.toml:14: rule "prod-db": time.default: 9h is longer than max = 8h: lower it, or
/// raise max`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyError {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// The rule, person or table; empty at the top of the file.
    pub whose: String,
    /// The key; empty where the mistake has none.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub fix: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.path.display(), self.line)?;
        for part in [&self.whose, &self.key] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        write!(f, "{}: {}", self.what, self.fix)
    }
}

impl std::error::Error for PolicyError {}

/// Every mistake of a file, at least one, at most [`crate::limits::MISTAKES`]; one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, mistake) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}
