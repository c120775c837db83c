//! What is explored: the functions of the crate and the order a host calls them in, or one of them with a mistake
//! sown.

use crate::story::{Fate, Host, Story};
use sync::{Applied, LocalTime, Rejected, State};

#[derive(Clone, Copy)]
pub struct Engine {
    pub apply: fn(&State, &[u8], LocalTime) -> Result<Applied, Rejected>,
    pub receive: fn(&Story, &mut Host, usize, i64, Fate) -> &'static str,
    /// Whether revisions come from a sequence when a transaction begins, rather than from the head row at its end.
    pub sequence: bool,
    /// Whether a replica signs the digest of what it has in memory, rather than the one that was committed.
    pub own_whole: bool,
}

pub const PRODUCTION: Engine = Engine { apply: sync::apply, receive, sequence: false, own_whole: false };

/// Verify, persist, swap, acknowledge; what fails on the way leaves everything as it was.
fn receive(story: &Story, host: &mut Host, message: usize, now: i64, fate: Fate) -> &'static str {
    let (state, outcome) = match story.apply(host.memory, message, now) {
        Ok(applied) => applied,
        Err(rejected) => return rejected,
    };
    if fate == Fate::DiskFull {
        return "disk_full";
    }
    host.disk = state;
    if fate == Fate::PowerCut {
        host.restart();
        return "power_cut";
    }
    host.memory = state;
    host.acknowledged = story.state(state).watermark();
    host.etag = Some(message);
    outcome
}
