//! Forms of the hub's pages: what comes back where one is refused, where that leads, and who sees one at all.

use crate::host::joined;
use crate::web::{Browser, Page, Past, age, granted, hub, lived};
use access::Person;
use api::{AskGrants, NewLink, Scope};

#[test]
fn an_ask_that_is_refused_comes_back_as_it_was_written_with_what_was_wrong_above_it() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let asked = |fields: &[(&str, &str)]| alice.fill(&alice.get("/web/ask"), "/web/ask", fields);
    let why = "the \"import\" <b>hangs</b>";
    let written = [
        ("label", "env=prod"),
        ("hosts", "db-1 Db_2"),
        ("services", "sudo"),
        ("services", "login cron"),
        ("as", "postgres"),
        ("length", "2h"),
        ("reason", why),
        ("ticket", "OPS-7"),
    ];
    let again = asked(&written);
    assert_eq!(again.status(), "400", "{}", again.0);
    for words in [
        "role=\"alert\">hosts: ",
        "<option value=\"env=prod\" selected>",
        "value=\"db-1 Db_2\"",
        "value=\"sudo\" checked",
        "value=\"ssh\">",
        "value=\"cron login\"",
        "value=\"postgres\"",
        "value=\"2h\"",
        "value=\"the &quot;import&quot; &lt;b&gt;hangs&lt;/b&gt;\"",
        "value=\"OPS-7\"",
    ] {
        assert!(again.has(words), "{words}: {}", again.0);
    }
    let refused = asked(&[("hosts", "web-1"), ("services", "ssh"), ("reason", why)]);
    assert!(refused.status().starts_with('4') && refused.has("value=\"web-1\""), "{}", refused.0);
    let fields = [("hosts", "db-1"), ("services", "ssh"), ("reason", why)];
    assert_eq!(alice.fill(&again, "/web/ask", &fields).status(), "303", "the form that came back is good");
}

#[test]
fn every_form_that_is_refused_comes_back_with_what_was_written_and_is_good_then() {
    let hub = hub();
    let host = joined(&hub, "db-7");
    let (alice, bob, admin) =
        (Browser::of(&hub, "alice"), Browser::of(&hub, "bob"), Browser::of(&hub, "admin"));
    let comes_back = |browser: &Browser<'_>, page: &Page, path: &str, fields: &[(&str, &str)], why: &str| {
        let again = browser.fill(page, path, fields);
        assert_eq!(again.status(), "400", "{path}: {}", again.0);
        assert!(again.has(&format!("role=\"alert\">{why}")), "{path}: {}", again.0);
        for (_, said) in fields.iter().filter(|(name, _)| !["verdict", "person", "host"].contains(name)) {
            assert!(again.has(&format!("value=\"{said}\"")), "{path}, {said}: {}", again.0);
        }
        again
    };
    let at = alice.asks("the import hangs");
    let review = format!("{at}/review");
    let said = [("length", "soon"), ("comment", "not for long"), ("verdict", "approve")];
    let again = comes_back(&bob, &bob.get(&at), &review, &said, "length: ");
    assert_eq!(bob.fill(&again, &review, &[("length", "30m"), ("verdict", "approve")]).status(), "303");
    let other = alice.asks("once more");
    let no = [("length", "soon"), ("comment", "no"), ("verdict", "deny")];
    let denied = bob.fill(&bob.get(&other), &format!("{other}/review"), &no);
    assert_eq!(denied.status(), "303", "a length is nothing to a denial: {}", denied.0);

    let grants = hub.client(&hub.admin).grants(&AskGrants::default()).unwrap();
    let grant = format!("/web/grants/{}", grants[0].grant.id);
    let extend = format!("{grant}/extend");
    let said = [("length", "soon"), ("reason", "not done yet"), ("ticket", "OPS-9")];
    let again = comes_back(&alice, &alice.get(&grant), &extend, &said, "length: ");
    assert_eq!(alice.fill(&again, &extend, &[("length", "10m"), ("reason", "x")]).status(), "303");
    let long = "x".repeat(access::limits::TEXT + 1);
    let revoke = format!("{grant}/revoke");
    let again = comes_back(&bob, &bob.get(&grant), &revoke, &[("reason", &long)], "reason: ");
    assert_eq!(bob.fill(&again, &revoke, &[("reason", "it is over")]).status(), "303");

    lived(&hub, &host, "alice", &[Past { ago: 5, minutes: None, grant: None }]);
    let page = alice.get("/web/sessions?host=db-7");
    let end = page.0.split("action=\"").find(|form| form.contains("/end?host=db-7")).unwrap();
    let end = end.split('"').next().unwrap();
    let again = comes_back(&alice, &page, end, &[("reason", &long), ("host", "db-7")], "reason: ");
    assert!(again.has("<details open>"), "{}", again.0);
    let ended = alice.fill(&again, end, &[("reason", "done"), ("host", "db-7")]);
    assert_eq!(ended.head("location"), Some("/web/sessions?host=db-7"), "{}", ended.0);

    let said = [("name", "a program"), ("length", "soon")];
    comes_back(&alice, &alice.get("/web/tokens"), "/web/tokens", &said, "length: ");
    let people = admin.get("/web/people?words=ali");
    assert!(people.has("action=\"/web/people/bind?words=ali\""), "{}", people.0);
    let said = [("person", ""), ("issuer", "https://login.example.org"), ("subject", "u-1")];
    let again = comes_back(&admin, &people, "/web/people/bind?words=ali", &said, "person: ");
    assert!(again.has("<strong>alice</strong>") && !again.has("<strong>dave</strong>"), "{}", again.0);
}

