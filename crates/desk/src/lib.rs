//! The desk: where requests are made and reviewed.
//!
//! The same code serves one machine (inside `jitd`) and a fleet (inside `jit-hub`): it runs over a
//! [`Store`], asks a [`Policy`] who people are and what the rules say at this moment, and takes the
//! [`Caller`] as a parameter from whichever door they came through.
#![forbid(unsafe_code)]

mod caller;
mod desk;
mod error;
pub mod limits;
mod policy;
mod routes;
mod sqlite;
mod store;

pub use caller::{Caller, Roles};
pub use desk::{Desk, Key};
pub use error::DeskError;
pub use policy::{Clock, Policy};
pub use routes::{Answer, Refused, blocking, routes};
pub use sqlite::{Loaded, SqliteStore, load, reopen};
pub use store::{Asked, Committed, Queries, RequestFilter, Store, Transaction};
