//! Everything the desk says to people, as they read it: because of what, who can, and what happens next.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{EndedHow, Grant, GrantId, HostName, Login, Now, Person, RequestId, Service, Span, Text, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use workflow::{
    Ask, Channel, Decider, End, Event, Facts, Held, Hosts, Kind, Narrowing, OnCall, People, Policy, Refusal,
    Request, Review, ReviewVerdict, Rule, Schedule, Stepped, World, digest, end, findings, length_of, open,
    some_of, step, who_can,
};

const PEOPLE: &str = r#"
    [alice]
    groups = ["dev", "dba"]
    [bob]
    groups = ["dba"]
    manager = "carol"
    [carol]
    groups = ["dba"]
    [dave]
    groups = ["dba"]
    [erin]
    groups = ["dba", "students"]
    [frank]
    groups = ["visitors"]
"#;

const POLICY: &str = r#"
    [schedule.primary]
    file = "/etc/jitd/oncall.ics"
    max_age = "1d"

    [[rule]]
    id = "no-students"
    effect = "deny"
    who = { groups = ["students"] }

    [[rule]]
    id = "dba"
    who = { groups = ["dba"] }
    where = { hosts = ["db-*"], max_hosts = 2 }
    ask = { reason_min = 10, ticket = "OPS-[0-9]+" }
    time = { max = "1h", ahead = "7d", pending = "1h", extend = { count = 1, max = "30m", total = "80m", approve = "nobody" } }
    approve = [{ from = ["group:dba"], need = 2 }]
    break_glass = { who = ["user:alice", "user:bob"], max = "30m", review_by = ["group:dba"], within = "1d" }

    [[rule]]
    id = "web"
    who = { groups = ["dba"] }
    where = { hosts = ["web-*"] }
    what = { services = ["ssh"] }
    ask = { source = "pin" }
    approve = [{ from = ["user:alice", "manager"] }]

    [[rule]]
    id = "oncall"
    who = { groups = ["dba"] }
    where = { hosts = ["app-*"] }
    auto = { hours = "Mon-Fri 08:00-19:00 Europe/Berlin", on_call = "primary", max = "30m", quota = "1 per 7d" }

    [[rule]]
    id = "glass"
    who = { groups = ["dba"] }
    where = { hosts = ["safe"] }
    break_glass = { who = ["user:alice"], max = "30m", review_by = ["user:alice"], within = "1d" }

    [[rule]]
    id = "empty"
    who = { users = ["bob"] }
    where = { hosts = ["old"] }
    approve = [{ from = ["group:gone", "user:ghost"] }, { from = ["manager"] }]
"#;

/// Later, less is given.
const LESS: &str = r#"
    [[rule]]
    id = "dba"
    who = { groups = ["dba"] }
    time = { max = "20m" }
    approve = [{ from = ["group:dba"], need = 2 }]
"#;

