//! Programs of Node.js, with what they need: a provider of identities, and a browser.

use crate::room::text;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What is needed, to the byte: as `npm ci` takes it.
const NEEDS: &str = include_str!("../browser/package-lock.json");

/// The folder with the programs, and with all that they need beside them, made once.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&folder).unwrap();
    // Whoever is first makes it, and the others wait.
    let lock = std::fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    for file in std::fs::read_dir(programs).unwrap() {
        let file = file.unwrap();
        // In one move, for another test may be reading it.
        let half = folder.join("half");
        std::fs::copy(file.path(), &half).unwrap();
        std::fs::rename(half, folder.join(file.file_name())).unwrap();
    }
    let done = folder.join("done");
    if std::fs::read_to_string(&done).is_ok_and(|made| made == NEEDS) {
        return folder;
    }
    testbed::install(&[("node", "nodejs"), ("npm", "npm")]).unwrap();
    let mut install = Command::new("npm");
    install
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder);
    let output = install.output().unwrap();
    assert!(output.status.success(), "{install:?}: {}{}", text(&output.stdout), text(&output.stderr));
    std::fs::write(&done, NEEDS).unwrap();
    folder
}

/// A program that runs until this is dropped.
pub struct Node {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Node {
    pub fn run(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("node")
            .arg(program)
            .args(arguments)
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The next line that it says.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.said.read_line(&mut line).unwrap() > 0).then(|| line.trim().to_owned())
    }

    /// Whether it ended well, once it has.
    pub fn ends(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
