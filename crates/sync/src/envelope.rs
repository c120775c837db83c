//! Exact bytes and who signed them, as in DSSE (secure-systems-lab/dsse, `protocol.md`, v1.0).
//!
//! What is signed are the payload's very bytes with their type before them, so nothing is ever made canonical,
//! and a signature on one kind of thing is none on another. There is no field for the algorithm: it is Ed25519.

use crate::{KeyId, Part, PublicKey, Rejected, SecretKey, Signature, limits};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "&str")]
pub enum Kind {
    /// A [`crate::Manifest`].
    Manifest,
    /// A [`crate::View`].
    View,
    /// A [`crate::Body`].
    Grant,
    /// A [`crate::Permit`].
    Permit,
    /// A [`crate::Authority`].
    Authority,
    /// A [`crate::Membership`].
    Membership,
}

impl From<Kind> for &'static str {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Manifest => "application/vnd.jit.manifest.v1+json",
            Kind::View => "application/vnd.jit.view.v1+json",
            Kind::Grant => "application/vnd.jit.grant.v1+json",
            Kind::Permit => "application/vnd.jit.permit.v1+json",
            Kind::Authority => "application/vnd.jit.authority.v1+json",
            Kind::Membership => "application/vnd.jit.membership.v1+json",
        }
    }
}

impl TryFrom<String> for Kind {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let kinds =
            [Self::Manifest, Self::View, Self::Grant, Self::Permit, Self::Authority, Self::Membership];
        kinds
            .into_iter()
            .find(|kind| <&str>::from(*kind) == text)
            .ok_or("a type that this version does not know")
    }
}

impl Kind {
    const fn limit(self) -> usize {
        match self {
            Self::Manifest => limits::MANIFEST,
            Self::View => limits::VIEW,
            Self::Grant | Self::Permit => limits::GRANT,
            Self::Authority => limits::AUTHORITY,
            Self::Membership => limits::MEMBERSHIP,
        }
    }
}

/// A payload and its signatures: `{"type", "payload" in base64, "sigs": [{"key", "sig"}]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    payload: Vec<u8>,
    sigs: Vec<Sig>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Sig {
    key: KeyId,
    sig: Signature,
}

impl Envelope {
    /// The envelope of this payload, written once and kept as these bytes from there on.
    pub(crate) fn seal(kind: Kind, payload: &impl Serialize, key: &SecretKey) -> Self {
        Self::seal_by(kind, payload, &key.public(), |bytes| key.sign(bytes))
    }

    /// The same where the key is in other hands.
    pub(crate) fn seal_by(
        kind: Kind,
        payload: &impl Serialize,
        key: &PublicKey,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Self {
        // Serialising plain data into a buffer cannot fail; an empty payload would be refused by every host.
        let payload = serde_json::to_vec(payload).unwrap_or_default();
        let mut envelope = Self { kind, payload, sigs: Vec::new() };
        envelope.sigs.push(Sig { key: key.id(), sig: sign(&envelope.signed()) });
        envelope
    }

    /// The envelope of a payload that this key signed before.
    pub(crate) fn of(kind: Kind, payload: &impl Serialize, key: &PublicKey, sig: Signature) -> Self {
        let payload = serde_json::to_vec(payload).unwrap_or_default();
        Self { kind, payload, sigs: vec![Sig { key: key.id(), sig }] }
    }

    /// The signature that names this key.
    pub(crate) fn signature(&self, key: &PublicKey) -> Option<Signature> {
        self.sigs.iter().find(|sig| sig.key == key.id()).map(|sig| sig.sig)
    }

    /// Whether it has a signature that is said to be by one of these keys.
    pub fn names_one_of(&self, keys: &[PublicKey]) -> bool {
        keys.iter().any(|key| self.signature(key).is_some())
    }

    /// Adds a signature over the same bytes: another root's, or a new grant key's at a rotation.
    pub fn sign(&mut self, key: &SecretKey) {
        let sig = Sig { key: key.public().id(), sig: key.sign(&self.signed()) };
        self.sigs.retain(|held| held.key != sig.key);
        self.sigs.push(sig);
    }

    /// The same with a signature by this key after the last one; what signed before that is rotated out.
    pub(crate) fn signed_too(&self, key: &SecretKey) -> Self {
        let last = self.sigs.last().cloned();
        let mut envelope = Self { sigs: last.into_iter().collect(), ..self.clone() };
        envelope.sign(key);
        envelope
    }

    /// The bytes that were signed for, verified or not.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn signed(&self) -> Vec<u8> {
        pae(&[<&str>::from(self.kind).as_bytes(), &self.payload])
    }

    /// Those of `keys` that signed this, in their order. A signature by one of them that is wrong is an error;
    /// signatures by others count for nothing.
    pub(crate) fn signers(
        &self,
        part: Part,
        kind: Kind,
        keys: &[PublicKey],
    ) -> Result<Vec<PublicKey>, Rejected> {
        if self.kind != kind {
            return Err(Rejected::malformed(part, "it is of another type"));
        }
        if self.payload.len() > kind.limit() {
            return Err(Rejected::TooLarge { part, found: self.payload.len(), limit: kind.limit() });
        }
        if self.sigs.len() > limits::SIGNATURES {
            return Err(Rejected::TooLarge { part, found: self.sigs.len(), limit: limits::SIGNATURES });
        }
        let signed = self.signed();
        let mut signers = Vec::new();
        for key in keys {
            let by_it = self.sigs.iter().filter(|sig| sig.key == key.id());
            for Sig { sig, key: id } in by_it {
                if !key.verifies(&signed, sig) {
                    return Err(Rejected::BadSignature { part, key: *id });
                }
                signers.push(*key);
            }
        }
        signers.dedup();
        Ok(signers)
    }

    /// The last of `keys` that signed this: where an old and a new key did, the new one.
    pub(crate) fn signer(&self, part: Part, kind: Kind, keys: &[PublicKey]) -> Result<PublicKey, Rejected> {
        let unknown = || Rejected::UnknownKey { part, keys: self.sigs.iter().map(|sig| sig.key).collect() };
        self.signers(part, kind, keys)?.pop().ok_or_else(unknown)
    }

    /// What the payload says. To be called when its signers are known, and not before: a parser is for friends.
    pub(crate) fn open<T: DeserializeOwned>(&self, part: Part) -> Result<T, Rejected> {
        serde_json::from_slice(&self.payload).map_err(|error| Rejected::malformed(part, &error.to_string()))
    }
}

/// DSSE's pre-authentication encoding, of any number of parts: each with its length before it, so that no two
/// lists of parts are the same bytes.
///
/// ```text
/// PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body
/// ```
pub(crate) fn pae(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().fold(b"DSSEv1".to_vec(), |mut bytes, part| {
        bytes.extend_from_slice(format!(" {} ", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes
    })
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD
        .decode(text)
        .map_err(|_| D::Error::custom("the payload is not base64 (RFC 4648, section 4)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_the_example_of_the_dsse_specification() {
        assert_eq!(
            pae(&[b"http://example.com/HelloWorld", b"hello world"]),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae(&[b"", b""]), b"DSSEv1 0  0 ");
    }
}
