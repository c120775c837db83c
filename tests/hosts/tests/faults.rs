//! What goes wrong on a host: refused with one clear line, nothing acknowledged lost, and never the owner
//! locked out.
#![allow(clippy::unwrap_used)] // a wrong step must stop the story

use rusqlite::Connection;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use testbed::{Host, Person, SPARE};

const DOES_NOT_ANSWER: &str = "this host's access daemon does not answer";

/// A host on which alice holds grants for ssh and sudo.
fn granted(host: &Host) -> (Person<'_>, Person<'_>) {
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
    bob.jit(&format!("approve {}", alice.ssh("sudo -n true").id("R-"))).ends_with(0);
    alice.ssh("sudo -n true").is_in();
    (alice, bob)
}

/// Records in the journal.
fn records(host: &Host) -> u64 {
    let status = host.root("jit status --json").out;
    status.split("\"journal_seq\":").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap()
}

/// The owner gets in, and root's own sudo works.
fn the_owner_is_not_locked_out(host: &Host) {
    let spare = host.person(SPARE, &[]).unwrap();
    spare.ssh("sudo -n id -un").is_in().says("root");
    host.root("sudo -n true").ends_with(0);
}

/// A program that opens connections and holds them.
fn connector() -> std::path::PathBuf {
    let source = testbed::repository().join("tests/hosts/tests/connector.c");
    let program = testbed::repository().join("target/connector");
    testbed::run(
        std::process::Command::new("cc").args(["-O2", "-Wall", "-Werror", "-o"]).arg(&program).arg(source),
    )
    .unwrap();
    program
}

#[test]
fn a_daemon_that_is_stopped_hung_or_wrongly_configured() {
    let host = Host::gated("web-1").unwrap();
    let (alice, bob) = granted(&host);

    // Stopped, sockets too.
    host.root("systemctl stop jitd-gate.socket jitd-control.socket jitd.service").ends_with(0);
    alice.ssh("true").is_refused_with(DOES_NOT_ANSWER);
    bob.ssh("true").is_refused_with(DOES_NOT_ANSWER);
    the_owner_is_not_locked_out(&host);
    host.soon("the spare key is told to syslog", || {
        host.root("journalctl -q -o cat --facility=authpriv").out.contains("reason=spare_key user=rescue")
    });
    host.root("systemctl start jitd-gate.socket jitd-control.socket").ends_with(0);
    alice.ssh("sudo -n true").is_in();

    // Stopped alone: the next login starts it.
    host.root("systemctl stop jitd.service");
    host.root("systemctl start jitd-gate.socket jitd-control.socket");
    alice.ssh("true").is_in();

    // Hung.
    host.root("kill -STOP $(pidof jitd)").ends_with(0);
    let since = Instant::now();
    alice.ssh("true").is_refused_with("jitd did not answer in time");
    // Two seconds of it are the module's; its deadline to the millisecond is seen where it is driven alone.
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    the_owner_is_not_locked_out(&host);
    host.root("kill -CONT $(pidof jitd)").ends_with(0);
    alice.ssh("sudo -n true").is_in();
    // Hung for good: the watchdog starts it anew.
    host.root("kill -STOP $(pidof jitd)").ends_with(0);
    let since = Instant::now();
    while alice.ssh("true").code != 0 {
        assert!(since.elapsed() < Duration::from_secs(40), "the watchdog of 15 s did nothing");
    }
    assert!(since.elapsed() > Duration::from_secs(2), "it did hang");

    // A mistake in the configuration: a reload keeps the old one, and says where the mistake is.
    let config = host.path("etc/jitd/jitd.toml");
    std::fs::write(&config, "[journal]\nkeep = \"8 hours\"\n").unwrap();
    host.root("systemctl reload jitd");
    host.soon("the mistake is told", || {
        host.log_lines().iter().any(|l| l.contains("reloading: /etc/jitd/jitd.toml:2: keep: duration"))
    });
    host.root("jitd --check-config").ends_with(1).says("/etc/jitd/jitd.toml:2: keep: duration \"8 hours\"");
    alice.ssh("sudo -n true").is_in();
    // A restart does not come up with it, and comes back by itself at once when it is right.
    let since = Instant::now();
    host.root("systemctl restart jitd").ends_with(1);
    alice.ssh("true").is_refused_with(DOES_NOT_ANSWER);
    the_owner_is_not_locked_out(&host);
    host.soon("its status says why", || {
        host.root("systemctl status jitd").out.contains("does not run: /etc/jitd/jitd.toml:2: keep: duration")
    });
    let starts =
        host.root("journalctl -q -o cat -u jitd").out.matches("error: /etc/jitd/jitd.toml:2").count();
    let most = since.elapsed().as_secs() / 10 + 1;
    assert!((1..=most).contains(&(starts as u64)), "{starts} starts in {:?} fill no log", since.elapsed());
    std::fs::write(&config, "[journal]\nkeep = \"90d\"\n").unwrap();
    let since = Instant::now();
    host.soon("it comes back by itself", || alice.ssh("true").code == 0);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    host.root("jitd --check-config").ends_with(0).says("is good");
}

