//! Bounds of service files, each with its unit and reason.

/// Bytes of one file that is looked at: Debian's longest has 5 KiB.
pub const FILE: u64 = 64 * 1024;

/// Bytes of one line, those that it goes on in included: libpam's own buffer (`BUF_SIZE` in pam_private.h).
pub const LINE: usize = 1024;

/// Files that include one another are followed this deep: libpam's own bound is 32, Debian's own files need 2.
pub const DEPTH: u32 = 8;
