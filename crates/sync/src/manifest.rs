//! Whom to believe: the root keys, and the keys that they let sign the rest.

use crate::envelope::pae;
use crate::{Digest, Envelope, Kind, Part, PublicKey, Rejected, SecretKey, limits};
use access::{HostName, Time, is_plausible};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The name of a hub, in the form of a host name. It is signed, so it does not change when the hub moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HubId(HostName);

impl HubId {
    /// The hub of this name.
    pub const fn new(name: HostName) -> Self {
        Self(name)
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which life of the hub's database, and which set of keys in it. Ordered, and given only by the root: within
/// one era revisions rise, and a later era starts them anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Era {
    /// Rises when commits were lost: a restored backup, a failover.
    pub incarnation: u64,
    /// Rises when keys change.
    pub epoch: u64,
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.epoch)
    }
}

/// The root keys, and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Roots {
    /// Each once.
    pub keys: Vec<PublicKey>,
    /// At least one, at most all.
    pub threshold: usize,
}

impl Roots {
    /// One key that signs alone.
    pub fn one(key: PublicKey) -> Self {
        Self { keys: vec![key], threshold: 1 }
    }

    /// What a host pins: SHA-256 of the threshold and the keys, in order.
    pub fn fingerprint(&self) -> Digest {
        let keys: BTreeSet<&PublicKey> = self.keys.iter().collect();
        let threshold = self.threshold.to_string();
        let mut parts: Vec<&[u8]> = vec![b"application/vnd.jit.roots.v1", threshold.as_bytes()];
        parts.extend(keys.iter().map(|key| key.as_bytes().as_slice()));
        Digest::of(&pae(&parts))
    }

    pub(crate) fn verify(&self, part: Part, kind: Kind, envelope: &Envelope) -> Result<(), Rejected> {
        let signers = envelope.signers(part, kind, &self.keys)?.len();
        if signers < self.threshold {
            return Err(Rejected::BelowThreshold { signers, threshold: self.threshold });
        }
        Ok(())
    }

    /// What these say in an envelope, to who pinned `pin` and nothing else.
    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        part: Part,
        kind: Kind,
        envelope: &Envelope,
        pin: &Digest,
    ) -> Result<T, Rejected> {
        self.check().map_err(|why| Rejected::malformed(part, why))?;
        if self.fingerprint() != *pin {
            return Err(Rejected::OtherRoot { found: self.fingerprint(), pinned: *pin });
        }
        self.verify(part, kind, envelope)?;
        envelope.open(part)
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        once("root", &self.keys)?;
        let enough = (1..=self.keys.len()).contains(&self.threshold);
        enough.then_some(()).ok_or("its threshold is not between 1 and the number of its root keys")
    }
}

/// The keys of one era, signed by the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Whose keys.
    pub hub: HubId,
    /// Since when, in the order of eras.
    pub era: Era,
    /// The root from now on. One that is not the root of before is signed by both (TUF 1.0, section 5.3.4).
    pub roots: Roots,
    /// What sign grants, the newest last. After a planned rotation the old one stays listed until its grants are over; after a
    /// theft it does not, and grants that only it signed are no longer honoured.
    pub grant_keys: Vec<PublicKey>,
    /// What sign views.
    pub view_keys: Vec<PublicKey>,
    /// When the root signed it.
    pub issued_at: Time,
    /// First instant its keys are no longer believed, at most [`limits::MANIFEST_AGE`] later.
    pub expires: Time,
}

/// A manifest as it travels: with the root it is signed by, for hosts that know only the fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedManifest {
    /// The root that a new host's token names.
    pub roots: Roots,
    /// The manifest.
    pub envelope: Envelope,
}

impl SignedManifest {
    /// Takes the signed manifest in, on a host that pinned `pin` and holds `held`: what it holds, renewed or
    /// followed by a later era.
    pub fn verify(&self, pin: &Digest, held: Option<&Manifest>) -> Result<Manifest, Rejected> {
        let malformed = |why| Rejected::malformed(Part::Manifest, why);
        let roots = held.map_or(&self.roots, |held| &held.roots);
        roots.check().map_err(malformed)?;
        if held.is_none() && roots.fingerprint() != *pin {
            return Err(Rejected::OtherRoot { found: roots.fingerprint(), pinned: *pin });
        }
        roots.verify(Part::Manifest, Kind::Manifest, &self.envelope)?;
        let manifest: Manifest = self.envelope.open(Part::Manifest)?;
        manifest.check().map_err(malformed)?;
        manifest.roots.verify(Part::Manifest, Kind::Manifest, &self.envelope)?;
        Ok(manifest)
    }
}

impl Manifest {
    /// Signs it with one root key; [`Envelope::sign`] adds the others.
    pub fn sign(&self, root: &SecretKey) -> SignedManifest {
        SignedManifest { roots: self.roots.clone(), envelope: Envelope::seal(Kind::Manifest, self, root) }
    }

    /// Whether it is one that hosts take.
    pub fn check(&self) -> Result<(), &'static str> {
        self.roots.check()?;
        once("grant", &self.grant_keys)?;
        once("view", &self.view_keys)?;
        let all = self.roots.keys.iter().chain(&self.grant_keys).chain(&self.view_keys);
        let different: BTreeSet<&PublicKey> = all.clone().collect();
        if different.len() != all.count() {
            return Err("a key has two roles: a thief of the view key could mint grants");
        }
        if !is_plausible(self.issued_at) || !is_plausible(self.expires) || self.expires <= self.issued_at {
            return Err("it is over before it begins");
        }
        if self.expires - self.issued_at > limits::MANIFEST_AGE {
            return Err("it is good for more than 30 days");
        }
        Ok(())
    }

    /// Whether it says the same but for its times: a renewal.
    pub(crate) fn renews(&self, other: &Self) -> bool {
        Self { issued_at: other.issued_at, expires: other.expires, ..self.clone() } == *other
    }
}

fn once(role: &str, keys: &[PublicKey]) -> Result<(), &'static str> {
    let different: BTreeSet<&PublicKey> = keys.iter().collect();
    match (keys.len(), role) {
        (0, "root") => Err("it lists no root key"),
        (0, "grant") => Err("it lists no grant key"),
        (0, _) => Err("it lists no view key"),
        (count, _) if count > limits::KEYS => Err("it lists more than 16 keys of one role"),
        (count, _) if count != different.len() => Err("it lists a key twice"),
        _ => Ok(()),
    }
}
