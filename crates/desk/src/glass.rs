//! Glass that can be broken where the desk cannot be asked: what a host holds for that, and what becomes of it there.

use crate::desk::{Said, answered_once, grant_view, mint_grant, put, random, view};
use crate::{Caller, Desk, DeskError, Key, Store, Transaction};
use access::{Grant, GrantId, HostName, Person, RequestId, Service, Span, Text, Time, Window};
use api::Opened;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use workflow::{
    Afterwards, Ask, Change, Channel, Decider, Facts, Kind, Request, RequestState, Rule, Stepped, Wants,
    World, open,
};

/// Services that a permit is for, as many of these together as one rule gives.
const SERVICES: [&[&str]; 4] = [&["ssh", "sudo", "su"], &["ssh", "sudo"], &["ssh"], &["sudo"]];

/// A glass that was broken on a host while the desk could not be asked.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The id that the host gave the request.
    pub request: RequestId,
    /// The grant as the host made it of a permit.
    pub grant: Grant,
    /// Why.
    pub reason: Text,
    /// The ticket it belongs to.
    pub ticket: Option<Text>,
    /// From where.
    pub source: Option<IpAddr>,
}

impl Broken {
    /// The request that is looked at afterwards: as soon as its rule says, or by one that is gone within a day.
    pub(crate) fn request_of(&self, saw: String, rule: Option<&Rule>, now: Time) -> Request {
        let Self { grant, reason, ticket, source, .. } = self;
        let length = grant.window.latest_end() - grant.window.not_before();
        let length =
            u32::try_from(length.num_seconds()).ok().and_then(Span::seconds).unwrap_or(Span::SHORTEST);
        let within = rule.and_then(|rule| Some(rule.break_glass.as_ref()?.within.delta()));
        let shared = grant.logins.iter().find(|login| !grant.names.contains(*login));
        let ask = Ask {
            id: self.request,
            kind: Kind::BreakGlass,
            asked_by: grant.person.clone(),
            person: grant.person.clone(),
            names: (&grant.names).into(),
            hosts: (&grant.hosts).into(),
            labels: BTreeMap::new(),
            follows: false,
            before: None,
            services: (&grant.services).into(),
            run_as: shared.or_else(|| grant.run_as.first()).cloned(),
            length,
            starts: None,
            reason: reason.clone(),
            ticket: ticket.clone(),
            source: *source,
            channel: Channel::Host,
            asked_at: grant.approved_at,
        };
        let by = Decider::Rule { saw: vec![saw] };
        Request {
            ask,
            rule: grant.rule.to_string(),
            state: RequestState::Approved { at: grant.approved_at, grant: grant.id, by },
            reviews: Vec::new(),
            escalated: None,
            escalates: None,
            afterwards: Some(Afterwards {
                due: now + within.unwrap_or(TimeDelta::days(1)),
                overdue: false,
                review: None,
            }),
        }
    }
}

impl<S: Store> Desk<S> {
    /// What the policy lets these people break glass for on one host: for each person a grant that has no id yet, can be
    /// claimed for `good` and lets in for `longest` at most. Nothing is read for it, as it is looked for on every host
    /// of a fleet: whoever has broken glass that nobody has looked at ([`Self::has_unseen`]) is to be left out before.
    pub fn could_break(
        &self,
        world: &World,
        people: &BTreeSet<Person>,
        host: &HostName,
        (good, longest): (TimeDelta, Span),
    ) -> Vec<Grant> {
        let now = self.clock.now();
        let of = |person| {
            SERVICES.iter().find_map(|services| {
                let ask = ask_for(world, person, host, services, now.trusted)?;
                let rule = world.rule(&ask, now).ok()?;
                permit(ask, rule, (good, longest), now.trusted)
            })
        };
        people.iter().filter_map(of).collect()
    }

    /// An id for a permit, that no grant has.
    pub fn mint_permit(&self) -> Result<GrantId, DeskError> {
        self.store.read(|store| mint_grant(store))
    }

