//! The page of one request: what who decides it must know.

use crate::host::joined;
use crate::room::{Hub, PEOPLE, POLICY, until};
use crate::web::{Browser, Page, Past, approval, asked, granted, lived, used};
use access::{Login, Span};
use api::{AskGrants, NewPolicy, Scope};

#[test]
fn who_decides_sees_for_how_long_the_same_access_was_used_lately() {
    let (hub, grant, again) = used();
    let bob = Browser::of(&hub, "bob");
    let page = bob.get(&again);
    // Hours between two sessions are no use.
    assert!(page.has("Used 1 time: 37 min") && page.has(&grant), "{}", page.0);
    assert!(page.has("used for 37 min in 2 sessions"), "{}", page.0);
    // What another host says of it is not its affair.
    let other = joined(&hub, "db-8");
    let more = granted(&hub, &["db-7", "db-8"]);
    let forged = [(); 60].map(|()| Past { ago: 600, minutes: Some(5), grant: Some(grant.as_str()) });
    let own = Past { ago: 50, minutes: Some(12), grant: Some(&more) };
    lived(&hub, &other, "alice", &forged.into_iter().chain([own]).collect::<Vec<_>>());
    let page = bob.get(&again);
    assert!(page.has("used for 37 min in 2 sessions"), "{}", page.0);
    assert!(page.has("used for 12 min so far") && page.has("Used 2 times: 12 min to 37 min"), "{}", page.0);
}

#[test]
fn what_somebody_did_who_left_is_shown_as_before() {
    let (hub, grant, again) = used();
    let admin = hub.client(&hub.admin);
    let people = PEOPLE.replace("[alice]\ngroups = [\"dev\"]\n", "");
    admin
        .apply_policy(&NewPolicy { policy: POLICY.to_owned(), people: Some(people), no_people: false })
        .unwrap();
    let browser = Browser::of(&hub, "admin");
    let page = browser.get(&again);
    assert!(page.has("Used 1 time: 37 min") && page.has(&grant), "{}", page.0);
    let page = browser.get("/web/timeline?days=1&person=alice");
    assert!(page.has("1 rows with 3 bars") && page.has("db-7 · alice"), "{}", page.0);
    let of_alice = AskGrants { user: Login::parse("alice").ok(), host: None, all: true, after: None };
    let held = admin.grants(&of_alice).unwrap();
    assert_eq!(held.iter().map(|view| view.grant.id.to_string()).collect::<Vec<_>>(), [grant]);
    let bob = hub.client(&hub.token("bob", &[Scope::Read], "1h").secret);
    assert_eq!(bob.grants(&of_alice).unwrap().len(), 1, "he approved it");
    let mallory = hub.client(&hub.token("mallory", &[Scope::Read], "1h").secret);
    assert!(mallory.grants(&of_alice).unwrap().is_empty());
}

/// Two steps, which carol could be of, and ways around them.
const STEPS: &str = r#"
[[rule]]
id = "careful"
who = { groups = ["dev"] }
where = { hosts = ["db-1"] }
what = { services = ["ssh", "sudo"] }
time = { max = "8h", clock = "first-use", claim_by = "2h" }
approve = [{ from = ["group:leads"] }, { from = ["group:security", "user:carol"] }]
escalate = [{ after = "1s", to = ["user:dave"] }]
break_glass = { who = ["group:dev"], review_by = ["group:leads"], within = "2h", block_next = false }

[[rule]]
id = "hasty"
who = { groups = ["dev"] }
where = { hosts = ["db-7"] }
what = { services = ["sudo"] }
approve = [{ from = ["group:leads"] }]
break_glass = { who = ["group:dev"], review_by = ["group:leads"], within = "1s", block_next = false }
"#;

const MORE_PEOPLE: &str = "[alice]\ngroups = [\"dev\"]\n[dave]\n[bob]\ngroups = [\"leads\"]\n\
                           [carol]\ngroups = [\"leads\"]\n[grace]\ngroups = [\"security\"]\n";

