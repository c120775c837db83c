//! Calls to the hub.

use super::Enrolment;
use crate::limits;
use access::HostName;
use api::{AskFeed, CameBack, HostView, Join, Known, Nonced, Problem, TakenBack};
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::Read as _;
use std::time::{Duration, Instant};
use sync::{Digest, Request, SecretKey, SignedAuthority, SignedMembership};

/// Calls one hub.
pub struct Caller {
    http: Client,
    url: String,
    /// Whose certificates it believes, in words.
    believes: &'static str,
}

/// Why a call has no answer.
#[derive(Clone, Debug)]
pub enum Unheard {
    /// The hub is away, or what answers there is none.
    Away(String),
    /// What answers shows a certificate that this host does not believe.
    Distrusted(String),
    /// The hub refuses it.
    Refused {
        /// What was called.
        at: String,
        /// Why.
        problem: Problem,
    },
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) | Self::Distrusted(why) => f.write_str(why),
            Self::Refused { at, problem } => write!(f, "{at} answered: {}", problem.detail),
        }
    }
}

impl From<Unheard> for String {
    fn from(why: Unheard) -> Self {
        why.to_string()
    }
}

type Answer<T> = Result<T, Unheard>;

impl Caller {
    /// Of the hub that this host belongs to.
    pub fn of(enrolment: &Enrolment) -> Result<Self, String> {
        let http = Client::builder();
        let (http, believes) = match &enrolment.certificate {
            Some(pem) => {
                let trusted = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
                let trusted = trusted.map_err(|why| format!("reading the hub's authority: {why}"))?;
                (http.tls_certs_only(trusted), "the hub's own authority alone")
            }
            None => (http, "the authorities that its system trusts"),
        };
        Self::with(&enrolment.url, http, believes)
    }

    /// Of a hub whose certificate is not known yet: for what is public and signed, and nothing else.
    pub fn stranger(url: &str) -> Result<Self, String> {
        Self::with(url, Client::builder().tls_danger_accept_invalid_certs(true), "anybody")
    }

    fn with(
        url: &str,
        http: reqwest::blocking::ClientBuilder,
        believes: &'static str,
    ) -> Result<Self, String> {
        // Whoever was first has chosen the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http
            .https_only(true)
            .connect_timeout(limits::HUB_CONNECT)
            // Of each read: a stream that says nothing for longer is dead.
            .timeout(limits::HUB_SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|why| format!("preparing to call {url}: {}", innermost(&why)))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), believes })
    }

    /// What the root signed of the hub's certificates.
    pub fn authority(&self) -> Result<SignedAuthority, String> {
        let path = "/v1/authority";
        let call = self.http.get(self.at(path)).timeout(limits::STRANGER_TAKES);
        Ok(self.read_most(path, call, limits::STRANGER_SAYS)?)
    }

    /// Joins.
    pub fn join(&self, join: &Join) -> Result<HostView, String> {
        Ok(self.read("/v1/hosts", self.http.post(self.at("/v1/hosts")).json(join))?)
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn good(&self, path: &str, call: RequestBuilder) -> Answer<Response> {
        let answer = call.send().map_err(|why| {
            let failed = format!("calling {}: {}", self.at(path), innermost(&why));
            if is_distrust(&why) {
                Unheard::Distrusted(format!("{failed} (this host believes {})", self.believes))
            } else {
                Unheard::Away(failed)
            }
        })?;
        if answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(answer);
        }
        let status = answer.status();
        let body = capped(answer, limits::HUB_ANSWER).unwrap_or_default();
        Err(match serde_json::from_slice(&body) {
            Ok(problem) => Unheard::Refused { at: self.at(path), problem },
            Err(_) => Unheard::Away(format!("{} answered: {status}", self.at(path))),
        })
    }

    fn read<T: DeserializeOwned>(&self, path: &str, call: RequestBuilder) -> Answer<T> {
        self.read_most(path, call, limits::HUB_ANSWER)
    }

    fn read_most<T: DeserializeOwned>(&self, path: &str, call: RequestBuilder, most: u64) -> Answer<T> {
        let answer = self.good(path, call)?;
        let body =
            capped(answer, most).map_err(|why| Unheard::Away(format!("reading {}: {why}", self.at(path))))?;
        serde_json::from_slice(&body)
            .map_err(|why| Unheard::Away(format!("{} answered something else: {why}", self.at(path))))
    }
}

