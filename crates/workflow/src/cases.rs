//! Cases that a policy must meet, written in a TOML file beside it: who asks what, and what is expected.

use crate::document::{Document, PolicyErrors, Table, Value, quoted};
use crate::explained::{Explained, explained};
use crate::limits;
use crate::outcome::How;
use crate::step::Facts;
use crate::wish::Wish;
use crate::world::{Labels, World};
use access::{HostName, Login, Now, Person, Service, Time};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cases {
    /// The policy that is meant, beside this file.
    pub policy: Option<PathBuf>,
    /// Its people.
    pub people: Option<PathBuf>,
    /// Schedules to take for those of the policy, as fresh as each case wants them.
    pub schedules: BTreeMap<String, PathBuf>,
    /// Hosts with their labels; others have none.
    pub hosts: BTreeMap<HostName, Labels>,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// The line it starts on.
    pub line: usize,
    /// Who asks what.
    pub wish: Wish,
    /// When; now if left out.
    pub at: Option<Time>,
    /// What is expected.
    pub expect: Expect,
}

/// What is expected of an ask; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The rule that covers or forbids it.
    pub rule: Option<String>,
    /// Whether it is refused at once.
    pub refused: Option<bool>,
    /// Whether the rule approves by itself.
    pub auto: Option<bool>,
    /// Who could approve it now.
    pub approvers: Option<BTreeSet<Person>>,
    /// How many steps of approval count.
    pub steps: Option<usize>,
    /// Whether the person may break glass.
    pub break_glass: Option<bool>,
}

/// Something that is not as a case expects it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// The case.
    pub case: String,
    /// The line it starts on.
    pub line: usize,
    /// What of it.
    pub what: &'static str,
    /// What was expected.
    pub expected: String,
    /// What the policy says.
    pub got: String,
}

impl Cases {
    /// The cases this text writes; `path` is for the errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyErrors> {
        Document::read(text, path, limits::POLICY, |root| {
            let file = |value: Option<Value<'_>>| Some(PathBuf::from(value?.text()?));
            let named = |(name, value): (String, Value<'_>)| Some((name, PathBuf::from(value.text()?)));
            let (policy, people) = (file(root.get("policy")), file(root.get("people")));
            let schedules = root.table("schedules");
            schedules.known();
            let hosts = root.table("hosts");
            hosts.known();
            let written = root.need("case", "write at least one [[case]]")?;
            let mut cases: Vec<Case> = Vec::new();
            for (number, table) in written.tables(limits::CASES).into_iter().enumerate() {
                cases.extend(case(table.named(&format!("case {}", number + 1))));
            }
            if cases.is_empty() {
                written.wrong("holds no case", "write at least one [[case]]");
            }
            Some(Self {
                policy,
                people,
                schedules: schedules.entries().into_iter().filter_map(named).collect(),
                hosts: hosts.entries().iter().filter_map(host).collect(),
                cases,
            })
        })
    }
}

