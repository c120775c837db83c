//! The join token: one word that makes a new host trust the right hub, and the hub the right host.

use crate::{Digest, HubId, hex, limits};
use access::HostName;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use std::fmt;
use zeroize::Zeroizing;

/// Text that is not a join token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Something else.
    #[error("not a join token: those begin with jitjoin1_ and come from `jit host token`")]
    Other,
    /// A piece is missing or a character is wrong.
    #[error("the join token is not whole: copy all of what `jit host token` printed, one word")]
    NotWhole,
    /// It would send the secret in the clear.
    #[error("the join token's hub is not at an https address: set the hub's public URL and make a new token")]
    NotHttps,
}

/// What a new host is given, once, over a way that is trusted. Its text is `jitjoin1_`
/// and, in base64 without padding: URL, hub, root and secret in hex, blanks between, and a checksum.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Where the hub is, an https URL.
    pub url: String,
    /// Its name.
    pub hub: HubId,
    /// The fingerprint of its root ([`crate::Roots::fingerprint`]), so that nothing is trusted on first use.
    pub root: Digest,
    secret: Zeroizing<[u8; 32]>,
}

const PREFIX: &str = "jitjoin1_";

/// Bytes of its SHA-256 that a token ends with.
const CHECK: usize = 4;

impl Token {
    /// The token with this secret, 32 bytes from the system's random source.
    pub fn new(url: String, hub: HubId, root: Digest, secret: [u8; 32]) -> Result<Self, TokenError> {
        let host = url.strip_prefix("https://").ok_or(TokenError::NotHttps)?;
        if host.is_empty() || url.len() > limits::TOKEN / 4 || !url.chars().all(|c| c.is_ascii_graphic()) {
            return Err(TokenError::NotHttps);
        }
        Ok(Self { url, hub, root, secret: Zeroizing::new(secret) })
    }

    /// What the hub keeps instead of the token. The secret is random, so one round of SHA-256 is enough.
    pub fn hash(&self) -> Digest {
        Digest::of(&[b"jit join token v1\n".as_slice(), &*self.secret].concat())
    }

    /// The token that this text writes.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let rest = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Other)?;
        if rest.len() > limits::TOKEN {
            return Err(TokenError::Other);
        }
        let bytes =
            BASE64_URL_SAFE_NO_PAD.decode(rest).map(Zeroizing::new).map_err(|_| TokenError::NotWhole)?;
        let (parts, check) = bytes.split_last_chunk::<CHECK>().ok_or(TokenError::NotWhole)?;
        if checksum(parts) != *check {
            return Err(TokenError::NotWhole);
        }
        Self::read(parts).ok_or(TokenError::Other)?
    }

    fn read(parts: &[u8]) -> Option<Result<Self, TokenError>> {
        let mut parts = std::str::from_utf8(parts).ok()?.split(' ');
        let (url, hub, root, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let hub = HubId::new(HostName::parse(hub).ok()?);
        Some(Self::new(url.to_owned(), hub, root.parse().ok()?, hex::read(secret)?))
    }

    /// Its text. Whoever has it can join one host.
    pub fn reveal(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex::text(&*self.secret));
        let parts = Zeroizing::new(format!("{} {} {} {}", self.url, self.hub, self.root, *secret));
        let bytes = Zeroizing::new([parts.as_bytes(), &checksum(parts.as_bytes())].concat());
        Zeroizing::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(&*bytes)))
    }
}

fn checksum(parts: &[u8]) -> [u8; CHECK] {
    Digest::of(parts).as_bytes().first_chunk().copied().unwrap_or_default()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, secret not shown)", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        let hub = HubId::new(HostName::parse("acme").unwrap());
        Token::new("https://hub.example:8443".into(), hub, Digest::of(b"root"), [9; 32]).unwrap()
    }

    #[test]
    fn a_token_reads_back_and_its_secret_is_not_shown() {
        let text = token().reveal();
        assert_eq!(Token::parse(&format!(" {}\n", *text)), Ok(token()));
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'), "{}", *text);
        assert_eq!(format!("{:?}", token()), "Token(https://hub.example:8443, secret not shown)");
    }

    #[test]
    fn every_cut_and_every_changed_character_is_found() {
        let text = token().reveal();
        for end in PREFIX.len()..text.len() {
            assert_eq!(Token::parse(&text[..end]), Err(TokenError::NotWhole), "cut at {end}");
            let other = if text.as_bytes()[end] == b'A' { 'B' } else { 'A' };
            let changed = format!("{}{other}{}", &text[..end], &text[end + 1..]);
            assert_eq!(Token::parse(&changed), Err(TokenError::NotWhole), "changed at {end}");
        }
        assert_eq!(Token::parse("hello"), Err(TokenError::Other));
        assert_eq!(
            Token::parse(&format!("{PREFIX}{}", "A".repeat(limits::TOKEN + 1))),
            Err(TokenError::Other)
        );
    }

    #[test]
    fn the_secret_never_goes_over_plain_http() {
        for url in ["http://hub.example", "https://", "hub.example", "https://hub example", ""] {
            let made = Token::new(url.into(), token().hub, token().root, [9; 32]);
            assert_eq!(made, Err(TokenError::NotHttps), "{url:?}");
        }
    }

    #[test]
    fn the_hub_keeps_a_hash_that_depends_on_the_secret_alone() {
        let moved = Token { url: "https://other.example".into(), ..token() };
        assert_eq!(moved.hash(), token().hash());
        assert_ne!(Token::new(moved.url, moved.hub, moved.root, [8; 32]).unwrap().hash(), token().hash());
    }
}
