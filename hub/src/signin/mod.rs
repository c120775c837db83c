//! Who signs in by what is elsewhere: accounts at a provider of identities ([`Provider`], [`Bound`]), and commands that
//! somebody lets in by the sign-in of their browser ([`logins`]).

mod flow;
mod identity;
mod limits;
pub mod logins;
mod provider;

pub use flow::Flow;
pub use identity::{Bound, identities};
pub use limits::{ELSEWHERE, LOGIN_TRIES};
pub use provider::{Provider, ProviderError};
