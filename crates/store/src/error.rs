//! What can be wrong with the file.

use journal::Broken;
use std::path::PathBuf;
use std::sync::Arc;

/// Why something was not stored. Cheap to clone: one failed commit is told to everybody who waited for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened.
    #[error("opening {path}: {why}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What happened, and what to do.
        why: String,
    },
    /// Another process has it.
    #[error("opening {path}: another daemon has it open; one file belongs to one daemon")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error(
        "opening {path}: it has schema {found}, and this release knows up to {known}: install the newer release again"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this release knows.
        known: i64,
    },
    /// It is not what was written.
    #[error("{path} is damaged: {what}. It is not used until it is repaired: {}", crate::PUT_RIGHT)]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A repair began and did not end.
    #[error(
        "opening {path}: a repair of it broke off. Nobody is let in until it is finished: run `jitd repair` again, it goes on where it stood and nothing is lost"
    )]
    BrokenOff {
        /// The file.
        path: PathBuf,
    },
    /// A repair cannot go on.
    #[error("repairing {path}: {why}")]
    Repair {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// The disk or the allowance is used up.
    #[error("there is no room: {0}")]
    Full(String),
    /// What is left is kept for better things than refusals; with what is short and what to do.
    #[error("what room is left is kept for logins that are let in: {0}")]
    Reserved(String),
    /// A read or write failed.
    #[error("{0}")]
    Sql(Arc<rusqlite::Error>),
    /// A database on a server, which says so.
    #[error("{0}")]
    Database(String),
    /// A commit of which no word came, and the database cannot be asked.
    #[error("the database gave no word of whether it was committed")]
    Unsure,
    /// The database took the whole transaction back for what one part of it met.
    #[error(
        "the database gave up what others did at the same time with it, and the file is opened anew in a moment"
    )]
    GaveUp,
    /// A row is not what the schema says.
    #[error("{0}")]
    Unreadable(String),
    /// The last write failed, and it is too early to try again.
    #[error("the last write failed, and the file is opened anew in a moment")]
    Failed,
    /// Too much at once.
    #[error("{} writes wait already", crate::limits::QUEUE)]
    Busy,
    /// It took too long. It never happens where it had not begun; where its commit hangs, it may.
    #[error("the disk did not answer in time")]
    Late,
    /// The writer has stopped.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn damaged(path: &std::path::Path, what: &dyn std::fmt::Display) -> Self {
        Self::Damaged { path: path.into(), what: what.to_string() }
    }

    pub(crate) fn broken(path: &std::path::Path, broken: &Broken) -> Self {
        Self::damaged(path, broken)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full(
                "the disk or [journal] max_bytes is used up: make room on the file system of the state folder, or raise max_bytes".into(),
            ),
            _ => Self::Sql(Arc::new(error)),
        }
    }
}
