//! The module's only `unsafe`: what neither `std`, `nix` nor `pam-bindings` offers.
#![allow(unsafe_code)]

#[cfg(all(std_backtrace, not(test)))]
mod backtrace;

use pam::module::PamHandle;
use std::ffi::{CStr, CString, c_char, c_int};

unsafe extern "C" {
    /// pam_getenv(3)
    fn pam_getenv(pamh: *mut PamHandle, name: *const c_char) -> *const c_char;
    /// pam_putenv(3)
    fn pam_putenv(pamh: *mut PamHandle, name_value: *const c_char) -> c_int;
}

/// A variable of the PAM environment, which the application sets; never the process's own, which under
/// sudo belongs to the caller.
pub fn pam_environment(pamh: &mut PamHandle, name: &CStr) -> Option<Vec<u8>> {
    // SAFETY: pam_getenv(3) takes a live handle, which the exclusive reference is, and a C string. It
    // gives back null or a C string that belongs to libpam and stays until the variable is changed; it
    // is copied before anything else is called.
    unsafe {
        let value = pam_getenv(pamh, name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_bytes().to_vec())
    }
}

/// Sets a variable of the PAM environment, written `NAME=VALUE`: what the session's programs get.
pub fn set_pam_environment(pamh: &mut PamHandle, name_value: &CStr) {
    // SAFETY: pam_putenv(3) takes a live handle, which the exclusive reference is, and a C string, which it
    // copies. A failure leaves the environment as it was, and the session does without.
    let _ = unsafe { pam_putenv(pamh, name_value.as_ptr()) };
}

/// Writes a line to syslog, facility authpriv, as the application that loaded us: openlog(3) would change
/// its name and is never called.
pub fn syslog(priority: c_int, line: &str) {
    let Ok(line) = CString::new(line) else { return };
    // SAFETY: syslog(3) with the constant format "%s" reads exactly one C string, which lives until the
    // call returns.
    unsafe { libc::syslog(libc::LOG_AUTHPRIV | priority, c"%s".as_ptr(), line.as_ptr()) }
}

/// Random bytes of the kernel, or none.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: getrandom(2) writes at most N bytes into a buffer of N. Up to 256 bytes come whole or not
    // at all once the kernel's pool is ready; GRND_NONBLOCK refuses to wait for that.
    let read = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, libc::GRND_NONBLOCK) };
    (usize::try_from(read) == Ok(N)).then_some(bytes)
}