fn at(second: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

fn people(names: &[&str]) -> Vec<Person> {
    names.iter().map(|name| person(name)).collect()
}

fn world_of(policy: &str, schedule: OnCall) -> World {
    let hosts = ["db-1", "db-2", "db-3", "web-1", "app-1", "safe", "old"];
    World {
        policy: Arc::new(Policy::parse(policy, Path::new("policy.toml")).unwrap()),
        people: Arc::new(People::parse(PEOPLE, Path::new("people.toml")).unwrap()),
        schedules: Arc::new([("primary".to_owned(), schedule)].into()),
        hosts: Arc::new(Hosts {
            labels: hosts.map(|host| (HostName::parse(host).unwrap(), BTreeMap::new())).into(),
            all: true,
        }),
    }
}

fn world() -> World {
    world_of(POLICY, OnCall::Known(Schedule::default(), at(-3600)))
}

fn ask(who: &str, hosts: &[&str], services: &[&str]) -> Ask {
    Ask {
        id: RequestId::from_random(1),
        kind: Kind::Access,
        asked_by: person(who),
        person: person(who),
        names: [Login::parse(who).unwrap()].into(),
        hosts: hosts.iter().map(|host| HostName::parse(host).unwrap()).collect(),
        labels: BTreeMap::new(),
        follows: false,
        before: None,
        services: services.iter().map(|service| Service::parse(service).unwrap()).collect(),
        run_as: None,
        length: Span::parse("30m").unwrap(),
        starts: None,
        reason: Text::parse("the index is slow").unwrap(),
        ticket: Text::parse("OPS-1").ok(),
        source: None,
        channel: Channel::Terminal,
        asked_at: at(0),
    }
}

fn mint() -> GrantId {
    GrantId::from_random(7)
}

fn rule(ask: &Ask) -> Rule {
    world().rule(ask, Now::exactly(at(0))).unwrap()
}

fn opened_with(ask: Ask, facts: &Facts) -> Result<Stepped, Refusal> {
    let rule = rule(&ask);
    open(ask, &rule, facts, mint(), at(0))
}

fn refused(change: impl FnOnce(&mut Ask)) -> Refusal {
    let mut ask = ask("alice", &["db-1", "db-2"], &["ssh", "sudo"]);
    let rule = rule(&ask);
    change(&mut ask);
    open(ask, &rule, &Facts::default(), mint(), at(0)).unwrap_err()
}

/// What an approver, or somebody who is none, gets to hear about the request of `alice`.
struct Desk {
    request: Request,
    facts: Facts,
}

impl Desk {
    fn asked(ask: Ask) -> Self {
        Self { request: opened_with(ask, &Facts::default()).unwrap().request, facts: Facts::default() }
    }

    fn event(&self, by: &str, verdict: ReviewVerdict) -> Event {
        let review = Review {
            by: person(by),
            verdict,
            comment: None,
            channel: Channel::Terminal,
            at: at(1),
            digest: digest(&self.request),
        };
        Event::Review { review, names: [Login::parse(by).unwrap()].into(), mint: mint() }
    }

    fn yes(&self, by: &str) -> Event {
        self.event(by, ReviewVerdict::Approve { narrowing: Narrowing::default() })
    }

    fn cut(&self, by: &str, narrowing: Narrowing) -> Event {
        self.event(by, ReviewVerdict::Approve { narrowing })
    }

    fn step(&self, event: Event, second: i64) -> Result<Stepped, Refusal> {
        let rule = rule(&self.request.ask);
        step(&self.request, Ok(&rule), &self.facts, event, at(second))
    }

    fn after(&self, event: Event, second: i64) -> Self {
        Self { request: self.step(event, second).unwrap().request, facts: self.facts.clone() }
    }

    fn refusal(&self, event: Event) -> Refusal {
        self.step(event, 2).unwrap_err()
    }
}

fn only_on(host: &str) -> Narrowing {
    Narrowing { hosts: Some([HostName::parse(host).unwrap()].into()), ..Narrowing::default() }
}

fn grant() -> Grant {
    let desk = Desk::asked(ask("alice", &["db-1", "db-2"], &["ssh", "sudo"]));
    let desk = desk.after(desk.yes("bob"), 1);
    desk.step(desk.yes("carol"), 1).unwrap().grant.unwrap()
}

fn more(grant: &Grant, length: &str, by: &str, second: i64) -> Refusal {
    let first = ask("alice", &["db-1", "db-2"], &["ssh", "sudo"]);
    let ask = Ask {
        kind: Kind::Extend { grant: grant.id },
        asked_by: person(by),
        length: Span::parse(length).unwrap(),
        before: length_of(grant),
        ..first
    };
    let rule = rule(&ask);
    let held = Held { ends: grant.window.latest_end(), grant: grant.clone() };
    let facts = Facts { held: Some(held), ..Facts::default() };
    open(ask, &rule, &facts, mint(), at(second)).unwrap_err()
}

#[allow(clippy::too_many_lines)] // one list, to be read from top to bottom
fn refusals() -> Vec<Refusal> {
    let desk = Desk::asked(ask("alice", &["db-1", "db-2"], &["ssh", "sudo"]));
    let once = desk.after(desk.yes("bob"), 1);
    let two = once.after(once.yes("carol"), 1);
    let denied = desk.after(desk.event("dave", ReviewVerdict::Deny), 1);
    let cancelled = desk.after(Event::Cancel { by: person("alice") }, 1);
    let over = desk.after(Event::Tick, 3600);
    let gone = step(&desk.request, Err("no rule is for alice"), &desk.facts, Event::Tick, at(1)).unwrap();
    let gone = Desk { request: gone.request, facts: Facts::default() };
    let glass = Desk::asked(Ask { kind: Kind::BreakGlass, ..ask("alice", &["db-1"], &["ssh"]) });
    let mut full = Desk::asked(ask("alice", &["db-1"], &["ssh"]));
    let deny = Desk::asked(ask("alice", &["db-1"], &["ssh"])).event("frank", ReviewVerdict::Deny);
    let Event::Review { review, .. } = deny else { unreachable!() };
    full.request.reviews = vec![review; 32];
    let grant = grant();
    let end_of = |grant: &Grant, by: &str, how, reason: Option<&str>| {
        let reason = reason.and_then(|reason| Text::parse(reason).ok());
        end(grant, End { how, by: person(by), has_right: false, reason }, Now::exactly(at(2)))
    };
    let ended = end_of(&grant, "alice", EndedHow::Released, None).unwrap();
    let extended = Grant { extended: 1, ..grant.clone() };
    let twice = Refusal::TooManyExtensions { grant: grant.id, count: 2 };
    let late = Event::Review {
        review: Review {
            by: person("carol"),
            verdict: ReviewVerdict::Deny,
            comment: None,
            channel: Channel::Terminal,
            at: at(1),
            digest: digest(&desk.request),
        },
        names: BTreeSet::new(),
        mint: mint(),
    };
    let narrowed = desk.after(desk.cut("bob", only_on("db-1")), 1);
    let less = world_of(LESS, OnCall::Unknown("no file".to_owned()));
    let less = less.rule(&desk.request.ask, Now::exactly(at(0))).unwrap();
    let mut extends = Desk::asked(ask("alice", &["db-1"], &["ssh"]));
    extends.request.ask.kind = Kind::Extend { grant: grant.id };
    let stale = narrowed.refusal(desk.yes("carol"));
    let ssh: BTreeSet<Service> = [Service::parse("ssh").unwrap(), Service::parse("su").unwrap()].into();
    let in_need = |of: &str, host: &str| {
        opened_with(
            Ask { source: "203.0.113.5".parse().ok(), ..ask(of, &[host], &["ssh"]) },
            &Facts::default(),
        )
        .unwrap_err()
    };
    let unseen = Facts { unseen: vec![RequestId::from_random(9)], ..Facts::default() };
    let more_glass = Ask { kind: Kind::BreakGlass, ..ask("alice", &["db-1"], &["ssh"]) };
    vec![
        two.refusal(late.clone()),
        denied.refusal(desk.yes("carol")),
        cancelled.refusal(desk.yes("carol")),
        over.refusal(desk.yes("carol")),
        desk.step(desk.yes("carol"), 3600).unwrap_err(),
        gone.refusal(desk.yes("carol")),
        Desk { request: glass.request.clone(), facts: Facts::default() }
            .refusal(Event::Cancel { by: person("alice") }),
        desk.refusal(desk.yes("alice")),
        desk.refusal(desk.yes("frank")),
        glass.refusal(glass.yes("frank")),
        once.refusal(once.yes("bob")),
        stale,
        narrowed.refusal(
            narrowed.cut("carol", Narrowing { length: Span::parse("2h").ok(), ..Narrowing::default() }),
        ),
        narrowed.refusal(narrowed.cut("carol", only_on("db-2"))),
        narrowed.refusal(narrowed.cut("carol", Narrowing { services: Some(ssh), ..Narrowing::default() })),
        full.refusal(full.yes("bob")),
        in_need("alice", "web-1"),
        in_need("alice", "app-1"),
        in_need("alice", "safe"),
        in_need("bob", "old"),
        refused(|ask| ask.length = Span::parse("61m").unwrap()),
        step(&desk.request, Ok(&less), &desk.facts, desk.yes("bob"), at(1)).unwrap_err(),
        refused(|ask| ask.reason = Text::parse("slow").unwrap()),
        refused(|ask| ask.ticket = None),
        opened_with(ask("bob", &["web-1"], &["ssh"]), &Facts::default()).unwrap_err(),
        opened_with(Ask { kind: Kind::BreakGlass, ..ask("carol", &["db-1"], &["ssh"]) }, &Facts::default())
            .unwrap_err(),
        opened_with(
            Ask {
                kind: Kind::BreakGlass,
                source: "203.0.113.5".parse().ok(),
                ..ask("bob", &["web-1"], &["ssh"])
            },
            &Facts::default(),
        )
        .unwrap_err(),
        opened_with(Ask { kind: Kind::BreakGlass, ..ask("alice", &["safe"], &["ssh"]) }, &Facts::default())
            .unwrap_err(),
        opened_with(more_glass, &unseen).unwrap_err(),
        glass.refusal(glass.cut("bob", Narrowing { length: Span::parse("5m").ok(), ..Narrowing::default() })),
        open(
            Ask { kind: Kind::Extend { grant: grant.id }, ..ask("alice", &["db-1"], &["ssh"]) },
            &less,
            &Facts::default(),
            mint(),
            at(0),
        )
        .unwrap_err(),
        more(&extended, "10m", "alice", 2),
        twice,
        more(
            &Grant {
                window: access::Window::Approval { not_before: at(-3600), expires: at(900) },
                ..grant.clone()
            },
            "10m",
            "alice",
            2,
        ),
        opened_with(
            Ask { kind: Kind::Extend { grant: grant.id }, ..ask("alice", &["db-1"], &["ssh"]) },
            &Facts { held: Some(Held { ends: at(1800), grant: grant.clone() }), ..Facts::default() },
        )
        .unwrap_err(),
        more(&grant, "10m", "bob", 2),
        more(&grant, "10m", "alice", 3600),
        step(
            &desk.request,
            Err("rule \"no-students\" forbids it, whoever would approve"),
            &desk.facts,
            desk.yes("bob"),
            at(1),
        )
        .unwrap_err(),
        refused(|ask| ask.starts = Some(at(8 * 86_400))),
        refused(|ask| ask.starts = Some(at(-3600))),
        desk.refusal(Event::Cancel { by: person("bob") }),
        end_of(&ended, "alice", EndedHow::Released, None).unwrap_err(),
        end_of(&grant, "bob", EndedHow::Released, None).unwrap_err(),
        end_of(&grant, "frank", EndedHow::Revoked, Some("why")).unwrap_err(),
        end_of(&grant, "bob", EndedHow::Revoked, None).unwrap_err(),
        Refusal::NotInChat { request: RequestId::from_random(5), rule: "production".into() },
        Refusal::LastInChat { request: RequestId::from_random(5), rule: "production".into() },
        Refusal::OverByTheWall { ends: at(3600), wall: at(3 * 3600), trusted: at(0) },
        Refusal::TooManyPending(20),
        Refusal::TooManyOpened(60),
        Refusal::TooManyThere { count: 10, what: "pending requests", most: 20 },
        Refusal::TooManyGrants { person: person("alice"), count: 64 },
        refused(|ask| ask.services.clear()),
        refused(|ask| ask.services = (0..100).map(|n| Service::parse(&format!("s{n}")).unwrap()).collect()),
        refused(|ask| ask.kind = Kind::Standing),
        refused(|ask| (ask.kind, ask.asked_by) = (Kind::BreakGlass, person("bob"))),
        refused(|ask| (ask.kind, ask.starts) = (Kind::BreakGlass, Some(at(60)))),
    ]
}

/// Every sort of refusal there is: a new one does not compile until it stands here, and in the test below.
fn sort(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::AlreadyDecided { .. } => 0,
        Refusal::OwnRequest { .. } => 1,
        Refusal::NotApprover { .. } => 2,
        Refusal::AlreadyReviewed(_) => 3,
        Refusal::Changed(_) => 4,
        Refusal::Widens(_) => 5,
        Refusal::TooManyReviews(_) => 6,
        Refusal::NobodyCouldApprove(_) => 7,
        Refusal::TooLong { .. } => 8,
        Refusal::GivesLess { .. } => 9,
        Refusal::ReasonTooShort { .. } => 10,
        Refusal::Ticket { .. } => 11,
        Refusal::NoAddress { .. } => 12,
        Refusal::NoBreakGlass { .. } => 13,
        Refusal::Unseen { .. } => 14,
        Refusal::NoExtension { .. } => 15,
        Refusal::TooManyExtensions { .. } => 16,
        Refusal::ExtendedTooFar { .. } => 17,
        Refusal::NotCovered { .. } => 18,
        Refusal::TooFarAhead { .. } => 19,
        Refusal::Over(_) => 20,
        Refusal::NotYours(_) => 21,
        Refusal::AlreadyEnded { .. } => 22,
        Refusal::NotYourGrant { .. } => 23,
        Refusal::TooManyPending(_) => 24,
        Refusal::TooManyOpened(_) => 25,
        Refusal::TooManyGrants { .. } => 26,
        Refusal::Senseless(_) => 27,
        Refusal::NotInChat { .. } => 28,
        Refusal::LastInChat { .. } => 29,
        Refusal::TooManyThere { .. } => 30,
        Refusal::OverByTheWall { .. } => 31,
        Refusal::NotAsLong { .. } => 32,
    }
}

