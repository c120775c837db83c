//! Pages to look something up in: timeline, journal, policy, and lists that go on.

use crate::host::{ask_for, joined, now, revoked};
use crate::room::{Hub, text, until};
use crate::web::{Browser, POLICY, approval, asked, granted, hub, used};
use api::{AskRequests, JournalPart, NewPolicy, Scope, Which};

#[test]
fn a_timeline_shows_grants_and_sessions_as_a_picture_and_in_words_to_who_may_see_them() {
    let (hub, grant, _) = used();
    let admin = Browser::of(&hub, "admin");
    let page = admin.get("/web/timeline?days=1");
    for words in [
        "<svg class=\"timeline\" role=\"img\" aria-labelledby=\"timeline-title timeline-about\"",
        "<title id=\"timeline-title\">",
        "1 rows with 3 bars",
        "db-7 · alice",
        "class=\"bar early\"",
        "class=\"bar inside\"",
        "ssh as alice</a>",
        "released",
    ] {
        assert!(page.has(words), "{words}: {}", page.0);
    }
    assert!(page.has(&format!("<a href=\"/web/grants/{grant}\">")) && !page.has(" style="), "{}", page.0);
    assert!(admin.get("/web/timeline?host=db-1").has("Nothing that you may see"));
    assert!(admin.get("/web/timeline?person=dave").has("Nothing that you may see"));
    assert!(admin.get("/web/timeline?person=alice&host=db-7").has("db-7 · alice"));
    assert!(Browser::of(&hub, "alice").get("/web/timeline").has("db-7 · alice"), "her own");
    assert!(Browser::of(&hub, "bob").get("/web/timeline").has("db-7 · alice"), "he decides over it");
    let dave = Browser::of(&hub, "dave").get("/web/timeline?person=alice");
    assert!(dave.has("Nothing that you may see") && !dave.has("db-7 ·"), "{}", dave.0);
}

#[test]
fn a_search_for_what_cannot_be_says_so_and_stays_a_search() {
    let hub = hub();
    let admin = Browser::of(&hub, "admin");
    for (path, said) in [
        ("/web/timeline?days=x&host=db-1", "value=\"db-1\""),
        ("/web/timeline?host=Db_2", "value=\"Db_2\""),
        ("/web/sessions?host=Db_2&user=alice", "value=\"Db_2\""),
        ("/web/journal?host=Db_2&words=alice", "value=\"Db_2\""),
        ("/web/policy?hosts=Db_2&services=ssh", "value=\"Db_2\""),
    ] {
        let page = admin.get(path);
        assert_eq!(page.status(), if path.contains("policy") { "200" } else { "400" }, "{}", page.0);
        assert!(page.has("role=\"alert\">") && page.has("form class=\"across\""), "{path}: {}", page.0);
        assert!(page.has(said) && !page.has("Request refused"), "{path}: {}", page.0);
    }
}

