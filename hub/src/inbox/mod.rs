//! What hosts say: what people on them ask and do, their journals, and which sessions are open there.

mod allowance;
mod asks;
mod journal;
mod past;
mod people;
mod permits;
mod routes;
pub mod rows;
mod sessions;
pub mod uses;

pub use allowance::Allowance;
pub use past::{Past, past, past_of};
pub use permits::Permits;
pub use routes::{for_hosts, for_people};