fn host((name, value): &(String, Value<'_>)) -> Option<(HostName, Labels)> {
    let host = HostName::parse(name).map_err(|why| value.wrong(why, "correct the host's name")).ok()?;
    let table = value.table()?;
    table.known();
    let label = |(key, value): (String, Value<'_>)| Some((key, value.text()?.to_owned()));
    Some((host, table.entries().into_iter().filter_map(label).collect()))
}

fn case(table: Table<'_>) -> Option<Case> {
    let line = table.line();
    let name = table.need("name", "say what it is about, for example name = \"a developer asks for sudo\"");
    let name = name.and_then(|name| name.text().map(str::to_owned));
    let table = match &name {
        Some(name) => table.named(&format!("case {}", quoted(name))),
        None => table,
    };
    let user = table.need("user", "name who asks, for example user = \"alice\"");
    let user = user.and_then(|user| user.parse::<Login>("correct the login name"));
    let hosts = table.need("hosts", "name where, for example hosts = [\"web-1\"]");
    let services = table.get("services");
    let run_as = table.get("as");
    let length = table.get("for");
    let at = table.get("at");
    let expect = expect(&table.table("expect"));
    table.get("name");
    table.done();
    let hosts = hosts?.list(access::limits::HOSTS);
    let hosts = hosts.iter().filter_map(|value| value.parse::<HostName>("correct the host's name")).collect();
    let services = match services {
        Some(value) => {
            let service = |value: &Value<'_>| value.parse::<Service>("correct the service's name");
            value.list(access::limits::NAMES).iter().filter_map(service).collect()
        }
        None => Service::parse("ssh").into_iter().collect(),
    };
    let run_as = match run_as {
        Some(value) => Some(value.parse::<Login>("correct the login name")?),
        None => None,
    };
    let length = match length {
        Some(value) => Some(value.span()?),
        None => None,
    };
    let at = match at {
        Some(value) => {
            let read = value.moment()?.parse::<Time>();
            let fix = "write it with its offset, for example \"2026-11-24T08:00:00+01:00\"";
            Some(read.map_err(|_| value.wrong("is not an instant", fix)).ok()?)
        }
        None => None,
    };
    let wish = Wish { user: user?, hosts, services, run_as, length };
    Some(Case { name: name?, line, wish, at, expect })
}

fn expect(table: &Table<'_>) -> Expect {
    if table.is_empty() {
        table.lacks("", "expects nothing", "write for example expect = { rule = \"prod-db\", steps = 2 }");
    }
    let approvers = table.get("approvers").map(|value| {
        let person = |value: &Value<'_>| value.parse::<Person>("correct the name");
        value.list_or_none(limits::NAMES).iter().filter_map(person).collect()
    });
    let steps = table.get("steps").and_then(|value| value.number(0..=limits::STEPS as u64));
    let expect = Expect {
        rule: table.get("rule").and_then(|value| value.text().map(str::to_owned)),
        refused: table.get("refused").and_then(|value| value.flag()),
        auto: table.get("auto").and_then(|value| value.flag()),
        approvers,
        steps: steps.and_then(|steps| usize::try_from(steps).ok()),
        break_glass: table.get("break_glass").and_then(|value| value.flag()),
    };
    table.done();
    expect
}

impl Case {
    /// What is not as expected.
    pub fn run(&self, world: &World, now: Now) -> Vec<Missed> {
        let now = self.at.map_or(now, |at| Now { trusted: at, ..now });
        let missed = |what, expected: String, got: String| Missed {
            case: self.name.clone(),
            line: self.line,
            what,
            expected,
            got,
        };
        let Some(ask) = self.wish.ask(world, now) else {
            let got = format!("nobody has the login name {}", self.wish.user);
            return vec![missed("user", "somebody".to_owned(), got)];
        };
        let said = explained(world, &ask, &Facts::default(), now);
        let outcome = &said.outcome;
        let mut all = Vec::new();
        let why = outcome.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let mut compare = |what, expected: Option<String>, got: String, why: &str| {
            if let Some(expected) = expected.filter(|expected| *expected != got) {
                all.push(missed(what, expected, format!("{got}{why}")));
            }
        };
        let expect = &self.expect;
        let rule = outcome.rule.clone().unwrap_or_else(|| "none".to_owned());
        let refused = outcome.how == How::Refused;
        compare("rule", expect.rule.clone(), rule, if refused { &why } else { "" });
        compare("refused", expect.refused.map(yes), yes(refused), &why);
        let auto = said.rule.as_ref().and_then(|rule| rule.auto.as_ref());
        let lacks = auto.map(|auto| auto.missed.join("; ")).filter(|lacks| !lacks.is_empty());
        let lacks = lacks.map_or_else(|| why.clone(), |lacks| format!(" ({lacks})"));
        compare("auto", expect.auto.map(yes), yes(outcome.how == How::ByItself), &lacks);
        compare("approvers", expect.approvers.as_ref().map(names), names(&said.could()), "");
        compare("steps", expect.steps.map(|steps| steps.to_string()), said.steps().to_string(), "");
        compare("break_glass", expect.break_glass.map(yes), yes(may_break(&said)), "");
        all
    }
}

fn may_break(said: &Explained) -> bool {
    said.rule.as_ref().and_then(|rule| rule.break_glass.as_ref()).is_some_and(|glass| glass.may)
}

fn yes(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

fn names(people: &BTreeSet<Person>) -> String {
    if people.is_empty() {
        return "nobody".to_owned();
    }
    people.iter().map(Person::as_str).collect::<Vec<_>>().join(", ")
}
