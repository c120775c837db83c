//! A host's request to its hub, signed with the host's own key: no bearer token can be stolen from a log.

use crate::envelope::pae;
use crate::{Digest, PublicKey, SecretKey, Signature};
use access::HostName;

crate::hex::bytes! {
    /// 16 random bytes that the hub gave this host and takes once, so that a request cannot be replayed.
    Nonce, 16, "a nonce"
}

impl Nonce {
    /// The nonce of bytes from the system's random source.
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// What a host signs of a request, and the hub makes anew from what arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Who asks.
    pub host: &'a HostName,
    /// As in HTTP: `GET`.
    pub method: &'a str,
    /// Path and query, as they were sent.
    pub path: &'a str,
    /// Of the body, or of no bytes.
    pub body: Digest,
    /// The hub's.
    pub nonce: Nonce,
}

impl Request<'_> {
    /// Signs it.
    pub fn sign(&self, key: &SecretKey) -> Signature {
        key.sign(&self.signed())
    }

    /// Whether the host's key signed exactly this.
    pub fn is_signed(&self, key: &PublicKey, signature: &Signature) -> bool {
        key.verifies(&self.signed(), signature)
    }

    fn signed(&self) -> Vec<u8> {
        pae(&[
            b"application/vnd.jit.request.v1",
            self.host.as_str().as_bytes(),
            self.method.as_bytes(),
            self.path.as_bytes(),
            self.body.as_bytes(),
            &self.nonce.0,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_one_request_and_no_other() {
        let key = SecretKey::from_random(&[1; 32]);
        let (host, other) = (HostName::parse("web-1").unwrap(), HostName::parse("web-2").unwrap());
        let body = Digest::of(b"{}");
        let nonce = Nonce::from_random([7; 16]);
        let request = Request { host: &host, method: "POST", path: "/v1/hosts/feed", body, nonce };
        let signature = request.sign(&key);
        assert!(request.is_signed(&key.public(), &signature));
        for changed in [
            Request { host: &other, ..request },
            Request { method: "GET", ..request },
            Request { path: "/v1/hosts/feed?all", ..request },
            Request { method: "POST 14", path: "/v1/hosts/feed", ..request },
            Request { body: Digest::of(b""), ..request },
            Request { nonce: Nonce::from_random([8; 16]), ..request },
        ] {
            assert!(!changed.is_signed(&key.public(), &signature), "{changed:?}");
        }
        assert!(!request.is_signed(&SecretKey::from_random(&[2; 32]).public(), &signature));
    }
}
