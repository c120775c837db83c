//! Text that a person wrote: the one type for it.

use crate::limits;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A reason, a comment, a ticket: at most [`limits::TEXT`] bytes, no control characters, nothing that
/// reorders or hides text (Unicode TR9 bidirectional controls, zero-width and format characters), no
/// blanks around it. Safe to print on a terminal as it is; every other place escapes it for itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Text(Box<str>);

/// Why text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but blanks.
    #[error("is empty: write at least a word")]
    Empty,
    /// Over the limit.
    #[error("is longer than {} bytes: shorten it, or put the details into a ticket", limits::TEXT)]
    TooLong,
    /// A character that could fool whoever reads it.
    #[error("has the character U+{:04X}, which could hide or change what a reader sees: remove it", *.0 as u32)]
    Character(char),
}

impl Text {
    /// The text, if it is fit to be shown.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.len() > limits::TEXT {
            return Err(TextError::TooLong);
        }
        match text.chars().find(|c| fools(*c)) {
            Some(c) => Err(TextError::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Controls, line and paragraph separators, and the invisible characters that reorder, join or hide (Unicode UAX #9, TR36): what
/// must not be shown of what somebody else wrote.
pub fn fools(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

impl TryFrom<String> for Text {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Text {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::parse(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_really_write_passes() {
        for good in [
            "fix the disk",
            "  Ärger mit dem Plattenspeicher ",
            "磁盘已满",
            "אין מקום בדיסק",
            "50% & <b>\"x\"</b>",
        ] {
            let text = Text::parse(good).unwrap();
            assert_eq!(text.as_str(), good.trim());
            assert_eq!(
                (text.to_string(), format!("{text:?}")),
                (good.trim().to_owned(), format!("{:?}", good.trim()))
            );
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
            assert_eq!(String::from(text), good.trim());
        }
    }

    #[test]
    fn what_could_fool_a_reader_is_refused_by_name() {
        for bad in
            ['\0', '\n', '\x1b', '\x7f', '\u{85}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{2028}']
        {
            assert_eq!(Text::parse(&format!("a{bad}b")), Err(TextError::Character(bad)));
        }
        assert_eq!(
            Text::parse("a\u{202e}b").unwrap_err().to_string(),
            "has the character U+202E, which could hide or change what a reader sees: remove it"
        );
    }

    #[test]
    fn empty_and_endless_text_is_refused() {
        assert_eq!(Text::parse(" \t "), Err(TextError::Empty));
        assert!(Text::parse(&"x".repeat(limits::TEXT)).is_ok());
        assert_eq!(Text::parse(&"x".repeat(limits::TEXT + 1)), Err(TextError::TooLong));
    }
}
