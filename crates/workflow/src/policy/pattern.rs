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
