//! Calls to the hub.

use super::Enrolment;
use crate::limits;
use api::{AskFeed, HostView, Join, Known, Nonced, Problem, TakenBack};
use reqwest::blocking::{Client, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read as _;
use sync::{Digest, Request, SecretKey, SignedAuthority};

/// Calls one hub.
pub struct Caller {
    http: Client,
    url: String,
}

/// Words for people, of a call that failed.
type Answer<T> = Result<T, String>;

impl Caller {
    /// Of the hub that this host belongs to.
    pub fn of(enrolment: &Enrolment) -> Answer<Self> {
        let http = Client::builder();
        let http = match &enrolment.certificate {
            Some(pem) => {
                let trusted = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
                http.tls_certs_only(trusted.map_err(|why| format!("reading the hub's authority: {why}"))?)
            }
            None => http,
        };
        Self::with(&enrolment.url, http)
    }

    /// Of a hub whose certificate is not known yet: for what is public and signed, and nothing else.
    pub fn stranger(url: &str) -> Answer<Self> {
        Self::with(url, Client::builder().tls_danger_accept_invalid_certs(true))
    }

    fn with(url: &str, http: reqwest::blocking::ClientBuilder) -> Answer<Self> {
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
            .map_err(|why| format!("preparing to call {url}: {why}"))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned() })
    }

    /// What the root signed of the hub's certificates.
    pub fn authority(&self) -> Answer<SignedAuthority> {
        self.read("/v1/authority", self.http.get(self.at("/v1/authority")).send())
    }

    /// Joins.
    pub fn join(&self, join: &Join) -> Answer<HostView> {
        self.read("/v1/hosts", self.http.post(self.at("/v1/hosts")).json(join).send())
    }

    /// The stream of what must be held.
    pub fn feed(&self, host: &access::HostName, key: &SecretKey, ask: &AskFeed) -> Answer<Response> {
        let path = format!("/v1/hosts/{host}/feed");
        self.signed(host, key, &path, ask)
    }

    /// Gives back some of what this host knows.
    pub fn give_back(&self, host: &access::HostName, key: &SecretKey, known: &Known) -> Answer<TakenBack> {
        let path = format!("/v1/hosts/{host}/known");
        let answer = self.signed(host, key, &path, known)?;
        self.read(&path, Ok(answer))
    }

    fn signed(
        &self,
        host: &access::HostName,
        key: &SecretKey,
        path: &str,
        body: &impl Serialize,
    ) -> Answer<Response> {
        let nonce_path = format!("/v1/hosts/{host}/nonce");
        let Nonced { nonce } = self.read(&nonce_path, self.http.post(self.at(&nonce_path)).send())?;
        let body = serde_json::to_vec(body).map_err(|why| why.to_string())?;
        let request = Request { host, method: "POST", path, body: Digest::of(&body), nonce };
        let signed = format!("{host} {nonce} {}", request.sign(key));
        let answer = self.http.post(self.at(path)).header(api::SIGNED, signed).body(body).send();
        self.good(path, answer)
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn good(&self, path: &str, answer: reqwest::Result<Response>) -> Answer<Response> {
        let answer = answer.map_err(|why| format!("calling {}{path}: {}", self.url, innermost(&why)))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = capped(answer, limits::HUB_ANSWER).unwrap_or_default();
        let why =
            serde_json::from_slice::<Problem>(&body).map_or_else(|_| status.to_string(), |said| said.detail);
        Err(format!("{}{path} answered: {why}", self.url))
    }

    fn read<T: DeserializeOwned>(&self, path: &str, answer: reqwest::Result<Response>) -> Answer<T> {
        let answer = self.good(path, answer)?;
        let body =
            capped(answer, limits::HUB_ANSWER).map_err(|why| format!("reading {}{path}: {why}", self.url))?;
        serde_json::from_slice(&body)
            .map_err(|why| format!("{}{path} answered something else: {why}", self.url))
    }
}

fn capped(answer: Response, most: u64) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    answer.take(most).read_to_end(&mut body)?;
    Ok(body)
}

/// The innermost error says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
