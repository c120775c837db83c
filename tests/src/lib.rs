//! Real hosts for tests: booted Debian or Ubuntu with systemd, sshd, sudo and the built package, and
//! people who come in by a stock ssh client.
//!
//! A scenario reads like a story:
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let host = testbed::Host::gated("web-1")?;
//! let alice = host.person("alice", &[])?;
//! alice.ssh("true").is_refused_with("holds no grant for ssh");
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]
// Tests are what this crate is for: a wrong step must stop the story and say where.
#![allow(clippy::panic, clippy::print_stderr, clippy::missing_panics_doc)]

mod browser;
mod cgroup;
mod host;
mod image;
mod lan;
pub mod limits;
mod line;
mod machine;
mod node;
mod person;
mod policy;
mod postgres;
mod progress;
mod sandbox;
mod screen;
mod seen;
pub mod teams;

pub use browser::{Browser, Look};
pub use host::{Host, PASSWORD, SPARE};
pub use image::image;
pub use lan::{Lan, Program};
pub use line::BadLine;
pub use machine::{cache, install, package, repository, root_or_explain, run, unpacked};
pub use node::Node;
pub use person::{Client, Person, Terminal};
pub use postgres::Postgres;
pub use progress::Progress;
pub use screen::Screen;
pub use seen::Seen;
