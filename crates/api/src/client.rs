//! The blocking client, for `jit`.

use crate::{
    AppliedPolicy, AskExplain, AskGrants, AskJournal, AskRequests, AskSessions, AskTokens, AskedLogin, Check,
    CheckQuery, DoctorReport, EndGrant, EndSession, Foreseen, GrantView, Heard, HostToken, HostView,
    JournalRow, MadeLink, MadeToken, Monitored, NEXT, NewExtension, NewHostToken, NewLabels, NewLink,
    NewLogin, NewPolicy, NewReplay, NewRequest, NewReview, NewToken, Opened, PolicyView, Problem, Removed,
    Replayed, RequestView, Reviewed, Roles, SessionView, Status, TakeLogin, TakenLogin, Token, TokenView,
    WatchReport, limits,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Calls the desk over one door.
pub struct Client {
    http: reqwest::blocking::Client,
    base: String,
    door: Door,
}

/// Where a desk answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// The control socket of this machine's `jitd`.
    Socket(PathBuf),
    /// A hub at this address.
    Hub(String),
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "jitd on {}", path.display()),
            Self::Hub(url) => write!(f, "the hub at {url}"),
        }
    }
}

impl Door {
    /// Who answers there.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Socket(_) => "jitd",
            Self::Hub(_) => "the hub",
        }
    }

    /// What to look at when nobody answers.
    fn hint(&self) -> &'static str {
        match self {
            Self::Socket(_) => {
                "is it running? See `systemctl status jitd`, or name another socket with --socket"
            }
            Self::Hub(_) => {
                "is it up, and is this still its address and its certificate? Log in anew with `jit login` where they changed"
            }
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered.
    #[error(
        "asking {door}: {why}: {}", door.hint()
    )]
    Unreachable {
        /// Where.
        door: Door,
        /// What happened.
        why: String,
    },
    /// An answer that is none of ours.
    #[error("{door} answered something this jit does not understand: {why}: are both of the same release?")]
    Garbled {
        /// Where.
        door: Door,
        /// What was wrong.
        why: String,
    },
    /// A refusal.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// An address, token or certificate that is none.
    #[error("{0}")]
    Unusable(String),
}

impl ClientError {
    /// Exit code of `jit`.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Unreachable { .. } | Self::Garbled { .. } => 3,
            Self::Refused(problem) => problem.code.exit(),
            Self::Unusable(_) => 2,
        }
    }
}

/// The answer to a call.
type Answer<T> = Result<T, ClientError>;

impl Client {
    /// A client of the control socket at `path`.
    pub fn on_socket(path: &Path) -> Answer<Self> {
        // The host part is never looked up: every call goes to the socket.
        // Nor is TLS spoken there, so that a machine without any authorities it trusts has its daemon all the same.
        let no_authorities = std::iter::empty::<reqwest::Certificate>();
        let http = builder().unix_socket(path).tls_certs_only(no_authorities);
        Self::of(Door::Socket(path.into()), "http://jitd.invalid", http)
    }

    /// A client of the hub at `url`, known there by `token`. With `ca`, in PEM, only a certificate of that
    /// authority is believed; without it those that this machine trusts are.
    pub fn on_hub(url: &str, token: &str, ca: Option<&str>) -> Answer<Self> {
        Self::at(url, Some(token), ca)
    }

    /// The same for somebody who is not known there yet.
    pub fn stranger_on_hub(url: &str, ca: Option<&str>) -> Answer<Self> {
        Self::at(url, None, ca)
    }

