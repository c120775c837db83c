//! The rows of the bot: accounts, codes, places.

use super::connector::Place;
use super::limits;
use access::{Person, Time};
use desk::DeskError;
use store::Sql;

/// An account that is a person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The id in the tenant's directory.
    pub account: String,
    /// Whose it is.
    pub person: Person,
    /// As Teams showed it.
    pub name: String,
    /// What the bot calls it by.
    pub chat: String,
    /// When it was linked.
    pub linked: Option<Time>,
}

/// A code that somebody said to the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// Who said it.
    pub account: String,
    /// As Teams shows them.
    pub name: String,
    /// What the bot calls them by.
    pub chat: String,
}

/// A chat or a channel that was heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Where it is called.
    pub place: Place,
    /// `personal`, `channel`, `groupChat`.
    pub kind: String,
    /// Whose, where it is personal.
    pub account: String,
    /// Whether it hears of every request.
    pub listens: bool,
}

const ACCOUNT: &str = "SELECT account, person, name, chat, linked_ms FROM teams_account WHERE tenant = ?1";

fn account(
    (account, person, name, chat, linked): (String, String, String, String, i64),
) -> Result<Account, DeskError> {
    let person = Person::parse(&person)
        .map_err(|why| DeskError::Store(format!("the row of a Teams account cannot be read: {why}")))?;
    Ok(Account { account, person, name, chat, linked: Time::from_timestamp_millis(linked) })
}

/// Whose account this is.
pub fn account_of(sql: &dyn Sql, tenant: &str, id: &str) -> Result<Option<Account>, DeskError> {
    sql.row(&format!("{ACCOUNT} AND account = ?2"), &[&tenant, &id])?.map(account).transpose()
}

/// Accounts of this person, or everybody's.
pub fn accounts(sql: &dyn Sql, tenant: &str, person: Option<&Person>) -> Result<Vec<Account>, DeskError> {
    let rows = sql.rows(
        &format!("{ACCOUNT} AND (?2 IS NULL OR person = ?2) ORDER BY person, account LIMIT ?3"),
        &[&tenant, &person.map(Person::as_str), &api::limits::PAGE],
    )?;
    rows.into_iter().map(account).collect()
}

/// An account is a person's from now on, after its record.
pub fn put_account(sql: &dyn Sql, tenant: &str, new: &Account, now: Time, seq: u64) -> Result<(), DeskError> {
    sql.execute(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (tenant, account) DO UPDATE SET person = excluded.person, name = excluded.name, chat = excluded.chat, \
         linked_ms = excluded.linked_ms, seq = excluded.seq",
        &[&tenant, &new.account, &new.person.as_str(), &new.name, &new.chat, &now.timestamp_millis(), &seq],
    )?;
    Ok(())
}

/// An account is nobody's any more, after its record.
pub fn drop_account(sql: &dyn Sql, tenant: &str, id: &str) -> Result<(), DeskError> {
    sql.execute("DELETE FROM teams_account WHERE tenant = ?1 AND account = ?2", &[&tenant, &id])?;
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
    sql.execute("DELETE FROM teams_code WHERE expires_ms <= ?1", &[&now.timestamp_millis()])?;
    let count: u64 = sql.one("SELECT count(*) FROM teams_code WHERE person = ?1", &[&person.as_str()])?;
    if count >= limits::CODES {
        return Err(DeskError::Busy(format!(
            "{count} codes of {person} are good already: use one, or wait ten minutes"
        )));
    }
    sql.execute(
        "INSERT INTO teams_code (hash, person, expires_ms) VALUES (?1, ?2, ?3)",
        &[hash, &person.as_str(), &expires.timestamp_millis()],
    )?;
    Ok(())
}

/// Somebody said a code to the bot. Whose it is, if it is one that is good and nobody else said.
pub fn claim(sql: &dyn Sql, claim: &Claim, now: Time) -> Result<Option<String>, DeskError> {
    let done = sql.execute(
        "UPDATE teams_code SET account = ?2, name = ?3, chat = ?4 \
         WHERE hash = ?1 AND expires_ms > ?5 AND (account IS NULL OR account = ?2)",
        &[&claim.hash, &claim.account, &claim.name, &claim.chat, &now.timestamp_millis()],
    )?;
    if done == 0 {
        return Ok(None);
    }
    Ok(Some(sql.one("SELECT person FROM teams_code WHERE hash = ?1", &[&claim.hash])?))
}

/// Whether this is the SHA-256 of a code that is good.
pub fn is_code(sql: &dyn Sql, hash: &[u8; 32], now: Time) -> Result<bool, DeskError> {
    let count = "SELECT count(*) FROM teams_code WHERE hash = ?1 AND expires_ms > ?2";
    Ok(sql.one::<u64>(count, &[hash, &now.timestamp_millis()])? > 0)
}

