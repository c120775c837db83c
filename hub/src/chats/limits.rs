//! Every bound that chats have in common, with its unit and reason.

use chrono::TimeDelta;
use std::time::Duration;

/// Lengths to choose from, the asked one included: a glance.
pub const LENGTHS: usize = 6;

/// Requests that `list` shows: a screen.
pub const LISTED: usize = 10;

/// Bytes of a text message that is read as a command: the longest reason, and names.
pub const COMMAND: usize = 4096;

/// A code that links an account is good for so long: from a browser to a chat.
pub const CODE: TimeDelta = TimeDelta::minutes(10);

/// Codes of one person at once: one, and one that was lost.
pub const CODES: u64 = 5;

/// Accounts of one person at once in one chat: their own, and a guest's or two.
pub const ACCOUNTS: u64 = 5;

/// Bytes of a call that is signed with a secret of ours: a message of 28 KB with all that is around it, escaped.
pub const SIGNED: usize = 256 * 1024;

/// What is signed with a secret of ours is believed for so long before and after the time that it says, as Slack and
/// Microsoft have it.
pub const BELIEVED: TimeDelta = TimeDelta::minutes(5);

/// What was believed is known for so long: somewhat over twice [`BELIEVED`], so that nothing counts twice.
pub const KNOWN: Duration = Duration::from_secs(11 * 60);

/// What was believed within [`KNOWN`], 100 bytes each; more is not listened to, for it could not be known again.
pub const KNOWN_MOST: usize = 20_000;

/// What one account can say and click within a minute: a person reads what is answered.
pub const PER_ACCOUNT: usize = 30;

/// Bytes of an id or a name that comes with a call; theirs are under 300.
pub const NAME: usize = 1024;
