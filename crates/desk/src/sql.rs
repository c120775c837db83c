//! The desk's store on the daemon's database.

mod forgetting;

use crate::store::{
    After, Asked, Committed, GrantAfter, Old, PolicyVersion, Queries, RequestFilter, Store, Transaction,
    Usage,
};
use crate::{DeskError, limits};
use access::{Claim, Grant, GrantId, HostName, Person, RequestId, Time};
use api::{Change, ChangeRecord, JournalRow, Record, Used};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::time::Duration;
use store::{Bind, Cells, FromRow, Reader, Sql, StoreError, Tx, Writer};
use workflow::{Channel, Kind, Request};

/// Requests and grants in the one database of this daemon. `E` is what the daemon's observer hears.
pub struct SqlStore<E> {
    writer: Writer<E>,
    reader: Reader,
    wait: Duration,
}

impl<E> Clone for SqlStore<E> {
    fn clone(&self) -> Self {
        Self { writer: self.writer.clone(), reader: self.reader.clone(), wait: self.wait }
    }
}

impl<E> SqlStore<E> {
    /// The store behind `writer`, read through connections of its own. A write that is not durable
    /// within `wait` is an error.
    pub fn new(writer: Writer<E>, reader: impl Into<Reader>, wait: Duration) -> Self {
        Self { writer, reader: reader.into(), wait }
    }
}

impl<E: From<Committed> + Send + 'static> Store for SqlStore<E> {
    fn write<T, F>(&self, work: F) -> Result<T, DeskError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Transaction) -> Result<T, DeskError> + Send + 'static,
    {
        self.writer.run(self.wait, move |tx| within(tx, work))
    }

    fn read<T, F>(&self, work: F) -> Result<T, DeskError>
    where
        F: FnOnce(&dyn Queries) -> Result<T, DeskError>,
    {
        self.reader.read(|sql| work(&Look(sql)))
    }
}

/// Does `work` of a desk in the transaction of somebody who does more in it.
pub fn within<E: From<Committed>, T>(
    tx: &mut Tx<'_, E>,
    work: impl FnOnce(&mut dyn Transaction) -> Result<T, DeskError>,
) -> Result<T, DeskError> {
    work(&mut Writing { tx, last: 0 })
}

/// What a gate holds in memory: `hold` is given every grant that is not closed, those of sessions, and the newest of the
/// others, for a refusal explains itself by them. One may come twice. First uses on this host are given back.
pub fn load(connection: &dyn Sql, hold: &mut dyn FnMut(Grant)) -> Result<HashMap<GrantId, Claim>, DeskError> {
    Look(connection).each(
        "SELECT body, digest FROM grants WHERE closed = 0 \
         UNION ALL SELECT body, digest FROM grants WHERE closed = 1 AND id IN (SELECT grant_id FROM session) \
         UNION ALL SELECT * FROM (SELECT body, digest FROM grants WHERE closed = 1 ORDER BY at_ms DESC LIMIT ?1) AS newest",
        &[&limits::RECENT],
        hold,
    )?;
    connection
        .rows(
            // Each is looked up by itself: a list of a million open grants would stand in memory for it.
            "SELECT grant_id, started_ms, ends_ms FROM claim \
             WHERE EXISTS (SELECT * FROM grants WHERE id = grant_id AND closed = 0) \
             OR grant_id IN (SELECT grant_id FROM session) \
             OR grant_id IN (SELECT id FROM grants WHERE closed = 1 ORDER BY at_ms DESC LIMIT ?1)",
            &[&limits::RECENT],
        )?
        .into_iter()
        .map(|(id, started, ends)| {
            Ok((GrantId::from_random(id), Claim { started: time(started)?, ends: time(ends)? }))
        })
        .collect()
}

/// The policy that was applied last. The shipped one for a store that has just begun; none where it was
/// lost: then the shipped one, which may give more, must not take its place.
pub fn policy_in_force(connection: &dyn Sql) -> Result<Option<PolicyVersion>, DeskError> {
    if let Some(version) = Look(connection).policy()? {
        return Ok(Some(version));
    }
    let first = store::journal_after(connection, 0, 1)?.pop();
    let began = first.is_some_and(|row| {
        let record = serde_json::from_str(&row.body);
        row.seq == 1 && matches!(record, Ok(Record::Mark(mark)) if mark.mark == api::Mark::Opened)
    });
    Ok(began.then(PolicyVersion::shipped))
}

