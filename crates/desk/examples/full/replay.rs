//! All that was asked, under two policies, one of which wants one more to agree.

use crate::figure::{processor, tell, timed};
use crate::town::{DAYS, RULES, caller};
use api::{NewPolicy, NewReplay};
use desk::{Desk, Store};
use std::fmt::Write as _;

const REPLAYS: usize = 5;

/// Rules that approve by themselves by day, five times a week; else `need` of a group of 25 and the manager must
/// agree.
fn policy(need: usize) -> String {
    (0..RULES).fold(String::new(), |mut text, n| {
        let _ = write!(
            text,
            "[[rule]]\nid = \"r{n}\"\nwho = {{ groups = [\"g{n}\", \"g{}\"] }}\nwhere = {{ hosts = [\"h{n}-*\", \
             \"all-*\"] }}\nauto = {{ hours = \"Mon-Fri 08:00-19:00 Europe/Berlin\", quota = \"5 per 7d\" }}\n\
             approve = [{{ from = [\"group:g{n}\", \"manager\"], need = {need} }}]\ntell = [\"group:g0\"]\n",
            n + RULES
        );
        text
    })
}

pub fn replays<S: Store>(desk: &Desk<S>, count: u64) {
    let auditor = caller("auditor");
    let old = Some(NewPolicy { policy: policy(1), people: None, no_people: false });
    let new = NewReplay { policy: policy(2), people: None, old, days: DAYS };
    let before = processor();
    let took = (0..REPLAYS)
        .map(|_| {
            let (replayed, took) = timed(|| desk.replay(&auditor, &new).unwrap());
            assert_eq!((replayed.looked_at, replayed.stopped_at), (count, None));
            assert!(replayed.same < count, "the two are not the same");
            took
        })
        .collect();
    let used = processor().saturating_sub(before) / u32::try_from(REPLAYS).unwrap();
    tell(&format!("replay\tauditor\t{count}"), took);
    println!("replay-processor\tauditor\t{count}\t{REPLAYS}\t{0}\t{0}", used.as_micros());
}
