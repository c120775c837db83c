//! What was heard before. What is signed with a secret of ours says for ten minutes what it said once, so it counts once in
//! that time; and one account says no more than a person would.

use super::limits;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Default)]
pub struct Known(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    /// All of it, the first first, with whose it is; nothing of what may be said again.
    order: VecDeque<(Instant, Option<[u8; 32]>, [u8; 32])>,
    said: HashSet<[u8; 32]>,
    lately: HashMap<[u8; 32], VecDeque<Instant>>,
}

/// Why something does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// It was heard.
    Again,
    /// This account says too much.
    TooOften,
    /// All say too much.
    Full,
}

impl Unheard {
    /// For whoever said it.
    pub fn why(self) -> String {
        match self {
            Self::Again => "this was heard before, and counts once: say it anew".to_owned(),
            Self::TooOften => {
                format!(
                    "this account said more than {} things within a minute: wait a minute",
                    limits::PER_ACCOUNT
                )
            }
            Self::Full => "more was said within minutes than can be remembered: wait some minutes".to_owned(),
        }
    }
}

impl Known {
    /// `what`, that nothing else has, said by this account at `now`: whether it counts.
    pub fn hear(&self, what: &[u8], account: &str, now: Instant) -> Result<(), Unheard> {
        self.take(Some(Sha256::digest(what).into()), account, now)
    }

    /// The same of what is answered again where it comes again, as a click of the bot that Microsoft repeats.
    pub fn count(&self, account: &str, now: Instant) -> Result<(), Unheard> {
        self.take(None, account, now)
    }

    fn take(&self, what: Option<[u8; 32]>, account: &str, now: Instant) -> Result<(), Unheard> {
        let account = Sha256::digest(account).into();
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.forget(now);
        if what.is_some_and(|what| heard.said.contains(&what)) {
            return Err(Unheard::Again);
        }
        if heard.lately(&account, now) >= limits::PER_ACCOUNT {
            return Err(Unheard::TooOften);
        }
        if heard.order.len() >= limits::KNOWN_MOST {
            return Err(Unheard::Full);
        }
        heard.order.push_back((now, what, account));
        heard.said.extend(what);
        heard.lately.entry(account).or_default().push_back(now);
        Ok(())
    }
}

/// The span of [`limits::PER_ACCOUNT`].
const MINUTE: Duration = Duration::from_secs(60);

impl Heard {
    fn forget(&mut self, now: Instant) {
        while let Some((at, what, account)) = self.order.front().copied()
            && now.duration_since(at) >= limits::KNOWN
        {
            if let Some(what) = what {
                self.said.remove(&what);
            }
            self.order.pop_front();
            self.lately(&account, now);
        }
    }

    /// How much this account said within a minute.
    fn lately(&mut self, account: &[u8; 32], now: Instant) -> usize {
        let Some(lately) = self.lately.get_mut(account) else { return 0 };
        while lately.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            lately.pop_front();
        }
        let count = lately.len();
        if count == 0 {
            self.lately.remove(account);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_counts_once_for_as_long_as_it_would_be_believed() {
        let (known, start) = (Known::default(), Instant::now());
        let says =
            |what: &str, seconds| known.hear(what.as_bytes(), "bob", start + Duration::from_secs(seconds));
        assert_eq!(says("1", 0), Ok(()));
        assert_eq!(
            (says("1", 0), says("1", 600), says("2", 600)),
            (Err(Unheard::Again), Err(Unheard::Again), Ok(()))
        );
        assert_eq!(says("1", 660), Ok(()), "nothing of so long ago is believed");
    }

    #[test]
    fn one_account_says_what_a_person_would_and_all_together_what_can_be_remembered() {
        let (known, start) = (Known::default(), Instant::now());
        for n in 0..limits::PER_ACCOUNT {
            assert_eq!(known.hear(format!("{n}").as_bytes(), "bob", start), Ok(()));
        }
        assert_eq!(known.hear(b"more", "bob", start), Err(Unheard::TooOften));
        assert_eq!(known.hear(b"more", "carol", start), Ok(()));
        assert_eq!(known.count("bob", start), Err(Unheard::TooOften));
        assert_eq!((known.count("carol", start), known.count("carol", start)), (Ok(()), Ok(())));
        assert_eq!(known.hear(b"later", "bob", start + MINUTE), Ok(()));
        let known = Known::default();
        for n in 0..limits::KNOWN_MOST {
            assert_eq!(known.hear(format!("{n}").as_bytes(), &n.to_string(), start), Ok(()));
        }
        assert_eq!(known.hear(b"more", "bob", start), Err(Unheard::Full));
    }
}
