//! `pam_jit.so` as it is built for release, driven through libpam: no double of PAM, no debug build. What
//! is tested is what is loaded.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::missing_panics_doc, clippy::unwrap_used)] // a wrong step must stop the test

mod gate;
mod stack;

pub use gate::{Gate, allow, deny, offer};
pub use stack::{Outcome, Stack, driver, no_clock};

/// PAM codes that the module gives (`_pam_types.h`).
pub mod code {
    /// Let in.
    pub const SUCCESS: i32 = 0;
    /// The PAM line, the application or the module is wrong.
    pub const SERVICE_ERR: i32 = 3;
    /// No grant.
    pub const PERM_DENIED: i32 = 6;
    /// No answer.
    pub const AUTHINFO_UNAVAIL: i32 = 9;
    /// Refused in the auth phase.
    pub const MAXTRIES: i32 = 11;
}
