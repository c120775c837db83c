//! Requests as cards, and clicks on them.

use super::double::{Account, Double, TENANT, hub_of, linked, soon};
use crate::host::{Host, joined, now};
use crate::room::{Hub, PATIENCE};
use crate::web::Browser;
use access::{GrantState, HostName, Service, Span, Text};
use api::{AskRequests, Change, NewExtension, NewRequest, RequestView, Scope, Which};
use chrono::TimeDelta;
use journal::{Head, LogId, Stamp};
use serde_json::{Value, json};
use workflow::{Channel, RequestState};

const POLICY: &str = r#"
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
id = "glass"
who = { groups = ["dev"] }
where = { hosts = ["db-6"] }
what = { services = ["sudo"] }
approve = [{ from = ["group:leads"] }]
break_glass = { who = ["group:dev"], review_by = ["group:leads"], max = "30m" }
"#;

const PEOPLE: &str = "[alice]\ngroups = [\"dev\"]\n[erin]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\n\
                      [carol]\ngroups = [\"leads\"]\n[dave]\ngroups = [\"leads\"]\n";

fn room() -> (Hub, Double) {
    let (hub, double) = hub_of(POLICY, PEOPLE);
    (hub, double)
}

fn new(host: &str, service: &str, length: &str, reason: &str) -> NewRequest {
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
fn with_hosts(policy: &str) -> (Hub, Double) {
    let (mut hub, double) = hub_of(policy, PEOPLE);
    for n in 2..=6 {
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

struct Asker<'a> {
    hub: &'a Hub,
    client: api::Client,
}

impl<'a> Asker<'a> {
    fn of(hub: &'a Hub, person: &str) -> Self {
        let scopes = [Scope::Read, Scope::Request, Scope::Review];
        Self { hub, client: hub.client(&hub.token(person, &scopes, "1d").secret) }
    }

    fn asks(&self, host: &str, reason: &str) -> String {
        self.client.request(&new(host, "ssh", "1h", reason)).unwrap().request.ask.id.to_string()
    }

    fn sees(&self, id: &str) -> RequestView {
        self.client.show_request(id).unwrap()
    }

    fn reviews(&self, id: &str) -> usize {
        self.hub.client(&self.hub.admin).show_request(id).unwrap().reviews.len()
    }
}

fn click(message: &str, verb: &str, from: &Account) -> Value {
    json!({"message": message, "verb": verb, "from": from.of()})
}

fn text_of(answer: &Value) -> String {
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
    says["chosen"] = json!({"comment": "not today"});
    assert!(text_of(&double.click(&says)).contains("Denied by bob: not today"));
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
        (&Account::named("mallory"), "nobody's that the hub knows"),
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
        .apply_policy(&api::NewPolicy { policy: POLICY.to_owned(), people: Some(without) })
        .unwrap();
    let answer =
        double.click(&json!({"message": message, "card": card, "verb": "approve", "from": bob.of()}));
    assert!(text_of(&answer).contains("may not review"), "{answer}");
    assert!(alice.sees(&id).state.is_pending());
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
    assert!(
        text_of(&double.click(&click(&message, "approve", &bob))).contains("nobody's that the hub knows")
    );
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
        assert!(said.contains("nobody's that the hub knows"), "{said}");
    }
    assert_eq!(alice.reviews(&id), 0);
}

/// What a host writes down of a session that is over after so many minutes.
fn session_over(id: u64, grant: access::GrantId, opened: i64, minutes: i64) -> String {
    let at = |minute: i64| access::Time::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap();
    session(id, grant, "closed", at(opened), at(opened + minutes))
}

/// What a host writes down of a session.
fn session(id: u64, grant: access::GrantId, change: &str, opened: access::Time, at: access::Time) -> String {
    json!({
        "kind": "session", "at": at, "change": change, "session": {
            "id": access::SessionId::from_random(id), "grant": grant, "boot": "b", "pid": 5, "start_ticks": 7,
            "audit_session": 3, "subject": "alice", "target": "alice", "service": "ssh", "tty": "ssh", "rhost": "",
            "reason": "granted", "opened": opened
        }
    })
    .to_string()
}

#[test]
fn a_grant_that_is_over_says_how_its_hosts_say_it_was_used() {
    let (hub, double) = room();
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let (host, other) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let id = alice.asks("db-7", "why");
    let (message, _) = double.card(&bob.personal(), &id);
    double.click(&click(&message, "approve", &bob));
    let RequestState::Approved { grant, .. } = alice.sees(&id).state else { panic!("not approved") };
    Asker::of(&hub, "bob")
        .client
        .revoke(&grant.to_string(), &api::EndGrant { reason: Text::parse("x").ok() })
        .unwrap();
    double.card(&bob.personal(), "not used.");
    // A host that the grant is not for has nothing to say of it.
    tells(&hub, &other, vec![session_over(9, grant, 0, 500)]);
    let said =
        vec![session_over(1, grant, 0, 30), session_over(2, grant, 20, 21), "something else".to_owned()];
    tells(&hub, &host, said);
    double.card(&bob.personal(), "used 41 min, 2 sessions.");
    hub.logs("mark=grant_used");
}

#[test]
fn a_grant_whose_clock_the_first_use_starts_is_active_from_then_on() {
    let policy = r#"
[[rule]]
id = "first"
who = { groups = ["dev"] }
where = { hosts = ["db-7", "db-8"] }
what = { services = ["ssh"] }
time = { max = "8h", clock = "first-use", claim_by = "2h" }
approve = [{ from = ["group:leads"] }]
"#;
    let (hub, double) = hub_of(policy, PEOPLE);
    let (bob, alice) = (linked(&hub, &double, "bob"), Asker::of(&hub, "alice"));
    let (host, other) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let mut ask = new("db-7", "ssh", "1h", "why");
    ask.hosts.insert(HostName::parse("db-8").unwrap());
    let id = alice.client.request(&ask).unwrap().request.ask.id.to_string();
    let (message, _) = double.card(&bob.personal(), &id);
    double.click(&click(&message, "approve", &bob));
    double.card(&bob.personal(), "Starts with its first use");
    let RequestState::Approved { grant, .. } = alice.sees(&id).state else { panic!("not approved") };
    let stands = || {
        let view = alice.client.show_grant(&grant.to_string()).unwrap();
        (view.state, view.ends, view.grant.window.latest_end())
    };
    let (state, ends, latest) = stands();
    assert_eq!((state, ends), (GrantState::Unclaimed, latest));

    let opened = now();
    tells(&hub, &host, vec![session(1, grant, "ending", opened, opened)]);
    let until = |ends: access::Time| format!("Active until {}.", ends.format("%F %R UTC"));
    double.card(&bob.personal(), &until(latest));
    assert_eq!(stands(), (GrantState::Active, latest, latest), "the other host may still begin");
    // One that is told of when it is over has begun too.
    tells(&hub, &other, vec![session(1, grant, "closed", opened, opened)]);
    let (state, ends, _) = stands();
    let hour = TimeDelta::hours(1);
    assert!(
        state == GrantState::Active && ends - opened <= hour && ends - opened > hour - TimeDelta::minutes(1)
    );
    double.card(&bob.personal(), &until(ends));
    assert_eq!(hub.logged("mark=grant_used"), 2);
}

/// What a host's journal says, in a log of its own.
fn tells(hub: &Hub, host: &Host, bodies: Vec<String>) {
    let log = LogId([7; 16]);
    let mut head = Head::start(log);
    let row = |body| {
        let row = head.next(Stamp { boot: "b".into(), wall_ms: 1_800_000_000_000, boot_ms: 1 }, body);
        head = Head::of(&row);
        row
    };
    let rows: Vec<journal::Row> = bodies.into_iter().map(row).collect();
    let count = rows.len() as u64;
    let has: api::JournalHas = host.is_heard(hub, "journal", &api::JournalPart { log, rows, oldest: false });
    assert_eq!(has.through, count);
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
    let (message, _) = double.card(&bob.personal(), &id);
    let answer = double.click(&click(&message, "deny", &bob));
    assert!(
        text_of(&answer).contains("NOT in order") && text_of(&answer).contains("Revoked by bob"),
        "{answer}"
    );
    double.card(&carol.personal(), "NOT in order");
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
    let all = AskRequests { which: Which::All, limit: None };
    assert_eq!(alice.client.requests(&all).unwrap().len(), 1);
}
