//! Which certificates a host believes at the hub's address, in the root's words: what a join token names by its
//! fingerprint alone, and a host fetches before it trusts anything there.

use crate::{Digest, Envelope, HubId, Kind, Part, Rejected, Roots, SecretKey};
use serde::{Deserialize, Serialize};

/// What the root signs of the hub's TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Whose.
    pub hub: HubId,
    /// The one certificate authority to believe, in PEM; none: those that the host's system trusts.
    pub certificate: Option<String>,
    /// Which word of the root this is: a host goes by the highest that it has seen.
    #[serde(default, skip_serializing_if = "is_first")]
    pub version: u32,
}

/// The first is written without its version, as it was before there were others.
#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
pub fn is_first(version: &u32) -> bool {
    *version == 0
}

/// The same as it travels: with the root it is signed by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedAuthority {
    /// The root that the token names.
    pub roots: Roots,
    /// The authority.
    pub envelope: Envelope,
}

impl Authority {
    /// Signs it with one root key; [`Envelope::sign`] adds the others.
    pub fn sign(&self, roots: Roots, root: &SecretKey) -> SignedAuthority {
        SignedAuthority { roots, envelope: Envelope::seal(Kind::Authority, self, root) }
    }
}

impl SignedAuthority {
    /// What it says, on a host whose token names this hub and this root.
    pub fn verify(&self, hub: &HubId, pin: &Digest) -> Result<Authority, Rejected> {
        let authority: Authority = self.roots.open(Part::Authority, Kind::Authority, &self.envelope, pin)?;
        if authority.hub != *hub {
            return Err(Rejected::OtherHub {
                part: Part::Authority,
                found: authority.hub,
                held: hub.clone(),
            });
        }
        Ok(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::HostName;

    #[test]
    fn an_authority_is_believed_of_the_root_that_the_token_names_and_of_no_other() {
        let hub = |name| HubId::new(HostName::parse(name).unwrap());
        let (root, thief) = (SecretKey::from_random(&[1; 32]), SecretKey::from_random(&[2; 32]));
        let roots = Roots::one(root.public());
        let pin = roots.fingerprint();
        let authority = Authority { hub: hub("acme"), certificate: Some("PEM".into()), version: 0 };
        let signed = authority.sign(roots.clone(), &root);
        assert_eq!(signed.verify(&hub("acme"), &pin), Ok(authority.clone()));
        assert_eq!(signed.verify(&hub("other"), &pin).unwrap_err().code(), "other_hub");
        let by_thief = authority.sign(Roots::one(thief.public()), &thief);
        assert_eq!(by_thief.verify(&hub("acme"), &pin).unwrap_err().code(), "other_root");
        let claimed = SignedAuthority { roots, ..by_thief };
        assert_eq!(claimed.verify(&hub("acme"), &pin).unwrap_err().code(), "below_threshold");
    }
}
