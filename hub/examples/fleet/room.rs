//! The real hub, in a folder of its own.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use sync::{Digest, HubId, SecretKey};

/// What a host is called.
pub fn name(number: usize) -> String {
    format!("h-{number:05}")
}

/// Its key.
pub fn secret(number: usize) -> SecretKey {
    SecretKey::from_random(Digest::of(name(number).as_bytes()).as_bytes())
}

/// The hub: one process that signs, and as many as there are ports that serve.
pub struct Room {
    program: String,
    folder: PathBuf,
    ports: Vec<u16>,
    admin: String,
    signer: Option<Child>,
    serving: Vec<Child>,
    database: Option<testbed::Postgres>,
}

impl Room {
    /// One that is set up with so many hosts and does not serve yet.
    pub fn new(program: String, folder: PathBuf, hosts: usize, replicas: Option<usize>) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ports = (0..replicas.unwrap_or(1)).map(|_| free()).collect();
        let mut room = Self {
            program,
            folder,
            ports,
            admin: String::new(),
            signer: None,
            serving: Vec::new(),
            database: None,
        };
        let log = UnixDatagram::bind(room.folder.join("log")).unwrap();
        std::thread::spawn(move || {
            let mut line = [0; 8192];
            while let Ok(length) = log.recv(&mut line) {
                let line = String::from_utf8_lossy(&line[..length]);
                // Up to warnings (RFC 5424, section 6.2.1); changes are notices.
                let severity = line.get(1..).and_then(|line| line.split('>').next()?.parse::<u32>().ok());
                if severity.is_some_and(|priority| priority % 8 <= 4) {
                    eprintln!("{line}");
                }
            }
        });
        room.configure("");
        let done = room.command("init").arg("--config").arg(room.config(0)).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().clone_into(&mut room.admin);
        room.enrol(hosts);
        if replicas.is_some() {
            let database = testbed::Postgres::start().unwrap();
            let migrate = room
                .command("migrate")
                .args(["--to", &database.url(), "--config"])
                .arg(room.config(0))
                .output();
            let migrate = migrate.unwrap();
            assert!(migrate.status.success(), "{}", String::from_utf8_lossy(&migrate.stderr));
            room.configure(&format!("[database]\nurl = \"{}\"\n", database.url()));
            room.database = Some(database);
        }
        room
    }

    fn configure(&self, more: &str) {
        for (number, port) in self.ports.iter().enumerate() {
            let config = format!(
                "listen = \"127.0.0.1:{port}\"\nnames = [\"localhost\"]\nstate = '{0}/state'\n[signer]\nstate = '{0}/signer'\n\
                 socket = '{0}/signer.sock'\n[syslog]\nsocket = '{0}/log'\n{more}",
                self.folder.display()
            );
            std::fs::write(self.config(number), config).unwrap();
        }
    }

    fn config(&self, number: usize) -> PathBuf {
        self.folder.join(format!("hub-{number}.toml"))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(name);
        command
    }

    fn enrol(&self, hosts: usize) {
        let mut database = rusqlite::Connection::open(self.folder.join("state/hub.db")).unwrap();
        let all = database.transaction().unwrap();
        for number in 0..hosts {
            let (name, key) = (name(number), secret(number).public());
            let machine = Digest::of(name.as_bytes());
            all.execute(
                "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES (?1, '{}', ?2, ?3, ?4, 0, 1)",
                rusqlite::params![name, key.to_string(), machine.to_string(), machine.as_bytes().as_slice()],
            )
            .unwrap();
        }
        all.commit().unwrap();
    }

    /// Serves from now on.
    pub fn serve(&mut self) {
        if self.signer.is_none() {
            self.signer = Some(self.begin("signer", 0));
        }
        self.serving = (0..self.ports.len()).map(|number| self.begin("serve", number)).collect();
    }

    fn begin(&self, name: &str, number: usize) -> Child {
        let mut command = self.command(name);
        let mut child =
            command.arg("--config").arg(self.config(number)).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(" answers on ") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "jit-hub {name} ended");
        }
        // What it says later must not fill the pipe.
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        child
    }

    /// Stops serving, and waits until nothing serves.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        for mut child in self.serving.drain(..) {
            child.wait().unwrap();
        }
    }

    /// Has it look whether there are other keys.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        for child in &self.serving {
            kill_process(Pid::from_child(child), signal).unwrap();
        }
    }

    /// Makes other keys.
    pub fn rotate(&self) {
        let done = self.command("keys").args(["rotate", "--config"]).arg(self.config(0)).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn at(&self) -> Vec<SocketAddr> {
        self.ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
    }

    pub fn ca(&self) -> String {
        std::fs::read_to_string(self.folder.join("state/ca.crt")).unwrap()
    }

    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// What it signs as, and its root, as a token for hosts has them.
    pub fn identity(&self) -> (HubId, Digest) {
        let read = |name: &str| std::fs::read(self.folder.join(name)).unwrap();
        let authority: sync::SignedAuthority = serde_json::from_slice(&read("state/authority.json")).unwrap();
        let said: sync::Authority = serde_json::from_slice(authority.envelope.payload()).unwrap();
        (said.hub, authority.roots.fingerprint())
    }

    /// Resident bytes of what serves.
    pub fn resident(&self) -> u64 {
        let of = |child: &Child| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().to_owned();
            line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
        };
        self.serving.iter().map(of).sum()
    }

    /// Processor time of what serves so far (proc_pid_stat(5), utime and stime in hundredths of a second).
    pub fn processor(&self) -> Duration {
        let of = |child: &Child| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
            fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum::<u64>()
        };
        Duration::from_millis(self.serving.iter().map(of).sum::<u64>() * 10)
    }

    /// The same since then.
    pub fn since(&self, before: Duration) -> Duration {
        self.processor().saturating_sub(before)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for mut child in self.serving.drain(..).chain(self.signer.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
