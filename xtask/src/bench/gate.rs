//! `cargo xtask bench gate`: what one decision costs, as ratios to peers in the same run.

use crate::bench::page::put_section;
use crate::dist;
use crate::tools::build_packages;
use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds through all ways, and calls of each way in a round.
const ROUNDS: u32 = 20;
const CALLS: u32 = 100;

/// Measures, prints a table, and puts it into docs/benchmarks.md.
pub fn gate() -> Result<()> {
    testbed::root_or_explain()?;
    build_packages()?;
    dist::dist(dist::For::Tests)?;
    let place = Place::new()?;
    let jitd = place.granted_jitd()?;
    let program = place.compile("gate.c", "gate", &["-lpam"])?;
    let stub = place.compile("stub.c", "stub.so", &["-shared", "-fPIC"])?;
    let echo = place.run.join("echo.sock");
    let module = testbed::repository().join("target/module/libpam_jit.so").canonicalize()?;
    for (service, line) in [
        ("permit", "pam_permit.so".to_owned()),
        ("stub", format!("{} {}", stub.display(), echo.display())),
        ("ours", format!("{} socket={}", module.display(), place.gate().display())),
    ] {
        std::fs::write(place.run.join(service), format!("account required {line}\n"))?;
    }
    let output = {
        let _progress = testbed::Progress::begin("measuring");
        Command::new(program)
            .arg(&place.run)
            .arg(&echo)
            .arg(place.disk.join("fsync"))
            .args(["alice", &ROUNDS.to_string(), &CALLS.to_string()])
            .stdin(Stdio::null())
            .output()?
    };
    drop(jitd);
    ensure!(output.status.success(), "measuring: {}", String::from_utf8_lossy(&output.stderr));
    let page = page(&String::from_utf8_lossy(&output.stdout))?;
    println!("{page}");
    put_section("One decision", &page)
}

/// Folders of one run: sockets under /run, the database and the fsync file on a disk.
struct Place {
    run: PathBuf,
    disk: PathBuf,
}

impl Place {
    fn new() -> Result<Self> {
        let run = PathBuf::from(format!("/run/jit-bench-{}", std::process::id()));
        let disk = testbed::cache()?.join(format!("bench-{}", std::process::id()));
        std::fs::create_dir_all(&run)?;
        std::fs::create_dir_all(&disk)?;
        Ok(Self { run, disk })
    }

    fn gate(&self) -> PathBuf {
        self.run.join("gate.sock")
    }

    fn compile(&self, source: &str, to: &str, how: &[&str]) -> Result<PathBuf> {
        let to = self.run.join(to);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench").join(source);
        testbed::run(
            Command::new("cc").args(["-O2", "-Wall", "-Werror", "-o"]).arg(&to).arg(source).args(how),
        )?;
        Ok(to)
    }

    /// The real daemon, with a grant for alice that bob approved as anybody would.
    fn granted_jitd(&self) -> Result<Running> {
        let (run, disk) = (self.run.display(), self.disk.display());
        std::fs::write(
            self.run.join("passwd"),
            "root:x:0:0::/:/bin/sh\nalice:x:60001:60001::/:/bin/sh\nbob:x:60002:60002::/:/bin/sh\n",
        )?;
        std::fs::write(self.run.join("group"), "jit-approvers:x:60003:bob\n")?;
        let config = self.run.join("jitd.toml");
        std::fs::write(
            &config,
            format!(
                "host = \"bench\"\nstate = \"{disk}\"\n[gate]\nsocket = \"{run}/gate.sock\"\n[control]\nsocket = \"{run}/control.sock\"\n\
                 [syslog]\nsocket = \"{run}/log\"\n[accounts]\npasswd = \"{run}/passwd\"\ngroup = \"{run}/group\"\n"
            ),
        )?;
        let release = testbed::repository().join("target/release");
        let jitd =
            Command::new(release.join("jitd")).arg("--config").arg(&config).stdin(Stdio::null()).spawn()?;
        let running = Running(jitd);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.gate().exists() || !self.run.join("control.sock").exists() {
            ensure!(Instant::now() < deadline, "jitd did not come up");
            std::thread::sleep(Duration::from_millis(10));
        }
        // A login of each: the audit login id is what makes it one.
        let jit = |uid: u32, command: &str| -> Result<String> {
            let line = format!(
                "echo {uid} > /proc/self/loginuid && exec setpriv --reuid={uid} --regid={uid} --clear-groups {} --socket {run}/control.sock {command}",
                release.join("jit").display()
            );
            let output = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output()?;
            ensure!(output.status.success(), "jit {command}: {}", String::from_utf8_lossy(&output.stderr));
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        // PAM services are classes of their own unless they are sshd, sudo or su.
        let asked = jit(60001, "request --service ours --reason bench --for 8h")?;
        let id = asked.split_whitespace().find(|word| word.starts_with("R-")).context("no request")?;
        jit(60002, &format!("approve {id}"))?;
        Ok(running)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Left-overs are files in folders of this run alone.
        let _ = std::fs::remove_dir_all(&self.run);
        let _ = std::fs::remove_dir_all(&self.disk);
    }
}

/// A daemon that ends with the run.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The figures as a page.
fn page(lines: &str) -> Result<String> {
    let figure = |way: &str, form: &str| -> Result<(f64, f64)> {
        let line = lines.lines().find(|line| line.starts_with(&format!("{way} {form} ")));
        let mut fields = line.with_context(|| format!("no figure of {way} {form}"))?.split(' ').skip(2);
        let mut next = || fields.next().and_then(|field| field.parse().ok()).context("no number");
        Ok((next()?, next()?))
    };
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let mut page = format!(
        "`cargo xtask bench gate` on a machine with {cpus} CPUs, release builds, {} calls of each kind in {ROUNDS} \
         interleaved rounds. Microseconds from `pam_start` to `pam_end` with `pam_acct_mgmt` between; *in one process* the caller \
         lives on, *per fork* each call is made by a fresh child, as sshd does. Ours is the release module against the real \
         daemon with a real grant; each answer waits until its record is on the disk.\n\n\
         | | in one process p50 | p99 | x stub | per fork p50 | p99 | x stub |\n|---|---:|---:|---:|---:|---:|---:|\n",
        ROUNDS * CALLS
    );
    for (way, name) in [
        ("fsync", "fdatasync of one page, for comparison"),
        ("socket", "Unix socket: connect, 64 bytes each way, close"),
        ("permit", "pam_permit"),
        ("stub", "C module with one such round trip"),
        ("ours", "pam_jit with jitd, durable first"),
    ] {
        write!(page, "| {name}")?;
        for form in ["process", "fork"] {
            let ((p50, p99), (stub, _)) = (figure(way, form)?, figure("stub", form)?);
            write!(page, " | {p50:.0} | {p99:.0} | {:.1}", p50 / stub)?;
        }
        page.push_str(" |\n");
    }
    let ratio = |form: &str| -> Result<f64> { Ok(figure("ours", form)?.0 / figure("stub", form)?.0) };
    let met = |ratio: f64| if ratio <= 2.0 { "met" } else { "missed" };
    let (process, fork) = (ratio("process")?, ratio("fork")?);
    write!(
        page,
        "\nTarget: at most 2.0 times the stub. In one process {process:.2}: {}. Per fork {fork:.2}: {}. Every allow waits for \
         one fdatasync, which alone costs {:.1} times the stub here.\n",
        met(process),
        met(fork),
        figure("fsync", "process")?.0 / figure("stub", "process")?.0
    )?;
    Ok(page)
}
