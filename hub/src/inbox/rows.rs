//! Rows of hosts' journals and of sessions that are open on them.

use access::{Grant, GrantId, HostName, Person, SessionId, Time};
use api::{EndThere, SessionView};
use desk::DeskError;
use journal::{Hash, Head, LogId, Row};
use std::collections::BTreeMap;
use store::Sql;
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
    fn key(&self) -> (&str, &[u8; 32], String) {
        (self.host.as_str(), self.joined.as_bytes(), self.log.to_string())
    }
}

/// A log of a host.
pub fn log(connection: &dyn Sql, whose: &Whose) -> Result<Option<Log>, DeskError> {
    let (host, joined, log) = whose.key();
    let sql = "SELECT size, hash, alarm FROM host_log WHERE host = ?1 AND joined = ?2 AND log = ?3";
    let row: Option<(u64, [u8; 32], Option<String>)> = connection.row(sql, &[&host, joined, &log])?;
    Ok(row.map(|(seq, hash, alarm)| Log { head: Head { log: whose.log, seq, hash: Hash(hash) }, alarm }))
}

/// How many other logs this host has had since it joined.
pub fn other_logs(connection: &dyn Sql, whose: &Whose) -> Result<u64, DeskError> {
    let (host, joined, log) = whose.key();
    let sql = "SELECT count(*) FROM host_log WHERE host = ?1 AND joined = ?2 AND log <> ?3";
    Ok(connection.one(sql, &[&host, joined, &log])?)
}

/// What is wrong with logs of this host since it joined.
pub fn alarms(connection: &dyn Sql, whose: &Whose) -> Result<Vec<String>, DeskError> {
    let (host, joined, _) = whose.key();
    let sql = "SELECT DISTINCT alarm FROM host_log WHERE host = ?1 AND joined = ?2 AND alarm IS NOT NULL";
    Ok(connection.rows(sql, &[&host, joined])?)
}

/// The hash of a record that was taken, if it is still here.
pub fn hash_of(connection: &dyn Sql, whose: &Whose, seq: u64) -> Result<Option<Hash>, DeskError> {
    let (host, joined, log) = whose.key();
    let sql = "SELECT hash FROM host_record WHERE host = ?1 AND joined = ?2 AND log = ?3 AND seq = ?4";
    let hash: Option<[u8; 32]> = connection.row(sql, &[&host, joined, &log, &seq])?;
    Ok(hash.map(Hash))
}

/// Keeps a record.
pub fn put_record(connection: &dyn Sql, whose: &Whose, row: &Row, now: Time) -> Result<(), DeskError> {
    let (host, joined, log) = whose.key();
    let Row { seq, stamp, body, prev, hash, .. } = row;
    connection.put(
        "INSERT INTO host_record (host, joined, log, seq, boot, wall_ms, boot_ms, body, prev, hash, heard_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        &[
            &host,
            joined,
            &log,
            seq,
            &stamp.boot,
            &stamp.wall_ms,
            &stamp.boot_ms,
            body,
            &prev.0,
            &hash.0,
            &now.timestamp_millis(),
        ],
    )?;
    Ok(())
}

/// A log goes to `head` now, and begins with `first` where it is new.
pub fn put_log(
    connection: &dyn Sql,
    whose: &Whose,
    head: Head,
    first: u64,
    now: Time,
) -> Result<(), DeskError> {
    let (host, joined, log) = whose.key();
    connection.put(
        "INSERT INTO host_log (host, joined, log, first, size, hash, heard_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (host, joined, log) DO UPDATE SET size = ?5, hash = ?6, heard_ms = ?7",
        &[&host, joined, &log, &first, &head.seq, &head.hash.0, &now.timestamp_millis()],
    )?;
    Ok(())
}

/// Something is wrong with a log that is there.
pub fn set_alarm(connection: &dyn Sql, whose: &Whose, alarm: &str) -> Result<(), DeskError> {
    let (host, joined, log) = whose.key();
    let sql = "UPDATE host_log SET alarm = ?4 WHERE host = ?1 AND joined = ?2 AND log = ?3";
    connection.put(sql, &[&host, joined, &log, &alarm])?;
    Ok(())
}

