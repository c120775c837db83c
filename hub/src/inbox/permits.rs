//! Permits: glass that people may break on a host while the hub is away. One for each person and host that the policy
//! names, renewed long before it is over, taken back with the right to it, and the next one only once somebody has
//! looked at what the last one was for.

use super::rows::{self, KeptPermit};
use crate::error::HubError;
use crate::feed::{self, Wrong};
use crate::ledger::{Ledger, mark};
use crate::limits;
use crate::signer::Process;
use crate::site::Site;
use access::{Grant, HostName, Person, Time};
use api::{HostAnswer, HostAsk, HostWish, Mark, Opened, ProblemCode};
use desk::{Broken, Committed, DeskError, Key, Transaction, Worlds as _};
use loglines::Level;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;
use store::Tx;
use sync::{Entry, Era, SignedPermit};
use workflow::World;

/// What permits were last brought in line with.
#[derive(Default)]
pub struct Permits {
    done: Option<(Ground, Instant)>,
    refused: Refused,
    /// Which process refused that: another one may be of another release, that says otherwise.
    process: Option<Process>,
    /// The host that the last round had come to when it had done enough.
    next: Option<HostName>,
}

/// What the signer refused to sign for whom, for as long as it is not asked for the same again.
#[derive(Default)]
struct Refused(HashMap<(HostName, Person), (Grant, String, Instant)>);

impl Refused {
    /// Whether this was refused lately.
    fn has(&self, host: &HostName, wanted: &Grant, now: Instant) -> bool {
        let refused = self.0.get(&(host.clone(), wanted.person.clone()));
        refused.is_some_and(|(refused, _, at)| {
            is_as(refused, wanted) && now.duration_since(*at) < limits::REFUSED_FOR
        })
    }

    /// The signer refused it.
    fn put(&mut self, host: &HostName, wanted: Grant, why: String, now: Instant) {
        if self.0.len() >= limits::REFUSED {
            self.0.retain(|_, (.., at)| now.duration_since(*at) < limits::REFUSED_FOR);
        }
        if self.0.len() < limits::REFUSED {
            self.0.insert((host.clone(), wanted.person.clone()), (wanted, why, now));
        }
    }

    /// Why one of these is not signed, for those who look after the hub.
    fn why(&self, now: Instant) -> Result<(), String> {
        let mut good = self.0.values().filter(|(.., at)| now.duration_since(*at) < limits::REFUSED_FOR);
        good.next().map_or(Ok(()), |(_, why, _)| Err(why.clone()))
    }
}

/// What they follow from.
struct Ground {
    world: World,
    /// Whoever has broken glass that nobody has looked at.
    unseen: BTreeSet<Person>,
    /// Which keys hosts believe.
    era: Era,
    /// How many are listed: one that was used is one fewer.
    listed: u64,
}

impl Ground {
    fn is(&self, other: &Self) -> bool {
        let (one, two) = (&self.world, &other.world);
        Arc::ptr_eq(&one.policy, &two.policy)
            && Arc::ptr_eq(&one.people, &two.people)
            && Arc::ptr_eq(&one.hosts, &two.hosts)
            && (&self.unseen, self.era, self.listed) == (&other.unseen, other.era, other.listed)
    }
}

impl Permits {
    /// Brings them in line with the policy, people, hosts and keys of this moment, where those changed or time went by.
    pub fn round(&mut self, site: &Site) -> Result<(), String> {
        if !site.policies.in_force().is_readable() {
            return Ok(());
        }
        let process = site.signer.process();
        if process != self.process {
            *self = Self { process, ..Self::default() };
        }
        let ground = site.ground().map_err(|why| why.to_string())?;
        let done = self.done.as_ref();
        if done.is_some_and(|(done, at)| done.is(&ground) && at.elapsed() < limits::PERMITS_AGAIN) {
            return self.refused.why(Instant::now());
        }
        let from = self.next.take();
        self.next = site.bring_permits_in_line(&ground, &mut self.refused, from.as_ref())?;
        // Something can have changed meanwhile on hosts that earlier rounds were at: one goes over all of them at last.
        if self.next.is_none() && from.is_none() {
            let listed = site.ledger.read(rows::count_permits).map_err(|why| why.to_string())?;
            self.done = Some((Ground { listed, ..ground }, Instant::now()));
        }
        self.refused.why(Instant::now())
    }
}

