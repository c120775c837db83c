//! Requests as messages with buttons, and clicks on them.

use super::double::{Double, Message, SECRET, account, hub_by, hub_of, linked};
use crate::room::{Hub, PATIENCE};
use access::{Span, Text};
use api::{NewPolicy, NewRequest, NewReview, NewVerdict, RequestView, Scope};
use serde_json::{Value, json};
use workflow::{Channel, Narrowing, RequestState};

const POLICY: &str = r#"
[[rule]]
id = "one"
who = { groups = ["dev"] }
where = { hosts = ["db-1"] }
what = { services = ["ssh", "sudo"] }
approve = [{ from = ["group:leads"] }]
tell = ["user:grace"]

[[rule]]
id = "two"
who = { groups = ["dev"] }
where = { hosts = ["db-2"] }
what = { services = ["ssh"] }
approve = [{ from = ["group:leads"], need = 2 }]

[[rule]]
id = "sure"
who = { groups = ["dev"] }
where = { hosts = ["db-3"] }
what = { services = ["ssh"] }
approve = [{ from = ["group:leads"], need = 2 }]
teams = "first-of-two"

[[rule]]
id = "told"
who = { groups = ["dev"] }
where = { hosts = ["db-4"] }
what = { services = ["ssh"] }
approve = [{ from = ["group:leads"] }]
teams = "notify"

[[rule]]
id = "glass"
who = { groups = ["dev"] }
where = { hosts = ["db-6"] }
what = { services = ["sudo"] }
approve = [{ from = ["group:leads"] }]
break_glass = { who = ["group:dev"], review_by = ["group:leads"], max = "30m" }
"#;

const PEOPLE: &str = "[alice]\ngroups = [\"dev\"]\nmail = \"alice@example.org\"\n[erin]\ngroups = [\"dev\"]\n\
                      [bob]\ngroups = [\"leads\"]\nmail = \"bob@example.org\"\n[dave]\ngroups = [\"leads\"]\n\
                      [frank]\ngroups = [\"dev\", \"leads\"]\n[grace]\nmail = \"grace@example.org\"\n";

const OPS: &str = "C0OPS";

fn room() -> (Hub, Double) {
    hub_of(POLICY, PEOPLE, "")
}

/// This person asks for this host. The id of the request.
fn asks(hub: &Hub, person: &str, host: &str) -> String {
    asks_for(
        hub,
        person,
        &json!({"hosts": [host], "services": ["ssh"], "for": "2h", "reason": "<!channel> *why*"}),
    )
}

fn asks_for(hub: &Hub, person: &str, what: &Value) -> String {
    let token = hub.token(person, &[Scope::Read, Scope::Request, Scope::Review], "1h").secret;
    let new: NewRequest = serde_json::from_value(what.clone()).unwrap();
    hub.client(&token).request(&new).unwrap().request.ask.id.to_string()
}

fn sees(hub: &Hub, id: &str) -> RequestView {
    hub.client(&hub.admin).show_request(id).unwrap()
}

/// This person agrees, with a token.
fn agrees(hub: &Hub, person: &str, id: &str) {
    let client = hub.client(&hub.token(person, &[Scope::Read, Scope::Review], "1h").secret);
    let digest = client.show_request(id).unwrap().digest;
    let review =
        NewReview { verdict: NewVerdict::Approve, digest, narrowing: Narrowing::default(), comment: None };
    client.review(id, &review).unwrap();
}

/// The buttons that it has now.
fn buttons(message: &Message) -> Vec<String> {
    let blocks = message.now()["blocks"].as_array().unwrap().iter();
    let elements = blocks
        .filter(|block| block["type"] == "actions")
        .flat_map(|block| block["elements"].as_array().unwrap());
    elements.map(|element| element["text"]["text"].as_str().unwrap().to_owned()).collect()
}