/// This host as its hub hears it: every call is signed with its own key.
pub struct Voice {
    caller: Caller,
    host: HostName,
    key: SecretKey,
    /// Of its machine id, by which the hub tells it from a copy of its disk.
    machine: Digest,
}

impl Voice {
    /// Of the host of this enrolment, on this machine.
    pub fn of(enrolment: &Enrolment, key: SecretKey, machine: Digest) -> Result<Self, String> {
        Ok(Self { caller: Caller::of(enrolment)?, host: enrolment.host.clone(), key, machine })
    }

    /// The stream of what must be held; where there is none why, and whether the call was taken and nothing said to it.
    pub fn feed(&self, ask: &AskFeed) -> Result<Response, (Unheard, bool)> {
        let (path, call) = self.posted("feed", ask, None).map_err(|why| (why, false))?;
        let begun = Instant::now();
        self.caller.good(&path, call).map_err(|why| (why, begun.elapsed() >= limits::HUB_SILENCE))
    }

    /// What a stream would begin with, and no more; none where that is what the hub gave this mark to.
    pub fn once(&self, mark: Option<&HeaderValue>) -> Answer<Option<Response>> {
        let (path, mut call) = self.signed(Method::GET, "feed", Vec::new(), None)?;
        if let Some(mark) = mark {
            call = call.header(IF_NONE_MATCH, mark);
        }
        let answer = self.caller.good(&path, call)?;
        Ok((answer.status() != StatusCode::NOT_MODIFIED).then_some(answer))
    }

    /// What the hub's root signs of this host.
    pub fn membership(&self) -> Answer<SignedMembership> {
        let by = Instant::now() + limits::HUB_CALL;
        let (path, call) = self.signed(Method::GET, "membership", Vec::new(), Some(by))?;
        self.caller.read(&path, call.timeout(left(by)))
    }

    /// Shows that to a hub that may not know this host.
    pub fn come_back(&self, membership: &SignedMembership) -> Answer<CameBack> {
        let path = format!("/v1/hosts/{}/return", self.host);
        let call = self.caller.http.post(self.caller.at(&path)).json(membership);
        self.caller.read(&path, call.timeout(limits::HUB_CALL))
    }

    /// Gives back some of what this host knows.
    pub fn give_back(&self, known: &Known) -> Result<TakenBack, String> {
        Ok(self.say("known", known, limits::HUB_TAKES)?)
    }

    /// Says something of what is below this host at the hub, and hears the answer, all within this.
    pub fn say<T: DeserializeOwned>(&self, what: &str, body: &impl Serialize, within: Duration) -> Answer<T> {
        let by = Instant::now() + within;
        let (path, call) = self.posted(what, body, Some(by))?;
        self.caller.read(&path, call.timeout(left(by)))
    }

    fn posted(
        &self,
        what: &str,
        body: &impl Serialize,
        by: Option<Instant>,
    ) -> Answer<(String, RequestBuilder)> {
        let body = serde_json::to_vec(body).map_err(|why| Unheard::Away(why.to_string()))?;
        self.signed(Method::POST, what, body, by)
    }

    /// A call over a nonce that it has just been given.
    fn signed(
        &self,
        method: Method,
        what: &str,
        body: Vec<u8>,
        by: Option<Instant>,
    ) -> Answer<(String, RequestBuilder)> {
        let (host, caller) = (&self.host, &self.caller);
        let (nonce_path, path) = (format!("/v1/hosts/{host}/nonce"), format!("/v1/hosts/{host}/{what}"));
        let mut call = caller.http.post(caller.at(&nonce_path));
        if let Some(by) = by {
            call = call.timeout(left(by));
        }
        let Nonced { nonce } = caller.read(&nonce_path, call)?;
        let request = Request { host, method: method.as_str(), path: &path, body: Digest::of(&body), nonce };
        let signed = format!("{host} {nonce} {} {}", request.sign(&self.key), self.machine);
        let call = caller.http.request(method, caller.at(&path)).header(api::SIGNED, signed).body(body);
        Ok((path, call))
    }
}

/// What is left until then; never nothing at all, which would be no bound.
fn left(by: Instant) -> Duration {
    by.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn capped(answer: Response, most: u64) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    answer.take(most).read_to_end(&mut body)?;
    Ok(body)
}

/// Whether a call failed since the certificate there is not believed. An error of I/O is no source of those that it holds.
fn is_distrust(error: &reqwest::Error) -> bool {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = at {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        at = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

/// The innermost error says most.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
