//! Rows of hosts' journals and of sessions that are open on them.

use access::{Grant, GrantId, HostName, SessionId, Time};
use api::{EndThere, SessionView};
use desk::DeskError;
use journal::{Hash, Head, LogId, Row};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use sync::{Digest, Entry, Era, PublicKey, SignedPermit};

fn unreadable(what: &str, why: &dyn std::fmt::Display) -> DeskError {
    DeskError::Store(format!("the row of {what} cannot be read: {why}"))
}

/// A log as far as it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its end.
    pub head: Head,
    /// What is wrong with it.
    pub alarm: Option<String>,
}

/// Whose log it is.
#[derive(Clone, Debug)]
pub struct Whose {
    /// The host.
    pub host: HostName,
    /// The token that it joined by: one that joined anew begins anew.
    pub joined: Digest,
    /// The log.
    pub log: LogId,
}

impl Whose {
    fn key(&self) -> (&str, &[u8], String) {
        (self.host.as_str(), self.joined.as_bytes(), self.log.to_string())
    }
}

/// A log of a host.
pub fn log(connection: &Connection, whose: &Whose) -> Result<Option<Log>, DeskError> {
    let (host, joined, log) = whose.key();
    let mut select = connection.prepare_cached(
        "SELECT size, hash, alarm FROM host_log WHERE host = ?1 AND joined = ?2 AND log = ?3",
    )?;
    let row: Option<(u64, [u8; 32], Option<String>)> = select
        .query_row(params![host, joined, log], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(row.map(|(seq, hash, alarm)| Log { head: Head { log: whose.log, seq, hash: Hash(hash) }, alarm }))
}

/// The hash of a record that was taken, if it is still here.
pub fn hash_of(connection: &Connection, whose: &Whose, seq: u64) -> Result<Option<Hash>, DeskError> {
    let (host, joined, log) = whose.key();
    let mut select = connection.prepare_cached(
        "SELECT hash FROM host_record WHERE host = ?1 AND joined = ?2 AND log = ?3 AND seq = ?4",
    )?;
    let hash: Option<[u8; 32]> =
        select.query_row(params![host, joined, log, seq], |row| row.get(0)).optional()?;
    Ok(hash.map(Hash))
}

/// Keeps a record.
pub fn put_record(connection: &Connection, whose: &Whose, row: &Row) -> Result<(), DeskError> {
    let (host, joined, log) = whose.key();
    let Row { seq, stamp, body, prev, hash, .. } = row;
    connection
        .prepare_cached(
            "INSERT INTO host_record (host, joined, log, seq, boot, wall_ms, boot_ms, body, prev, hash) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            host,
            joined,
            log,
            seq,
            stamp.boot,
            stamp.wall_ms,
            stamp.boot_ms,
            body,
            prev.0,
            hash.0
        ])?;
    Ok(())
}

/// A log goes to `head` now, and begins with `first` where it is new.
pub fn put_log(
    connection: &Connection,
    whose: &Whose,
    head: Head,
    first: u64,
    now: Time,
) -> Result<(), DeskError> {
    let (host, joined, log) = whose.key();
    connection
        .prepare_cached(
            "INSERT INTO host_log (host, joined, log, first, size, hash, heard_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (host, joined, log) DO UPDATE SET size = ?5, hash = ?6, heard_ms = ?7",
        )?
        .execute(params![host, joined, log, first, head.seq, head.hash.0, now.timestamp_millis()])?;
    Ok(())
}

/// Something is wrong with a log that is there.
pub fn set_alarm(connection: &Connection, whose: &Whose, alarm: &str) -> Result<(), DeskError> {
    let (host, joined, log) = whose.key();
    connection
        .prepare_cached("UPDATE host_log SET alarm = ?4 WHERE host = ?1 AND joined = ?2 AND log = ?3")?
        .execute(params![host, joined, log, alarm])?;
    Ok(())
}

