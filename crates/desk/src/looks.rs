//! Looks at the world, one a tick: one that has changed is followed once a second look finds it the same.
//!
//! What following takes back never returns, and somebody may be writing the accounts or the policy just now.

use std::sync::Arc;
use std::time::{Duration, Instant};
use workflow::World;

/// The last look, and the world that was followed last.
#[derive(Default)]
pub struct Looks {
    last: Option<World>,
    followed: Option<World>,
    /// Since when there is something to follow.
    since: Option<Instant>,
    /// So long is waited for two looks that agree, where not for ever.
    patience: Option<Duration>,
}

impl Looks {
    /// Looks that need not agree once there is something to follow for so long: hosts can join one after the other for hours.
    pub fn within(patience: Duration) -> Self {
        Self { patience: Some(patience), ..Self::default() }
    }

    /// Takes a look, and says whether grants and requests are to be brought in line with it.
    pub fn are_to_be_followed(&mut self, world: &World) -> bool {
        let before = self.last.replace(world.clone());
        if is(self.followed.as_ref(), world) {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        is(before.as_ref(), world) || self.patience.is_some_and(|patience| since.elapsed() >= patience)
    }

    /// Grants and requests are in line with this world.
    pub fn followed(&mut self, world: World) {
        (self.followed, self.since) = (Some(world), None);
    }
}

/// Whether both are made of the same policy, people and hosts, which are made anew where they changed.
fn is(other: Option<&World>, world: &World) -> bool {
    other.is_some_and(|other| {
        Arc::ptr_eq(&other.policy, &world.policy)
            && Arc::ptr_eq(&other.people, &world.people)
            && Arc::ptr_eq(&other.hosts, &world.hosts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use workflow::{Hosts, People, Policy};

    fn world() -> World {
        World {
            policy: Arc::new(
                Policy::parse(&crate::PolicyVersion::shipped().policy, Path::new("policy.toml")).unwrap(),
            ),
            people: Arc::new(People::of_system(Vec::new())),
            schedules: Arc::default(),
            hosts: Arc::new(Hosts::default()),
        }
    }

    #[test]
    fn a_world_is_followed_once_two_looks_in_a_row_find_it_and_then_no_more() {
        let mut looks = Looks::default();
        let (whole, half) = (world(), world());
        assert!(!looks.are_to_be_followed(&whole));
        assert!(looks.are_to_be_followed(&whole));
        assert!(looks.are_to_be_followed(&whole), "until it was");
        looks.followed(whole.clone());
        assert!(!looks.are_to_be_followed(&whole));
        for _ in 0..3 {
            assert!(!looks.are_to_be_followed(&half), "a moment is not followed");
            assert!(!looks.are_to_be_followed(&whole));
        }
        assert!(!looks.are_to_be_followed(&half));
        assert!(looks.are_to_be_followed(&half), "what stays is");
    }
    #[test]
    fn what_never_stays_the_same_is_followed_now_and_then_where_that_was_asked_for() {
        let mut looks = Looks::within(Duration::from_millis(20));
        let mut followed = 0;
        for _ in 0..5 {
            let next = world();
            if looks.are_to_be_followed(&next) {
                looks.followed(next);
                followed += 1;
            }
            std::thread::sleep(Duration::from_millis(15));
        }
        assert!((1..4).contains(&followed), "{followed}");
    }
}
