//! The Debian package.

use crate::tools::{build_packages, cargo, cargo_tool};
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds module, daemon and command, and packs them.
pub fn dist() -> Result<PathBuf> {
    build_packages()?;
    {
        let _progress = testbed::Progress::begin("building pam_jit.so, jitd and jit");
        cargo(&["build", "--quiet", "--profile", "module", "-p", "pam-module"])?;
        cargo(&["build", "--quiet", "--release", "-p", "jitd", "-p", "jit"])?;
    }
    let target = testbed::repository().join("target");
    std::fs::copy(target.join("module/libpam_jit.so"), target.join("module/pam_jit.so"))
        .context("taking the built module")?;
    man_and_completions()?;
    let cargo_deb = cargo_tool("cargo-deb", "3.8.0")?;
    let folder = target.join("deb");
    std::fs::create_dir_all(&folder)?;
    testbed::run(
        Command::new(cargo_deb)
            .args(["--quiet", "-p", "jitd", "--variant", std::env::consts::ARCH])
            .args(["--no-build", "--no-strip", "--output"])
            .arg(&folder)
            .current_dir(testbed::repository()),
    )?;
    let package = testbed::package()?;
    holds_the_module(&package)?;
    Ok(package)
}

/// A package whose module lies where libpam does not look would refuse everybody from its first PAM line on.
fn holds_the_module(package: &Path) -> Result<()> {
    let listed = Command::new("dpkg-deb").arg("-c").arg(package).output().context("running dpkg-deb")?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let place = format!("./usr/lib/{}-linux-gnu/security/pam_jit.so", std::env::consts::ARCH);
    ensure!(listed.lines().any(|line| line.ends_with(&place)), "{} holds no {place}", package.display());
    Ok(())
}

/// What the command says of itself, as files for the package.
fn man_and_completions() -> Result<()> {
    let target = testbed::repository().join("target");
    let folder = target.join("package");
    std::fs::create_dir_all(&folder)?;
    for (file, arguments) in [
        ("jit.1", &["man"][..]),
        ("jit.bash", &["completions", "bash"]),
        ("_jit", &["completions", "zsh"]),
        ("jit.fish", &["completions", "fish"]),
    ] {
        let output =
            Command::new(target.join("release/jit")).args(arguments).output().context("running jit")?;
        std::fs::write(folder.join(file), output.stdout)?;
    }
    Ok(())
}
