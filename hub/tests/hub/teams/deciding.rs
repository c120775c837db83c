//! Requests as cards, and clicks on them.

use super::double::{Account, Double, hub_of, linked, soon};
use crate::room::Hub;
use crate::web::Browser;
use access::{HostName, Service, Span, Text};
use api::{Change, NewExtension, NewRequest, RequestView, Scope};
use serde_json::{Value, json};
use workflow::{Channel, RequestState};

pub(super) const POLICY: &str = r#"
[[rule]]
id = "one"
who = { groups = ["dev"] }
where = { hosts = ["db-1", "db-7"] }
what = { services = ["ssh", "sudo"] }
time = { max = "8h", extend = { count = 2 } }
approve = [{ from = ["group:leads"] }]

[[rule]]
id = "two"
who = { groups = ["dev"] }
where = { hosts = ["db-2"] }
what = { services = ["ssh", "sudo"] }
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
id = "soon"
who = { groups = ["dev"] }
where = { hosts = ["db-5"] }
what = { services = ["ssh"] }
time = { pending = "20s" }
approve = [{ from = ["group:leads"] }]

[[rule]]
id = "heard"
who = { groups = ["dev"] }
where = { hosts = ["db-8"] }
what = { services = ["ssh"] }
approve = [{ from = ["group:leads"] }]
tell = ["user:erin"]

[[rule]]
id = "glass"
who = { groups = ["dev"] }
where = { hosts = ["db-6"] }
what = { services = ["sudo"] }
approve = [{ from = ["group:leads"] }]
break_glass = { who = ["group:dev"], review_by = ["group:leads"], max = "30m" }
"#;

pub(super) const PEOPLE: &str = "[alice]\ngroups = [\"dev\"]\n[erin]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\n\
                      [carol]\ngroups = [\"leads\"]\n[dave]\ngroups = [\"leads\"]\n";

pub(super) fn room() -> (Hub, Double) {
    let (hub, double) = hub_of(POLICY, PEOPLE);
    (hub, double)
}

pub(super) fn new(host: &str, service: &str, length: &str, reason: &str) -> NewRequest {
    NewRequest {
        hosts: [HostName::parse(host).unwrap()].into(),
        labels: std::collections::BTreeMap::default(),
        services: [Service::parse(service).unwrap()].into(),
        run_as: None,
        length: Span::parse(length).ok(),
        at: None,
        reason: Text::parse(reason).unwrap(),
        ticket: None,
        user: None,
        break_glass: false,
    }
}

/// The hosts of the policy, known to a hub that serves from then on.
pub(super) fn with_hosts(policy: &str) -> (Hub, Double) {
    let (mut hub, double) = hub_of(policy, PEOPLE);
    for n in [2, 3, 4, 5, 6, 8] {
        hub.sql(&format!(
            "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES ('db-{n}', '{{}}', '', '', x'', 0, 1)"
        ));
    }
    hub.stay();
    hub.signal(rustix::process::Signal::TERM);
    assert!(hub.ends());
    hub.begin();
    (hub, double)
}

pub(super) struct Asker<'a> {
    hub: &'a Hub,
    pub(super) client: api::Client,
}

impl<'a> Asker<'a> {
    pub(super) fn of(hub: &'a Hub, person: &str) -> Self {
        let scopes = [Scope::Read, Scope::Request, Scope::Review];
        Self { hub, client: hub.client(&hub.token(person, &scopes, "1d").secret) }
    }

    pub(super) fn asks(&self, host: &str, reason: &str) -> String {
        self.client.request(&new(host, "ssh", "1h", reason)).unwrap().request.ask.id.to_string()
    }

    pub(super) fn sees(&self, id: &str) -> RequestView {
        self.client.show_request(id).unwrap()
    }

    pub(super) fn reviews(&self, id: &str) -> usize {
        self.hub.client(&self.hub.admin).show_request(id).unwrap().reviews.len()
    }
}

pub(super) fn click(message: &str, verb: &str, from: &Account) -> Value {
    json!({"message": message, "verb": verb, "from": from.of()})
}

pub(super) fn text_of(answer: &Value) -> String {
    answer["body"]["value"].to_string()
}

