//! What the desk must know of people and rules, as it is at this moment.

use crate::{DeskError, InForce, Queries};
use access::{Now, Person};
use api::GrantView;
use workflow::{Ask, People, Policy, Request, Rule, World};

/// People and rules. Asked anew at every event, so that whoever left a group has no say.
pub trait Worlds: Send + Sync + 'static {
    /// The policy in force.
    fn in_force(&self) -> &InForce;

    /// The same over people, hosts and schedules as they are now.
    fn world(&self) -> World;

    /// The world, and the version it is made of.
    fn ground(&self) -> Ground {
        // In this order: where another policy comes into force in between, the ground seems older than it is,
        // and what is written on it is worked out again.
        let version = self.in_force().now().version;
        Ground { version, world: self.world() }
    }

    /// This policy and these people over the same; for trying them, and for checking them before they come into force.
    fn world_of(&self, policy: Policy, listed: Option<People>) -> World;

    /// Grants as the hosts that they are for tell of them, for people to see. As they are, where this is the host.
    fn as_told(&self, views: Vec<GrantView>, _now: Now) -> Result<Vec<GrantView>, DeskError> {
        Ok(views)
    }

    /// Who is none of these people and can still do something here, in words; but `reader`, who knows of themself. Nobody
    /// where people are accounts of the machine.
    fn left(&self, _people: &People, _reader: &Person) -> Result<Option<String>, DeskError> {
        Ok(None)
    }
}

/// The desk's clock.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Now;
}

/// What a write rests on: the world that its rule was resolved in.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The version of the policy it is made of; none where that was lost.
    pub version: Option<u32>,
    /// The world.
    pub world: World,
}

impl Ground {
    /// The rule that covers this ask, or in words why none does.
    pub(crate) fn rule_or_why(&self, ask: &Ask, now: Now) -> Result<Rule, String> {
        self.world.rule(ask, now).map_err(|why| why.to_string())
    }

    /// The rule that says who has a say about this request, or in words why none does.
    pub(crate) fn rule_of(&self, request: &Request, now: Now) -> Result<Rule, String> {
        self.world.rule_of(request, now).map_err(|why| why.to_string())
    }

    /// The same for who asks.
    pub(crate) fn rule(&self, ask: &Ask, now: Now) -> Result<Rule, DeskError> {
        self.rule_or_why(ask, now).map_err(DeskError::NoRule)
    }
}

/// Asked inside a transaction: whether the policy of this version is still the one in force (W2).
pub(crate) fn still_in_force<Q: Queries + ?Sized>(version: Option<u32>, store: &Q) -> Result<(), DeskError> {
    // A store that holds none has lost it, or is about to be given its first.
    match store.policy_version()? {
        Some(applied) if version != Some(applied) => Err(DeskError::Overtaken),
        _ => Ok(()),
    }
}
