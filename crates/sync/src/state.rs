//! What a host keeps over restarts.

use crate::{Body, Digest, Envelope, Era, HubId, KeyId, Kind, Manifest, PublicKey, Signature};
use access::{Ended, Grant, GrantId, HostName, Time};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// All that a host knows from its hub. Written whole or not at all; one row for everything but `grants`, and one
/// for each of those, is a table that follows [`crate::Change`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The hub it was enrolled at.
    pub hub: HubId,
    /// The fingerprint of the root it was enrolled with ([`crate::Roots::fingerprint`]).
    pub root: Digest,
    /// Its own name.
    pub host: HostName,
    /// What it was served last; nothing before the first message.
    pub served: Option<Served>,
    /// Every grant it must honour, and those it must not any more.
    pub grants: BTreeMap<GrantId, Known>,
    /// The permits that it may break glass by, and those that were taken back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permits: BTreeMap<GrantId, KnownPermit>,
}

/// The last message that was applied, and the keys it was believed by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// The keys, and the era they belong to.
    pub manifest: Manifest,
    /// Keys of earlier eras, the latest last: known to be of no use.
    pub retired: Vec<KeyId>,
    /// The revision. It never goes back within an era.
    pub revision: u64,
    /// What it lists.
    pub whole: Digest,
    /// An instant that both the hub's clock and this host's agree has passed, and as of which this is the truth.
    pub as_of: Time,
    /// First instant this is no longer fresh.
    pub fresh_until: Time,
    /// The latest time of a view of this era that counts.
    pub signed_time: Option<Time>,
}

/// What a host knows of one grant. It is remembered after its end, so that no lower version ever comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The highest version that was applied.
    pub version: u32,
    /// Its digest.
    pub digest: Digest,
    /// Its early end, if it had one, which stays.
    pub ended: Option<Ended>,
    /// Until when it is remembered: after it is over whatever version is right.
    pub until: Time,
    /// The grant, while it is to be honoured.
    pub held: Option<Held>,
}

/// A grant to be honoured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The grant.
    pub grant: Grant,
    /// The grant key whose signature over it was verified.
    pub signer: PublicKey,
    /// That signature: a hub that lost commits believes it as the host did.
    pub signature: Signature,
}

/// What a host knows of one permit. It is remembered after it was taken back, so that it never comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPermit {
    /// Its digest.
    pub digest: Digest,
    /// Until when it is remembered.
    pub until: Time,
    /// The permit, while it is listed.
    pub held: Option<HeldPermit>,
}

/// A permit that is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldPermit {
    /// What it becomes.
    pub grant: Grant,
    /// The grant key whose signature over it was verified.
    pub signer: PublicKey,
}

impl State {
    /// The state of a host that was just enrolled.
    pub const fn new(hub: HubId, root: Digest, host: HostName) -> Self {
        Self { hub, root, host, served: None, grants: BTreeMap::new(), permits: BTreeMap::new() }
    }

    /// What it was served: never goes back.
    pub fn watermark(&self) -> Option<(Era, u64)> {
        self.served.as_ref().map(|served| (served.manifest.era, served.revision))
    }

    /// The grants to be honoured, by rising id.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values().filter_map(|known| known.held.as_ref()).map(|held| &held.grant)
    }

    /// The permits that glass may be broken by, by rising id.
    pub fn permits(&self) -> impl Iterator<Item = &Grant> {
        self.permits.values().filter_map(|permit| permit.held.as_ref()).map(|held| &held.grant)
    }

    /// The bodies it holds: what the hub need not send.
    pub fn holds(&self) -> BTreeSet<Digest> {
        let grants = self.grants.values().filter(|known| known.held.is_some()).map(|known| known.digest);
        let permits =
            self.permits.values().filter(|permit| permit.held.is_some()).map(|permit| permit.digest);
        grants.chain(permits).collect()
    }

    /// Every grant it holds as it was signed, by rising id: what a hub that lost commits takes back. One that this
    /// release would write in other bytes is left out.
    pub fn gives(&self) -> impl Iterator<Item = Envelope> {
        self.grants.values().filter_map(|known| {
            let Held { grant, signer, signature } = known.held.as_ref()?;
            let body = Body { hub: self.hub.clone(), grant: grant.clone() };
            let envelope = Envelope::of(Kind::Grant, &body, signer, *signature);
            (Digest::of(envelope.payload()) == known.digest).then_some(envelope)
        })
    }

    /// Every early end it knows, by rising id.
    pub fn ends(&self) -> impl Iterator<Item = (GrantId, &Ended)> {
        self.grants.iter().filter_map(|(id, known)| Some((*id, known.ended.as_ref()?)))
    }

    /// It is at least this late, as the root or, within limits, a view key signed.
    pub fn signed_time(&self) -> Option<Time> {
        let served = self.served.as_ref()?;
        Some(served.manifest.issued_at.max(served.signed_time.unwrap_or(Time::MIN_UTC)))
    }

    /// How long ago the truth was last known, in trusted time; unknown before the first message.
    pub fn staleness(&self, now: Time) -> Option<TimeDelta> {
        self.served.as_ref().map(|served| (now - served.as_of).max(TimeDelta::zero()))
    }
}
