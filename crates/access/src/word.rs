//! What many grants say alike.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of a rule, or the hash of a policy: text that is the same in grant after grant, and then held once. It is
/// written and read as a string is.
#[derive(Clone, PartialEq, Eq)]
pub struct Word(Arc<str>);

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq<String> for Word {
    fn eq(&self, other: &String) -> bool {
        *self.0 == **other
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Word {
    fn inline_schema() -> bool {
        String::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        String::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_written_read_and_shown_as_a_string_is(text: String, other: String) {
            let (word, json) = (Word::from(&*text), serde_json::to_string(&text).unwrap());
            prop_assert_eq!(&serde_json::to_string(&word).unwrap(), &json);
            prop_assert_eq!(&serde_json::from_str::<Word>(&json).unwrap(), &word);
            prop_assert_eq!(format!("{word} {word:?}"), format!("{text} {text:?}"));
            prop_assert!(word == text);
            prop_assert_eq!(word == other, text == other);
            let (mut shares, with) = (word.clone(), Word::from(other));
            crate::grant::share(&mut shares, &with);
            prop_assert_eq!(&shares, &word);
        }
    }

    #[test]
    fn what_is_no_string_is_refused_in_the_same_words() {
        for json in ["1", "null", "[]", "\"a"] {
            let word = serde_json::from_str::<Word>(json).map_err(|why| why.to_string());
            let string = serde_json::from_str::<String>(json).map_err(|why| why.to_string());
            assert_eq!(word.map(|word| word.to_string()), string);
        }
    }

    #[cfg(feature = "schema")]
    #[test]
    fn the_document_of_the_api_says_that_it_is_a_string() {
        let said = |of: schemars::Schema| {
            let mut said = of.to_value();
            said.as_object_mut().unwrap().remove("title");
            said
        };
        assert_eq!(said(schemars::schema_for!(Word)), said(schemars::schema_for!(String)));
    }
}
