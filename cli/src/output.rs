//! Where words, tables and JSON go.

use crate::CliError;
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

    /// One value, on one line.
    pub fn json<T: Serialize>(value: &T) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|why| CliError::Output(why.into()))?;
        Self::raw(format!("{text}\n").as_bytes())
    }

    /// Words for a person. What did not come from [`access::Text`] may hold anything, so controls go.
    pub fn line(&mut self, words: &str) -> Result<(), CliError> {
        let words: String =
            words.chars().filter(|c| *c == '\n' || *c == '\x1b' && self.colour || !c.is_control()).collect();
        Self::raw(format!("{words}\n").as_bytes())
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
            // Progress that cannot be shown is not missed.
            let _ = write!(std::io::stderr(), "\r\x1b[K{words}");
        }
    }

    /// What went wrong: one line for each thing.
    pub fn error(words: &str) {
        for line in words.lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            // There is nowhere left to say that this failed.
            let _ = writeln!(std::io::stderr(), "error: {line}");
        }
    }
}
