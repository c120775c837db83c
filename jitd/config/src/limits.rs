//! Every bound of the configuration, with its unit and reason.

use std::time::Duration;

/// Warnings before the end of a session: each is a line on somebody's screen.
pub const WARNINGS: usize = 8;

/// The longest that a session may take to end by itself.
pub const GRACE: Duration = Duration::from_secs(60);

/// How often files of a hub are looked at, unless it is said otherwise: a person who was granted something waits so long
/// for it, and a web server answers a thousand hosts 17 times a second.
pub const FILES_EVERY: access::Span = match access::Span::seconds(60) {
    Some(span) => span,
    None => access::Span::SHORTEST,
};

/// Bytes that the journal may grow to, at least: below that a busy hour fills it.
pub const JOURNAL_LEAST: u64 = 16 * 1024 * 1024;

/// Places at prompts that a configuration can give at one door: each is a process that stays, and sshd's default
/// MaxStartups takes nobody in beyond 100.
pub const SEATS_MOST: usize = 1000;
