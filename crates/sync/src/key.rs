//! Ed25519 keys and signatures (RFC 8032).

use crate::hex::{bytes, in_hex};
use crate::{Digest, limits};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use zeroize::Zeroizing;

/// Text that is not a key, a signature or a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not so many digits, or not the bytes of such a thing.
    #[error("not {what}: that is {bytes} bytes in lower-case hex")]
    NotHex {
        /// What was to be read.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Not a secret key file.
    #[error("not an Ed25519 private key in PEM (RFC 8410): `openssl genpkey -algorithm ed25519` writes one")]
    NotPem,
}

/// What signatures are verified with: 64 digits of lower-case hex as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);
in_hex!(PublicKey, 32, "a public key");

impl PublicKey {
    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key of these bytes, unless they are no point of the curve or one of the few that verify anything.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(Self)
    }

    /// The short name that signatures carry.
    pub fn id(&self) -> KeyId {
        let digest = Digest::of(self.as_bytes());
        KeyId(digest.as_bytes().first_chunk().copied().unwrap_or_default())
    }

    /// Whether the signature is by this key over exactly these bytes. Strict: the one encoding, no weak key.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

bytes! {
    /// The first 8 bytes of a public key's SHA-256: a hint which key to verify with, and what logs say. It
    /// proves nothing by itself.
    KeyId, 8, "a key id"
}

bytes! {
    /// A signature.
    Signature, 64, "a signature"
}

/// What signs. Wiped from memory when dropped, and never shown.
pub struct SecretKey(SigningKey);

/// The PKCS #8 frame of an Ed25519 seed, which follows it (RFC 8410, section 7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

impl SecretKey {
    /// The key of 32 bytes from the system's random source.
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(bytes))
    }

    /// What its signatures are verified with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs bytes. Whoever calls it sees to it that they begin with what they are ([`crate::Envelope`]).
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    /// The text of a key file, mode 0600: PKCS #8 in PEM, as openssl(1) writes it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = Zeroizing::new([PKCS8.as_slice(), self.0.as_bytes()].concat());
        let text = Zeroizing::new(BASE64_STANDARD.encode(&*der));
        Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", *text))
    }

    /// The key of a key file.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let text = Some(text).filter(|text| text.len() <= limits::PEM).ok_or(KeyError::NotPem)?;
        let inner = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let der = inner.and_then(|inner| BASE64_STANDARD.decode(inner.trim()).ok()).map(Zeroizing::new);
        let seed = der.as_ref().and_then(|der| der.strip_prefix(PKCS8.as_slice()));
        let seed = seed.and_then(|seed| <&[u8; 32]>::try_from(seed).ok());
        seed.map(Self::from_random).ok_or(KeyError::NotPem)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public().id())
    }
}
