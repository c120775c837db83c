//! The tables, made and brought to what this release knows, while hubs of older releases go on.
//!
//! Steps go forward only and add only, in one transaction that holds a lock, so that of hubs that start at once one
//! takes them. A step says which releases can start beside it by the newest step that they know; who runs is let be.

use super::dialect;
use super::link::Link;
use super::place::Place;
use crate::{feed, limits};
use journal::{Head, LogId, Stamp};
use std::path::Path;
use std::time::Instant;
use store::{Sql, StoreError};

/// One step.
pub(super) struct Step {
    /// The statements.
    pub(super) sql: fn() -> String,
    /// Hubs that know the steps up to this one can start after it. The last step taken speaks for all, so it is never lower
    /// than that of the step before.
    pub(super) oldest: i64,
}

/// All that this release knows, the first first.
pub(super) const STEPS: &[Step] = &[
    Step { sql: first, oldest: 1 },
    Step { sql: hints, oldest: 1 },
    Step { sql: outbox, oldest: 1 },
    Step { sql: signin, oldest: 1 },
    Step { sql: teams, oldest: 1 },
    Step { sql: chats, oldest: 6 },
    Step { sql: made, oldest: 6 },
    Step { sql: uses, oldest: 6 },
    Step { sql: room, oldest: 6 },
    Step { sql: past_room, oldest: 6 },
    Step { sql: told, oldest: 6 },
    Step { sql: removed, oldest: 6 },
];

/// Held while a step is taken: of this product alone among those that share a server.
const LOCK: i64 = 0x6A69_7468_7562_0001;

/// The tables of the file, and what several hubs need beside them.
fn first() -> String {
    let tables = dialect::tables(concat!(
        include_str!("../../../crates/store/src/schema.sql"),
        include_str!("../tables.sql")
    ));
    format!("{tables}{}", include_str!("first.sql"))
}

/// What a hub in role `feed` is given of the journal.
fn hints() -> String {
    include_str!("hints.sql").to_owned()
}

/// Who is still to hear of what happened. Hubs that do not know it tell nobody.
fn outbox() -> String {
    dialect::tables(crate::outbox::TABLES)
}

/// Accounts elsewhere and what was open on hosts. Hubs that do not know it sign nobody in by such.
fn signin() -> String {
    dialect::tables(crate::signin::TABLES)
}

/// Whose account in Teams is whose, and where the bot is, with what the outbox did not have at first. Hubs that do not know
/// it have no bot.
fn teams() -> String {
    dialect::tables(&format!("{}{}", crate::outbox::TABLES, crate::teams::TABLES))
}

/// Codes that link accounts in any chat. A code that one of the hubs of before made is none to others, for ten minutes. Hubs
/// that do not know it cannot read what comes of Slack, nor tell of it; their outbox would pass it over for all.
fn chats() -> String {
    dialect::tables(crate::chats::TABLES)
}

/// What sign-ins made, and which tokens are good. What one made at a hub that does not know it does not end where it is revoked.
fn made() -> String {
    signin()
}

/// When hosts began to use grants. A use that a host tells a hub that does not know it is taken for the next one it tells.
fn uses() -> String {
    signin()
}

/// How much records of hosts hold, counted by the server itself, so that hubs that do not know of it count too.
fn room() -> String {
    include_str!("room.sql").replace("{around}", &limits::RECORD_AROUND.to_string())
}

/// And what is kept of sessions there.
fn past_room() -> String {
    include_str!("past_room.sql").replace("{each}", &limits::PAST_SESSION.to_string())
}

/// Which hosts a grant is told to, by the grant.
fn told() -> String {
    feed::TOLD.to_owned()
}

/// When hosts were taken away, written by the server itself, so that hubs that do not know of it write it too.
fn removed() -> String {
    format!("{}{}", dialect::tables(feed::REMOVED), include_str!("removed.sql"))
}

/// Records of hosts and sessions there are not counted from here to [`counted`]: one by one, a million would take hours.
pub const UNCOUNTED: &str =
    "ALTER TABLE host_record DISABLE TRIGGER USER; ALTER TABLE past_session DISABLE TRIGGER USER";

