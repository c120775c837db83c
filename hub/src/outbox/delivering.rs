//! From rows to deliveries, and back: what is due is held, sent, and written down as sent.
//!
//! One thread decides and writes; deliveries run beside it, some of each channel at once and one to each recipient, so that
//! nobody waits for somebody else's slow server.

use super::channel::{Channel, Kind, Outcome, Parcel};
use super::collecting::Collecting;
use super::doubt::{Doubt, Passage};
use super::limits;
use super::pace::{self, Pace};
use super::rows::{self, Came, Key, Row};
use super::truth::Truth;
use crate::site::Site;
use access::Time;
use chrono::TimeDelta;
use desk::{DeskError, Worlds as _};
use loglines::{Faults, Level, Tells};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Tells the thread that something was committed.
#[derive(Clone)]
pub struct Bell {
    rung: Arc<AtomicBool>,
    tell: Sender<Word>,
}

/// What the thread hears.
pub struct Ringing {
    bell: Bell,
    told: Receiver<Word>,
}

enum Word {
    /// Something was committed.
    Rung,
    /// Something was tried.
    Tried(Box<Tried>),
    /// The hub stops.
    Stop,
}

/// What came of a try, with what is given back once that is written down.
struct Tried {
    place: usize,
    row: Row,
    outcome: Outcome,
    passage: Arc<Passage>,
}

impl Bell {
    /// A bell, and what hears it.
    pub fn new() -> (Self, Ringing) {
        let (tell, told) = channel();
        let bell = Self { rung: Arc::default(), tell };
        (bell.clone(), Ringing { bell, told })
    }

    /// Something was committed.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            // Nobody listens where there is no channel.
            let _ = self.tell.send(Word::Rung);
        }
    }
}

/// What delivers, until it is told to stop.
pub struct Outbox {
    bell: Bell,
    thread: JoinHandle<()>,
}

impl Outbox {
    /// Sends nothing more, and waits a while for what is under way: what is written down as sent does not come twice.
    pub fn stop(self) {
        // A thread that is gone has nothing under way, and a panic of its has ended the process.
        let _ = self.bell.tell.send(Word::Stop);
        let _ = self.thread.join();
    }
}

/// One channel, and how much of it is under way.
struct Lane {
    channel: Arc<dyn Channel>,
    pace: Pace,
    doubt: Arc<Doubt>,
    under_way: usize,
}

/// The thread.
struct Delivering {
    site: Arc<Site>,
    channels: Vec<Arc<dyn Channel>>,
    lanes: Vec<Lane>,
    collecting: Collecting,
    /// What this process holds rows by.
    holder: String,
    deliveries: Handle,
    bell: Bell,
    faults: Faults,
    /// By channel and recipient, since when the log knows that it fails.
    failing: HashMap<(usize, String), Instant>,
    forgotten: Option<Instant>,
    /// Since when it stops.
    stopping: Option<Instant>,
}

/// Starts delivering by these channels. With none nothing is even written down.
pub fn start(
    site: &Arc<Site>,
    channels: Vec<Arc<dyn Channel>>,
    ringing: Ringing,
) -> Result<Option<Outbox>, String> {
    if channels.is_empty() {
        return Ok(None);
    }
    let collecting = Collecting::begin(site).map_err(|why| why.to_string())?;
    if !site.shares_database() {
        let now = site.clock.time();
        let freed = site.ledger.write(move |tx| rows::free_all(tx.connection(), now));
        freed.map_err(|why| why.to_string())?;
    }
    let deliveries = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(crate::limits::DATABASE_READERS)
        .thread_name("delivery")
        .enable_all()
        .build()
        .map_err(|why| why.to_string())?;
    let Ringing { bell, told } = ringing;
    let lanes = channels.iter().map(|channel| Lane {
        channel: Arc::clone(channel),
        pace: Pace::default(),
        doubt: Arc::default(),
        under_way: 0,
    });
    let mut delivering = Delivering {
        site: Arc::clone(site),
        lanes: lanes.collect(),
        channels,
        collecting,
        holder: getrandom::u64().map(|bits| format!("{bits:016x}")).map_err(|why| why.to_string())?,
        deliveries: deliveries.handle().clone(),
        bell: bell.clone(),
        faults: Faults::default(),
        failing: HashMap::new(),
        forgotten: None,
        stopping: None,
    };
    let runs = move || {
        delivering.run(&told);
        deliveries.shutdown_background();
    };
    let thread = std::thread::Builder::new().name("outbox".into()).spawn(runs);
    Ok(Some(Outbox { bell, thread: thread.map_err(|why| why.to_string())? }))
}

