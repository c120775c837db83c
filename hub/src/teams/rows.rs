//! The rows of the bot: chats and channels that it is in.

use super::connector::Place;
use super::limits;
use access::{Person, Time};
use api::Role;
use desk::DeskError;
use store::Sql;

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
    sql.put(
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
    sql.put("DELETE FROM teams_place WHERE tenant = ?1 AND conversation = ?2", &[&tenant, &conversation])?;
    Ok(())
}

/// Places that hear of every request. A chat of one person does while they administer the hub: who is in a channel is its
/// team's affair.
pub fn listening(sql: &dyn Sql, tenant: &str) -> Result<Vec<String>, DeskError> {
    Ok(sql.rows(
        "SELECT p.conversation FROM teams_place p WHERE p.tenant = ?1 AND p.listens = 1 AND (p.kind <> 'personal' OR EXISTS (\
           SELECT 1 FROM teams_account a JOIN role r ON r.person = a.person \
           WHERE a.tenant = p.tenant AND a.account = p.account AND r.role = ?3)) \
         ORDER BY p.conversation LIMIT ?2",
        &[&tenant, &api::limits::PAGE, &Role::Admin.code()],
    )?)
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