#[test]
fn what_is_refused_leads_back_to_the_page_that_led_there_and_to_no_other_place() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    for (from, back) in [
        ("https://localhost/web/grants?after=x&y=%22", "href=\"/web/grants?after=x&amp;y=%22\">Back"),
        ("https://localhost.evil.example/web", "href=\"/web\">Begin anew"),
        ("https://localhost//evil.example/web", "href=\"/web\">Begin anew"),
        ("https://evil.example/web/grants", "href=\"/web\">Begin anew"),
        ("", "href=\"/web\">Begin anew"),
    ] {
        for path in ["/web/journal", "/web/nothing"] {
            let refused = alice.get_from(path, &format!("referer: {from}\r\n"));
            assert!(refused.status().starts_with("40") && refused.has(back), "{from}: {}", refused.0);
        }
    }
    let form = alice.get("/web/requests/x/cancel");
    assert!(form.status() == "405" && form.has("Begin anew"), "{}", form.0);
}

#[test]
fn who_may_not_do_something_sees_no_button_for_it() {
    let hub = hub();
    let host = joined(&hub, "db-7");
    let grant = granted(&hub, &["db-7"]);
    lived(&hub, &host, "alice", &[Past { ago: 5, minutes: None, grant: Some(&grant) }]);
    let dave = Person::parse("dave").unwrap();
    hub.client(&hub.admin)
        .set_roles(&api::Roles { person: dave, roles: [api::Role::Auditor].into() })
        .unwrap();
    let grant = format!("/web/grants/{grant}");
    let tokens = "/web/tokens?person=alice";
    for (person, may) in [("dave", false), ("bob", true), ("admin", true)] {
        let browser = Browser::of(&hub, person);
        let page = browser.get(&grant);
        assert!(page.status() == "200" && page.has("Take it back") == may, "{person}: {}", page.0);
        let page = browser.get("/web/sessions");
        assert!(page.has("since") && page.has("End it") == may, "{person}: {}", page.0);
        if person != "bob" {
            let page = browser.get(tokens);
            assert!(page.status() == "200" && page.has("/revoke") == may, "{person}: {}", page.0);
        }
    }
    // Who signed in too long ago is told so, in place of the form.
    let bob = Browser::of(&hub, "bob");
    age(&hub, "bob", "made", -61);
    for path in [grant.as_str(), "/web/sessions"] {
        let page = bob.get(path);
        assert!(page.has("a sign-in from the last hour") && !page.has("name=\"reason\""), "{}", page.0);
    }
    // A sign-in that is not for asking.
    let narrow = hub.token("alice", &[Scope::Read], "2d");
    let made = hub.client(&narrow.secret).make_link(&NewLink { person: None }).unwrap();
    let alice = Browser::new(&hub);
    alice.enter(made.url.rsplit('/').next().unwrap());
    let page = alice.get(&grant);
    assert!(!page.has("More time") && !page.has("Give it back"), "{}", page.0);
    let page = alice.get("/web/ask");
    assert!(page.has("this call needs request") && !page.has("name=\"hosts\""), "{}", page.0);
}
