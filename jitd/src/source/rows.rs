//! Rows of what is known from the hub.

use super::Enrolment;
use access::{Grant, GrantId, Time};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::{BTreeMap, HashSet};
use store::StoreError;
use sync::{Known, KnownPermit, Served, State};

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| unusable(&why))
}

fn unusable(why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Full(format!("what is known from the hub cannot be kept or read: {why}"))
}

fn read<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|why| unusable(&why))
}

/// The key of `meta` that says whose `served` and `known` are.
pub const ORIGIN: &str = "hub";

/// Forgets what another hub said, or this one under another root, and gives the grants that this host must not go by:
/// all that the hub of now did not give it.
pub fn settle(connection: &Connection, enrolment: &Enrolment) -> Result<Vec<GrantId>, StoreError> {
    let origin = format!("{} {} {}", enrolment.hub, enrolment.root, enrolment.host);
    if store::meta(connection, ORIGIN)?.as_ref() != Some(&origin) {
        connection
            .execute_batch("DELETE FROM served; DELETE FROM known; DELETE FROM permit; DELETE FROM glass;")?;
        store::set_meta(connection, ORIGIN, &origin)?;
    }
    let state = state(connection, enrolment)?;
    let mut held: HashSet<GrantId> = state.grants().map(|grant| grant.id).collect();
    let mut select = connection.prepare("SELECT id FROM glass")?;
    let broken = select.query_map([], |row| row.get::<_, u64>(0))?;
    // What was broken by its permit is good before it has heard of that.
    held.extend(broken.map(|id| id.map(GrantId::from_random)).collect::<Result<Vec<_>, _>>()?);
    let mut select = connection.prepare("SELECT id FROM grants")?;
    let ids = select.query_map([], |row| row.get::<_, u64>(0))?;
    let ids = ids.map(|id| id.map(GrantId::from_random)).collect::<Result<Vec<_>, _>>()?;
    Ok(ids.into_iter().filter(|id| !held.contains(id)).collect())
}

/// What was known last.
pub fn state(connection: &Connection, enrolment: &Enrolment) -> Result<State, StoreError> {
    let mut state = State::new(enrolment.hub.clone(), enrolment.root, enrolment.host.clone());
    let served: Option<String> =
        connection.query_row("SELECT body FROM served", [], |row| row.get(0)).optional()?;
    state.served = served.map(|body| read::<Served>(&body)).transpose()?;
    let mut select = connection.prepare("SELECT id, body FROM known")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
    for row in rows {
        let (id, body) = row?;
        state.grants.insert(GrantId::from_random(id), read(&body)?);
    }
    state.permits = permits(connection)?;
    Ok(state)
}

fn permits(connection: &Connection) -> Result<BTreeMap<GrantId, KnownPermit>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id, body FROM permit")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, body) = row?;
        Ok((GrantId::from_random(id), read(&body)?))
    })
    .collect()
}

/// Keeps what is known of permits.
pub fn put_permits(
    connection: &Connection,
    permits: &BTreeMap<GrantId, KnownPermit>,
) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM permit")?.execute([])?;
    let mut insert = connection.prepare_cached("INSERT INTO permit (id, body) VALUES (?1, ?2)")?;
    for (id, permit) in permits {
        insert.execute(params![id.bits(), json(permit)?])?;
    }
    Ok(())
}

/// Permits that are listed and that were never used here.
pub fn unused_permits(connection: &Connection) -> Result<Vec<Grant>, StoreError> {
    let mut select = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM glass WHERE id = ?1)")?;
    let mut unused = Vec::new();
    for (id, permit) in permits(connection)? {
        let Some(held) = permit.held else { continue };
        if !select.query_row([id.bits()], |row| row.get::<_, bool>(0))? {
            unused.push(held.grant);
        }
    }
    Ok(unused)
}

/// A permit is used, for ever.
pub fn use_permit(connection: &Connection, id: GrantId, at: Time) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO glass (id, at_ms) VALUES (?1, ?2)")?
        .execute(params![id.bits(), at.timestamp_millis()])?;
    Ok(())
}

/// Keeps the last message but for its grants.
pub fn put_served(connection: &Connection, served: &Served) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO served (one, body) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET body = ?1",
        )?
        .execute([json(served)?])?;
    Ok(())
}

/// Keeps what is known of a grant.
pub fn put_known(connection: &Connection, id: GrantId, known: &Known) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO known (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
        )?
        .execute(params![id.bits(), json(known)?])?;
    Ok(())
}

/// Forgets a grant.
pub fn forget_known(connection: &Connection, id: GrantId) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM known WHERE id = ?1")?.execute([id.bits()])?;
    Ok(())
}