/// Nothing came of a click.
fn nothing_came_of_it(hub: &Hub, id: &str, said: &Value, words: &str) {
    assert!(said.to_string().contains(words), "{words:?}: {said}");
    let view = sees(hub, id);
    assert!(view.state.is_pending() && view.reviews.is_empty(), "{view:?}");
}

#[test]
fn a_request_is_approved_by_a_click_for_less_and_with_a_word() {
    let (hub, double) = room();
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-1"));
    let message = double.message(OPS, &id);
    assert_eq!(buttons(&message), ["Approve", "Deny"]);
    let shown = message.now().to_string();
    assert!(shown.contains("&lt;!channel&gt; *why*") && !shown.contains("<!channel>"), "{shown}");
    let click =
        double.click(&message, 0, "approve", &bob, &[("length", "30m"), ("comment", "half is *enough* <x>")]);
    let said = double.clicks(&hub, &click);
    assert!(said.to_string().contains("It was done. alice may use ssh on db-1: good until"), "{said}");
    let view = sees(&hub, &id);
    assert!(matches!(view.state, RequestState::Approved { .. }), "{view:?}");
    let review = &view.reviews[0];
    assert_eq!((review.by.as_str(), review.channel), ("bob", Channel::Slack));
    assert_eq!(review.comment.as_ref().unwrap().as_str(), "half is *enough* <x>");
    assert_eq!(view.left.length, Span::parse("30m").ok());
    hub.logs("channel=slack");
    // Everybody sees it in the same message, which has no button any more.
    let message = double.message(OPS, "agreed to by bob");
    assert!(buttons(&message).is_empty() && message.versions[0].to_string().contains(&id), "{message:?}");
    assert_eq!(double.messages().len(), 1);
}

#[test]
fn a_request_is_denied_by_a_click_and_all_see_it_of_whom_only_deciders_have_buttons() {
    let (hub, double) = hub_of(POLICY, PEOPLE, "people = true\n");
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-1"));
    let told = double.message("D0GRACE", &id);
    assert!(buttons(&told).is_empty(), "she is told, and decides nothing: {told:?}");
    let message = double.message("D0BOB", &id);
    assert_eq!(buttons(&message), ["Approve", "Deny"]);
    double.clicks(&hub, &double.click(&message, 0, "deny", &bob, &[("comment", "not today")]));
    assert!(matches!(sees(&hub, &id).state, RequestState::Denied { .. }));
    for place in [OPS, "D0BOB", "D0GRACE"] {
        double.message(place, "denied by bob: not today");
    }
}

#[test]
fn an_account_that_is_nobodys_decides_nothing() {
    let (hub, double) = room();
    let id = asks(&hub, "alice", "db-1");
    let message = double.message(OPS, &id);
    let said = double.clicks(&hub, &double.click(&message, 0, "approve", &account("bob"), &[]));
    nothing_came_of_it(&hub, &id, &said, "This Slack account is not linked to anybody");
    // One that is somebody's in another workspace, or in Teams, is not that in this one.
    hub.sql(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) VALUES \
         ('slack/T0OTHER', 'U0BOB', 'bob', 'bob', '', 0, 1), ('webhook/ops', 'U0BOB', 'bob', 'bob', '', 0, 1)",
    );
    let said = double.clicks(&hub, &double.click(&message, 0, "approve", &account("bob"), &[]));
    nothing_came_of_it(&hub, &id, &said, "This Slack account is not linked to anybody");
}

#[test]
fn who_may_not_review_decides_nothing() {
    let (hub, double) = room();
    let (erin, id) = (linked(&hub, "erin"), asks(&hub, "alice", "db-1"));
    let message = double.message(OPS, &id);
    let said = double.clicks(&hub, &double.click(&message, 0, "approve", &erin, &[]));
    nothing_came_of_it(&hub, &id, &said, "erin may not review request");
}

