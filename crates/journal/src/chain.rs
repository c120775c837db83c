//! Rows and the hash that ties each to the one before.

use crate::limits;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// SHA-256 (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

/// The name of one log: 128 random bits. A log that is repaired goes on under another name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct LogId(pub [u8; 16]);

macro_rules! in_hex {
    ($name:ident, $bytes:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let wrong = || format!("{text:?} is not {} bytes in lower-case hex", $bytes);
                let digits: Vec<u8> = text
                    .chars()
                    .map(|c| match c {
                        '0'..='9' | 'a'..='f' => c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()),
                        _ => None,
                    })
                    .collect::<Option<_>>()
                    .ok_or_else(wrong)?;
                let (pairs, []) = digits.as_chunks::<2>() else {
                    return Err(wrong());
                };
                let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
                Ok(Self(bytes.try_into().map_err(|_| wrong())?))
            }
        }
    };
}
in_hex!(Hash, 32);
in_hex!(LogId, 16);

impl Hash {
    /// What the first row of a log follows.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// When a row was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// The start of the machine (proc(5), `random/boot_id`).
    pub boot: String,
    /// The wall clock, in milliseconds after the Unix epoch.
    pub wall_ms: i64,
    /// `CLOCK_BOOTTIME`, in milliseconds.
    pub boot_ms: i64,
}

/// One row of the journal; also one line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The log it belongs to.
    pub log: LogId,
    /// Its place, counted from 1 without a gap.
    pub seq: u64,
    /// When it was written.
    #[serde(rename = "at")]
    pub stamp: Stamp,
    /// The record, as its writer serialised it. The chain covers these very bytes.
    pub body: String,
    /// Hash of the row before.
    pub prev: Hash,
    /// Hash of this row.
    pub hash: Hash,
}

/// The end of a log, and all that is needed to append to it or to go on verifying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log.
    pub log: LogId,
    /// Place of its last row; 0 before the first.
    pub seq: u64,
    /// Hash of its last row.
    pub hash: Hash,
}

/// Where a chain is broken, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A row that should be next is not.
    #[error("record {expected} is missing: the next one is {found}")]
    Gap {
        /// The place that should be next.
        expected: u64,
        /// The place that is.
        found: u64,
    },
    /// A row of another log.
    #[error("record {seq} belongs to log {found}, not to {expected}")]
    OtherLog {
        /// Its place.
        seq: u64,
        /// The log that is verified.
        expected: LogId,
        /// The log that it names.
        found: LogId,
    },
    /// It does not follow the row before.
    #[error("record {0} does not follow the record before it: one of the two was changed or replaced")]
    Unlinked(u64),
    /// Its content is not what was hashed.
    #[error("record {0} was changed after it was written")]
    Edited(u64),
    /// A witness saw more.
    #[error(
        "the journal ends at record {end}, but a witness saw record {seen}: its tail was cut off or it was rolled back"
    )]
    Cut {
        /// Where it ends.
        end: u64,
        /// What the witness saw.
        seen: u64,
    },
    /// A witness saw something else.
    #[error("record {0} is not the one that a witness saw: the journal was forked or rewritten")]
    Forked(u64),
    /// A witness saw another log there, of which this one says nothing.
    #[error(
        "a witness saw log {before} there up to record {seen}, and log {log} does not say that it follows it: that journal was \
         thrown away, unless it went before an earlier repair, whose copy of it then verifies"
    )]
    Replaced {
        /// The log that is verified.
        log: LogId,
        /// The other one.
        before: LogId,
        /// The last of it that a witness saw.
        seen: u64,
    },
    /// A witness saw more of the log before a repair than the repair did.
    #[error(
        "the repair that this log begins with saw log {before} up to record {end}, but a witness saw record {seen}: its tail was \
         cut off before"
    )]
    CutBefore {
        /// The log before.
        before: LogId,
        /// The last that the repair saw.
        end: u64,
        /// The last that the witness saw.
        seen: u64,
    },
    /// The journal cannot be read there.
    #[error("record {seq} cannot be read: {why}")]
    Unreadable {
        /// Its place, as far as known.
        seq: u64,
        /// What happened.
        why: String,
    },
}

impl Head {
    /// The head of a log with no rows.
    pub const fn start(log: LogId) -> Self {
        Self { log, seq: 0, hash: Hash::NONE }
    }

    /// The row that appends `body` here.
    pub fn next(&self, stamp: Stamp, body: String) -> Row {
        let seq = self.seq + 1;
        let hash = hash(self.log, seq, &stamp, &body, self.hash);
        Row { log: self.log, seq, stamp, body, prev: self.hash, hash }
    }

    /// The head after this row.
    pub const fn of(row: &Row) -> Self {
        Self { log: row.log, seq: row.seq, hash: row.hash }
    }

    /// The head after `row`, if `row` is what follows.
    pub fn verify(&self, row: &Row) -> Result<Self, Broken> {
        if row.log != self.log {
            return Err(Broken::OtherLog { seq: row.seq, expected: self.log, found: row.log });
        }
        if row.seq != self.seq + 1 {
            return Err(Broken::Gap { expected: self.seq + 1, found: row.seq });
        }
        if row.hash != hash(row.log, row.seq, &row.stamp, &row.body, row.prev) {
            return Err(Broken::Edited(row.seq));
        }
        if row.prev != self.hash {
            return Err(Broken::Unlinked(row.seq));
        }
        Ok(Self::of(row))
    }
}

impl Row {
    /// Whether the row's own hash is right, whatever stands before it.
    pub fn is_whole(&self) -> bool {
        self.hash == hash(self.log, self.seq, &self.stamp, &self.body, self.prev)
            && self.body.len() <= limits::BODY
    }
}

/// Every column, each with its length, after a prefix that belongs to nothing else: two different rows
/// never hash the same bytes.
fn hash(log: LogId, seq: u64, stamp: &Stamp, body: &str, prev: Hash) -> Hash {
    let mut sum = Sha256::new_with_prefix(b"jit journal row v1\n");
    for part in [
        &log.0,
        seq.to_be_bytes().as_slice(),
        stamp.boot.as_bytes(),
        &stamp.wall_ms.to_be_bytes(),
        &stamp.boot_ms.to_be_bytes(),
        body.as_bytes(),
        &prev.0,
    ] {
        sum.update((part.len() as u64).to_be_bytes());
        sum.update(part);
    }
    Hash(sum.finalize().into())
}
