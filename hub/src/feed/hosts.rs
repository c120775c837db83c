//! Hosts: who lets them in, and whether a call is really one's.

use super::{Wakes, rows};
use crate::ledger::{Ledger, random};
use crate::limits;
use crate::site::Site;
use crate::teller::Teller;
use access::{HostName, Person, Text, Time};
use api::{Heard, HostState, HostToken, HostView, Join, NewHostToken, ProblemCode, Removed};
use axum::http::HeaderMap;
use desk::{Caller, DeskError, Refused};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use store::Sql;
use sync::{Digest, HubId, Nonce, Request, Signature, Token};

/// What is known of hosts beside the database.
pub struct Hosts {
    /// This hub among those that share a database, drawn at its start.
    hub: String,
    /// What nonces are known by: none is kept before it is used, so that nobody fills a store by asking.
    secret: Digest,
    /// The second in which this process began: what was used earlier is not known to it.
    began: i64,
    used: Mutex<Used>,
    seen: Mutex<HashMap<HostName, Listener>>,
    /// When the log was told last that a host says what it must not.
    wrong: Mutex<HashMap<(HostName, Wrong), Time>>,
}

/// Nonces that were used, by who used them, and how many these are.
#[derive(Default)]
struct Used {
    of: HashMap<HostName, HashMap<Nonce, Time>>,
    all: usize,
}

impl Used {
    /// Keeps one until it is over. Whether it is new, where there is room for it: of one host there is for a part, so that
    /// none takes that of all.
    fn put(&mut self, host: &HostName, nonce: Nonce, until: Time, now: Time) -> Option<bool> {
        if self.all >= limits::NONCES {
            self.of.values_mut().for_each(|of_host| of_host.retain(|_, until| *until > now));
            self.of.retain(|_, of_host| !of_host.is_empty());
            self.all = self.of.values().map(HashMap::len).sum();
        }
        let of_host = self.of.entry(host.clone()).or_default();
        if of_host.len() >= limits::HOST_NONCES {
            let before = of_host.len();
            of_host.retain(|_, until| *until > now);
            self.all -= before - of_host.len();
        }
        if self.all >= limits::NONCES || of_host.len() >= limits::HOST_NONCES {
            return None;
        }
        let is_new = of_host.insert(nonce, until).is_none();
        self.all += usize::from(is_new);
        Some(is_new)
    }
}

/// What a host said last, and what of it was written down when.
struct Listener {
    said: rows::Seen,
    /// As of when it knows the truth, as it said.
    as_of: Option<Time>,
    written: Option<(Time, rows::Seen)>,
}

impl Listener {
    /// Whether it should be written down now.
    fn is_due(&self, now: Time) -> bool {
        self.written
            .as_ref()
            .is_none_or(|(at, what)| *what != self.said && (now - *at).abs() >= limits::SEEN_EVERY)
    }

    /// Whether it knows the truth of about now.
    fn knows(&self, now: Time) -> bool {
        self.as_of.is_some_and(|as_of| (now - as_of).abs() < limits::KNOWS)
    }
}

/// What can be wrong with what a host says. Each is told by itself: one that comes again and again hides no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// It signs on another machine than the one that joined.
    Machine,
    /// The hub does not know it, and its root does.
    Lost,
    /// It gives back grants that are none.
    GivenBack,
    /// It asks for others.
    AsksForOthers,
    /// It broke glass that it could not.
    Glass,
    /// It records too much.
    Records,
    /// It says too much.
    Calls,
    /// There are more grants for it than it takes.
    Grants,
}

/// Why a nonce is not taken.
const NOT_GIVEN: &str =
    "the nonce of this call was not given to this host, was used, or is over: ask for another";

impl Hosts {
    /// With a secret that all hubs of one database have, so that a nonce of one is known by another; what was given
    /// before `began` may have been used.
    pub fn new(hub: String, secret: Digest, began: Time) -> Self {
        let (used, seen, wrong) = Default::default();
        Self { hub, secret, began: began.timestamp(), used, seen, wrong }
    }

