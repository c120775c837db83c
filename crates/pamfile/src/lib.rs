//! Service files of PAM (pam.conf(5)): what their lines say, and the gate's lines in them.
//!
//! Text in, text out: which files there are is for the caller to say. What is not understood to the letter is an
//! error that names its line, never a guess: a wrong one locks everybody out, or nobody.
#![forbid(unsafe_code)]

mod edit;
mod folder;
pub mod limits;
mod line;
mod stack;

pub use edit::{Disabled, MARK, Refusal, Wanted, disabled, enabled};
pub use folder::Folder;
pub use line::{Control, Line, NotUnderstood, Part, Says, Then, parse};
pub use stack::{Gate, Step, gate, stack};

/// The module's file.
pub const MODULE: &str = "pam_jit.so";