    fn at(url: &str, token: Option<&str>, ca: Option<&str>) -> Answer<Self> {
        let url = url.trim_end_matches('/');
        let unusable =
            |what: &str| ClientError::Unusable(format!("{what}: write it as https://hub.example.org:8443"));
        let parsed =
            reqwest::Url::parse(url).map_err(|why| unusable(&format!("{url} is no address ({why})")))?;
        if parsed.scheme() != "https" || parsed.path() != "/" || parsed.query().is_some() {
            return Err(unusable(&format!("{url} is not the address of a hub")));
        }
        let bearer = |token| -> Answer<reqwest::header::HeaderValue> {
            let mut bearer =
                reqwest::header::HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
                    ClientError::Unusable("the token has characters that no token has".to_owned())
                })?;
            bearer.set_sensitive(true);
            Ok(bearer)
        };
        let bearer = token.map(bearer).transpose()?;
        let headers = bearer.map(|bearer| (reqwest::header::AUTHORIZATION, bearer)).into_iter().collect();
        let mut http = builder().https_only(true).default_headers(headers);
        if let Some(ca) = ca {
            let wrong = |why: &dyn fmt::Display| {
                ClientError::Unusable(format!("reading the hub's certificate authority: {why}"))
            };
            let trusted = reqwest::Certificate::from_pem_bundle(ca.as_bytes()).map_err(|why| wrong(&why))?;
            if trusted.is_empty() {
                return Err(wrong(&"there is no certificate in it"));
            }
            http = http.tls_certs_only(trusted);
        }
        Self::of(Door::Hub(url.to_owned()), url, http)
    }

    fn of(door: Door, base: &str, http: reqwest::blocking::ClientBuilder) -> Answer<Self> {
        match http.build() {
            Ok(http) => Ok(Self { http, base: base.to_owned(), door }),
            Err(why) => Err(ClientError::Unreachable { door, why: chain(&why) }),
        }
    }

    /// Where it calls.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// `GET /v1/status`.
    pub fn status(&self) -> Answer<Status> {
        self.get("status", &())
    }

    /// `GET /v1/check`.
    pub fn check(&self, query: &CheckQuery) -> Answer<Check> {
        self.get("check", query)
    }

    /// `POST /v1/requests`.
    pub fn request(&self, body: &NewRequest) -> Answer<Opened> {
        self.post("requests", body)
    }

    /// `GET /v1/requests`.
    pub fn requests(&self, query: &AskRequests) -> Answer<Vec<RequestView>> {
        self.get("requests", query)
    }

    /// The same, page by page to the end.
    pub fn all_requests(&self, query: AskRequests) -> Answer<Vec<RequestView>> {
        self.pages("requests", query, |query| &mut query.after)
    }

    /// `GET /v1/requests/{id}`.
    pub fn show_request(&self, id: &str) -> Answer<RequestView> {
        self.get(&format!("requests/{}", segment(id)), &())
    }

    /// `POST /v1/requests/{id}/reviews`.
    pub fn review(&self, id: &str, body: &NewReview) -> Answer<Reviewed> {
        self.post(&format!("requests/{}/reviews", segment(id)), body)
    }

    /// `POST /v1/requests/{id}/cancel`.
    pub fn cancel(&self, id: &str) -> Answer<RequestView> {
        self.post(&format!("requests/{}/cancel", segment(id)), &serde_json::json!({}))
    }

    /// `GET /v1/grants`.
    pub fn grants(&self, query: &AskGrants) -> Answer<Vec<GrantView>> {
        self.get("grants", query)
    }

    /// The same, page by page to the end.
    pub fn all_grants(&self, query: AskGrants) -> Answer<Vec<GrantView>> {
        self.pages("grants", query, |query| &mut query.after)
    }

    /// `GET /v1/grants/{id}`.
    pub fn show_grant(&self, id: &str) -> Answer<GrantView> {
        self.get(&format!("grants/{}", segment(id)), &())
    }

    /// `GET /v1/grants/{id}/hosts`, of a hub.
    pub fn heard(&self, id: &str) -> Answer<Heard> {
        self.get(&format!("grants/{}/hosts", segment(id)), &())
    }

    /// `POST /v1/grants/{id}/revoke`.
    pub fn revoke(&self, id: &str, body: &EndGrant) -> Answer<GrantView> {
        self.post(&format!("grants/{}/revoke", segment(id)), body)
    }

    /// `POST /v1/grants/{id}/release`.
    pub fn release(&self, id: &str, body: &EndGrant) -> Answer<GrantView> {
        self.post(&format!("grants/{}/release", segment(id)), body)
    }

    /// `POST /v1/grants/{id}/extend`.
    pub fn extend(&self, id: &str, body: &NewExtension) -> Answer<Opened> {
        self.post(&format!("grants/{}/extend", segment(id)), body)
    }

    /// `GET /v1/sessions`.
    pub fn sessions(&self, query: &AskSessions) -> Answer<Vec<SessionView>> {
        self.get("sessions", query)
    }

    /// `POST /v1/sessions/{id}/end`.
    pub fn end_session(&self, id: &str, body: &EndSession) -> Answer<SessionView> {
        self.post(&format!("sessions/{}/end", segment(id)), body)
    }

    /// `POST /v1/watch`.
    pub fn watched(&self, report: &WatchReport) -> Answer<()> {
        self.post::<serde_json::Value>("watch", report).map(drop)
    }

    /// `POST /v1/doctor`.
    pub fn examined(&self, report: &DoctorReport) -> Answer<()> {
        self.post::<serde_json::Value>("doctor", report).map(drop)
    }

    /// `GET /v1/monitor`.
    pub fn monitored(&self) -> Answer<Monitored> {
        let wait = Duration::from_secs(limits::MONITOR_WAIT_S);
        self.call(self.http.get(self.url("monitor")).timeout(wait))
    }

    /// `GET /v1/policy`.
    pub fn policy(&self) -> Answer<PolicyView> {
        self.get("policy", &())
    }

    /// `POST /v1/policy`.
    pub fn apply_policy(&self, body: &NewPolicy) -> Answer<AppliedPolicy> {
        self.post("policy", body)
    }

    /// `POST /v1/policy/foresee`.
    pub fn foresee_policy(&self, body: &NewPolicy) -> Answer<Foreseen> {
        self.post("policy/foresee", body)
    }

    /// `POST /v1/policy/explain`.
    pub fn explain(&self, body: &AskExplain) -> Answer<workflow::Explained> {
        self.post("policy/explain", body)
    }

    /// `POST /v1/policy/replay`.
    pub fn replay(&self, body: &NewReplay) -> Answer<Replayed> {
        let wait = Duration::from_secs(limits::REPLAY_WAIT_S);
        self.call(self.http.post(self.url("policy/replay")).timeout(wait).json(body))
    }

    /// `GET /v1/fleet`.
    pub fn hosts(&self) -> Answer<Vec<HostView>> {
        self.get("fleet", &())
    }

    /// `POST /v1/fleet/token`.
    pub fn host_token(&self, body: &NewHostToken) -> Answer<HostToken> {
        self.post("fleet/token", body)
    }

    /// `POST /v1/fleet/{host}/labels`.
    pub fn label_host(&self, host: &access::HostName, body: &NewLabels) -> Answer<HostView> {
        self.post(&format!("fleet/{host}/labels"), body)
    }

    /// `POST /v1/fleet/{host}/remove`.
    pub fn remove_host(&self, host: &access::HostName) -> Answer<Removed> {
        self.post(&format!("fleet/{host}/remove"), &serde_json::json!({}))
    }

    /// `GET /v1/journal`.
    pub fn journal(&self, query: &AskJournal) -> Answer<Vec<JournalRow>> {
        self.get("journal", query)
    }

    /// `GET /v1/tokens`.
    pub fn tokens(&self, query: &AskTokens) -> Answer<Vec<TokenView>> {
        self.get("tokens", query)
    }

    /// `POST /v1/tokens`.
    pub fn make_token(&self, body: &NewToken) -> Answer<MadeToken> {
        self.post("tokens", body)
    }

    /// `POST /v1/links`.
    pub fn make_link(&self, body: &NewLink) -> Answer<MadeLink> {
        self.post("links", body)
    }

    /// `POST /v1/login`.
    pub fn ask_login(&self, body: &NewLogin) -> Answer<AskedLogin> {
        self.post("login", body)
    }

    /// `POST /v1/login/token`.
    pub fn take_login(&self, body: &TakeLogin) -> Answer<TakenLogin> {
        self.post("login/token", body)
    }

    /// `POST /v1/tokens/{id}/revoke`.
    pub fn revoke_token(&self, id: &str) -> Answer<Token> {
        self.post(&format!("tokens/{}/revoke", segment(id)), &serde_json::json!({}))
    }

    /// `GET /v1/roles`.
    pub fn roles(&self) -> Answer<Vec<Roles>> {
        self.get("roles", &())
    }

    /// `POST /v1/roles`.
    pub fn set_roles(&self, body: &Roles) -> Answer<Roles> {
        self.post("roles", body)
    }

    /// `POST /v1/clock/accept`: the time from then on.
    pub fn accept_clock(&self) -> Answer<access::Time> {
        #[derive(serde::Deserialize)]
        struct Accepted {
            now: access::Time,
        }
        let accepted: Accepted = self.post("clock/accept", &serde_json::json!({}))?;
        Ok(accepted.now)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.base)
    }

    fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Answer<T> {
        self.call(self.http.get(self.url(path)).query(query))
    }

    /// A list to its end; `after` is where its question says which row the next page comes after.
    fn pages<T: DeserializeOwned, Q: Serialize, I: FromStr>(
        &self,
        path: &str,
        mut query: Q,
        after: fn(&mut Q) -> &mut Option<I>,
    ) -> Answer<Vec<T>> {
        let garbled = |why| ClientError::Garbled { door: self.door.clone(), why };
        let mut all = Vec::new();
        for _ in 0..limits::PAGES {
            let (page, next) = self.answered::<Vec<T>>(self.http.get(self.url(path)).query(&query))?;
            all.extend(page);
            let Some(next) = next else { return Ok(all) };
            let next = next.parse().map_err(|_| garbled(format!("{NEXT}: {next:?} is no id")))?;
            *after(&mut query) = Some(next);
        }
        Err(garbled(format!("a list of more than {} pages", limits::PAGES)))
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answer<T> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)
            .map_err(|why| ClientError::Unreachable { door: self.door.clone(), why: why.to_string() })?;
        self.call(self.http.post(self.url(path)).header("Idempotency-Key", workflow::hex(&key)).json(body))
    }

    fn call<T: DeserializeOwned>(&self, call: reqwest::blocking::RequestBuilder) -> Answer<T> {
        Ok(self.answered(call)?.0)
    }

    /// The answer to a call, and what its header says comes next.
    fn answered<T: DeserializeOwned>(
        &self,
        call: reqwest::blocking::RequestBuilder,
    ) -> Answer<(T, Option<String>)> {
        let unreachable = |why: String| ClientError::Unreachable { door: self.door.clone(), why };
        let garbled = |why: String| ClientError::Garbled { door: self.door.clone(), why };
        let answer = call.send().map_err(|why| unreachable(chain(&why)))?;
        let status = answer.status();
        let next = answer.headers().get(NEXT).and_then(|next| next.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        answer.take(limits::ANSWER + 1).read_to_end(&mut body).map_err(|why| unreachable(why.to_string()))?;
        if body.len() as u64 > limits::ANSWER {
            return Err(garbled(format!("an answer of more than {} bytes", limits::ANSWER)));
        }
        if status.is_success() {
            let answer = serde_json::from_slice(&body).map_err(|why| garbled(why.to_string()))?;
            return Ok((answer, next));
        }
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(ClientError::Refused(problem)),
            Err(_) => Err(garbled(format!("HTTP status {status}"))),
        }
    }
}

/// What every call has in common.
fn builder() -> reqwest::blocking::ClientBuilder {
    // Whoever was first has chosen the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(limits::WAIT_S))
        .redirect(reqwest::redirect::Policy::none())
}

/// Text from a command line as one path segment: ids have no character that needs more than this.
fn segment(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

/// An error with what lies under it; the innermost says most.
fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
