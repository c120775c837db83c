//! HTTP API v1: what is said on the control socket of `jitd` and, for a fleet, to the hub.
//!
//! | method and path | says | answers |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/check?user=&service=&host=&as=&at=` | | [`Check`] |
//! | `POST /v1/requests` | [`NewRequest`] | [`RequestView`] |
//! | `GET /v1/requests?which=pending\|mine\|all` | | `[`[`RequestView`]`]` |
//! | `GET /v1/requests/{id}` | | [`RequestView`] |
//! | `POST /v1/requests/{id}/reviews` | [`NewReview`] | [`RequestView`] |
//! | `POST /v1/requests/{id}/cancel` | | [`RequestView`] |
//! | `GET /v1/grants?user=&host=&all=` | | `[`[`GrantView`]`]` |
//! | `GET /v1/grants/{id}` | | [`GrantView`] |
//! | `POST /v1/grants/{id}/revoke` | [`EndGrant`] | [`GrantView`] |
//! | `POST /v1/grants/{id}/release` | [`EndGrant`] | [`GrantView`] |
//! | `POST /v1/grants/{id}/extend` | [`NewExtension`] | [`Opened`] |
//! | `GET /v1/sessions?user=&host=` | | `[`[`SessionView`]`]` |
//! | `POST /v1/sessions/{id}/end` | [`EndSession`] | [`SessionView`] |
//! | `POST /v1/watch` | [`WatchReport`] | nothing; root alone |
//! | `POST /v1/doctor` | [`DoctorReport`] | nothing; root alone |
//! | `GET /v1/monitor` | | [`Monitored`] |
//! | `GET /v1/policy` | | [`PolicyView`] |
//! | `POST /v1/policy` | [`NewPolicy`] | [`AppliedPolicy`] |
//! | `POST /v1/policy/explain` | [`AskExplain`] | [`workflow::Explained`] |
//! | `POST /v1/policy/replay` | [`NewReplay`] | [`Replayed`] |
//! | `GET /v1/tokens` | | `[`[`TokenView`]`]`; a hub alone, as what follows |
//! | `POST /v1/tokens` | [`NewToken`] | [`MadeToken`] |
//! | `POST /v1/tokens/{id}/revoke` | | [`Token`] |
//! | `POST /v1/links` | [`NewLink`] | [`MadeLink`] |
//! | `POST /v1/login` | [`NewLogin`] | [`AskedLogin`]; by anybody |
//! | `POST /v1/login/token` | [`TakeLogin`] | [`TakenLogin`]; by anybody |
//! | `GET /v1/roles` | | `[`[`Roles`]`]` |
//! | `POST /v1/roles` | [`Roles`] | [`Roles`] |
//! | `GET /v1/fleet` | | `[`[`HostView`]`]` |
//! | `GET /v1/grants/{id}/hosts` | | [`Heard`] |
//! | `POST /v1/fleet/token` | [`NewHostToken`] | [`HostToken`] |
//! | `POST /v1/fleet/{host}/remove` | | [`Removed`] |
//! | `GET /v1/authority` | | [`sync::SignedAuthority`]; by anybody |
//! | `POST /v1/hosts` | [`Join`] | [`HostView`]; by a new host, as what follows by one that joined |
//! | `POST /v1/hosts/{host}/nonce` | | [`Nonced`] |
//! | `POST /v1/hosts/{host}/feed` | [`AskFeed`] | server-sent events, a [`sync::Message`] or an [`EndThere`] each |
//! | `POST /v1/hosts/{host}/asks` | [`HostAsk`] | [`HostAnswer`] |
//! | `POST /v1/hosts/{host}/calls` | [`HostCall`] | what [`HostDoes`] says |
//! | `POST /v1/hosts/{host}/journal` | [`JournalPart`] | [`JournalHas`] |
//! | `POST /v1/hosts/{host}/sessions` | [`OpenSessions`] | nothing |
//! | `GET /v1/journal?after=&limit=` | | `[`[`JournalRow`]`]` |
//!
//! Ids may be cut short where one thing alone starts like that. Everything that changes something takes an `Idempotency-Key`
//! header; repeated with the same key by the same person it changes nothing and answers the same (tokens aside, whose
//! secret is told once). What
//! is refused answers with a [`Problem`].
//!
//! [`OPENAPI`] is the same for programs, and answers `GET /v1/openapi.json` at both doors.
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
    AskFeed, Heard, HostState, HostToken, HostView, Join, Known, NewHostToken, Nonced, Removed, SIGNED,
    TakenBack,
};
pub use login::{AskedLogin, NewLogin, TakeLogin, TakenLogin};
pub use problem::{Problem, ProblemCode};
pub use record::{ChangeRecord, DecisionRecord, Mark, MarkRecord, PolicyApplied, Record};
pub use right::{
    Identity, MadeLink, MadeToken, NewLink, NewToken, Right, RightRecord, Role, Roles, Scope, Token,
    TokenView,
};
pub use session::{
    AskSessions, EndAsked, EndCause, EndSession, HowEnded, LeftOver, Session, SessionChange, SessionRecord,
    SessionState, SessionView, WatchReport,
};
pub use types::{
    AppliedPolicy, AskExplain, AskGrants, AskJournal, AskRequests, Check, CheckQuery, Difference,
    DifferenceKind, EndGrant, GrantView, JournalRow, NewExtension, NewPolicy, NewReplay, NewRequest,
    NewReview, NewVerdict, Opened, PolicyView, Replayed, RequestView, Reviewed, Status, Used, Which,
};
pub use watch::{DoctorReport, Drill, Finding, Monitored, Watched, WouldRefuse};
pub use workflow::Change;

/// The document of the API (OpenAPI 3.1), as `openapi::document` makes it of the types.
pub const OPENAPI: &str = include_str!("../openapi.json");