/// Of each host the size of the log that was heard of last, and what is wrong with any of its logs since it joined: those
/// are [`crate::limits::LOGS`] at most, and what another that it was before did is over.
pub fn logs(connection: &dyn Sql) -> Result<BTreeMap<String, (u64, Option<String>)>, DeskError> {
    let sql = "SELECT host.name, host_log.size, host_log.alarm FROM host \
               JOIN host_log ON host_log.host = host.name AND host_log.joined = host.joined \
               ORDER BY host_log.heard_ms, host_log.log";
    let rows: Vec<(String, u64, Option<String>)> = connection.rows(sql, &[])?;
    let mut logs: BTreeMap<String, (u64, Option<String>)> = BTreeMap::new();
    for (host, size, alarm) in rows {
        let before = logs.remove(&host).and_then(|(_, alarm)| alarm);
        logs.insert(host, (size, alarm.or(before)));
    }
    Ok(logs)
}

/// A log of a host, as it joined then.
pub struct Kept {
    joined: [u8; 32],
    log: String,
    /// The place of its last record.
    pub size: u64,
    /// When that was heard.
    pub heard: Time,
}

impl Kept {
    /// What tells it from others of the host.
    pub fn name(&self) -> String {
        format!("{}-{}", self.log, workflow::hex(self.joined.get(..8).unwrap_or_default()))
    }
}

/// Logs that a host has or had, the one that was heard of last first.
pub fn logs_of(connection: &dyn Sql, host: &HostName, limit: u32) -> Result<Vec<Kept>, DeskError> {
    let sql = "SELECT joined, log, size, heard_ms FROM host_log WHERE host = ?1 ORDER BY heard_ms DESC, log LIMIT ?2";
    let rows: Vec<([u8; 32], String, u64, i64)> = connection.rows(sql, &[&host.as_str(), &limit])?;
    let kept = |(joined, log, size, heard): (_, _, _, i64)| {
        let heard = Time::from_timestamp_millis(heard).unwrap_or_default();
        Kept { joined, log, size, heard }
    };
    Ok(rows.into_iter().map(kept).collect())
}

/// The last records of a log of a host, before this one where one is named, the first first: the place and the body of
/// each.
pub fn records(
    connection: &dyn Sql,
    host: &HostName,
    of: &Kept,
    before: Option<u64>,
    limit: u64,
) -> Result<Vec<(u64, String)>, DeskError> {
    let end = before.unwrap_or(of.size + 1).min(of.size + 1);
    Ok(connection.rows(
        "SELECT seq, body FROM host_record \
         WHERE host = ?1 AND joined = ?2 AND log = ?3 AND seq >= ?4 AND seq < ?5 ORDER BY seq",
        &[&host.as_str(), &of.joined, &of.log, &end.saturating_sub(limit), &end],
    )?)
}

/// Takes away logs of which no record is left. Those of a host as it is joined now stay, so that what it says is compared
/// with them.
pub fn forget_logs(connection: &dyn Sql) -> Result<usize, DeskError> {
    let sql = "DELETE FROM host_log WHERE \
               NOT EXISTS (SELECT 1 FROM host WHERE host.name = host_log.host AND host.joined = host_log.joined) \
               AND NOT EXISTS (SELECT 1 FROM host_record WHERE host_record.host = host_log.host \
               AND host_record.joined = host_log.joined AND host_record.log = host_log.log)";
    Ok(connection.execute(sql, &[])?)
}

/// A permit as it was signed, and by which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPermit {
    /// The permit.
    pub signed: SignedPermit,
    /// The key.
    pub key: PublicKey,
}

