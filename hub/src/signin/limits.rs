//! Every bound of signing in by what is elsewhere, with its unit and reason.

use chrono::TimeDelta;
use std::time::Duration;

/// Whoever signs in elsewhere is back within this: a password, a second factor, and a telephone that is upstairs.
pub const ELSEWHERE: TimeDelta = TimeDelta::minutes(10);

/// Who comes back signed in there within this before, or was asked again: a sign-in here is to mean that somebody was
/// there just now, for who decides has signed in within the hour.
pub const SIGNED_IN_THERE: Duration = Duration::from_secs(300);

/// Clocks of the provider and of the hub differ by at most so much.
pub const SKEW: TimeDelta = TimeDelta::seconds(60);

/// The provider answers one call within this: a person waits for two of them.
pub const PROVIDER_WAIT: Duration = Duration::from_secs(5);

/// Bytes of an answer of the provider: metadata and keys are some KB.
pub const PROVIDER_ANSWER: u64 = 256 * 1024;

/// What the provider says of itself is asked anew after this.
pub const PROVIDER_KNOWN: Duration = Duration::from_secs(3600);

/// It is asked no more often than this, neither after an answer that failed nor for a key that is not among those known.
pub const PROVIDER_AGAIN: Duration = Duration::from_secs(10);

/// Sign-ins that wait for the provider at once: a slow one holds up no more of the threads that calls wait on.
pub const PROVIDER_CALLS: usize = 4;

/// Sign-ins from one address that may come to nothing in a minute: of an office behind it, and each takes one of
/// [`PROVIDER_CALLS`] for a moment.
pub const ELSEWHERE_TRIES: u32 = 30;

/// Bytes of the name of an account (OpenID Connect Core, section 2), and of its provider.
pub const SUBJECT: usize = 255;

/// Accounts of one person: work, and the one that is to come.
pub const IDENTITIES: u64 = 5;

/// Accounts that were shown in browsers at once, whose people have not answered.
pub const SHOWN: u64 = 1000;

/// A command is let in within this, and takes its token within it: from a terminal to a browser and back.
pub const LOGIN: TimeDelta = TimeDelta::minutes(10);

/// A browser's answer reaches the command that waits beside it within this.
pub const LOGIN_BACK: TimeDelta = TimeDelta::minutes(1);

/// Commands that wait for a word at once, and that a browser's answer is on its way to: whoever fills that, for the first
/// without an account, keeps others from none but this way in, for as long as [`LOGIN`].
pub const LOGINS: u64 = 500;

/// Commands of one address that begin to wait in a minute: a person retypes.
pub const LOGIN_TRIES: u32 = 10;

/// Words that one person types in a minute and that no command shows: whoever reads one from a terminal mistypes it once or
/// twice.
pub const WORD_TRIES: u32 = 10;

/// A command asks no more often than once in so many seconds.
pub const LOGIN_EVERY_S: u64 = 3;

/// The life of a token that a command is let in with: a working day.
pub const LOGIN_TOKEN: TimeDelta = TimeDelta::hours(12);

/// Words that are drawn until one is not taken.
pub const CODE_TRIES: u32 = 10;

/// Bytes of the page that somebody is led to afterwards: the longest is that of a command that waits.
pub const TO: usize = 1000;
