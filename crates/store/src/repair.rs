//! A new file from every row of a damaged one that verifies.
//!
//! The damaged files are kept. The new log starts with a record that names the break and the old head.
//! Rows of state are taken over when two places agree: the row itself (its digest is that of its body) and
//! the journal record that last changed it (whole by its own hash, and holding that very body). An early
//! end is taken over when *either* says so: damage must never bring back what was revoked. A grant is
//! dropped where records after its last known change are lost, for one of them may have ended it.
//!
//! First uses are what the records say: the decision that made one names its grant and its end. So a claim
//! whose row is lost is made again, and a grant never gets a second clock: where row and records contradict
//! each other and no record tells the end, the grant goes too.
//!
//! Each row that is taken over gets a record of its own in the new log, so that the next repair can ask as
//! much as this one.

mod aside;
mod salvage;

pub(crate) use aside::broke_off;

use crate::file::{Options, connect, create, lock};
use crate::{StoreError, rows};
use journal::{Hash, Head, LogId, Row, Stamp};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode};
use salvage::{Found, Salvaged, salvage};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The table of which the last row is in force.
const POLICY: &str = "policy";
const GRANTS: &str = "grants";

/// What became of a damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Where the damaged file is kept.
    pub kept: PathBuf,
    /// The log that ended.
    pub old: Option<LogId>,
    /// The last record of it up to which the chain is whole.
    pub whole_to: u64,
    /// The last record of it that could be read at all.
    pub last_seen: u64,
    /// The hash of that record.
    pub old_head: Option<Hash>,
    /// The clock's row in the new file.
    pub clock: Option<String>,
    /// Rows of each table that were taken over.
    pub taken: BTreeMap<&'static str, u64>,
    /// What was not.
    pub lost: Vec<Lost>,
}

/// Something that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The table.
    pub table: &'static str,
    /// Which row, or which rows.
    pub which: String,
    /// Why.
    pub why: String,
}

/// Knows what bodies mean.
pub trait Judge {
    /// The id of the row with this body, if the record holds this very body.
    fn holds(&self, table: &str, record: &str, body: &str) -> Option<u64>;

    /// What a grant's body says.
    fn grant(&self, body: &str) -> Option<GrantSays>;

    /// What a record says, whatever row it belongs to.
    fn says(&self, record: &str) -> Says;

    /// What the daemon keeps beside the tables that all have.
    fn own(&self) -> Own {
        Own::default()
    }

    /// Whether a row of one of those tables can be believed by its body, and by the grant of its id where that is
    /// taken over.
    fn stands(&self, table: &str, body: &str, grant: Option<&str>) -> bool {
        let _ = (table, body, grant);
        false
    }

    /// The clock's row: at least as late as these records prove, in their order, and no value that cannot
    /// be read. Also says what was wrong with the row.
    fn clock(
        &self,
        row: Option<&str>,
        records: &mut dyn Iterator<Item = &Row>,
    ) -> (Option<String>, Option<String>);

    /// The record that vouches for something in the new log.
    fn vouch(&self, taken: Taken<'_>) -> String;
}

/// What one daemon alone keeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own {
    /// Keys of `meta`.
    pub meta: &'static [&'static str],
    /// Tables whose rows have a `body`, each with its key.
    pub tables: &'static [(&'static str, &'static str)],
}

/// What a grant's body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantSays {
    /// It ended early.
    pub ended: bool,
    /// Its clock starts at its first use.
    pub by_use: bool,
}

/// What a record says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Says {
    /// This grant ended early.
    pub ended: Option<u64>,
    /// A grant was used.
    pub used: Option<Use>,
}

/// A use of a grant on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The grant.
    pub grant: u64,
    /// When, in milliseconds after the Unix epoch: for the first use when its clock started.
    pub started_ms: i64,
    /// The end of the grant as it was then.
    pub ends_ms: i64,
}

/// Something that is taken over.
#[derive(Clone, Copy, Debug)]
pub enum Taken<'a> {
    /// A row with a body.
    Row {
        /// Its table.
        table: &'a str,
        /// Its body.
        body: &'a str,
    },
    /// A first use.
    Claim(Use),
}