    /// A nonce for the next call of this host.
    pub fn nonce(&self, host: &HostName, now: Time) -> Result<Nonce, DeskError> {
        let mut salt = [0; 4];
        getrandom::fill(&mut salt).map_err(random)?;
        // Of this century.
        let seconds = u32::try_from(now.timestamp()).unwrap_or(u32::MAX).to_be_bytes();
        Ok(self.minted(seconds, salt, host))
    }

    /// Four bytes of seconds, four of salt, and eight of what only who has the secret can make of them.
    fn minted(&self, seconds: [u8; 4], salt: [u8; 4], host: &HostName) -> Nonce {
        let head = [seconds, salt].concat();
        let mark = Digest::of(
            &[self.secret.as_bytes().as_slice(), head.as_slice(), host.as_str().as_bytes()].concat(),
        );
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(head.iter().chain(mark.as_bytes())) {
            *to = *from;
        }
        Nonce::from_random(bytes)
    }

    /// Uses a nonce up, once its caller is known. Why it is not one that was given to this host, lately, and not used.
    fn take(&self, nonce: Nonce, host: &HostName, now: Time) -> Result<(), String> {
        let part = |at: usize| nonce.as_bytes().chunks_exact(4).nth(at).and_then(|part| part.try_into().ok());
        let (seconds, salt): ([u8; 4], [u8; 4]) = (part(0).unwrap_or_default(), part(1).unwrap_or_default());
        let given = i64::from(u32::from_be_bytes(seconds));
        let until = Time::from_timestamp(given, 0).unwrap_or_default() + limits::NONCE_LIFE;
        // One of the future is by whoever stole what they are known by, and would be good and remembered for ever.
        let is_of_now = until > now && until <= now + limits::NONCE_LIFE * 2;
        if self.minted(seconds, salt, host) != nonce || !is_of_now || given < self.began {
            return Err(NOT_GIVEN.to_owned());
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.put(host, nonce, until, now) {
            Some(true) => Ok(()),
            Some(false) => Err(NOT_GIVEN.to_owned()),
            None => Err(format!(
                "more calls of {host}, or of all hosts, came within a minute than the hub remembers: it goes on in a minute; look \
                 there who calls so often"
            )),
        }
    }

    /// Whether the log is to hear again of this that is wrong with this host: once in a while, so that no host fills it.
    pub fn is_told(&self, host: &HostName, wrong: Wrong, now: Time) -> bool {
        let mut told = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let told = told.entry((host.clone(), wrong)).or_insert(Time::MIN_UTC);
        let is_news = now.signed_duration_since(*told) >= limits::WRONG_EVERY;
        if is_news {
            *told = now;
        }
        is_news
    }

    /// Notes what a host says of itself.
    pub fn heard(
        &self,
        host: HostName,
        at: Time,
        revision: u64,
        version: Text,
        stands: Option<rows::Stands>,
    ) {
        let mut said = rows::Seen { at, revision, version, listening: true, stands };
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&host) {
            Some(heard) => {
                said.stands = said.stands.or_else(|| heard.said.stands.clone());
                heard.said = said;
            }
            None => drop(all.insert(host, Listener { said, as_of: None, written: None })),
        }
    }

    /// What a host said last, and as of when it knows the truth.
    fn seen(&self, host: &HostName) -> Option<(rows::Seen, Option<Time>)> {
        let all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(host).map(|heard| (heard.said.clone(), heard.as_of))
    }

    /// A host says as of when it knows the truth.
    fn knows_as_of(&self, host: &HostName, as_of: Option<Time>) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heard) = all.get_mut(host) {
            heard.as_of = as_of;
        }
    }

    /// Whether a host that listens elsewhere does, by its own word.
    fn knows(&self, host: &HostName, now: Time) -> bool {
        let all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(host).is_some_and(|heard| heard.knows(now))
    }

    /// What should be written down now, of some hosts; `by_word` where those listen that say so.
    fn due(&self, wakes: &Wakes, by_word: bool, now: Time) -> Vec<(HostName, rows::Seen)> {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for (host, heard) in all.iter_mut() {
            heard.said.listening = wakes.listens(host) || by_word && heard.knows(now);
            if due.len() < limits::SEEN_AT_ONCE && heard.is_due(now) {
                due.push((host.clone(), heard.said.clone()));
            }
        }
        due
    }

    fn written(&self, due: Vec<(HostName, rows::Seen)>, now: Time) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (host, said) in due {
            if let Some(heard) = all.get_mut(&host) {
                heard.written = Some((now, said));
            }
        }
    }

    fn forget(&self, host: &HostName) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }
}

