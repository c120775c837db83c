//! A real `jitd` that belongs to a real hub, and people with accounts on it.
#![allow(dead_code)] // not every test drives all of it

use crate::host::token;
use crate::room::{Hub, text, until};
use access::HostName;
use api::Join;
use frame::{Answer, Phase, Question, Wish};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use sync::{Digest, SecretKey};

pub const NAME: &str = "db-7";
pub const ALICE: u32 = 65_001;

pub const POLICY: &str = r#"
[[rule]]
id = "production"
who = { groups = ["dev"] }
where = { hosts = ["db-*"] }
what = { services = ["ssh", "sudo"] }
time = { max = "8h", extend = { count = 1 } }
approve = [{ from = ["group:leads"] }]
break_glass = { who = ["user:alice"], max = "30m", review_by = ["group:leads"] }
"#;

/// The daemon of one host, with a folder of its own and accounts of its own.
pub struct There {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
    log: Receiver<String>,
}

/// Programs beside the hub; of the same build.
pub fn beside(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_jit-hub")).with_file_name(name);
    assert!(path.exists(), "build it too: cargo build -p jitd -p jit");
    path
}

impl There {
    /// One that has joined, by the same files that `jitd enrol` writes.
    pub fn joined(hub: &Hub, more: &str) -> Self {
        Self::joined_by(hub, &hub.url(), &hub.ca(), more)
    }

