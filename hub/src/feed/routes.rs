//! The calls of hosts, and those of people about hosts.

use super::once::{Mark, once};
use super::stream::Stream;
use crate::lasting::Lasts;
use crate::limits;
use crate::site::Site;
use crate::teller::Teller;
use access::{HostName, Person};
use api::{
    AskFeed, CameBack, Heard, HostToken, HostView, Join, Known, NewHostToken, NewLabels, Nonced, ProblemCode,
    Removed, TakenBack,
};
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use desk::{Answer, Caller, DeskError, Refused, blocking};
use futures_util::stream::unfold;
use std::sync::Arc;
use sync::{SignedAuthority, SignedMembership};

type Shared = State<Arc<Site>>;
type Told = State<Arc<Teller>>;

/// What hosts call to listen, known by their signature: all that a hub in role `feed` answers them.
pub fn for_listeners(teller: &Arc<Teller>) -> Router {
    Router::new()
        .route("/v1/hosts/{host}/feed", get(now).post(feed).layer(DefaultBodyLimit::max(limits::FEED_BODY)))
        .with_state(Arc::clone(teller))
        .merge(nonces(teller))
}

/// What every host's call begins with, wherever it goes.
pub fn nonces(teller: &Arc<Teller>) -> Router {
    Router::new().route("/v1/hosts/{host}/nonce", post(nonce)).with_state(Arc::clone(teller))
}

/// What hosts call to be known and to give back: known by their signature, or by the token that lets them in.
pub fn for_hosts(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/v1/authority", get(authority))
        .route("/v1/hosts", post(join))
        .route("/v1/hosts/{host}/membership", get(membership))
        .route("/v1/hosts/{host}/return", post(come_back))
        .route("/v1/hosts/{host}/known", post(known).layer(DefaultBodyLimit::max(limits::FEED_BODY)))
        .with_state(Arc::clone(site))
}

/// What people call about hosts.
pub fn for_people(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/v1/fleet", get(hosts))
        .route("/v1/grants/{id}/hosts", get(heard))
        .route("/v1/fleet/token", post(token))
        .route("/v1/fleet/{host}/labels", post(label))
        .route("/v1/fleet/{host}/remove", post(remove))
        .with_state(Arc::clone(site))
}

/// As it is in the file now, which `jit-hub init` and `recover` write.
async fn authority(State(site): Shared) -> Answer<SignedAuthority> {
    blocking(move || site.keys.authority().map_err(|why| DeskError::Store(why.to_string()))).await
}

fn read<T: serde::de::DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Refused> {
    let bad = |why: serde_json::Error| ProblemCode::BadRequest.because(format!("reading {what}: {why}"));
    serde_json::from_slice(body).map_err(|why| Refused(bad(why)))
}

async fn join(State(site): Shared, body: Bytes) -> Answer<HostView> {
    let join: Join = read("the host that joins", &body)?;
    blocking(move || site.join(join)).await
}

async fn nonce(State(teller): Told, Path(host): Path<String>) -> Answer<Nonced> {
    blocking(move || {
        let host = HostName::parse(&host).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        Ok(Nonced { nonce: teller.hosts.nonce(&host, teller.clock.time())? })
    })
    .await
}

async fn feed(State(teller): Told, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let stopping = || Refused(ProblemCode::Unavailable.because("the hub is stopping: try again"));
    let looked = Arc::clone(&teller);
    let known = tokio::task::spawn_blocking(move || {
        let (host, known) = looked.host_of(&headers, ("POST", uri.path()), &body, |_| Ok(()))?;
        let ask: AskFeed = read("what the host holds", &body)?;
        looked.is_no_copy(&host, &known, &ask.machine)?;
        looked.compare(&host, ask.watermark)?;
        let revision = ask.watermark.map_or(0, |(_, revision)| revision).min(i64::MAX.unsigned_abs());
        looked.hosts.heard(host.clone(), looked.clock.time(), revision, ask.version.clone(), None);
        Ok::<_, Refused>((host, known.joined, ask))
    });
    let (host, joined, AskFeed { holds, .. }) = known.await.map_err(|_| stopping())??;
    if teller.wakes.streams(&host) >= limits::STREAMS {
        let why = format!("host {host} has {} streams open that it does not read", limits::STREAMS);
        return Err(Refused(ProblemCode::RateLimited.because(why)));
    }
    let events = unfold(Stream::of(&teller, host, joined, holds), |stream| async {
        let (event, stream) = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), stream))
    });
    let head = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Its place is free again as soon as the stream is over.
        (header::CONNECTION, "close"),
        // What has nginx hand on each event at once.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut answer = (head, Body::from_stream(events)).into_response();
    answer.extensions_mut().insert(Lasts);
    Ok(answer)
}