#[test]
fn a_journal_that_cannot_commit_lets_nobody_in_and_loses_nothing() {
    let host = Host::gated("web-1").unwrap();
    let (alice, _bob) = granted(&host);
    let before = records(&host);

    // Every fsync fails, made from outside.
    host.root(
        "strace -f -qq -o /dev/null -e inject=fsync,fdatasync:error=EIO -p $(pidof jitd) > /dev/null 2>&1 & echo $! > /run/strace.pid",
    );
    host.soon("strace is attached", || {
        host.root("grep TracerPid: /proc/$(pidof jitd)/status").out.trim().split('\t').next_back()
            != Some("0")
    });
    let refused = alice.ssh("true");
    refused.is_refused_with("cannot record logins now, so it lets nobody in");
    the_owner_is_not_locked_out(&host);
    host.soon("it is told", || host.log_lines().iter().any(|l| l.contains("reason=journal_failed")));
    host.root("kill -TERM $(cat /run/strace.pid)");
    host.soon("it takes records again by itself", || alice.ssh("true").code == 0);
    host.root("jit audit verify --witness /var/log/auth.log").ends_with(0);
    assert!(records(&host) > before);

    // No room on the disk.
    host.root("systemctl stop jitd-gate.socket jitd-control.socket jitd; cp -a /var/lib/jitd /var/lib/copy");
    host.root("mount -t tmpfs -o size=3m,mode=0700 tmpfs /var/lib/jitd && cp -a /var/lib/copy/. /var/lib/jitd/ && chown jitd:jitd /var/lib/jitd").ends_with(0);
    host.root("systemctl start jitd-gate.socket jitd-control.socket jitd").ends_with(0);
    alice.ssh("true").is_in();
    host.root("cat /dev/zero > /var/lib/jitd/filler");
    host.soon("a full disk refuses", || alice.ssh("true").err.contains("cannot record logins now"));
    the_owner_is_not_locked_out(&host);
    host.root("rm /var/lib/jitd/filler");
    host.soon("room lets people in again", || alice.ssh("true").code == 0);
    host.root("jit audit verify").ends_with(0);
}

#[test]
fn a_damaged_journal_refuses_until_it_is_repaired_and_a_revocation_stays() {
    let host = Host::gated("web-1").unwrap();
    let (alice, bob) = granted(&host);
    let revoked = bob.jit("grants --user alice --json");
    let grant = revoked.out.split("\"G-").nth(1).map(|rest| format!("G-{}", &rest[..11])).unwrap();
    bob.jit(&format!("revoke {grant} --reason 'the wrong one'")).ends_with(0);
    let kept = bob.jit("grants --user alice");
    host.root("systemctl stop jitd-gate.socket jitd-control.socket jitd").ends_with(0);

    let file = host.path("var/lib/jitd/jitd.db");
    let db = Connection::open(&file).unwrap();
    let last: i64 = db.query_row("SELECT max(seq) FROM journal", [], |row| row.get(0)).unwrap();
    db.execute("UPDATE journal SET body = body || ' ' WHERE seq = ?1", [last]).unwrap();
    // Whoever does this also takes the revocation back in the row.
    db.execute("UPDATE grants SET closed = 0, body = replace(body, 'revoked', 'released')", []).unwrap();
    drop(db);

    host.root("systemctl start jitd-gate.socket jitd-control.socket");
    alice.ssh("true").is_refused_with(DOES_NOT_ANSWER);
    the_owner_is_not_locked_out(&host);
    host.soon("the damage is told", || {
        host.log_lines().iter().any(|l| {
            l.contains(&format!("record {last} was changed after it was written"))
                && l.contains("jitd repair")
        })
    });
    host.root("systemctl stop jitd-gate.socket jitd-control.socket jitd");
    let repaired = host.root("jitd repair");
    repaired
        .ends_with(0)
        .says("the damaged database is kept at /var/lib/jitd/jitd.damaged-1")
        .says(&format!("lost: journal {last}"));
    host.root("systemctl start jitd-gate.socket jitd-control.socket jitd");
    host.jitd_is_up();
    host.root("jit audit verify").ends_with(0);
    host.root("jit audit tail -n 50").says("mark=repaired");
    let after = bob.jit("grants --user alice");
    assert!(
        !after.out.contains(&grant),
        "a revoked grant never comes back: {after:?}\n{kept:?}\n{repaired:?}"
    );
}