impl Ledger {
    /// A word that lets so many hosts into the hub of this address, name and root, by somebody.
    pub fn make_join_token(
        &self,
        (url, hub, root): (&str, &HubId, Digest),
        labels: BTreeMap<String, String>,
        uses: u32,
        by: Person,
        (at, expires): (Time, Time),
    ) -> Result<HostToken, DeskError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(random)?;
        let token = Token::new(url.to_owned(), hub.clone(), root, secret)
            .map_err(|why| DeskError::BadRequest(why.to_string()))?;
        self.put_join_token(token.hash(), labels, uses, expires, by, at)?;
        Ok(HostToken { token: token.reveal().to_string(), expires })
    }
}

fn are_labels(labels: &BTreeMap<String, String>) -> Result<(), DeskError> {
    let is_label = |text: &str| Text::parse(text).is_ok() && text.len() <= limits::LABEL;
    if labels.len() <= limits::LABELS && labels.iter().all(|(key, value)| is_label(key) && is_label(value)) {
        return Ok(());
    }
    Err(DeskError::BadRequest(format!(
        "a host has at most {} labels, each of plain words of at most {} bytes",
        limits::LABELS,
        limits::LABEL
    )))
}

impl Site {
    /// A word that lets new hosts in.
    pub fn host_token(&self, new: NewHostToken, actor: Person) -> Result<HostToken, DeskError> {
        if new.length.delta() > limits::JOIN_LONGEST {
            let most = limits::JOIN_LONGEST.num_days();
            return Err(DeskError::BadRequest(format!(
                "{} is too long: a token for hosts lasts at most {most}d",
                new.length
            )));
        }
        are_labels(&new.labels)?;
        if !(1..=limits::JOIN_USES).contains(&new.uses) {
            return Err(DeskError::BadRequest(format!("a token lets 1 to {} hosts in", limits::JOIN_USES)));
        }
        let at = self.clock.time();
        let times = (at, at + new.length.delta());
        let hub = (&*self.url, &self.hub, self.root);
        self.ledger.make_join_token(hub, new.labels, new.uses, actor, times)
    }

    /// A new host joins, or one joins again. With the same token and key this changes nothing.
    pub fn join(&self, join: Join) -> Result<HostView, DeskError> {
        let at = self.clock.time();
        let joined = join.host.clone();
        self.ledger.join(join, self.voice.load().manifest.era.incarnation, at)?;
        self.hosts_changed()?;
        self.wakes.forget(&joined);
        self.host_view(&joined)
    }

    /// A host has these labels from now on, and no others. Grants that are for hosts as they come follow it.
    pub fn label_host(
        &self,
        host: &HostName,
        labels: BTreeMap<String, String>,
        actor: Person,
    ) -> Result<HostView, DeskError> {
        are_labels(&labels)?;
        self.ledger.label_host(host.clone(), labels, actor, self.clock.time())?;
        self.hosts_changed()?;
        self.host_view(host)
    }

    /// Takes a host away at once: its streams end, and it signs nothing any more. One that is not there, as a backup lost it, comes
    /// back no more.
    pub fn remove_host(&self, host: HostName, by: Person) -> Result<Removed, DeskError> {
        let was = self.ledger.remove_host(host.clone(), by.clone(), self.clock.time())?;
        self.hosts_changed()?;
        self.wakes.forget(&host);
        self.hosts.forget(&host);
        Ok(Removed { host, was, by })
    }

    /// Who asks for access may name the hosts of this moment.
    pub fn read_hosts(&self, connection: &dyn Sql) -> Result<(), DeskError> {
        let hosts = crate::rows::hosts(connection)?;
        self.lost.keep(|host| hosts.labels.contains_key(host));
        self.policies.set_hosts(hosts);
        Ok(())
    }

    /// The same of what is there now. Grants that are for hosts as they come follow it.
    pub(super) fn hosts_changed(&self) -> Result<(), DeskError> {
        // Within the look, so that of two that join the later one is not forgotten.
        self.ledger.read(|connection| self.read_hosts(connection))
    }

