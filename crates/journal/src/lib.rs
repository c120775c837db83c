//! The journal: an append-only, hash-chained record of every decision and change of one daemon.
//!
//! Rows follow each other without a gap, each with the hash of the one before, so an edit, a reorder or a
//! gap is found by reading the rows alone. A cut tail, a rollback or a fork is found against a
//! [`Witness`]: the [`Checkpoint`] lines that the daemon writes to syslog, or a hub that remembers.
//!
//! Pure: rows come in and verdicts go out; where rows are kept is somebody else's room.
#![forbid(unsafe_code)]

mod chain;
mod checkpoint;
pub mod limits;

pub use chain::{Broken, Hash, Head, LogId, Row, Stamp};
pub use checkpoint::{Checkpoint, Verified, Verifier, Witness};
