//! What is believed of what comes in: each way in which it can be wrong is one test, and Slack's own library is asked about
//! each.

use super::double::{Double, SECRET, TEAM, hub_of, linked};
use crate::outbox::secret;
use crate::room::{Hub, PEOPLE, POLICY, text};
use std::os::unix::fs::PermissionsExt as _;

fn room() -> (Hub, Double) {
    let (hub, double) = hub_of(POLICY, PEOPLE, "");
    linked(&hub, "bob");
    (hub, double)
}

type Heads = Vec<(String, String)>;

/// A word that is changed on its way is refused with these words, where the good one is taken.
fn refused(words: &str, change: impl FnOnce(&Double, Heads, String) -> (Heads, String)) {
    let (hub, double) = room();
    let body = double.command("U0BOB", "list");
    let heads = double.signed(SECRET, &body, 0);
    assert!(double.believes(&heads, &body));
    assert_eq!(Double::sends(&hub, "/slack/commands", &heads, &body).0, 200);
    let (heads, body) = change(&double, heads, double.command("U0BOB", "help"));
    assert!(!double.believes(&heads, &body), "Slack's library would believe it");
    let (status, said) = Double::sends(&hub, "/slack/commands", &heads, &body);
    assert!(status == 403 && said.contains(words), "{status} {said}");
    hub.logs(words);
}

#[test]
fn what_slacks_library_signs_is_believed_whatever_it_says() {
    let (hub, double) = room();
    for said in ["", "list", "\u{e9} & < > \"'\u{1f600}", &"x ".repeat(3000)] {
        let answer = double.hears(&hub, "U0BOB", said);
        assert!(answer["blocks"][0]["type"] == "rich_text", "{answer}");
    }
    let body = double.command("U0BOB", "list");
    let late = double.signed(SECRET, &body, 280);
    assert!(double.believes(&late, &body));
    assert_eq!(Double::sends(&hub, "/slack/commands", &late, &body).0, 200);
}

#[test]
fn what_is_signed_with_another_secret_is_refused() {
    refused("is not by the signing secret", |double, _, body| {
        (double.signed("0f742231b10e8888abcd99yyyzzz85a5", &body, 0), body)
    });
}

#[test]
fn what_was_changed_on_its_way_is_refused() {
    refused("is not by the signing secret", |double, _, body| {
        (double.signed(SECRET, &body, 0), body.replace("U0BOB", "U0DAVE"))
    });
}

#[test]
fn what_is_old_is_refused() {
    refused("more than five minutes from now", |double, _, body| (double.signed(SECRET, &body, 330), body));
}

#[test]
fn what_is_of_a_day_to_come_is_refused() {
    refused("more than five minutes from now", |double, _, body| (double.signed(SECRET, &body, -330), body));
}

#[test]
fn what_was_signed_at_another_time_than_it_says_is_refused() {
    refused("is not by the signing secret", |double, mut heads, body| {
        let signed = double.signed(SECRET, &body, 100);
        heads.retain(|(name, _)| name != "x-slack-signature");
        heads.extend(signed.into_iter().filter(|(name, _)| name == "x-slack-signature"));
        (heads, body)
    });
}

#[test]
fn what_is_not_signed_is_refused() {
    refused("it shows no signature", |_, _, body| (Vec::new(), body));
}

/// Which Slack's library leaves to whoever uses it.
#[test]
fn what_was_heard_is_not_heard_again() {
    let (hub, double) = room();
    let body = double.command("U0BOB", "list");
    let heads = double.signed(SECRET, &body, 0);
    assert_eq!(Double::sends(&hub, "/slack/commands", &heads, &body).0, 200);
    assert!(double.believes(&heads, &body));
    let (status, said) = Double::sends(&hub, "/slack/commands", &heads, &body);
    assert!(status == 403 && said.contains("heard before"), "{status} {said}");
    hub.logs("this was heard before");
}

#[test]
fn what_is_of_another_workspace_is_refused() {
    let (hub, double) = room();
    let body = double.command("U0BOB", "list").replace(TEAM, "T0OTHER");
    let heads = double.signed(SECRET, &body, 0);
    let (status, said) = Double::sends(&hub, "/slack/commands", &heads, &body);
    assert!(status == 403 && said.contains("not of workspace T0JIT"), "{status} {said}");
    hub.logs("it is not of workspace T0JIT");
}

#[test]
fn one_account_says_so_much_and_no_more() {
    let (hub, double) = room();
    let said = || double.hears(&hub, "U0BOB", "help").to_string();
    assert!(said().contains("what you hold now"));
    assert!((0..200).any(|_| said().contains("within a minute: wait a minute")));
    assert!(double.hears(&hub, "U0DAVE", "help").to_string().contains("do not know whose account"));
}

#[test]
fn without_a_signing_secret_nothing_is_heard_and_messages_have_a_link_alone() {
    let (folder, double) = (tempfile::tempdir().unwrap(), Double::start());
    let lines = double.lines(folder.path(), "");
    let hub = crate::outbox::hub(folder, &lines, POLICY, PEOPLE);
    let id = crate::outbox::asks(&hub, "why");
    let message = double.message("C0OPS", &id);
    let kinds: Vec<&str> =
        message.now()["blocks"].as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
    assert!(kinds.iter().all(|kind| ["header", "section"].contains(kind)), "{kinds:?}");
    let body = double.command("U0BOB", "list");
    let (status, said) = Double::sends(&hub, "/slack/commands", &double.signed(SECRET, &body, 0), &body);
    assert!(status == 404 && said.contains("signing_secret"), "{status} {said}");
}

#[test]
fn a_hub_does_not_start_with_a_secret_that_others_can_read_or_that_is_none() {
    for (mode, held, why) in [(0o644, SECRET, "chmod 0600"), (0o600, "xoxb-1", "Basic Information")] {
        let (folder, double) = (tempfile::tempdir().unwrap(), Double::start());
        let lines = double.lines(folder.path(), &Double::listening(folder.path()));
        let file = secret(folder.path(), "slack.signing-secret", held);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let hub = Hub::set_up_in(folder, "", crate::database::Database::start(), &lines);
        let tried = hub.command("serve").output().unwrap();
        let said = text(&tried.stderr);
        assert!(
            !tried.status.success() && said.contains("slack.signing_secret: ") && said.contains(why),
            "{said}"
        );
        assert!(!said.contains(held), "{said}");
    }
}
