//! Daemons that hold the grants of many others beside alice's.

use super::granted;
use crate::bench::page::met;
use crate::tools::cargo;
use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};
use testbed::{Host, Person, Progress};

/// Grants of each of the others: one asks for access more than once.
const EACH: u32 = 100;

/// A daemon is up within this, also with a million grants.
const START: Duration = Duration::from_secs(180);

/// What it may cost, and at how many grants that is asked for.
const TARGET_GRANTS: u32 = 10_000;
const TARGET_MS: u64 = 200;
const TARGET_MB: f64 = 20.0;

/// One of them.
pub struct Crowd {
    grants: u32,
    ready: Duration,
    /// KiB.
    resident: u32,
}

/// The program that puts grants into a store.
pub fn build() -> Result<()> {
    cargo(&["build", "--release", "--quiet", "-p", "desk", "--example", "held"])
}

impl Crowd {
    /// Starts a daemon of this name that holds so many, one of them alice's for the service of that name.
    pub fn begin(host: &Host, [alice, bob]: [&Person<'_>; 2], name: &str, grants: u32) -> Result<Self> {
        let _progress = Progress::begin(&format!("a daemon with {grants} grants"));
        let folder = host.path(&format!("opt/{name}"));
        std::fs::create_dir_all(folder.join("state"))?;
        // The others are people of this machine, or they could hold nothing.
        let mut passwd = std::fs::read_to_string(host.path("etc/passwd"))?;
        for number in 0..=grants / EACH {
            writeln!(passwd, "p{number}:x:{0}:{0}::/:/bin/sh", 100_000 + number)?;
        }
        std::fs::write(folder.join("passwd"), passwd)?;
        std::fs::write(
            folder.join("jitd.toml"),
            format!(
                "state = \"/opt/{name}/state\"\n[gate]\nsocket = \"/run/{name}/gate.sock\"\n[control]\nsocket = \"/run/{name}/control.sock\"\n\
                 [accounts]\npasswd = \"/opt/{name}/passwd\"\n[journal]\nmax_bytes = 17179869184\n"
            ),
        )?;
        host.root(&format!("mkdir -p /run/{name}")).ends_with(0);
        start(host, name)?;
        granted(alice, bob, name, &format!("--socket /run/{name}/control.sock"));
        host.root(&format!("systemctl stop {name}")).ends_with(0);
        testbed::run(
            Command::new(testbed::repository().join("target/release/examples/held"))
                .arg(folder.join("state/jitd.db"))
                .args([(grants - 1).to_string(), EACH.to_string()]),
        )?;
        start(host, name)?;
        let shown = |property: &str| -> Result<u64> {
            let seen = host.root(&format!("systemctl show -P {property} {name}"));
            seen.out.trim().parse().with_context(|| format!("{property} of {name}: {seen:?}"))
        };
        let ready = shown("ActiveEnterTimestampMonotonic")? - shown("ExecMainStartTimestampMonotonic")?;
        let status = host.root(&format!("cat /proc/{}/status", shown("MainPID")?)).out;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let resident = resident.trim().trim_end_matches(" kB").parse()?;
        Ok(Self { grants, ready: Duration::from_micros(ready), resident })
    }
}

/// As the package starts its own: systemd hears when it is ready.
fn start(host: &Host, name: &str) -> Result<()> {
    host.root(&format!(
        "systemd-run --quiet --no-block --unit={name} --property=Type=notify --property=Nice=-5 \
         --property=TimeoutStartSec={} /usr/sbin/jitd --config /opt/{name}/jitd.toml",
        START.as_secs()
    ))
    .ends_with(0);
    let deadline = Instant::now() + START;
    while host.root(&format!("systemctl is-active {name}")).out.trim() != "active" {
        let log = || host.root(&format!("journalctl -q -n 5 -u {name}")).out;
        ensure!(Instant::now() < deadline, "the daemon {name} did not come up: {}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// In words.
pub fn told(crowds: &[Crowd]) -> String {
    let mut page =
        "| grants that jitd holds | ready after its start, ms | resident MB |\n|---:|---:|---:|\n".to_owned();
    let mut target = String::new();
    for Crowd { grants, ready, resident } in crowds {
        let (ms, mb) = (ready.as_millis(), f64::from(*resident) * 1024.0 / 1e6);
        page.push_str(&format!("| {grants} | {ms} | {mb:.1} |\n"));
        if *grants == TARGET_GRANTS {
            target = format!(
                "\nTargets with {grants} grants: ready within {TARGET_MS} ms: {}. At most {TARGET_MB} MB: {}.\n",
                met(ms <= u128::from(TARGET_MS)),
                met(mb <= TARGET_MB)
            );
        }
    }
    page + &target
}
