//! Who people are: their login names, mail, groups and manager, from `people.toml` and the local system.

use crate::document::{Document, PolicyErrors, Table, Value, quoted};
use crate::limits;
use access::{Login, Person, Text, Time};
use chrono::{Days, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Human {
    /// Their name here.
    pub person: Person,
    /// Their login names on hosts.
    pub names: BTreeSet<Login>,
    /// Where mail reaches them.
    pub mail: Option<String>,
    /// The groups they are in.
    pub groups: BTreeSet<String>,
    /// Who they report to.
    pub manager: Option<Person>,
    /// Their time zone.
    pub zone: Option<Tz>,
    /// Their absence, if one was written.
    pub away: Option<Away>,
    /// Whether `people.toml` names them; else they are an account of the local system and no more is known.
    pub listed: bool,
}

impl Human {
    /// Somebody who is nobody here any more, of whom these names are still known.
    pub(crate) const fn gone(person: Person, names: BTreeSet<Login>) -> Self {
        Self {
            person,
            names,
            mail: None,
            groups: BTreeSet::new(),
            manager: None,
            zone: None,
            away: None,
            listed: false,
        }
    }
}

/// An absence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// The first instant they are back.
    pub until: Time,
    /// Who stands in.
    pub delegate: Option<Person>,
}

/// Everybody, and who is behind a login name, a mail address and a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    humans: BTreeMap<Person, Human>,
    /// Listed people whose groups are those of the local system.
    grouped_locally: BTreeSet<Person>,
    by_login: BTreeMap<Login, Person>,
    by_mail: BTreeMap<String, Person>,
    by_group: BTreeMap<String, BTreeSet<Person>>,
}

