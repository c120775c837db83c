//! `cargo xtask bench hub`: what a hub costs with a fleet that listens, and how soon the fleet hears of a change.

use crate::bench::page::{met, put_section};
use crate::tools::cargo;
use anyhow::{Context as _, Result, ensure};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::process::Command;

/// Hosts of one hub, and of the replicas of another.
const HOSTS: u64 = 15_000;
const REPLICAS: u64 = 2;

/// Targets: bytes of resident memory for a host, milliseconds, reviews a second.
const BYTES: u64 = 25_000;
const TO_ALL_MS: u64 = 600;
const TO_SOME_MS: u64 = 50;
const REVIEWS: u64 = 500;

/// Measures, prints a table, and puts it into docs/benchmarks.md.
pub fn hub() -> Result<()> {
    // With those that the packages are built with, or it would be built once more.
    cargo(&["build", "--release", "--quiet", "-p", "jitd", "-p", "jit", "-p", "hub"])?;
    // Beside the program that it measures, which is built without what this needs.
    cargo(&[
        "build",
        "--release",
        "--quiet",
        "-p",
        "hub",
        "--example",
        "fleet",
        "--target-dir",
        "target/fleet",
    ])?;
    let machine = super::page::machine();
    let one = Figures::measure("measuring a hub on SQLite", None)?;
    let several = Figures::measure("measuring two hubs on PostgreSQL", Some(REPLICAS))?;
    let page = page(&machine, &one, &several)?;
    println!("{page}");
    put_section("The hub", &page)
}

fn page(machine: &str, one: &Figures, several: &Figures) -> Result<String> {
    let mut page = format!(
        "`cargo xtask bench hub` on {machine}. The release `jit-hub` on the loopback, with the generator of the load on the \
         same CPUs: {HOSTS} hosts, each a TLS 1.3 connection that made a full handshake, asked for a nonce and listens by \
         a call that it signed. Every message is read as far as to know what it tells of; {} of {} were verified \
         (`sync::apply`), those of one host in a hundred. Milliseconds until a host has heard, unless it says otherwise; \
         processor time is the hub's own.\n\n\
         | | on SQLite p50 | p99 | last | {REPLICAS} hubs on PostgreSQL p50 | p99 | last |\n|---|---:|---:|---:|---:|---:|---:|\n",
        one.number("verified")?,
        one.number("read")?,
    );
    for (what, name) in [
        ("keys-to-all", "keys rotated (`jit-hub keys rotate`, SIGHUP), all hosts"),
        ("grants-to-all", "grants of 256 hosts each, approved one after the other, all hosts"),
        ("grant-to-some", "100 grants of 10 hosts each, from the click on"),
        ("review", "a review, of 3000 by 16 connections, answered"),
        ("back", "back after a restart, by a pause of up to 10 s as in `jitd`"),
    ] {
        let (one, several) = (one.spread(what)?, several.spread(what)?);
        writeln!(page, "| {name} | {one} | {several} |")?;
    }
    page.push_str("\n| | on SQLite | on PostgreSQL |\n|---|---:|---:|\n");
    for (what, name) in [
        ("bytes-per-host", "resident bytes for a host that listens"),
        ("resident-bare-kb", "resident KB without hosts"),
        ("resident-later-kb", "resident KB at the end, each host with a grant of 256"),
        ("message-bytes", "bytes of what a host without grants is told each 20 s"),
        ("idle-processor-ms-per-s", "processor time of keep-alives, ms a second"),
        ("keys-processor-us-per-host", "processor time of new keys, us a host"),
        ("grants-for-all", "grants of 256 hosts each"),
        ("grants-for-all-answered-ms", "until the last of them was approved, ms"),
        ("grants-processor-us-per-host", "processor time of them, us a host"),
        ("reviews-per-s", "reviews a second, each with its grant, signature and a host that hears"),
        ("review-processor-us", "processor time of one, us"),
        ("tries-that-failed", "tries of hosts that failed after the restart"),
    ] {
        writeln!(page, "| {name} | {} | {} |", one.number(what)?, several.number(what)?)?;
    }
    let twice = several.p99("keys-to-all")? <= 2 * one.p99("keys-to-all")?
        && several.p99("grant-to-some")? <= 2 * one.p99("grant-to-some")?;
    writeln!(
        page,
        "\nTargets: at most {BYTES} bytes a host: {}. A change for all, of keys, p99 under {TO_ALL_MS} ms: {}. To 10 hosts p99 under \
         {TO_SOME_MS} ms: {}. All back without an error: {}. {REVIEWS} reviews a second: {}. These two changes by two hubs on PostgreSQL within twice of that: {}.",
        met(one.number("bytes-per-host")? <= BYTES),
        met(one.p99("keys-to-all")? < TO_ALL_MS * 1000),
        met(one.p99("grant-to-some")? < TO_SOME_MS * 1000),
        met(one.number("tries-that-failed")? == 0),
        met(one.number("reviews-per-s")? >= REVIEWS),
        met(twice)
    )?;
    Ok(page)
}

