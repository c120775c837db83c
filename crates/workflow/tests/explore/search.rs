//! Breadth first through every state that can be reached, with what must be true judged at each step.

use crate::oracle::judge;
use crate::story::{Move, State, Story};
use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What was gone through.
#[derive(Debug, Default)]
pub struct Seen {
    pub states: usize,
    pub steps: usize,
    pub approved: usize,
    /// What happened on the way, as the journal names it.
    pub changes: BTreeSet<&'static str>,
}

/// What was wrong, and what led there.
#[derive(Debug)]
pub struct Found {
    pub what: String,
    pub path: Vec<Move>,
}

/// Every state within so many moves. Each is written down and read back before anything follows it, as
/// over a restart.
pub fn explore(story: &Story, depth: usize) -> Result<Seen, Found> {
    let mut seen = Seen::default();
    let mut known: HashSet<u128> = HashSet::new();
    let mut level = vec![(Story::begin(), Vec::new())];
    for _ in 0..=depth {
        let mut next = Vec::new();
        for (state, path) in level {
            seen.states += 1;
            if path.len() == depth {
                continue;
            }
            let views = story.views(&state);
            for what in story.moves(&state, &views) {
                let Some((after, stepped)) = story.play(&state, &views, what) else { continue };
                seen.steps += 1;
                let path: Vec<Move> = path.iter().copied().chain([what]).collect();
                if let Err(what) = judge(story, &state, what, &after, stepped.as_ref()) {
                    return Err(Found { what, path });
                }
                let written = serde_json::to_vec(&after).unwrap();
                if !known.insert(fingerprint(&written)) {
                    continue;
                }
                if !survives_a_restart(&after) {
                    return Err(Found { what: "W1: another state after a restart".into(), path });
                }
                if let Some(stepped) = stepped {
                    seen.approved += usize::from(stepped.grant.is_some());
                    seen.changes.extend(stepped.changes.iter().map(|change| change.code()));
                }
                next.push((after, path));
            }
        }
        level = next;
    }
    Ok(seen)
}

fn survives_a_restart(state: &State) -> bool {
    fn same<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq>(it: &T) -> bool {
        serde_json::to_string(it).ok().and_then(|text| serde_json::from_str::<T>(&text).ok()).as_ref()
            == Some(it)
    }
    state.requests.iter().flatten().all(same) && state.grants.values().all(same)
}

/// Two hashes of 64 bits: among a million states no two are alike by chance.
fn fingerprint(written: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, written).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
