//! A provider of OpenID Connect: what it says of itself, and whom it says a browser is.
//!
//! What it says of people is looked at by `openidconnect`: signature, issuer, audience, nonce and times. Here it is
//! decided what is asked of it and for how long it is believed.

use super::flow::Flow;
use super::limits;
use crate::config::SignIn;
use crate::error::{HubError, os};
use access::{Text, Time};
use api::Identity;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, ConfigurationError, CsrfToken,
    DiscoveryError, HttpRequest, HttpResponse, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, SignatureVerificationError, TokenResponse as _, http,
};
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How the provider may sign: by keys that it alone has. A word that both share signs for either.
const SIGNED_BY: [CoreJwsSigningAlgorithm; 8] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It did not answer, or not with what it must.
    #[error("asking {issuer}: {why}")]
    Away {
        /// The provider.
        issuer: String,
        /// What happened.
        why: String,
    },
    /// It answered, and what it says is not believed.
    #[error("{issuer}: {why}")]
    Refused {
        /// The provider.
        issuer: String,
        /// What is wrong.
        why: String,
    },
    /// Too many others wait for it.
    #[error("{0} answers slowly, and enough others wait for it: try again in a minute")]
    Busy(String),
}

/// Where people sign in beside here.
pub struct Provider {
    issuer: IssuerUrl,
    client: ClientId,
    secret: ClientSecret,
    back: RedirectUrl,
    http: reqwest::blocking::Client,
    known: Mutex<Known>,
    calls: AtomicUsize,
}

/// What it said of itself, and when it was asked.
#[derive(Default)]
struct Known {
    metadata: Option<Arc<CoreProviderMetadata>>,
    asked: Option<Instant>,
}

/// A call that the provider did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

