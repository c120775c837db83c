//! What `jit policy check` finds in a policy.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{Now, Time};
use std::path::Path;
use std::sync::Arc;
use workflow::{
    Accounts, Finding, FindingKind, Hosts, OnCall, People, Policy, Schedule, Weight, World, findings,
};

const PEOPLE: &str = "[alice]\ngroups = [\"dev\"]\nmanager = \"bob\"\n[bob]\ngroups = [\"leads\"]\n\
    [carol]\ngroups = [\"dba\"]\n";

fn now() -> Now {
    Now::exactly("2026-11-24T12:00:00Z".parse::<Time>().unwrap())
}

fn world(policy: &str, people: People) -> World {
    World {
        policy: Arc::new(Policy::parse(policy, Path::new("policy.toml")).unwrap()),
        people: Arc::new(people),
        schedules: Arc::default(),
        hosts: Arc::new(Hosts::default()),
    }
}

fn listed() -> People {
    People::parse(PEOPLE, Path::new("people.toml")).unwrap()
}

fn found(policy: &str) -> Vec<Finding> {
    findings(&world(policy, listed()), now())
}

fn of(policy: &str, kind: FindingKind) -> Vec<String> {
    found(policy).iter().filter(|finding| finding.kind == kind).map(ToString::to_string).collect()
}

/// A rule with these lines, that two people who are there could approve.
fn rule(id: &str, lines: &str) -> String {
    format!("[[rule]]\nid = \"{id}\"\n{lines}\napprove = [{{ from = [\"user:bob\", \"user:carol\"] }}]\n")
}

#[test]
fn a_rule_behind_one_that_covers_all_of_it_is_unreachable() {
    let wide_and_narrow = [
        ("", "who = { groups = [\"dev\"] }"),
        ("who = { groups = [\"dev\"] }", "who = { users = [\"alice\"] }"),
        ("who = { groups = [\"dev\", \"dba\"] }", "who = { groups = [\"dba\"], not_groups = [\"leads\"] }"),
        ("where = { hosts = [\"db-*\"] }", "where = { hosts = [\"db-1\", \"db-*-eu\"] }"),
        ("where = { labels = { env = \"prod\" } }", "where = { labels = { env = \"prod\", at = \"eu\" } }"),
        ("where = { max_hosts = 3 }", "where = { max_hosts = 2 }"),
        ("what = { services = [\"ssh\", \"sudo\"] }", "what = { services = [\"sudo\"] }"),
        ("what = { run_as = [\"*\"] }", "what = { services = [\"sudo\"], run_as = [\"postgres\"] }"),
        ("what = { run_as = [\"root\", \"postgres\"] }", "what = { services = [\"sudo\", \"ssh\"] }"),
    ];
    for (wide, narrow) in wide_and_narrow {
        let behind = format!("{}{}", rule("wide", wide), rule("narrow", narrow));
        let told = of(&behind, FindingKind::Unreachable);
        assert_eq!(told.len(), 1, "{wide} | {narrow}: {told:?}");
        assert!(
            told[0].contains("rule \"narrow\": is never reached, since rule \"wide\" on line 1"),
            "{told:?}"
        );
        let before = format!("{}{}", rule("narrow", narrow), rule("wide", wide));
        assert_eq!(of(&before, FindingKind::Unreachable), [""; 0], "{narrow} | {wide}");
    }
    let same = [
        rule("a", "what = { services = [\"sudo\"] }"),
        rule("b", "what = { services = [\"sudo\"], run_as = [\"root\"] }"),
    ];
    assert_eq!(of(&same.concat(), FindingKind::Unreachable).len(), 1);
    let told = found(&same.concat());
    assert!(
        told.iter().any(|f| f.kind == FindingKind::Unreachable && f.weight == Weight::Warning),
        "{told:?}"
    );
}

