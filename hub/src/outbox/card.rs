//! Adaptive Cards that only tell: facts and a link.

use super::limits;
use super::says::Said;
use serde_json::{Value, json};

/// A card of what is said. What people wrote stands in text runs, in which nothing is markup.
pub fn of(said: &Said) -> Value {
    let mut room = limits::CARD_TEXT;
    let color = if said.is_loud { "Attention" } else { "Default" };
    let mut body = vec![line(&[(&cut(&said.title, &mut room), true)], color)];
    for (name, value) in &said.facts {
        body.push(line(&[(&format!("{name}: "), true), (&cut(value, &mut room), false)], "Default"));
    }
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{ "type": "Action.OpenUrl", "title": said.next, "url": said.link }],
    })
}

fn line(parts: &[(&str, bool)], color: &str) -> Value {
    let runs: Vec<Value> = parts
        .iter()
        .map(|(text, bold)| {
            let weight = if *bold { "Bolder" } else { "Default" };
            json!({ "type": "TextRun", "text": text, "weight": weight, "color": color })
        })
        .collect();
    json!({ "type": "RichTextBlock", "inlines": runs })
}

/// As much of a text as there is room for.
fn cut(text: &str, room: &mut usize) -> String {
    // Teams puts dates in place of what stands in double braces.
    let text = text.replace("{{", "{ {");
    let end = text.floor_char_boundary(*room);
    let part = text.get(..end).unwrap_or_default();
    *room -= part.len();
    if part.len() < text.len() { format!("{part}...") } else { part.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_stays_under_what_teams_takes_however_long_the_words_are() {
        let facts = vec![("Reason", "\u{1f4a5}\"\\".repeat(20_000)), ("Request", "R-00000-00001".to_owned())];
        let (title, next, link) = ("t".repeat(9000), "Open it".to_owned(), "https://hub/x".to_owned());
        let card = of(&Said { title, facts, next, is_loud: true, link });
        assert!(card.to_string().len() <= 28 * 1024, "{}", card.to_string().len());
    }

    #[test]
    fn nothing_that_somebody_wrote_is_markup_in_a_card() {
        let facts =
            vec![("Reason", "**x** [y](https://evil.example) {{DATE(2026-01-01T00:00:00Z)}}".to_owned())];
        let (title, next, link) = ("t".to_owned(), "Open it".to_owned(), "https://hub/x".to_owned());
        let card = of(&Said { title, facts, next, is_loud: false, link });
        let run = &card["body"][1]["inlines"][1];
        assert_eq!(
            (run["type"].as_str(), run["text"].as_str().map(|text| text.contains("{{"))),
            (Some("TextRun"), Some(false))
        );
        assert_eq!(card["actions"].as_array().map(Vec::len), Some(1));
    }
}
