//! Every bound of this crate, with its unit and reason.

use std::time::Duration;

/// Bytes of what a disk surely keeps or surely does not (a sector): a write is torn between two, never within one.
pub const SECTOR: usize = 512;

/// Bytes that all files of one disk hold together: a database of PostgreSQL takes 40 MiB, and the memory of the
/// machine is what a disk is made of, up to three times.
pub const BYTES: usize = 512 << 20;

/// Files and folders of one disk, with those that were deleted since the last cut; PostgreSQL begins with a thousand.
pub const NODES: usize = 100_000;

/// Bytes of one name, as on every file system of Linux.
pub const NAME: usize = 255;

/// Changes of names that wait for a sync. A kernel writes them down every 5 s; no test makes so many meanwhile.
pub const MOVES: usize = 100_000;

/// How long the kernel may believe what it was told of a file: nothing changes here but through it.
pub const BELIEVED: Duration = Duration::from_secs(3600);

/// Bytes that statfs(2) names as free: more than any program keeps in reserve.
pub const FREE: u64 = 16 << 30;
