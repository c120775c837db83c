//! Why no rule covers an ask, with the nearest rule, and the parts that could be asked for one by one.

use crate::Human;
use crate::limits;
use crate::policy::{Effect, PolicyRule};
use crate::request::Ask;
use crate::world::{World, may_become};
use access::{HostName, Login, Person, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why no rule covers an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncovered {
    /// Nobody of that name.
    Nobody(Person),
    /// A login name that it was asked for is not theirs any more.
    OtherName {
        /// Who asked.
        person: Person,
        /// The name.
        name: Login,
    },
    /// No such host.
    NoSuchHost {
        /// As it was asked for.
        host: HostName,
        /// Those there are.
        known: Vec<HostName>,
    },
    /// A rule forbids it.
    Denied {
        /// Which.
        rule: String,
    },
    /// No rule gives it.
    None {
        /// Who would get the access.
        person: Person,
        /// The rule that came nearest, and what it does not give.
        nearest: Option<(String, Vec<String>)>,
        /// Requests that would be covered one by one.
        split: Vec<Part>,
    },
}

/// A part of an ask that one rule covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The rule.
    pub rule: String,
    /// Hosts of it.
    pub hosts: BTreeSet<HostName>,
    /// Services of it.
    pub services: BTreeSet<Service>,
    /// As whom, if that was asked and is for these services.
    pub run_as: Option<Login>,
}

impl fmt::Display for Uncovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody(person) => write!(
                f,
                "the policy knows nobody named {person}: they need an account here, or a place in people.toml"
            ),
            Self::OtherName { person, name } => {
                write!(f, "{name} is not a login name of {person} any more: ask again by the names of now")
            }
            Self::NoSuchHost { host, known } => {
                let shown: Vec<&str> = known.iter().take(limits::NAMED_HOSTS).map(HostName::as_str).collect();
                let more = match known.len() - shown.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                write!(f, "there is no host {host} here")?;
                if shown.is_empty() { Ok(()) } else { write!(f, ", only {}{more}", shown.join(", ")) }
            }
            Self::Denied { rule } => write!(f, "rule \"{rule}\" forbids it, whoever would approve"),
            Self::None { person, nearest: None, .. } => {
                write!(f, "no rule is for {person}: whoever keeps the policy can add one")
            }
            Self::None { nearest: Some((rule, misses)), split, .. } => {
                write!(
                    f,
                    "no rule covers all of this: rule \"{rule}\" comes nearest, but {}",
                    misses.join(" and ")
                )?;
                for (place, part) in split.iter().enumerate() {
                    let lead = if place == 0 { ". Ask for it in parts: " } else { "; " };
                    write!(f, "{lead}{part}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<&str> = self.services.iter().map(Service::as_str).collect();
        let hosts: Vec<&str> = self.hosts.iter().map(HostName::as_str).collect();
        write!(f, "{} on {}", services.join(", "), hosts.join(", "))?;
        self.run_as.as_ref().map_or(Ok(()), |login| write!(f, " as {login}"))
    }
}

/// Why none of the allow rules covers this ask of this person.
pub(crate) fn explain(world: &World, human: &Human, ask: &Ask) -> Uncovered {
    let allow =
        |rule: &&PolicyRule| matches!(rule.effect, Effect::Allow(_)) && World::is_for(&rule.who, human);
    let nearest = world
        .policy
        .rules
        .iter()
        .filter(allow)
        .map(|rule| (rule.id.clone(), misses(world, rule, human, ask)))
        .min_by_key(|(_, misses)| misses.len());
    Uncovered::None { person: human.person.clone(), split: split(world, human, ask), nearest }
}

/// What of an ask a rule does not cover, each in words.
pub(crate) fn misses(world: &World, rule: &PolicyRule, human: &Human, ask: &Ask) -> Vec<String> {
    let mut misses = Vec::new();
    let elsewhere: Vec<&str> = ask
        .hosts
        .iter()
        .filter(|host| !world.is_at(&rule.place, host))
        .take(limits::NAMED_HOSTS)
        .map(HostName::as_str)
        .collect();
    if !elsewhere.is_empty() {
        misses.push(format!(
            "not for {} {}",
            if elsewhere.len() == 1 { "host" } else { "hosts" },
            elsewhere.join(", ")
        ));
    }
    if let Some(most) = rule.place.max_hosts
        && ask.hosts.len() > most
    {
        misses.push(format!("not for more than {most} hosts at once"));
    }
    if let Some(some) = &rule.what.services {
        let others: Vec<&str> = ask.services.difference(some).map(Service::as_str).collect();
        if !others.is_empty() {
            misses.push(format!("not for {}", others.join(", ")));
        }
    }
    let becomes = ask.becomes();
    let others = becomes.iter().filter(|login| !may_become(rule.what.run_as.as_ref(), login, ask, human));
    let others: Vec<&str> = others.map(access::Login::as_str).collect();
    if !others.is_empty() {
        misses.push(format!("not for becoming {}", others.join(", ")));
    }
    misses
}

/// The ask in parts that rules cover one by one; empty where that is not possible or no help.
fn split(world: &World, human: &Human, ask: &Ask) -> Vec<Part> {
    // Beside sudo or su a name says whom to become there, and at a login alone whom to log in as.
    let switches = ask.services.iter().any(Service::switches);
    let run_as = |services: &BTreeSet<Service>| {
        ask.run_as.clone().filter(|_| !switches || services.iter().any(Service::switches))
    };
    // Services of each host, by the place of the rule that covers the pair.
    let mut by_rule: BTreeMap<(usize, &HostName), BTreeSet<Service>> = BTreeMap::new();
    for host in &ask.hosts {
        for service in &ask.services {
            let services = BTreeSet::from([service.clone()]);
            let run_as = run_as(&services);
            let one = Ask { hosts: [host.clone()].into(), services, run_as, ..ask.clone() };
            let covers = |rule: &PolicyRule| {
                matches!(rule.effect, Effect::Allow(_)) && world.covers(rule, human, &one)
            };
            let Some(place) = world.policy.rules.iter().position(covers) else {
                return Vec::new();
            };
            by_rule.entry((place, host)).or_default().insert(service.clone());
        }
    }
    let mut parts: Vec<Part> = Vec::new();
    for ((place, host), services) in by_rule {
        let Some(rule) = world.policy.rules.get(place) else { return Vec::new() };
        let has_room = |part: &&mut Part| {
            part.rule == rule.id
                && part.services == services
                && rule.place.max_hosts.is_none_or(|most| part.hosts.len() < most)
        };
        match parts.iter_mut().find(has_room) {
            Some(part) => {
                part.hosts.insert(host.clone());
            }
            None => parts.push(Part {
                rule: rule.id.clone(),
                hosts: [host.clone()].into(),
                run_as: run_as(&services),
                services,
            }),
        }
    }
    // One part alone would be the ask itself: something else is in the way, and a split does not help.
    if parts.len() < 2 || parts.len() > limits::SPLIT { Vec::new() } else { parts }
}