const SORTS: usize = 33;

/// Why no rule covers what was asked.
fn uncovered() -> Vec<String> {
    let said = |ask: &Ask| world().rule(ask, Now::exactly(at(0))).unwrap_err().to_string();
    let alone = World { hosts: Arc::new(Hosts { labels: BTreeMap::new(), all: true }), ..world() };
    let as_postgres =
        Ask { run_as: Login::parse("postgres").ok(), ..ask("bob", &["web-1"], &["ssh", "sudo"]) };
    vec![
        said(&ask("ghost", &["db-1"], &["ssh"])),
        said(&ask("alice", &["db-9"], &["ssh"])),
        alone.rule(&ask("alice", &["db-9"], &["ssh"]), Now::exactly(at(0))).unwrap_err().to_string(),
        said(&ask("erin", &["db-1"], &["ssh"])),
        said(&ask("frank", &["db-1"], &["ssh"])),
        said(&ask("alice", &["db-1", "db-2", "db-3"], &["ssh"])),
        said(&ask("alice", &["db-1", "db-2", "web-1"], &["ssh"])),
        said(&ask("alice", &["web-1"], &["ssh", "su"])),
        said(&as_postgres),
    ]
}

/// What a rule that approves by itself saw or missed, and who decided.
fn deciders() -> Vec<String> {
    let by_rule = |world: &World, second: i64, length: &str, facts: &Facts| {
        let ask = Ask { length: Span::parse(length).unwrap(), ..ask("bob", &["app-1"], &["ssh"]) };
        let now = Now { provisional: second < 0, ..Now::exactly(at(second)) };
        let rule = world.rule(&ask, now).unwrap();
        match open(ask, &rule, facts, mint(), at(second)) {
            Ok(stepped) => match stepped.request.state {
                workflow::RequestState::Approved { by, .. } => format!("approved by {by}"),
                other => other.code().to_owned(),
            },
            Err(why) => why.to_string(),
        }
    };
    let shifts = |level: u8, who: &str| {
        let text = format!(
            "[[shift]]\nwho = \"{who}\"\nlevel = {level}\nfrom = \"2027-01-01T00:00:00Z\"\nto = \"2027-02-01T00:00:00Z\"\n"
        );
        Schedule::parse(&text, Path::new("oncall.toml"), at(0)).unwrap()
    };
    let on_call = |level, who| world_of(POLICY, OnCall::Known(shifts(level, who), at(-12 * 3600)));
    let none = Facts::default();
    vec![
        by_rule(&on_call(1, "bob"), 0, "30m", &none),
        by_rule(&on_call(1, "bob"), 0, "30m", &Facts { auto_used: 1, ..Facts::default() }),
        by_rule(&on_call(2, "bob"), 0, "1h", &none),
        by_rule(&on_call(1, "carol"), 86_400, "30m", &none),
        by_rule(&on_call(1, "bob"), -12 * 3600, "30m", &none),
        by_rule(&world_of(POLICY, OnCall::Known(shifts(1, "bob"), at(60))), 0, "30m", &none),
        by_rule(
            &world_of(POLICY, OnCall::Unknown("reading /etc/jitd/oncall.ics: no such file".into())),
            0,
            "30m",
            &none,
        ),
        format!("approved by {}", Decider::People(people(&["bob"]))),
        format!("approved by {}", Decider::People(people(&["bob", "carol"]))),
        format!("approved by {}", Decider::People(people(&["bob", "carol", "dave"]))),
        format!("approved by {}", Decider::Rule { saw: Vec::new() }),
    ]
}