#[test]
fn who_asked_decides_nothing_though_they_could_for_others() {
    let (hub, double) = room();
    let (frank, id) = (linked(&hub, "frank"), asks(&hub, "frank", "db-1"));
    let message = double.message(OPS, &id);
    let said = double.clicks(&hub, &double.click(&message, 0, "approve", &frank, &[]));
    nothing_came_of_it(&hub, &id, &said, "is yours or gives you access");
}

#[test]
fn rights_are_those_of_the_click_and_not_of_the_message() {
    let (hub, double) = room();
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-1"));
    let message = double.message(OPS, &id);
    let people = PEOPLE.replace("[bob]\ngroups = [\"leads\"]", "[bob]\ngroups = []");
    let new = NewPolicy { policy: POLICY.to_owned(), people: Some(people), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    let said = double.clicks(&hub, &double.click(&message, 0, "approve", &bob, &[]));
    nothing_came_of_it(&hub, &id, &said, "bob may not review request");
}

#[test]
fn the_message_of_who_lost_the_right_says_so_once_and_shows_nothing_more() {
    let (hub, double) = hub_of(POLICY, PEOPLE, "people = true\n");
    let id = asks(&hub, "alice", "db-1");
    double.message("D0BOB", &id);
    let people = PEOPLE.replace("[bob]\ngroups = [\"leads\"]", "[bob]\ngroups = [\"dev\"]");
    let new = NewPolicy { policy: POLICY.to_owned(), people: Some(people), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    agrees(&hub, "dave", &id);
    let message = double.message("D0BOB", "This request is not yours to see any more.");
    let now = message.now().to_string();
    assert!(!now.contains(&id) && !now.contains("alice"), "{now}");
    let admin = hub.client(&hub.admin);
    let grant = admin.grants(&api::AskGrants::default()).unwrap().remove(0).grant.id.to_string();
    admin.revoke(&grant, &api::EndGrant { reason: Text::parse("enough").ok() }).unwrap();
    for place in [OPS, "D0GRACE"] {
        double.message(place, "taken back by admin");
    }
    // What comes after it is there.
    let own = asks(&hub, "bob", "db-1");
    agrees(&hub, "dave", &own);
    double.message("D0BOB", &own);
    let messages = double.messages();
    let withdrawn =
        messages.iter().find(|one| one.at == message.at && one.channel == message.channel).unwrap();
    assert_eq!(withdrawn.versions.len(), 2, "{withdrawn:?}");
}

#[test]
fn a_click_on_an_earlier_state_says_what_is_now_and_decides_nothing() {
    let (hub, double) = room();
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-2"));
    let message = double.message(OPS, &id);
    agrees(&hub, "dave", &id);
    double.message(OPS, "1 of 2 agreed");
    let said = double.clicks(&hub, &double.click(&message, 0, "approve", &bob, &[]));
    let words = said.to_string();
    assert!(words.contains("Nothing was changed by this click") && words.contains("1 of 2 agreed"), "{said}");
    assert_eq!(sees(&hub, &id).reviews.len(), 1, "dave's alone");
    // What was shown to bob has the buttons of now.
    let shown = Message { versions: vec![said], ..message };
    let said = double.clicks(&hub, &double.click(&shown, 0, "approve", &bob, &[]));
    assert!(said.to_string().contains("It was done"), "{said}");
    assert_eq!(sees(&hub, &id).reviews.len(), 2);
}

#[test]
fn a_double_click_is_one() {
    let (hub, double) = room();
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-2"));
    let message = double.message(OPS, &id);
    let bodies: Vec<String> =
        (0..4).map(|_| Double::body(&double.click(&message, 0, "approve", &bob, &[]))).collect();
    std::thread::scope(|scope| {
        for body in &bodies {
            let (hub, double) = (&hub, &double);
            scope.spawn(move || {
                let heads = double.signed(SECRET, body, 0);
                assert_eq!(Double::sends(hub, "/slack/interactions", &heads, body).0, 200);
            });
        }
    });
    double.message(OPS, "1 of 2 agreed");
    let begun = std::time::Instant::now();
    while double.replies().len() < 4 && begun.elapsed() < crate::room::PATIENCE {
        std::thread::sleep(crate::room::AGAIN);
    }
    assert_eq!(double.replies().len(), 4, "each is answered");
    let view = sees(&hub, &id);
    assert!(view.reviews.len() == 1 && view.state.is_pending(), "{view:?}");
    // And another one of the same person, on the state of now, is none.
    let message = double.message(OPS, "1 of 2 agreed");
    double.clicks(&hub, &double.click(&message, message.versions.len() - 1, "approve", &bob, &[]));
    assert_eq!(sees(&hub, &id).reviews.len(), 1);
}

/// The same bytes again, as whoever read them on their way could send them.
#[test]
fn a_click_that_is_sent_again_is_refused() {
    let (hub, double) = room();
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-2"));
    let message = double.message(OPS, &id);
    let body = Double::body(&double.click(&message, 0, "approve", &bob, &[]));
    let heads = double.signed(SECRET, &body, 0);
    assert_eq!(Double::sends(&hub, "/slack/interactions", &heads, &body).0, 200);
    let (status, said) = Double::sends(&hub, "/slack/interactions", &heads, &body);
    assert!(status == 403 && said.contains("heard before"), "{status} {said}");
    assert_eq!(sees(&hub, &id).reviews.len(), 1);
}

#[test]
fn a_click_is_never_the_last_word_where_the_rule_says_so() {
    let (hub, double) = room();
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-3"));
    let message = double.message(OPS, &id);
    assert_eq!(buttons(&message), ["Approve", "Deny"], "the first of two");
    agrees(&hub, "dave", &id);
    let message = double.message(OPS, "The last approval is given on the page of the hub");
    assert_eq!(buttons(&message), ["Deny"]);
    // What a client would send that made a button of its own.
    let mut click = double.click(&message, message.versions.len() - 1, "deny", &bob, &[]);
    let value = click["actions"][0]["value"].as_str().unwrap().replace("\"deny\"", "\"approve\"");
    click["actions"][0]["value"] = json!(value);
    let said = double.clicks(&hub, &click);
    assert!(said.to_string().contains(&format!("/web/requests/{id}")), "{said}");
    let view = sees(&hub, &id);
    assert!(view.state.is_pending() && view.reviews.len() == 1, "{view:?}");
    let denies = |with: &[(&str, &str)]| {
        double.clicks(&hub, &double.click(&message, message.versions.len() - 1, "deny", &bob, with))
    };
    let said = denies(&[]);
    assert!(said.to_string().contains("a denial needs a reason: say why"), "{said}");
    assert!(sees(&hub, &id).state.is_pending());
    denies(&[("comment", "not today")]);
    assert!(matches!(sees(&hub, &id).state, RequestState::Denied { .. }), "denying always works");
}

#[test]
fn a_click_counts_for_nothing_where_the_rule_says_so() {
    let (hub, double) = room();
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-4"));
    let message = double.message(OPS, &id);
    assert!(buttons(&message).is_empty() && message.now().to_string().contains("not here"), "{message:?}");
    // And at the moment of the click, whatever the message had.
    let other = asks(&hub, "alice", "db-1");
    let message = double.message(OPS, &other);
    let policy = POLICY.replacen("approve = [", "teams = \"notify\"\napprove = [", 1);
    let new = NewPolicy { policy, people: Some(PEOPLE.to_owned()), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    for verb in ["approve", "deny"] {
        let said = double.clicks(&hub, &double.click(&message, 0, verb, &bob, &[]));
        nothing_came_of_it(&hub, &other, &said, &format!("/web/requests/{other}"));
    }
    assert!(sees(&hub, &id).reviews.is_empty());
}

#[test]
fn what_was_broken_open_is_looked_at_by_a_click() {
    let (hub, double) = room();
    let bob = linked(&hub, "bob");
    let id = asks_for(
        &hub,
        "alice",
        &json!({"hosts": ["db-6"], "services": ["sudo"], "for": "30m", "reason": "fire", "break_glass": true}),
    );
    let message = double.message(OPS, &id);
    assert_eq!(buttons(&message), ["It was in order", "It was not: revoke"]);
    double.clicks(
        &hub,
        &double.click(&message, message.versions.len() - 1, "deny", &bob, &[("comment", "no fire")]),
    );
    double.message(OPS, "bob looked at it: it was not in order: no fire");
    let all = api::AskGrants { all: true, ..api::AskGrants::default() };
    let grants = hub.client(&hub.admin).grants(&all).unwrap();
    assert!(grants[0].grant.ended.is_some(), "{grants:?}");
}

#[test]
fn who_clicks_and_types_is_heard_while_slack_takes_no_answers() {
    let double = Double::but(|call| {
        if call.line.contains(" /actions/") {
            std::thread::sleep(PATIENCE);
        }
        None
    });
    let hub = hub_by(&double, POLICY, PEOPLE, "");
    let (people, id) = ([linked(&hub, "bob"), linked(&hub, "dave")], asks(&hub, "alice", "db-1"));
    let message = double.message(OPS, &id);
    // One more than are answered at once, and than are done at once.
    for n in 0..33 {
        let body = Double::body(&double.click(&message, 0, "approve", &people[n % 2], &[]));
        let heads = double.signed(SECRET, &body, 0);
        assert_eq!(Double::sends(&hub, "/slack/interactions", &heads, &body).0, 200, "click {n}");
    }
    hub.logs("more than 32 answers to Slack at once: what was asked there is done, and one was not told so");
    assert!(matches!(sees(&hub, &id).state, RequestState::Approved { .. }));
    assert!(double.hears(&hub, &people[0], "help").to_string().contains("what you hold now"));
}

#[test]
fn an_answer_goes_to_slack_alone_and_other_things_are_let_be() {
    let (hub, double) = room();
    let (bob, id) = (linked(&hub, "bob"), asks(&hub, "alice", "db-1"));
    let message = double.message(OPS, &id);
    let elsewhere = crate::receiver::Receiver::new();
    let sends = |payload: &Value| {
        let body = Double::body(payload);
        Double::sends(&hub, "/slack/interactions", &double.signed(SECRET, &body, 0), &body).0
    };
    // A choice before the button, and a payload of another kind.
    let mut choice = double.click(&message, 0, "approve", &bob, &[]);
    choice["actions"] =
        json!([{"type": "static_select", "action_id": "length", "selected_option": {"value": "1h"}}]);
    let mut view = double.click(&message, 0, "approve", &bob, &[]);
    view["type"] = json!("view_submission");
    assert_eq!((sends(&choice), sends(&view)), (200, 200));
    assert!(sees(&hub, &id).reviews.is_empty());
    // Of an account of another workspace, in a channel that two share.
    let mut guest = double.click(&message, 0, "approve", &bob, &[]);
    guest["user"]["team_id"] = json!("T0OTHER");
    assert_eq!(sends(&guest), 403);
    let mut stranger = double.click(&message, 0, "approve", &bob, &[]);
    stranger["team"]["id"] = json!("T0OTHER");
    assert_eq!(sends(&stranger), 403);
    assert!(sees(&hub, &id).reviews.is_empty());
    let mut wrong = double.click(&message, 0, "approve", &bob, &[]);
    wrong["response_url"] = json!(format!("http://{}/actions/1", elsewhere.at));
    assert_eq!(sends(&wrong), 200);
    hub.logs("answering somebody in Slack: the address for it is on");
    assert!(elsewhere.calls().is_empty() && double.replies().is_empty());
    assert_eq!(sees(&hub, &id).reviews.len(), 1, "it counts all the same");
    assert_eq!(sees(&hub, &id).reviews[0].comment, None::<Text>);
}
