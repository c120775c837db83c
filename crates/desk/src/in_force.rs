//! The policy that was applied last, parsed.

use crate::PolicyVersion;
use arc_swap::{ArcSwap, Guard};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use workflow::{People, Policy};

/// The policy in force, until a newer one takes its place. Worlds are made of it.
pub struct InForce(ArcSwap<Applied>);

/// One that was applied.
pub struct Applied {
    /// None where it was lost.
    pub version: Option<u32>,
    /// False for one that was lost, or that this release cannot read: nobody can ask for anything, and nothing that was given
    /// is taken back.
    pub is_readable: bool,
    /// Its rules.
    pub policy: Arc<Policy>,
    /// The people that were applied with it, where some were.
    pub listed: Option<Arc<People>>,
}

impl InForce {
    /// The one that was found in the store; and, where it cannot be read, why.
    #[must_use]
    pub fn found(version: Option<&PolicyVersion>) -> (Self, Option<String>) {
        let parsed = match version {
            Some(version) => Applied::parse(version),
            None => Err("it was lost by a repair".to_owned()),
        };
        let (applied, why) = match parsed {
            Ok(applied) => (applied, None),
            Err(why) => (Applied::unreadable(version.map(|version| version.version)), Some(why)),
        };
        (Self(ArcSwap::from_pointee(applied)), why)
    }

    /// What is in force now. Cheap, and not to be kept for long; [`Self::load`] is.
    pub fn now(&self) -> Guard<Arc<Applied>> {
        self.0.load()
    }

    /// The same to keep.
    pub fn load(&self) -> Arc<Applied> {
        self.0.load_full()
    }

    /// Whether requests and grants can follow it.
    pub fn is_readable(&self) -> bool {
        self.now().is_readable
    }

    /// A policy came into force. One that is no newer is let be: of two applied at once the newer one decides, whichever is
    /// told of first.
    pub fn adopt(&self, version: &PolicyVersion) -> Result<(), String> {
        let newer = Arc::new(Applied::parse(version)?);
        self.0.rcu(|held| Arc::clone(if held.version < newer.version { &newer } else { held }));
        Ok(())
    }
}

impl Applied {
    fn parse(version: &PolicyVersion) -> Result<Self, String> {
        let (policy, listed) = parse(&version.policy, version.people.as_deref())?;
        Ok(Self {
            version: Some(version.version),
            is_readable: true,
            policy: Arc::new(policy),
            listed: listed.map(Arc::new),
        })
    }

    fn unreadable(version: Option<u32>) -> Self {
        let nothing = Policy { digest: String::new(), rules: Vec::new(), schedules: BTreeMap::new() };
        Self { version, is_readable: false, policy: Arc::new(nothing), listed: None }
    }
}

/// A policy and, where there are some, its people, by the names that their files have.
pub(crate) fn parse(policy: &str, people: Option<&str>) -> Result<(Policy, Option<People>), String> {
    let policy = Policy::parse(policy, Path::new("policy.toml")).map_err(|why| why.to_string())?;
    let people = people.map(|text| People::parse(text, Path::new("people.toml")));
    Ok((policy, people.transpose().map_err(|why| why.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: u32, id: &str) -> PolicyVersion {
        let policy = format!("[[rule]]\nid = \"{id}\"\napprove = [{{ from = [\"user:root\"] }}]\n");
        PolicyVersion { version, policy, ..PolicyVersion::shipped() }
    }

    fn is(policy: &InForce) -> (Option<u32>, String) {
        let now = policy.now();
        (now.version, now.policy.rules.first().map_or("", |rule| rule.id.as_str()).to_owned())
    }

    #[test]
    fn of_two_policies_applied_at_once_the_newer_decides_whichever_is_heard_of_first() {
        let (policy, why) = InForce::found(Some(&PolicyVersion::shipped()));
        assert_eq!(why, None);
        policy.adopt(&version(2, "second")).unwrap();
        policy.adopt(&version(1, "first")).unwrap();
        assert_eq!(is(&policy), (Some(2), "second".to_owned()));
        policy.adopt(&version(3, "third")).unwrap();
        assert_eq!(is(&policy), (Some(3), "third".to_owned()));
    }

    #[test]
    fn in_place_of_one_that_cannot_be_read_there_is_none_until_another_is_applied() {
        let broken = PolicyVersion { policy: "[[rule]".to_owned(), ..version(3, "third") };
        for (found, held, said) in
            [(None, None, "it was lost by a repair"), (Some(&broken), Some(3), "policy.toml:1")]
        {
            let (policy, why) = InForce::found(found);
            assert!(why.is_some_and(|why| why.starts_with(said)), "{said}");
            assert!(!policy.is_readable());
            assert_eq!(is(&policy), (held, String::new()));
            assert!(policy.adopt(&broken).is_err());
            policy.adopt(&version(4, "fourth")).unwrap();
            assert!(policy.is_readable());
            assert_eq!(is(&policy), (Some(4), "fourth".to_owned()));
        }
    }
}
