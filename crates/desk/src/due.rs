//! What happens without anybody: by time, and because policy or people changed.

use crate::desk::{Said, facts, mint_grant, mint_request, put};
use crate::{Desk, DeskError, Ground, Queries, RequestFilter, Store, limits};
use access::{Grant, GrantId, HostName, RequestId, Set, Text, Time};
use api::{Change, ChangeRecord, Foreseen};
use workflow::{
    Decider, Event, Kind, Request, RequestState, Rule, StandingGrant, Stepped, World, denied_by_policy,
    moved, step, taken_back,
};

impl<S: Store> Desk<S> {
    /// Does what time has made due: requests nobody decided, escalations, break glasses nobody looked at,
    /// grants that are over. Returns how many.
    pub fn tick(&self) -> Result<usize, DeskError> {
        let now = self.clock.now();
        let (due, over) = self.store.read(|store| {
            Ok((store.due(now.trusted, limits::PER_TICK)?, store.over(now.trusted, limits::PER_TICK)?))
        })?;
        let done = due.len() + over.len();
        for request in due {
            self.grounded(|ground| self.step_by_itself(ground, request.ask.id, false))?;
        }
        for grant in over {
            let id = grant.id;
            self.store.write(move |store| {
                // It can have been ended, also by another hub's tick, or extended since it was looked for.
                let Some(grant) = store.open_grant(id)? else {
                    return Ok(());
                };
                let usage = store.usage(id, now.trusted)?;
                if grant.ends(usage.claim) > now.trusted {
                    return Ok(());
                }
                let used = Some(usage.used);
                store.record(ChangeRecord {
                    used,
                    ..by_itself(Change::Expired, now.trusted, grant.clone())
                })?;
                store.put_grant(&grant, true)
            })?;
        }
        Ok(done)
    }

    /// Brings what is there in line with a policy or people that changed: requests that wait are covered by
    /// what the policy says now or denied, grants of people who left end, and automation accounts hold what
    /// they should.
    pub fn reconcile(&self) -> Result<(), DeskError> {
        self.reconcile_with(&self.worlds.ground())
    }

    /// [`Self::reconcile`] with the world as it was at one moment: what it ends never comes back, so it must
    /// not follow from one that was read anew in between. Where another policy is applied meanwhile, the rest is
    /// left to the look that follows that one.
    pub fn reconcile_with(&self, ground: &Ground) -> Result<(), DeskError> {
        match self.follow(ground) {
            Err(DeskError::Overtaken) => Ok(()),
            done => done,
        }
    }

    fn follow(&self, ground: &Ground) -> Result<(), DeskError> {
        let world = &ground.world;
        self.each_pending(|request| self.step_by_itself(ground, request.ask.id, true))?;
        let now = self.clock.now().trusted;
        let applied = self.in_force()?.map_or(Time::MIN_UTC, |version| version.at);
        let (mut wanted, mut over) = (world.standing(now), Vec::new());
        self.each_open_grant(|grant| {
            match self.fate((world, applied), &grant, &mut wanted)? {
                Fate::Stays => {}
                Fate::Moves(hosts) => self.moves(ground, &grant, hosts, now)?,
                Fate::Ends(why) => over.push((grant, why)),
            }
            Ok(())
        })?;
        // First what takes the place of others: who is in by those is in by these then.
        for missing in wanted {
            self.give(ground, missing, now)?;
        }
        over.iter().try_for_each(|(grant, why)| self.take_back(ground, grant, why, now))
    }

    /// What would end if this world were to be followed.
    pub(crate) fn ends_under(&self, world: World) -> Result<Foreseen, DeskError> {
        let ground = Ground { version: None, world };
        let (now, mut foreseen) = (self.clock.now(), Foreseen::default());
        self.each_pending(|request| {
            let rule = ground.rule_of(&request, now);
            let rule = rule.as_ref().map_err(String::as_str);
            foreseen.requests += match self.store.read(|store| rechecked(store, &request, rule, now.trusted))
            {
                Ok(stepped) => u64::from(matches!(stepped.request.state, RequestState::Denied { .. })),
                Err(DeskError::Refused(_)) => 1,
                Err(why) => return Err(why),
            };
            Ok(())
        })?;
        let mut wanted = ground.world.standing(now.trusted);
        self.each_open_grant(|grant| {
            let fate = self.fate((&ground.world, now.trusted), &grant, &mut wanted)?;
            foreseen.grants += u64::from(matches!(fate, Fate::Ends(_)));
            Ok(())
        })?;
        Ok(foreseen)
    }

