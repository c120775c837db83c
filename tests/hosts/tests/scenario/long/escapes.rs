//! Programs that do not want to end with their session, and processes that only look as if they belonged to it.

use hosts::{Work, holders};
use std::path::Path;
use std::process::Command;
use testbed::{Host, Person};

/// A host where alice holds a grant for ssh, with what [`Work`] needs.
fn host() -> (Host, String) {
    let host = Host::gated("web-1").unwrap();
    host.person("alice", &[]).unwrap();
    host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    Work::prepare(&host, "alice");
    let asked = host.root("jit request --user alice --for 8h --reason work");
    let grant = bob(&host).jit(&format!("approve {}", asked.id("R-"))).id("G-");
    (host, grant)
}

fn bob(host: &Host) -> Person<'_> {
    host.person("bob", &[]).unwrap()
}

#[track_caller]
fn ends(host: &Host, grant: &str, what: &[&str]) {
    bob(host).jit(&format!("revoke {grant} --reason x")).ends_with(0);
    host.soon("nothing of it is left", || {
        let held = holders(host);
        what.iter().all(|what| !held.contains_key(*what))
    });
    host.soon("its end is recorded", || host.log_lines().iter().any(|l| l.contains("change=session_ended")));
    assert!(holders(host).contains_key("bystander"), "who is in no session goes on");
}

#[test]
fn a_program_that_does_nothing_but_start_itself_again_ends() {
    let (host, grant) = host();
    let alice = host.person("alice", &[]).unwrap();
    // As many as fit into the limit, each of which holds the file and heeds no signal.
    let bomb = "ulimit -u 400; trap '' TERM HUP INT; exec 9</var/tmp/hold/stubborn; \
                b() { while :; do b & done; }; b 2>/dev/null";
    let _bomb = alice.stays(&[], &format!("bash -c \"{bomb}\""));
    host.soon("it has grown", || holders(&host).get("stubborn").is_some_and(|who| who.len() > 200));
    ends(&host, &grant, &["stubborn"]);
    let line = host.log_lines().into_iter().find(|line| line.contains("change=session_ended")).unwrap();
    let killed = line.split("killed=").nth(1).unwrap().split(' ').next().unwrap();
    assert!(killed.parse::<u32>().unwrap() > 200, "{line}");
}

#[test]
fn a_process_that_looks_like_a_zombie_ends() {
    let (host, grant) = host();
    let alice = host.person("alice", &[]).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/headless.c");
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-Werror", "-static", "-pthread", "-o"])
        .arg(host.path("usr/local/bin/headless"))
        .arg(source)
        .status();
    assert!(built.unwrap().success());
    alice.ssh("setsid headless /var/tmp/hold/setsid </dev/null >/dev/null 2>&1 &").ends_with(0);
    // What is open is its second thread's to show.
    let pid = || host.root("pgrep -x headless").out.trim().to_owned();
    host.soon("its first thread has ended", || {
        host.root(&format!("grep State /proc/{}/status", pid())).out.contains('Z')
    });
    bob(&host).jit(&format!("revoke {grant} --reason x")).ends_with(0);
    host.soon("it ends all the same", || pid().is_empty());
    assert!(holders(&host).contains_key("bystander"));
}

#[test]
fn a_process_that_got_the_id_of_one_of_the_session_goes_on() {
    let (host, grant) = host();
    let alice = host.person("alice", &[]).unwrap();
    let _client = alice.stays(&[], "hold command");
    host.soon("it holds", || holders(&host).contains_key("command"));
    let listed = host.root("jit sessions --json").out;
    let pid: u32 = listed
        .split("\"pid\":")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit() && c != ' ').next()?.trim().parse().ok())
        .unwrap();
    // The process that opened the session is gone without a word while the daemon is away, and its id is given to
    // somebody of the same name: tried again where another process was faster.
    host.jitd_stops();
    // All of its kernel session, since an id that one is named by is not given again.
    host.root(&format!("pkill -KILL -s {pid}")).ends_with(0);
    host.soon("its id is free", || host.root(&format!("ls -d /proc/{pid}")).code != 0);
    let init = host.init().to_string();
    let again = format!(
        "mount -t proc proc /proc; for try in $(seq 50); do echo {} > /proc/sys/kernel/ns_last_pid; \
         nsenter -m -u -n -r -w -t 1 setpriv --reuid=alice --clear-groups /usr/local/bin/hold second & \
         [ $! = {pid} ] && break; kill $!; wait $!; done; wait",
        pid - 1
    );
    let mut again = Command::new("nsenter")
        .args(["--pid", "-t", &init, "unshare", "--mount", "sh", "-c", &again])
        .spawn()
        .unwrap();
    host.soon("somebody else has its id", || {
        host.root(&format!("cat /proc/{pid}/comm")).out.trim() == "hold"
    });
    host.jitd_starts();
    host.jitd_is_up();
    ends(&host, &grant, &["command"]);
    assert!(holders(&host).contains_key("second"), "who only has its id goes on");
    assert_eq!(host.root(&format!("cat /proc/{pid}/comm")).out.trim(), "hold");
    host.root("pkill -KILL -x hold");
    again.wait().unwrap();
}

#[test]
fn a_chain_of_programs_that_start_one_another_ends() {
    let (host, grant) = host();
    let alice = host.person("alice", &[]).unwrap();
    let chain = "setsid perl -e '$SIG{TERM} = $SIG{HUP} = \"IGNORE\"; while (1) { fork and exit }' </dev/null >/dev/null 2>&1 &";
    alice.ssh(chain).ends_with(0);
    // The id that was given last moves on by some thousand in a second.
    let newest = || -> i64 {
        let load = host.root("cat /proc/loadavg").out;
        load.split_whitespace().nth(4).and_then(|pid| pid.parse().ok()).unwrap()
    };
    let races = || {
        let before = newest();
        std::thread::sleep(std::time::Duration::from_millis(200));
        // A look is some ten processes of its own; ids begin anew at the top.
        (newest() - before).abs() > 100
    };
    host.soon("the chain runs", races);
    bob(&host).jit(&format!("revoke {grant} --reason x")).ends_with(0);
    host.soon("nothing of it runs", || !races() && host.root("pgrep -x perl").code == 1);
    host.soon("its end is recorded", || host.log_lines().iter().any(|l| l.contains("change=session_ended")));
    assert!(!races());
}

#[test]
fn a_sudo_that_is_only_watched_ends_with_the_login_around_it() {
    let (host, grant) = host();
    host.root("usermod -aG staff alice").ends_with(0);
    host.gate("sudo", "mode=monitor").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    alice.ssh("sudo -n setsid hold sudo </dev/null >/dev/null 2>&1 & sleep 1").ends_with(0);
    host.soon("it holds", || holders(&host).contains_key("sudo"));
    ends(&host, &grant, &["sudo"]);
}