/// Builds a new file in place of the one at `options.path`; one that broke off goes on. `opening` makes the
/// first record of the new log, and its stamp is that of all that vouch.
pub fn repair(
    options: &Options,
    opening: impl FnOnce(&Repaired, LogId) -> (Stamp, String),
    judge: &dyn Judge,
) -> Result<Repaired, StoreError> {
    let _lock = lock(&options.path)?;
    let kept = aside::move_aside(&options.path)?;
    let salvaged = salvage(&kept, judge.own())?;
    aside::remove(&crate::file::beside(&kept, "-shm"))?;

    let fresh = options.path.with_extension("new");
    aside::discard(&fresh)?;
    let built = build(&Options { path: fresh.clone(), ..options.clone() }, kept, salvaged, opening, judge);
    if built.is_err() {
        // Whatever room there is belongs to the next try.
        let _ = aside::discard(&fresh);
    }
    let repaired = built?;
    if aside::is_in_place(&options.path)? {
        aside::discard(&fresh)?;
    } else {
        aside::put_in_place(&fresh, &options.path)?;
    }
    aside::end(&options.path)?;
    Ok(repaired)
}

fn build(
    fresh: &Options,
    kept: PathBuf,
    salvaged: Salvaged,
    opening: impl FnOnce(&Repaired, LogId) -> (Stamp, String),
    judge: &dyn Judge,
) -> Result<Repaired, StoreError> {
    let Salvaged { log, records, last_there, checkpoint, rows, claims, clock, own, meta, lost } = salvaged;
    let mut repaired = Repaired {
        kept,
        old: log,
        whole_to: whole_to(&records),
        last_seen: records.last_key_value().map_or(0, |(seq, _)| *seq),
        old_head: records.last_key_value().map(|(_, row)| row.hash),
        clock: None,
        taken: BTreeMap::new(),
        lost,
    };
    // Also a row, or a record that is not whole, proves that there were more than can be read.
    let known_end = rows
        .iter()
        .filter_map(|(_, found)| found.seq())
        .chain(claims.values().filter_map(Found::seq))
        .chain(checkpoint.map(|head| head.seq))
        .chain([last_there])
        .max()
        .unwrap_or(0);
    let known = known_end.to_string();
    if known_end > repaired.last_seen
        && !repaired.lost.iter().any(|lost| lost.table == "journal" && lost.which == known)
    {
        let which = format!("{} to {known_end}", repaired.last_seen + 1);
        repaired.lose("journal", which, "cut off".into());
    }

    let told = Told::of(&records, known_end, judge);
    let mut keep = Vec::new();
    for (table, found) in rows {
        match told.judge_row(table, &found, judge) {
            Ok(says) => keep.push((table, found, says)),
            Err(why) => repaired.lose(table, found.id.to_string(), why),
        }
    }
    // An older policy must not come into force again because a newer one is lost: then none is.
    if repaired.lost.iter().any(|lost| lost.table == POLICY) {
        keep.retain(|(table, _, _)| *table != POLICY);
    }
    let (clock, wrong) = judge.clock(clock.as_deref(), &mut records.values());
    if let Some(why) = wrong {
        repaired.lose("meta", "clock".into(), why);
    }
    repaired.clock = clock;
    let uses = told.uses(&mut keep, &claims, &mut repaired);
    *repaired.taken.entry("meta").or_insert(0) += u64::from(repaired.clock.is_some());

    // The allowance is for what is to come: a repair that does not fit into it would be none.
    let connection = connect(&Options { max_bytes: i64::MAX.unsigned_abs(), ..fresh.clone() })?;
    let mut stamp = None;
    let mut head = create(&connection, fresh.tables, |log| {
        let (first, body) = opening(&repaired, log);
        stamp = Some(first.clone());
        (first, body)
    })?;
    let Some(stamp) = stamp else {
        return Err(StoreError::Closed);
    };
    let transaction = connection.unchecked_transaction()?;
    if let Some(clock) = &repaired.clock {
        rows::set_meta(&*transaction, "clock", clock)?;
    }
    put_own(&transaction, own, meta, &keep, judge, &mut repaired)?;
    for (table, found, _) in keep {
        let record = judge.vouch(Taken::Row { table, body: found.text("body").unwrap_or_default() });
        match insert(&transaction, table, found.columns, head.seq + 1) {
            Ok(()) => {
                head = rows::append(&*transaction, head, stamp.clone(), record)?;
                *repaired.taken.entry(table).or_insert(0) += 1;
            }
            Err(StoreError::Sql(why)) if why.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                repaired.lose(table, found.id.to_string(), format!("its columns are damaged: {why}"));
            }
            Err(why) => return Err(why),
        }
    }
    for use_ in uses {
        transaction
            .prepare_cached("INSERT INTO claim (grant_id, started_ms, ends_ms, seq) VALUES (?1, ?2, ?3, ?4)")?
            .execute(rusqlite::params![use_.grant, use_.started_ms, use_.ends_ms, head.seq + 1])?;
        transaction
            .prepare_cached("UPDATE grants SET latest_ms = ?2 WHERE id = ?1")?
            .execute(rusqlite::params![use_.grant, use_.ends_ms])?;
        head = rows::append(&*transaction, head, stamp.clone(), judge.vouch(Taken::Claim(use_)))?;
        *repaired.taken.entry("claim").or_insert(0) += 1;
    }
    transaction.commit()?;
    // One file holds everything, so that one rename puts it in place.
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy != 0 {
        return Err(StoreError::Failed);
    }
    connection.close().map_err(|(_, why)| why)?;
    repaired.taken.retain(|_, rows| *rows > 0);
    Ok(repaired)
}

