//! A set that is made once and looked at often.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A set as the slice of what is in it, in order and each once. Nothing is added to it or taken from it, so a copy of it
/// takes no room.
///
/// A grant has five, of one name or two each, and a host may hold a million grants: a [`BTreeSet`] has room for eleven
/// wherever it holds one. It is written and read as one, so what is signed is the same bytes.
///
/// ```
/// # use access::Set;
/// let set: Set<u8> = [3, 1, 3].into();
/// assert_eq!(&*set, [1, 3]);
/// assert!(set.contains(&3));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Set<T>(Arc<[T]>);

impl<T> Set<T> {
    /// A set of nothing.
    pub fn new() -> Self {
        Self(Arc::default())
    }
}

impl<T: Ord> Set<T> {
    /// Whether it is in it.
    pub fn contains(&self, one: &T) -> bool {
        self.0.binary_search(one).is_ok()
    }

    /// Whether all of it is in the other too.
    pub fn is_subset(&self, of: &Self) -> bool {
        self.0.iter().all(|one| of.contains(one))
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Set<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&*self.0).finish()
    }
}

impl<T> From<BTreeSet<T>> for Set<T> {
    fn from(set: BTreeSet<T>) -> Self {
        Self(set.into_iter().collect())
    }
}

impl<T: Ord + Clone> From<&Set<T>> for BTreeSet<T> {
    fn from(set: &Set<T>) -> Self {
        set.iter().cloned().collect()
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        all.into_iter().collect::<BTreeSet<T>>().into()
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Set<T> {
    fn from(all: [T; N]) -> Self {
        all.into_iter().collect()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// With what was asked for, which is a [`BTreeSet`].
impl<T: Ord> PartialEq<BTreeSet<T>> for Set<T> {
    fn eq(&self, other: &BTreeSet<T>) -> bool {
        self.0.iter().eq(other)
    }
}

impl<T: Serialize> Serialize for Set<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: Deserialize<'de> + Ord> Deserialize<'de> for Set<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeSet::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Set<T> {
    fn inline_schema() -> bool {
        BTreeSet::<T>::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        BTreeSet::<T>::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        BTreeSet::<T>::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        BTreeSet::<T>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Login;
    use proptest::prelude::*;

    fn login() -> impl Strategy<Value = Login> {
        // Few letters, so that the same name comes twice and one begins as another does.
        "[ab]|[ab][ab.]?[ab]|root".prop_map(|name| Login::parse(&name).unwrap())
    }

    proptest! {
        #[test]
        fn it_says_and_is_written_and_read_as_a_btree_set_is(
            some in proptest::collection::vec(login(), 0..12),
            others in proptest::collection::vec(login(), 0..12),
        ) {
            let (set, tree): (Set<_>, BTreeSet<_>) =
                (some.iter().cloned().collect(), some.iter().cloned().collect());
            let (other_set, other_tree): (Set<_>, BTreeSet<_>) =
                (others.iter().cloned().collect(), others.iter().cloned().collect());

            prop_assert!(set.iter().eq(&tree));
            prop_assert!((&set).into_iter().eq(&tree));
            prop_assert_eq!((set.len(), set.is_empty(), set.first()), (tree.len(), tree.is_empty(), tree.first()));
            for one in some.iter().chain(&others) {
                prop_assert_eq!(set.contains(one), tree.contains(one));
            }
            prop_assert_eq!(set.is_subset(&other_set), tree.is_subset(&other_tree));
            prop_assert_eq!(set == other_set, tree == other_tree);
            prop_assert_eq!(set == other_tree, tree == other_tree);
            prop_assert_eq!(format!("{set:?} {set:#?}"), format!("{tree:?} {tree:#?}"));
            prop_assert_eq!(Set::from(tree.clone()), set.clone());
            prop_assert_eq!(BTreeSet::from(&set), tree.clone());

            let mut shares = set.clone();
            crate::grant::share(&mut shares, &other_set);
            prop_assert_eq!(&shares, &set);
            prop_assert_eq!(std::ptr::eq(shares.as_ptr(), other_set.as_ptr()), set == other_set);

            let written = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(&written, &serde_json::to_string(&tree).unwrap());
            prop_assert_eq!(serde_json::from_str::<Set<Login>>(&written).unwrap(), set);
        }

        #[test]
        fn it_reads_and_refuses_what_a_btree_set_does(
            text in r#"(\[("a"|"b"|"-"|1|null)(,("b"|"a"|"a b"|2)){0,4}\])|\{"a":1\}|"a"|null|\[\]|\["a""#,
        ) {
            let set = serde_json::from_str::<Set<Login>>(&text).map(|set| BTreeSet::from(&set));
            let tree = serde_json::from_str::<BTreeSet<Login>>(&text);
            prop_assert_eq!(set.map_err(|why| why.to_string()), tree.map_err(|why| why.to_string()));
        }
    }

    #[cfg(feature = "schema")]
    #[test]
    fn the_document_of_the_api_says_of_it_what_it_says_of_a_btree_set() {
        let said = |of: schemars::Schema| of.to_value();
        assert_eq!(said(schemars::schema_for!(Set<Login>)), said(schemars::schema_for!(BTreeSet<Login>)));
    }
}