/// What the program said, by the first word of a line.
struct Figures(HashMap<String, Vec<u64>>);

impl Figures {
    fn measure(doing: &'static str, replicas: Option<u64>) -> Result<Self> {
        let folder = testbed::cache()?.join(format!("bench-hub-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let target = testbed::repository().join("target");
        let output = {
            let _progress = testbed::Progress::begin(doing);
            let mut command = Command::new(target.join("fleet/release/examples/fleet"));
            command.arg(target.join("release/jit-hub")).arg(&folder).arg(HOSTS.to_string());
            command.args(replicas.map(|number| number.to_string())).output()
        };
        // Left-overs are files in a folder of this run alone.
        let _ = std::fs::remove_dir_all(&folder);
        let output = output.context(doing)?;
        ensure!(output.status.success(), "{doing}: {}", String::from_utf8_lossy(&output.stderr));
        Self::read(&String::from_utf8_lossy(&output.stdout))
    }

    fn read(lines: &str) -> Result<Self> {
        let line = |line: &str| {
            let mut fields = line.split('\t');
            let what = fields.next().unwrap_or_default().to_owned();
            let numbers = fields.map(str::parse).collect::<Result<_, _>>();
            Ok((what, numbers.with_context(|| format!("no figure: {line}"))?))
        };
        lines.lines().map(line).collect::<Result<_>>().map(Self)
    }

    fn of(&self, what: &str) -> Result<&[u64]> {
        Ok(self.0.get(what).with_context(|| format!("no figure of {what}"))?)
    }

    fn number(&self, what: &str) -> Result<u64> {
        self.of(what)?.first().copied().with_context(|| format!("{what} without a number"))
    }

    /// In microseconds.
    fn p99(&self, what: &str) -> Result<u64> {
        self.of(what)?.get(2).copied().with_context(|| format!("{what} without a p99"))
    }

    /// p50, p99 and the last, in milliseconds.
    fn spread(&self, what: &str) -> Result<String> {
        let ms = |us: &u64| format!("{}.{}", us / 1000, us % 1000 / 100);
        Ok(self.of(what)?.iter().skip(1).map(ms).collect::<Vec<_>>().join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_word_and_a_missing_one_is_an_error() {
        let figures = Figures::read("read\t7\nback\t3\t1250\t20999\t30000\n").unwrap();
        assert_eq!(figures.number("read").unwrap(), 7);
        assert_eq!(figures.p99("back").unwrap(), 20_999);
        assert_eq!(figures.spread("back").unwrap(), "1.2 | 20.9 | 30.0");
        assert!(figures.p99("read").is_err() && figures.number("nothing").is_err());
        assert!(Figures::read("read\tmany").is_err());
    }
}
