//! Accounts in chats that are people's, and codes that link them. What a workspace, a tenant or a way in of one of these is
//! called is in `tenant`: the id of a tenant of Microsoft's for the bot, and else what [`crate::chats::slack`] and
//! [`crate::chats::webhook`] make of a name.

use super::limits;
use access::{Person, Time};
use desk::DeskError;
use store::Sql;

/// An account that is a person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Where it is one.
    pub tenant: String,
    /// Its id there.
    pub account: String,
    /// Whose it is.
    pub person: Person,
    /// As the chat showed it.
    pub name: String,
    /// What a bot calls it by, where that is not its id.
    pub chat: String,
    /// When it was linked.
    pub linked: Option<Time>,
}

/// A code that somebody said in a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// Where it was said.
    pub tenant: String,
    /// Who said it.
    pub account: String,
    /// As the chat shows them.
    pub name: String,
    /// What a bot calls them by.
    pub chat: String,
}

const ACCOUNT: &str = "SELECT tenant, account, person, name, chat, linked_ms FROM teams_account";

fn account(
    (tenant, account, person, name, chat, linked): (String, String, String, String, String, i64),
) -> Result<Account, DeskError> {
    let person = Person::parse(&person)
        .map_err(|why| DeskError::Store(format!("the row of an account in a chat cannot be read: {why}")))?;
    Ok(Account { tenant, account, person, name, chat, linked: Time::from_timestamp_millis(linked) })
}

/// Whose account this is.
pub fn account_of(sql: &dyn Sql, tenant: &str, id: &str) -> Result<Option<Account>, DeskError> {
    sql.row(&format!("{ACCOUNT} WHERE tenant = ?1 AND account = ?2"), &[&tenant, &id])?
        .map(account)
        .transpose()
}

/// Accounts there of this person, or everybody's.
pub fn accounts(sql: &dyn Sql, tenant: &str, person: Option<&Person>) -> Result<Vec<Account>, DeskError> {
    let rows = sql.rows(
        &format!(
            "{ACCOUNT} WHERE tenant = ?1 AND (?2 IS NULL OR person = ?2) ORDER BY person, account LIMIT ?3"
        ),
        &[&tenant, &person.map(Person::as_str), &api::limits::PAGE],
    )?;
    rows.into_iter().map(account).collect()
}

/// Accounts of this person, or everybody's, wherever they are.
pub fn all_accounts(sql: &dyn Sql, person: Option<&Person>) -> Result<Vec<Account>, DeskError> {
    let rows = sql.rows(
        &format!("{ACCOUNT} WHERE ?1 IS NULL OR person = ?1 ORDER BY person, tenant, account LIMIT ?2"),
        &[&person.map(Person::as_str), &api::limits::PAGE],
    )?;
    rows.into_iter().map(account).collect()
}

/// An account is a person's from now on, after its record.
pub fn put_account(sql: &dyn Sql, new: &Account, now: Time, seq: u64) -> Result<(), DeskError> {
    sql.put(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (tenant, account) DO UPDATE SET person = excluded.person, name = excluded.name, chat = excluded.chat, \
         linked_ms = excluded.linked_ms, seq = excluded.seq",
        &[&new.tenant, &new.account, &new.person.as_str(), &new.name, &new.chat, &now.timestamp_millis(), &seq],
    )?;
    Ok(())
}

/// An account is nobody's any more, after its record.
pub fn drop_account(sql: &dyn Sql, tenant: &str, id: &str) -> Result<(), DeskError> {
    sql.put("DELETE FROM teams_account WHERE tenant = ?1 AND account = ?2", &[&tenant, &id])?;
    Ok(())
}

/// Keeps a new code of this person; codes that are over go.
pub fn put_code(
    sql: &dyn Sql,
    hash: &[u8; 32],
    person: &Person,
    expires: Time,
    now: Time,
) -> Result<(), DeskError> {
    sql.put("DELETE FROM chat_code WHERE expires_ms <= ?1", &[&now.timestamp_millis()])?;
    let count: u64 = sql.one("SELECT count(*) FROM chat_code WHERE person = ?1", &[&person.as_str()])?;
    if count >= limits::CODES {
        return Err(DeskError::Busy(format!(
            "{count} codes of {person} are good already: use one, or wait ten minutes"
        )));
    }
    sql.put(
        "INSERT INTO chat_code (hash, person, expires_ms) VALUES (?1, ?2, ?3)",
        &[hash, &person.as_str(), &expires.timestamp_millis()],
    )?;
    Ok(())
}

/// Somebody said a code. Whose it is, if it is one that is good and nobody else said.
pub fn claim(sql: &dyn Sql, claim: &Claim, now: Time) -> Result<Option<String>, DeskError> {
    let done = sql.execute(
        "UPDATE chat_code SET tenant = ?2, account = ?3, name = ?4, chat = ?5 \
         WHERE hash = ?1 AND expires_ms > ?6 AND (account IS NULL OR (tenant = ?2 AND account = ?3))",
        &[&claim.hash, &claim.tenant, &claim.account, &claim.name, &claim.chat, &now.timestamp_millis()],
    )?;
    if done == 0 {
        return Ok(None);
    }
    Ok(Some(sql.one("SELECT person FROM chat_code WHERE hash = ?1", &[&claim.hash])?))
}

/// Codes of this person that were said.
pub fn claims(sql: &dyn Sql, person: &Person, now: Time) -> Result<Vec<Claim>, DeskError> {
    let rows: Vec<([u8; 32], String, String, String, String)> = sql.rows(
        "SELECT hash, tenant, account, name, chat FROM chat_code WHERE person = ?1 AND expires_ms > ?2 AND account IS NOT NULL \
         ORDER BY hash",
        &[&person.as_str(), &now.timestamp_millis()],
    )?;
    let claim = |(hash, tenant, account, name, chat)| Claim { hash, tenant, account, name, chat };
    Ok(rows.into_iter().map(claim).collect())
}

/// A code was used.
pub fn drop_code(sql: &dyn Sql, hash: &[u8; 32]) -> Result<(), DeskError> {
    sql.put("DELETE FROM chat_code WHERE hash = ?1", &[hash])?;
    Ok(())
}

/// Whether this is the SHA-256 of a code that is good.
pub fn is_code(sql: &dyn Sql, hash: &[u8; 32], now: Time) -> Result<bool, DeskError> {
    let count = "SELECT count(*) FROM chat_code WHERE hash = ?1 AND expires_ms > ?2";
    Ok(sql.one::<u64>(count, &[hash, &now.timestamp_millis()])? > 0)
}

/// No code of this person is good any more.
pub fn drop_codes(sql: &dyn Sql, person: &Person) -> Result<(), DeskError> {
    sql.put("DELETE FROM chat_code WHERE person = ?1", &[&person.as_str()])?;
    Ok(())
}

/// Tenant and id of what this person linked since then.
pub fn linked_since(sql: &dyn Sql, person: &Person, since: Time) -> Result<Vec<(String, String)>, DeskError> {
    let linked = "SELECT tenant, account FROM teams_account WHERE person = ?1 AND linked_ms >= ?2 ORDER BY tenant, account";
    Ok(sql.rows(linked, &[&person.as_str(), &since.timestamp_millis()])?)
}
