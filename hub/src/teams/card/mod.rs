//! A request as a card: an Adaptive Card of version 1.5, drawn from the state alone, so that the same state is the same
//! card wherever and whenever it is drawn.

mod buttons;
mod facts;
mod markdown;
#[cfg(test)]
mod tests;

pub use markdown::{escape, plain};

use super::limits;
use crate::chats::picture::Picture;
use serde_json::{Value, json};
use workflow::Kind;

/// What a card is drawn of.
pub struct Shown<'a> {
    /// The request.
    pub picture: &'a Picture,
    /// How people call the hub.
    pub url: &'a str,
    /// Accounts that Teams asks for the card of the moment when they look at it.
    pub viewers: &'a [String],
}

/// The card. Of what is too large to be sent the reason is cut first, then what others said and lists of names; ids never.
pub fn card(shown: &Shown<'_>) -> Value {
    within(shown, limits::CARD)
}

/// The same, of at most so many bytes as far as that goes.
pub fn within(shown: &Shown<'_>, most: usize) -> Value {
    let mut cut = Cut { reason: access::limits::TEXT, said: SAID, named: limits::NAMED };
    loop {
        let card = drawn(shown, cut);
        if card.to_string().len() <= most {
            return card;
        }
        match cut.less() {
            Some(less) => cut = less,
            None => return card,
        }
    }
}

/// Bytes of a comment that is shown; the page has all of it.
const SAID: usize = 300;

/// How much of long things is shown.
#[derive(Clone, Copy)]
pub struct Cut {
    /// Bytes of the reason.
    reason: usize,
    /// Bytes of each comment.
    said: usize,
    /// Names in a list.
    named: usize,
}

impl Cut {
    fn less(self) -> Option<Self> {
        match self {
            Self { reason: 32.., .. } => Some(Self { reason: self.reason / 2, ..self }),
            Self { said: 16.., .. } => Some(Self { said: self.said / 2, ..self }),
            Self { named: 2.., .. } => Some(Self { named: self.named / 2, ..self }),
            _ => None,
        }
    }
}

fn drawn(shown: &Shown<'_>, cut: Cut) -> Value {
    let picture = shown.picture;
    let (words, colour) = facts::state(picture, cut);
    let loud = picture.request.ask.kind == Kind::BreakGlass;
    let mut body = vec![json!({
        "type": "Container",
        "style": if loud { "attention" } else { "default" },
        "bleed": true,
        "items": [{
            "type": "TextBlock", "text": facts::title(&picture.request, cut), "size": "large", "weight": "bolder", "wrap": true,
            "style": "heading"
        }, {
            "type": "TextBlock", "text": words, "color": colour, "weight": "bolder", "spacing": "small", "wrap": true
        }]
    })];
    body.push(json!({"type": "FactSet", "facts": facts::facts(picture, cut)}));
    let data = picture.carried();
    body.extend(buttons::of(picture, shown.url, &data));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": format!("{}: {words}", facts::title(&picture.request, cut)),
        "msteams": {"width": "Full"},
        "body": body,
    });
    if let Some(fields) = card.as_object_mut().filter(|_| !shown.viewers.is_empty()) {
        let viewers: Vec<&String> = shown.viewers.iter().take(limits::RENEWED_FOR).collect();
        let renew = json!({
            "action": {"type": "Action.Execute", "title": "Renew", "verb": "refresh", "data": {"jit": data("refresh")}},
            "userIds": viewers,
        });
        fields.insert("refresh".to_owned(), renew);
    }
    card
}

/// A card of plain words alone.
pub fn words(text: &str) -> Value {
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": text,
        "body": [{"type": "TextBlock", "text": text, "wrap": true}],
    })
}

/// Where it stands, in a line for who is told and has nothing to do.
pub fn in_a_line(picture: &Picture, link: &str) -> String {
    let cut = Cut { reason: SAID, said: SAID, named: limits::NAMED };
    let (words, _) = facts::state(picture, cut);
    format!("[{}]({link}) {}: {words}", picture.request.ask.id, facts::title(&picture.request, cut))
}

/// The card, as it goes into a message.
pub fn attachment(card: &Value) -> Value {
    json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": card})
}
