//! Who has a say, found the quick way and by resolving every rule.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{HostName, Login, Now, Person, RequestId, Service, Span, Text, Time};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use workflow::{Ask, Channel, Hosts, Kind, People, Policy, World};

/// Everybody there is; alice asks, and so does dave, whose manager is away.
const NAMES: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "root"];

const PEOPLE: &str = r#"
[alice]
groups = ["dba"]
manager = "bob"
[bob]
[carol]
groups = ["leads"]
[dave]
groups = ["contractors"]
manager = "erin"
[erin]
away = { until = 2027-02-01, delegate = "frank" }
[frank]
[grace]
groups = ["leads"]
away = { until = 2027-02-01, delegate = "heidi" }
[heidi]
[ivan]
"#;

/// Each way to name somebody, in each place where that gives a say, and one that gives none.
const RULES: [&str; 9] = [
    "approve = [{ from = [\"user:ivan\"] }]",
    "approve = [{ from = [\"user:root\", \"user:alice\", \"user:bob\"] }]",
    "approve = [{ from = [\"group:leads\"], need = 2 }]",
    "approve = [{ from = [\"manager\"] }]",
    "approve = [{ from = [\"user:bob\"] }]\nescalate = [{ after = \"10m\", to = [\"group:leads\"] }]",
    "approve = [{ from = [\"user:bob\"] }]\nescalate = [{ after = \"10m\", to = [\"manager\"] }]",
    "approve = [{ from = [\"user:bob\"] }]\n\
     break_glass = { who = [\"user:alice\"], max = \"1h\", review_by = [\"user:erin\"], within = \"24h\" }",
    "approve = [{ from = [\"user:bob\"] }]\n\
     time = { extend = { count = 1, max = \"1h\", approve = [{ from = [\"user:carol\"] }] } }",
    "approve = [{ from = [\"user:bob\"] }]\ntell = [\"group:leads\"]",
];

fn now() -> Time {
    Time::from_timestamp(1_800_000_000, 0).unwrap()
}

fn ask(who: &str) -> Ask {
    let person = Person::parse(who).unwrap();
    Ask {
        id: RequestId::from_random(1),
        kind: Kind::Access,
        asked_by: person.clone(),
        names: [Login::parse(who).unwrap()].into(),
        person,
        hosts: [HostName::parse("db-1").unwrap()].into(),
        labels: BTreeMap::new(),
        follows: false,
        before: None,
        services: [Service::parse("ssh").unwrap()].into(),
        run_as: None,
        length: Span::parse("30m").unwrap(),
        starts: None,
        reason: Text::parse("why").unwrap(),
        ticket: None,
        source: None,
        channel: Channel::Terminal,
        asked_at: now(),
    }
}

#[test]
fn whoever_resolving_the_rule_gives_a_say_has_it_by_the_quick_look_too() {
    let now = Now::exactly(now());
    let mut said = 0;
    for terms in RULES {
        for who in ["", "who = { groups = [\"dba\"] }\n", "who = { groups = [\"contractors\"] }\n"] {
            let policy = format!("[[rule]]\nid = \"one\"\n{who}{terms}\n");
            let world = World {
                policy: Arc::new(Policy::parse(&policy, Path::new("policy.toml")).unwrap()),
                people: Arc::new(People::parse(PEOPLE, Path::new("people.toml")).unwrap()),
                schedules: Arc::default(),
                hosts: Arc::new(Hosts::default()),
            };
            let approvers = world.approvers(now);
            for name in NAMES {
                let person = Person::parse(name).unwrap();
                let say = world.say_of(&person, now);
                assert_eq!(say.is_some(), approvers.contains(&person), "{name} under {policy}");
                for subject in ["alice", "dave"] {
                    let ask = ask(subject);
                    let has = world.rule(&ask, now).is_ok_and(|rule| rule.has_approver(&person));
                    // Who asks is left out of the rule, and may be of those it names.
                    let may = say.may_be_about(&ask) && name != subject;
                    assert_eq!(may, has, "{name} about {subject} under {policy}");
                    said += u32::from(has);
                }
            }
        }
    }
    assert!(said > 30, "{said} had a say");
}