    fn each_pending(&self, mut work: impl FnMut(Request) -> Result<(), DeskError>) -> Result<(), DeskError> {
        let mut after = None;
        loop {
            let page =
                self.store.read(|store| store.requests(&RequestFilter::Waiting, after, api::limits::PAGE))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.ask.asked_at, last.ask.id));
            page.into_iter().filter(|request| request.state.is_pending()).try_for_each(&mut work)?;
        }
    }

    fn each_open_grant(&self, mut work: impl FnMut(Grant) -> Result<(), DeskError>) -> Result<(), DeskError> {
        let mut after = None;
        loop {
            let page = self.store.read(|store| store.open_grants(after, api::limits::PAGE))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            page.into_iter().try_for_each(&mut work)?;
        }
    }

    /// What the policy as it is now, applied then, makes of a grant. A standing grant that is as it should be is struck off
    /// those `wanted`.
    fn fate(
        &self,
        (world, applied): (&World, Time),
        grant: &Grant,
        wanted: &mut Vec<StandingGrant>,
    ) -> Result<Fate, DeskError> {
        let request = self.store.read(|store| store.request(grant.request))?;
        let is_standing = match &request {
            Some(request) => request.ask.kind == Kind::Standing,
            // A host gave it back, and its request is lost: nobody approves what a rule gives for good.
            None => grant.approved_by.is_empty() && !grant.break_glass && !world.gives(&grant.rule),
        };
        let fate = match (world.still_for(grant), request) {
            _ if is_standing => standing(world, grant, wanted),
            (Err(why), _) => Fate::Ends(why),
            (Ok(()), Some(request)) => world.followed(grant, &request).map_or(Fate::Stays, Fate::Moves),
            (Ok(()), None) => Fate::Stays,
        };
        // What a host gave back can be of a policy that was lost: one that is older has no say about its end.
        let is_older = matches!(fate, Fate::Ends(_)) && applied <= grant.approved_at;
        Ok(if is_older && self.store.read(|store| store.came_back(grant.id))? { Fate::Stays } else { fate })
    }

    fn give(&self, ground: &Ground, missing: StandingGrant, now: Time) -> Result<(), DeskError> {
        let given = self.write_on(ground, move |store| {
            // As many as one person can hold.
            let held = store.grants(Some(&missing.person), None, false, None, api::limits::PAGE)?;
            if held.iter().any(|grant| missing.is(grant))
                || store.any_closed(&missing.person, missing.until, &|grant| missing.was_taken_back(grant))?
            {
                return Ok(());
            }
            let stepped = missing.given(mint_request(store)?, mint_grant(store)?, now);
            put(store, &stepped, &Said::default(), now)
        });
        match given {
            // An account that holds all that one can hold keeps nobody else from what they should.
            Err(DeskError::Refused(_)) => Ok(()),
            given => given,
        }
    }

    fn moves(
        &self,
        ground: &Ground,
        grant: &Grant,
        hosts: Set<HostName>,
        now: Time,
    ) -> Result<(), DeskError> {
        let seen = grant.clone();
        self.write_on(ground, move |store| {
            // It can have been ended, or been made longer; who gave it other hosts follows what is now as well.
            let Some(grant) = store.open_grant(seen.id)?.filter(|grant| grant.hosts == seen.hosts) else {
                return Ok(());
            };
            let moved = moved(&grant, hosts.clone());
            store.record(by_itself(Change::HostsChanged, now, moved.clone()))?;
            store.put_grant(&moved, false)
        })
    }

    /// Ends a grant that the policy would not give now.
    pub fn end_by_policy(&self, id: GrantId, why: &str) -> Result<(), DeskError> {
        let now = self.clock.now().trusted;
        self.grounded(|ground| match self.store.read(|store| store.open_grant(id))? {
            Some(grant) => self.take_back(ground, &grant, why, now),
            None => Ok(()),
        })
    }

    fn take_back(&self, ground: &Ground, grant: &Grant, why: &str, now: Time) -> Result<(), DeskError> {
        let (id, why) = (grant.id, why.to_owned());
        self.write_on(ground, move |store| {
            let Some(grant) = store.open_grant(id)? else {
                return Ok(());
            };
            let ended = taken_back(&grant, &why, now);
            let comment = ended.ended.as_ref().and_then(|ended| ended.reason.clone());
            let used = Some(store.usage(id, now)?.used);
            store.record(ChangeRecord { comment, used, ..by_itself(Change::Revoked, now, ended.clone()) })?;
            store.put_grant(&ended, true)
        })
    }

    /// A tick, or a look at what the policy says now.
    fn step_by_itself(&self, ground: &Ground, id: RequestId, recheck: bool) -> Result<(), DeskError> {
        let now = self.clock.now().trusted;
        let Some(request) = self.store.read(|store| store.request(id))? else {
            return Ok(());
        };
        let rule = ground.rule_of(&request, self.clock.now());
        let stepped = move |store: &dyn Queries, request: &Request| {
            let rule = rule.as_ref().map_err(String::as_str);
            if recheck {
                return rechecked(store, request, rule, now);
            }
            let facts = facts(store, &request.ask, rule.ok(), now)?;
            Ok::<_, DeskError>(step(request, rule, &facts, Event::Tick, now)?)
        };
        // Most of what is looked at stays as it is, and the disk need not hear of it.
        if self.store.read(|store| stepped(store, &request))?.changes.is_empty() {
            return Ok(());
        }
        let done = self.write_on(ground, move |store| {
            let Some(request) = store.request(id)? else {
                return Ok(());
            };
            let stepped = stepped(store, &request)?;
            if stepped.changes.is_empty() {
                return Ok(());
            }
            let comment = match &stepped.request.state {
                RequestState::Denied { by: Decider::Policy { why }, .. } => in_short(why),
                _ => None,
            };
            put(store, &stepped, &Said { comment, ..Said::default() }, now)
        });
        match done {
            Err(DeskError::Refused(why)) if recheck => self.deny_by_policy(ground, id, why.to_string(), now),
            done => done,
        }
    }

    /// What the policy would approve now, and cannot be given: it holds up nobody else.
    fn deny_by_policy(
        &self,
        ground: &Ground,
        id: RequestId,
        why: String,
        now: Time,
    ) -> Result<(), DeskError> {
        self.write_on(ground, move |store| {
            let Some(request) = store.request(id)?.filter(|request| request.state.is_pending()) else {
                return Ok(());
            };
            let comment = in_short(&why);
            let stepped = denied_by_policy(&request, why.clone(), now);
            put(store, &stepped, &Said { comment, ..Said::default() }, now)
        })
    }
}

