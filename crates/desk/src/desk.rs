//! The desk itself, and what every part of it needs: finding things, who sees what, doing something once.

use crate::policy::still_in_force;
use crate::{Caller, Clock, DeskError, Ground, Queries, Store, Transaction, Usage, Worlds, limits};
use access::{Claim, Grant, GrantId, GrantState, HostName, Now, Person, RequestId, Text, Time, Window};
use api::{Change, ChangeRecord, GrantView, RequestView};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use workflow::{
    Ask, Channel, Decider, Facts, Held, Kind, Narrowing, Refusal, Request, RequestState, Rule, Stepped,
    World, could_review, digest, hex,
};

/// Requests, reviews and grants over a store. Every method blocks until what it did is durable.
pub struct Desk<S> {
    pub(crate) store: S,
    pub(crate) worlds: Arc<dyn Worlds>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) host: Option<HostName>,
    /// Held by the one replay that runs: each keeps a core busy for seconds.
    pub(crate) replaying: Mutex<()>,
}

/// An idempotency key with the fingerprint of the call it came with.
#[derive(Clone, Debug)]
pub struct Key {
    key: String,
    call: String,
    pub(crate) mints: Option<RequestId>,
}

impl Key {
    /// The key of a call to `path` with `body`.
    pub fn of(key: &str, path: &str, body: &[u8]) -> Self {
        let call = hex(&Sha256::digest([path.as_bytes(), b"\n", body].concat()));
        Self { key: key.to_owned(), call, mints: None }
    }

    /// The key of a call whose request was minted elsewhere, under this id.
    pub fn minted(id: RequestId, path: &str, body: &[u8]) -> Self {
        Self { mints: Some(id), ..Self::of(&id.to_string(), path, body) }
    }
}

/// Who said something, how, and in which words; for the record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub actor: Option<Person>,
    pub channel: Option<Channel>,
    pub comment: Option<Text>,
}

impl Said {
    /// By a caller, in these words.
    pub fn by(caller: &Caller, comment: Option<Text>) -> Self {
        Self { actor: Some(caller.person.clone()), channel: Some(caller.channel), comment }
    }
}

impl<S: Store> Desk<S> {
    /// A desk on `store`; `host` is meant where a request names none. Without it every request has to.
    pub fn new(
        store: S,
        worlds: Arc<dyn Worlds>,
        clock: Arc<dyn Clock>,
        host: impl Into<Option<HostName>>,
    ) -> Self {
        Self { store, worlds, clock, host: host.into(), replaying: Mutex::new(()) }
    }

    /// The hosts that are meant by these names.
    pub(crate) fn named(&self, hosts: BTreeSet<HostName>) -> Result<BTreeSet<HostName>, DeskError> {
        match &self.host {
            _ if !hosts.is_empty() => Ok(hosts),
            Some(here) => Ok([here.clone()].into()),
            None => Err(DeskError::BadRequest(
                "a hub is no host itself: name the hosts, or labels that they have".to_owned(),
            )),
        }
    }

    /// Does `work`, a look at the rules and a write that rests on it, over the policy in force. Where another
    /// one was applied before the write ([`Self::once_on`]), all of it is done again over that.
    pub(crate) fn grounded<T>(&self, work: impl Fn(&Ground) -> Result<T, DeskError>) -> Result<T, DeskError> {
        for _ in 0..limits::OVERTAKEN {
            match work(&self.worlds.ground()) {
                // Who applied it may not have come round to having it decide.
                Err(DeskError::Overtaken) => self.adopt()?,
                done => return done,
            }
        }
        Err(DeskError::Overtaken)
    }

    /// Has the policy that was applied last decide from now on.
    pub(crate) fn adopt(&self) -> Result<(), DeskError> {
        match self.in_force()? {
            Some(version) => self.worlds.in_force().adopt(&version).map_err(DeskError::Store),
            None => Ok(()),
        }
    }

    /// [`Self::once`], and only while the policy that `ground` is made of is in force.
    pub(crate) fn once_on<T, F>(
        &self,
        ground: &Ground,
        caller: &Caller,
        key: Option<&Key>,
        work: F,
    ) -> Result<T, DeskError>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(&mut dyn Transaction) -> Result<T, DeskError> + Send + 'static,
    {
        let version = ground.version;
        self.once(caller, key, move |store| {
            still_in_force(version, store)?;
            work(store)
        })
    }

