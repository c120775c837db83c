//! Rows of hosts, of what lets them in, and of what was signed for them.

use crate::inbox;
use crate::limits;
use access::{Grant, GrantId, HostName, Time};
use api::{HostView, Join};
use desk::DeskError;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use sync::{Digest, Entry, Envelope, PublicKey, SignedGrant};
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

/// A grant that hosts must hear of.
pub struct ToSign {
    /// The grant.
    pub grant: Grant,
    /// The request that opened it, and then those that extended it.
    pub requests: Vec<Request>,
    /// This very version, where another key signed it.
    pub before: Option<Envelope>,
}

/// The same, or why it cannot be read.
pub type Unsigned = Result<ToSign, DeskError>;

/// Grants that hosts must hear of and that are not signed as they are by this key: those that ended, or those that did
/// not, by rising id after this one.
pub fn unsigned(
    connection: &Connection,
    now: Time,
    key: Option<PublicKey>,
    ended: bool,
    after: Option<GrantId>,
) -> Result<Vec<(GrantId, Unsigned)>, DeskError> {
    let mut select = connection.prepare_cached(
        "SELECT g.id, g.body, iif(s.version = json_extract(g.body, '$.version'), s.envelope, NULL) FROM grants g LEFT JOIN signed s ON s.id = g.id \
         WHERE g.latest_ms > ?1 AND g.id > ?2 AND (json_extract(g.body, '$.ended') IS NOT NULL) = ?3 \
         AND (s.id IS NULL OR s.version < json_extract(g.body, '$.version') OR s.key <> ?4) ORDER BY g.id LIMIT ?5",
    )?;
    let key = key.map(|key| key.to_string());
    let after = after.map_or(-1, |after| i64::try_from(after.bits()).unwrap_or(i64::MAX));
    let wanted = params![now.timestamp_millis(), after, ended, key, limits::SIGN_AT_ONCE];
    let rows = select.query_map(wanted, |row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let read = |body: String, before: Option<String>| {
        let grant: Grant = json("a grant", &body)?;
        let requests = requests_of(connection, &grant)?;
        let before = before.map(|before| json("a signed grant", &before)).transpose()?;
        Ok(ToSign { grant, requests, before })
    };
    Ok(rows.into_iter().map(|(id, body, before)| (GrantId::from_random(id), read(body, before))).collect())
}

/// The request that opened a grant, and then those that extended it.
fn requests_of(connection: &Connection, grant: &Grant) -> Result<Vec<Request>, DeskError> {
    let body: Option<String> = connection
        .prepare_cached("SELECT body FROM request WHERE id = ?1")?
        .query_row([grant.request.bits()], |row| row.get(0))
        .optional()?;
    let body =
        body.ok_or_else(|| unreadable("a grant", &format!("its request {} is gone", grant.request)))?;
    let mut requests: Vec<Request> = vec![json("a request", &body)?];
    if grant.extended > 0 {
        let mut select = connection.prepare_cached(
            "SELECT body FROM request WHERE person = ?1 AND state = 'approved' AND asked_ms >= ?2 ORDER BY asked_ms, id",
        )?;
        let since = grant.approved_at.timestamp_millis();
        let rows = select.query_map(params![grant.person.as_str(), since], |row| row.get::<_, String>(0))?;
        for row in rows {
            let request: Request = json("a request", &row?)?;
            if request.ask.kind == (Kind::Extend { grant: grant.id }) {
                requests.push(request);
            }
        }
    }
    Ok(requests)
}

/// Keeps a grant as this key signed it. Whether that is another than was kept.
pub fn put_signed(
    connection: &Connection,
    grant: &Grant,
    envelope: &Envelope,
    key: &PublicKey,
) -> Result<bool, DeskError> {
    let until = grant.window.latest_end() + sync::limits::TOMBSTONE;
    let kept = connection
        .prepare_cached(
            "INSERT INTO signed (id, version, digest, envelope, key, until_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) DO UPDATE SET version = ?2, digest = ?3, envelope = ?4, key = ?5, until_ms = ?6, hidden = 0 \
             WHERE version < ?2 OR (version = ?2 AND key <> ?5)",
        )?
        .execute(params![
            grant.id.bits(),
            grant.version,
            Digest::of(envelope.payload()).to_string(),
            text(envelope)?,
            key.to_string(),
            until.timestamp_millis()
        ])?;
    let mut insert = connection
        .prepare_cached("INSERT INTO signed_host (host, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for host in &grant.hosts {
        insert.execute(params![host.as_str(), grant.id.bits()])?;
    }
    Ok(kept > 0)
}

/// Hides a grant that ended and is not signed as ended. Whether hosts saw it until now.
pub fn hide(connection: &Connection, grant: &Grant) -> Result<bool, DeskError> {
    let hidden = connection
        .prepare_cached("UPDATE signed SET hidden = 1 WHERE id = ?1 AND version < ?2 AND hidden = 0")?
        .execute(params![grant.id.bits(), grant.version])?;
    Ok(hidden > 0)
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
    pub permits: Vec<inbox::rows::KeptPermit>,
}

/// What one host must hold, all from one look at the database.
pub fn truth(connection: &Connection, host: &HostName) -> Result<Truth, DeskError> {
    let look = connection.unchecked_transaction()?;
    let revision = revision(&look)?;
    let mut select = look.prepare_cached(
        "SELECT s.id, s.version, s.digest, s.envelope FROM signed_host h JOIN signed s ON s.id = h.id \
         WHERE h.host = ?1 AND s.hidden = 0 ORDER BY s.id LIMIT ?2",
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
                "INSERT INTO signed VALUES (1, 1, '', '', '', 0, 1000); INSERT INTO signed_host VALUES ('a', 1)",
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
