//! Programs of Node.js, with what they need: those of `tests/node`.

use crate::host::Host;
use crate::machine::{install, repository, run};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What is needed, to the byte: as `npm ci` takes it.
const NEEDS: &str = include_str!("../node/package-lock.json");

/// The folder with the programs, and with all that they need beside them, made once.
fn folder() -> Result<PathBuf> {
    let folder = repository().join("target/tmp/node");
    std::fs::create_dir_all(&folder)?;
    // Whoever is first makes it, and the others wait.
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock().context("waiting for another that installs what Node.js needs")?;
    for file in std::fs::read_dir(repository().join("tests/node"))? {
        let file = file?;
        // In one move, for another test may be reading it.
        let half = folder.join("half");
        std::fs::copy(file.path(), &half)?;
        std::fs::rename(half, folder.join(file.file_name()))?;
    }
    let done = folder.join("done");
    if std::fs::read_to_string(&done).is_ok_and(|made| made == NEEDS) {
        return Ok(folder);
    }
    install(&[("node", "nodejs"), ("npm", "npm")])?;
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder))?;
    std::fs::write(&done, NEEDS)?;
    Ok(folder)
}

/// A program that runs until this is dropped.
pub struct Node {
    child: Child,
    told: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Node {
    /// Runs a program of that folder.
    pub fn run(program: &str, arguments: &[&str]) -> Result<Self> {
        Self::begin(Command::new("node"), program, arguments)
    }

    /// The same on the network of a host: what listens on its own address there is there for the host.
    pub fn run_at(host: &Host, program: &str, arguments: &[&str]) -> Result<Self> {
        let mut enter = Command::new("nsenter");
        enter.args(["--net", "-t", &host.init().to_string(), "node"]);
        Self::begin(enter, program, arguments)
    }

    fn begin(mut command: Command, program: &str, arguments: &[&str]) -> Result<Self> {
        command
            .arg(program)
            .args(arguments)
            .current_dir(folder()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let (Some(told), Some(said)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{command:?} has no input or output");
        };
        Ok(Self { child, told, said: BufReader::new(said) })
    }

    /// The next line that it says.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.said.read_line(&mut line).ok()? > 0).then(|| line.trim().to_owned())
    }

    /// What it answers to this, each a line.
    #[track_caller]
    pub fn asks(&mut self, what: &Value) -> Value {
        let answer = writeln!(self.told, "{what}").ok().and_then(|()| self.line());
        let Some(answer) = answer else { panic!("the program ended before it answered to {what}") };
        serde_json::from_str(&answer).unwrap_or_else(|why| panic!("{what}: {why}: {answer}"))
    }

    /// Whether it ended well, once it has.
    pub fn ends(&mut self) -> bool {
        self.child.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
