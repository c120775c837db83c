//! The one writer. It has a thread; a caller that cannot wait for that to wake writes by itself while it is idle
//! ([`Writer::run_at_once`]).
//!
//! Jobs that wait are run one after the other inside one transaction, each in a savepoint of its own, and
//! become durable by one commit (group commit). Then the observer is told what changed, in order, and
//! only then is each caller told that it happened; what can wait for that comes last ([`Observer::answered`]). A job
//! that must be seen by the next decision ends its group ([`Tx::end_group`]).
//!
//! A commit that fails tells nobody that anything happened, and nobody knows what is on the disk. So
//! the connection is dropped, and before the next group the database is opened anew, verified from its last
//! checkpoint, and the observer rebuilds what it holds from what is really there.
//!
//! Where there was no room, what may go goes before the next group ([`Writer::relieve_by`]): jobs that come all the time would
//! fail one group after the other, and what is to make room in them.

use crate::file::File;
use crate::rows::Prune;
use crate::{Sql, StoreError, limits, rows};
use journal::{Checkpoint, Head, Stamp};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Hears what was committed, from whoever writes, before those who asked for it.
pub trait Observer<E>: Send + 'static {
    /// Whether jobs decide from what this holds in memory. Where they look into the database alone they see one another's
    /// doing there, and none ends its group.
    const HOLDS: bool = true;

    /// These happened, in this order.
    fn committed(&mut self, events: Vec<E>);

    /// Those who asked for it have been told.
    fn answered(&mut self) {}

    /// The log stands here; somebody who cannot change the file should know.
    fn checkpoint(&mut self, checkpoint: Checkpoint);

    /// The database was opened anew after a failure: what is held in memory is to be read again.
    fn reopened(&mut self, connection: &dyn Sql) -> Result<(), StoreError>;

    /// Something failed that no caller hears of.
    fn failed(&mut self, error: &StoreError);
}

/// Opens the database of a writer.
pub trait Engine: Send + 'static {
    /// It, open.
    type Opened: Opened;

    /// Opens it anew after a failure, and verifies it. With the end of its journal.
    fn open(&mut self) -> Result<(Self::Opened, Head), StoreError>;

    /// After a commit that failed, of what began when the journal ended at `before` and has it end at `end`: a new
    /// connection where it happened all the same, none where it did not, and an error where that is not known.
    fn happened(&mut self, before: Head, end: Head) -> Result<Option<(Self::Opened, Head)>, StoreError> {
        let _ = (before, end);
        Ok(None)
    }
}

/// A connection that a writer alone uses.
pub trait Opened: Send + 'static {
    /// For the statements of its transactions.
    fn sql(&self) -> &dyn Sql;

    /// Begins a transaction. `head` is where the journal ended after the last one; gives back where it ends now.
    fn begin(&mut self, head: Head) -> Result<Head, StoreError>;

    /// Makes the transaction durable, after which the journal ends at `head`. After an error nobody knows
    /// whether it is, and the connection is not used again.
    fn commit(&mut self, head: Head) -> Result<(), StoreError>;

    /// Whether the transaction was given up behind the writer's back.
    fn is_broken(&self) -> bool;

    /// How full it is.
    fn room(&self) -> Result<Room, StoreError>;

    /// The folder whose file system it takes its room from, where that is known.
    fn folder(&self) -> Option<&Path>;
}

/// How full a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that hold something.
    pub used: u64,
    /// Bytes that it may grow to.
    pub most: u64,
    /// Bytes that its disk has left, where that is known.
    pub left: Option<u64>,
}

impl Room {
    /// Whether there is room for what anybody can repeat at will: not in the last quarter of the allowance, and
    /// not in the reserve of the disk.
    pub fn is_there(self) -> bool {
        !self.is_past((3, 4)) && !self.lacks_disk()
    }

    fn lacks_disk(self) -> bool {
        self.left.is_some_and(|left| left < limits::RESERVE)
    }

    /// Whether more than so many of so many parts of the allowance are used.
    pub fn is_past(self, (part, whole): (u64, u64)) -> bool {
        self.used > self.most / whole * part
    }
}

/// When things are written down.
pub type Stamps = Box<dyn Fn() -> Stamp + Send>;

/// Hands jobs to the writer. Cheap to clone; the thread ends after the last one is dropped.
pub struct Writer<E> {
    /// Whoever writes holds it. Declared before `queue`, so dropped before it: once the last queue is gone the thread holds
    /// the only pen, and its end frees the file.
    pen: Arc<Mutex<dyn Writes<E>>>,
    queue: SyncSender<Message<E>>,
    /// Messages that nobody has come to yet.
    waiting: Arc<AtomicUsize>,
    works: Arc<AtomicBool>,
    relief: Arc<Mutex<Option<Prune>>>,
}

