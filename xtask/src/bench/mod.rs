//! Benchmarks. Figures go into docs/benchmarks.md with the command that made them.

mod gate;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Clone, Copy, Subcommand)]
pub enum Bench {
    /// One decision through `pam_start` .. `pam_end`, beside its peers in the same run.
    Gate,
}

/// Measures it.
pub fn bench(bench: Bench) -> Result<()> {
    match bench {
        Bench::Gate => gate::gate(),
    }
}
