//! Which PAM services call the module, and what their lines say that an administrator should know.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Bytes of a PAM service file that are looked at: Debian's longest has 3 KiB.
const FILE: u64 = 64 * 1024;

/// Where PAM looks for service files; the first folder that has one counts (pam.conf(5)).
const FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// Files that include one another are followed this deep: libpam's own bound is 32, Debian's own files need 2.
const DEPTH: u32 = 8;

/// What refuses and nothing else does: the line of pam_jit(8). Elsewhere "success" may end the part, or a refusal
/// be outvoted or ignored.
const ACCOUNT: &str = "default=die success=ok";

/// The same for the other parts, with or without bearing that the module is gone.
const SESSION: [&str; 2] = ["default=bad success=ok", "default=bad module_unknown=ignore success=ok"];
const AUTH: [&str; 2] = ["default=die success=ok", "default=die module_unknown=ignore success=ok"];

/// What the service files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Doors {
    /// Services whose account part calls the module, in alphabetical order.
    pub gated: Vec<String>,
    /// Lines that let in without a grant, and what follows from that.
    pub warnings: Vec<String>,
}

/// A service file of some folder.
struct Service<'a> {
    name: &'a str,
    file: &'a str,
    text: &'a str,
}

/// One line of a service file, as far as it matters here.
struct Line {
    /// `account`, `session`, `auth`, `password`, or `@include`.
    part: String,
    /// The control, its actions in alphabetical order where it is written in brackets.
    control: String,
    /// The module's or the included file's name, without its folder.
    module: String,
}

impl Doors {
    /// The doors of this host.
    pub fn look() -> Self {
        let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
        for folder in FOLDERS {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if let Ok(name) = entry.file_name().into_string() {
                    files.entry(name).or_insert_with(|| entry.path());
                }
            }
        }
        let texts: BTreeMap<&str, String> =
            files.iter().filter_map(|(name, path)| Some((name.as_str(), read(path)?))).collect();
        let included = |name: &str| texts.get(name).map(String::as_str);
        let mut doors = Self::default();
        for (name, text) in &texts {
            let Some(path) = files.get(*name) else { continue };
            doors.take(&Service { name, file: &path.display().to_string(), text }, &included);
        }
        if doors.gated.is_empty() {
            doors.warnings.push(
                "no PAM service calls pam_jit.so, so nobody is gated: `jit pam enable` writes the lines"
                    .to_owned(),
            );
        }
        doors
    }

    /// Takes one file in; `included` gives the text of another one.
    fn take<'t>(&mut self, service: &Service<'_>, included: &dyn Fn(&str) -> Option<&'t str>) {
        let all = lines(service.text);
        let ours = |part: &str| all.iter().position(|line| line.part == part && line.is_ours());
        if !all.iter().any(Line::is_ours) {
            return;
        }
        let file = service.file;
        let says = |what: &str| {
            let of_ours = |line: &&str| line.split_whitespace().any(is_module);
            whole_lines(service.text)
                .iter()
                .map(String::as_str)
                .filter(of_ours)
                .any(|line| line.split_whitespace().any(|word| word == what))
        };
        for (what, then) in [
            ("mode=monitor", "everybody is let in, and the log says who would not be"),
            ("on_unavailable=allow", "everybody is let in while jitd does not answer"),
        ] {
            if says(what) {
                self.warnings.push(format!("{file} says {what}: {then}"));
            }
        }
        let Some(account) = ours("account") else {
            self.warnings
                .push(format!("{file} calls pam_jit.so, but not in its account part: it gates nothing"));
            return;
        };
        self.gated.push(service.name.to_owned());
        let (before, line) = (all.get(..account).unwrap_or_default(), all.get(account));
        if let Some(control) = line.map(|line| &line.control).filter(|control| *control != ACCOUNT) {
            self.warnings.push(format!(
                "{file} calls pam_jit.so in its account part with \"{control}\", so a refusal may count for \
                 nothing: write [success=ok default=die]"
            ));
        }
        if let Some(first) = before.iter().find(|line| line.reaches("account", included, DEPTH)) {
            self.warnings.push(format!(
                "{file} has {} before pam_jit.so in its account part, which may let in before the gate is asked: \
                 make the account line of pam_jit.so its first",
                first.module
            ));
        }
        self.session(service, &all, ours("session"));
        if let Some(auth) = ours("auth").and_then(|at| all.get(at))
            && !AUTH.contains(&auth.control.as_str())
        {
            self.warnings.push(format!(
                "{file} calls pam_jit.so in its auth part with \"{}\", so a grant may stand for a password: write \
                 [success=ok module_unknown=ignore default=die], after the real authentication, or take the line out",
                auth.control
            ));
        }
    }

    fn session(&mut self, service: &Service<'_>, all: &[Line], ours: Option<usize>) {
        let file = service.file;
        // Before its session part sudo tells PAM only who asks.
        let then = if matches!(service.name, "sudo" | "sudo-i") {
            "whom sudo becomes is not checked, so a grant to become one account is one for all of them"
        } else {
            "its sessions are not registered"
        };
        let Some((at, line)) = ours.and_then(|at| Some((at, all.get(at)?))) else {
            self.warnings.push(format!(
                "{file} calls pam_jit.so in its account part and not in its session part: \
                 {then}; add the session line of pam_jit(8) as its last"
            ));
            return;
        };
        if !SESSION.contains(&line.control.as_str()) {
            self.warnings.push(format!(
                "{file} calls pam_jit.so in its session part with \"{}\", so a refusal may count for nothing: write \
                 [success=ok module_unknown=ignore default=bad]",
                line.control
            ));
        }
        let skips = |line: &&Line| line.part == "session" && line.ends_the_part();
        if let Some(before) = all.get(..at).unwrap_or_default().iter().find(skips) {
            self.warnings.push(format!(
                "{file} has {} before pam_jit.so in its session part, which may end that part: {then}; make it not \
                 sufficient, or pam_jit.so's line the first",
                before.module
            ));
        }
    }
}

