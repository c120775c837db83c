//! Every bound of this crate, with its unit and reason.

/// Records between two checkpoints at most: verifying from the last one takes well under a millisecond.
pub const CHECKPOINT_EVERY: u64 = 256;

/// Milliseconds between two checkpoints at most while records come in: what a thief of the disk could
/// cut off unseen.
pub const CHECKPOINT_MS: i64 = 10_000;

/// Bytes of one record's body: a request with a thousand hosts and 32 reviews is 100 KiB.
pub const BODY: usize = 1024 * 1024;

/// Bytes of one line of an export: the body, escaped, and the chain around it.
pub const EXPORT_LINE: usize = 2 * BODY + 4096;
