//! One line, as libpam reads it.

use crate::{MODULE, limits};

/// What a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Who is it?
    Auth,
    /// May they come in?
    Account,
    /// They come in, and go.
    Session,
    /// They change their password.
    Password,
}

impl Part {
    /// As files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Account => "account",
            Self::Session => "session",
            Self::Password => "password",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Auth, Self::Account, Self::Session, Self::Password]
            .into_iter()
            .find(|part| part.name().eq_ignore_ascii_case(word))
    }
}

/// What follows from an answer of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// `ok` `bad` `die` `ignore` `reset`: what comes after is called all the same, or the part fails.
    GoOn,
    /// `done`: the part ends here, well if nothing failed before.
    Done,
    /// So many modules are skipped.
    Jump(usize),
}

/// The second word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// `required` `requisite`
    Required,
    /// `optional`
    Optional,
    /// `sufficient`
    Sufficient,
    /// `include`
    Include,
    /// `substack`
    Substack,
    /// `[success=ok default=die]`: what is written, in alphabetical order and small letters, and what follows.
    Actions(Vec<String>, Vec<Then>),
}

impl Control {
    /// Whether the part fails with this answer of the module, by its name in pam.conf(5).
    pub fn fails_with(&self, answer: &str) -> bool {
        let Self::Actions(written, _) = self else { return matches!(self, Self::Required) };
        let does =
            |answer: &str| written.iter().find_map(|action| action.strip_prefix(answer)?.strip_prefix('='));
        // What is not written is bad.
        matches!(does(answer).or_else(|| does("default")).unwrap_or("bad"), "bad" | "die")
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// `@include FILE`: all of its parts (Debian).
    Whole(String),
    /// A module, or a file for one part.
    Entry {
        /// Whose it is.
        part: Part,
        /// What its answer means.
        control: Control,
        /// The module or file as it is written.
        module: String,
        /// Everything behind.
        arguments: String,
    },
}

/// One line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it begins, counted from 1.
    pub number: usize,
    /// What it says.
    pub says: Says,
}

impl Line {
    /// Whether it calls our module.
    pub fn is_ours(&self) -> bool {
        matches!(&self.says, Says::Entry { module, .. } if is_ours(module))
    }
}

/// Whether this word is our module, wherever it lies.
pub fn is_ours(word: &str) -> bool {
    word.rsplit('/').next() == Some(MODULE)
}

