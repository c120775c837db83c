//! Every bound of this crate, with its unit and reason.

use std::time::Duration;

/// Jobs that wait for the writer. More would wait longer than any login does.
pub const QUEUE: usize = 4096;

/// Jobs in one transaction: 64 logins at once fit, and a group takes no longer than a few fsyncs. On a hub callers that wait are fewer.
pub const GROUP: usize = 256;

/// First and longest wait before a file that failed is opened again.
pub const REOPEN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// SQLite waits this long for a lock that a backup or a checkpoint holds.
pub const BUSY: Duration = Duration::from_secs(1);

/// Bytes of a page of the file.
pub const PAGE: u64 = 4096;

/// Bytes of disk that repeatable refusals leave free, so that no user can fill it: room for some 50,000
/// allows.
pub const RESERVE: u64 = 64 * 1024 * 1024;

/// Pages of the write-ahead log after which SQLite moves them into the file: 4 MB.
pub const WAL_PAGES: u32 = 1000;

/// Bytes of a write-ahead log of so many pages: its header, and each page with its own (sqlite.org/fileformat2.html).
pub const WAL: u64 = 32 + WAL_PAGES as u64 * (24 + PAGE);

/// Of the allowance, so many of so many parts may be used before the oldest records go: below the three
/// quarters up to which refusals are recorded, so that there is room before those stop.
pub const PRUNE_FROM: (u64, u64) = (5, 8);

/// The part of the allowance that the journal keeps in any case: were it full of other rows, all records would go for nothing.
pub const JOURNAL_KEEPS: u64 = 8;

/// Bytes of a row of the journal beside its body: two hashes, the stamp, and what SQLite adds.
pub const ROW: u64 = 150;

/// Rows that one pruning takes away, so that it never holds a login up.
pub const PRUNE: u64 = 1000;

/// Rounds of pruning before the group that comes after one for which there was no room: a tenth of a second, and room for
/// thousands of records.
pub const RELIEF_ROUNDS: usize = 8;

/// KiB of pages that the writer's connection keeps: the end of the journal and the upper pages of each index, to which
/// it always comes back. What memory is filled from at a start is read once, and would stay as SQLite's 2 MiB.
pub const WRITE_CACHE_KIB: i64 = 256;

/// KiB of pages that a connection for reading keeps: the upper pages of each index.
pub const READ_CACHE_KIB: i64 = 512;

/// KiB of pages that a connection for lists keeps: ids are random, so each of a thousand requests that wait is on a page of
/// its own, and SQLite's 2 MiB would be read anew for every list.
pub const LIST_CACHE_KIB: i64 = 8192;