impl Delivering {
    fn run(&mut self, told: &Receiver<Word>) {
        let mut waits = Duration::ZERO;
        while !self.is_done() {
            let mut tried = Vec::new();
            match told.recv_timeout(waits) {
                Ok(word) => tried.extend(self.hears(word)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(word) = told.try_recv() {
                tried.extend(self.hears(word));
            }
            let round = self.round(tried);
            waits = *round.as_ref().unwrap_or(&limits::LOOK);
            let outcome = round.map(drop);
            match (self.faults.take("telling people", outcome.is_ok(), Instant::now()), outcome) {
                (Tells::Fails, Err(why)) => {
                    let what = "telling people what happened, of which nobody hears meanwhile";
                    self.site.log.put(Level::Err, format!("{what}: {why}"));
                }
                (Tells::Works, _) => {
                    self.site.log.put(Level::Notice, "telling people what happened: works again".to_owned());
                }
                _ => {}
            }
        }
    }

    /// Whether it was told to stop, and nothing is under way that could come twice.
    fn is_done(&self) -> bool {
        let idle = self.lanes.iter().all(|lane| lane.under_way == 0);
        self.stopping.is_some_and(|since| idle || since.elapsed() >= crate::limits::GRACE)
    }

    fn hears(&mut self, word: Word) -> Option<Tried> {
        match word {
            Word::Stop => {
                self.stopping = Some(Instant::now());
                None
            }
            Word::Rung => {
                self.bell.rung.store(false, Ordering::Relaxed);
                None
            }
            Word::Tried(tried) => {
                if let Some(lane) = self.lanes.get_mut(tried.place) {
                    lane.under_way = lane.under_way.saturating_sub(1);
                }
                Some(*tried)
            }
        }
    }

    /// Does all there is to do, and says for how long there is nothing.
    fn round(&mut self, tried: Vec<Tried>) -> Result<Duration, DeskError> {
        // First what is in doubt: nothing else is sent meanwhile.
        self.settle(tried)?;
        if self.stopping.is_some() {
            return Ok(limits::RATE_LOOK);
        }
        while self.collecting.look(&self.site, &self.channels)? {}
        if self.forgotten.is_none_or(|at| at.elapsed() >= limits::FORGET_EVERY) {
            let now = self.site.clock.time();
            self.site.ledger.write(move |tx| rows::forget(tx.connection(), now))?;
            self.forgotten = Some(Instant::now());
        }
        self.send()
    }

    fn settle(&mut self, tried: Vec<Tried>) -> Result<(), DeskError> {
        if tried.is_empty() {
            return Ok(());
        }
        let now = self.site.clock.time();
        let mut all = Vec::with_capacity(tried.len());
        let mut passages = Vec::with_capacity(tried.len());
        for Tried { place, row, outcome, passage } in tried {
            self.tells(place, &row, &outcome);
            let came = came(&row, outcome, now);
            self.site.metrics.tried(&came);
            all.push((row, came));
            passages.push(passage);
        }
        let holder = self.holder.clone();
        let settled = self.site.ledger.write(move |tx| {
            all.iter().try_for_each(|(row, came)| rows::settle(tx.connection(), row, &holder, came, now))
        });
        // What could not be written down is tried again once it is not held any more.
        drop(passages);
        settled
    }

    /// The log hears of recipients that cannot be reached, of the first of them each, and that they can again.
    fn tells(&mut self, place: usize, row: &Row, outcome: &Outcome) {
        let (channel, to) = (&row.key.channel, &row.key.recipient);
        match outcome {
            Outcome::Sent { .. } => {
                if self.failing.remove(&(place, to.clone())).is_some() {
                    self.site.log.put(Level::Notice, format!("sending by {channel} to {to:?}: works again"));
                }
            }
            Outcome::Moot | Outcome::Withdrawn => {}
            Outcome::Later { why, .. } | Outcome::Never { why } => {
                self.failing.retain(|_, told| told.elapsed() < limits::FORGET_EVERY);
                let told = self.failing.keys().filter(|(of, _)| *of == place).count();
                if told < limits::TOLD && !self.failing.contains_key(&(place, to.clone())) {
                    self.failing.insert((place, to.clone()), Instant::now());
                    let list = "`jit-hub outbox` lists what is not delivered";
                    self.site
                        .log
                        .put(Level::Warning, format!("sending by {channel} to {to:?}: {why}; {list}"));
                }
            }
        }
    }

    /// Holds what is due and has it sent. For how long there is nothing more to do.
    fn send(&mut self) -> Result<Duration, DeskError> {
        let (now, instant) = (self.site.clock.time(), Instant::now());
        let mut waits = limits::LOOK;
        for place in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(place) else { continue };
            let free = limits::AT_ONCE.saturating_sub(lane.under_way);
            let name = lane.channel.name().to_owned();
            let (waiting, next) = self.site.ledger.read(|sql| rows::waiting(sql, &name, now))?;
            lane.doubt.wait(usize::try_from(waiting).unwrap_or(usize::MAX));
            if let Some(next) = next {
                waits = waits.min((next - now).to_std().unwrap_or_default());
            }
            // Some at once: each time costs a commit.
            if waiting == 0 || free < limits::AT_ONCE / 4 {
                continue;
            }
            let due = self.site.ledger.read(|sql| rows::due(sql, &name, now, free))?;
            let rates = lane.channel.rates();
            let (goes, held): (Vec<Row>, Vec<Row>) =
                due.into_iter().partition(|row| lane.pace.goes(rates, &row.key.recipient, instant));
            if !held.is_empty() {
                waits = waits.min(limits::RATE_LOOK);
            }
            if goes.is_empty() {
                continue;
            }
            let holder = self.holder.clone();
            let held = self.site.ledger.write(move |tx| {
                let mut held = Vec::new();
                for row in goes {
                    if rows::hold(tx.connection(), &row, &holder, now)? {
                        held.push(row);
                    }
                }
                Ok(held)
            })?;
            lane.under_way += held.len();
            let (channel, doubt) = (Arc::clone(&lane.channel), Arc::clone(&lane.doubt));
            for row in held {
                self.deliver(place, Arc::clone(&channel), doubt.passage(rates.between()), row, now);
            }
        }
        Ok(waits)
    }

    fn deliver(&self, place: usize, channel: Arc<dyn Channel>, passage: Passage, row: Row, now: Time) {
        let (site, tell) = (Arc::clone(&self.site), self.bell.tell.clone());
        let passage = Arc::new(passage);
        self.deliveries.spawn(async move {
            let (held, way) = (row.clone(), Arc::clone(&passage));
            let mut task = tokio::spawn(async move { attempt(site, channel, held, now, &way).await });
            let outcome = match tokio::time::timeout(limits::TRY, &mut task).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(why)) => Outcome::later(format!("the delivery broke off: {why}")),
                Err(_) => {
                    task.abort();
                    Outcome::later(format!("there was no answer within {} s", limits::TRY.as_secs()))
                }
            };
            // The thread ends with the process.
            let _ = tell.send(Word::Tried(Box::new(Tried { place, row, outcome, passage })));
        });
    }
}

