//! Tools that the chores need beside cargo, installed where they are missing and kept between runs.

use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// Debian packages that building takes.
pub fn build_packages() -> Result<()> {
    testbed::install(&[
        ("cc", "gcc"),
        ("dpkg-shlibdeps", "dpkg-dev"),
        ("/usr/include/security/pam_modules.h", "libpam0g-dev"),
    ])
}

/// The path of a cargo tool of this version, built from its crate if need be.
pub fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let root = testbed::cache()?.join("tools").join(format!("{name}-{version}"));
    let tool = root.join("bin").join(name);
    if !tool.exists() {
        let _progress = testbed::Progress::begin(&format!("building {name} {version}"));
        testbed::run(
            Command::new("cargo")
                .args(["install", "--locked", "--quiet", "--version", version, "--root"])
                .arg(&root)
                .arg(name)
                .env_remove("RUSTFLAGS"),
        )?;
    }
    Ok(tool)
}

/// A program without what `cargo xtask` was told of its own crate: a build script that looks at that would have half of
/// what was built by hand built anew, and the other way round.
pub fn by_itself(program: &str) -> Command {
    let mut command = Command::new(program);
    let of_crate = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_crate)) {
        command.env_remove(name);
    }
    command
}

/// Runs a cargo command in the repository with its output shown.
pub fn cargo(arguments: &[&str]) -> Result<()> {
    let mut cargo = by_itself("cargo");
    cargo.args(arguments).current_dir(testbed::repository());
    let status = cargo.status()?;
    ensure!(status.success(), "cargo {} failed ({status})", arguments.join(" "));
    Ok(())
}
