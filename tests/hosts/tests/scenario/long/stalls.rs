//! A disk that hangs for a while, and one that hangs for good: made from outside, by strace.

use std::time::{Duration, Instant};
use testbed::{Host, Person};

const CANNOT_RECORD: &str = "cannot record logins now, so it lets nobody in";

/// A host on which alice holds a grant for ssh.
fn granted(host: &Host) -> Person<'_> {
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
    alice.ssh("true").is_in();
    alice
}

/// From now on the journal hangs for `seconds` at each write.
fn the_disk_will_hang(host: &Host, seconds: u32) {
    host.root(&format!(
        "strace -f -qq -o /dev/null -e inject=fsync,fdatasync:delay_enter={seconds}000000 -p $(pidof jitd) \
         > /dev/null 2>&1 & echo $! > /run/strace.pid"
    ));
    host.soon("strace is attached", || {
        host.root("grep -L 'TracerPid:.0$' /proc/$(pidof jitd)/task/*/status | wc -l").out.trim()
            == host.root("ls /proc/$(pidof jitd)/task | wc -l").out.trim()
    });
}

/// The same, and it hangs already.
fn the_disk_hangs(host: &Host, seconds: u32) {
    the_disk_will_hang(host, seconds);
    // A reload is recorded.
    host.root("kill -HUP $(pidof jitd)").ends_with(0);
    host.soon("the writer hangs", || {
        host.root("grep -l '^Name:.writer$' /proc/$(pidof jitd)/task/*/status | xargs grep '^State:'")
            .out
            .contains("t (tracing stop)")
    });
}

/// Records in the journal that let alice in.
fn let_in(host: &Host) -> usize {
    let tail = host.root("jit audit tail -n 1000");
    tail.ends_with(0);
    tail.out.lines().filter(|line| line.contains("decision=allow reason=granted user=alice")).count()
}

#[test]
fn a_login_refused_while_the_disk_hung_is_not_recorded_as_let_in_when_it_wakes() {
    let host = Host::gated("web-1").unwrap();
    let alice = granted(&host);
    let before = let_in(&host);
    // Less than the watchdog waits.
    the_disk_hangs(&host, 8);
    let pid = host.root("pidof jitd").out;
    let since = Instant::now();
    alice.ssh("true").is_refused_with(CANNOT_RECORD);
    assert!(since.elapsed() < Duration::from_secs(6), "it was refused while it hung: {:?}", since.elapsed());
    host.root("kill -TERM $(cat /run/strace.pid)");
    host.soon("it lets in again by itself", || alice.ssh("true").code == 0);
    assert_eq!(host.root("pidof jitd").out, pid, "a disk that is slow for a while needs no new daemon");
    // Account and session of the login that was let in.
    assert_eq!(let_in(&host), before + 2, "{}", host.root("jit audit tail -n 20").out);
    host.root("jit audit verify --witness /var/log/auth.log").ends_with(0);
}

#[test]
fn who_is_the_first_to_hang_is_answered_in_time_and_told_once() {
    let host = Host::gated("web-1").unwrap();
    let alice = granted(&host);
    // What is left of her login above is looked for three times, once a second, and forgotten by the writer's thread.
    host.soon("her session is over", || !host.root("jit sessions").out.contains("alice"));
    std::thread::sleep(Duration::from_secs(5));
    the_disk_will_hang(&host, 8);
    let since = Instant::now();
    alice.ssh("true").is_refused_with(CANNOT_RECORD);
    assert!(since.elapsed() < Duration::from_secs(6), "it was refused while it hung: {:?}", since.elapsed());
    let hangs = host.root("grep -l 'tracing stop' /proc/$(pidof jitd)/task/*/status | xargs grep '^Name:'");
    assert!(hangs.out.contains("gate-"), "{hangs:?}");
    host.root("kill -TERM $(cat /run/strace.pid)");
    host.soon("strace is gone", || {
        host.root("grep -l 'TracerPid:.[1-9]' /proc/$(pidof jitd)/task/*/status").out.is_empty()
    });
    host.soon("it lets in again by itself", || alice.ssh("true").code == 0);
    let told = host.root("grep -c 'reason=journal_failed user=alice' /var/log/auth.log");
    assert_eq!(told.out.trim(), "1", "{}", host.root("grep jitd /var/log/auth.log").out);
    host.root("jit audit verify --witness /var/log/auth.log").ends_with(0);
}

#[test]
fn a_daemon_whose_disk_hangs_for_good_is_started_anew() {
    let host = Host::gated("web-1").unwrap();
    let alice = granted(&host);
    let pid = host.root("pidof jitd").out;
    the_disk_hangs(&host, 600);
    let since = Instant::now();
    alice.ssh("true").is_refused_with(CANNOT_RECORD);
    let told = || host.root("journalctl -q -o cat -u jitd").out.contains("Watchdog timeout");
    while !told() {
        assert!(since.elapsed() < Duration::from_secs(30), "the watchdog of 15 s did nothing");
        // Whoever knocks meanwhile is answered, and that feeds no watchdog.
        assert_ne!(alice.ssh("true").code, 0);
    }
    // As with a disk, the process is not gone before the call it hangs in is: strace holds it until then.
    host.root("kill -KILL $(cat /run/strace.pid)").ends_with(0);
    host.soon("the next one lets in", || alice.ssh("true").code == 0);
    assert_ne!(host.root("pidof jitd").out, pid);
    host.root("jit audit verify --witness /var/log/auth.log").ends_with(0);
}

#[test]
fn on_a_host_of_a_hub_too_a_refusal_says_why_while_the_disk_hangs() {
    let fleet = hosts::fleet::Fleet::of(&[("web-1", 11, "prod")]);
    let host = &fleet.hosts[0];
    let alice = host.person("alice", &[]).unwrap();
    the_disk_hangs(host, 8);
    // What she would ask the hub for cannot be written down in time, and she hears of the rest.
    alice.ssh("true").is_refused_with("jit: alice holds no grant for ssh on web-1. Ask for it");
}
