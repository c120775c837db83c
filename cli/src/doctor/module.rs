//! The module, where libpam looks for it, and the programs beside it.

use super::{Look, found};
use crate::program::ran;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Folders of modules: Debian's by architecture, and those of others.
const FOLDERS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/security",
    "/usr/lib/aarch64-linux-gnu/security",
    "/usr/lib64/security",
    "/usr/lib/security",
    "/lib/security",
];

pub fn look() -> Vec<Look> {
    let mut looks = found("module", module().into_iter().collect());
    looks.extend(found("package", verified()));
    looks
}

/// Where libpam looks is where its own modules lie.
pub fn file() -> Option<PathBuf> {
    let folder = FOLDERS.iter().map(Path::new).find(|folder| folder.join("pam_unix.so").exists());
    folder.map(|folder| folder.join(pamfile::MODULE))
}

fn module() -> Option<(String, String)> {
    let again = || "install the package again: apt-get install --reinstall jitd".to_owned();
    let Some(module) = file() else {
        return Some(("the folder of libpam's modules is not where it was looked for".to_owned(), again()));
    };
    let Ok(meta) = module.metadata() else {
        return Some((
            format!("there is no {}: where a PAM line calls it, nobody comes in", module.display()),
            again(),
        ));
    };
    if meta.uid() != 0 || meta.mode() & 0o022 != 0 {
        return Some((
            format!("others than root can write to {}", module.display()),
            format!("chown root:root {0}; chmod 644 {0}", module.display()),
        ));
    }
    None
}

/// What dpkg says that is not as the package brought it. Configuration is people's own.
fn verified() -> Vec<(String, String)> {
    let Ok(said) = ran("dpkg", ["--verify", "jitd"]) else { return Vec::new() };
    let (out, error) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    if error.contains("not installed") {
        // Built by hand: there is nothing to compare with.
        return Vec::new();
    }
    differing(&out)
        .into_iter()
        .map(|file| {
            (
                format!("{file} is not as the package brought it"),
                "find out who changed it, then apt-get install --reinstall jitd".to_owned(),
            )
        })
        .collect()
}

/// Files that differ or are missing, of lines like `??5?????? c /etc/jitd/jitd.toml` (dpkg(1), --verify).
fn differing(out: &str) -> Vec<String> {
    let file = |line: &str| {
        let mut words = line.split_whitespace();
        let (_, next) = (words.next()?, words.next()?);
        (next != "c").then(|| next.to_owned())
    };
    out.lines().filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_and_missing_files_are_named_but_for_configuration() {
        let out = "??5?????? c /etc/jitd/jitd.toml\n??5??????   /usr/bin/jit\nmissing     /usr/sbin/jitd\n";
        assert_eq!(differing(out), ["/usr/bin/jit", "/usr/sbin/jitd"]);
    }
}
