//! The process that signs.

use super::due::{is_due, may_be_permitted};
use super::ring::Ring;
use super::{Answer, Ask, Rotate};
use crate::config::Config;
use crate::error::{HubError, os};
use crate::keys::{SignerKeys, draw};
use crate::{clock, limits, say};
use access::{Grant, Time};
use loglines::{Level, Log};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use sync::{
    Body, Envelope, HubId, Membership, Permit, Roots, SecretKey, SignedGrant, SignedManifest,
    SignedMembership, SignedPermit,
};
use workflow::Request;

struct Signer {
    hub: HubId,
    keys: SignerKeys,
    root: SecretKey,
    held: Mutex<Held>,
    callers: AtomicUsize,
    log: Log,
}

/// Why a grant is not signed.
enum Unsigned {
    /// It is none that may be.
    No(String),
    /// There were too many just now.
    Later(String),
}

impl From<Unsigned> for Answer {
    fn from(why: Unsigned) -> Self {
        match why {
            Unsigned::No(why) => Self::No(why),
            Unsigned::Later(why) => Self::Later(why),
        }
    }
}

/// What a rotation changes.
struct Held {
    ring: Ring,
    /// The key of the ring that signs grants.
    grant: SecretKey,
    rate: Rate,
    memberships: Rate,
}

impl Held {
    fn of(ring: Ring, grant: SecretKey) -> Self {
        let now = Instant::now();
        let rate = Rate::full(limits::SIGNED_AT_ONCE, limits::SIGNED_A_MINUTE, now);
        let memberships = Rate::full(limits::MEMBERSHIPS_AT_ONCE, limits::MEMBERSHIPS_A_MINUTE, now);
        Self { ring, grant, rate, memberships }
    }
}

/// Signs until it is told to stop.
pub fn serve(config: &Config, hub: HubId) -> Result<(), HubError> {
    let keys = SignerKeys::of(config);
    let log = Log::to(&config.syslog.socket, "jit-hub").map_err(os("starting the log's thread"))?;
    let (root, ring) = (keys.root()?, keys.ring()?);
    let grant = keys.grant(&ring)?;
    let held = Mutex::new(Held::of(ring, grant));
    let signer = Arc::new(Signer { hub, keys, root, held, callers: AtomicUsize::new(0), log });
    let socket = &config.signer.socket;
    let failed = || os(format!("listening on {}", socket.display()));
    match std::fs::remove_file(socket) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(failed()(why)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(failed())?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660)).map_err(failed())?;
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    say(&format!("jit-hub signer answers on {}", socket.display()));
    for stream in listener.incoming() {
        let answering = Arc::clone(&signer);
        if signer.callers.fetch_add(1, Ordering::Relaxed) >= limits::SIGNER_CALLERS {
            // Whoever is cut asks again.
            signer.callers.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let answer = move || {
            if let Err(why) = stream.and_then(|stream| answering.answer(stream)) {
                answering.log.put(Level::Warning, format!("signer: answering: {why}"));
            }
            answering.callers.fetch_sub(1, Ordering::Relaxed);
        };
        if let Err(why) = std::thread::Builder::new().spawn(answer) {
            signer.callers.fetch_sub(1, Ordering::Relaxed);
            signer.log.put(Level::Warning, format!("signer: starting a thread: {why}"));
        }
    }
    Ok(())
}

impl Signer {
    fn answer(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let root = rustix::net::sockopt::socket_peercred(&stream)?.uid.is_root();
        let line = line(&mut stream)?;
        let ask = serde_json::from_slice(&line);
        // A host asks for its own again by itself, and nothing waits for it.
        let may_wait = matches!(ask, Ok(Ask::Membership(_)));
        let answer = match ask {
            Ok(ask) => self.decide(ask, root, clock::wall()),
            // Whoever asks is of another release, until one of the two is started anew: that says nothing of a grant.
            Err(why) => Answer::Later(format!("the question does not read: {why}")),
        };
        if let Answer::No(why) | Answer::Later(why) = &answer
            && !(may_wait && matches!(answer, Answer::Later(_)))
        {
            self.log.put(Level::Err, format!("signer: refused: {why}"));
        }
        // Plain data always serialises.
        let mut text = serde_json::to_string(&answer).unwrap_or_default();
        text.push('\n');
        stream.set_write_timeout(Some(limits::SIGNER_WAIT))?;
        stream.write_all(text.as_bytes())
    }

