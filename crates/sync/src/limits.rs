//! Every bound of this crate, with its unit and reason.

use chrono::TimeDelta;

/// Bytes of one message: ten thousand bodies of 700 bytes, in base64 with their signatures, are 12 MiB.
pub const MESSAGE: usize = 16 * 1024 * 1024;

/// Bytes of a manifest: its keys, 64 each in hex.
pub const MANIFEST: usize = 16 * 1024;

/// Bytes of an authority: one certificate in PEM is 1 KiB.
pub const AUTHORITY: usize = 16 * 1024;

/// Bytes of a membership: 32 labels of at most 200 bytes are 7 KiB.
pub const MEMBERSHIP: usize = 16 * 1024;

/// Bytes of a view: its ids, 130 each.
pub const VIEW: usize = 2 * 1024 * 1024;

/// Bytes of one grant's body: 256 hosts with the longest names are 64 KiB.
pub const GRANT: usize = 128 * 1024;

/// Bytes of that which are left for what is around a grant in its body: the name of the hub.
pub const AROUND_GRANT: usize = 1024;

/// Grants of one host: what an approver could never have looked at is no longer an access list.
pub const GRANTS: usize = 10_000;

/// Permits of one host: everybody whom the policy would let break glass there.
pub const PERMITS: usize = 1000;

/// Permits a host remembers, with those that were taken back: each of [`PERMITS`] renewed and reviewed some times
/// before it is over.
pub const KNOWN_PERMITS: usize = 10_000;

/// Grants a host remembers, with those that are over: a year of two hundred a day. A thief of the grant key
/// could mint more and fill the disk.
pub const KNOWN: usize = 80_000;

/// Signatures on one envelope: every root, or the keys before and after a rotation.
pub const SIGNATURES: usize = 16;

/// Keys of one role: a view key for each replica.
pub const KEYS: usize = 16;

/// Keys that were rotated out and are known by name: enough to say of a replayed view what it is.
pub const RETIRED: usize = 64;

/// Bytes of a key file: the one line of base64 and the lines around it.
pub const PEM: usize = 256;

/// Bytes of a join token: a long URL in base64, and it still fits a terminal's paste.
pub const TOKEN: usize = 1024;

/// Characters of what a parser says: the line in the log stays one line.
pub const WHY: usize = 200;

/// A manifest is good for at most this long, so that a host that never hears of a rotation stops believing a
/// stolen key.
pub const MANIFEST_AGE: TimeDelta = TimeDelta::days(30);

/// A view may call itself fresh for at most this long: a file on a web server that is signed anew each day.
pub const FRESH: TimeDelta = TimeDelta::hours(24);

/// Signed time counts within this of the host's own clock: NTP keeps hosts within seconds, and a thief of a view
/// key gains no more than this.
pub const SKEW: TimeDelta = TimeDelta::minutes(10);

/// A version that was seen is remembered for this long after the grant is certainly over, whatever two clocks
/// that disagree and summer time make of it.
pub const TOMBSTONE: TimeDelta = TimeDelta::hours(24);