/// A line as any log shipper takes it apart: pairs with blanks between, values bare or quoted.
fn parsed(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.match_indices('"').find(|(at, _)| !quoted[..*at].ends_with('\\')).unwrap().0;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => after.split_at(after.find(' ').unwrap_or(after.len())),
        };
        pairs.push((key.to_owned(), value.to_owned()));
        rest = next.trim_start();
    }
    assert!(rest.is_empty(), "{rest:?} is left of {line}");
    pairs
}

#[test]
fn syslog_away_costs_no_time_and_no_line() {
    let host = Host::gated("web-1").unwrap();
    std::fs::write(
        host.path("etc/rsyslog.d/jitd.conf"),
        "input(type=\"imuxsock\" Socket=\"/run/test.log\" CreatePath=\"on\" RateLimit.Interval=\"0\")\n",
    )
    .unwrap();
    std::fs::write(host.path("etc/jitd/jitd.toml"), "[syslog]\nsocket = \"/run/test.log\"\n").unwrap();
    host.root("systemctl restart rsyslog jitd").ends_with(0);
    let (alice, _bob) = granted(&host);
    let allows = || {
        host.syslog_lines().iter().filter(|l| l.contains("decision=allow reason=granted user=alice")).count()
    };
    host.soon("lines arrive", || allows() > 0);
    let last = host.root("jit status --json").out;

    // Stopped: lines wait. Ended: they wait too.
    for (away, back) in [
        ("kill -STOP $(pidof rsyslogd)", "kill -CONT $(pidof rsyslogd)"),
        ("systemctl stop rsyslog syslog.socket", "systemctl start rsyslog"),
    ] {
        let before = allows();
        host.root(away).ends_with(0);
        let since = Instant::now();
        for _ in 0..3 {
            alice.ssh("sudo -n true").is_in();
        }
        assert!(since.elapsed() < Duration::from_secs(8), "nobody waits for a log: {:?}", since.elapsed());
        host.root(back);
        host.soon("every line arrives when it is back", || allows() >= before + 12);
    }
    assert!(last.contains("\"lines_dropped\":0"), "{last}");
    for line in host.syslog_lines().iter().filter(|line| line.contains("decision=")) {
        let pairs = parsed(line.split_once("]: ").unwrap().1);
        for key in [
            "decision",
            "reason",
            "user",
            "as",
            "service",
            "host",
            "rhost",
            "tty",
            "source",
            "staleness",
            "seq",
        ] {
            assert_eq!(pairs.iter().filter(|(name, _)| name == key).count(), 1, "{key} once in {line}");
        }
    }
    // One line for each record of the journal, in its order.
    let seqs: Vec<u64> = host
        .syslog_lines()
        .iter()
        .filter(|line| ["decision=", "change=", "mark="].iter().any(|kind| line.contains(kind)))
        .filter_map(|line| line.rsplit_once(" seq=")?.1.split(' ').next()?.parse().ok())
        .collect();
    assert!(seqs.len() > 20 && seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
}

/// What one asker was answered, by the terminal that its question named.
type Answers = BTreeMap<String, bool>;

/// A question of an account that holds a grant, straight to the gate, and whether it was let in. Tries until
/// there is an answer: a daemon that is killed hangs up.
fn let_in(host: &Host, tty: &str) -> bool {
    let question = frame::Question {
        nonce: [7; 16],
        phase: frame::Phase::Account,
        service: b"sshd".to_vec(),
        subject: b"alice".to_vec(),
        target: b"alice".to_vec(),
        rhost: Vec::new(),
        address: Vec::new(),
        tty: tty.into(),
        uid: 0,
        pid: std::process::id(),
        start_ticks: 0,
        audit_session: u32::MAX,
        mode: frame::Mode::Enforce,
        notice: frame::Notice::None,
    };
    let ask = || -> Option<frame::Answer> {
        let mut gate = host.connect("/run/jitd/gate.sock").ok()?;
        gate.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        gate.write_all(&question.encode().ok()?).ok()?;
        let mut bytes = Vec::new();
        gate.read_to_end(&mut bytes).ok()?;
        frame::Answer::decode(&bytes).ok()
    };
    until(ask).verdict == frame::Verdict::Allow
}

/// The control socket answers.
fn desk_answers(host: &Host) {
    let call = || -> Option<()> {
        let mut control = host.connect("/run/jitd/control.sock").ok()?;
        control.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        control.write_all(b"GET /v1/status HTTP/1.1\r\nhost: jitd\r\nconnection: close\r\n\r\n").ok()?;
        let mut head = [0; 12];
        control.read_exact(&mut head).ok()?;
        (&head == b"HTTP/1.1 200").then_some(())
    };
    until(call);
}

/// Tries without pause until it works.
#[track_caller]
fn until<T>(works: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(made) = works() {
            return made;
        }
        assert!(Instant::now() < deadline, "no answer within 20 s");
    }
}