impl<E> Clone for Writer<E> {
    fn clone(&self) -> Self {
        Self {
            pen: Arc::clone(&self.pen),
            queue: self.queue.clone(),
            waiting: Arc::clone(&self.waiting),
            works: Arc::clone(&self.works),
            relief: Arc::clone(&self.relief),
        }
    }
}

/// A job: does its work in the transaction, or hears why there is none. Gives back what to do once the
/// outcome of the commit is known.
type Job<E> = Box<dyn FnOnce(Result<&mut Tx<'_, E>, StoreError>) -> Prepared + Send>;

/// What the queue holds.
enum Message<E> {
    Job(Job<E>),
    /// Called as soon as the thread comes by.
    Beat(Box<dyn FnOnce() + Send>),
}

/// What the thread takes messages from.
struct Queue<E> {
    messages: Receiver<Message<E>>,
    waiting: Arc<AtomicUsize>,
}

impl<E> Queue<E> {
    /// The next job that waits, past beats.
    fn next_job(&self) -> Option<Job<E>> {
        loop {
            let message = self.messages.try_recv().ok()?;
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match message {
                Message::Job(job) => return Some(job),
                Message::Beat(tell) => tell(),
            }
        }
    }

    /// Has everything written that comes, until there is nobody who could send more.
    fn run(&self, pen: &Mutex<dyn Writes<E>>) {
        while let Ok(message) = self.messages.recv() {
            // Also for a beat: it must show that whoever writes is not stuck.
            let mut pen = pen.lock().unwrap_or_else(PoisonError::into_inner);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match message {
                Message::Job(job) => pen.write(job, &mut || self.next_job()),
                Message::Beat(tell) => tell(),
            }
        }
        pen.lock().unwrap_or_else(PoisonError::into_inner).end();
    }
}

/// The same work, unless its time is over when its turn comes: nobody waits for it any more then, and they were told that it
/// did not happen.
fn in_time<E, T, R: From<StoreError>>(
    wait: Duration,
    work: impl FnOnce(&mut Tx<'_, E>) -> Result<T, R>,
) -> impl FnOnce(&mut Tx<'_, E>) -> Result<T, R> {
    let begun = Instant::now();
    move |tx| if begun.elapsed() >= wait { Err(StoreError::Late.into()) } else { work(tx) }
}

/// The job of this work.
fn job<E, T, R, W, D>(work: W, done: D) -> Job<E>
where
    T: Send + 'static,
    R: From<StoreError> + Send + 'static,
    W: FnOnce(&mut Tx<'_, E>) -> Result<T, R> + Send + 'static,
    D: FnOnce(Result<T, R>) + Send + 'static,
{
    Box::new(move |tx| {
        let result = match tx {
            Ok(tx) => work(tx),
            Err(why) => Err(why.into()),
        };
        let keep = result.is_ok();
        let finish = move |outcome: Result<(), StoreError>| done(outcome.map_err(R::from).and(result));
        Prepared { keep, finish: Box::new(finish) }
    })
}

struct Prepared {
    keep: bool,
    finish: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

impl Prepared {
    /// The same, of which nothing is kept for this reason.
    fn failed(self, why: StoreError) -> Self {
        Self { keep: false, finish: Box::new(move |_| (self.finish)(Err(why))) }
    }
}

impl<E: Send + 'static> Writer<E> {
    /// Starts the thread on an open file.
    pub fn start(
        file: File,
        stamps: Stamps,
        observer: impl Observer<E>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (engine, opened, head) = file.parts();
        Self::over(engine, (opened, head), stamps, observer)
    }

    /// Starts the thread on a database that is open and whose journal ends there.
    pub fn over<G: Engine>(
        engine: G,
        open: (G::Opened, Head),
        stamps: Stamps,
        observer: impl Observer<E>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, messages) = sync_channel(limits::QUEUE);
        let works = Arc::new(AtomicBool::new(true));
        let (relief, waiting) = (Arc::default(), Arc::<AtomicUsize>::default());
        let pen = Pen {
            engine,
            open: Some(open),
            stamps,
            observer,
            works: Arc::clone(&works),
            relief: Arc::clone(&relief),
            full: false,
            wait: limits::REOPEN.0,
            not_before: None,
            unchecked: 0,
        };
        let pen: Arc<Mutex<dyn Writes<E>>> = Arc::new(Mutex::new(pen));
        let (jobs, of_thread) = (Queue { messages, waiting: Arc::clone(&waiting) }, Arc::clone(&pen));
        let handle =
            std::thread::Builder::new().name("writer".into()).spawn(move || jobs.run(&*of_thread))?;
        Ok((Self { pen, queue, waiting, works, relief }, handle))
    }

    /// Whether the last group was committed.
    pub fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    /// By what to make room once there is none, until it is told otherwise.
    pub fn relieve_by(&self, prune: Prune) {
        *self.relief.lock().unwrap_or_else(PoisonError::into_inner) = Some(prune);
    }

    /// Has `work` run in the next group. `done` is called on the writer's thread with its result, after
    /// what it did is durable, or with why it is not.
    pub fn submit<T, R, W, D>(&self, work: W, done: D) -> Result<(), StoreError>
    where
        T: Send + 'static,
        R: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Tx<'_, E>) -> Result<T, R> + Send + 'static,
        D: FnOnce(Result<T, R>) + Send + 'static,
    {
        self.send(Message::Job(job(work, done)))
    }

    /// Has `tell` called on the writer thread when its turn comes, whether or not the file takes anything:
    /// a sign that the thread lives. Nothing is read or written for it.
    pub fn beat(&self, tell: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        self.send(Message::Beat(Box::new(tell)))
    }

    fn send(&self, message: Message<E>) -> Result<(), StoreError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(message).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => StoreError::Busy,
                TrySendError::Disconnected(_) => StoreError::Closed,
            }
        })
    }

    /// [`Self::submit`], waiting for the result. After `wait` the answer is [`StoreError::Late`]: work that
    /// has not begun by then never does, and work whose commit hangs may still happen.
    pub fn run<T, R, W>(&self, wait: Duration, work: W) -> Result<T, R>
    where
        T: Send + 'static,
        R: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Tx<'_, E>) -> Result<T, R> + Send + 'static,
    {
        self.run_by_thread(wait, work, |_| {})
    }

    /// [`Self::run`] for who is to be told before anything else is done: `tell` hears the result on the thread that wrote it.
    /// While the writer is idle that is the one that calls, which saves two from being woken; that takes as long as the
    /// commit. It hangs in there for as long as the disk does, whatever `wait` is, so what `watched` gives is held meanwhile.
    pub fn run_at_once<T, R, W, D, G>(
        &self,
        wait: Duration,
        watched: impl FnOnce() -> G,
        work: W,
        tell: D,
    ) -> Result<T, R>
    where
        T: Send + 'static,
        R: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Tx<'_, E>) -> Result<T, R> + Send + 'static,
        D: FnOnce(&Result<T, R>) + Send + 'static,
    {
        let Some(mut pen) = self.idle() else { return self.run_by_thread(wait, work, tell) };
        let work = in_time(wait, work);
        let _watched = watched();
        let (keep, kept) = sync_channel(1);
        let done = move |result| {
            tell(&result);
            let _ = keep.send(result);
        };
        pen.write(job(work, done), &mut || None);
        kept.try_recv().unwrap_or_else(|_| Err(StoreError::Failed.into()))
    }

    /// The pen, where nobody has it or waits for it and there is something to write into.
    fn idle(&self) -> Option<MutexGuard<'_, dyn Writes<E> + 'static>> {
        let pen = match self.pen.try_lock() {
            Ok(pen) => pen,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        (self.waiting.load(Ordering::Relaxed) == 0 && pen.is_ready()).then_some(pen)
    }

    fn run_by_thread<T, R, W, D>(&self, wait: Duration, work: W, first: D) -> Result<T, R>
    where
        T: Send + 'static,
        R: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Tx<'_, E>) -> Result<T, R> + Send + 'static,
        D: FnOnce(&Result<T, R>) + Send + 'static,
    {
        let (tell, told) = sync_channel(1);
        self.submit(in_time(wait, work), move |result| {
            first(&result);
            // A caller that no longer waits has been told that it is late.
            let _ = tell.send(result);
        })?;
        told.recv_timeout(wait).unwrap_or_else(|_| Err(StoreError::Late.into()))
    }
}

