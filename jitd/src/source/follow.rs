//! The thread that listens to the hub: verified, committed, in memory, and only then counted as heard.

use super::call::{Unheard, Voice};
use super::files::{Files, Found};
use super::mark::Mark;
use super::pace::Pace;
use super::{Enrolment, enrolment, membership, reports, rows};
use crate::daemon::DaemonError;
use crate::limits;
use crate::site::Site;
use access::{Text, Time};
use api::{AskFeed, CameBack, EndThere, Known, ProblemCode, TakenBack};
use loglines::{Faults, Level, Tells};
use reqwest::blocking::Response;
use reqwest::header::ETAG;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{BufRead, BufReader, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use sync::{Digest, LocalTime, State};

/// Starts the thread, where this host belongs to a hub.
pub fn follow(site: &Arc<Site>, state: &Path) -> Result<(), DaemonError> {
    let Some(hub) = &site.source.hub else { return Ok(()) };
    site.ledger.settle(hub.enrolment.clone(), site.clock.now().trusted)?;
    let known = site.ledger.read(|connection| rows::state(connection, &hub.enrolment))?;
    heard(site, &known, None);
    let machine = enrolment::machine()?;
    if hub.files.is_none() {
        let key = enrolment::key(state)?;
        let voice = Voice::of(&hub.enrolment, key, machine).map_err(DaemonError::Refused)?;
        hub.outward.voice.store(Some(Arc::new(voice)));
    }
    let mut follower = Follower {
        told: HashSet::new(),
        faults: Faults::default(),
        machine,
        version: Text::parse(env!("CARGO_PKG_VERSION"))
            .map_err(|why| DaemonError::Refused(why.to_string()))?,
        state: known,
        folder: state.to_owned(),
        enrolment: hub.enrolment.clone(),
        gave_back: 0,
        mark: None,
        site: Arc::clone(site),
    };
    let listens = move || {
        loop {
            // A message that no release should stumble over must not end the listening, and not the deciding either.
            let ended = catch_unwind(AssertUnwindSafe(|| match Arc::clone(&follower.site).source.files() {
                Some(files) => follower.read(files),
                None => follower.run(),
            }));
            if ended.is_err() {
                follower
                    .site
                    .log
                    .put(Level::Err, "listening to the hub broke off, and is begun anew".to_owned());
            }
            std::thread::sleep(limits::HUB_AGAIN.0);
            follower.read_again();
        }
    };
    let spawned = std::thread::Builder::new().name("source".into()).spawn(listens);
    spawned.map(drop).map_err(crate::daemon::os("starting the thread that listens to the hub"))?;
    if hub.files.is_some() {
        return Ok(());
    }
    reports::start(site).map_err(crate::daemon::os("starting the thread that tells the hub"))
}

struct Follower {
    site: Arc<Site>,
    machine: Digest,
    version: Text,
    state: State,
    /// The daemon's folder.
    folder: PathBuf,
    /// What this host goes by in calling the hub.
    enrolment: Enrolment,
    /// The incarnation of the hub that was given back to.
    gave_back: u64,
    /// Of the answer that was gone by last, if it came alone.
    mark: Option<Mark>,
    /// What is wrong with the hub's last message, each of which is told once as long as it lasts.
    told: HashSet<(&'static str, String)>,
    faults: Faults,
}

impl Follower {
    /// Listens, and comes again when the stream ends.
    fn run(&mut self) {
        let (mut pace, mut all) = (Pace::new(), false);
        loop {
            let began = self.as_of();
            let ended = match if pace.once() { self.ask(all) } else { self.listen(all) } {
                Ended::Unknown(why) => self.come_back(why),
                ended => ended,
            };
            let heard = self.as_of() != began;
            all = matches!(ended, Ended::WantsAll(_));
            if let Ended::Known = ended {
                // However long it was refused before; not without a pause, for a hub that forgets again would be called for ever.
                pace.at_once();
            }
            let pause = pace.after(&ended, heard);
            if let Ended::GaveBack = ended {
                // What it was given it tells to all, and to this host first.
                pace.at_once();
                continue;
            }
            if let Ended::Distrusted(_) = ended {
                let learned = self.learn();
                let tells = self.faults.take("certificates", learned.is_ok(), Instant::now());
                match learned {
                    Ok(true) => {
                        pace.at_once();
                        continue;
                    }
                    Err(why) if tells == Tells::Fails => {
                        let what = "asking the hub which certificates its root wants believed";
                        self.site.log.put(Level::Warning, format!("{what}: {why}"));
                    }
                    Ok(false) | Err(_) => {}
                }
            }
            // A stream that ends after it brought something is nothing to tell.
            let fault = if matches!(ended, Ended::Lost(_)) { "membership" } else { "the hub" };
            if let Some(why) = ended.why().filter(|_| !heard)
                && self.faults.take(fault, false, Instant::now()) == Tells::Fails
            {
                let what = "grants that are known stay good, and nothing new is heard of";
                self.site.log.put(Level::Warning, format!("listening to the hub: {why}; {what}"));
            }
            pause.wait();
        }
    }

    /// Believes the certificates that the hub's root wants believed now, where those are others than before.
    fn learn(&mut self) -> Result<bool, String> {
        let renewed = self.enrolment.renewed()?;
        let key = enrolment::key(&self.folder).map_err(|why| why.to_string())?;
        // Whom this machine trusts is read by each voice once, and may be others by now.
        let voice = Voice::of(renewed.as_ref().unwrap_or(&self.enrolment), key, self.machine)?;
        let outward = self.site.source.outward().map_err(|why| why.to_string())?;
        let Some(renewed) = renewed else {
            outward.voice.store(Some(Arc::new(voice)));
            return Ok(false);
        };
        renewed.replace(&self.enrolment, &self.folder).map_err(|why| why.to_string())?;
        let whose = if renewed.certificate.is_some() {
            "its own authority"
        } else {
            "authorities that this machine trusts"
        };
        self.enrolment = renewed;
        outward.voice.store(Some(Arc::new(voice)));
        let what = "the hub's root wants other certificates believed than before: those by";
        self.site.log.put(Level::Notice, format!("{what} {whose}"));
        Ok(true)
    }

    /// A hub that does not know this host is shown what its root signed of it. How it ended after that.
    fn come_back(&self, why: String) -> Ended {
        let Some(hub) = &self.site.source.hub else { return Ended::Failed(why) };
        let membership = match membership::kept(&self.folder, hub) {
            Ok(Some(membership)) => membership,
            Ok(None) => return Ended::Failed(why),
            Err(unread) => return Ended::Failed(format!("{why}; {unread}")),
        };
        let shown = self.site.source.voice().map_err(|why| Unheard::Away(why.to_string()));
        match shown.and_then(|voice| voice.come_back(&membership)) {
            Ok(CameBack { anew: true }) => {
                let what = "the hub did not know this host, and does again by what its root signed of it";
                self.site.log.put(Level::Notice, what.to_owned());
                Ended::Known
            }
            // It is known, so it was refused for something else.
            Ok(CameBack { anew: false }) => Ended::Failed(why),
            Err(refused) => Ended::Lost(refused.to_string()),
        }
    }

    /// Reads the file of this host, now and then.
    fn read(&mut self, files: &Files) {
        let (mut faults, mut before) = (Faults::default(), None);
        let mut reader = files.reader();
        loop {
            if reader.is_err() {
                reader = files.reader();
            }
            let found = reader.as_ref().map_err(Clone::clone).and_then(|reader| reader.look(before.as_ref()));
            let why = match found {
                Ok(Found::Same) => None,
                Ok(Found::Other(bytes, mark)) => match self.take(&bytes) {
                    Ok(()) => {
                        before = mark;
                        None
                    }
                    // What was refused is looked at again, also if it stays what it is.
                    Err(ended) => {
                        before = None;
                        ended.why()
                    }
                },
                Err(why) => Some(why),
            };
            match (faults.take("the files", why.is_none(), Instant::now()), why) {
                (Tells::Fails, Some(why)) => {
                    let what = "grants that are known stay good, and nothing new is heard of";
                    self.site.log.put(Level::Warning, format!("the hub's files: {why}; {what}"));
                }
                (Tells::Works, _) => {
                    self.site.log.put(Level::Notice, "the hub's files are good again".to_owned());
                }
                _ => {}
            }
            std::thread::sleep(files.pause());
        }
    }

    fn listen(&mut self, all: bool) -> Ended {
        self.mark = None;
        let ask = AskFeed {
            holds: if all { BTreeSet::new() } else { self.state.holds() },
            watermark: self.state.watermark(),
            machine: self.machine,
            version: self.version.clone(),
        };
        let stream = self
            .site
            .source
            .voice()
            .map_err(|why| (Unheard::Away(why.to_string()), false))
            .and_then(|voice| voice.feed(&ask));
        let stream = match stream {
            Ok(stream) => stream,
            // What holds back the answer can hold back its head too.
            Err((why, true)) => return Ended::Silent(why.to_string()),
            Err((why, false)) => return Ended::of(why),
        };
        self.hear(stream)
    }

    /// Has one answer, which ends.
    fn ask(&mut self, all: bool) -> Ended {
        let mark = self.mark.take().filter(|_| !all);
        let (asked, before) = (Instant::now(), self.as_of());
        let answer = match self.site.source.voice() {
            Ok(voice) => voice.once(mark.as_ref().map(Mark::name)),
            Err(why) => Err(Unheard::Away(why.to_string())),
        };
        match answer {
            Ok(Some(answer)) => {
                let name = answer.headers().get(ETAG).cloned();
                let ended = self.hear(answer);
                let is_taken = matches!(ended, Ended::ByTheHub) && self.as_of() != before;
                self.mark = name.filter(|_| is_taken).map(|name| Mark::of(name, asked));
                ended
            }
            Ok(None) if mark.as_ref().is_some_and(|mark| mark.may_stand(Instant::now())) => {
                self.mark = mark;
                Ended::Same
            }
            Ok(None) => {
                Ended::Failed("the hub answers that nothing changed, which it says for 20 s alone".to_owned())
            }
            Err(why) => {
                self.mark = mark;
                Ended::of(why)
            }
        }
    }

    fn as_of(&self) -> Option<Time> {
        self.state.served.as_ref().map(|served| served.as_of)
    }

    /// Goes by what it says, to its end.
    fn hear(&mut self, answer: Response) -> Ended {
        let (mut lines, begun) = (BufReader::new(answer), Instant::now());
        loop {
            match event(&mut lines) {
                Ok(Some(Event::View(data))) => {
                    if let Err(ended) = self.take(&data) {
                        return ended;
                    }
                    if self.faults.take("the hub", true, Instant::now()) == Tells::Works {
                        self.site.log.put(Level::Notice, "the hub is heard again".to_owned());
                    }
                    // The next loss is told anew.
                    self.faults.take("membership", true, Instant::now());
                }
                Ok(Some(Event::End(data))) => self.end(&data),
                Ok(None) => return Ended::ByTheHub,
                Err(why) => return broken(&why, begun.elapsed()),
            }
        }
    }

    /// Gives a hub that lost commits, and speaks in this incarnation since, back what this host knows of it.
    fn give_back(&self, incarnation: u64) -> Result<(), String> {
        let page = |bodies, ended| Known { incarnation: Some(incarnation), bodies, ended, last: false };
        let (mut pages, mut bytes) = (vec![page(Vec::new(), BTreeMap::new())], 0);
        for envelope in self.state.gives() {
            let size = envelope.payload().len() * 2;
            if bytes + size > limits::GIVEN {
                pages.push(page(Vec::new(), BTreeMap::new()));
                bytes = 0;
            }
            bytes += size;
            pages.last_mut().into_iter().for_each(|page| page.bodies.push(envelope.clone()));
        }
        let ends: Vec<_> = self.state.ends().map(|(id, ended)| (id, ended.clone())).collect();
        let of_ends = ends.chunks(limits::GIVEN_ENDS);
        pages.extend(of_ends.map(|some| page(Vec::new(), some.iter().cloned().collect())));
        pages.last_mut().into_iter().for_each(|page| page.last = true);
        let mut taken = TakenBack::default();
        for page in &pages {
            let voice = self.site.source.voice().map_err(|why| why.to_string())?;
            let TakenBack { grants, ended } = voice.give_back(page)?;
            taken = TakenBack { grants: taken.grants + grants, ended: taken.ended + ended };
        }
        let TakenBack { grants, ended } = taken;
        let what = format!("the hub lost commits, and was given back {grants} grants and {ended} ends");
        self.site.log.put(Level::Warning, what);
        Ok(())
    }

    /// What is committed, where that may be more than this knows.
    fn read_again(&mut self) {
        let Some(hub) = &self.site.source.hub else { return };
        if let Ok(state) = self.site.ledger.read(|connection| rows::state(connection, &hub.enrolment)) {
            self.state = state;
        }
    }

    /// Verifies a message, makes it durable, and goes by it.
    fn take(&mut self, message: &[u8]) -> Result<(), Ended> {
        let now = self.site.clock.now();
        let own = self.site.clock.own();
        let applied = sync::apply(&self.state, message, LocalTime { own: own.trusted, latest: own.latest });
        let applied = applied.map_err(|why| {
            let said = format!("a message was refused ({}): {why}", why.code());
            if why.is_alarm() && self.faults.take(why.code(), false, Instant::now()) == Tells::Fails {
                self.site.log.put(Level::Err, format!("the hub: {said}"));
            }
            if why.asks_for_all() { Ended::WantsAll(said) } else { Ended::Failed(said) }
        })?;
        let mut told = HashSet::new();
        for alarm in &applied.alarms {
            let which = (alarm.code(), alarm.grant().map(|id| id.to_string()).unwrap_or_default());
            if !self.told.contains(&which) {
                self.site.log.put(Level::Err, format!("the hub: {alarm}"));
            }
            told.insert(which);
        }
        self.told = told;
        let (state, signed_at) = (applied.state.clone(), applied.signed_at);
        if let (Some((before, _)), Some((after, _))) = (self.state.watermark(), state.watermark())
            && before.incarnation < after.incarnation
            && self.gave_back != after.incarnation
            // Who only reads gives nothing: other hosts of the grants may.
            && self.site.source.files().is_none()
        {
            // Its truth of now lacks what it lost, which it hears first.
            self.give_back(after.incarnation).map_err(Ended::Failed)?;
            self.gave_back = after.incarnation;
            return Err(Ended::GaveBack);
        }
        self.site
            .ledger
            .follow(applied, now.trusted)
            .map_err(|why| Ended::WantsAll(format!("what it says could not be written down: {why}")))?;
        heard(&self.site, &state, Some(signed_at));
        self.state = state;
        Ok(())
    }

    /// Somebody at the hub wants a session of this host ended. One that is none any more is what they want.
    fn end(&self, said: &[u8]) {
        let ended = serde_json::from_slice::<EndThere>(said).map_err(|why| why.to_string()).and_then(|end| {
            self.site.ask_end(end.session, end.by, end.reason).map_err(|why| why.to_string())
        });
        if let Err(why) = ended {
            let what = "ending a session that somebody at the hub wants ended";
            self.site.log.put(Level::Err, format!("{what}: {why}"));
        }
    }
}

/// Goes by what is known, which a message said just now or comes from the disk. It is true as of an instant that has passed
/// by the hub's clock and by the time that this host goes by, which has the hub's in it.
fn heard(site: &Site, state: &State, signed_at: Option<Time>) {
    site.clock.hears(state.signed_time());
    if let Some(signed_at) = signed_at {
        site.clock.hub_signed(signed_at);
    }
    // A file says when it was written, and not that it is that late now.
    if let Some(signed_at) = signed_at.filter(|_| site.source.files().is_none()) {
        site.clock.heard_just_now(signed_at);
    }
    let said = match (signed_at, &state.served) {
        (Some(signed_at), _) => Some(signed_at),
        (None, Some(served)) => Some(served.signed_time.map_or(served.as_of, |time| time.max(served.as_of))),
        (None, None) => None,
    };
    // An older copy of the same truth makes it no older.
    let before = site.source.heard();
    let held = before.as_of.filter(|_| before.era() == state.watermark().map(|(era, _)| era));
    let as_of = said.max(held).map(|as_of| as_of.min(site.clock.now().trusted));
    site.source.hears(state, as_of);
    site.memory.heard(as_of);
}

/// How listening ended.
pub(super) enum Ended {
    ByTheHub,
    /// What it said last still holds.
    Same,
    /// It was given what it had lost, and has more to tell than it told.
    GaveBack,
    Failed(String),
    /// The certificate at its address is not believed.
    Distrusted(String),
    /// It does not know this host, or not by this key, or the call is not one that it gave leave for.
    Unknown(String),
    /// The same, and it does again.
    Known,
    /// The same, and what its root signed of this host does not help.
    Lost(String),
    /// A stream was there or begun, and nothing more came of it.
    Silent(String),
    /// The same, and what is held counts for nothing the next time.
    WantsAll(String),
}

impl Ended {
    /// There was no answer.
    fn of(why: Unheard) -> Self {
        match why {
            Unheard::Distrusted(why) => Self::Distrusted(why),
            Unheard::Refused { ref problem, .. } if problem.code == ProblemCode::Unauthorized => {
                Self::Unknown(why.to_string())
            }
            why => Self::Failed(why.to_string()),
        }
    }

    /// What is to be told of it.
    fn why(self) -> Option<String> {
        match self {
            Self::ByTheHub | Self::Same | Self::GaveBack | Self::Known => None,
            Self::WantsAll(why)
            | Self::Failed(why)
            | Self::Distrusted(why)
            | Self::Unknown(why)
            | Self::Lost(why)
            | Self::Silent(why) => Some(why),
        }
    }
}

/// A stream that was open for so long broke off before anything came of it, or after. What breaks before the hub could have
/// repeated itself is a connection like any other; later, what it says is held back.
fn broken(why: &std::io::Error, open: Duration) -> Ended {
    let why = format!("reading what it says: {why}");
    if open >= limits::HUB_REPEATED { Ended::Silent(why) } else { Ended::Failed(why) }
}

/// What the stream brings.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    /// The truth.
    View(Vec<u8>),
    /// A session is to end.
    End(Vec<u8>),
}

/// The next event of a stream of them (WHATWG HTML, "Server-sent events"), of which the hub uses the plainest part: a
/// type, and one line of data. None at the end.
fn event(lines: &mut impl BufRead) -> std::io::Result<Option<Event>> {
    let most = sync::limits::MESSAGE as u64 + 64;
    let mut ends = false;
    loop {
        let mut line = Vec::new();
        if lines.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            let why = "a line that does not end";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
        }
        if let Some(kind) = line.strip_prefix(b"event: ") {
            ends = kind == b"end";
        }
        if let Some(data) = line.strip_prefix(b"data: ") {
            return Ok(Some(if ends { Event::End(data.to_vec()) } else { Event::View(data.to_vec()) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_event_by_event_and_a_cut_one_is_no_event() {
        let mut stream =
            "event: view\ndata: {\"a\":1}\n\n: nothing\n\nevent: end\ndata: 2\n\ndata: 3\n\ndata: cut"
                .as_bytes();
        let mut next = || event(&mut stream);
        assert_eq!(next().unwrap(), Some(Event::View(b"{\"a\":1}".to_vec())));
        assert_eq!(next().unwrap(), Some(Event::End(b"2".to_vec())));
        assert_eq!(next().unwrap(), Some(Event::View(b"3".to_vec())), "a type is for one event");
        assert!(next().is_err());
        assert_eq!(event(&mut "".as_bytes()).unwrap(), None);
    }

    #[test]
    fn what_breaks_before_the_hub_could_have_been_silent_is_not_held_back() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(matches!(broken(&reset, Duration::from_secs(1)), Ended::Failed(_)));
        assert!(matches!(broken(&reset, limits::HUB_REPEATED), Ended::Silent(_)));
    }
}
