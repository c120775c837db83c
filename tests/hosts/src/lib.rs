//! Scenarios on booted hosts: see the tests. Here is what several of them do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)] // a wrong step must stop the story

mod work;

pub use work::{Work, holders};