/// One job's part of a transaction.
pub struct Tx<'a, E> {
    opened: &'a dyn Opened,
    head: &'a mut Head,
    events: &'a mut Vec<E>,
    stamps: &'a Stamps,
    end_group: &'a mut bool,
    full: &'a mut bool,
}

impl<E> Tx<'_, E> {
    /// For SQL of other rooms.
    pub fn connection(&self) -> &dyn Sql {
        self.opened.sql()
    }

    /// Appends a record to the journal and says its place.
    pub fn record(&mut self, body: String) -> Result<u64, StoreError> {
        let appended = rows::append(self.opened.sql(), *self.head, (self.stamps)(), body);
        *self.full |= matches!(appended, Err(StoreError::Full(_)));
        *self.head = appended?;
        Ok(self.head.seq)
    }

    /// [`Self::record`] for a refusal that anybody can repeat at will: never into the last quarter of the
    /// allowance or the reserve of the disk.
    pub fn record_refusal(&mut self, body: String) -> Result<u64, StoreError> {
        self.keep_room()?;
        self.record(body)
    }

    /// [`StoreError::Reserved`] where there is no room for what anybody can repeat at will: in the last quarter of the
    /// allowance, and in the reserve of the disk.
    pub fn keep_room(&self) -> Result<(), StoreError> {
        let room = self.room()?;
        if room.is_there() {
            return Ok(());
        }
        if !room.lacks_disk() {
            return Err(StoreError::Reserved(rows::allowance_is_short(room.most)));
        }
        let folder = self.opened.folder().unwrap_or(Path::new("its state"));
        Err(StoreError::Reserved(format!(
            "less than {} MiB are free on the file system of {}: make room there",
            limits::RESERVE >> 20,
            folder.display()
        )))
    }

    /// How full the database is.
    pub fn room(&self) -> Result<Room, StoreError> {
        self.opened.room()
    }

    /// The place of the last record.
    pub fn seq(&self) -> u64 {
        self.head.seq
    }

    /// Tells the observer, once this is committed.
    pub fn event(&mut self, event: E) {
        self.events.push(event);
    }

    /// No further job runs before this one is committed and seen by the observer, where jobs decide from what that holds
    /// ([`Observer::HOLDS`]).
    pub fn end_group(&mut self) {
        *self.end_group = true;
    }
}

