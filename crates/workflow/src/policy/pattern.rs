//! Patterns: host names with `*`, and tickets.

use super::HostPattern;
use crate::document::quoted;
use crate::limits;
use regex_lite::{Regex, RegexBuilder};
use std::str::FromStr;

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.*".contains(c);
        if text.is_empty() || text.len() > access::limits::HOST || !text.chars().all(fits) {
            return Err(PatternError(format!("{} is not a host name or pattern", quoted(text))));
        }
        let parts: Vec<String> = text.split('*').map(regex_lite::escape).collect();
        let regex = Regex::new(&format!("^{}$", parts.join(".*")))
            .map_err(|why| PatternError(format!("{} is not a host name or pattern ({why})", quoted(text))))?;
        Ok(Self { text: text.to_owned(), regex })
    }
}

impl HostPattern {
    /// Whether this host is meant.
    pub fn matches(&self, host: &access::HostName) -> bool {
        self.regex.is_match(host.as_str())
    }

    /// Whether every host that `other` means is meant by this too. A star of the other's can only stand
    /// where one of these does.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let Some((first, rest)) = self.text.split_once('*') else {
            return self.text == other.text;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let between = other.text.strip_prefix(first).and_then(|text| text.strip_suffix(last));
        let found = |text: &'_ str, part: &str| text.find(part).map(|at| at + part.len());
        let mut left = between;
        for part in middle.split('*') {
            left = left.and_then(|text| text.get(found(text, part)?..));
        }
        left.is_some()
    }
}

/// A ticket's pattern, which the whole ticket must match.
#[derive(Debug)]
pub(super) struct Ticket(pub(super) Regex);

impl FromStr for Ticket {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = |why: &dyn std::fmt::Display| {
            PatternError(format!("{} is not a pattern of tickets: {why}", quoted(text)))
        };
        if text.is_empty() || text.len() > limits::PATTERN {
            return Err(wrong(&format!("it is empty or longer than {} bytes", limits::PATTERN)));
        }
        let build = |pattern: &str| {
            RegexBuilder::new(pattern).size_limit(limits::PATTERN_COMPILED).build().map_err(|why| wrong(&why))
        };
        // Alone first: "a)|(b" would be whole only within the group that holds it to both ends.
        build(text)?;
        build(&format!("^(?:{text})$")).map(Ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::HostName;

    #[test]
    fn a_star_stands_for_any_run_of_characters_and_a_dot_for_itself() {
        let matches = |pattern: &str, host: &str| {
            pattern.parse::<HostPattern>().unwrap().matches(&HostName::parse(host).unwrap())
        };
        assert!(matches("db-*", "db-1") && matches("db-*", "db-eu.prod.example"));
        assert!(matches("*", "web") && matches("*.prod", "web.prod") && matches("web", "web"));
        assert!(!matches("db-*", "xdb-1") && !matches("web", "web-1") && !matches("a.b", "axb"));
        for bad in ["", "DB-*", "db 1", "db-[0-9]", "a/b", &"a".repeat(254)] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn one_pattern_includes_another_only_if_it_means_all_of_its_hosts() {
        let includes = |wide: &str, narrow: &str| {
            wide.parse::<HostPattern>().unwrap().includes(&narrow.parse().unwrap())
        };
        for (wide, narrow) in [
            ("*", "db-*"),
            ("db-*", "db-1"),
            ("db-*", "db-*-eu"),
            ("*-1", "db-1"),
            ("a*b*c", "a*xb*c"),
            ("*b*", "a*b"),
        ] {
            assert!(includes(wide, narrow) && !includes(narrow, wide), "{wide} {narrow}");
        }
        assert!(includes("web", "web") && includes("a**", "a*") && includes("a*", "a**"));
        for (one, other) in [("db-*", "web-*"), ("a*a", "a"), ("a*b", "b*a"), ("ab*ba", "aba")] {
            assert!(!includes(one, other) && !includes(other, one), "{one} {other}");
        }
    }

    #[test]
    fn a_ticket_matches_whole_whatever_its_pattern() {
        let matches = |pattern: &str, ticket: &str| pattern.parse::<Ticket>().unwrap().0.is_match(ticket);
        assert!(matches("OPS-[0-9]+", "OPS-12") && !matches("OPS-[0-9]+", "see OPS-12"));
        assert!(!matches("OPS-[0-9]+", "OPS-12 and more") && !matches("OPS-[0-9]+", "OPS-12\n"));
        assert!(matches("A|B", "B") && !matches("A|B", "AB") && !matches("A|B", "xB"));
        for bad in ["", "a)|(b", "(", "[a", "(?:a{1000}){1000}", &"a".repeat(257)] {
            assert!(bad.parse::<Ticket>().is_err(), "{bad:?}");
        }
    }
}
