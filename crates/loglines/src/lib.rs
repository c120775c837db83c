//! What a daemon tells the local syslog daemon: lines, faults that last, and the fault that ends it.
#![forbid(unsafe_code)]

mod fault;
pub mod limits;
mod log;
mod vital;

pub use fault::{Faults, Outcomes, Tells};
pub use log::{Level, Log};
pub use vital::abort_on_panic;