fn careful() -> Hub {
    let hub = Hub::new();
    let new = NewPolicy { policy: STEPS.to_owned(), people: Some(MORE_PEOPLE.to_owned()), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    hub
}

#[test]
fn a_request_shows_each_step_with_who_agreed_and_who_could() {
    let hub = careful();
    let request = asked(&hub, &["db-1"]);
    let at = format!("/web/requests/{}", request.ask.id);
    let carol = hub.token("carol", &Scope::ALL, "1h").secret;
    let narrowing = workflow::Narrowing { length: Span::parse("30m").ok(), ..workflow::Narrowing::default() };
    let half = api::NewReview { narrowing, ..approval(&request) };
    hub.client(&carol).review(&request.ask.id.to_string(), &half).unwrap();
    let bob = Browser::of(&hub, "bob");
    until("dave may too", || bob.get(&at).has("dave"));
    let page = bob.get(&at);
    for words in [
        "1 of 2 agreed, each for one step",
        "1 of group leads; can approve: bob, dave; agreed: carol<",
        "can approve: dave, grace; agreed: carol<",
        "carol approved for at most 30m, ",
        "<dt>Narrowed to</dt><dd>for at most 30m</dd>",
        "<dt>Clock</dt><dd>starts at the first use, which must come within 2h of the approval</dd>",
    ] {
        assert!(page.has(words), "{words}: {}", page.0);
    }
}

#[test]
fn a_break_glass_shows_by_when_it_is_looked_at_and_what_came_of_that() {
    let hub = careful();
    joined(&hub, "db-7");
    let alice = hub.client(&hub.token("alice", &Scope::ALL, "1h").secret);
    let breaks = |host: &str| {
        let new = serde_json::json!({
            "hosts": [host], "services": ["sudo"], "for": "20m", "reason": "it burns", "break_glass": true
        });
        alice.request(&serde_json::from_value(new).unwrap()).unwrap().request.ask.id
    };
    let (at, late) = ["db-1", "db-7"].map(|host| format!("/web/requests/{}", breaks(host))).into();
    let bob = Browser::of(&hub, "bob");
    let page = bob.get(&at);
    for words in ["by alice, who broke glass", "Somebody must look at it by ", "; can approve: bob, carol<"] {
        assert!(page.has(words), "{words}: {}", page.0);
    }
    assert!(page.has("It was in order</button>") && page.has("It was not: revoke</button>"), "{}", page.0);
    assert!(!page.has("For no longer than") && !page.has(" agreed"), "{}", page.0);
    until("the other one is overdue", || bob.get(&late).has("Overdue: nobody looked at it by "));
    for (at, verdict, outcome) in [
        (&at, "deny", "bob looked at it: it was not in order, "),
        (&late, "approve", "bob looked at it: it was in order, "),
    ] {
        let fields = [("verdict", verdict), ("comment", "I was there")];
        let looked = bob.fill(&bob.get(at), &format!("{at}/review"), &fields);
        assert_eq!(looked.status(), "303", "{}", looked.0);
        let page = bob.get(at);
        assert!(page.has(outcome) && page.has(": I was there"), "{}", page.0);
        assert!(!page.has("Your review") && !page.has("Overdue"), "{}", page.0);
    }
    let grants =
        hub.client(&hub.admin).grants(&AskGrants { user: None, host: None, all: true, after: None }).unwrap();
    let revoked = grants.iter().filter(|view| view.state == access::GrantState::Revoked);
    assert_eq!(revoked.map(|view| view.grant.rule.to_string()).collect::<Vec<_>>(), ["careful"]);
}

#[test]
fn a_page_asks_for_all_that_a_command_can() {
    let hub = careful();
    let (alice, dave) = (Browser::of(&hub, "alice"), Browser::of(&hub, "dave"));
    let asks = |browser: &Browser<'_>, more: &[(&str, &str)]| {
        let mut fields = vec![("services", "ssh"), ("length", "1h"), ("reason", "the import hangs")];
        fields.extend(more);
        browser.fill(&browser.get("/web/ask"), "/web/ask", &fields)
    };
    let page = alice.get("/web/ask");
    assert!(!page.has("<details open>") && page.has("Break glass, in an emergency"), "{}", page.0);
    for (more, why) in [
        ([("hosts", "db-1"), ("from", "tomorrow")], "from: write it like 2026-11-24T18:00:00Z"),
        ([("labels", "prod"), ("hosts", "")], "labels: a label is KEY=VALUE"),
        ([("label", "env=prod"), ("labels", "env=test")], "labels: no host has two values of env"),
        ([("label", "env=prod"), ("labels", "role=db")], "no host carries the labels env=prod, role=db"),
        ([("hosts", "db-1"), ("user", "nobody")], "no account nobody here"),
    ] {
        let again = asks(&alice, &more);
        assert!(again.status().starts_with('4') && again.has(why), "{why}: {}", again.0);
        let (name, said) =
            more.iter().find(|(name, _)| !name.starts_with("host") && *name != "label").unwrap();
        assert!(
            again.has("<details open>") && again.has(&format!("value=\"{said}\"")),
            "{name}: {}",
            again.0
        );
    }
    let begins = crate::host::now() + chrono::TimeDelta::hours(1);
    let from = begins.format("%FT%TZ").to_string();
    let asked = asks(&dave, &[("labels", "env=prod"), ("from", &from), ("user", "alice")]);
    let at = asked.head("location").unwrap_or_else(|| panic!("{}", asked.0)).to_owned();
    let page = dave.get(&at);
    for words in
        ["alice: ssh on db-1", "<dt>Asked by</dt><dd>dave</dd>", &begins.format("%F %R UTC").to_string()]
    {
        assert!(page.has(words), "{words}: {}", page.0);
    }
    let glass = [("hosts", "db-1"), ("break_glass", "yes")];
    let refused = asks(&dave, &glass);
    assert!(refused.status() == "422" && refused.has("name=\"break_glass\" value=\"yes\""), "{}", refused.0);
    let broken = asks(&alice, &glass);
    let at = broken.head("location").unwrap_or_else(|| panic!("{}", broken.0)).to_owned();
    assert!(alice.get(&at).has("by alice, who broke glass"), "{}", alice.get(&at).0);
    // It is one's own approval, and needs a sign-in as one does.
    crate::web::age(&hub, "alice", "made", -61);
    let page = alice.get("/web/ask");
    assert!(page.has("a sign-in from the last hour") && !page.has("name=\"break_glass\""), "{}", page.0);
    let refused = asks(&alice, &glass);
    assert!(refused.status() == "403" && refused.has("a sign-in from the last hour"), "{}", refused.0);
}