/// Keeps a permit of a host, which is listed from now on.
pub fn put_permit(
    connection: &dyn Sql,
    host: &HostName,
    grant: &Grant,
    kept: &KeptPermit,
    era: Era,
) -> Result<(), DeskError> {
    let KeptPermit { signed, key } = kept;
    let json = |why: serde_json::Error| DeskError::Store(why.to_string());
    connection.put(
        "INSERT INTO permit (id, host, person, listed, digest, envelope, key, era, body, until_ms) \
         VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9)",
        &[
            &grant.id.bits(),
            &host.as_str(),
            &grant.person.as_str(),
            &signed.entry.digest.to_string(),
            &serde_json::to_string(&signed.envelope).map_err(json)?,
            &key.to_string(),
            &era.to_string(),
            &serde_json::to_string(grant).map_err(json)?,
            &grant.window.latest_end().timestamp_millis(),
        ],
    )?;
    Ok(())
}

/// Whether this person has a permit on this host that is listed.
pub fn has_permit(connection: &dyn Sql, host: &HostName, person: &Person) -> Result<bool, DeskError> {
    let sql = "SELECT count(*) FROM permit WHERE host = ?1 AND person = ?2 AND listed = 1";
    let count: u64 = connection.one(sql, &[&host.as_str(), &person.as_str()])?;
    Ok(count > 0)
}

/// A permit is listed no more. Whether it was.
pub fn unlist_permit(connection: &dyn Sql, id: GrantId) -> Result<bool, DeskError> {
    let sql = "UPDATE permit SET listed = 0 WHERE id = ?1 AND listed = 1";
    Ok(connection.execute(sql, &[&id.bits()])? == 1)
}

fn grant(body: &str) -> Result<Grant, DeskError> {
    serde_json::from_str(body).map_err(|why| unreadable("a permit", &why))
}

/// All permits that are listed, each with the era that it was made in.
pub fn permits(connection: &dyn Sql) -> Result<Vec<(Grant, String)>, DeskError> {
    let rows: Vec<(String, String)> =
        connection.rows("SELECT body, era FROM permit WHERE listed = 1 ORDER BY id", &[])?;
    rows.into_iter().map(|(body, era)| Ok((grant(&body)?, era))).collect()
}

/// How many are listed.
pub fn count_permits(connection: &dyn Sql) -> Result<u64, DeskError> {
    Ok(connection.one("SELECT count(*) FROM permit WHERE listed = 1", &[])?)
}

/// A permit that this host was given, listed or not.
pub fn permit(connection: &dyn Sql, host: &HostName, id: GrantId) -> Result<Option<Grant>, DeskError> {
    let sql = "SELECT body FROM permit WHERE id = ?1 AND host = ?2";
    let body: Option<String> = connection.row(sql, &[&id.bits(), &host.as_str()])?;
    body.map(|body| grant(&body)).transpose()
}

/// The permits of one host as they were signed, by rising id, and the revision that this is of.
pub fn signed_permits(connection: &dyn Sql, host: &HostName) -> Result<(u64, Vec<KeptPermit>), DeskError> {
    type Signed = (u64, Option<u64>, Option<String>, Option<String>, Option<String>);
    let most = u32::try_from(sync::limits::PERMITS).unwrap_or(u32::MAX);
    // One statement sees one state, in every database; and the revision is there also where nothing is listed.
    let rows: Vec<Signed> = connection.rows(
        "SELECT head.revision, p.id, p.digest, p.envelope, p.key FROM head LEFT JOIN \
         (SELECT * FROM permit WHERE host = ?1 AND listed = 1 ORDER BY id LIMIT ?2) AS p ON 1 = 1 ORDER BY p.id",
        &[&host.as_str(), &most],
    )?;
    let wrong = |why: &dyn std::fmt::Display| unreadable("a permit", why);
    let Some((revision, ..)) = rows.first() else { return Err(unreadable("the head", &"it is gone")) };
    let (revision, mut permits) = (*revision, Vec::with_capacity(rows.len()));
    for row in rows {
        let (_, Some(id), Some(digest), Some(envelope), Some(key)) = row else { continue };
        let digest = digest.parse().map_err(|why| wrong(&why))?;
        let envelope = serde_json::from_str(&envelope).map_err(|why| wrong(&why))?;
        // A permit has one version.
        let entry = Entry { id: GrantId::from_random(id), version: 1, digest };
        let key = key.parse().map_err(|why| wrong(&why))?;
        permits.push(KeptPermit { signed: SignedPermit { entry, envelope }, key });
    }
    Ok((revision, permits))
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

/// What is to be written so that what a host says is open there is what is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SessionNews {
    gone: Vec<u64>,
    /// Id, when it was opened, and body.
    other: Vec<(u64, i64, String)>,
}

