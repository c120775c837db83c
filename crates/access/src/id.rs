//! Ids that a person can read aloud: `R-7K2Q9-M4XTB`.
//!
//! Fifty random bits in Crockford's base 32 (no I, L, O, U), a letter for the kind, and a dash in the
//! middle. Whoever mints one asks the store whether it is taken; a taken one is refused and minted anew.

use serde::{Deserialize, Serialize};
use std::fmt;

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Bits that are random in an id.
pub const RANDOM_BITS: u32 = 50;

/// Text that is not an id of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {kind} id: those look like {example}")]
pub struct IdError {
    given: String,
    kind: &'static str,
    example: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $kind:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u64);

        impl $name {
            /// The letter these ids start with.
            pub const LETTER: char = $letter;

            /// An id of these random bits; those above [`RANDOM_BITS`] are dropped.
            pub const fn from_random(bits: u64) -> Self {
                Self(bits & ((1 << RANDOM_BITS) - 1))
            }

            /// Its random bits, for storing it as a number.
            pub const fn bits(self) -> u64 {
                self.0
            }

            /// The id that this text writes, in either case, with or without its dashes.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError {
                    given: text.chars().take(32).collect(),
                    kind: $kind,
                    example: $example,
                };
                match prefix_digits(text, $letter) {
                    Some(digits) if digits.len() == 10 => {
                        Ok(Self(digits.iter().fold(0, |bits, digit| bits << 5 | u64::from(*digit))))
                    }
                    _ => Err(wrong()),
                }
            }

            /// The smallest and largest id that start like this text, which may be an id cut short.
            pub fn range(text: &str) -> Result<(Self, Self), IdError> {
                let wrong = || IdError {
                    given: text.chars().take(32).collect(),
                    kind: $kind,
                    example: $example,
                };
                let digits = prefix_digits(text, $letter).filter(|d| !d.is_empty()).ok_or_else(wrong)?;
                let free = 5 * (10 - u32::try_from(digits.len()).map_err(|_| wrong())?);
                let low = digits.iter().fold(0u64, |bits, digit| bits << 5 | u64::from(*digit)) << free;
                Ok((Self(low), Self(low | ((1 << free) - 1))))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = String::with_capacity(13);
                text.push($letter);
                for place in (0..10).rev() {
                    if place == 9 || place == 4 {
                        text.push('-');
                    }
                    let digit = usize::try_from(self.0 >> (5 * place) & 31).unwrap_or_default();
                    text.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'?')));
                }
                f.pad(&text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

id! {
    /// A request.
    RequestId, 'R', "request", "R-7K2Q9-M4XTB"
}
id! {
    /// A grant.
    GrantId, 'G', "grant", "G-7K2Q9-M4XTB"
}
id! {
    /// A session.
    SessionId, 'S', "session", "S-7K2Q9-M4XTB"
}
id! {
    /// A token of a hub, not the secret itself.
    TokenId, 'T', "token", "T-7K2Q9-M4XTB"
}

/// The values of at most ten digits after `letter`, dashes and case aside.
fn prefix_digits(text: &str, letter: char) -> Option<Vec<u8>> {
    let mut rest = text.chars();
    if rest.next()?.to_ascii_uppercase() != letter {
        return None;
    }
    let mut digits = Vec::with_capacity(10);
    for c in rest.filter(|c| *c != '-') {
        let value = match c.to_ascii_uppercase() {
            // Crockford: what people read or type for 0 and 1.
            'O' => 0,
            'I' | 'L' => 1,
            c => u8::try_from(DIGITS.iter().position(|digit| char::from(*digit) == c)?).ok()?,
        };
        if digits.len() == 10 {
            return None;
        }
        digits.push(value);
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_reads_like_this() {
        assert_eq!(RequestId::from_random(0).to_string(), "R-00000-00000");
        assert_eq!(GrantId::from_random(u64::MAX).to_string(), "G-ZZZZZ-ZZZZZ");
        assert_eq!(SessionId::from_random(1).to_string(), "S-00000-00001");
        assert_eq!(SessionId::from_random(1 << 45).to_string(), "S-10000-00000");
        assert_eq!(format!("{:?}", SessionId::from_random(32)), "S-00000-00010");
    }

    #[test]
    fn what_a_person_hears_and_types_finds_the_id() {
        let id = RequestId::parse("R-7K2Q9-M4XTB").unwrap();
        for typed in ["r-7k2q9-m4xtb", "R7K2Q9M4XTB", "r7k2q9-m4xtb"] {
            assert_eq!(RequestId::parse(typed), Ok(id));
        }
        assert_eq!(RequestId::parse("R-OIL00-00000"), RequestId::parse("R-01100-00000"));
        for bad in [
            "",
            "R",
            "R-",
            "G-7K2Q9-M4XTB",
            "R-7K2Q9-M4XT",
            "R-7K2Q9-M4XTBB",
            "R-7K2Q9-M4XT!",
            "U-7K2Q9-M4XTU",
        ] {
            assert!(RequestId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            RequestId::parse("nope").unwrap_err().to_string(),
            r#""nope" is not a request id: those look like R-7K2Q9-M4XTB"#
        );
    }

    #[test]
    fn a_prefix_is_the_range_of_ids_that_start_with_it() {
        let (low, high) = GrantId::range("G-7").unwrap();
        assert_eq!((low.to_string(), high.to_string()), ("G-70000-00000".into(), "G-7ZZZZ-ZZZZZ".into()));
        let whole = GrantId::parse("G-7K2Q9-M4XTB").unwrap();
        assert_eq!(GrantId::range("G-7K2Q9-M4XTB"), Ok((whole, whole)));
        assert!(GrantId::range("G-").is_err() && GrantId::range("R-7").is_err());
    }

    proptest! {
        #[test]
        fn every_id_reads_back(bits: u64) {
            let id = GrantId::from_random(bits);
            prop_assert_eq!(GrantId::parse(&id.to_string()), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<GrantId>(&json).unwrap(), id);
        }
    }
}
