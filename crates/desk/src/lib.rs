//! The desk: where requests are made and reviewed.
//!
//! The same code serves one machine (inside `jitd`) and a fleet (inside `jit-hub`): it runs over a
//! [`Store`], asks [`Worlds`] who people are and what the rules say at this moment, and takes the
//! [`Caller`] as a parameter from whichever door they came through.
#![forbid(unsafe_code)]

mod asking;
mod caller;
mod checking;
#[cfg(feature = "conformance")]
pub mod conformance;
mod desk;
mod door;
mod due;
mod error;
mod explaining;
mod forgetting;
mod glass;
mod granting;
mod in_force;
pub mod limits;
mod looks;
mod paging;
mod policy;
mod replaying;
mod restoring;
mod reviewing;
mod routes;
mod ruling;
mod schedules;
mod sql;
mod store;

pub use caller::{Caller, Roles};
pub use desk::{Desk, Key};
pub use door::{AtTheDoor, AtThePrompt, Hint, Knock, Words};
pub use error::DeskError;
pub use glass::Broken;
pub use in_force::{Applied, InForce};
pub use looks::Looks;
pub use paging::Page;
pub use policy::{Clock, Ground, Worlds};
pub use restoring::Restored;
pub use routes::{Answer, Refused, blocking, openapi, paged, routes};
pub use schedules::{Stamps, schedules};
pub use sql::{
    SqlStore, claim_of, journal_page, keep_claim, keep_grant, load, policy_in_force, reopen, within,
};
pub use store::{
    After, Asked, Committed, GrantAfter, Old, PolicyVersion, Queries, RequestFilter, Store, Transaction,
    Usage,
};
