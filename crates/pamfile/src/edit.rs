//! Our lines, put into the text of a service file and taken out again.

use crate::{Folder, MODULE, NotUnderstood, Part, Says, Step, gate, limits, parse};

/// Ends each line that was written by the command, so that it takes out exactly those.
pub const MARK: &str = "# by jit pam enable";

/// What our lines are to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `spare_user=rescue mode=monitor`
    pub arguments: String,
    /// Whether people come in without a gate where the module is missing or does not load.
    pub open_if_missing: bool,
    /// Whether who is refused in the auth part is asked there.
    pub prompts: bool,
}

/// Why a file is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A line that is not understood.
    #[error("/etc/pam.d/{file}, line {line} is not understood: {why}")]
    NotUnderstood {
        /// The service's name.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A line of ours without the mark.
    #[error(
        "/etc/pam.d/{file}, line {line} calls pam_jit.so and was written by hand: take such lines out, or have it \
         done by `jit pam disable {file} --force`"
    )]
    ByHand {
        /// The service's name.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// The gate is asked already.
    #[error(
        "/etc/pam.d/{service} includes /etc/pam.d/{by}, which calls pam_jit.so in line {line}: {service} is gated \
         along with that"
    )]
    GatedAlready {
        /// The service's name.
        service: String,
        /// The file that it includes.
        by: String,
        /// Counted from 1.
        line: usize,
    },
    /// Something may end a part before our line.
    #[error(
        "/etc/pam.d/{file}, line {line} ({module}) may end the {part} part before pam_jit.so is called, so it would \
         gate only some: make it required, or move it into a substack"
    )]
    Skipped {
        /// The service's name.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is called there.
        module: String,
        /// Of which part.
        part: &'static str,
    },
    /// Something before our line fails as sudo does not hear.
    #[error(
        "/etc/pam.d/{file}, line {line} ({module}) may fail before pam_jit.so is called, over which sudo runs the command \
         whatever pam_jit.so says of whom it becomes: make it optional"
    )]
    Unheard {
        /// The service's name.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is called there.
        module: String,
    },
    /// A line that libpam would not read.
    #[error("the line would be longer than the {most} bytes that libpam reads: name fewer spare keys, or a group", most = limits::LINE)]
    Long,
    /// No such file.
    #[error("there is no /etc/pam.d/{0}")]
    NoFile(String),
}

impl Wanted {
    fn line(&self, part: Part) -> String {
        let missing =
            if part != Part::Account || self.open_if_missing { " module_unknown=ignore" } else { "" };
        let default = if part == Part::Session { "bad" } else { "die" };
        let space = if self.arguments.is_empty() { "" } else { " " };
        let arguments = &self.arguments;
        format!("{} [success=ok{missing} default={default}] {MODULE}{space}{arguments} {MARK}\n", part.name())
    }
}

