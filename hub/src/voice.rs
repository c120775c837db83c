//! What views are signed by: a key, and the root's word that hosts may believe it.

use crate::error::HubError;
use crate::keys::ServerKeys;
use crate::limits;
use crate::signer::Client;
use crate::view_key::ViewKey;
use access::Time;
use sync::{Digest, Manifest, SignedManifest};

/// The keys of an era, with the one of them that signs views here.
pub struct Voice {
    /// As it is told to hosts.
    pub signed: SignedManifest,
    /// The same in JSON.
    pub told: String,
    /// What it says.
    pub manifest: Manifest,
    /// One of its view keys.
    pub key: ViewKey,
    /// Whether the signer said so just now; else it is what it said last.
    pub renewed: bool,
}

impl Voice {
    /// What the signer says, which is kept; while it is away what it said last, as long as that is good.
    pub fn find(keys: &ServerKeys, signer: &Client, root: &Digest, now: Time) -> Result<Self, HubError> {
        let renewed = Self::renew(keys, signer, root).and_then(|renewed| {
            keys.put_manifest(&renewed.signed)?;
            Ok(renewed)
        });
        renewed.or_else(|why| {
            let kept = keys.manifest().and_then(|kept| Self::of(kept, keys, root, false));
            kept.ok().filter(|kept| now < kept.manifest.expires).ok_or(why)
        })
    }

    /// What the signer says. It is kept once it is spoken by.
    pub fn renew(keys: &ServerKeys, signer: &Client, root: &Digest) -> Result<Self, HubError> {
        Self::of(signer.manifest()?, keys, root, true)
    }

    /// The same, unless it is of a time to come: the signer goes by its wall clock, and hosts would keep such keys for as much longer.
    pub fn dated_by(self, now: Time) -> Result<Self, HubError> {
        let ahead = self.manifest.issued_at - now;
        if ahead > limits::CLOCK_STRAYS {
            return Err(HubError::Keys(format!(
                "the signer signs keys by a clock that is {} minutes ahead of the hub's time: set the clock of its machine right",
                ahead.num_minutes()
            )));
        }
        Ok(self)
    }

    /// These keys, where the one here is among them.
    pub fn of(
        signed: SignedManifest,
        keys: &ServerKeys,
        root: &Digest,
        renewed: bool,
    ) -> Result<Self, HubError> {
        let wrong = |why| HubError::Keys(format!("the manifest of the signer is not of this hub: {why}"));
        let manifest = signed.verify(root, None).map_err(wrong)?;
        let key = ViewKey::of(keys.view(&manifest.view_keys)?)?;
        let told = serde_json::to_string(&signed).map_err(|why| HubError::Keys(why.to_string()))?;
        Ok(Self { signed, told, manifest, key, renewed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::minute;
    use access::HostName;
    use sync::{Era, HubId, Roots, SecretKey};

    #[test]
    fn keys_of_a_time_to_come_are_not_spoken_by() {
        let (root, key) = (SecretKey::from_random(&[1; 32]), SecretKey::from_random(&[2; 32]));
        let says = |minutes| {
            let manifest = Manifest {
                hub: HubId::new(HostName::parse("hub").unwrap()),
                era: Era { incarnation: 1, epoch: 1 },
                roots: Roots::one(root.public()),
                grant_keys: vec![key.public()],
                view_keys: vec![key.public()],
                issued_at: minute(minutes),
                expires: minute(minutes) + sync::limits::MANIFEST_AGE,
            };
            let (signed, key) =
                (manifest.sign(&root), ViewKey::of(SecretKey::from_random(&[2; 32])).unwrap());
            Voice { signed, told: String::new(), manifest, key, renewed: true }.dated_by(minute(0)).is_ok()
        };
        assert_eq!([-60 * 24 * 9, 0, 10, 11, 180].map(says), [true, true, true, false, false]);
    }
}
