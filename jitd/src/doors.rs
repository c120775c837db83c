//! Which PAM services call the module, and what their lines say that an administrator should know.

use pamfile::{Control, Folder, Gate, MODULE, Part, gate, stack};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What refuses and nothing else does: the line of pam_jit(8). Elsewhere "success" may end the part, or a refusal
/// be outvoted or ignored.
const ACCOUNT: &str = "default=die success=ok";

/// The same, and nobody is refused where the module is gone: `jit pam enable --if-missing=open`.
const ACCOUNT_OPEN: &str = "default=die module_unknown=ignore success=ok";

/// The same for the other parts, with or without bearing that the module is gone.
const SESSION: [&str; 2] = ["default=bad success=ok", "default=bad module_unknown=ignore success=ok"];
const AUTH: [&str; 2] = [ACCOUNT, ACCOUNT_OPEN];

/// What the service files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Doors {
    /// Services whose account part calls the module, in alphabetical order.
    pub gated: Vec<String>,
    /// Those of them whose account line says `mode=monitor`.
    pub monitored: Vec<String>,
    /// Lines that let in without a grant, and what follows from that.
    pub warnings: Vec<String>,
}

impl Doors {
    /// The doors of this host.
    pub fn look() -> Self {
        let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
        for place in Folder::PLACES {
            for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
                if let Ok(name) = entry.file_name().into_string() {
                    files.entry(name).or_insert_with(|| entry.path());
                }
            }
        }
        let texts = files.iter().filter_map(|(name, path)| Some((name.clone(), read(path)?)));
        let folder = Folder(texts.collect());
        let mut doors = Self::default();
        for (name, path) in files.iter().filter(|(name, _)| !is_shared(name)) {
            doors.take(&folder, name, &path.display().to_string());
        }
        if doors.gated.is_empty() {
            doors.warnings.push(
                "no PAM service calls pam_jit.so, so nobody is gated: `jit pam enable` writes the lines"
                    .to_owned(),
            );
        }
        doors
    }

    /// Takes one service in, whose file is called `file` in what is told.
    fn take(&mut self, folder: &Folder, service: &str, file: &str) {
        let part = |part| gate(folder, service, part);
        let (account, session, auth) = match (part(Part::Account), part(Part::Session), part(Part::Auth)) {
            (Ok(account), Ok(session), Ok(auth)) => (account, session, auth),
            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => {
                // What does not call the module itself is no affair of ours.
                if folder.text(service).is_some_and(|text| text.contains(MODULE)) {
                    self.warnings
                        .push(format!("{file} names pam_jit.so, and nobody can say whether it gates: {why}"));
                }
                return;
            }
        };
        let all = [&account, &session, &auth];
        // What a file says that is a service of its own is told of that one.
        let here = |gate: &&Gate| gate.step.file == service || is_shared(&gate.step.file);
        let says = |gate: &Gate, what: &str| gate.step.arguments.split_whitespace().any(|word| word == what);
        for (what, then) in [
            ("mode=monitor", "everybody is let in, and the log says who would not be"),
            ("on_unavailable=allow", "everybody is let in while jitd does not answer"),
        ] {
            if all.into_iter().flatten().filter(here).any(|gate| says(gate, what)) {
                self.warnings.push(format!("{file} says {what}: {then}"));
            }
        }
        let Some(account) = account else {
            if all.into_iter().any(Option::is_some) {
                self.warnings
                    .push(format!("{file} calls pam_jit.so, but not in its account part: it gates nothing"));
            }
            return;
        };
        self.gated.push(service.to_owned());
        if says(&account, "mode=monitor") {
            self.monitored.push(service.to_owned());
        }
        if here(&&account) {
            self.account(folder, service, file, &account);
        }
        self.session(file, service, folder, session.as_ref());
        if let Some(auth) = auth.as_ref().filter(here)
            && !AUTH.contains(&control(auth).as_str())
        {
            self.warnings.push(format!(
                "{file} calls pam_jit.so in its auth part with \"{}\", so a grant may stand for a password: write \
                 [success=ok module_unknown=ignore default=die], after the real authentication, or take the line out",
                written(folder, auth)
            ));
        }
    }

    fn account(&mut self, folder: &Folder, service: &str, file: &str, account: &Gate) {
        match control(account).as_str() {
            ACCOUNT => {}
            ACCOUNT_OPEN => self.warnings.push(format!(
                "{file} says module_unknown=ignore in its account part: everybody is let in where pam_jit.so is \
                 missing or does not load, and nothing logs it (jit pam enable --if-missing=open)"
            )),
            _ => self.warnings.push(format!(
                "{file} calls pam_jit.so in its account part with \"{}\", so a refusal may count for \
                 nothing: write [success=ok default=die]",
                written(folder, account)
            )),
        }
        if account.is_first {
            return;
        }
        let first =
            stack(folder, service, Part::Account).ok().flatten().and_then(|steps| steps.into_iter().next());
        self.warnings.push(format!(
            "{file} has {} before pam_jit.so in its account part, which may let in before the gate is asked: \
             make the account line of pam_jit.so its first",
            first.map(|step| step.module).unwrap_or_default()
        ));
    }

    fn session(&mut self, file: &str, service: &str, folder: &Folder, session: Option<&Gate>) {
        // Before its session part sudo tells PAM only who asks.
        let then = if matches!(service, "sudo" | "sudo-i") {
            "whom sudo becomes is not checked, so a grant to become one account is one for all of them"
        } else {
            "its sessions are not registered"
        };
        let Some(session) = session else {
            self.warnings.push(format!(
                "{file} calls pam_jit.so in its account part and not in its session part: \
                 {then}; add the session line of pam_jit(8) as its last"
            ));
            return;
        };
        // What is wrong with another service's own file is told of that.
        let is_of_another = |by: &str| by == session.step.file && by != service && !is_shared(by);
        if let Some(before) = session.unheard_by.as_ref().filter(|before| !is_of_another(&before.file)) {
            self.warnings.push(format!(
                "{file} has {} before pam_jit.so in its session part (/etc/pam.d/{}, line {}): where that fails sudo runs the \
                 command, whatever pam_jit.so says, and {then}; make it optional",
                before.module, before.file, before.line
            ));
        }
        if is_of_another(&session.step.file) {
            return;
        }
        if !SESSION.contains(&control(session).as_str()) {
            self.warnings.push(format!(
                "{file} calls pam_jit.so in its session part with \"{}\", so a refusal may count for nothing: write \
                 [success=ok module_unknown=ignore default=bad]",
                written(folder, session)
            ));
        }
        if let Some(before) = &session.skipped_by {
            self.warnings.push(format!(
                "{file} has {} before pam_jit.so in its session part, which may end that part: {then}; make it not \
                 sufficient, or pam_jit.so's line the first",
                before.module
            ));
        }
    }
}

