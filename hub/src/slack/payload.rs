//! What Slack sends when somebody clicks: the parts of it that are of use here
//! (docs.slack.dev, "block_actions payload").

use crate::chats::clicks::Click;
use serde::Deserialize;
use serde_json::Value;

/// The payload of an interaction.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Payload {
    /// `block_actions`, and others.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who clicked.
    pub user: User,
    /// The workspace; none where an app is of a whole organisation.
    pub team: Option<Team>,
    /// Where an answer to it can be sent for half an hour.
    pub response_url: Option<String>,
    /// What was filled in.
    pub state: Option<Value>,
    /// What was clicked.
    pub actions: Vec<Action>,
}

/// Somebody.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct User {
    /// The account.
    pub id: String,
    /// As Slack shows it.
    pub name: Option<String>,
    /// The workspace that the account is of, where that is said: in a channel that two share it is not the other one's.
    pub team_id: Option<String>,
}

/// A workspace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Team {
    /// Its id.
    pub id: String,
}

/// Something that was clicked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Action {
    /// What a button carries.
    pub value: Option<String>,
}

/// What a button of ours carries.
#[derive(Deserialize)]
struct Carried {
    verb: String,
    request: String,
    revision: String,
    digest: String,
}

impl Payload {
    /// Whether all that it says of that is this workspace.
    pub fn is_of(&self, team: &str) -> bool {
        self.team.as_ref().is_some_and(|said| said.id == team)
            && self.user.team_id.as_ref().is_none_or(|said| said == team)
    }

    /// The click on a button of ours, with what was filled in beside it.
    pub fn click(&self) -> Option<Click> {
        if self.kind != "block_actions" {
            return None;
        }
        let value = self.actions.iter().find_map(|action| action.value.as_deref())?;
        let Carried { verb, request, revision, digest } = serde_json::from_str(value).ok()?;
        let filled = |name: &str, path: &str| {
            let block = self.state.as_ref()?.get("values")?.get(format!("{name} {revision}"))?;
            Some(block.get(name)?.pointer(path)?.as_str()?.to_owned())
        };
        let length = filled("length", "/selected_option/value");
        let comment = filled("comment", "/value").filter(|comment| !comment.trim().is_empty());
        Some(Click { verb, request, revision, digest, length, comment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_click_says_what_its_button_carries_and_what_was_filled_in_beside_it() {
        let value = json!({"verb": "approve", "request": "R-1", "revision": "r", "digest": "d"}).to_string();
        let sent = json!({
            "type": "block_actions", "team": {"id": "T0", "domain": "x"}, "user": {"id": "U0", "team_id": "T0"}, "enterprise": null,
            "actions": [{"type": "button", "action_id": "approve", "value": value}],
            "state": {"values": {
                "length r": {"length": {"type": "static_select", "selected_option": {"value": "1h"}}},
                "comment r": {"comment": {"type": "plain_text_input", "value": null}},
                "comment old": {"comment": {"type": "plain_text_input", "value": "of another state"}}
            }}
        });
        let read = |sent: &Value| serde_json::from_value::<Payload>(sent.clone()).unwrap();
        let click = read(&sent).click().unwrap();
        assert_eq!(
            (click.verb.as_str(), click.length.as_deref(), click.comment),
            ("approve", Some("1h"), None)
        );
        assert!(read(&sent).is_of("T0") && !read(&sent).is_of("T1"));
        let mut other = sent.clone();
        other["user"]["team_id"] = json!("T1");
        assert!(!read(&other).is_of("T0"), "an account of another workspace, in a channel that both share");
        for (at, value) in
            [("/type", "view_submission"), ("/actions/0/value", "approve"), ("/actions/0/value", "{}")]
        {
            let mut other = sent.clone();
            *other.pointer_mut(at).unwrap() = json!(value);
            assert_eq!(read(&other).click(), None, "{at}");
        }
        assert_eq!(read(&json!({})).click(), None);
    }
}
