//! Why a command did not do what was asked.

use api::ClientError;
use journal::Broken;
use std::path::PathBuf;

/// Said once, at the edge, behind `error: `.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The daemon refused, or nobody answered.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An id that is none.
    #[error("{0}")]
    Usage(String),
    /// A file.
    #[error("reading {path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        why: std::io::Error,
    },
    /// What was being done to a file.
    #[error("{what} {path}: {why}")]
    Doing {
        /// `writing`
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What happened.
        why: std::io::Error,
    },
    /// A service file that is left as it is.
    #[error(transparent)]
    Pam(#[from] pamfile::Refusal),
    /// Nothing was done, and why.
    #[error("{0}")]
    NotDone(String),
    /// The file of the hub that one is logged in to.
    #[error("{path}: {why}")]
    HubFile {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A line of an export.
    #[error("{path}:{line}: not a row of a journal: {why}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The journal.
    #[error(
        "the journal does not verify: {0}. Keep a copy of it and of the syslog files, and find out who did this"
    )]
    Broken(#[from] Broken),
    /// Mistakes in a policy, its people or its cases.
    #[error(transparent)]
    Policy(#[from] workflow::PolicyErrors),
    /// A policy that is not as it must be.
    #[error("{0}")]
    NotMet(String),
    /// A wait that ended without an approval.
    #[error("{0}")]
    NotApproved(String),
    /// A wait that a person ended; what they waited for goes on.
    #[error("{0}")]
    Interrupted(String),
    /// The terminal, or signals to this process.
    #[error("setting up this terminal: {0}")]
    Terminal(std::io::Error),
    /// Standard output.
    #[error("writing: {0}")]
    Output(std::io::Error),
    /// Whoever read our output has seen enough.
    #[error("nobody reads any more")]
    ReaderGone,
}

impl CliError {
    /// Exit code of the contract.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Client(error) => error.exit(),
            Self::Usage(_)
            | Self::Policy(_)
            | Self::File { .. }
            | Self::HubFile { .. }
            | Self::Row { .. } => 2,
            Self::Broken(_)
            | Self::Doing { .. }
            | Self::Pam(_)
            | Self::NotDone(_)
            | Self::NotApproved(_)
            | Self::NotMet(_)
            | Self::Output(_)
            | Self::Terminal(_) => 1,
            // As a shell names a command that died of ^C.
            Self::Interrupted(_) => 130,
            Self::ReaderGone => 0,
        }
    }
}
