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

/// What this room has in a file that hubs of before did not have.
pub const TABLES: &str =
    concat!(include_str!("ended.sql"), include_str!("told.sql"), include_str!("removed.sql"));

/// The index that PostgreSQL has too. The other would hold hubs of before up for as long as it takes to make it there.
pub const TOLD: &str = include_str!("told.sql");

/// And the table.
pub const REMOVED: &str = include_str!("removed.sql");
