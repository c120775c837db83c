//! `key=value` pairs in one line of the log, as both ends write them.

use crate::limits;
use std::fmt::Write as _;

/// A line of pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(String);

impl Pairs {
    /// One more pair. The value is bare where it is plain; else quoted, with backslash, quote and everything
    /// that is not printable ASCII escaped as `\u{..}`: names come from whoever knocks, and must not make
    /// pairs or lines of their own.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        let line = &mut self.0;
        let space = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{space}{key}=");
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.:,@+$/-".contains(c);
        if !value.is_empty() && value.len() <= limits::VALUE && value.chars().all(plain) {
            line.push_str(value);
            return self;
        }
        line.push('"');
        let room = line.len() + limits::VALUE;
        for c in value.chars() {
            let piece = match c {
                '"' | '\\' => format!("\\{c}"),
                ' '..='~' => c.to_string(),
                _ => format!("\\u{{{:x}}}", u32::from(c)),
            };
            // A cut value says so, and is still whole for a parser.
            if line.len() + piece.len() > room {
                line.push_str("...");
                break;
            }
            line.push_str(&piece);
        }
        line.push('"');
        self
    }

    /// The line.
    pub fn line(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: &str) -> String {
        Pairs::default().with("k", value).line()
    }

    #[test]
    fn pairs_stand_in_one_line_with_blanks_between() {
        let pairs =
            Pairs::default().with("decision", "deny").with("user", "alice").with("detail", "it is late");
        assert_eq!(pairs.line(), "decision=deny user=alice detail=\"it is late\"");
    }

    #[test]
    fn a_plain_value_is_bare_and_every_other_stays_inside_its_quotes() {
        for (written, read) in [
            ("203.0.113.5", "k=203.0.113.5"),
            ("/dev/pts/0", "k=/dev/pts/0"),
            ("a_b:c,d@e+f$g-h", "k=a_b:c,d@e+f$g-h"),
            ("", "k=\"\""),
            ("a b", "k=\"a b\""),
            ("a=b", "k=\"a=b\""),
            ("a\" user=\"root", "k=\"a\\\" user=\\\"root\""),
            ("\\", "k=\"\\\\\""),
            ("x\ny", "k=\"x\\u{a}y\""),
            ("\u{202e}", "k=\"\\u{202e}\""),
            ("~", "k=\"~\""),
            ("\u{7f}", "k=\"\\u{7f}\""),
        ] {
            assert_eq!(value(written), read);
        }
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let fits = "x".repeat(limits::VALUE);
        assert_eq!(value(&fits), format!("k={fits}"));
        assert_eq!(value(&format!("{fits}x")), format!("k=\"{fits}...\""));
        let spaces = " ".repeat(limits::VALUE);
        assert_eq!(value(&spaces), format!("k=\"{spaces}\""));
        assert_eq!(value(&format!("{spaces}\"")), format!("k=\"{spaces}...\""));
        let wide = value(&"\u{10ffff}".repeat(limits::VALUE));
        assert_eq!(wide, format!("k=\"{}...\"", "\\u{10ffff}".repeat(limits::VALUE / 10)));
    }
}