    fn host_view(&self, host: &HostName) -> Result<HostView, DeskError> {
        self.host_views()?.into_iter().find(|view| view.host == *host).ok_or_else(|| no_host(host))
    }

    /// All hosts, with what is known of them now.
    pub fn host_views(&self) -> Result<Vec<HostView>, DeskError> {
        let now = self.clock.time();
        let (mut views, logs) = self.ledger.read(|connection| {
            Ok((rows::hosts(connection, &self.hosts.hub, now)?, crate::inbox::rows::logs(connection)?))
        })?;
        for view in &mut views {
            if let Some((size, alarm)) = logs.get(view.host.as_str()) {
                view.journal = Some(*size);
                view.alarm.clone_from(alarm);
            }
            view.connected |= self.is_heard(&view.host);
            let said = self.hosts.seen(&view.host).filter(|(said, _)| view.seen <= Some(said.at));
            if let Some((seen, as_of)) = said {
                view.as_of = as_of;
                if let Some(rows::Stands { ahead_ms, seq, gated }) = seen.stands {
                    (view.ahead_ms, view.waiting, view.gated) = (Some(ahead_ms), Some(seq), Some(gated));
                }
                view.seen = Some(seen.at);
                view.revision = Some(seen.revision);
                view.version = Some(seen.version);
            }
        }
        for view in &mut views {
            // What it has and the hub has not.
            view.waiting = view.waiting.map(|seq| seq.saturating_sub(view.journal.unwrap_or(0)));
        }
        Ok(views)
    }

    /// Whether a host listens, here or, by its own word, to a feed.
    pub fn is_heard(&self, host: &HostName) -> bool {
        self.wakes.listens(host) || !self.feeds && self.hosts.knows(host, self.clock.time())
    }

    /// Writes down what hosts said, and that this hub serves them where it is time to.
    pub fn keep_seen(&self, serves: bool) -> Result<(), DeskError> {
        let now = self.clock.time();
        let due = self.hosts.due(&self.wakes, !self.feeds, now);
        if due.is_empty() && !serves {
            return Ok(());
        }
        self.ledger.keep_seen(due.clone(), self.hosts.hub.clone(), serves.then_some(now))?;
        self.hosts.written(due, now);
        Ok(())
    }

    /// How a host stands.
    pub fn host_state(&self, host: &HostName, state: HostState) {
        let now = self.clock.time();
        let incarnation = self.voice.load().manifest.era.incarnation;
        // A revision of an earlier life of the database says nothing in this one.
        let of_now = state.watermark.filter(|(era, _)| era.incarnation == incarnation);
        let revision = of_now.map_or(0, |(_, revision)| revision).min(i64::MAX.unsigned_abs());
        let stands = rows::Stands {
            ahead_ms: (state.clock - now).num_milliseconds(),
            seq: state.seq.min(i64::MAX.unsigned_abs()),
            gated: state.gated.into_iter().take(limits::GATED).collect(),
        };
        self.hosts.heard(host.clone(), now, revision, state.version, Some(stands));
        self.hosts.knows_as_of(host, state.as_of);
    }

    /// Which of its hosts go by a grant as it is.
    pub fn grant_heard(&self, caller: &Caller, id: &str) -> Result<Heard, DeskError> {
        let view = self.desk.show_grant(caller, id)?;
        let signed = self.ledger.read(|connection| rows::signed_at(connection, &view.grant))?;
        let mut hosts: BTreeMap<HostName, HostView> =
            self.host_views()?.into_iter().map(|host| (host.host.clone(), host)).collect();
        let over = view.grant.window.latest_end();
        let mut heard =
            Heard { confirmed: Vec::new(), not_yet: BTreeMap::new(), removed: BTreeSet::new(), over };
        for host in &view.grant.hosts {
            match hosts.remove(host) {
                Some(of) if signed.is_some_and(|signed| of.revision >= Some(signed)) => {
                    heard.confirmed.push(of.host);
                }
                Some(of) => drop(heard.not_yet.insert(of.host, of.seen)),
                // It hears nothing more, and goes on by what it heard last.
                None => {
                    heard.not_yet.insert(host.clone(), None);
                    heard.removed.insert(host.clone());
                }
            }
        }
        Ok(heard)
    }
}

