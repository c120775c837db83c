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

/// Sessions of one grant that a timeline looks at, the first.
pub const USES: u32 = 50;

/// Records that one search looks through before it says where to go on: some hundredths of a second.
pub const SEARCHED: u64 = 5000;

/// Records that a search shows: a few screens.
pub const FOUND: usize = 100;

/// Days that a timeline shows at most: a quarter of a year.
pub const TIMELINE_DAYS: i64 = 92;

/// Rows of a timeline: each is a line of the picture and one of the table under it.
pub const TIMELINE_ROWS: usize = 60;

/// Sessions that a timeline looks at, the newest: a busy week of a large host.
pub const TIMELINE_SESSIONS: u32 = 500;

/// Logs of one host that can be chosen from: as many as it may have since it joined, and those of a few joins before.
pub const LOGS_OFFERED: u32 = 100;

/// Names of hosts that are offered while one is typed.
pub const OFFERED: usize = 200;

/// People that one page lists: with more of them one searches.
pub const PEOPLE: usize = 500;
