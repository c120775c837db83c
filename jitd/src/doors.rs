//! Which PAM services call the module, and what their lines say that an administrator should know.

use std::io::Read as _;
use std::path::Path;

/// Bytes of a PAM service file that are looked at: Debian's longest has 3 KiB.
const FILE: u64 = 64 * 1024;

/// Where PAM looks for service files (pam.conf(5)).
const FOLDER: &str = "/etc/pam.d";

/// What the service files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Doors {
    /// Services whose account part calls the module, in alphabetical order.
    pub gated: Vec<String>,
    /// Lines that let in without a grant, and what follows from that.
    pub warnings: Vec<String>,
}

impl Doors {
    /// The doors of this host.
    pub fn look() -> Self {
        let mut files: Vec<_> =
            std::fs::read_dir(FOLDER).into_iter().flatten().flatten().map(|e| e.path()).collect();
        files.sort();
        let mut doors = Self::default();
        for file in files {
            let Some(service) = file.file_name().and_then(|name| name.to_str()) else { continue };
            if let Some(text) = read(&file) {
                doors.take(service, &text);
            }
        }
        if doors.gated.is_empty() {
            doors.warnings.push(
                "no PAM service calls pam_jit.so, so nobody is gated: see pam_jit(8) for the lines"
                    .to_owned(),
            );
        }
        doors
    }

    fn take(&mut self, service: &str, text: &str) {
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or("").trim())
            .filter(|line| line.split_whitespace().any(|word| word.rsplit('/').next() == Some("pam_jit.so")))
            .collect();
        let mut says = |what: &str, then: &str| {
            if lines.iter().any(|line| line.split_whitespace().any(|word| word == what)) {
                self.warnings.push(format!("{FOLDER}/{service} says {what}: {then}"));
            }
        };
        says("mode=monitor", "everybody is let in, and the log says who would not be");
        says("on_unavailable=allow", "everybody is let in while jitd does not answer");
        let part = |part: &str| {
            lines.iter().any(|line| {
                line.split_whitespace().next().is_some_and(|word| word.trim_start_matches('-') == part)
            })
        };
        if part("account") {
            self.gated.push(service.to_owned());
            if !part("session") {
                // Before its session part sudo tells PAM only who asks.
                let then = if matches!(service, "sudo" | "sudo-i") {
                    "whom sudo becomes is not checked, so a grant to become one account is one for all of them"
                } else {
                    "its sessions are not registered"
                };
                self.warnings.push(format!(
                    "{FOLDER}/{service} calls pam_jit.so in its account part and not in its session part: \
                     {then}; add the session line of pam_jit(8) as its last"
                ));
            }
        } else if !lines.is_empty() {
            self.warnings.push(format!(
                "{FOLDER}/{service} calls pam_jit.so, but not in its account part: it gates nothing"
            ));
        }
    }
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_let_in_without_a_grant_are_told() {
        let mut doors = Doors::default();
        let session = "session [success=ok default=bad] pam_jit.so\n";
        doors.take(
            "sshd",
            &format!(
                "account [success=ok default=die] pam_jit.so spare_user=rescue\n# mode=monitor\n{session}"
            ),
        );
        doors.take(
            "sudo",
            &format!("account required /opt/pam_jit.so mode=monitor on_unavailable=allow\n{session}"),
        );
        doors.take("su", "session required pam_jit.so\n");
        doors.take("cron", "account required pam_unix.so mode=monitor\n#account required pam_jit.so\n");
        assert_eq!(doors.gated, ["sshd", "sudo"]);
        let told: Vec<&str> = doors.warnings.iter().map(|warning| &warning[..30]).collect();
        assert_eq!(
            told,
            [
                "/etc/pam.d/sudo says mode=moni",
                "/etc/pam.d/sudo says on_unavai",
                "/etc/pam.d/su calls pam_jit.so"
            ]
        );
    }

    #[test]
    fn an_account_line_without_its_session_line_is_told_with_what_follows() {
        let told = |service: &str, text: &str| {
            let mut doors = Doors::default();
            doors.take(service, text);
            assert_eq!(doors.gated, [service]);
            doors.warnings
        };
        let account = "account [success=ok default=die] pam_jit.so\n";
        let whole = format!("{account}-session [success=ok default=bad] pam_jit.so\n");
        assert!(told("sudo", &whole).is_empty());
        let off =
            format!("{account}#session [success=ok default=bad] pam_jit.so\nsession optional pam_x.so\n");
        for (service, then) in [
            ("sudo", "a grant to become one account is one for all"),
            ("sudo-i", "a grant to become one account is one for all"),
            ("sshd", "its sessions are not registered"),
        ] {
            let told = told(service, &off);
            assert_eq!(told.len(), 1);
            assert!(told[0].starts_with(&format!("/etc/pam.d/{service} calls pam_jit.so in its account")));
            assert!(told[0].contains(then) && told[0].ends_with("as its last"), "{told:?}");
        }
    }
}
