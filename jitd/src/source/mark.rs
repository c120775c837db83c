//! What the hub calls an answer, so that it need not say the same again (RFC 9110, section 8.8.3).

use crate::limits;
use reqwest::header::HeaderValue;
use std::time::Instant;

/// The name of the answer that is gone by.
pub struct Mark {
    name: HeaderValue,
    /// When that was asked for: it is no older.
    since: Instant,
}

impl Mark {
    /// Of an answer that was asked for then.
    pub const fn of(name: HeaderValue, since: Instant) -> Self {
        Self { name, since }
    }

    /// As it is sent.
    pub const fn name(&self) -> &HeaderValue {
        &self.name
    }

    /// Whether a hub may say by now that nothing changed. Later it says all of it anew, so that what is known stays fresh;
    /// and nobody signs that nothing changed.
    pub fn may_stand(&self, now: Instant) -> bool {
        now.duration_since(self.since) < limits::HUB_REPEATED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_answer_stands_until_the_hub_would_have_repeated_it() {
        let asked = Instant::now();
        let mark = Mark::of(HeaderValue::from_static("\"7\""), asked);
        assert_eq!(mark.name(), "\"7\"");
        let after = |age| mark.may_stand(asked + age);
        assert_eq!(limits::HUB_REPEATED, Duration::from_secs(25));
        assert_eq!([0, 24, 25].map(|age| after(Duration::from_secs(age))), [true, true, false]);
    }
}
