//! Signed views: what a hub signs, and how a host verifies and applies it.
//!
//! A hub says to a host the **whole truth in ids**: a [`View`] names every grant the host must honour, at a
//! revision, and the [`Body`] of each grant rides along where the host does not hold it yet. There are no
//! deltas, so there is no chain to get wrong; a keep-alive is the same list with a newer time. The root keys
//! sign the [`Manifest`] of the keys that sign the rest: a view key can hide or delay grants, and only a grant
//! key can mint one.
//!
//! Beside its grants a view names the [`Permit`]s of a host: grants that it may make itself, each once, while the hub is
//! away.
//!
//! [`apply`] verifies everything a [`Message`] says and returns the [`State`] that follows. The caller writes
//! it in one durable transaction, then swaps its memory, then acknowledges; a message that is refused changes
//! nothing. The same bytes travel by stream, by GET and as a file on any web server.
//!
//! Pure: no clock, disk, network or randomness; times and random bytes are parameters.
#![forbid(unsafe_code)]

mod apply;
mod authority;
mod digest;
mod envelope;
mod grant;
mod hex;
mod key;
pub mod limits;
mod manifest;
mod membership;
mod message;
mod permit;
mod rejected;
mod request;
mod state;
mod token;
mod view;

pub use apply::{Alarm, Applied, Change, LocalTime, apply, fits};
pub use authority::{Authority, SignedAuthority, is_first};
pub use digest::Digest;
pub use envelope::{Envelope, Kind};
pub use grant::{Body, Entry, SignedGrant};
pub use key::{KeyError, KeyId, PublicKey, SecretKey, Signature};
pub use manifest::{Era, HubId, Manifest, Roots, SignedManifest};
pub use membership::{Membership, SignedMembership};
pub use message::Message;
pub use permit::{Permit, SignedPermit};
pub use rejected::{Part, Rejected};
pub use request::{Nonce, Request};
pub use state::{Held, HeldPermit, Known, KnownPermit, Served, State};
pub use token::{Token, TokenError};
pub use view::{View, whole, whole_with};
