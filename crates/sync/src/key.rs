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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

    /// Its 32 bytes (RFC 8032, section 5.1.5), for another library to sign by.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The text of a key file, mode 0600: PKCS #8 in PEM, as openssl(1) writes it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = Zeroizing::new([PKCS8.as_slice(), self.seed()].concat());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 2.
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        crate::hex::read(hex).unwrap()
    }

    #[test]
    fn keys_and_signatures_are_those_of_rfc_8032() {
        let key = SecretKey::from_random(&bytes(SEED));
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!((key.public().to_string(), public.parse()), (public.to_owned(), Ok(key.public())));
        let signature = key.sign(&[0x72]);
        assert_eq!(
            signature.to_string(),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        assert!(key.public().verifies(&[0x72], &signature) && !key.public().verifies(&[0x73], &signature));
        assert_eq!(key.public().id().to_string(), "39f713d0a644253f");
        assert_eq!(format!("{key:?}"), "SecretKey(of 39f713d0a644253f)");
    }

    #[test]
    fn a_key_that_verifies_anything_is_no_key() {
        // The neutral element: with it, R = 0 and S = 0 sign every message.
        let weak = format!("01{}", "00".repeat(31));
        assert_eq!(weak.parse::<PublicKey>(), Err(KeyError::NotHex { what: "a public key", bytes: 32 }));
    }

    #[test]
    fn a_second_encoding_of_a_signature_is_refused() {
        // S and S + L are the same scalar; RFC 8032, section 5.1.7, takes the lower one alone.
        let key = SecretKey::from_random(&[1; 32]);
        let mut signature = key.sign(b"x");
        let order = bytes::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut carry = 0_u16;
        for (byte, add) in signature.0[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert!(!key.public().verifies(b"x", &signature));
    }

    #[test]
    fn a_key_file_is_what_openssl_writes() {
        // `openssl pkey` reads this, and prints the public key above.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n\
                   -----END PRIVATE KEY-----\n";
        let key = SecretKey::from_random(&bytes(SEED));
        let text = key.to_pem();
        assert_eq!(*text, pem);
        assert_eq!(SecretKey::from_pem(&text).unwrap().public(), key.public());
        assert_eq!(SecretKey::from_pem(&text.replace('\n', "\r\n")).unwrap().public(), key.public());
        for bad in ["", "x", &text[..100], &text.replace("MC4C", "MC4D"), &"x".repeat(limits::PEM + 1)] {
            assert_eq!(SecretKey::from_pem(bad).unwrap_err(), KeyError::NotPem, "{bad}");
        }
        assert!(KeyError::NotPem.to_string().contains("openssl genpkey -algorithm ed25519"));
    }

    #[test]
    fn text_has_one_form() {
        let key = SecretKey::from_random(&[1; 32]).public().to_string();
        for bad in
            ["", &key[1..], &key.to_uppercase(), &format!("{key}00"), &key.replace(&key[..2], "zz"), "é"]
        {
            assert!(bad.parse::<PublicKey>().is_err() && bad.parse::<Digest>().is_err(), "{bad}");
        }
        let said = "ab".parse::<Signature>().unwrap_err().to_string();
        assert_eq!(said, "not a signature: that is 64 bytes in lower-case hex");
    }
}
