//! Grants, questions and the decision.
//!
//! Everything here is pure: no clock, no disk, no socket, no thread. [`decide`] is a function of what a
//! host knows ([`View`], [`Local`]), what it is asked ([`Question`]) and when ([`Now`]), so it can be
//! tested by brute force, and the daemon, a dry run and a replay cannot disagree.
#![forbid(unsafe_code)]

mod decide;
mod explain;
mod grant;
mod id;
pub mod limits;
mod name;
mod question;
mod reason;
mod set;
mod span;
mod text;
mod view;
mod word;

pub use decide::{Decision, decide};
pub use explain::{explain, for_people};
pub use grant::{Claim, Ended, EndedHow, Grant, GrantState, Window};
pub use id::{GrantId, IdError, RANDOM_BITS, RequestId, SessionId, TokenId};
pub use name::{HostName, Login, NameError, Person, Service};
pub use question::{Now, Phase, Question};
pub use reason::Reason;
pub use set::Set;
pub use span::{Span, SpanError};
pub use text::{Text, TextError, fools};
pub use view::{Freshness, Local, View};
pub use word::Word;

/// An instant, in UTC. Stored and signed in whole milliseconds.
pub type Time = chrono::DateTime<chrono::Utc>;

/// Whether a time that somebody names can be written, read back and reckoned with.
pub fn is_plausible(time: Time) -> bool {
    limits::YEARS.contains(&chrono::Datelike::year(&time))
}