impl Teller {
    /// The host that signed this call with a body, where it `may` say so much.
    pub fn host_of(
        &self,
        headers: &HeaderMap,
        (method, path): (&str, &str),
        body: &[u8],
        may: impl FnOnce(&HostName) -> Result<(), DeskError>,
    ) -> Result<(HostName, rows::Host), Refused> {
        let stranger = |why: &str| {
            let fix = "enrol this host anew: `jit host token` where you work, `jitd enrol TOKEN` on it";
            Refused(ProblemCode::Unauthorized.because(format!("{why}: {fix}")))
        };
        let shown = headers.get(api::SIGNED).and_then(|value| value.to_str().ok());
        let mut parts = shown.unwrap_or_default().split(' ');
        let (host, nonce, signature) = (parts.next(), parts.next(), parts.next());
        let (Some(host), Some(nonce), Some(signature), Ok(machine)) = (
            host.and_then(|host| HostName::parse(host).ok()),
            nonce.and_then(|nonce| nonce.parse::<Nonce>().ok()),
            signature.and_then(|signature| signature.parse::<Signature>().ok()),
            // Not signed: who has the key could sign any. It is for a copy that knows of nothing.
            parts.next().map(str::parse::<Digest>).transpose(),
        ) else {
            return Err(stranger("this call is not signed by a host"));
        };
        let found = self.read(|connection| rows::host(connection, &host))?;
        let Some(found) = found else {
            return Err(stranger(&format!("no host of this hub is called {host}")));
        };
        let request = Request { host: &host, method, path, body: Digest::of(body), nonce };
        if !request.is_signed(&found.key, &signature) {
            return Err(stranger(&format!("host {host} did not sign this call with the key it joined with")));
        }
        machine.map_or(Ok(()), |machine| self.is_no_copy(&host, &found, &machine))?;
        // What is refused uses up none of the nonces that are remembered.
        may(&host)?;
        let taken = self.hosts.take(nonce, &host, self.clock.time());
        taken.map_err(|why| Refused(ProblemCode::Unauthorized.because(why)))?;
        Ok((host, found))
    }

    /// Whether a host calls from the machine that joined.
    pub fn is_no_copy(&self, host: &HostName, known: &rows::Host, machine: &Digest) -> Result<(), Refused> {
        if known.machine == *machine {
            return Ok(());
        }
        let why = format!(
            "host {host} joined on another machine: where this is a copy of its disk give it a name of its own and enrol it; \
             where the machine was replaced enrol it anew"
        );
        if self.hosts.is_told(host, Wrong::Machine, self.clock.time()) {
            self.log.put(loglines::Level::Err, why.clone());
        }
        Err(Refused(ProblemCode::Forbidden.because(why)))
    }
}

/// No host of this name.
pub fn no_host(host: &HostName) -> DeskError {
    DeskError::NotFound { what: "host", id: host.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_host_that_calls_without_end_takes_no_nonce_of_another() {
        let host = |name| HostName::parse(name).unwrap();
        let (loud, quiet) = (host("loud"), host("quiet"));
        let start = Time::from_timestamp(1_800_000_000, 0).unwrap();
        let hosts = Hosts::new("hub".to_owned(), Digest::of(b"secret"), start);
        let calls = |host: &HostName, now: Time| hosts.take(hosts.nonce(host, now).unwrap(), host, now);
        // Two of one second can be the same one, which counts once.
        let tries = limits::HOST_NONCES + 100;
        let taken = (0..tries).filter(|_| calls(&loud, start).is_ok()).count();
        assert_eq!(taken, limits::HOST_NONCES);
        assert!(calls(&loud, start).unwrap_err().contains("more calls of loud"));
        assert!(calls(&quiet, start).is_ok());
        let later = start + limits::NONCE_LIFE + TimeDelta::seconds(1);
        assert!(calls(&loud, later).is_ok(), "what is over makes room");
        assert_eq!(hosts.used.lock().unwrap().all, 2, "one of each");
        let nonce = hosts.nonce(&quiet, later).unwrap();
        assert!(hosts.take(nonce, &quiet, later).is_ok());
        assert_eq!(hosts.take(nonce, &quiet, later), Err(NOT_GIVEN.to_owned()), "it counts once");
    }
}
