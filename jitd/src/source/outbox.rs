//! Rows of what was asked here and the hub is to hear of, in the order in which it was asked.

use access::{Login, RequestId, Time};
use api::{HostAnswer, HostAsk};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use store::StoreError;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Kept {
    /// As the hub hears it: these very bytes.
    pub ask: HostAsk,
    /// First instant it is no longer sent.
    pub until: Time,
    /// What the hub answered.
    pub answer: Option<HostAnswer>,
}

fn unreadable(why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Full(format!("what was asked here cannot be kept or read: {why}"))
}

const ROW: &str = "SELECT body, until_ms, answer FROM ask";

fn raw(row: &Row<'_>) -> rusqlite::Result<(String, i64, Option<String>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn read((body, until, answer): (String, i64, Option<String>)) -> Result<Kept, StoreError> {
    let answer = answer.map(|answer| serde_json::from_str(&answer)).transpose();
    Ok(Kept {
        ask: serde_json::from_str(&body).map_err(|why| unreadable(&why))?,
        until: Time::from_timestamp_millis(until).unwrap_or_default(),
        answer: answer.map_err(|why| unreadable(&why))?,
    })
}

fn one(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Option<Kept>, StoreError> {
    let mut select = connection.prepare_cached(&format!("{ROW} {sql}"))?;
    select.query_row(values, raw).optional()?.map(read).transpose()
}

fn some(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Kept>, StoreError> {
    let mut select = connection.prepare_cached(&format!("{ROW} {sql}"))?;
    let rows = select.query_map(values, raw)?;
    rows.map(|row| read(row?)).collect()
}

/// Keeps what was asked, after its record.
pub fn put(connection: &Connection, ask: &HostAsk, key: Option<&str>, until: Time) -> Result<(), StoreError> {
    let body = serde_json::to_string(ask).map_err(|why| unreadable(&why))?;
    connection
        .prepare_cached("INSERT INTO ask (id, login, key, body, until_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![ask.id.bits(), ask.login.as_str(), key, body, until.timestamp_millis()])?;
    Ok(())
}

/// What this login asked by a call of this key.
pub fn by_key(connection: &Connection, login: &Login, key: &str) -> Result<Option<Kept>, StoreError> {
    one(connection, "WHERE login = ?1 AND key = ?2", &[&login.as_str(), &key])
}

/// What was asked under this id.
pub fn find(connection: &Connection, id: RequestId) -> Result<Option<Kept>, StoreError> {
    one(connection, "WHERE id = ?1", &[&id.bits()])
}

/// What waits longest for the hub.
pub fn next(connection: &Connection) -> Result<Option<Kept>, StoreError> {
    one(connection, "WHERE answer IS NULL ORDER BY n LIMIT 1", &[])
}

/// All of this login's that waits for the hub, oldest first.
pub fn waiting(connection: &Connection, login: &Login) -> Result<Vec<Kept>, StoreError> {
    some(connection, "WHERE answer IS NULL AND login = ?1 ORDER BY n", &[&login.as_str()])
}

/// How many wait for the hub.
pub fn count(connection: &Connection) -> Result<u64, StoreError> {
    let mut select = connection.prepare_cached("SELECT count(*) FROM ask WHERE answer IS NULL")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// The hub answered, for good. The answer stays for a while for whoever asks the same again, and those of before `old`
/// go.
pub fn answered(
    connection: &Connection,
    id: RequestId,
    answer: &HostAnswer,
    at: Time,
    old: Time,
) -> Result<(), StoreError> {
    let answer = serde_json::to_string(answer).map_err(|why| unreadable(&why))?;
    connection
        .prepare_cached("UPDATE ask SET answer = ?2, answered_ms = ?3 WHERE id = ?1")?
        .execute(params![id.bits(), answer, at.timestamp_millis()])?;
    connection.prepare_cached("DELETE FROM ask WHERE answered_ms < ?1")?.execute([old.timestamp_millis()])?;
    Ok(())
}

/// What the hub will not hear of any more. Whether it was there and waited.
pub fn forget(connection: &Connection, id: RequestId) -> Result<bool, StoreError> {
    let mut delete = connection.prepare_cached("DELETE FROM ask WHERE id = ?1 AND answer IS NULL")?;
    Ok(delete.execute([id.bits()])? == 1)
}