/// Records after `after`, or the last ones, at most `limit`.
pub fn journal_page(
    connection: &dyn Sql,
    after: Option<u64>,
    limit: u32,
) -> Result<Vec<JournalRow>, DeskError> {
    let limit = limit.min(api::limits::PAGE);
    let after = match after {
        Some(after) => after,
        None => store::last_seq(connection)?.saturating_sub(u64::from(limit)),
    };
    let rows = store::journal_after(connection, after, u64::from(limit))?;
    rows.into_iter()
        .map(|row| {
            let line = match serde_json::from_str::<Record>(&row.body) {
                Ok(record) => record.line(row.seq),
                Err(_) => {
                    format!("mark=unreadable detail=\"written by another release\" seq={}", row.seq)
                }
            };
            let seq = row.seq;
            let row = serde_json::to_value(&row).map_err(|why| DeskError::Store(why.to_string()))?;
            Ok(JournalRow { seq, row, line })
        })
        .collect()
}

/// Opens grants again that time had closed and that are not over at `now` after all: the clock was wrong.
/// What people ended stays ended. Each comes with its first use on this host.
pub fn reopen(connection: &dyn Sql, now: Time) -> Result<Vec<(Grant, Option<Claim>)>, DeskError> {
    let look = Look(connection);
    let closed: Vec<Grant> = look.rows(
        "SELECT body, digest FROM grants WHERE closed = 1 AND latest_ms > ?1",
        &[&now.timestamp_millis()],
    )?;
    let mut open = Vec::new();
    for grant in closed {
        let claim = look.claim(grant.id)?;
        if grant.ended.is_none() && grant.ends(claim) > now {
            connection.put("UPDATE grants SET closed = 0 WHERE id = ?1", &[&grant.id.bits()])?;
            open.push((grant, claim));
        }
    }
    Ok(open)
}

/// Keeps a grant, new or changed, that the record `seq` is about. A version never goes back.
pub fn keep_grant(connection: &dyn Sql, grant: &Grant, closed: bool, seq: u64) -> Result<(), DeskError> {
    let body = json(grant)?;
    let hosts: String = grant.hosts.iter().map(on).collect();
    // An extension moves the end of a clock that a first use has started.
    let claim =
        Look(connection).claim(grant.id)?.and_then(|claim| Claim::start(&grant.window, claim.started));
    connection.put(
        "INSERT INTO grants (id, person, closed, latest_ms, at_ms, body, digest, seq, version, hosts) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE \
         SET closed = ?3, latest_ms = ?4, body = ?6, digest = ?7, seq = ?8, version = ?9, hosts = ?10 \
         WHERE grants.version <= ?9",
        &[
            &grant.id.bits(),
            &grant.person.as_str(),
            &closed,
            &claim.map_or(grant.window.latest_end(), |claim| claim.ends).timestamp_millis(),
            &grant.approved_at.timestamp_millis(),
            &body,
            &digest_of(&body),
            &seq,
            &grant.version,
            &hosts,
        ],
    )?;
    if let Some(claim) = claim {
        connection.put(
            "UPDATE claim SET ends_ms = ?2 WHERE grant_id = ?1",
            &[&grant.id.bits(), &claim.ends.timestamp_millis()],
        )?;
    }
    Ok(())
}

/// The first use of a grant on this host.
pub fn claim_of(connection: &dyn Sql, grant: GrantId) -> Result<Option<Claim>, DeskError> {
    Look(connection).claim(grant)
}

/// Starts the clock of a grant by the record `seq`; the first use of it stays.
pub fn keep_claim(connection: &dyn Sql, grant: GrantId, claim: Claim, seq: u64) -> Result<(), StoreError> {
    let ends = claim.ends.timestamp_millis();
    let first = connection.execute(
        "INSERT INTO claim (grant_id, started_ms, ends_ms, seq) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        &[&grant.bits(), &claim.started.timestamp_millis(), &ends, &seq],
    )?;
    if first == 1 {
        let sql = "UPDATE grants SET latest_ms = ?2 WHERE id = ?1";
        connection.put(sql, &[&grant.bits(), &ends])?;
    }
    Ok(())
}