/// One try, of how things are now.
async fn attempt(site: Arc<Site>, channel: Arc<dyn Channel>, row: Row, now: Time, way: &Passage) -> Outcome {
    if now.timestamp_millis() >= row.until {
        return Outcome::Never { why: "it was not delivered in time".to_owned() };
    }
    let Some(kind) = Kind::parse(&row.kind) else {
        return Outcome::Never {
            why: format!("it is about {:?}, which this release does not know", row.kind),
        };
    };
    let (pages, world) = (format!("{}/web", site.url), site.policies.world());
    let (by, key) = (Arc::clone(&channel), row.key.clone());
    let looked = tokio::task::spawn_blocking(move || look(&site, &*by, &key));
    let (truth, sees) = match looked.await {
        Ok(Ok(looked)) => looked,
        Ok(Err(DeskError::NotFound { .. })) => return Outcome::Moot,
        Ok(Err(why)) => return Outcome::later(why.to_string()),
        Err(why) => return Outcome::later(format!("looking up what it is about: {why}")),
    };
    let id = match row.key.about {
        Some(about) => format!("{about}-{}", row.wanted),
        None => format!("more-{}", row.key.event),
    };
    let parcel = Parcel {
        recipient: row.key.recipient,
        id,
        kind,
        at: Time::from_timestamp_millis(row.at).unwrap_or(now),
        reference: row.reference,
        truth,
        world,
        pages,
    };
    match (sees, &parcel.reference) {
        (true, _) => channel.deliver(&parcel, way).await,
        (false, Some(_)) => channel.withdraw(&parcel).await,
        (false, None) => Outcome::Withdrawn,
    }
}

