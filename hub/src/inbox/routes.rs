//! The calls by which hosts say things, and those of people about sessions there.

use super::Allowance;
use crate::feed::Wrong;
use crate::feed::rows::Host;
use crate::limits;
use crate::site::Site;
use access::HostName;
use api::{
    AskSessions, EndSession, HostAnswer, HostAsk, HostCall, HostState, JournalHas, JournalPart, OpenSessions,
    ProblemCode, SessionView, StateHeard,
};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, State};
use axum::http::{HeaderMap, Uri};
use axum::routing::{get, post};
use axum::{Json, Router};
use desk::{Answer, Caller, Clock as _, DeskError, Refused, Worlds as _, blocking};
use loglines::Level;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

type Shared = State<Arc<Site>>;

/// A host's call as it came: its signature is over path and body.
type Call = (Uri, HeaderMap, Bytes);

/// What hosts call, each known by its signature.
pub fn for_hosts(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/v1/hosts/{host}/asks", post(asks))
        .route("/v1/hosts/{host}/state", post(state))
        .route("/v1/hosts/{host}/calls", post(calls))
        .route("/v1/hosts/{host}/journal", post(journal).layer(DefaultBodyLimit::max(limits::JOURNAL_BODY)))
        .route(
            "/v1/hosts/{host}/sessions",
            post(sessions).layer(DefaultBodyLimit::max(limits::SESSIONS_BODY)),
        )
        .with_state(Arc::clone(site))
}

/// What people call about sessions on hosts.
pub fn for_people(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/v1/sessions", get(list))
        .route("/v1/sessions/{id}/end", post(end))
        .with_state(Arc::clone(site))
}

/// What a host that is known says.
struct Said<T> {
    host: HostName,
    known: Host,
    said: T,
}

/// What a host that signed it says, where it may say that now, done off the event loop.
async fn said<T, A>(
    site: Arc<Site>,
    (uri, headers, body): Call,
    may: fn(&Site, &HostName) -> Result<(), DeskError>,
    work: impl FnOnce(&Site, Said<T>, &str, &[u8]) -> Result<A, DeskError> + Send + 'static,
) -> Answer<A>
where
    T: DeserializeOwned,
    A: Serialize + Send + 'static,
{
    let done = tokio::task::spawn_blocking(move || {
        let (host, known) = site.host_of(&headers, ("POST", uri.path()), &body, |host| may(&site, host))?;
        let read = serde_json::from_slice(&body);
        let bad = |why: serde_json::Error| {
            Refused(ProblemCode::BadRequest.because(format!("reading what host {host} says: {why}")))
        };
        let said = read.map_err(bad)?;
        Ok::<_, Refused>(work(&site, Said { host, known, said }, uri.path(), &body)?)
    });
    match done.await {
        Ok(done) => done.map(Json),
        Err(_) => Err(Refused(ProblemCode::Unavailable.because("the hub is stopping: try again"))),
    }
}

impl Site {
    /// Whether a host may tell so much more now.
    pub fn may_say(&self, host: &HostName, units: u64) -> Result<(), DeskError> {
        self.is_within(&self.says, host, units, "things")
    }

    /// Whether a host may tell one thing more now.
    fn may_tell(&self, host: &HostName) -> Result<(), DeskError> {
        self.may_say(host, 1)
    }

    /// Whether a host may pass on what somebody asks or does now.
    fn may_call(&self, host: &HostName) -> Result<(), DeskError> {
        self.is_within(&self.calls, host, 1, "things for people on it")
    }

    fn is_within(
        &self,
        allowance: &Allowance,
        host: &HostName,
        units: u64,
        what: &str,
    ) -> Result<(), DeskError> {
        self.has_left(allowance, host, units, Wrong::Calls, || {
            let (most, a_second) = (allowance.most, allowance.a_day / 86_400);
            format!(
                "{host} says more than {most} {what} at once and {a_second} a second after that, which the hub takes from no host: \
                 it goes on as time goes by; look there who calls so often"
            )
        })
    }

    /// Does what somebody on a host asks for, which costs the host nothing where `came` says that nothing came of it.
    pub(super) fn recorded<T>(
        &self,
        host: &HostName,
        body: &[u8],
        work: impl FnOnce() -> Result<T, DeskError>,
        came: impl FnOnce(&T) -> bool,
    ) -> Result<T, DeskError> {
        let bytes = limits::ASK_AROUND + body.len() as u64;
        self.has_left(&self.asks, host, bytes, Wrong::Calls, || {
            let most = limits::HOST_ASKS_A_DAY / 1024 / 1024;
            format!(
                "people on {host} ask for and do more than the {most} MB a day that the hub records of one host: it goes on as the \
                 day does; ask at the hub meanwhile, after `jit login`, and look who on {host} asks so much"
            )
        })?;
        let done = work();
        if !done.as_ref().is_ok_and(came) {
            self.asks.give_back(host, bytes);
        }
        done
    }

    /// Takes so much of what a host has left. Where it has not, `why` says what is too much, and what to do.
    pub(super) fn has_left(
        &self,
        allowance: &Allowance,
        host: &HostName,
        units: u64,
        wrong: Wrong,
        why: impl FnOnce() -> String,
    ) -> Result<(), DeskError> {
        let now = self.clock.time();
        if allowance.take(host, units, now) {
            return Ok(());
        }
        let why = why();
        if self.hosts.is_told(host, wrong, now) {
            self.log.put(Level::Err, why.clone());
        }
        Err(DeskError::Busy(why))
    }
}

async fn asks(State(site): Shared, call: Call) -> Answer<HostAnswer> {
    said(site, call, Site::may_call, |site, Said { host, said, .. }: Said<HostAsk>, path, body| {
        site.host_asks(&host, said, path, body)
    })
    .await
}

async fn calls(State(site): Shared, call: Call) -> Answer<serde_json::Value> {
    said(site, call, Site::may_call, |site, Said { host, said, .. }: Said<HostCall>, path, body| {
        site.host_calls(&host, &said, path, body)
    })
    .await
}

async fn journal(State(site): Shared, call: Call) -> Answer<JournalHas> {
    said(site, call, Site::may_tell, |site, Said { host, known, said }: Said<JournalPart>, _, _| {
        site.host_journal(host, known.joined, said)
    })
    .await
}

async fn sessions(State(site): Shared, call: Call) -> Answer<serde_json::Value> {
    said(site, call, Site::may_tell, |site, Said { host, said, .. }: Said<OpenSessions>, _, _| {
        site.host_sessions(host, said)?;
        Ok(serde_json::json!({}))
    })
    .await
}

async fn state(State(site): Shared, call: Call) -> Answer<StateHeard> {
    said(site, call, Site::may_tell, |site, Said { host, said, .. }: Said<HostState>, _, _| {
        site.compare(&host, said.watermark)?;
        site.host_state(&host, said);
        let decides = site.policies.world().somebody_decides(site.clock.now());
        Ok(StateHeard { somebody_decides: Some(decides) })
    })
    .await
}

async fn list(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Query(ask): Query<AskSessions>,
) -> Answer<Vec<SessionView>> {
    blocking(move || site.sessions(&caller, &ask)).await
}

async fn end(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<SessionView> {
    blocking(move || {
        let body: EndSession = serde_json::from_slice(&body)
            .map_err(|why| DeskError::BadRequest(format!("reading why the session is to end: {why}")))?;
        site.end_there(&caller, &id, body)
    })
    .await
}
