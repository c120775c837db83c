//! A TOML file of ours, read so that every mistake in it is told at once: its file, line and key, what is
//! wrong and what would be right.
//!
//! Read by hand from the parsed tree and not by serde, which stops at the first mistake and cannot say where
//! an inherited or either-or value stands.

mod mistake;
mod table;
mod value;

pub use mistake::{PolicyError, PolicyErrors};
pub(crate) use table::Table;
pub(crate) use value::{Value, quoted};

use crate::limits;
use std::cell::RefCell;
use std::fmt::Display;
use std::path::Path;
use toml::de::DeTable;

/// A file while it is read.
pub(crate) struct Document<'d> {
    path: &'d Path,
    /// Offsets at which lines start.
    lines: Vec<usize>,
    mistakes: RefCell<Vec<PolicyError>>,
}

impl<'d> Document<'d> {
    /// A file with this text.
    pub(crate) fn new(text: &str, path: &'d Path) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path, lines, mistakes: RefCell::default() }
    }

    /// What `take` makes of the file, unless it noted a mistake.
    pub(crate) fn read<T>(
        text: &str,
        path: &'d Path,
        most: usize,
        take: impl FnOnce(&Table<'_>) -> Option<T>,
    ) -> Result<T, PolicyErrors> {
        let document = Self::new(text, path);
        if text.len() > most {
            document.wrong(0, "", "", "", format!("is larger than {most} bytes"), "is it the right file?");
            return Err(document.close());
        }
        let tree = match DeTable::parse(text) {
            Ok(tree) => tree,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let key = document.key_on(text, at);
                let what = format!("not TOML: {}", error.message().trim());
                document.wrong(at, "", "", &key, what, "correct this line, or the one before it");
                return Err(document.close());
            }
        };
        let root = Table::root(&document, tree.get_ref());
        let taken = take(&root);
        root.done();
        match taken {
            Some(taken) if document.mistakes.borrow().is_empty() => Ok(taken),
            _ => Err(document.close()),
        }
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// Notes a mistake; the same one once only, since every rule reads the defaults.
    pub(crate) fn wrong(
        &self,
        at: usize,
        whose: &str,
        prefix: &str,
        key: &str,
        what: impl Display,
        fix: impl Display,
    ) {
        let mistake = PolicyError {
            path: self.path.into(),
            line: self.line(at),
            whose: whose.to_owned(),
            key: format!("{prefix}{key}"),
            what: one_line(&what.to_string()),
            fix: one_line(&fix.to_string()),
        };
        let mut mistakes = self.mistakes.borrow_mut();
        if mistakes.len() < limits::MISTAKES && !mistakes.contains(&mistake) {
            mistakes.push(mistake);
        }
    }

    /// All that was wrong, in the order of the lines.
    pub(crate) fn close(self) -> PolicyErrors {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| mistake.line);
        PolicyErrors(mistakes)
    }

    /// The key written on the line of an offset, for a line that is no TOML.
    fn key_on(&self, text: &str, at: usize) -> String {
        let line = text.lines().nth(self.line(at).saturating_sub(1)).unwrap_or("");
        match line.split_once('=') {
            Some((key, _)) => quoted(key.trim()).trim_matches('"').to_owned(),
            None => String::new(),
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