/// How things are with what a row is about, as far as its reader may see that, and whether they may.
fn look(site: &Site, channel: &dyn Channel, key: &Key) -> Result<(Option<Truth>, bool), DeskError> {
    let Some(about) = key.about else { return Ok((None, true)) };
    let truth = Truth::of(site, about)?;
    let reader = channel.reader(&key.recipient)?;
    let sees = reader.map_or(Ok(true), |reader| truth.is_for(site, &reader))?;
    Ok((Some(truth).filter(|_| sees), sees))
}

/// What is to be written down of it.
fn came(row: &Row, outcome: Outcome, now: Time) -> Came {
    match outcome {
        Outcome::Sent { reference } => Came::Done(reference),
        Outcome::Moot => Came::Done(None),
        Outcome::Withdrawn => Came::Withdrawn,
        Outcome::Never { why } => Came::Over(why),
        Outcome::Later { after, why } => {
            let chance = getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX));
            let wait = pace::again(row.tries + 1, after, chance);
            let next = now + TimeDelta::from_std(wait).unwrap_or_default();
            if next.timestamp_millis() >= row.until { Came::Over(why) } else { Came::Again(next, why) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_tried_after_its_time_is_given_up_with_the_reason() {
        let key = Key { channel: "mail".to_owned(), recipient: "bob".to_owned(), about: None, event: 1 };
        let now = Time::from_timestamp(1_800_000_000, 0).unwrap();
        let row = |seconds: i64| Row {
            key: key.clone(),
            kind: "requested".to_owned(),
            wanted: 1,
            reference: None,
            tries: 0,
            until: now.timestamp_millis() + seconds * 1000,
            due: 0,
            at: 0,
        };
        let came = |seconds, after: Option<u64>| {
            let outcome = Outcome::Later { after: after.map(Duration::from_secs), why: "busy".to_owned() };
            super::came(&row(seconds), outcome, now)
        };
        assert!(matches!(came(60, None), Came::Again(next, _) if next < now + TimeDelta::seconds(2)));
        assert!(matches!(came(60, Some(30)), Came::Again(next, _) if next == now + TimeDelta::seconds(30)));
        assert_eq!(came(60, Some(90)), Came::Over("busy".to_owned()));
        assert_eq!(came(0, None), Came::Over("busy".to_owned()));
    }
}