/// What a request comes to by the rule that covers it now, or by why none does.
fn rechecked(
    store: &dyn Queries,
    request: &Request,
    rule: Result<&Rule, &str>,
    now: Time,
) -> Result<Stepped, DeskError> {
    let facts = facts(store, &request.ask, rule.ok(), now)?;
    Ok(step(request, rule, &facts, Event::Recheck { mint: mint_grant(store)? }, now)?)
}

/// What becomes of a grant.
enum Fate {
    Stays,
    /// It is for these hosts from now on.
    Moves(Set<HostName>),
    /// It ends, and why.
    Ends(String),
}

/// What becomes of a standing grant. Where nothing but its hosts is another, it goes on for those of now: sessions by it are
/// not ended because some other host came. A host that is still there and has lost it must hear of an end.
fn standing(world: &World, grant: &Grant, wanted: &mut Vec<StandingGrant>) -> Fate {
    if let Some(place) = wanted.iter().position(|wanted| wanted.is(grant)) {
        wanted.remove(place);
        return Fate::Stays;
    }
    let goes_on = |wanted: &StandingGrant| {
        let mut left = grant.hosts.iter().filter(|host| !wanted.hosts.contains(host));
        wanted.is_but_for_hosts(grant) && left.all(|host| !world.hosts.labels.contains_key(host))
    };
    match wanted.iter().position(goes_on) {
        Some(place) => Fate::Moves(wanted.remove(place).hosts),
        None => Fate::Ends(format!("rule {} gives it no more, or other access instead", grant.rule)),
    }
}

/// As much of it as a text takes: a reason can name every host of an ask.
fn in_short(why: &str) -> Option<Text> {
    Text::parse(why.get(..why.floor_char_boundary(access::limits::TEXT))?).ok()
}

fn by_itself(change: Change, at: Time, grant: Grant) -> ChangeRecord {
    ChangeRecord {
        at,
        change,
        actor: None,
        channel: None,
        comment: None,
        request: None,
        grant: Some(grant),
        used: None,
        policy: None,
    }
}