/// 64 programs that ask without end, each question by a terminal of its own, until told to stop.
const ASKERS: &str = "#!/bin/sh
mkdir -p /var/tmp/askers
for asker in $(seq 64); do
  ( n=0
    while [ ! -e /var/tmp/stop ]; do
      n=$((n + 1))
      echo a$asker-$n $(/opt/driver /etc/pam.d sshd alice acct tty=a$asker-$n | grep '^acct')
    done > /var/tmp/askers/$asker ) &
done
wait
";

#[test]
fn killed_again_and_again_under_64_askers_every_allow_has_its_record() {
    let kills: usize = std::env::var("JIT_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let host = Host::gated("web-1").unwrap();
    let (_alice, _bob) = granted(&host);
    std::fs::copy(module_tests::driver(), host.path("opt/driver")).unwrap();
    std::fs::write(host.path("opt/askers"), ASKERS).unwrap();
    let before = i64::try_from(records(&host)).unwrap();
    let init = host.init().to_string();
    let mut askers = std::process::Command::new("nsenter")
        .args(["--all", "--root", "-t", &init, "/bin/sh", "/opt/askers"])
        .stdin(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut answers = Answers::new();
    let mut back: Vec<Duration> = Vec::new();
    for kill in 0..kills {
        // Among others that are answered, so that the kill falls into the thick of it.
        for n in 0..5 {
            let tty = format!("k{kill}-{n}");
            answers.insert(tty.clone(), let_in(&host, &tty));
        }
        let since = Instant::now();
        assert!(host.kill("jitd"), "it runs");
        let tty = format!("back-{kill}");
        answers.insert(tty.clone(), let_in(&host, &tty));
        desk_answers(&host);
        back.push(since.elapsed());
    }
    std::fs::write(host.path("var/tmp/stop"), "").unwrap();
    askers.wait().unwrap();
    assert!(answers.values().all(|allowed| *allowed), "{answers:?}");

    let (mut allowed, mut unanswered) = (0, 0);
    for asker in 1..=64 {
        let text = std::fs::read_to_string(host.path(&format!("var/tmp/askers/{asker}"))).unwrap();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            // SUCCESS or AUTHINFO_UNAVAIL: nobody with a grant is told that they have none.
            match words.as_slice() {
                [tty, "acct", "0", _] => {
                    allowed += 1;
                    answers.insert((*tty).to_owned(), true);
                }
                [tty, "acct", "9", _] => {
                    unanswered += 1;
                    answers.insert((*tty).to_owned(), false);
                }
                _ => panic!("asker {asker}: {line}"),
            }
        }
    }
    assert!(allowed > 100, "{allowed} were let in");
    host.root("jit audit verify --witness /var/log/auth.log").ends_with(0);
    host.root("systemctl stop jitd-gate.socket jitd-control.socket jitd");
    let db = Connection::open(host.path("var/lib/jitd/jitd.db")).unwrap();
    let mut rows = db
        .prepare(
            "SELECT json_extract(body, '$.tty') FROM journal WHERE seq > ?1
             AND json_extract(body, '$.kind') = 'decision' AND json_extract(body, '$.reason') = 'granted'
             AND json_extract(body, '$.user') = 'alice' AND json_extract(body, '$.phase') = 'account'",
        )
        .unwrap();
    let mut recorded: BTreeMap<String, u32> = BTreeMap::new();
    for tty in rows.query_map([before], |row| row.get::<_, String>(0)).unwrap() {
        *recorded.entry(tty.unwrap()).or_default() += 1;
    }
    for (tty, allowed) in &answers {
        let records = recorded.remove(tty).unwrap_or(0);
        // The one that waited for a new daemon may have been asked of the old one too.
        let most = if tty.starts_with(['k', 'b']) { u32::MAX } else { 1 };
        assert!(records <= most, "{tty} was asked once and is recorded {records} times");
        assert!(!*allowed || records >= 1, "{tty} was let in and is not recorded");
    }
    assert!(recorded.is_empty(), "recorded and never asked: {recorded:?}");
    back.sort();
    let (middle, worst) = (back[back.len() / 2], back[back.len() - 1]);
    eprintln!(
        "{kills} kills: {allowed} let in, each with its record; {unanswered} without an answer; back within {middle:?} in the middle and {worst:?} at worst"
    );
    assert!(worst < Duration::from_secs(1), "back within {worst:?}: {back:?}");
}

#[test]
fn a_module_that_panics_refuses_and_the_owner_is_not_locked_out() {
    let host = Host::gated("web-1").unwrap();
    let (alice, _bob) = granted(&host);
    let mut inside = alice.terminal("");
    inside.exp_string("alice@web-1").unwrap();
    std::fs::copy(module_tests::no_clock(), host.path("usr/local/lib/no-clock.so")).unwrap();
    std::fs::write(host.path("etc/ld.so.preload"), "/usr/local/lib/no-clock.so\n").unwrap();
    alice.ssh("true").is_refused_with("this host's access gate is set up wrongly (the module has a fault)");
    inside.send_line("sudo -n id -un").unwrap();
    inside.exp_string("(the module has a fault), so nobody is let in").unwrap();
    the_owner_is_not_locked_out(&host);
    host.soon("it is told", || {
        host.root("journalctl -q -o cat -p err --facility=authpriv")
            .out
            .contains("the PAM line is not right: the module has a fault")
    });
    std::fs::remove_file(host.path("etc/ld.so.preload")).unwrap();
    alice.ssh("sudo -n true").is_in();
    inside.send_line("exit").unwrap();
}

#[test]
fn somebody_without_rights_learns_and_gets_nothing() {
    let host = Host::gated("web-1").unwrap();
    let (alice, bob) = granted(&host);
    std::fs::copy(module_tests::driver(), host.path("usr/local/bin/driver")).unwrap();
    host.root("chmod 755 /usr/local/bin/driver");
    // A PAM program of her own that claims to be somebody with a grant or without.
    for claimed in ["alice", "bob", "root"] {
        let seen = alice.ssh(&format!("driver /etc/pam.d sshd {claimed} acct"));
        seen.says("acct 9").says("does not answer (/run/jitd/gate.sock: Permission denied)");
    }
    alice.ssh("ls -l /var/lib/jitd").ends_with(2).says("Permission denied");
    alice.jit("audit tail").ends_with(1);
    alice.jit("grants --user bob").ends_with(0).says("No grants.");
    alice.jit("check bob").ends_with(1).says("is for them, approvers and auditors to see");
    // Connections without end use up her own places alone.
    std::fs::copy(connector(), host.path("usr/local/bin/connector")).unwrap();
    host.root("chmod 755 /usr/local/bin/connector");
    alice
        .ssh("(connector /run/jitd/control.sock 600 20 < /dev/null > /dev/null 2>&1 &); sleep 1")
        .ends_with(0);
    alice.jit("status").ends_with(3);
    bob.jit("status").ends_with(0);
    alice.ssh("true").is_in();
    // A loop of refusals is a few records.
    let before: u64 = records(&host);
    let loops = alice.ssh("for n in $(seq 200); do sudo -n -u bob true; done 2>&1 | grep -c 'jit: '");
    loops.says("200");
    let after: u64 = records(&host);
    assert!(
        after - before < 450,
        "{} records for 200 times sudo: the account phase passes, the refusals are counted",
        after - before
    );
}
