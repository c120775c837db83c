//! The desk: every event on requests and grants, whoever's door it comes through.

use crate::{Asked, Caller, Clock, DeskError, Policy, Queries, RequestFilter, Store, Transaction, limits};
use access::{EndedHow, Grant, GrantId, HostName, Login, Person, RequestId, Service, Text, Time};
use api::{
    AskGrants, Change, ChangeRecord, EndGrant, GrantView, NewRequest, NewReview, NewVerdict, Opened,
    RequestView, Reviewed, Which,
};
use chrono::TimeDelta;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use workflow::{
    Ask, Channel, End, Event, Narrowing, Refusal, Request, RequestState, Review, ReviewVerdict, Rule,
    could_approve, digest, end, hex, open, step,
};

/// Requests, reviews and grants over a store. Every method blocks until what it did is durable.
pub struct Desk<S> {
    store: S,
    policy: Arc<dyn Policy>,
    clock: Arc<dyn Clock>,
    host: HostName,
}

/// An idempotency key with the fingerprint of the call it came with.
#[derive(Clone, Debug)]
pub struct Key {
    key: String,
    call: String,
}

impl Key {
    /// The key of a call to `path` with `body`.
    pub fn of(key: &str, path: &str, body: &[u8]) -> Self {
        let call = hex(&Sha256::digest([path.as_bytes(), b"\n", body].concat()));
        Self { key: key.to_owned(), call }
    }
}

impl<S: Store> Desk<S> {
    /// A desk on `store`; `host` is meant where a request names none.
    pub fn new(store: S, policy: Arc<dyn Policy>, clock: Arc<dyn Clock>, host: HostName) -> Self {
        Self { store, policy, clock, host }
    }

    /// Opens a request, or points at an equal one that waits.
    pub fn request(&self, caller: &Caller, new: NewRequest, key: &Key) -> Result<Opened, DeskError> {
        let login = new.user.as_ref().unwrap_or(&caller.login);
        let (person, names) =
            self.policy.person(login).ok_or_else(|| DeskError::NoAccount(login.to_string()))?;
        let hosts = if new.hosts.is_empty() { BTreeSet::from([self.host.clone()]) } else { new.hosts };
        let now = self.clock.now().trusted;
        let ask = Ask {
            id: RequestId::from_random(random()?),
            asked_by: caller.person.clone(),
            person,
            names,
            hosts,
            services: new.services,
            run_as: new.run_as,
            length: new.length.unwrap_or_else(|| self.policy.default_length()),
            starts: new.at.filter(|at| *at > now),
            reason: new.reason,
            ticket: new.ticket,
            channel: caller.channel,
            asked_at: now,
        };
        self.open(ask, caller, Some(key))
    }

    /// Points at an equal request that waits, or opens the one that a refused login stands for, where it
    /// may.
    pub fn request_of_login(
        &self,
        login: &Login,
        service: &Service,
        run_as: Option<&Login>,
        reason: Text,
        may_open: bool,
    ) -> Result<Option<Opened>, DeskError> {
        let (person, names) =
            self.policy.person(login).ok_or_else(|| DeskError::NoAccount(login.to_string()))?;
        let caller = Caller {
            person: person.clone(),
            login: login.clone(),
            roles: crate::Roles::default(),
            channel: Channel::Login,
            reviews: Err("a login cannot review".to_owned()),
        };
        let ask = Ask {
            id: RequestId::from_random(random()?),
            asked_by: person.clone(),
            person,
            names,
            hosts: BTreeSet::from([self.host.clone()]),
            services: BTreeSet::from([service.clone()]),
            run_as: run_as.cloned(),
            length: self.policy.default_length(),
            starts: None,
            reason,
            ticket: None,
            channel: Channel::Login,
            asked_at: self.clock.now().trusted,
        };
        if !may_open {
            let waiting = self.store.read(|store| store.pending_of(&ask.person))?;
            let equal = waiting.iter().find(|other| other.ask.equals(&ask));
            let seen = equal.and_then(|request| self.visible(request, &caller));
            return Ok(seen.map(|request| Opened { request, existed: true }));
        }
        self.open(ask, &caller, None).map(Some)
    }

