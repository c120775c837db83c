//! The daemon's side of the store: records and what goes with them, in one transaction each.

use crate::clock::{Clock, Confirmed};
use crate::memory::{Changed, Memory};
use crate::source::{Enrolment, outbox, rows as source};
use crate::{limits, rows};
use access::{Claim, Grant, GrantId, HostName, Reason, SessionId, Time, View};
use api::{Change, ChangeRecord, EndCause, Mark, MarkRecord, Record, Session, SessionChange, SessionRecord};
use desk::{Committed, DeskError};
use journal::{Checkpoint, LogId, Stamp};
use loglines::{Faults, Level, Log, Tells};
use rusqlite::Connection;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use store::{Observer, Sql, StoreError, Tx, Writer};

/// Why something is not in the journal.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store says so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record cannot be written as JSON, or an id cannot be drawn.
    #[error("{0}")]
    Unwritable(String),
}

impl From<LedgerError> for DeskError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Store(why) => why.into(),
            LedgerError::Unwritable(why) => Self::Store(why),
        }
    }
}

/// Appends records and what goes with them.
pub struct Ledger {
    writer: Writer<Changed>,
    memory: Arc<Memory>,
    reader: Mutex<Connection>,
    log: Log,
    /// Sessions whose change waits to be written.
    closing: Arc<Mutex<HashSet<SessionId>>>,
}

/// The key of `meta` that says which record of which log the hub has.
const UPLOADED: &str = "uploaded";

/// One transaction of the writer.
pub struct Entry<'a, 'b> {
    tx: &'a mut Tx<'b, Changed>,
    memory: &'a Memory,
    seq: u64,
}

impl Entry<'_, '_> {
    /// What is committed.
    pub fn memory(&self) -> &Memory {
        self.memory
    }

    /// Appends a record.
    pub fn record(&mut self, record: Record) -> Result<u64, LedgerError> {
        self.seq = self.tx.record(json(&record)?)?;
        self.tx.event(Committed::Record { seq: self.seq, record: Box::new(record) }.into());
        Ok(self.seq)
    }

    /// The same for what anybody can bring about at will: never into the room that is kept for logins.
    pub fn record_repeatable(&mut self, record: Record) -> Result<u64, LedgerError> {
        self.seq = self.tx.record_refusal(json(&record)?)?;
        self.tx.event(Committed::Record { seq: self.seq, record: Box::new(record) }.into());
        Ok(self.seq)
    }

    /// Keeps a grant of this host's own making, after its record; the next decision must see it.
    pub fn grant(&mut self, grant: &Grant) -> Result<(), LedgerError> {
        desk::keep_grant(self.tx.connection(), grant, false, self.seq)
            .map_err(|why| LedgerError::Unwritable(why.to_string()))?;
        self.tx.event(Committed::Grant(Box::new(grant.clone())).into());
        self.tx.end_group();
        Ok(())
    }

    /// Goes by a grant no more, if it is there; the next decision must see it.
    pub fn take_back(&mut self, id: GrantId, at: Time) -> Result<(), LedgerError> {
        if let Some(grant) = rows::grant(self.tx.connection(), id)? {
            self.withdraw(grant, at)?;
        }
        self.tx.end_group();
        Ok(())
    }

    /// For rows of other rooms.
    pub fn connection(&self) -> &dyn Sql {
        self.tx.connection()
    }

    /// Starts a first-use clock; the next decision must see it.
    pub fn claim(&mut self, grant: GrantId, claim: Claim) -> Result<(), LedgerError> {
        desk::keep_claim(self.tx.connection(), grant, claim, self.seq)?;
        self.tx.event(Changed::Claimed(grant, claim));
        self.tx.end_group();
        Ok(())
    }

    /// Keeps a session that opens; the next decision must see it.
    pub fn open(&mut self, session: Session) -> Result<(), LedgerError> {
        rows::open_session(self.tx.connection(), &session, self.seq)?;
        self.keep(session);
        Ok(())
    }