impl Line {
    fn is_ours(&self) -> bool {
        is_module(&self.module)
    }

    /// Whether it has modules of this part called: a file that is included only where it has some.
    fn reaches<'t>(&self, part: &str, included: &dyn Fn(&str) -> Option<&'t str>, depth: u32) -> bool {
        match self.part.as_str() {
            "@include" => match included(&self.module) {
                Some(text) if depth > 0 => {
                    lines(text).iter().any(|line| line.reaches(part, included, depth - 1))
                }
                // Nobody knows what is in it.
                _ => true,
            },
            own => own == part,
        }
    }

    /// Whether what comes after it may be skipped.
    fn ends_the_part(&self) -> bool {
        self.control == "sufficient"
            || self.control.split_whitespace().any(|action| {
                action.split_once('=').is_some_and(|(_, then)| then == "done" || then.parse::<u32>().is_ok())
            })
    }
}

fn is_module(word: &str) -> bool {
    word.rsplit('/').next() == Some("pam_jit.so")
}

/// Lines without their comments; one that ends in a backslash goes on in the next.
fn whole_lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined.lines().map(|line| line.split('#').next().unwrap_or("").trim().to_owned()).collect()
}

fn lines(text: &str) -> Vec<Line> {
    whole_lines(text).iter().filter_map(|line| parsed(line)).collect()
}