impl SessionNews {
    /// How many rows that is.
    pub fn count(&self) -> usize {
        self.gone.len() + self.other.len()
    }
}

/// What is not known yet where these are open on a host, and no others. When one was opened is the host's word, and never
/// later than it was first heard of.
pub fn session_news(
    connection: &dyn Sql,
    host: &HostName,
    open: &[SessionView],
    now: Time,
) -> Result<SessionNews, DeskError> {
    let sql = "SELECT id, opened_ms, body FROM host_session WHERE host = ?1";
    let rows: Vec<(u64, i64, String)> = connection.rows(sql, &[&host.as_str()])?;
    let mut before: BTreeMap<u64, (i64, String)> =
        rows.into_iter().map(|(id, opened, body)| (id, (opened, body))).collect();
    let mut other = Vec::new();
    for view in open {
        let (id, mut view) = (view.session.id.bits(), view.clone());
        let known = before.remove(&id);
        if view.session.opened > now {
            let heard = known.as_ref().and_then(|(opened, _)| Time::from_timestamp_millis(*opened));
            view.session.opened = heard.unwrap_or(now);
        }
        let body = serde_json::to_string(&view).map_err(|why| DeskError::Store(why.to_string()))?;
        if known.is_none_or(|(_, before)| before != body) {
            other.push((id, view.session.opened.timestamp_millis(), body));
        }
    }
    Ok(SessionNews { gone: before.into_keys().collect(), other })
}

/// Writes that down.
pub fn put_sessions(connection: &dyn Sql, host: &HostName, news: SessionNews) -> Result<(), DeskError> {
    for id in news.gone {
        connection.put("DELETE FROM host_session WHERE host = ?1 AND id = ?2", &[&host.as_str(), &id])?;
    }
    for (id, opened, body) in news.other {
        connection.put(
            "INSERT INTO host_session (host, id, opened_ms, body) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (host, id) DO UPDATE SET opened_ms = ?3, body = ?4",
            &[&host.as_str(), &id, &opened, &body],
        )?;
    }
    Ok(())
}

fn read((host, body, ending): (String, String, Option<String>)) -> Result<There, DeskError> {
    let wrong = |why: &dyn std::fmt::Display| unreadable("a session", why);
    Ok(There {
        host: HostName::parse(&host).map_err(|why| wrong(&why))?,
        view: serde_json::from_str(&body).map_err(|why| wrong(&why))?,
        ending: ending.map(|ending| serde_json::from_str(&ending)).transpose().map_err(|why| wrong(&why))?,
    })
}

/// Sessions, the newest first: on this host alone where one is named, and those after `after`.
pub fn sessions(
    connection: &dyn Sql,
    of: Option<&HostName>,
    after: Option<&There>,
    limit: u32,
) -> Result<Vec<There>, DeskError> {
    let (opened, host, id) = after.map_or((i64::MAX, "", 0), |There { host, view, .. }| {
        (view.session.opened.timestamp_millis(), host.as_str(), view.session.id.bits())
    });
    let newest = "SELECT host, body, ending FROM host_session WHERE (opened_ms, host, id) < (?1, ?2, ?3)";
    let order = "ORDER BY opened_ms DESC, host DESC, id DESC LIMIT ?4";
    let found = match of {
        None => connection.rows(&format!("{newest} {order}"), &[&opened, &host, &id, &limit]),
        Some(of) => connection
            .rows(&format!("{newest} AND host = ?5 {order}"), &[&opened, &host, &id, &limit, &of.as_str()]),
    };
    found?.into_iter().map(read).collect()
}

