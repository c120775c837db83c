//! Every bound of the pages, with its unit and reason.

use chrono::TimeDelta;

/// A link signs in within this: from a terminal to a browser, over a chat at most.
pub const LINK: TimeDelta = TimeDelta::minutes(15);

/// A sign-in ends after so long, however busy: a working day.
pub const SIGN_IN: TimeDelta = TimeDelta::hours(12);

/// A sign-in that nobody used for so long is over: somebody left. A page that renews itself is no use.
pub const IDLE: TimeDelta = TimeDelta::hours(2);

/// Who approves has signed in within this, so that a browser that was left open gives nobody anything.
pub const FRESH: TimeDelta = TimeDelta::hours(1);

/// Bytes of a form: the longest texts, escaped, and the names of as many hosts as one request may have.
pub const FORM: usize = 64 * 1024;

/// Past grants of the same access that are shown beside a request.
pub const RECENT: usize = 5;

/// Requests of one's own in the inbox, the newest: a few screens.
pub const OWN: u32 = 20;

/// Labels that can be chosen from; with more of them hosts are named.
pub const LABELS: usize = 200;