#[test]
fn a_rule_is_reachable_while_one_request_could_come_to_it() {
    for (first, second) in [
        ("who = { groups = [\"dev\"] }", "who = { users = [\"carol\"] }"),
        ("who = { not_groups = [\"dba\"] }", "who = { groups = [\"dev\"] }"),
        ("where = { max_hosts = 1 }", "where = { hosts = [\"db-1\"] }"),
        ("where = { labels = { env = \"prod\" } }", "where = { hosts = [\"db-1\"] }"),
        ("what = { services = [\"ssh\"] }", "what = { services = [\"ssh\", \"sudo\"] }"),
        // As root over ssh is not what a rule without names gives.
        ("what = { services = [\"ssh\"] }", "what = { services = [\"ssh\"], run_as = [\"root\"] }"),
        ("what = { run_as = [\"postgres\"] }", "what = { services = [\"sudo\"] }"),
    ] {
        let policy = format!("{}{}", rule("first", first), rule("second", second));
        assert_eq!(of(&policy, FindingKind::Unreachable), [""; 0], "{first} | {second}");
    }
}

#[test]
fn a_rule_wholly_under_a_deny_rule_is_unreachable_wherever_that_stands() {
    let deny = |what: &str| format!("[[rule]]\nid = \"no\"\neffect = \"deny\"\n{what}\n");
    for (denied, given) in [
        ("who = { groups = [\"dev\"] }", "who = { users = [\"alice\"] }"),
        ("where = { hosts = [\"db-*\"] }", "where = { hosts = [\"db-1\"] }"),
        ("what = { services = [\"sudo\", \"su\"] }", "what = { services = [\"su\"] }"),
        ("what = { run_as = [\"root\"] }", "what = { services = [\"sudo\"] }"),
    ] {
        for policy in [deny(denied) + &rule("given", given), rule("given", given) + &deny(denied)] {
            let told = of(&policy, FindingKind::Unreachable);
            assert_eq!(told.len(), 1, "{policy}");
            assert!(told[0].contains("rule \"given\": gives nothing, since deny rule \"no\""), "{told:?}");
        }
    }
    for (denied, given) in [
        ("who = { groups = [\"dev\"] }", ""),
        ("what = { services = [\"sudo\"] }", "what = { services = [\"sudo\", \"ssh\"] }"),
        ("what = { run_as = [\"root\"] }", "what = { services = [\"sudo\"], run_as = [\"root\", \"web\"] }"),
        ("what = { run_as = [\"root\"] }", "what = { services = [\"ssh\"] }"),
    ] {
        let told = of(&(deny(denied) + &rule("given", given)), FindingKind::Unreachable);
        assert_eq!(told, [""; 0], "{denied} | {given}");
    }
}

#[test]
fn whoever_is_named_and_not_there_is_told_once() {
    let policy = "[[rule]]\nid = \"a\"\nwho = { users = [\"ghost\"], groups = [\"none\"] }\n\
        approve = [{ from = [\"group:nobody\", \"user:bob\"] }, { from = [\"group:nobody\", \"user:carol\"] }]\n\
        tell = [\"user:phantom\"]\n\
        break_glass = { who = [\"user:ghost\"], review_by = [\"group:night\"] }\n";
    assert_eq!(
        of(policy, FindingKind::EmptyGroup),
        [
            "policy.toml:1: rule \"a\": group none has no members, so it is for nobody of it: add somebody to it",
            "policy.toml:1: rule \"a\": group nobody has no members, so nobody of it could approve: add somebody to it",
            "policy.toml:1: rule \"a\": group night has no members, so nobody of it could approve: add somebody to it",
        ]
    );
    let told = of(policy, FindingKind::Nobody);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("nobody named ghost") && told[1].contains("nobody named phantom"), "{told:?}");
}

#[test]
fn two_approvals_of_accounts_that_nothing_tells_apart_refuse_the_policy() {
    let local = Accounts::parse(
        "bob:x:1:1::/:/bin/sh\nbob2:x:2:2::/:/bin/sh\nalice:x:3:3::/:/bin/sh\n",
        "leads:x:9:bob,bob2\n",
    );
    let local = || People::of_system(local.everybody());
    let two = "[[rule]]\nid = \"two\"\napprove = [{ from = [\"group:leads\"], need = 2 }]\n";
    let told = findings(&world(two, local()), now());
    let refusing: Vec<_> = told.iter().filter(|finding| finding.refuses()).collect();
    assert_eq!(refusing.len(), 1, "{told:?}");
    assert!(refusing[0].what.contains("bob or bob2 could be one person"), "{told:?}");
    // An extension of its own, and who comes in late, count too.
    let late = "[[rule]]\nid = \"late\"\nescalate = [{ after = \"1h\", to = [\"group:leads\"] }]\n\
        approve = [{ from = [\"user:carol\", \"user:dora\"], need = 2 }]\n";
    let more = "[[rule]]\nid = \"more\"\napprove = [{ from = [\"group:leads\"] }]\n\
        time = { extend = { count = 1, approve = [{ from = [\"group:leads\"], need = 2 }] } }\n";
    for policy in [late, more] {
        assert!(findings(&world(policy, local()), now()).iter().any(Finding::refuses), "{policy}");
    }
    let known = "[bob]\nnames = [\"bob\", \"bob2\"]\ngroups = [\"leads\"]\n[carol]\ngroups = [\"leads\"]\n";
    let known = People::parse(known, Path::new("people.toml")).unwrap().over(&local());
    assert!(!findings(&world(two, known), now()).iter().any(Finding::refuses));
}

