//! Hosts of a hub: how they join, what they ask for, and what people see of them.

use access::{Ended, GrantId, HostName, Person, Span, Text, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use sync::{Digest, Envelope, Era, Nonce, PublicKey};

/// `POST /v1/fleet/token`: a word that lets new hosts in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewHostToken {
    /// Labels of the hosts that join by it.
    pub labels: BTreeMap<String, String>,
    /// How long it is good.
    pub length: Span,
    /// How many hosts it lets in.
    pub uses: u32,
}

/// The answer, told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostToken {
    /// What `jitd enrol` takes.
    pub token: String,
    /// First instant it lets nobody in any more.
    pub expires: Time,
}

/// `POST /v1/hosts`: a new host joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The hash of the token's secret ([`sync::Token::hash`]).
    pub token: Digest,
    /// What it is called.
    pub host: HostName,
    /// SHA-256 of its machine id (machine-id(5)), so that a copy of its disk is noticed.
    pub machine: Digest,
    /// What it signs its calls with from now on.
    pub key: PublicKey,
}

/// A host of the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostView {
    /// Its name.
    pub host: HostName,
    /// Its labels, which the hub decides.
    pub labels: BTreeMap<String, String>,
    /// When it joined.
    pub joined: Time,
    /// Whether it listens now.
    pub connected: bool,
    /// When it was heard of last, give or take a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Time>,
    /// As of when it knows the truth, as it said last; none where that was to another of several hubs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Time>,
    /// The revision that it said it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Its release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// The place of the last record of its journal that the hub has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<u64>,
    /// Records of its journal that the hub does not have yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// How far its clock is ahead of the hub's, in milliseconds, give or take the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_ms: Option<i64>,
    /// PAM services that ask for a grant there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gated: Option<Vec<String>>,
    /// What is wrong with its journal, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}

/// `POST /v1/hosts/{host}/nonce`: what to sign the next call with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Nonced {
    /// Good once, and for a minute.
    pub nonce: Nonce,
}

/// `POST /v1/hosts/{host}/feed`: the stream of views, as server-sent events whose data is one
/// [`sync::Message`] each. `GET` has the first of them alone, with an `ETag`, for a way on which something holds back what
/// does not end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskFeed {
    /// Bodies that need not be sent.
    pub holds: BTreeSet<Digest>,
    /// The revision that it holds, of this era; none before the first.
    pub watermark: Option<(Era, u64)>,
    /// SHA-256 of its machine id.
    pub machine: Digest,
    /// Its release.
    pub version: Text,
}

/// `POST /v1/hosts/{host}/state`: how it stands, after each view that it goes by, and now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostState {
    /// What it goes by.
    pub watermark: Option<(Era, u64)>,
    /// As of when it knows the truth, where it does: it may hear of it from another process than the one it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Time>,
    /// Its own time.
    pub clock: Time,
    /// The place of the last record of its journal.
    pub seq: u64,
    /// PAM services that ask for a grant.
    pub gated: Vec<String>,
    /// Its release.
    pub version: Text,
}

/// What a host hears that said how it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateHeard {
    /// Whether anybody could decide a request now; hubs of earlier releases leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub somebody_decides: Option<bool>,
}

/// `GET /v1/grants/{id}/hosts`: which hosts go by a grant as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// Those that said so.
    pub confirmed: Vec<HostName>,
    /// Those that have not yet, and when each was heard of last.
    pub not_yet: BTreeMap<HostName, Option<Time>>,
    /// Those of them that are none of the hub's any more, and will not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<HostName>,
    /// When it is over whatever they heard: the worst case for those.
    pub over: Time,
}

/// `POST /v1/hosts/{host}/known`: some of what a host knows, for a hub whose database lost it. Answered by
/// [`TakenBack`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The incarnation of the hub that asked for it; hosts of older releases leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u64>,
    /// Grants as they were signed.
    pub bodies: Vec<Envelope>,
    /// Early ends of grants whose bodies it has no more.
    pub ended: BTreeMap<GrantId, Ended>,
    /// Whether this is the last of it.
    pub last: bool,
}

/// How much of that the hub did not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TakenBack {
    /// Grants, or versions of them.
    pub grants: u32,
    /// Ends.
    pub ended: u32,
}

/// `POST /v1/hosts/{host}/return`, with a [`sync::SignedMembership`]: a hub whose database lost a host knows it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CameBack {
    /// Whether it did not before.
    pub anew: bool,
}

/// `POST /v1/fleet/{host}/labels`: these from now on, and no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewLabels {
    /// All of them.
    pub labels: BTreeMap<String, String>,
}

/// `POST /v1/fleet/{host}/remove`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// The host that was, or that comes back no more.
    pub host: HostName,
    /// Whether there was one: what a backup lost has to be kept away too.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub was: bool,
    /// Who removed it.
    pub by: Person,
}

const fn yes() -> bool {
    true
}

/// The header that a host signs a call with: `HOST NONCE SIGNATURE MACHINE`, the last as in [`Join::machine`]. Hosts of
/// earlier releases leave that out.
pub const SIGNED: &str = "jit-host";
