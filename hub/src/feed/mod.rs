//! What hosts hear: who joins, what is signed, and the stream of the truth for each.

mod hosts;
mod once;
mod recovering;
mod routes;
pub mod rows;
mod signing;
mod stream;
mod wakes;

pub use hosts::{Hosts, Wrong, no_host};
pub use recovering::Lost;
pub use routes::{for_hosts, for_listeners, for_people, nonces};
pub use signing::{Signing, Signs};
pub use stream::message;
pub use wakes::{Told, Wakes};

/// The index of this room in a file, which hubs of before did not have. PostgreSQL does without: to make it there would hold
/// hubs of before up for as long as it takes.
pub const TABLES: &str = include_str!("tables.sql");
