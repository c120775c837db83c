//! Why a message changes nothing.

use crate::{Digest, Era, HubId, KeyId};
use access::{GrantId, HostName, Time};
use std::fmt;

/// Where in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The message itself.
    Message,
    /// The manifest.
    Manifest,
    /// The view.
    View,
    /// A grant's body.
    Body,
    /// A permit's body.
    Permit,
    /// The authority of the hub's certificates.
    Authority,
    /// That a host is the hub's.
    Membership,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => "message",
            Self::Manifest => "manifest",
            Self::View => "view",
            Self::Body => "grant",
            Self::Permit => "permit",
            Self::Authority => "authority",
            Self::Membership => "membership",
        })
    }
}

/// A message that is not believed. Nothing of it was taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the text of each says what its fields are
pub enum Rejected {
    // What does not read.
    #[error(
        "the {part} is too large: {found}, at most {limit}; check what else answers at the hub's address"
    )]
    TooLarge { part: Part, found: usize, limit: usize },
    #[error("the {part} does not read: {why}; hub and host may be of different versions")]
    Malformed { part: Part, why: String },

    // Who did not sign.
    #[error(
        "the {part} is signed by {}, which this host does not know; fetch all with the manifest",
        names(keys)
    )]
    UnknownKey { part: Part, keys: Vec<KeyId> },
    #[error(
        "the {part} is signed by {key}, which was rotated out: a replica that was left behind, or a thief"
    )]
    RotatedOut { part: Part, key: KeyId },
    #[error("the {part} has a wrong signature by {key}: it was changed on its way")]
    BadSignature { part: Part, key: KeyId },
    #[error(
        "the manifest has {signers} of the {threshold} root signatures it needs; sign it with the other root keys"
    )]
    BelowThreshold { signers: usize, threshold: usize },
    #[error("the root is {found}, this host pinned {pinned}; enrol the host anew if the hub was set up anew")]
    OtherRoot { found: Digest, pinned: Digest },

    // The manifest against the one before.
    #[error("no manifest came yet; fetch all with the manifest")]
    NoManifest,
    #[error(
        "the manifest is over since {expires}; renew it with `jit-hub keys`, or set this host's clock right"
    )]
    ManifestExpired { expires: Time },
    #[error(
        "the manifest is of era {found}, this host is in {held}: an old one replayed, or the hub lost a rotation"
    )]
    ManifestBack { found: Era, held: Era },
    #[error(
        "a second manifest of era {era} lists other keys; the root signs one of each, so sign the next epoch"
    )]
    ManifestForked { era: Era },

    // The view against the manifest and the one before.
    #[error("the {part} is of hub {found}, this host belongs to {held}; correct the source's address")]
    OtherHub { part: Part, found: HubId, held: HubId },
    #[error("the view is for host {found}, this is {held}; correct the source's address")]
    OtherHost { found: HostName, held: HostName },
    #[error("the view is of incarnation {found}, the manifest of {held}, and only the root changes it")]
    OtherIncarnation { found: u64, held: u64 },
    #[error("the view is of key epoch {found}, before {held}: a replica that was left behind, or a replay")]
    EpochBack { found: u64, held: u64 },
    #[error("the view is of key epoch {found}, after {held}; fetch all with the manifest")]
    EpochAhead { found: u64, held: u64 },
    #[error("the view is revision {found}, this host has had {held} since: it came late, or was replayed")]
    Replayed { found: u64, held: u64 },
    #[error(
        "the hub signs revision {found} now, this host has {held}: a replica was left behind, or the database lost commits; after a restore run `jit-hub recover`"
    )]
    RevisionBack { found: u64, held: u64 },
    #[error(
        "a second view of revision {revision} lists other grants: two hubs write, or a view key is stolen"
    )]
    Forked { revision: u64 },
    #[error(
        "the view lists other grants than were committed at revision {revision}; restart that replica of the hub"
    )]
    NotWhole { revision: u64 },

    // The bodies against the view.
    #[error("the body of {id} did not come, and this host does not hold it; fetch all")]
    MissingBody { id: GrantId },
    #[error(
        "the body of {id} version {version} that came is not the one that the view lists: two messages were mixed"
    )]
    Unlisted { id: GrantId, version: u32 },
    #[error(
        "grant {id} is listed and not for host {host}: the hub sends it wrongly, or a view key is stolen"
    )]
    GrantOfOtherHost { id: GrantId, host: HostName },
    #[error(
        "this host would have to remember {found} grants, at most {limit}; a grant key is stolen: rotate it, and enrol this host anew"
    )]
    TooMany { found: usize, limit: usize },
}

impl Rejected {
    /// What a parser said, as one short line.
    pub(crate) fn malformed(part: Part, why: &str) -> Self {
        let why = why.chars().take(crate::limits::WHY).flat_map(char::escape_debug).collect();
        Self::Malformed { part, why }
    }

    /// The name in logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } => "malformed",
            Self::UnknownKey { .. } => "unknown_key",
            Self::RotatedOut { .. } => "rotated_out",
            Self::BadSignature { .. } => "bad_signature",
            Self::BelowThreshold { .. } => "below_threshold",
            Self::OtherRoot { .. } => "other_root",
            Self::NoManifest => "no_manifest",
            Self::ManifestExpired { .. } => "manifest_expired",
            Self::ManifestBack { .. } => "manifest_back",
            Self::ManifestForked { .. } => "manifest_forked",
            Self::OtherHub { .. } => "other_hub",
            Self::OtherHost { .. } => "other_host",
            Self::OtherIncarnation { .. } => "other_incarnation",
            Self::EpochBack { .. } => "epoch_back",
            Self::EpochAhead { .. } => "epoch_ahead",
            Self::Replayed { .. } => "replayed",
            Self::RevisionBack { .. } => "revision_back",
            Self::Forked { .. } => "forked",
            Self::NotWhole { .. } => "not_whole",
            Self::MissingBody { .. } => "missing_body",
            Self::Unlisted { .. } => "unlisted",
            Self::GrantOfOtherHost { .. } => "grant_of_other_host",
            Self::TooMany { .. } => "too_many",
        }
    }

    /// Whether fetching everything, with manifest and all bodies, is likely to help at once.
    pub const fn asks_for_all(&self) -> bool {
        matches!(
            self,
            Self::UnknownKey { .. }
                | Self::NoManifest
                | Self::ManifestExpired { .. }
                | Self::EpochAhead { .. }
                | Self::MissingBody { .. }
        )
    }

    /// Whether somebody should look: an attack, a restored database or two hubs, rather than a fault that the next
    /// message repairs.
    pub const fn is_alarm(&self) -> bool {
        let fault = matches!(
            self,
            Self::TooLarge { .. } | Self::Malformed { .. } | Self::NotWhole { .. } | Self::Replayed { .. }
        );
        !fault && !self.asks_for_all()
    }
}

fn names(keys: &[KeyId]) -> String {
    match keys {
        [] => "nobody".into(),
        keys => keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
    }
}