/// Writes, on whichever thread holds it.
trait Writes<E>: Send {
    /// Whether a job would be written right away.
    fn is_ready(&self) -> bool;

    /// Runs `first` in one transaction with the jobs that `more` gives, and tells what became of them.
    fn write(&mut self, first: Job<E>, more: &mut dyn FnMut() -> Option<Job<E>>);

    /// Nothing more comes.
    fn end(&mut self);
}

struct Pen<G: Engine, O> {
    engine: G,
    open: Option<(G::Opened, Head)>,
    stamps: Stamps,
    observer: O,
    works: Arc<AtomicBool>,
    relief: Arc<Mutex<Option<Prune>>>,
    /// There was no room, and none was made since.
    full: bool,
    wait: Duration,
    not_before: Option<Instant>,
    unchecked: i64,
}

impl<E: Send + 'static, G: Engine, O: Observer<E>> Writes<E> for Pen<G, O> {
    fn is_ready(&self) -> bool {
        self.open.is_some() && !self.full
    }

    fn write(&mut self, first: Job<E>, more: &mut dyn FnMut() -> Option<Job<E>>) {
        // Between two tries to open a failed file everything is refused at once; only a try that fails
        // makes the wait longer.
        if self.open.is_none() && self.not_before.is_some_and(|at| Instant::now() < at) {
            return (first(Err(StoreError::Failed)).finish)(Err(StoreError::Failed));
        }
        let mut next = Some(first);
        // A job that ended its group leaves the others where they are.
        if let Err((why, prepared)) = self.group(&mut next, more) {
            self.works.store(false, Ordering::Relaxed);
            // It does so where there is no room, among other things.
            self.full |= matches!(why, StoreError::Full(_) | StoreError::GaveUp);
            self.observer.failed(&why);
            self.open = None;
            self.not_before = Some(Instant::now() + self.wait);
            self.wait = (self.wait * 2).min(limits::REOPEN.1);
            // Its own refusal says more than the failure of others' commit, unless it may rest on what is not to be.
            let mut rests = false;
            for job in prepared {
                rests |= job.keep;
                (job.finish)(if rests { Err(why.clone()) } else { Ok(()) });
            }
            if let Some(job) = next {
                (job(Err(why.clone())).finish)(Err(why));
            }
        }
    }

    fn end(&mut self) {
        if let Some((opened, head)) = &self.open {
            // What is not in a checkpoint is verified at the next start; nothing is lost.
            let _ = rows::checkpoint(opened.sql(), *head, (self.stamps)().wall_ms);
        }
    }
}