    fn decide(&self, ask: Ask, root: bool, now: Time) -> Answer {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(ask, Ask::Grant { .. } | Ask::Permit { .. } | Ask::Membership(_) | Ask::Ring)
            && let Err(why) = self.settle(&mut held, now)
        {
            return Answer::No(format!("putting away keys whose time is over: {why}"));
        }
        match ask {
            Ask::Grant { grant, requests, before } => {
                self.grant(&mut held, *grant, &requests, before.as_deref()).map_or_else(Answer::from, Answer::Grant)
            }
            Ask::Permit { grant } => match self.permit(&mut held, *grant, now) {
                Ok(envelope) => Answer::Permit(envelope, held.grant.public()),
                Err(why) => why.into(),
            },
            Ask::Membership(of) => {
                self.membership(&mut held, &of, now).map_or_else(Answer::from, Answer::Membership)
            }
            Ask::Manifest => match self.manifest(&held.ring, now) {
                Ok(manifest) => Answer::Manifest(manifest),
                Err(why) => Answer::No(format!("the manifest: {why}")),
            },
            Ask::Ring => Answer::Ring(held.ring.clone()),
            Ask::Rotate(_) | Ask::Raise | Ask::Admit(_) | Ask::Withdraw(_) if !root => Answer::No(
                "which keys hosts believe is changed by root alone: run `jit-hub keys` or `jit-hub recover` as root"
                    .to_owned(),
            ),
            Ask::Rotate(rotate) => self.told(self.rotate(&mut held, &rotate, now), &held, "rotated"),
            Ask::Raise => {
                let raised = held.ring.raised();
                self.told(self.keep(&mut held, raised, None), &held, "raised")
            }
            Ask::Admit(key) => {
                let admitted = held.ring.with_one_more_view(key, now).map_err(str::to_owned);
                let done = admitted.and_then(|ring| self.change(&mut held, ring, now));
                self.told(done, &held, &format!("admitted view={}", key.id()))
            }
            Ask::Withdraw(key) => {
                let withdrawn = held.ring.without_view(key).map_err(str::to_owned);
                let done = withdrawn.and_then(|ring| self.change(&mut held, ring, now));
                self.told(done, &held, &format!("withdrawn view={}", key.id()))
            }
        }
    }

    fn told(&self, done: Result<(), String>, held: &Held, what: &str) -> Answer {
        match done {
            Ok(()) => {
                self.log.put(Level::Notice, format!("signer: keys {what} era={}", held.ring.era));
                Answer::Ring(held.ring.clone())
            }
            Err(why) => Answer::No(why),
        }
    }

    fn grant(
        &self,
        held: &mut Held,
        grant: Grant,
        requests: &[Request],
        before: Option<&Envelope>,
    ) -> Result<Envelope, Unsigned> {
        let (id, version, person) = (grant.id, grant.version, grant.person.clone());
        // What a key that is still believed has signed was looked at then.
        let keys: Vec<_> = held.ring.grant.iter().map(|listed| listed.key).collect();
        let verified = before.map(|before| SignedGrant::verify(before, &self.hub, &keys));
        let known = verified.is_some_and(|verified| verified.is_ok_and(|(signed, _)| signed == grant));
        if !known {
            is_due(&grant, requests)
                .map_err(|why| Unsigned::No(format!("grant {id} of request {}: {why}", grant.request)))?;
        }
        // An end is never late for the sake of a limit: it opens nothing.
        if grant.ended.is_none() && !known && !held.rate.take(Instant::now()) {
            return Err(Unsigned::Later(format!(
                "grant {id}: more than {} grants a minute are no work of people; it is tried again",
                limits::SIGNED_A_MINUTE
            )));
        }
        let body = Body { hub: self.hub.clone(), grant };
        let envelope = match before {
            Some(before) => SignedGrant::sign_again(&body, before, &held.grant)
                .map_err(|why| Unsigned::No(format!("grant {id}: {why}")))?,
            None => SignedGrant::sign(&body, &held.grant).envelope,
        };
        let of = requests.last().map_or_else(String::new, |request| format!(" request={}", request.ask.id));
        let key = held.grant.public().id();
        let what = format!("signer: signed grant={id} version={version} user={person}{of} key={key}");
        self.log.put(Level::Notice, what);
        Ok(envelope)
    }

