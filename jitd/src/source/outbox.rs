//! Rows of what was asked here and the hub is to hear of, in the order in which it was asked.

use access::{Login, RequestId, Time};
use api::{HostAnswer, HostAsk};
use store::{Bind, Sql, StoreError};

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

fn read((body, until, answer): (String, i64, Option<String>)) -> Result<Kept, StoreError> {
    let answer = answer.map(|answer| serde_json::from_str(&answer)).transpose();
    Ok(Kept {
        ask: serde_json::from_str(&body).map_err(|why| unreadable(&why))?,
        until: Time::from_timestamp_millis(until).unwrap_or_default(),
        answer: answer.map_err(|why| unreadable(&why))?,
    })
}

fn one(connection: &dyn Sql, sql: &str, values: &[&dyn Bind]) -> Result<Option<Kept>, StoreError> {
    connection.row(&format!("{ROW} {sql}"), values)?.map(read).transpose()
}

/// Keeps what was asked, after its record.
pub fn put(connection: &dyn Sql, ask: &HostAsk, key: Option<&str>, until: Time) -> Result<(), StoreError> {
    let body = serde_json::to_string(ask).map_err(|why| unreadable(&why))?;
    connection.execute(
        "INSERT INTO ask (id, login, key, body, until_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[&ask.id.bits(), &ask.login.as_str(), &key, &body, &until.timestamp_millis()],
    )?;
    Ok(())
}

/// What this login asked by a call of this key.
pub fn by_key(connection: &dyn Sql, login: &Login, key: &str) -> Result<Option<Kept>, StoreError> {
    one(connection, "WHERE login = ?1 AND key = ?2", &[&login.as_str(), &key])
}

/// What was asked under this id.
pub fn find(connection: &dyn Sql, id: RequestId) -> Result<Option<Kept>, StoreError> {
    one(connection, "WHERE id = ?1", &[&id.bits()])
}

/// What waits longest for the hub.
pub fn next(connection: &dyn Sql) -> Result<Option<Kept>, StoreError> {
    one(connection, "WHERE answer IS NULL ORDER BY n LIMIT 1", &[])
}

/// All of this login's that waits for the hub, oldest first.
pub fn waiting(connection: &dyn Sql, login: &Login) -> Result<Vec<Kept>, StoreError> {
    let sql = format!("{ROW} WHERE answer IS NULL AND login = ?1 ORDER BY n");
    connection.rows(&sql, &[&login.as_str()])?.into_iter().map(read).collect()
}

/// All of this login's that is kept, answered or not.
pub fn of(connection: &dyn Sql, login: &Login) -> Result<Vec<Kept>, StoreError> {
    connection.rows(&format!("{ROW} WHERE login = ?1"), &[&login.as_str()])?.into_iter().map(read).collect()
}

/// How many wait for the hub.
pub fn count(connection: &dyn Sql) -> Result<u64, StoreError> {
    connection.one("SELECT count(*) FROM ask WHERE answer IS NULL", &[])
}

/// The hub answered, for good. The answer stays for a while for whoever asks the same again, and those of before `old`
/// go.
pub fn answered(
    connection: &dyn Sql,
    id: RequestId,
    answer: &HostAnswer,
    at: Time,
    old: Time,
) -> Result<(), StoreError> {
    let answer = serde_json::to_string(answer).map_err(|why| unreadable(&why))?;
    connection.execute(
        "UPDATE ask SET answer = ?2, answered_ms = ?3 WHERE id = ?1",
        &[&id.bits(), &answer, &at.timestamp_millis()],
    )?;
    connection.execute("DELETE FROM ask WHERE answered_ms < ?1", &[&old.timestamp_millis()])?;
    Ok(())
}

/// What the hub will not hear of any more. Whether it was there and waited.
pub fn forget(connection: &dyn Sql, id: RequestId) -> Result<bool, StoreError> {
    Ok(connection.execute("DELETE FROM ask WHERE id = ?1 AND answer IS NULL", &[&id.bits()])? == 1)
}
