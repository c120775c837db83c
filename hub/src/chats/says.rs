//! An answer in words, before it is put into the form of a chat: what people wrote is known for what it is until then.

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text, in which nothing is markup.
    Plain(String),
    /// The same, standing out.
    Strong(String),
    /// The id of something, and the page where it is shown.
    Link {
        /// The id.
        id: String,
        /// The page.
        to: String,
    },
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A paragraph.
    Text(Vec<Piece>),
    /// One of a list.
    Item(Vec<Piece>),
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer(pub Vec<Line>);

impl Answer {
    /// One paragraph.
    pub fn text(pieces: impl Into<Vec<Piece>>) -> Self {
        Self(vec![Line::Text(pieces.into())])
    }

    /// One paragraph in which nothing stands out.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::text([plain(text)])
    }

    /// As Markdown. Of text that is none, `escape` makes it.
    pub fn markdown(&self, escape: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut before = None;
        for line in &self.0 {
            let (pieces, is_item) = match line {
                Line::Text(pieces) => (pieces, false),
                Line::Item(pieces) => (pieces, true),
            };
            out.push_str(match before {
                None => "",
                Some(true) if is_item => "\n",
                Some(_) => "\n\n",
            });
            out.push_str(if is_item { "- " } else { "" });
            for piece in pieces {
                match piece {
                    Piece::Plain(text) => out.push_str(&escape(text)),
                    Piece::Strong(text) => out.push_str(&format!("**{}**", escape(text))),
                    Piece::Link { id, to } => out.push_str(&format!("[{id}]({to})")),
                }
            }
            before = Some(is_item);
        }
        out
    }

    /// Without any form, for where there is no other.
    pub fn bare(&self) -> String {
        let line = |line: &Line| {
            let (Line::Text(pieces) | Line::Item(pieces)) = line;
            pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Plain(text) | Piece::Strong(text) => text.as_str(),
                    Piece::Link { id, .. } => id.as_str(),
                })
                .collect::<String>()
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Text.
pub fn plain(text: impl Into<String>) -> Piece {
    Piece::Plain(text.into())
}

/// Text that stands out.
pub fn strong(text: impl Into<String>) -> Piece {
    Piece::Strong(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stand_together_and_what_somebody_wrote_is_escaped() {
        let link = Piece::Link { id: "R-1".to_owned(), to: "https://hub/r".to_owned() };
        let answer = Answer(vec![
            Line::Text(vec![strong("Yours"), plain(": *")]),
            Line::Item(vec![link.clone(), plain(" a")]),
            Line::Item(vec![link]),
            Line::Text(vec![plain("end")]),
        ]);
        let written = answer.markdown(|text| text.replace('*', "\\*"));
        assert_eq!(written, "**Yours**: \\*\n\n- [R-1](https://hub/r) a\n- [R-1](https://hub/r)\n\nend");
        assert_eq!(answer.bare(), "Yours: *\nR-1 a\nR-1\nend");
    }
}
