//! Cards that Teams does not take at once, or not as they are.

use super::deciding::{Asker, PEOPLE, POLICY, click, room, text_of};
use super::double::{APP, Account, Double, TENANT, hub_of, linked, soon};
use crate::room::{Hub, PATIENCE};
use api::{AskRequests, Which};
use serde_json::{Value, json};

#[test]
fn more_than_sixty_approvers_have_a_card_that_teams_takes() {
    let many: Vec<String> = (0..70).map(|n| format!("[lead{n}]\ngroups = [\"leads\"]\n")).collect();
    let (hub, double) = hub_of(POLICY, &format!("{PEOPLE}{}", many.concat()));
    let bob = linked(&hub, &double, "bob");
    for n in 0..70 {
        hub.sql(&format!(
            "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
             VALUES ('{TENANT}', 'aaaaaaaa-0000-0000-0000-{n:012}', 'lead{n}', 'Lead {n}', '29:lead{n}', 0, 1)"
        ));
    }
    let id = Asker::of(&hub, "alice").asks("db-1", "why");
    let (message, card) = double.card(&bob.personal(), &id);
    assert_eq!(card["refresh"]["userIds"].as_array().unwrap().len(), 60);
    let mut wrong = card.clone();
    wrong["refresh"]["userIds"].as_array_mut().unwrap().push(json!("29:one-more"));
    assert_eq!(double.asks("judge", &json!({"card": wrong}))["wrong"], json!(["more than 60 userIds"]));
    let looked = double.asks("look", &json!({"message": message, "from": bob.of()}));
    assert_eq!(looked["answers"][0]["wrong"], json!([]), "{looked}");
    assert_eq!(looked["answers"][0]["body"]["value"]["type"], "AdaptiveCard");
}

#[test]
fn the_largest_request_has_a_card_that_teams_takes() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", &"\"*\u{1f600}".repeat(1000 / 6));
    let (_, card) = double.card(&bob.personal(), &id);
    let length = card.to_string().len();
    assert!(length < 20 * 1024, "{length}");
    let mut large = card.clone();
    large["body"]
        .as_array_mut()
        .unwrap()
        .push(json!({"type": "TextBlock", "text": "x".repeat(29 * 1024 - length)}));
    let wrong = double.asks("judge", &json!({"card": large}))["wrong"].to_string();
    assert!(wrong.contains("too large"), "the double holds to the limit: {wrong}");
    let wrong = double.asks(
        "judge",
        &json!({"card": {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlok"}]}}),
    );
    assert_ne!(wrong["wrong"], json!([]), "and to the schema");
}

/// How one failing of Microsoft's is come over.
fn comes_over(fault: &Value) -> (Hub, Double, Account, String) {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    double.asks("fault", fault);
    let id = alice.asks("db-1", "why");
    let begun = std::time::Instant::now();
    let (message, _) = double.card(&bob.personal(), &id);
    assert!(begun.elapsed() < PATIENCE);
    (hub, double, bob, message)
}

#[test]
fn a_throttled_card_comes_when_teams_takes_it() {
    let (_hub, double, bob, message) = comes_over(&json!({"status": 429, "after": 1, "times": 2}));
    assert!(text_of(&double.click(&click(&message, "approve", &bob))).contains("Approved by bob"));
    let posts = double.asks("state", &json!({}))["calls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call["method"] == "POST")
        .count();
    assert!(posts >= 3, "{posts}");
}

#[test]
fn a_service_that_fails_for_a_while_is_tried_again() {
    for status in [412, 502, 504] {
        comes_over(&json!({"status": status, "times": 1}));
    }
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    comes_over(&json!({"delay": 200, "times": 1}));
}

#[test]
fn a_slow_place_holds_up_no_other() {
    let (hub, double) = room();
    let (bob, carol) = (linked(&hub, &double, "bob"), linked(&hub, &double, "carol"));
    let alice = Asker::of(&hub, "alice");
    double.asks("fault", &json!({"delay": 12_000, "then": true, "times": 1, "conversation": bob.personal()}));
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&carol.personal(), &id);
    assert!(
        double.messages(&bob.personal()).iter().all(|message| !message.to_string().contains(&id)),
        "it waits"
    );
    assert!(text_of(&double.click(&click(&message, "approve", &carol))).contains("Approved by carol"));
    double.card(&bob.personal(), "Approved by carol");
}

#[test]
fn a_card_that_is_too_large_for_them_is_sent_shorter() {
    comes_over(&json!({"status": 413, "code": "MessageSizeTooBig", "times": 1}));
}

#[test]
fn whoever_blocked_the_bot_is_left_alone_and_the_outbox_says_why() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    double.asks("block", &json!({"id": bob.personal(), "blocked": true}));
    alice.asks("db-1", "why");
    soon("it is given up", || {
        let listed = hub.command("outbox").output().unwrap();
        let said = crate::room::text(&listed.stdout);
        said.contains("MessageWritesBlocked") && said.contains("unblocks")
    });
}

#[test]
fn a_message_that_is_gone_is_sent_anew() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", "why");
    double.card(&bob.personal(), &id);
    hub.sql("UPDATE outbox SET reference = '1 0' WHERE event = 0");
    alice.client.cancel(&id).unwrap();
    double.card(&bob.personal(), "Taken back by alice");
}