#[test]
fn a_request_comes_as_a_card_and_a_click_on_it_approves() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", "disk [full](https://evil.example)");
    let (message, card) = double.card(&bob.personal(), &id);
    let shown = card.to_string();
    for words in
        ["alice asks for ssh on db-1 for 1h", "Approved: 0 of 1", "disk \\\\[full\\\\]", "\"one\"", "8h"]
    {
        assert_eq!(shown.contains(words), words != "8h", "{words}: {shown}");
    }
    let answer = double.click(&click(&message, "approve", &bob));
    assert!(text_of(&answer).contains("Approved by bob. Active until"), "{answer}");
    println!("the click was answered within {} ms", answer["ms"]);
    let request = alice.sees(&id);
    assert!(matches!(request.state, RequestState::Approved { .. }));
    assert_eq!(request.reviews[0].channel, Channel::Teams);
    hub.logs("channel=teams");
    // The message that everybody else sees is another one by then.
    double.card(&bob.personal(), "Approved by bob. Active until");
    assert_eq!(
        double
            .messages(&bob.personal())
            .iter()
            .filter(|m| m["versions"][0]["attachments"].is_array())
            .count(),
        1
    );
}

#[test]
fn an_approver_shortens_a_request_and_says_why() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    let mut says = click(&message, "approve", &bob);
    says["chosen"] = json!({"length": "30m", "comment": "half is *enough*"});
    let answer = double.click(&says);
    assert!(text_of(&answer).contains("half is \\\\*enough\\\\*"), "{answer}");
    let request = alice.sees(&id);
    assert_eq!(request.left.length, Span::parse("30m").ok());
    assert_eq!(request.reviews[0].comment.as_ref().unwrap().as_str(), "half is *enough*");
}

#[test]
fn a_denial_says_why_and_who_asked_is_told() {
    let (hub, double) = room();
    let (bob, asker) = (linked(&hub, &double, "bob"), linked(&hub, &double, "alice"));
    let alice = Asker::of(&hub, "alice");
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    let mut says = click(&message, "deny", &bob);
    // As many characters as the card lets one type are more bytes than a comment has.
    says["chosen"] = json!({"comment": "\u{4e0d}".repeat(350)});
    let answer = double.click(&says);
    assert!(answer["body"]["type"] == "application/vnd.microsoft.activity.message", "{answer}");
    assert!(text_of(&answer).contains("the comment: ") && text_of(&answer).contains("Nothing was changed"));
    assert!(alice.sees(&id).state.is_pending());
    // A heart is drawn as a picture by an invisible character after it.
    says["chosen"] = json!({"comment": "not today \u{2764}\u{fe0f}"});
    assert!(text_of(&double.click(&says)).contains("Denied by bob: not today \u{2764}"));
    double.card(&asker.personal(), "Denied by bob: not today");
    soon("a word to alice", || {
        double.messages(&asker.personal()).iter().any(|message| {
            message["versions"][0]["text"]
                .as_str()
                .is_some_and(|text| text.contains("Denied by bob: not today"))
        })
    });
    let again = double.click(&json!({"message": message, "version": 0, "verb": "approve", "from": bob.of()}));
    assert!(text_of(&again).contains("Denied by bob"), "an old card: {again}");
    assert!(matches!(alice.sees(&id).state, RequestState::Denied { .. }));
}

