//! The machine the tests run on: what must be installed, and where things are kept.

use crate::Progress;
use anyhow::{Context as _, Result, bail, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of this repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where images and tools are kept between runs.
pub fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    let cache = base.join("jit");
    std::fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;
    Ok(cache)
}

/// Fails unless run by root, and says what for.
pub fn root_or_explain() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "throwaway hosts are booted with mounts and namespaces of their own, which takes root: run it with sudo -E"
    );
    Ok(())
}

/// The built package of this name.
pub fn package(name: &str) -> Result<PathBuf> {
    let start = format!("{name}_");
    let folder = repository().join("target/deb");
    let newest = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .filter(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&start)))
        .max_by_key(|path| path.metadata().and_then(|meta| meta.modified()).ok());
    newest.with_context(|| {
        format!("no package {name} in {}: build it with `cargo xtask dist`", folder.display())
    })
}

/// apt-get takes its own lock and fails where another has it: two tests at once use it one after the other.
fn apt() -> Result<File> {
    let lock = File::create(cache()?.join("apt.lock"))?;
    lock.lock().context("waiting for another that uses apt-get")?;
    Ok(lock)
}

/// Installs the Debian packages that bring these programs or files, where they are missing.
pub fn install(needs: &[(&str, &str)]) -> Result<()> {
    let there = |need: &str| {
        if need.starts_with('/') {
            Path::new(need).exists()
        } else {
            ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
                .iter()
                .any(|folder| Path::new(folder).join(need).exists())
        }
    };
    let missing = || -> Vec<&str> {
        needs.iter().filter(|(need, _)| !there(need)).map(|(_, package)| *package).collect()
    };
    if missing().is_empty() {
        return Ok(());
    }
    let _one_at_a_time = apt()?;
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    root_or_explain().with_context(|| format!("missing packages: {}", missing.join(" ")))?;
    let _progress = Progress::begin(&format!("installing {}", missing.join(" ")));
    run(Command::new("apt-get").args(["-q", "-o", "DPkg::Lock::Timeout=120", "update"]))?;
    run(Command::new("apt-get")
        .args(["-q", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// What a Debian package holds, unpacked and not installed: a service in it is not started, and nothing of this machine
/// changes.
pub fn unpacked(name: &str) -> Result<PathBuf> {
    let folder = cache()?.join("unpacked");
    std::fs::create_dir_all(&folder)?;
    let there = folder.join(name);
    let _one_at_a_time = apt()?;
    if there.exists() {
        return Ok(there);
    }
    let half = folder.join(format!("{name}.half"));
    if half.exists() {
        std::fs::remove_dir_all(&half)?;
    }
    std::fs::create_dir(&half)?;
    run(Command::new("apt-get").args(["-q", "-o", "DPkg::Lock::Timeout=120", "update"]))?;
    // Fetching drops its rights to a user who may not write here.
    run(Command::new("apt-get")
        .args(["-q", "-o", "APT::Sandbox::User=root", "download", name])
        .current_dir(&half))?;
    let package = std::fs::read_dir(&half)?.flatten().map(|entry| entry.path()).next();
    let package = package.with_context(|| format!("apt-get brought no package {name}"))?;
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(half.join("root")))?;
    std::fs::rename(half, &there)?;
    Ok(there)
}

/// unshare(1), whose program has mounts, processes, names and a network of its own, all of which end with it.
pub fn apart() -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--mount",
        "--propagation",
        "private",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
    ]);
    unshare
}

/// Runs a command to its end; a failure carries what it printed.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("starting {shown}"))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let tail: Vec<&str> = text.lines().rev().take(30).collect();
        bail!(
            "{shown} failed ({}):\n{}",
            output.status,
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
    }
    Ok(())
}