    /// [`Store::write`], and only while the policy that `ground` is made of is in force.
    pub(crate) fn write_on<T, F>(&self, ground: &Ground, work: F) -> Result<T, DeskError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Transaction) -> Result<T, DeskError> + Send + 'static,
    {
        let version = ground.version;
        self.store.write(move |store| {
            still_in_force(version, store)?;
            work(store)
        })
    }

    /// Runs `work` in one transaction, once for each key.
    pub(crate) fn once<T, F>(&self, caller: &Caller, key: Option<&Key>, work: F) -> Result<T, DeskError>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(&mut dyn Transaction) -> Result<T, DeskError> + Send + 'static,
    {
        let (person, key, now) = (caller.person.clone(), key.cloned(), self.clock.now().trusted);
        self.store.write(move |store| match key {
            Some(key) => answered_once(store, &person, &key, now, work),
            None => work(store),
        })
    }

    pub(crate) fn find_request(&self, id: &str) -> Result<Request, DeskError> {
        let (low, high) = RequestId::range(id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        self.store.read(|store| match store.request_ids(low, high)?.as_slice() {
            [] => Err(no_request(id)),
            [one] => store.request(*one)?.ok_or_else(|| no_request(id)),
            _ => Err(DeskError::Ambiguous { what: "request", id: id.to_owned() }),
        })
    }

    pub(crate) fn find_grant(&self, world: &World, caller: &Caller, id: &str) -> Result<Grant, DeskError> {
        let (low, high) = GrantId::range(id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        let grant = self.store.read(|store| match store.grant_ids(low, high)?.as_slice() {
            [] => Err(no_grant(id)),
            [one] => store.grant(*one)?.ok_or_else(|| no_grant(id)),
            _ => Err(DeskError::Ambiguous { what: "grant", id: id.to_owned() }),
        })?;
        if self.may_see(world, &grant, caller) { Ok(grant) } else { Err(no_grant(id)) }
    }

    /// Whether the caller may see this grant, in this world.
    pub fn may_see(&self, world: &World, grant: &Grant, caller: &Caller) -> bool {
        let person = &caller.person;
        if grant.person == *person || caller.roles.sees_all() || grant.approved_by.contains(person) {
            return true;
        }
        let (request, now) = (self.request_of(grant), self.clock.now());
        request.is_some_and(|request| {
            let rule = world.rule_of(&request, now).ok();
            rule.as_ref().is_some_and(|rule| rule.has_approver(person))
                || tells(world, now, &request, rule.as_ref(), person)
        })
    }

    /// What a grant came of.
    fn request_of(&self, grant: &Grant) -> Option<Request> {
        self.store.read(|store| store.request(grant.request)).ok().flatten()
    }

    /// Whether `person` approved this grant, or the policy of this moment lets them review what it came
    /// from.
    pub fn approves(&self, world: &World, grant: &Grant, person: &Person) -> bool {
        grant.approved_by.contains(person)
            || self
                .request_of(grant)
                .and_then(|request| world.rule_of(&request, self.clock.now()).ok())
                .is_some_and(|rule| rule.has_approver(person))
    }
}

/// Does `work` where nothing was answered yet to this key; else the answer is what it was.
pub(crate) fn answered_once<T: Serialize + DeserializeOwned>(
    store: &mut dyn Transaction,
    person: &Person,
    Key { key, call, .. }: &Key,
    now: Time,
    work: impl FnOnce(&mut dyn Transaction) -> Result<T, DeskError>,
) -> Result<T, DeskError> {
    if let Some((before, answer)) = store.answered(person, key)? {
        if before != *call {
            return Err(DeskError::KeyReused);
        }
        return serde_json::from_str(&answer).map_err(|why| DeskError::Store(why.to_string()));
    }
    let done = work(store)?;
    let answer = serde_json::to_string(&done).map_err(|why| DeskError::Store(why.to_string()))?;
    store.answer(person, key, call, &answer, now)?;
    Ok(done)
}

/// What the store knows that bears on this ask.
pub(crate) fn facts<Q: Queries + ?Sized>(
    store: &Q,
    ask: &Ask,
    rule: Option<&Rule>,
    now: Time,
) -> Result<Facts, DeskError> {
    let quota = rule.and_then(|rule| Some((rule, rule.auto.as_ref()?.quota?)));
    let auto_used = match quota {
        Some((rule, quota)) => store.automatic(&ask.person, &rule.id, now - quota.per.delta())?,
        None => 0,
    };
    let held = match ask.kind {
        Kind::Extend { grant } => store.grant(grant)?,
        Kind::BreakGlass => match store.request(ask.id)?.map(|request| request.state) {
            Some(RequestState::Approved { grant, .. }) => store.grant(grant)?,
            _ => None,
        },
        Kind::Access | Kind::Standing => None,
    };
    let held = match held {
        Some(grant) => Some(Held { ends: grant.ends(store.claim(grant.id)?), grant }),
        None => None,
    };
    let mut unseen = store.unseen(&ask.person)?;
    if !ask.channel.is_hearsay() {
        // Glass that a host broke in somebody's name keeps them from breaking it on hosts alone.
        let mut own = Vec::new();
        for id in unseen {
            if store.request(id)?.is_some_and(|request| !request.ask.channel.is_hearsay()) {
                own.push(id);
            }
        }
        unseen = own;
    }
    Ok(Facts { auto_used, unseen, held })
}

/// The instant that somebody asks about, if they name one.
pub(crate) fn asked_about(at: Option<Time>) -> Result<Option<Time>, DeskError> {
    match at.filter(|at| !access::is_plausible(*at)) {
        Some(at) => {
            Err(DeskError::BadRequest(format!("{at} is too far away to reckon with: name another time")))
        }
        None => Ok(at),
    }
}

/// Nobody is told that they are granted what would be over at once, as a wall clock makes it that is ahead of the time
/// that counts: ends go by the later of the two.
pub(crate) fn is_of_use<Q: Queries + ?Sized>(
    store: &Q,
    stepped: &Stepped,
    now: Now,
) -> Result<(), DeskError> {
    let Some(grant) = stepped.grant.as_ref().filter(|grant| grant.ended.is_none()) else { return Ok(()) };
    // A clock that has started goes on by what the grant says now.
    let claim = store.claim(grant.id)?.and_then(|claim| Claim::start(&grant.window, claim.started));
    let ends = grant.ends(claim.or_else(|| Claim::start(&grant.window, now.trusted)));
    let is_over = grant.state(claim, now) == GrantState::Expired || now.latest >= ends;
    if !is_over || now.latest <= now.trusted {
        return Ok(());
    }
    Err(Refusal::OverByTheWall { ends, wall: now.latest, trusted: now.trusted }.into())
}

/// Writes down what a step did: its records, the request, and the grant it yielded or changed.
pub(crate) fn put(
    store: &mut dyn Transaction,
    stepped: &Stepped,
    said: &Said,
    now: Time,
) -> Result<(), DeskError> {
    for change in &stepped.changes {
        let by_itself = match (&stepped.request.state, change) {
            (RequestState::Approved { by, .. }, Change::Approved | Change::Extended)
            | (RequestState::Denied { by, .. }, Change::Denied) => !matches!(by, Decider::People(_)),
            _ => false,
        };
        store.record(ChangeRecord {
            at: now,
            change: *change,
            actor: said.actor.clone().filter(|_| !by_itself),
            channel: said.channel.filter(|_| !by_itself),
            comment: said.comment.clone(),
            request: Some(stepped.request.clone()),
            grant: stepped.grant.clone().filter(|_| *change != Change::Requested),
            used: match (change, &stepped.grant) {
                (Change::Revoked, Some(grant)) => Some(store.usage(grant.id, now)?.used),
                _ => None,
            },
            policy: None,
        })?;
    }
    store.put_request(&stepped.request)?;
    let Some(grant) = &stepped.grant else {
        return Ok(());
    };
    if grant.version == 1 {
        let count = store.held_by(&grant.person)?;
        if count >= access::limits::GRANTS_PER_LOGIN as u64 {
            return Err(Refusal::TooManyGrants { person: grant.person.clone(), count }.into());
        }
    }
    store.put_grant(grant, grant.ended.is_some())
}

/// What the caller may see of a request in this world: one's own, what one could decide or is told of, or everything.
pub(crate) fn visible_in(world: &World, now: Now, request: &Request, caller: &Caller) -> Option<RequestView> {
    let rule = world.rule_of(request, now).ok();
    let person = &caller.person;
    let seen = sees(caller, request, rule.as_ref())
        || had_a_say(world, now, request, person)
        || tells(world, now, request, rule.as_ref(), person);
    seen.then(|| view(request, rule.as_ref(), caller))
}

/// Whether the policy has `person` told of this request: by the rule that covers it now, or else the one that did.
fn tells(world: &World, now: Now, request: &Request, rule: Option<&Rule>, person: &Person) -> bool {
    match rule {
        Some(rule) => rule.tell.contains(person),
        None => world
            .rule_named(&request.rule, &request.ask.person, now)
            .is_some_and(|rule| rule.tell.contains(person)),
    }
}

/// Whether the policy took this request out of the hands of `person`, who could have decided it: they are told
/// so, and not that there is none.
fn had_a_say(world: &World, now: Now, request: &Request, person: &Person) -> bool {
    matches!(request.state, RequestState::Denied { by: Decider::Policy { .. }, .. })
        && world
            .rule_named(&request.rule, &request.ask.person, now)
            .is_some_and(|rule| rule.has_approver(person))
}

/// One's own, what one could decide, or everything.
pub(crate) fn sees(caller: &Caller, request: &Request, rule: Option<&Rule>) -> bool {
    let own = caller.person == request.ask.asked_by || caller.person == request.ask.person;
    let said = request.reviews.iter().any(|review| review.by == caller.person);
    own || said || caller.roles.sees_all() || rule.is_some_and(|rule| rule.has_approver(&caller.person))
}

/// A request as `reader` may see it; `rule` is the one that covers it now, if one does.
pub(crate) fn view(request: &Request, rule: Option<&Rule>, reader: &Caller) -> RequestView {
    let could: Vec<Person> =
        rule.map(|rule| could_review(request, rule).into_iter().collect()).unwrap_or_default();
    let agreed = rule.map(|rule| workflow::agreed(request, rule)).unwrap_or_default();
    let scope = request.scope();
    RequestView {
        ask: request.ask.clone(),
        rule: request.rule.clone(),
        state: request.state.clone(),
        reviews: request.reviews.clone(),
        afterwards: request.afterwards.clone(),
        escalates: request.escalates,
        left: Narrowing {
            length: Some(scope.length),
            hosts: Some(scope.hosts),
            services: Some(scope.services),
        },
        claim_by: rule.filter(|_| request.starts_a_clock()).and_then(Rule::claim_by),
        digest: digest(request),
        yours_to_review: could.contains(&reader.person) && !agreed.contains(&reader.person),
        agreed,
        needs: rule.map_or(0, |rule| rule.needs(request)),
        has: rule.map_or(0, |rule| workflow::has(request, rule)),
        could_approve: could,
    }
}

pub(crate) fn grant_view<Q: Queries + ?Sized>(
    grant: &Grant,
    store: &Q,
    clock: &dyn Clock,
) -> Result<GrantView, DeskError> {
    let now = clock.now();
    let Usage { claim, sessions, used } = store.usage(grant.id, now.trusted)?;
    let state = grant.state(claim, now);
    Ok(GrantView {
        state,
        ends: match (&grant.window, state, claim) {
            // Nobody used it in time.
            (Window::FirstUse { claim_by, .. }, GrantState::Expired, None) => *claim_by,
            _ => grant.ends(claim),
        },
        sessions,
        used,
        grant: grant.clone(),
    })
}

/// The first of a few random ids that is not taken.
pub(crate) fn mint<I: Copy>(
    first: I,
    from_random: fn(u64) -> I,
    taken: impl Fn(I) -> Result<bool, DeskError>,
) -> Result<I, DeskError> {
    let mut id = first;
    for _ in 0..limits::MINT_TRIES {
        if !taken(id)? {
            return Ok(id);
        }
        id = from_random(random()?);
    }
    Err(DeskError::Store("every id that was drawn is taken already".to_owned()))
}

/// An id for a grant, that no grant has.
pub(crate) fn mint_grant<Q: Queries + ?Sized>(store: &Q) -> Result<GrantId, DeskError> {
    mint(GrantId::from_random(random()?), GrantId::from_random, |id| Ok(store.grant(id)?.is_some()))
}

/// An id for a request, that no request has.
pub(crate) fn mint_request<Q: Queries + ?Sized>(store: &Q) -> Result<RequestId, DeskError> {
    mint(RequestId::from_random(random()?), RequestId::from_random, |id| Ok(store.request(id)?.is_some()))
}

/// SHA-256 of the body of a row, in hex.
pub(crate) fn hashed(row: &impl Serialize) -> Result<String, DeskError> {
    let body = serde_json::to_vec(row).map_err(|why| DeskError::Store(why.to_string()))?;
    Ok(hex(&Sha256::digest(body)))
}

pub(crate) fn random() -> Result<u64, DeskError> {
    getrandom::u64().map_err(|why| DeskError::Store(format!("the kernel gives no random numbers: {why}")))
}

pub(crate) fn no_request(id: &str) -> DeskError {
    DeskError::NotFound { what: "request", id: id.to_owned() }
}

pub(crate) fn no_grant(id: &str) -> DeskError {
    DeskError::NotFound { what: "grant", id: id.to_owned() }
}
