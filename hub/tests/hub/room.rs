//! A hub of its own for each test, on a port that the kernel chose.

use crate::database::{Database, lines, sql};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything takes that is not broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Who waits for something looks again after this, and leaves the processors to what it waits for.
pub const AGAIN: Duration = Duration::from_millis(1);

pub const POLICY: &str = r#"
[[rule]]
id = "production"
who = { groups = ["dev"] }
where = { hosts = ["db-*"] }
what = { services = ["ssh", "sudo"] }
approve = [{ from = ["group:leads"] }]
"#;

pub const PEOPLE: &str =
    "[alice]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\n[carol]\ngroups = [\"leads\"]\n";

pub struct Hub {
    /// What its state is below in the folder: nothing, or a disk.
    base: &'static str,
    pub folder: Arc<tempfile::TempDir>,
    pub admin: String,
    /// What `jit-hub init` said to whoever ran it.
    #[allow(dead_code)] // not every test asks
    pub said: String,
    pub database: Arc<Mutex<Database>>,
    served: Option<Served>,
    signer: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
}

struct Served {
    child: Child,
    said: BufReader<ChildStderr>,
    at: SocketAddr,
}

impl Hub {
    /// One that is set up and does not serve yet, with further lines of configuration.
    pub fn set_up(more: &str) -> Self {
        let hub = Self::set_up_in(tempfile::tempdir().unwrap(), "", Database::start(), more);
        hub.sql("INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES ('db-1', '{\"env\":\"prod\"}', '', '', x'', 0, 1)");
        hub
    }

