//! A hub, a host and a thief between them, explored whole: every order of what they can do, over the functions
//! that hosts run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // also in the functions that tests share

mod engine;
#[path = "../hub/mod.rs"]
mod hub;
mod law;
mod search;
mod seeded;
mod story;

use engine::PRODUCTION;
use search::{explore, live};
use story::{Can, Story};

/// A view key is stolen while it is good, and the hub comes to rotate its keys.
pub const THIEF: &[Can] = &[Can::Write, Can::Wait, Can::EmitAll, Can::Rotate, Can::Forge];

/// The same, and the thief has the grant key too.
pub const MINT: &[Can] = &[Can::Write, Can::EmitAll, Can::Rotate, Can::Forge, Can::Mint];

/// Disks are full, power fails, replicas miss a change, and messages come late, twice or never.
pub const FAULTS: &[Can] =
    &[Can::Write, Can::EmitAll, Can::EmitNews, Can::Wait, Can::Fail, Can::Miss, Can::Rotate];

/// Two transactions at once, and the first to begin is the last to commit.
pub const RACES: &[Can] = &[Can::Write, Can::Begin, Can::EmitAll, Can::EmitNews];

/// The hub's database comes back from a backup, and the root says so, or not yet.
pub const RESTORE: &[Can] = &[Can::Write, Can::Wait, Can::EmitAll, Can::Rotate, Can::Restore];

/// Permits are made and taken back, and a view key is stolen while it is good.
pub const PERMITS: &[Can] = &[Can::Permit, Can::EmitAll, Can::EmitNews, Can::Wait, Can::Rotate, Can::Forge];

const ALL: &[Can] = &[
    Can::Write,
    Can::Begin,
    Can::EmitAll,
    Can::EmitNews,
    Can::Wait,
    Can::Fail,
    Can::Miss,
    Can::Rotate,
    Can::Restore,
    Can::Forge,
];

#[track_caller]
fn explored(can: &'static [Can], depth: usize, happens: &[&str]) {
    match explore(&Story::new(PRODUCTION, can), depth) {
        Ok(seen) => {
            println!("{seen:?}");
            for what in happens {
                assert!(seen.outcomes.contains(what), "{what} never happened: {seen:?}");
            }
            assert!(seen.states > 3000, "{seen:?}");
        }
        Err(found) => panic!("{} after {:?}", found.what, found.path),
    }
}

#[test]
fn a_thief_of_a_view_key_hides_and_delays_and_no_more() {
    let said = [
        "rotated_out",
        "replayed",
        "revision_back",
        "manifest_back",
        "lower_version",
        "time_ahead",
        "unknown_key",
    ];
    explored(THIEF, 8, &said);
}

#[test]
fn a_thief_of_a_grant_key_has_nothing_left_after_the_rotation() {
    explored(MINT, 8, &["rotated_out", "end_taken_back", "unknown_key"]);
}

#[test]
fn faults_cost_time_and_nothing_else() {
    explored(FAULTS, 7, &["disk_full", "power_cut", "missing_body", "not_whole", "replayed"]);
}

#[test]
fn changes_that_race_are_all_seen() {
    explored(RACES, 8, &["applied", "replayed"]);
}

#[test]
fn a_restored_hub_takes_nothing_back_and_is_believed_again_after_recovery() {
    explored(RESTORE, 8, &["revision_back", "forked", "lower_version", "other_body", "manifest_back"]);
}

#[test]
fn a_permit_that_was_taken_back_never_comes_back_and_a_thief_of_a_view_key_makes_none() {
    explored(PERMITS, 7, &["end_taken_back", "unknown_key", "rotated_out", "missing_body"]);
}

#[test]
fn all_of_it_at_once_keeps_the_rules() {
    explored(
        ALL,
        5,
        &["disk_full", "missing_body", "not_whole", "revision_back", "lower_version", "time_ahead"],
    );
}

#[test]
fn long_lives_of_all_of_it_keep_the_rules_whatever_the_seed() {
    // Two hundred, or as many as `cargo xtask test --long` wants.
    let seeds = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let seeds = seeds.unwrap_or(200_u64).min(10_000);
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..seeds {
        match live(&Story::new(PRODUCTION, ALL), seed, 100) {
            Ok(seen) => outcomes.extend(seen.outcomes),
            Err(found) => panic!("seed {seed}: {} after {:?}", found.what, found.path),
        }
    }
    for what in
        ["disk_full", "missing_body", "revision_back", "lower_version", "rotated_out", "other_incarnation"]
    {
        assert!(outcomes.contains(what), "{what} never happened in {seeds} lives: {outcomes:?}");
    }
}
