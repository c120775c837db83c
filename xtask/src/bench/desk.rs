//! `cargo xtask bench desk`: what a list of what waits, a review and a replay cost on a full store.

use crate::bench::page::{met, put_section};
use crate::tools::cargo;
use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;

/// Requests in the store, and those of them that wait.
const COUNT: u32 = 100_000;
const PENDING: u32 = 500;

/// p99 of a list and of a review, in microseconds.
const TARGET: u32 = 10_000;

/// The slowest replay, in microseconds.
const REPLAY_TARGET: u32 = 5_000_000;

/// Measures, prints a table, and puts it into docs/benchmarks.md.
pub fn desk() -> Result<()> {
    cargo(&["build", "--release", "--quiet", "-p", "desk", "--example", "full"])?;
    let folder = testbed::cache()?.join(format!("bench-desk-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let output = {
        let _progress = testbed::Progress::begin("measuring");
        std::process::Command::new(testbed::repository().join("target/release/examples/full"))
            .arg(&folder)
            .args([COUNT.to_string(), PENDING.to_string()])
            .output()
    };
    // Left-overs are files in a folder of this run alone.
    let _ = std::fs::remove_dir_all(&folder);
    let output = output.context("measuring")?;
    ensure!(output.status.success(), "measuring: {}", String::from_utf8_lossy(&output.stderr));
    let section = section(&String::from_utf8_lossy(&output.stdout))?;
    println!("{section}");
    put_section("The desk", &section)
}

fn section(lines: &str) -> Result<String> {
    let mut page = format!(
        "`cargo xtask bench desk` on {}. {COUNT} requests over 90 days in the store, {PENDING} of which wait; 20 rules, \
         1000 people. Microseconds of one call at a time, in the process and over HTTP on a Unix socket with the \
         client that `jit` uses (its own start not counted). A review is an approval with its grant, waited for until it \
         is on the disk.\n\n| | p50 | p99 | by HTTP p50 | p99 |\n|---|---:|---:|---:|---:|\n",
        super::page::machine()
    );
    let mut worst = 0;
    for (what, who, name) in [
        ("list", "chief", "what waits, for an approver of everything"),
        ("list", "auditor", "the same, for an auditor"),
        ("list", "lead3", "the same, for an approver of a part"),
        ("list", "p1", "the same, for somebody who may see nothing of it"),
        ("review", "chief", "a review"),
    ] {
        let by_itself = figure(lines, what, who)?;
        let by_http = figure(lines, &format!("{what}-http"), who)?;
        let Figure { shown, p50, p99, .. } = by_itself;
        let shown = if what == "list" { format!(" ({shown} shown)") } else { String::new() };
        writeln!(page, "| {name}{shown} | {p50} | {p99} | {} | {} |", by_http.p50, by_http.p99)?;
        worst = worst.max(p99).max(by_http.p99);
    }
    writeln!(
        page,
        "\nTarget: p99 under 10 ms. The worst is {:.1} ms: {}.",
        f64::from(worst) / 1000.0,
        met(worst < TARGET)
    )?;
    let replay = figure(lines, "replay", "auditor")?;
    let processor = figure(lines, "replay-processor", "auditor")?;
    let seconds = |micros: u32| f64::from(micros) / 1_000_000.0;
    writeln!(
        page,
        "\nA replay of all {} under two other policies, as `jit policy diff OLD NEW --replay 90d` has it made, {} times: \
         half of them within {:.2} s, with {:.2} s of processor time each.\n\n\
         Target: under 5 s. The slowest took {:.2} s: {}.",
        replay.shown,
        replay.calls,
        seconds(replay.p50),
        seconds(processor.p50),
        seconds(replay.p99),
        met(replay.p99 < REPLAY_TARGET)
    )?;
    Ok(page)
}

/// One line of the program: how many things a call was about, how many calls, and how long they took.
struct Figure {
    shown: u32,
    calls: u32,
    p50: u32,
    p99: u32,
}

fn figure(lines: &str, what: &str, who: &str) -> Result<Figure> {
    let start = format!("{what}\t{who}\t");
    let line = lines.lines().find_map(|line| line.strip_prefix(&start));
    let mut fields = line.with_context(|| format!("no figure of {start}"))?.split('\t');
    let mut next = || fields.next().and_then(|field| field.parse().ok()).context("no number");
    Ok(Figure { shown: next()?, calls: next()?, p50: next()?, p99: next()? })
}