    fn permit(&self, held: &mut Held, grant: Grant, now: Time) -> Result<Envelope, Unsigned> {
        let (id, person) = (grant.id, grant.person.clone());
        if !held.rate.take(Instant::now()) {
            return Err(Unsigned::Later(format!(
                "permit {id} of {person}: too many a minute; it is tried again"
            )));
        }
        may_be_permitted(&grant, now)
            .map_err(|why| Unsigned::No(format!("permit {id} of {person}: {why}")))?;
        let signed = SignedPermit::sign(&Permit { hub: self.hub.clone(), grant }, &held.grant);
        let key = held.grant.public().id();
        self.log.put(Level::Notice, format!("signer: signed permit={id} user={person} key={key}"));
        Ok(signed.envelope)
    }

    /// What is of a later life of the database, or of a later time, would be good for longer than it should.
    fn membership(&self, held: &mut Held, of: &Membership, now: Time) -> Result<SignedMembership, Unsigned> {
        let no = |why: &str| Err(Unsigned::No(format!("the membership of {}: {why}", of.host)));
        if of.hub != self.hub || of.incarnation != held.ring.era.incarnation {
            return no("it is of another hub, or of another life of this one");
        }
        if of.issued_at > now + sync::limits::SKEW {
            return no("it is of a time to come");
        }
        if !held.memberships.take(Instant::now()) {
            let why = format!("the membership of {}: too many a minute; it is tried again", of.host);
            return Err(Unsigned::Later(why));
        }
        self.log.put(Level::Notice, format!("signer: signed membership={} key={}", of.host, of.key.id()));
        Ok(of.sign(Roots::one(self.root.public()), &self.root))
    }

    fn manifest(&self, ring: &Ring, now: Time) -> Result<SignedManifest, String> {
        let manifest = ring.manifest(self.hub.clone(), Roots::one(self.root.public()), now);
        manifest.check()?;
        Ok(manifest.sign(&self.root))
    }

    /// Before anything else changes the ring, as at signers that were asked since.
    fn settle(&self, held: &mut Held, now: Time) -> Result<(), String> {
        held.ring.settled(now).map_or(Ok(()), |ring| self.keep(held, ring, None))
    }

    fn rotate(&self, held: &mut Held, rotate: &Rotate, now: Time) -> Result<(), String> {
        let mut ring = held.ring.clone();
        let drawn = if rotate.grant { Some(draw().map_err(|why| why.to_string())?) } else { None };
        if let Some(key) = &drawn {
            ring = ring.with_grant(key.public(), rotate.stolen, now);
        }
        for (old, new) in &rotate.view {
            ring = ring.with_view(*old, *new, rotate.stolen, now)?;
        }
        if ring == held.ring {
            return Err("nothing was named to be rotated".to_owned());
        }
        // What hosts would not take must not be written down.
        self.manifest(&ring, now)?;
        self.keep(held, ring, drawn)
    }

    /// Keeps a ring of other view keys, where hosts would take it.
    fn change(&self, held: &mut Held, ring: Ring, now: Time) -> Result<(), String> {
        self.manifest(&ring, now)?;
        self.keep(held, ring, None)
    }

    /// Durable first: an era that was told is never forgotten.
    fn keep(&self, held: &mut Held, ring: Ring, drawn: Option<SecretKey>) -> Result<(), String> {
        let kept = match &drawn {
            Some(key) => self.keys.put_grant(key),
            None => Ok(()),
        };
        kept.and_then(|()| self.keys.put_ring(&ring)).map_err(|why| why.to_string())?;
        held.ring = ring;
        if let Some(key) = drawn {
            held.grant = key;
        }
        Ok(())
    }
}

/// One line, within [`limits::SIGNER_WAIT`] however it trickles in.
fn line(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let until = Instant::now() + limits::SIGNER_WAIT;
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "the question did not come in time");
    let (mut line, mut part) = (Vec::new(), [0; 8192]);
    loop {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or_else(late)?))?;
        let read = stream.read(&mut part)?;
        line.extend_from_slice(part.get(..read).unwrap_or_default());
        if line.pop_if(|last| *last == b'\n').is_some() || read == 0 {
            return Ok(line);
        }
        if line.len() as u64 > limits::SIGNER_LINE {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "the question is too long"));
        }
    }
}

