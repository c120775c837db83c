//! Sessions live and end with the grant that carries them.
//!
//! The gate registers a session when it lets somebody in. From then on the [`warden`] watches: it warns the
//! person before the grant ends, and when it is over ends everything that belongs to the session, and nothing
//! else. What belongs is told by facts of the kernel alone, never by a user's name:
//!
//! * the **audit session id**, which every process inherits, orphans and other users' programs included, and
//!   which takes a right to change that people do not have; the module gives each sudo and su one of its own;
//! * where there is none, the **descendants** of the process that opened the session;
//! * for programs that a person had their user manager start, its **unit**.
//!
//! | room | what is in it |
//! |---|---|
//! | `fate` | whether a session goes on, until when, or why not. Pure |
//! | `belongs` | which processes a session is. Pure |
//! | `chase` | what starts itself again faster than a look takes |
//! | `ending` | which process hears what, and when. Pure |
//! | `warning` | when to warn, and in which words. Pure |
//! | `terminal` | writing on somebody's screen |
//! | `manager` | what runs under a person's user manager |
//! | `left` | what runs on that no session carries |
//! | `warden` | the thread that does it all; `managers` and `closed` of it see to user managers and to what is left |
//! | `routes` | `jit sessions`, `jit end` |

mod belongs;
mod chase;
mod ending;
mod fate;
mod left;
mod manager;
pub mod routes;
#[cfg(test)]
pub mod sample;
mod terminal;
mod warden;
mod warning;

pub use left::Left;
pub use warden::Warden;
