//! A PostgreSQL server of a test's own: the system's programs, on a folder of its own, that keeps what it
//! acknowledges.

use crate::limits::{LOOK_AGAIN, START};
use crate::machine::{cache, install, run};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Those of this process, for names of their own.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Debian's `nobody`: the server does not run as root.
const NOBODY: u32 = 65_534;

/// A server that runs. It ends with this.
pub struct Postgres {
    /// Of its socket and its log.
    folder: PathBuf,
    data: PathBuf,
    programs: PathBuf,
    server: Option<Child>,
    /// Where it also answers by TLS.
    port: Option<u16>,
}

impl Postgres {
    /// A new one, with an empty database.
    pub fn start() -> Result<Self> {
        let mut made = Self::made(None)?;
        made.begin()?;
        Ok(made)
    }

    /// A new one that keeps its data there, a folder that is not made yet; it does not run yet.
    pub fn on(data: PathBuf) -> Result<Self> {
        Self::made(Some(data))
    }

    /// One that also answers on a port of the loopback, by TLS with this certificate and key in PEM.
    pub fn over_tls(certificate: &str, key: &str) -> Result<Self> {
        let mut made = Self::made(None)?;
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = made.data.join(name);
            std::fs::write(&path, text)?;
            owned(&path, 0o600)?;
        }
        // Free now, and nobody else's in the moment until it is taken.
        made.port = Some(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
        made.begin()?;
        Ok(made)
    }

