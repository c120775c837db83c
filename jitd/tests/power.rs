//! The daemon on a disk that forgets what was not synced, with the power cut at every step that it takes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use disk::{Disk, Keep, Names};
use frame::{Answer, Phase, Question, Verdict};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes that is not broken.
const WAIT: Duration = Duration::from_secs(60);
/// Programs that ask at once, and how often each asks in one start of the daemon.
const ASKERS: u64 = 4;
const ASKS: u64 = 10;
/// Steps of one start of the daemon and its askers: it takes a hundred, and a sweep over them ends at some point.
const STEPS: u64 = 1000;

/// A rule that approves by itself, at all hours.
const POLICY: &str = r#"
[[rule]]
id = "always"
what = { services = ["ssh"] }
time = { max = "8h" }
auto = { hours = "Mon-Sun 00:00-24:00 UTC" }
approve = [{ from = ["group:jit-approvers"] }]
"#;

/// A daemon whose state is on a disk of its own; all else of it is not.
struct Host {
    folder: tempfile::TempDir,
    disk: Disk,
    daemon: Option<Child>,
    _log: UnixDatagram,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:5001:5001::/:/bin/sh\nbob:x:5002:5002::/:/bin/sh\n";
        std::fs::write(inside("passwd"), passwd).unwrap();
        std::fs::write(inside("group"), "root:x:0:\njit-approvers:x:900:bob\n").unwrap();
        std::fs::create_dir(inside("state")).unwrap();
        let config = format!(
            "state = \"{0}/state\"\nhost = \"web-1\"\n[gate]\nsocket = \"{0}/gate\"\n[control]\nsocket = \"{0}/control\"\n\
             [syslog]\nsocket = \"{0}/log\"\n[accounts]\npasswd = \"{0}/passwd\"\ngroup = \"{0}/group\"\n",
            folder.path().display()
        );
        std::fs::write(inside("jitd.toml"), config).unwrap();
        let disk = Disk::new(&inside("state"), Names::WithFolder).unwrap();
        Self { _log: UnixDatagram::bind(inside("log")).unwrap(), daemon: None, folder, disk }
    }

    fn inside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the daemon, and waits until it answers or there is no power any more.
    fn start(&mut self) {
        for socket in ["gate", "control"] {
            let _ = std::fs::remove_file(self.inside(socket));
        }
        let mut jitd = Command::new(env!("CARGO_BIN_EXE_jitd"));
        // What it says of a disk that fails under it is not of interest, unless it is alive.
        let log = std::fs::File::create(self.inside("stderr")).unwrap();
        let jitd = jitd.arg("--config").arg(self.inside("jitd.toml")).stdin(Stdio::null()).stderr(log);
        self.daemon = Some(jitd.spawn().unwrap());
        let since = Instant::now();
        while !self.disk.is_cut() && UnixStream::connect(self.inside("control")).is_err() {
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            let said = || std::fs::read_to_string(self.inside("stderr"));
            assert!(ended.is_none() || self.disk.is_cut(), "it does not come up by itself: {:?}", said());
            assert!(since.elapsed() < WAIT, "it does not listen: {:?}", said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            daemon.wait().unwrap();
        }
    }

    fn client(&self) -> api::Client {
        api::Client::on_socket(&self.inside("control")).unwrap()
    }

    /// What is on the disk, whole; and how many allows are recorded of each terminal.
    fn recorded(&self) -> BTreeMap<String, u32> {
        let copy = tempfile::tempdir_in("/dev/shm").unwrap();
        for name in ["jitd.db", "jitd.db-wal"] {
            if let Ok(bytes) = std::fs::read(self.disk.path().join(name)) {
                std::fs::write(copy.path().join(name), bytes).unwrap();
            }
        }
        let path = copy.path().join("jitd.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        store::verify_whole(&db, &path).unwrap();
        let sql = "SELECT json_extract(body, '$.tty'), count(*) FROM journal
                   WHERE json_extract(body, '$.kind') = 'decision' AND json_extract(body, '$.reason') IN ('granted', 'approver')
                   GROUP BY 1";
        let mut rows = db.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the gate answers to somebody at this terminal, if it answers.
fn asked(gate: &Path, who: &str, tty: &str) -> Option<Answer> {
    let question = Question {
        address: b"203.0.113.5".to_vec(),
        tty: tty.into(),
        ..Question::at_sshd(Phase::Account, who)
    };
    let mut stream = UnixStream::connect(gate).ok()?;
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.write_all(&question.encode().unwrap()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    Answer::decode(&bytes).ok()
}

/// Several ask, some by a grant and some as approvers; the terminals of those who were let in.
fn let_in(host: &Host, round: &str) -> Vec<String> {
    let gate = host.inside("gate");
    let asks = |asker: u64| {
        let who = if asker == 0 { "bob" } else { "alice" };
        let ttys = (0..ASKS).map(|n| format!("{round}-{asker}-{n}"));
        let let_in = |tty: &String| {
            let answer = asked(&gate, who, tty);
            answer.is_some_and(|answer| answer.verdict == Verdict::Allow)
        };
        ttys.filter(let_in).collect::<Vec<String>>()
    };
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS).map(|asker| scope.spawn(move || asks(asker))).collect();
        askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect()
    })
}

#[test]
fn with_the_power_cut_at_every_step_each_allow_that_was_answered_has_its_record() {
    let sweeps: u64 = std::env::var("JIT_SWEEPS").ok().and_then(|sweeps| sweeps.parse().ok()).unwrap_or(3);
    let mut host = Host::new();
    host.start();
    let policy = api::NewPolicy { policy: POLICY.to_owned(), people: None, no_people: false };
    host.client().accept_clock().unwrap();
    host.client().apply_policy(&policy).unwrap();
    let first = asked(&host.inside("gate"), "alice", "first").unwrap();
    assert_eq!(
        first.verdict,
        Verdict::Allow,
        "{}: the rule approves it at once",
        String::from_utf8_lossy(&first.line)
    );
    host.kill();
    // From here on it has to live by what it synced: also what it has said so far.
    host.disk.restart(Keep::Nothing).unwrap();

    let (mut answered, mut cuts, mut unanswered) = (vec!["first".to_owned()], 0, 0);
    for sweep in 0..sweeps {
        let mut step = 1;
        loop {
            host.disk.cut_at(step);
            host.start();
            let new = if host.disk.is_cut() { Vec::new() } else { let_in(&host, &format!("{sweep}-{step}")) };
            let is_over = !host.disk.is_cut();
            host.kill();
            unanswered += ASKERS * ASKS - new.len() as u64;
            answered.extend(new);
            cuts += 1;
            // Three sweeps cut the power and kill at every step.
            let keep = match (sweep + step) % 3 {
                0 => Keep::Nothing,
                1 => Keep::Some(sweep * STEPS + step),
                _ => Keep::All,
            };
            host.disk.restart(keep).unwrap();
            let recorded = host.recorded();
            let lost: Vec<_> = answered.iter().filter(|tty| !recorded.contains_key(*tty)).collect();
            assert!(
                lost.is_empty(),
                "let in and not recorded, by a cut at step {step} with {keep:?}: {lost:?}"
            );
            assert!(recorded.values().all(|times| *times == 1), "{recorded:?}");
            if is_over {
                break;
            }
            step += 1;
            assert!(step < STEPS, "the daemon takes {step} steps, and is not done");
        }
    }
    eprintln!("{cuts} cuts; {} were let in, each with its record; {unanswered} were not", answered.len());
    assert!(cuts > 20 && answered.len() as u64 > cuts, "{cuts} cuts, {} let in", answered.len());
    host.start();
    assert_eq!(let_in(&host, "last").len() as u64, ASKERS * ASKS, "it is as good as new");
}
