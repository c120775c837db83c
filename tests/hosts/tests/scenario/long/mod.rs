//! Stories that take minutes. See also the modules `long` of the others.

pub mod apart;
mod escapes;
#[cfg(feature = "long")]
mod held_back;
mod stalls;
mod trying;
mod ways;
