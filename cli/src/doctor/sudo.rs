//! Which sudo there is, and whether it asks the gate before all that it does.

use super::{Look, found};
use crate::program::ran;

const WHAT: &str = "sudo";

/// Both may be there, sudo-rs as well under the name `sudo`.
const PROGRAMS: [&str; 2] = ["sudo", "sudo-rs"];

/// The first sudo-rs that runs PAM's account part for `sudoedit`.
const ASKS_FOR_EDITS: [u32; 3] = [0, 2, 14];

pub fn look() -> Vec<Look> {
    let said = PROGRAMS.into_iter().filter_map(|program| {
        // One that is not there does nothing. Some end with an error where they cannot read all of their settings.
        let said = ran(program, ["--version"]).ok()?;
        Some((program, String::from_utf8_lossy(&said.stdout).into_owned()))
    });
    found(WHAT, said.filter_map(|(program, said)| edits_unasked(program, &said)).collect())
}

/// What is wrong with the sudo that says this of its version.
fn edits_unasked(program: &str, said: &str) -> Option<(String, String)> {
    let version = said.lines().next()?.trim().strip_prefix("sudo-rs ")?;
    if numbers(version).is_some_and(|numbers| numbers >= ASKS_FOR_EDITS) {
        return None;
    }
    let [major, minor, patch] = ASKS_FOR_EDITS;
    let wrong = format!(
        "{program} is sudo-rs {version}: it does not ask the gate for `sudo -e`, which needs no grant"
    );
    Some((wrong, format!("update sudo-rs to {major}.{minor}.{patch} or later, or use sudo.ws in its place")))
}

/// `0.2.13` of `0.2.13-0ubuntu1`
fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sudo_rs_that_edits_without_asking_is_told_with_what_to_do() {
        for old in ["0.2.13", "0.2.8-1ubuntu5", "0.1.99", "0.2", "unknown"] {
            let (wrong, fix) = edits_unasked("sudo", &format!("sudo-rs {old}\n")).unwrap();
            assert!(wrong.starts_with(&format!("sudo is sudo-rs {old}: ")), "{wrong}");
            assert_eq!(fix, "update sudo-rs to 0.2.14 or later, or use sudo.ws in its place");
        }
        for right in [
            "sudo-rs 0.2.14\n",
            "sudo-rs 0.2.15-1\n",
            "sudo-rs 0.10.0\n",
            "sudo-rs 1.0.0\n",
            "Sudo version 1.9.16p2\nSudoers policy plugin version 1.9.16p2\n",
            "",
        ] {
            assert_eq!(edits_unasked("sudo", right), None, "{right}");
        }
    }
}