/// One of [`limits::PROVIDER_CALLS`].
struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Provider {
    /// The one that the configuration names, if it names one. It is not asked anything yet: a hub starts without it.
    pub fn of(config: &SignIn, url: &str) -> Result<Option<Self>, HubError> {
        let (Some(issuer), Some(client), Some(secret)) = (&config.issuer, &config.client, &config.secret)
        else {
            return Ok(None);
        };
        let wrong = |why: String| HubError::SignIn(format!("signin.issuer: {issuer}: {why}"));
        if issuer.len() > limits::SUBJECT || !is_exact(issuer) {
            return Err(wrong("it cannot be shown to people as it is".to_owned()));
        }
        let back = RedirectUrl::new(format!("{}{BACK}", url.trim_end_matches('/')));
        Ok(Some(Self {
            issuer: IssuerUrl::new(issuer.clone()).map_err(|why| wrong(why.to_string()))?,
            client: ClientId::new(client.clone()),
            secret: crate::secret_file::read(secret)
                .map(|secret| ClientSecret::new(secret.as_str().to_owned()))
                .map_err(|why| HubError::SignIn(format!("signin.secret: {why}")))?,
            back: back.map_err(|why| HubError::SignIn(format!("url: {url}: {why}")))?,
            http: calls(config.ca.as_deref())?,
            known: Mutex::default(),
            calls: AtomicUsize::new(0),
        }))
    }

    /// As it calls itself.
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// Where to send a browser.
    pub fn away(&self, flow: &Flow) -> Result<String, ProviderError> {
        let client = CoreClient::from_provider_metadata(
            self.known_by_now()?.as_ref().clone(),
            self.client.clone(),
            Some(self.secret.clone()),
        );
        let (state, nonce) = (flow.state(), flow.nonce());
        let (url, ..) = client
            .set_redirect_uri(self.back.clone())
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(
                flow.verifier(),
            )))
            .set_max_age(limits::SIGNED_IN_THERE)
            .url();
        Ok(url.into())
    }

    /// Whom a browser is that came back with this code.
    pub fn back(&self, flow: &Flow, code: String, now: Time) -> Result<Identity, ProviderError> {
        let _turn = self.turn()?;
        let client = CoreClient::from_provider_metadata(
            self.known(false)?.as_ref().clone(),
            self.client.clone(),
            Some(self.secret.clone()),
        )
        .set_redirect_uri(self.back.clone());
        let exchange = client.exchange_code(AuthorizationCode::new(code));
        let exchange = exchange.map_err(|why: ConfigurationError| self.refused(why.to_string()))?;
        let answered = exchange
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier()))
            .request(&|request| self.call(request))
            .map_err(|why| match why {
                RequestTokenError::ServerResponse(said) => {
                    self.refused(format!("it does not take the code ({}): sign in anew", said.error()))
                }
                RequestTokenError::Request(why) => self.is_away(why.to_string()),
                other => self.refused(format!("its answer to the code is none: {other}")),
            })?;
        let word =
            answered.id_token().ok_or_else(|| self.refused("it says nothing of who it is".to_owned()))?;
        match self.believed(word, flow, now, false) {
            // It may have begun to sign by another key.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => self.believed(word, flow, now, true),
            other => other,
        }
        .map_err(|why| self.refused(format!("its word is not believed: {}", in_words(&why))))
    }

    /// Who it is, if all of what it says is right.
    fn believed(
        &self,
        word: &CoreIdToken,
        flow: &Flow,
        now: Time,
        anew: bool,
    ) -> Result<Identity, ClaimsVerificationError> {
        let other = ClaimsVerificationError::Other;
        let known = self.known(anew).map_err(|why| other(why.to_string()))?;
        let client = CoreClient::from_provider_metadata(known.as_ref().clone(), self.client.clone(), None);
        let there = chrono::TimeDelta::from_std(limits::SIGNED_IN_THERE).unwrap_or_default() + limits::SKEW;
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(SIGNED_BY)
            .set_time_fn(move || now)
            .set_issue_time_verifier_fn(move |at| {
                let is_now = (now - limits::ELSEWHERE..=now + limits::SKEW).contains(&at);
                if is_now { Ok(()) } else { Err(format!("it is of {at}, and it is {now} here")) }
            })
            .set_auth_time_verifier_fn(move |at| match at {
                Some(at) if (now - there..=now + limits::SKEW).contains(&at) => Ok(()),
                Some(at) => Err(format!("they signed in there at {at}, and it is {now} here")),
                None => Err("it does not say when they signed in there (auth_time)".to_owned()),
            });
        let claims = word.claims(&verifier, &Nonce::new(flow.nonce()))?;
        if let Some(party) = claims.authorized_party()
            && **party != *self.client
        {
            return Err(ClaimsVerificationError::InvalidAudience(format!("it was given to {}", **party)));
        }
        let subject = claims.subject().as_str();
        if subject.len() > limits::SUBJECT || !is_exact(subject) {
            let why = format!("the subject {subject:?} cannot be shown to people as it is");
            return Err(ClaimsVerificationError::InvalidSubject(why));
        }
        let text = |text: &str| Text::parse(text).map_err(|why| other(why.to_string()));
        Ok(Identity { issuer: text(self.issuer.as_str())?, subject: text(subject)? })
    }

    /// What it says of itself, as it said it lately; else it takes a turn to ask.
    fn known_by_now(&self) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        // Who holds it asks just now.
        if let Ok(known) = self.known.try_lock()
            && let Some(metadata) = &known.metadata
            && known.asked.is_some_and(|at| at.elapsed() < limits::PROVIDER_KNOWN)
        {
            return Ok(Arc::clone(metadata));
        }
        let _turn = self.turn()?;
        self.known(false)
    }

    /// What it says of itself, asked anew where that is old, or a key is missed.
    fn known(&self, anew: bool) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        // One asks, and the others wait for what it hears.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let since = known.asked.map(|at| at.elapsed());
        let is_old = since.is_none_or(|since| {
            let life = if anew || known.metadata.is_none() {
                limits::PROVIDER_AGAIN
            } else {
                limits::PROVIDER_KNOWN
            };
            since >= life
        });
        if is_old {
            known.asked = Some(Instant::now());
            let found = CoreProviderMetadata::discover(&self.issuer, &|request| self.call(request));
            match found.map_err(|why| self.is_away(discovering(&why))) {
                Ok(found) => known.metadata = Some(Arc::new(found)),
                // What it said before holds for a while.
                Err(why) if known.metadata.is_none() => return Err(why),
                Err(_) => {}
            }
        }
        let missing = || self.is_away("it did not answer a moment ago: try again soon".to_owned());
        known.metadata.clone().ok_or_else(missing)
    }

    /// One call, bounded.
    fn call(&self, request: HttpRequest) -> Result<HttpResponse, Unanswered> {
        let said = |why: &dyn std::error::Error| Unanswered(innermost(why));
        let request = reqwest::blocking::Request::try_from(request).map_err(|why| said(&why))?;
        let answer = self.http.execute(request).map_err(|why| said(&why))?;
        let mut built = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            built = built.header(name, value);
        }
        let mut body = Vec::new();
        answer.take(limits::PROVIDER_ANSWER + 1).read_to_end(&mut body).map_err(|why| said(&why))?;
        if body.len() as u64 > limits::PROVIDER_ANSWER {
            return Err(Unanswered(format!("an answer of more than {} bytes", limits::PROVIDER_ANSWER)));
        }
        built.body(body).map_err(|why| said(&why))
    }

    fn turn(&self) -> Result<Turn<'_>, ProviderError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) < limits::PROVIDER_CALLS {
            return Ok(Turn(&self.calls));
        }
        self.calls.fetch_sub(1, Ordering::Relaxed);
        Err(ProviderError::Busy(self.issuer.to_string()))
    }

    fn refused(&self, why: String) -> ProviderError {
        ProviderError::Refused { issuer: self.issuer.to_string(), why }
    }

    fn is_away(&self, why: String) -> ProviderError {
        ProviderError::Away { issuer: self.issuer.to_string(), why }
    }
}

