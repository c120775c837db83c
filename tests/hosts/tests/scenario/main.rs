//! What people live through on booted hosts. One program, so that several hosts are up at a time to the end.
#![allow(clippy::unwrap_used)] // a wrong step must stop the story

mod apart;
mod approvers;
mod clock;
mod doors;
mod escapes;
mod faults;
mod fleet;
#[cfg(feature = "long")]
mod held_back;
mod life;
mod many;
mod modes;
mod package;
mod pam;
mod policies;
mod prompt;
mod sessions;
mod stalls;
mod table;
mod trying;
mod watch;
mod ways;