/// The text of `service` with our lines in it: first in account, last in session, and where wanted behind the last
/// of auth. Lines of an earlier time give way.
pub fn enabled(folder: &Folder, service: &str, wanted: &Wanted) -> Result<String, Refusal> {
    let text = folder.text(service).ok_or_else(|| Refusal::NoFile(service.to_owned()))?;
    let Disabled { text, by_hand, .. } = disabled(text, false);
    if let Some((line, _)) = by_hand.first() {
        return Err(Refusal::ByHand { file: service.to_owned(), line: *line });
    }
    let bare = folder.with(service, &text);
    if let Some(already) = gate(&bare, service, Part::Account)? {
        let (service, by, line) = (service.to_owned(), already.step.file, already.step.line);
        return Err(Refusal::GatedAlready { service, by, line });
    }
    let lines = parse(&text).map_err(|NotUnderstood { line, why }| Refusal::NotUnderstood {
        file: service.to_owned(),
        line,
        why,
    })?;
    // What is included may get lines of this part some day: ours comes before all of it.
    let account = lines.iter().find(|line| match &line.says {
        Says::Whole(_) => true,
        Says::Entry { part, .. } => *part == Part::Account,
    });
    let auth = |says: &Says| match says {
        Says::Whole(file) => {
            crate::stack(&bare, file, Part::Auth).map(|steps| steps.is_some_and(|s| !s.is_empty()))
        }
        Says::Entry { part, .. } => Ok(*part == Part::Auth),
    };
    let mut last_auth = None;
    for line in lines.iter().filter(|_| wanted.prompts) {
        if auth(&line.says)? {
            last_auth = Some(line.number);
        }
    }
    let physical: Vec<&str> = text.split_inclusive('\n').collect();
    let account = account.map_or(physical.len(), |line| above_its_comment(&physical, line.number - 1));
    // A line that goes on ends where the next one that says something is not yet.
    let behind_auth = last_auth.map(|at| at + goes_on(&physical, at));
    let mut made = String::new();
    for at in 0..=physical.len() {
        if at == account {
            end_line(&mut made);
            made.push_str(&wanted.line(Part::Account));
        }
        if Some(at) == behind_auth {
            end_line(&mut made);
            made.push_str(&wanted.line(Part::Auth));
        }
        made.push_str(physical.get(at).copied().unwrap_or_default());
    }
    end_line(&mut made);
    made.push_str(&wanted.line(Part::Session));
    if made.lines().any(|line| line.contains(MARK) && line.len() + 1 >= limits::LINE) {
        return Err(Refusal::Long);
    }
    let after = folder.with(service, &made);
    let parts = [Part::Account, Part::Session, Part::Auth];
    for part in parts.into_iter().filter(|part| *part != Part::Auth || wanted.prompts) {
        let Some(gate) = gate(&after, service, part)? else { continue };
        // As the file is now, without ours above it.
        let place = |Step { file, line, module, .. }: Step| {
            let above = made.lines().take(line).filter(|line| is_marked(line)).count();
            let line = if file == service { line - above } else { line };
            (file, line, module)
        };
        if let Some((file, line, module)) = gate.skipped_by.map(place) {
            return Err(Refusal::Skipped { file, line, module, part: part.name() });
        }
        if let Some((file, line, module)) = gate.unheard_by.map(place) {
            return Err(Refusal::Unheard { file, line, module });
        }
    }
    Ok(made)
}

/// A file without our lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disabled {
    /// What is left.
    pub text: String,
    /// Lines that were taken out.
    pub taken: usize,
    /// Lines that call the module and stay, with their numbers counted from 1.
    pub by_hand: Vec<(usize, String)>,
}

/// The text without the lines that carry the mark; with `force` without any that call the module, but for one that
/// goes on over several lines. Nothing else changes, whether it is understood or not.
pub fn disabled(text: &str, force: bool) -> Disabled {
    let mut left = Disabled { text: String::with_capacity(text.len()), taken: 0, by_hand: Vec::new() };
    let mut goes_on = false;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let said = line.split('#').next().unwrap_or("");
        let calls = said.split_whitespace().any(crate::line::is_ours);
        let alone = !goes_on && !continues(line);
        goes_on = continues(line);
        if alone && calls && (is_marked(line) || force) {
            left.taken += 1;
            continue;
        }
        if calls {
            left.by_hand.push((at + 1, line.trim().to_owned()));
        }
        left.text.push_str(line);
    }
    left
}

fn is_marked(line: &str) -> bool {
    line.trim_end().ends_with(MARK) && line.split_whitespace().any(crate::line::is_ours)
}

fn continues(line: &str) -> bool {
    line.trim_end().ends_with('\\')
}

/// Lines behind the one with this number, counted from 1, that belong to it.
fn goes_on(physical: &[&str], number: usize) -> usize {
    physical.iter().skip(number - 1).take_while(|line| continues(line)).count()
}