impl<G: Engine, O> Pen<G, O> {
    /// Runs waiting jobs in one transaction. On failure gives back those whose outcome must be told.
    fn group<E: Send + 'static>(
        &mut self,
        next: &mut Option<Job<E>>,
        more: &mut dyn FnMut() -> Option<Job<E>>,
    ) -> Result<(), (StoreError, Vec<Prepared>)>
    where
        O: Observer<E>,
    {
        self.reopen::<E>().and_then(|()| self.relieve()).map_err(|why| (why, Vec::new()))?;
        let Some((opened, head)) = &mut self.open else {
            return Err((StoreError::Closed, Vec::new()));
        };
        let mut prepared = Vec::new();
        let mut events = Vec::new();
        macro_rules! sql {
            ($call:expr) => {
                match $call {
                    Ok(value) => value,
                    Err(why) => return Err((why, prepared)),
                }
            };
        }
        *head = sql!(opened.begin(*head));
        let before = *head;
        let mut end_group = false;
        while let Some(job) = next.take() {
            let (here, told) = (*head, events.len());
            if let Err(why) = opened.sql().put("SAVEPOINT job", &[]) {
                *next = Some(job);
                return Err((why, prepared));
            }
            let mut tx = Tx {
                opened,
                head,
                events: &mut events,
                stamps: &self.stamps,
                end_group: &mut end_group,
                full: &mut self.full,
            };
            let mut done = job(Ok(&mut tx));
            if let Err(why) = opened.sql().flush()
                && done.keep
            {
                self.full |= matches!(why, StoreError::Full(_));
                done = done.failed(why);
            }
            let keep = done.keep;
            prepared.push(done);
            if !keep {
                *head = here;
                events.truncate(told);
                if opened.is_broken() {
                    return Err((StoreError::GaveUp, prepared));
                }
                sql!(opened.sql().batch("ROLLBACK TO job"));
            }
            sql!(opened.sql().put("RELEASE job", &[]));
            if (end_group && O::HOLDS) || prepared.len() >= limits::GROUP {
                break;
            }
            *next = more();
        }
        let now_ms = (self.stamps)().wall_ms;
        let checkpoint = sql!(due_checkpoint(opened.sql(), before, *head, now_ms, &mut self.unchecked));
        let end = *head;
        if let Err(why) = opened.commit(end) {
            match self.engine.happened(before, end) {
                Ok(Some(found)) => self.open = Some(found),
                Ok(None) => return Err((why, prepared)),
                Err(unsure) => return Err((unsure, prepared)),
            }
        }
        self.works.store(true, Ordering::Relaxed);
        self.wait = limits::REOPEN.0;
        self.observer.committed(events);
        for job in prepared {
            (job.finish)(Ok(()));
        }
        self.observer.answered();
        if let Some(checkpoint) = checkpoint {
            self.observer.checkpoint(checkpoint);
        }
        Ok(())
    }

    /// Makes room where there was none, in transactions of its own.
    fn relieve(&mut self) -> Result<(), StoreError> {
        let (true, Some((opened, head))) = (self.full, &mut self.open) else { return Ok(()) };
        let prune = self.relief.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for prune in std::iter::repeat_n(prune, limits::RELIEF_ROUNDS).flatten() {
            *head = opened.begin(*head)?;
            let gone = rows::prune(opened.sql(), &prune)?;
            opened.commit(*head)?;
            if (gone as u64) < limits::PRUNE {
                break;
            }
        }
        self.full = false;
        Ok(())
    }

    fn reopen<E>(&mut self) -> Result<(), StoreError>
    where
        O: Observer<E>,
    {
        if self.open.is_some() {
            return Ok(());
        }
        let (opened, head) = self.engine.open()?;
        self.observer.reopened(opened.sql())?;
        self.open = Some((opened, head));
        Ok(())
    }
}

/// A checkpoint where one is due: by count, or by time while records come in. `last_ms` is when the last
/// one was.
fn due_checkpoint(
    connection: &dyn Sql,
    before: Head,
    head: Head,
    now_ms: i64,
    last_ms: &mut i64,
) -> Result<Option<Checkpoint>, StoreError> {
    let crossed =
        before.seq / journal::limits::CHECKPOINT_EVERY != head.seq / journal::limits::CHECKPOINT_EVERY;
    let late = head.seq > before.seq && (now_ms - *last_ms).abs() >= journal::limits::CHECKPOINT_MS;
    if !crossed && !late {
        return Ok(None);
    }
    *last_ms = now_ms;
    Ok(Some(rows::checkpoint(connection, head, now_ms)?))
}
