//! What can be done on a card. A button carries which state of the request it was drawn for, and nothing that decides:
//! whose click it is and what that is worth is looked at where it arrives.

use crate::chats::picture::Picture;
use serde_json::{Value, json};
use workflow::Kind;

/// Input fields and buttons, as far as there is anything to do.
pub fn of(picture: &Picture, url: &str, data: &impl Fn(&str) -> Value) -> Vec<Value> {
    let request = &picture.request;
    let page = |title: &str| json!({"type": "Action.OpenUrl", "title": title, "url": format!("{url}/web/requests/{}", request.ask.id)});
    if !picture.is_open() || !picture.denies_in_chat() {
        return vec![json!({"type": "ActionSet", "actions": [page("Details")]})];
    }
    let mut body = Vec::new();
    let unseen = request.is_unseen();
    let approves = picture.approves_in_chat();
    if !unseen && approves {
        let left = request.scope().length;
        let choices: Vec<Value> = picture
            .lengths()
            .iter()
            .map(|length| json!({"title": picture.choice(*length), "value": length.to_string()}))
            .collect();
        body.push(json!({
            "type": "Input.ChoiceSet", "id": "length", "label": if matches!(request.ask.kind, Kind::Extend { .. }) { "How much more" } else { "For how long" },
            "style": "compact", "value": left.to_string(), "choices": choices
        }));
    }
    body.push(json!({
        "type": "Input.Text", "id": "comment", "label": "Comment", "placeholder": "For those who read it later; a denial needs one", "maxLength": 300
    }));
    let (yes, no) = if unseen { ("It was in order", "It was not: revoke") } else { ("Approve", "Deny") };
    let mut actions = Vec::new();
    if approves {
        actions.push(button(yes, "approve", "positive", data));
    }
    actions.push(button(no, "deny", "destructive", data));
    actions.push(page(if approves { "Details" } else { "Approve on the web page" }));
    body.push(json!({"type": "ActionSet", "actions": actions}));
    body
}

/// A button, and what stands for it in clients that do not know such ones.
fn button(title: &str, verb: &str, style: &str, data: &impl Fn(&str) -> Value) -> Value {
    let carried = json!({"jit": data(verb)});
    json!({
        "type": "Action.Execute", "title": title, "verb": verb, "style": style, "data": carried,
        "fallback": {"type": "Action.Submit", "title": title, "style": style, "data": carried}
    })
}
