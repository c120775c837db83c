//! `cargo xtask test`: stages, each timed; the first that fails ends the run and says how to repeat it.

use crate::programs::Tally;
use crate::tools::{build_packages, by_itself, cargo_tool};
use crate::{bench, dist, programs};
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Fuzz targets, and for how many seconds those of a line run at the same time: a core has the frame to itself, and one the
/// configuration.
const FUZZ: &[(&[&str], u32)] = &[(&["frame", "config"], 60), (&["policy", "schedule", "sync"], 60)];

/// Cases that each property is tried with in the long run; in the short one it is some thousand.
const SEEDS: &str = "200000";

/// The same where each case makes files: some milliseconds each.
const SEEDS_ON_DISK: &str = "5000";

/// One stage: its name, and what it does.
type Stage = (&'static str, fn(&mut Tally) -> Result<()>);

const STAGES: &[Stage] = &[
    ("format", |_| command(&["cargo", "fmt", "--all", "--check"], &[])),
    ("lints", |_| {
        build_packages()?;
        let long = ["--features", "hub/long,hosts/long"];
        let line = ["cargo", "clippy", "--quiet", "--workspace", "--all-targets"];
        command(&[&line, &long[..], &["--", "-D", "warnings"]].concat(), &[])
    }),
    ("licenses", |_| licenses()),
    ("unit", |tally| {
        // Breaks a repair off at each of its system calls; what hubs share; what stands before them; and who looks at
        // their pages, and signs in to them.
        testbed::install(&[
            ("strace", "strace"),
            ("/usr/lib/postgresql", "postgresql"),
            ("/usr/sbin/nginx", "nginx-light"),
            ("chromium", "chromium"),
            ("node", "nodejs"),
            ("npm", "npm"),
        ])?;
        let packages = ["--workspace", "--exclude", "hosts", "--exclude", "module-tests"];
        programs::run(tally, &packages)?;
        tests(tally, &[&["cargo", "test", "--doc"], &packages[..]].concat(), &[])
    }),
    ("package", |_| dist::dist(dist::For::Tests).map(drop)),
    ("module", |tally| tests(tally, &["cargo", "test", "-p", "module-tests"], &[])),
    ("fuzz", |_| fuzz()),
    ("hosts", |tally| {
        // Twice as many hosts as cores: each waits for a good part of its story, and what it does in the background comes last.
        let skip = ["--test-threads=4", "--skip", "long::"];
        tests(tally, &[&["cargo", "test", "-p", "hosts", "--no-fail-fast", "--"], &skip[..]].concat(), &[])
    }),
];

const LONG: &[Stage] = &[
    ("mutants", |_| mutants()),
    ("seeds", |tally| {
        let pure = ["-p", "access", "-p", "frame", "-p", "workflow", "-p", "journal", "-p", "sync"];
        let line = [&["cargo", "test", "--release"], &pure[..]].concat();
        tests(tally, &line, &[("PROPTEST_CASES", SEEDS)])?;
        tests(tally, &["cargo", "test", "--release", "-p", "store"], &[("PROPTEST_CASES", SEEDS_ON_DISK)])
    }),
    ("kills", |tally| {
        tests(tally, &["cargo", "test", "-p", "hosts", "--test", "kills"], &[("JIT_KILLS", "200")])
    }),
    ("cuts", |tally| {
        tests(tally, &["cargo", "test", "-p", "jitd", "--test", "power"], &[("JIT_SWEEPS", "10")])?;
        tests(tally, &["cargo", "test", "-p", "hub", "--features", "long", "--test", "hub", "power"], &[])
    }),
    ("postgres", |tally| {
        tests(tally, &["cargo", "test", "-p", "hub", "--features", "long", "--test", "postgres"], &[])
    }),
    ("crossings", |tally| {
        let line = ["cargo", "test", "-p", "hosts", "--features", "long", "--test", "crossings"];
        tests(tally, &line, &[])
    }),
    ("stories", |tally| {
        let line = ["cargo", "test", "-p", "hosts", "--features", "long", "--test", "scenario", "--"];
        tests(tally, &[&line, &["--test-threads=2", "long::", "table::"][..]].concat(), &[])
    }),
    ("settles", |tally| {
        tests(
            tally,
            &["cargo", "test", "-p", "hosts", "--test", "scenario", "ten_minutes"],
            &[("JIT_SETTLES", "1")],
        )
    }),
    ("bench", |_| {
        bench::bench(bench::Bench::Gate)?;
        bench::bench(bench::Bench::Flood)
    }),
];

/// Runs the stages, or those of them that are named.
pub fn test(long: bool, only: &[String]) -> Result<()> {
    testbed::root_or_explain()?;
    let all = || STAGES.iter().chain(LONG);
    if let Some(none) = only.iter().find(|wanted| all().all(|(name, _)| name != wanted)) {
        let names: Vec<&str> = all().map(|(name, _)| *name).collect();
        bail!("there is no stage {none}, but {}", names.join(" "));
    }
    // One that is named is played, also if it is a long one.
    let stages: Vec<&Stage> = if only.is_empty() {
        STAGES.iter().chain(if long { LONG } else { &[] }).collect()
    } else {
        all().filter(|(name, _)| only.iter().any(|wanted| wanted == name)).collect()
    };
    let mut tally = Tally::default();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut result = Ok(());
    for (name, run) in stages {
        println!("== {name}");
        let since = Instant::now();
        result = run(&mut tally)
            .with_context(|| format!("stage {name}; repeat it with: cargo xtask test --only {name}"));
        times.push((name, since.elapsed()));
        if result.is_err() {
            break;
        }
    }
    println!("\n{:<10} minutes", "stage");
    for (name, time) in &times {
        println!("{name:<10} {:>7.1}", time.as_secs_f64() / 60.0);
    }
    println!("{:<10} {:>7.1}", "all", times.iter().map(|(_, time)| time.as_secs_f64()).sum::<f64>() / 60.0);
    println!("{} passed, {} failed", tally.passed, tally.failed);
    result
}

/// Runs a command with its output shown.
fn command(line: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let (program, arguments) = line.split_first().context("no command")?;
    let status = by_itself(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(testbed::repository())
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("starting {program}"))?;
    if status.success() { Ok(()) } else { bail!("{} failed ({status})", line.join(" ")) }
}

/// Runs tests, shows their output and counts what its closing lines say.
fn tests(tally: &mut Tally, line: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let (program, arguments) = line.split_first().context("no command")?;
    let mut child = by_itself(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(testbed::repository())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let before = tally.passed;
    let out = child.stdout.take().context("no output")?;
    for text in BufReader::new(out).lines() {
        let text = text?;
        println!("{text}");
        tally.count(&text);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} failed ({status})", line.join(" "));
    }
    if tally.passed == before {
        bail!("{} ran no test", line.join(" "));
    }
    Ok(())
}

/// Licenses, bans and sources always; advisories where their database can be reached.
fn licenses() -> Result<()> {
    let deny = cargo_tool("cargo-deny", "0.20.2")?;
    let check = |what: &[&str]| {
        let status = Command::new(&deny)
            .args(["--log-level", "error", "check", "--hide-inclusion-graph"])
            .args(what)
            .current_dir(testbed::repository())
            .stdin(Stdio::null())
            .status();
        status.context("starting cargo-deny").map(|status| status.success())
    };
    if !check(&["bans", "licenses", "sources"])? {
        bail!("cargo-deny found something: see above, and deny.toml");
    }
    let fetched = Command::new(&deny)
        .args(["--log-level", "off", "fetch", "db"])
        .current_dir(testbed::repository())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if fetched.success() {
        println!("advisories: database reached, checked");
        if !check(&["advisories"])? {
            bail!("cargo-deny found advisories: see above");
        }
    } else {
        println!("advisories: the database cannot be reached from here, NOT checked");
    }
    Ok(())
}

/// Builds the fuzz targets and runs them. cargo-fuzz asks for a nightly compiler; the variable lets this one do. It has each
/// crate built as one unit of code, of which two cores have sixteen done sooner.
fn fuzz() -> Result<()> {
    testbed::install(&[("c++", "g++")])?;
    let fuzz = cargo_tool("cargo-fuzz", "0.13.2")?;
    let folder = testbed::repository().join("fuzz");
    let built = Command::new(&fuzz)
        .args(["fuzz", "build"])
        .envs([("RUSTC_BOOTSTRAP", "1"), ("RUSTFLAGS", "-Ccodegen-units=16")])
        .current_dir(testbed::repository())
        .stdin(Stdio::null())
        .status()
        .context("starting cargo-fuzz")?;
    if !built.success() {
        bail!("building the fuzz targets failed: see above");
    }
    let host = std::fs::read_dir(folder.join("target"))?
        .flatten()
        .map(|entry| entry.path().join("release"))
        .find(|path| path.join("frame").exists())
        .context("the built fuzz targets are not where cargo-fuzz puts them")?;
    FUZZ.iter().try_for_each(|(some, seconds)| run_fuzzers(some, *seconds, &folder, &host))
}

fn run_fuzzers(some: &[&str], seconds: u32, folder: &Path, built: &Path) -> Result<()> {
    println!("fuzzing {} for {seconds} s", some.join(" and "));
    let seeds = testbed::repository().join("crates/workflow/tests/oncall");
    let start = |target: &&str| -> Result<Child> {
        let (corpus, artifacts) = (folder.join("corpus").join(target), folder.join("artifacts").join(target));
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&artifacts)?;
        let log = std::fs::File::create(artifacts.join("log"))?;
        let child = Command::new(built.join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(["-verbosity=0", "-print_final_stats=1"])
            .arg(&corpus)
            .args(if *target == "schedule" { Some(&seeds) } else { None })
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(child)
    };
    let running = some.iter().map(start).collect::<Result<Vec<Child>>>()?;
    for (target, mut child) in some.iter().zip(running) {
        if !child.wait()?.success() {
            let log = folder.join("artifacts").join(target).join("log");
            let said = std::fs::read_to_string(log).unwrap_or_default();
            bail!("the fuzzer broke {target}: its input is in fuzz/artifacts/{target}\n{said}");
        }
    }
    Ok(())
}

/// No change to the decision or the frame goes unnoticed. What the document of the API says of sets and words is neither.
fn mutants() -> Result<()> {
    let mutants = cargo_tool("cargo-mutants", "27.1.0")?;
    let status = Command::new(mutants)
        .args([
            "mutants",
            "-p",
            "access",
            "-p",
            "frame",
            "--exclude-re",
            "JsonSchema",
            "--no-shuffle",
            "--output",
        ])
        .arg(testbed::repository().join("target"))
        .current_dir(testbed::repository())
        .stdin(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { bail!("mutants survived: see target/mutants.out/missed.txt") }
}