#[test]
fn hosts_and_people_are_found_by_words_and_a_list_that_is_cut_says_so() {
    let hub = hub();
    joined(&hub, "db-7");
    let admin = Browser::of(&hub, "admin");
    for (words, found, count) in [
        ("", &["db-1", "db-7"][..], "2 hosts."),
        ("B-7", &["db-7"], "1 of 2 hosts."),
        ("env%3Dprod+db-1", &["db-1"], "1 of 2 hosts."),
        ("env%3Dtest", &[], "0 of 2 hosts."),
    ] {
        let page = admin.get(&format!("/web/hosts?words={words}"));
        let has = |name: &str| page.has(&format!("<strong>{name}</strong>"));
        assert!(page.has(count) && !page.has("There are more"), "{words}: {}", page.0);
        assert_eq!(
            ["db-1", "db-7"].into_iter().filter(|name| has(name)).collect::<Vec<_>>(),
            found,
            "{words}"
        );
    }
    for (words, found) in [("ALI", &["alice"][..]), ("leads", &["bob"]), ("adm", &["admin"]), ("eve", &[])] {
        let page = admin.get(&format!("/web/people?words={words}"));
        let has = |name: &str| page.has(&format!("<strong>{name}</strong>"));
        let listed: Vec<&str> =
            ["admin", "alice", "bob", "dave"].into_iter().filter(|name| has(name)).collect();
        assert_eq!(listed, found, "{words}: {}", page.0);
        assert_eq!(page.has("Nobody is called so."), found.is_empty(), "{}", page.0);
    }
    let more = (0..499).map(|number| format!("[p-{number}]\n")).collect::<Vec<_>>().concat();
    let people = format!("[alice]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\n{more}");
    let new = NewPolicy { policy: POLICY.to_owned(), people: Some(people), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    let page = admin.get("/web/people");
    assert!(page.has("501 people are") && page.has("There are more than are shown"), "{}", page.0);
    assert!(!admin.get("/web/people?words=p-49").has("There are more"));
    hub.sql(
        "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) \
         WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1001) \
         SELECT 'web-' || n, '{}', 'k-' || n, 'm-' || n, x'', 0, 1 FROM number",
    );
    let page = admin.get("/web/hosts");
    assert!(page.has("1003 hosts. There are more than are shown"), "{}", &page.0[..2000]);
    assert!(!admin.get("/web/hosts?words=web-7").has("There are more"));
}

#[test]
fn the_journal_is_searched_by_words_page_by_page_and_by_who_sees_everything() {
    let (hub, grant, _) = used();
    let admin = Browser::of(&hub, "admin");
    let page = admin.get(&format!("/web/journal?words=change%3Dreleased+{grant}"));
    assert!(page.has("1 line, the newest first") && page.has("change=released actor=alice"), "{}", page.0);
    assert!(
        admin.get("/web/journal?words=no+such+words").has("have these words")
            || admin.get("/web/journal?words=zzzz").has("has these words")
    );
    let host = admin.get("/web/journal?host=db-7&words=decision");
    assert!(
        host.has("2 lines, the newest first") && host.has("decision=allow reason=granted user=alice"),
        "{}",
        host.0
    );
    // One that joins anew begins another log, and what was before it is there.
    let there = joined(&hub, "db-7");
    let newer = journal::LogId([9; 16]);
    let row = journal::Head::start(newer).next(
        journal::Stamp { boot: "b".into(), wall_ms: now().timestamp_millis(), boot_ms: 1 },
        "{}".to_owned(),
    );
    let part = JournalPart { log: newer, rows: vec![row], oldest: false };
    assert!(there.says(&hub, "journal", &part).starts_with("HTTP/1.1 200"));
    let host = admin.get("/web/journal?host=db-7&words=decision");
    assert!(host.has("No line of the last 1 "), "{}", host.0);
    let earlier = host.0.split("<option value=\"").find(|option| option.contains("an earlier one")).unwrap();
    let name = earlier.split('"').next().unwrap();
    let host = admin.get(&format!("/web/journal?host=db-7&words=decision&log={name}"));
    assert!(host.has("decision=allow"), "{}", host.0);
    // From before a place.
    let before = admin.get("/web/journal?before=2");
    assert!(before.has("1 line, ") && before.has("seq=1<"), "{}", before.0);
    let alice = Browser::of(&hub, "alice").get("/web/journal");
    assert!(alice.status() == "403" && !alice.has("seq="), "{}", alice.0);
    assert!(!alice.has("href=\"/web/journal\"") && admin.get("/web").has("href=\"/web/journal\""));
}

#[test]
fn the_policy_is_there_to_read_and_says_what_it_would_make_of_an_ask() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let page = alice.get("/web/policy");
    assert!(page.has("id = &quot;production&quot;") && page.has("Version 1, since "), "{}", page.0);
    assert!(!page.has("people.toml</h3>"), "whose mail addresses are not for everybody");
    let said = alice.get("/web/policy?hosts=db-1&services=ssh&length=2h");
    assert!(said.has("Rule <strong>production</strong>") && said.has("could now: bob"), "{}", said.0);
    assert!(said.has("It is approved once 1 person agreed, for 2h"), "{}", said.0);
    let none = alice.get("/web/policy?hosts=web-1&services=ssh");
    assert!(none.has("Refused at once: ") || none.has("class=\"problem\""), "{}", none.0);
    let other = alice.get("/web/policy?hosts=db-1&services=ssh&user=dave");
    assert!(other.has("for them, approvers and auditors to see"), "{}", other.0);
    assert!(Browser::of(&hub, "admin").get("/web/policy").has("people.toml</h3>"));
    let nothing = hub
        .client(&hub.admin)
        .requests(&AskRequests { which: Which::All, limit: None, after: None })
        .unwrap();
    assert!(nothing.is_empty(), "a question asks for nothing");
}

