//! The thread that listens to the hub: verified, committed, in memory, and only then counted as heard.

use super::call::Caller;
use super::{enrolment, rows};
use crate::daemon::DaemonError;
use crate::limits;
use crate::site::Site;
use access::Text;
use api::{AskFeed, Known, TakenBack};
use loglines::{Faults, Level, Tells};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sync::{Digest, LocalTime, SecretKey, State};

/// Starts the thread, where this host belongs to a hub.
pub fn follow(site: &Arc<Site>, state: &Path) -> Result<(), DaemonError> {
    let Some(hub) = &site.source.hub else { return Ok(()) };
    site.ledger.settle(hub.enrolment.clone(), site.clock.now().trusted)?;
    let known = site.ledger.read(|connection| rows::state(connection, &hub.enrolment))?;
    heard(site, &known);
    let mut follower = Follower {
        caller: Caller::of(&hub.enrolment).map_err(DaemonError::Refused)?,
        key: enrolment::key(state)?,
        machine: enrolment::machine()?,
        version: Text::parse(env!("CARGO_PKG_VERSION"))
            .map_err(|why| DaemonError::Refused(why.to_string()))?,
        state: known,
        gave_back: 0,
        site: Arc::clone(site),
    };
    let listens = move || {
        loop {
            // A message that no release should stumble over must not end the listening, and not the deciding either.
            let ended = catch_unwind(AssertUnwindSafe(|| follower.run()));
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
    spawned.map(drop).map_err(crate::daemon::os("starting the thread that listens to the hub"))
}

struct Follower {
    site: Arc<Site>,
    caller: Caller,
    key: SecretKey,
    machine: Digest,
    version: Text,
    state: State,
    /// The incarnation of the hub that was given back to.
    gave_back: u64,
}

impl Follower {
    /// Listens, and comes again when the stream ends: soon at first and not all hosts at once.
    fn run(&mut self) {
        let (mut faults, mut wait, mut all) = (Faults::default(), limits::HUB_AGAIN.0, false);
        loop {
            let began = self.state.served.as_ref().map(|served| served.as_of);
            let ended = self.listen(all);
            let heard = self.state.served.as_ref().map(|served| served.as_of) != began;
            all = matches!(ended, Ended::WantsAll(_));
            if heard {
                wait = limits::HUB_AGAIN.0;
            }
            let why = match ended {
                Ended::ByTheHub => None,
                Ended::WantsAll(why) | Ended::Failed(why) => Some(why),
            };
            // A stream that ends after it brought something is nothing to tell.
            match (faults.take("the hub", heard || why.is_none(), Instant::now()), why) {
                (Tells::Fails, Some(why)) => {
                    let what = "grants that are known stay good, and nothing new is heard of";
                    self.site.log.put(Level::Warning, format!("listening to the hub: {why}; {what}"));
                }
                (Tells::Works, _) => self.site.log.put(Level::Notice, "the hub is heard again".to_owned()),
                _ => {}
            }
            std::thread::sleep(part_of(wait));
            wait = (wait * 2).min(limits::HUB_AGAIN.1);
        }
    }

    fn listen(&mut self, all: bool) -> Ended {
        let ask = AskFeed {
            holds: if all { BTreeSet::new() } else { self.state.holds() },
            watermark: self.state.watermark(),
            machine: self.machine,
            version: self.version.clone(),
        };
        let stream = match self.caller.feed(&self.state.host, &self.key, &ask) {
            Ok(stream) => stream,
            Err(why) => return Ended::Failed(why),
        };
        let mut lines = BufReader::new(stream);
        loop {
            match event(&mut lines) {
                Ok(Some(data)) => {
                    if let Err(ended) = self.take(&data) {
                        return ended;
                    }
                }
                Ok(None) => return Ended::ByTheHub,
                Err(why) => return Ended::Failed(format!("reading what it says: {why}")),
            }
        }
    }

    /// Gives a hub that lost commits back what this host knows of it.
    fn give_back(&self) -> Result<(), String> {
        let page = |bodies, ended| Known { bodies, ended, last: false };
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
            let TakenBack { grants, ended } = self.caller.give_back(&self.state.host, &self.key, page)?;
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
        let applied = sync::apply(&self.state, message, LocalTime { own: now.trusted, latest: now.latest });
        let applied = applied.map_err(|why| {
            let said = format!("a message was refused ({}): {why}", why.code());
            if why.is_alarm() {
                self.site.log.put(Level::Err, format!("the hub: {said}"));
            }
            if why.asks_for_all() { Ended::WantsAll(said) } else { Ended::Failed(said) }
        })?;
        for alarm in &applied.alarms {
            self.site.log.put(Level::Err, format!("the hub: {alarm}"));
        }
        let state = applied.state.clone();
        if let (Some((before, _)), Some((after, _))) = (self.state.watermark(), state.watermark())
            && before.incarnation < after.incarnation
            && self.gave_back != after.incarnation
        {
            // Its truth of now lacks what it lost, which it hears first.
            self.give_back().map_err(Ended::Failed)?;
            self.gave_back = after.incarnation;
            return Err(Ended::ByTheHub);
        }
        self.site
            .ledger
            .follow(applied, now.trusted)
            .map_err(|why| Ended::WantsAll(format!("what it says could not be written down: {why}")))?;
        heard(&self.site, &state);
        self.state = state;
        Ok(())
    }
}

fn heard(site: &Site, state: &State) {
    let as_of = state.served.as_ref().map(|served| served.as_of);
    site.source.heard(as_of);
    site.memory.heard(as_of);
}

/// How listening ended.
enum Ended {
    ByTheHub,
    Failed(String),
    /// The same, and what is held counts for nothing the next time.
    WantsAll(String),
}

/// The data of the next event of a stream of them (WHATWG HTML, "Server-sent events"), of which the hub uses the
/// plainest part: one line of data each. None at the end.
fn event(lines: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let most = sync::limits::MESSAGE as u64 + 64;
    loop {
        let mut line = Vec::new();
        if lines.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            let why = "a line that does not end";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
        }
        if let Some(data) = line.strip_prefix(b"data: ") {
            return Ok(Some(data.to_vec()));
        }
    }
}

/// Some part of this wait, so that hosts do not come back all at once.
fn part_of(wait: Duration) -> Duration {
    let random = getrandom::u64().unwrap_or(u64::MAX);
    #[allow(clippy::cast_precision_loss)] // a pause
    wait.mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_event_by_event_and_a_cut_one_is_no_event() {
        let mut stream = "event: view\ndata: {\"a\":1}\n\n: nothing\n\ndata: 2\n\ndata: cut".as_bytes();
        assert_eq!(event(&mut stream).unwrap().unwrap(), b"{\"a\":1}");
        assert_eq!(event(&mut stream).unwrap().unwrap(), b"2");
        assert!(event(&mut stream).is_err());
        assert_eq!(event(&mut "".as_bytes()).unwrap(), None);
    }

    #[test]
    fn a_pause_is_a_part_of_the_longest() {
        let wait = Duration::from_secs(10);
        let pauses: Vec<Duration> = (0..50).map(|_| part_of(wait)).collect();
        assert!(pauses.iter().all(|pause| *pause <= wait) && pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
