//! The daemon's own rows: sessions, the clock.

use crate::clock::Kept;
use access::{Grant, GrantId, SessionId, Time};
use api::Session;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Sql, StoreError};

/// The key of `meta` that holds [`Kept`].
pub const CLOCK: &str = "clock";

/// A row's body as this release writes it; `what` is what errors call it.
pub fn json(what: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|why| StoreError::Unreadable(format!("{what} cannot be written down: {why}")))
}

/// What a row's body says.
pub fn read<T: DeserializeOwned>(what: &str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|why| {
        StoreError::Unreadable(format!(
            "{what} cannot be read: {why}. Where a newer release wrote it, install that again; else run `jitd repair`"
        ))
    })
}

/// A grant as it is kept.
pub fn grant(connection: &dyn Sql, id: GrantId) -> Result<Option<Grant>, StoreError> {
    let body: Option<String> = connection.row("SELECT body FROM grants WHERE id = ?1", &[&id.bits()])?;
    body.map(|body| read(&format!("grant {id}"), &body)).transpose()
}

/// A grant that this host must not go by any more.
pub fn withdraw(connection: &dyn Sql, grant: GrantId) -> Result<(), StoreError> {
    connection.execute("DELETE FROM grants WHERE id = ?1", &[&grant.bits()])?;
    Ok(())
}

/// Keeps a session that opened.
pub fn open_session(connection: &dyn Sql, session: &Session, seq: u64) -> Result<(), StoreError> {
    put_session(connection, session, seq)?;
    match session.counts_for() {
        Some(grant) => begin_use(connection, grant, session.opened),
        None => Ok(()),
    }
}

/// A session as it stood.
pub fn session(connection: &dyn Sql, id: SessionId) -> Result<Option<Session>, StoreError> {
    let body: Option<String> = connection.row("SELECT body FROM session WHERE id = ?1", &[&id.bits()])?;
    body.map(|body| read_session(&body)).transpose()
}

/// Keeps what became of a session; `after` is none once nothing of it is left.
pub fn change_session(
    connection: &dyn Sql,
    before: &Session,
    after: Option<&Session>,
    seq: u64,
    at: Time,
) -> Result<(), StoreError> {
    match after {
        Some(after) => put_session(connection, after, seq)?,
        None => {
            connection.execute("DELETE FROM session WHERE id = ?1", &[&before.id.bits()])?;
        }
    }
    let (counted, counts) = (before.counts_for(), after.and_then(Session::counts_for));
    if counted == counts {
        return Ok(());
    }
    if let Some(grant) = counted {
        end_use(connection, grant, at)?;
    }
    counts.map_or(Ok(()), |grant| begin_use(connection, grant, at))
}

fn put_session(connection: &dyn Sql, session: &Session, seq: u64) -> Result<(), StoreError> {
    let body = json("a session", session)?;
    let (grant, closed) = (session.grant.map(GrantId::bits), session.closed.is_some());
    connection.execute(
        "INSERT INTO session (id, grant_id, closed, body, seq) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (id) DO UPDATE SET grant_id = ?2, closed = ?3, body = ?4, seq = ?5",
        &[&session.id.bits(), &grant, &closed, &body, &seq],
    )?;
    Ok(())
}

/// One more session of a grant.
fn begin_use(connection: &dyn Sql, grant: GrantId, at: Time) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO used (grant_id, sessions, ms, since_ms) VALUES (?1, 1, 0, ?2) \
         ON CONFLICT (grant_id) DO UPDATE SET sessions = sessions + 1, since_ms = coalesce(since_ms, ?2)",
        &[&grant.bits(), &at.timestamp_millis()],
    )?;
    Ok(())
}

/// The clock of a grant's use stops with the last session of it that is open.
fn end_use(connection: &dyn Sql, grant: GrantId, at: Time) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE used SET ms = ms + max(0, ?2 - since_ms), since_ms = NULL WHERE grant_id = ?1 \
         AND since_ms IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM session WHERE grant_id = ?1 AND closed = 0)",
        &[&grant.bits(), &at.timestamp_millis()],
    )?;
    Ok(())
}

fn read_session(body: &str) -> Result<Session, StoreError> {
    read("a session", body)
}

/// Every session of which something is left.
pub fn sessions(connection: &dyn Sql) -> Result<Vec<Session>, StoreError> {
    let bodies: Vec<String> = connection.rows("SELECT body FROM session", &[])?;
    bodies.iter().map(|body| read_session(body)).collect()
}

/// What was kept of the clock.
pub fn clock(connection: &dyn Sql) -> Result<Option<Kept>, StoreError> {
    let kept = store::meta(connection, CLOCK)?;
    kept.map(|kept| read("what was kept of the clock", &kept)).transpose()
}
