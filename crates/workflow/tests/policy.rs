//! The policy language: what it says, what it refuses, and how the refusals read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // also in what tests share

use access::{HostName, Span};
use proptest::prelude::*;
use std::path::Path;
use workflow::policy::{ChatWeight, Effect, ExtendBy, OnRefusal, RunAs, Source, Terms};
use workflow::{Clock, People, Policy, Schedule, limits};

const SHIPPED: &str = include_str!("../../../config/policy.toml");

const EXAMPLES: &[(&str, &str)] = &[
    ("small-team", include_str!("../../../config/examples/small-team.toml")),
    ("production-database", include_str!("../../../config/examples/production-database.toml")),
    ("on-call", include_str!("../../../config/examples/on-call.toml")),
    ("break-glass", include_str!("../../../config/examples/break-glass.toml")),
    ("contractors", include_str!("../../../config/examples/contractors.toml")),
    ("automation", include_str!("../../../config/examples/automation.toml")),
];

const EXAMPLE_PEOPLE: &str = include_str!("../../../config/examples/people.toml");

fn parse(text: &str) -> Result<Policy, String> {
    Policy::parse(text, Path::new("policy.toml")).map_err(|errors| errors.to_string())
}

fn good(text: &str) -> Policy {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// A rule with this in it, after what every rule needs.
fn rule(with: &str) -> String {
    format!("[[rule]]\nid = \"r\"\napprove = [{{ from = [\"group:g\"] }}]\n{with}\n")
}

fn terms(policy: &Policy, place: usize) -> &Terms {
    match &policy.rules[place].effect {
        Effect::Allow(terms) => terms,
        other => panic!("{other:?}"),
    }
}

/// Pieces of text, numbered.
fn each(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().concat()
}

fn span(text: &str) -> Span {
    Span::parse(text).unwrap()
}

/// Every line of a file that is a key behind a #, switched on.
fn all_on(text: &str) -> String {
    let key =
        |line: &&str| line.strip_prefix('#').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' '));
    text.lines().map(|line| if key(&line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_policy_is_one_rule_with_what_is_built_in() {
    let policy = good(SHIPPED);
    let rule = &policy.rules[0];
    assert_eq!((policy.rules.len(), rule.id.as_str()), (1, "approved"));
    assert_eq!(SHIPPED.lines().nth(rule.line - 1), Some("[[rule]]"));
    let bare = good("[[rule]]\nid = \"bare\"\napprove = [{ from = [\"group:jit-approvers\"] }]\n");
    for terms in [terms(&policy, 0), terms(&bare, 0)] {
        assert_eq!(
            (terms.time.default, terms.time.max, terms.time.ahead, terms.time.pending, terms.time.clock),
            (span("1h"), span("8h"), span("7d"), span("1d"), Clock::Approval)
        );
        assert_eq!(terms.time.extend, None);
        assert_eq!((terms.ask.reason_min, terms.ask.pin, terms.ask.ticket.is_none()), (0, false, true));
        assert_eq!(terms.approve.len(), 1);
        assert_eq!(terms.approve[0].from, [Source::Group("jit-approvers".to_owned())]);
        assert_eq!(terms.approve[0].need, 1);
        assert_eq!((terms.teams, terms.on_refusal), (ChatWeight::Full, OnRefusal::Open));
        assert!(terms.auto.is_none() && terms.break_glass.is_none() && terms.escalate.is_empty());
    }
}

#[test]
fn every_key_that_the_shipped_files_show_is_one() {
    let policy = good(&all_on(SHIPPED));
    assert_eq!(policy.rules.len(), 2);
    let terms = terms(&policy, 0);
    assert!(terms.auto.is_some() && terms.break_glass.is_some() && !terms.escalate.is_empty());
    assert!(matches!(policy.rules[1].effect, Effect::Standing(_)));
    let shipped = include_str!("../../../config/people.toml");
    assert_eq!(People::parse(shipped, Path::new("p")).unwrap(), People::default());
    assert_eq!(People::parse(&all_on(shipped), Path::new("p")).unwrap().all().count(), 2);
}

#[test]
fn every_example_is_a_policy_over_the_people_of_the_examples() {
    let people = People::parse(EXAMPLE_PEOPLE, Path::new("people.toml")).unwrap();
    for (name, text) in EXAMPLES {
        let policy = Policy::parse(text, Path::new(name)).unwrap_or_else(|errors| panic!("{errors}"));
        for rule in &policy.rules {
            for group in rule.who.groups.iter().chain(&rule.who.not_groups) {
                assert!(people.groups_exist(group), "{name}: {group}");
            }
            if let Effect::Allow(terms) = &rule.effect {
                let steps = terms.approve.iter().flat_map(|step| &step.from);
                for source in steps.chain(&terms.tell).chain(terms.escalate.iter().flat_map(|step| &step.to))
                {
                    if let Source::Group(group) = source {
                        assert!(people.groups_exist(group), "{name}: {group}");
                    }
                }
            }
        }
    }
    let shifts = include_str!("../../../config/examples/oncall.toml");
    let now = "2026-11-25T02:00:00Z".parse().unwrap();
    let schedule = Schedule::parse(shifts, Path::new("oncall.toml"), now).unwrap();
    let on_call: Vec<_> = schedule.on_call(now).map(|shift| (shift.who.as_str(), shift.level)).collect();
    assert_eq!(on_call, [("alice", 1), ("carol@example.org", 2)]);
    assert!(schedule.shifts.iter().all(|shift| people.by_mail_or_name(&shift.who).is_some()));
}

#[test]
fn a_rule_takes_from_the_defaults_what_it_does_not_set_key_by_key() {
    let policy = good(
        r#"
[defaults]
ask = { reason_min = 10, ticket = "OPS-[0-9]+" }
time = { default = "2h", max = "6h", clock = "first-use", claim_by = "4h", extend = { count = 1 } }
approve = [{ from = ["group:a"] }]
tell = ["group:ops"]
[[rule]]
id = "plain"
[[rule]]
id = "own"
ask = { reason_min = 0, source = "pin" }
time = { max = "3h", clock = "approval", extend = { count = 0 } }
approve = [{ from = ["user:bob", "manager"], need = 2, when = { longer_than = "2h" } }, { from = ["group:b"] }]
tell = ["group:b"]
"#,
    );
    let plain = terms(&policy, 0);
    assert_eq!((plain.time.default, plain.time.max), (span("2h"), span("6h")));
    assert_eq!(plain.time.clock, Clock::FirstUse { claim_by: span("4h") });
    let extend = plain.time.extend.as_ref().unwrap();
    assert_eq!((extend.count, extend.max, extend.total), (1, span("6h"), span("12h")));
    assert_eq!(extend.approve, ExtendBy::Same);
    assert_eq!(plain.ask.reason_min, 10);
    assert_eq!((plain.approve.len(), plain.tell.len()), (1, 1));
    let own = terms(&policy, 1);
    assert_eq!((own.time.default, own.time.max, own.time.clock), (span("2h"), span("3h"), Clock::Approval));
    assert_eq!(own.time.extend, None);
    assert_eq!((own.ask.reason_min, own.ask.pin, own.ask.ticket.is_some()), (0, true, true));
    assert_eq!(own.approve[0].from, [Source::User(access::Person::parse("bob").unwrap()), Source::Manager]);
    assert_eq!((own.approve[0].need, own.approve[0].when.longer_than), (2, Some(span("2h"))));
    assert_eq!(own.tell, [Source::Group("b".to_owned())]);
}

#[test]
fn a_rule_says_who_where_and_what() {
    let policy = good(&rule(
        r#"who = { users = ["alice"], groups = ["dba"], not_groups = ["contractors"] }
where = { hosts = ["db-*", "web"], labels = { env = "prod" }, max_hosts = 3, follow_labels = true }
what = { services = ["ssh", "cockpit"], run_as = ["root", "postgres"] }"#,
    ));
    let rule = &policy.rules[0];
    assert_eq!((rule.who.users.len(), rule.who.groups.len(), rule.who.not_groups.len()), (1, 1, 1));
    let matches = |host: &str| {
        let host = HostName::parse(host).unwrap();
        rule.place.hosts.iter().any(|pattern| pattern.matches(&host))
    };
    assert!(matches("db-1") && matches("web") && !matches("web-1"));
    assert_eq!((rule.place.max_hosts, rule.place.follow_labels), (Some(3), true));
    assert_eq!(rule.place.labels["env"], "prod");
    assert!(matches!(&rule.what.run_as, Some(RunAs::These(names)) if names.len() == 2));
    let anybody =
        good("[[rule]]\nid = \"r\"\napprove = [{ from = [\"manager\"] }]\nwhat = { run_as = [\"*\"] }\n");
    assert_eq!(anybody.rules[0].what.run_as, Some(RunAs::Anybody));
}

#[test]
fn a_ticket_must_match_from_end_to_end() {
    let policy = good(&rule("ask = { ticket = \"OPS-[0-9]+|none\" }"));
    let ticket = terms(&policy, 0).ask.ticket.as_ref().unwrap();
    assert!(ticket.is_match("OPS-7") && ticket.is_match("none"));
    assert!(!ticket.is_match("OPS-7 or so") && !ticket.is_match("see OPS-7") && !ticket.is_match("nonesuch"));
}

/// Each text is refused with this alone.
fn told(cases: &[(String, &str)]) {
    for (text, said) in cases {
        assert_eq!(parse(text).err(), Some(format!("policy.toml:{said}")), "{text}");
    }
}

#[test]
fn a_mistake_in_a_time_is_told_with_its_line_its_key_and_what_would_be_right() {
    told(&[
        (
            rule("time = { default = \"9h\" }"),
            "4: rule \"r\": time.default: 9h is longer than max = 8h: lower it, or raise max",
        ),
        (
            format!("[defaults]\ntime = {{ default = \"2h\" }}\n{}", rule("time = { max = \"90m\" }")),
            "6: rule \"r\": time.max: 1h30m is shorter than default = 2h: raise it, or set default lower here too",
        ),
        (
            rule("time = { max = \"5\" }"),
            "4: rule \"r\": time.max: duration \"5\" has a number without a unit: write for example 30m, 2h, 1h30m or 3d",
        ),
        (
            rule("time = { max = \"400d\" }"),
            "4: rule \"r\": time.max: duration \"400d\" is longer than a year: write for example 30m, 2h, 1h30m or 3d",
        ),
        (
            rule("time = { claim_by = \"1h\" }"),
            "4: rule \"r\": time.claim_by: means nothing while the clock starts with the approval: write clock = \"first-use\" too",
        ),
        (
            rule("time = { extend = { count = 2, total = \"1h\" } }"),
            "4: rule \"r\": time.extend.total: 1h is shorter than time.max = 8h: raise it, or lower time.max",
        ),
        (
            rule("time = { sessions = \"3\" }"),
            "4: rule \"r\": time.sessions: is of type string: write a whole number from 1 to 1000",
        ),
    ]);
}

#[test]
fn a_mistake_in_who_must_agree_is_told_with_its_line_its_key_and_what_would_be_right() {
    let allow = "[[rule]]\nid = \"r\"\n";
    told(&[
        (
            allow.to_owned(),
            "1: rule \"r\": approve: is missing, so nobody could ever agree: write approve = [{ from = [\"group:...\"] }] here or in [defaults], or auto, or break_glass",
        ),
        (
            format!("{allow}approve = []\n"),
            "3: rule \"r\": approve: is empty, so nobody could ever agree: name who must agree",
        ),
        (
            format!("{allow}approve = [{{ from = [\"group:g\"], when = {{ longer_than = \"2h\" }} }}]\n"),
            "3: rule \"r\": approve: has a when in every step, so what none of them counts for would need nobody: add a step without when",
        ),
        (
            format!("{allow}approve = [{{ from = [\"dba\"] }}]\n"),
            "3: rule \"r\": approve.from: \"dba\" names nobody: write \"group:NAME\", \"user:NAME\" or \"manager\"",
        ),
        (
            format!("{allow}approve = [{{ from = [\"group:g\"], need = 0 }}]\n"),
            "3: rule \"r\": approve.need: \"0\" is out of bounds: write a whole number from 1 to 32",
        ),
        (
            format!("{allow}approve = [{{ from = [\"user:a\", \"user:b\"], need = 3 }}]\n"),
            "3: rule \"r\": approve.need: 3 people are needed of 2 named: name more, or lower need",
        ),
        (
            format!("{allow}auto = {{}}\n"),
            "3: rule \"r\": auto: is empty, so the rule would approve everything: write at least one of hours, on_call, max and quota, or remove it",
        ),
        (
            format!("[schedule.primary]\nfile = \"/etc/x.ics\"\n{}", rule("auto = { on_call = \"primry\" }")),
            "6: rule \"r\": auto.on_call: there is no schedule \"primry\": write \"primary\", or add a table for it",
        ),
        (
            rule("auto = { hours = \"Mon-Fri 8-19\" }"),
            "4: rule \"r\": auto.hours: hours are days, times and a time zone: write for example \"Mon-Fri 08:00-19:00 Europe/Berlin\"",
        ),
        (
            rule("auto = { quota = \"many\" }"),
            "4: rule \"r\": auto.quota: \"many\" is not a quota: write for example \"5 per 7d\", from 1 to 1000",
        ),
        (
            rule("auto = { level = 2, max = \"1h\" }"),
            "4: rule \"r\": auto.level: means nothing without on_call: name the schedule in on_call, or remove it",
        ),
        (
            rule("auto = { max = \"9h\" }"),
            "4: rule \"r\": auto.max: 9h is longer than time.max = 8h: lower it, or raise time.max",
        ),
        (
            rule("escalate = { after = \"2d\", to = [\"manager\"] }"),
            "4: rule \"r\": escalate.after: 2d comes no sooner than the request's end by time.pending = 1d: lower it, or raise pending",
        ),
        (
            rule("break_glass = { who = [\"group:oncall\"] }"),
            "4: rule \"r\": break_glass.review_by: is missing: say who looks at it afterwards, for example [\"group:security\"]",
        ),
    ]);
}

#[test]
fn a_mistake_in_the_rest_is_told_with_its_line_its_key_and_what_would_be_right() {
    let allow = "[[rule]]\nid = \"r\"\n";
    told(&[
        (
            rule("effect = \"deny\"\nwho = { users = [\"eve\"] }"),
            "3: rule \"r\": approve: means nothing in a deny rule, which has id, effect, who, where and what alone: remove it",
        ),
        (
            format!("[defaults]\nauto = {{ max = \"1h\" }}\n{}", rule("")),
            "2: [defaults]: auto: means nothing in [defaults], which has ask, time, approve, escalate, teams, tell and on_refusal alone: remove it",
        ),
        (
            rule("who = { groups = [] }"),
            "4: rule \"r\": who.groups: is empty, which restricts nothing: name at least one, or leave the key out",
        ),
        (
            rule("where = { hosts = [\"DB-*\"] }"),
            "4: rule \"r\": where.hosts: \"DB-*\" is not a host name or pattern: write lower-case letters, digits, - _ . and * for any run of characters",
        ),
        (
            rule("where = { follow_labels = true }"),
            "4: rule \"r\": where.follow_labels: follows nothing: name where.labels too, or remove it",
        ),
        (
            rule("what = { services = [\"sshd\"] }"),
            "4: rule \"r\": what.services: sshd is the name of a PAM service: write its class, \"ssh\"",
        ),
        (
            rule("what = { run_as = [\"*\", \"root\"] }"),
            "4: rule \"r\": what.run_as: names \"*\" and others: write [\"*\"] alone for anybody, or the names alone",
        ),
        (
            rule("colour = 1"),
            "4: rule \"r\": colour: is not a key here: remove it, or write one of approve, ask, auto, break_glass, effect, escalate, id, on_refusal, standing, teams, tell, time, what, where, who",
        ),
        (
            rule("effect = \"alow\""),
            "4: rule \"r\": effect: \"alow\" is not known: write \"allow\" or \"deny\"",
        ),
        (
            format!("{allow}effect = \"deny\"\n"),
            "1: rule \"r\": effect: would refuse everybody everything: name a who, where or what (what no rule covers is refused anyway)",
        ),
        (
            format!("{0}{0}", rule("")),
            "6: rule 2: id: is also the id of the rule on line 1: give each rule an id of its own",
        ),
        (
            "[[rule]]\nid = \"Prod DB\"\napprove = [{ from = [\"manager\"] }]\n".to_owned(),
            "2: rule 1: id: \"Prod DB\" is not an id: write an id of a-z, 0-9 and -, at most 64 characters, for example id = \"prod-db\"",
        ),
        (rule("who = \"alice\""), "4: rule \"r\": who: is of type string: write a table in { }"),
        (
            format!("[schedule.p]\nfile = \"oncall.ics\"\n{}", rule("")),
            "2: schedule \"p\": file: \"oncall.ics\" is not a schedule that can be read: write a whole path that ends in .ics or .toml",
        ),
        (String::new(), "1: rule: is missing: write at least one [[rule]]: without any, nobody gets in"),
        (
            rule("time = { max = \"8h\""),
            "4: time: not TOML: unclosed inline table, expected `}`: correct this line, or the one before it",
        ),
    ]);
}

#[test]
fn a_standing_rule_says_itself_whom_where_and_what() {
    let text = |who: &str, more: &str| {
        format!(
            "[[rule]]\nid = \"s\"\nwho = {{ {who} }}\nwhere = {{ hosts = [\"web\"] }}\nwhat = {{ services = [\"ssh\"] }}\n\
             standing = {{ owner = \"alice\", review_by = 2027-01-31{more} }}\n"
        )
    };
    let policy = good(&text("users = [\"backup\"]", ", source = \"10.0.0.5\""));
    let Effect::Standing(standing) = &policy.rules[0].effect else { panic!() };
    assert_eq!(standing.source.unwrap().to_string(), "10.0.0.5/32");
    assert_eq!(standing.review_by.to_string(), "2027-01-31");
    assert!(
        parse(&text("groups = [\"robots\"]", "")).unwrap_err().contains("does not name accounts one by one")
    );
    assert!(
        parse(&text("users = [\"b\"]", ", source = \"here\""))
            .unwrap_err()
            .contains("write for example 10.0.0.5")
    );
    let asked = text("users = [\"b\"]", "") + "approve = [{ from = [\"manager\"] }]\n";
    assert!(parse(&asked).unwrap_err().contains("approve: means nothing in a standing rule"));
    let never = parse(&text("users = [\"b\"]", "").replace("2027-01-31", "9999-12-31")).unwrap_err();
    assert!(never.contains("review_by: is a day after 2999"), "hosts reckon with no such time: {never}");
    let bare = "[[rule]]\nid = \"s\"\nstanding = { owner = \"alice\", review_by = \"soon\" }\n";
    let said = parse(bare).unwrap_err();
    for part in ["who: does not name", "where: is missing", "what.services: is missing", "is not a date"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_each_once_and_so_many_at_most() {
    let rules = each(3, |n| format!("[[rule]]\nid = \"r{n}\"\n"));
    let text = format!(
        "[defaults]\ntime = {{ max = \"x\" }}\nteams = \"loud\"\napprove = [{{ from = [\"a\"] }}]\n{rules}"
    );
    let said = parse(&text).unwrap_err();
    let lines: Vec<_> = said.lines().map(|line| line.split(": ").nth(2).unwrap()).collect();
    assert_eq!(lines, ["time.max", "teams", "approve.from"], "{said}");
    assert!(said.contains("\"loud\" is not known: write \"full\", \"first-of-two\" or \"notify\""), "{said}");
    let many = "[[rule]]\nid = \"A\"\n".repeat(100);
    assert_eq!(parse(&many).unwrap_err().lines().count(), limits::MISTAKES);
}

#[test]
fn what_is_too_much_is_refused() {
    let rules = |count: usize| {
        each(count, |n| format!("[[rule]]\nid = \"r{n}\"\napprove = [{{ from = [\"manager\"] }}]\n"))
    };
    assert_eq!(good(&rules(limits::RULES)).rules.len(), limits::RULES);
    assert!(parse(&rules(limits::RULES + 1)).unwrap_err().contains("has 1001 entries: write 1000 at most"));
    let steps = |count: usize| {
        format!("[[rule]]\nid = \"r\"\napprove = [{}]\n", "{ from = [\"manager\"] },".repeat(count))
    };
    assert_eq!(terms(&good(&steps(limits::STEPS)), 0).approve.len(), limits::STEPS);
    assert!(parse(&steps(limits::STEPS + 1)).unwrap_err().contains("has 9 entries: write 8 at most"));
    let people = |count: usize| {
        format!("{}who = {{ users = [{}] }}\n", rule(""), each(count, |n| format!("\"u{n}\",")))
    };
    assert_eq!(good(&people(limits::NAMES)).rules[0].who.users.len(), limits::NAMES);
    assert!(parse(&people(limits::NAMES + 1)).unwrap_err().contains("has 257 entries: write 256 at most"));
    let long = rule(&format!("# {}", "x".repeat(limits::POLICY)));
    assert_eq!(
        parse(&long).unwrap_err(),
        "policy.toml:1: is larger than 262144 bytes: is it the right file?"
    );
}

#[test]
fn a_policy_is_known_by_the_digest_of_its_text() {
    let one = good(&rule(""));
    assert_eq!(one.digest.len(), 64);
    assert_eq!(one.digest, good(&rule("")).digest);
    assert_ne!(one.digest, good(&rule("# changed")).digest);
}

/// The form of every error: file, line, whose or key, what is wrong, what would be right.
fn well_formed(error: &str) -> bool {
    let Some(rest) = error.strip_prefix("policy.toml:") else { return false };
    let Some((line, rest)) = rest.split_once(": ") else { return false };
    line.parse::<usize>().is_ok_and(|line| line > 0)
        && rest.matches(": ").count() >= 1
        && !rest.ends_with(": ")
        && !error.contains(char::is_control)
}

/// One change to a text: a piece of it removed, doubled, replaced or put elsewhere.
fn mutated(text: &str, changes: &[(usize, usize, u8, String)]) -> String {
    let mut text = text.to_owned();
    for (at, length, how, new) in changes {
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let from = ends[at % ends.len()];
        let to = ends[(at % ends.len() + length).min(ends.len() - 1)];
        let piece = text[from..to].to_owned();
        match how % 4 {
            0 => text.replace_range(from..to, ""),
            1 => text.insert_str(from, &piece),
            2 => text.replace_range(from..to, new),
            _ => {
                text.replace_range(from..to, "");
                let place = text.find('\n').unwrap_or(0);
                text.insert_str(place, &piece);
            }
        }
    }
    text
}

const WORDS: &str = r#"\[|\]|\{|\}|"|=|,|\n|#|id|who|where|what|ask|time|approve|auto|escalate|break_glass|standing|"0s"|"2h"|"900d"|-1|1e9|0x10|true|\[\]|\{\}|"group:"|"user:"|"\*"|"manager"|2026-01-01|[[:print:]]{0,12}|\PC{0,6}|"\\u202e""#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_it_panic_and_every_error_names_file_line_and_fix(
        base in 0..EXAMPLES.len() + 2,
        changes in prop::collection::vec((any::<usize>(), 0..40_usize, any::<u8>(), WORDS), 0..5),
    ) {
        let on = all_on(SHIPPED);
        let base = match base.checked_sub(EXAMPLES.len()) {
            None => EXAMPLES[base].1,
            Some(0) => &on,
            Some(_) => "",
        };
        let text = mutated(base, &changes);
        match Policy::parse(&text, Path::new("policy.toml")) {
            Ok(policy) => prop_assert!(!policy.rules.is_empty()),
            Err(errors) => {
                prop_assert!(!errors.0.is_empty() && errors.0.len() <= limits::MISTAKES);
                for error in &errors.0 {
                    prop_assert!(well_formed(&error.to_string()), "{error}");
                    prop_assert!(!error.what.is_empty() && !error.fix.is_empty(), "{error}");
                    prop_assert!(error.line <= text.lines().count() + 1, "{error}");
                }
            }
        }
    }
}
