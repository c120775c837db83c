//! Who people are, by the file and by the system.
#![allow(clippy::unwrap_used)] // also in what tests share

use access::{Login, Person, Time};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use workflow::People;

fn parse(text: &str) -> Result<People, String> {
    People::parse(text, Path::new("people.toml")).map_err(|errors| errors.to_string())
}

fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

fn login(name: &str) -> Login {
    Login::parse(name).unwrap()
}

fn logins(names: &[&str]) -> BTreeSet<Login> {
    names.iter().map(|name| login(name)).collect()
}

fn people(names: &[&str]) -> BTreeSet<Person> {
    names.iter().map(|name| person(name)).collect()
}

/// Accounts as `person, login names, groups`.
fn system(accounts: &[(&str, &[&str], &[&str])]) -> People {
    People::of_system(accounts.iter().map(|(name, names, groups)| {
        (person(name), logins(names), groups.iter().map(|group| (*group).to_owned()).collect())
    }))
}

fn owner(people: &People, name: &str) -> Option<String> {
    people.of_login(&login(name)).map(|human| human.person.to_string())
}

#[test]
fn a_person_is_found_by_login_mail_and_group() {
    let all = parse(
        "[alice]\nnames = [\"alice\", \"alice-adm\"]\nmail = \"Alice@Example.org\"\ngroups = [\"dev\", \"oncall\"]\n\
         manager = \"bob\"\nzone = \"Europe/Berlin\"\n[bob]\ngroups = [\"dev\"]\n",
    )
    .unwrap();
    let alice = all.get(&person("alice")).unwrap();
    assert!(alice.listed && alice.manager == Some(person("bob")) && alice.away.is_none());
    assert_eq!(alice.zone, Some(chrono_tz::Europe::Berlin));
    assert_eq!(owner(&all, "alice-adm").as_deref(), Some("alice"));
    assert_eq!(owner(&all, "bob").as_deref(), Some("bob"));
    for text in ["alice@example.ORG", "alice", "alice-adm"] {
        assert_eq!(all.by_mail_or_name(text), Some(alice), "{text}");
    }
    assert_eq!(all.by_mail_or_name("carol"), None);
    assert_eq!(all.members("dev"), people(&["alice", "bob"]));
    assert!(all.groups_exist("oncall") && !all.groups_exist("ops") && all.members("ops").is_empty());
}

#[test]
fn an_absence_ends_with_the_day_where_the_person_is() {
    let until = |more: &str| {
        let all = parse(&format!("[alice]\n{more}\n[carol]\n")).unwrap();
        all.get(&person("alice")).unwrap().away.clone().unwrap()
    };
    let at = |instant: &str| instant.parse::<Time>().unwrap();
    let plain = until("away = { until = \"2026-12-01\", delegate = \"carol\" }");
    assert_eq!((plain.until, plain.delegate), (at("2026-12-02T00:00:00Z"), Some(person("carol"))));
    assert_eq!(
        until("away = { until = 2026-12-01 }\nzone = \"Europe/Berlin\"").until,
        at("2026-12-01T23:00:00Z")
    );
    assert_eq!(until("away = { until = \"2026-12-01T12:00:00+02:00\" }").until, at("2026-12-01T10:00:00Z"));
    // Midnight of 6 September 2026 is skipped in Santiago.
    let skipped = until("away = { until = 2026-09-05 }\nzone = \"America/Santiago\"");
    assert_eq!(skipped.until, at("2026-09-06T04:00:00Z"));
}

#[test]
fn each_mistake_is_told_with_its_line_key_and_fix() {
    for (text, said) in [
        (
            "[alice]\n[bob]\nnames = [\"alice\"]\n",
            "2: bob: has \"alice\", which is alice's too: let one of the two have it: by it people are told apart",
        ),
        (
            "[alice]\nmail = \"a@x.example\"\n[bob]\nmail = \"A@X.example\"\n",
            "3: bob: has \"a@x.example\", which is alice's too: let one of the two have it: by it people are told apart",
        ),
        (
            "[alice]\nmanager = \"bob\"\n",
            "2: alice: manager: bob is not in this file: add [\"bob\"], or correct the name",
        ),
        (
            "[alice]\nmanager = \"alice\"\n",
            "2: alice: manager: leads back to the same person: alice -> alice: end the circle",
        ),
        (
            "[a]\nmanager = \"b\"\n[b]\nmanager = \"c\"\n[c]\nmanager = \"b\"\n[d]\nmanager = \"b\"\n",
            "4: b: manager: leads back to the same person: b -> c -> b: end the circle",
        ),
        (
            "[alice]\naway = { until = \"2026-12-01\", delegate = \"alice\" }\n",
            "2: alice: away.delegate: is the person who is away: name somebody else, or remove it",
        ),
        (
            "[alice]\naway = { until = \"soon\" }\n",
            "2: alice: away.until: \"soon\" is not a date: write 2026-12-01, or an instant with its offset as 2026-12-01T12:00:00Z",
        ),
        (
            "[alice]\nnames = [\"root\"]\n",
            "2: alice: names: root is nobody's own name: remove it: people become root by sudo",
        ),
        ("[root]\n", "1: root: root is nobody in particular: remove it: people become root by sudo"),
        (
            "[alice]\nmail = \"alice\"\n",
            "2: alice: mail: \"alice\" is not a mail address: write for example alice@example.org",
        ),
        (
            "[alice]\nage = 5\n",
            "2: alice: age: is not a key here: remove it, or write one of away, groups, mail, manager, names, zone",
        ),
        ("alice = 5\n", "1: alice: is of type integer: write a table in { }"),
    ] {
        assert_eq!(parse(text).unwrap_err(), format!("people.toml:{said}"), "{text}");
    }
    let said = parse("[\"a b\"]\n").unwrap_err();
    assert!(said.starts_with("people.toml:1: a b: person \"a b\" has a character"), "{said}");
    let zone = parse("[alice]\nzone = \"Berlin\"\n").unwrap_err();
    assert!(zone.ends_with(": write one as Europe/Berlin"), "{zone}");
}

