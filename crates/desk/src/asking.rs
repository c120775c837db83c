//! Asking: for access, for more time; and taking back what was asked.

use crate::desk::{
    Said, facts, is_of_use, mint_grant, mint_request, no_request, put, random, sees, view, visible_in,
};
use crate::{Asked, Caller, Desk, DeskError, Ground, Key, Store, Transaction};
use access::{HostName, Login, Person, RequestId, Time};
use api::{NewExtension, NewRequest, Opened, RequestView};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use workflow::{Ask, Event, Kind, Refusal, Request, Rule, World, open, step};

impl<S: Store> Desk<S> {
    /// Opens a request, or points at an equal one that waits.
    pub fn request(&self, caller: &Caller, new: &NewRequest, key: &Key) -> Result<Opened, DeskError> {
        self.grounded(|ground| self.request_on(ground, caller, new.clone(), key))
    }

    fn request_on(
        &self,
        ground: &Ground,
        caller: &Caller,
        new: NewRequest,
        key: &Key,
    ) -> Result<Opened, DeskError> {
        let login = new.user.as_ref().unwrap_or(&caller.login);
        let (person, names) = person_of(&ground.world, login)?;
        let kind = if new.break_glass { Kind::BreakGlass } else { Kind::Access };
        if new.break_glass
            && let Err(why) = &caller.reviews
        {
            // Breaking glass is one's own approval, so the door must be as sure as for one.
            return Err(DeskError::NotThem("no glass was broken", why.clone()));
        }
        let now = self.clock.now().trusted;
        let asks_for_themself = person == caller.person;
        let mut ask = Ask {
            id: RequestId::from_random(random()?),
            kind,
            asked_by: caller.person.clone(),
            person,
            names,
            hosts: self.hosts(&ground.world, new.hosts, &new.labels)?,
            labels: new.labels,
            follows: false,
            before: None,
            services: new.services,
            run_as: new.run_as,
            // The shortest there is, until the rule that covers it says its default.
            length: new.length.unwrap_or(access::Span::SHORTEST),
            starts: new.at.filter(|at| *at > now),
            reason: new.reason,
            ticket: new.ticket,
            // Where another sits is nobody's business, and a grant pinned to there would be no good to them.
            source: caller.source.filter(|_| asks_for_themself),
            channel: caller.channel,
            asked_at: now,
        };
        let rule = ground.rule(&ask, self.clock.now())?;
        if new.length.is_none() {
            let glass = rule.break_glass.as_ref().filter(|_| kind == Kind::BreakGlass);
            ask.length = glass.map_or(rule.default, |glass| glass.longest.min(rule.default));
        }
        ask.follows = rule.follows && !ask.labels.is_empty();
        self.open(ground, ask, rule, caller, Some(key))
    }

    /// Opens a request for more time on a grant.
    pub fn extend(
        &self,
        caller: &Caller,
        id: &str,
        new: &NewExtension,
        key: &Key,
    ) -> Result<Opened, DeskError> {
        self.grounded(|ground| self.extend_on(ground, caller, id, new.clone(), key))
    }

    fn extend_on(
        &self,
        ground: &Ground,
        caller: &Caller,
        id: &str,
        new: NewExtension,
        key: &Key,
    ) -> Result<Opened, DeskError> {
        let grant = self.find_grant(&ground.world, caller, id)?;
        let first = self.store.read(|store| store.request(grant.request))?;
        let first = first.ok_or_else(|| no_request(&grant.request.to_string()))?;
        if first.ask.kind == Kind::Standing {
            return Err(Refusal::NoExtension { rule: grant.rule.to_string() }.into());
        }
        let ask = Ask {
            id: RequestId::from_random(random()?),
            kind: Kind::Extend { grant: grant.id },
            asked_by: caller.person.clone(),
            person: grant.person.clone(),
            hosts: (&grant.hosts).into(),
            services: (&grant.services).into(),
            length: new.length,
            before: workflow::length_of(&grant),
            starts: None,
            reason: new.reason,
            ticket: new.ticket,
            source: caller.source,
            channel: caller.channel,
            asked_at: self.clock.now().trusted,
            ..first.ask
        };
        let rule = ground.rule(&ask, self.clock.now())?;
        self.open(ground, ask, rule, caller, Some(key))
    }