async fn now(State(teller): Told, uri: Uri, headers: HeaderMap) -> Result<Response, Refused> {
    let stopping = || Refused(ProblemCode::Unavailable.because("the hub is stopping: try again"));
    let has = headers.get(header::IF_NONE_MATCH).and_then(|mark| mark.to_str().ok()?.parse::<Mark>().ok());
    let looked = Arc::clone(&teller);
    let known = tokio::task::spawn_blocking(move || {
        let (host, known) = looked.host_of(&headers, ("GET", uri.path()), b"", |_| Ok(()))?;
        Ok::<_, Refused>((host, known.joined))
    });
    let (host, joined) = known.await.map_err(|_| stopping())??;
    let told = once(&teller, host, joined, has).await?;
    let mark = told.as_ref().map(|(mark, _)| *mark).or(has).map(|mark| (header::ETAG, mark.to_string()));
    let head = AppendHeaders(mark.into_iter().chain([(header::CACHE_CONTROL, "no-store".to_owned())]));
    Ok(match told {
        Some((_, events)) => (head, [(header::CONTENT_TYPE, "text/event-stream")], events).into_response(),
        None => (StatusCode::NOT_MODIFIED, head).into_response(),
    })
}

async fn membership(
    State(site): Shared,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<SignedMembership>, Refused> {
    let stopping = || Refused(ProblemCode::Unavailable.because("the hub is stopping: try again"));
    let busy =
        || Refused(ProblemCode::Unavailable.because("the hub has those of other hosts signed: try again"));
    // What is to be granted goes before: of all hosts that ask at once the signer sees one at a time.
    let waiting = Arc::clone(&site);
    let turn = tokio::time::timeout(limits::MEMBERSHIP_TURN, waiting.memberships.acquire()).await;
    let _turn = turn.map_err(|_| busy())?.map_err(|_| stopping())?;
    let signed = tokio::task::spawn_blocking(move || {
        let may = |host: &HostName| site.may_say(host, 1);
        let (host, known) = site.host_of(&headers, ("GET", uri.path()), b"", may)?;
        Ok(Json(site.membership(host, &known)?))
    });
    signed.await.map_err(|_| stopping())?
}

async fn come_back(State(site): Shared, Path(host): Path<String>, body: Bytes) -> Answer<CameBack> {
    let signed: SignedMembership = read("the membership that is shown", &body)?;
    blocking(move || {
        let host = HostName::parse(&host).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        site.know_again(&host, &signed)
    })
    .await
}

async fn known(
    State(site): Shared,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<TakenBack>, Refused> {
    let stopping = || Refused(ProblemCode::Unavailable.because("the hub is stopping: try again"));
    let taken = tokio::task::spawn_blocking(move || {
        let (host, known) = site.host_of(&headers, ("POST", uri.path()), &body, |_| Ok(()))?;
        let given: Known = read("what the host knows", &body)?;
        Ok(Json(site.take_back(host, &known, given)?))
    });
    taken.await.map_err(|_| stopping())?
}

async fn hosts(State(site): Shared, Extension(caller): Extension<Caller>) -> Answer<Vec<HostView>> {
    blocking(move || site.hosts_for(&caller)).await
}

async fn heard(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<Heard> {
    blocking(move || site.grant_heard(&caller, &id)).await
}

fn admin(caller: &Caller, what: &str) -> Result<Person, DeskError> {
    if caller.roles.admin {
        return Ok(caller.person.clone());
    }
    Err(DeskError::Forbidden(format!("only an administrator {what}, by a token with scope admin")))
}

async fn token(State(site): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer<HostToken> {
    let new: NewHostToken = read("the token to make", &body)?;
    blocking(move || {
        let actor = admin(&caller, "lets hosts in")?;
        site.host_token(new, actor)
    })
    .await
}

async fn label(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(host): Path<String>,
    body: Bytes,
) -> Answer<HostView> {
    let NewLabels { labels } = read("the labels of a host", &body)?;
    blocking(move || {
        let by = admin(&caller, "labels hosts")?;
        let host = HostName::parse(&host).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        site.label_host(&host, labels, by)
    })
    .await
}

async fn remove(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(host): Path<String>,
) -> Answer<Removed> {
    blocking(move || {
        let by = admin(&caller, "removes hosts")?;
        let host = HostName::parse(&host).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        site.remove_host(host, by)
    })
    .await
}
