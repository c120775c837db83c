//! Rows of hosts, of what lets them in, and of what was signed for them.

use crate::inbox;
use crate::limits;
use access::{Grant, GrantId, HostName, Text, Time};
use api::{HostView, Join};
use desk::DeskError;
use std::collections::{BTreeMap, BTreeSet};
use store::Sql;
use sync::{Digest, Entry, Envelope, Era, Membership, PublicKey, SignedGrant, SignedManifest};
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
    /// The incarnation of the hub that it has given back to what it knew.
    pub incarnation: u64,
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
    connection.put(
        "INSERT INTO join_token (hash, labels, uses, expires_ms, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[hash.as_bytes(), &text(labels)?, &uses, &expires.timestamp_millis(), &seq],
    )?;
    Ok(())
}

/// Whether there is or was a token of this hash.
pub fn is_join_token(connection: &dyn Sql, hash: &Digest) -> Result<bool, DeskError> {
    let found: Option<i64> =
        connection.row("SELECT 1 FROM join_token WHERE hash = ?1", &[hash.as_bytes()])?;
    Ok(found.is_some())
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
    incarnation: u64,
    seq: u64,
) -> Result<(), DeskError> {
    // It is not the one that was taken away.
    connection.put("DELETE FROM host_removed WHERE name = ?1", &[&join.host.as_str()])?;
    connection.put(
        "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq, incarnation) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (name) DO UPDATE SET labels = ?2, key = ?3, machine = ?4, joined = ?5, joined_ms = ?6, seq = ?7",
        &[
            &join.host.as_str(),
            &text(labels)?,
            &join.key.to_string(),
            &join.machine.to_string(),
            join.token.as_bytes(),
            &now.timestamp_millis(),
            &seq,
            &incarnation,
        ],
    )?;
    Ok(())
}

/// Keeps the labels of a host. Whether there is one.
pub fn label_host(
    connection: &dyn Sql,
    host: &HostName,
    labels: &BTreeMap<String, String>,
) -> Result<bool, DeskError> {
    let update = "UPDATE host SET labels = ?2 WHERE name = ?1";
    Ok(connection.execute(update, &[&host.as_str(), &text(labels)?])? == 1)
}

/// A host has given back what it knew, to this incarnation.
pub fn gave_back(connection: &dyn Sql, host: &HostName, incarnation: u64) -> Result<(), DeskError> {
    let update = "UPDATE host SET incarnation = ?2 WHERE name = ?1 AND incarnation < ?2";
    connection.put(update, &[&host.as_str(), &incarnation])?;
    Ok(())
}

/// Hosts that have not given back yet what they know, to this incarnation.
pub fn still_to_give_back(connection: &dyn Sql, incarnation: u64) -> Result<u64, DeskError> {
    let count = connection.row("SELECT count(*) FROM host WHERE incarnation < ?1", &[&incarnation])?;
    Ok(count.unwrap_or_default())
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
    /// How it said it stands, where it did.
    pub stands: Option<Stands>,
}

/// How a host stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stands {
    /// How far its clock is ahead, in milliseconds.
    pub ahead_ms: i64,
    /// The place of the last record of its journal.
    pub seq: u64,
    /// PAM services that ask for a grant.
    pub gated: Vec<String>,
}

/// Writes down what this host said, to this hub.
pub fn put_seen(connection: &dyn Sql, host: &HostName, seen: &Seen, hub: &str) -> Result<(), DeskError> {
    connection.put(
        "INSERT INTO host_seen (name, seen_ms, revision, version, hub, listening, ahead_ms, last_seq, gated) \
         SELECT name, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM host WHERE name = ?1 \
         ON CONFLICT (name) DO UPDATE \
         SET seen_ms = ?2, revision = ?3, version = ?4, hub = ?5, listening = ?6, ahead_ms = ?7, last_seq = ?8, gated = ?9 \
         WHERE host_seen.hub = ?5 OR host_seen.seen_ms <= ?2",
        &[
            &host.as_str(),
            &seen.at.timestamp_millis(),
            &seen.revision,
            &seen.version.as_str(),
            &hub,
            &seen.listening,
            &seen.stands.as_ref().map(|stands| stands.ahead_ms),
            &seen.stands.as_ref().map(|stands| stands.seq),
            &seen.stands.as_ref().map(|stands| stands.gated.join(" ")),
        ],
    )?;
    Ok(())
}

