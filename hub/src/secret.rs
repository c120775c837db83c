//! What opens the door: `jit_` and 32 random bytes in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What each starts with, so that scanners find one that leaked into a repository.
const PREFIX: &str = "jit_";

/// The SHA-256 of a secret. With 256 random bits nothing slower is of use.
pub type Hash = [u8; 32];

/// A new one, to be told once, and its hash, to be kept.
pub fn make() -> Result<(String, Hash), getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = Sha256::digest(&secret).into();
    Ok((secret, hash))
}

/// The hash of what somebody shows, if it could be one at all.
pub fn hash(shown: &str) -> Option<Hash> {
    let bytes = URL_SAFE_NO_PAD.decode(shown.strip_prefix(PREFIX)?).ok()?;
    (bytes.len() == 32).then(|| Sha256::digest(shown).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_found_by_its_hash_and_nothing_else_is_even_looked_for() {
        let (secret, kept) = make().unwrap();
        assert_eq!((secret.len(), hash(&secret)), (47, Some(kept)));
        let longer = format!("{secret}A");
        for wrong in ["", "jit_", &secret[1..], &secret[..46], &longer, "jit_\u{e4}"] {
            assert_eq!(hash(wrong), None, "{wrong}");
        }
    }
}
