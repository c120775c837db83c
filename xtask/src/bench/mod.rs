//! Benchmarks. Figures go into docs/benchmarks.md with the command that made them.

mod desk;
mod fleet;
mod flood;
mod gate;
mod hub;
mod page;
mod sessions;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Clone, Copy, Subcommand)]
pub enum Bench {
    /// One decision through `pam_start` .. `pam_end`, beside its peers in the same run.
    Gate,
    /// Many sessions that end at once, and what they cost the daemon.
    Sessions,
    /// A list of what waits, a review and a replay, with 100,000 requests in the store.
    Desk,
    /// Three booted hosts and their hub: approved until usable, by a command and by a click in Teams; revoked until dead.
    Fleet,
    /// Somebody who runs `sudo -n true` in a loop and is refused: what it does to others, and to the disk.
    Flood,
    /// A hub with 15,000 hosts that listen.
    Hub,
}

/// Measures it.
pub fn bench(bench: Bench) -> Result<()> {
    match bench {
        Bench::Gate => gate::gate(),
        Bench::Sessions => sessions::sessions(),
        Bench::Desk => desk::desk(),
        Bench::Fleet => fleet::fleet(),
        Bench::Flood => flood::flood(),
        Bench::Hub => hub::hub(),
    }
}