    /// Changes a session as `record` says, if it is still there. The next decision must see it.
    pub fn change(
        &mut self,
        id: SessionId,
        record: impl FnOnce(Session) -> SessionRecord,
    ) -> Result<bool, LedgerError> {
        let Some(before) = rows::session(self.tx.connection(), id)? else { return Ok(false) };
        let record = record(before.clone());
        let (after, at) = (record.session.clone(), record.at);
        self.record(Record::Session(Box::new(record)))?;
        rows::change_session(self.tx.connection(), &before, Some(&after), self.seq, at)?;
        self.keep(after);
        Ok(true)
    }

    /// Goes by a grant of the hub from now on.
    fn receive(&mut self, grant: &Grant, at: Time) -> Result<(), LedgerError> {
        let seq = self.record(of_hub(Change::Received, grant.clone(), at))?;
        let connection = self.tx.connection();
        // One that was over for long was forgotten with its first use, and must not have another.
        let claim = desk::keep_grant(connection, grant, grant.ended.is_some(), seq)
            .and_then(|()| desk::claim_of(connection, grant.id))
            .map_err(|why| LedgerError::Unwritable(why.to_string()))?;
        if let Some(claim) = claim {
            self.tx.event(Changed::Claimed(grant.id, claim));
        }
        self.tx.event(Committed::Grant(Box::new(grant.clone())).into());
        Ok(())
    }

    /// Goes by a grant no more.
    fn withdraw(&mut self, grant: Grant, at: Time) -> Result<(), LedgerError> {
        let id = grant.id;
        self.record(of_hub(Change::Withdrawn, grant, at))?;
        rows::withdraw(self.tx.connection(), id)?;
        self.tx.event(Changed::Withdrawn(id));
        Ok(())
    }

    fn keep(&mut self, session: Session) {
        let counts = session.grant.is_some();
        self.tx.event(Changed::Session(Box::new(session)));
        if counts {
            self.tx.end_group();
        }
    }
}

impl Ledger {
    /// A ledger over `writer`, with a connection of its own to read by.
    pub fn new(writer: Writer<Changed>, memory: Arc<Memory>, reader: Connection, log: Log) -> Self {
        Self { writer, memory, reader: Mutex::new(reader), log, closing: Arc::default() }
    }

    /// Runs `work` in one transaction and waits until it is durable, at most `wait`.
    pub fn append<T, W>(&self, wait: Duration, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Entry<'_, '_>) -> Result<T, LedgerError> + Send + 'static,
    {
        let memory = Arc::clone(&self.memory);
        self.writer.run(wait, move |tx| work(&mut Entry { tx, memory: &memory, seq: 0 }))
    }

