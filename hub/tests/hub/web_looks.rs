//! Pages to look something up in: timeline, journal, policy, and lists that go on.

use crate::host::{joined, now};
use crate::web::{Browser, asked, granted, hub, used};
use api::{AskRequests, JournalPart, Which};

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
    assert_eq!(admin.get("/web/timeline?days=x").status(), "400");
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
