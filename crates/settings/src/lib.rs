//! Configuration files of daemons: read whole and checked whole, with errors that name file, line, key and fix.
#![forbid(unsafe_code)]

pub mod limits;

use serde::de::DeserializeOwned;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// What a file says.
pub trait Settings: DeserializeOwned {
    /// What types cannot tell.
    fn check(&self) -> Result<(), Wrong>;
}

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct Wrong {
    key: String,
    what: String,
}

impl Wrong {
    /// The key as `table.key`, or `table.0.key` in the first of several; what is wrong, and what would be right.
    pub fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into() }
    }

    /// Of a path that has to begin at the root.
    pub fn unless_absolute(key: impl Into<String>, path: &Path) -> Result<(), Self> {
        if path.is_absolute() {
            return Ok(());
        }
        Err(Self::new(key, format!("{} is not an absolute path: start it with /", path.display())))
    }
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("reading {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: std::io::Error,
    },
    /// It is longer than any configuration: half of one would be another one.
    #[error("reading {path}: a configuration has at most {} KiB; is it the right file?", limits::FILE / 1024)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line is wrong.
    #[error("{path}:{line}: {}{what}", if key.is_empty() { String::new() } else { format!("{key}: ") })]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key, where there is one.
        key: String,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// What this file says, if all of it can be used.
pub fn load<S: Settings>(path: &Path) -> Result<S, SettingsError> {
    let unreadable = |why| SettingsError::Unreadable { path: path.into(), why };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(limits::FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > limits::FILE {
        return Err(SettingsError::TooLarge { path: path.into() });
    }
    parse(&text, path)
}

/// The same of this text; `path` is for the errors.
pub fn parse<S: Settings>(text: &str, path: &Path) -> Result<S, SettingsError> {
    let at = |place: usize, key: String, what: &str| SettingsError::Line {
        path: path.into(),
        line: text.get(..place).unwrap_or(text).matches('\n').count() + 1,
        key,
        what: what.trim().replace('\n', "; "),
    };
    let settings: S = toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(0, |span| span.start);
        at(place, key_on_line(text, place), error.message())
    })?;
    settings.check().map_err(|Wrong { key, what }| {
        // The line says which of several it is.
        let named =
            key.split('.').filter(|part| part.parse::<usize>().is_err()).collect::<Vec<_>>().join(".");
        at(place_of(text, &key), named, &what)
    })?;
    Ok(settings)
}

/// What stands before the first `=` of the line of this place.
fn key_on_line(text: &str, place: usize) -> String {
    let begins = text.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let line = text.get(begins..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    line.split_once('=').map_or_else(String::new, |(key, _)| key.trim().to_owned())
}

/// Where a key stands; one that is not there stands where its table begins.
fn place_of(text: &str, key: &str) -> usize {
    let Ok(whole) = DeTable::parse(text) else { return 0 };
    let (mut place, mut inside) = (0, DeValue::Table(whole.into_inner()));
    for part in key.split('.') {
        inside = match inside {
            DeValue::Table(mut table) => match table.remove_entry(part) {
                Some((key, value)) => {
                    place = key.span().start;
                    value.into_inner()
                }
                None => return place,
            },
            DeValue::Array(values) => {
                let one = part.parse().ok().and_then(|index| values.into_iter().nth(index));
                let Some(one) = one else { return place };
                place = one.span().start;
                one.into_inner()
            }
            _ => return place,
        };
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Some {
        size: u8,
        folder: PathBuf,
        ends: Vec<End>,
        pair: Pair,
    }

    #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
    struct End {
        url: String,
    }

    #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
    #[serde(default)]
    struct Pair {
        one: bool,
        other: bool,
    }

    impl Settings for Some {
        fn check(&self) -> Result<(), Wrong> {
            if self.folder.as_os_str() != "" {
                Wrong::unless_absolute("folder", &self.folder)?;
            }
            if let Some(odd) = self.ends.iter().position(|end| !end.url.starts_with("https://")) {
                return Err(Wrong::new(format!("ends.{odd}.url"), "write https://HOST"));
            }
            if self.pair.one != self.pair.other {
                return Err(Wrong::new("pair.other", "write both,\nor neither"));
            }
            Ok(())
        }
    }

    fn error(text: &str) -> String {
        parse::<Some>(text, Path::new("x.toml")).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_file_line_key_and_fix() {
        assert_eq!(parse::<Some>("", Path::new("x.toml")).unwrap(), Some::default());
        assert!(error("\nsize = 256\n").starts_with("x.toml:2: size: invalid value"));
        assert!(error("\n\ncolour = 1\n").starts_with("x.toml:3: colour: unknown field `colour`"));
        assert!(error("[pair\n").starts_with("x.toml:1: "));
        assert_eq!(
            error("size = 1\nfolder = \"a\"\n"),
            "x.toml:2: folder: a is not an absolute path: start it with /"
        );
        // Of one that is written within a line, and of one that is not written at all.
        assert_eq!(
            error("pair = { one = true, other = false }\n"),
            "x.toml:1: pair.other: write both,; or neither"
        );
        assert_eq!(error("\n[pair]\n\none = true\n"), "x.toml:2: pair.other: write both,; or neither");
    }

    #[test]
    fn of_several_the_line_says_which_one_is_wrong() {
        let text = "[[ends]]\nurl = \"https://a\"\n\n[[ends]]\nurl = \"b\"\n";
        assert_eq!(error(text), "x.toml:5: ends.url: write https://HOST");
        assert_eq!(
            error("ends = [{ url = \"https://a\" },\n { url = \"b\" }]\n"),
            "x.toml:2: ends.url: write https://HOST"
        );
        assert_eq!(place_of(text, "ends.1"), text.rfind("[[").unwrap());
        assert_eq!((place_of(text, "ends.7.url"), place_of("[", "a"), place_of("a = 1", "b")), (2, 0, 0));
    }

    #[test]
    fn a_file_that_is_too_long_is_refused_and_not_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        let last = "size = 7\n";
        for (length, fine) in [(limits::FILE, true), (limits::FILE + 1, false)] {
            let filled = "#".repeat(usize::try_from(length).unwrap() - last.len() - 1);
            std::fs::write(&path, format!("{filled}\n{last}")).unwrap();
            let read = load::<Some>(&path);
            assert_eq!(read.as_ref().is_ok_and(|read| read.size == 7), fine, "{read:?}");
            assert_eq!(read.is_err_and(|why| why.to_string().contains("at most 256 KiB")), !fine);
        }
        let none = load::<Some>(&folder.path().join("none")).unwrap_err().to_string();
        assert!(none.starts_with("reading /") && none.contains("No such file"), "{none}");
    }
}