/// Codes of this person that were said.
pub fn claims(sql: &dyn Sql, person: &Person, now: Time) -> Result<Vec<Claim>, DeskError> {
    let rows: Vec<([u8; 32], String, String, String)> = sql.rows(
        "SELECT hash, account, name, chat FROM teams_code WHERE person = ?1 AND expires_ms > ?2 AND account IS NOT NULL \
         ORDER BY hash",
        &[&person.as_str(), &now.timestamp_millis()],
    )?;
    Ok(rows.into_iter().map(|(hash, account, name, chat)| Claim { hash, account, name, chat }).collect())
}

/// A code was used.
pub fn drop_code(sql: &dyn Sql, hash: &[u8; 32]) -> Result<(), DeskError> {
    sql.execute("DELETE FROM teams_code WHERE hash = ?1", &[hash])?;
    Ok(())
}

/// No code of this person is good any more.
pub fn drop_codes(sql: &dyn Sql, person: &Person) -> Result<(), DeskError> {
    sql.execute("DELETE FROM teams_code WHERE person = ?1", &[&person.as_str()])?;
    Ok(())
}

/// Tenant and id of what this person linked since then.
pub fn linked_since(sql: &dyn Sql, person: &Person, since: Time) -> Result<Vec<(String, String)>, DeskError> {
    let linked = "SELECT tenant, account FROM teams_account WHERE person = ?1 AND linked_ms >= ?2 ORDER BY tenant, account";
    Ok(sql.rows(linked, &[&person.as_str(), &since.timestamp_millis()])?)
}

const PLACE: &str = "SELECT service, conversation, kind, account, listens FROM teams_place WHERE tenant = ?1";

fn heard((service, conversation, kind, account, listens): (String, String, String, String, i64)) -> Heard {
    Heard { place: Place { service, conversation }, kind, account, listens: listens != 0 }
}

/// The place of this conversation.
pub fn place(sql: &dyn Sql, tenant: &str, conversation: &str) -> Result<Option<Heard>, DeskError> {
    Ok(sql.row(&format!("{PLACE} AND conversation = ?2"), &[&tenant, &conversation])?.map(heard))
}

/// The bot is there.
pub fn put_place(sql: &dyn Sql, tenant: &str, new: &Heard, now: Time) -> Result<(), DeskError> {
    let Heard { place, kind, account, .. } = new;
    let is_new = self::place(sql, tenant, &place.conversation)?.is_none();
    if is_new && sql.one::<u64>("SELECT count(*) FROM teams_place", &[])? >= limits::PLACES {
        let count = limits::PLACES;
        return Err(DeskError::Busy(format!(
            "the bot is in {count} chats and channels, as many as it can be"
        )));
    }
    sql.execute(
        "INSERT INTO teams_place (conversation, tenant, service, kind, account, listens, heard_ms) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) \
         ON CONFLICT (conversation) DO UPDATE SET tenant = excluded.tenant, service = excluded.service, kind = excluded.kind, \
         account = excluded.account, heard_ms = excluded.heard_ms",
        &[&place.conversation, &tenant, &place.service, kind, account, &now.timestamp_millis()],
    )?;
    Ok(())
}

/// Whether a place hears of every request from now on, after its record.
pub fn set_listens(
    sql: &dyn Sql,
    tenant: &str,
    conversation: &str,
    listens: bool,
) -> Result<bool, DeskError> {
    let done = sql.execute(
        "UPDATE teams_place SET listens = ?3 WHERE tenant = ?1 AND conversation = ?2 AND listens <> ?3",
        &[&tenant, &conversation, &i64::from(listens)],
    )?;
    Ok(done > 0)
}

/// The bot is not there any more.
pub fn drop_place(sql: &dyn Sql, tenant: &str, conversation: &str) -> Result<(), DeskError> {
    sql.execute(
        "DELETE FROM teams_place WHERE tenant = ?1 AND conversation = ?2",
        &[&tenant, &conversation],
    )?;
    Ok(())
}

/// Places that hear of every request.
pub fn listening(sql: &dyn Sql, tenant: &str) -> Result<Vec<String>, DeskError> {
    let sql_ = "SELECT conversation FROM teams_place WHERE tenant = ?1 AND listens = 1 ORDER BY conversation LIMIT ?2";
    Ok(sql.rows(sql_, &[&tenant, &api::limits::PAGE])?)
}

/// The personal chats of this person's accounts.
pub fn chats_of(sql: &dyn Sql, tenant: &str, person: &Person) -> Result<Vec<String>, DeskError> {
    Ok(sql.rows(
        "SELECT p.conversation FROM teams_place p JOIN teams_account a ON a.tenant = p.tenant AND a.account = p.account \
         WHERE p.tenant = ?1 AND p.kind = 'personal' AND a.person = ?2 ORDER BY p.conversation",
        &[&tenant, &person.as_str()],
    )?)
}

/// How many places the bot is in, how many of these hear of every request, and how many accounts are somebody's.
pub fn counts(sql: &dyn Sql, tenant: &str) -> Result<(u64, u64, u64), DeskError> {
    Ok(sql.one(
        "SELECT (SELECT count(*) FROM teams_place WHERE tenant = ?1), \
         (SELECT count(*) FROM teams_place WHERE tenant = ?1 AND listens = 1), \
         (SELECT count(*) FROM teams_account WHERE tenant = ?1)",
        &[&tenant],
    )?)
}
