//! What the desk must know of people and rules, as it is at this moment.

use crate::PolicyVersion;
use access::Now;
use workflow::{Policy, World};

/// People and rules. Asked anew at every event, so that whoever left a group has no say.
pub trait Worlds: Send + Sync + 'static {
    /// The policy in force over people, hosts and schedules as they are now.
    fn world(&self) -> World;

    /// This policy over the same; for trying it, and for checking it before it comes into force.
    fn world_of(&self, policy: Policy, people: Option<&str>) -> Result<World, String>;

    /// A policy came into force.
    fn adopt(&self, version: &PolicyVersion) -> Result<(), String>;
}

/// The desk's clock.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Now;
}
