//! What is explored: the functions of the crate and the order a host calls them in, or one of them with a mistake
//! sown.

use crate::story::{Fate, Host, Story};
use access::{Local, Login, Now, Phase, Question, Service, View, decide};
use std::collections::BTreeSet;
use sync::{Applied, LocalTime, Rejected, State};

#[derive(Clone, Copy)]
pub struct Engine {
    pub apply: fn(&State, &[u8], LocalTime) -> Result<Applied, Rejected>,
    pub receive: fn(&Story, &mut Host, usize, i64, Fate) -> &'static str,
    /// The grants by which somebody is let in at this time.
    pub lets_in: fn(&State, LocalTime) -> BTreeSet<u64>,
    /// Whether revisions come from a sequence when a transaction begins, rather than from the head row at its end.
    pub sequence: bool,
    /// Whether a replica signs the digest of what it has in memory, rather than the one that was committed.
    pub own_whole: bool,
}

pub const PRODUCTION: Engine =
    Engine { apply: sync::apply, receive, lets_in, sequence: false, own_whole: false };

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

/// Each grant is asked for by itself.
fn lets_in(state: &State, now: LocalTime) -> BTreeSet<u64> {
    let question = Question {
        subject: Login::parse("alice").unwrap(),
        service: Service::parse("ssh").unwrap(),
        target: None,
        phase: Phase::Account,
        address: None,
        inside: Vec::new(),
    };
    let now = Now { trusted: now.own, latest: now.latest, provisional: false };
    let alone = |grant: &access::Grant| {
        let mut view = View::of(state.host.clone());
        view.put(grant.clone());
        decide(&view, &Local::default(), &question, now).allows()
    };
    state.grants().filter(|grant| alone(grant)).map(|grant| grant.id.bits()).collect()
}