/// Where the comment right above this line begins, unless that is the head of the file.
fn above_its_comment(physical: &[&str], at: usize) -> usize {
    let above = physical.iter().take(at).rev().take_while(|line| line.trim_start().starts_with('#')).count();
    if above == at { at } else { at - above }
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian() -> Folder {
        let file = |name: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/samples").join(name);
            (name.rsplit('/').next().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
        };
        let names =
            std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/samples")).unwrap();
        Folder(names.map(|name| file(name.unwrap().file_name().to_str().unwrap())).collect())
    }

    fn wanted() -> Wanted {
        Wanted { arguments: "spare_user=rescue".to_owned(), ..Wanted::default() }
    }

    const ACCOUNT: &str = "account [success=ok default=die] pam_jit.so spare_user=rescue # by jit pam enable";
    const SESSION: &str = "session [success=ok module_unknown=ignore default=bad] pam_jit.so spare_user=rescue # by jit pam enable";

    #[test]
    fn every_file_that_debian_ships_gets_the_lines_first_and_last_and_loses_them_to_the_letter() {
        let folder = debian();
        let mut gated = 0;
        for (service, text) in folder.0.iter().filter(|(name, _)| !name.starts_with("common-")) {
            let made = match enabled(&folder, service, &wanted()) {
                // su-l is what su is, for account and session.
                Err(Refusal::GatedAlready { .. }) => panic!("{service} is not gated"),
                made => made.unwrap_or_else(|why| panic!("{service}: {why}")),
            };
            let after = folder.with(service, &made);
            for (part, line) in [(Part::Account, ACCOUNT), (Part::Session, SESSION)] {
                let gate = gate(&after, service, part).unwrap().unwrap();
                assert!(gate.skipped_by.is_none(), "{service}: {gate:?}");
                assert!(
                    if part == Part::Account { gate.is_first } else { gate.is_last },
                    "{service}: {gate:?}"
                );
                assert_eq!(made.lines().filter(|written| *written == line).count(), 1, "{service}:\n{made}");
            }
            assert_eq!(made.lines().last(), Some(SESSION), "{service}");
            // Once more changes nothing, and other arguments change these lines alone.
            assert_eq!(enabled(&after, service, &wanted()).as_ref(), Ok(&made), "{service}");
            let other = Wanted { arguments: "mode=monitor".to_owned(), ..Wanted::default() };
            let changed = enabled(&after, service, &other).unwrap();
            assert_eq!(changed, made.replace("spare_user=rescue", "mode=monitor"), "{service}");
            let Disabled { text: left, taken, by_hand } = disabled(&made, false);
            assert_eq!((&left, taken, by_hand.as_slice()), (text, 2, &[][..]), "{service}");
            gated += 1;
        }
        assert!(gated >= 12, "{gated}");
    }

    #[test]
    fn the_account_line_comes_before_whatever_is_included() {
        let made = enabled(&debian(), "sudo", &wanted()).unwrap();
        let said: Vec<&str> =
            made.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(
            said,
            [
                "session    required   pam_limits.so",
                ACCOUNT,
                "@include common-auth",
                "@include common-account",
                "@include common-session-noninteractive",
                SESSION,
            ]
        );
    }

    #[test]
    fn a_comment_stays_with_the_line_that_it_is_about() {
        let made = enabled(&debian(), "sshd", &wanted()).unwrap();
        let about = format!("\n{ACCOUNT}\n# Standard Un*x authentication.\n@include common-auth\n");
        assert!(made.contains(&about), "{made}");
        let folder = debian().with("x", "#%PAM-1.0\n@include common-auth\n");
        assert!(enabled(&folder, "x", &wanted()).unwrap().starts_with(&format!("#%PAM-1.0\n{ACCOUNT}\n")));
    }

    #[test]
    fn who_wants_prompts_gets_a_line_behind_the_real_authentication() {
        let wanted = Wanted { prompts: true, open_if_missing: true, ..Wanted::default() };
        let folder = debian();
        let made = enabled(&folder, "sshd", &wanted).unwrap();
        let auth = "auth [success=ok module_unknown=ignore default=die] pam_jit.so # by jit pam enable";
        assert!(made.contains(&format!("@include common-auth\n{auth}\n")), "{made}");
        assert!(
            made.contains("account [success=ok module_unknown=ignore default=die] pam_jit.so #"),
            "{made}"
        );
        assert_eq!(disabled(&made, false).text, folder.0["sshd"]);
        // It would not be asked behind this.
        let refused = enabled(&folder, "su", &wanted).unwrap_err().to_string();
        assert!(
            refused.starts_with("/etc/pam.d/su, line 6 (pam_rootok.so) may end the auth part"),
            "{refused}"
        );
        // A line that goes on is not cut in two.
        let long = folder.with("x", "auth required \\\n pam_a.so\naccount required pam_b.so\n");
        let made = enabled(&long, "x", &wanted).unwrap();
        let split = made.split_once("pam_a.so\n").unwrap();
        assert!(split.0 == "auth required \\\n " && split.1.contains(auth), "{made}");
    }

    #[test]
    fn what_could_skip_a_line_refuses_it_with_its_place() {
        let folder = debian();
        for (text, told) in [
            (
                "account required pam_a.so\nsession sufficient pam_b.so\n",
                "/etc/pam.d/x, line 2 (pam_b.so) may end the session part",
            ),
            ("session include other\n", "/etc/pam.d/other2, line 1 (pam_c.so) may end"),
            ("session [success=1 default=ignore] pam_b.so\n", "/etc/pam.d/x, line 1 (pam_b.so)"),
            ("account required pam_a.so\nwhatever\n", "/etc/pam.d/x, line 2 is not understood"),
            ("@include nowhere\n", "/etc/pam.d/x, line 1 is not understood: it includes nowhere, which"),
            (
                "# c\naccount optional pam_jit.so\n",
                "/etc/pam.d/x, line 2 calls pam_jit.so and was written by hand",
            ),
            (
                "account include other3\n",
                "/etc/pam.d/x includes /etc/pam.d/other3, which calls pam_jit.so in line 1",
            ),
        ] {
            let folder = folder
                .with("x", text)
                .with("other", "session include other2\n")
                .with("other2", "session sufficient pam_c.so\n")
                .with("other3", "account required pam_jit.so\n");
            let refused = enabled(&folder, "x", &wanted()).unwrap_err().to_string();
            assert!(refused.starts_with(told), "{text}: {refused}");
        }
        let loginuid = folder.with("sudo-i", "account required pam_a.so\nsession required pam_loginuid.so\n");
        let refused = enabled(&loginuid, "sudo-i", &wanted()).unwrap_err().to_string();
        assert!(refused.starts_with("/etc/pam.d/sudo-i, line 2 (pam_loginuid.so) may fail"), "{refused}");
        // What others than sudo go on over is nothing.
        let sshd = folder.with("x", "session required pam_loginuid.so\n");
        assert!(enabled(&sshd, "x", &wanted()).is_ok());
        // Before our line nothing of the account part is called, whatever it is.
        let sufficient = folder.with("x", "account sufficient pam_a.so\n");
        assert!(enabled(&sufficient, "x", &wanted()).unwrap().starts_with(&format!("{ACCOUNT}\n")));
        assert_eq!(enabled(&folder, "nowhere", &wanted()), Err(Refusal::NoFile("nowhere".to_owned())));
        let long = Wanted { arguments: format!("spare_user={}", "a".repeat(950)), ..Wanted::default() };
        assert_eq!(enabled(&folder, "sudo", &long), Err(Refusal::Long));
    }

    #[test]
    fn only_marked_lines_go_unless_forced() {
        let text = format!(
            "# pam_jit.so {MARK}\n{ACCOUNT}\naccount required pam_jit.so\n#account required pam_jit.so\nsession optional \\\n pam_jit.so\nnonsense {MARK}\n"
        );
        let left = disabled(&text, false);
        assert_eq!(left.taken, 1);
        assert_eq!(
            left.by_hand,
            [(3, "account required pam_jit.so".to_owned()), (6, "pam_jit.so".to_owned())]
        );
        assert_eq!(left.text, text.replace(&format!("{ACCOUNT}\n"), ""));
        let forced = disabled(&text, true);
        assert_eq!((forced.taken, forced.by_hand), (2, vec![(6, "pam_jit.so".to_owned())]));
        let untouched = "no newline at the end\tand tabs";
        assert_eq!(disabled(untouched, true).text, untouched);
    }
}
