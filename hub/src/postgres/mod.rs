//! The hub's database on a PostgreSQL server, for several hubs at once: none of them holds anything that the others
//! need.
//!
//! One row, `head`, is locked first in each transaction of a writer. It carries where the journal ends and the
//! revision of what hosts must hold, so that both are given in the order of commits, whichever hub commits.

mod dialect;
mod engine;
mod link;
mod place;
mod pool;
mod schema;
#[cfg(test)]
mod tests;

pub use engine::Server;
pub use link::Link;
pub use place::Place;
pub use pool::Pool;
pub use schema::{UNCOUNTED, begin_empty, counted};