    pub(crate) fn open(
        &self,
        ground: &Ground,
        ask: Ask,
        rule: Rule,
        caller: &Caller,
        key: Option<&Key>,
    ) -> Result<Opened, DeskError> {
        let (reader, clock, world) = (caller.clone(), Arc::clone(&self.clock), ground.world.clone());
        let minted = key.and_then(|key| key.mints);
        self.once_on(ground, caller, key, move |store| {
            let now = ask.asked_at;
            if let Some(before) = minted.map(|id| store.request(id)).transpose()?.flatten() {
                // It was opened so long ago that what was answered is forgotten.
                if before.ask.asked_by != ask.asked_by || before.ask.hosts != ask.hosts {
                    return Err(DeskError::KeyReused);
                }
                let rule = world.rule(&before.ask, clock.now()).ok();
                let request = view(&before, rule.as_ref(), &reader);
                return Ok(Opened { request, grant: None, existed: true, unsent: None });
            }
            let pending = store.pending_of(&ask.person)?;
            let equal = pending.iter().filter(|other| is_equal(other, &ask, &rule));
            // Who asks leaves themself out of their own ask's rule, and may have a say in the other one.
            let mut theirs = equal.map(|other| (other, world.rule(&other.ask, clock.now()).ok()));
            if let Some((equal, rule)) = theirs.find(|(other, rule)| sees(&reader, other, rule.as_ref())) {
                let request = view(equal, rule.as_ref(), &reader);
                return Ok(Opened { request, grant: None, existed: true, unsent: None });
            }
            within_bounds(store, &ask, now)?;
            let id = minted.map_or_else(|| mint_request(store), Ok)?;
            let facts = facts(store, &ask, Some(&rule), now)?;
            let stepped = open(Ask { id, ..ask }, &rule, &facts, mint_grant(store)?, now)?;
            is_of_use(store, &stepped, clock.now())?;
            put(store, &stepped, &Said::by(&reader, None), now)?;
            let grant = match &stepped.grant {
                Some(grant) => Some(crate::desk::grant_view(grant, store, &*clock)?),
                None => None,
            };
            let request = view(&stepped.request, Some(&rule), &reader);
            Ok(Opened { request, grant, existed: false, unsent: None })
        })
    }

    /// Who asked takes it back.
    pub fn cancel(&self, caller: &Caller, id: &str, key: &Key) -> Result<RequestView, DeskError> {
        self.grounded(|ground| self.cancel_on(ground, caller, id, key))
    }

    fn cancel_on(
        &self,
        ground: &Ground,
        caller: &Caller,
        id: &str,
        key: &Key,
    ) -> Result<RequestView, DeskError> {
        let found = self.find_request(id)?;
        let at = self.clock.now();
        if visible_in(&ground.world, at, &found, caller).is_none() {
            return Err(no_request(id));
        }
        let rule = ground.rule_or_why(&found.ask, at);
        let (id, reader, now) = (found.ask.id, caller.clone(), at.trusted);
        self.once_on(ground, caller, Some(key), move |store| {
            let request = store.request(id)?.ok_or_else(|| no_request(&id.to_string()))?;
            let event = Event::Cancel { by: reader.person.clone() };
            let rule = rule.as_ref().map_err(String::as_str);
            let stepped = step(&request, rule, &workflow::Facts::default(), event, now)?;
            put(store, &stepped, &Said::by(&reader, None), now)?;
            Ok(view(&stepped.request, rule.ok(), &reader))
        })
    }

    /// The hosts an ask names: by name, by label, or the machine that is asked.
    fn hosts(
        &self,
        world: &World,
        named: BTreeSet<HostName>,
        labels: &BTreeMap<String, String>,
    ) -> Result<BTreeSet<HostName>, DeskError> {
        if labels.is_empty() {
            return self.named(named);
        }
        if !named.is_empty() {
            return Err(DeskError::BadRequest(
                "hosts are named or chosen by label, not both: leave out one of the two".into(),
            ));
        }
        let found = world.labelled(labels);
        if found.is_empty() {
            let said: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            return Err(DeskError::BadRequest(format!("no host carries the labels {}", said.join(", "))));
        }
        Ok(found)
    }
}

/// Whether one of the two is enough, while the other waits. A grant that is pinned to one address is none for
/// another, and what others ask in somebody's name, in their words, is not what that person asks.
pub(crate) fn is_equal(other: &Request, ask: &Ask, rule: &Rule) -> bool {
    let own = [&ask.asked_by, &ask.person].contains(&&other.ask.asked_by);
    own && other.waits(ask.asked_at)
        && other.ask.equals(ask)
        && (!rule.wants.pin || matches!(ask.kind, Kind::Extend { .. }) || other.ask.source == ask.source)
}

/// Who asks for others uses their own places up, not those of whom they ask for. What is asked in somebody's name by the
/// word of another leaves half of theirs to what they ask for themself: that other could use them up.
fn within_bounds(store: &dyn Transaction, ask: &Ask, now: Time) -> Result<(), DeskError> {
    let Asked { pending, lately } = store.asked_by(&ask.asked_by, now - TimeDelta::hours(1))?;
    if ask.channel.is_hearsay() {
        let held = store.held_by(&ask.person)?;
        for (count, what, most) in [
            (pending, "pending requests", workflow::limits::PENDING_PER_PERSON),
            (lately, "requests within an hour", workflow::limits::OPENED_PER_HOUR),
            (held, "grants", access::limits::GRANTS_PER_LOGIN as u64),
        ] {
            if count >= most / 2 {
                return Err(Refusal::TooManyThere { count, what, most }.into());
            }
        }
        return Ok(());
    }
    // A glass that is broken does not wait, so what waits is not in its way.
    if pending >= workflow::limits::PENDING_PER_PERSON && ask.kind != Kind::BreakGlass {
        return Err(Refusal::TooManyPending(pending).into());
    }
    if lately >= workflow::limits::OPENED_PER_HOUR {
        return Err(Refusal::TooManyOpened(lately).into());
    }
    Ok(())
}

/// The person behind a login name, with all their login names.
pub(crate) fn person_of(world: &World, login: &Login) -> Result<(Person, BTreeSet<Login>), DeskError> {
    let human = world.people.of_login(login).ok_or_else(|| DeskError::NoAccount(login.to_string()))?;
    Ok((human.person.clone(), human.names.clone()))
}
