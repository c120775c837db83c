//! Signatures of webhooks, as Standard Webhooks 1.0 has them (standardwebhooks.com): `v1`, an HMAC-SHA256 over id, time and
//! body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of a secret, at least and at most, as the standard has it.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What one receiver and this hub have in common.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A secret as it is written: `whsec_` and base64.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fix = "make one with: printf 'whsec_%s\\n' \"$(head -c 32 /dev/urandom | base64)\"";
        let coded =
            text.strip_prefix("whsec_").ok_or_else(|| format!("it does not start with whsec_: {fix}"))?;
        let bytes = STANDARD.decode(coded).map_err(|why| format!("it is no base64 ({why}): {fix}"))?;
        if !BYTES.contains(&bytes.len()) {
            return Err(format!("it has {} bytes and not 24 to 64: {fix}", bytes.len()));
        }
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The head `webhook-signature` of this body, sent under this id at this time, in seconds.
    pub fn signs(&self, id: &str, at: i64, body: &str) -> String {
        // Of any length there is a key.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{at}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        // Of the standard's reference libraries (standard-webhooks/libraries, "test_sign").
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.signs("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_says_how_to_make_one() {
        for wrong in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", "whsec_AAAA"] {
            let why = Secret::parse(wrong).map(drop).unwrap_err();
            assert!(why.contains("/dev/urandom"), "{wrong}: {why}");
        }
    }
}
