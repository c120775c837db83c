//! What would have become of past requests under another policy.
//!
//! Both policies judge every stored ask at the moment it was asked, so that only the policy differs. People,
//! groups, hosts and schedules are those of now: nobody keeps what they were.

use crate::{Caller, Desk, DeskError, Store, limits};
use access::{Now, Person, Span, Time};
use api::{Difference, DifferenceKind, NewPolicy, NewReplay, Replayed};
use chrono::TimeDelta;
use std::collections::{HashMap, VecDeque};
use std::sync::TryLockError;
use workflow::{Facts, How, Kind, Outcome, Policy, Request, World, outcome};

impl<S: Store> Desk<S> {
    /// What another policy would have made of the requests of so many days.
    pub fn replay(&self, caller: &Caller, new: &NewReplay) -> Result<Replayed, DeskError> {
        if !caller.roles.sees_all() {
            return Err(DeskError::Forbidden(
                "a replay looks at everybody's requests: auditors, operators and administrators can".into(),
            ));
        }
        if !(1..=limits::REPLAY_DAYS).contains(&new.days) {
            return Err(DeskError::BadRequest(format!(
                "{} days cannot be replayed: name 1 to {}",
                new.days,
                limits::REPLAY_DAYS
            )));
        }
        // A poisoned lock guards nothing that could be half done.
        let _one = match self.replaying.try_lock() {
            Ok(one) => one,
            Err(TryLockError::Poisoned(one)) => one.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(DeskError::Busy("another replay runs: try again when it is done".into()));
            }
        };
        let policy = NewPolicy { policy: new.policy.clone(), people: new.people.clone(), no_people: false };
        let after = Judge::new(self.tried(&policy)?);
        let before = match &new.old {
            Some(old) => Judge::new(self.tried(old)?),
            None => Judge::new(self.worlds.world()),
        };
        let now = self.clock.now().trusted;
        self.replayed(before, after, now - TimeDelta::days(i64::from(new.days)))
    }

    fn replayed(&self, mut before: Judge, mut after: Judge, since: Time) -> Result<Replayed, DeskError> {
        let mut replayed = Replayed { notes: notes([&before, &after]), ..Replayed::default() };
        // What was used of a quota when the days begin, too.
        let warm = before.remembers().max(after.remembers()).map_or(TimeDelta::zero(), Span::delta);
        let mut cursor = (since - warm, None);
        let mut read: u32 = 0;
        loop {
            let page = self.store.read(|store| store.asked_since(cursor.0, cursor.1, api::limits::PAGE))?;
            let Some(last) = page.last() else { break };
            cursor.1 = Some((last.ask.asked_at, last.ask.id));
            let left = (limits::REPLAYED - read) as usize;
            let asked: Vec<&Request> =
                page.iter().take(left).filter(|request| request.ask.kind != Kind::Standing).collect();
            // Each policy on a core of its own: they share nothing but the requests.
            let (was, is) = std::thread::scope(|scope| {
                let was = scope.spawn(|| before.judge(&asked));
                let is = after.judge(&asked);
                (was.join(), is)
            });
            let was = was.map_err(|_| DeskError::Store("the old policy could not be replayed".to_owned()))?;
            for (request, (was, is)) in asked.into_iter().zip(was.into_iter().zip(is)) {
                if request.ask.asked_at >= since {
                    count(&mut replayed, request, was, is);
                }
            }
            if let Some(next) = page.get(left) {
                replayed.stopped_at = Some(next.ask.asked_at);
                return Ok(replayed);
            }
            read += api::limits::PAGE;
        }
        Ok(replayed)
    }
}

fn count(replayed: &mut Replayed, request: &Request, before: Outcome, after: Outcome) {
    replayed.looked_at += 1;
    let Some(kind) = difference(&before, &after) else {
        replayed.same += 1;
        return;
    };
    *replayed.kinds.entry(kind).or_default() += 1;
    if replayed.differences.len() < limits::DIFFERENCES {
        let ask = &request.ask;
        replayed.differences.push(Difference {
            kind,
            request: ask.id,
            person: ask.person.clone(),
            hosts: ask.hosts.clone(),
            services: ask.services.clone(),
            asked_at: ask.asked_at,
            state: request.state.code().to_owned(),
            before,
            after,
        });
    }
}

/// What differs, the weightiest of it; nothing, if only the words do.
fn difference(before: &Outcome, after: &Outcome) -> Option<DifferenceKind> {
    match (before.how, after.how) {
        (How::Refused, How::Refused) => None,
        (_, How::Refused) => Some(DifferenceKind::Refused),
        (How::Refused, _) => Some(DifferenceKind::NotRefused),
        (How::ByPeople, How::ByItself) => Some(DifferenceKind::ByItself),
        (How::ByItself, How::ByPeople) => Some(DifferenceKind::ByPeople),
        _ if after.needs > before.needs => Some(DifferenceKind::MorePeople),
        _ if after.needs < before.needs => Some(DifferenceKind::FewerPeople),
        _ if after.rule != before.rule => Some(DifferenceKind::OtherRule),
        _ => None,
    }
}

fn notes(judges: [&Judge; 2]) -> Vec<String> {
    let on_call = judges.iter().any(|judge| !judge.world.policy.schedules.is_empty());
    let note = "who was on call is judged by the schedules as they are now: shifts of days that a calendar no \
                longer shows count as nobody's";
    if on_call { vec![note.to_owned()] } else { Vec::new() }
}

/// One policy, with what its rules approved by themselves so far.
struct Judge {
    world: World,
    used: HashMap<(Person, String), VecDeque<Time>>,
}

impl Judge {
    fn new(world: World) -> Self {
        Self { world, used: HashMap::new() }
    }

    /// How far back its quotas look.
    fn remembers(&self) -> Option<Span> {
        quotas(&self.world.policy).max()
    }

    fn judge(&mut self, requests: &[&Request]) -> Vec<Outcome> {
        requests.iter().map(|request| self.judges(request)).collect()
    }

    fn judges(&mut self, request: &Request) -> Outcome {
        let ask = &request.ask;
        let rule = match self.world.rule(ask, Now::exactly(ask.asked_at)) {
            Ok(rule) => rule,
            Err(why) => return Outcome::uncovered(&why),
        };
        let mut facts = Facts::default();
        let quota = rule.auto.as_ref().and_then(|auto| auto.quota);
        let key = || (ask.person.clone(), rule.id.clone());
        if let Some(quota) = quota {
            let used = self.used.entry(key()).or_default();
            while used.front().is_some_and(|at| *at < ask.asked_at - quota.per.delta()) {
                used.pop_front();
            }
            facts.auto_used = u32::try_from(used.len()).unwrap_or(u32::MAX);
        }
        let outcome = outcome(ask, &rule, &facts);
        if quota.is_some() && ask.kind == Kind::Access && outcome.how == How::ByItself {
            self.used.entry(key()).or_default().push_back(ask.asked_at);
        }
        outcome
    }
}

fn quotas(policy: &Policy) -> impl Iterator<Item = Span> + '_ {
    policy.rules.iter().filter_map(|rule| match &rule.effect {
        workflow::policy::Effect::Allow(terms) => Some(terms.auto.as_ref()?.quota?.per),
        _ => None,
    })
}
