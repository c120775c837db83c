//! The calls by which hosts say things, and those of people about sessions there.

use crate::feed::rows::Host;
use crate::limits;
use crate::site::Site;
use access::HostName;
use api::{
    EndSession, HostAnswer, HostAsk, HostCall, HostState, JournalHas, JournalPart, OpenSessions, ProblemCode,
    SessionView,
};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderMap, Uri};
use axum::routing::{get, post};
use axum::{Json, Router};
use desk::{Answer, Caller, DeskError, Refused, blocking};
use loglines::Level;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

type Shared = State<Arc<Site>>;

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

/// What a host that signed it says, done off the event loop.
async fn said<T, A>(
    site: Arc<Site>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    work: impl FnOnce(&Site, Said<T>, &str, &[u8]) -> Result<A, DeskError> + Send + 'static,
) -> Answer<A>
where
    T: DeserializeOwned,
    A: Serialize + Send + 'static,
{
    let done = tokio::task::spawn_blocking(move || {
        let (host, known) = site.host_of(&headers, "POST", uri.path(), &body)?;
        site.may_say(&host, 1)?;
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
    /// Whether a host may say so much more now.
    pub(super) fn may_say(&self, host: &HostName, units: u64) -> Result<(), DeskError> {
        let now = self.clock.time();
        if self.says.take(host, units, now) {
            return Ok(());
        }
        let why = format!(
            "{host} says more than {} things at once and {} a second after that, which the hub takes from no host: it is told              again as time goes on; look there who calls so often",
            limits::HOST_SAYS,
            limits::HOST_SAYS_A_DAY / 86_400
        );
        if self.hosts.is_told(host, now) {
            self.log.put(Level::Err, why.clone());
        }
        Err(DeskError::Busy(why))
    }
}

async fn asks(State(site): Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer<HostAnswer> {
    said(site, uri, headers, body, |site, Said { host, said, .. }: Said<HostAsk>, path, body| {
        site.host_asks(&host, said, path, body)
    })
    .await
}

async fn calls(State(site): Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer<serde_json::Value> {
    said(site, uri, headers, body, |site, Said { host, said, .. }: Said<HostCall>, path, body| {
        site.host_calls(&host, &said, path, body)
    })
    .await
}

async fn journal(State(site): Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer<JournalHas> {
    said(site, uri, headers, body, |site, Said { host, known, said }: Said<JournalPart>, _, _| {
        site.host_journal(host, known.joined, said)
    })
    .await
}

async fn sessions(
    State(site): Shared,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<serde_json::Value> {
    said(site, uri, headers, body, |site, Said { host, said, .. }: Said<OpenSessions>, _, _| {
        site.host_sessions(host, said)?;
        Ok(serde_json::json!({}))
    })
    .await
}

async fn state(State(site): Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer<serde_json::Value> {
    said(site, uri, headers, body, |site, Said { host, said, .. }: Said<HostState>, _, _| {
        site.compare(&host, said.watermark)?;
        site.host_state(&host, said);
        Ok(serde_json::json!({}))
    })
    .await
}

async fn list(State(site): Shared, Extension(caller): Extension<Caller>) -> Answer<Vec<SessionView>> {
    blocking(move || site.sessions(&caller)).await
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
