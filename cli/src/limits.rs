//! Every bound of the command, with its unit and reason.

use std::time::Duration;

/// How often a waiting command looks again: a person notices half a second, the daemon does not.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Rows fetched at once when a journal is verified.
pub const PAGE: u32 = 1000;

/// Bytes of a file of local accounts: a hundred thousand of them.
pub const ACCOUNTS: u64 = 16 * 1024 * 1024;

/// Bytes of an on-call schedule.
pub const SCHEDULE: u64 = workflow::limits::SCHEDULE as u64;

/// Bytes of a witness file that is read: a year of a busy host's checkpoints.
pub const WITNESS: u64 = 1024 * 1024 * 1024;
