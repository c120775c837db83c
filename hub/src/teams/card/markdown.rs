//! What people wrote, so that a card shows it as they wrote it.

/// Escapes what Markdown gives a meaning to in cards, and the functions for dates.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut begins = true;
    for c in text.chars() {
        let means = match c {
            '\\' | '*' | '_' | '[' | ']' | '`' | '~' | '<' | '>' | '|' | '{' | '}' => true,
            '#' | '-' | '+' | '=' => begins,
            // The dot of a numbered list.
            '.' | ')' => escaped.chars().all(|c| c.is_ascii_digit()) && !escaped.is_empty(),
            _ => false,
        };
        if means {
            escaped.push('\\');
        }
        escaped.push(c);
        begins = begins && c == ' ';
    }
    // An entity would be read as the character that it names.
    escaped.replace('&', "&amp;")
}

/// An escaped text as it is written where Markdown means nothing.
pub fn plain(escaped: &str) -> String {
    let mut plain = String::with_capacity(escaped.len());
    let mut chars = escaped.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain.replace("&amp;", "&")
}

/// As much of a text as these bytes take, with a mark where there is more.
pub fn cut(text: &str, bytes: usize) -> String {
    match text.get(..text.floor_char_boundary(bytes)) {
        Some(part) if part.len() < text.len() => format!("{}\u{2026}", part.trim_end()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_no_link_no_list_and_no_date() {
        for (written, escaped) in [
            ("disk full on db-1", "disk full on db-1"),
            ("[approve](https://evil.example)", "\\[approve\\](https://evil.example)"),
            ("**urgent** _now_", "\\*\\*urgent\\*\\* \\_now\\_"),
            ("- a list", "\\- a list"),
            ("12. a list", "12\\. a list"),
            ("# a heading", "\\# a heading"),
            ("a <at>bob</at> & c", "a \\<at\\>bob\\</at\\> &amp; c"),
            ("{{DATE(2026-01-01T00:00:00Z,SHORT)}}", "\\{\\{DATE(2026-01-01T00:00:00Z,SHORT)\\}\\}"),
            ("C:\\temp", "C:\\\\temp"),
            ("svc_x &amp; \\&", "svc\\_x &amp;amp; \\\\&amp;"),
            ("\u{05d0}\u{05d1} \u{0645}", "\u{05d0}\u{05d1} \u{0645}"),
        ] {
            assert_eq!(escape(written), escaped);
            assert_eq!(plain(escaped), written);
        }
    }

    #[test]
    fn what_is_cut_says_so_and_breaks_no_character() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc\u{2026}");
        assert_eq!(cut("\u{e4}\u{e4}", 3), "\u{e4}\u{2026}");
    }
}