/// Writes down that this hub serves, and forgets those that have not for long.
pub fn put_serving(connection: &dyn Sql, hub: &str, now: Time) -> Result<(), DeskError> {
    let long_ago = now - limits::SERVING_EVERY * 100;
    connection.put("DELETE FROM serving WHERE alive_ms < ?1", &[&long_ago.timestamp_millis()])?;
    connection.put(
        "INSERT INTO serving (hub, alive_ms) VALUES (?1, ?2) ON CONFLICT (hub) DO UPDATE SET alive_ms = ?2",
        &[&hub, &now.timestamp_millis()],
    )?;
    Ok(())
}

/// Takes a host away, after its record, and keeps one away that a backup lost. Whether there was one.
pub fn remove_host(connection: &dyn Sql, host: &HostName, at: Time) -> Result<bool, DeskError> {
    connection.put(
        "INSERT INTO host_removed (name, removed_ms) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET removed_ms = ?2 \
         WHERE host_removed.removed_ms < ?2",
        &[&host.as_str(), &at.timestamp_millis()],
    )?;
    connection.put("DELETE FROM host_seen WHERE name = ?1", &[&host.as_str()])?;
    Ok(connection.execute("DELETE FROM host WHERE name = ?1", &[&host.as_str()])? == 1)
}

/// What a membership is to this database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The host is as it says.
    Known,
    /// It was taken away since it joined, or is another by now.
    Gone,
    /// There is none of this name.
    Lost,
}

/// How the host of a membership stands.
pub fn standing(connection: &dyn Sql, of: &Membership) -> Result<Standing, DeskError> {
    if let Some(known) = host(connection, &of.host)? {
        let is_it = known.key == of.key && known.machine == of.machine;
        return Ok(if is_it { Standing::Known } else { Standing::Gone });
    }
    let select = "SELECT removed_ms FROM host_removed WHERE name = ?1";
    let removed: Option<i64> = connection.row(select, &[&of.host.as_str()])?;
    // Of one that joins after it was taken away the root says that it joined later.
    let is_gone = removed.is_some_and(|removed| removed >= of.joined_at.timestamp_millis());
    Ok(if is_gone { Standing::Gone } else { Standing::Lost })
}

/// The host of this name.
pub fn host(connection: &dyn Sql, host: &HostName) -> Result<Option<Host>, DeskError> {
    let row: Option<(String, String, [u8; 32], u64)> = connection
        .row("SELECT key, machine, joined, incarnation FROM host WHERE name = ?1", &[&host.as_str()])?;
    row.map(|(key, machine, joined, incarnation)| {
        let wrong = |why: &dyn std::fmt::Display| unreadable("a host", why);
        Ok(Host {
            key: key.parse().map_err(|why| wrong(&why))?,
            machine: machine.parse().map_err(|why| wrong(&why))?,
            joined: Digest::from_bytes(&joined).ok_or_else(|| wrong(&"it is no digest"))?,
            incarnation,
        })
    })
    .transpose()
}

/// How a host joined: more than a hub in role `feed` may read.
pub struct Joined {
    /// Its labels now.
    pub labels: BTreeMap<String, String>,
    /// When.
    pub at: Time,
}

/// How the host of this name joined.
pub fn joined(connection: &dyn Sql, host: &HostName) -> Result<Option<Joined>, DeskError> {
    let select = "SELECT labels, joined_ms FROM host WHERE name = ?1";
    let row: Option<(String, i64)> = connection.row(select, &[&host.as_str()])?;
    row.map(|(labels, at)| {
        let at = Time::from_timestamp_millis(at).ok_or_else(|| unreadable("a host", &"its time is none"))?;
        Ok(Joined { labels: json("a host", &labels)?, at })
    })
    .transpose()
}

