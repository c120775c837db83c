//! The whole truth for one host, in ids.

use crate::envelope::pae;
use crate::{Digest, Entry, Envelope, Era, HubId, Kind, PublicKey, SecretKey, Signature, limits};
use access::{HostName, Time, is_plausible};
use serde::{Deserialize, Serialize};

/// What a view key signs: every grant that a host must honour, and nothing else is to be honoured there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Whose truth.
    pub hub: HubId,
    /// The host it is for.
    pub host: HostName,
    /// The era its revision counts in.
    pub era: Era,
    /// Rises with every change, in the order of commits: from a locked row, never from a sequence.
    pub revision: u64,
    /// When it was signed.
    pub issued_at: Time,
    /// First instant a host that heard nothing since is no longer up to date.
    pub fresh_until: Time,
    /// What [`whole_with`] says of the entries, from the transaction that gave the revision. A replica that missed a
    /// change in between lists something else under it, and no host believes that list.
    pub whole: Digest,
    /// The grants, by rising id.
    pub grants: Vec<Entry>,
    /// The permits, by rising id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permits: Vec<Entry>,
}

impl View {
    /// Signs it.
    pub fn sign(&self, key: &SecretKey) -> Envelope {
        Envelope::seal(Kind::View, self, key)
    }

    /// Signs it by a key that is in other hands: `sign` is given the bytes that the signature is over.
    pub fn sign_by(&self, key: &PublicKey, sign: impl FnOnce(&[u8]) -> Signature) -> Envelope {
        Envelope::seal_by(Kind::View, self, key, sign)
    }

    /// Whether it is one that hosts take, as far as that shows by itself.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.grants.len() > limits::GRANTS {
            return Err("it lists more than 10,000 grants");
        }
        if self.permits.len() > limits::PERMITS {
            return Err("it lists more than 1,000 permits");
        }
        let rise = |entries: &[Entry]| entries.is_sorted_by(|one, next| one.id < next.id);
        if !rise(&self.grants) || !rise(&self.permits) {
            return Err("its grants are not listed by rising id, each once");
        }
        if !is_plausible(self.issued_at)
            || !is_plausible(self.fresh_until)
            || self.fresh_until <= self.issued_at
        {
            return Err("it is stale before it is signed");
        }
        if self.fresh_until - self.issued_at > limits::FRESH {
            return Err("it calls itself fresh for more than 24 hours");
        }
        Ok(())
    }
}

/// The digest of what a host must honour: its name and the entries by rising id, each with its length, so that no
/// two lists are alike.
pub fn whole(host: &HostName, entries: &[Entry]) -> Digest {
    whole_with(host, entries, &[])
}

/// The same with permits behind a word that is no entry, where there are some.
pub fn whole_with(host: &HostName, grants: &[Entry], permits: &[Entry]) -> Digest {
    let rows = |entries: &[Entry]| -> Vec<String> {
        entries.iter().map(|of| format!("{} {} {}", of.id, of.version, of.digest)).collect()
    };
    let (grants, permits) = (rows(grants), rows(permits));
    let mut parts: Vec<&[u8]> = vec![b"application/vnd.jit.whole.v1", host.as_str().as_bytes()];
    parts.extend(grants.iter().map(String::as_bytes));
    if !permits.is_empty() {
        parts.push(b"permits");
        parts.extend(permits.iter().map(String::as_bytes));
    }
    Digest::of(&pae(&parts))
}
