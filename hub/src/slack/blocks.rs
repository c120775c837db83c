//! Messages in Block Kit. What people wrote is plain text or an element of rich text, in neither of which anything is markup.

use super::limits;
use crate::chats::picture::Picture;
use crate::chats::says::{Answer, Line, Piece};
use crate::outbox::Said;
use serde_json::{Value, json};
use workflow::Kind;
use workflow::policy::ChatWeight;

/// A request as it is said to be, and where it is to be decided here too, what that takes.
pub fn message(said: &Said, decides: Option<&Picture>) -> Vec<Value> {
    let mut blocks = vec![json!({ "type": "header", "text": plain(&said.title, limits::TITLE) })];
    for facts in said.facts.chunks(limits::FIELDS) {
        let field = |(name, value): &(&str, String)| plain(&format!("{name}: {value}"), limits::FIELD);
        blocks.push(json!({ "type": "section", "fields": facts.iter().map(field).collect::<Vec<_>>() }));
    }
    blocks.extend(decides.map(deciding).unwrap_or_default());
    let link = format!("<{}|{}, signed in>", said.link, said.next);
    blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": link } }));
    blocks
}

/// Input fields and buttons, as far as there is anything to do. They are known by the state that they were drawn for, so that
/// what is typed for one is not taken for another.
fn deciding(picture: &Picture) -> Vec<Value> {
    if !picture.is_open() {
        return Vec::new();
    }
    if !picture.denies_in_chat() {
        return words("It is decided on the page of the hub, not here.");
    }
    let (request, revision) = (&picture.request, picture.revision());
    let (unseen, approves) = (request.is_unseen(), picture.approves_in_chat());
    let mut blocks = Vec::new();
    if !unseen && approves {
        let choice = |length: &access::Span| json!({ "text": plain(&picture.choice(*length), limits::CHOICE), "value": length.to_string() });
        let choices: Vec<Value> = picture.lengths().iter().map(choice).collect();
        let more = matches!(request.ask.kind, Kind::Extend { .. });
        blocks.push(json!({
            "type": "input", "block_id": format!("length {revision}"), "optional": false,
            "label": plain(if more { "How much more" } else { "For how long" }, limits::CHOICE),
            "element": {
                "type": "static_select", "action_id": "length", "initial_option": choices.first(), "options": choices
            }
        }));
    }
    blocks.push(json!({
        "type": "input", "block_id": format!("comment {revision}"), "optional": true,
        "label": plain("Comment", limits::CHOICE),
        "element": {
            "type": "plain_text_input", "action_id": "comment", "max_length": limits::COMMENT,
            "placeholder": plain("For those who read it later; a denial needs one", limits::TITLE)
        }
    }));
    let carried = picture.carried();
    let button = |title: &str, verb: &str, style: &str| {
        json!({
            "type": "button", "action_id": verb, "style": style, "text": plain(title, limits::CHOICE),
            "value": carried(verb).to_string()
        })
    };
    let (yes, no) = if unseen { ("It was in order", "It was not: revoke") } else { ("Approve", "Deny") };
    let mut buttons = Vec::new();
    if approves {
        buttons.push(button(yes, "approve", "primary"));
    }
    buttons.push(button(no, "deny", "danger"));
    blocks.push(json!({ "type": "actions", "block_id": format!("decide {revision}"), "elements": buttons }));
    if picture.chat == ChatWeight::FirstOfTwo && !approves {
        blocks.extend(words("The last approval is given on the page of the hub."));
    }
    blocks
}

/// Plain words.
pub fn words(text: &str) -> Vec<Value> {
    vec![json!({ "type": "section", "text": plain(text, limits::TEXT) })]
}

/// An answer, in which addresses of this hub alone lead anywhere.
pub fn rich(answer: &Answer, hub: &str) -> Value {
    let mut elements: Vec<Value> = Vec::new();
    for line in &answer.0 {
        match line {
            Line::Text(pieces) => {
                let mut parts = parts(pieces, hub);
                parts.push(json!({ "type": "text", "text": "\n" }));
                elements.push(json!({ "type": "rich_text_section", "elements": parts }));
            }
            Line::Item(pieces) => {
                let item = json!({ "type": "rich_text_section", "elements": parts(pieces, hub) });
                let list = elements.last_mut().filter(|last| last["type"] == "rich_text_list");
                if let Some(items) = list.and_then(|list| list["elements"].as_array_mut()) {
                    items.push(item);
                } else {
                    elements.push(json!({ "type": "rich_text_list", "style": "bullet", "elements": [item] }));
                }
            }
        }
    }
    json!({ "type": "rich_text", "elements": elements })
}