#[test]
fn who_would_be_left_alone_with_a_request_is_told() {
    let alone =
        "[[rule]]\nid = \"a\"\nwho = { groups = [\"dba\"] }\napprove = [{ from = [\"group:dba\"] }]\n";
    let told = of(alone, FindingKind::OnlyThemselves);
    assert!(told.len() == 1 && told[0].contains("carol could never get it"), "{told:?}");
    // Others can agree: another group, the manager, somebody who comes in later.
    for more in [
        "who = { groups = [\"dba\"] }\napprove = [{ from = [\"group:dba\", \"group:leads\"] }]\n",
        "who = { groups = [\"dev\"] }\napprove = [{ from = [\"group:dev\", \"manager\"] }]\n",
        "who = { groups = [\"dba\"] }\napprove = [{ from = [\"group:dba\"] }]\n\
         escalate = [{ after = \"1h\", to = [\"user:bob\"] }]\n",
    ] {
        assert_eq!(
            of(&format!("[[rule]]\nid = \"a\"\n{more}"), FindingKind::OnlyThemselves),
            [""; 0],
            "{more}"
        );
    }
    // One person cannot fill two steps, whoever asks.
    let twice = "[[rule]]\nid = \"a\"\nwho = { users = [\"alice\"] }\n\
        approve = [{ from = [\"user:bob\"] }, { from = [\"user:bob\"] }]\n";
    assert_eq!(of(twice, FindingKind::OnlyThemselves).len(), 1);
    // Whoever is away comes back: that is no mistake of the policy.
    let away = People::parse("[alice]\n[bob]\naway = { until = \"2027-01-01\" }\n", Path::new("people.toml"));
    let policy =
        "[[rule]]\nid = \"a\"\nwho = { users = [\"alice\"] }\napprove = [{ from = [\"user:bob\"] }]\n";
    let told = findings(&world(policy, away.unwrap()), now());
    assert!(told.iter().all(|finding| finding.kind != FindingKind::OnlyThemselves), "{told:?}");
}

#[test]
fn a_rule_that_fills_many_inboxes_says_how_many() {
    let people = |count: usize| {
        let all: Vec<String> = (0..count).map(|n| format!("[p{n}]\ngroups = [\"all\"]\n")).collect();
        People::parse(&all.concat(), Path::new("people.toml")).unwrap()
    };
    let told = |count, rule: &str| {
        let policy = format!("[[rule]]\nid = \"a\"\n{rule}\n");
        let told = findings(&world(&policy, people(count)), now());
        told.iter().filter(|f| f.kind == FindingKind::TellsMany).map(|f| f.what.clone()).collect::<Vec<_>>()
    };
    let asked = "approve = [{ from = [\"group:all\"] }]";
    assert_eq!(told(20, asked), [""; 0]);
    let words =
        "this rule will tell 70 people of each request: name a smaller group, or most will stop reading";
    assert_eq!(told(70, asked), [words]);
    let heard = "approve = [{ from = [\"user:p0\"] }]\ntell = [\"group:all\"]";
    assert_eq!(told(70, heard), [words]);
    let late = "approve = [{ from = [\"user:p0\"] }]\nescalate = [{ after = \"1h\", to = [\"group:all\"] }]";
    assert!(told(70, late)[0].contains("will tell 1 people of each request, and 69 more if nobody answers"));
}