/// All hosts, by name, as the database knows them; those that listen, to a hub other than this that serves.
pub fn hosts(connection: &dyn Sql, hub: &str, now: Time) -> Result<Vec<HostView>, DeskError> {
    type Row = (
        String,
        String,
        i64,
        Option<i64>,
        Option<u64>,
        Option<String>,
        i64,
        Option<i64>,
        Option<u64>,
        Option<String>,
    );
    let alive = now - limits::SERVING_EVERY * 3;
    let rows: Vec<Row> = connection.rows(
        "SELECT host.name, labels, joined_ms, seen_ms, revision, version, \
         CASE WHEN listening = 1 AND EXISTS (SELECT 1 FROM serving WHERE serving.hub = host_seen.hub \
           AND serving.hub <> ?1 AND alive_ms > ?2) THEN 1 ELSE 0 END, ahead_ms, last_seq, gated \
         FROM host LEFT JOIN host_seen ON host_seen.name = host.name ORDER BY host.name",
        &[&hub, &alive.timestamp_millis()],
    )?;
    let view = |(name, labels, joined, seen, revision, version, connected, ahead_ms, seq, gated): Row| {
        Ok(HostView {
            host: HostName::parse(&name).map_err(|why| unreadable("a host", &why))?,
            labels: json("a host", &labels)?,
            joined: Time::from_timestamp_millis(joined).unwrap_or_default(),
            connected: connected == 1,
            seen: seen.and_then(Time::from_timestamp_millis),
            as_of: None,
            revision,
            version: version.and_then(|version| Text::parse(&version).ok()),
            journal: None,
            waiting: seq,
            ahead_ms,
            gated: gated.map(|gated| gated.split_whitespace().map(str::to_owned).collect()),
            alarm: None,
        })
    };
    rows.into_iter().map(view).collect()
}

/// How many hosts there are.
pub fn count(connection: &dyn Sql) -> Result<u64, DeskError> {
    Ok(connection.one("SELECT count(name) FROM host", &[])?)
}

