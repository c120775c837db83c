//! Which keys hosts believe, and in which era: all that the signer remembers.

use crate::limits;
use access::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use sync::{Era, HubId, Manifest, PublicKey, Roots};

/// The keys of an era. Written before anything is signed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// The era.
    pub era: Era,
    /// What sign grants; the last does.
    pub grant: Vec<Listed>,
    /// What sign views.
    pub view: Vec<Listed>,
}

/// A key that hosts believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The key.
    pub key: PublicKey,
    /// Since when.
    pub since: Time,
    /// First instant it is not listed any more, where another took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl Listed {
    /// A key that is listed from now on.
    pub const fn since(key: PublicKey, since: Time) -> Self {
        Self { key, since, until: None }
    }
}

impl Ring {
    /// The ring of a new hub.
    pub fn first(grant: PublicKey, view: PublicKey, now: Time) -> Self {
        let era = Era { incarnation: 1, epoch: 1 };
        Self { era, grant: vec![Listed::since(grant, now)], view: vec![Listed::since(view, now)] }
    }

    /// The key that signs grants.
    pub fn signs(&self) -> Option<PublicKey> {
        self.grant.last().map(|listed| listed.key)
    }

    /// The ring with this key signing grants. The one of before is believed for a while yet, in which all that it
    /// signed is signed anew; one in wrong hands is not.
    #[must_use]
    pub fn with_grant(&self, key: PublicKey, stolen: bool, now: Time) -> Self {
        let mut next = Self { grant: kept(&self.grant, stolen, now), ..self.clone() };
        next.grant.push(Listed::since(key, now));
        next.risen()
    }

    /// The ring with `new` in the place of the view key `old`.
    pub fn with_view(
        &self,
        old: PublicKey,
        new: PublicKey,
        stolen: bool,
        now: Time,
    ) -> Result<Self, &'static str> {
        let (of_it, others): (Vec<Listed>, Vec<Listed>) =
            self.view.iter().partition(|listed| listed.key == old);
        if of_it.is_empty() {
            return Err("the view key to be replaced is not one that hosts believe");
        }
        let view = others.into_iter().chain(kept(&of_it, stolen, now)).chain([Listed::since(new, now)]);
        Ok(Self { view: view.collect(), ..self.clone() }.risen())
    }

    /// The ring with one more key that signs views, of a server beside those there are.
    pub fn with_one_more_view(&self, key: PublicKey, now: Time) -> Result<Self, &'static str> {
        if self.view.iter().any(|listed| listed.key == key) {
            return Err("hosts believe this view key already");
        }
        let view = self.view.iter().copied().chain([Listed::since(key, now)]).collect();
        Ok(Self { view, ..self.clone() }.risen())
    }

    /// The ring without this key that signs views, at once: it may be in wrong hands.
    pub fn without_view(&self, key: PublicKey) -> Result<Self, &'static str> {
        let view: Vec<Listed> = self.view.iter().filter(|listed| listed.key != key).copied().collect();
        if view.len() == self.view.len() {
            return Err("the view key to be withdrawn is not one that hosts believe");
        }
        if view.is_empty() {
            return Err("it is the last view key, so hosts would hear nothing: admit another first");
        }
        Ok(Self { view, ..self.clone() }.risen())
    }

    /// The ring without the keys whose time is over, where there are some. For each instant at which some were over it has risen
    /// once: a signer that was away comes through the eras of those that were not, and never speaks by other keys in one of them.
    pub fn settled(&self, now: Time) -> Option<Self> {
        let listed = self.grant.iter().chain(&self.view);
        let over: BTreeSet<Time> = listed.filter_map(|key| key.until).filter(|until| *until <= now).collect();
        let without = |ring: Self, over: Time| {
            let good = |listed: &Listed| listed.until.is_none_or(|until| over < until);
            let of = |keys: Vec<Listed>| keys.into_iter().filter(good).collect();
            Self { grant: of(ring.grant), view: of(ring.view), ..ring }.risen()
        };
        (!over.is_empty()).then(|| over.into_iter().fold(self.clone(), without))
    }

    /// The same keys over another life of the database.
    #[must_use]
    pub fn raised(&self) -> Self {
        Self { era: Era { incarnation: self.era.incarnation + 1, ..self.era }, ..self.clone() }
    }

    fn risen(self) -> Self {
        Self { era: Era { epoch: self.era.epoch + 1, ..self.era }, ..self }
    }

    /// What the root signs of it.
    pub fn manifest(&self, hub: HubId, roots: Roots, now: Time) -> Manifest {
        let keys = |listed: &[Listed]| listed.iter().map(|listed| listed.key).collect();
        Manifest {
            hub,
            era: self.era,
            roots,
            grant_keys: keys(&self.grant),
            view_keys: keys(&self.view),
            issued_at: now,
            expires: now + sync::limits::MANIFEST_AGE,
        }
    }
}

