//! What goes wrong on a host: refused with one clear line, nothing acknowledged lost, and never the owner
//! locked out.

use hosts::asking::{granted, let_in, records};
use rusqlite::{Connection, params};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testbed::{Host, SPARE};

const DOES_NOT_ANSWER: &str = "this host's access daemon does not answer";

/// The owner gets in, and root's own sudo works.
fn the_owner_is_not_locked_out(host: &Host) {
    let spare = host.person(SPARE, &[]).unwrap();
    spare.ssh("sudo -n id -un").is_in().says("root");
    host.root("sudo -n true").ends_with(0);
}

/// A program that opens connections and holds them.
pub fn connector() -> std::path::PathBuf {
    let source = testbed::repository().join("tests/hosts/tests/connector.c");
    let program = testbed::repository().join("target/connector");
    testbed::run(
        std::process::Command::new("cc").args(["-O2", "-Wall", "-Werror", "-o"]).arg(&program).arg(source),
    )
    .unwrap();
    program
}

#[test]
fn a_damaged_journal_refuses_until_it_is_repaired_and_a_revocation_stays() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    let grant = bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).id("G-");
    let sudo = bob.jit(&format!("approve {}", alice.ssh("sudo -n true").id("R-"))).id("G-");
    alice.ssh("sudo -n true").is_in();
    bob.jit(&format!("revoke {grant} --reason 'the wrong one'")).ends_with(0);
    alice.ssh("true").is_refused_with("was revoked by bob");
    host.jitd_stops();
    let lines = host.log_lines();
    assert!(decisions_parse(lines.iter().map(String::as_str)) >= 5, "journald has them too: {lines:#?}");

    let file = host.path("var/lib/jitd/jitd.db");
    let db = Connection::open(&file).unwrap();
    // Alice's first refusal: everything that the grants rest on comes after it.
    let damaged: i64 = db
        .query_row(
            "SELECT min(seq) FROM journal WHERE json_extract(body, '$.reason') = 'no_grant'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    db.execute("UPDATE journal SET body = body || ' ' WHERE seq = ?1", [damaged]).unwrap();
    // Without one the whole log is verified at a start.
    db.execute("DELETE FROM checkpoint", []).unwrap();
    // Whoever does this also takes the revocation back, so that the row is whole by its digest and by the record
    // that it names.
    let (approved, body): (i64, String) = db
        .query_row(
            "SELECT seq, json_extract(body, '$.grant') FROM journal
             WHERE json_extract(body, '$.change') = 'approved' AND json_extract(body, '$.grant.id') = ?1",
            [&grant],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let digest = journal::Hash::of(body.as_bytes()).0;
    let sql = "UPDATE grants SET closed = 0, body = ?1, digest = ?2, seq = ?3 WHERE json_extract(body, '$.id') = ?4";
    assert_eq!(db.execute(sql, params![body, digest, approved, grant]).unwrap(), 1);
    let open = "SELECT count(*) FROM grants WHERE closed = 0 AND json_extract(body, '$.ended') IS NULL";
    assert_eq!(db.query_row(open, [], |row| row.get::<_, i64>(0)).unwrap(), 2, "the row lets her in again");
    drop(db);

    host.root("systemctl start jitd-gate.socket jitd-control.socket");
    alice.ssh("true").is_refused_with(DOES_NOT_ANSWER);
    the_owner_is_not_locked_out(&host);
    host.soon("the damage is told", || {
        host.log_lines().iter().any(|l| {
            l.contains(&format!("record {damaged} was changed after it was written"))
                && l.contains("jitd repair")
        })
    });
    host.jitd_stops();
    let repaired = host.root("jitd repair");
    repaired
        .ends_with(0)
        .says("the damaged database is kept at /var/lib/jitd/jitd.damaged-1")
        .says(&format!("lost: journal {damaged}"))
        .says("ended it");
    host.jitd_starts();
    host.root("jit audit verify").ends_with(0);
    host.root("jit audit tail -n 50").says("mark=repaired");
    // Nothing tells that the lost record was no newer policy, so none is in force until root says which.
    bob.ssh("true").is_refused_with("jit: ");
    for command in ["show", "diff"] {
        host.root(&format!("jit policy {command}")).ends_with(4).says("no policy is in force");
    }
    host.root("jit status").says("no policy is in force, for a repair lost it").says("`jit policy apply`");
    host.root("jit policy apply").ends_with(0);
    host.root("jit policy show").ends_with(0).says("applied by root");
    alice.ssh("true").is_refused_with("is for sudo, not for ssh");
    let held = bob.jit("grants --user alice");
    assert!(!held.out.contains(&grant), "a revoked grant never comes back: {held:?}\n{repaired:?}");
    // And what nobody took from her is hers.
    held.says(&sudo);
    bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
    alice.ssh("sudo -n true").is_in();
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

/// How many of these lines are decisions, each of which says everything once.
fn decisions_parse<'a>(lines: impl Iterator<Item = &'a str>) -> usize {
    const KEYS: [&str; 11] =
        ["decision", "reason", "user", "as", "service", "host", "rhost", "tty", "source", "staleness", "seq"];
    let decisions = lines.filter(|line| line.contains("decision=")).map(|line| {
        let pairs = parsed(line);
        for key in KEYS {
            assert_eq!(pairs.iter().filter(|(name, _)| name == key).count(), 1, "{key} once in {line}");
        }
    });
    decisions.count()
}

/// A host whose daemon writes to rsyslogd alone, with no journald between them.
fn logging_to_rsyslogd() -> Host {
    let host = Host::gated("web-1").unwrap();
    std::fs::write(
        host.path("etc/rsyslog.d/jitd.conf"),
        "input(type=\"imuxsock\" Socket=\"/run/test.log\" CreatePath=\"on\" RateLimit.Interval=\"0\")\n",
    )
    .unwrap();
    std::fs::write(host.path("etc/jitd/jitd.toml"), "[syslog]\nsocket = \"/run/test.log\"\n").unwrap();
    host.root("systemctl restart rsyslog jitd").ends_with(0);
    host
}

/// Log lines that the daemon says it dropped.
fn lines_dropped(host: &Host) -> u64 {
    let status = host.root("jit status --json").out;
    status
        .split("\"lines_dropped\":")
        .nth(1)
        .and_then(|rest| rest.split([',', '}']).next()?.parse().ok())
        .unwrap()
}

#[test]
fn syslog_away_costs_no_time_and_no_line() {
    let host = logging_to_rsyslogd();
    let (alice, _bob) = granted(&host);
    let allows = || {
        host.syslog_lines().iter().filter(|l| l.contains("decision=allow reason=granted user=alice")).count()
    };
    host.soon("lines arrive", || allows() > 0);

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
    assert_eq!(lines_dropped(&host), 0);
    let lines = host.syslog_lines();
    assert!(decisions_parse(lines.iter().map(|line| line.split_once("]: ").unwrap().1)) >= 12);
    // One line for each record of the journal, in its order.
    let seqs: Vec<u64> = host
        .syslog_lines()
        .iter()
        .filter(|line| ["decision=", "change=", "mark="].iter().any(|kind| line.contains(kind)))
        .filter_map(|line| line.rsplit_once(" seq=")?.1.split(' ').next()?.parse().ok())
        .collect();
    assert!(seqs.len() > 20 && seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
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

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn a_daemon_that_is_stopped_hung_or_wrongly_configured_comes_back() {
        let host = Host::gated("web-1").unwrap();
        let (alice, _bob) = granted(&host);

        // Stopped alone: the next login starts it.
        host.root("systemctl stop jitd.service");
        host.root("systemctl start jitd-gate.socket jitd-control.socket");
        alice.ssh("true").is_in();

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
        host.root("jitd --check-config")
            .ends_with(1)
            .says("/etc/jitd/jitd.toml:2: keep: duration \"8 hours\"");
        alice.ssh("sudo -n true").is_in();
        // An upgrade says so too, comes to its end, and leaves the daemon that runs alone.
        let pid = host.root("pidof jitd").out;
        host.root("dpkg -i /opt/jitd.deb")
            .ends_with(0)
            .says("jitd: not restarted, since it would not start with this configuration:")
            .says("/etc/jitd/jitd.toml:2: keep: duration \"8 hours\"");
        host.root("dpkg -s jitd").says("Status: install ok installed");
        assert_eq!(host.root("pidof jitd").out, pid);
        alice.ssh("sudo -n true").is_in();
        // A restart does not come up with it, and comes back by itself at once when it is right.
        let since = Instant::now();
        host.root("systemctl restart jitd").ends_with(1);
        alice.ssh("true").is_refused_with(DOES_NOT_ANSWER);
        host.soon("its status says why", || {
            host.root("systemctl status jitd")
                .out
                .contains("does not run: /etc/jitd/jitd.toml:2: keep: duration")
        });
        let starts =
            host.root("journalctl -q -o cat -u jitd").out.matches("error: /etc/jitd/jitd.toml:2").count();
        let most = since.elapsed().as_secs() / 10 + 1;
        assert!(
            (1..=most).contains(&(starts as u64)),
            "{starts} starts in {:?} fill no log",
            since.elapsed()
        );
        std::fs::write(&config, "[journal]\nkeep = \"90d\"\n").unwrap();
        let since = Instant::now();
        host.soon("it comes back by itself", || alice.ssh("true").code == 0);
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        host.root("jitd --check-config").ends_with(0).says("is good");
    }

    #[test]
    fn lines_that_a_stopped_syslog_daemon_costs_are_counted_and_told_when_it_is_back() {
        let host = logging_to_rsyslogd();
        let (alice, _bob) = granted(&host);
        host.root("kill -STOP $(pidof rsyslogd)").ends_with(0);
        // More decisions than the daemon keeps lines for.
        let enough = AtomicBool::new(false);
        let worst = std::thread::scope(|scope| {
            let ask = || {
                let mut worst = Duration::ZERO;
                while !enough.load(Ordering::Relaxed) {
                    let since = Instant::now();
                    assert!(let_in(&host, "flood"));
                    worst = worst.max(since.elapsed());
                }
                worst
            };
            let asking: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
            let since = Instant::now();
            while lines_dropped(&host) == 0 && since.elapsed() < Duration::from_secs(300) {
                std::thread::park_timeout(Duration::from_millis(500));
            }
            enough.store(true, Ordering::Relaxed);
            asking.into_iter().map(|asked| asked.join().unwrap()).max().unwrap()
        });
        // No decision waited for the log, or it would have waited for all of this.
        assert!(worst < Duration::from_secs(2), "{worst:?}");
        host.root("kill -CONT $(pidof rsyslogd)").ends_with(0);
        let loss = " log lines were dropped; the journal has every record\"";
        let told = || -> Option<u64> {
            let lines = host.syslog_lines();
            let line =
                lines.iter().find(|line| line.contains("mark=lines_dropped") && line.contains(loss))?;
            line.split("detail=\"").nth(1)?.split(' ').next()?.parse().ok()
        };
        host.soon("the loss is told", || told().is_some());
        let dropped = told().unwrap();
        assert!(
            dropped > 0 && lines_dropped(&host) == dropped,
            "{dropped} are told, {} counted",
            lines_dropped(&host)
        );
        alice.ssh("sudo -n true").is_in();
        // What is missing between the first line and the last is what was counted.
        let seqs: Vec<u64> = host
            .syslog_lines()
            .iter()
            .filter(|line| ["decision=", "change=", "mark="].iter().any(|kind| line.contains(kind)))
            .filter_map(|line| line.rsplit_once(" seq=")?.1.split(' ').next()?.parse().ok())
            .collect();
        let missing = seqs.windows(2).map(|pair| pair[1] - pair[0] - 1).sum::<u64>();
        // Every so often a line is a checkpoint's, which is of no record of its own.
        assert!(
            (dropped * 9 / 10..=dropped).contains(&missing),
            "{missing} records have no line, {dropped} are counted"
        );
        host.root("jit audit verify").ends_with(0);
        eprintln!(
            "{dropped} lines dropped of some {}, slowest answer {worst:?}",
            seqs.len() as u64 + dropped
        );
    }
}
