//! The daemon with a journal that grows and a syslog daemon that is away, and then is not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use journal::{Checkpoint, Verifier, Witness};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(60);
/// The least that a journal may be given.
const ALLOWANCE: u64 = 16 * 1024 * 1024;
/// Strangers that ask at the gate at a time. Until the journal is too large there are some 15,000 of them, so
/// that more lines wait for the syslog daemon than may.
const STRANGERS: u32 = 1000;

/// A daemon of its own, ended with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    fn start(folder: &Path, allowance: u64) -> Self {
        let config = format!(
            "state = \"{0}\"\nhost = \"web-1\"\n[gate]\nsocket = \"{0}/gate\"\n\
             [control]\nsocket = \"{0}/control\"\n[syslog]\nsocket = \"{0}/log\"\n[journal]\nmax_bytes = {allowance}\n",
            folder.display()
        );
        std::fs::write(folder.join("jitd.toml"), config).unwrap();
        let mut jitd = Command::new(env!("CARGO_BIN_EXE_jitd"));
        let jitd = jitd.arg("--config").arg(folder.join("jitd.toml")).stderr(Stdio::inherit());
        let daemon = Self(jitd.spawn().unwrap());
        // By then it hears signals, too.
        let control = folder.join("control");
        until("it answers", || api::Client::on_socket(&control).and_then(|client| client.status()).is_ok());
        daemon
    }

    fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < WAIT, "{what}: not within {WAIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A stranger asks, as sshd does for a login name that has no grant.
fn refused(gate: &Path, n: u32) {
    let question = frame::Question {
        rhost: [b'x'; 250].to_vec(),
        ..frame::Question::at_sshd(frame::Phase::Account, &format!("stranger{n}"))
    };
    let mut stream = UnixStream::connect(gate).unwrap();
    stream.write_all(&question.encode().unwrap()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = frame::Answer::decode(&answer);
    assert!(answer.is_ok(), "{answer:?}: the gate answers root alone, so this runs as root");
    assert_eq!(answer.unwrap().reason, b"no_grant");
}

/// Strangers ask until the journal is as large as that.
fn fill(gate: &Path, is_large: impl Fn() -> bool) {
    let mut asked = 0;
    until("the journal is larger than it should stay", || {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    (0..STRANGERS).skip(thread).step_by(4).for_each(|n| refused(gate, asked + n));
                });
            }
        });
        asked += STRANGERS;
        is_large()
    });
}

/// Lines as a syslog daemon takes them.
fn syslog(path: &Path) -> Receiver<String> {
    let socket = UnixDatagram::bind(path).unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length) = socket.recv(&mut buffer) {
            if tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                return;
            }
        }
    });
    told
}

#[test]
fn nothing_is_pruned_before_syslog_has_a_checkpoint_and_lines_that_were_dropped_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), ALLOWANCE);
    let gate = folder.path().join("gate");
    let db = store::read_only(&folder.path().join("jitd.db")).unwrap();
    let first = || db.query_row("SELECT min(seq) FROM journal", [], |row| row.get::<_, u64>(0)).unwrap();
    let full = || store::used_bytes(&db).unwrap() > ALLOWANCE / 8 * 5;
    fill(&gate, full);
    assert_eq!(first(), 1, "syslog has seen nothing, so nothing goes");

    let lines = syslog(&folder.path().join("log"));
    let (mut all, mut told) = (Vec::new(), None);
    while told.is_none() {
        let line = lines.recv_timeout(WAIT).unwrap();
        told = line.contains("mark=lines_dropped").then(|| line.clone());
        all.push(line);
    }
    let told = told.unwrap();
    // authpriv (10) * 8 + err (3)
    assert!(
        told.starts_with("<83>") && told.contains("log lines were dropped") && told.contains(" seq="),
        "{told}"
    );
    until("there is room again", || !full());
    let stays = first();
    daemon.stop();
    // All that it sent is in the socket by now.
    all.extend(std::iter::from_fn(|| lines.recv_timeout(Duration::from_secs(1)).ok()));
    let witnessed =
        all.iter().filter_map(|line| Checkpoint::parse(line)).map(|seen| seen.0.seq).max().unwrap();
    assert!(1 < stays && stays <= witnessed, "{stays} with {witnessed} in syslog");

    // What is left verifies against what syslog has.
    let rows = store::journal_after(&db, 0, 100_000).unwrap();
    let witness = Witness::of(rows[0].log, all.iter().map(String::as_str));
    let mut verifier = Verifier::new(None, witness);
    rows.iter().try_for_each(|row| verifier.take(row)).unwrap();
    let end = verifier.end(rows[0].log).unwrap();
    assert!(end.witnessed > 0 && end.first == rows[0].seq);
    let marks = rows.iter().filter(|row| row.body.contains("\"lines_dropped\"")).count();
    assert!(marks >= 1);
}

#[test]
fn a_daemon_whose_journal_has_no_room_starts_and_makes_some_once_syslog_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let daemon = Daemon::start(folder.path(), 2 * ALLOWANCE);
    let db = store::read_only(&folder.path().join("jitd.db")).unwrap();
    let row = |which: &str| {
        db.query_row(&format!("SELECT {which}(seq) FROM journal"), [], |row| row.get::<_, u64>(0)).unwrap()
    };
    fill(&gate, || store::used_bytes(&db).unwrap() > ALLOWANCE);
    daemon.stop();
    // The file cannot become smaller than it is, and what is left of its last pages takes a few records more.
    let mut starts = 0;
    loop {
        let before = row("max");
        let daemon = Daemon::start(folder.path(), ALLOWANCE);
        refused(&gate, 0);
        let has_room = row("max") > before;
        daemon.stop();
        if !has_room {
            break;
        }
        starts += 1;
        assert!(starts < 100, "it has room for ever");
    }
    assert_eq!(row("min"), 1, "syslog has seen nothing, so nothing goes");

    let lines = syslog(&folder.path().join("log"));
    let daemon = Daemon::start(folder.path(), ALLOWANCE);
    refused(&gate, 0);
    until("old records go", || row("min") > 1);
    let (last, mut stranger) = (row("max"), 1_000_000);
    until("what happens is recorded again", || {
        stranger += 1;
        refused(&gate, stranger);
        row("max") > last
    });
    daemon.stop();
    let told: Vec<String> = std::iter::from_fn(|| lines.recv_timeout(Duration::from_secs(1)).ok()).collect();
    assert!(
        told.iter().any(
            |line| line.contains("the daemon runs, and lets nobody in until its database can be written")
        ),
        "{told:#?}"
    );
}
