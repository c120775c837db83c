//! The policy applied to people, hosts and schedules as they are at one moment.

use crate::policy::{Effect, Policy, PolicyRule, RunAs, Source, Terms, Where, Who};
use crate::request::{Ask, Request};
use crate::rule::Rule;
use crate::standing::StandingGrant;
use crate::uncovered::{self, Uncovered};
use crate::{Human, People, Schedule};
use access::{Grant, HostName, Login, Now, Person, Service, Set, Text, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Labels of one host: `env = prod`.
pub type Labels = BTreeMap<String, String>;

/// Everything that decides which rule covers an ask. Cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    /// The rules.
    pub policy: Arc<Policy>,
    /// Who people are.
    pub people: Arc<People>,
    /// Who is on call.
    pub schedules: Arc<BTreeMap<String, OnCall>>,
    /// The hosts there are, with their labels.
    pub hosts: Arc<Hosts>,
}

/// The hosts there are.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Each with its labels.
    pub labels: BTreeMap<HostName, Labels>,
    /// Whether there are no others: then a request for one that is not here is refused.
    pub all: bool,
}

/// What is known of one on-call schedule.
#[derive(Clone, Debug)]
pub enum OnCall {
    /// As it was at that time.
    Known(Schedule, Time),
    /// Nothing, and why.
    Unknown(String),
}

impl World {
    /// The rule that covers all of this ask at `now`, or why none does: deny rules first, then the first
    /// that covers every host, service and run-as.
    pub fn rule(&self, ask: &Ask, now: Now) -> Result<Rule, Uncovered> {
        let (rule, terms, human) = self.covering(ask)?;
        let mut rule = self.resolved(rule, terms, human, now);
        rule.leave_out(&self.own(ask));
        Ok(rule)
    }

    /// The rule that says who has a say about this request, or why none does: the one that covers it. Glass that was broken is
    /// looked at by those whom the rule names that let it be broken, whatever became of host and person since.
    pub fn rule_of(&self, request: &Request, now: Now) -> Result<Rule, Uncovered> {
        let broken = request.is_unseen().then(|| self.glass_rule(request, now)).flatten();
        broken.map_or_else(|| self.rule(&request.ask, now), Ok)
    }

    /// The rule by which glass was broken, while it still says who looks at that.
    fn glass_rule(&self, request: &Request, now: Now) -> Option<Rule> {
        let ask = &request.ask;
        let rule = self.policy.rules.iter().find(|rule| rule.id == request.rule)?;
        let Effect::Allow(terms) = &rule.effect else { return None };
        terms.break_glass.as_ref()?;
        let gone = Human::gone(ask.person.clone(), ask.names.clone());
        let mut rule = self.resolved(rule, terms, self.people.get(&ask.person).unwrap_or(&gone), now);
        rule.leave_out(&self.own(ask));
        Some(rule)
    }

    /// The same as [`Self::rule`] as it is written, with who gets the access.
    pub(crate) fn covering(&self, ask: &Ask) -> Result<(&PolicyRule, &Terms, &Human), Uncovered> {
        let known =
            |person: &Person| self.people.get(person).ok_or_else(|| Uncovered::Nobody(person.clone()));
        let human = known(&ask.person)?;
        // Who asked and is nobody now may be known by another name, and could agree by that one.
        known(&ask.asked_by)?;
        if let Some(name) = ask.names.difference(&human.names).next() {
            return Err(Uncovered::OtherName { person: ask.person.clone(), name: name.clone() });
        }
        let strange = |host: &&HostName| !self.hosts.labels.contains_key(*host);
        if self.hosts.all
            && let Some(unknown) = ask.hosts.iter().find(strange)
        {
            let known = self.hosts.labels.keys().cloned().collect();
            return Err(Uncovered::NoSuchHost { host: unknown.clone(), known });
        }
        let mut rules = self.policy.rules.iter();
        if let Some(rule) = rules.find(|rule| self.denies(rule, human, ask)) {
            return Err(Uncovered::Denied { rule: rule.id.clone() });
        }
        for rule in &self.policy.rules {
            if let Effect::Allow(terms) = &rule.effect
                && self.covers(rule, human, ask)
            {
                return Ok((rule, terms, human));
            }
        }
        Err(uncovered::explain(self, human, ask))
    }

    /// Those who have a name of whoever asked or gets the access, whoever had it when it was asked: what
    /// they agreed to before counts no more.
    fn own(&self, ask: &Ask) -> BTreeSet<Person> {
        let asked_by = Login::parse(ask.asked_by.as_str()).ok();
        let names = ask.names.iter().chain(&asked_by);
        names.filter_map(|name| self.people.of_login(name)).map(|human| human.person.clone()).collect()
    }

