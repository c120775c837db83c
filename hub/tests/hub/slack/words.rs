//! Linking an account, and what can be typed.

use super::double::{Double, SECRET, account, hub_of, linked};
use crate::room::{PEOPLE, POLICY};
use crate::web::{Browser, OWN};
use serde_json::Value;

fn gather(value: &Value, all: &mut String) {
    match value {
        Value::Object(fields) => {
            if let Some(text) = fields.get("text").and_then(Value::as_str) {
                all.push_str(text);
            }
            if let Some(url) = fields.get("url").and_then(Value::as_str) {
                all.push_str(&format!("<{url}>"));
            }
            fields.values().for_each(|value| gather(value, all));
        }
        Value::Array(items) => items.iter().for_each(|value| gather(value, all)),
        _ => {}
    }
}

/// The words of an answer, without its form.
fn words(answer: &Value) -> String {
    let mut all = String::new();
    gather(&answer["blocks"], &mut all);
    all
}

#[test]
fn an_account_is_linked_by_a_code_that_it_says_and_its_person_confirms() {
    let (hub, double) = hub_of(POLICY, PEOPLE, "");
    let bob = Browser::of(&hub, "bob");
    let says = |user: &str, said: &str| words(&double.hears(&hub, user, said));
    assert!(says("U0BOB", "list").contains("do not know whose account"));
    assert!(says("U0BOB", "link 00000-00000").contains("is not valid"));
    let made = bob.fill(&bob.get("/web/teams"), "/web/teams/code", &[]);
    let code = made.0.split("<code>link ").nth(1).unwrap_or_else(|| panic!("{}", made.0));
    let code = code.split('<').next().unwrap();
    assert!(says("U0BOB", &format!("link {}", code.to_lowercase())).contains("Now confirm"));
    assert!(says("U0BOB", "list").contains("do not know"), "not before it is confirmed");
    assert!(says("U0MALLORY", &format!("link {code}")).contains("is not valid"), "somebody said it");
    let page = bob.get("/web/teams");
    assert!(page.has("An account said your code: <strong>u0bob</strong>"), "{}", page.0);
    assert!(page.has("Slack, workspace T0JIT") && page.has("U0BOB"), "{}", page.0);
    let confirms = |browser: &Browser<'_>| {
        let fields = [
            ("csrf", browser.get("/web/teams").field("csrf").to_owned()),
            ("code", page.field("code").to_owned()),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.send("/web/teams/link", OWN, &fields).status().to_owned()
    };
    assert_eq!(confirms(&Browser::of(&hub, "carol")), "400", "the code is bob's");
    assert_eq!(confirms(&bob), "303");
    hub.logs("mark=slack_linked");
    assert!(says("U0BOB", "list").contains("Waiting for you: nothing"));
    assert_eq!(confirms(&bob), "400", "once");
    let page = bob.get("/web/teams");
    let gone = bob.send(
        "/web/teams/unlink",
        OWN,
        &[("csrf", page.field("csrf")), ("tenant", page.field("tenant")), ("account", page.field("account"))],
    );
    assert_eq!(gone.status(), "303", "{}", gone.0);
    hub.logs("mark=slack_unlinked");
    assert!(says("U0BOB", "list").contains("do not know whose account"));
}

#[test]
fn one_asks_and_looks_by_typing() {
    let (hub, double) = hub_of(POLICY, PEOPLE, "");
    let (alice, bob) = (linked(&hub, "alice"), linked(&hub, "bob"));
    let says = |user: &str, said: &str| words(&double.hears(&hub, user, said));
    assert!(says(&alice, "help").contains("request") && says(&alice, "what").contains("I do not know what"));
    assert!(!says(&alice, "help").contains("here, away"), "that is the bot's of Teams alone");
    assert!(says(&alice, "request ssh on db-1").contains("there is no reason"));
    assert!(says(&alice, "request ssh on web-9 because x").contains("no host web-9"), "the desk's own words");
    let asked = says(&alice, "request ssh,sudo on db-1 for 2h because 1 < 2 & <!channel> *x*");
    assert!(asked.starts_with("Asked: R-") && asked.contains("bob or carol can approve it"), "{asked}");
    let id = asked["Asked: ".len()..].split('<').next().unwrap().to_owned();
    assert!(asked.contains(&format!("/web/requests/{id}>")), "{asked}");
    let view = hub.client(&hub.admin).show_request(&id).unwrap();
    assert_eq!(
        (view.ask.channel, view.ask.reason.as_str()),
        (workflow::Channel::Slack, "1 < 2 & <!channel> *x*")
    );
    assert!(
        says(&alice, "request ssh,sudo on db-1 for 2h because again").contains("You asked for that already")
    );
    assert!(says(&alice, "list").contains(&id) && says(&bob, "list").contains(&id));
    crate::outbox::agrees(&hub, &id);
    assert!(says(&alice, "status").contains("active, until"));
    assert!(says(&bob, &format!("approve {id}")).contains("I do not know approve"), "that is a button's");
    assert!(says(&alice, "request ssh on db-1 user bob because x").contains("is not understood there"));
}

/// Also where a hub forgot what it heard: the desk knows by the command's id.
#[test]
fn a_request_is_asked_for_once() {
    let (mut hub, double) = hub_of(POLICY, PEOPLE, "");
    linked(&hub, "alice");
    let body = double.command(&account("alice"), "request ssh on db-1 because x");
    let heads = double.signed(SECRET, &body, 0);
    let first = Double::sends(&hub, "/slack/commands", &heads, &body).1;
    let id = first.split("/web/requests/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let token = hub.token("alice", &[api::Scope::Read, api::Scope::Request], "1h").secret;
    hub.client(&token).cancel(&id).unwrap();
    hub.signal(rustix::process::Signal::TERM);
    assert!(hub.ends());
    hub.begin();
    let (status, again) = Double::sends(&hub, "/slack/commands", &heads, &body);
    assert!(status == 200 && again.contains(&id), "{again}");
    let all = api::AskRequests { which: api::Which::All, ..api::AskRequests::default() };
    assert_eq!(hub.client(&hub.admin).requests(&all).unwrap().len(), 1);
}