    /// A second server that has all that this one commits, and that each commit here waits for from now on.
    pub fn standby(&self) -> Result<Self> {
        let mut made = Self::empty(None)?;
        let data = made.data.clone();
        run(made
            .program("pg_basebackup")
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-U", "hub", "-h"])
            .arg(&self.folder)
            .arg("-D")
            .arg(&data))?;
        made.begin()?;
        self.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        self.psql("SELECT pg_reload_conf()")?;
        let begun = Instant::now();
        while self.psql("SELECT sync_state FROM pg_stat_replication")? != "sync" {
            ensure!(begun.elapsed() < START, "the standby is not in step after {} s", START.as_secs());
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(made)
    }

    /// Makes a standby the one that takes writes.
    pub fn promote(&self) -> Result<()> {
        let promoted = self.psql("SELECT pg_promote()")?;
        ensure!(promoted == "t", "promoting the standby: it says {promoted:?}");
        Ok(())
    }

    /// How this one and another are reached, whichever takes writes.
    pub fn url_with(&self, other: &Self) -> String {
        format!("{}&host={}", self.url(), other.folder.display())
    }

    fn made(data: Option<PathBuf>) -> Result<Self> {
        let made = Self::empty(data)?;
        let template = template(&made.programs)?;
        run(Command::new("cp").arg("-a").arg(template).arg(&made.data))?;
        Ok(made)
    }

    fn empty(data: Option<PathBuf>) -> Result<Self> {
        install(&[("/usr/lib/postgresql", "postgresql")])?;
        let programs = programs()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Its socket's whole name has to fit into 107 bytes.
        let folder = std::env::temp_dir().join(format!("jit-pg-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        let data = data.unwrap_or_else(|| folder.join("data"));
        let made = Self { folder, data, programs, server: None, port: None };
        owned(&made.folder, 0o700)?;
        Ok(made)
    }

    /// Starts the server, where it does not run, and waits until it answers.
    pub fn begin(&mut self) -> Result<()> {
        if self.server.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(&self.data).arg("-k").arg(&self.folder);
        command.args(["-c", "max_connections=100", "-c"]);
        match self.port {
            // The socket is named by the port too.
            Some(port) => {
                command.args(["listen_addresses=127.0.0.1", "-c", "ssl=on", "-c"]).arg(format!("port={port}"))
            }
            None => command.arg("listen_addresses="),
        };
        command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
        self.server = Some(command.spawn().context("starting postgres")?);
        let begun = Instant::now();
        while self.psql("SELECT 1").is_err() {
            let ended = self.server.as_mut().map(Child::try_wait).transpose()?.flatten();
            if ended.is_some() || begun.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("postgres does not answer: {log}");
            }
        }
        Ok(())
    }

    /// The port where it answers by TLS.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// How it is reached.
    pub fn url(&self) -> String {
        format!("postgres://hub@/hub?host={}", self.folder.display())
    }

    /// What `psql` prints of this, one row to a line.
    pub fn psql(&self, sql: &str) -> Result<String> {
        self.psql_in("hub", sql)
    }

    fn psql_in(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = self.client("psql", database);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = command.output().context("starting psql")?;
        ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A copy of the database, made while it is in use.
    pub fn dump(&self, to: &Path) -> Result<()> {
        let mut dump = self.client("pg_dump", "hub");
        run(dump.args(["--format=custom", "--serializable-deferrable", "--file"]).arg(to))
    }

    /// Puts such a copy in the place of the database, which nobody uses any more.
    pub fn restore(&self, from: &Path) -> Result<()> {
        self.psql_in("postgres", "DROP DATABASE hub")?;
        self.psql_in("postgres", "CREATE DATABASE hub")?;
        run(self.client("pg_restore", "hub").arg("--exit-on-error").arg(from))
    }

    fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(["-U", "hub", "-d", database, "-p"]).arg(self.port.unwrap_or(5432).to_string());
        command.arg("-h").arg(&self.folder);
        command
    }

    /// Ends the server as if its power were cut, as far as a process can tell. [`Self::begin`] has it come back.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        // Its own processes end once they notice, and the next server does not start before; these do at once, and while
        // it stands still it begins no others.
        kill_process(Pid::from_child(&server), Signal::STOP)?;
        let children = children(server.id())?;
        for pid in &children {
            let _ = kill_process(*pid, Signal::KILL);
        }
        server.kill()?;
        server.wait()?;
        let begun = Instant::now();
        while children.iter().any(|pid| is_alive(*pid)) && begun.elapsed() < START {
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn pause(&self, paused: bool) -> Result<()> {
        let Some(server) = &self.server else { return Ok(()) };
        let signal = if paused { Signal::STOP } else { Signal::CONT };
        for pid in children(server.id())?.into_iter().chain([Pid::from_child(server)]) {
            kill_process(pid, signal)?;
        }
        Ok(())
    }

    fn program(&self, name: &str) -> Command {
        unprivileged(&self.programs.join(name))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.pause(false);
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether a process has not ended: whoever has to wait for it may not have done so yet.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The newest release that is installed.
fn programs() -> Result<PathBuf> {
    let releases = std::fs::read_dir("/usr/lib/postgresql")?.flatten().map(|entry| entry.path().join("bin"));
    let release = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    releases
        .filter(|path| path.join("postgres").exists())
        .max_by_key(release)
        .context("no server in /usr/lib/postgresql: install the package postgresql")
}

/// A folder as `initdb` leaves it, with the database `hub`: made once, for a copy is ten times as fast.
fn template(programs: &Path) -> Result<PathBuf> {
    let release = programs.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    // Not in a home, where the server's user sees nothing.
    let folder =
        PathBuf::from(format!("/var/tmp/jit-postgres-{release}-{}", rustix::process::getuid().as_raw()));
    let lock = File::create(cache()?.join("postgres.lock"))?;
    lock.lock().context("waiting for another initdb")?;
    let done = folder.join("done");
    if done.exists() {
        return Ok(folder.join("data"));
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir(&folder)?;
    owned(&folder, 0o700)?;
    let data = folder.join("data");
    run(unprivileged(&programs.join("initdb")).arg("-D").arg(&data).args([
        "-U",
        "hub",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--wal-segsize=1",
    ]))?;
    let mut made = unprivileged(&programs.join("postgres"));
    made.args(["--single", "-D"]).arg(&data).arg("postgres").stdin(Stdio::piped()).stdout(Stdio::null());
    let mut made = made.spawn().context("starting postgres --single")?;
    if let Some(mut input) = made.stdin.take() {
        std::io::Write::write_all(&mut input, b"CREATE DATABASE hub\n")?;
    }
    ensure!(made.wait()?.success(), "making the database");
    File::create(done)?;
    Ok(data)
}

/// Makes something the server's own.
fn owned(path: &Path, mode: u32) -> Result<()> {
    if rustix::process::getuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(())
}

/// The program as nobody's, which ends with the thread that starts it.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::getuid().is_root() {
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    command.arg(program).current_dir("/");
    command
}

fn children(of: u32) -> Result<Vec<Pid>> {
    let listed = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
    Ok(listed.split_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect())
}
