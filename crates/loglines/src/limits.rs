//! Every bound of this crate, with its unit and reason.

use std::time::Duration;

/// Lines that wait for a syslog daemon that does not read: some minutes of a busy host, 5 MB at most.
pub const QUEUE: usize = 10_000;

/// Bytes of a line: what every syslog daemon takes (RFC 5424, section 6.1, says 2048).
pub const LINE: usize = 2048;

/// First and longest wait before the log is tried again.
pub const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A fault that lasts is told again after this long: a journal that fails all night is some hundred lines.
pub const FAULT_EVERY: Duration = Duration::from_secs(300);

/// A daemon that stops waits at most this long for its last lines to go out.
pub const FLUSH: Duration = Duration::from_secs(1);