#[test]
fn whoever_a_rule_tells_has_the_card_and_who_asked_is_told_of_the_approval() {
    let (hub, double) = with_hosts(POLICY);
    let (bob, asker, told) =
        (linked(&hub, &double, "bob"), linked(&hub, &double, "alice"), linked(&hub, &double, "erin"));
    let alice = Asker::of(&hub, "alice");
    let id = alice.asks("db-8", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    double.card(&told.personal(), &id);
    let refused = double.click(&click(&message, "approve", &told));
    assert!(text_of(&refused).contains("erin may not review request"), "{refused}");
    double.click(&click(&message, "approve", &bob));
    for of in [&asker, &told] {
        double.card(&of.personal(), "Approved by bob. Active until");
    }
    let words = |of: &Account| -> Vec<String> {
        let texts = double.messages(&of.personal());
        texts.iter().filter_map(|one| one["versions"][0]["text"].as_str().map(str::to_owned)).collect()
    };
    // A card that changes rings at nobody.
    soon("a word to alice", || {
        words(&asker).iter().any(|text| text.contains(&id) && text.contains("Approved by bob. Active until"))
    });
    assert_eq!(words(&told), [""; 0]);
}

#[test]
fn two_approve_and_every_copy_follows() {
    let (hub, double) = with_hosts(POLICY);
    let (bob, carol, asker) =
        (linked(&hub, &double, "bob"), linked(&hub, &double, "carol"), linked(&hub, &double, "alice"));
    let alice = Asker::of(&hub, "alice");
    let id = alice.asks("db-2", "why");
    let (first, _) = double.card(&bob.personal(), &id);
    let (second, _) = double.card(&carol.personal(), &id);
    let answer = double.click(&click(&first, "approve", &bob));
    assert!(text_of(&answer).contains("Approved by bob: 1 of 2"), "{answer}");
    for of in [&bob, &carol, &asker] {
        double.card(&of.personal(), "Approved by bob: 1 of 2");
    }
    let stale =
        double.click(&json!({"message": second, "version": 0, "verb": "approve", "from": carol.of()}));
    assert!(text_of(&stale).contains("1 of 2"), "a stale card is answered with the one of now: {stale}");
    assert_eq!(alice.reviews(&id), 1, "and decides nothing");
    assert!(text_of(&double.click(&click(&second, "approve", &carol))).contains("Approved by bob, carol"));
    for of in [&bob, &carol, &asker] {
        double.card(&of.personal(), "Approved by bob, carol. Active until");
    }
}

#[test]
fn who_is_no_approver_or_asked_decides_nothing() {
    let (hub, double) = room();
    let (bob, asker, erin) =
        (linked(&hub, &double, "bob"), linked(&hub, &double, "alice"), linked(&hub, &double, "erin"));
    let alice = Asker::of(&hub, "alice");
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    for (from, words) in [
        (&asker, "somebody else must review it"),
        (&erin, "may not review"),
        (&Account::named("mallory"), "is not linked to anybody"),
    ] {
        let answer = double.click(&click(&message, "approve", from));
        assert!(answer["body"]["type"] == "application/vnd.microsoft.activity.message", "{answer}");
        assert!(text_of(&answer).contains(words), "{words}: {answer}");
    }
    assert!(alice.sees(&id).state.is_pending() && alice.reviews(&id) == 0);
}

#[test]
fn an_approver_who_lost_the_right_has_none_in_teams() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", "why");
    let (message, card) = double.card(&bob.personal(), &id);
    let without = PEOPLE.replace("[bob]\ngroups = [\"leads\"]\n", "[bob]\n");
    hub.client(&hub.admin)
        .apply_policy(&api::NewPolicy { policy: POLICY.to_owned(), people: Some(without), no_people: false })
        .unwrap();
    let answer =
        double.click(&json!({"message": message, "card": card, "verb": "approve", "from": bob.of()}));
    assert!(text_of(&answer).contains("may not review"), "{answer}");
    assert!(alice.sees(&id).state.is_pending());
}