    fn open(&self, ask: Ask, caller: &Caller, key: Option<&Key>) -> Result<Opened, DeskError> {
        let rule = self.policy.rule(&ask).map_err(DeskError::NoRule)?;
        let reader = caller.clone();
        self.once(caller, key, move |store| {
            let now = ask.asked_at;
            let pending = store.pending_of(&ask.person)?;
            let equal = pending.iter().find(|other| other.ask.equals(&ask) && sees(&reader, other, &rule));
            if let Some(equal) = equal {
                return Ok(Opened { request: view(equal, &rule, &reader), existed: true });
            }
            // Who asks for others uses their own places up, not those of whom they ask for.
            let Asked { pending, lately } = store.asked_by(&ask.asked_by, now - TimeDelta::hours(1))?;
            if pending >= workflow::limits::PENDING_PER_PERSON {
                return Err(Refusal::TooManyPending(pending).into());
            }
            if lately >= workflow::limits::OPENED_PER_HOUR {
                return Err(Refusal::TooManyOpened(lately).into());
            }
            let id = mint(ask.id, RequestId::from_random, |id| Ok(store.request(id)?.is_some()))?;
            let request = open(Ask { id, ..ask }, &rule, now)?;
            store.record(ChangeRecord {
                at: now,
                change: Change::Requested,
                actor: Some(request.ask.asked_by.clone()),
                channel: Some(request.ask.channel),
                comment: None,
                request: Some(request.clone()),
                grant: None,
            })?;
            store.put_request(&request)?;
            Ok(Opened { request: view(&request, &rule, &reader), existed: false })
        })
    }

    /// Requests that the caller may see.
    pub fn requests(&self, caller: &Caller, which: Which, limit: u32) -> Result<Vec<RequestView>, DeskError> {
        let filter = match which {
            Which::Pending => RequestFilter::Pending,
            Which::Mine => RequestFilter::Of(caller.person.clone()),
            Which::All => RequestFilter::All,
        };
        let found = self.store.read(|store| store.requests(&filter, limit.min(api::limits::PAGE)))?;
        Ok(found.iter().filter_map(|request| self.visible(request, caller)).collect())
    }

    /// One request.
    pub fn show_request(&self, caller: &Caller, id: &str) -> Result<RequestView, DeskError> {
        let request = self.find_request(id)?;
        self.visible(&request, caller).ok_or_else(|| no_request(id))
    }

    /// An approver answers.
    pub fn review(
        &self,
        caller: &Caller,
        id: &str,
        new: NewReview,
        key: &Key,
    ) -> Result<Reviewed, DeskError> {
        if let Err(why) = &caller.reviews {
            return Err(DeskError::NotThem(why.clone()));
        }
        let found = self.find_request(id)?;
        if self.visible(&found, caller).is_none() {
            return Err(no_request(id));
        }
        let rule = self.policy.rule(&found.ask).map_err(DeskError::NoRule)?;
        let verdict = match new.verdict {
            NewVerdict::Approve => ReviewVerdict::Approve { narrowing: new.narrowing },
            NewVerdict::Deny if new.narrowing == Narrowing::default() => ReviewVerdict::Deny,
            NewVerdict::Deny => {
                return Err(DeskError::BadRequest(
                    "a denial has nothing to cut down: leave out the narrowing".into(),
                ));
            }
        };
        let review = Review {
            by: caller.person.clone(),
            verdict,
            comment: new.comment,
            channel: caller.channel,
            at: self.clock.now().trusted,
            digest: new.digest,
        };
        let first = GrantId::from_random(random()?);
        let (id, reader, clock) = (found.ask.id, caller.clone(), Arc::clone(&self.clock));
        self.once(caller, Some(key), move |store| {
            let request = store.request(id)?.ok_or_else(|| no_request(&id.to_string()))?;
            let mint = mint(first, GrantId::from_random, |id| Ok(store.grant(id)?.is_some()))?;
            let stepped = step(&request, &rule, Event::Review { review: review.clone(), mint }, review.at)?;
            store.record(ChangeRecord {
                at: review.at,
                change: match &stepped.request.state {
                    RequestState::Approved { .. } => Change::Approved,
                    RequestState::Denied { .. } => Change::Denied,
                    _ => Change::Reviewed,
                },
                actor: Some(review.by.clone()),
                channel: Some(review.channel),
                comment: review.comment.clone(),
                request: Some(stepped.request.clone()),
                grant: stepped.grant.clone(),
            })?;
            store.put_request(&stepped.request)?;
            let grant = match &stepped.grant {
                Some(grant) => {
                    let count = store.held_by(&grant.person)?;
                    if count >= access::limits::GRANTS_PER_LOGIN as u64 {
                        return Err(Refusal::TooManyGrants { person: grant.person.clone(), count }.into());
                    }
                    store.put_grant(grant, false)?;
                    Some(grant_view(grant, store, &*clock)?)
                }
                None => None,
            };
            Ok(Reviewed { request: view(&stepped.request, &rule, &reader), grant })
        })
    }

