//! That a host is one of a hub's, in the root's words: what the host keeps, and a hub whose database lost it knows it
//! again by.

use crate::{Digest, Envelope, HubId, Kind, Part, PublicKey, Rejected, Roots, SecretKey};
use access::{HostName, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the root signs of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// Whose.
    pub hub: HubId,
    /// The life of the hub's database in which that was so.
    pub incarnation: u64,
    /// What it is called.
    pub host: HostName,
    /// SHA-256 of its machine id.
    pub machine: Digest,
    /// What it signs its calls with.
    pub key: PublicKey,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// SHA-256 of what the token that let it in is known by: it lets nobody in.
    pub token: Digest,
    /// When it joined.
    pub joined_at: Time,
    /// When that was so.
    pub issued_at: Time,
}

/// The same as it travels: with the root it is signed by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedMembership {
    /// The root of the hub.
    pub roots: Roots,
    /// The membership.
    pub envelope: Envelope,
}

impl Membership {
    /// Signs it with one root key; [`Envelope::sign`] adds the others.
    pub fn sign(&self, roots: Roots, root: &SecretKey) -> SignedMembership {
        SignedMembership { roots, envelope: Envelope::seal(Kind::Membership, self, root) }
    }
}

impl SignedMembership {
    /// What it says, to this hub or a host of its, by this root.
    pub fn verify(&self, hub: &HubId, pin: &Digest) -> Result<Membership, Rejected> {
        let membership: Membership =
            self.roots.open(Part::Membership, Kind::Membership, &self.envelope, pin)?;
        if membership.hub != *hub {
            return Err(Rejected::OtherHub {
                part: Part::Membership,
                found: membership.hub,
                held: hub.clone(),
            });
        }
        Ok(membership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;

    #[test]
    fn a_membership_is_believed_of_the_root_and_hub_that_it_names_and_nothing_else_passes_for_one() {
        let named = |name| HostName::parse(name).unwrap();
        let hub = |name| HubId::new(named(name));
        let (root, thief) = (SecretKey::from_random(&[1; 32]), SecretKey::from_random(&[2; 32]));
        let roots = Roots::one(root.public());
        let pin = roots.fingerprint();
        let at = Time::from_timestamp(1_800_000_000, 0).unwrap();
        let membership = Membership {
            hub: hub("acme"),
            incarnation: 1,
            host: named("db-7"),
            machine: Digest::of(b"machine"),
            key: thief.public(),
            labels: [("env".to_owned(), "prod".to_owned())].into(),
            token: Digest::of(b"token"),
            joined_at: at,
            issued_at: at,
        };
        let signed = membership.sign(roots.clone(), &root);
        assert_eq!(signed.verify(&hub("acme"), &pin), Ok(membership.clone()));
        assert_eq!(signed.verify(&hub("other"), &pin).unwrap_err().code(), "other_hub");
        let by_thief = membership.sign(Roots::one(thief.public()), &thief);
        assert_eq!(by_thief.verify(&hub("acme"), &pin).unwrap_err().code(), "other_root");
        let claimed = SignedMembership { roots: roots.clone(), ..by_thief };
        assert_eq!(claimed.verify(&hub("acme"), &pin).unwrap_err().code(), "below_threshold");
        let authority = Authority { hub: hub("acme"), certificate: None, version: 0 };
        let passed_off = SignedMembership { envelope: authority.sign(roots.clone(), &root).envelope, roots };
        assert_eq!(passed_off.verify(&hub("acme"), &pin).unwrap_err().code(), "malformed");
    }
}
