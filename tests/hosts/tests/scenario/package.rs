//! The package on a host: what its daemon may do there, and what an upgrade is to those who come in meanwhile.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stderr)] // how long they waited is told, and not asked for

use hosts::asking::{granted, records};
use std::path::Path;
use std::process::Command;
use testbed::{Host, SPARE};

/// Those who ask all the time.
const ASKERS: u64 = 64;

/// systemd's own measure of what a service may do, from 0 to 10 (systemd-analyze(1)).
#[test]
fn the_daemon_may_do_little_on_its_host() {
    let host = Host::gated("web-1").unwrap();
    let seen = host.root("systemd-analyze security --no-pager jitd.service");
    let (_, level) = seen.out.split_once("Overall exposure level for jitd.service: ").expect("a level");
    let level: f64 = level.split(' ').next().unwrap().parse().unwrap();
    assert!(level <= 2.0, "{}", seen.out);
}

#[test]
fn it_comes_with_its_manual_and_what_shells_complete() {
    let host = Host::gated("web-1").unwrap();
    for page in [
        "man8/pam_jit.8",
        "man8/jitd.8",
        "man1/jit.1",
        "man1/jit-request.1",
        "man1/jit-pam-enable.1",
        "man5/jitd.toml.5",
        "man5/policy.toml.5",
        "man5/people.toml.5",
    ] {
        let (_, section) = page.rsplit_once('.').unwrap();
        host.root(&format!("zcat /usr/share/man/{page}.gz")).ends_with(0).says(&format!(" {section} "));
    }
    for (shell, file) in [
        ("bash", "bash-completion/completions/jit"),
        ("zsh", "zsh/vendor-completions/_jit"),
        ("fish", "fish/vendor_completions.d/jit.fish"),
    ] {
        host.root(&format!("jit completions {shell} | cmp - /usr/share/{file}")).ends_with(0);
    }
}

#[test]
fn an_upgrade_and_a_downgrade_refuse_nobody_and_start_no_sshd() {
    let host = Host::gated("web-1").unwrap();
    let (alice, _bob) = granted(&host);
    let program = host.path("opt/askers");
    let source = testbed::repository().join("tests/hosts/tests/askers.c");
    let mut cc = Command::new("cc");
    testbed::run(
        cc.args(["-O2", "-Wall", "-Werror", "-rdynamic", "-o"]).arg(program).arg(source).arg("-lpam"),
    )
    .unwrap();
    // What is asked here is whether a question is lost, however busy this machine is.
    host.gate("sshd", &format!("spare_user={SPARE} timeout=10")).unwrap();
    for version in ["999", "0"] {
        repacked(&host, version);
    }
    let sshd = host.root("systemctl show -P MainPID ssh").out;
    let mut inside = alice.stays(&[], "echo in > /tmp/inside; exec sleep 1000");
    host.soon("she is inside", || host.root("cat /tmp/inside").code == 0);
    let before = records(&host);
    host.root(&format!(
        "systemd-run --quiet --unit=askers --property=StandardOutput=file:/opt/asked \
         /opt/askers sshd alice {ASKERS} /run/enough"
    ))
    .ends_with(0);
    for (package, version) in [("999", "999"), ("0", "0"), ("jitd", "0.1.0")] {
        host.soon("they ask", || records(&host) > before + ASKERS);
        let daemon = host.root("pidof jitd").out;
        host.root(&format!("dpkg -i /opt/{package}.deb")).ends_with(0);
        let installed = host.root("dpkg-query -W -f '${Version}' jitd").out;
        assert!(installed.starts_with(version), "{installed}");
        assert_ne!(host.root("pidof jitd").out, daemon, "the daemon of the other package runs");
        host.jitd_is_up();
        let since = records(&host);
        host.soon("they still ask", || records(&host) > since + ASKERS);
    }
    host.root("touch /run/enough").ends_with(0);
    host.soon("they are over", || host.root("systemctl is-active askers").out.trim() != "active");
    let seen = std::fs::read_to_string(host.path("opt/asked")).unwrap();
    let seen: Vec<u64> = seen.split_ascii_whitespace().map(|number| number.parse().unwrap()).collect();
    let [asked, refused, worst] = seen[..] else { panic!("{seen:?}") };
    eprintln!("{asked} questions over three changes of the package, the longest wait {worst} ms");
    assert!(asked > 3 * ASKERS, "{asked}");
    let why = || host.root("journalctl --no-pager -o short-precise | grep -v decision=allow | tail -200").out;
    assert_eq!(refused, 0, "of {asked}:\n{}", why());
    assert_eq!(host.root("systemctl show -P MainPID ssh").out, sshd, "sshd is the one of before");
    assert!(!inside.is_over(), "who was inside still is");
}

/// The package again, as this version, in `/opt`.
fn repacked(host: &Host, version: &str) {
    let package = testbed::package("jitd").unwrap();
    let folder = host.scratch().join(version);
    let to: &Path = &host.path(&format!("opt/{version}.deb"));
    testbed::run(Command::new("dpkg-deb").arg("-R").arg(package).arg(&folder)).unwrap();
    let control = folder.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix("Version: ") {
        Some(_) => format!("Version: {version}\n"),
        None => format!("{line}\n"),
    });
    std::fs::write(&control, lines.collect::<String>()).unwrap();
    testbed::run(Command::new("dpkg-deb").args(["--root-owner-group", "-Znone", "-b"]).arg(folder).arg(to))
        .unwrap();
}
