//! The few words that go with a review.

use super::keys::{Key, Line};
use crate::words;
use access::{Span, Text};
use api::{NewReview, NewVerdict, RequestView};
use workflow::Narrowing;

/// A review that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// What the person saw when they began: its digest goes with the review.
    pub request: RequestView,
    /// Yes or no.
    pub verdict: NewVerdict,
    /// What is written, field by field.
    pub fields: Vec<Field>,
    /// The field that keys go to.
    pub at: usize,
    /// What was wrong with it at the last try.
    pub wrong: Option<String>,
}

/// One line to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Which.
    pub what: What,
    /// What is written.
    pub line: Line,
}

/// What a field is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A shorter time.
    Length,
    /// A word to the person.
    Comment,
}

/// What a key did to a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// It goes on.
    Wrote,
    /// It was given up.
    GaveUp,
    /// It is done.
    Sent(NewReview),
}

impl Dialog {
    /// For a review of this request.
    pub fn new(request: &RequestView, verdict: NewVerdict) -> Self {
        let field = |what| Field { what, line: Line::default() };
        let mut fields = Vec::new();
        if verdict == NewVerdict::Approve && request.state.is_pending() {
            fields.push(field(What::Length));
        }
        fields.push(field(What::Comment));
        Self { request: request.clone(), verdict, fields, at: 0, wrong: None }
    }

    /// Whether a break glass is looked at, which is not a decision.
    pub fn looks(&self) -> bool {
        !self.request.state.is_pending()
    }

    /// Takes a key.
    pub fn take(&mut self, key: &Key) -> Did {
        let last = self.fields.len().saturating_sub(1);
        match key {
            Key::Escape => return Did::GaveUp,
            Key::Enter => match self.review() {
                Ok(review) => return Did::Sent(review),
                Err((at, wrong)) => (self.at, self.wrong) = (at, Some(wrong)),
            },
            Key::Tab | Key::Down => self.at = if self.at >= last { 0 } else { self.at + 1 },
            Key::BackTab | Key::Up => self.at = if self.at == 0 { last } else { self.at - 1 },
            key => {
                if self.fields.get_mut(self.at).is_some_and(|field| field.line.take(key)) {
                    self.wrong = None;
                }
            }
        }
        Did::Wrote
    }

    /// The review as it is written, or which field is wrong and why.
    fn review(&self) -> Result<NewReview, (usize, String)> {
        let (mut narrowing, mut comment) = (Narrowing::default(), None);
        for (at, field) in self.fields.iter().enumerate() {
            let text = field.line.as_str().trim();
            match field.what {
                What::Length if text.is_empty() => {}
                What::Length => {
                    let length = Span::parse(text).map_err(|why| (at, why.to_string()))?;
                    let longest = words::longest(&self.request);
                    if length > longest {
                        return Err((at, format!("at most {longest} is left of what was asked")));
                    }
                    narrowing.length = Some(length);
                }
                What::Comment if text.is_empty() && self.verdict == NewVerdict::Approve => {}
                What::Comment if text.is_empty() => {
                    return Err((at, "say why: the person reads it".to_owned()));
                }
                What::Comment => {
                    comment = Some(Text::parse(text).map_err(|why| (at, format!("this {why}")))?);
                }
            }
        }
        Ok(NewReview { verdict: self.verdict, digest: self.request.digest.clone(), narrowing, comment })
    }
}
