//! Who signs in by what is elsewhere: accounts at a provider of identities ([`Provider`], [`Bound`]), and commands that
//! somebody lets in by the sign-in of their browser ([`logins`]); what such a sign-in made ([`made`]).

mod flow;
mod identity;
mod limits;
pub mod logins;
pub mod made;
mod provider;

pub use flow::Flow;
pub use identity::{Bound, identities};
pub use limits::{ELSEWHERE, ELSEWHERE_TRIES, LOGIN_TRIES, WORD_TRIES};
pub use provider::{Provider, ProviderError};

/// The tables of accounts elsewhere, commands that wait, what sign-ins made, and what was open on hosts. Made where they are missing.
pub const TABLES: &str = include_str!("tables.sql");