impl People {
    /// The people this text writes; `path` is for the errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyErrors> {
        Document::read(text, path, limits::PEOPLE, |root| Some(Self::read(root)))
    }

    /// The accounts of a system: each its person, login names and groups. Root is in no group, since root
    /// reviews nothing.
    pub fn of_system(
        accounts: impl IntoIterator<Item = (Person, BTreeSet<Login>, BTreeSet<String>)>,
    ) -> Self {
        let human = |(person, names, groups)| Human {
            person,
            names,
            mail: None,
            groups,
            manager: None,
            zone: None,
            away: None,
            listed: false,
        };
        Self::of(accounts.into_iter().map(human), BTreeSet::new())
    }

    /// These people over the accounts of a system. An account that has a login name of a listed person is
    /// theirs, with every other name of it; without `groups` they have its groups. Other accounts stay
    /// people of their own; one that has only the name of a listed person in common is nobody, since it
    /// would have their rights.
    #[must_use]
    pub fn over(self, system: &Self) -> Self {
        let mut humans = self.humans;
        let mut others = Vec::new();
        for account in system.humans.values() {
            let Some(person) = account.names.iter().find_map(|name| self.by_login.get(name)) else {
                if !humans.contains_key(&account.person) {
                    others.push(account.clone());
                }
                continue;
            };
            let taken = |name: &&Login| self.by_login.get(*name).is_none_or(|other| other == person);
            let names: Vec<Login> = account.names.iter().filter(taken).cloned().collect();
            if let Some(human) = humans.get_mut(person) {
                human.names.extend(names);
            }
            for owner in account.names.iter().filter_map(|name| self.by_login.get(name)) {
                if let (true, Some(human)) = (self.grouped_locally.contains(owner), humans.get_mut(owner)) {
                    human.groups.extend(account.groups.iter().cloned());
                }
            }
        }
        Self::of(humans.into_values().chain(others), self.grouped_locally)
    }

    /// Everybody.
    pub fn all(&self) -> impl Iterator<Item = &Human> {
        self.humans.values()
    }

    /// This person.
    pub fn get(&self, person: &Person) -> Option<&Human> {
        self.humans.get(person)
    }

    /// The person behind a login name.
    pub fn of_login(&self, login: &Login) -> Option<&Human> {
        self.humans.get(self.by_login.get(login)?)
    }

    /// The person with this mail address, name or login name.
    pub fn by_mail_or_name(&self, text: &str) -> Option<&Human> {
        let by_mail = self.by_mail.get(&text.to_lowercase()).and_then(|person| self.humans.get(person));
        by_mail.or_else(|| self.humans.get(text)).or_else(|| self.humans.get(self.by_login.get(text)?))
    }

    /// The members of a group.
    pub fn members(&self, group: &str) -> BTreeSet<Person> {
        self.by_group.get(group).cloned().unwrap_or_default()
    }

    /// The same one by one, where nobody keeps them.
    pub(crate) fn each_member(&self, group: &str) -> impl Iterator<Item = &Person> {
        self.by_group.get(group).into_iter().flatten()
    }

    /// Whether this person is in this group.
    pub(crate) fn is_member(&self, group: &str, person: &Person) -> bool {
        self.by_group.get(group).is_some_and(|members| members.contains(person))
    }

    /// Whether anybody is in a group of this name.
    pub fn groups_exist(&self, group: &str) -> bool {
        self.by_group.contains_key(group)
    }

    fn of(humans: impl Iterator<Item = Human>, grouped_locally: BTreeSet<Person>) -> Self {
        let mut people = Self { grouped_locally, ..Self::default() };
        for mut human in humans {
            if human.person.as_str() == ROOT || human.names.contains(ROOT) {
                human.groups.clear();
            }
            for name in &human.names {
                people.by_login.entry(name.clone()).or_insert_with(|| human.person.clone());
            }
            for group in &human.groups {
                people.by_group.entry(group.clone()).or_default().insert(human.person.clone());
            }
            if let Some(mail) = &human.mail {
                people.by_mail.entry(mail.to_lowercase()).or_insert_with(|| human.person.clone());
            }
            people.humans.insert(human.person.clone(), human);
        }
        people
    }

    fn read(root: &Table<'_>) -> Self {
        let mut written = Vec::new();
        let names: BTreeSet<String> = root.entries().into_iter().map(|(name, _)| name).collect();
        let mut owners: BTreeMap<String, Person> = BTreeMap::new();
        let mut grouped_locally = BTreeSet::new();
        for (name, value) in root.entries() {
            let Some((human, manager)) = human(&name, &value, &names) else { continue };
            let mut taken = human.names.iter().map(ToString::to_string).collect::<Vec<_>>();
            taken.extend(human.mail.as_ref().map(|mail| mail.to_lowercase()));
            for taken in taken {
                if let Some(other) = owners.insert(taken.clone(), human.person.clone()) {
                    let what = format!("has {}, which is {other}'s too", quoted(&taken));
                    value.wrong(what, "let one of the two have it: by it people are told apart");
                }
            }
            if !value.table().is_some_and(|table| table.has("groups")) {
                grouped_locally.insert(human.person.clone());
            }
            written.push((human, manager));
        }
        refuse_circles(&written);
        root.known();
        Self::of(written.into_iter().map(|(human, _)| human), grouped_locally)
    }
}

const ROOT: &str = "root";

/// One person, and where their manager is written.
fn human<'d>(name: &str, value: &Value<'d>, all: &BTreeSet<String>) -> Option<(Human, Option<Value<'d>>)> {
    let table = value.table()?.named(&quoted(name).replace('"', ""));
    let person = match Person::parse(name) {
        Ok(person) if name != ROOT => person,
        Ok(_) => {
            value.wrong("root is nobody in particular", "remove it: people become root by sudo");
            return None;
        }
        Err(why) => {
            value.wrong(why, "write the table's name as the person's, in quotes if it has a dot");
            return None;
        }
    };
    let names = table.get("names").map(|value| logins(&value));
    let mail = table.get("mail").and_then(|value| mail(&value));
    let groups = table.get("groups").map(|value| {
        value.list_or_none(limits::NAMES).iter().filter_map(crate::policy::group).collect::<BTreeSet<_>>()
    });
    let manager_value = table.get("manager");
    let manager = manager_value.as_ref().and_then(|value| known(value, all));
    let zone = table.get("zone").and_then(|value| value.parse::<Tz>("write one as Europe/Berlin"));
    let away = table.get("away").and_then(|value| away(&value, zone, &person, all));
    table.done();
    let own = || Login::parse(person.as_str()).ok().into_iter().collect();
    let names = names.unwrap_or_else(own);
    let groups = groups.unwrap_or_default();
    Some((Human { person, names, mail, groups, manager, zone, away, listed: true }, manager_value))
}