#[test]
fn a_card_that_has_not_settled_yet_is_changed_a_little_later_and_no_other_is_posted() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    let early = json!({"method": "PUT", "status": 404, "code": "ActivityNotFoundInConversation", "times": 1});
    double.asks("fault", &early);
    alice.client.cancel(&id).unwrap();
    let (changed, _) = double.card(&bob.personal(), "Taken back by alice");
    let state = double.asks("state", &json!({}));
    assert_eq!((state["faults"][0]["times"].as_u64(), changed), (Some(0), message));
    assert_eq!(double.messages(&bob.personal()).len(), 1);
}

#[test]
fn a_channel_that_the_bot_was_taken_from_is_forgotten_whatever_is_heard_of_that_first() {
    let (hub, double) = room();
    double.asks("place", &json!({"id": "19:ops@thread.tacv2", "type": "channel"}));
    let hears = |more: Value| {
        let bob = Account::named("bob").of();
        let says = json!({"conversation": "19:ops@thread.tacv2", "from": bob, "more": more});
        assert_eq!(double.asks("send", &says)["status"], 200);
    };
    let is_in = |words: &str| {
        let said = crate::room::text(&hub.command("teams").arg("check").output().unwrap().stderr);
        assert!(said.contains(&format!("where the bot is: {words}")), "{words}: {said}");
    };
    let (one, none) = ("1 chats and channels", "nobody has said anything to it yet");
    let left = |id: &str| json!({"type": "conversationUpdate", "membersRemoved": [{"id": id, "name": "x"}]});
    let removed = json!({"type": "installationUpdate", "action": "remove"});
    let bot = format!("28:{APP}");
    hears(json!({"type": "conversationUpdate", "membersAdded": [{"id": bot, "name": "jit"}]}));
    is_in(one);
    hears(left("29:bob"));
    is_in(one);
    hears(removed.clone());
    hears(left(&bot));
    is_in(none);
    hears(json!({"type": "installationUpdate", "action": "add"}));
    hears(left(&bot));
    hears(removed);
    is_in(none);
}

#[test]
fn a_secret_that_is_over_is_told_and_cards_come_once_there_is_another() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    double.asks("secret", &json!({"secret": "another"}));
    let id = alice.asks("db-1", "why");
    soon("it is told", || {
        crate::room::text(&hub.command("outbox").output().unwrap().stdout).contains("AADSTS7000215")
    });
    std::fs::write(double.secret(), "another\n").unwrap();
    double.card(&bob.personal(), &id);
    let all = AskRequests { which: Which::All, limit: None, after: None };
    assert_eq!(alice.client.requests(&all).unwrap().len(), 1);
}
