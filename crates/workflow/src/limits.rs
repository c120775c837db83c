//! Every bound of this crate, with its unit and reason.

/// Reviews on one request: more people than any rule asks for, and the record still fits a page.
pub const REVIEWS: usize = 32;

/// Pending requests one person can have open: enough for a bad day, too few to bury the approvers. By a machine's word half
/// of it, as of [`OPENED_PER_HOUR`] and of the grants that one person can hold: the rest stays theirs.
pub const PENDING_PER_PERSON: u64 = 20;

/// Requests one person can open in an hour, decided or not: enough for a bad day, and opening and cancelling in a loop
/// is slower than a desk that runs short of room forgets: 10,000 of a week, 30 MB.
pub const OPENED_PER_HOUR: u64 = 60;

/// Approvers named in one sentence to a person; the rest are counted.
pub const NAMED_APPROVERS: usize = 3;

/// Hosts named in one sentence to a person.
pub const NAMED_HOSTS: usize = 5;

/// Parts that a request is proposed to be split into: more is no help.
pub const SPLIT: usize = 4;

/// Bytes of a policy: a thousand rules of some lines fit, and reading it stays a moment.
pub const POLICY: usize = 256 * 1024;

/// Bytes of a people file: ten thousand people of some lines.
pub const PEOPLE: usize = 2 * 1024 * 1024;

/// Mistakes told at once of a file: as many as a person mends in one go.
pub const MISTAKES: usize = 20;

/// Characters of a person's own text that an error repeats: enough to find it on the line.
pub const QUOTED: usize = 64;

/// The last year in which standing access may end: its last day is there to be looked at, and hosts take no time that a
/// calendar of four digits has no day after.
pub const REVIEW_BY: i32 = 2999;

/// Rules of a policy: a decision looks at each, and nobody reads more.
pub const RULES: usize = 1000;

/// Bytes of the name of a rule or schedule: it stands in every log line and card.
pub const ID: usize = 64;

/// People told of each request beyond which nobody feels meant: a large team.
pub const TOLD_MANY: usize = 20;

/// Cases of one file: each is worked out in well under a millisecond.
pub const CASES: usize = 1000;

/// Steps of approval of a rule: more would never be met within a day.
pub const STEPS: usize = 8;

/// Names in one list of a policy: more is a group.
pub const NAMES: usize = 256;

/// On-call schedules of a policy.
pub const SCHEDULES: usize = 64;

/// Characters of a ticket pattern, and bytes of what it becomes: a ticket is a short word, and a repeat of
/// repeats would fill memory.
pub const PATTERN: usize = 256;

/// See [`PATTERN`].
pub const PATTERN_COMPILED: usize = 64 * 1024;

/// Sessions at once that a rule may name.
pub const SESSIONS: u64 = 1000;

/// Grants or extensions that a rule may count.
pub const COUNT: u64 = 1000;

/// On-call levels: priorities of RFC 5545, section 3.8.1.9.
pub const LEVELS: u64 = 9;

/// Bytes of an on-call schedule: a year of a large team's calendar.
pub const SCHEDULE: usize = 4 * 1024 * 1024;

/// Shifts of a schedule: six weeks of a hundred people in hourly shifts.
pub const SHIFTS: usize = 100_000;

/// Components within components of a calendar: an alarm of an event of a calendar is the third.
pub const CALENDAR_DEPTH: usize = 8;

/// Recurring events of a schedule. Each costs a walk from its first day on.
pub const RECURRING: usize = 1000;

/// The first year a recurring event may start in, for the same reason.
pub const FIRST_YEAR: i32 = 2000;

/// Days of a schedule that are read: back so far that a shift that runs now is seen whole, and ahead as far
/// as anybody asks who is on call.
pub const SCHEDULE_BACK_D: i64 = 1;

/// See [`SCHEDULE_BACK_D`].
pub const SCHEDULE_AHEAD_D: i64 = 40;

/// Days before the end of standing access from which on it is a warning: two weeks, in which somebody is back from leave.
pub const STANDING_TOLD_DAYS: i64 = 14;
