//! Rows of what is known from the hub.

use super::Enrolment;
use crate::rows;
use access::{Grant, GrantId, Time};
use std::collections::{BTreeMap, HashSet};
use store::{Sql, StoreError};
use sync::{Known, KnownPermit, Served, State};

const WHAT: &str = "what is known from the hub";

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    rows::json(WHAT, value)
}

fn read<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    rows::read(WHAT, body)
}

/// The key of `meta` that says whose `served` and `known` are.
pub const ORIGIN: &str = "hub";

/// Forgets what another hub said, or this one under another root, and gives the grants that this host must not go by:
/// all that the hub of now did not give it.
pub fn settle(connection: &dyn Sql, enrolment: &Enrolment) -> Result<Vec<GrantId>, StoreError> {
    let origin = format!("{} {} {}", enrolment.hub, enrolment.root, enrolment.host);
    if store::meta(connection, ORIGIN)?.as_ref() != Some(&origin) {
        connection.batch("DELETE FROM served; DELETE FROM known; DELETE FROM permit; DELETE FROM glass;")?;
        store::set_meta(connection, ORIGIN, &origin)?;
    }
    let state = state(connection, enrolment)?;
    let mut held: HashSet<GrantId> = state.grants().map(|grant| grant.id).collect();
    // What was broken by its permit is good before the hub has heard of that.
    let broken: Vec<u64> = connection.rows("SELECT id FROM glass", &[])?;
    held.extend(broken.into_iter().map(GrantId::from_random));
    let ids: Vec<u64> = connection.rows("SELECT id FROM grants", &[])?;
    Ok(ids.into_iter().map(GrantId::from_random).filter(|id| !held.contains(id)).collect())
}

/// What was known last.
pub fn state(connection: &dyn Sql, enrolment: &Enrolment) -> Result<State, StoreError> {
    let mut state = State::new(enrolment.hub.clone(), enrolment.root, enrolment.host.clone());
    state.served = served(connection)?;
    let rows: Vec<(u64, String)> = connection.rows("SELECT id, body FROM known", &[])?;
    for (id, body) in rows {
        state.grants.insert(GrantId::from_random(id), read(&body)?);
    }
    state.permits = permits(connection)?;
    Ok(state)
}

/// The last message but for its grants.
pub fn served(connection: &dyn Sql) -> Result<Option<Served>, StoreError> {
    let served: Option<String> = connection.row("SELECT body FROM served", &[])?;
    served.map(|body| read(&body)).transpose()
}

fn permits(connection: &dyn Sql) -> Result<BTreeMap<GrantId, KnownPermit>, StoreError> {
    let rows: Vec<(u64, String)> = connection.rows("SELECT id, body FROM permit", &[])?;
    rows.into_iter().map(|(id, body)| Ok((GrantId::from_random(id), read(&body)?))).collect()
}

/// Keeps what is known of permits.
pub fn put_permits(connection: &dyn Sql, permits: &BTreeMap<GrantId, KnownPermit>) -> Result<(), StoreError> {
    connection.execute("DELETE FROM permit", &[])?;
    for (id, permit) in permits {
        connection.execute("INSERT INTO permit (id, body) VALUES (?1, ?2)", &[&id.bits(), &json(permit)?])?;
    }
    Ok(())
}

/// Permits that are listed and that were never used here.
pub fn unused_permits(connection: &dyn Sql) -> Result<Vec<Grant>, StoreError> {
    let used: Vec<u64> = connection.rows("SELECT id FROM glass", &[])?;
    let permits = permits(connection)?.into_iter().filter(|(id, _)| !used.contains(&id.bits()));
    Ok(permits.filter_map(|(_, permit)| permit.held).map(|held| held.grant).collect())
}

/// A permit is used, for ever.
pub fn use_permit(connection: &dyn Sql, id: GrantId, at: Time) -> Result<(), StoreError> {
    let sql = "INSERT INTO glass (id, at_ms) VALUES (?1, ?2)";
    connection.execute(sql, &[&id.bits(), &at.timestamp_millis()])?;
    Ok(())
}

/// Keeps the last message but for its grants.
pub fn put_served(connection: &dyn Sql, served: &Served) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO served (one, body) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET body = ?1",
        &[&json(served)?],
    )?;
    Ok(())
}

/// Keeps what is known of a grant.
pub fn put_known(connection: &dyn Sql, id: GrantId, known: &Known) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO known (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2",
        &[&id.bits(), &json(known)?],
    )?;
    Ok(())
}

/// Forgets a grant.
pub fn forget_known(connection: &dyn Sql, id: GrantId) -> Result<(), StoreError> {
    connection.execute("DELETE FROM known WHERE id = ?1", &[&id.bits()])?;
    Ok(())
}