    /// The rule of this name for this person, whatever it covers now.
    pub fn rule_named(&self, id: &str, person: &Person, now: Now) -> Option<Rule> {
        let human = self.people.get(person)?;
        let rule = self.policy.rules.iter().find(|rule| rule.id == id)?;
        match &rule.effect {
            Effect::Allow(terms) => Some(self.resolved(rule, terms, human, now)),
            Effect::Deny | Effect::Standing(_) => None,
        }
    }

    /// Everybody who could have a say about something, now or by escalation.
    pub fn approvers(&self, now: Now) -> BTreeSet<Person> {
        self.policy.rules.iter().flat_map(|rule| self.approvers_of(rule, now)).collect()
    }

    /// Whether there is one.
    pub fn somebody_decides(&self, now: Now) -> bool {
        self.policy.rules.iter().any(|rule| !self.approvers_of(rule, now).is_empty())
    }

    fn approvers_of(&self, rule: &PolicyRule, now: Now) -> BTreeSet<Person> {
        let Effect::Allow(terms) = &rule.effect else { return BTreeSet::new() };
        let sources: Vec<Source> = terms.with_a_say().cloned().collect();
        let mut people: BTreeSet<Person> = self.people_of(&sources, None, now).into_iter().collect();
        if sources.contains(&Source::Manager) {
            // Of those the rule is for: whoever manages others has no say here, and no way in by it.
            let subjects = self.people.all().filter(|human| Self::is_for(&rule.who, human));
            let managers: BTreeSet<&Person> = subjects.filter_map(|human| human.manager.as_ref()).collect();
            people.extend(managers.into_iter().filter_map(|person| self.present(person, now)));
        }
        people
    }

    /// Everybody whom some rule names as one who may break glass.
    pub fn breakers(&self) -> BTreeSet<Person> {
        let mut people = BTreeSet::new();
        for rule in &self.policy.rules {
            let Effect::Allow(terms) = &rule.effect else { continue };
            let Some(glass) = &terms.break_glass else { continue };
            for source in &glass.who {
                match source {
                    Source::User(person) => {
                        people.extend(self.people.get(person).map(|human| human.person.clone()));
                    }
                    Source::Group(group) => people.extend(self.people.members(group)),
                    // Nobody is their own, and glass is broken for oneself.
                    Source::Manager => {}
                }
            }
        }
        people
    }

    /// Whether the holder of this grant still belongs to those its rule is for; else why not. A rule that
    /// is gone ends nothing by itself: what people agreed to stands.
    pub fn still_for(&self, grant: &Grant) -> Result<(), String> {
        let Some(human) = self.people.get(&grant.person) else {
            return Err(format!("{} has no account any more", grant.person));
        };
        if let Some(name) = grant.names.iter().find(|name| !human.names.contains(*name)) {
            return Err(format!("{name} is not a login name of {} any more", grant.person));
        }
        if let Some(rule) = self.denied(human, &grant.hosts, &grant.services, &becomes(grant)) {
            return Err(format!("rule \"{}\" denies it now", rule.id));
        }
        let rule = self.policy.rules.iter().find(|rule| grant.rule == rule.id);
        match rule {
            Some(PolicyRule { id, who, effect: Effect::Allow(_), .. }) if !Self::is_for(who, human) => {
                Err(format!("{} is no longer one of those that rule \"{id}\" is for", grant.person))
            }
            _ => Ok(()),
        }
    }

    /// Whether some rule of this name gives access to whoever is agreed to.
    pub fn gives(&self, rule: &str) -> bool {
        self.policy.rules.iter().any(|other| other.id == rule && matches!(other.effect, Effect::Allow(_)))
    }

