//! The hub's own rows: tokens, roles, hosts.

use crate::limits;
use crate::secret::Hash;
use access::{HostName, Person, Time, TokenId};
use api::{Role, Token, TokenView};
use desk::DeskError;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::{BTreeMap, BTreeSet};
use workflow::Hosts;

const TOKEN: &str = "SELECT body, used_ms FROM token";

fn view(row: &Row<'_>) -> rusqlite::Result<(String, Option<i64>)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn read((body, used): (String, Option<i64>)) -> Result<TokenView, DeskError> {
    let token = serde_json::from_str(&body)
        .map_err(|why| DeskError::Store(format!("the row of a token cannot be read: {why}")))?;
    Ok(TokenView { token, used: used.and_then(Time::from_timestamp_millis) })
}

/// The token whose secret has this hash.
pub fn token_of(connection: &Connection, hash: &Hash) -> Result<Option<TokenView>, DeskError> {
    let mut select = connection.prepare_cached(&format!("{TOKEN} WHERE hash = ?1"))?;
    select.query_row([hash], view).optional()?.map(read).transpose()
}

/// The token of this id.
pub fn token(connection: &Connection, id: TokenId) -> Result<Option<TokenView>, DeskError> {
    let mut select = connection.prepare_cached(&format!("{TOKEN} WHERE id = ?1"))?;
    select.query_row([id.bits()], view).optional()?.map(read).transpose()
}

/// Ids from `low` to `high`, at most two.
pub fn token_ids(connection: &Connection, low: TokenId, high: TokenId) -> Result<Vec<TokenId>, DeskError> {
    let mut select = connection.prepare_cached("SELECT id FROM token WHERE id BETWEEN ?1 AND ?2 LIMIT 2")?;
    let ids = select.query_map([low.bits(), high.bits()], |row| row.get(0))?;
    Ok(ids.map(|id| id.map(TokenId::from_random)).collect::<Result<_, _>>()?)
}

/// Tokens of this person, or everybody's, those that end last first.
pub fn tokens(connection: &Connection, person: Option<&Person>) -> Result<Vec<TokenView>, DeskError> {
    let mut select = connection.prepare_cached(&format!(
        "{TOKEN} WHERE ?1 IS NULL OR person = ?1 ORDER BY revoked, expires_ms DESC, id LIMIT ?2"
    ))?;
    let rows = select.query_map(params![person.map(Person::as_str), api::limits::PAGE], view)?;
    rows.map(|row| read(row?)).collect()
}

/// Tokens of this person that are good at `now`.
pub fn good_tokens(connection: &Connection, person: &Person, now: Time) -> Result<u64, DeskError> {
    let mut select = connection
        .prepare_cached("SELECT count(*) FROM token WHERE person = ?1 AND revoked = 0 AND expires_ms > ?2")?;
    Ok(select.query_row(params![person.as_str(), now.timestamp_millis()], |row| row.get(0))?)
}

/// Keeps a token, new or changed, after its record.
pub fn put_token(
    connection: &Connection,
    token: &Token,
    hash: Option<&Hash>,
    seq: u64,
) -> Result<(), DeskError> {
    let body = serde_json::to_string(token).map_err(|why| DeskError::Store(why.to_string()))?;
    let revoked = token.revoked.is_some();
    let done = match hash {
        Some(hash) => connection
            .prepare_cached(
                "INSERT INTO token (id, hash, person, expires_ms, body, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                token.id.bits(),
                hash,
                token.person.as_str(),
                token.expires.timestamp_millis(),
                body,
                seq
            ])?,
        None => connection
            .prepare_cached("UPDATE token SET revoked = ?2, body = ?3, seq = ?4 WHERE id = ?1")?
            .execute(params![token.id.bits(), revoked, body, seq])?,
    };
    debug_assert_eq!(done, 1);
    Ok(())
}

/// Writes down that a token was used, where the last time is long enough ago.
pub fn used(connection: &Connection, id: TokenId, now: Time) -> Result<(), DeskError> {
    let now = now.timestamp_millis();
    connection
        .prepare_cached("UPDATE token SET used_ms = ?2 WHERE id = ?1 AND coalesce(used_ms, 0) <= ?2 - ?3")?
        .execute(params![id.bits(), now, limits::USED_EVERY_MS])?;
    Ok(())
}

/// Everybody's roles.
pub fn roles(connection: &Connection) -> Result<BTreeMap<Person, BTreeSet<Role>>, DeskError> {
    let mut select = connection.prepare_cached("SELECT person, role FROM role")?;
    let mut all: BTreeMap<Person, BTreeSet<Role>> = BTreeMap::new();
    for row in select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
        let (person, role) = row?;
        let wrong = |why: String| DeskError::Store(format!("the row of a role cannot be read: {why}"));
        let person = Person::parse(&person).map_err(|why| wrong(why.to_string()))?;
        all.entry(person).or_default().insert(role.parse().map_err(wrong)?);
    }
    Ok(all)
}

/// The roles of one person.
pub fn roles_of(connection: &Connection, person: &Person) -> Result<BTreeSet<Role>, DeskError> {
    let mut select = connection.prepare_cached("SELECT role FROM role WHERE person = ?1")?;
    let rows = select.query_map([person.as_str()], |row| row.get::<_, String>(0))?;
    rows.map(|role| role?.parse().map_err(DeskError::Store)).collect()
}

/// Gives a role, after its record.
pub fn give_role(connection: &Connection, person: &Person, role: Role, seq: u64) -> Result<(), DeskError> {
    connection
        .prepare_cached("INSERT INTO role (person, role, seq) VALUES (?1, ?2, ?3)")?
        .execute(params![person.as_str(), role.code(), seq])?;
    Ok(())
}

/// Takes a role, after its record.
pub fn take_role(connection: &Connection, person: &Person, role: Role) -> Result<(), DeskError> {
    connection
        .prepare_cached("DELETE FROM role WHERE person = ?1 AND role = ?2")?
        .execute([person.as_str(), role.code()])?;
    Ok(())
}

/// The hosts of this hub. There are no others.
pub fn hosts(connection: &Connection) -> Result<Hosts, DeskError> {
    let mut select = connection.prepare_cached("SELECT name, labels FROM host")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let labels = rows.map(|row| {
        let (name, labels) = row?;
        let wrong = |why: &dyn std::fmt::Display| {
            DeskError::Store(format!("the row of host {name} cannot be read: {why}"))
        };
        let host = HostName::parse(&name).map_err(|why| wrong(&why))?;
        Ok((host, serde_json::from_str(&labels).map_err(|why| wrong(&why))?))
    });
    Ok(Hosts { labels: labels.collect::<Result<_, DeskError>>()?, all: true })
}

/// Requests that wait, and grants that are good or will be.
pub fn counts(connection: &Connection) -> Result<(u64, u64), DeskError> {
    let mut select = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM request WHERE state = 'pending'), (SELECT count(*) FROM grants WHERE closed = 0)",
    )?;
    Ok(select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}
