//! `jit login` by a sign-in to a hub's pages: a word is shown there, somebody who is signed in says yes, and whoever asked
//! takes a token (RFC 8628 for a machine without a browser, RFC 8252 and 7636 for one with).

use crate::{MadeToken, Scope};
use access::{Text, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `POST /v1/login`: a machine without a browser asks to be let in; by anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewLogin {
    /// What the token is to be called: the machine's name.
    pub name: Text,
    /// What it is to be for at most.
    pub scopes: BTreeSet<Scope>,
}

/// What to show, and what to ask with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedLogin {
    /// To be typed into the page, like `BCDF-GHJK`.
    pub code: String,
    /// The page.
    pub page: String,
    /// What to take the token with; for whoever asked alone.
    pub secret: String,
    /// Until then somebody must have said yes.
    pub expires: Time,
    /// Ask no more often than once in so many seconds.
    pub every_s: u64,
}

/// `POST /v1/login/token`: take what somebody said yes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TakeLogin {
    /// The secret, or the code that the page gave to this machine.
    pub secret: String,
    /// For such a code: what its challenge was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TakenLogin {
    /// Nobody has said anything yet.
    Waits,
    /// Here it is, this once.
    Made(MadeToken),
}
