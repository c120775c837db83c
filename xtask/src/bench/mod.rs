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
use std::time::Duration;

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

/// So many of a hundred took no longer than this: the nearest of them by rank, the last for 100.
fn part(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_what_was_measured() {
        let hundred: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        let ms = |sorted: &[Duration], percent| part(sorted, percent).as_millis();
        assert_eq!([50, 99, 100].map(|percent| ms(&hundred, percent)), [50, 99, 100]);
        assert_eq!([50, 99, 100].map(|percent| ms(&hundred[..1], percent)), [1, 1, 1]);
        assert_eq!(ms(&[], 50), 0);
    }
}