/// Where browsers come back to.
const BACK: &str = "/web/oidc/back";

/// Whether people see it as it is, to the letter.
fn is_exact(text: &str) -> bool {
    Text::parse(text).is_ok_and(|parsed| parsed.as_str() == text)
}

/// Calls by TLS alone, to where they were meant.
fn calls(ca: Option<&Path>) -> Result<reqwest::blocking::Client, HubError> {
    // Whoever was first has chosen the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let wrong = |why: &dyn std::error::Error| HubError::SignIn(format!("signin: {}", innermost(why)));
    let mut http = reqwest::blocking::Client::builder()
        .https_only(true)
        .no_proxy()
        .timeout(limits::PROVIDER_WAIT)
        .connect_timeout(limits::PROVIDER_WAIT)
        .pool_idle_timeout(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none());
    if let Some(path) = ca {
        let pem = std::fs::read(path).map_err(os(format!("reading signin.ca, {}", path.display())))?;
        let trusted = reqwest::Certificate::from_pem_bundle(&pem).map_err(|why| wrong(&why))?;
        if trusted.is_empty() {
            return Err(HubError::SignIn(format!(
                "signin.ca: there is no certificate in {}",
                path.display()
            )));
        }
        http = http.tls_certs_only(trusted);
    }
    http.build().map_err(|why| wrong(&why))
}

/// What went wrong where the provider was asked what it is.
fn discovering(why: &DiscoveryError<Unanswered>) -> String {
    match why {
        DiscoveryError::Request(why) => why.to_string(),
        DiscoveryError::Response(status, ..) => format!("it answers {status} where it must say what it is"),
        DiscoveryError::Parse(why) => format!("what it says of itself cannot be read: {}", why.inner()),
        DiscoveryError::Validation(why) => format!("it says of itself what it is not: {why}"),
        other => other.to_string(),
    }
}

fn in_words(why: &ClaimsVerificationError) -> String {
    match why {
        ClaimsVerificationError::SignatureVerification(why) => format!("its signature: {why}"),
        other => other.to_string(),
    }
}

/// The innermost says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