    /// One that is set up, with its state below this part of the folder, and knows no host.
    pub fn set_up_in(folder: tempfile::TempDir, base: &'static str, database: Database, more: &str) -> Self {
        let log = log_at(&folder.path().join("log"));
        let config = format!(
            "listen = \"127.0.0.1:0\"\nnames = [\"localhost\"]\nstate = '{0}/{base}state'\n{more}\n[signer]\n\
             state = '{0}/{base}signer'\nsocket = '{0}/signer.sock'\n[syslog]\nsocket = '{0}/log'\n{1}",
            folder.path().display(),
            lines(&database)
        );
        std::fs::write(folder.path().join("hub.toml"), config).unwrap();
        let mut hub = Self {
            base,
            folder: Arc::new(folder),
            admin: String::new(),
            said: String::new(),
            database: Arc::new(Mutex::new(database)),
            served: None,
            signer: None,
            log,
        };
        let done = hub.command("init").output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout).trim().clone_into(&mut hub.admin);
        hub.said = text(&done.stderr);
        hub
    }

    /// One that serves.
    pub fn new() -> Self {
        let mut hub = Self::set_up("");
        hub.serve();
        hub
    }

    /// Another one on the same database, with the same keys and the same signer.
    #[allow(dead_code)] // not where the database is a file
    pub fn beside(&self) -> Self {
        let mut hub = Self {
            base: self.base,
            folder: Arc::clone(&self.folder),
            admin: self.admin.clone(),
            said: String::new(),
            database: Arc::clone(&self.database),
            served: None,
            signer: None,
            log: Arc::clone(&self.log),
        };
        hub.begin();
        hub
    }

    /// Another one on the same database, in a folder of its own with copies of the keys, and with a signer of its own.
    #[allow(dead_code)] // not where the database is a file
    pub fn apart(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["state", "signer"] {
            let to = folder.path().join(name);
            let copied = Command::new("cp").arg("-a").args([self.path(name), to]).output().unwrap();
            assert!(copied.status.success(), "{}", text(&copied.stderr));
        }
        let config = std::fs::read_to_string(self.path("hub.toml")).unwrap();
        let (here, there) = (self.folder.path().display().to_string(), folder.path().display().to_string());
        std::fs::write(folder.path().join("hub.toml"), config.replace(&here, &there)).unwrap();
        let log = log_at(&folder.path().join("log"));
        let mut hub = Self {
            base: self.base,
            folder: Arc::new(folder),
            admin: self.admin.clone(),
            said: String::new(),
            database: Arc::clone(&self.database),
            served: None,
            signer: None,
            log,
        };
        hub.serve();
        hub
    }

    /// A hub in role `feed` over the same database, on what would be a machine of its own: with a key and a user of its own,
    /// and nothing else. It does not serve yet.
    #[allow(dead_code)] // not where the database is a file
    pub fn feed(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = log_at(&folder.path().join("log"));
        let config = format!(
            "role = \"feed\"\nlisten = \"127.0.0.1:0\"\nnames = [\"localhost\"]\nstate = '{0}/state'\n\
             proxies = [\"127.0.0.1\"]\n[syslog]\nsocket = '{0}/log'\n{1}",
            folder.path().display(),
            lines(&self.database.lock().unwrap()).replace("://hub@", "://jit_feed@")
        );
        std::fs::write(folder.path().join("hub.toml"), config).unwrap();
        let feed = Self {
            base: "",
            folder: Arc::new(folder),
            admin: String::new(),
            said: String::new(),
            database: Arc::clone(&self.database),
            served: None,
            signer: None,
            log,
        };
        self.sql(&format!("CREATE ROLE jit_feed LOGIN; {}", include_str!("../../../packaging/feed.sql")));
        feed
    }

    /// Has hosts believe a key, or believe it no more.
    #[allow(dead_code)] // see above
    pub fn keys(&mut self, what: &str, key: &str) {
        let done = self.command("keys").args([what, key]).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
        self.signal(Signal::HUP);
        self.says("has read its certificate anew");
    }

    /// One that serves, with [`POLICY`] over [`PEOPLE`] in force.
    pub fn with_policy() -> Self {
        Self::with("")
    }

    /// The same with these lines in its configuration.
    pub fn with(lines: &str) -> Self {
        let mut hub = Self::set_up(lines);
        hub.serve();
        let new =
            api::NewPolicy { policy: POLICY.to_owned(), people: Some(PEOPLE.to_owned()), no_people: false };
        assert_eq!(hub.client(&hub.admin).apply_policy(&new).unwrap().version, 1);
        hub
    }

    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jit-hub"));
        command.arg(name).arg("--config").arg(self.path("hub.toml"));
        command
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn sql(&self, statement: &str) {
        sql(&self.database.lock().unwrap(), &self.path("state"), statement);
    }

    /// The process that signs, where there is none.
    pub fn sign(&mut self) {
        if self.signer.is_none() {
            let mut child = self.command("signer").stderr(Stdio::piped()).spawn().unwrap();
            next_line(&mut BufReader::new(child.stderr.take().unwrap()), "jit-hub signer answers on ");
            self.signer = Some(child);
        }
    }

    pub fn stop_signing(&mut self) {
        let mut child = self.signer.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn serve(&mut self) {
        self.sign();
        self.begin();
    }

    /// Has it serve at the same address from now on, also when it is started anew.
    pub fn stay(&self) {
        let path = self.path("hub.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, config.replace("127.0.0.1:0", &self.at().to_string())).unwrap();
    }

    /// Serves, with no look at whether anybody signs.
    pub fn begin(&mut self) {
        let mut child = self.command("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let line = next_line(&mut said, "jit-hub answers on ");
        let at = line.rsplit(' ').next().unwrap().parse().unwrap();
        self.served = Some(Served { child, said, at });
    }

    fn served(&mut self) -> &mut Served {
        self.served.as_mut().unwrap()
    }

    pub fn at(&self) -> SocketAddr {
        self.served.as_ref().unwrap().at
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.at().port())
    }

    pub fn signal(&mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.served().child), signal).unwrap();
    }

    /// A line of the log has these words, now or soon.
    pub fn logs(&self, words: &str) {
        let begun = Instant::now();
        while !self.log.lock().unwrap().iter().any(|line| line.contains(words)) {
            assert!(begun.elapsed() < PATIENCE, "{words:?} is not in {:#?}", self.log.lock().unwrap());
            std::thread::sleep(AGAIN);
        }
    }

    /// How many lines of the log have these words by now.
    pub fn logged(&self, words: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }

    /// A copy of its database, as of now.
    pub fn backup(&self) -> PathBuf {
        let copy = self.path("backup.db");
        self.sql(&format!("VACUUM INTO '{}'", copy.display()));
        copy
    }

    /// Ends, has that copy in the place of its database, and serves again.
    pub fn put_back(&mut self, copy: &Path) {
        self.signal(Signal::TERM);
        assert!(self.ends());
        let database = self.path("state/hub.db");
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(database.with_file_name(format!("hub.db{beside}")));
        }
        std::fs::copy(copy, &database).unwrap();
        self.serve();
    }

    /// The next line of standard error that has these words.
    pub fn says(&mut self, words: &str) -> String {
        next_line(&mut self.served().said, words)
    }

    /// It ends by itself or by a signal; whether well.
    pub fn ends(&mut self) -> bool {
        self.served.take().unwrap().child.wait().unwrap().success()
    }

    pub fn ca(&self) -> String {
        std::fs::read_to_string(self.path(&format!("{}state/ca.crt", self.base))).unwrap()
    }

    pub fn client(&self, token: &str) -> api::Client {
        api::Client::on_hub(&self.url(), token, Some(&self.ca())).unwrap()
    }

    /// A token for this person and these scopes.
    pub fn token(&self, person: &str, scopes: &[api::Scope], length: &str) -> api::MadeToken {
        let new = api::NewToken {
            name: access::Text::parse("a test").unwrap(),
            person: Some(access::Person::parse(person).unwrap()),
            scopes: scopes.iter().copied().collect(),
            length: access::Span::parse(length).unwrap(),
        };
        self.client(&self.admin).make_token(&new).unwrap()
    }

    /// A TLS connection as it is, from a client that believes this authority.
    pub fn connect(&self, ca: &str) -> std::io::Result<Tls> {
        Self::over(ca, TcpStream::connect(self.at())?)
    }

    /// The same over this connection.
    pub fn over(ca: &str, stream: TcpStream) -> std::io::Result<Tls> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut tls = Tls::new(rustls::ClientConnection::new(Arc::new(config), name).unwrap(), stream);
        tls.conn.complete_io(&mut tls.sock)?;
        Ok(tls)
    }

    /// The whole answer to a call of these heads and this body.
    pub fn raw(&self, call: &str, heads: &str, body: &str) -> String {
        let mut stream = self.connect(&self.ca()).unwrap();
        let length = body.len();
        let call = format!(
            "{call} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{heads}\r\n{body}"
        );
        // A hub that has seen enough may stop reading before we have sent all.
        let _ = stream.write_all(call.as_bytes());
        rest(&mut stream)
    }

    /// `jit` of somebody whose configuration is in this folder, on a machine without a desktop.
    pub fn begin_jit(&self, who: &str, arguments: &[&str]) -> Child {
        Command::new(jit())
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.path(who))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The same to its end.
    pub fn jit(&self, who: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = self.begin_jit(who, arguments);
        // One that refuses at once reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }
}