/// bob approves nothing any more, and can ask.
fn without_bob(hub: &Hub) {
    let people = PEOPLE.replace("[bob]\ngroups = [\"leads\"]", "[bob]\ngroups = [\"dev\"]");
    let new = api::NewPolicy { policy: POLICY.to_owned(), people: Some(people), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
}

const WITHDRAWN: &str = "This request is not yours to see any more.";

#[test]
fn the_card_of_who_lost_the_right_says_so_once_and_shows_nothing_more() {
    let (hub, double) = room();
    let (bob, carol) = (linked(&hub, &double, "bob"), linked(&hub, &double, "carol"));
    let id = Asker::of(&hub, "alice").asks("db-1", "why");
    let (withdrawn, _) = double.card(&bob.personal(), &id);
    let (message, _) = double.card(&carol.personal(), &id);
    without_bob(&hub);
    double.click(&click(&message, "approve", &carol));
    let (same, card) = double.card(&bob.personal(), WITHDRAWN);
    assert!(same == withdrawn && !card.to_string().contains(&id), "{card}");
    let RequestState::Approved { grant, .. } = Asker::of(&hub, "alice").sees(&id).state else {
        panic!("not approved")
    };
    let end = api::EndGrant { reason: Text::parse("enough").ok() };
    Asker::of(&hub, "carol").client.revoke(&grant.to_string(), &end).unwrap();
    double.card(&carol.personal(), "Revoked by carol");
    // What comes after it is there.
    double.card(&bob.personal(), &Asker::of(&hub, "bob").asks("db-1", "why"));
    let messages = double.messages(&bob.personal());
    let card = messages.iter().find(|one| one["id"] == json!(withdrawn)).unwrap();
    assert_eq!(card["versions"].as_array().unwrap().len(), 2, "{card}");
}

#[test]
fn a_card_that_comes_late_does_not_come_to_who_lost_the_right_meanwhile() {
    let (hub, double) = room();
    let bob = linked(&hub, &double, "bob");
    double.asks("fault", &json!({"status": 429, "after": 5, "times": 1, "conversation": bob.personal()}));
    let id = Asker::of(&hub, "alice").asks("db-1", "why");
    hub.logs("sending by teams to");
    without_bob(&hub);
    double.card(&bob.personal(), &Asker::of(&hub, "bob").asks("db-1", "why"));
    assert!(!double.messages(&bob.personal()).iter().any(|one| one.to_string().contains(&id)));
}

#[test]
fn a_chat_of_one_person_hears_of_every_request_only_while_they_administer_the_hub() {
    let (hub, double) = room();
    let (bob, erin) = (linked(&hub, &double, "bob"), linked(&hub, &double, "erin"));
    let (alice, admin) = (Asker::of(&hub, "alice"), hub.client(&hub.admin));
    let roles = |roles: &[api::Role]| {
        let person = access::Person::parse("erin").unwrap();
        admin.set_roles(&api::Roles { person, roles: roles.iter().copied().collect() }).unwrap();
    };
    roles(&[api::Role::Admin]);
    assert!(double.hears(&erin.personal(), &erin, "here").contains("from now on"));
    let id = alice.asks("db-1", "why");
    double.card(&erin.personal(), &id);
    roles(&[]);
    double.click(&click(&double.card(&bob.personal(), &id).0, "approve", &bob));
    double.card(&erin.personal(), WITHDRAWN);
    let later = alice.asks("db-1", "again");
    double.card(&bob.personal(), &later);
    double.card(&erin.personal(), &Asker::of(&hub, "erin").asks("db-1", "mine"));
    assert!(!double.messages(&erin.personal()).iter().any(|one| one.to_string().contains(&later)));
}

#[test]
fn a_click_that_comes_five_times_is_one_review() {
    let (hub, double) = with_hosts(POLICY);
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-2", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    let mut says = click(&message, "approve", &bob);
    says["times"] = json!(5);
    let answered = double.asks("click", &says);
    for one in answered["answers"].as_array().unwrap() {
        assert_eq!((&one["status"], &one["wrong"]), (&json!(200), &json!([])), "{one}");
        assert!(text_of(one).contains("1 of 2"), "{one}");
    }
    assert_eq!(alice.reviews(&id), 1);
}

#[test]
fn an_account_that_clicks_more_than_a_person_would_is_told_to_wait_and_holds_nobody_else_up() {
    let (hub, double) = with_hosts(POLICY);
    let (bob, carol) = (linked(&hub, &double, "bob"), linked(&hub, &double, "carol"));
    let alice = Asker::of(&hub, "alice");
    let id = alice.asks("db-2", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    for _ in 0..31 {
        let looked = double.asks("look", &json!({"message": message, "from": bob.of()}));
        assert!(text_of(&looked["answers"][0]).contains("0 of 2"), "Teams looks, and not bob: {looked}");
    }
    let mut says = click(&message, "approve", &bob);
    says["times"] = json!(40);
    let answered = double.asks("click", &says);
    let waits =
        |one: &&Value| one.to_string().contains("said more than 30 things within a minute: wait a minute");
    assert!(answered["answers"].as_array().unwrap().iter().filter(waits).count() >= 10, "{answered}");
    let answer = double.click(&click(&double.card(&carol.personal(), &id).0, "approve", &carol));
    assert!(text_of(&answer).contains("pproved by"), "{answer}");
}

#[test]
fn a_click_after_a_request_is_over_shows_that() {
    let (hub, double) = with_hosts(POLICY);
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-5", "why");
    let (message, card) = double.card(&bob.personal(), &id);
    soon("it is over", || !alice.sees(&id).state.is_pending());
    let answer =
        double.click(&json!({"message": message, "card": card, "verb": "approve", "from": bob.of()}));
    assert!(text_of(&answer).contains("Nobody decided by"), "{answer}");
    double.card(&bob.personal(), "Nobody decided by");
}

#[test]
fn an_old_client_that_submits_is_understood_and_sees_the_card_change() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    let mut says = click(&message, "approve", &bob);
    says["old"] = json!(true);
    assert_eq!(double.asks("click", &says)["answers"][0]["status"], 200);
    double.card(&bob.personal(), "Approved by bob. Active until");
    assert!(!alice.sees(&id).state.is_pending());
}

#[test]
fn a_name_reads_as_it_is_written_in_a_message_and_in_what_is_said_of_a_card() {
    let people = format!("{PEOPLE}[svc_x]\ngroups = [\"dev\"]\n");
    let (hub, double) = hub_of(POLICY, &people);
    let bob = linked(&hub, &double, "bob");
    let id = Asker::of(&hub, "svc_x").asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    let summary = double.messages(&bob.personal())[0]["versions"][0]["summary"].clone();
    assert!(summary.as_str().unwrap().starts_with("svc_x asks for ssh on db-1"), "{summary}");
    let mut says = click(&message, "approve", &bob);
    says["old"] = json!(true);
    double.asks("click", &says);
    // As Markdown.
    soon("an answer", || {
        double.messages(&bob.personal()).iter().any(|one| {
            one["versions"][0]["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("svc\\_x asks for ssh on db-1"))
        })
    });
}

#[test]
fn where_a_chat_never_decides_the_last_button_opens_the_page() {
    let (hub, double) = with_hosts(POLICY);
    let (bob, carol) = (linked(&hub, &double, "bob"), linked(&hub, &double, "carol"));
    let alice = Asker::of(&hub, "alice");
    let id = alice.asks("db-3", "why");
    let (first, _) = double.card(&bob.personal(), &id);
    let (second, before) = double.card(&carol.personal(), &id);
    double.click(&click(&first, "approve", &bob));
    let (_, card) = double.card(&carol.personal(), "Approved by bob: 1 of 2");
    let shown = card.to_string();
    assert!(shown.contains("Approve on the web page") && !shown.contains("\"verb\":\"approve\""), "{shown}");
    // Whoever puts a button there that is not gets no further.
    let mut forged = before;
    let current: String = shown.split("\"revision\":\"").nth(1).unwrap().chars().take(16).collect();
    let old: String = forged.to_string().split("\"revision\":\"").nth(1).unwrap().chars().take(16).collect();
    forged = serde_json::from_str(&forged.to_string().replace(&old, &current)).unwrap();
    let answer =
        double.click(&json!({"message": second, "card": forged, "verb": "approve", "from": carol.of()}));
    assert!(text_of(&answer).contains("never a click in a chat"), "{answer}");
    assert!(alice.sees(&id).state.is_pending());
    let sure = Asker::of(&hub, "carol");
    let review = api::NewReview {
        verdict: api::NewVerdict::Approve,
        digest: sure.sees(&id).digest,
        narrowing: workflow::Narrowing::default(),
        comment: None,
    };
    sure.client.review(&id, &review).unwrap();
    double.card(&bob.personal(), "Approved by bob, carol. Active until");
}

#[test]
fn where_a_chat_only_tells_there_is_no_button_that_decides() {
    let (hub, double) = with_hosts(POLICY);
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-4", "why");
    let (_, card) = double.card(&bob.personal(), &id);
    let shown = card.to_string();
    assert!(!shown.contains("\"verb\":\"deny\"") && shown.contains("Action.OpenUrl"), "{shown}");
}

#[test]
fn a_grant_is_followed_from_its_approval_to_its_end() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    double.click(&click(&message, "approve", &bob));
    let RequestState::Approved { grant, .. } = alice.sees(&id).state else { panic!("not approved") };
    let more = NewExtension {
        length: Span::parse("30m").unwrap(),
        reason: Text::parse("more").unwrap(),
        ticket: None,
    };
    let longer = alice.client.extend(&grant.to_string(), &more).unwrap().request.ask.id.to_string();
    let (second, card) = double.card(&bob.personal(), &longer);
    assert!(card.to_string().contains("alice asks for 30m more"), "{card}");
    double.click(&click(&second, "approve", &bob));
    let (same, card) = double.card(&bob.personal(), "extended once");
    assert!(same == message || card.to_string().contains(&longer), "{card}");
    soon("the first card too", || {
        double.messages(&bob.personal()).iter().any(|m| {
            m["id"] == json!(message)
                && m["versions"].as_array().unwrap().last().unwrap().to_string().contains("extended once")
        })
    });
    let end = api::EndGrant { reason: Text::parse("enough").ok() };
    Asker::of(&hub, "bob").client.revoke(&grant.to_string(), &end).unwrap();
    // What made it longer is over with it.
    for card in [&message, &second] {
        soon("revoked on both cards", || {
            double.messages(&bob.personal()).iter().any(|m| {
                let last = m["versions"].as_array().unwrap().last().unwrap().to_string();
                m["id"] == json!(card)
                    && last.contains("Revoked by bob")
                    && last.contains(": enough: not used.")
            })
        });
    }
}

#[test]
fn whose_account_was_taken_away_decides_nothing_and_is_told_nothing_more() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let carol = linked(&hub, &double, "carol");
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    double.card(&carol.personal(), &id);
    hub.sql(&format!("DELETE FROM teams_account WHERE account = '{}'", bob.id));
    assert!(text_of(&double.click(&click(&message, "approve", &bob))).contains("is not linked to anybody"));
    assert_eq!(alice.reviews(&id), 0);
    alice.client.cancel(&id).unwrap();
    double.card(&carol.personal(), "Taken back by alice");
    // What comes after it is told.
    double.card(&carol.personal(), &alice.asks("db-1", "again"));
    assert!(!double.messages(&bob.personal()).iter().any(|m| m.to_string().contains("Taken back")));
}