/// Of each host the log that was heard of last: its size, and what is wrong with it.
pub fn logs(connection: &Connection) -> Result<BTreeMap<String, (u64, Option<String>)>, DeskError> {
    let mut select =
        connection.prepare_cached("SELECT host, size, alarm FROM host_log ORDER BY heard_ms, log")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes away records that were written before this.
pub fn forget_records(connection: &Connection, before: Time) -> Result<usize, DeskError> {
    Ok(connection
        .prepare_cached("DELETE FROM host_record WHERE wall_ms < ?1")?
        .execute([before.timestamp_millis()])?)
}

/// Keeps a permit of a host, which is listed from now on.
pub fn put_permit(
    connection: &Connection,
    host: &HostName,
    grant: &Grant,
    kept: &KeptPermit,
    era: Era,
) -> Result<(), DeskError> {
    let KeptPermit { signed, key } = kept;
    let json = |why: serde_json::Error| DeskError::Store(why.to_string());
    connection
        .prepare_cached(
            "INSERT INTO permit (id, host, listed, digest, envelope, key, era, body, until_ms) \
             VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            grant.id.bits(),
            host.as_str(),
            signed.entry.digest.to_string(),
            serde_json::to_string(&signed.envelope).map_err(json)?,
            key.to_string(),
            era.to_string(),
            serde_json::to_string(grant).map_err(json)?,
            grant.window.latest_end().timestamp_millis()
        ])?;
    Ok(())
}

/// A permit is listed no more. Whether it was.
pub fn unlist_permit(connection: &Connection, id: GrantId) -> Result<bool, DeskError> {
    let mut update =
        connection.prepare_cached("UPDATE permit SET listed = 0 WHERE id = ?1 AND listed = 1")?;
    Ok(update.execute([id.bits()])? == 1)
}

fn grant(body: &str) -> Result<Grant, DeskError> {
    serde_json::from_str(body).map_err(|why| unreadable("a permit", &why))
}

/// All permits that are listed, each with the era that it was made in.
pub fn permits(connection: &Connection) -> Result<Vec<(Grant, String)>, DeskError> {
    let mut select =
        connection.prepare_cached("SELECT body, era FROM permit WHERE listed = 1 ORDER BY id")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (body, era) = row?;
        Ok((grant(&body)?, era))
    })
    .collect()
}

/// How many are listed.
pub fn count_permits(connection: &Connection) -> Result<u64, DeskError> {
    let mut select = connection.prepare_cached("SELECT count(*) FROM permit WHERE listed = 1")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// A permit that this host was given, listed or not.
pub fn permit(connection: &Connection, host: &HostName, id: GrantId) -> Result<Option<Grant>, DeskError> {
    let mut select = connection.prepare_cached("SELECT body FROM permit WHERE id = ?1 AND host = ?2")?;
    let body: Option<String> =
        select.query_row(params![id.bits(), host.as_str()], |row| row.get(0)).optional()?;
    body.map(|body| grant(&body)).transpose()
}

/// A permit as it was signed, and by which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPermit {
    /// The permit.
    pub signed: SignedPermit,
    /// The key.
    pub key: PublicKey,
}

/// The permits of one host as they were signed, by rising id.
pub fn signed_permits(connection: &Connection, host: &HostName) -> Result<Vec<KeptPermit>, DeskError> {
    let most = u32::try_from(sync::limits::PERMITS).unwrap_or(u32::MAX);
    let mut select = connection.prepare_cached(
        "SELECT id, digest, envelope, key FROM permit WHERE host = ?1 AND listed = 1 ORDER BY id LIMIT ?2",
    )?;
    let rows = select.query_map(params![host.as_str(), most], |row| {
        Ok((
            row.get::<_, u64>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, String>(3)?,
        ))
    })?;
    rows.map(|row| {
        let (id, digest, envelope, key) = row?;
        let wrong = |why: &dyn std::fmt::Display| unreadable("a permit", why);
        let digest = digest.parse().map_err(|why| wrong(&why))?;
        let envelope = serde_json::from_str(&envelope).map_err(|why| wrong(&why))?;
        // A permit has one version.
        let entry = Entry { id: GrantId::from_random(id), version: 1, digest };
        let key = key.parse().map_err(|why| wrong(&why))?;
        Ok(KeptPermit { signed: SignedPermit { entry, envelope }, key })
    })
    .collect()
}

/// Takes away permits that are listed no more and were over before this.
pub fn forget_permits(connection: &Connection, before: Time) -> Result<(), DeskError> {
    connection
        .prepare_cached("DELETE FROM permit WHERE listed = 0 AND until_ms < ?1")?
        .execute([before.timestamp_millis()])?;
    Ok(())
}

