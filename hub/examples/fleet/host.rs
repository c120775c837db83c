//! Hosts that listen.

use crate::room::{Room, name, secret};
use crate::wire::{Wire, connector};
use access::{HostName, Text, Time};
use api::{AskFeed, Nonced};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use sync::{Digest, Era, HubId, LocalTime, Request, State};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

/// Hosts that share an address: below what the hub gives to one.
const OF_AN_ADDRESS: usize = 60;

/// Of so many messages one is verified: those of every hundredth host.
const VERIFIED: usize = 100;

/// The longest pause before a host comes again; some part of it, as in `jitd`.
const AGAIN: Duration = Duration::from_secs(10);

/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a host heard last, and when.
#[derive(Clone, Copy)]
pub struct Heard {
    pub epoch: u64,
    pub revision: Option<u64>,
    pub at: Instant,
}

/// All hosts.
pub struct Fleet {
    hosts: Vec<watch::Sender<Heard>>,
    tls: TlsConnector,
    at: Vec<SocketAddr>,
    hub: HubId,
    root: Digest,
    ends: AtomicBool,
    read: AtomicU64,
    bytes: AtomicU64,
    verified: AtomicU64,
    away: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

/// As much of a message as says what it is about.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    view: Envelope<'a>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    payload: &'a str,
}

#[derive(Deserialize)]
struct View {
    era: Era,
    revision: u64,
    grants: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    digest: Digest,
}

impl Fleet {
    pub fn new(room: &Room, hosts: usize) -> Arc<Self> {
        let nothing = Heard { epoch: 0, revision: None, at: Instant::now() };
        let of = room.identity();
        Arc::new(Self {
            hosts: (0..hosts).map(|_| watch::channel(nothing).0).collect(),
            tls: connector(&room.ca()),
            at: room.at(),
            hub: of.0,
            root: of.1,
            ends: AtomicBool::new(false),
            read: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            verified: AtomicU64::new(0),
            away: AtomicU64::new(0),
            wrong: Mutex::default(),
        })
    }

    /// All of them come within [`AGAIN`], and listen from then on.
    pub fn begin(self: &Arc<Self>) {
        for number in 0..self.hosts.len() {
            let host = Host::new(self, number);
            tokio::spawn(host.live(Arc::clone(self)));
        }
    }

    /// Nobody comes again.
    pub fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    /// What this one heard last.
    pub fn heard(&self, number: usize) -> Heard {
        *self.hosts[number].borrow()
    }

    /// As if none had heard anything.
    pub fn forget(&self) {
        self.hosts.iter().for_each(|host| host.send_modify(|heard| heard.revision = None));
        self.wrong.lock().unwrap().clear();
        self.away.store(0, Ordering::Relaxed);
    }

    /// When this one had heard of it.
    pub async fn one(&self, number: usize, is_so: impl Fn(&Heard) -> bool) -> Instant {
        let mut host = self.hosts[number].subscribe();
        let waited = tokio::time::timeout(PATIENCE, host.wait_for(|heard| is_so(heard))).await;
        let Ok(heard) = waited else {
            panic!("host {number} did not hear of it: {:?}", self.wrong.lock().unwrap().last());
        };
        heard.unwrap().at
    }

    /// When each of them had heard of it.
    pub async fn all(&self, what: &str, is_so: impl Fn(&Heard) -> bool) -> Vec<Instant> {
        eprintln!("waiting: {what}");
        let mut all = Vec::with_capacity(self.hosts.len());
        for number in 0..self.hosts.len() {
            all.push(self.one(number, &is_so).await);
        }
        all
    }

    /// Messages that were verified, and all that were read.
    pub fn messages(&self) -> (u64, u64) {
        (self.verified.load(Ordering::Relaxed), self.read.load(Ordering::Relaxed))
    }

    /// Bytes of all that were read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Tries that found nobody, and why others failed.
    pub fn failures(&self) -> (u64, Vec<String>) {
        (self.away.load(Ordering::Relaxed), self.wrong.lock().unwrap().clone())
    }
}

struct Host {
    number: usize,
    name: HostName,
    at: SocketAddr,
    from: Ipv4Addr,
    holds: BTreeSet<Digest>,
    watermark: Option<(Era, u64)>,
    /// Of one that verifies.
    state: Option<Box<State>>,
}