    /// [`Self::append`] as [`Writer::run_at_once`] does it.
    pub fn append_at_once<T, W, G>(
        &self,
        wait: Duration,
        watched: impl FnOnce() -> G,
        work: W,
        tell: impl FnOnce(&Result<T, LedgerError>) + Send + 'static,
    ) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Entry<'_, '_>) -> Result<T, LedgerError> + Send + 'static,
    {
        let memory = Arc::clone(&self.memory);
        let work = move |tx: &mut Tx<'_, Changed>| work(&mut Entry { tx, memory: &memory, seq: 0 });
        self.writer.run_at_once(wait, watched, work, tell)
    }

    /// Appends a decision that nobody waits for. `lost` hears of it when that fails.
    pub fn append_later(&self, record: Record, lost: impl FnOnce(Record, LedgerError) + Send + 'static) {
        // What mode=monitor lets in counts as the refusal that it would be: it must not fill the file either.
        let allows = matches!(
            &record,
            Record::Decision(decision) if decision.reason.allows() && decision.reason != Reason::Monitor
        );
        let lost = Arc::new(Mutex::new(Some((record.clone(), lost))));
        let tell = Arc::clone(&lost);
        let tell = move |why: LedgerError| {
            let told = tell.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((record, lost)) = told {
                lost(record, why);
            }
        };
        let tell_later = tell.clone();
        let submitted = self.writer.submit(
            move |tx: &mut Tx<'_, Changed>| -> Result<(), LedgerError> {
                let body = json(&record)?;
                let seq = if allows { tx.record(body)? } else { tx.record_refusal(body)? };
                tx.event(Committed::Record { seq, record: Box::new(record) }.into());
                Ok(())
            },
            move |done| {
                if let Err(why) = done {
                    tell_later(why);
                }
            },
        );
        if let Err(why) = submitted {
            tell(why.into());
        }
    }

    /// Records something about the daemon itself, and waits for it.
    pub fn mark(&self, mark: Mark, detail: String, at: Time) -> Result<u64, LedgerError> {
        let record = Record::Mark(Box::new(MarkRecord { at, mark, detail }));
        self.append(limits::DESK_WAIT, move |entry| entry.record(record))
    }

    /// Closes a session whose login is over. Where something of it may run on it is kept, so that this ends with
    /// its grant.
    pub fn close(&self, session: &Session, at: Time, how: &'static str) {
        if session.closed.is_some() {
            return;
        }
        self.change_later(session.id, move |before, left| {
            let closed = Session { closed: Some(at), ..before.clone() };
            let record = SessionRecord {
                at,
                change: SessionChange::Closed,
                session: closed,
                actor: None,
                comment: None,
                end: None,
                detail: how.to_owned(),
            };
            let stays = left && before.closed.is_none();
            before.closed.is_none().then_some((Some(record), stays))
        });
    }

    /// A session was ended, and nothing of it is left.
    pub fn ended(&self, record: SessionRecord) {
        self.change_later(record.session.id, move |_, _| Some((Some(record), false)));
    }

    /// Nothing is left of a session that was closed.
    pub fn forget(&self, id: SessionId) {
        self.change_later(id, |_, _| Some((None, false)));
    }

    /// Changes a session, if it is still there: by `what`, that says with which record, and whether it stays.
    /// Nobody waits for it: a logout must not. Each session is changed once at a time, and none while the
    /// journal takes no records: whoever looks at the sessions next finds it as it was.
    fn change_later(
        &self,
        id: SessionId,
        what: impl FnOnce(&Session, bool) -> Option<(Option<SessionRecord>, bool)> + Send + 'static,
    ) {
        let closing = || self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.works() || !closing().insert(id) {
            return;
        }
        let (log, done_with) = (self.log.clone(), Arc::clone(&self.closing));
        let submitted = self.writer.submit(
            move |tx: &mut Tx<'_, Changed>| -> Result<(), LedgerError> {
                let Some(before) = rows::session(tx.connection(), id)? else { return Ok(()) };
                let told_apart = before.audit_session != crate::process::NO_SESSION;
                let may_leave = before.end.is_some() || before.grant.is_some() && told_apart;
                let Some((record, stays)) = what(&before, may_leave) else { return Ok(()) };
                let after = record.as_ref().filter(|_| stays).map(|record| record.session.clone());
                let at = record.as_ref().map_or(before.opened, |record| record.at);
                let mut seq = 0;
                if let Some(record) = record {
                    let record = Record::Session(Box::new(record));
                    seq = tx.record(json(&record)?)?;
                    tx.event(Committed::Record { seq, record: Box::new(record) }.into());
                }
                rows::change_session(tx.connection(), &before, after.as_ref(), seq, at)?;
                tx.event(match after {
                    Some(after) => Changed::Session(Box::new(after)),
                    None => Changed::Gone(id),
                });
                Ok(())
            },
            move |done| {
                done_with.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                if let Err(why) = done {
                    let what = format!("what became of session {id} is not in the journal yet: {why}");
                    log.put(Level::Warning, what);
                }
            },
        );
        if submitted.is_err() {
            closing().remove(&id);
        }
    }

    /// Confirms the clock by the wall clock as it is, durably, and says the time from now on.
    pub fn confirm_clock(&self, clock: &Clock, how: Confirmed) -> Result<Time, LedgerError> {
        let _turn = clock.writing();
        let kept = clock.if_confirmed(how == Confirmed::ByRoot);
        let (text, at) = (json(&kept)?, kept.wall);
        self.append(limits::DESK_WAIT, move |entry| {
            store::set_meta(entry.tx.connection(), rows::CLOCK, &text)?;
            // A clock that was ahead until now may have closed what is still good.
            let open = desk::reopen(entry.tx.connection(), at)
                .map_err(|why| LedgerError::Unwritable(why.to_string()))?;
            for (grant, claim) in open {
                if let Some(claim) = claim {
                    entry.tx.event(Changed::Claimed(grant.id, claim));
                }
                entry.tx.event(Committed::Grant(Box::new(grant)).into());
            }
            let detail = how.words().to_owned();
            entry.record(Record::Mark(Box::new(MarkRecord { at, mark: Mark::ClockConfirmed, detail })))
        })?;
        clock.adopt(kept);
        Ok(at)
    }

    /// From now on this host goes by its hub, and by nothing that it held from elsewhere.
    pub fn settle(&self, enrolment: Enrolment, at: Time) -> Result<(), LedgerError> {
        self.append(limits::DESK_WAIT, move |entry| {
            let others = source::settle(entry.tx.connection(), &enrolment)?;
            if others.is_empty() {
                return Ok(());
            }
            let detail = format!("hub={} withdrawn={}", enrolment.hub, others.len());
            entry.record(Record::Mark(Box::new(MarkRecord { at, mark: Mark::ViewApplied, detail })))?;
            for id in others {
                if let Some(grant) = rows::grant(entry.tx.connection(), id)? {
                    entry.withdraw(grant, at)?;
                }
            }
            entry.tx.end_group();
            Ok(())
        })
    }

    /// Takes in what the hub says must be held, with a record where that is not what was held before.
    pub fn follow(&self, applied: sync::Applied, at: Time) -> Result<(), LedgerError> {
        self.append(limits::DESK_WAIT, move |entry| {
            let sync::Applied { state, changes, permits, .. } = applied;
            let Some(served) = &state.served else { return Ok(()) };
            let before = source::served(entry.tx.connection())?;
            let incarnation = served.manifest.era.incarnation;
            if before.is_some_and(|before| before.manifest.era.incarnation < incarnation) {
                outbox::say_glass_again(entry.tx.connection())?;
            }
            source::put_served(entry.tx.connection(), served)?;
            if permits {
                source::put_permits(entry.tx.connection(), &state.permits)?;
            }
            if changes.is_empty() {
                return Ok(());
            }
            let (put, removed) = (
                count(&changes, |change| matches!(change, sync::Change::Put(_))),
                count(&changes, |change| matches!(change, sync::Change::Removed(_))),
            );
            let detail = format!(
                "era={} revision={} put={put} removed={removed}",
                served.manifest.era, served.revision
            );
            entry.record(Record::Mark(Box::new(MarkRecord { at, mark: Mark::ViewApplied, detail })))?;
            for change in changes {
                let (sync::Change::Put(id) | sync::Change::Removed(id) | sync::Change::Forgotten(id)) =
                    change;
                let known = state.grants.get(&id);
                let connection = entry.tx.connection();
                match known {
                    Some(known) => source::put_known(connection, id, known)?,
                    None => source::forget_known(connection, id)?,
                }
                let before = rows::grant(connection, id)?;
                match known.and_then(|known| known.held.as_ref()).map(|held| &held.grant) {
                    // Another key has signed the same.
                    Some(grant) if before.as_ref() == Some(grant) => {}
                    Some(grant) => entry.receive(grant, at)?,
                    None => {
                        if let Some(grant) = before {
                            entry.withdraw(grant, at)?;
                        }
                    }
                }
            }
            // The next decision must see it.
            entry.tx.end_group();
            Ok(())
        })
    }

    /// Writes the clock down.
    pub fn keep_clock(&self, clock: &Clock) -> Result<(), LedgerError> {
        let _turn = clock.writing();
        let kept = clock.to_keep();
        let text = json(&kept)?;
        self.append(limits::DESK_WAIT, move |entry| {
            Ok(store::set_meta(entry.tx.connection(), rows::CLOCK, &text)?)
        })?;
        Ok(())
    }

    /// Whether some records may go.
    pub fn prunable(&self, prune: &store::Prune) -> Result<bool, LedgerError> {
        Ok(self.read(|connection| store::prunable(connection, prune))?)
    }

    /// What may go before anything else is done, once there was no room.
    pub fn relieve_by(&self, prune: store::Prune) {
        self.writer.relieve_by(prune);
    }

    /// Takes away some of the records that may go, if there are any.
    pub fn prune(&self, prune: store::Prune) -> Result<usize, LedgerError> {
        if !self.prunable(&prune)? {
            return Ok(0);
        }
        self.append(limits::DESK_WAIT, move |entry| Ok(store::prune(entry.tx.connection(), &prune)?))
    }

    /// The last record of this log that the hub has for sure.
    pub fn uploaded(&self, log: LogId) -> Result<u64, LedgerError> {
        let told = self.read(|connection| store::meta(connection, UPLOADED))?;
        let of =
            told.as_deref().and_then(|told| told.split_once(' ')).filter(|(of, _)| *of == log.to_string());
        Ok(of.and_then(|(_, seq)| seq.parse().ok()).unwrap_or(0))
    }

    /// The hub has the records of this log up to this one.
    pub fn set_uploaded(&self, log: LogId, seq: u64) -> Result<(), LedgerError> {
        let text = format!("{log} {seq}");
        self.append(limits::DESK_WAIT, move |entry| {
            Ok(store::set_meta(entry.tx.connection(), UPLOADED, &text)?)
        })
    }

    /// Looks something up in what is committed.
    pub fn read<T, E>(&self, look: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        look(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has `tell` called by the writer thread when its turn comes, also while the journal takes nothing.
    pub fn beat(&self, tell: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        self.writer.beat(tell)
    }

    /// Whether the journal takes records.
    pub fn works(&self) -> bool {
        self.writer.works()
    }
}

/// Keeps [`Memory`] true to what is committed.
pub struct Keeper {
    /// Set before the first commit.
    memory: Arc<OnceLock<Arc<Memory>>>,
    /// Reads memory anew after a failure.
    host: HostName,
    log: Log,
    /// Records that the log has not heard of: whoever waits for one is answered first.
    untold: Vec<(u64, Box<Record>)>,
    faults: Faults,
}

impl Keeper {
    /// Keeps the memory that will be in `memory` by the first commit.
    pub fn new(memory: Arc<OnceLock<Arc<Memory>>>, host: HostName, log: Log) -> Self {
        Self { memory, host, log, untold: Vec::new(), faults: Faults::default() }
    }
}

/// As [`Keeper`] tells of it.
const WRITING: &str = "the journal";

impl Observer<Changed> for Keeper {
    fn committed(&mut self, events: Vec<Changed>) {
        if !events.is_empty() && self.faults.take(WRITING, true, Instant::now()) == Tells::Works {
            self.log.put(Level::Notice, "the journal takes records again".to_owned());
        }
        if let Some(memory) = self.memory.get() {
            self.untold.extend(events.into_iter().filter_map(|event| memory.apply(event)));
        }
    }

    fn answered(&mut self) {
        for (seq, record) in self.untold.drain(..) {
            self.log.put(level(&record), record.line(seq));
        }
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.log.checkpoint(checkpoint);
    }

    fn reopened(&mut self, connection: &dyn Sql) -> Result<(), StoreError> {
        if let Some(memory) = self.memory.get() {
            memory.reload(load(connection, &self.host)?);
        }
        Ok(())
    }

    fn failed(&mut self, error: &StoreError) {
        // Each try to write fails anew, and anybody can make one.
        if self.faults.take(WRITING, false, Instant::now()) == Tells::Fails {
            self.log.put(Level::Err, format!("the journal takes no records, so nobody is let in: {error}"));
        }
    }
}

/// Memory as the file has it.
pub fn load(connection: &dyn Sql, host: &HostName) -> Result<Memory, StoreError> {
    let path = connection.row::<String>("SELECT file FROM pragma_database_list WHERE name = 'main'", &[])?;
    let mut view = View::of(host.clone());
    let claims = desk::load(connection, &mut |grant| view.put(grant)).map_err(|why| StoreError::Damaged {
        path: path.unwrap_or_default().into(),
        what: why.to_string(),
    })?;
    let sessions = rows::sessions(connection)?;
    let seq = store::last_seq(connection)?;
    Ok(Memory::new(view, claims, sessions, seq))
}

fn is_alarm(mark: Mark) -> bool {
    matches!(mark, Mark::LinesDropped | Mark::LeftOver | Mark::Finding | Mark::WatchLate)
}

fn level(record: &Record) -> Level {
    match record {
        Record::Decision(decision) => match decision.reason {
            // Somebody was let in only because a PAM line says so.
            Reason::Monitor => Level::Err,
            Reason::SpareKey | Reason::BreakGlass => Level::Warning,
            reason if reason.allows() => Level::Info,
            _ => Level::Notice,
        },
        Record::Change(change) if change.change.is_loud() => Level::Err,
        Record::Mark(mark) if is_alarm(mark.mark) => Level::Err,
        Record::Session(session) => match (session.change, session.end.map(|end| end.cause)) {
            (SessionChange::Closed, _) => Level::Info,
            (_, Some(EndCause::GrantLost | EndCause::Stale)) => Level::Err,
            _ => Level::Notice,
        },
        Record::Change(_) | Record::Right(_) | Record::Mark(_) => Level::Notice,
    }
}

fn count<T>(all: &[T], is: impl Fn(&&T) -> bool) -> usize {
    all.iter().filter(is).count()
}

/// When things are written down.
pub fn stamps(boot: String) -> store::Stamps {
    Box::new(move || Stamp {
        boot: boot.clone(),
        wall_ms: kernel::wall().timestamp_millis(),
        boot_ms: kernel::since_boot().num_milliseconds(),
    })
}

/// Random bits for an id.
pub fn random() -> Result<u64, LedgerError> {
    getrandom::u64()
        .map_err(|why| LedgerError::Unwritable(format!("the kernel gives no random numbers: {why}")))
}

/// What a hub says of a grant.
fn of_hub(change: Change, grant: Grant, at: Time) -> Record {
    Record::Change(Box::new(ChangeRecord {
        at,
        change,
        actor: None,
        channel: None,
        comment: None,
        request: None,
        grant: Some(grant),
        used: None,
        policy: None,
    }))
}

fn json(value: &impl serde::Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|why| LedgerError::Unwritable(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::sample::session;
    use access::Now;
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;
    use std::sync::mpsc::channel;

    const WAIT: Duration = Duration::from_secs(20);

    /// A ledger in this folder, and what it rests on.
    fn ledger(folder: &Path) -> (Ledger, Writer<Changed>, Arc<Memory>, Log) {
        let log = Log::to(&folder.join("log"), "jitd").unwrap();
        let options = store::Options { path: folder.join("x.db"), max_bytes: 64 << 20, tables: "" };
        let file = store::File::open(options.clone(), |_| (stamps("b".into())(), "{}".into())).unwrap();
        let host = HostName::parse("web-1").unwrap();
        let memory = Arc::new(load(file.connection(), &host).unwrap());
        let held = Arc::new(OnceLock::new());
        let _ = held.set(Arc::clone(&memory));
        let keeper = Keeper::new(held, host, log.clone());
        let (writer, _) = Writer::start(file, stamps("b".into()), keeper).unwrap();
        let reader = store::read_only(&options.path).unwrap();
        (Ledger::new(writer.clone(), Arc::clone(&memory), reader, log.clone()), writer, memory, log)
    }

    #[test]
    fn a_grant_that_was_forgotten_and_is_given_again_brings_its_first_use_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, _writer, memory, _log) = ledger(folder.path());
        let at = |seconds| Time::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds);
        let window = access::Window::FirstUse {
            not_before: at(0),
            claim_by: at(900),
            length: access::Span::seconds(100).unwrap(),
            latest_end: at(1000),
        };
        let given = Grant { window, ..crate::sessions::sample::grant(0) };
        let claim = Claim::start(&given.window, at(5)).unwrap();
        let (first, again) = (given.clone(), Grant { version: 2, ..given });
        let used = move |entry: &mut Entry<'_, '_>| {
            entry.receive(&first, at(0))?;
            entry.claim(first.id, claim)
        };
        ledger.append(WAIT, used).unwrap();
        memory.forget(Now::exactly(at(1_000_000_000)));
        let comes_in = move |entry: &mut Entry<'_, '_>| {
            entry.receive(&again, at(20))?;
            entry.open(session(1))
        };
        ledger.append(WAIT, comes_in).unwrap();
        assert_eq!(memory.carried()[0].claim, Some(claim));
    }

    #[test]
    fn a_session_that_cannot_be_closed_is_one_line_and_not_one_for_each_try() {
        let folder = tempfile::tempdir().unwrap();
        let lines = UnixDatagram::bind(folder.path().join("log")).unwrap();
        let (ledger, writer, _memory, log) = ledger(folder.path());

        let (open, gate) = channel::<()>();
        let hangs = move |tx: &mut Tx<'_, Changed>| -> Result<(), StoreError> {
            gate.recv().map_err(|_| StoreError::Closed)?;
            tx.end_group();
            tx.connection().batch("ROLLBACK")
        };
        let (tell, told) = channel();
        writer.submit(hangs, move |done| tell.send(done.is_err()).unwrap()).unwrap();
        for _ in 0..100 {
            ledger.close(&session(1), Time::UNIX_EPOCH, "its process is gone");
        }
        open.send(()).unwrap();
        assert!(told.recv_timeout(WAIT).unwrap());
        // Whatever the thread was given before it has told of by now.
        let (tell, told) = channel();
        ledger.beat(move || tell.send(()).unwrap()).unwrap();
        told.recv_timeout(WAIT).unwrap();
        assert!(!ledger.works());
        ledger.close(&session(1), Time::UNIX_EPOCH, "its process is gone");
        ledger.close(&session(2), Time::UNIX_EPOCH, "its process is gone");
        log.put(Level::Info, "the last line".to_owned());
        let mut heard = Vec::new();
        lines.set_read_timeout(Some(WAIT)).unwrap();
        while heard.last().is_none_or(|line: &String| !line.ends_with("the last line")) {
            let mut buffer = [0; 4096];
            let length = lines.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        let said = |what: &str| heard.iter().filter(|line| line.contains(what)).count();
        let untold = format!("what became of session {} is not in the journal yet", session(1).id);
        assert_eq!(said(&untold), 1, "{heard:?}");
        assert_eq!(said("the journal takes no records"), 1, "{heard:?}");
        assert_eq!(said(&session(2).id.to_string()), 0, "{heard:?}");
    }
}