impl Site {
    fn ground(&self) -> Result<Ground, DeskError> {
        let (world, era) = (self.policies.world(), self.voice.load().manifest.era);
        let mut unseen = BTreeSet::new();
        for person in world.breakers() {
            if self.desk.has_unseen(&person)? {
                unseen.insert(person);
            }
        }
        Ok(Ground { world, unseen, era, listed: self.ledger.read(rows::count_permits)? })
    }

    /// From this host on, or from the first; a large fleet takes some rounds, and the host is given back that the next one
    /// begins with. What the signer refuses does not hold others up.
    fn bring_permits_in_line(
        &self,
        ground: &Ground,
        refused: &mut Refused,
        from: Option<&HostName>,
    ) -> Result<Option<HostName>, String> {
        let (now, era) = (self.clock.time(), ground.era.to_string());
        let mut listed: BTreeMap<HostName, BTreeMap<Person, (Grant, String)>> = BTreeMap::new();
        for (permit, era) in self.ledger.read(rows::permits).map_err(|why| why.to_string())? {
            if let Some(host) = permit.hosts.first() {
                listed.entry(host.clone()).or_default().insert(permit.person.clone(), (permit, era));
            }
        }
        let hosts = &ground.world.hosts.labels;
        let breakers = &ground.world.breakers() - &ground.unseen;
        let mut changed = 0;
        for host in hosts.keys().filter(|host| from.is_none_or(|from| *host >= from)) {
            let mut before = listed.remove(host).unwrap_or_default();
            let good = (limits::PERMIT_GOOD, limits::PERMIT_LONGEST);
            for wanted in self.desk.could_break(&ground.world, &breakers, host, good) {
                let before = before.remove(&wanted.person);
                // What hosts no longer hold because of a thief, or of a database that came back, is theirs again with the
                // next keys.
                let is_good = |(before, made_in): &(Grant, String)| {
                    *made_in == era && is_as(before, &wanted) && !is_old(before, now)
                };
                if before.as_ref().is_some_and(is_good) || refused.has(host, &wanted, Instant::now()) {
                    continue;
                }
                if changed >= limits::PERMITS_AT_ONCE {
                    return Ok(Some(host.clone()));
                }
                changed += 1;
                match self.permit(host, wanted.clone(), before.map(|(before, _)| before), ground.era) {
                    Ok(()) => {}
                    Err(HubError::Unsigned(why)) => refused.put(host, wanted, why, Instant::now()),
                    Err(why) => return Err(why.to_string()),
                }
            }
            self.take_permits(host, before, now)?;
        }
        listed.retain(|host, _| !hosts.contains_key(host));
        listed.into_iter().try_for_each(|(host, gone)| self.take_permits(&host, gone, now))?;
        Ok(None)
    }

    /// Takes back what is not wanted on a host.
    fn take_permits(
        &self,
        host: &HostName,
        gone: BTreeMap<Person, (Grant, String)>,
        now: Time,
    ) -> Result<(), String> {
        for (gone, _) in gone.into_values() {
            self.ledger.take_permit(host.clone(), gone, now).map_err(|why| why.to_string())?;
            self.wakes.look_again(host);
        }
        Ok(())
    }

    /// Has a permit signed and listed, in place of the one before.
    fn permit(
        &self,
        host: &HostName,
        wanted: Grant,
        before: Option<Grant>,
        era: Era,
    ) -> Result<(), HubError> {
        let id = self.desk.mint_permit()?;
        let grant = Grant { id, ..wanted };
        let (envelope, key) = self.signer.permit(grant.clone())?;
        let digest = sync::Digest::of(envelope.payload());
        let entry = Entry { id, version: grant.version, digest };
        let kept = KeptPermit { signed: SignedPermit { entry, envelope }, key };
        let now = self.clock.time();
        self.ledger.put_permit(host.clone(), grant, kept, era, before, now)?;
        self.wakes.look_again(host);
        Ok(())
    }