/// Sessions whose ids are from `low` to `high`, some of them; on this host alone where one is named.
pub fn sessions_within(
    connection: &dyn Sql,
    host: Option<&HostName>,
    low: SessionId,
    high: SessionId,
) -> Result<Vec<There>, DeskError> {
    let (low, high) = (low.bits(), high.bits());
    let Some(host) = host else {
        let sql = "SELECT host, body, ending FROM host_session WHERE id BETWEEN ?1 AND ?2 LIMIT 100";
        return connection.rows(sql, &[&low, &high])?.into_iter().map(read).collect();
    };
    let sql =
        "SELECT host, body, ending FROM host_session WHERE host = ?1 AND id BETWEEN ?2 AND ?3 LIMIT 100";
    connection.rows(sql, &[&host.as_str(), &low, &high])?.into_iter().map(read).collect()
}

/// Somebody wants a session ended; whoever was first stays. Whether it is there.
pub fn end_session(connection: &dyn Sql, host: &HostName, end: &EndThere) -> Result<bool, DeskError> {
    let ending = serde_json::to_string(end).map_err(|why| DeskError::Store(why.to_string()))?;
    let sql = "UPDATE host_session SET ending = coalesce(ending, ?3) WHERE host = ?1 AND id = ?2";
    Ok(connection.execute(sql, &[&host.as_str(), &end.session.bits(), &ending])? == 1)
}

/// Sessions of a host that somebody wants ended.
pub fn ending(connection: &dyn Sql, host: &HostName) -> Result<Vec<EndThere>, DeskError> {
    let sql = "SELECT ending FROM host_session WHERE host = ?1 AND ending IS NOT NULL ORDER BY id";
    let rows: Vec<String> = connection.rows(sql, &[&host.as_str()])?;
    let read = |ending: String| serde_json::from_str(&ending).map_err(|why| unreadable("a session", &why));
    rows.into_iter().map(read).collect()
}

/// How many sessions are open on all hosts.
pub fn count_sessions(connection: &dyn Sql) -> Result<u64, DeskError> {
    Ok(connection.one("SELECT count(*) FROM host_session", &[])?)
}

