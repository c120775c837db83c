//! The Debian package.

use crate::tools::{build_packages, cargo, cargo_tool};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
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
            .args(["--quiet", "-p", "jitd", "--no-build", "--no-strip", "--output"])
            .arg(&folder)
            .current_dir(testbed::repository()),
    )?;
    testbed::package()
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
