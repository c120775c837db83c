//! The life of requests explored whole: three people, one of them with two names, two requests, and every
//! order of what they and time and the policy can do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // also in the functions that tests share

mod engine;
mod law;
mod oracle;
mod search;
mod seeded;
mod story;

use engine::PRODUCTION;
use law::{ONE, PART, STEPS, TWO};
use search::explore;
use story::{Story, Wanted, Wish};

/// Moves in a row: enough for a request, the reviews it needs, and something between any two of them.
const DEPTH: usize = 5;

const FULL: Wish = Wish { by: "alice", of: "alice", kind: Wanted::Access, hosts: &["a", "b"], seconds: 3600 };

/// The same, asked once more by her other name.
const AGAIN: Wish = Wish { by: "alice-adm", of: "alice-adm", ..FULL };

fn explored(laws: Vec<law::Law>, wishes: [Wish; 2], depth: usize, happens: &[&str]) {
    let story = Story::new(PRODUCTION, laws, wishes);
    match explore(&story, depth) {
        Ok(seen) => {
            println!("{seen:?}");
            for what in happens {
                assert!(seen.changes.contains(what), "{what} never happened: {seen:?}");
            }
            assert!(seen.states > 3000 && seen.approved > 100, "{seen:?}");
        }
        Err(found) => panic!("{} after {:?}", found.what, found.path),
    }
}

#[test]
fn races_of_two_requests_keep_the_rules_while_two_names_become_one_person() {
    let for_carol = Wish { by: "alice-adm", of: "carol", seconds: 1500, ..FULL };
    explored(
        vec![TWO, STEPS],
        [FULL, for_carol],
        DEPTH,
        &["reviewed", "approved", "denied", "cancelled", "lapsed"],
    );
}

#[test]
fn a_second_name_is_no_second_person_when_it_asks() {
    let by_the_other = Wish { by: "alice-adm", of: "alice-adm", seconds: 1500, ..FULL };
    explored(vec![TWO, ONE], [by_the_other, FULL], DEPTH, &["reviewed", "approved", "denied", "rechecked"]);
}

#[test]
fn policies_that_change_keep_the_rules() {
    explored(
        vec![ONE, STEPS, PART],
        [Wish { seconds: 1800, ..FULL }, Wish { by: "carol", hosts: &["a"], ..FULL }],
        DEPTH,
        &["escalated", "rechecked", "approved", "denied"],
    );
}

#[test]
fn extensions_keep_within_what_was_agreed() {
    // The rule itself gives the first at once, so that all moves are left for the second.
    let short = Wish { seconds: 900, ..FULL };
    let more = Wish { kind: Wanted::More, seconds: 1200, ..FULL };
    explored(vec![ONE, TWO], [short, more], DEPTH + 1, &["reviewed", "approved", "extended"]);
}

#[test]
fn glass_is_broken_alone_and_looked_at_by_others() {
    let glass = Wish { kind: Wanted::Glass, seconds: 1800, ..FULL };
    explored(
        vec![TWO, PART],
        [glass, Wish { by: "alice-adm", of: "alice-adm", ..glass }],
        DEPTH + 1,
        &["break_glass", "looked_at", "revoked", "overdue"],
    );
}