    /// Who asked takes it back.
    pub fn cancel(&self, caller: &Caller, id: &str, key: &Key) -> Result<RequestView, DeskError> {
        let found = self.find_request(id)?;
        if self.visible(&found, caller).is_none() {
            return Err(no_request(id));
        }
        let rule = self.policy.rule(&found.ask).map_err(DeskError::NoRule)?;
        let (id, reader, now) = (found.ask.id, caller.clone(), self.clock.now().trusted);
        self.once(caller, Some(key), move |store| {
            let request = store.request(id)?.ok_or_else(|| no_request(&id.to_string()))?;
            let event = Event::Cancel { by: reader.person.clone() };
            let stepped = step(&request, &rule, event, now)?;
            store.record(ChangeRecord {
                at: now,
                change: Change::Cancelled,
                actor: Some(reader.person.clone()),
                channel: Some(reader.channel),
                comment: None,
                request: Some(stepped.request.clone()),
                grant: None,
            })?;
            store.put_request(&stepped.request)?;
            Ok(view(&stepped.request, &rule, &reader))
        })
    }

    /// Grants that the caller may see.
    pub fn grants(&self, caller: &Caller, ask: &AskGrants, limit: u32) -> Result<Vec<GrantView>, DeskError> {
        let person = match &ask.user {
            Some(login) => {
                Some(self.policy.person(login).ok_or_else(|| DeskError::NoAccount(login.to_string()))?.0)
            }
            None if caller.roles.sees_all() || self.policy.reviews(&caller.person) => None,
            None => Some(caller.person.clone()),
        };
        let mut found = self.store.read(|store| {
            store.grants(person.as_ref(), ask.host.as_ref(), ask.all, limit.min(api::limits::PAGE))
        })?;
        found.retain(|grant| self.may_see(grant, caller));
        self.store.read(|store| found.iter().map(|grant| grant_view(grant, store, &*self.clock)).collect())
    }

    /// One grant.
    pub fn show_grant(&self, caller: &Caller, id: &str) -> Result<GrantView, DeskError> {
        let grant = self.find_grant(caller, id)?;
        self.store.read(|store| grant_view(&grant, store, &*self.clock))
    }

    /// A grant is taken back or given back.
    pub fn end_grant(
        &self,
        caller: &Caller,
        id: &str,
        how: EndedHow,
        body: EndGrant,
        key: &Key,
    ) -> Result<GrantView, DeskError> {
        let found = self.find_grant(caller, id)?;
        let approver = self.approves(&found, &caller.person);
        if how == EndedHow::Revoked
            && found.person != caller.person
            && let Err(why) = &caller.reviews
            && !caller.roles.revokes()
        {
            return Err(DeskError::NotThem(why.clone()));
        }
        let ending = End {
            how,
            by: caller.person.clone(),
            has_right: approver || caller.roles.revokes(),
            reason: body.reason.clone(),
        };
        let (id, channel, clock) = (found.id, caller.channel, Arc::clone(&self.clock));
        self.once(caller, Some(key), move |store| {
            let grant = store.grant(id)?.ok_or_else(|| no_grant(&id.to_string()))?;
            let by = ending.by.clone();
            let ended = end(&grant, ending, clock.now())?;
            store.record(ChangeRecord {
                at: clock.now().trusted,
                change: match how {
                    EndedHow::Revoked => Change::Revoked,
                    EndedHow::Released => Change::Released,
                },
                actor: Some(by),
                channel: Some(channel),
                comment: body.reason,
                request: None,
                grant: Some(ended.clone()),
            })?;
            store.put_grant(&ended, true)?;
            grant_view(&ended, store, &*clock)
        })
    }

    /// Closes what time has ended: requests nobody decided, grants that are over. Returns how many.
    pub fn tick(&self) -> Result<usize, DeskError> {
        let now = self.clock.now();
        let (overdue, over) = self.store.read(|store| {
            Ok((store.overdue(now.trusted, limits::PER_TICK)?, store.over(now.trusted, limits::PER_TICK)?))
        })?;
        let closed = overdue.len() + over.len();
        for request in overdue {
            let Ok(rule) = self.policy.rule(&request.ask) else {
                continue;
            };
            let id = request.ask.id;
            self.store.write(move |store| {
                let Some(request) = store.request(id)? else {
                    return Ok(());
                };
                let stepped = step(&request, &rule, Event::Tick, now.trusted)?;
                if stepped.request == request {
                    return Ok(());
                }
                store.record(by_clock(Change::Lapsed, now.trusted, Some(stepped.request.clone()), None))?;
                store.put_request(&stepped.request)
            })?;
        }
        for grant in over {
            self.store.write(move |store| {
                store.record(by_clock(Change::Expired, now.trusted, None, Some(grant.clone())))?;
                store.put_grant(&grant, true)
            })?;
        }
        Ok(closed)
    }

