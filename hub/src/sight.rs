//! Whether this hub sees what others commit. What it does not see it must not call fresh.

use crate::limits;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// When the database was last seen.
pub enum Sight {
    /// Nobody else writes it.
    Own,
    /// Others do; then is when a look at its head began of which everything was told on.
    Shared(Mutex<Instant>),
}

impl Sight {
    /// Of a database that is shared or not.
    pub fn of(is_shared: bool) -> Self {
        if is_shared { Self::Shared(Mutex::new(Instant::now())) } else { Self::Own }
    }

    /// It was seen by a look that began then.
    pub fn saw(&self, began: Instant) {
        if let Self::Shared(seen) = self {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = began;
        }
    }

    /// Whether what is known is what there is, but for what no one could know yet.
    pub fn is_clear(&self, now: Instant) -> bool {
        match self {
            Self::Own => true,
            Self::Shared(seen) => {
                let seen = *seen.lock().unwrap_or_else(PoisonError::into_inner);
                now.saturating_duration_since(seen) <= limits::BLIND
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_known_only_for_so_long_as_it_is_looked_at() {
        let now = Instant::now();
        let sight = Sight::Shared(Mutex::new(now));
        assert!(sight.is_clear(now + limits::BLIND) && !sight.is_clear(now + limits::BLIND * 2));
        sight.saw(now + limits::BLIND);
        assert!(sight.is_clear(now + limits::BLIND * 2));
        assert!(Sight::Own.is_clear(now + limits::BLIND * 1000));
    }
}
