//! The daemon, killed again and again. A file of its own, so that no other host shares the processors while it is
//! measured how soon it is back.
#![allow(clippy::unwrap_used)] // a wrong step must stop the story

use hosts::asking::{granted, let_in, records, until};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use testbed::Host;

/// What one asker was answered, by the terminal that its question named.
type Answers = BTreeMap<String, bool>;

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
    host.jitd_stops();
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