    /// What takes in that glass was broken by a permit, which is looked at afterwards, as any. None comes of a permit that was
    /// used for another request: it is for once.
    pub fn takes_broken(
        &self,
        caller: &Caller,
        broken: Broken,
        key: &Key,
    ) -> impl FnOnce(&mut dyn Transaction) -> Result<Option<Opened>, DeskError> + Send + 'static + use<S>
    {
        let (world, now) = (self.worlds.world(), self.clock.now());
        let rule = world.rule_named(&broken.grant.rule, &broken.grant.person, now);
        let saw = format!("{} broke the glass by a permit, while the hub was away", broken.grant.person);
        let request = broken.request_of(saw, rule.as_ref(), now.trusted);
        let Broken { request: id, grant, .. } = broken;
        let permit = grant.id;
        let stepped =
            Stepped { request, grant: Some(grant), changes: vec![Change::Requested, Change::BreakGlass] };
        let (reader, key, clock) = (caller.clone(), key.clone(), Arc::clone(&self.clock));
        move |store| {
            if store.grant(permit)?.is_some_and(|held| held.request != id) {
                return Ok(None);
            }
            let opened = answered_once(store, &reader.person, &key, now.trusted, |store| {
                // What a host gave back it says again, and that changes nothing.
                let is_new = store.request(id)?.is_none() && store.grant(permit)?.is_none();
                if is_new {
                    put(store, &stepped, &Said::by(&reader, None), now.trusted)?;
                }
                match (store.request(id)?, store.grant(permit)?) {
                    (Some(request), Some(grant)) => {
                        let grant = Some(grant_view(&grant, store, &*clock)?);
                        let request = view(&request, rule.as_ref(), &reader);
                        Ok(Opened { request, grant, existed: !is_new, unsent: None })
                    }
                    _ => Err(DeskError::KeyReused),
                }
            })?;
            Ok(Some(opened))
        }
    }

    /// Whether there is this grant of broken glass, in whatever version.
    pub fn has_glass(&self, grant: &Grant) -> Result<bool, DeskError> {
        let held = self.store.read(|store| store.grant(grant.id))?;
        Ok(held.is_some_and(|held| {
            held.break_glass
                && (held.request, &held.person, &held.names, &held.hosts)
                    == (grant.request, &grant.person, &grant.names, &grant.hosts)
        }))
    }

    /// Whether this person has broken glass that nobody has looked at.
    pub fn has_unseen(&self, person: &Person) -> Result<bool, DeskError> {
        self.store.read(|store| Ok(!store.unseen(person)?.is_empty()))
    }
}

/// The break glass of this person at this host.
fn ask_for(world: &World, person: &Person, host: &HostName, services: &[&str], now: Time) -> Option<Ask> {
    let human = world.people.get(person)?;
    let services: Result<BTreeSet<Service>, _> =
        services.iter().map(|service| Service::parse(service)).collect();
    Some(Ask {
        id: RequestId::from_random(random().ok()?),
        kind: Kind::BreakGlass,
        asked_by: human.person.clone(),
        person: human.person.clone(),
        names: human.names.clone(),
        hosts: BTreeSet::from([host.clone()]),
        labels: BTreeMap::new(),
        follows: false,
        before: None,
        services: services.ok()?,
        run_as: None,
        length: Span::SHORTEST,
        starts: None,
        reason: Text::parse("a permit for when the hub is away").ok()?,
        ticket: None,
        source: None,
        channel: Channel::Policy,
        asked_at: now,
    })
}

/// What the rule would give to whoever broke glass now, to be claimed for `good`.
fn permit(ask: Ask, rule: Rule, (good, longest): (TimeDelta, Span), now: Time) -> Option<Grant> {
    let glass = rule.break_glass.as_ref()?;
    let length = glass.longest.min(longest);
    let ask = Ask { length, ..ask };
    // What they must say is for the one who looks at it afterwards to miss; an address cannot be known yet.
    let rule = Rule { wants: Wants::default(), ..rule };
    let stepped = open(ask, &rule, &Facts::default(), GrantId::from_random(0), now).ok()?;
    let claim_by = now + good;
    let window =
        Window::FirstUse { not_before: now, claim_by, length, latest_end: claim_by + length.delta() };
    Some(Grant { window, ..stepped.grant? })
}