pub type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

impl Drop for Hub {
    fn drop(&mut self) {
        let served = self.served.take().map(|served| served.child);
        for mut child in served.into_iter().chain(self.signer.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The command beside the hub; of the same build.
pub fn jit() -> PathBuf {
    let jit = Path::new(env!("CARGO_BIN_EXE_jit-hub")).with_file_name("jit");
    assert!(jit.exists(), "build it too: cargo test -p hub -p jit");
    jit
}

/// What is logged there from now on, as a syslog daemon takes it.
fn log_at(path: &Path) -> Arc<Mutex<Vec<String>>> {
    let socket = UnixDatagram::bind(path).unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::downgrade(&lines);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let (Ok(length), Some(kept)) = (socket.recv(&mut buffer), kept.upgrade()) {
            kept.lock().unwrap().push(text(buffer.get(..length).unwrap_or_default()));
        }
    });
    lines
}

fn next_line(said: &mut impl std::io::BufRead, words: &str) -> String {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended without \"{words}\":\n{all}");
        if line.contains(words) {
            return line.trim().to_owned();
        }
        all.push_str(&line);
    }
}

/// What comes until the other end closes.
pub fn rest(stream: &mut impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    // Closed without a goodbye is closed.
    let _ = stream.read_to_end(&mut bytes);
    text(&bytes)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Tries until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(AGAIN);
    }
}
