//! The thread that tells the hub: what was asked here first, then which sessions are open, then the journal.

use super::call::Unheard;
use super::membership::Membership;
use super::outbox::{self, Kept};
use super::pace::part_of;
use crate::ledger::LedgerError;
use crate::limits;
use crate::site::Site;
use access::{GrantId, RequestId, Text};
use api::{
    HostAnswer, HostAsk, HostState, HostWish, JournalHas, JournalPart, Mark, MarkRecord, OpenSessions,
    Record, SessionView, StateHeard,
};
use journal::{LogId, Row};
use loglines::{Faults, Level, Tells};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;
use store::StoreError;
use sync::Era;

/// Starts it, once this host has a voice.
pub fn start(site: &Arc<Site>) -> std::io::Result<()> {
    let (wake, woken) = sync_channel(1);
    if let Ok(outward) = site.source.outward() {
        outward.wakes(wake);
    }
    let site = Arc::clone(site);
    let tells = move || {
        loop {
            let reports = Reports {
                site: Arc::clone(&site),
                incarnation: None,
                doubts: true,
                log: None,
                sessions: None,
                state: None,
                membership: Membership::default(),
                journal: None,
                passed: HashSet::new(),
            };
            // What no release should stumble over must not end the telling, and not the deciding either.
            if catch_unwind(AssertUnwindSafe(|| reports.run(&woken))).is_err() {
                site.log.put(Level::Err, "telling the hub broke off, and is begun anew".to_owned());
                std::thread::sleep(limits::HUB_AGAIN.0);
            }
        }
    };
    std::thread::Builder::new().name("reports".into()).spawn(tells).map(drop)
}

struct Reports {
    site: Arc<Site>,
    /// The incarnation of the hub that is told.
    incarnation: Option<u64>,
    /// Whether the hub may have less of the journal than it said.
    doubts: bool,
    /// The log that [`super::Outward::uploaded`] is of.
    log: Option<LogId>,
    /// What the hub was told of sessions last, and when.
    sessions: Option<(Vec<SessionView>, Instant)>,
    /// What the hub was told that this host goes by, and when.
    state: Option<(Option<(Era, u64)>, Instant)>,
    /// What the hub's root signs of this host.
    membership: Membership,
    /// When the journal was told last.
    journal: Option<Instant>,
    /// What was asked, cannot be read, and was told of.
    passed: HashSet<RequestId>,
}

/// Why the hub could not be told.
enum Untold {
    Hub(Unheard),
    Here(LedgerError),
}

impl From<Unheard> for Untold {
    fn from(why: Unheard) -> Self {
        Self::Hub(why)
    }
}

impl From<LedgerError> for Untold {
    fn from(why: LedgerError) -> Self {
        Self::Here(why)
    }
}

impl From<StoreError> for Untold {
    fn from(why: StoreError) -> Self {
        Self::Here(why.into())
    }
}

impl std::fmt::Display for Untold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub(why) => why.fmt(f),
            Self::Here(why) => why.fmt(f),
        }
    }
}

impl Reports {
    fn run(mut self, woken: &Receiver<()>) {
        let (mut faults, mut wait) = (Faults::default(), limits::REPORT_EVERY);
        loop {
            let done = self.round();
            let tells = faults.take("telling the hub", done.is_ok(), Instant::now());
            let pause = match &done {
                Ok(true) => continue,
                Ok(false) => {
                    wait = limits::REPORT_EVERY;
                    limits::REPORT_EVERY
                }
                Err(_) => {
                    // What it knew may be gone with it.
                    self.sessions = None;
                    self.state = None;
                    wait = (wait * 2).min(limits::HUB_AGAIN.1);
                    part_of(wait).max(limits::REPORT_EVERY)
                }
            };
            match (tells, done) {
                (Tells::Fails, Err(why)) => {
                    let what = "telling the hub what was asked and done here, which is kept until then";
                    self.site.log.put(Level::Warning, format!("{what}: {why}"));
                }
                (Tells::Works, _) => self.site.log.put(Level::Notice, "the hub is told again".to_owned()),
                _ => {}
            }
            // Nobody wakes: it is time again.
            let _ = woken.recv_timeout(pause);
        }
    }