    /// The same by way of what answers at this address and shows a certificate of this authority.
    pub fn joined_by(hub: &Hub, url: &str, ca: &str, more: &str) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        // Its people are other users than the one of this test.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let inside = |name: &str| folder.path().join(name);
        std::fs::create_dir(inside("state")).unwrap();
        std::fs::copy(beside("jit"), inside("jit")).unwrap();
        let passwd = format!(
            "root:x:0:0::/root:/bin/sh\nalice:x:{ALICE}:{ALICE}::/:/bin/sh\nbob:x:{0}:{0}::/:/bin/sh\n",
            ALICE + 1
        );
        std::fs::write(inside("passwd"), passwd).unwrap();
        std::fs::write(inside("group"), "root:x:0:\n").unwrap();
        let config = format!(
            "state = '{0}/state'\nhost = '{NAME}'\n[gate]\nsocket = '{0}/gate'\n[control]\nsocket = '{0}/control'\n\
             [syslog]\nsocket = '{0}/log'\n[accounts]\npasswd = '{0}/passwd'\ngroup = '{0}/group'\n{more}\n",
            folder.path().display()
        );
        std::fs::write(inside("jitd.toml"), config).unwrap();
        let joining = token(hub, 1);
        let key = SecretKey::from_random(&[7; 32]);
        let machine = std::fs::read("/etc/machine-id").unwrap();
        let machine = Digest::of(&[b"jit machine v1\n".as_slice(), &machine].concat());
        let host = HostName::parse(NAME).unwrap();
        let join = Join { token: joining.hash(), host: host.clone(), machine, key: key.public() };
        let said = hub.raw("POST /v1/hosts", "", &serde_json::to_string(&join).unwrap());
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        let enrolment = serde_json::json!({
            "url": url, "hub": joining.hub, "root": joining.root, "host": host, "certificate": ca
        });
        std::fs::write(inside("state/enrolment.json"), enrolment.to_string()).unwrap();
        std::fs::write(inside("state/host.pem"), key.to_pem()).unwrap();
        let log = lines(&inside("log"));
        let mut there = Self { folder, daemon: None, log };
        there.start();
        there
    }

    /// The same disk in a second machine of the same identity: both run from now on.
    pub fn cloned(&mut self) -> Self {
        self.kill();
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let held = std::fs::read_dir(self.inside("state")).unwrap().map(|file| file.unwrap().file_name());
        let kept = held.map(|name| PathBuf::from("state").join(name));
        for name in kept.chain(["jit", "passwd", "group"].map(PathBuf::from)) {
            std::fs::copy(self.folder.path().join(&name), folder.path().join(&name)).unwrap();
        }
        let config = std::fs::read_to_string(self.inside("jitd.toml")).unwrap();
        let places = [&self.folder, &folder].map(|folder| folder.path().display().to_string());
        std::fs::write(folder.path().join("jitd.toml"), config.replace(&places[0], &places[1])).unwrap();
        let log = lines(&folder.path().join("log"));
        let mut clone = Self { folder, daemon: None, log };
        self.start();
        clone.start();
        clone
    }

    pub fn inside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn start(&mut self) {
        let mut jitd = Command::new(beside("jitd"));
        let jitd = jitd.arg("--config").arg(self.inside("jitd.toml")).stderr(Stdio::inherit());
        // The authorities that this machine trusts, where the test put some.
        if self.inside("trusted.pem").exists() {
            jitd.env("SSL_CERT_FILE", self.inside("trusted.pem"));
        }
        self.daemon = Some(jitd.spawn().unwrap());
        until("it listens", || UnixStream::connect(self.inside("control")).is_ok());
    }

    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        kill_process(Pid::from_child(&daemon), Signal::KILL).unwrap();
        daemon.wait().unwrap();
    }

    /// `jit` of somebody who has logged in here.
    pub fn jit(&self, uid: u32, arguments: &str) -> Output {
        let command = format!(
            "echo {uid} > /proc/self/loginuid; exec {} --socket {} {arguments}",
            self.inside("jit").display(),
            self.inside("control").display()
        );
        let mut setpriv = Command::new("setpriv");
        let id = uid.to_string();
        setpriv.args(["--reuid", &id, "--regid", &id, "--clear-groups", "sh", "-c", &command]);
        setpriv.env("HOME", "/nonexistent").output().unwrap()
    }

    pub fn done(&self, uid: u32, arguments: &str) -> serde_json::Value {
        let done = self.jit(uid, &format!("{arguments} --json"));
        assert!(done.status.success(), "{arguments}: {}{}", text(&done.stdout), text(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// The next line of the log that has these words.
    pub fn says(&self, words: &str) -> String {
        let mut all = Vec::new();
        loop {
            let line = self.log.recv_timeout(crate::room::PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {words:?} in {all:#?}"));
            if line.contains(words) {
                return line;
            }
            all.push(line);
        }
    }

    /// What the gate answers alice, and within which time.
    pub fn asked(&self, phase: Phase, can_prompt: bool, reason: &str) -> (Answer, Duration) {
        let question = Question {
            address: b"203.0.113.5".to_vec(),
            can_prompt,
            wish: Wish { reason: reason.into(), ..Wish::default() },
            ..Question::at_sshd(phase, "alice")
        };
        let begun = Instant::now();
        (self.answers(&question), begun.elapsed())
    }

    /// What the gate answers alice whose session this process is to be.
    pub fn opens(&self, process: &Child) -> Answer {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        // proc_pid_stat(5): what is in parentheses can hold anything, and the 22nd field is the 20th after it.
        let start_ticks =
            stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
        let question = Question { pid: process.id(), start_ticks, ..Question::at_sshd(Phase::Open, "alice") };
        self.answers(&question)
    }

    fn answers(&self, question: &Question) -> Answer {
        answers(&self.inside("gate"), question)
    }

    /// Whether the gate would let alice in.
    pub fn lets_in(&self) -> bool {
        let checked = self.jit(ALICE, "check alice --service ssh --json");
        serde_json::from_slice::<serde_json::Value>(&checked.stdout).is_ok_and(|said| said["allowed"] == true)
    }
}

/// This gate refuses a stranger, which leaves a long record.
pub fn refuses(gate: &Path, stranger: u32) {
    let question = Question {
        rhost: [b'x'; 250].to_vec(),
        ..Question::at_sshd(Phase::Account, &format!("stranger{stranger}"))
    };
    assert_eq!(answers(gate, &question).verdict, frame::Verdict::Deny);
}

/// Whether this gate lets alice in at a login, as it answers one.
pub fn lets_alice_in(gate: &Path) -> bool {
    answers(gate, &Question::at_sshd(Phase::Account, "alice")).verdict == frame::Verdict::Allow
}

fn answers(gate: &Path, question: &Question) -> Answer {
    let mut stream = UnixStream::connect(gate).unwrap();
    stream.write_all(&question.encode().unwrap()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Answer::decode(&answer).unwrap().to(question).unwrap()
}

impl Drop for There {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Lines as a syslog daemon takes them.
fn lines(path: &Path) -> Receiver<String> {
    let socket = UnixDatagram::bind(path).unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length) = socket.recv(&mut buffer) {
            let line = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}

pub fn with_policy() -> Hub {
    with("")
}

/// The same with these lines in its configuration.
pub fn with(lines: &str) -> Hub {
    let mut hub = Hub::set_up(lines);
    hub.serve();
    hub.stay();
    let new = api::NewPolicy {
        policy: POLICY.to_owned(),
        people: Some(crate::room::PEOPLE.to_owned()),
        no_people: false,
    };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    hub
}

pub fn request_id(said: &serde_json::Value) -> String {
    said["request"]["ask"]["id"].as_str().unwrap().to_owned()
}
