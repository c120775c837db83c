//! The blocking client, for `jit`.

use crate::{
    AppliedPolicy, AskExplain, AskGrants, AskJournal, AskRequests, Check, CheckQuery, EndGrant, EndSession,
    GrantView, JournalRow, NewExtension, NewPolicy, NewReplay, NewRequest, NewReview, Opened, PolicyView,
    Problem, Replayed, RequestView, Reviewed, SessionView, Status, WatchReport, limits,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Calls the desk over one door.
pub struct Client {
    http: reqwest::blocking::Client,
    door: PathBuf,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered.
    #[error(
        "asking jitd on {}: {why}: is it running? See `systemctl status jitd`, or name another socket with --socket",
        door.display()
    )]
    Unreachable {
        /// The socket.
        door: PathBuf,
        /// What happened.
        why: String,
    },
    /// An answer that is none of ours.
    #[error("jitd on {} answered something this jit does not understand: {why}: are both of the same release?", door.display())]
    Garbled {
        /// The socket.
        door: PathBuf,
        /// What was wrong.
        why: String,
    },
    /// A refusal.
    #[error("{}", .0.detail)]
    Refused(Problem),
}

impl ClientError {
    /// Exit code of `jit`.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Unreachable { .. } | Self::Garbled { .. } => 3,
            Self::Refused(problem) => problem.code.exit(),
        }
    }
}

/// The answer to a call.
type Answer<T> = Result<T, ClientError>;

impl Client {
    /// A client of the control socket at `door`.
    pub fn on_socket(door: &Path) -> Answer<Self> {
        let http = reqwest::blocking::Client::builder()
            .unix_socket(door)
            .timeout(Duration::from_secs(limits::WAIT_S))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|why| ClientError::Unreachable { door: door.into(), why: chain(&why) })?;
        Ok(Self { http, door: door.into() })
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

    /// `GET /v1/grants/{id}`.
    pub fn show_grant(&self, id: &str) -> Answer<GrantView> {
        self.get(&format!("grants/{}", segment(id)), &())
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
    pub fn sessions(&self) -> Answer<Vec<SessionView>> {
        self.get("sessions", &())
    }

    /// `POST /v1/sessions/{id}/end`.
    pub fn end_session(&self, id: &str, body: &EndSession) -> Answer<SessionView> {
        self.post(&format!("sessions/{}/end", segment(id)), body)
    }

    /// `POST /v1/watch`.
    pub fn watched(&self, report: &WatchReport) -> Answer<()> {
        self.post::<serde_json::Value>("watch", report).map(drop)
    }

    /// `GET /v1/policy`.
    pub fn policy(&self) -> Answer<PolicyView> {
        self.get("policy", &())
    }

    /// `POST /v1/policy`.
    pub fn apply_policy(&self, body: &NewPolicy) -> Answer<AppliedPolicy> {
        self.post("policy", body)
    }

    /// `POST /v1/policy/explain`.
    pub fn explain(&self, body: &AskExplain) -> Answer<workflow::Explained> {
        self.post("policy/explain", body)
    }

    /// `POST /v1/policy/replay`.
    pub fn replay(&self, body: &NewReplay) -> Answer<Replayed> {
        let wait = Duration::from_secs(limits::REPLAY_WAIT_S);
        self.call(self.http.post(url("policy/replay")).timeout(wait).json(body))
    }

    /// `GET /v1/journal`.
    pub fn journal(&self, query: &AskJournal) -> Answer<Vec<JournalRow>> {
        self.get("journal", query)
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

    fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Answer<T> {
        self.call(self.http.get(url(path)).query(query))
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answer<T> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)
            .map_err(|why| ClientError::Unreachable { door: self.door.clone(), why: why.to_string() })?;
        self.call(self.http.post(url(path)).header("Idempotency-Key", workflow::hex(&key)).json(body))
    }

    fn call<T: DeserializeOwned>(&self, call: reqwest::blocking::RequestBuilder) -> Answer<T> {
        let unreachable = |why: String| ClientError::Unreachable { door: self.door.clone(), why };
        let garbled = |why: String| ClientError::Garbled { door: self.door.clone(), why };
        let answer = call.send().map_err(|why| unreachable(chain(&why)))?;
        let status = answer.status();
        let mut body = Vec::new();
        answer.take(limits::ANSWER + 1).read_to_end(&mut body).map_err(|why| unreachable(why.to_string()))?;
        if body.len() as u64 > limits::ANSWER {
            return Err(garbled(format!("an answer of more than {} bytes", limits::ANSWER)));
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|why| garbled(why.to_string()));
        }
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(ClientError::Refused(problem)),
            Err(_) => Err(garbled(format!("HTTP status {status}"))),
        }
    }
}

/// The host part is never looked up: every call goes to the socket.
fn url(path: &str) -> String {
    format!("http://jitd.invalid/v1/{path}")
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
