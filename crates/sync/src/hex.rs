//! Bytes of a fixed number as lower-case hex: one text form for each value, so that equal texts are equal values.

/// Not by `write!`: each message of a hub has some 400 digits in it.
pub(crate) fn text(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' + half - 10 });
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
        text
    })
}

pub(crate) fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}

/// Text and JSON forms for a type with `as_bytes` and `from_bytes(&[u8; N]) -> Option<Self>`.
macro_rules! in_hex {
    ($name:ident, $bytes:literal, $what:literal) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&$crate::hex::text(self.as_bytes()))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::KeyError;
            fn from_str(text: &str) -> Result<Self, $crate::KeyError> {
                let bytes = $crate::hex::read::<$bytes>(text);
                bytes
                    .and_then(|bytes| Self::from_bytes(&bytes))
                    .ok_or($crate::KeyError::NotHex { what: $what, bytes: $bytes })
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::KeyError;
            fn try_from(text: String) -> Result<Self, $crate::KeyError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                $crate::hex::text(value.as_bytes())
            }
        }
    };
}
pub(crate) use in_hex;

/// A type of plain bytes.
macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $bytes]);
        $crate::hex::in_hex!($name, $bytes, $what);

        impl $name {
            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// That of these bytes.
            #[allow(clippy::unnecessary_wraps)] // a public key is not any bytes
            pub const fn from_bytes(bytes: &[u8; $bytes]) -> Option<Self> {
                Some(Self(*bytes))
            }
        }
    };
}
pub(crate) use bytes;
