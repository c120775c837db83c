//! What must be true after every step, judged without any code of the crate but its data.

use crate::hub::{ENDS, at, clock};
use crate::story::{Can, Move, Story, Truth, World, since_epoch};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use sync::State;

/// Live versions that a host would let somebody in by, while their time lasts.
fn honoured(state: &State) -> BTreeMap<u64, u32> {
    let live = state.grants().filter(|grant| grant.ended.is_none());
    live.map(|grant| (grant.id.bits(), grant.version)).collect()
}

pub fn judge(story: &Story, before: &World, what: Move, after: &World) -> Result<(), String> {
    let (disk, memory) = (story.state(after.host.disk), story.state(after.host.memory));
    if disk != memory {
        return Err("S1: what is used is not what is on the disk".into());
    }
    if after.host.acknowledged > disk.watermark() {
        return Err("S1: acknowledged and not on the disk".into());
    }
    if disk.watermark() < story.state(before.host.disk).watermark() {
        return Err("S2: went back".into());
    }
    let had = story.state(before.host.memory);
    if had.watermark() == memory.watermark()
        && honoured(&had).keys().any(|id| !honoured(&memory).contains_key(id))
    {
        return Err("S5: what was honoured is gone, and no message says so".into());
    }
    if let Some(id) = after.ended.iter().find(|id| honoured(&memory).contains_key(*id)) {
        return Err(format!("S2: the end of grant {id} did not stay"));
    }
    while_it_lasts(story, after, &memory)?;
    minted(story, after, &memory)?;
    permitted(after, &memory)?;
    let own = at(after.now());
    if memory.signed_time().is_some_and(|time| time > own + TimeDelta::minutes(10)) {
        return Err("G6: signed time counts though no clock agrees".into());
    }
    if memory.served.as_ref().is_some_and(|served| served.as_of > own) {
        return Err("S5: fresher than now".into());
    }
    if let Move::Deliver(message, _) = what {
        whole(story, after, message, &memory)?;
    }
    calm(story, after)
}

/// S5: who is let in is let in by what is honoured, and by that no longer than it lasts, also where no message says so.
fn while_it_lasts(story: &Story, world: &World, memory: &State) -> Result<(), String> {
    let lets_in = (story.engine.lets_in)(memory, clock(world.now()));
    let lasts = if world.now() < ENDS { honoured(memory) } else { BTreeMap::new() };
    let lasts: BTreeSet<u64> = lasts.into_keys().collect();
    if lets_in == lasts {
        return Ok(());
    }
    Err(format!("S5: lets in by {lets_in:?} where {lasts:?} lasts"))
}

/// S4: nothing is honoured that no desk approved; where the grant key was stolen, nothing since its rotation.
fn minted(story: &Story, world: &World, memory: &State) -> Result<(), String> {
    let stolen = story.can(Can::Mint) && memory.watermark().is_some_and(|(era, _)| era.epoch == 1);
    for (id, version) in honoured(memory) {
        if !stolen && !world.approved.contains(&(id, version, false)) {
            return Err(format!("S4: honours version {version} of grant {id}, which nobody approved"));
        }
    }
    let epoch = memory.watermark().map_or(1, |(era, _)| u8::try_from(era.epoch).unwrap());
    let mut held = memory.grants.values().filter_map(|known| known.held.as_ref());
    match held.find(|held| !since_epoch(held.signer, epoch)) {
        Some(held) => Err(format!("S4: honours {} by a key that was rotated out", held.grant.id)),
        None => Ok(()),
    }
}

/// S2, S4: a permit that is held was made by a desk, and never taken back.
fn permitted(world: &World, memory: &State) -> Result<(), String> {
    for permit in memory.permits() {
        let id = permit.id.bits();
        if !world.permitted.contains(&id) {
            return Err(format!("S4: holds permit {id}, which nobody made"));
        }
        if world.taken_back.contains(&id) {
            return Err(format!("S2: permit {id} came back"));
        }
        if memory.grants().any(|grant| grant.id == permit.id) {
            return Err(format!("permit {id} is a grant too"));
        }
    }
    let epoch = memory.watermark().map_or(1, |(era, _)| u8::try_from(era.epoch).unwrap());
    let mut held = memory.permits.values().filter_map(|known| known.held.as_ref());
    match held.find(|held| !since_epoch(held.signer, epoch)) {
        Some(held) => Err(format!("S4: holds permit {} by a key that was rotated out", held.grant.id)),
        None => Ok(()),
    }
}

/// S3: who is at a revision of the hub's has what was committed then.
fn whole(story: &Story, world: &World, message: usize, memory: &State) -> Result<(), String> {
    let sent = story.message(message);
    let Truth { at, live } = sent.truth.as_ref().unwrap();
    let followed = world.host.etag == Some(message) && memory.watermark() == Some(*at);
    let exact = !world.restored && !story.can(Can::Mint);
    if followed && exact && honoured(memory) != *live {
        return Err(format!("S3: revision {} says {live:?}, the host has {:?}", at.1, honoured(memory)));
    }
    Ok(())
}

/// Once nobody meddles the host has what the hub says, but for what a thief of the grant key overtook.
fn calm(story: &Story, world: &World) -> Result<(), String> {
    let world = story.calm(world);
    let state = story.state(world.host.memory);
    let has = honoured(&state);
    let live = world.db.rows.iter().filter(|(_, row)| !row.ended);
    let mut live: BTreeMap<u64, u32> = live.map(|(id, row)| (*id, row.version)).collect();
    if story.can(Can::Mint) {
        let overtaken = |id: &u64, version: &u32| {
            let mut known = state.grants.iter().filter(|(known, _)| known.bits() == *id);
            known.any(|(_, known)| known.version > *version)
        };
        live.retain(|id, version| !overtaken(id, version));
    }
    if has != live {
        return Err(format!("S2: the hub says {live:?}, and the host stays at {has:?}"));
    }
    let held: Vec<u64> = state.permits().map(|permit| permit.id.bits()).collect();
    if held != world.db.permit.into_iter().collect::<Vec<_>>() {
        let listed = world.db.permit;
        return Err(format!("the hub lists permit {listed:?}, and the host stays at {held:?}"));
    }
    Ok(())
}