    /// The hosts that this grant is for from now on, where there are more of them: it was asked for by label, its rule follows
    /// labels, and nobody left hosts out. Never more than one request may name.
    pub fn followed(&self, grant: &Grant, request: &Request) -> Option<Set<HostName>> {
        let ask = &request.ask;
        let rule = self.policy.rules.iter().find(|rule| grant.rule == rule.id)?;
        let follows = ask.follows && rule.place.follow_labels && request.scope().hosts == ask.hosts;
        let Effect::Allow(terms) = &rule.effect else { return None };
        if !follows {
            return None;
        }
        let human = self.people.get(&grant.person)?;
        // Where more hosts take more people, those who agreed did so to no more than that.
        let steps = terms.approve.iter().filter_map(|step| step.when.more_hosts_than);
        let most = steps.filter(|most| *most >= ask.hosts.len()).chain(rule.place.max_hosts).min();
        let most = most.unwrap_or(access::limits::HOSTS).min(access::limits::HOSTS);
        let may_come = |host: &HostName| {
            let alone: Set<HostName> = [host.clone()].into();
            self.is_at(&rule.place, host)
                && self.denied(human, &alone, &grant.services, &becomes(grant)).is_none()
        };
        let come = self.labelled(&ask.labels).into_iter();
        let come = come.filter(|host| !grant.hosts.contains(host) && may_come(host));
        let come: Vec<HostName> = come.take(most.saturating_sub(grant.hosts.len())).collect();
        if come.is_empty() { None } else { Some(grant.hosts.iter().cloned().chain(come).collect()) }
    }

    /// The deny rule that is about any part of this access.
    fn denied(
        &self,
        human: &Human,
        hosts: &Set<HostName>,
        services: &Set<Service>,
        run_as: &Set<Login>,
    ) -> Option<&PolicyRule> {
        self.policy.rules.iter().find(|rule| {
            matches!(rule.effect, Effect::Deny)
                && Self::is_for(&rule.who, human)
                && hosts.iter().any(|host| self.is_at(&rule.place, host))
                && rule
                    .what
                    .services
                    .as_ref()
                    .is_none_or(|some| services.iter().any(|one| some.contains(one)))
                && touches_any(rule.what.run_as.as_ref(), run_as)
        })
    }

    /// What automation accounts should hold at `now`.
    pub fn standing(&self, now: Time) -> Vec<StandingGrant> {
        let mut standing = Vec::new();
        for rule in &self.policy.rules {
            let Effect::Standing(terms) = &rule.effect else { continue };
            let until = end_of_day(terms.review_by);
            let hosts: Set<HostName> =
                self.hosts.labels.keys().filter(|host| self.is_at(&rule.place, host)).cloned().collect();
            if until <= now || hosts.is_empty() {
                continue;
            }
            let services: Set<Service> = rule.what.services.clone().unwrap_or_default().into();
            let run_as = match &rule.what.run_as {
                _ if !services.iter().any(Service::switches) => Set::new(),
                Some(RunAs::These(names)) => names.clone().into(),
                Some(RunAs::Anybody) | None => Login::parse("root").into_iter().collect(),
            };
            // Ids and names are plain, so this is a text.
            let Ok(reason) =
                Text::parse(&format!("standing access by rule {}, owned by {}", rule.id, terms.owner))
            else {
                continue;
            };
            for human in rule.who.users.iter().filter_map(|person| self.people.get(person)) {
                if self.denied(human, &hosts, &services, &run_as).is_some() {
                    continue;
                }
                standing.push(StandingGrant {
                    rule: rule.id.clone(),
                    policy: self.policy.digest.clone(),
                    person: human.person.clone(),
                    names: human.names.clone().into(),
                    hosts: hosts.clone(),
                    services: services.clone(),
                    run_as: run_as.clone(),
                    source: terms.source,
                    owner: terms.owner.clone(),
                    until,
                    reason: reason.clone(),
                });
            }
        }
        standing
    }

    /// The hosts that carry all of these labels.
    pub fn labelled(&self, labels: &Labels) -> BTreeSet<HostName> {
        let carries = |has: &Labels| labels.iter().all(|(key, value)| has.get(key) == Some(value));
        self.hosts.labels.iter().filter(|(_, has)| carries(has)).map(|(host, _)| host.clone()).collect()
    }

    /// The people these sources mean at `now`, `subject` being the one whose manager is meant. Whoever is
    /// away is left out, and whom they named stands for them.
    pub(crate) fn people_of(
        &self,
        sources: &[Source],
        subject: Option<&Human>,
        now: Now,
    ) -> BTreeSet<Person> {
        let mut people = BTreeSet::new();
        for source in sources {
            match source {
                Source::User(person) => people.extend(self.present(person, now)),
                Source::Group(group) => {
                    let members = self.people.each_member(group);
                    people.extend(members.filter_map(|person| self.present(person, now)));
                }
                Source::Manager => {
                    let manager = subject.and_then(|human| human.manager.as_ref());
                    people.extend(manager.and_then(|person| self.present(person, now)));
                }
            }
        }
        people
    }