    /// All there is to tell, but for the rest of a long journal: whether there is some.
    fn round(&mut self) -> Result<bool, Untold> {
        self.meet();
        // Before anything that takes the hub: what it has may go while it is away.
        let known = self.take_up();
        let told = self.asks();
        if let Ok(outward) = self.site.source.outward() {
            outward.tried(told.as_ref().err().map(ToString::to_string));
        }
        // One ask that the hub cannot take must not keep the rest from it.
        let rest = known
            .and_then(|()| self.state())
            .and_then(|()| self.open_sessions())
            .and_then(|()| self.records());
        self.membership.renew(&self.site);
        told.and(rest)
    }

    /// A hub of another incarnation lost what it was told, or some of it.
    fn meet(&mut self) {
        let incarnation = self.site.source.watermark().map(|(era, _)| era.incarnation);
        if self.incarnation != incarnation {
            (self.incarnation, self.doubts, self.sessions) = (incarnation, true, None);
        }
    }

    /// How far the hub has the journal, as it said last.
    fn take_up(&mut self) -> Result<(), Untold> {
        let Ok(outward) = self.site.source.outward() else { return Ok(()) };
        let log = self.site.ledger.read(|connection| store::log_id(connection))?;
        if self.log != Some(log) {
            outward.set_uploaded(self.site.ledger.uploaded(log)?);
            self.log = Some(log);
        }
        Ok(())
    }

    fn say<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        body: &impl serde::Serialize,
        within: std::time::Duration,
    ) -> Result<T, Untold> {
        let voice = self.site.source.voice().map_err(|why| Unheard::Away(why.to_string()))?;
        Ok(voice.say(what, body, within)?)
    }

    /// What waits longest. What cannot be read is told once.
    fn next(&mut self) -> Result<Option<Kept>, Untold> {
        let Self { site, passed, .. } = self;
        let mut pass = |id, why: &StoreError| {
            if passed.insert(id) {
                site.log
                    .put(Level::Err, format!("request {id} is not sent to the hub, and others are: {why}"));
            }
        };
        Ok(site.ledger.read(|connection| outbox::next(connection, &mut pass))?)
    }

    /// What was asked, in its order.
    fn asks(&mut self) -> Result<(), Untold> {
        while let Some(Kept { ask, until, .. }) = self.next()? {
            if self.site.clock.now().trusted >= until {
                let why = "it waited too long for the hub";
                self.site.forget_ask(ask.id, why).map_err(|why| LedgerError::Unwritable(why.to_string()))?;
                continue;
            }
            let answer: HostAnswer = self.say("asks", &ask, limits::HUB_CALL)?;
            let (id, at, kept) = (ask.id, self.site.clock.now().trusted, answer.clone());
            let gone = not_taken(&ask, &answer);
            if let (Some(grant), HostAnswer::Refused(problem)) = (gone, &answer) {
                let what = format!("the glass that was broken with {grant} is taken back");
                self.site.log.put(Level::Err, format!("{what}: {}", problem.detail));
            }
            self.site.ledger.append(limits::DESK_WAIT, move |entry| {
                let detail = format!("request={id} {}", in_short(&kept));
                entry.record(Record::Mark(Box::new(MarkRecord { at, mark: Mark::AskAnswered, detail })))?;
                gone.map_or(Ok(()), |grant| entry.take_back(grant, at))?;
                Ok(outbox::answered(entry.connection(), id, &kept, at, at - limits::ANSWER_KEPT)?)
            })?;
            if let Ok(outward) = self.site.source.outward() {
                outward.answered(id, &answer);
            }
        }
        Ok(())
    }

    /// How this host stands: after each view that it goes by, and now and then.
    fn state(&mut self) -> Result<(), Untold> {
        let watermark = self.site.source.watermark();
        let told = self.state.as_ref();
        if told.is_some_and(|(told, at)| *told == watermark && at.elapsed() < limits::STATE_EVERY) {
            return Ok(());
        }
        let release = Text::parse(env!("CARGO_PKG_VERSION"));
        let state = HostState {
            watermark,
            as_of: self.site.source.heard().as_of,
            clock: self.site.clock.own().trusted,
            seq: self.site.memory.counts(self.site.clock.now()).seq,
            gated: crate::doors::Doors::look().gated,
            version: release.map_err(|why| LedgerError::Unwritable(why.to_string()))?,
        };
        let StateHeard { somebody_decides } = self.say("state", &state, limits::HUB_CALL)?;
        self.site.source.hears_who_decides(somebody_decides);
        self.state = Some((watermark, Instant::now()));
        Ok(())
    }

    /// Which sessions are open, where that is not what the hub was told.
    fn open_sessions(&mut self) -> Result<(), Untold> {
        let now = Instant::now();
        if self.sessions.as_ref().is_some_and(|(_, told)| now - *told < limits::REPORT_EVERY) {
            return Ok(());
        }
        let sessions = self.site.all_sessions();
        if self.sessions.as_ref().is_some_and(|(told, _)| *told == sessions) {
            return Ok(());
        }
        let open = OpenSessions { sessions };
        self.say::<serde::de::IgnoredAny>("sessions", &open, limits::HUB_CALL)?;
        self.sessions = Some((open.sessions, now));
        Ok(())
    }

    /// A part of the journal. Whether there is more.
    fn records(&mut self) -> Result<bool, Untold> {
        let site = Arc::clone(&self.site);
        let (Ok(outward), Some(log)) = (site.source.outward(), self.log) else { return Ok(false) };
        let (rows, bytes) = limits::JOURNAL_PART;
        // Its answer to the last record that it had says how far it goes, also where nothing is new.
        let after = outward.uploaded().unwrap_or(0).saturating_sub(self.doubts.into());
        let mut part = self.site.ledger.read(|connection| store::journal_after(connection, after, rows))?;
        let whole = part.len() as u64 == rows;
        if !whole && !self.doubts && self.journal.is_some_and(|told| told.elapsed() < limits::JOURNAL_EVERY) {
            return Ok(false);
        }
        let cut = shortened(&mut part, bytes);
        let (Some(first), Some(last)) = (part.first().map(|row| row.seq), part.last().map(|row| row.seq))
        else {
            return Ok(false);
        };
        let oldest = first != after + 1;
        let JournalHas { through } =
            self.say("journal", &JournalPart { log, rows: part, oldest }, limits::HUB_TAKES)?;
        (self.journal, self.doubts) = (Some(Instant::now()), false);
        // The hub may have less than it once said it had, after a restore: it is given that again.
        let through = through.min(last);
        self.site.ledger.set_uploaded(log, through)?;
        outward.set_uploaded(through);
        Ok(through > after && (whole || cut))
    }
}

