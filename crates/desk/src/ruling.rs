//! The policy in force: shown, and replaced by an administrator.

use crate::desk::hashed;
use crate::{Caller, Desk, DeskError, Key, PolicyVersion, Store, in_force};
use access::Person;
use api::{AppliedPolicy, Change, ChangeRecord, Foreseen, NewPolicy, PolicyApplied, PolicyView};
use workflow::{Channel, Finding, World, difference};

impl<S: Store> Desk<S> {
    /// The policy in force, as the caller may see it.
    pub fn policy(&self, caller: &Caller) -> Result<PolicyView, DeskError> {
        let in_force = self.in_force()?.ok_or(DeskError::NoPolicy)?;
        let PolicyVersion { version, at, by, policy, people } = in_force;
        // Rules are for everybody to know; mail addresses and absences are not.
        let people = people.filter(|_| caller.roles.sees_all());
        Ok(PolicyView { version, at, by, policy, people })
    }

    /// The policy in force; none where a repair lost it, until one is applied.
    pub fn in_force(&self) -> Result<Option<PolicyVersion>, DeskError> {
        self.store.read(|store| store.policy())
    }

    /// Writes down the shipped policy in a new store, so that another release's does not take its place unseen.
    pub fn begin(&self) -> Result<(), DeskError> {
        if self.in_force()?.is_some() {
            return Ok(());
        }
        let at = self.clock.now().trusted;
        self.store.write(move |store| {
            let version = PolicyVersion { at, ..PolicyVersion::shipped() };
            store.record(applied(&version, None, None, String::new())?)?;
            store.put_policy(&version)
        })
    }

    /// The world as it would be with this policy in force.
    pub fn tried(&self, new: &NewPolicy) -> Result<World, DeskError> {
        if new.policy.len() + new.people.as_ref().map_or(0, String::len) > api::limits::POLICY {
            return Err(DeskError::BadRequest(format!(
                "policy.toml and people.toml are larger than {} bytes together",
                api::limits::POLICY
            )));
        }
        let (policy, listed) =
            in_force::parse(&new.policy, new.people.as_deref()).map_err(DeskError::BadRequest)?;
        Ok(self.worlds.world_of(policy, listed))
    }

    /// Puts another policy in force, and brings requests and grants in line with it.
    pub fn apply(&self, caller: &Caller, new: NewPolicy, key: &Key) -> Result<AppliedPolicy, DeskError> {
        let (world, findings) = self.fit(caller, &new)?;
        let mut findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        findings.extend(self.worlds.left(&world.people, &caller.person)?);
        let empties = self.would_be_empty(&world, &new);
        let (person, channel, at) = (caller.person.clone(), caller.channel, self.clock.now().trusted);
        let applied = self.once(caller, Some(key), move |store| {
            // After a repair that lost it none is in force, and the shipped one has to be applied like any other.
            let before = store.policy()?;
            let texts = before.as_ref().map_or(("", None), PolicyVersion::texts);
            let diff = difference(texts, (&new.policy, new.people.as_deref()));
            let before = before.as_ref().map_or(0, |before| before.version);
            if diff.is_empty() {
                return Ok(AppliedPolicy { version: before, unchanged: true, diff, findings });
            }
            if empties && texts.1.is_some() {
                return Err(nobody_left());
            }
            let version = PolicyVersion {
                version: before + 1,
                at,
                by: Some(person.clone()),
                policy: new.policy,
                people: new.people,
            };
            store.record(applied(&version, Some(person), Some(channel), diff.clone())?)?;
            store.put_policy(&version)?;
            Ok(AppliedPolicy { version: version.version, unchanged: false, diff, findings })
        })?;
        // Also where it was in force already: whoever applied it may not have come round to following it.
        self.adopt()?;
        self.reconcile()?;
        Ok(applied)
    }

    /// What [`Self::apply`] would end, or why it would refuse.
    pub fn foresee(&self, caller: &Caller, new: &NewPolicy) -> Result<Foreseen, DeskError> {
        let (world, _) = self.fit(caller, new)?;
        let has_people = self.in_force()?.is_some_and(|before| before.people.is_some());
        if has_people && self.would_be_empty(&world, new) {
            return Err(nobody_left());
        }
        self.ends_under(world)
    }

    /// The world with a policy that may come into force, and what is worth a look in it.
    fn fit(&self, caller: &Caller, new: &NewPolicy) -> Result<(World, Vec<Finding>), DeskError> {
        if !caller.roles.admin {
            return Err(DeskError::Forbidden(
                "only an administrator puts a policy in force: root on one machine, who has the role admin on a hub".to_owned(),
            ));
        }
        let world = self.tried(new)?;
        let findings = workflow::findings(&world, self.clock.now());
        if findings.iter().any(Finding::refuses) {
            let all: Vec<String> =
                findings.iter().filter(|finding| finding.refuses()).map(ToString::to_string).collect();
            return Err(DeskError::BadRequest(all.join("; ")));
        }
        Ok((world, findings))
    }

    /// Whether a hub would know nobody, and nobody said that this is meant. A machine has its accounts.
    fn would_be_empty(&self, world: &World, new: &NewPolicy) -> bool {
        self.host.is_none() && !new.no_people && world.people.all().next().is_none()
    }
}

fn nobody_left() -> DeskError {
    DeskError::BadRequest(
        "this policy comes without people, and the hub would lose those it has: every grant would end for good, every request \
         that waits be denied, and nobody could ask for anything. Name its people, with `jit policy apply FILE --people FILE` \
         or in a people.toml beside it; if nobody is meant, say so with --no-people"
            .to_owned(),
    )
}

fn applied(
    version: &PolicyVersion,
    actor: Option<Person>,
    channel: Option<Channel>,
    diff: String,
) -> Result<ChangeRecord, DeskError> {
    Ok(ChangeRecord {
        at: version.at,
        change: Change::PolicyApplied,
        actor,
        channel,
        comment: None,
        request: None,
        grant: None,
        used: None,
        policy: Some(PolicyApplied { version: version.version, digest: hashed(version)?, diff }),
    })
}
