//! Bounds.

/// Bytes of a file: far more than anybody writes, and little to hold.
pub const FILE: u64 = 256 * 1024;
