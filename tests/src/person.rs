//! People, who come in over ssh with a stock client and see what people see.

use crate::host::Host;
use crate::limits;
use crate::seen::Seen;
use rexpect::session::{PtySession, spawn_command};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// One account on a host, and the key and password of whoever has it.
pub struct Person<'a> {
    pub(crate) host: &'a Host,
    pub(crate) name: String,
    pub(crate) key: PathBuf,
}

/// A client without a terminal that goes on by itself.
pub struct Client(Child);

impl Client {
    fn start(client: &mut Command) -> Self {
        let quiet = client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match quiet.spawn() {
            Ok(child) => Self(child),
            Err(why) => panic!("starting {client:?}: {why}"),
        }
    }

    /// Whether it is over: its connection is closed, and it has ended.
    pub fn is_over(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }

    /// Stops it where it is: its connection stays, and it takes nothing from the host's processors, as one on
    /// another machine.
    pub fn freeze(&self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may be over. timeout(1), which starts it, leads a group of its own.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::STOP);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may be over.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A terminal that a person sits at.
pub type Terminal = PtySession;

impl Person<'_> {
    /// Their login name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ssh NAME@host COMMAND` with their key, no terminal.
    pub fn ssh(&self, command: &str) -> Seen {
        self.ssh_with(&["-o", "BatchMode=yes"], command)
    }

    /// The same with options of ssh.
    pub fn ssh_with(&self, options: &[&str], command: &str) -> Seen {
        let mut ssh = self.client("ssh", &self.key_only());
        ssh.args(options).arg(self.at_host());
        if !command.is_empty() {
            ssh.arg(command);
        }
        seen(&format!("ssh {}@{} {command}", self.name, self.host.name()), &mut ssh)
    }

    /// As another account, with this person's key.
    pub fn ssh_as(&self, login: &str, command: &str) -> Seen {
        let mut ssh = self.client("ssh", &self.key_only());
        ssh.args(["-o", "BatchMode=yes"]).arg(format!("{login}@127.0.0.1")).arg(command);
        seen(&format!("ssh {login}@{} {command}", self.host.name()), &mut ssh)
    }

    /// `ssh NAME@host`, on a terminal.
    pub fn terminal(&self, command: &str) -> Terminal {
        self.terminal_from("127.0.0.1", command)
    }

    /// The same from this address of the host's own.
    pub fn terminal_from(&self, address: &str, command: &str) -> Terminal {
        let mut ssh = self.client("ssh", &self.key_only());
        ssh.args(["-tt", "-b", address]).arg(self.at_host());
        if !command.is_empty() {
            ssh.arg(command);
        }
        open(ssh)
    }

    /// `ssh` by password or keyboard-interactive, on a terminal.
    pub fn terminal_by(&self, method: &str, command: &str) -> Terminal {
        let prefer = format!("PreferredAuthentications={method}");
        let mut ssh = self
            .client("ssh", &["-o".to_owned(), prefer, "-o".to_owned(), "PubkeyAuthentication=no".to_owned()]);
        ssh.arg(self.at_host()).arg(command);
        open(ssh)
    }

    /// `ssh` by key and then also keyboard-interactive, on a terminal.
    pub fn terminal_by_key_and_password(&self, command: &str) -> Terminal {
        let mut how = self.key_only();
        if let Some(prefer) = how.last_mut() {
            prefer.push_str(",keyboard-interactive");
        }
        let mut ssh = self.client("ssh", &how);
        ssh.arg(self.at_host()).arg(command);
        open(ssh)
    }

    /// `ssh` with these options and this command, that stays until it is over or this is dropped. No terminal.
    pub fn stays(&self, options: &[&str], command: &str) -> Client {
        let mut ssh = self.client("ssh", &self.key_only());
        ssh.args(["-o", "BatchMode=yes"]).args(options).arg(self.at_host());
        if !command.is_empty() {
            ssh.arg(command);
        }
        Client::start(&mut ssh)
    }

    /// `sftp`, fetching a file slowly, that stays likewise.
    pub fn sftp_stays(&self, file: &str) -> Client {
        let batch = self.host.scratch().join(format!("fetch-of-{}", self.name));
        let to = self.host.scratch().join(format!("fetched-by-{}", self.name));
        let _ = std::fs::write(&batch, format!("get {file} {}\n", to.display()));
        let mut sftp = self.client("sftp", &self.key_only());
        sftp.args(["-o", "BatchMode=yes", "-l", "2000", "-b"]).arg(batch).arg(self.at_host());
        Client::start(&mut sftp)
    }

    /// `scp` of a file of the host to here.
    pub fn scp(&self, file: &str) -> Seen {
        let to = self.host.scratch().join(format!("copied-by-{}", self.name));
        let mut scp = self.client("scp", &self.key_only());
        scp.args(["-o", "BatchMode=yes"]).arg(format!("{}:{file}", self.at_host())).arg(to);
        seen(&format!("scp {}@{}:{file} .", self.name, self.host.name()), &mut scp)
    }

    /// `sftp`, listing a folder.
    pub fn sftp(&self, folder: &str) -> Seen {
        let batch = self.host.scratch().join(format!("batch-of-{}", self.name));
        let _ = std::fs::write(&batch, format!("ls {folder}\n"));
        let mut sftp = self.client("sftp", &self.key_only());
        sftp.args(["-o", "BatchMode=yes", "-b"]).arg(batch).arg(self.at_host());
        seen(&format!("sftp {}@{}", self.name, self.host.name()), &mut sftp)
    }

    /// `jit ...` in their own ssh login.
    pub fn jit(&self, command: &str) -> Seen {
        self.ssh(&format!("jit {command}"))
    }

    fn at_host(&self) -> String {
        format!("{}@127.0.0.1", self.name)
    }

    fn key_only(&self) -> Vec<String> {
        [
            "-i",
            &self.key.display().to_string(),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "PreferredAuthentications=publickey",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// A client in the host's network: nothing of it but its network can be reached that way.
    fn client(&self, program: &str, how: &[String]) -> Command {
        let mut client = Command::new("timeout");
        client
            .arg(limits::COMMAND_S.to_string())
            .args(["nsenter", "--net", "-t", &self.host.init().to_string(), program, "-F", "/dev/null"])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "ConnectTimeout=20",
            ])
            .args(how)
            .env_remove("SSH_AUTH_SOCK");
        client
    }
}

fn seen(command: &str, client: &mut Command) -> Seen {
    match client.stdin(Stdio::null()).output() {
        Ok(output) => Seen::of(command, &output),
        Err(why) => panic!("starting {command}: {why}"),
    }
}

fn open(client: Command) -> Terminal {
    let shown = format!("{client:?}");
    match spawn_command(client, Some(limits::COMMAND_S * 1000)) {
        Ok(terminal) => terminal,
        Err(why) => panic!("opening a terminal for {shown}: {why}"),
    }
}
