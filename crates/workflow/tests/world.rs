//! What the policy says about an ask, against the same said naively.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{GrantId, HostName, Login, Now, Person, RequestId, Service, Span, Text, Time};
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use workflow::{
    Ask, Auto, Channel, Decider, Facts, Hosts, Kind, OnCall, People, Policy, RequestState, Rule, Schedule,
    Uncovered, World, open,
};

/// Hosts, each with its `env`.
const HOSTS: [(&str, &str); 4] = [("db-1", "prod"), ("db-2", "test"), ("web-1", "prod"), ("web-2", "test")];
const SERVICES: [&str; 3] = ["ssh", "sudo", "su"];
const NAMES: [&str; 3] = ["root", "postgres", "ali"];

/// 2027-01-15, a Friday, 09:00 in Berlin.
fn start() -> Time {
    Time::from_timestamp(1_800_000_000, 0).unwrap()
}

fn world_of(policy: &str, people: &str) -> World {
    let labels = |env: &str| BTreeMap::from([("env".to_owned(), env.to_owned())]);
    World {
        policy: Arc::new(Policy::parse(policy, Path::new("policy.toml")).unwrap()),
        people: Arc::new(People::parse(people, Path::new("people.toml")).unwrap()),
        schedules: Arc::default(),
        hosts: Arc::new(Hosts {
            labels: HOSTS.iter().map(|(host, env)| (HostName::parse(host).unwrap(), labels(env))).collect(),
            all: true,
        }),
    }
}

fn ask_of(who: &str, names: &[&str], hosts: &[&str], services: &[&str]) -> Ask {
    Ask {
        id: RequestId::from_random(1),
        kind: Kind::Access,
        asked_by: Person::parse(who).unwrap(),
        person: Person::parse(who).unwrap(),
        names: names.iter().map(|name| Login::parse(name).unwrap()).collect(),
        hosts: hosts.iter().map(|host| HostName::parse(host).unwrap()).collect(),
        labels: BTreeMap::new(),
        follows: false,
        before: None,
        services: services.iter().map(|service| Service::parse(service).unwrap()).collect(),
        run_as: None,
        length: Span::parse("30m").unwrap(),
        starts: None,
        reason: Text::parse("why").unwrap(),
        ticket: None,
        source: None,
        channel: Channel::Terminal,
        asked_at: start(),
    }
}

/// A rule as it was drawn.
#[derive(Clone, Debug)]
struct Drawn {
    denies: bool,
    /// Groups it is for, and not for; `dev` is alice's.
    groups: Vec<&'static str>,
    not_groups: Vec<&'static str>,
    /// Which of the patterns.
    hosts: Vec<&'static str>,
    env: Option<&'static str>,
    max_hosts: Option<usize>,
    services: Vec<&'static str>,
    /// Nothing, `*`, or names.
    run_as: Vec<&'static str>,
}