/// What a changed policy says to requests that wait and to grants.
fn changed() -> Vec<String> {
    let denied = |world: &World, ask: Ask| {
        let desk = Desk::asked(ask);
        let rule = world.rule(&desk.request.ask, Now::exactly(at(1))).map_err(|why| why.to_string());
        let rule = rule.as_ref().map_err(String::as_str);
        let stepped = step(&desk.request, rule, &desk.facts, Event::Recheck { mint: mint() }, at(1)).unwrap();
        match stepped.request.state {
            workflow::RequestState::Denied { by, .. } => format!("denied by {by}"),
            other => other.code().to_owned(),
        }
    };
    let only_students = POLICY.replace("groups = [\"students\"]", "groups = [\"dba\"]");
    let others = LESS.replace("max = \"20m\"", "max = \"8h\"").replace("group:dba", "group:gone");
    let of = |policy: &str| world_of(policy, OnCall::Known(Schedule::default(), at(0)));
    let mut ghost = grant();
    ghost.person = person("ghost");
    let left = POLICY.replace(
        "id = \"dba\"\n    who = { groups = [\"dba\"] }",
        "id = \"dba\"\n    who = { groups = [\"visitors\"] }",
    );
    vec![
        denied(&of(LESS), ask("alice", &["db-1"], &["ssh"])),
        denied(&of(&only_students), ask("alice", &["db-1"], &["ssh"])),
        denied(&of(&others), ask("alice", &["db-1"], &["ssh"])),
        world().still_for(&ghost).unwrap_err(),
        of(&only_students).still_for(&grant()).unwrap_err(),
        of(&left).still_for(&grant()).unwrap_err(),
    ]
}