/// What they are called.
pub fn names(connection: &dyn Sql) -> Result<BTreeSet<HostName>, DeskError> {
    let names: Vec<String> = connection.rows("SELECT name FROM host", &[])?;
    names.iter().map(|name| HostName::parse(name).map_err(|why| unreadable("a host", &why))).collect()
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

/// The last instant of a grant, in milliseconds after the Unix epoch, and its id.
pub type Place = (i64, GrantId);

/// Grants that hosts must hear of and that are not signed as they are by this key: those that ended, or those that did
/// not, by rising place after this one.
pub fn unsigned(
    connection: &dyn Sql,
    key: &PublicKey,
    ended: bool,
    (latest, id): Place,
) -> Result<Vec<(Place, Unsigned)>, DeskError> {
    /// Last instant, id, body and version; version and envelope as they were signed last.
    type Found = (i64, u64, String, u32, Option<u32>, Option<String>);
    // By what is not over: of all grants that a hub ever gave it is the few.
    let (index, closed) = if ended { ("grants_ended", 1) } else { ("grants_open", 0) };
    let sql = format!(
        "SELECT g.latest_ms, g.id, g.body, g.version, s.version, s.envelope \
         FROM grants g INDEXED BY {index} LEFT JOIN signed s ON s.id = g.id \
         WHERE g.closed = {closed} AND (g.latest_ms, g.id) > (?1, ?2) \
         AND (s.id IS NULL OR s.version < g.version OR s.key <> ?3) ORDER BY g.latest_ms, g.id LIMIT ?4"
    );
    let rows: Vec<Found> =
        connection.rows(&sql, &[&latest, &id.bits(), &key.to_string(), &limits::SIGN_AT_ONCE])?;
    let read = |body: String, before: Option<String>| {
        let grant: Grant = json("a grant", &body)?;
        let requests = requests_of(connection, &grant)?;
        let before = before.map(|before| json("a signed grant", &before)).transpose()?;
        Ok(ToSign { grant, requests, before })
    };
    let row = |(latest, id, body, version, signed, before): Found| {
        ((latest, GrantId::from_random(id)), read(body, before.filter(|_| signed == Some(version))))
    };
    Ok(rows.into_iter().map(row).collect())
}

/// The request that opened a grant, and then those that extended it.
fn requests_of(connection: &dyn Sql, grant: &Grant) -> Result<Vec<Request>, DeskError> {
    let body: Option<String> =
        connection.row("SELECT body FROM request WHERE id = ?1", &[&grant.request.bits()])?;
    // That of a grant which a host gave back is gone: its end is signed all the same.
    let Some(body) = body else { return Ok(Vec::new()) };
    let mut requests: Vec<Request> = vec![json("a request", &body)?];
    if grant.extended > 0 {
        let bodies: Vec<String> = connection.rows(
            "SELECT body FROM request WHERE person = ?1 AND state = 'approved' AND asked_ms >= ?2 ORDER BY asked_ms, id",
            &[&grant.person.as_str(), &grant.approved_at.timestamp_millis()],
        )?;
        for body in bodies {
            let request: Request = json("a request", &body)?;
            if request.ask.kind == (Kind::Extend { grant: grant.id }) {
                requests.push(request);
            }
        }
    }
    Ok(requests)
}

/// Keeps a grant as this key signed it, for the next revision. Whether that is another than was kept, also by another
/// hub that signed it at the same time.
pub fn put_signed(
    connection: &dyn Sql,
    grant: &Grant,
    envelope: &Envelope,
    key: &PublicKey,
) -> Result<bool, DeskError> {
    let until = grant.window.latest_end() + sync::limits::TOMBSTONE;
    let next = revision(connection)? + 1;
    let kept = connection.execute(
        "INSERT INTO signed (id, version, digest, envelope, key, until_ms, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (id) DO UPDATE \
         SET version = ?2, digest = ?3, envelope = ?4, key = ?5, until_ms = ?6, revision = ?7, hidden = 0 \
         WHERE signed.version < ?2 OR (signed.version = ?2 AND signed.key <> ?5)",
        &[
            &grant.id.bits(),
            &grant.version,
            &Digest::of(envelope.payload()).to_string(),
            &text(envelope)?,
            &key.to_string(),
            &until.timestamp_millis(),
            &next,
        ],
    )?;
    if kept == 0 {
        return Ok(false);
    }
    let before: Vec<String> = if grant.version == 1 {
        Vec::new()
    } else {
        connection.rows("SELECT host FROM signed_host WHERE id = ?1", &[&grant.id.bits()])?
    };
    // A host that has left the hub and comes back is not to be told of what it has no part in.
    let now: BTreeSet<&str> = grant.hosts.iter().map(HostName::as_str).collect();
    for left in before.iter().filter(|host| !now.contains(host.as_str())) {
        connection.put("DELETE FROM signed_host WHERE id = ?1 AND host = ?2", &[&grant.id.bits(), left])?;
    }
    for host in &grant.hosts {
        connection.put(
            "INSERT INTO signed_host (host, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            &[&host.as_str(), &grant.id.bits()],
        )?;
    }
    Ok(true)
}

/// Hosts that are told of more grants than so many, and of how many more.
pub fn long_lists(connection: &dyn Sql, most: u64) -> Result<Vec<(HostName, u64)>, DeskError> {
    let sql = "SELECT host, count(*) FROM signed_host GROUP BY host HAVING count(*) > ?1";
    let lists: Vec<(String, u64)> = connection.rows(sql, &[&most])?;
    let list = |(host, count): (String, u64)| {
        let host = HostName::parse(&host).map_err(|why| unreadable("a signed grant", &why))?;
        Ok((host, count - most))
    };
    lists.into_iter().map(list).collect()
}

/// Takes as many of those that ended off the list of a host, the oldest first: what is not listed opens nothing there either.
pub fn give_way(connection: &dyn Sql, host: &HostName, count: u64) -> Result<(), DeskError> {
    let gone = connection.execute(
        "DELETE FROM signed_host WHERE host = ?1 AND id IN \
         (SELECT g.id FROM signed_host s JOIN grants g ON g.id = s.id WHERE s.host = ?1 AND g.closed = 1 \
          ORDER BY g.latest_ms, g.id LIMIT ?2)",
        &[&host.as_str(), &count],
    )?;
    if gone > 0 {
        rise(connection)?;
    }
    Ok(())
}

/// Hides a grant that ended and is not signed as ended. Whether hosts saw it until now.
pub fn hide(connection: &dyn Sql, grant: &Grant) -> Result<bool, DeskError> {
    let next = revision(connection)? + 1;
    let hide = "UPDATE signed SET hidden = 1, revision = ?3 WHERE id = ?1 AND version < ?2 AND hidden = 0";
    Ok(connection.execute(hide, &[&grant.id.bits(), &grant.version, &next])? > 0)
}

/// The revision at which a grant was signed as it is; none where that is still to come.
pub fn signed_at(connection: &dyn Sql, grant: &Grant) -> Result<Option<u64>, DeskError> {
    let select = "SELECT revision FROM signed WHERE id = ?1 AND version = ?2 AND hidden = 0";
    Ok(connection.row(select, &[&grant.id.bits(), &grant.version])?)
}

/// See [`hosts_since`].
pub const HOSTS_SINCE: &str = "SELECT DISTINCT signed_host.host FROM signed CROSS JOIN signed_host \
     WHERE signed_host.id = signed.id AND signed.revision > ?1";

/// Hosts of which a signed grant changed after this revision.
pub fn hosts_since(connection: &dyn Sql, revision: u64) -> Result<Vec<HostName>, DeskError> {
    let names: Vec<String> = connection.rows(HOSTS_SINCE, &[&revision])?;
    names.iter().map(|name| HostName::parse(name).map_err(|why| unreadable("a signed grant", &why))).collect()
}

/// The latest era in which a hub of this database spoke, where several share it.
pub fn era(connection: &dyn Sql) -> Result<Option<Era>, DeskError> {
    store::meta(connection, ERA)?.map(|era| json("the era", &era)).transpose()
}

/// Writes down in which era a hub of this database speaks.
pub fn put_era(connection: &dyn Sql, spoken: Era) -> Result<(), DeskError> {
    if era(connection)? < Some(spoken) {
        store::set_meta(connection, ERA, &text(&spoken)?)?;
    }
    Ok(())
}

/// Writes down the keys of that era: the root signed them, and who has no signer to ask reads them here.
pub fn put_manifest(connection: &dyn Sql, spoken: Era, keys: &SignedManifest) -> Result<(), DeskError> {
    if era(connection)? == Some(spoken) {
        store::set_meta(connection, MANIFEST, &text(keys)?)?;
    }
    Ok(())
}

/// The keys of that era, as they were told last.
pub fn manifest(connection: &dyn Sql) -> Result<Option<SignedManifest>, DeskError> {
    store::meta(connection, MANIFEST)?.map(|keys| json("the keys of the era", &keys)).transpose()
}

/// Hosts that records after one and up to another are about.
pub fn hinted(connection: &dyn Sql, after: u64, until: u64) -> Result<Vec<HostName>, DeskError> {
    let names: Vec<String> = connection.rows(
        "SELECT DISTINCT host FROM hint WHERE seq > ?1 AND seq <= ?2 AND host IS NOT NULL",
        &[&after, &until],
    )?;
    // What is no host's name is a word in somebody's text.
    Ok(names.iter().filter_map(|name| HostName::parse(name).ok()).collect())
}

/// The key of `meta`.
const ERA: &str = "era";
/// See [`ERA`].
const MANIFEST: &str = "manifest";

/// The next revision.
pub fn rise(connection: &dyn Sql) -> Result<u64, DeskError> {
    connection.put("UPDATE head SET revision = revision + 1", &[])?;
    revision(connection)
}

/// The revision.
pub fn revision(connection: &dyn Sql) -> Result<u64, DeskError> {
    Ok(connection.one("SELECT revision FROM head", &[])?)
}

/// Takes away what is over for so long that no host needs to know, some at once. How many.
pub fn forget_signed(connection: &dyn Sql, now: Time, most: u32) -> Result<usize, DeskError> {
    let now = now.timestamp_millis();
    let over = "SELECT id FROM signed WHERE until_ms <= ?1 ORDER BY until_ms, id LIMIT ?2";
    connection.put(&format!("DELETE FROM signed_host WHERE id IN ({over})"), &[&now, &most])?;
    let gone = connection.execute(&format!("DELETE FROM signed WHERE id IN ({over})"), &[&now, &most])?;
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

/// What one host must hold, all as of one revision.
pub fn truth(connection: &dyn Sql, host: &HostName) -> Result<Truth, DeskError> {
    for _ in 0..limits::LOOKS {
        let (revision, grants) = grants_of(connection, host)?;
        let (same, permits) = inbox::rows::signed_permits(connection, host)?;
        if same == revision {
            return Ok(Truth { revision, grants, permits });
        }
    }
    Err(DeskError::Busy("what hosts must hold changes all the time: try again".to_owned()))
}

/// One statement sees one state, in every database; and the revision is there also where nothing is signed. Of a table that it
/// has not looked at yet PostgreSQL expects next to no row to equal something, and would begin with all that are not hidden.
pub const GRANTS_OF: &str = "SELECT head.revision, s.id, s.version, s.digest, s.envelope FROM head LEFT JOIN \
     (SELECT signed.* FROM signed_host JOIN signed ON signed.id = signed_host.id \
      WHERE signed_host.host = ?1 AND signed.hidden <> 1 ORDER BY signed.id LIMIT ?2) AS s ON 1 = 1 ORDER BY s.id";

/// The grants that one host must hold, by rising id, and the revision that this is of.
fn grants_of(connection: &dyn Sql, host: &HostName) -> Result<(u64, Vec<SignedGrant>), DeskError> {
    type Signed = (u64, Option<u64>, Option<u32>, Option<String>, Option<String>);
    let most = u32::try_from(sync::limits::GRANTS).unwrap_or(u32::MAX);
    let rows: Vec<Signed> = connection.rows(GRANTS_OF, &[&host.as_str(), &most])?;
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

/// See [`bodies`]; and [`GRANTS_OF`] for why it is written so.
pub const BODIES: &str = "SELECT signed.digest, signed.revision FROM signed_host JOIN signed ON signed.id = signed_host.id \
     WHERE signed_host.host = ?1 AND signed.hidden <> 1";

/// The bodies of grants for one host that are as they were at this revision.
pub fn bodies(connection: &dyn Sql, host: &HostName, upto: u64) -> Result<BTreeSet<Digest>, DeskError> {
    let all: Vec<(String, u64)> = connection.rows(BODIES, &[&host.as_str()])?;
    let digests = all.iter().filter(|(_, revision)| *revision <= upto).map(|(digest, _)| digest);
    digests.map(|digest| digest.parse().map_err(|why| unreadable("a signed grant", &why))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use sync::SecretKey;

    #[test]
    fn a_list_never_changes_under_the_same_revision_also_where_what_is_long_over_goes() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../tables.sql")).unwrap();
        connection
            .execute_batch(
                "INSERT INTO signed VALUES (1, 1, '', '', '', 0, 1000, 1); INSERT INTO signed_host VALUES ('a', 1)",
            )
            .unwrap();
        let at = |ms| Time::from_timestamp_millis(ms).unwrap();
        let goes = |ms| (forget_signed(&connection, at(ms), 1).unwrap(), revision(&connection).unwrap());
        assert_eq!((goes(999), goes(1000)), ((0, 0), (1, 1)));
        let host = HostName::parse("a").unwrap();
        let nothing = Truth { revision: 1, grants: Vec::new(), permits: Vec::new() };
        assert_eq!(truth(&connection, &host).unwrap(), nothing);
    }

    #[test]
    fn where_a_host_is_told_of_too_much_those_that_ended_give_way() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let tables =
            concat!(include_str!("../../../crates/store/src/schema.sql"), include_str!("../tables.sql"));
        connection.execute_batch(tables).unwrap();
        connection
            .execute_batch(
                "WITH RECURSIVE number(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM number WHERE n < 29) \
                 INSERT INTO signed_host SELECT 'a', n FROM number; \
                 INSERT INTO signed_host VALUES ('b', 10); \
                 INSERT INTO grants SELECT DISTINCT id, 1, 'p', ' a ', CASE WHEN id < 15 THEN 1 ELSE 0 END, \
                   99 - id, 1, '', x'', 1 FROM signed_host",
            )
            .unwrap();
        let host = HostName::parse("a").unwrap();
        assert_eq!(long_lists(&connection, 20).unwrap(), []);
        assert_eq!(long_lists(&connection, 18).unwrap(), [(host.clone(), 2)]);
        give_way(&connection, &host, 2).unwrap();
        let sql: &dyn Sql = &connection;
        let listed: Vec<u64> =
            sql.rows("SELECT id FROM signed_host WHERE host = 'a' ORDER BY id LIMIT 4", &[]).unwrap();
        assert_eq!(listed, [10, 11, 12, 15], "those that were over first are gone");
        assert_eq!(revision(&connection).unwrap(), 1);
        give_way(&connection, &host, 9).unwrap();
        assert_eq!(long_lists(&connection, 15).unwrap(), [], "and what is good stays");
        assert_eq!(long_lists(&connection, 14).unwrap(), [(host, 1)]);
    }

    #[test]
    fn what_is_to_be_signed_is_found_in_the_same_steps_however_many_grants_are_over() {
        let steps = |over: u32| {
            let mut connection = rusqlite::Connection::open_in_memory().unwrap();
            let tables =
                concat!(include_str!("../../../crates/store/src/schema.sql"), include_str!("../tables.sql"));
            connection.execute_batch(tables).unwrap();
            connection.execute_batch(crate::feed::TABLES).unwrap();
            connection
                .execute_batch(&format!(
                    "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {over}) \
                     INSERT INTO grants SELECT n, 1, 'p', ' a ', 1, 999, 1, '', x'', 1 FROM number"
                ))
                .unwrap();
            let steps = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&steps);
            let counts = move || {
                count.fetch_add(1, Ordering::Relaxed);
                false
            };
            connection.progress_handler(1, Some(counts)).unwrap();
            let key = SecretKey::from_random(&[1; 32]).public();
            for ended in [false, true] {
                let found =
                    unsigned(&connection, &key, ended, (1000, GrantId::from_random(u64::MAX))).unwrap();
                assert!(found.is_empty());
            }
            steps.load(Ordering::Relaxed)
        };
        let few = steps(10);
        assert!(few > 0 && few == steps(3000));
    }
}
