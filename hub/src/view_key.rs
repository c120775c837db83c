//! The key that signs views, in the hands of the quickest library there is for that: a change for a whole fleet is one
//! signature for each host, and they are most of the work.

use crate::error::HubError;
use aws_lc_rs::signature::Ed25519KeyPair;
use sync::{Envelope, SecretKey, Signature, View};

/// One of the view keys that hosts are told to believe.
pub struct ViewKey {
    key: SecretKey,
    quick: Ed25519KeyPair,
}

impl ViewKey {
    /// This key.
    pub fn of(key: SecretKey) -> Result<Self, HubError> {
        let public = key.public();
        let quick = Ed25519KeyPair::from_seed_and_public_key(key.seed(), public.as_bytes());
        let quick =
            quick.map_err(|why| HubError::Keys(format!("taking the view key {}: {why}", public.id())))?;
        Ok(Self { key, quick })
    }

    /// Signs a view.
    pub fn sign(&self, view: &View) -> Envelope {
        view.sign_by(&self.key.public(), |bytes| {
            let quick = self.quick.try_sign(bytes).ok();
            let quick =
                quick.and_then(|signature| Signature::from_bytes(signature.as_ref().try_into().ok()?));
            // Without memory for it that library says no. The signature is the same one: RFC 8032 draws nothing.
            quick.unwrap_or_else(|| self.key.sign(bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::minute;
    use access::HostName;
    use sync::{Era, HubId};

    #[test]
    fn a_view_is_signed_as_the_key_itself_would() {
        let key = || SecretKey::from_random(&[7; 32]);
        let host = HostName::parse("db-7").unwrap();
        let view = View {
            hub: HubId::new(HostName::parse("hub").unwrap()),
            whole: sync::whole_with(&host, &[], &[]),
            host,
            era: Era { incarnation: 1, epoch: 1 },
            revision: 3,
            issued_at: minute(0),
            fresh_until: minute(1),
            grants: Vec::new(),
            permits: Vec::new(),
        };
        let held = ViewKey::of(key()).unwrap();
        assert_eq!(held.quick.try_sign(b"x").unwrap().as_ref(), key().sign(b"x").as_bytes());
        let signed = held.sign(&view);
        assert_eq!(signed, view.sign(&key()));
        assert_ne!(signed, view.sign(&SecretKey::from_random(&[8; 32])));
    }
}