#[test]
fn an_account_without_an_id_of_the_directory_is_nobodys() {
    let (hub, double) = room();
    let (mut bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    for wrong in ["", "bob"] {
        // As a row that no link could make.
        hub.sql(&format!("UPDATE teams_account SET account = '{wrong}' WHERE person = 'bob'"));
        wrong.clone_into(&mut bob.id);
        let said = text_of(&double.click(&click(&message, "approve", &bob)));
        assert!(said.contains("is not linked to anybody"), "{said}");
    }
    assert_eq!(alice.reviews(&id), 0);
}

#[test]
fn a_broken_glass_is_an_alarm_and_is_looked_at_there() {
    let (hub, double) = with_hosts(POLICY);
    let (bob, carol) = (linked(&hub, &double, "bob"), linked(&hub, &double, "carol"));
    let alice = Asker::of(&hub, "alice");
    let glass = NewRequest { break_glass: true, ..new("db-6", "sudo", "20m", "it burns") };
    let id = alice.client.request(&glass).unwrap().request.ask.id.to_string();
    for of in [&bob, &carol] {
        let (_, card) = double.card(&of.personal(), "BREAK GLASS: alice let themself in");
        assert!(card.to_string().contains("\"style\":\"attention\""), "{card}");
    }
    let posted = |words: &str| {
        let all = double.messages(&bob.personal());
        all.into_iter().find(|one| one.to_string().contains(words)).unwrap()["versions"][0].clone()
    };
    assert_eq!(posted(&id)["importance"], "high");
    assert_eq!(posted(&id)["channelData"]["notification"]["alert"], true, "as teamsNotifyUser has it");
    let quiet = alice.asks("db-1", "why");
    double.card(&bob.personal(), &quiet);
    assert!(posted(&quiet)["importance"].is_null());
    let (message, _) = double.card(&bob.personal(), &id);
    let answer = double.click(&click(&message, "deny", &bob));
    assert!(text_of(&answer).contains("a denial needs a reason: say why"), "{answer}");
    assert_eq!(alice.sees(&id).afterwards.unwrap().review, None);
    let mut says = click(&message, "deny", &bob);
    says["chosen"] = json!({"comment": "no fire"});
    let answer = double.click(&says);
    assert!(
        text_of(&answer).contains("it was not in order") && text_of(&answer).contains("Revoked by bob"),
        "{answer}"
    );
    double.card(&carol.personal(), "it was not in order");
    let journal = hub.client(&hub.admin).journal(&api::AskJournal::default()).unwrap();
    assert!(journal.iter().any(|row| row.line.contains(&format!("change={}", Change::LookedAt.code()))));
}

#[test]
fn a_channel_hears_of_every_request_once_an_administrator_says_so() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    double.asks("place", &json!({"id": "19:ops@thread.tacv2", "type": "channel"}));
    let said = |text: &str| {
        let says = json!({"conversation": "19:ops@thread.tacv2;messageid=17", "from": bob.of(), "text": format!("<at>jit</at> {text}")});
        let before = double.messages("19:ops@thread.tacv2;messageid=17").len();
        assert_eq!(double.asks("say", &says)["status"], 200);
        soon(text, || double.messages("19:ops@thread.tacv2;messageid=17").len() > before);
        double.messages("19:ops@thread.tacv2;messageid=17").last().unwrap()["versions"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(said("here").contains("for administrators of the hub"));
    let admin =
        api::Roles { person: access::Person::parse("bob").unwrap(), roles: [api::Role::Admin].into() };
    hub.client(&hub.admin).set_roles(&admin).unwrap();
    assert!(said("here").contains("from now on"));
    let id = alice.asks("db-1", "why");
    let (message, _) = double.card("19:ops@thread.tacv2", &id);
    assert!(text_of(&double.click(&click(&message, "approve", &bob))).contains("Approved by bob"));
    double.card("19:ops@thread.tacv2", "Approved by bob. Active until");
    assert!(said("list").contains("to me alone") && said("status").contains("to me alone"));
    assert!(said("away").contains("no more"));
    assert!(said("here").contains("from now on"));
    let admin = Browser::of(&hub, "admin");
    let page = admin.get("/web/teams");
    let fields = [("csrf", page.field("csrf")), ("place", page.field("place"))];
    assert!(page.has("19:ops@thread.tacv2"));
    assert_eq!(admin.send("/web/teams/away", crate::web::OWN, &fields).status(), "303");
    assert!(said("away").contains("are not told here"));
    hub.logs("listens=false by=admin");
}

#[test]
fn a_card_that_nobody_knows_of_answers_with_what_is_now_and_decides_nothing_twice() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    // Taken, shown, and never heard of again: the hub sends another.
    double.asks(
        "fault",
        &json!({"method": "POST", "times": 1, "lost": true, "shown": true, "conversation": bob.personal()}),
    );
    let id = alice.asks("db-1", "why");
    soon("two cards", || {
        double.messages(&bob.personal()).iter().filter(|m| m.to_string().contains(&id)).count() == 2
    });
    let cards: Vec<Value> = double.messages(&bob.personal());
    let (orphan, known) = (cards[0]["id"].as_str().unwrap(), cards[1]["id"].as_str().unwrap());
    double.click(&click(known, "approve", &bob));
    let answer = double.click(&click(orphan, "approve", &bob));
    assert!(text_of(&answer).contains("Approved by bob. Active until"), "{answer}");
    let denied = double.click(&click(orphan, "deny", &bob));
    assert!(text_of(&denied).contains("Approved by bob. Active until"), "{denied}");
    assert_eq!(alice.reviews(&id), 1);
}
