//! Every bound of the bot, with its unit and reason.

use chrono::TimeDelta;
use std::time::Duration;

/// Bytes of what Microsoft sends: an activity with all that a card carries is under 40 KB.
pub const ACTIVITY: usize = 256 * 1024;

/// Bytes of an answer of Microsoft's: metadata, keys, a token.
pub const ANSWER: usize = 1024 * 1024;

/// Bytes of a token that is looked at at all: Microsoft's are 1.5 KB.
pub const TOKEN: usize = 16 * 1024;

/// Clocks of Microsoft's and ours may differ by so much, in seconds, as in Microsoft's own libraries.
pub const SKEW_S: i64 = 300;

/// Keys that Microsoft signs by; it has about ten.
pub const KEYS: usize = 100;

/// Keys are read anew after so long, as Microsoft asks for.
pub const KEYS_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A key that is not known has them read anew at most so often: whoever makes tokens up does not have us call.
pub const KEYS_AGAIN: Duration = Duration::from_secs(60);

/// Microsoft is connected to, and has answered a call, within these.
pub const CONNECT: Duration = Duration::from_secs(5);
/// See [`CONNECT`].
pub const CALL: Duration = Duration::from_secs(15);

/// A token for calls is asked for again so long after there was none: deliveries that wait for one do not ask each.
pub const TOKEN_AGAIN: Duration = Duration::from_secs(5);

/// A token for calls is kept for so long at most; Microsoft's are good for an hour or a day.
pub const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A token for calls is fetched anew so long before its end.
pub const TOKEN_EARLY: Duration = Duration::from_secs(300);

/// Bytes of a card, as JSON: Teams takes 28 KB with what is around it.
pub const CARD: usize = 20 * 1024;

/// And of one that Teams did not take: what is around it must have been large.
pub const CARD_LEAST: usize = 6 * 1024;

/// Hosts, labels and people that a card names one by one.
pub const NAMED: usize = 12;

/// Accounts that a card is renewed for when they look at it: Microsoft takes 60.
pub const RENEWED_FOR: usize = 60;

/// Lengths to choose from, the asked one included: a glance.
pub const LENGTHS: usize = 6;

/// Requests that `list` shows: a screen.
pub const LISTED: usize = 10;

/// Bytes of a text message that is read as a command: the longest reason, and names.
pub const COMMAND: usize = 4096;

/// A code that links an account is good for so long: from a browser to a chat.
pub const CODE: TimeDelta = TimeDelta::minutes(10);

/// Codes of one person at once: one, and some that were lost.
pub const CODES: u64 = 5;

/// Accounts of one person at once: their own, and a guest's or two.
pub const ACCOUNTS: u64 = 5;

/// Chats and channels that the bot knows: everybody's, of a large tenant.
pub const PLACES: u64 = 50_000;

/// Bytes of an id or a name that Microsoft sends; theirs are under 300.
pub const NAME: usize = 1024;

/// Calls to one conversation, and all calls, in a second: what Microsoft documents.
pub const PER_PLACE: u32 = 7;
/// See [`PER_PLACE`].
pub const PER_SECOND: u32 = 50;

/// Conversations whose calls are counted at once; more forget those of earlier seconds.
pub const COUNTED: usize = 10_000;

/// Messages that are answered at once, beside cards: each a reply of one line.
pub const REPLIES: usize = 32;

/// An answer that was not taken is sent again so often: who waits for it asks again by then.
pub const REPLY_AGAIN: usize = 3;

/// And waits so long between these at most: places for answers are few.
pub const REPLY_WAITS: Duration = Duration::from_secs(10);

/// A call that Microsoft wants later without saying when is made again after so long, and at most so long where it says.
pub const AGAIN: Duration = Duration::from_secs(5);
/// See [`AGAIN`].
pub const AGAIN_MOST: Duration = Duration::from_secs(600);

/// A card that was just made may not be found for so long.
pub const SETTLES: TimeDelta = TimeDelta::seconds(60);
