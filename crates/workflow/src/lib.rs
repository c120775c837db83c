//! Requests, reviews, and the step from one state to the next.
//!
//! Pure: the time, the rule that covers a request, and who people are come in as arguments, resolved
//! by the caller at the moment of the event. So the whole life of a request can be explored exhaustively.
#![forbid(unsafe_code)]

mod digest;
mod document;
mod end;
mod hours;
pub mod limits;
mod oncall;
mod people;
pub mod policy;
mod refusal;
mod request;
mod rule;
mod step;

pub use digest::{digest, hex};
pub use document::{PolicyError, PolicyErrors};
pub use end::{End, end};
pub use hours::{Hours, HoursError};
pub use oncall::{Schedule, Shift};
pub use people::{Away, Human, People};
pub use policy::Policy;
pub use refusal::{Refusal, who_can};
pub use request::{Ask, Channel, Narrowing, Request, RequestState, Review, ReviewVerdict, Scope};
pub use rule::{Clock, Rule, Step};
pub use step::{Event, Stepped, could_approve, open, step};
