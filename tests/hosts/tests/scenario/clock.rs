//! Clocks that are wrong, set back, set forward, or just started.

use std::io::Write as _;
use std::time::{Duration, Instant};
use testbed::Host;

/// Seconds.
pub const DAY: i64 = 86_400;

/// A host whose daemon sees the wall clock that [`set`] says; `CLOCK_BOOTTIME` stays the kernel's. A host
/// here shares its kernel with the machine, so what a start of the machine changes is changed by hand.
fn host() -> Host {
    let host = Host::gated("web-1").unwrap();
    own_clock(&host, &["jitd"]);
    host.root("systemctl restart jitd").ends_with(0);
    host
}

/// From their next start on these services see the wall clock that [`set`] says, and the start of the machine that
/// [`boot`] says.
pub fn own_clock(host: &Host, services: &[&str]) {
    let library = preloadable(host, "wall");
    for service in services {
        let folder = host.path(&format!("etc/systemd/system/{service}.service.d"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("clock.conf"),
            format!(
                "[Service]\nBindReadOnlyPaths=/etc/boot:/proc/sys/kernel/random/boot_id\nEnvironment=LD_PRELOAD={library}\n"
            ),
        )
        .unwrap();
    }
    boot(host, 1);
    set(host, 0);
    host.root("systemctl daemon-reload").ends_with(0);
}

/// The path on the host of this C file of the tests, built to be preloaded.
fn preloadable(host: &Host, name: &str) -> String {
    let library = format!("/usr/local/lib/{name}.so");
    let source = testbed::repository().join(format!("tests/hosts/tests/{name}.c"));
    testbed::run(
        std::process::Command::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(host.path(library.trim_start_matches('/')))
            .arg(source),
    )
    .unwrap();
    library
}

/// Sets the daemon's wall clock off by so many seconds, at once. In place: running services have the file mapped.
pub fn set(host: &Host, off: i64) {
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(host.path("etc/wall"))
        .unwrap();
    file.write_all(&off.to_ne_bytes()).unwrap();
}

/// Makes the next start of the daemon one on this start of the machine.
pub fn boot(host: &Host, number: u32) {
    std::fs::write(host.path("etc/boot"), format!("{number:08}-2222-3333-4444-555555555555\n")).unwrap();
}

#[test]
fn no_way_of_setting_the_clock_opens_a_grant_early_or_keeps_it_alive() {
    let host = host();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let carol = host.person("carol", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    host.root("jitd clock accept").ends_with(0).says("from now on");
    let grant = bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).id("G-");
    alice.ssh("true").is_in();

    set(&host, -DAY);
    alice.ssh("true").is_in();
    bob.jit("status").says("is 1 day behind the gate's time");
    set(&host, 365 * DAY);
    alice.ssh("true").is_refused_with(&format!("grant {grant} for ssh ended"));
    set(&host, 0);
    alice.ssh("true").is_in();
    host.root("systemctl restart jitd").ends_with(0);
    set(&host, -DAY);
    host.root("systemctl restart jitd").ends_with(0);
    alice.ssh("true").is_in();
    bob.jit(&format!("revoke {grant} --reason 'a shorter one'")).ends_with(0);
    let grant = bob.jit(&format!("approve {} --for 5s", alice.ssh("true").id("R-"))).id("G-");
    set(&host, -2 * DAY);
    host.root("systemctl restart jitd").ends_with(0);
    host.soon("five seconds are over, whatever the wall clock says", || alice.ssh("true").code == 255);
    alice.ssh("true").is_refused_with(&format!("grant {grant} for ssh ended"));

    set(&host, 0);
    let starts = host.root("date -u -d '+1 hour' +%FT%TZ").out;
    let later =
        bob.jit(&format!("request --user alice --at {} --for 30m --reason 'the window'", starts.trim()));
    // Bob asked, so another approves.
    let later = carol.jit(&format!("approve {}", later.id("R-"))).says("starts").id("G-");
    alice.ssh("true").is_refused_with(&format!("grant {later} starts in"));
    set(&host, 70 * 60);
    alice.ssh("true").is_refused_with(&format!("grant {later} starts in"));
    set(&host, 365 * DAY);
    alice.ssh("true").is_refused_with("ended");
    set(&host, 0);
}

/// What the daemon has written down of time.
fn kept(host: &Host) -> String {
    host.root("rm -rf /var/tmp/look; mkdir /var/tmp/look; cp /var/lib/jitd/jitd.db* /var/tmp/look/")
        .ends_with(0);
    let db = rusqlite::Connection::open(host.path("var/tmp/look/jitd.db")).unwrap();
    db.query_row("SELECT value FROM meta WHERE key = 'clock'", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_session_of_another_start_of_the_machine_is_over_and_nothing_is_ended_for_it() {
    let host = host();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    hosts::Work::prepare(&host, "alice");
    let grant = bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).id("G-");
    let _client = alice.stays(&[], "hold command");
    host.soon("it holds", || hosts::holders(&host).contains_key("command"));
    // Whoever has its audit session after the next start is somebody else.
    host.jitd_stops();
    boot(&host, 7);
    host.jitd_starts();
    bob.jit(&format!("revoke {grant} --reason x")).ends_with(0);
    host.soon("the session is let go", || {
        let told = |line: &String| line.contains("change=session_closed") && line.contains("started anew");
        host.log_lines().iter().any(told)
    });
    host.soon("nothing of it is listed", || !host.root("jit sessions").out.contains("alice"));
    assert!(hosts::holders(&host).contains_key("command"));
    assert!(!host.log_lines().iter().any(|line| line.contains("change=session_ended")));
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn after_a_start_of_the_machine_the_clock_is_provisional_until_it_is_confirmed() {
        let host = host();
        let alice = host.person("alice", &[]).unwrap();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        let carol = host.person("carol", &["jit-approvers"]).unwrap();
        host.jitd_is_up();
        bob.jit("status").says("not confirmed since the machine started");
        // What starts at once works at once.
        let grant = bob.jit(&format!("approve {} --for 1h", alice.ssh("true").id("R-"))).id("G-");
        alice.ssh("true").is_in();
        // What starts later waits for a clock that is confirmed, though by this one its time has come.
        let starts = host.root("date -u -d '+20 minutes' +%FT%TZ").out;
        let asked = bob.jit(&format!(
            "request --user alice --service su --at {} --for 30m --reason 'later'",
            starts.trim()
        ));
        carol.jit(&format!("approve {}", asked.id("R-"))).ends_with(0);
        bob.jit("check alice --service su").says("(not_yet_valid)");
        set(&host, 30 * 60);
        boot(&host, 2);
        host.root("systemctl restart jitd").ends_with(0);
        bob.jit("check alice --service su").says("(clock_untrusted)");
        bob.jit("clock accept").ends_with(2);
        bob.ssh("/usr/sbin/jitd clock accept").ends_with(1).says("only root may say");
        host.root("jitd clock accept").ends_with(0);
        bob.jit("check alice --service su").says("Would be let in");

        // Off for a day.
        set(&host, DAY);
        boot(&host, 3);
        host.reboot().unwrap();
        host.jitd_is_up();
        bob.jit("status").says("not confirmed since the machine started");
        alice.ssh("true").is_refused_with("ended 23 hours");
        // That clock was wrong: what it closed is open again once root says what time it is.
        host.soon("the grant is closed", || {
            host.log_lines()
                .iter()
                .any(|line| line.contains(&format!("change=expired actor=clock grant={grant}")))
        });
        set(&host, 0);
        host.root("jitd clock accept").ends_with(0);
        alice.ssh("true").is_in();
        bob.jit("grants --user alice").says(&grant);
        // And one whose battery is empty starts in the past: time stands at the floor.
        set(&host, -9000 * DAY);
        boot(&host, 4);
        host.reboot().unwrap();
        host.jitd_is_up();
        alice.ssh("true").is_in();
        bob.jit("status").says("behind the gate's time");
    }

    #[test]
    fn a_clock_that_a_time_service_keeps_is_confirmed_after_ten_minutes_and_not_before() {
        let host = Host::gated("web-1").unwrap();
        let library = preloadable(&host, "synchronised");
        let unit = host.path("etc/systemd/system/jitd.service.d");
        std::fs::create_dir_all(&unit).unwrap();
        std::fs::write(unit.join("clock.conf"), format!("[Service]\nEnvironment=LD_PRELOAD={library}\n"))
            .unwrap();
        let since = Instant::now();
        host.root("systemctl daemon-reload; systemctl restart jitd").ends_with(0);
        let confirmed = || host.log_lines().into_iter().find(|line| line.contains("mark=clock_confirmed"));
        // The ten minutes are waited for where there is time for them; the others see that less is not enough.
        let long = std::env::var_os("JIT_SETTLES").is_some();
        let most = Duration::from_secs(if long { 660 } else { 15 });
        while confirmed().is_none() && since.elapsed() < most {
            std::thread::park_timeout(Duration::from_secs(1));
        }
        let took = since.elapsed();
        if !long {
            assert_eq!(confirmed(), None);
            host.root("jit status").says("not confirmed since the machine started");
            assert!(kept(&host).contains("\"confirmed\":false"), "{}", kept(&host));
            return;
        }
        let told = confirmed().unwrap();
        assert!(told.contains("detail=\"kept by a time service\""), "{told}");
        assert!(took >= Duration::from_secs(600), "{took:?}");
        host.root("jit status").says("clock     confirmed");
        let kept = kept(&host);
        assert!(
            kept.contains("\"confirmed\":true") && kept.contains(&host.date("now", "%F")),
            "the floor: {kept}"
        );
        eprintln!("confirmed after {took:?}");
    }

    #[test]
    fn the_daemon_may_read_whether_the_clock_is_synchronised() {
        let host = Host::gated("web-1").unwrap();
        host.jitd_is_up();
        host.root("timeout 10 strace -f -qq -o /var/tmp/calls -e trace=adjtimex,clock_adjtime -p $(pidof jitd) > /dev/null 2>&1 &");
        let calls = || std::fs::read_to_string(host.path("var/tmp/calls")).unwrap_or_default();
        host.soon("it asks the kernel each second", || calls().lines().count() >= 2);
        let calls = calls();
        assert!(calls.contains("modes=0") && !calls.contains(" = -1 "), "{calls}");
    }
}