/// Leaves out what is too much for one part; never all of it. Whether something was.
fn shortened(rows: &mut Vec<Row>, most: usize) -> bool {
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += row.body.len();
        bytes <= most
    });
    let fit = fit.count().max(1);
    let cut = fit < rows.len();
    rows.truncate(fit);
    cut
}

/// What was broken by a permit and the hub does not take: it is no grant of its any more.
fn not_taken(ask: &HostAsk, answer: &HostAnswer) -> Option<GrantId> {
    match (&ask.wish, answer) {
        (HostWish::Glass { grant, .. }, HostAnswer::Refused(_)) => Some(grant.id),
        _ => None,
    }
}

/// For the record.
fn in_short(answer: &HostAnswer) -> String {
    match answer {
        HostAnswer::Opened(opened) => {
            let state = opened.request.state.code();
            format!("answer={state} as={}", opened.request.ask.id)
        }
        HostAnswer::Hint { .. } => "answer=hint".to_owned(),
        HostAnswer::Silent => "answer=silent".to_owned(),
        HostAnswer::Refused(problem) => format!("answer=refused why={:?}", problem.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::{Head, Stamp};

    #[test]
    fn a_part_of_the_journal_has_as_much_as_fits_and_never_nothing() {
        let mut head = Head::start(LogId([7; 16]));
        let rows: Vec<Row> = [3, 4, 9, 1]
            .map(|length| {
                let row =
                    head.next(Stamp { boot: String::new(), wall_ms: 0, boot_ms: 0 }, "x".repeat(length));
                head = Head::of(&row);
                row
            })
            .into();
        for (most, fit) in [(0, 1), (3, 1), (6, 1), (7, 2), (15, 2), (16, 3), (17, 4), (99, 4)] {
            let mut part = rows.clone();
            assert_eq!((shortened(&mut part, most), part.len()), (fit < 4, fit), "{most}");
        }
        assert!(!shortened(&mut Vec::new(), 5));
    }
}
