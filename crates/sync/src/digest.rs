//! The name of exact bytes.

use sha2::{Digest as _, Sha256};

crate::hex::bytes! {
    /// SHA-256 (FIPS 180-4), 64 digits of lower-case hex as text.
    Digest, 32, "a digest"
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}
