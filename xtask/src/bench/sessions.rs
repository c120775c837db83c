//! `cargo xtask bench sessions`: how fast many sessions end at once, and what they cost the daemon.

use crate::bench::page::{met, put_section};
use crate::bench::part;
use crate::dist;
use crate::tools::build_packages;
use anyhow::{Context as _, Result, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testbed::{Client, Host, Progress, Seen};

/// Sessions by real ssh clients that are revoked at once, and how many log in at a time.
const SSH: usize = 500;
const AT_A_TIME: usize = 16;

/// Sessions whose cost is measured. They are opened as sshd opens them, without the rest of ssh.
const OPEN: usize = 2000;

/// The PAM service of those.
const SERVICE: &str = "opener";

/// Measures, prints a table, and puts it into docs/benchmarks.md.
pub fn sessions() -> Result<()> {
    testbed::root_or_explain()?;
    build_packages()?;
    dist::dist(dist::For::Tests)?;
    let host = Host::gated("web-1")?;
    host.person("alice", &[])?;
    host.person("bob", &["jit-approvers"])?;
    host.jitd_is_up();
    let elsewhere = by_ssh(&host, true)?;
    let here = by_ssh(&host, false)?;
    prepare(&host)?;
    let (as_many, _) = by_pam(&host, SSH)?;
    let (by_pam, grown) = by_pam(&host, OPEN)?;
    let row = |what: &str, ends: &[Duration]| {
        let [p50, p99, last] = [50, 99, 100].map(|percent| part(ends, percent).as_millis());
        format!("| {what} | {} | {p50} | {p99} | {last} |\n", ends.len())
    };
    let page = format!(
        "`cargo xtask bench sessions` on a machine with {} CPUs, release builds, a booted host. Milliseconds from \
         `jit revoke` as it is typed until each process of the sessions is gone, as their handles tell outside of \
         the host.\n\n| revoked at once | processes | p50 | p99 | last |\n|---|---:|---:|---:|---:|\n{}{}{}{}\n\
         {OPEN} open sessions cost jitd {grown} bytes of resident memory each.\n\n\
         Target: p99 under 1000 ms, {} for the sessions and {} with their clients ending on the same CPUs; under \
         4096 bytes, {}.\n",
        std::thread::available_parallelism().map_or(1, usize::from),
        row(&format!("{SSH} sessions by ssh, the clients stopped, as if they were elsewhere"), &elsewhere),
        row(&format!("{SSH} sessions by ssh, the clients ending on the same CPUs"), &here),
        row(&format!("{SSH} sessions opened through PAM, without clients"), &as_many),
        row(&format!("{OPEN} sessions opened through PAM"), &by_pam),
        met(part(&elsewhere, 99).as_millis() < 1000),
        met(part(&here, 99).as_millis() < 1000),
        met(grown < 4096),
    );
    println!("{page}");
    put_section("Sessions", &page)
}

/// With clients that cost this machine nothing when they end, or that end on it.
fn by_ssh(host: &Host, elsewhere: bool) -> Result<Vec<Duration>> {
    let grant = grant(host, "ssh")?;
    let alice = host.person("alice", &[])?;
    let mut clients: Vec<Client> = Vec::new();
    {
        let _progress = Progress::begin(&format!("opening {SSH} sessions by ssh"));
        while clients.len() < SSH {
            let more = AT_A_TIME.min(SSH - clients.len());
            clients.extend((0..more).map(|_| alice.stays(&[], "exec sleep 100000")));
            let want = clients.len();
            host.soon("all of them are in", || open_sessions(host) >= want);
        }
    }
    if elsewhere {
        clients.iter().for_each(Client::freeze);
    }
    revoked(host, &grant)
}

/// The program that opens sessions as sshd does, and its PAM service.
fn prepare(host: &Host) -> Result<()> {
    let program = host.path("opt/opener");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/opener.c");
    testbed::run(
        Command::new("cc").args(["-O2", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).arg("-lpam"),
    )?;
    std::fs::write(
        host.path(&format!("etc/pam.d/{SERVICE}")),
        "account [success=ok default=die] pam_jit.so\nsession required pam_loginuid.so\n\
         session [success=ok module_unknown=ignore default=bad] pam_jit.so\n",
    )?;
    Ok(())
}

fn by_pam(host: &Host, count: usize) -> Result<(Vec<Duration>, u64)> {
    let grant = grant(host, SERVICE)?;
    host.root("systemctl restart jitd").ends_with(0);
    host.jitd_is_up();
    // Threads, caches and the first of everything are there afterwards.
    let open = |count: usize| {
        let already = open_sessions(host);
        host.root(&format!(
            "systemd-run --quiet --property=TasksMax=infinity /opt/opener {SERVICE} alice {count}"
        ));
        host.soon("all of them are open", || open_sessions(host) >= already + count);
    };
    let _progress = Progress::begin(&format!("opening {count} sessions through PAM"));
    open(100);
    let before = resident(host)?;
    let step = 250;
    (0..count / step).for_each(|_| open(step));
    let grown = resident(host)?.saturating_sub(before) / count as u64;
    Ok((revoked(host, &grant)?, grown))
}

/// A grant of this service for alice.
fn grant(host: &Host, service: &str) -> Result<String> {
    let alice = host.root(&format!("jit request --user alice --service {service} --for 8h --reason bench"));
    let bob = host.person("bob", &["jit-approvers"])?;
    Ok(bob.jit(&format!("approve {}", alice.id("R-"))).id("G-"))
}

fn open_sessions(host: &Host) -> usize {
    let status = host.root("jit status --json").out;
    let count = status
        .split("\"sessions\":")
        .nth(1)
        .and_then(|rest| rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    count.unwrap_or(0)
}

/// Resident bytes of the daemon.
fn resident(host: &Host) -> Result<u64> {
    let pid = host.root("pidof jitd").out.trim().to_owned();
    let status = host.root(&format!("cat /proc/{pid}/status")).out;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}

/// Has this thread look before all that it looks at, by the priority of chrt(1), or like any other with `0`:
/// who waits for a processor among five hundred clients sees ends when its turn comes, not when they are.
fn look_first(priority: &str) -> Result<()> {
    let policy = if priority == "0" { "--other" } else { "--rr" };
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    testbed::run(Command::new("chrt").args(["--reset-on-fork", policy, "--pid", priority, &thread]))
}

/// Revokes the grant and waits until every process of alice's logins is gone.
fn revoked(host: &Host, grant: &str) -> Result<Vec<Duration>> {
    let held = logins_of(host, "alice")?;
    let _progress = Progress::begin(&format!("revoking; {} processes", held.len()));
    let (ends, answered) = ends_by(&held, || host.root(&format!("jit revoke {grant} --reason bench")))?;
    println!("the command was answered after {} ms", answered.as_millis());
    Ok(ends)
}

/// The processes of this person's logins on a host.
pub fn logins_of(host: &Host, person: &str) -> Result<Vec<OwnedFd>> {
    let uid = host.root(&format!("id -u {person}")).out.trim().to_owned();
    let inside = std::fs::read_link(format!("/proc/{}/ns/pid", host.init()))?;
    let mut held = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let process = entry.path();
        let here = std::fs::read_link(process.join("ns/pid")).is_ok_and(|ns| ns == inside);
        let login = std::fs::read_to_string(process.join("loginuid")).unwrap_or_default();
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let (true, true, Some(pid)) = (here, login.trim() == uid, pid) {
            held.extend(pidfd_open(pid, PidfdFlags::empty()));
        }
    }
    ensure!(!held.is_empty(), "{person} has no session on {}", host.name());
    Ok(held)
}

/// Does this, and waits until each process is gone: how long each took, shortest first, and until the answer.
pub fn ends_by(held: &[OwnedFd], revokes: impl FnOnce() -> Seen + Send) -> Result<(Vec<Duration>, Duration)> {
    let ending = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (process, data) in held.iter().zip(0..) {
        epoll::add(
            &ending,
            process,
            epoll::EventData::new_u64(data),
            epoll::EventFlags::IN | epoll::EventFlags::ONESHOT,
        )?;
    }
    look_first("10")?;
    let since = Instant::now();
    let revoking = std::thread::scope(|scope| {
        let revokes = scope.spawn(|| {
            let seen = revokes();
            (seen, since.elapsed())
        });
        let (mut ends, mut events) = (Vec::new(), Vec::with_capacity(held.len()));
        while ends.len() < held.len() && since.elapsed() < Duration::from_secs(60) {
            events.clear();
            let tick = Timespec { tv_sec: 1, tv_nsec: 0 };
            // Told of each end once; a signal that breaks in changes nothing.
            let _ = epoll::wait(&ending, spare_capacity(&mut events), Some(&tick));
            ends.extend(events.iter().map(|_| since.elapsed()));
        }
        revokes.join().map(|seen| (seen, ends))
    });
    look_first("0")?;
    let ((seen, answered), ends) = revoking.map_err(|_| anyhow::anyhow!("revoking failed"))?;
    seen.ends_with(0);
    ensure!(ends.len() == held.len(), "{} processes are left", held.len() - ends.len());
    Ok((ends, answered))
}