impl Host {
    fn new(fleet: &Fleet, number: usize) -> Self {
        let name = HostName::parse(&name(number)).unwrap();
        let [_, _, high, low] = u32::try_from(number / OF_AN_ADDRESS).unwrap().to_be_bytes();
        let state = State::new(fleet.hub.clone(), fleet.root, name.clone());
        Self {
            number,
            name,
            at: fleet.at[number % fleet.at.len()],
            from: Ipv4Addr::new(127, 1 + high, low, 1),
            holds: BTreeSet::new(),
            watermark: None,
            state: number.is_multiple_of(VERIFIED).then(|| Box::new(state)),
        }
    }

    async fn live(mut self, fleet: Arc<Fleet>) {
        while !fleet.ends.load(Ordering::Relaxed) {
            let random = getrandom::u32().unwrap();
            tokio::time::sleep(AGAIN.mul_f64(f64::from(random) / f64::from(u32::MAX))).await;
            let mut heard = false;
            let ended = self.listen(&fleet, &mut heard).await;
            let Err(why) = ended else { continue };
            if why.kind() == ErrorKind::ConnectionRefused {
                fleet.away.fetch_add(1, Ordering::Relaxed);
            } else if !heard {
                // A stream that brought something may end.
                fleet.wrong.lock().unwrap().push(format!("{}: {why}", self.name));
            }
        }
    }

    async fn listen(&mut self, fleet: &Fleet, heard: &mut bool) -> std::io::Result<()> {
        let mut wire = Wire::connect(&fleet.tls, self.at, self.from).await?;
        let nonced = wire.call(&format!("POST /v1/hosts/{}/nonce", self.name), "", "").await?;
        let Nonced { nonce } = serde_json::from_slice(&nonced)?;
        let (path, body) = (format!("/v1/hosts/{}/feed", self.name), self.ask());
        let digest = Digest::of(body.as_bytes());
        let request = Request { host: &self.name, method: "POST", path: &path, body: digest, nonce };
        let signed =
            format!("{}: {} {nonce} {}\r\n", api::SIGNED, self.name, request.sign(&secret(self.number)));
        wire.begin(&format!("POST {path}"), &signed, &body).await?;
        loop {
            let message = wire.event().await?;
            let at = Instant::now();
            fleet.read.fetch_add(1, Ordering::Relaxed);
            fleet.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
            self.take(fleet, &message, at)?;
            *heard = true;
        }
    }

    fn ask(&self) -> String {
        let state = self.state.as_ref();
        let ask = AskFeed {
            holds: state.map_or_else(|| self.holds.clone(), |state| state.holds()),
            watermark: state.map_or(self.watermark, |state| state.watermark()),
            machine: Digest::of(self.name.as_str().as_bytes()),
            version: Text::parse("9.9.9").unwrap(),
        };
        serde_json::to_string(&ask).unwrap()
    }

    fn take(&mut self, fleet: &Fleet, message: &[u8], at: Instant) -> std::io::Result<()> {
        let read: Message = serde_json::from_slice(message)?;
        let view: View = serde_json::from_slice(&BASE64_STANDARD.decode(read.view.payload).unwrap())?;
        self.holds = view.grants.iter().map(|listed| listed.digest).collect();
        self.watermark = Some((view.era, view.revision));
        if let Some(state) = &mut self.state {
            #[allow(clippy::disallowed_methods)] // a host has a clock of its own
            let now = Time::from(std::time::SystemTime::now());
            let applied = sync::apply(state, message, LocalTime { own: now, latest: now });
            **state = applied.map_err(std::io::Error::other)?.state;
            fleet.verified.fetch_add(1, Ordering::Relaxed);
        }
        let heard = Heard { epoch: view.era.epoch, revision: Some(view.revision), at };
        fleet.hosts[self.number].send_if_modified(|last| {
            // The first that tells of a change counts, not those that say it again.
            let news = (last.epoch, last.revision) != (heard.epoch, heard.revision);
            if news {
                *last = heard;
            }
            news
        });
        Ok(())
    }
}
