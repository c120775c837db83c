//! Mistakes sown, each one that somebody made before: the exploration finds it, so its silence means something.

use crate::engine::{Engine, PRODUCTION};
use crate::hub::{GRANT, key};
use crate::search::explore;
use crate::story::{Can, Fate, Story};
use crate::{FAULTS, MINT, RACES, THIEF};
use std::collections::{BTreeMap, BTreeSet};
use sync::{Applied, Body, Digest, Held, Known, LocalTime, Message, Rejected, State, View, apply};

const DEPTH: usize = 6;

#[track_caller]
fn finds(engine: Engine, can: &'static [Can], what: &str) {
    let found = explore(&Story::new(engine, can), DEPTH);
    let found = found.map_err(|found| format!("{} after {:?}", found.what, found.path));
    assert!(found.as_ref().is_err_and(|found| found.starts_with(what)), "{what} was to be found: {found:?}");
}

/// What a message says, believed without a look at any signature.
fn believed(state: &State, bytes: &[u8]) -> Option<State> {
    let message: Message = serde_json::from_slice(bytes).ok()?;
    let view: View = serde_json::from_slice(message.view.payload()).ok()?;
    let mut state = state.clone();
    let served = state.served.as_mut()?;
    (served.revision, served.whole) = (view.revision, view.whole);
    let signer = *served.manifest.grant_keys.last()?;
    state.grants = BTreeMap::new();
    for envelope in &message.bodies {
        let Body { grant, .. } = serde_json::from_slice(envelope.payload()).ok()?;
        let (version, digest, until) =
            (grant.version, Digest::of(envelope.payload()), grant.window.latest_end());
        let (id, ended) = (grant.id, grant.ended.clone());
        let signature = sync::SecretKey::from_random(&[0; 32]).sign(&[]);
        let held = Some(Held { grant, signer, signature });
        state.grants.insert(id, Known { version, digest, ended, until, held });
    }
    Some(state)
}

#[test]
fn a_message_on_the_disk_before_it_is_verified_is_found() {
    let engine = Engine {
        receive: |story, host, message, now, fate| {
            let unverified = believed(&story.state(host.disk), &story.message(message).bytes);
            host.disk = unverified.map_or(host.disk, |state| story.keep(state));
            let outcome = (PRODUCTION.receive)(story, host, message, now, fate);
            // What is refused is taken off the disk again, unless the power fails in between.
            host.disk = if fate == Fate::PowerCut { host.disk } else { host.memory };
            host.restart();
            outcome
        },
        ..PRODUCTION
    };
    finds(engine, FAULTS, "S5: what was honoured is gone");
}

#[test]
fn memory_that_is_swapped_before_the_disk_has_it_is_found() {
    let engine = Engine {
        receive: |story, host, message, now, fate| {
            let memory = story.apply(host.memory, message, now).map_or(host.memory, |(state, _)| state);
            let outcome = (PRODUCTION.receive)(story, host, message, now, fate);
            host.memory = memory;
            outcome
        },
        ..PRODUCTION
    };
    finds(engine, FAULTS, "S1: what is used is not what is on the disk");
}

#[test]
fn an_acknowledgement_before_the_disk_has_it_is_found() {
    let engine = Engine {
        receive: |story, host, message, now, fate| {
            let served =
                story.apply(host.memory, message, now).map(|(state, _)| story.state(state).watermark());
            let outcome = (PRODUCTION.receive)(story, host, message, now, fate);
            host.acknowledged = served.unwrap_or(host.acknowledged);
            outcome
        },
        ..PRODUCTION
    };
    finds(engine, FAULTS, "S1: acknowledged and not on the disk");
}

#[test]
fn an_etag_that_is_kept_after_a_failed_activation_is_found() {
    let engine = Engine {
        receive: |story, host, message, now, fate| {
            let outcome = (PRODUCTION.receive)(story, host, message, now, fate);
            host.etag = Some(message);
            outcome
        },
        ..PRODUCTION
    };
    finds(engine, FAULTS, "S2: the hub says");
}

#[test]
fn a_cache_that_is_emptied_where_all_has_to_be_fetched_is_found() {
    let engine = Engine {
        receive: |story, host, message, now, fate| {
            let outcome = (PRODUCTION.receive)(story, host, message, now, fate);
            if outcome == "missing_body" {
                let emptied = State { grants: BTreeMap::new(), ..(*story.state(host.memory)).clone() };
                host.memory = story.keep(emptied);
                host.disk = host.memory;
            }
            outcome
        },
        ..PRODUCTION
    };
    finds(engine, FAULTS, "S5: what was honoured is gone");
}

#[test]
fn a_cursor_over_revisions_from_a_sequence_is_found() {
    finds(Engine { sequence: true, ..PRODUCTION }, RACES, "S2: the hub says");
}

#[test]
fn a_digest_of_what_the_replica_has_rather_than_of_what_was_committed_is_found() {
    finds(Engine { own_whole: true, ..PRODUCTION }, FAULTS, "S2: the hub says");
}