#[test]
fn who_asks_for_more_time_says_the_ticket_that_the_rule_wants() {
    let hub = careful();
    let ticket = "ask = { ticket = \"OPS-[0-9]+\" }\ntime = { max = \"8h\", extend = { count = 1 } }\n";
    let policy = crate::room::POLICY.replace("approve =", &format!("{ticket}approve ="));
    hub.client(&hub.admin)
        .apply_policy(&NewPolicy { policy, people: Some(PEOPLE.to_owned()), no_people: false })
        .unwrap();
    let (alice, bob) = (Browser::of(&hub, "alice"), Browser::of(&hub, "bob"));
    let fields = [("hosts", "db-1"), ("services", "ssh"), ("reason", "a look"), ("ticket", "OPS-7")];
    let asked = alice.fill(&alice.get("/web/ask"), "/web/ask", &fields);
    let at = asked.head("location").unwrap_or_else(|| panic!("{}", asked.0)).to_owned();
    bob.fill(&bob.get(&at), &format!("{at}/review"), &[("verdict", "approve")]);
    let grants = hub.client(&hub.admin).grants(&AskGrants::default()).unwrap();
    let grant = format!("/web/grants/{}", grants[0].grant.id);
    let page = alice.get(&grant);
    assert!(page.has("name=\"ticket\" autocomplete=\"off\" value=\"OPS-7\""), "{}", page.0);
    let extend = format!("{grant}/extend");
    let more = |page: &Page, ticket: &str| {
        alice.fill(page, &extend, &[("length", "10m"), ("reason", "more"), ("ticket", ticket)])
    };
    let again = more(&page, "none");
    assert!(again.status() == "422" && again.has("value=\"none\"") && again.has("OPS-"), "{}", again.0);
    assert_eq!(more(&again, "OPS-7").status(), "303");
}
