//! Grants as they are signed, and as they are named.

use crate::{Digest, Envelope, HubId, Kind, Part, PublicKey, Rejected, SecretKey};
use access::{Grant, GrantId};
use serde::{Deserialize, Serialize};

/// What a grant key signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// The hub whose desk approved it.
    pub hub: HubId,
    /// The grant.
    pub grant: Grant,
}

/// The name of one version of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The grant.
    pub id: GrantId,
    /// Its version.
    pub version: u32,
    /// SHA-256 of the exact payload that was signed.
    pub digest: Digest,
}

/// A grant as the hub keeps it: signed once, at the approval, and sent as the same bytes for ever. A hub that
/// wrote the payload again could write it differently, and hosts would take it for another body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedGrant {
    /// Its name.
    pub entry: Entry,
    /// Its body.
    pub envelope: Envelope,
}

impl SignedGrant {
    /// Signs a grant.
    pub fn sign(body: &Body, key: &SecretKey) -> Self {
        let envelope = Envelope::seal(Kind::Grant, body, key);
        let Grant { id, version, .. } = body.grant;
        Self { entry: Entry { id, version, digest: Digest::of(envelope.payload()) }, envelope }
    }

    /// What an envelope says that comes from elsewhere, if one of these keys signed it for this hub; and which.
    pub fn verify(
        envelope: &Envelope,
        hub: &HubId,
        keys: &[PublicKey],
    ) -> Result<(Grant, PublicKey), Rejected> {
        let signer = envelope.signer(Part::Body, Kind::Grant, keys)?;
        let Body { hub: found, grant } = envelope.open(Part::Body)?;
        if found != *hub {
            return Err(Rejected::OtherHub { part: Part::Body, found, held: hub.clone() });
        }
        Ok((grant, signer))
    }

    /// Signs what was signed before, as the same bytes: for a host that holds them the grant stays what it was. Fails
    /// where they say something else than this body.
    pub fn sign_again(body: &Body, before: &Envelope, key: &SecretKey) -> Result<Envelope, Rejected> {
        if before.open::<Body>(Part::Body)? != *body {
            return Err(Rejected::malformed(Part::Body, "what was signed before says something else"));
        }
        Ok(before.signed_too(key))
    }
}