#[test]
fn root_is_in_no_group_under_any_name() {
    let all = system(&[
        ("root", &["root", "toor"], &["root", "jit-approvers"]),
        ("bob", &["bob"], &["jit-approvers"]),
    ]);
    assert_eq!(all.members("jit-approvers"), people(&["bob"]));
    assert!(all.members("root").is_empty());
    let over = parse("[bob]\n").unwrap().over(&all);
    assert_eq!(over.members("jit-approvers"), people(&["bob"]));
    let first_alias = system(&[("toor", &["root", "toor"], &["jit-approvers"])]);
    assert!(first_alias.members("jit-approvers").is_empty());
    // Whose name is one of root's user id acts as root, so they review nothing either.
    let as_root = system(&[("root", &["root", "bob"], &["jit-approvers"])]);
    assert!(parse("[bob]\n").unwrap().over(&as_root).members("jit-approvers").is_empty());
}

#[test]
fn the_file_comes_first_and_the_system_fills_what_it_leaves_out() {
    let local = system(&[
        ("alice", &["alice", "alias"], &["dev"]),
        ("alice-adm", &["alice-adm"], &["sudo"]),
        ("bob", &["bob"], &["dev", "leads"]),
        ("eve", &["eve"], &["dev"]),
    ]);
    let file = "[alice]\nnames = [\"alice\", \"alice-adm\"]\n[bob]\ngroups = [\"ops\"]\n[zoe]\nmail = \"z@x.example\"\n";
    let all = parse(file).unwrap().over(&local);
    // Alice has the groups of both accounts, and every name of their user ids.
    let alice = all.get(&person("alice")).unwrap();
    assert_eq!(alice.names, logins(&["alice", "alice-adm", "alias"]));
    assert_eq!(alice.groups.iter().map(String::as_str).collect::<Vec<_>>(), ["dev", "sudo"]);
    assert_eq!(owner(&all, "alias").as_deref(), Some("alice"));
    assert_eq!(all.get(&person("alice-adm")), None);
    // Bob's groups were written, so the system's count for nothing.
    assert_eq!(all.members("dev"), people(&["alice", "eve"]));
    assert_eq!((all.members("ops"), all.groups_exist("leads")), (people(&["bob"]), false));
    let eve = all.get(&person("eve")).unwrap();
    assert!(!eve.listed && all.get(&person("zoe")).unwrap().listed);
}

#[test]
fn an_account_that_only_shares_the_name_of_a_listed_person_is_nobody() {
    let local = system(&[("alice", &["alice"], &["jit-approvers"])]);
    let all = parse("[alice]\nnames = [\"asmith\"]\n").unwrap().over(&local);
    assert_eq!(owner(&all, "alice"), None);
    assert!(all.members("jit-approvers").is_empty());
    assert_eq!(owner(&all, "asmith").as_deref(), Some("alice"));
}

#[test]
fn ten_thousand_people_are_read_in_a_moment() {
    let one = |n: usize| {
        let manager = if n == 0 { String::new() } else { format!("manager = \"p{}\"\n", n / 10) };
        format!(
            "[p{n}]\nnames = [\"p{n}\", \"p{n}-adm\"]\nmail = \"p{n}@example.org\"\ngroups = [\"g{}\"]\n{manager}",
            n % 50
        )
    };
    let all = parse(&(0..10_000).map(one).collect::<Vec<_>>().concat()).unwrap();
    assert_eq!((all.all().count(), all.members("g7").len()), (10_000, 200));
    assert_eq!(owner(&all, "p9999-adm").as_deref(), Some("p9999"));
}

const WORDS: &str = r#"\[|\]|\{|\}|"|=|\n|\[alice\]\n|manager = "[a-c]"\n|names = \["[a-c]"\]\n|away = \{ until = [0-9]{4}-[0-9]{2}-[0-9]{2} \}\n|mail = "a@b"\n|groups = \[\]\n|\PC{0,8}"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_it_panic_and_every_login_name_is_of_one_person(
        words in prop::collection::vec((0..30_usize, WORDS), 0..6),
    ) {
        let text = include_str!("../../../config/examples/people.toml");
        let mut lines: Vec<&str> = text.lines().collect();
        for (place, word) in &words {
            let place = place % lines.len();
            lines.insert(place, word);
        }
        match parse(&lines.join("\n")) {
            Ok(all) => {
                let names: Vec<_> = all.all().flat_map(|human| &human.names).collect();
                prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
            }
            Err(said) => prop_assert!(said.lines().all(|line| line.starts_with("people.toml:")), "{said}"),
        }
    }
}
