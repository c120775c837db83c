//! Requests, reviews, and the step from one state to the next.
//!
//! Pure: the time, the rule that covers a request, and who people are come in as arguments, resolved
//! by the caller at the moment of the event. So the whole life of a request can be explored exhaustively.
#![forbid(unsafe_code)]

mod digest;
mod end;
pub mod limits;
mod refusal;
mod request;
mod rule;
mod step;

pub use digest::{digest, hex};
pub use end::{End, end};
pub use refusal::{Refusal, who_can};
pub use request::{Ask, Channel, Narrowing, Request, RequestState, Review, ReviewVerdict, Scope};
pub use rule::{Clock, Rule, Step};
pub use step::{Event, Stepped, could_approve, open, step};
