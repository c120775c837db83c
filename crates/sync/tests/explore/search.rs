//! Breadth first through every world that can be reached, with what must be true judged at each step.

use crate::law::judge;
use crate::story::{Move, Story};
use std::collections::{BTreeSet, HashSet};

/// What was gone through.
#[derive(Debug, Default)]
pub struct Seen {
    pub states: usize,
    pub steps: usize,
    /// How the host took what arrived.
    pub outcomes: BTreeSet<&'static str>,
}

/// What was wrong, and what led there.
#[derive(Debug)]
pub struct Found {
    pub what: String,
    pub path: Vec<Move>,
}

pub fn explore(story: &Story, depth: usize) -> Result<Seen, Found> {
    let mut seen = Seen::default();
    let begin = story.begin();
    let mut known = HashSet::from([begin.clone()]);
    let mut level = vec![(begin, Vec::new())];
    for _ in 0..depth {
        let mut next = Vec::new();
        for (world, path) in level {
            seen.states += 1;
            for what in story.moves(&world) {
                seen.steps += 1;
                let (after, outcome) = story.play(&world, what);
                seen.outcomes.insert(outcome);
                if !known.insert(after.clone()) {
                    continue;
                }
                let path: Vec<Move> = path.iter().copied().chain([what]).collect();
                match judge(story, &world, what, &after) {
                    Ok(()) => next.push((after, path)),
                    Err(what) => return Err(Found { what, path }),
                }
            }
        }
        level = next;
    }
    Ok(seen)
}

/// One long life, by its number: so many moves, each drawn from those that can be made.
pub fn live(story: &Story, number: u64, moves: usize) -> Result<Seen, Found> {
    let (mut seen, mut world, mut path) = (Seen::default(), story.begin(), Vec::new());
    let mut draw = Draw(number);
    for _ in 0..moves {
        let all = story.moves(&world);
        let Some(what) = draw.one(&all) else { break };
        let (after, outcome) = story.play(&world, what);
        seen.outcomes.insert(outcome);
        (seen.states, seen.steps) = (seen.states + 1, seen.steps + 1);
        path.push(what);
        if let Err(what) = judge(story, &world, what, &after) {
            return Err(Found { what, path });
        }
        world = after;
    }
    Ok(seen)
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same draws for the same seed, everywhere.
struct Draw(u64);

impl Draw {
    fn one(&mut self, all: &[Move]) -> Option<Move> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let at = (mixed ^ (mixed >> 31)) % (all.len() as u64).max(1);
        all.get(usize::try_from(at).ok()?).copied()
    }
}