fn logins(value: &Value<'_>) -> BTreeSet<Login> {
    let login = |value: &Value<'_>| {
        let login: Login = value.parse("correct the login name")?;
        if login.as_str() == ROOT {
            value.wrong("root is nobody's own name", "remove it: people become root by sudo");
            return None;
        }
        Some(login)
    };
    value.list(access::limits::NAMES).iter().filter_map(login).collect()
}

fn mail(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let whole = Text::parse(text).is_ok_and(|parsed| parsed.as_str() == text);
    let parts = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if whole && parts && !text.contains(char::is_whitespace) {
        return Some(text.to_owned());
    }
    value.wrong(format!("{} is not a mail address", quoted(text)), "write for example alice@example.org");
    None
}

/// Somebody who is in the file.
fn known(value: &Value<'_>, all: &BTreeSet<String>) -> Option<Person> {
    let person: Person = value.parse("correct the name")?;
    if !all.contains(person.as_str()) {
        let fix = format!("add [{}], or correct the name", quoted(person.as_str()));
        value.wrong(format!("{person} is not in this file"), fix);
        return None;
    }
    Some(person)
}

fn away(value: &Value<'_>, zone: Option<Tz>, person: &Person, all: &BTreeSet<String>) -> Option<Away> {
    let table = value.table()?;
    let until_value = table.need("until", "say until when, for example until = \"2026-12-01\"");
    let delegate_value = table.get("delegate");
    table.done();
    let delegate = delegate_value.as_ref().and_then(|value| known(value, all));
    if let (Some(value), true) = (&delegate_value, delegate.as_ref() == Some(person)) {
        value.wrong("is the person who is away", "name somebody else, or remove it");
    }
    let until_value = until_value?;
    let text = until_value.moment()?;
    let until = text.parse::<Time>().ok().or_else(|| end_of_day(&text, zone.unwrap_or(Tz::UTC)));
    if until.is_none() {
        let fix = "write 2026-12-01, or an instant with its offset as 2026-12-01T12:00:00Z";
        until_value.wrong(format!("{} is not a date", quoted(&text)), fix);
    }
    Some(Away { until: until?, delegate })
}

fn end_of_day(text: &str, zone: Tz) -> Option<Time> {
    let next = text.parse::<NaiveDate>().ok()?.checked_add_days(Days::new(1))?;
    // Where midnight is skipped the day starts an hour later.
    let at = |hour| zone.from_local_datetime(&next.and_time(NaiveTime::from_hms_opt(hour, 0, 0)?)).earliest();
    Some(at(0).or_else(|| at(1))?.with_timezone(&Utc))
}

/// A request of somebody whose managers end at themself would look for a manager for ever.
fn refuse_circles(written: &[(Human, Option<Value<'_>>)]) {
    let manager: BTreeMap<&Person, &Person> =
        written.iter().filter_map(|(human, _)| Some((&human.person, human.manager.as_ref()?))).collect();
    let mut told: BTreeSet<&Person> = BTreeSet::new();
    for (human, value) in written {
        let mut chain = vec![&human.person];
        let mut above = manager.get(&human.person);
        while let Some(next) = above.filter(|next| !chain.contains(next)) {
            chain.push(next);
            above = manager.get(*next);
        }
        if above == Some(&&human.person) && !chain.iter().any(|person| told.contains(person)) {
            told.extend(chain.iter().copied());
            chain.push(&human.person);
            let circle = chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> ");
            if let Some(value) = value {
                value.wrong(format!("leads back to the same person: {circle}"), "end the circle");
            }
        }
    }
}
