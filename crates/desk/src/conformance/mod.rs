//! What every [`Store`] must do, as tests that each store runs: `desk::conformance!(Subject)`.
//!
//! Queries are compared to the plain answer: a list in memory, filtered and sorted, over rows drawn from so
//! few names and times that equal ones are common.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_docs
)] // tests, by name

mod answers;
mod forgetting;
mod grants;
mod ids;
mod policy;
mod requests;
mod samples;
mod transactions;

pub use answers::*;
pub use forgetting::*;
pub use grants::*;
pub use ids::*;
pub use policy::*;
pub use requests::*;
pub use transactions::*;

use crate::store::{Committed, Store};
use access::{Grant, GrantId, Time};

/// A store under test, and what others write into it beside the desk.
pub trait Subject: Sized {
    /// The store.
    type Store: Store;

    /// An empty one.
    fn fresh() -> Self;

    /// An empty one with room for at most some thousand records.
    fn tight() -> Self;

    /// The store.
    fn store(&self) -> &Self::Store;

    /// What its observer heard.
    fn heard(&self) -> Vec<Committed>;

    /// A gate writes the first use of a grant.
    fn claims(&self, grant: &Grant, now: Time);

    /// A gate writes a session of a grant; each has a number of its own.
    fn opens_session(&self, grant: GrantId, number: i64);
}

/// The whole suite as tests of the subject.
#[macro_export]
macro_rules! conformance {
    ($subject:ty) => {
        $crate::conformance!($subject:
            a_request_is_found_as_it_was_put_last
            requests_are_what_a_plain_list_of_them_says
            requests_are_listed_whole_page_by_page_also_at_equal_times
            short_ids_are_found_and_told_apart
            grants_are_what_a_plain_list_of_them_says
            an_extension_moves_the_end_of_a_first_use_and_of_no_other
            a_first_use_that_is_over_is_over_and_sessions_are_counted
            what_ended_long_ago_is_forgotten_whole_and_so_much_at_a_time
            what_is_needed_still_is_not_forgotten
            the_policy_is_the_one_put_last_and_each_version_is_put_once
            an_answer_is_each_persons_own_and_forgotten_in_time
            no_more_answers_are_kept_than_anybody_retries_and_the_newest_are
            work_that_fails_leaves_nothing_behind_and_is_heard_of_by_nobody
            work_sees_what_it_did_and_others_do_not_until_it_is_done
            writes_at_the_same_instant_happen_one_after_the_other
            what_was_committed_is_heard_in_order_before_who_wrote_it_is_told
            nothing_is_put_before_the_record_that_vouches_for_it
            the_room_kept_for_logins_is_no_bodys_to_fill
        );
    };
    ($subject:ty: $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::conformance::$name::<$subject>();
        })*
    };
}
