//! The hub's own rows: tokens, roles, hosts.

use crate::limits;
use crate::secret::Hash;
use access::{HostName, Person, Time, TokenId};
use api::{Role, Token, TokenView};
use desk::DeskError;
use std::collections::{BTreeMap, BTreeSet};
use store::Sql;
use workflow::Hosts;

const TOKEN: &str = "SELECT body, used_ms FROM token";

fn read((body, used): (String, Option<i64>)) -> Result<TokenView, DeskError> {
    let token = serde_json::from_str(&body)
        .map_err(|why| DeskError::Store(format!("the row of a token cannot be read: {why}")))?;
    Ok(TokenView { token, used: used.and_then(Time::from_timestamp_millis) })
}

/// The token whose secret has this hash.
pub fn token_of(connection: &dyn Sql, hash: &Hash) -> Result<Option<TokenView>, DeskError> {
    connection.row(&format!("{TOKEN} WHERE hash = ?1"), &[hash])?.map(read).transpose()
}

/// The token of this id.
pub fn token(connection: &dyn Sql, id: TokenId) -> Result<Option<TokenView>, DeskError> {
    connection.row(&format!("{TOKEN} WHERE id = ?1"), &[&id.bits()])?.map(read).transpose()
}

/// Ids from `low` to `high`, at most two.
pub fn token_ids(connection: &dyn Sql, low: TokenId, high: TokenId) -> Result<Vec<TokenId>, DeskError> {
    let sql = "SELECT id FROM token WHERE id BETWEEN ?1 AND ?2 LIMIT 2";
    let ids: Vec<u64> = connection.rows(sql, &[&low.bits(), &high.bits()])?;
    Ok(ids.into_iter().map(TokenId::from_random).collect())
}

/// Tokens of this person, or everybody's, those that end last first.
pub fn tokens(connection: &dyn Sql, person: Option<&Person>) -> Result<Vec<TokenView>, DeskError> {
    let sql =
        format!("{TOKEN} WHERE ?1 IS NULL OR person = ?1 ORDER BY revoked, expires_ms DESC, id LIMIT ?2");
    let rows = connection.rows(&sql, &[&person.map(Person::as_str), &api::limits::PAGE])?;
    rows.into_iter().map(read).collect()
}

/// Tokens of this person that are good at `now`.
pub fn good_tokens(connection: &dyn Sql, person: &Person, now: Time) -> Result<u64, DeskError> {
    let sql = "SELECT count(*) FROM token WHERE person = ?1 AND revoked = 0 AND expires_ms > ?2";
    Ok(connection.one(sql, &[&person.as_str(), &now.timestamp_millis()])?)
}

/// Keeps a token, new or changed, after its record.
pub fn put_token(
    connection: &dyn Sql,
    token: &Token,
    hash: Option<&Hash>,
    seq: u64,
) -> Result<(), DeskError> {
    let body = serde_json::to_string(token).map_err(|why| DeskError::Store(why.to_string()))?;
    let revoked = token.revoked.is_some();
    let done = match hash {
        Some(hash) => connection.execute(
            "INSERT INTO token (id, hash, person, expires_ms, body, seq, revoked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &[
                &token.id.bits(),
                hash,
                &token.person.as_str(),
                &token.expires.timestamp_millis(),
                &body,
                &seq,
                &revoked,
            ],
        )?,
        None => connection.execute(
            "UPDATE token SET revoked = ?2, body = ?3, seq = ?4 WHERE id = ?1",
            &[&token.id.bits(), &revoked, &body, &seq],
        )?,
    };
    debug_assert_eq!(done, 1);
    Ok(())
}

/// Writes down that a token was used, where the last time is long enough ago.
pub fn used(connection: &dyn Sql, id: TokenId, now: Time) -> Result<(), DeskError> {
    let now = now.timestamp_millis();
    connection.put(
        "UPDATE token SET used_ms = ?2 WHERE id = ?1 AND coalesce(used_ms, 0) <= ?3",
        &[&id.bits(), &now, &(now - limits::USED_EVERY_MS)],
    )?;
    Ok(())
}

