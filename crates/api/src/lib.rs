//! HTTP API v1: what is said on the control socket of `jitd` and, for a fleet, to the hub.
//!
//! [`OPENAPI`] has every path with what it takes and answers, and answers `GET /v1/openapi.json` at both doors. It is made
//! of the types here, by `openapi` (feature `schema`), where each path is listed. What serves the paths:
//!
//! * requests, grants and the policy, at both doors: `crates/desk/src/routes.rs`
//! * a machine's own status, checks, journal, clock and reports: `jitd/src/control.rs`; its sessions:
//!   `jitd/src/sessions/routes.rs`
//! * a hub's status, checks, journal, tokens, roles and log-ins: `hub/src/routes.rs`; what hosts hear, and the fleet:
//!   `hub/src/feed/routes.rs`; what hosts say, and the sessions of the fleet: `hub/src/inbox/routes.rs`
//!
//! Ids may be cut short where one thing alone starts like that. What changes requests, grants or the policy takes an
//! `Idempotency-Key` header; repeated with the same key by the same person it changes nothing and answers the same. Other writes
//! look at none. What is refused answers with a [`Problem`].
#![forbid(unsafe_code)]

mod attested;
#[cfg(feature = "client")]
mod client;
mod fleet;
pub mod limits;
mod login;
#[cfg(feature = "schema")]
pub mod openapi;
mod problem;
mod record;
mod right;
mod session;
mod types;
mod watch;

pub use attested::{
    EndThere, HostAnswer, HostAsk, HostCall, HostDoes, HostKnock, HostOffer, HostWish, JournalHas,
    JournalPart, OpenSessions,
};
#[cfg(feature = "client")]
pub use client::{Client, ClientError, Door};
pub use fleet::{
    AskFeed, CameBack, Heard, HostState, HostToken, HostView, Join, Known, NewHostToken, NewLabels, Nonced,
    Removed, SIGNED, StateHeard, TakenBack,
};
pub use login::{AskedLogin, NewLogin, TakeLogin, TakenLogin};
pub use problem::{Problem, ProblemCode};
pub use record::{ChangeRecord, DecisionRecord, Mark, MarkRecord, PolicyApplied, Record};
pub use right::{
    AskTokens, Identity, MadeLink, MadeToken, NewLink, NewToken, Right, RightRecord, Role, Roles, Scope,
    Token, TokenView,
};
pub use session::{
    AskSessions, EndAsked, EndCause, EndSession, HowEnded, LeftOver, Session, SessionChange, SessionRecord,
    SessionState, SessionView, WatchReport,
};
pub use types::{
    AppliedPolicy, AskExplain, AskGrants, AskJournal, AskRequests, Check, CheckQuery, Difference,
    DifferenceKind, EndGrant, Foreseen, GrantView, JournalRow, NEXT, NewExtension, NewPolicy, NewReplay,
    NewRequest, NewReview, NewVerdict, Opened, PolicyView, Replayed, RequestView, Reviewed, Status, Used,
    Which,
};
pub use watch::{DoctorReport, Drill, Finding, Monitored, Watched, WouldRefuse};
pub use workflow::Change;

/// The document of the API (OpenAPI 3.1), as `openapi::document` makes it of the types.
pub const OPENAPI: &str = include_str!("../openapi.json");
