//! Permits: what lets a person break glass on one host while the hub is away, once.

use crate::{Digest, Entry, Envelope, HubId, Kind, SecretKey};
use access::{Grant, HostName, Window};
use serde::{Deserialize, Serialize};

/// What a grant key signs beside grants. It opens nothing: a host may make its grant of it, once, when the person says
/// so there and the hub cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// The hub whose policy lets them.
    pub hub: HubId,
    /// What it becomes: from then on, for at most the length of its first-use window, and only within that.
    pub grant: Grant,
}

/// A permit as the hub keeps it, signed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPermit {
    /// Its name.
    pub entry: Entry,
    /// Its body.
    pub envelope: Envelope,
}

impl Permit {
    /// Whether it is one that this host takes, as far as that shows by itself.
    pub fn check(&self, host: &HostName) -> Result<(), &'static str> {
        let Grant { hosts, window, break_glass, ended, version, .. } = &self.grant;
        if hosts.len() != 1 || !hosts.contains(host) {
            return Err("it is not for this host alone");
        }
        if !matches!(window, Window::FirstUse { .. }) || !break_glass || ended.is_some() || *version != 1 {
            return Err("it is no glass that can be broken");
        }
        Ok(())
    }
}

impl SignedPermit {
    /// Signs a permit.
    pub fn sign(permit: &Permit, key: &SecretKey) -> Self {
        let envelope = Envelope::seal(Kind::Permit, permit, key);
        let Grant { id, version, .. } = permit.grant;
        Self { entry: Entry { id, version, digest: Digest::of(envelope.payload()) }, envelope }
    }
}
