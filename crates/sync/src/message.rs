//! What travels: by stream, by GET, and as a file on any web server.

use crate::{Digest, Envelope, Part, Rejected, SignedGrant, SignedManifest, SignedPermit, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `{"manifest"?, "view", "bodies"}`: all that a host needs to go from what it holds to the truth, in one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The keys, where the host may not know them yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<SignedManifest>,
    /// The grants by name.
    pub view: Envelope,
    /// Those that the host does not hold.
    pub bodies: Vec<Envelope>,
    /// The permits that it does not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permits: Vec<Envelope>,
}

impl Message {
    /// The message for a host that holds the bodies of these digests ([`crate::State::holds`]); none for a file
    /// that serves hosts of any state.
    pub fn new(
        manifest: Option<SignedManifest>,
        view: Envelope,
        grants: &[SignedGrant],
        holds: &BTreeSet<Digest>,
    ) -> Self {
        let lacks = |grant: &&SignedGrant| !holds.contains(&grant.entry.digest);
        let bodies = grants.iter().filter(lacks).map(|grant| grant.envelope.clone()).collect();
        Self { manifest, view, bodies, permits: Vec::new() }
    }

    /// The same with those of these permits that the host does not hold.
    #[must_use]
    pub fn with_permits(self, permits: &[SignedPermit], holds: &BTreeSet<Digest>) -> Self {
        let lacks = |permit: &&SignedPermit| !holds.contains(&permit.entry.digest);
        let permits = permits.iter().filter(lacks).map(|permit| permit.envelope.clone()).collect();
        Self { permits, ..self }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising plain data into a buffer cannot fail; a host would refuse an empty message.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Writes the bytes of one without a manifest behind these, with a manifest that is JSON already: the same for all hosts.
    pub fn write_with(&self, manifest: &str, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(b"{\"manifest\":");
        bytes.extend_from_slice(manifest.as_bytes());
        let begin = bytes.len();
        // It cannot fail either, and a host would refuse part of a message.
        let _ = serde_json::to_writer(&mut *bytes, self);
        if let Some(brace) = bytes.get_mut(begin) {
            *brace = b',';
        }
    }

    /// The envelopes in these bytes, none of them opened.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Rejected> {
        let part = Part::Message;
        if bytes.len() > limits::MESSAGE {
            return Err(Rejected::TooLarge { part, found: bytes.len(), limit: limits::MESSAGE });
        }
        let message: Self =
            serde_json::from_slice(bytes).map_err(|error| Rejected::malformed(part, &error.to_string()))?;
        let counts = [(message.bodies.len(), limits::GRANTS), (message.permits.len(), limits::PERMITS)];
        match counts.into_iter().find(|(found, limit)| found > limit) {
            Some((found, limit)) => Err(Rejected::TooLarge { part, found, limit }),
            None => Ok(message),
        }
    }
}
