//! How a command that goes on for long bears a daemon that does not answer.

use crate::limits;
use api::{ClientError, ProblemCode};
use std::time::Duration;

/// Counts the calls in a row that nobody answered.
#[derive(Debug, Default)]
pub struct Patience {
    failed: u32,
}

impl Patience {
    /// How long to rest before the next try; nothing when it has been tried often enough.
    pub fn failed(&mut self) -> Option<Duration> {
        let rest = limits::LOOK_AGAIN.saturating_mul(2_u32.saturating_pow(self.failed));
        self.failed += 1;
        (self.failed <= limits::TRIES).then(|| rest.min(limits::REST))
    }

    /// Whether the last call was answered.
    pub fn is_whole(&self) -> bool {
        self.failed == 0
    }

    /// Somebody answered. Whether nobody had before.
    pub fn answered(&mut self) -> bool {
        std::mem::take(&mut self.failed) > 0
    }
}

/// Whether the same call may go through a moment later: the daemon restarts, or its disk is slow.
pub fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Refused(problem) => problem.code == ProblemCode::Unavailable,
        ClientError::Garbled { .. } | ClientError::Unusable(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_and_an_upgrade_are_waited_for_and_a_daemon_that_is_gone_is_not_for_ever() {
        let mut patience = Patience::default();
        let rests: Vec<Duration> = std::iter::from_fn(|| patience.failed()).collect();
        assert_eq!(rests[..3], [500, 1000, 2000].map(Duration::from_millis));
        assert!(rests.is_sorted() && rests.last() == Some(&limits::REST));
        let all: Duration = rests.iter().sum();
        assert!(all > Duration::from_mins(4) && all < Duration::from_mins(6), "{all:?}");
        assert!(patience.answered(), "it was away");
        assert!(!patience.answered(), "it was not");
        assert_eq!(patience.failed(), Some(limits::LOOK_AGAIN), "and all patience is back");
    }

    #[test]
    fn what_will_not_pass_is_not_waited_for() {
        let door = || api::Door::Socket("/d".into());
        let refused = |code: ProblemCode| ClientError::Refused(code.because("no"));
        assert!(passes(&refused(ProblemCode::Unavailable)));
        assert!(passes(&ClientError::Unreachable { door: door(), why: "gone".into() }));
        assert!(!passes(&refused(ProblemCode::NotFound)) && !passes(&refused(ProblemCode::Forbidden)));
        assert!(!passes(&ClientError::Garbled { door: door(), why: "html".into() }));
    }
}
