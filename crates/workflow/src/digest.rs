//! What an approver had before them, as a fingerprint.

use crate::Request;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// SHA-256, in hex, of the ask and what is left of it after the narrowings so far. A review carries it,
/// so that nobody approves something else than they read.
pub fn digest(request: &Request) -> String {
    // Serialising plain data into a buffer cannot fail; an empty text would only match itself.
    let shown = serde_json::to_vec(&(&request.ask, request.scope())).unwrap_or_default();
    hex(&Sha256::digest([b"jit request v1\n".as_slice(), &shown].concat()))
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
