//! The policy in force over the people that were applied with it and the hosts of this hub.

use crate::clock::wall;
use arc_swap::ArcSwap;
use desk::{PolicyVersion, Stamps};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use workflow::{Hosts, People, Policy, World};

/// Makes the world of this moment, anew only where something changed.
pub struct Policies {
    hosts: ArcSwap<Hosts>,
    applied: ArcSwap<Applied>,
    made: Mutex<Option<Made>>,
}

/// The policy that was applied last, parsed.
struct Applied {
    /// None where it was lost.
    version: Option<u32>,
    /// False for one that was lost, or that this release cannot read.
    readable: bool,
    policy: Arc<Policy>,
    people: Arc<People>,
}

/// A world, and what it was made from.
struct Made {
    applied: Arc<Applied>,
    hosts: Arc<Hosts>,
    schedules: Stamps,
    world: World,
}

impl Policies {
    /// The policy in force on this hub.
    pub fn new(hosts: Hosts, version: &PolicyVersion) -> Result<Self, String> {
        Ok(Self::of(hosts, Applied::parse(version)?))
    }

    /// In place of the policy of this version, which cannot be read, or of one that was lost: nobody can ask for
    /// anything, and nothing that was given is taken back.
    pub fn unreadable(hosts: Hosts, version: Option<u32>) -> Self {
        let nothing = Policy { digest: String::new(), rules: Vec::new(), schedules: BTreeMap::new() };
        Self::of(
            hosts,
            Applied { version, readable: false, policy: Arc::new(nothing), people: Arc::default() },
        )
    }

    fn of(hosts: Hosts, applied: Applied) -> Self {
        Self {
            hosts: ArcSwap::from_pointee(hosts),
            applied: ArcSwap::from_pointee(applied),
            made: Mutex::new(None),
        }
    }

    /// These are the hosts from now on.
    pub fn set_hosts(&self, hosts: Hosts) {
        self.hosts.store(Arc::new(hosts));
    }

    /// Whether what is in force can be read, so that requests and grants can follow it.
    pub fn is_readable(&self) -> bool {
        self.applied.load().readable
    }
}

impl Applied {
    fn parse(version: &PolicyVersion) -> Result<Self, String> {
        let policy =
            Policy::parse(&version.policy, Path::new("policy.toml")).map_err(|why| why.to_string())?;
        Ok(Self {
            version: Some(version.version),
            readable: true,
            policy: Arc::new(policy),
            people: Arc::new(people(version.people.as_deref())?),
        })
    }
}

/// Those that are listed: a hub has no accounts of its own.
fn people(listed: Option<&str>) -> Result<People, String> {
    let parse = |text| People::parse(text, Path::new("people.toml")).map_err(|why| why.to_string());
    listed.map(parse).transpose().map(Option::unwrap_or_default)
}

impl desk::Worlds for Policies {
    fn world(&self) -> World {
        let (applied, hosts) = (self.applied.load_full(), self.hosts.load_full());
        let now = wall();
        let schedules = Stamps::of(&applied.policy, now);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made
            && Arc::ptr_eq(&made.applied, &applied)
            && Arc::ptr_eq(&made.hosts, &hosts)
            && made.schedules == schedules
        {
            return made.world.clone();
        }
        let world = World {
            policy: Arc::clone(&applied.policy),
            people: Arc::clone(&applied.people),
            schedules: Arc::new(desk::schedules(&applied.policy, now)),
            hosts: Arc::clone(&hosts),
        };
        *made = Some(Made { applied, hosts, schedules, world: world.clone() });
        world
    }

    fn version(&self) -> Option<u32> {
        self.applied.load().version
    }

    fn world_of(&self, policy: Policy, listed: Option<&str>) -> Result<World, String> {
        Ok(World {
            people: Arc::new(people(listed)?),
            schedules: Arc::new(desk::schedules(&policy, wall())),
            hosts: self.hosts.load_full(),
            policy: Arc::new(policy),
        })
    }

    fn adopt(&self, version: &PolicyVersion) -> Result<(), String> {
        let newer = Arc::new(Applied::parse(version)?);
        self.applied.rcu(|held| Arc::clone(if held.version < newer.version { &newer } else { held }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use desk::Worlds as _;

    #[test]
    fn the_shipped_policy_knows_nobody_on_a_hub_until_people_are_applied() {
        let policies = Policies::new(Hosts::default(), &PolicyVersion::shipped()).unwrap();
        assert_eq!(policies.world().people.all().count(), 0);
        let people = Some("[alice]\n".to_owned());
        policies.adopt(&PolicyVersion { version: 1, people, ..PolicyVersion::shipped() }).unwrap();
        assert_eq!((policies.version(), policies.world().people.all().count()), (Some(1), 1));
        policies.adopt(&PolicyVersion::shipped()).unwrap();
        assert_eq!(policies.version(), Some(1), "an older one is let be");
    }

    #[test]
    fn without_a_policy_that_can_be_read_nobody_gets_anything() {
        let policies = Policies::unreadable(Hosts::default(), Some(3));
        assert!(!policies.is_readable() && policies.world().policy.rules.is_empty());
    }
}