    /// Runs `work` in one transaction, once for each key.
    fn once<T, F>(&self, caller: &Caller, key: Option<&Key>, work: F) -> Result<T, DeskError>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(&mut dyn Transaction) -> Result<T, DeskError> + Send + 'static,
    {
        let (person, key, now) = (caller.person.clone(), key.cloned(), self.clock.now().trusted);
        self.store.write(move |store| {
            let Some(Key { key, call }) = key else {
                return work(store);
            };
            if let Some((before, answer)) = store.answered(&person, &key)? {
                if before != call {
                    return Err(DeskError::KeyReused);
                }
                return serde_json::from_str(&answer).map_err(|why| DeskError::Store(why.to_string()));
            }
            let done = work(store)?;
            let answer = serde_json::to_string(&done).map_err(|why| DeskError::Store(why.to_string()))?;
            store.answer(&person, &key, &call, &answer, now)?;
            Ok(done)
        })
    }

    fn find_request(&self, id: &str) -> Result<Request, DeskError> {
        let (low, high) = RequestId::range(id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        self.store.read(|store| match store.request_ids(low, high)?.as_slice() {
            [] => Err(no_request(id)),
            [one] => store.request(*one)?.ok_or_else(|| no_request(id)),
            _ => Err(DeskError::Ambiguous { what: "request", id: id.to_owned() }),
        })
    }

    fn find_grant(&self, caller: &Caller, id: &str) -> Result<Grant, DeskError> {
        let (low, high) = GrantId::range(id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        let grant = self.store.read(|store| match store.grant_ids(low, high)?.as_slice() {
            [] => Err(no_grant(id)),
            [one] => store.grant(*one)?.ok_or_else(|| no_grant(id)),
            _ => Err(DeskError::Ambiguous { what: "grant", id: id.to_owned() }),
        })?;
        if self.may_see(&grant, caller) { Ok(grant) } else { Err(no_grant(id)) }
    }

    /// What the caller may see of a request: one's own, what one could decide, or everything.
    fn visible(&self, request: &Request, caller: &Caller) -> Option<RequestView> {
        let rule = self.policy.rule(&request.ask).ok()?;
        sees(caller, request, &rule).then(|| view(request, &rule, caller))
    }

    fn may_see(&self, grant: &Grant, caller: &Caller) -> bool {
        grant.person == caller.person || caller.roles.sees_all() || self.approves(grant, &caller.person)
    }

    /// Whether the policy of this moment lets `person` review what this grant came from.
    fn approves(&self, grant: &Grant, person: &Person) -> bool {
        let request = self.store.read(|store| store.request(grant.request)).ok().flatten();
        request
            .and_then(|request| self.policy.rule(&request.ask).ok())
            .is_some_and(|rule| rule.has_approver(person))
    }
}

fn by_clock(change: Change, at: Time, request: Option<Request>, grant: Option<Grant>) -> ChangeRecord {
    ChangeRecord { at, change, actor: None, channel: None, comment: None, request, grant }
}

/// One's own, what one could decide, or everything.
fn sees(caller: &Caller, request: &Request, rule: &Rule) -> bool {
    let own = caller.person == request.ask.asked_by || caller.person == request.ask.person;
    own || caller.roles.sees_all() || rule.has_approver(&caller.person)
}

fn view(request: &Request, rule: &Rule, reader: &Caller) -> RequestView {
    let could: Vec<Person> = if request.state.is_pending() {
        could_approve(&request.ask, rule).into_iter().cloned().collect()
    } else {
        Vec::new()
    };
    let scope = request.scope();
    RequestView {
        ask: request.ask.clone(),
        rule: request.rule.clone(),
        state: request.state.clone(),
        reviews: request.reviews.clone(),
        left: Narrowing {
            length: Some(scope.length),
            hosts: Some(scope.hosts),
            services: Some(scope.services),
        },
        digest: digest(request),
        yours_to_review: could.contains(&reader.person),
        could_approve: could,
    }
}

fn grant_view<Q: Queries + ?Sized>(
    grant: &Grant,
    store: &Q,
    clock: &dyn Clock,
) -> Result<GrantView, DeskError> {
    let claim = store.claim(grant.id)?;
    Ok(GrantView {
        state: grant.state(claim, clock.now()),
        ends: grant.ends(claim),
        sessions: store.sessions(grant.id)?,
        grant: grant.clone(),
    })
}

/// The first of a few random ids that is not taken.
fn mint<I: Copy>(
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

fn random() -> Result<u64, DeskError> {
    getrandom::u64().map_err(|why| DeskError::Store(format!("the kernel gives no random numbers: {why}")))
}

fn no_request(id: &str) -> DeskError {
    DeskError::NotFound { what: "request", id: id.to_owned(), list: "requests --all" }
}

fn no_grant(id: &str) -> DeskError {
    DeskError::NotFound { what: "grant", id: id.to_owned(), list: "grants --all" }
}