/// A host that is none any more has no sessions.
pub fn forget_sessions(connection: &dyn Sql, host: &HostName) -> Result<(), DeskError> {
    for table in ["host_session", "first_use"] {
        connection.put(&format!("DELETE FROM {table} WHERE host = ?1"), &[&host.as_str()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forgetting::RECORDS;

    fn database() -> rusqlite::Connection {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../tables.sql")).unwrap();
        connection
    }

    fn at(ms: i64) -> Time {
        Time::from_timestamp_millis(ms).unwrap()
    }

    fn session(id: u64, state: &str, opened: Time) -> SessionView {
        serde_json::from_value(serde_json::json!({
            "session": {
                "id": SessionId::from_random(id), "grant": null, "boot": "b", "pid": 5, "start_ticks": 7,
                "audit_session": 3, "inside": null, "subject": "alice", "target": "alice", "service": "ssh",
                "tty": "ssh", "rhost": "", "reason": "granted", "opened": opened
            },
            "state": state
        }))
        .unwrap()
    }

    /// A host called `a` that joined by a token of sevens, and had joined by one of fives.
    fn with_logs(records: &[(u8, u8)]) -> rusqlite::Connection {
        let connection = database();
        let host = "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES ('a', '{}', '', '', ?1, 0, 1)";
        connection.execute(host, [[7_u8; 32]]).unwrap();
        for (joined, log) in records {
            let whose = Whose {
                host: HostName::parse("a").unwrap(),
                joined: Digest::from_bytes(&[*joined; 32]).unwrap(),
                log: LogId([*log; 16]),
            };
            let stamp = journal::Stamp { boot: "b".into(), wall_ms: 0, boot_ms: 0 };
            let row = Head::start(whose.log).next(stamp, "x".to_owned());
            put_record(&connection, &whose, &row, at(i64::from(*log))).unwrap();
            put_log(&connection, &whose, Head::of(&row), 1, at(i64::from(*log))).unwrap();
            set_alarm(&connection, &whose, &format!("as {joined}")).unwrap();
        }
        connection
    }

    #[test]
    fn what_a_host_did_before_it_joined_anew_is_over_and_goes_with_its_records() {
        let connection = with_logs(&[(5, 1), (5, 2), (7, 3), (7, 4)]);
        let seen = BTreeMap::from([("a".to_owned(), (1, Some("as 7".to_owned())))]);
        assert_eq!(logs(&connection).unwrap(), seen);
        assert_eq!(forget_logs(&connection).unwrap(), 0, "their records are there");
        assert_eq!(RECORDS.forget(&connection, Some(at(2)), 9).unwrap(), 1);
        assert_eq!(forget_logs(&connection).unwrap(), 1, "that of the first");
        assert_eq!(RECORDS.forget(&connection, None, 1).unwrap(), 1, "the oldest that is left");
        assert_eq!(RECORDS.forget(&connection, None, 9).unwrap(), 2);
        assert_eq!(forget_logs(&connection).unwrap(), 1, "what it is compared with stays");
        assert_eq!(logs(&connection).unwrap(), seen);
    }

    #[test]
    fn sessions_that_are_the_same_as_before_are_no_news() {
        let (connection, host) = (database(), HostName::parse("a").unwrap());
        let session = |id: u64, state: &str| session(id, state, at(5));
        let news = |open: &[SessionView]| session_news(&connection, &host, open, at(9)).unwrap();
        let two = [session(1, "open"), session(2, "open")];
        assert_eq!(news(&two).count(), 2);
        put_sessions(&connection, &host, news(&two)).unwrap();
        assert_eq!(news(&two), SessionNews::default());
        let (left, came) = (session(1, "left"), session(3, "open"));
        let later = [left, came];
        assert_eq!(news(&later).count(), 3, "one is another, one came, and one is gone");
        put_sessions(&connection, &host, news(&later)).unwrap();
        assert_eq!((news(&later).count(), news(&[]).count()), (0, 2));

        let mut to_come = session(4, "open");
        to_come.session.opened = at(253_000_000_000_000);
        let to_come = [to_come];
        let of = |there: &There| there.view.session.opened;
        put_sessions(&connection, &host, news(&to_come)).unwrap();
        assert_eq!(
            sessions(&connection, None, None, 10).unwrap().iter().map(of).collect::<Vec<_>>(),
            [at(9)]
        );
        let later = session_news(&connection, &host, &to_come, at(20)).unwrap();
        assert_eq!(later.count(), 0, "it is not newer each time");
    }

    #[test]
    fn sessions_come_page_by_page_and_none_twice() {
        let connection = database();
        let insert = "INSERT INTO host_session (host, id, opened_ms, body) VALUES (?1, ?2, ?3, ?4)";
        let mut all = Vec::new();
        for (host, id, opened) in
            [("a", 1, 5), ("a", 2, 5), ("b", 1, 5), ("b", 2, 7), ("c", 9, 3), ("c", 1, 5)]
        {
            let view = serde_json::to_string(&session(id, "open", at(opened))).unwrap();
            Sql::execute(&connection, insert, &[&host, &id, &opened, &view]).unwrap();
            all.push((std::cmp::Reverse(opened), host.to_owned(), id));
        }
        all.sort_unstable_by_key(|(opened, host, id)| (*opened, std::cmp::Reverse((host.clone(), *id))));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = sessions(&connection, None, after.as_ref(), 2).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            seen.extend(page.into_iter().map(|there| (there.host.to_string(), there.view.session.id.bits())));
            assert!(seen.len() <= all.len(), "{seen:?}");
        }
        assert_eq!(seen, all.into_iter().map(|(_, host, id)| (host, id)).collect::<Vec<_>>());
    }
}