fn parts(pieces: &[Piece], hub: &str) -> Vec<Value> {
    let mut parts = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Plain(text) => linked(text, hub, &mut parts),
            Piece::Strong(text) => {
                parts.push(json!({ "type": "text", "text": short(text), "style": { "bold": true } }));
            }
            Piece::Link { id, to } => parts.push(json!({ "type": "link", "url": to, "text": id })),
        }
    }
    parts
}

/// Text with addresses of the hub in it.
fn linked(text: &str, hub: &str, parts: &mut Vec<Value>) {
    let mut rest = short(text);
    let pages = format!("{hub}/");
    while let Some(at) = rest.find(&pages) {
        let (before, after) = rest.split_at(at);
        if !before.is_empty() {
            parts.push(json!({ "type": "text", "text": before }));
        }
        let ends = after.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(after.len());
        let url = after.get(..ends).unwrap_or(after).trim_end_matches(['.', ':', ';']);
        parts.push(json!({ "type": "link", "url": url }));
        rest = after.get(url.len()..).unwrap_or_default().to_owned();
    }
    if !rest.is_empty() {
        parts.push(json!({ "type": "text", "text": rest }));
    }
}

/// As much of a text as an element takes; there nothing is escaped.
fn short(text: &str) -> String {
    if text.chars().count() <= limits::TEXT {
        return text.to_owned();
    }
    text.chars().take(limits::TEXT - 3).chain("...".chars()).collect()
}

/// Text in which nothing is markup, as long as it can be there.
pub fn plain(text: &str, most: usize) -> Value {
    json!({ "type": "plain_text", "text": cut(text, most), "emoji": false })
}

/// As much of a text as there is room for, escaped as Slack wants all text to be.
fn cut(text: &str, most: usize) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        let one = escaped(letter.encode_utf8(&mut [0; 4]));
        // Slack counts characters.
        if out.chars().count() + one.chars().count() + 3 > most {
            out.push_str("...");
            break;
        }
        out.push_str(&one);
    }
    out
}

/// Text where there could be markup.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chats::says::{plain as text, strong};

    #[test]
    fn nothing_that_somebody_wrote_is_markup_or_longer_than_slack_takes() {
        let facts = vec![("Reason", "<!channel> *x* <https://evil.example|y> ".repeat(200))];
        let (title, next, link) = ("t".repeat(400), "Open it".to_owned(), "https://hub/x".to_owned());
        let blocks = Value::from(message(&Said { title, facts, next, is_loud: false, link }, None));
        let field = &blocks[1]["fields"][0];
        let words = field["text"].as_str().unwrap();
        assert!(field["type"] == "plain_text" && !words.contains('<') && words.ends_with("..."), "{words}");
        assert!(words.chars().count() <= 2000, "{}", words.len());
        assert!(blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= 150);
        let links = blocks.to_string().matches('<').count();
        assert_eq!(links, 1, "{blocks}");
    }

    #[test]
    fn addresses_of_the_hub_are_links_and_no_others() {
        let answer = Answer(vec![
            Line::Text(vec![text("See https://hub/web/x: or https://evil.example/ "), strong("<b>")]),
            Line::Item(vec![text("a")]),
            Line::Item(vec![Piece::Link { id: "R-1".to_owned(), to: "https://hub/r".to_owned() }]),
        ]);
        let rich = rich(&answer, "https://hub");
        assert_eq!(
            rich["elements"],
            json!([
                {"type": "rich_text_section", "elements": [
                    {"type": "text", "text": "See "}, {"type": "link", "url": "https://hub/web/x"},
                    {"type": "text", "text": ": or https://evil.example/ "},
                    {"type": "text", "text": "<b>", "style": {"bold": true}}, {"type": "text", "text": "\n"}
                ]},
                {"type": "rich_text_list", "style": "bullet", "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "a"}]},
                    {"type": "rich_text_section", "elements": [{"type": "link", "url": "https://hub/r", "text": "R-1"}]}
                ]}
            ])
        );
        let long = short(&"\u{e9}".repeat(4000));
        assert!(long.chars().count() <= limits::TEXT && long.ends_with("..."));
    }
}
