//! Scenarios on booted hosts: see the tests. Here is what several of them do.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    clippy::indexing_slicing
)] // a wrong step must stop the story

pub mod acknowledged;
pub mod asking;
pub mod fleet;
pub mod story;
mod work;

pub use work::{Work, holders};
