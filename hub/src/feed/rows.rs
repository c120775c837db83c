//! Rows of hosts, of what lets them in, and of what was signed for them.

use crate::limits;
use access::{Grant, GrantId, HostName, Text, Time};
use api::{HostView, Join};
use desk::DeskError;
use std::collections::BTreeMap;
use store::Sql;
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
    connection: &dyn Sql,
    hash: &Digest,
    labels: &BTreeMap<String, String>,
    uses: u32,
    expires: Time,
    seq: u64,
) -> Result<(), DeskError> {
    connection.execute(
        "INSERT INTO join_token (hash, labels, uses, expires_ms, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[hash.as_bytes(), &text(labels)?, &uses, &expires.timestamp_millis(), &seq],
    )?;
    Ok(())
}

/// Uses a token up by one. Its labels; none where it lets nobody in.
pub fn use_join_token(
    connection: &dyn Sql,
    hash: &Digest,
    now: Time,
) -> Result<Option<BTreeMap<String, String>>, DeskError> {
    let labels: Option<String> = connection.row(
        "UPDATE join_token SET uses = uses - 1 WHERE hash = ?1 AND uses > 0 AND expires_ms > ?2 RETURNING labels",
        &[hash.as_bytes(), &now.timestamp_millis()],
    )?;
    labels.map(|labels| json("a join token", &labels)).transpose()
}

/// Keeps a host, new or joined again, after its record.
pub fn put_host(
    connection: &dyn Sql,
    join: &Join,
    labels: &BTreeMap<String, String>,
    now: Time,
    seq: u64,
) -> Result<(), DeskError> {
    connection.execute(
        "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (name) DO UPDATE SET labels = ?2, key = ?3, machine = ?4, joined = ?5, joined_ms = ?6, seq = ?7",
        &[
            &join.host.as_str(),
            &text(labels)?,
            &join.key.to_string(),
            &join.machine.to_string(),
            join.token.as_bytes(),
            &now.timestamp_millis(),
            &seq,
        ],
    )?;
    Ok(())
}

/// What a host said last, as one hub heard it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Time,
    /// The revision that it said it holds.
    pub revision: u64,
    /// Its release.
    pub version: Text,
    /// Whether it listens.
    pub listening: bool,
}

/// Writes down what this host said, to this hub.
pub fn put_seen(connection: &dyn Sql, host: &HostName, seen: &Seen, hub: &str) -> Result<(), DeskError> {
    connection.execute(
        "INSERT INTO host_seen (name, seen_ms, revision, version, hub, listening) \
         SELECT name, ?2, ?3, ?4, ?5, ?6 FROM host WHERE name = ?1 \
         ON CONFLICT (name) DO UPDATE \
         SET seen_ms = ?2, revision = ?3, version = ?4, hub = ?5, listening = ?6 \
         WHERE host_seen.hub = ?5 OR host_seen.seen_ms <= ?2",
        &[
            &host.as_str(),
            &seen.at.timestamp_millis(),
            &seen.revision,
            &seen.version.as_str(),
            &hub,
            &seen.listening,
        ],
    )?;
    Ok(())
}

/// Writes down that this hub serves, and forgets those that have not for long.
pub fn put_serving(connection: &dyn Sql, hub: &str, now: Time) -> Result<(), DeskError> {
    let long_ago = now - limits::SERVING_EVERY * 100;
    connection.execute("DELETE FROM serving WHERE alive_ms < ?1", &[&long_ago.timestamp_millis()])?;
    connection.execute(
        "INSERT INTO serving (hub, alive_ms) VALUES (?1, ?2) ON CONFLICT (hub) DO UPDATE SET alive_ms = ?2",
        &[&hub, &now.timestamp_millis()],
    )?;
    Ok(())
}

/// Takes a host away, after its record. Whether there was one.
pub fn remove_host(connection: &dyn Sql, host: &HostName) -> Result<bool, DeskError> {
    connection.execute("DELETE FROM host_seen WHERE name = ?1", &[&host.as_str()])?;
    Ok(connection.execute("DELETE FROM host WHERE name = ?1", &[&host.as_str()])? == 1)
}