/// Whether many services include this file, which is none itself.
fn is_shared(name: &str) -> bool {
    name.starts_with("common-")
}

/// The actions of a line in alphabetical order; nothing where it has none.
fn control(gate: &Gate) -> String {
    match &gate.step.control {
        Control::Actions(actions, _) => actions.join(" "),
        _ => String::new(),
    }
}

/// The second word of a line, as it is written: `optional`, or what is between the brackets.
fn written(folder: &Folder, gate: &Gate) -> String {
    let actions = control(gate);
    if !actions.is_empty() {
        return actions;
    }
    let text = folder.text(&gate.step.file).unwrap_or_default();
    let line = text.lines().nth(gate.step.line.saturating_sub(1)).unwrap_or_default();
    line.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(pamfile::limits::FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT_LINE: &str = "account [success=ok default=die] pam_jit.so spare_user=rescue\n";
    const SESSION_LINE: &str = "session [success=ok module_unknown=ignore default=bad] pam_jit.so\n";

    fn take(doors: &mut Doors, name: &str, text: &str) {
        let included = [
            ("common-auth", "auth sufficient pam_unix.so\n"),
            ("common-account", "account sufficient pam_localuser.so\n"),
            ("common-session", "session required pam_unix.so\n"),
            ("other", "account required pam_deny.so\n"),
            ("outer", "@include common-account\n"),
            ("endless", "@include endless\n"),
        ];
        let mut files: BTreeMap<String, String> =
            included.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        files.insert(name.to_owned(), text.to_owned());
        doors.take(&Folder(files), name, &format!("/etc/pam.d/{name}"));
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
        assert_eq!(doors.monitored, ["sudo"]);
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
    fn a_service_that_is_gated_along_with_another_is_gated_and_what_is_wrong_is_told_of_that_one() {
        let su = "account optional pam_jit.so mode=monitor\nsession optional pam_jit.so\n";
        let folder = Folder(
            [("su", su), ("su-l", "account include su\nsession include su\n")]
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
        );
        let mut doors = Doors::default();
        doors.take(&folder, "su", "/etc/pam.d/su");
        assert_eq!(doors.warnings.len(), 3, "{doors:?}");
        doors.take(&folder, "su-l", "/etc/pam.d/su-l");
        assert_eq!(doors.warnings.len(), 3, "{doors:?}");
        assert_eq!((doors.gated.len(), doors.monitored.len()), (2, 2));
    }

    #[test]
    fn what_comes_before_the_gate_of_another_file_is_told_of_the_one_that_has_it() {
        let sudo = format!("{ACCOUNT_LINE}{SESSION_LINE}");
        let own = "account include sudo\nsession required pam_keyinit.so\nsession include sudo\n";
        let told = |sudo: &str, sudo_i: &str| {
            let files =
                [("sudo", sudo), ("sudo-i", sudo_i)].map(|(name, text)| (name.to_owned(), text.to_owned()));
            let folder = Folder(files.into_iter().collect());
            let mut doors = Doors::default();
            ["sudo", "sudo-i"]
                .iter()
                .for_each(|name| doors.take(&folder, name, &format!("/etc/pam.d/{name}")));
            doors.warnings
        };
        let of_own = told(&sudo, own);
        assert!(of_own.len() == 1 && of_own[0].contains("(/etc/pam.d/sudo-i, line 2)"), "{of_own:?}");
        let of_sudo = told(
            &format!("session required pam_keyinit.so\n{sudo}"),
            "account include sudo\nsession include sudo\n",
        );
        assert!(of_sudo.len() == 1 && of_sudo[0].starts_with("/etc/pam.d/sudo has"), "{of_sudo:?}");
    }

    #[test]
    fn lines_of_the_manual_are_quiet_in_whatever_way_they_are_written() {
        for account in [
            ACCOUNT_LINE,
            "ACCOUNT\t[default=die  success=ok]\t/lib/security/pam_jit.so\n",
            "account [success=ok \\\n default=die] pam_jit.so\n",
            // What comes before is of another part.
            "@include common-auth\nauth include other\naccount [success=ok default=die] pam_jit.so\n",
            // The dash bears no module that is missing: everybody is refused all the same.
            "-account [success=ok default=die] pam_jit.so\n",
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
                "says module_unknown=ignore in its account part: everybody is let in where pam_jit.so is missing",
            ),
            ("account [success=done default=die] pam_jit.so\n", "with \"default=die success=done\""),
            ("account [success=ok default=ignore] pam_jit.so\n", "with \"default=ignore success=ok\""),
            (
                "account sufficient pam_localuser.so\naccount [success=ok default=die] pam_jit.so\n",
                "has pam_localuser.so before pam_jit.so in its account part",
            ),
            (
                "account include other\naccount [success=ok default=die] pam_jit.so\n",
                "has pam_deny.so before",
            ),
            (
                "@include common-account\naccount [success=ok default=die] pam_jit.so\n",
                "has pam_localuser.so before",
            ),
            ("@include outer\naccount [success=ok default=die] pam_jit.so\n", "has pam_localuser.so before"),
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
            (
                "session required pam_loginuid.so\nsession [success=ok default=bad] pam_jit.so\n",
                "(/etc/pam.d/sudo, line 2): where that fails sudo runs the command",
            ),
        ] {
            let told = told("sudo", &format!("{ACCOUNT_LINE}{rest}"));
            assert!(told.len() == 1 && told[0].contains(why), "{rest}: {told:?}");
        }
    }

    #[test]
    fn a_file_that_libpam_would_not_read_is_told_where_it_names_the_module_and_nowhere_else() {
        for (text, why) in [
            ("@include nobody-knows\n", "it includes nobody-knows, which is not there"),
            ("@include endless\n", "files include one another without end"),
            ("whatever\n", "line 1 is not understood"),
        ] {
            let mut doors = Doors::default();
            take(&mut doors, "sshd", &format!("{text}{ACCOUNT_LINE}"));
            assert!(doors.gated.is_empty() && doors.warnings.len() == 1, "{doors:?}");
            assert!(doors.warnings[0].contains(why), "{doors:?}");
            take(&mut doors, "x", text);
            assert_eq!(doors.warnings.len(), 1, "{doors:?}");
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
