//! Every bound of this crate, with its unit and reason.

/// Bytes of a body, either way of a write: every type here at its largest is under 64 KiB.
pub const BODY: usize = 64 * 1024;

/// Bytes of a policy with its people, together: hundreds of rules and thousands of people. The journal keeps
/// what changed of it in one record.
pub const POLICY: usize = 256 * 1024;

/// Bytes of an answer that the client takes: a journal page of [`PAGE`] records of a few KiB each.
pub const ANSWER: u64 = 16 * 1024 * 1024;

/// Rows in one answer; more are fetched with the next page.
pub const PAGE: u32 = 1000;

/// Seconds that the client waits for an answer: the desk waits at most 5 for the disk, and a person gives up after 10.
pub const WAIT_S: u64 = 10;

/// Seconds that the client waits for a replay: the desk looks through 200,000 requests in less than 20, and
/// a connection to the control socket lives 60.
pub const REPLAY_WAIT_S: u64 = 55;

/// Bytes of one value in a log line, as escaped. With the names and ids of a record all lines stay under
/// the 2048 bytes that every syslog daemon takes (RFC 5424, section 6.1).
pub const VALUE: usize = 400;

/// Bytes of a list of names in a log line; further names are counted.
pub const LIST: usize = 200;

/// Bytes of an idempotency key: a UUID is 36.
pub const KEY: usize = 64;

/// Findings in one report: with the longest words that [`FINDING`] leaves them they fit into [`BODY`].
pub const FINDINGS: usize = 50;

/// Bytes of each of the three texts of a finding: a sentence or two.
pub const FINDING: usize = 350;

/// Days that `jit status --monitor` looks back: two weeks have every weekly job in them twice.
pub const MONITOR_DAYS: i64 = 14;

/// Lines that it answers: people times services; more than anybody reads.
pub const MONITORED: usize = 1000;

/// Seconds that the client waits for that: a million records are read in less than 20, and a connection to the control
/// socket lives 60.
pub const MONITOR_WAIT_S: u64 = 55;

/// Pages of one list that the client asks for: a million rows, and a list that does not end does not keep it.
pub const PAGES: u32 = 5000;
