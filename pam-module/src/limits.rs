//! Every bound of the module, with its unit and reason.

use std::time::Duration;

/// How long one question takes at most unless `timeout=` says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest that `timeout=` can say: sshd's LoginGraceTime is 120 s and kills without a word.
pub const TIMEOUT_MOST: Duration = Duration::from_secs(10);

/// Telling the daemon what the module decided alone takes at most this long: a spare key must work fast
/// when everything else is dead.
pub const NOTICE: Duration = Duration::from_millis(100);

/// Bytes of `/etc/passwd` and `/etc/group` that are read, each: 100,000 accounts.
pub const ACCOUNTS: u64 = 16 * 1024 * 1024;

/// Bytes of one file in `/proc`.
pub const PROC: u64 = 4096;

/// Names in one argument: a handful of spare keys is many.
pub const NAMES: usize = 32;

/// Characters of a line of the log: what every syslog daemon takes (RFC 5424, section 6.1, says 2048 bytes,
/// with its head).
pub const LINE: usize = 1900;