/// Everybody's roles.
pub fn roles(connection: &dyn Sql) -> Result<BTreeMap<Person, BTreeSet<Role>>, DeskError> {
    let rows: Vec<(String, String)> = connection.rows("SELECT person, role FROM role", &[])?;
    let mut all: BTreeMap<Person, BTreeSet<Role>> = BTreeMap::new();
    for (person, role) in rows {
        let wrong = |why: String| DeskError::Store(format!("the row of a role cannot be read: {why}"));
        let person = Person::parse(&person).map_err(|why| wrong(why.to_string()))?;
        all.entry(person).or_default().insert(role.parse().map_err(wrong)?);
    }
    Ok(all)
}

/// What one person has at the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// Their good tokens, links and sign-ins.
    pub tokens: u64,
    /// Accounts elsewhere that sign them in.
    pub accounts: u64,
    /// Accounts in chats that are theirs.
    pub chats: u64,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<String> = self.roles.iter().map(|role| role.code().to_owned()).collect();
        for (count, what) in
            [(self.tokens, "token"), (self.accounts, "account"), (self.chats, "chat account")]
        {
            match count {
                0 => {}
                1 => parts.push(format!("1 {what}")),
                many => parts.push(format!("{many} {what}s")),
            }
        }
        f.write_str(&parts.join(", "))
    }
}

/// Everybody who has something at the hub, and what.
pub fn holders(connection: &dyn Sql, now: Time) -> Result<BTreeMap<Person, Held>, DeskError> {
    let person = |name: &str| {
        Person::parse(name).map_err(|why| DeskError::Store(format!("a row of {name} cannot be read: {why}")))
    };
    let mut all: BTreeMap<Person, Held> = BTreeMap::new();
    for (person, roles) in roles(connection)? {
        all.entry(person).or_default().roles = roles;
    }
    let sql = "SELECT person, count(*) FROM token WHERE revoked = 0 AND expires_ms > ?1 GROUP BY person";
    let rows: Vec<(String, u64)> = connection.rows(sql, &[&now.timestamp_millis()])?;
    for (name, count) in rows {
        all.entry(person(&name)?).or_default().tokens = count;
    }
    let rows: Vec<(String, u64)> =
        connection.rows("SELECT person, count(*) FROM identity GROUP BY person", &[])?;
    for (name, count) in rows {
        all.entry(person(&name)?).or_default().accounts = count;
    }
    let rows: Vec<(String, u64)> =
        connection.rows("SELECT person, count(*) FROM teams_account GROUP BY person", &[])?;
    for (name, count) in rows {
        all.entry(person(&name)?).or_default().chats = count;
    }
    Ok(all)
}

/// The roles of one person.
pub fn roles_of(connection: &dyn Sql, person: &Person) -> Result<BTreeSet<Role>, DeskError> {
    let rows: Vec<String> =
        connection.rows("SELECT role FROM role WHERE person = ?1", &[&person.as_str()])?;
    rows.iter().map(|role| role.parse().map_err(DeskError::Store)).collect()
}

/// Gives a role, after its record.
pub fn give_role(connection: &dyn Sql, person: &Person, role: Role, seq: u64) -> Result<(), DeskError> {
    connection.put(
        "INSERT INTO role (person, role, seq) VALUES (?1, ?2, ?3)",
        &[&person.as_str(), &role.code(), &seq],
    )?;
    Ok(())
}

/// Takes a role, after its record.
pub fn take_role(connection: &dyn Sql, person: &Person, role: Role) -> Result<(), DeskError> {
    connection.put("DELETE FROM role WHERE person = ?1 AND role = ?2", &[&person.as_str(), &role.code()])?;
    Ok(())
}

/// The hosts of this hub. There are no others.
pub fn hosts(connection: &dyn Sql) -> Result<Hosts, DeskError> {
    let rows: Vec<(String, String)> = connection.rows("SELECT name, labels FROM host", &[])?;
    let labels = rows.into_iter().map(|(name, labels)| {
        let wrong = |why: &dyn std::fmt::Display| {
            DeskError::Store(format!("the row of host {name} cannot be read: {why}"))
        };
        let host = HostName::parse(&name).map_err(|why| wrong(&why))?;
        Ok((host, serde_json::from_str(&labels).map_err(|why| wrong(&why))?))
    });
    Ok(Hosts { labels: labels.collect::<Result<_, DeskError>>()?, all: true })
}

/// Requests that wait, and grants that are good or will be.
pub fn counts(connection: &dyn Sql) -> Result<(u64, u64), DeskError> {
    let sql = "SELECT (SELECT count(*) FROM request WHERE state = 'pending'), (SELECT count(*) FROM grants WHERE closed = 0)";
    Ok(connection.one(sql, &[])?)
}
