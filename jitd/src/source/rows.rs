//! Rows of what is known from the hub.

use super::Enrolment;
use access::GrantId;
use rusqlite::{Connection, OptionalExtension as _, params};
use store::StoreError;
use sync::{Known, Served, State};

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::Full(why.to_string()))
}

fn read<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body)
        .map_err(|why| StoreError::Full(format!("what is known from the hub cannot be read: {why}")))
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
    Ok(state)
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