    /// Takes in that glass was broken on a host by a permit of this hub's, once.
    pub(super) fn was_broken(
        &self,
        host: &HostName,
        ask: HostAsk,
        key: &Key,
    ) -> Result<HostAnswer, DeskError> {
        let HostAsk { id, login, source, wish, .. } = ask;
        let HostWish::Glass { grant, reason, ticket } = wish else {
            return Err(DeskError::BadRequest("no glass was broken by that".to_owned()));
        };
        let refused = |why: &str| {
            let line =
                format!("host {host} says that {login} broke glass there with {}, and {why}", grant.id);
            if self.hosts.is_told(host, Wrong::Glass, self.clock.time()) {
                self.log.put(Level::Err, line);
            }
            Ok(HostAnswer::Refused(ProblemCode::Refused.because(format!("the hub does not take it: {why}"))))
        };
        let permit = self.ledger.read(|connection| rows::permit(connection, host, grant.id))?;
        let its_own = grant.request == id && grant.hosts.contains(host) && grant.names.contains(&login);
        match &permit {
            // A copy of the database can lack the permit of what the host gave back, which was signed.
            _ if its_own && self.desk.has_glass(&grant)? => {}
            None => return refused("it gave no such permit to that host"),
            Some(permit) if !permit.names.contains(&login) => {
                return refused("the permit is somebody else's");
            }
            Some(permit) if !is_of(&grant, permit, id) => {
                return refused("that is not what the permit becomes");
            }
            Some(_) => {}
        }
        let caller = desk::Caller {
            person: grant.person.clone(),
            names: (&grant.names).into(),
            login: login.clone(),
            source,
            roles: desk::Roles::default(),
            channel: workflow::Channel::Host,
            reviews: Err("a permit was used".to_owned()),
        };
        let broken = Broken { request: id, grant: (*grant).clone(), reason, ticket, source };
        let takes = self.desk.takes_broken(&caller, broken, key);
        let Some(opened) =
            self.ledger.use_permit(host.clone(), (*grant).clone(), self.clock.time(), takes)?
        else {
            return refused("the permit was used already");
        };
        if permit.is_some() && self.policies.in_force().is_readable() {
            // What the policy gives no more ends now: it could not be asked before.
            let longest = (limits::PERMIT_GOOD, limits::PERMIT_LONGEST);
            let them = BTreeSet::from([caller.person.clone()]);
            if self.desk.could_break(&self.policies.world(), &them, host, longest).is_empty() {
                self.desk.end_by_policy(grant.id, "nobody may break glass there by that permit any more")?;
            }
        }
        Ok(HostAnswer::Opened(Box::new(opened)))
    }
}

/// Whether two permits give the same.
fn is_as(one: &Grant, other: &Grant) -> bool {
    let length = |grant: &Grant| match &grant.window {
        access::Window::FirstUse { length, .. } => Some(*length),
        access::Window::Approval { .. } => None,
    };
    (&one.names, &one.logins, &one.services, &one.run_as, &one.rule, length(one))
        == (&other.names, &other.logins, &other.services, &other.run_as, &other.rule, length(other))
}

/// Whether half of the time in which it can be used is over.
fn is_old(permit: &Grant, now: Time) -> bool {
    permit.window.not_before() + limits::PERMIT_GOOD / 2 <= now
}

/// Whether a host may have made `grant` of `permit` for this request: no wider, no longer, and in its time.
fn is_of(grant: &Grant, permit: &Grant, request: access::RequestId) -> bool {
    let (access::Window::Approval { not_before, expires }, access::Window::FirstUse { claim_by, length, .. }) =
        (&grant.window, &permit.window)
    else {
        return false;
    };
    let same = Grant {
        request,
        services: grant.services.clone(),
        run_as: grant.run_as.clone(),
        window: grant.window,
        approved_at: *not_before,
        ..permit.clone()
    };
    *grant == same
        && grant.services.is_subset(&permit.services)
        && !grant.services.is_empty()
        && grant.run_as.is_subset(&permit.run_as)
        && *not_before >= permit.window.not_before()
        && not_before < claim_by
        && expires > not_before
        && *expires - *not_before <= length.delta()
}