/// What is left to sign: people approve some a minute, and a rollout some hundred at once.
struct Rate {
    left: f64,
    most: f64,
    a_second: f64,
    at: Instant,
}

impl Rate {
    fn full(most: u32, a_minute: u32, at: Instant) -> Self {
        Self { left: most.into(), most: most.into(), a_second: f64::from(a_minute) / 60.0, at }
    }

    fn take(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.at).as_secs_f64() * self.a_second;
        self.left = (self.left + gained).min(self.most);
        self.at = now;
        let some = self.left >= 1.0;
        if some {
            self.left -= 1.0;
        }
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::due::tests::approved;
    use crate::signer::unexpected;
    use access::{Ended, EndedHow, HostName};
    use std::time::Duration;

    #[test]
    fn what_is_too_much_for_now_is_put_off_and_what_is_not_due_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [root, grants, views] = [1, 2, 3].map(|byte| SecretKey::from_random(&[byte; 32]));
        let ring = Ring::first(grants.public(), views.public(), clock::wall());
        let signer = Signer {
            hub: HubId::new(HostName::parse("hub").unwrap()),
            keys: SignerKeys::of(&Config::default()),
            root,
            held: Mutex::new(Held::of(ring, grants)),
            callers: AtomicUsize::new(0),
            log: Log::to(&folder.path().join("log"), "jit-hub").unwrap(),
        };
        let answer = |grant: &Grant, requests: &[Request]| {
            let ask =
                Ask::Grant { grant: Box::new(grant.clone()), requests: requests.to_vec(), before: None };
            signer.decide(ask, false, clock::wall())
        };
        let (grant, request) = approved();
        let requests = [request];
        assert!(matches!(answer(&grant, &requests), Answer::Grant(_)));
        // After a rush of which no minute makes up.
        signer.held.lock().unwrap().rate.left = -1.0e9;
        let put_off = answer(&grant, &requests);
        assert!(matches!(&put_off, Answer::Later(why) if why.contains("it is tried again")), "{put_off:?}");
        assert!(matches!(unexpected(&put_off), HubError::Signer(_)), "which the hub does not remember");
        let refused = answer(&grant, &[]);
        assert!(matches!(&refused, Answer::No(why) if why.contains("it comes of no request")), "{refused:?}");
        assert!(matches!(unexpected(&refused), HubError::Unsigned(_)), "which it does");
        let permit = signer.decide(Ask::Permit { grant: Box::new(grant.clone()) }, false, clock::wall());
        assert!(matches!(permit, Answer::Later(_)), "{permit:?}");
        let ended = Some(Ended { how: EndedHow::Revoked, at: grant.approved_at, by: None, reason: None });
        assert!(matches!(answer(&Grant { ended, ..grant }, &[]), Answer::Grant(_)), "an end is never late");
    }

    #[test]
    fn a_rush_is_signed_up_to_a_bound_and_goes_on_by_the_minute() {
        let began = Instant::now();
        let mut rate = Rate::full(limits::SIGNED_AT_ONCE, limits::SIGNED_A_MINUTE, began);
        let rush = (0..limits::SIGNED_AT_ONCE * 2).filter(|_| rate.take(began)).count();
        assert_eq!(rush, limits::SIGNED_AT_ONCE as usize);
        let later = began + Duration::from_secs(60);
        let more = (0..limits::SIGNED_A_MINUTE * 2).filter(|_| rate.take(later)).count();
        assert!(more.abs_diff(limits::SIGNED_A_MINUTE as usize) <= 1, "{more}");
    }

    #[test]
    fn a_question_that_trickles_in_is_cut() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"half").unwrap();
        let began = Instant::now();
        assert!(line(&mut ours).is_err());
        assert!(began.elapsed() >= limits::SIGNER_WAIT);
        theirs.write_all(b"{\"whole\":1}\n").unwrap();
        assert_eq!(line(&mut ours).unwrap(), b"{\"whole\":1}");
    }
}
