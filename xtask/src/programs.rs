//! Test programs, some at the same time: much of what they do is to wait.

use crate::tools::by_itself;
use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::io::{PipeReader, Read as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Programs at the same time, each with more than twice as many threads as there are processors.
const AT_ONCE: usize = 2;

/// What a test left running may hold on to its output for so long after it.
const AFTER: Duration = Duration::from_secs(10);

/// Output of a program that is shown, in bytes: one that talks without end is cut off there.
const SHOWN: usize = 16 << 20;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

impl Tally {
    /// Counts what a line of a test program's output says, if it says it.
    pub fn count(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let count = |what: &str| {
            let (before, _) = result.split_once(what)?;
            before.trim_end().rsplit(' ').next()?.parse::<u64>().ok()
        };
        self.passed += count(" passed").unwrap_or(0);
        self.failed += count(" failed").unwrap_or(0);
    }
}

/// One test program, and the folder of its package, which it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Program {
    path: PathBuf,
    folder: PathBuf,
}

/// Builds the tests of these packages and runs them; then those in their documentation.
pub fn run(tally: &mut Tally, packages: &[&str]) -> Result<()> {
    let programs = build(packages)?;
    ensure!(!programs.is_empty(), "cargo test {} has no test program", packages.join(" "));
    let (waiting, shared) = (Mutex::new(programs.into_iter()), Mutex::new((*tally, Vec::new())));
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(program) = next else { return };
            let (output, outcome) = watch(&program);
            let mut shared = lock();
            println!("{output}");
            output.lines().for_each(|line| shared.0.count(line));
            if let Err(why) = outcome {
                shared.1.push(format!("{}: {why:#}", program.path.display()));
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let (counted, failed) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    *tally = counted;
    if !failed.is_empty() {
        bail!("tests failed:\n{}", failed.join("\n"));
    }
    Ok(())
}

/// The programs, the largest first: they tend to be those that take longest.
fn build(packages: &[&str]) -> Result<Vec<Program>> {
    let output = by_itself("cargo")
        .args(["test", "--no-run", "--message-format=json-render-diagnostics"])
        .args(packages)
        .current_dir(testbed::repository())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "cargo test --no-run failed ({})", output.status);
    let mut programs = built(&String::from_utf8_lossy(&output.stdout))?;
    programs
        .sort_by_key(|program| std::cmp::Reverse(std::fs::metadata(&program.path).map_or(0, |is| is.len())));
    Ok(programs)
}

/// What cargo says of one thing that it built (The Cargo Book, "External tools").
#[derive(Deserialize)]
struct Built {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// The test programs among what cargo says that it built, a JSON object a line.
fn built(said: &str) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for line in said.lines() {
        let built: Built = serde_json::from_str(line).with_context(|| format!("cargo said {line}"))?;
        let Built { executable: Some(path), manifest_path, profile: Some(Profile { test: true }) } = built
        else {
            continue;
        };
        let folder = manifest_path.as_deref().and_then(Path::parent);
        let folder = folder.with_context(|| format!("no manifest of {}", path.display()))?.to_owned();
        programs.push(Program { path, folder });
    }
    Ok(programs)
}

/// Runs one. What it said, on either channel.
fn watch(program: &Program) -> (String, Result<()>) {
    let mut said = Vec::new();
    let outcome = told(program, &mut said);
    let output = format!("     Running {}\n{}", program.path.display(), String::from_utf8_lossy(&said));
    (output, outcome)
}

fn told(program: &Program, said: &mut Vec<u8>) -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get) * 2 + 1;
    let mut child = Command::new(&program.path)
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .env("RUST_TEST_THREADS", threads.to_string())
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .context("starting it")?;
    let kept = Arc::new(Mutex::new(Vec::new()));
    let reading = {
        let kept = Arc::clone(&kept);
        std::thread::spawn(move || keep(reader, &kept))
    };
    let status = child.wait()?;
    let ended = Instant::now();
    while !reading.is_finished() && ended.elapsed() < AFTER {
        std::thread::sleep(testbed::limits::LOOK_AGAIN);
    }
    said.append(&mut kept.lock().unwrap_or_else(PoisonError::into_inner));
    ensure!(status.success(), "{status}");
    ensure!(reading.is_finished(), "it left something running that holds its output");
    Ok(())
}

/// Keeps what is said until nobody can say more. What is too much is read and not kept: a full pipe would hold it up.
fn keep(mut reader: PipeReader, kept: &Mutex<Vec<u8>>) {
    let mut some = [0; 8192];
    while let Ok(length @ 1..) = reader.read(&mut some) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < SHOWN {
            kept.extend(some.iter().take(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_found_among_what_cargo_built() {
        let said = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/p/a/Cargo.toml","profile":{"test":false},"executable":"/t/jitd"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/p/a/Cargo.toml","profile":{"test":true},"executable":"/t/a-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/p/a/Cargo.toml","profile":{"test":false},"executable":null}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(built(said).unwrap(), [Program { path: "/t/a-1".into(), folder: "/p/a".into() }]);
        assert!(built("warning: no JSON").is_err());
    }

    #[test]
    fn what_programs_say_at_their_end_is_added_up() {
        let mut tally = Tally::default();
        tally.count(
            "test result: ok. 83 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.21s",
        );
        tally.count("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.2s");
        tally.count("test it ... ok");
        assert_eq!(tally, Tally { passed: 85, failed: 1 });
    }

    #[test]
    fn a_program_that_fails_is_told_with_all_that_it_said() {
        let program = |path: &str| Program { path: path.into(), folder: "/".into() };
        let (output, outcome) = watch(&program("/bin/ls"));
        assert!(outcome.is_ok() && output.contains("usr"), "{output}");
        let (output, outcome) = watch(&program("/bin/false"));
        assert!(outcome.unwrap_err().to_string().contains("exit status: 1"), "{output}");
        assert!(watch(&program("/no/such")).1.is_err());
    }
}
