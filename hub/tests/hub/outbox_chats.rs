//! What people are told in chats: cards of Teams by a workflow, and messages of Slack that change in place. Both services
//! are Microsoft's and Slack's own clouds, so programs stand in for them that speak what they document.

use crate::outbox::{agrees, asks, hub, secret};
use crate::receiver::{Call, Receiver};
use crate::room::{Hub, PEOPLE, POLICY, text, until};
use crate::slack::double::Double;
use api::EndGrant;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_channel_of_teams_is_shown_cards_that_have_a_link_and_no_button_that_decides() {
    let (folder, teams) = (tempfile::tempdir().unwrap(), Receiver::new());
    let address =
        secret(folder.path(), "ops.address", &format!("http://{}/workflows/x?sig=secret", teams.at));
    let hub =
        hub(folder, &format!("[[workflows]]\nname = \"ops\"\naddress = \"{address}\"\n"), POLICY, PEOPLE);
    let id = asks(&hub, "**disk** [full](https://evil.example)");
    until("it is shown the request", || teams.calls().len() == 1);
    agrees(&hub, &id);
    until("it is shown the approval", || teams.calls().len() == 2);
    for call in teams.calls() {
        assert_eq!(call.line, "POST /workflows/x?sig=secret HTTP/1.1");
        let attachment = &call.json()["attachments"][0];
        assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
        let card = &attachment["content"];
        assert_eq!((card["type"].as_str(), card["version"].as_str()), (Some("AdaptiveCard"), Some("1.4")));
        let actions = card["actions"].as_array().unwrap();
        assert!(actions.len() == 1 && actions[0]["type"] == "Action.OpenUrl", "{actions:?}");
        assert!(actions[0]["url"].as_str().unwrap().ends_with(&format!("/web/requests/{id}")), "{actions:?}");
        // Where nothing is markup.
        assert!(
            card["body"].as_array().unwrap().iter().all(|block| block["type"] == "RichTextBlock"),
            "{card}"
        );
    }
    let said = teams.calls()[1].body.clone();
    assert!(said.contains("alice may use ssh on db-1") && said.contains("agreed to by bob"), "{said}");
}

#[test]
fn a_hub_does_not_start_with_the_address_of_a_connector_that_microsoft_switched_off() {
    let wrong = [
        ("https://x.webhook.office.com/webhookb2/1", "which Microsoft has switched off"),
        ("https://evil.example/", "evil.example is not where workflows are (logic.azure.com, "),
        ("http://prod.logic.azure.com/", "it is no https address"),
    ];
    for (text_, why) in wrong {
        let folder = tempfile::tempdir().unwrap();
        let address = secret(folder.path(), "ops.address", text_);
        let lines = format!("[[workflows]]\nname = \"ops\"\naddress = \"{address}\"\n");
        let hub = Hub::set_up_in(folder, "", crate::database::Database::start(), &lines);
        let tried = hub.command("serve").output().unwrap();
        let said = text(&tried.stderr);
        assert!(
            !tried.status.success() && said.contains("workflows \"ops\": address: ") && said.contains(why),
            "{said}"
        );
        assert!(!said.contains("webhookb2"), "the address is a secret: {said}");
    }
}

#[test]
fn messages_in_slack_change_in_place_until_the_grant_is_over_and_say_the_last_word_after_a_throttle() {
    let throttled = AtomicUsize::new(0);
    let double = Double::but(move |call| {
        let update = call.line.contains("chat.update") && call.json()["channel"] == "C0OPS";
        let first = update && throttled.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| ("429 Too Many Requests", "retry-after: 2\r\n".to_owned(), String::new()))
    });
    let service = &double.service;
    let folder = tempfile::tempdir().unwrap();
    let lines = double.lines(folder.path(), "people = true\n");
    let people = "[alice]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\nmail = \"bob@example.org\"\n\
                  [carol]\ngroups = [\"leads\"]\nmail = \"carol@example.org\"\n";
    let hub = hub(folder, &lines, POLICY, people);
    let id = asks(&hub, "<!channel> the *disk* is full");
    let messages = |method: &str, place: &str| -> Vec<Value> {
        let of_it = |call: &Call| call.line.contains(method) && call.json()["channel"] == place;
        service.calls().iter().filter(|call| of_it(call)).map(Call::json).collect()
    };
    until("the channel and bob have a message", || {
        messages("chat.postMessage", "C0OPS").len() == 1 && messages("chat.postMessage", "D0BOB").len() == 1
    });
    hub.logs("sending by slack to \"person:carol\": users.lookupByEmail: Slack says \"users_not_found\"");
    let first = messages("chat.postMessage", "C0OPS").remove(0).to_string();
    assert!(first.contains("alice asks for ssh on db-1") && first.contains("&lt;!channel&gt;"), "{first}");
    assert!(first.contains(&format!("/web/requests/{id}|")), "{first}");
    agrees(&hub, &id);
    // While Slack wants to be left alone the grant comes to its end.
    until("the first change is throttled", || messages("chat.update", "C0OPS").len() == 1);
    let admin = hub.client(&hub.admin);
    let grant = admin.grants(&api::AskGrants::default()).unwrap().remove(0).grant.id.to_string();
    admin.revoke(&grant, &EndGrant { reason: Some(access::Text::parse("not needed").unwrap()) }).unwrap();
    until("both say that it was taken back", || {
        ["C0OPS", "D0BOB"].iter().all(|place| {
            messages("chat.update", place)
                .last()
                .is_some_and(|last| last.to_string().contains("taken back by admin"))
        })
    });
    assert_eq!(messages("chat.update", "C0OPS").len(), 2, "what came meanwhile is one change");
    assert!(
        ["C0OPS", "D0BOB"].iter().all(|place| messages("chat.postMessage", place).len() == 1),
        "nothing is posted twice"
    );
    let stamps: Vec<Value> =
        messages("chat.update", "D0BOB").into_iter().map(|sent| sent["ts"].clone()).collect();
    assert!(stamps.windows(2).all(|two| two[0] == two[1]), "{stamps:?}");
}