fn parsed(line: &str) -> Option<Line> {
    let (part, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let name = |word: &str| word.rsplit('/').next().unwrap_or("").to_owned();
    if part == "@include" {
        return Some(Line { part: part.to_owned(), control: String::new(), module: name(rest.trim_end()) });
    }
    let (control, rest) = if let Some(rest) = rest.strip_prefix('[') {
        let (actions, rest) = rest.split_once(']')?;
        let mut actions: Vec<String> = actions.split_whitespace().map(str::to_ascii_lowercase).collect();
        actions.sort_unstable();
        (actions.join(" "), rest)
    } else {
        let (control, rest) = rest.split_once(char::is_whitespace)?;
        (control.to_ascii_lowercase(), rest)
    };
    // A part with a dash in front bears a module that is not there without a word.
    let quiet = part.starts_with('-') && rest.split_whitespace().next().is_some_and(is_module);
    let control = if quiet { format!("-{control}") } else { control };
    let part = part.trim_start_matches('-').to_ascii_lowercase();
    Some(Line { part, control, module: name(rest.split_whitespace().next()?) })
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT_LINE: &str = "account [success=ok default=die] pam_jit.so spare_user=rescue\n";
    const SESSION_LINE: &str = "session [success=ok module_unknown=ignore default=bad] pam_jit.so\n";

    fn take(doors: &mut Doors, name: &str, text: &str) {
        let file = format!("/etc/pam.d/{name}");
        let included = |name: &str| match name {
            "common-auth" => Some("auth sufficient pam_unix.so\n"),
            "common-account" => Some("account sufficient pam_localuser.so\n"),
            "outer" => Some("@include common-account\n"),
            "endless" => Some("@include endless\n"),
            _ => None,
        };
        doors.take(&Service { name, file: &file, text }, &included);
    }

    /// What is said of this file, which is gated.
    fn told(name: &str, text: &str) -> Vec<String> {
        let mut doors = Doors::default();
        take(&mut doors, name, text);
        assert_eq!(doors.gated, [name], "{text}");
        doors.warnings
    }

    #[test]
    fn lines_that_let_in_without_a_grant_are_told() {
        let mut doors = Doors::default();
        take(&mut doors, "sshd", &format!("{ACCOUNT_LINE}# mode=monitor\n{SESSION_LINE}"));
        let open = ACCOUNT_LINE.replace("spare_user=rescue", "mode=monitor \\\n on_unavailable=allow");
        take(&mut doors, "sudo", &format!("{open}{SESSION_LINE}"));
        take(&mut doors, "su", "session required pam_jit.so\n");
        take(&mut doors, "cron", "account required pam_unix.so mode=monitor\n#account required pam_jit.so\n");
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
    fn lines_of_the_manual_are_quiet_in_whatever_way_they_are_written() {
        for account in [
            ACCOUNT_LINE,
            "ACCOUNT\t[default=die  success=ok]\t/lib/security/pam_jit.so\n",
            "account [success=ok \\\n default=die] pam_jit.so\n",
            // What comes before is of another part.
            "@include common-auth\nauth include whatever\naccount [success=ok default=die] pam_jit.so\n",
        ] {
            for session in [SESSION_LINE, "session [success=ok default=bad] pam_jit.so\n"] {
                let auth = "auth [success=ok module_unknown=ignore default=die] pam_jit.so\n";
                let rest =
                    "@include common-account\nsession required pam_limits.so\n@include common-session\n";
                let text = format!("{account}{auth}{rest}{session}");
                assert_eq!(told("sshd", &text), Vec::<String>::new(), "{text}");
            }
        }
    }

    #[test]
    fn a_door_that_is_open_beside_its_gate_is_told() {
        for (account, why) in [
            ("account optional pam_jit.so\n", "with \"optional\", so a refusal may count for nothing"),
            ("account sufficient pam_jit.so\n", "with \"sufficient\""),
            (
                "account [success=ok module_unknown=ignore default=die] pam_jit.so\n",
                "with \"default=die module_unknown=ignore success=ok\"",
            ),
            ("account [success=done default=die] pam_jit.so\n", "with \"default=die success=done\""),
            ("account [success=ok default=ignore] pam_jit.so\n", "with \"default=ignore success=ok\""),
            ("-account [success=ok default=die] pam_jit.so\n", "with \"-default=die success=ok\""),
            (
                "account sufficient pam_localuser.so\naccount [success=ok default=die] pam_jit.so\n",
                "has pam_localuser.so before pam_jit.so in its account part",
            ),
            ("account include other\naccount [success=ok default=die] pam_jit.so\n", "has other before"),
            (
                "@include common-account\naccount [success=ok default=die] pam_jit.so\n",
                "has common-account before",
            ),
            ("@include outer\naccount [success=ok default=die] pam_jit.so\n", "has outer before"),
            (
                "@include nobody-knows\naccount [success=ok default=die] pam_jit.so\n",
                "has nobody-knows before",
            ),
            ("@include endless\naccount [success=ok default=die] pam_jit.so\n", "has endless before"),
        ] {
            let told = told("sshd", &format!("{account}{SESSION_LINE}"));
            assert!(told.len() == 1 && told[0].contains(why), "{account}: {told:?}");
        }
        for (rest, why) in [
            ("session optional pam_jit.so\n", "in its session part with \"optional\""),
            (
                "session sufficient pam_x.so\nsession [success=ok default=bad] pam_jit.so\n",
                "has pam_x.so before",
            ),
            (
                "session [success=1 default=ok] pam_x.so\nsession [success=ok default=bad] pam_jit.so\n",
                "has pam_x.so",
            ),
            (
                "auth sufficient pam_jit.so\nsession [success=ok default=bad] pam_jit.so\n",
                "stand for a password",
            ),
        ] {
            let told = told("sudo", &format!("{ACCOUNT_LINE}{rest}"));
            assert!(told.len() == 1 && told[0].contains(why), "{rest}: {told:?}");
        }
    }

    #[test]
    fn an_account_line_without_its_session_line_is_told_with_what_follows() {
        let off = format!("{ACCOUNT_LINE}#{SESSION_LINE}session optional pam_x.so\n");
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