fn kept(keys: &[Listed], stolen: bool, now: Time) -> Vec<Listed> {
    let until = now + limits::ROTATED_KEPT;
    let over =
        |listed: &Listed| Listed { until: Some(listed.until.map_or(until, |at| at.min(until))), ..*listed };
    if stolen { Vec::new() } else { keys.iter().map(over).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync::SecretKey;

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_random(&[seed; 32]).public()
    }

    fn at(hours: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + hours * 3600, 0).unwrap()
    }

    fn keys(listed: &[Listed]) -> Vec<PublicKey> {
        listed.iter().map(|listed| listed.key).collect()
    }

    #[test]
    fn a_planned_rotation_keeps_the_old_key_for_a_while_and_a_theft_does_not() {
        let ring = Ring::first(key(1), key(2), at(0));
        let planned = ring.with_grant(key(3), false, at(1));
        assert_eq!(keys(&planned.grant), [key(1), key(3)]);
        assert_eq!((planned.signs(), planned.era.epoch), (Some(key(3)), 2));
        assert_eq!(planned.settled(at(2)), None);
        let settled = planned.settled(at(1) + limits::ROTATED_KEPT).unwrap();
        assert_eq!((keys(&settled.grant), settled.era.epoch), (vec![key(3)], 3));
        let stolen = planned.with_grant(key(4), true, at(2));
        assert_eq!((keys(&stolen.grant), stolen.era.epoch), (vec![key(4)], 3));
    }

    #[test]
    fn whoever_looks_after_two_rotations_comes_through_the_same_eras() {
        let twice = Ring::first(key(1), key(2), at(0))
            .with_grant(key(3), false, at(1))
            .with_view(key(2), key(4), false, at(2))
            .and_then(|ring| ring.with_view(key(4), key(5), false, at(1)))
            .unwrap();
        let gone = |hours| at(hours) + limits::ROTATED_KEPT;
        let first = twice.settled(gone(1)).unwrap();
        assert_eq!((keys(&first.grant), keys(&first.view)), (vec![key(3)], vec![key(2), key(5)]));
        let then = first.settled(gone(2)).unwrap();
        assert_eq!((keys(&then.view), then.era.epoch), (vec![key(5)], twice.era.epoch + 2));
        assert_eq!((twice.settled(gone(2)), then.settled(gone(2))), (Some(then.clone()), None));
    }

    #[test]
    fn one_servers_view_key_is_replaced_and_those_of_others_stay() {
        let mut ring = Ring::first(key(1), key(2), at(0));
        ring.view.push(Listed::since(key(5), at(0)));
        let stolen = ring.with_view(key(2), key(6), true, at(1)).unwrap();
        assert_eq!((keys(&stolen.view), stolen.era.epoch), (vec![key(5), key(6)], 2));
        let planned = ring.with_view(key(2), key(6), false, at(1)).unwrap();
        assert_eq!(keys(&planned.view), [key(5), key(2), key(6)]);
        assert!(ring.with_view(key(9), key(6), false, at(1)).is_err());
    }

    #[test]
    fn a_feeds_key_comes_and_goes_by_itself_and_the_last_one_stays() {
        let ring = Ring::first(key(1), key(2), at(0));
        let more = ring.with_one_more_view(key(5), at(1)).unwrap();
        assert_eq!((keys(&more.view), more.era.epoch), (vec![key(2), key(5)], 2));
        assert!(more.with_one_more_view(key(5), at(1)).is_err());
        let fewer = more.without_view(key(5)).unwrap();
        assert_eq!((keys(&fewer.view), fewer.era.epoch), (vec![key(2)], 3));
        assert!(fewer.without_view(key(5)).is_err() && fewer.without_view(key(2)).is_err());
    }

    #[test]
    fn an_era_only_ever_rises() {
        let ring = Ring::first(key(1), key(2), at(0));
        let next = [
            ring.with_grant(key(3), false, at(0)),
            ring.with_view(key(2), key(3), true, at(0)).unwrap(),
            ring.raised(),
        ];
        assert!(next.iter().all(|next| next.era > ring.era));
        let raised = ring.raised().with_grant(key(3), false, at(0));
        assert!(raised.era > ring.with_grant(key(3), false, at(0)).era, "an incarnation outweighs epochs");
    }
}