impl Ledger {
    fn put_permit(
        &self,
        host: HostName,
        grant: Grant,
        kept: KeptPermit,
        era: Era,
        before: Option<Grant>,
        at: Time,
    ) -> Result<(), DeskError> {
        self.write(move |tx| {
            if let Some(before) = before {
                rows::unlist_permit(tx.connection(), before.id)?;
            }
            if rows::has_permit(tx.connection(), &host, &grant.person)? {
                // Another hub of this database was first.
                return Ok(());
            }
            let detail = format!("made={} host={host} user={} rule={}", grant.id, grant.person, grant.rule);
            mark(tx, Mark::Permits, detail, at)?;
            rows::put_permit(tx.connection(), &host, &grant, &kept, era)?;
            feed::rows::rise(tx.connection()).map(drop)
        })
    }

    fn take_permit(&self, host: HostName, permit: Grant, at: Time) -> Result<(), DeskError> {
        self.write(move |tx| unlist(tx, &host, &permit, at))
    }

    /// Does what `takes` a broken glass in, and with it takes away the permit that it was broken by.
    fn use_permit(
        &self,
        host: HostName,
        permit: Grant,
        at: Time,
        takes: impl FnOnce(&mut dyn Transaction) -> Result<Option<Opened>, DeskError> + Send + 'static,
    ) -> Result<Option<Opened>, DeskError> {
        self.write(move |tx| {
            let opened = desk::within(tx, takes)?;
            unlist(tx, &host, &permit, at)?;
            Ok(opened)
        })
    }
}

/// A permit is listed no more, where it was.
fn unlist(tx: &mut Tx<'_, Committed>, host: &HostName, permit: &Grant, at: Time) -> Result<(), DeskError> {
    if !rows::unlist_permit(tx.connection(), permit.id)? {
        return Ok(());
    }
    let detail = format!("taken={} host={host} user={}", permit.id, permit.person);
    mark(tx, Mark::Permits, detail, at)?;
    feed::rows::rise(tx.connection()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use std::time::Duration;

    #[test]
    fn what_was_refused_is_not_asked_for_again_until_it_is_another_or_some_time_has_passed() {
        let (began, mut refused) = (Instant::now(), Refused::default());
        let permit = |person: &str, length: &str| {
            let length = access::Span::parse(length).unwrap();
            let (from, claim_by) = (sample::minute(0), sample::minute(60));
            let window = access::Window::FirstUse {
                not_before: from,
                claim_by,
                length,
                latest_end: claim_by + length.delta(),
            };
            Grant { person: Person::parse(person).unwrap(), ..sample::grant(window) }
        };
        let [host, other] = ["db-1", "db-2"].map(|name| HostName::parse(name).unwrap());
        let soon = began + Duration::from_secs(5);
        assert_eq!(refused.why(began), Ok(()));
        refused.put(&host, permit("alice", "2h"), "it lets in for too long".to_owned(), began);
        assert!(refused.has(&host, &permit("alice", "2h"), soon));
        assert_eq!(refused.why(soon), Err("it lets in for too long".to_owned()));
        assert!(!refused.has(&other, &permit("alice", "2h"), soon));
        assert!(!refused.has(&host, &permit("bob", "2h"), soon));
        assert!(!refused.has(&host, &permit("alice", "1h"), soon));
        let later = began + limits::REFUSED_FOR;
        assert!(!refused.has(&host, &permit("alice", "2h"), later) && refused.why(later).is_ok());
        for number in 0..=limits::REFUSED {
            refused.put(&host, permit(&format!("p{number}"), "2h"), "x".to_owned(), soon);
        }
        assert_eq!(refused.0.len(), limits::REFUSED);
    }
}
