//! Every bound of this crate, with its unit and reason.

/// Tries to mint an id that is not taken. With 2^50 ids and a million taken, two in a row are taken
/// once in 10^18; a fourth failure means that something else is broken.
pub const MINT_TRIES: usize = 4;

/// Times that a write is worked out anew because another policy was applied before it was done. Two in a row
/// take two administrators in the same hundredth of a second; a loop of them is to be told of, and ends.
pub const OVERTAKEN: usize = 4;

/// Rows a list answers when the caller names no limit: a few screens.
pub const LIST: u32 = 200;

/// Pages of [`LIST`] rows of a listing that are looked through for what one caller may see.
pub const PAGES_LOOKED_THROUGH: usize = 10;

/// Requests or grants whose time is over that one tick closes, and that one round forgets, so that both stay short.
pub const PER_TICK: u32 = 256;

/// Days that the answer to an idempotency key is kept: nobody retries after a week.
pub const KEY_DAYS: i64 = 7;

/// Answers to idempotency keys that are kept for one person: more calls than anybody retries, and one
/// person cannot fill the store with them.
pub const KEYS_PER_PERSON: u32 = 100;

/// Closed grants that a gate keeps to explain refusals by: a busy day.
pub const RECENT: u32 = 1000;

/// Past requests that one replay looks at: years of a busy machine, in seconds.
pub const REPLAYED: u32 = 200_000;

/// Days that one replay goes back: a year, and the same days of the year before.
pub const REPLAY_DAYS: u32 = 400;

/// Differences that a replay tells one by one; the rest are counted.
pub const DIFFERENCES: usize = 100;

/// Bytes of a body that carries a policy: each of its bytes may be escaped as two.
pub const POLICY_BODY: usize = 2 * api::limits::POLICY + 4096;