fn list(words: &[&str]) -> String {
    format!("[{}]", words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "))
}

impl Drawn {
    fn toml(&self, number: usize) -> String {
        let mut text = format!("[[rule]]\nid = \"r{number}\"\n");
        let mut table = |name: &str, keys: Vec<(&str, String)>| {
            if !keys.is_empty() {
                let keys: Vec<String> =
                    keys.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
                writeln!(text, "{name} = {{ {} }}", keys.join(", ")).unwrap();
            }
        };
        let some = |key, words: &[&str]| (!words.is_empty()).then(|| (key, list(words)));
        let who = some("groups", &self.groups).into_iter().chain(some("not_groups", &self.not_groups));
        table("who", who.collect());
        let place = some("hosts", &self.hosts)
            .into_iter()
            .chain(self.env.map(|env| ("labels", format!("{{ env = \"{env}\" }}"))))
            .chain(self.max_hosts.filter(|_| !self.denies).map(|most| ("max_hosts", most.to_string())));
        table("where", place.collect());
        let what = some("services", &self.services).into_iter().chain(some("run_as", &self.run_as));
        table("what", what.collect());
        text + if self.denies { "effect = \"deny\"\n" } else { "approve = [{ from = [\"user:bob\"] }]\n" }
    }

    fn is_for_alice(&self) -> bool {
        (self.groups.is_empty() || self.groups.contains(&"dev")) && !self.not_groups.contains(&"dev")
    }

    fn is_at(&self, host: &str) -> bool {
        let fits = |pattern: &&str| {
            *pattern == host || pattern.strip_suffix('*').is_some_and(|start| host.starts_with(start))
        };
        let env = HOSTS.iter().find(|(name, _)| *name == host).unwrap().1;
        (self.hosts.is_empty() || self.hosts.iter().any(fits)) && self.env.is_none_or(|own| own == env)
    }

    fn has_service(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.contains(&service)
    }

    /// Whether it gives this service of this host, asked for together with `others`.
    fn gives(&self, host: &str, service: &str, others: &[&str], run_as: Option<&str>) -> bool {
        let any = self.run_as == ["*"];
        let named = |name: &str| any || self.run_as.contains(&name);
        let switching = |service: &str| service == "sudo" || service == "su";
        let becomes = if switching(service) {
            let target = run_as.unwrap_or("root");
            if self.run_as.is_empty() { target == "root" } else { named(target) }
        } else if others.iter().any(|other| switching(other)) {
            // The name is whom to become by the other service; this one is entered as oneself.
            true
        } else {
            run_as.is_none_or(|name| name == "ali" || named(name))
        };
        self.is_at(host) && self.has_service(service) && becomes
    }

    /// Whether it forbids this service of this host.
    fn forbids(&self, host: &str, service: &str, others: &[&str], run_as: Option<&str>) -> bool {
        let switching = |service: &str| service == "sudo" || service == "su";
        let name = match run_as {
            _ if switching(service) => Some(run_as.unwrap_or("root")),
            _ if others.iter().any(|other| switching(other)) => None,
            name => name,
        };
        let any = self.run_as.is_empty() || self.run_as == ["*"];
        self.is_at(host)
            && self.has_service(service)
            && (any || name.is_some_and(|name| self.run_as.contains(&name)))
    }
}

fn some_of(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![Just(Vec::new()), proptest::sample::subsequence(words, 1..=words.len())]
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let run_as = prop_oneof![2 => Just(Vec::new()), 1 => Just(vec!["*"]), 2 => proptest::sample::subsequence(&NAMES[..], 1..=2)];
    (
        proptest::bool::weighted(0.2),
        some_of(&["dev", "ops"]),
        prop_oneof![3 => Just(Vec::new()), 1 => some_of(&["dev", "guests"])],
        some_of(&["db-1", "web-2", "db-*", "*"]),
        proptest::option::weighted(0.3, proptest::sample::select(&["prod", "test"][..])),
        proptest::option::weighted(0.3, 1usize..3),
        some_of(&SERVICES),
        run_as,
    )
        .prop_map(|(denies, groups, not_groups, hosts, env, max_hosts, services, run_as)| Drawn {
            // A rule that refuses everybody everything is no policy.
            services: if denies && services.is_empty() { vec!["su"] } else { services },
            denies,
            groups,
            not_groups,
            hosts,
            env,
            max_hosts,
            run_as,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Deny rules first, wherever they stand; then the first that gives every pair of host and service, as
    /// whom it was asked. A rule that gives only a part gives nothing.
    #[test]
    fn a_rule_covers_all_of_an_ask_or_does_not_match(
        rules in proptest::collection::vec(drawn(), 1..6),
        hosts in proptest::sample::subsequence(vec!["db-1", "db-2", "web-1", "web-2"], 1..=4),
        services in proptest::sample::subsequence(&SERVICES[..], 1..=3),
        run_as in proptest::option::of(proptest::sample::select(&NAMES[..])),
    ) {
        let text: String = rules.iter().enumerate().map(|(number, rule)| rule.toml(number)).collect();
        let world = world_of(&text, "[alice]\nnames = [\"ali\"]\ngroups = [\"dev\"]\n[bob]\n");
        let ask = Ask {
            run_as: run_as.map(|name| Login::parse(name).unwrap()),
            ..ask_of("alice", &["ali"], &hosts, &services)
        };
        let said = world.rule(&ask, Now::exactly(start()));
        let pairs: Vec<(&str, &str)> =
            hosts.iter().flat_map(|host| services.iter().map(move |service| (*host, *service))).collect();
        let mine = || rules.iter().enumerate().filter(|(_, rule)| rule.is_for_alice());
        let denied = mine().any(|(_, rule)| {
            rule.denies && pairs.iter().any(|(host, service)| rule.forbids(host, service, &services, run_as))
        });
        let first = mine().find(|(_, rule)| {
            !rule.denies
                && rule.max_hosts.is_none_or(|most| hosts.len() <= most)
                && pairs.iter().all(|(host, service)| rule.gives(host, service, &services, run_as))
        });
        match said {
            Err(Uncovered::Denied { rule }) => {
                // It may refuse a little more than a pair: what it names in host, service and name.
                let (_, rule) = mine().find(|(number, _)| rule == format!("r{number}")).unwrap();
                prop_assert!(rule.denies);
                prop_assert!(pairs.iter().any(|(host, service)| rule.is_at(host) && rule.has_service(service)));
            }
            Ok(rule) => {
                prop_assert!(!denied, "{} gives what is denied", rule.id);
                prop_assert_eq!(Some(rule.id), first.map(|(number, _)| format!("r{number}")));
            }
            Err(Uncovered::None { split, .. }) => {
                prop_assert!(!denied && first.is_none());
                // What a split proposes is covered, part by part, and is all of it.
                let mut covered = BTreeSet::new();
                for part in &split {
                    let alone = Ask { hosts: part.hosts.clone(), services: part.services.clone(),
                        run_as: part.run_as.clone(), ..ask.clone() };
                    let rule = world.rule(&alone, Now::exactly(start()));
                    prop_assert_eq!(rule.map(|rule| rule.id).ok(), Some(part.rule.clone()), "{}", part);
                    for host in &part.hosts {
                        covered.extend(part.services.iter().map(|service| (host.to_string(), service.to_string())));
                    }
                }
                let all: BTreeSet<_> = pairs.iter().map(|(host, service)| (host.to_string(), service.to_string())).collect();
                prop_assert!(split.is_empty() || covered == all, "{split:?}");
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    /// Who is away agrees to nothing; whom they named does, unless away too.
    #[test]
    fn who_is_away_is_stood_for_by_whom_they_named_and_by_nobody_further(
        away in proptest::collection::vec(
            proptest::option::of((-2i64..3, proptest::option::of(0usize..5))), 5,
        ),
        members in proptest::collection::vec(any::<bool>(), 5),
    ) {
        let mut text = "[zoe]\nmanager = \"p0\"\n".to_owned();
        for (number, absence) in away.iter().enumerate() {
            let groups = if members[number] { "[\"ops\"]" } else { "[]" };
            writeln!(text, "[p{number}]\ngroups = {groups}").unwrap();
            if let Some((hours, delegate)) = absence {
                let until = (start() + TimeDelta::hours(*hours)).to_rfc3339();
                let delegate = delegate.filter(|other| *other != number);
                let delegate = delegate.map(|other| format!(", delegate = \"p{other}\"")).unwrap_or_default();
                writeln!(text, "away = {{ until = \"{until}\"{delegate} }}").unwrap();
            }
        }
        let policy = "[[rule]]\nid = \"r\"\napprove = [{ from = [\"group:ops\"] }, { from = [\"manager\"] }]\n";
        let policy = policy.to_owned() + "escalate = [{ after = \"1h\", to = [\"user:p1\"] }]\n";
        let rule = world_of(&policy, &text)
            .rule(&ask_of("zoe", &["zoe"], &["db-1"], &["ssh"]), Now::exactly(start()))
            .unwrap();
        let is_away = |number: usize| away[number].is_some_and(|(hours, _)| hours > 0);
        let stands = |number: usize| {
            if !is_away(number) {
                return Some(number);
            }
            let (_, delegate) = away[number]?;
            delegate.filter(|other| *other != number && !is_away(*other))
        };
        let meant = |numbers: Vec<usize>| -> BTreeSet<Person> {
            let there = numbers.into_iter().filter_map(stands);
            there.map(|number| Person::parse(&format!("p{number}")).unwrap()).collect()
        };
        prop_assert_eq!(&rule.steps[0].from, &meant((0..5).filter(|number| members[*number]).collect()));
        prop_assert_eq!(&rule.steps[1].from, &meant(vec![0]));
        prop_assert_eq!(&rule.escalations[0].to, &meant(vec![1]));
    }

    /// A rule approves by itself while everything it names is known to hold, and else leaves it to people.
    #[test]
    fn facts_that_are_old_unknown_or_unmet_fall_back_to_people(
        known in proptest::bool::weighted(0.9),
        age_h in -2i64..30,
        // How far the wall clock is ahead of the time that is known for certain.
        ahead_h in prop_oneof![3 => Just(0i64), 1 => 0i64..30],
        provisional in proptest::bool::weighted(0.2),
        hour in prop_oneof![3 => Just(0i64), 1 => 0i64..75],
        on_call in prop_oneof![3 => Just("alice@example.org"), 1 => Just("bob")],
        level in 1u8..4,
        minutes in 10u32..70,
        used in 0u32..4,
    ) {
        let policy = r#"
            [schedule.primary]
            file = "/oncall.toml"
            max_age = "1d"
            [[rule]]
            id = "r"
            auto = { hours = "Mon-Fri 08:00-19:00 Europe/Berlin", on_call = "primary", level = 2, max = "45m", quota = "2 per 7d" }
            approve = [{ from = ["user:bob"] }]
        "#;
        let mut world = world_of(policy, "[alice]\nmail = \"Alice@example.org\"\n[bob]\n");
        let now = start() + TimeDelta::hours(hour);
        let latest = now + TimeDelta::hours(ahead_h);
        let shift = format!(
            "[[shift]]\nwho = \"{on_call}\"\nlevel = {level}\nfrom = \"2027-01-01T00:00:00Z\"\nto = \"2027-02-01T00:00:00Z\"\n"
        );
        let schedule = Schedule::parse(&shift, Path::new("oncall.toml"), now).unwrap();
        let fact = if known {
            OnCall::Known(schedule, latest - TimeDelta::hours(age_h))
        } else {
            OnCall::Unknown("no file".to_owned())
        };
        world.schedules = Arc::new([("primary".to_owned(), fact)].into());
        let length = Span::seconds(minutes * 60).unwrap();
        let ask = Ask { length, asked_at: now, ..ask_of("alice", &["alice"], &["db-1"], &["ssh"]) };
        let rule = world.rule(&ask, Now { trusted: now, latest, provisional }).unwrap();
        let facts = Facts { auto_used: used, ..Facts::default() };
        let opened = open(ask, &rule, &facts, GrantId::from_random(1), now).unwrap();
        // From Friday 09:00 until 19:00, and again on Monday at 08:00.
        let in_hours = (0..10).contains(&hour) || hour >= 71;
        let holds = known
            && (0..=24).contains(&age_h)
            && !provisional
            && in_hours
            && on_call.starts_with("alice")
            && level <= 2
            && minutes <= 45
            && used < 2;
        match opened.request.state {
            RequestState::Approved { by: Decider::Rule { saw }, .. } => {
                prop_assert!(holds, "it saw {saw:?}");
                prop_assert_eq!(saw.len(), 3);
            }
            RequestState::Pending { .. } => {
                prop_assert!(!holds);
                prop_assert_eq!(opened.grant, None);
            }
            other => prop_assert!(false, "{}", other.code()),
        }
    }
}

/// What alice may hold by the first rule of this policy.
fn grant_of(world: &World, ask: Ask) -> access::Grant {
    let now = Now::exactly(start());
    let rule = Rule {
        auto: Some(Auto { held: vec![], missed: vec![], longest: None, quota: None }),
        ..world.rule(&ask, now).unwrap()
    };
    open(ask, &rule, &Facts::default(), GrantId::from_random(2), start()).unwrap().grant.unwrap()
}

const PEOPLE: &str = "[alice]\nnames = [\"alice\", \"ali\"]\ngroups = [\"dev\"]\n[bob]\n";
const ANY: &str =
    "[[rule]]\nid = \"any\"\nwhat = { run_as = [\"*\"] }\napprove = [{ from = [\"user:bob\"] }]\n";

#[test]
fn a_login_name_that_is_somebody_elses_by_now_opens_nothing_any_more() {
    let before = world_of(ANY, PEOPLE);
    let ask = ask_of("alice", &["alice", "ali"], &["db-1"], &["ssh"]);
    let grant = grant_of(&before, ask.clone());
    assert_eq!(before.still_for(&grant), Ok(()));
    let after = world_of(ANY, "[alice]\n[bob]\nnames = [\"bob\", \"ali\"]\n");
    assert_eq!(after.still_for(&grant), Err("ali is not a login name of alice any more".to_owned()));
    let why = after.rule(&ask, Now::exactly(start())).unwrap_err().to_string();
    assert!(why.contains("ali is not a login name of alice any more"), "{why}");
}

#[test]
fn a_deny_rule_about_a_name_ends_who_logs_in_by_it_where_it_is_shared() {
    let world = world_of(ANY, PEOPLE);
    let login = |name| Login::parse(name).ok();
    let shared = Ask { run_as: login("root"), ..ask_of("alice", &["alice", "ali"], &["db-1"], &["ssh"]) };
    let own = ask_of("alice", &["alice", "ali"], &["db-1"], &["ssh"]);
    let denies =
        format!("{ANY}[[rule]]\nid = \"no-root\"\neffect = \"deny\"\nwhat = {{ run_as = [\"root\"] }}\n");
    let after = world_of(&denies, PEOPLE);
    assert!(after.still_for(&grant_of(&world, shared)).unwrap_err().contains("no-root"));
    assert_eq!(after.still_for(&grant_of(&world, own)), Ok(()));
}
