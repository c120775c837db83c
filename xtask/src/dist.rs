//! The Debian package.

use crate::tools::{build_packages, cargo, cargo_tool};
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whom packages are for: those that nobody downloads are packed in seconds and are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// People.
    People,
    /// The hosts of tests.
    Tests,
    /// The host of the demo, which has no hub: that takes most of the time to build.
    Demo,
}

/// Builds module, daemon and command, and packs them; and the hub in a package of its own, but for the demo. Gives the
/// former.
pub fn dist(for_whom: For) -> Result<PathBuf> {
    build_packages()?;
    let hub = for_whom != For::Demo;
    {
        let what = if hub { "pam_jit.so, jitd, jit and jit-hub" } else { "pam_jit.so, jitd and jit" };
        let _progress = testbed::Progress::begin(&format!("building {what}"));
        cargo(&["build", "--quiet", "--profile", "module", "-p", "pam-module"])?;
        let hub: &[&str] = if hub { &["-p", "hub"] } else { &[] };
        cargo(&[&["build", "--quiet", "--release", "-p", "jitd", "-p", "jit"], hub].concat())?;
    }
    let target = testbed::repository().join("target");
    std::fs::copy(target.join("module/libpam_jit.so"), target.join("module/pam_jit.so"))
        .context("taking the built module")?;
    man_and_completions()?;
    let cargo_deb = cargo_tool("cargo-deb", "3.8.0")?;
    let folder = target.join("deb");
    std::fs::create_dir_all(&folder)?;
    let jitd = ["-p", "jitd", "--variant", std::env::consts::ARCH];
    for what in [&jitd[..], &["-p", "hub"]].into_iter().take(if hub { 2 } else { 1 }) {
        testbed::run(
            Command::new(&cargo_deb)
                .arg("--quiet")
                .args(what)
                .args(if for_whom == For::People { None } else { Some("--fast") })
                .args(["--no-build", "--no-strip", "--output"])
                .arg(&folder)
                .current_dir(testbed::repository()),
        )?;
    }
    let package = testbed::package("jitd")?;
    holds_the_module(&package)?;
    names_its_libc(&package, &["module/pam_jit.so", "release/jitd", "release/jit"])?;
    if hub {
        names_its_libc(&testbed::package("jit-hub")?, &["release/jit-hub"])?;
    }
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

/// On a host with an older libc than it was built with the module would not load, and every gated service
/// refuse, spare keys too: dpkg has to refuse first. cargo-deb only warns where it cannot tell a version.
fn names_its_libc(package: &Path, files: &[&str]) -> Result<()> {
    let depends = Command::new("dpkg-deb").arg("-f").arg(package).arg("Depends").output();
    let depends = depends.context("running dpkg-deb")?;
    let depends = String::from_utf8_lossy(&depends.stdout);
    let versions =
        depends.split(", ").filter_map(|one| one.trim().strip_prefix("libc6 (>= ")?.strip_suffix(')'));
    let target = testbed::repository().join("target");
    for file in files {
        let needs = libc_of(&target.join(file))?;
        ensure!(
            versions.clone().any(|version| numbers(version) >= numbers(&needs)),
            "{} depends on \"{}\", but {file} takes libc6 {needs}: dpkg would install it where it cannot load. \
             Is dpkg-shlibdeps there (package dpkg-dev)?",
            package.display(),
            depends.trim()
        );
    }
    Ok(())
}

/// The newest version of libc that a binary asks for. No symbol carries that of packed relocations, which dpkg-shlibdeps
/// therefore does not see.
fn libc_of(binary: &Path) -> Result<String> {
    let headers = Command::new("objdump").arg("-p").arg(binary).output().context("running objdump")?;
    String::from_utf8_lossy(&headers.stdout)
        .split("GLIBC_")
        .skip(1)
        .filter_map(|rest| match rest.split_whitespace().next()? {
            "ABI_DT_RELR" => Some("2.36"),
            version => Some(version).filter(|version| version.starts_with(|c: char| c.is_ascii_digit())),
        })
        .max_by_key(|version| numbers(version))
        .map(str::to_owned)
        .with_context(|| format!("{} asks for no version of libc", binary.display()))
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|number| number.parse().ok()).collect()
}

/// What the command says of itself, as files for the package.
fn man_and_completions() -> Result<()> {
    let target = testbed::repository().join("target");
    let folder = target.join("package");
    let man = folder.join("man");
    // The package takes all pages that are there: none of a command that is no more.
    if man.exists() {
        std::fs::remove_dir_all(&man)?;
    }
    std::fs::create_dir_all(&man)?;
    let jit = target.join("release/jit");
    testbed::run(Command::new(&jit).arg("man").arg(&man))?;
    for (file, shell) in [("jit.bash", "bash"), ("_jit", "zsh"), ("jit.fish", "fish")] {
        let output = Command::new(&jit).args(["completions", shell]).output().context("running jit")?;
        ensure!(
            output.status.success() && !output.stdout.is_empty(),
            "jit does not write {file}: {output:?}"
        );
        std::fs::write(folder.join(file), output.stdout)?;
    }
    Ok(())
}