/// A host as it stands in a column of hosts: no name has a space in it.
fn on(host: &HostName) -> String {
    format!(" {host} ")
}

/// Looks things up over any connection.
struct Look<'a>(&'a dyn Sql);

impl Look<'_> {
    /// Bodies of rows, each checked against its digest.
    fn rows<T: DeserializeOwned>(&self, sql: &str, values: &[&dyn Bind]) -> Result<Vec<T>, DeskError> {
        let mut all = Vec::new();
        self.each(sql, values, &mut |one| all.push(one))?;
        Ok(all)
    }

    /// Hands over what is in each row, of which there may be a million.
    fn each<T: DeserializeOwned>(
        &self,
        sql: &str,
        values: &[&dyn Bind],
        take: &mut dyn FnMut(T),
    ) -> Result<(), DeskError> {
        let read = |row: &dyn Cells| {
            let (body, digest): (String, [u8; 32]) = FromRow::from_row(row)?;
            if digest != digest_of(&body) {
                return Err(DeskError::Store(format!(
                    "a row was changed after it was written: {}",
                    store::PUT_RIGHT
                )));
            }
            serde_json::from_str(&body)
                .map_err(|why| DeskError::Store(format!("a row cannot be read: {why}")))
        };
        let mut failed = None;
        self.0.query(sql, values, &mut |row| match read(row) {
            Ok(one) => {
                take(one);
                true
            }
            Err(why) => {
                failed = Some(why);
                false
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn row<T: DeserializeOwned>(&self, sql: &str, values: &[&dyn Bind]) -> Result<Option<T>, DeskError> {
        Ok(self.rows(sql, values)?.pop())
    }

    fn ids(&self, sql: &str, low: u64, high: u64) -> Result<Vec<u64>, DeskError> {
        Ok(self.0.rows(sql, &[&low, &high])?)
    }
}

impl Queries for Look<'_> {
    fn request(&self, id: RequestId) -> Result<Option<Request>, DeskError> {
        self.row("SELECT body, digest FROM request WHERE id = ?1", &[&id.bits()])
    }

    fn request_ids(&self, low: RequestId, high: RequestId) -> Result<Vec<RequestId>, DeskError> {
        let sql = "SELECT id FROM request WHERE id BETWEEN ?1 AND ?2 LIMIT 2";
        Ok(self.ids(sql, low.bits(), high.bits())?.into_iter().map(RequestId::from_random).collect())
    }

    fn requests(&self, filter: &RequestFilter, after: After, limit: u32) -> Result<Vec<Request>, DeskError> {
        let (at, id) = after.map_or((i64::MAX, u64::MAX >> 1), |(at, id)| (at.timestamp_millis(), id.bits()));
        match filter {
            RequestFilter::Waiting => self.rows(
                "SELECT body, digest FROM request WHERE (state = 'pending' OR unseen = 1) \
                 AND (asked_ms, id) < (?1, ?2) ORDER BY asked_ms DESC, id DESC LIMIT ?3",
                &[&at, &id, &limit],
            ),
            RequestFilter::Of(person) => self.rows(
                "SELECT body, digest FROM request WHERE id IN (\
                   SELECT * FROM (SELECT id FROM request WHERE person = ?1 AND (asked_ms, id) < (?2, ?3) \
                     ORDER BY asked_ms DESC, id DESC LIMIT ?4) AS got \
                   UNION SELECT * FROM (SELECT id FROM request WHERE asked_by = ?1 AND (asked_ms, id) < (?2, ?3) \
                     ORDER BY asked_ms DESC, id DESC LIMIT ?4) AS asked) \
                 ORDER BY asked_ms DESC, id DESC LIMIT ?4",
                &[&person.as_str(), &at, &id, &limit],
            ),
            RequestFilter::All => self.rows(
                "SELECT body, digest FROM request WHERE (asked_ms, id) < (?1, ?2) \
                 ORDER BY asked_ms DESC, id DESC LIMIT ?3",
                &[&at, &id, &limit],
            ),
        }
    }

    fn asked_since(&self, since: Time, after: After, limit: u32) -> Result<Vec<Request>, DeskError> {
        let (at, id) = match after {
            Some((at, id)) => (at.timestamp_millis(), i64::try_from(id.bits()).unwrap_or(i64::MAX)),
            None => (since.timestamp_millis(), -1),
        };
        self.rows(
            "SELECT body, digest FROM request WHERE (asked_ms, id) > (?1, ?2) ORDER BY asked_ms, id LIMIT ?3",
            &[&at, &id, &limit],
        )
    }

    fn pending_of(&self, person: &Person) -> Result<Vec<Request>, DeskError> {
        self.rows(
            "SELECT body, digest FROM request INDEXED BY request_waits_for \
             WHERE (state = 'pending' OR unseen = 1) AND person = ?1 AND state = 'pending'",
            &[&person.as_str()],
        )
    }

    fn asked_by(&self, person: &Person, since: Time) -> Result<Asked, DeskError> {
        let (pending, lately) = self.0.one(
            "SELECT (SELECT count(*) FROM request INDEXED BY request_waits_by WHERE state = 'pending' AND asked_by = ?1), \
                    (SELECT count(*) FROM request WHERE asked_by = ?1 AND asked_ms >= ?2)",
            &[&person.as_str(), &since.timestamp_millis()],
        )?;
        Ok(Asked { pending, lately })
    }

    fn held_by(&self, person: &Person) -> Result<u64, DeskError> {
        let sql = "SELECT count(*) FROM grants WHERE closed = 0 AND person = ?1";
        Ok(self.0.one(sql, &[&person.as_str()])?)
    }

    fn due(&self, now: Time, limit: u32) -> Result<Vec<Request>, DeskError> {
        self.rows(
            "SELECT body, digest FROM request WHERE due_ms <= ?1 ORDER BY due_ms, id LIMIT ?2",
            &[&now.timestamp_millis(), &limit],
        )
    }

    fn automatic(&self, person: &Person, rule: &str, since: Time) -> Result<u32, DeskError> {
        let sql = "SELECT count(*) FROM request WHERE person = ?1 AND auto = ?2 AND asked_ms >= ?3";
        Ok(self.0.one(sql, &[&person.as_str(), &rule, &since.timestamp_millis()])?)
    }

    fn unseen(&self, person: &Person) -> Result<Vec<RequestId>, DeskError> {
        let ids: Vec<u64> = self.0.rows(
            "SELECT id FROM request INDEXED BY request_waits_for \
             WHERE (state = 'pending' OR unseen = 1) AND person = ?1 AND unseen = 1",
            &[&person.as_str()],
        )?;
        Ok(ids.into_iter().map(RequestId::from_random).collect())
    }

    fn policy(&self) -> Result<Option<PolicyVersion>, DeskError> {
        self.row("SELECT body, digest FROM policy ORDER BY version DESC LIMIT 1", &[])
    }

    fn policy_version(&self) -> Result<Option<u32>, DeskError> {
        Ok(self.0.one("SELECT max(version) FROM policy", &[])?)
    }

    fn grant(&self, id: GrantId) -> Result<Option<Grant>, DeskError> {
        self.row("SELECT body, digest FROM grants WHERE id = ?1", &[&id.bits()])
    }

    fn open_grant(&self, id: GrantId) -> Result<Option<Grant>, DeskError> {
        self.row("SELECT body, digest FROM grants WHERE id = ?1 AND closed = 0", &[&id.bits()])
    }

    fn came_back(&self, id: GrantId) -> Result<bool, DeskError> {
        let sql =
            "SELECT journal.body FROM grants JOIN journal ON journal.seq = grants.seq WHERE grants.id = ?1";
        let last: Option<String> = self.0.row(sql, &[&id.bits()])?;
        let last = last.and_then(|body| serde_json::from_str(&body).ok());
        let Some(Record::Change(last)) = last else { return Ok(false) };
        Ok((last.change, last.channel) == (Change::Received, Some(Channel::Host)))
    }

    fn grant_ids(&self, low: GrantId, high: GrantId) -> Result<Vec<GrantId>, DeskError> {
        let sql = "SELECT id FROM grants WHERE id BETWEEN ?1 AND ?2 LIMIT 2";
        Ok(self.ids(sql, low.bits(), high.bits())?.into_iter().map(GrantId::from_random).collect())
    }

    fn grants(
        &self,
        person: Option<&Person>,
        host: Option<&HostName>,
        all: bool,
        after: GrantAfter,
        limit: u32,
    ) -> Result<Vec<Grant>, DeskError> {
        let (at, id) = after.map_or((i64::MAX, u64::MAX >> 1), |(at, id)| (at.timestamp_millis(), id.bits()));
        macro_rules! newest {
            ($which:literal) => {
                concat!(
                    "SELECT body, digest FROM grants WHERE ",
                    $which,
                    " AND (?2 IS NULL OR replace(hosts, ?2, '') <> hosts) \
                     AND (at_ms, id) < (?3, ?4) ORDER BY at_ms DESC, id DESC LIMIT ?5"
                )
            };
        }
        let sql = match (person.is_some(), all) {
            (true, true) => newest!("person = ?1"),
            (true, false) => newest!("person = ?1 AND closed = 0"),
            (false, true) => newest!("?1 IS NULL"),
            (false, false) => newest!("?1 IS NULL AND closed = 0"),
        };
        self.rows(sql, &[&person.map(Person::as_str), &host.map(on), &at, &id, &limit])
    }

    fn any_closed(
        &self,
        person: &Person,
        until: Time,
        is: &dyn Fn(&Grant) -> bool,
    ) -> Result<bool, DeskError> {
        let mut found = false;
        self.each(
            "SELECT body, digest FROM grants WHERE person = ?1 AND closed = 1 AND latest_ms = ?2",
            &[&person.as_str(), &until.timestamp_millis()],
            &mut |grant| found |= is(&grant),
        )?;
        Ok(found)
    }

    fn open_grants(&self, after: Option<GrantId>, limit: u32) -> Result<Vec<Grant>, DeskError> {
        self.rows(
            "SELECT body, digest FROM grants WHERE closed = 0 AND id > ?1 ORDER BY id LIMIT ?2",
            &[&after.map_or(-1, |id| i64::try_from(id.bits()).unwrap_or(i64::MAX)), &limit],
        )
    }

    fn over(&self, now: Time, limit: u32) -> Result<Vec<Grant>, DeskError> {
        self.rows(
            "SELECT body, digest FROM grants WHERE closed = 0 AND latest_ms <= ?1 LIMIT ?2",
            &[&now.timestamp_millis(), &limit],
        )
    }

    fn old(&self, old: Old, limit: u32) -> Result<(Vec<RequestId>, Vec<Grant>), DeskError> {
        forgetting::old(self, old, limit)
    }

    fn claim(&self, grant: GrantId) -> Result<Option<Claim>, DeskError> {
        let sql = "SELECT started_ms, ends_ms FROM claim WHERE grant_id = ?1";
        let claim = self.0.row(sql, &[&grant.bits()])?;
        claim.map(|(started, ends)| Ok(Claim { started: time(started)?, ends: time(ends)? })).transpose()
    }

    fn usage(&self, grant: GrantId, now: Time) -> Result<Usage, DeskError> {
        /// First use and its end, open sessions; sessions, milliseconds and since when.
        type Found = (Option<i64>, Option<i64>, u32, Option<u32>, Option<u64>, Option<i64>);
        let (started, ends, open, sessions, ms, since): Found = self.0.one(
            "SELECT claim.started_ms, claim.ends_ms, \
               (SELECT count(*) FROM session WHERE grant_id = ?1 AND closed = 0), used.sessions, used.ms, used.since_ms \
             FROM (SELECT 1) AS this LEFT JOIN claim ON claim.grant_id = ?1 LEFT JOIN used ON used.grant_id = ?1",
            &[&grant.bits()],
        )?;
        let claim = match (started, ends) {
            (Some(started), Some(ends)) => Some(Claim { started: time(started)?, ends: time(ends)? }),
            _ => None,
        };
        let running = since.map_or(0, |since| u64::try_from(now.timestamp_millis() - since).unwrap_or(0));
        let used = Used { sessions: sessions.unwrap_or(0), seconds: (ms.unwrap_or(0) + running) / 1000 };
        Ok(Usage { claim, sessions: open, used })
    }

    fn answered(&self, person: &Person, key: &str) -> Result<Option<(String, String)>, DeskError> {
        let sql = "SELECT call, answer FROM idempotency WHERE person = ?1 AND key = ?2";
        Ok(self.0.row(sql, &[&person.as_str(), &key])?)
    }
}

/// A transaction of the one writer.
struct Writing<'a, 'b, E> {
    tx: &'a mut Tx<'b, E>,
    /// The record that vouches for the rows that follow it.
    last: u64,
}

impl<E> Writing<'_, '_, E> {
    fn look(&self) -> Look<'_> {
        Look(self.tx.connection())
    }

    /// The record that vouches for a row that is put now. A repair drops a row without one.
    fn voucher(&self) -> Result<u64, DeskError> {
        if self.last == 0 {
            return Err(DeskError::Store("a change was to be stored before its record".into()));
        }
        Ok(self.last)
    }
}

impl<E: From<Committed>> Transaction for Writing<'_, '_, E> {
    fn put_request(&mut self, request: &Request) -> Result<(), DeskError> {
        let body = json(request)?;
        let due = request.due().map(|due| due.timestamp_millis());
        let automatic = request.is_automatic().then_some(request.rule.as_str());
        let ask = &request.ask;
        self.tx.connection().put(
            "INSERT INTO request \
               (id, state, asked_by, person, asked_ms, due_ms, auto, unseen, body, digest, seq) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO UPDATE \
             SET state = ?2, due_ms = ?6, auto = ?7, unseen = ?8, body = ?9, digest = ?10, seq = ?11",
            &[
                &ask.id.bits(),
                &request.state.code(),
                &ask.asked_by.as_str(),
                &ask.person.as_str(),
                &ask.asked_at.timestamp_millis(),
                &due,
                &automatic,
                &request.is_unseen(),
                &body,
                &digest_of(&body),
                &self.voucher()?,
            ],
        )?;
        self.tx.event(Committed::Request(Box::new(request.clone())).into());
        Ok(())
    }

    fn put_grant(&mut self, grant: &Grant, closed: bool) -> Result<(), DeskError> {
        keep_grant(self.tx.connection(), grant, closed, self.voucher()?)?;
        // The next decision of a gate must see it.
        self.tx.end_group();
        self.tx.event(Committed::Grant(Box::new(grant.clone())).into());
        Ok(())
    }

    fn forget_request(&mut self, id: RequestId) -> Result<(), DeskError> {
        forgetting::request(self.tx.connection(), id)
    }

    fn forget_grant(&mut self, grant: &Grant) -> Result<(), DeskError> {
        forgetting::grant(self.tx.connection(), grant)
    }

    fn put_policy(&mut self, version: &PolicyVersion) -> Result<(), DeskError> {
        let body = json(version)?;
        self.tx.connection().put(
            "INSERT INTO policy (version, body, digest, seq) VALUES (?1, ?2, ?3, ?4)",
            &[&version.version, &body, &digest_of(&body), &self.voucher()?],
        )?;
        Ok(())
    }

    fn record(&mut self, change: ChangeRecord) -> Result<(), DeskError> {
        // Glass is broken by whom the policy names, and by its rule not again before the last one was looked at.
        let is_glass = change.request.as_ref().is_some_and(|request| request.ask.kind == Kind::BreakGlass);
        let at_will = match change.change {
            Change::Requested => !is_glass,
            Change::Cancelled | Change::Released => true,
            _ => false,
        };
        let record = Record::Change(Box::new(change));
        let body = json(&record)?;
        self.last = if at_will { self.tx.record_refusal(body)? } else { self.tx.record(body)? };
        self.tx.event(Committed::Record { seq: self.last, record: Box::new(record) }.into());
        Ok(())
    }

    fn answer(
        &mut self,
        person: &Person,
        key: &str,
        call: &str,
        answer: &str,
        now: Time,
    ) -> Result<(), DeskError> {
        let old = now.timestamp_millis() - limits::KEY_DAYS * 86_400_000;
        let connection = self.tx.connection();
        connection.put("DELETE FROM idempotency WHERE at_ms < ?1", &[&old])?;
        connection.put(
            "DELETE FROM idempotency WHERE person = ?1 AND key IN (SELECT key FROM idempotency \
               WHERE person = ?1 ORDER BY at_ms DESC LIMIT ?3 OFFSET ?2)",
            &[&person.as_str(), &(limits::KEYS_PER_PERSON - 1), &i64::MAX],
        )?;
        connection.put(
            "INSERT INTO idempotency (person, key, call, answer, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[&person.as_str(), &key, &call, &answer, &now.timestamp_millis()],
        )?;
        Ok(())
    }
}

impl<E> Queries for Writing<'_, '_, E> {
    fn request(&self, id: RequestId) -> Result<Option<Request>, DeskError> {
        self.look().request(id)
    }
    fn request_ids(&self, low: RequestId, high: RequestId) -> Result<Vec<RequestId>, DeskError> {
        self.look().request_ids(low, high)
    }
    fn requests(&self, filter: &RequestFilter, after: After, limit: u32) -> Result<Vec<Request>, DeskError> {
        self.look().requests(filter, after, limit)
    }
    fn asked_since(&self, since: Time, after: After, limit: u32) -> Result<Vec<Request>, DeskError> {
        self.look().asked_since(since, after, limit)
    }
    fn pending_of(&self, person: &Person) -> Result<Vec<Request>, DeskError> {
        self.look().pending_of(person)
    }
    fn asked_by(&self, person: &Person, since: Time) -> Result<Asked, DeskError> {
        self.look().asked_by(person, since)
    }
    fn held_by(&self, person: &Person) -> Result<u64, DeskError> {
        self.look().held_by(person)
    }
    fn due(&self, now: Time, limit: u32) -> Result<Vec<Request>, DeskError> {
        self.look().due(now, limit)
    }
    fn automatic(&self, person: &Person, rule: &str, since: Time) -> Result<u32, DeskError> {
        self.look().automatic(person, rule, since)
    }
    fn unseen(&self, person: &Person) -> Result<Vec<RequestId>, DeskError> {
        self.look().unseen(person)
    }
    fn policy(&self) -> Result<Option<PolicyVersion>, DeskError> {
        self.look().policy()
    }
    fn policy_version(&self) -> Result<Option<u32>, DeskError> {
        self.look().policy_version()
    }
    fn grant(&self, id: GrantId) -> Result<Option<Grant>, DeskError> {
        self.look().grant(id)
    }
    fn open_grant(&self, id: GrantId) -> Result<Option<Grant>, DeskError> {
        self.look().open_grant(id)
    }
    fn came_back(&self, id: GrantId) -> Result<bool, DeskError> {
        self.look().came_back(id)
    }
    fn grant_ids(&self, low: GrantId, high: GrantId) -> Result<Vec<GrantId>, DeskError> {
        self.look().grant_ids(low, high)
    }
    fn grants(
        &self,
        person: Option<&Person>,
        host: Option<&HostName>,
        all: bool,
        after: GrantAfter,
        limit: u32,
    ) -> Result<Vec<Grant>, DeskError> {
        self.look().grants(person, host, all, after, limit)
    }
    fn any_closed(
        &self,
        person: &Person,
        until: Time,
        is: &dyn Fn(&Grant) -> bool,
    ) -> Result<bool, DeskError> {
        self.look().any_closed(person, until, is)
    }
    fn open_grants(&self, after: Option<GrantId>, limit: u32) -> Result<Vec<Grant>, DeskError> {
        self.look().open_grants(after, limit)
    }
    fn over(&self, now: Time, limit: u32) -> Result<Vec<Grant>, DeskError> {
        self.look().over(now, limit)
    }
    fn old(&self, old: Old, limit: u32) -> Result<(Vec<RequestId>, Vec<Grant>), DeskError> {
        self.look().old(old, limit)
    }
    fn claim(&self, grant: GrantId) -> Result<Option<Claim>, DeskError> {
        self.look().claim(grant)
    }
    fn usage(&self, grant: GrantId, now: Time) -> Result<Usage, DeskError> {
        self.look().usage(grant, now)
    }
    fn answered(&self, person: &Person, key: &str) -> Result<Option<(String, String)>, DeskError> {
        self.look().answered(person, key)
    }
}

fn json(value: &impl Serialize) -> Result<String, DeskError> {
    serde_json::to_string(value).map_err(|why| DeskError::Store(why.to_string()))
}

fn digest_of(body: &str) -> [u8; 32] {
    Sha256::digest(body).into()
}

fn time(millis: i64) -> Result<Time, DeskError> {
    Time::from_timestamp_millis(millis)
        .ok_or_else(|| DeskError::Store(format!("a row holds an invalid time: {}", store::PUT_RIGHT)))
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Late | StoreError::Unsure => Self::Unsure(error.to_string()),
            _ => Self::Store(error.to_string()),
        }
    }
}