    /// The people these sources name, there or away: what they may do for themselves, nobody does for them.
    pub(crate) fn named_by(&self, sources: &[Source], subject: &Human) -> BTreeSet<Person> {
        let mut people = BTreeSet::new();
        for source in sources {
            match source {
                Source::User(person) => {
                    people.extend(self.people.get(person).map(|human| human.person.clone()));
                }
                Source::Group(group) => people.extend(self.people.members(group)),
                Source::Manager => people.extend(subject.manager.clone()),
            }
        }
        people
    }

    /// Who stands for this person now: themself, or whom they named for the time they are away. Root
    /// stands for nobody: it reviews nothing.
    pub(crate) fn present(&self, person: &Person, now: Now) -> Option<Person> {
        let human = self.people.get(person).filter(|human| human.person.as_str() != "root")?;
        match &human.away {
            Some(away) if now.trusted < away.until => {
                // Who is away too stands for nobody: a chain of absences would end with anybody.
                let delegate = self.people.get(away.delegate.as_ref()?)?;
                let there = delegate.away.as_ref().is_none_or(|away| now.trusted >= away.until);
                (there && delegate.person.as_str() != "root").then(|| delegate.person.clone())
            }
            _ => Some(human.person.clone()),
        }
    }

    /// Whether this person is one of those a rule is about.
    pub(crate) fn is_for(who: &Who, human: &Human) -> bool {
        let everybody = who.users.is_empty() && who.groups.is_empty();
        (everybody || who.users.contains(&human.person) || !who.groups.is_disjoint(&human.groups))
            && who.not_groups.is_disjoint(&human.groups)
    }

    /// Whether a rule is about this host.
    pub(crate) fn is_at(&self, place: &Where, host: &HostName) -> bool {
        let named =
            place.hosts.is_empty() || place.hosts.iter().any(|pattern| pattern.regex.is_match(host.as_str()));
        let has = self.hosts.labels.get(host);
        named && place.labels.iter().all(|(key, value)| has.and_then(|has| has.get(key)) == Some(value))
    }

    /// Whether a deny rule is about any part of an ask.
    pub(crate) fn denies(&self, rule: &PolicyRule, human: &Human, ask: &Ask) -> bool {
        matches!(rule.effect, Effect::Deny)
            && Self::is_for(&rule.who, human)
            && ask.hosts.iter().any(|host| self.is_at(&rule.place, host))
            && rule.what.services.as_ref().is_none_or(|some| !some.is_disjoint(&ask.services))
            && touches_any(rule.what.run_as.as_ref(), &ask.becomes())
    }

    /// Whether a rule covers all of an ask.
    pub(crate) fn covers(&self, rule: &PolicyRule, human: &Human, ask: &Ask) -> bool {
        Self::is_for(&rule.who, human)
            && ask.hosts.iter().all(|host| self.is_at(&rule.place, host))
            && rule.place.max_hosts.is_none_or(|most| ask.hosts.len() <= most)
            && rule.what.services.as_ref().is_none_or(|some| ask.services.is_subset(some))
            && ask.becomes().iter().all(|login| may_become(rule.what.run_as.as_ref(), login, ask, human))
    }
}

/// Whom somebody becomes by a grant: by sudo and su, and where they log in by a name that is shared.
fn becomes(grant: &Grant) -> Set<Login> {
    let shared = grant.logins.iter().filter(|login| !grant.names.contains(login));
    grant.run_as.iter().chain(shared).cloned().collect()
}

/// Whether a rule lets an ask become `login`. With no names in the rule: oneself at a login, and root by
/// sudo and su.
pub(crate) fn may_become(run_as: Option<&RunAs>, login: &Login, ask: &Ask, human: &Human) -> bool {
    let switches = ask.services.iter().any(Service::switches);
    match run_as {
        Some(RunAs::Anybody) => true,
        Some(RunAs::These(names)) if names.contains(login) => true,
        Some(RunAs::These(_)) => !switches && human.names.contains(login),
        None if switches => login.as_str() == "root",
        None => human.names.contains(login),
    }
}

/// Whether a deny rule's names and these have one in common; a rule without names is about all.
fn touches_any<'a>(run_as: Option<&RunAs>, names: impl IntoIterator<Item = &'a Login>) -> bool {
    match run_as {
        None | Some(RunAs::Anybody) => true,
        Some(RunAs::These(some)) => names.into_iter().any(|name| some.contains(name)),
    }
}

/// The first instant after this day, in UTC.
pub(crate) fn end_of_day(day: chrono::NaiveDate) -> Time {
    let next = day.succ_opt().unwrap_or(day);
    next.and_time(chrono::NaiveTime::MIN).and_utc()
}
