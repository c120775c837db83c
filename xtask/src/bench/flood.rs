//! `cargo xtask bench flood`: what somebody does to others, and to the disk, who runs `sudo -n true` in a loop and is refused.

use crate::bench::page::{machine, met, put_section};
use crate::dist;
use crate::tools::build_packages;
use anyhow::{Context as _, Result, ensure};
use frame::{Phase, Question, Verdict};
use hosts::asking::{answered, asked};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use testbed::{Host, Person, Progress};

/// Turns, each without the loop and with it.
const ROUNDS: usize = 10;

/// Logins of somebody else in each.
const LOGINS: usize = 300;

/// Refusals by which it is found how many an hour has.
const TRIAL: u32 = 300;

/// Measures, prints a table, and puts it into docs/benchmarks.md.
pub fn flood() -> Result<()> {
    testbed::root_or_explain()?;
    build_packages()?;
    dist::dist(dist::For::Tests)?;
    let machine = machine();
    let host = Host::gated("bench")?;
    let bob = host.person("bob", &["jit-approvers"])?;
    let [alice, mallory] = [host.person("alice", &[])?, host.person("mallory", &["staff"])?];
    host.jitd_is_up();
    for person in [&alice, &mallory] {
        bob.jit(&format!("approve {}", person.ssh("true").id("R-"))).ends_with(0);
    }
    let _progress = Progress::begin("measuring");
    let each = trial(&mallory)?;
    let (mut quiet, mut meanwhile) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        logins(&host, &mut quiet)?;
        let loops = mallory.stays(&[], "exec sh -c 'while :; do sudo -n true; done' 2> /dev/null");
        host.soon("the loop runs", || host.root("pgrep -u mallory -f while").code == 0);
        logins(&host, &mut meanwhile)?;
        host.root("pkill -KILL -u mallory -f while").ends_with(0);
        drop(loops);
    }
    let an_hour = 3600.0 / each.as_secs_f64();
    let hour = Hour::of(&host, &mallory, an_hour)?;
    let mut page = format!(
        "`cargo xtask bench flood` on {machine}. On a booted host somebody who holds a grant for ssh runs `sudo -n true` in a \
         loop: {:.0} refusals an hour. Microseconds of somebody else's login, asked of the gate's socket with the record durable \
         first, {} of them without the loop and as many with it, taking turns.\n\n| | p50 | p99 |\n|---|---:|---:|\n",
        an_hour,
        ROUNDS * LOGINS
    );
    for (what, took) in [("without", &mut quiet), ("with the loop", &mut meanwhile)] {
        took.sort();
        writeln!(page, "| {what} | {} | {} |", part(took, 50).as_micros(), part(took, 99).as_micros())?;
    }
    let ratio = part(&meanwhile, 99).as_secs_f64() / part(&quiet, 99).as_secs_f64();
    writeln!(
        page,
        "\nTarget: p99 with the loop at most 2.0 times that without: {ratio:.2}, {}. As many refusals as an hour has, sent to \
         the gate one after the other in {} s: {} records and {} KB more on the disk, journal and system log together, of which journald takes its own in pieces of 8 MB; {} in \
         an hour, for equal refusals are counted by the minute. Another refusal of theirs in the middle of it, at su, is a record of \
         its own.",
        met(ratio <= 2.0),
        hour.took.as_secs(),
        hour.records,
        hour.bytes / 1024,
        hour.told()
    )?;
    println!("{page}");
    put_section("A flood of refusals", &page)
}

fn part(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

/// How long one refusal of sudo takes, from its start to its end.
fn trial(mallory: &Person<'_>) -> Result<Duration> {
    let since = "date +%s%N";
    let loops = format!("{since}; for i in $(seq {TRIAL}); do sudo -n true; done 2> /dev/null; {since}");
    let said = mallory.ssh(&loops).out;
    let times: Vec<u64> = said.lines().map(str::parse).collect::<Result<_, _>>()?;
    let [begun, ended] = times.as_slice() else { anyhow::bail!("the loop says {said:?}") };
    Ok(Duration::from_nanos(ended.saturating_sub(*begun)) / TRIAL)
}

/// Somebody else comes in.
fn logins(host: &Host, took: &mut Vec<Duration>) -> Result<()> {
    for _ in 0..LOGINS {
        let since = Instant::now();
        ensure!(asked(host, "alice", "bench") == Some(Verdict::Allow), "alice is not let in");
        took.push(since.elapsed());
    }
    Ok(())
}

/// An hour's worth of refusals, at once.
struct Hour {
    took: Duration,
    records: u64,
    bytes: u64,
}

impl Hour {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // some hundred thousand
    fn of(host: &Host, mallory: &Person<'_>, refusals: f64) -> Result<Self> {
        let knocks = |service: &[u8]| Question {
            service: service.to_vec(),
            ..Question::at_sshd(Phase::Account, mallory.name())
        };
        let (question, other) = (knocks(b"sudo"), knocks(b"su"));
        let before = (hosts::asking::records(host), on_disk(host)?);
        let since = Instant::now();
        for number in 0..refusals as u32 {
            let verdict = answered(host, &question);
            ensure!(verdict == Some(Verdict::Deny), "refusal {number} is {verdict:?}");
            if number == refusals as u32 / 2 {
                ensure!(answered(host, &other) == Some(Verdict::Deny), "su is not refused");
            }
        }
        let took = since.elapsed();
        let own = "jit audit tail -n 1000 | grep -c 'decision=deny.*user=mallory.*service=su '";
        ensure!(host.root(own).out.trim() != "0", "the refusal at su is hidden");
        // Counts are written down once their minute is over.
        std::thread::sleep(Duration::from_secs(75));
        let (records, bytes) = (hosts::asking::records(host), on_disk(host)?);
        Ok(Self { took, records: records - before.0, bytes: bytes.saturating_sub(before.1) })
    }

    /// What a whole hour adds, at the pace of this one.
    fn told(&self) -> String {
        let minutes = self.took.as_secs().div_ceil(60).max(1);
        format!("that is at most {} records", self.records * 60 / minutes)
    }
}

/// Bytes of the journal and the log.
fn on_disk(host: &Host) -> Result<u64> {
    let said = host.root("sync; du -sbc /var/lib/jitd /var/log | tail -n 1 | cut -f 1").out;
    said.trim().parse().context("how much is on the disk")
}