/// A session on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct There {
    /// Where.
    pub host: HostName,
    /// As the host told of it.
    pub view: SessionView,
    /// Who wants it ended.
    pub ending: Option<EndThere>,
}

/// These are open on a host, and no others.
pub fn put_sessions(connection: &Connection, host: &HostName, open: &[SessionView]) -> Result<(), DeskError> {
    let mut gone: Vec<u64> = {
        let mut select = connection.prepare_cached("SELECT id FROM host_session WHERE host = ?1")?;
        let ids = select.query_map([host.as_str()], |row| row.get(0))?;
        ids.collect::<Result<_, _>>()?
    };
    gone.retain(|id| !open.iter().any(|view| view.session.id.bits() == *id));
    let mut delete = connection.prepare_cached("DELETE FROM host_session WHERE host = ?1 AND id = ?2")?;
    for id in gone {
        delete.execute(params![host.as_str(), id])?;
    }
    let mut put = connection.prepare_cached(
        "INSERT INTO host_session (host, id, opened_ms, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (host, id) DO UPDATE SET opened_ms = ?3, body = ?4",
    )?;
    for view in open {
        let body = serde_json::to_string(view).map_err(|why| DeskError::Store(why.to_string()))?;
        let (id, opened) = (view.session.id.bits(), view.session.opened.timestamp_millis());
        put.execute(params![host.as_str(), id, opened, body])?;
    }
    Ok(())
}

fn there(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, String, Option<String>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn read((host, body, ending): (String, String, Option<String>)) -> Result<There, DeskError> {
    let wrong = |why: &dyn std::fmt::Display| unreadable("a session", why);
    Ok(There {
        host: HostName::parse(&host).map_err(|why| wrong(&why))?,
        view: serde_json::from_str(&body).map_err(|why| wrong(&why))?,
        ending: ending.map(|ending| serde_json::from_str(&ending)).transpose().map_err(|why| wrong(&why))?,
    })
}

/// Sessions on all hosts, the newest first.
pub fn sessions(connection: &Connection, limit: u32) -> Result<Vec<There>, DeskError> {
    let mut select = connection
        .prepare_cached("SELECT host, body, ending FROM host_session ORDER BY opened_ms DESC, id LIMIT ?1")?;
    let rows = select.query_map([limit], there)?;
    rows.map(|row| read(row?)).collect()
}

/// Sessions whose ids are from `low` to `high`, some of them.
pub fn sessions_within(
    connection: &Connection,
    low: SessionId,
    high: SessionId,
) -> Result<Vec<There>, DeskError> {
    let mut select = connection
        .prepare_cached("SELECT host, body, ending FROM host_session WHERE id BETWEEN ?1 AND ?2 LIMIT 100")?;
    let rows = select.query_map([low.bits(), high.bits()], there)?;
    rows.map(|row| read(row?)).collect()
}

/// Somebody wants a session ended; whoever was first stays. Whether it is there.
pub fn end_session(connection: &Connection, host: &HostName, end: &EndThere) -> Result<bool, DeskError> {
    let ending = serde_json::to_string(end).map_err(|why| DeskError::Store(why.to_string()))?;
    let found = connection
        .prepare_cached("UPDATE host_session SET ending = coalesce(ending, ?3) WHERE host = ?1 AND id = ?2")?
        .execute(params![host.as_str(), end.session.bits(), ending])?;
    Ok(found == 1)
}

/// Sessions of a host that somebody wants ended.
pub fn ending(connection: &Connection, host: &HostName) -> Result<Vec<EndThere>, DeskError> {
    let mut select = connection.prepare_cached(
        "SELECT ending FROM host_session WHERE host = ?1 AND ending IS NOT NULL ORDER BY id",
    )?;
    let rows = select.query_map([host.as_str()], |row| row.get::<_, String>(0))?;
    rows.map(|row| serde_json::from_str(&row?).map_err(|why| unreadable("a session", &why))).collect()
}

/// How many sessions are open on all hosts.
pub fn count_sessions(connection: &Connection) -> Result<u64, DeskError> {
    let mut select = connection.prepare_cached("SELECT count(*) FROM host_session")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// A host that is none any more has no sessions.
pub fn forget_sessions(connection: &Connection, host: &HostName) -> Result<(), DeskError> {
    connection.prepare_cached("DELETE FROM host_session WHERE host = ?1")?.execute([host.as_str()])?;
    Ok(())
}