#[test]
fn a_list_that_goes_on_says_so() {
    let hub = hub();
    granted(&hub, &["db-1"]);
    let browser = Browser::of(&hub, "bob");
    assert!(!browser.get("/web/grants").has("Older ones") && !browser.get("/web").has("More wait"));
    asked(&hub, &["db-1"]);
    let copies = "(WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 200) SELECT n FROM number)";
    for statement in [
        "INSERT INTO grants SELECT id + n, version, person, hosts, closed, latest_ms, at_ms - n, body, digest, seq FROM grants",
        "INSERT INTO request SELECT id + n, state, asked_by, person, asked_ms - n, due_ms, auto, unseen, body, digest, seq \
         FROM (SELECT * FROM request WHERE state = 'pending')",
    ] {
        hub.sql(&format!("{statement}, {copies}"));
    }
    let page = browser.get("/web/grants");
    assert!(page.has("Older ones"), "{}", page.0);
    let older =
        page.0.split("href=\"/web/grants?after=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(browser.get(&format!("/web/grants?after={older}")).has("db-1"));
    let inbox = browser.get("/web");
    assert!(inbox.has("More wait than are shown"), "{}", inbox.0);
    assert!(Browser::of(&hub, "alice").get("/web").has("There are older ones"));
}

#[test]
fn what_somebody_holds_is_found_however_much_others_hold() {
    let hub = hub();
    let people = Some(
        "[alice]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"dev\", \"leads\"]\n[carol]\ngroups = [\"leads\"]\n",
    );
    let new = NewPolicy { policy: POLICY.to_owned(), people: people.map(str::to_owned), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    let bob = hub.token("bob", &[Scope::Read, Scope::Request, Scope::Review], "1h").secret;
    let own = hub.client(&bob).request(&ask_for("db-1")).unwrap().request;
    let carol = hub.client(&hub.token("carol", &Scope::ALL, "1h").secret);
    let own = carol.review(&own.ask.id.to_string(), &approval(&own)).unwrap().grant.unwrap().grant.id;
    granted(&hub, &["db-1"]);
    hub.sql(
        "INSERT INTO grants SELECT id + n, version, person, hosts, closed, latest_ms, at_ms + n, body, digest, seq FROM grants, \
         (WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 200) SELECT n FROM number) \
         WHERE person = 'alice'",
    );
    let page = Browser::of(&hub, "bob").get("/web/grants");
    assert!(page.has(&format!("/web/grants/{own}")) && !page.has("You hold none"), "{}", page.0);
    let ca = hub.path("ca.crt");
    std::fs::write(&ca, hub.ca()).unwrap();
    let login = ["login", "--hub", &hub.url(), "--ca", ca.to_str().unwrap(), "--token-stdin"];
    assert!(hub.jit("bob", &login, &bob).status.success());
    let done = hub.jit("bob", &["extend", "--for", "30m", "--reason", "more"], "");
    assert!(done.status.success(), "{}", text(&done.stderr));
}

#[test]
fn a_name_with_a_plus_is_the_same_name_behind_every_link() {
    let hub = hub();
    let people = Some("[\"ann+ops\"]\nnames = [\"ann\"]\n".to_owned());
    hub.client(&hub.admin)
        .apply_policy(&NewPolicy { policy: POLICY.to_owned(), people, no_people: false })
        .unwrap();
    let token = hub.token("ann+ops", &[Scope::Read], "1h").token.id;
    let admin = Browser::of(&hub, "admin");
    let page = admin.get("/web/people");
    for (path, shown) in
        [("timeline", "value=\"ann+ops\""), ("tokens", "in the name of <strong>ann+ops</strong>")]
    {
        let to = format!("/web/{path}?person=ann%2Bops");
        assert!(page.has(&format!("href=\"{to}\"")), "{}", page.0);
        let there = admin.get(&to);
        assert!(there.status() == "200" && there.has(shown), "{}", there.0);
    }
    let listed = admin.get("/web/tokens?person=ann%2Bops");
    let gone = admin.fill(&listed, &format!("/web/tokens/{token}/revoke"), &[]);
    assert_eq!(gone.head("location"), Some("/web/tokens?person=ann%2Bops"), "{}", gone.0);
}

#[test]
fn a_page_of_hosts_says_what_is_wrong_with_them_to_who_decides_alone() {
    let hub = hub();
    crate::inbox::forked(&hub);
    for (person, is_told) in [("alice", false), ("bob", true)] {
        let page = Browser::of(&hub, person).get("/web/hosts");
        assert!(page.has("db-7") && page.has("record 8 is not the one") == is_told, "{}", page.0);
        assert_eq!(page.has(", release "), is_told, "{}", page.0);
    }
}

#[test]
fn a_grant_that_was_revoked_shows_which_hosts_know_it_and_when_it_is_over_on_the_others() {
    let hub = Hub::with_policy();
    let (mut host, gone) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let reader = Browser::of(&hub, "bob");
    let page_of = |grant| reader.get(&format!("/web/grants/{grant}"));
    let (grant, over) = revoked(&hub, &mut host, &gone, |grant| {
        assert!(!page_of(grant).has("On its hosts"), "it is good: {}", page_of(grant).0);
    });
    let shown = || page_of(grant);
    until("the host that is left has confirmed", || shown().has("Confirmed by 1 of 2."));
    let page = shown();
    assert!(page.has("<li>db-8, none of the hub's hosts now, so it hears nothing</li>"), "{}", page.0);
    assert!(
        page.has(&format!("it is over there at <time datetime=\"{}\">", over.format("%FT%TZ"))),
        "{}",
        page.0
    );
}