/// Findings of `jit policy check`, on one machine whose accounts nobody listed.
fn found() -> Vec<String> {
    let account = |name: &str, group: &str| {
        (person(name), [Login::parse(name).unwrap()].into(), [group.to_owned()].into())
    };
    let system = People::of_system([account("alice", "dba"), account("bob", "dba"), account("carol", "dev")]);
    let unlisted = World { people: Arc::new(system), ..world() };
    let now = Now::exactly(at(0));
    findings(&world(), now)
        .into_iter()
        .chain(findings(&unlisted, now))
        .map(|finding| finding.to_string())
        .collect()
}

fn who() -> Vec<String> {
    vec![
        who_can(&[]),
        who_can(&people(&["bob"])),
        who_can(&people(&["bob", "carol"])),
        who_can(&people(&["bob", "carol", "dave", "erin"])),
        who_can(&people(&["bob", "carol", "dave", "erin", "frank"])),
        some_of(&people(&["bob", "carol", "dave"])),
    ]
}

#[test]
fn everything_that_people_read_says_why_and_what_next() {
    let refusals = refusals();
    let sorts: BTreeSet<usize> = refusals.iter().map(sort).collect();
    assert_eq!(sorts, (0..SORTS).collect(), "each sort of refusal is read here");
    let parts = [
        ("refused", refusals.iter().map(ToString::to_string).collect()),
        ("not covered", uncovered()),
        ("by itself, and who decided", deciders()),
        ("a changed policy", changed()),
        ("findings", found()),
        ("who can", who()),
    ];
    let said: Vec<String> = parts
        .iter()
        .map(|(title, lines): &(_, Vec<String>)| format!("# {title}\n{}\n", lines.join("\n")))
        .collect();
    let said = said.join("\n");
    if said != include_str!("golden_words.txt") {
        std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/words.txt"), &said).unwrap();
        let new = concat!(env!("CARGO_TARGET_TMPDIR"), "/words.txt");
        assert_eq!(
            said,
            include_str!("golden_words.txt"),
            "read {new} aloud before it becomes golden_words.txt"
        );
    }
    for line in said.lines() {
        assert!(line.bytes().all(|c| (b' '..=b'~').contains(&c)) && !line.ends_with('.'), "{line}");
        assert!(!line.contains(" --"), "pages and chats say it too, and have no flags: {line}");
    }
}
