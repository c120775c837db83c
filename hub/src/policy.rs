//! The policy in force over the people that were applied with it and the hosts of this hub.

use crate::clock::wall;
use arc_swap::ArcSwap;
use desk::{Applied, InForce, Stamps};
use std::sync::{Arc, Mutex, PoisonError};
use workflow::{Hosts, People, Policy, World};

/// Makes the world of this moment, anew only where something changed.
pub struct Policies {
    hosts: ArcSwap<Hosts>,
    in_force: InForce,
    made: Mutex<Option<Made>>,
}

/// A world, and what it was made from.
struct Made {
    applied: Arc<Applied>,
    hosts: Arc<Hosts>,
    schedules: Stamps,
    world: World,
}

impl Policies {
    /// This policy over these hosts.
    pub fn new(hosts: Hosts, in_force: InForce) -> Self {
        Self { hosts: ArcSwap::from_pointee(hosts), in_force, made: Mutex::new(None) }
    }

    /// These are the hosts from now on.
    pub fn set_hosts(&self, hosts: Hosts) {
        self.hosts.store(Arc::new(hosts));
    }
}

impl desk::Worlds for Policies {
    fn in_force(&self) -> &InForce {
        &self.in_force
    }

    fn world(&self) -> World {
        let (applied, hosts) = (self.in_force.load(), self.hosts.load_full());
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
            // A hub has no accounts of its own.
            people: applied.listed.clone().unwrap_or_default(),
            schedules: Arc::new(desk::schedules(&applied.policy, now)),
            hosts: Arc::clone(&hosts),
        };
        *made = Some(Made { applied, hosts, schedules, world: world.clone() });
        world
    }

    fn world_of(&self, policy: Policy, listed: Option<People>) -> World {
        World {
            people: Arc::new(listed.unwrap_or_default()),
            schedules: Arc::new(desk::schedules(&policy, wall())),
            hosts: self.hosts.load_full(),
            policy: Arc::new(policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use desk::{PolicyVersion, Worlds as _};

    #[test]
    fn the_shipped_policy_knows_nobody_on_a_hub_until_people_are_applied() {
        let shipped = PolicyVersion::shipped();
        let policies = Policies::new(Hosts::default(), InForce::found(Some(&shipped)).0);
        assert_eq!(policies.world().people.all().count(), 0);
        let people = Some("[alice]\n".to_owned());
        policies.in_force().adopt(&PolicyVersion { version: 1, people, ..shipped }).unwrap();
        assert_eq!(policies.world().people.all().count(), 1);
    }
}