/// The host of this name.
pub fn host(connection: &dyn Sql, host: &HostName) -> Result<Option<Host>, DeskError> {
    let row: Option<(String, String, [u8; 32])> =
        connection.row("SELECT key, machine, joined FROM host WHERE name = ?1", &[&host.as_str()])?;
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

/// All hosts, by name, as the database knows them; those that listen, to a hub other than this that serves.
pub fn hosts(connection: &dyn Sql, hub: &str, now: Time) -> Result<Vec<HostView>, DeskError> {
    type Row = (String, String, i64, Option<i64>, Option<u64>, Option<String>, i64);
    let alive = now - limits::SERVING_EVERY * 3;
    let rows: Vec<Row> = connection.rows(
        "SELECT host.name, labels, joined_ms, seen_ms, revision, version, \
         CASE WHEN listening = 1 AND EXISTS (SELECT 1 FROM serving WHERE serving.hub = host_seen.hub \
           AND serving.hub <> ?1 AND alive_ms > ?2) THEN 1 ELSE 0 END \
         FROM host LEFT JOIN host_seen ON host_seen.name = host.name ORDER BY host.name",
        &[&hub, &alive.timestamp_millis()],
    )?;
    let view = |(name, labels, joined, seen, revision, version, connected): Row| {
        Ok(HostView {
            host: HostName::parse(&name).map_err(|why| unreadable("a host", &why))?,
            labels: json("a host", &labels)?,
            joined: Time::from_timestamp_millis(joined).unwrap_or_default(),
            connected: connected == 1,
            seen: seen.and_then(Time::from_timestamp_millis),
            revision,
            version: version.and_then(|version| Text::parse(&version).ok()),
        })
    };
    rows.into_iter().map(view).collect()
}

/// A grant with the request that gave it its newest version, or why it cannot be read.
pub type Unsigned = Result<(Grant, Request), DeskError>;

/// Grants that hosts must hear of and that are not signed as they are; those that ended first.
pub fn unsigned(connection: &dyn Sql, now: Time, limit: u32) -> Result<Vec<Unsigned>, DeskError> {
    let bodies: Vec<String> = connection.rows(
        "SELECT g.body FROM grants g LEFT JOIN signed s ON s.id = g.id \
         WHERE g.latest_ms > ?1 AND (s.id IS NULL OR s.version < g.version) ORDER BY g.closed DESC, g.id LIMIT ?2",
        &[&now.timestamp_millis(), &limit],
    )?;
    let read = |body: String| {
        let grant: Grant = json("a grant", &body)?;
        let request = request_of(connection, &grant)?;
        Ok((grant, request))
    };
    Ok(bodies.into_iter().map(read).collect())
}

/// The request that gave a grant its newest version: its last extension, else the one that opened it.
fn request_of(connection: &dyn Sql, grant: &Grant) -> Result<Request, DeskError> {
    if grant.extended > 0 && grant.ended.is_none() {
        let bodies: Vec<String> = connection.rows(
            "SELECT body FROM request WHERE person = ?1 AND state = 'approved' ORDER BY asked_ms DESC",
            &[&grant.person.as_str()],
        )?;
        for body in bodies {
            let request: Request = json("a request", &body)?;
            if request.ask.kind == (Kind::Extend { grant: grant.id }) {
                return Ok(request);
            }
        }
    }
    let body: Option<String> =
        connection.row("SELECT body FROM request WHERE id = ?1", &[&grant.request.bits()])?;
    let body =
        body.ok_or_else(|| unreadable("a grant", &format!("its request {} is gone", grant.request)))?;
    json("a request", &body)
}

/// Keeps a signed grant at the next revision, which it gives back; the present one where this version of it is kept
/// already, by another hub that signed it at the same time.
pub fn put_signed(connection: &dyn Sql, grant: &Grant, signed: &SignedGrant) -> Result<u64, DeskError> {
    let until = grant.window.latest_end() + sync::limits::TOMBSTONE;
    let revision = revision(connection)?;
    let changed = connection.execute(
        "INSERT INTO signed (id, version, digest, envelope, until_ms, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (id) DO UPDATE \
         SET version = ?2, digest = ?3, envelope = ?4, until_ms = ?5, revision = ?6 WHERE signed.version < ?2",
        &[
            &grant.id.bits(),
            &grant.version,
            &signed.entry.digest.to_string(),
            &text(&signed.envelope)?,
            &until.timestamp_millis(),
            &(revision + 1),
        ],
    )?;
    if changed == 0 {
        return Ok(revision);
    }
    for host in &grant.hosts {
        connection.execute(
            "INSERT INTO signed_host (host, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            &[&host.as_str(), &grant.id.bits()],
        )?;
    }
    rise(connection)
}

/// Hosts of which a signed grant changed after this revision.
pub fn hosts_since(connection: &dyn Sql, revision: u64) -> Result<Vec<HostName>, DeskError> {
    let names: Vec<String> = connection.rows(
        "SELECT DISTINCT signed_host.host FROM signed JOIN signed_host ON signed_host.id = signed.id \
         WHERE signed.revision > ?1",
        &[&revision],
    )?;
    names.iter().map(|name| HostName::parse(name).map_err(|why| unreadable("a signed grant", &why))).collect()
}

/// The next revision.
pub fn rise(connection: &dyn Sql) -> Result<u64, DeskError> {
    connection.execute("UPDATE head SET revision = revision + 1", &[])?;
    revision(connection)
}

/// The revision.
pub fn revision(connection: &dyn Sql) -> Result<u64, DeskError> {
    Ok(connection.one("SELECT revision FROM head", &[])?)
}

/// Takes away what is over for so long that no host needs to know. How many.
pub fn forget_signed(connection: &dyn Sql, now: Time) -> Result<usize, DeskError> {
    let now = now.timestamp_millis();
    connection.execute(
        "DELETE FROM signed_host WHERE id IN (SELECT id FROM signed WHERE until_ms <= ?1)",
        &[&now],
    )?;
    let gone = connection.execute("DELETE FROM signed WHERE until_ms <= ?1", &[&now])?;
    if gone > 0 {
        // Another list under the same revision is what a fork looks like.
        rise(connection)?;
    }
    Ok(gone)
}

/// What one host must hold, by rising id, and the revision that this is of: both from one look at the database.
pub fn truth(connection: &dyn Sql, host: &HostName) -> Result<(u64, Vec<SignedGrant>), DeskError> {
    type Signed = (u64, Option<u64>, Option<u32>, Option<String>, Option<String>);
    let most = u32::try_from(sync::limits::GRANTS).unwrap_or(u32::MAX);
    // One statement sees one state, in every database; and the revision is there also where nothing is signed.
    let rows: Vec<Signed> = connection.rows(
        "SELECT head.revision, s.id, s.version, s.digest, s.envelope FROM head LEFT JOIN \
         (SELECT signed.* FROM signed_host JOIN signed ON signed.id = signed_host.id \
          WHERE signed_host.host = ?1 ORDER BY signed.id LIMIT ?2) AS s ON 1 = 1 ORDER BY s.id",
        &[&host.as_str(), &most],
    )?;
    let Some((revision, ..)) = rows.first() else { return Err(unreadable("the head", &"it is gone")) };
    let (revision, mut signed) = (*revision, Vec::with_capacity(rows.len()));
    for row in rows {
        let (_, Some(id), Some(version), Some(digest), Some(envelope)) = row else { continue };
        let digest = digest.parse().map_err(|why| unreadable("a signed grant", &why))?;
        let envelope: Envelope = json("a signed grant", &envelope)?;
        signed.push(SignedGrant { entry: Entry { id: GrantId::from_random(id), version, digest }, envelope });
    }
    Ok((revision, signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_never_changes_under_the_same_revision_also_where_what_is_long_over_goes() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../tables.sql")).unwrap();
        connection
            .execute_batch(
                "INSERT INTO signed VALUES (1, 1, '', '', 1000, 1); INSERT INTO signed_host VALUES ('a', 1)",
            )
            .unwrap();
        let at = |ms| Time::from_timestamp_millis(ms).unwrap();
        assert_eq!((forget_signed(&connection, at(999)).unwrap(), revision(&connection).unwrap()), (0, 0));
        assert_eq!((forget_signed(&connection, at(1000)).unwrap(), revision(&connection).unwrap()), (1, 1));
        let host = HostName::parse("a").unwrap();
        assert_eq!(truth(&connection, &host).unwrap(), (1, Vec::new()));
    }
}