#[test]
fn root_by_one_click_and_by_none_is_told() {
    let click = |lines: &str| !of(&rule("a", lines), FindingKind::ChatGivesRoot).is_empty();
    assert!(click("") && click("what = { services = [\"sudo\"] }") && click("what = { run_as = [\"*\"] }"));
    assert!(click("what = { services = [\"ssh\"], run_as = [\"root\"] }"));
    assert!(!click("what = { services = [\"ssh\"] }") && !click("teams = \"notify\""));
    assert!(
        !click("what = { services = [\"sudo\"], run_as = [\"postgres\"] }")
            && !click("teams = \"first-of-two\"")
    );
    let two = "[[rule]]\nid = \"a\"\napprove = [{ from = [\"user:bob\", \"user:carol\"], need = 2 }]\n";
    assert_eq!(of(two, FindingKind::ChatGivesRoot), [""; 0]);
    let auto = |lines: &str| {
        of(
            &rule("a", &format!("auto = {{ max = \"1h\", quota = \"5 per 7d\" }}\n{lines}")),
            FindingKind::AutoGivesRoot,
        )
    };
    assert!(auto("")[0].contains("gives root without anybody (for 1h at most, 5 per 7d)"), "{:?}", auto(""));
    assert_eq!(auto("what = { services = [\"ssh\"] }"), [""; 0]);
}

#[test]
fn standing_access_is_listed_until_it_is_renewed_and_loudly_a_fortnight_before_it_ends_and_once_it_is_over() {
    let policy = |day: &str| {
        format!(
            "[[rule]]\nid = \"backup\"\nwho = {{ users = [\"carol\"] }}\nwhere = {{ hosts = [\"db-1\"] }}\n\
             what = {{ services = [\"ssh\"] }}\nstanding = {{ owner = \"bob\", review_by = \"{day}\" }}\n"
        )
    };
    let good = found(&policy("2026-12-08"));
    assert_eq!((good.len(), good[0].weight, good[0].kind), (1, Weight::Note, FindingKind::Standing));
    assert_eq!(
        good[0].what,
        "carol has standing access, for which bob answers, until 2026-12-08 (14 days left)"
    );
    for (day, left) in [("2026-12-07", "13 days"), ("2026-11-25", "1 day"), ("2026-11-24", "0 days")] {
        let soon = found(&policy(day));
        assert_eq!((soon.len(), soon[0].weight, soon[0].kind), (1, Weight::Warning, FindingKind::Standing));
        let what = format!("until {day} ({left} left): write a later review_by, or remove the rule");
        assert!(soon[0].what.ends_with(&what), "{}", soon[0].what);
    }
    let over = found(&policy("2026-11-23"));
    assert_eq!((over.len(), over[0].weight, over[0].kind), (1, Weight::Warning, FindingKind::StandingOver));
    assert!(over[0].what.starts_with("carol has no access any more: nobody renewed it by 2026-11-23."));
}

#[test]
fn a_schedule_that_is_gone_or_stale_is_told_and_a_fresh_one_is_not() {
    let policy = "[schedule.p]\nfile = \"/s.toml\"\nmax_age = \"1d\"\n".to_owned()
        + &rule("a", "what = { services = [\"ssh\"] }\nauto = { on_call = \"p\" }");
    let mut world = world(&policy, listed());
    let told = |world: &World| {
        let told = findings(world, now());
        assert!(told.iter().all(|finding| finding.kind == FindingKind::Schedule), "{told:?}");
        told.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
    };
    let mut set = |oncall| world.schedules = Arc::new([("p".to_owned(), oncall)].into());
    set(OnCall::Unknown("reading /s.toml: gone".to_owned()));
    assert!(told(&world)[0].starts_with("schedule p is not known: reading /s.toml: gone, so people decide"));
    let mut set = |oncall| world.schedules = Arc::new([("p".to_owned(), oncall)].into());
    set(OnCall::Known(Schedule::default(), "2026-11-23T11:59:59Z".parse().unwrap()));
    assert!(told(&world)[0].starts_with("schedule p, of 2026-11-23T11:59:59Z, is too old to be believed"));
    let mut set = |oncall| world.schedules = Arc::new([("p".to_owned(), oncall)].into());
    set(OnCall::Known(Schedule::default(), "2026-11-23T12:00:00Z".parse().unwrap()));
    assert_eq!(told(&world), [""; 0]);
}
