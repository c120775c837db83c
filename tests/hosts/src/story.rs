//! What scenarios of sessions have in common: a host, two people, and how a grant comes to its end.

use crate::Work;
use std::time::{Duration, Instant};
use testbed::{Host, Person};

/// A grant of these services for alice, asked for by root and approved by bob.
pub fn grant_of(host: &Host, bob: &Person<'_>, services: &str, length: &str) -> String {
    let asked = host.root(&format!("jit request --service {services} --user alice --reason 'work'"));
    bob.jit(&format!("approve {} --for {length}", asked.id("R-"))).id("G-")
}

/// One for all that she does.
pub fn grant(host: &Host, bob: &Person<'_>, length: &str) -> String {
    grant_of(host, bob, "ssh,sudo,su", length)
}

/// A gated host with alice, who works, and bob, who approves.
pub fn host() -> Host {
    let host = Host::gated("web-1").unwrap();
    host.person("alice", &["staff"]).unwrap();
    host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    Work::prepare(&host, "alice");
    host
}

/// Alice and bob.
pub fn people(host: &Host) -> [Person<'_>; 2] {
    ["alice", "bob"].map(|name| host.person(name, &[]).unwrap())
}

/// When a grant ends, by the host's clock, as `Instant`.
pub fn end_of(bob: &Person<'_>, grant: &str) -> Instant {
    let shown = bob.jit(&format!("show {grant} --json"));
    let Some((_, ends)) = shown.out.split_once("\"ends\":\"") else { panic!("no end in {shown:#?}") };
    let ends = ends.split('"').next().unwrap();
    let left = bob.ssh(&format!("echo $(($(date -d {ends} +%s%3N) - $(date +%s%3N)))"));
    let Ok(left) = left.out.trim().parse() else { panic!("no time in {left:#?}") };
    Instant::now() + Duration::from_millis(left)
}

/// Sleeps until then.
pub fn wait_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}

/// How a grant comes to its end, and how it is brought about.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// By time.
    Expired,
    /// By alice.
    Released,
    /// By bob.
    Revoked,
}

/// What happens to the daemon while the session is open.
#[derive(Clone, Copy, Debug)]
pub enum Meanwhile {
    /// Stopped and started.
    Restarted,
    /// kill -9.
    Killed,
    /// After it told the session to end, and before it forces that.
    KilledWithinTheGrace,
}

/// All that alice runs ends with her grant.
pub fn ends_all_the_same(how: End, meanwhile: Meanwhile) {
    let host = host();
    let [alice, bob] = people(&host);
    let length = if matches!(how, End::Expired) { "30s" } else { "1h" };
    let grant = grant(&host, &bob, length);
    let work = Work::begin(&host, &alice);
    let kill = || {
        assert!(host.kill("jitd"));
        host.jitd_is_up();
    };
    match meanwhile {
        Meanwhile::Restarted => {
            host.root("systemctl restart jitd").ends_with(0);
            host.jitd_is_up();
        }
        Meanwhile::Killed => kill(),
        Meanwhile::KilledWithinTheGrace => {}
    }
    let mut since = Instant::now();
    match how {
        End::Revoked => drop(bob.jit(&format!("revoke {grant} --reason x")).ends_with(0)),
        // The command belongs to what ends, so its answer may not come.
        End::Released => drop(alice.jit(&format!("release {grant}"))),
        End::Expired => {
            since = end_of(&bob, &grant);
            wait_until(since);
        }
    }
    if matches!(meanwhile, Meanwhile::KilledWithinTheGrace) {
        wait_until(since + Duration::from_millis(300));
        kill();
    }
    println!("{how:?}, daemon {meanwhile:?}: {:#?}", work.is_over(since, Duration::from_secs(10)));
    host.root("jit audit verify").ends_with(0);
}