#[test]
fn a_watermark_that_outlives_its_epoch_is_found() {
    let engine = Engine {
        apply: |state, bytes, now| {
            let applied = apply(state, bytes, now)?;
            match (state.watermark(), applied.state.watermark()) {
                (Some((_, held)), Some((_, found))) if found < held => {
                    Err(Rejected::RevisionBack { found, held })
                }
                _ => Ok(applied),
            }
        },
        ..PRODUCTION
    };
    finds(engine, THIEF, "S2: the hub says");
}

/// Applied to a state that `forgets` something.
fn forgetful(
    state: &State,
    bytes: &[u8],
    now: LocalTime,
    forgets: impl Fn(&mut BTreeMap<access::GrantId, Known>),
) -> Result<Applied, Rejected> {
    let mut state = state.clone();
    forgets(&mut state.grants);
    apply(&state, bytes, now)
}

#[test]
fn a_lower_version_that_is_taken_is_found() {
    let engine = Engine {
        apply: |state, bytes, now| {
            forgetful(state, bytes, now, |grants| {
                grants.values_mut().for_each(|known| (known.version, known.ended) = (0, None));
            })
        },
        ..PRODUCTION
    };
    finds(engine, THIEF, "S2: the end of grant 1 did not stay");
}

#[test]
fn a_hidden_grant_that_is_forgotten_is_found() {
    let engine = Engine {
        apply: |state, bytes, now| {
            forgetful(state, bytes, now, |grants| grants.retain(|_, known| known.held.is_some()))
        },
        ..PRODUCTION
    };
    finds(engine, THIEF, "S2: the end of grant 1 did not stay");
}

#[test]
fn an_end_that_a_higher_version_takes_back_is_found() {
    let engine = Engine {
        apply: |state, bytes, now| {
            forgetful(state, bytes, now, |grants| grants.values_mut().for_each(|known| known.ended = None))
        },
        ..PRODUCTION
    };
    finds(engine, MINT, "S2: the end of grant 1 did not stay");
}

/// What a message lists, believed without a look at any signature.
fn listed(bytes: &[u8]) -> View {
    let message: Message = serde_json::from_slice(bytes).unwrap();
    serde_json::from_slice(message.view.payload()).unwrap()
}

#[test]
fn a_version_that_a_view_raises_by_itself_is_found() {
    let engine = Engine {
        apply: |state, bytes, now| {
            let Err(Rejected::MissingBody { .. }) = apply(state, bytes, now) else {
                return apply(state, bytes, now);
            };
            forgetful(state, bytes, now, |grants| {
                for entry in listed(bytes).grants {
                    let known = grants.get_mut(&entry.id).filter(|known| known.digest == entry.digest);
                    known.into_iter().for_each(|known| known.version = entry.version);
                }
            })
        },
        ..PRODUCTION
    };
    finds(engine, THIEF, "S2: the hub says");
}

#[test]
fn a_body_that_outlives_its_key_is_found() {
    let engine = Engine {
        apply: |state, bytes, now| {
            let signers = |state: &mut State, of: &dyn Fn(access::GrantId) -> Option<sync::PublicKey>| {
                for (id, known) in &mut state.grants {
                    known.held.iter_mut().for_each(|held| held.signer = of(*id).unwrap_or(held.signer));
                }
            };
            let mut lenient = state.clone();
            signers(&mut lenient, &|_| Some(key(GRANT + 2).public()));
            let Err(Rejected::MissingBody { .. }) = apply(state, bytes, now) else {
                return apply(state, bytes, now);
            };
            let mut applied = apply(&lenient, bytes, now)?;
            signers(&mut applied.state, &|id| Some(state.grants.get(&id)?.held.as_ref()?.signer));
            Ok(applied)
        },
        ..PRODUCTION
    };
    finds(engine, FAULTS, "S4: honours G-00000-00001 by a key that was rotated out");
}

#[test]
fn signed_time_that_is_trusted_is_found() {
    let engine = Engine {
        apply: |state, bytes, now| {
            let mut applied = apply(state, bytes, now)?;
            let signed = listed(bytes).issued_at;
            applied.state.served.iter_mut().for_each(|served| served.signed_time = Some(signed));
            Ok(applied)
        },
        ..PRODUCTION
    };
    finds(engine, THIEF, "G6: signed time counts though no clock agrees");
}

#[test]
fn an_expiry_that_only_a_message_brings_is_found() {
    let engine = Engine {
        apply: |state, bytes, now| {
            let mut applied = apply(state, bytes, now)?;
            let over =
                |held: &mut Option<Held>| held.take_if(|held| held.grant.window.latest_end() <= now.latest);
            applied.state.grants.values_mut().for_each(|known| drop(over(&mut known.held)));
            Ok(applied)
        },
        // Whatever is held lets in until the hub is heard again.
        lets_in: |state, _| {
            let live = state.grants().filter(|grant| grant.ended.is_none());
            live.map(|grant| grant.id.bits()).collect::<BTreeSet<u64>>()
        },
        ..PRODUCTION
    };
    finds(engine, FAULTS, "S5: lets in by {1} where {} lasts");
}
