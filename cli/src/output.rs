//! Where words, tables and JSON go.

use crate::{CliError, table};
use ratatui::crossterm::terminal;
use ratatui::text::Span;
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

/// Standard output and error of this process.
pub struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    /// Words and tables, or JSON.
    pub fn new(json: bool) -> Self {
        Self { json, colour: std::io::stdout().is_terminal() }
    }

    /// Whether a program reads.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether colours are of use.
    pub fn colour(&self) -> bool {
        self.colour && !self.json
    }

    /// `value` for a program, or `words` for a person.
    pub fn say<T: Serialize>(&mut self, value: &T, words: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.json { Self::json(value) } else { self.line(&words()) }
    }

    /// Says of a list that is as long as one answer can be that there may be more: beside it, or a program would take the list
    /// for all there is.
    pub fn note_cut(rows: usize, fewer: &str) {
        if rows >= api::limits::PAGE as usize {
            let words = format!("No more than these {rows} are listed at once; {fewer} asks for fewer.\n");
            let _ = std::io::stderr().write_all(words.as_bytes());
        }
    }

    /// One value, on one line. It is the same value on a terminal, which is shown nothing that it would obey.
    pub fn json<T: Serialize>(value: &T) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|why| CliError::Output(why.into()))?;
        let text = if std::io::stdout().is_terminal() { escaped(&text) } else { text };
        Self::raw(format!("{text}\n").as_bytes())
    }

    /// Words for a person. What did not come from [`access::Text`] may hold anything, so controls go.
    pub fn line(&mut self, words: &str) -> Result<(), CliError> {
        Self::raw(format!("{}\n", shown(words, self.colour)).as_bytes())
    }

    /// Bytes as they are.
    pub fn raw(bytes: &[u8]) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|why| match why.kind() {
            ErrorKind::BrokenPipe => CliError::ReaderGone,
            _ => CliError::Output(why),
        })
    }

    /// A line that the next one replaces, on a terminal only.
    pub fn progress(&mut self, words: &str) {
        if std::io::stderr().is_terminal() && !self.json {
            let words = first_of(words, columns());
            // Progress that cannot be shown is not missed.
            let _ = write!(std::io::stderr(), "\r\x1b[K{words}");
        }
    }

    /// A line of its own on the way, for a person.
    pub fn note(&mut self, words: &str) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        self.progress("");
        self.line(words)
    }

    /// Whether somebody sits there who can be asked.
    pub fn can_ask(&self) -> bool {
        !self.json && std::io::stdin().is_terminal()
    }

    /// Asks it.
    pub fn agrees(question: &str) -> bool {
        // What is not seen is not answered.
        let _ = write!(std::io::stderr(), "\n{} [y/N] ", clean(question));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// What went wrong.
    pub fn error(words: &str) {
        Self::aside(&format!("error: {words}"));
    }

    /// Words beside the answer.
    pub fn aside(words: &str) {
        // Set in, so that no line of an answer looks like one of ours.
        let lines: Vec<String> = words.lines().map(clean).collect();
        // There is nowhere left to say that this failed.
        let _ = writeln!(std::io::stderr(), "{}", lines.join("\n       "));
    }
}

/// What a terminal gets of words: no controls but ends of lines and, where they are of use, the colours of tables. Whoever
/// named a process or a terminal can at most colour a word.
fn shown(words: &str, colour: bool) -> String {
    let mut out = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(next) = rest.chars().next() {
        let own = table::COLOURS.iter().find(|own| colour && rest.starts_with(**own));
        let length = own.map_or(next.len_utf8(), |own| own.len());
        let (taken, after) = rest.split_at(length);
        if own.is_some() || next == '\n' || !access::fools(next) {
            out.push_str(taken);
        }
        rest = after;
    }
    out
}

/// JSON with what a terminal would obey, and what fools a reader, as escapes (RFC 8259, section 7): such can stand within its
/// strings alone.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if access::fools(c) {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// The same without what a terminal would obey.
pub fn clean(words: &str) -> String {
    words.chars().filter(|c| !access::fools(*c)).collect()
}

/// As much as fits in a line of so many columns, so that the next line can replace it.
fn first_of(words: &str, columns: usize) -> String {
    let words = clean(words);
    if Span::raw(&*words).width() < columns {
        return words;
    }
    let mut short = String::new();
    for c in words.chars() {
        if Span::raw(&*short).width() + 4 > columns {
            break;
        }
        short.push(c);
    }
    format!("{short}\u{2026}")
}

fn columns() -> usize {
    // A terminal that was never told its size says 0.
    terminal::size()
        .ok()
        .map(|(columns, _)| usize::from(columns))
        .filter(|columns| *columns > 0)
        .unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_colours_of_tables_reaches_a_terminal() {
        for (words, seen) in [
            ("a\x1b]0;b\x07c\nd", "a]0;bc\nd"),
            ("\x1b[8mhidden", "[8mhidden"),
            ("\x1b[2J\u{9b}2J\r", "[2J2J"),
            ("db-\u{e9} \x1b", "db-\u{e9} "),
            ("a\u{202e}b\u{200b}c", "abc"),
        ] {
            assert_eq!((shown(words, true), shown(words, false)), (seen.to_owned(), seen.to_owned()));
        }
        for code in ["pending", "active", "denied", "ended"] {
            let mut table = table::table(&[]);
            table.enforce_styling().add_row([table::state(code, "word", true)]);
            let text = table.to_string();
            assert!(text.contains('\x1b'), "{text:?}");
            assert_eq!(shown(&text, true), text);
            assert!(!shown(&text, false).contains('\x1b'));
        }
    }

    #[test]
    fn json_on_a_terminal_is_the_same_value_without_a_character_that_fools() {
        let value =
            serde_json::json!({ "a\u{202e}": ["\u{9b}2J\u{7f}", "\u{1b}\n\"\\", "\u{e0041}\u{e9}\u{200b}"] });
        let text = escaped(&value.to_string());
        assert!(!text.chars().any(access::fools), "{text:?}");
        assert!(text.contains("\\u009b2J\\u007f") && text.contains("\\udb40\\udc41\u{e9}\\u200b"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_line_that_is_replaced_never_wraps_and_never_carries_controls() {
        assert_eq!(first_of("waiting\x1b[2J\n for bob", 80), "waiting[2J for bob");
        for columns in [10, 20, 40] {
            let short =
                first_of("waiting for \u{78c1}\u{76d8}\u{78c1}\u{76d8}, another 23m07s, and more", columns);
            assert!(Span::raw(&*short).width() < columns, "{columns}: {short}");
            assert!(short.ends_with('\u{2026}') && short.starts_with("waiti"), "{short}");
        }
    }
}
