//! Policy, requests, reviews, and the step from one state to the next.
//!
//! Pure: the time, who people are, who is on call and what the store knows come in as arguments, resolved
//! by the caller at the moment of the event. So the whole life of a request can be explored exhaustively,
//! and a policy can be tried on anything before it is in force.
#![forbid(unsafe_code)]

mod accounts;
mod cases;
mod change;
mod difference;
mod digest;
mod document;
mod end;
mod explained;
mod findings;
mod hours;
pub mod limits;
mod oncall;
mod open;
mod outcome;
mod people;
pub mod policy;
mod refusal;
mod request;
mod resolve;
mod rule;
mod say;
mod standing;
mod step;
mod uncovered;
mod wish;
mod world;

pub use accounts::Accounts;
pub use cases::{Case, Cases, Expect, Missed};
pub use change::Change;
pub use difference::{Texts, difference};
pub use digest::{digest, hex};
pub use document::{PolicyError, PolicyErrors};
pub use end::{End, end};
pub use explained::{
    Explained, ExplainedAuto, ExplainedEscalation, ExplainedExtend, ExplainedGlass, ExplainedRule,
    ExplainedStep, OtherRule, explained,
};
pub use findings::{Finding, FindingKind, Weight, findings};
pub use hours::{Hours, HoursError};
pub use oncall::{Schedule, Shift};
pub use open::open;
pub use outcome::{How, Outcome, outcome};
pub use people::{Away, Human, People};
pub use policy::{OnRefusal, Policy};
pub use refusal::{Refusal, some_of, who_can};
pub use request::{
    Afterwards, Ask, Channel, Decider, Kind, Narrowing, Request, RequestState, Review, ReviewVerdict, Scope,
};
pub use rule::{Auto, BreakGlass, Clock, Escalation, Extend, Rule, Step, Wants};
pub use say::Say;
pub use standing::{StandingGrant, moved, taken_back};
pub use step::{
    Event, Facts, Held, Stepped, agreed, could_approve, could_review, denied_by_policy, has, length_of, step,
};
pub use uncovered::{Part, Uncovered};
pub use wish::Wish;
pub use world::{Hosts, Labels, OnCall, World};
