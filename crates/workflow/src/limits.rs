//! Every bound of this crate, with its unit and reason.

/// Reviews on one request: more people than any rule asks for, and the record still fits a page.
pub const REVIEWS: usize = 32;

/// Pending requests one person can have open: enough for a bad day, too few to bury the approvers.
pub const PENDING_PER_PERSON: u64 = 20;

/// Requests one person can open in an hour, decided or not: enough for a bad day, and opening and
/// cancelling in a loop cannot fill the store.
pub const OPENED_PER_HOUR: u64 = 60;

/// Approvers named in one sentence to a person; the rest are counted.
pub const NAMED_APPROVERS: usize = 3;
