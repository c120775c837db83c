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