/// A line that no release of libpam takes, or not each in the same way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not understood: {why}")]
pub struct NotUnderstood {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// The lines of a file that say something, in order.
pub fn parse(text: &str) -> Result<Vec<Line>, NotUnderstood> {
    let mut lines = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (at, raw) in text.split_terminator('\n').enumerate() {
        let here = at + 1;
        let wrong = |line: usize, why: &str| NotUnderstood { line, why: why.to_owned() };
        if raw.contains('\0') || raw.contains('\r') {
            return Err(wrong(here, "it holds a carriage return or a NUL"));
        }
        let trimmed = raw.trim();
        let (said, comment) =
            trimmed.split_once('#').map_or((trimmed, None), |(said, rest)| (said, Some(rest)));
        // Before the first word libpam passes over blank lines and comments; releases differ over what a
        // backslash does there, and in what goes on over a comment.
        if said.trim().is_empty() {
            if begun.is_some() || comment.is_some_and(|comment| comment.ends_with('\\')) {
                return Err(wrong(
                    here,
                    "a comment or an empty line and a line that goes on in the next are mixed",
                ));
            }
            continue;
        }
        let goes_on = comment.is_none() && said.ends_with('\\');
        if comment.is_some_and(|comment| comment.ends_with('\\')) {
            return Err(wrong(here, "it ends in a comment with a backslash"));
        }
        let said = said.trim_end_matches('\\').trim();
        let (number, whole) = match begun.take() {
            Some((number, before)) => (number, format!("{before} {said}")),
            None => (here, said.to_owned()),
        };
        if whole.len() >= limits::LINE {
            return Err(wrong(number, "it is longer than libpam reads"));
        }
        if goes_on {
            begun = Some((number, whole));
        } else {
            let says = says(&whole).map_err(|why| NotUnderstood { line: number, why })?;
            lines.push(Line { number, says });
        }
    }
    match begun {
        Some((line, _)) => {
            Err(NotUnderstood { line, why: "it goes on behind the end of the file".to_owned() })
        }
        None => Ok(lines),
    }
}

fn says(line: &str) -> Result<Says, String> {
    let (first, rest) = word(line);
    if first.eq_ignore_ascii_case("@include") {
        return match word(rest) {
            ("", _) => Err("it includes nothing".to_owned()),
            (file, "") => Ok(Says::Whole(file.to_owned())),
            _ => Err("it includes more than one file".to_owned()),
        };
    }
    // A dash in front bears a module that is not there.
    let part = first.strip_prefix('-').unwrap_or(first);
    let part = Part::parse(part)
        .ok_or_else(|| format!("\"{first}\" is none of auth, account, session, password"))?;
    let (control, rest) = if let Some(rest) = rest.strip_prefix('[') {
        let (actions, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
        (self::actions(actions)?, rest.trim_start())
    } else {
        let (control, rest) = word(rest);
        (plain(control)?, rest)
    };
    let (module, arguments) = word(rest);
    if module.is_empty() || module.starts_with('[') {
        return Err("it names no module".to_owned());
    }
    Ok(Says::Entry { part, control, module: module.to_owned(), arguments: arguments.to_owned() })
}

/// The first word, and what is behind it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

fn plain(control: &str) -> Result<Control, String> {
    Ok(match control.to_ascii_lowercase().as_str() {
        "required" | "requisite" => Control::Required,
        "optional" => Control::Optional,
        "sufficient" => Control::Sufficient,
        "include" => Control::Include,
        "substack" => Control::Substack,
        _ => return Err(format!("\"{control}\" is no control")),
    })
}

fn actions(text: &str) -> Result<Control, String> {
    let (mut written, mut then) = (Vec::new(), Vec::new());
    for action in text.split_whitespace() {
        let action = action.to_ascii_lowercase();
        let wrong = || format!("\"{action}\" is no action: write them as [success=ok default=die]");
        let (value, does) = action.split_once('=').ok_or_else(wrong)?;
        if value.is_empty() || !value.bytes().all(|c| c.is_ascii_lowercase() || c == b'_') {
            return Err(wrong());
        }
        then.push(match does {
            "ok" | "bad" | "die" | "ignore" | "reset" => Then::GoOn,
            "done" => Then::Done,
            number => match number.parse() {
                Ok(jump) if jump > 0 => Then::Jump(jump),
                _ => return Err(wrong()),
            },
        });
        written.push(action);
    }
    if written.is_empty() {
        return Err("its brackets hold nothing".to_owned());
    }
    written.sort_unstable();
    Ok(Control::Actions(written, then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_libpam_reads_them() {
        let text = "#%PAM-1.0\n\n  # a comment \n@include common-auth\nAccount\t[default=DIE  success=ok]\t/lib/security/pam_jit.so a=b # c\n\
                    -session optional \\\n pam_systemd.so\nsession [success=1 default=ignore] pam_x.so a [b c]\n";
        let lines = parse(text).unwrap();
        let entry = |part, control, module: &str, arguments: &str| Says::Entry {
            part,
            control,
            module: module.to_owned(),
            arguments: arguments.to_owned(),
        };
        let actions = |written: &[&str], then: &[Then]| {
            Control::Actions(written.iter().map(|word| (*word).to_owned()).collect(), then.to_vec())
        };
        let die = actions(&["default=die", "success=ok"], &[Then::GoOn, Then::GoOn]);
        let jump = actions(&["default=ignore", "success=1"], &[Then::Jump(1), Then::GoOn]);
        assert_eq!(
            lines.into_iter().map(|line| (line.number, line.says)).collect::<Vec<_>>(),
            [
                (4, Says::Whole("common-auth".to_owned())),
                (5, entry(Part::Account, die, "/lib/security/pam_jit.so", "a=b")),
                (6, entry(Part::Session, Control::Optional, "pam_systemd.so", "")),
                (8, entry(Part::Session, jump, "pam_x.so", "a [b c]")),
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_named_by_its_line() {
        for (wrong, why) in [
            ("accounts required pam_x.so", "\"accounts\" is none of auth"),
            ("account need pam_x.so", "\"need\" is no control"),
            ("account required", "it names no module"),
            ("account [success=ok pam_x.so", "a bracket is not closed"),
            ("account [] pam_x.so", "its brackets hold nothing"),
            ("account [success] pam_x.so", "\"success\" is no action"),
            ("account [success=perhaps] pam_x.so", "\"success=perhaps\" is no action"),
            ("account [success=0] pam_x.so", "\"success=0\" is no action"),
            ("@include", "it includes nothing"),
            ("@include a b", "more than one file"),
            ("# a comment \\", "a comment or an empty line"),
            ("account required pam_x.so # c \\", "a comment with a backslash"),
            ("account required \\\n\nauth required pam_x.so", "a comment or an empty line"),
            ("account required pam_x.so \\", "behind the end"),
            ("account required pam_x.so\r", "a carriage return"),
        ] {
            let error = parse(&format!("auth required pam_unix.so\n{wrong}\n")).unwrap_err();
            assert!(error.line >= 2 && error.why.contains(why), "{wrong:?}: {error}");
        }
        let long = format!("account required pam_x.so {}", "a".repeat(1000));
        assert!(parse(&long).unwrap_err().why.contains("longer"));
    }
}
