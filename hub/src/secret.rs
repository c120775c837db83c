//! What opens the door: a word that says of what kind it is, and 32 random bytes in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What a secret is for. One of a kind is none of another: the kind is in what is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A token, shown with each call.
    Token,
    /// A link that signs a browser in.
    Link,
    /// What a browser shows that is signed in.
    Browser,
    /// What a command takes its token with, once somebody has let it in.
    Login,
    /// What a browser keeps while somebody signs in elsewhere, and what its forms carry of what was shown there.
    Elsewhere,
}

impl Kind {
    /// What each starts with, so that scanners find one that leaked into a repository.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Token => "jit_",
            Self::Link => "jitl_",
            Self::Browser => "jitb_",
            Self::Login => "jitd_",
            Self::Elsewhere => "jite_",
        }
    }
}

/// The SHA-256 of a secret. With 256 random bits nothing slower is of use.
pub type Hash = [u8; 32];

/// A new one, to be told once, and its hash, to be kept.
pub fn make(kind: Kind) -> Result<(String, Hash), getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let secret = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes));
    let hash = Sha256::digest(&secret).into();
    Ok((secret, hash))
}

/// The hash of what somebody shows, if it could be one of this kind at all.
pub fn hash(kind: Kind, shown: &str) -> Option<Hash> {
    let bytes = URL_SAFE_NO_PAD.decode(shown.strip_prefix(kind.prefix())?).ok()?;
    (bytes.len() == 32).then(|| Sha256::digest(shown).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_found_by_its_hash_and_nothing_else_is_even_looked_for() {
        let (secret, kept) = make(Kind::Token).unwrap();
        assert_eq!((secret.len(), hash(Kind::Token, &secret)), (47, Some(kept)));
        let longer = format!("{secret}A");
        for wrong in ["", "jit_", &secret[1..], &secret[..46], &longer, "jit_\u{e4}"] {
            assert_eq!(hash(Kind::Token, wrong), None, "{wrong}");
        }
        let kinds = [Kind::Token, Kind::Link, Kind::Browser, Kind::Login, Kind::Elsewhere];
        for made in kinds {
            let (secret, _) = make(made).unwrap();
            for shown in kinds {
                assert_eq!(hash(shown, &secret).is_some(), shown == made, "{made:?} shown as {shown:?}");
            }
        }
    }
}