/// Counts those that came since [`UNCOUNTED`].
pub fn counted() -> String {
    let (around, each) = (limits::RECORD_AROUND, limits::PAST_SESSION);
    format!(
        "UPDATE host_room SET bytes = (SELECT coalesce(sum(octet_length(body) + {around}), 0) FROM host_record) \
         + (SELECT count(*) * {each} FROM past_session); \
         ALTER TABLE host_record ENABLE TRIGGER USER; ALTER TABLE past_session ENABLE TRIGGER USER"
    )
}

/// Takes the steps that are missing. Where there is nothing at all it makes the tables, with the first record of a
/// journal that `opening` is the body of, if there is one.
pub(super) fn bring(
    place: &Place,
    steps: &[Step],
    opening: Option<&dyn Fn(LogId) -> (Stamp, String)>,
) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        let link = place.connect()?;
        let taken = take(&link, place.said(), steps, opening);
        // A table that somebody reads can stand in the way of another that they want: one of the two is cut off.
        if taken.is_ok() || !link.was_in_the_way() || begun.elapsed() > limits::DATABASE_STEPS {
            return taken;
        }
    }
}

fn take(
    link: &Link,
    said: &str,
    steps: &[Step],
    opening: Option<&dyn Fn(LogId) -> (Stamp, String)>,
) -> Result<(), StoreError> {
    let (sql, known): (&dyn Sql, i64) = (link, i64::try_from(steps.len()).unwrap_or(i64::MAX));
    sql.batch("BEGIN")?;
    sql.batch(&format!("SELECT pg_advisory_xact_lock({LOCK})"))?;
    let found = version(sql)?;
    if found.is_none() && opening.is_none() {
        return Err(StoreError::Database(format!(
            "{said}: there is no hub in it: set one up with `jit-hub init`, or bring one with `jit-hub migrate`"
        )));
    }
    let (at, oldest) = found.unwrap_or((0, 0));
    if at > known && oldest > known {
        return Err(StoreError::Newer { path: Path::new(said).into(), found: at, known });
    }
    if (1..known).contains(&at) {
        // Writers come by here first, and so must whoever changes what they write.
        sql.batch("LOCK TABLE head IN ACCESS EXCLUSIVE MODE")?;
    }
    sql.batch(&format!("SET LOCAL statement_timeout = {}", limits::DATABASE_STEP.as_millis()))?;
    for (step, number) in steps.iter().zip(1_i64..).filter(|(_, number)| *number > at) {
        link.batch_within(limits::DATABASE_STEP, &(step.sql)())?;
        sql.execute(
            "INSERT INTO schema_version (version, oldest) VALUES (?1, ?2)",
            &[&number, &step.oldest],
        )?;
    }
    if let (None, Some(opening)) = (found, opening) {
        begin_log(sql, opening)?;
    }
    sql.batch("COMMIT")
}

/// Begins a transaction in which there are all tables, of a database in which there were none. The journal has no
/// record yet.
pub fn begin_empty(link: &Link, said: &str) -> Result<(), StoreError> {
    let sql: &dyn Sql = link;
    // Nobody waits behind it.
    sql.batch(&format!(
        "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
         SELECT pg_advisory_xact_lock({LOCK})"
    ))?;
    if version(sql)?.is_some() {
        return Err(StoreError::Database(format!(
            "{said}: there is a hub in it already: make an empty database, and name that one"
        )));
    }
    for (step, number) in STEPS.iter().zip(1_i64..) {
        sql.batch(&(step.sql)())?;
        sql.execute(
            "INSERT INTO schema_version (version, oldest) VALUES (?1, ?2)",
            &[&number, &step.oldest],
        )?;
    }
    Ok(())
}

/// The step that was taken last and what it asks of others; none where there are no tables.
fn version(sql: &dyn Sql) -> Result<Option<(i64, i64)>, StoreError> {
    let there: i64 = sql.one("SELECT to_regclass('schema_version') IS NOT NULL", &[])?;
    if there == 0 {
        return Ok(None);
    }
    sql.row("SELECT version, oldest FROM schema_version ORDER BY version DESC LIMIT 1", &[])
}

/// The first record of a new journal.
fn begin_log(sql: &dyn Sql, opening: &dyn Fn(LogId) -> (Stamp, String)) -> Result<(), StoreError> {
    let log = store::new_log()?;
    store::set_meta(sql, "log", &log.to_string())?;
    let (stamp, body) = opening(log);
    let head = store::append(sql, Head::start(log), stamp, body)?;
    sql.execute("UPDATE head SET seq = ?1, hash = ?2", &[&head.seq, &head.hash.0])?;
    Ok(())
}
