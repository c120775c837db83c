//! Chores of this repository: `cargo xtask demo | test | bench | dist`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command for developers speaks on its terminal

mod bench;
mod demo;
mod dist;
mod programs;
mod stages;
mod tools;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Boot a throwaway host and play the main job on it with real ssh and sudo.
    Demo {
        /// Leave the host up, and say how to enter it.
        #[arg(long)]
        keep: bool,
    },
    /// Run every check: format, lints, licenses, tests, fuzzing, scenarios on real hosts.
    Test {
        /// Also the costly ones: mutation testing, many seeds, hundreds of kills, benches.
        #[arg(long)]
        long: bool,
        /// Only these stages.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Measure, and write docs/benchmarks.md.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Build the Debian package.
    Dist,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Demo { keep } => demo::demo(keep),
        Chore::Test { long, only } => stages::test(long, &only),
        Chore::Bench(bench) => bench::bench(bench),
        Chore::Dist => dist::dist(dist::For::People).map(|package| println!("{}", package.display())),
    }
}
