//! Rows of hosts, of what lets them in, and of what was signed for them.

use crate::inbox;
use access::{Grant, GrantId, HostName, Time};
use api::{HostView, Join};
use desk::DeskError;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use sync::{Digest, Entry, Envelope, PublicKey, SignedGrant, SignedPermit};
use workflow::{Kind, Request};

fn unreadable(what: &str, why: &dyn std::fmt::Display) -> DeskError {
    DeskError::Store(format!("the row of {what} cannot be read: {why}"))
}

fn json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, DeskError> {
    serde_json::from_str(text).map_err(|why| unreadable(what, &why))
}

fn text(value: &impl serde::Serialize) -> Result<String, DeskError> {
    serde_json::to_string(value).map_err(|why| DeskError::Store(why.to_string()))
}

/// A host as it signs its calls.
pub struct Host {
    /// Its key.
    pub key: PublicKey,
    /// Of its machine id.
    pub machine: Digest,
    /// The token that let it in.
    pub joined: Digest,
}

/// Keeps a token for new hosts, after its record.
pub fn put_join_token(
    connection: &Connection,
    hash: &Digest,
    labels: &BTreeMap<String, String>,
    uses: u32,
    expires: Time,
    seq: u64,
) -> Result<(), DeskError> {
    connection
        .prepare_cached(
            "INSERT INTO join_token (hash, labels, uses, expires_ms, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![hash.as_bytes(), text(labels)?, uses, expires.timestamp_millis(), seq])?;
    Ok(())
}

/// Uses a token up by one. Its labels; none where it lets nobody in.
pub fn use_join_token(
    connection: &Connection,
    hash: &Digest,
    now: Time,
) -> Result<Option<BTreeMap<String, String>>, DeskError> {
    let labels: Option<String> = connection
        .prepare_cached(
            "UPDATE join_token SET uses = uses - 1 WHERE hash = ?1 AND uses > 0 AND expires_ms > ?2 RETURNING labels",
        )?
        .query_row(params![hash.as_bytes(), now.timestamp_millis()], |row| row.get(0))
        .optional()?;
    labels.map(|labels| json("a join token", &labels)).transpose()
}

/// Keeps a host, new or joined again, after its record.
pub fn put_host(
    connection: &Connection,
    join: &Join,
    labels: &BTreeMap<String, String>,
    now: Time,
    seq: u64,
) -> Result<(), DeskError> {
    connection
        .prepare_cached(
            "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (name) DO UPDATE SET labels = ?2, key = ?3, machine = ?4, joined = ?5, joined_ms = ?6, seq = ?7",
        )?
        .execute(params![
            join.host.as_str(),
            text(labels)?,
            join.key.to_string(),
            join.machine.to_string(),
            join.token.as_bytes(),
            now.timestamp_millis(),
            seq
        ])?;
    Ok(())
}

/// Takes a host away, after its record. Whether there was one.
pub fn remove_host(connection: &Connection, host: &HostName) -> Result<bool, DeskError> {
    Ok(connection.prepare_cached("DELETE FROM host WHERE name = ?1")?.execute([host.as_str()])? == 1)
}

/// The host of this name.
pub fn host(connection: &Connection, host: &HostName) -> Result<Option<Host>, DeskError> {
    let row: Option<(String, String, [u8; 32])> = connection
        .prepare_cached("SELECT key, machine, joined FROM host WHERE name = ?1")?
        .query_row([host.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    row.map(|(key, machine, joined)| {
        let wrong = |why: &dyn std::fmt::Display| unreadable("a host", why);
        Ok(Host {
            key: key.parse().map_err(|why| wrong(&why))?,
            machine: machine.parse().map_err(|why| wrong(&why))?,
            joined: Digest::from_bytes(&joined).ok_or_else(|| wrong(&"it is no digest"))?,
        })
    })
    .transpose()
}

/// All hosts, by name, as the database knows them.
pub fn hosts(connection: &Connection) -> Result<Vec<HostView>, DeskError> {
    let mut select = connection.prepare_cached("SELECT name, labels, joined_ms FROM host ORDER BY name")?;
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    rows.map(|row| {
        let (name, labels, joined) = row?;
        Ok(HostView {
            host: HostName::parse(&name).map_err(|why| unreadable("a host", &why))?,
            labels: json("a host", &labels)?,
            joined: Time::from_timestamp_millis(joined).unwrap_or_default(),
            connected: false,
            seen: None,
            revision: None,
            version: None,
            journal: None,
            alarm: None,
        })
    })
    .collect()
}

/// A grant with the request that gave it its newest version, or why it cannot be read.
pub type Unsigned = Result<(Grant, Request), DeskError>;

/// Grants that hosts must hear of and that are not signed as they are; those that ended first.
pub fn unsigned(connection: &Connection, now: Time, limit: u32) -> Result<Vec<Unsigned>, DeskError> {
    let mut select = connection.prepare_cached(
        "SELECT g.body FROM grants g LEFT JOIN signed s ON s.id = g.id \
         WHERE g.latest_ms > ?1 AND (s.id IS NULL OR s.version < json_extract(g.body, '$.version')) \
         ORDER BY json_extract(g.body, '$.ended') IS NULL, g.id LIMIT ?2",
    )?;
    let rows = select.query_map(params![now.timestamp_millis(), limit], |row| row.get::<_, String>(0))?;
    let bodies = rows.collect::<Result<Vec<String>, _>>()?;
    let read = |body: String| {
        let grant: Grant = json("a grant", &body)?;
        let request = request_of(connection, &grant)?;
        Ok((grant, request))
    };
    Ok(bodies.into_iter().map(read).collect())
}

/// The request that gave a grant its newest version: its last extension, else the one that opened it.
fn request_of(connection: &Connection, grant: &Grant) -> Result<Request, DeskError> {
    if grant.extended > 0 && grant.ended.is_none() {
        let mut select = connection.prepare_cached(
            "SELECT body FROM request WHERE person = ?1 AND state = 'approved' ORDER BY asked_ms DESC",
        )?;
        let rows = select.query_map([grant.person.as_str()], |row| row.get::<_, String>(0))?;
        for row in rows {
            let request: Request = json("a request", &row?)?;
            if request.ask.kind == (Kind::Extend { grant: grant.id }) {
                return Ok(request);
            }
        }
    }
    let body: Option<String> = connection
        .prepare_cached("SELECT body FROM request WHERE id = ?1")?
        .query_row([grant.request.bits()], |row| row.get(0))
        .optional()?;
    let body =
        body.ok_or_else(|| unreadable("a grant", &format!("its request {} is gone", grant.request)))?;
    json("a request", &body)
}

/// Keeps a signed grant at the next revision, which it gives back.
pub fn put_signed(connection: &Connection, grant: &Grant, signed: &SignedGrant) -> Result<u64, DeskError> {
    let until = grant.window.latest_end() + sync::limits::TOMBSTONE;
    connection
        .prepare_cached(
            "INSERT INTO signed (id, version, digest, envelope, until_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (id) DO UPDATE SET version = ?2, digest = ?3, envelope = ?4, until_ms = ?5 WHERE version < ?2",
        )?
        .execute(params![
            grant.id.bits(),
            grant.version,
            signed.entry.digest.to_string(),
            text(&signed.envelope)?,
            until.timestamp_millis()
        ])?;
    let mut insert = connection
        .prepare_cached("INSERT INTO signed_host (host, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for host in &grant.hosts {
        insert.execute(params![host.as_str(), grant.id.bits()])?;
    }
    rise(connection)
}

/// The next revision.
pub fn rise(connection: &Connection) -> Result<u64, DeskError> {
    connection.prepare_cached("UPDATE head SET revision = revision + 1")?.execute([])?;
    revision(connection)
}

/// The revision.
pub fn revision(connection: &Connection) -> Result<u64, DeskError> {
    Ok(connection.prepare_cached("SELECT revision FROM head")?.query_row([], |row| row.get(0))?)
}

/// Takes away what is over for so long that no host needs to know. How many.
pub fn forget_signed(connection: &Connection, now: Time) -> Result<usize, DeskError> {
    connection
        .prepare_cached("DELETE FROM signed_host WHERE id IN (SELECT id FROM signed WHERE until_ms <= ?1)")?
        .execute([now.timestamp_millis()])?;
    let gone = connection
        .prepare_cached("DELETE FROM signed WHERE until_ms <= ?1")?
        .execute([now.timestamp_millis()])?;
    if gone > 0 {
        // Another list under the same revision is what a fork looks like.
        rise(connection)?;
    }
    Ok(gone)
}

/// What one host must hold, as of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The revision.
    pub revision: u64,
    /// The grants, by rising id.
    pub grants: Vec<SignedGrant>,
    /// The permits, by rising id.
    pub permits: Vec<SignedPermit>,
}

/// What one host must hold, all from one look at the database.
pub fn truth(connection: &Connection, host: &HostName) -> Result<Truth, DeskError> {
    let look = connection.unchecked_transaction()?;
    let revision = revision(&look)?;
    let mut select = look.prepare_cached(
        "SELECT s.id, s.version, s.digest, s.envelope FROM signed_host h JOIN signed s ON s.id = h.id \
         WHERE h.host = ?1 ORDER BY s.id LIMIT ?2",
    )?;
    let most = u32::try_from(sync::limits::GRANTS).unwrap_or(u32::MAX);
    let rows = select.query_map(params![host.as_str(), most], |row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
    })?;
    let signed = rows.map(|row| {
        let (id, version, digest, envelope) = row?;
        let digest = digest.parse().map_err(|why| unreadable("a signed grant", &why))?;
        let envelope: Envelope = json("a signed grant", &envelope)?;
        Ok(SignedGrant { entry: Entry { id: GrantId::from_random(id), version, digest }, envelope })
    });
    let grants = signed.collect::<Result<_, DeskError>>()?;
    Ok(Truth { revision, grants, permits: inbox::rows::signed_permits(&look, host)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_never_changes_under_the_same_revision_also_where_what_is_long_over_goes() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../tables.sql")).unwrap();
        connection
            .execute_batch(
                "INSERT INTO signed VALUES (1, 1, '', '', 1000); INSERT INTO signed_host VALUES ('a', 1)",
            )
            .unwrap();
        let at = |ms| Time::from_timestamp_millis(ms).unwrap();
        assert_eq!((forget_signed(&connection, at(999)).unwrap(), revision(&connection).unwrap()), (0, 0));
        assert_eq!((forget_signed(&connection, at(1000)).unwrap(), revision(&connection).unwrap()), (1, 1));
        let host = HostName::parse("a").unwrap();
        let nothing = Truth { revision: 1, grants: Vec::new(), permits: Vec::new() };
        assert_eq!(truth(&connection, &host).unwrap(), nothing);
    }
}
