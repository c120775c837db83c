//! What Microsoft sends: the parts of an activity that are of use here
//! (Bot Framework, "Activity", and Microsoft Teams, "Universal Actions for Adaptive Cards").

use super::limits;
use super::settings::is_guid;
use crate::chats::clicks::Click;
use serde::Deserialize;
use serde_json::Value;

/// An activity.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Activity {
    /// `message`, `invoke`, `conversationUpdate`, `installationUpdate` and more.
    #[serde(rename = "type")]
    pub kind: String,
    /// What an invoke is about.
    pub name: String,
    /// Its id.
    pub id: String,
    /// When it was sent.
    pub timestamp: String,
    /// `msteams`.
    pub channel_id: String,
    /// Where to answer.
    pub service_url: String,
    /// Who did it.
    pub from: Account,
    /// Where.
    pub conversation: Conversation,
    /// What Teams adds.
    pub channel_data: ChannelData,
    /// The message with the card.
    pub reply_to_id: String,
    /// What was typed.
    pub text: String,
    /// What a click carries.
    pub value: Value,
    /// `remove` where the bot was taken away.
    pub action: String,
    /// Who left: a bot that was taken away too.
    pub members_removed: Vec<Account>,
}

/// Somebody.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Account {
    /// `29:...` for people, `28:` and the application id for a bot.
    pub id: String,
    /// As Teams shows them.
    pub name: String,
    /// The id of the account in the tenant's directory.
    pub aad_object_id: String,
}

/// A chat or a channel.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conversation {
    /// Its id; in a channel that of a thread, behind `;messageid=`.
    pub id: String,
    /// `personal`, `channel`, `groupChat`.
    pub conversation_type: String,
    /// The tenant.
    pub tenant_id: String,
}

/// What Teams adds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ChannelData {
    /// The tenant.
    pub tenant: Named,
}

/// Something that has an id.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Named {
    /// The id.
    pub id: String,
}

impl Activity {
    /// One in which fields are null that could have been left out, as what an outgoing webhook is sent.
    pub fn with_nulls(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut value: Value = serde_json::from_slice(bytes)?;
        leave_out_nulls(&mut value);
        serde_json::from_value(value)
    }

    /// The tenant that it is of, where all that it says of that agrees.
    pub fn tenant(&self) -> Option<&str> {
        let mut said = self.tenants();
        let first = said.next()?;
        said.all(|other| other.eq_ignore_ascii_case(first)).then_some(first)
    }

    /// All tenants that it says it is of.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        let said = [self.channel_data.tenant.id.as_str(), self.conversation.tenant_id.as_str()];
        said.into_iter().filter(|id| !id.is_empty())
    }

    /// The id of the account that did it, where it says one that can be somebody's.
    pub fn account(&self) -> Option<String> {
        let (id, chat) = (&self.from.aad_object_id, &self.from.id);
        (is_guid(id) && chat.len() <= limits::NAME).then(|| id.to_lowercase())
    }

    /// Whether the bot with this application id was taken away.
    pub fn takes_away(&self, app_id: &str) -> bool {
        let is_it = |member: &Account| {
            member.id.strip_prefix("28:").is_some_and(|id| id.eq_ignore_ascii_case(app_id))
        };
        match self.kind.as_str() {
            "installationUpdate" => self.action.starts_with("remove"),
            "conversationUpdate" => self.members_removed.iter().any(is_it),
            _ => false,
        }
    }

    /// Where a message for all of it goes: the channel, not the thread that somebody wrote in.
    pub fn place(&self) -> &str {
        self.conversation
            .id
            .split_once(";messageid=")
            .map_or(self.conversation.id.as_str(), |(place, _)| place)
    }

    /// What a button carries, with what was typed beside it: of `Action.Execute`, or of `Action.Submit` in clients that do
    /// not know that.
    pub fn click(&self) -> Option<Click> {
        let (data, verb) = match self.kind.as_str() {
            "invoke" if self.name == "adaptiveCard/action" => {
                let action = self.value.get("action")?;
                (action.get("data")?, action.get("verb").and_then(Value::as_str))
            }
            "message" if self.text.trim().is_empty() => (&self.value, None),
            _ => return None,
        };
        let jit = data.get("jit")?;
        let own = jit.get("verb").and_then(Value::as_str);
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Click {
            verb: verb.or(own)?.to_owned(),
            request: text(jit, "request")?,
            revision: text(jit, "revision")?,
            digest: text(jit, "digest")?,
            length: text(data, "length").filter(|length| !length.is_empty()),
            comment: text(data, "comment").filter(|comment| !comment.trim().is_empty()),
        })
    }
}

/// No deeper than what was read can be.
fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn activity(value: &Value) -> Activity {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn both_sorts_of_buttons_say_the_same() {
        let data = json!({"jit": {"verb": "approve", "request": "R-1", "revision": "r", "digest": "d"}, "length": "1h", "comment": " "});
        let execute = activity(&json!({
            "type": "invoke", "name": "adaptiveCard/action",
            "value": {"action": {"type": "Action.Execute", "verb": "approve", "data": data}, "trigger": "manual"}
        }));
        let submit = activity(&json!({"type": "message", "value": data}));
        let click = execute.click().unwrap();
        assert_eq!(submit.click().as_ref(), Some(&click));
        assert_eq!(
            (click.verb.as_str(), click.length.as_deref(), click.comment),
            ("approve", Some("1h"), None)
        );
        for other in [
            json!({"type": "invoke", "name": "task/fetch", "value": {"action": {"data": data}}}),
            json!({"type": "message", "text": "hello", "value": data}),
            json!({"type": "message", "value": {"jit": "approve"}}),
            json!({"type": "message"}),
        ] {
            assert_eq!(activity(&other).click(), None, "{other}");
        }
    }

    #[test]
    fn an_activity_of_two_tenants_is_of_none() {
        let of = |data: &str, conversation: &str| {
            activity(
                &json!({"channelData": {"tenant": {"id": data}}, "conversation": {"tenantId": conversation}}),
            )
            .tenant()
            .map(str::to_owned)
        };
        assert_eq!(of("a", "A").as_deref(), Some("a"));
        assert_eq!((of("a", "").as_deref(), of("", "b").as_deref()), (Some("a"), Some("b")));
        assert_eq!((of("a", "b"), of("", "")), (None, None));
    }

    #[test]
    fn a_message_for_a_channel_starts_a_thread_of_its_own() {
        let place = |id: &str| activity(&json!({"conversation": {"id": id}})).place().to_owned();
        assert_eq!(place("19:x@thread.tacv2;messageid=17"), "19:x@thread.tacv2");
        assert_eq!(place("a:1"), "a:1");
    }
}
