//! `jit-hub signer`: the only process that can make hosts believe a grant. It looks again at what it signs, so that
//! whoever takes over the server, or its database, mints nothing that nobody approved.
//!
//! One line of JSON asks and one answers, on a socket that the server's group alone opens.

use crate::config::Config;
use crate::error::{HubError, os};
use crate::keys::Keys;
use crate::{clock, limits, say};
use access::{Grant, Time};
use loglines::{Level, Log};
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use sync::{Body, Envelope, Era, HubId, Manifest, PublicKey, Roots, SecretKey, SignedGrant, SignedManifest};
use workflow::{Decider, Kind, Request, RequestState, ReviewVerdict};

/// What the server asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// To sign a grant that came of this request.
    Grant {
        /// The grant.
        grant: Box<Grant>,
        /// The request of its last version; the one that opened it where it ended.
        request: Box<Request>,
    },
    /// To let these keys sign views.
    Manifest {
        /// The servers'.
        view_keys: Vec<PublicKey>,
    },
}

/// What the signer answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Answer {
    Grant(Envelope),
    Manifest(SignedManifest),
    No(String),
}

/// Asks the signer.
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The one behind this socket.
    pub fn at(socket: &Path) -> Self {
        Self { socket: socket.into() }
    }

    /// A grant, signed.
    pub fn grant(&self, grant: Grant, request: Request) -> Result<Envelope, HubError> {
        match self.ask(&Ask::Grant { grant: Box::new(grant), request: Box::new(request) })? {
            Answer::Grant(envelope) => Ok(envelope),
            other => Err(unexpected(&other)),
        }
    }

    /// The keys of this era, signed anew.
    pub fn manifest(&self, view_keys: Vec<PublicKey>) -> Result<SignedManifest, HubError> {
        match self.ask(&Ask::Manifest { view_keys })? {
            Answer::Manifest(manifest) => Ok(manifest),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&self, ask: &Ask) -> Result<Answer, HubError> {
        let doing = || format!("asking the signer on {}", self.socket.display());
        let mut stream = UnixStream::connect(&self.socket).map_err(os(doing()))?;
        stream.set_read_timeout(Some(limits::SIGNER_WAIT)).map_err(os(doing()))?;
        stream.set_write_timeout(Some(limits::SIGNER_WAIT)).map_err(os(doing()))?;
        let line = serde_json::to_string(ask).map_err(|why| HubError::Signer(why.to_string()))?;
        stream.write_all(line.as_bytes()).and_then(|()| stream.write_all(b"\n")).map_err(os(doing()))?;
        let mut answer = String::new();
        BufReader::new(stream).take(limits::SIGNER_LINE).read_line(&mut answer).map_err(os(doing()))?;
        serde_json::from_str(&answer)
            .map_err(|why| HubError::Signer(format!("{}: its answer does not read: {why}", doing())))
    }
}

fn unexpected(answer: &Answer) -> HubError {
    HubError::Signer(match answer {
        Answer::No(why) => format!("the signer does not sign: {why}"),
        Answer::Grant(_) | Answer::Manifest(_) => "the signer answered something else".to_owned(),
    })
}

/// The process.
struct Signer {
    hub: HubId,
    root: SecretKey,
    grant: SecretKey,
    era: Era,
    log: Log,
}

/// Signs until it is told to stop.
pub fn serve(config: &Config, hub: HubId) -> Result<(), HubError> {
    let keys = Keys::of(config);
    let log = Log::to(&config.syslog.socket, "jit-hub").map_err(os("starting the log's thread"))?;
    let (root, grant) = (keys.root()?, keys.grant()?);
    let signer = Signer { hub, root, grant, era: Era { incarnation: 1, epoch: 1 }, log };
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
        // One after the other: a signature takes 25 us, and whoever is slow is cut.
        if let Err(why) = stream.and_then(|stream| signer.answer(stream)) {
            signer.log.put(Level::Warning, format!("signer: answering: {why}"));
        }
    }
    Ok(())
}

