//! What runs on, or will, of people whom the gate let in, and that no session carries: processes that root
//! moved away, crontabs, jobs of at(1), user managers that stay. The gate does not end them, since nothing tells
//! that they are the session's; it tells of them, once, and shows them for as long as they are there.

use crate::budget::Budget;
use crate::limits;
use crate::site::Site;
use access::Login;
use api::{LeftOver, Mark, MarkRecord, Record};
use desk::Worlds as _;
use frame::Pairs;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What is there now, by where it was found.
#[derive(Default)]
pub struct Left {
    found: Mutex<BTreeMap<Found, Vec<LeftOver>>>,
    /// News of each account that were put on record.
    news: Mutex<HashMap<Login, Budget>>,
}

/// Who found it, so that a later look of the same kind takes the place of this one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// `jitd watch`, which looks where the daemon's user may not.
    ByWatch,
    /// The warden, among the processes of this account.
    Processes(Login),
    /// The warden, under the user manager of this account: another session keeps it, or it was there before.
    Kept(Login),
}

impl Left {
    /// Takes what was found now in the place of what was found before, and says what is new.
    pub fn replace(&self, found: Found, mut now: Vec<LeftOver>) -> Vec<LeftOver> {
        now.sort_unstable();
        now.dedup();
        let mut count: HashMap<Login, usize> = HashMap::new();
        now.retain(|left| {
            let count = count.entry(left.user.clone()).or_insert(0);
            *count += 1;
            *count <= limits::LEFT_OVERS
        });
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.remove(&found).unwrap_or_default();
        let new = now.iter().filter(|one| !before.contains(one)).cloned().collect();
        if !now.is_empty() {
            all.insert(found, now);
        }
        new
    }

    /// Whether one more of this account's is put on record: they can be made at will.
    fn is_told(&self, user: &Login, now: Instant) -> bool {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = news.entry(user.clone()).or_insert(Budget::new(now));
        budget.spend(limits::LEFT_NEWS, limits::LEFT_NEWS_PER, now)
    }

    /// Accounts with processes that were left over or kept.
    pub fn with_processes(&self) -> Vec<Login> {
        let all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let login = |found: &Found| match found {
            Found::Processes(login) | Found::Kept(login) => Some(login.clone()),
            Found::ByWatch => None,
        };
        all.keys().filter_map(login).collect()
    }

    /// What goes on under the user manager of this account.
    pub fn kept(&self, login: &Login) -> Vec<LeftOver> {
        let all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&Found::Kept(login.clone())).cloned().unwrap_or_default()
    }

    /// All there is.
    pub fn all(&self) -> Vec<LeftOver> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }
}

impl Site {
    /// Whether this account is that of somebody whom a grant let in, now or once.
    pub fn is_gated(&self, login: &Login) -> bool {
        let world = self.policies.world();
        let person = world.people.of_login(login).map(|human| human.person.clone());
        person.is_some_and(|person| self.desk.has_held(&person).unwrap_or(false))
    }

    /// Keeps what was found, and tells what of it is new.
    pub fn found_left(&self, found: Found, now: Vec<LeftOver>) {
        for LeftOver { user, what } in self.left.replace(found, now) {
            if !self.left.is_told(&user, Instant::now()) {
                continue;
            }
            let detail = Pairs::default().with("user", user.as_str()).with("what", &what).line();
            let record = MarkRecord { at: self.clock.now().trusted, mark: Mark::LeftOver, detail };
            self.record_later(Record::Mark(Box::new(record)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_once_and_shown_while_it_is_there() {
        let left = Left::default();
        let alice = Login::parse("alice").unwrap();
        let job = |what: &str| LeftOver { user: alice.clone(), what: what.into() };
        let (one, two) = (job("crontab"), job("2 jobs of at"));
        assert_eq!(left.replace(Found::ByWatch, vec![one.clone()]), vec![one.clone()]);
        assert_eq!(
            left.replace(Found::ByWatch, vec![two.clone(), one.clone(), one.clone()]),
            vec![two.clone()]
        );
        let process = job("process 7 (sleep)");
        assert_eq!(
            left.replace(Found::Processes(alice.clone()), vec![process.clone()]),
            vec![process.clone()]
        );
        assert_eq!((left.all().len(), left.with_processes()), (3, vec![alice.clone()]));
        assert_eq!(left.replace(Found::ByWatch, vec![]), []);
        assert_eq!(left.all(), [process]);
        assert_eq!(left.replace(Found::Processes(alice.clone()), vec![]), []);
        assert!(left.all().is_empty() && left.with_processes().is_empty());
        let now = Instant::now();
        let told = (0..100).filter(|_| left.is_told(&alice, now)).count();
        assert_eq!(told, limits::LEFT_NEWS as usize, "the log is not theirs to fill");
        assert!(left.is_told(&alice, now + limits::LEFT_NEWS_PER));
        // Gone and back again is news.
        assert_eq!(left.replace(Found::ByWatch, vec![one.clone()]), [one]);
    }
}
