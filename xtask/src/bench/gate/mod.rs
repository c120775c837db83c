//! `cargo xtask bench gate`: what one decision costs, beside its peers in the same run on a host of its own.

mod chart;
mod crowd;
mod doors;
mod figures;
mod peers;

use crate::bench::page::{machine, put_section};
use crate::dist;
use crate::tools::build_packages;
use anyhow::{Context as _, Result, ensure};
use crowd::Crowd;
use doors::Doors;
use figures::{Figures, Form};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use testbed::{Host, Person, Progress};

/// Callers at a time, rounds through all ways, and calls of each way that each of them makes in a round.
const RUNS: [(u32, u32, u32); 2] = [(1, 40, 50), (8, 40, 8)];

/// Who comes in.
const NAME: &str = "alice";

/// The ways of one decision, as `gate.c` and the PAM services of the run call them, and in words.
const WAYS: [(&str, &str); 10] = [
    ("fsync", "fdatasync of one page, for comparison"),
    ("socket", "Unix socket: connect, 64 bytes each way, close"),
    ("permit", "pam_permit"),
    ("stub", "C module with one such round trip"),
    ("unix", "pam_unix"),
    ("nslcd", "pam_ldap with nslcd, which asks a local slapd"),
    ("sss", "pam_sss with SSSD, its cache warm"),
    ("ours", "pam_jit with jitd, durable first"),
    ("few", "the same among 1,000 grants"),
    ("many", "the same among 1,000,000 grants"),
];

/// Measures, prints tables, and puts them and a chart into docs.
pub fn gate() -> Result<()> {
    testbed::root_or_explain()?;
    build_packages()?;
    dist::dist(dist::For::Tests)?;
    crowd::build()?;
    let machine = machine();
    let host = Host::gated("bench")?;
    let (alice, bob) = (host.person(NAME, &["staff"])?, host.person("bob", &["jit-approvers"])?);
    host.jitd_is_up();
    // PAM services are classes of their own unless they are sshd, sudo or su.
    granted(&alice, &bob, "ssh,sudo,ours", "");
    // Before the packages of the peers put theirs behind these doors too.
    let doors = Doors::of(&host, &alice)?;
    let crowds = [("few", 1_000), ("some", 10_000), ("many", 1_000_000)]
        .map(|(name, grants)| Crowd::begin(&host, [&alice, &bob], name, grants));
    let [few, some, many] = crowds;
    let crowds = [few?, some?, many?];
    peers::install(&host)?;
    services(&host)?;
    let _progress = Progress::begin("measuring");
    let mut figures = Figures::default();
    for (callers, rounds, calls) in RUNS {
        for form in [Form::Process, Form::Fork] {
            figures.add(form, callers, &measured(&host, form, callers, rounds, calls)?)?;
        }
    }
    let mut page = format!(
        "`cargo xtask bench gate` on {machine}, in a booted host that is thrown away: release builds, and the peers as \
         Debian packs them. Microseconds from `pam_start` to `pam_end` with `pam_acct_mgmt` between, {} calls of each \
         kind by one caller and {} by eight at a time, all kinds taking turns in {} rounds, each in another order and each kind after a rest. *In one process* the caller \
         lives on, *per fork* each call is made by a fresh child, as sshd does. Ours is the module of the package \
         against the real daemon with a real grant; each answer waits until its record is on the disk, which those of \
         the peers do not.\n\n![One decision](decision.svg)\n\n",
        calls_of(RUNS[0]),
        calls_of(RUNS[1]),
        RUNS[0].1
    );
    page.push_str(&figures.tables(&WAYS)?);
    page.push_str(&figures.targets()?);
    page.push_str(&doors.told());
    page.push_str(&crowd::told(&crowds));
    println!("{page}");
    let chart = testbed::repository().join("docs/decision.svg");
    std::fs::write(&chart, chart::chart(&figures, &WAYS)?)
        .with_context(|| format!("writing {}", chart.display()))?;
    put_section("One decision", &page)
}

fn calls_of((callers, rounds, calls): (u32, u32, u32)) -> u32 {
    callers * rounds * calls
}

/// A grant for alice that bob approved as anybody would, by the daemon that these options of `jit` name.
fn granted(alice: &Person<'_>, bob: &Person<'_>, services: &str, options: &str) {
    let ask = format!("{options} request --service {services} --for 8h --reason bench");
    // Without a grant she cannot come in to ask for one: the gate has asked for her, or the one before lets her in.
    let first = if options.is_empty() { Some(alice.ssh("true").id("R-")) } else { None };
    if let Some(request) = first {
        bob.jit(&format!("approve {request}")).ends_with(0);
    }
    bob.jit(&format!("{options} approve {}", alice.jit(&ask).id("R-"))).ends_with(0);
}

/// The programs of the run, and a PAM service for each way.
fn services(host: &Host) -> Result<()> {
    for (source, to, how) in [
        ("gate.c", "opt/gate", &["-lpam", "-lpthread"][..]),
        ("stub.c", "opt/stub.so", &["-shared", "-fPIC"]),
    ] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/gate").join(source);
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Werror", "-o"]).arg(host.path(to)).arg(source).args(how);
        testbed::run(&mut cc)?;
    }
    std::fs::create_dir_all(host.path("opt/pam"))?;
    for (service, line) in [
        ("permit", "pam_permit.so"),
        ("stub", "/opt/stub.so /run/echo.sock"),
        ("unix", "pam_unix.so"),
        ("nslcd", "pam_ldap.so"),
        ("sss", "pam_sss.so"),
        ("ours", "pam_jit.so"),
        ("few", "pam_jit.so socket=/run/few/gate.sock"),
        ("many", "pam_jit.so socket=/run/many/gate.sock"),
    ] {
        std::fs::write(host.path(&format!("opt/pam/{service}")), format!("account required {line}\n"))?;
    }
    Ok(())
}

fn measured(host: &Host, form: Form, callers: u32, rounds: u32, calls: u32) -> Result<String> {
    let mut line = format!(
        "rm -f /run/echo.sock; cd / && exec /opt/gate /opt/pam /run/echo.sock /var/lib/fsync {NAME} {form} {callers} {rounds} {calls}"
    );
    for (way, _) in WAYS {
        write!(line, " {way}")?;
    }
    let seen = host.root(&line);
    ensure!(seen.code == 0, "measuring: {seen:#?}");
    Ok(seen.out)
}