impl Signer {
    fn answer(&self, stream: UnixStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(limits::SIGNER_WAIT))?;
        stream.set_write_timeout(Some(limits::SIGNER_WAIT))?;
        let mut line = String::new();
        let mut reader = BufReader::new(stream);
        reader.by_ref().take(limits::SIGNER_LINE).read_line(&mut line)?;
        let answer = match serde_json::from_str(&line) {
            Ok(ask) => self.decide(ask, clock::wall()),
            Err(why) => Answer::No(format!("the question does not read: {why}")),
        };
        if let Answer::No(why) = &answer {
            self.log.put(Level::Err, format!("signer: refused: {why}"));
        }
        // Plain data always serialises.
        let mut text = serde_json::to_string(&answer).unwrap_or_default();
        text.push('\n');
        reader.into_inner().write_all(text.as_bytes())
    }

    fn decide(&self, ask: Ask, now: Time) -> Answer {
        match ask {
            Ask::Grant { grant, request } => match is_due(&grant, &request) {
                Ok(()) => {
                    let (id, version, person) = (grant.id, grant.version, grant.person.clone());
                    let signed =
                        SignedGrant::sign(&Body { hub: self.hub.clone(), grant: *grant }, &self.grant);
                    let what = format!("signer: signed grant={id} version={version} user={person}");
                    self.log.put(Level::Notice, format!("{what} request={}", request.ask.id));
                    Answer::Grant(signed.envelope)
                }
                Err(why) => Answer::No(format!("grant {} of request {}: {why}", grant.id, request.ask.id)),
            },
            Ask::Manifest { view_keys } => {
                let manifest = Manifest {
                    hub: self.hub.clone(),
                    era: self.era,
                    roots: Roots::one(self.root.public()),
                    grant_keys: vec![self.grant.public()],
                    view_keys,
                    issued_at: now,
                    expires: now + sync::limits::MANIFEST_AGE,
                };
                match manifest.check() {
                    Ok(()) => Answer::Manifest(manifest.sign(&self.root)),
                    Err(why) => Answer::No(format!("the manifest: {why}")),
                }
            }
        }
    }
}

/// Whether this grant may come of this request, as far as the two of them tell: nothing wider or longer than was
/// asked, and agreed to by others than those it is for.
fn is_due(grant: &Grant, request: &Request) -> Result<(), &'static str> {
    if grant.ended.is_some() {
        // It opens nothing.
        return Ok(());
    }
    let ask = &request.ask;
    let RequestState::Approved { grant: id, by, .. } = &request.state else {
        return Err("the request was not approved");
    };
    if *id != grant.id || ask.person != grant.person {
        return Err("the request is about another grant");
    }
    if let Decider::People(people) = by {
        let own = |person: &access::Person| {
            *person == ask.person
                || *person == ask.asked_by
                || grant.names.iter().any(|name| name.as_str() == person.as_str())
        };
        if people.is_empty() || people.iter().any(own) {
            return Err("nobody else agreed to it");
        }
        let agreed = |person: &access::Person| {
            request
                .reviews
                .iter()
                .any(|review| review.by == *person && matches!(review.verdict, ReviewVerdict::Approve { .. }))
        };
        if !people.iter().all(agreed) {
            return Err("who is said to have agreed did not");
        }
    }
    if matches!(ask.kind, Kind::Extend { .. }) {
        return Ok(());
    }
    if !grant.hosts.is_subset(&ask.hosts) || !grant.services.is_subset(&ask.services) {
        return Err("it is for more than was asked");
    }
    let becomes = ask.becomes();
    if !grant.run_as.is_subset(&becomes) {
        return Err("it becomes somebody that was not asked for");
    }
    let longest = grant.window.latest_end() - grant.window.not_before();
    let unclaimed = match &grant.window {
        access::Window::FirstUse { claim_by, not_before, .. } => *claim_by - *not_before,
        access::Window::Approval { .. } => chrono::TimeDelta::zero(),
    };
    if longest - unclaimed > ask.length.delta() {
        return Err("it is longer than was asked");
    }
    Ok(())
}
