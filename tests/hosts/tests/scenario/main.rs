//! What people live through on booted hosts. One program, so that several hosts are up at a time to the end.
//!
//! What costs minutes for what it adds is in modules `long`, which `cargo xtask test --long` plays.
#![allow(clippy::unwrap_used)] // a wrong step must stop the story

mod approvers;
mod chat;
mod clock;
mod doors;
mod ends;
mod faults;
mod fleet;
mod life;
mod long;
mod many;
mod modes;
mod package;
mod pam;
mod policies;
mod prompt;
mod sessions;
mod table;
mod watch;