/// What the daemon alone keeps, where it stands.
fn put_own(
    transaction: &Connection,
    own: Vec<(&'static str, Found)>,
    meta: Vec<(&'static str, String)>,
    keep: &[(&'static str, Found, Option<GrantSays>)],
    judge: &dyn Judge,
    repaired: &mut Repaired,
) -> Result<(), StoreError> {
    for (key, value) in meta {
        rows::set_meta(transaction, key, &value)?;
    }
    let grants = keep.iter().filter(|(table, ..)| *table == GRANTS);
    let grants: BTreeMap<i64, &str> =
        grants.filter_map(|(_, found, _)| Some((found.id, found.text("body")?))).collect();
    for (table, found) in own {
        if judge.stands(table, found.text("body").unwrap_or_default(), grants.get(&found.id).copied()) {
            insert(transaction, table, found.columns, 0)?;
            *repaired.taken.entry(table).or_insert(0) += 1;
        } else {
            let why = "it cannot be read, or is about a grant that is lost";
            repaired.lose(table, found.id.to_string(), why.into());
        }
    }
    Ok(())
}

impl Repaired {
    fn lose(&mut self, table: &'static str, which: String, why: String) {
        self.lost.push(Lost { table, which, why });
    }
}

/// What all records together tell.
struct Told<'a> {
    records: &'a BTreeMap<u64, Row>,
    known_end: u64,
    /// The first record that ended each grant after each place is found here.
    ends: BTreeMap<u64, Vec<u64>>,
    /// The first use of each grant, and the record that tells it.
    first_use: BTreeMap<u64, (u64, Use)>,
}

impl<'a> Told<'a> {
    fn of(records: &'a BTreeMap<u64, Row>, known_end: u64, judge: &dyn Judge) -> Self {
        let mut told = Self { records, known_end, ends: BTreeMap::new(), first_use: BTreeMap::new() };
        for (seq, row) in records {
            let says = judge.says(&row.body);
            if let Some(grant) = says.ended {
                told.ends.entry(grant).or_default().push(*seq);
            }
            if let Some(use_) = says.used {
                told.first_use.entry(use_.grant).or_insert((*seq, use_));
            }
        }
        told
    }

    /// Whether a row is true; for a grant also what it says.
    fn judge_row(&self, table: &str, found: &Found, judge: &dyn Judge) -> Result<Option<GrantSays>, String> {
        let seq = found.seq().ok_or("it names no record")?;
        let record = self.records.get(&seq).ok_or_else(|| format!("record {seq}, which made it, is lost"))?;
        let body = found.text("body").ok_or("it has no body")?;
        if let Some(digest) = found.blob("digest")
            && digest != Hash::of(body.as_bytes()).0
        {
            return Err("it was changed after it was written".into());
        }
        let id = u64::try_from(found.id).map_err(|_| "its id is none")?;
        if judge.holds(table, &record.body, body) != Some(id) {
            return Err(format!("record {seq}, which made it, says something else"));
        }
        if table == POLICY
            && let Some(gap) = self.lost_after(seq)
        {
            return Err(format!("record {gap} is lost and could have replaced it"));
        }
        if table != GRANTS {
            return Ok(None);
        }
        let says = judge.grant(body).ok_or("it cannot be read")?;
        if !says.ended {
            let ends = self.ends.get(&id).and_then(|ends| ends.iter().find(|end| **end > seq));
            if let Some(end) = ends {
                return Err(format!("record {end} ended it"));
            }
            if let Some(gap) = self.lost_after(seq) {
                return Err(format!("record {gap} is lost and could have ended it"));
            }
        }
        Ok(Some(says))
    }

    /// The first record after `seq` that is lost, if any.
    fn lost_after(&self, seq: u64) -> Option<u64> {
        let mut expected = seq;
        for found in self.records.range(seq..).map(|(seq, _)| *seq) {
            if found > expected {
                return Some(expected);
            }
            expected = found + 1;
        }
        (self.known_end >= expected).then_some(expected)
    }

    /// First uses of the grants that are kept. A grant of which a row claims a use that no record tells is
    /// taken out of `keep`: without its claim it would get a fresh clock, and the row alone proves no end.
    fn uses(
        &self,
        keep: &mut Vec<(&'static str, Found, Option<GrantSays>)>,
        claims: &BTreeMap<u64, Found>,
        repaired: &mut Repaired,
    ) -> Vec<Use> {
        let mut uses = Vec::new();
        keep.retain(|(table, grant, says)| {
            let Some(says) = says.filter(|says| says.by_use) else { return true };
            let id = u64::try_from(grant.id).unwrap_or_default();
            let row = claims.get(&id);
            match (self.first_use.get(&id), row) {
                (Some((seq, told)), row) => {
                    let same = |row: &Found| {
                        (row.number("started_ms"), row.number("ends_ms"))
                            == (Some(told.started_ms), Some(told.ends_ms))
                    };
                    let wrong = match row {
                        Some(row) if same(row) => None,
                        Some(_) => Some("says something else than"),
                        None => Some("is gone; it was made again from"),
                    };
                    if let Some(wrong) = wrong {
                        let why = format!("its row {wrong} record {seq}, which is what counts");
                        repaired.lose("claim", id.to_string(), why);
                    }
                    uses.push(*told);
                    true
                }
                (None, None) => true,
                (None, Some(_)) => {
                    repaired.lose("claim", id.to_string(), "no record tells of this use".into());
                    if says.ended {
                        return true;
                    }
                    let why = "a row says that it was used, and no record tells until when it is good";
                    repaired.lose(table, id.to_string(), why.into());
                    false
                }
            }
        });
        self.uses_of_others(&mut uses, claims, repaired);
        uses
    }

    /// First uses of grants that are not kept here: a hub may give such a grant again, and its clock must not start
    /// anew. Where no record tells until when it was good, it is used up.
    fn uses_of_others(&self, uses: &mut Vec<Use>, claims: &BTreeMap<u64, Found>, repaired: &mut Repaired) {
        let last_ms = self.records.last_key_value().map_or(0, |(_, row)| row.stamp.wall_ms);
        let mut known: BTreeSet<u64> = uses.iter().map(|use_| use_.grant).collect();
        for (id, (_, told)) in &self.first_use {
            if claims.contains_key(id) && told.ends_ms > last_ms && known.insert(*id) {
                uses.push(*told);
            }
        }
        for (id, row) in claims {
            if self.first_use.contains_key(id) || !known.insert(*id) {
                continue;
            }
            let started_ms = row.number("started_ms").unwrap_or(last_ms);
            uses.push(Use { grant: *id, started_ms, ends_ms: started_ms });
            if !repaired.lost.iter().any(|lost| lost.table == "claim" && lost.which == id.to_string()) {
                let why = "no record tells until when its grant is good, which is used up so";
                repaired.lose("claim", id.to_string(), why.into());
            }
        }
    }
}

/// The last place up to which every record follows the one before.
fn whole_to(records: &BTreeMap<u64, Row>) -> u64 {
    let mut head: Option<Head> = None;
    for row in records.values() {
        let before = head.unwrap_or(Head { log: row.log, seq: row.seq.saturating_sub(1), hash: row.prev });
        match before.verify(row) {
            Ok(next) => head = Some(next),
            Err(_) => break,
        }
    }
    head.map_or(0, |head| head.seq)
}

fn insert(new: &Connection, table: &str, columns: Vec<(String, Value)>, seq: u64) -> Result<(), StoreError> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let marks: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), marks.join(", "));
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let values =
        columns.into_iter().map(|(name, value)| if name == "seq" { Value::Integer(seq) } else { value });
    new.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values))?;
    Ok(())
}
