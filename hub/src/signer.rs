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
use sync::{
    Body, Envelope, Era, HubId, Manifest, Permit, PublicKey, Roots, SecretKey, SignedGrant, SignedManifest, SignedPermit,
};
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
    /// To sign a permit.
    Permit {
        /// What it becomes.
        grant: Box<Grant>,
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
    Permit(Envelope),
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

    /// A permit, signed.
    pub fn permit(&self, grant: Grant) -> Result<Envelope, HubError> {
        match self.ask(&Ask::Permit { grant: Box::new(grant) })? {
            Answer::Permit(envelope) => Ok(envelope),
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
        Answer::Grant(_) | Answer::Permit(_) | Answer::Manifest(_) => "the signer answered something else".to_owned(),
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
            Ask::Permit { grant } => match may_be_permitted(&grant, now) {
                Ok(()) => {
                    let what = format!("signer: signed permit={} user={}", grant.id, grant.person);
                    let permit = Permit { hub: self.hub.clone(), grant: *grant };
                    self.log.put(Level::Notice, what);
                    Answer::Permit(SignedPermit::sign(&permit, &self.grant).envelope)
                }
                Err(why) => Answer::No(format!("permit {} of {}: {why}", grant.id, grant.person)),
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

/// Whether a permit may say this, as far as it tells by itself: for one host, for a while, and not for long.
fn may_be_permitted(grant: &Grant, now: Time) -> Result<(), &'static str> {
    let host = grant.hosts.first().ok_or("it is for no host")?;
    Permit { hub: sync::HubId::new(host.clone()), grant: grant.clone() }.check(host)?;
    let access::Window::FirstUse { claim_by, length, .. } = &grant.window else {
        return Err("it has no time in which it can be used");
    };
    if *claim_by > now + limits::PERMIT_GOOD + sync::limits::SKEW {
        return Err("it could be used for too long");
    }
    if length.delta() > limits::PERMIT_LONGEST {
        return Err("it lets in for too long");
    }
    if !grant.approved_by.is_empty() {
        return Err("nobody approves a permit");
    }
    Ok(())
}

/// Whether this grant may come of this request, as far as the two of them tell: nothing wider or longer than was
/// asked, and agreed to by others than those it is for.
fn is_due(grant: &Grant, request: &Request) -> Result<(), &'static str> {
    if grant.ended.is_some() {
        // It opens nothing.
        return Ok(());
    }
    let ask = &request.ask;
    let RequestState::Approved { at, grant: id, by } = &request.state else {
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
    if grant.names != ask.names {
        return Err("it is for other names than asked");
    }
    // What it was before is not known here; and a standing grant is for what its request cannot say exactly.
    if matches!(ask.kind, Kind::Extend { .. } | Kind::Standing) {
        return Ok(());
    }
    if grant.logins != ask.logins() {
        return Err("it opens other logins than were asked for");
    }
    if grant.approved_at != *at || grant.window.not_before() > ask.starts.unwrap_or(*at).max(*at) {
        return Err("its times are not those of the approval");
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

#[cfg(test)]
mod tests {
    use super::*;
    use access::{GrantId, HostName, Login, Person, RequestId, Service, Span, Text, Window};
    use chrono::TimeDelta;
    use std::collections::{BTreeMap, BTreeSet};
    use workflow::{Ask, Channel, Narrowing, Review};

    fn at() -> Time {
        Time::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn person(name: &str) -> Person {
        Person::parse(name).unwrap()
    }

    /// What alice asked for, and bob agreed to.
    fn approved() -> (Grant, Request) {
        let id = GrantId::from_random(7);
        let alice: BTreeSet<Login> = [Login::parse("alice").unwrap()].into();
        let ask = Ask {
            id: RequestId::from_random(5),
            kind: Kind::Access,
            asked_by: person("alice"),
            person: person("alice"),
            names: alice.clone(),
            hosts: [HostName::parse("db-1").unwrap()].into(),
            labels: BTreeMap::new(),
            services: [Service::parse("ssh").unwrap()].into(),
            run_as: None,
            length: Span::parse("1h").unwrap(),
            starts: None,
            reason: Text::parse("why").unwrap(),
            ticket: None,
            source: None,
            channel: Channel::Token,
            asked_at: at(),
        };
        let review = Review {
            by: person("bob"),
            verdict: ReviewVerdict::Approve { narrowing: Narrowing::default() },
            comment: None,
            channel: Channel::Token,
            at: at(),
            digest: String::new(),
        };
        let request = Request {
            ask: ask.clone(),
            rule: "prod".to_owned(),
            state: RequestState::Approved { at: at(), grant: id, by: Decider::People(vec![person("bob")]) },
            reviews: vec![review],
            escalated: None,
            escalates: None,
            afterwards: None,
        };
        let grant = Grant {
            id,
            version: 1,
            request: ask.id,
            person: ask.person,
            names: alice.clone(),
            logins: alice,
            hosts: ask.hosts,
            services: ask.services,
            run_as: BTreeSet::new(),
            window: Window::Approval { not_before: at(), expires: at() + TimeDelta::hours(1) },
            source: None,
            sessions: None,
            approved_at: at(),
            approved_by: vec![person("bob")],
            rule: "prod".to_owned(),
            policy: String::new(),
            break_glass: false,
            extended: 0,
            ended: None,
        };
        (grant, request)
    }

    #[test]
    fn what_was_asked_and_agreed_to_is_signed_and_nothing_more_is() {
        let (grant, request) = approved();
        assert_eq!(is_due(&grant, &request), Ok(()));
        let mallory: BTreeSet<Login> = [Login::parse("mallory").unwrap()].into();
        let wider: [(&str, Grant); 7] = [
            ("another host", Grant { hosts: [HostName::parse("db-2").unwrap()].into(), ..grant.clone() }),
            (
                "another service",
                Grant { services: [Service::parse("sudo").unwrap()].into(), ..grant.clone() },
            ),
            ("becoming somebody", Grant { run_as: mallory.clone(), ..grant.clone() }),
            ("other names", Grant { names: mallory.clone(), ..grant.clone() }),
            ("other logins", Grant { logins: mallory, ..grant.clone() }),
            ("another person", Grant { person: person("mallory"), ..grant.clone() }),
            (
                "longer",
                Grant {
                    window: Window::Approval { not_before: at(), expires: at() + TimeDelta::hours(2) },
                    ..grant.clone()
                },
            ),
        ];
        for (what, grant) in wider {
            assert!(is_due(&grant, &request).is_err(), "{what}");
        }
        let later = at() + TimeDelta::days(1);
        let again = Window::Approval { not_before: later, expires: later + TimeDelta::hours(1) };
        assert!(
            is_due(&Grant { window: again, ..grant.clone() }, &request).is_err(),
            "an old approval used again"
        );
    }

    #[test]
    fn nobody_agrees_to_their_own_and_nobody_is_said_to_have_who_did_not() {
        let (grant, request) = approved();
        let by = |names: &[&str]| {
            let by = Decider::People(names.iter().map(|name| person(name)).collect());
            Request { state: RequestState::Approved { at: at(), grant: grant.id, by }, ..request.clone() }
        };
        for people in [&[][..], &["alice"], &["carol"], &["bob", "carol"]] {
            assert!(is_due(&grant, &by(people)).is_err(), "{people:?}");
        }
        let pending = RequestState::Pending { until: at() };
        assert!(is_due(&grant, &Request { state: pending, ..request.clone() }).is_err());
        let ended = access::Ended { how: access::EndedHow::Revoked, at: at(), by: None, reason: None };
        let denied = Request { state: RequestState::Expired { at: at() }, ..request };
        assert_eq!(is_due(&Grant { ended: Some(ended), ..grant }, &denied), Ok(()), "an end opens nothing");
    }
}
