//! API v1 over HTTP. The door in front of it decides who the [`Caller`] is and puts it into the
//! request's extensions; nothing here reads an identity from the call itself.

use crate::paging::Page;
use crate::{Caller, Desk, DeskError, Key, Store, limits};
use access::{EndedHow, GrantId, RequestId};
use api::{
    AskExplain, AskGrants, AskRequests, EndGrant, NewExtension, NewPolicy, NewReplay, NewRequest, NewReview,
    Problem, ProblemCode,
};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest as _, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A refusal as an HTTP answer.
pub struct Refused(pub Problem);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer =
            (status, [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)], Json(&self.0)).into_response();
        // For the door, which may have to log it.
        answer.extensions_mut().insert(self.0);
        answer
    }
}

impl From<DeskError> for Refused {
    fn from(error: DeskError) -> Self {
        Self(error.problem())
    }
}

/// The answer to one call.
pub type Answer<T> = Result<Json<T>, Refused>;

/// Runs blocking work off the event loop.
pub async fn blocking<T, F>(work: F) -> Answer<T>
where
    T: Serialize + Send + 'static,
    F: FnOnce() -> Result<T, DeskError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => Ok(Json(answer)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(is_stopping()),
    }
}

/// [`blocking`] for a list.
pub async fn paged<T, I, F>(work: F) -> Result<Page<T, I>, Refused>
where
    T: Send + 'static,
    I: Send + 'static,
    F: FnOnce() -> Result<Page<T, I>, DeskError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(page) => page.map_err(Refused::from),
        Err(_) => Err(is_stopping()),
    }
}

fn is_stopping() -> Refused {
    Refused(ProblemCode::Unavailable.because("the daemon is stopping: try again"))
}

/// The document of the API, which anybody may read.
pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], api::OPENAPI)
}

type Shared<S> = State<Arc<Desk<S>>>;

/// The routes of the desk.
pub fn routes<S: Store>(desk: Arc<Desk<S>>) -> Router {
    Router::new()
        .route("/v1/requests", get(requests::<S>).post(request::<S>))
        .route("/v1/requests/{id}", get(show_request::<S>))
        .route("/v1/requests/{id}/reviews", post(review::<S>))
        .route("/v1/requests/{id}/cancel", post(cancel::<S>))
        .route("/v1/grants", get(grants::<S>))
        .route("/v1/grants/{id}", get(show_grant::<S>))
        .route("/v1/grants/{id}/revoke", post(revoke::<S>))
        .route("/v1/grants/{id}/release", post(release::<S>))
        .route("/v1/grants/{id}/extend", post(extend::<S>))
        .route(
            "/v1/policy",
            get(policy::<S>).post(apply::<S>).layer(DefaultBodyLimit::max(limits::POLICY_BODY)),
        )
        .route("/v1/policy/foresee", post(foresee::<S>).layer(DefaultBodyLimit::max(limits::POLICY_BODY)))
        .route("/v1/policy/explain", post(explain::<S>))
        .route("/v1/policy/replay", post(replay::<S>).layer(DefaultBodyLimit::max(2 * limits::POLICY_BODY)))
        .with_state(desk)
}

async fn requests<S: Store>(
    State(desk): Shared<S>,
    Extension(caller): Extension<Caller>,
    Query(ask): Query<AskRequests>,
) -> Result<Page<api::RequestView, RequestId>, Refused> {
    paged(move || desk.requests_page(&caller, &ask)).await
}

async fn request<S: Store>(State(desk): Shared<S>, write: Write<NewRequest>) -> Answer<api::Opened> {
    blocking(move || desk.request(&write.caller, &write.body, &write.key)).await
}

async fn show_request<S: Store>(
    State(desk): Shared<S>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<api::RequestView> {
    blocking(move || desk.show_request(&caller, &id)).await
}

async fn review<S: Store>(
    State(desk): Shared<S>,
    Path(id): Path<String>,
    write: Write<NewReview>,
) -> Answer<api::Reviewed> {
    blocking(move || desk.review(&write.caller, &id, &write.body, &write.key)).await
}

async fn cancel<S: Store>(
    State(desk): Shared<S>,
    Path(id): Path<String>,
    write: Write<serde_json::Map<String, serde_json::Value>>,
) -> Answer<api::RequestView> {
    blocking(move || desk.cancel(&write.caller, &id, &write.key)).await
}

async fn grants<S: Store>(
    State(desk): Shared<S>,
    Extension(caller): Extension<Caller>,
    Query(ask): Query<AskGrants>,
) -> Result<Page<api::GrantView, GrantId>, Refused> {
    paged(move || desk.grants_page(&caller, &ask, limits::LIST)).await
}

async fn show_grant<S: Store>(
    State(desk): Shared<S>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<api::GrantView> {
    blocking(move || desk.show_grant(&caller, &id)).await
}

async fn revoke<S: Store>(
    State(desk): Shared<S>,
    Path(id): Path<String>,
    write: Write<EndGrant>,
) -> Answer<api::GrantView> {
    blocking(move || desk.end_grant(&write.caller, &id, EndedHow::Revoked, &write.body, &write.key)).await
}

async fn release<S: Store>(
    State(desk): Shared<S>,
    Path(id): Path<String>,
    write: Write<EndGrant>,
) -> Answer<api::GrantView> {
    blocking(move || desk.end_grant(&write.caller, &id, EndedHow::Released, &write.body, &write.key)).await
}

async fn extend<S: Store>(
    State(desk): Shared<S>,
    Path(id): Path<String>,
    write: Write<NewExtension>,
) -> Answer<api::Opened> {
    blocking(move || desk.extend(&write.caller, &id, &write.body, &write.key)).await
}

async fn policy<S: Store>(
    State(desk): Shared<S>,
    Extension(caller): Extension<Caller>,
) -> Answer<api::PolicyView> {
    blocking(move || desk.policy(&caller)).await
}

async fn apply<S: Store>(State(desk): Shared<S>, write: Write<NewPolicy>) -> Answer<api::AppliedPolicy> {
    blocking(move || desk.apply(&write.caller, write.body, &write.key)).await
}

async fn foresee<S: Store>(State(desk): Shared<S>, question: Question<NewPolicy>) -> Answer<api::Foreseen> {
    blocking(move || desk.foresee(&question.caller, &question.body)).await
}

async fn explain<S: Store>(
    State(desk): Shared<S>,
    question: Question<AskExplain>,
) -> Answer<workflow::Explained> {
    blocking(move || desk.explain(&question.caller, question.body)).await
}

async fn replay<S: Store>(State(desk): Shared<S>, question: Question<NewReplay>) -> Answer<api::Replayed> {
    blocking(move || desk.replay(&question.caller, &question.body)).await
}

/// A question too large for a query: who, and what. It changes nothing, so it needs no key.
struct Question<T> {
    caller: Caller,
    body: T,
}

impl<S: Send + Sync, T: DeserializeOwned> axum::extract::FromRequest<S> for Question<T> {
    type Rejection = Refused;

    async fn from_request(call: axum::extract::Request, state: &S) -> Result<Self, Refused> {
        let (caller, body, _) = read(call, state).await?;
        Ok(Self { caller, body })
    }
}

/// Who calls, with what, and its bytes.
async fn read<S: Send + Sync, T: DeserializeOwned>(
    call: axum::extract::Request,
    state: &S,
) -> Result<(Caller, T, Bytes), Refused> {
    let bad = |why: String| Refused(ProblemCode::BadRequest.because(why));
    let caller = call.extensions().get::<Caller>().cloned();
    let caller = caller.ok_or_else(|| Refused(ProblemCode::Forbidden.because("this door knows nobody")))?;
    let path = call.uri().path().to_owned();
    let bytes = Bytes::from_request(call, state).await.map_err(|why| bad(why.to_string()))?;
    let body =
        serde_json::from_slice(&bytes).map_err(|why| bad(format!("reading the body of {path}: {why}")))?;
    Ok((caller, body, bytes))
}

/// A write: who, what, and the key that makes it happen once.
struct Write<T> {
    caller: Caller,
    body: T,
    key: Key,
}

impl<S: Send + Sync, T: DeserializeOwned> axum::extract::FromRequest<S> for Write<T> {
    type Rejection = Refused;

    async fn from_request(call: axum::extract::Request, state: &S) -> Result<Self, Refused> {
        let bad = |why: String| Refused(ProblemCode::BadRequest.because(why));
        let path = call.uri().path().to_owned();
        let key = header_key(call.headers()).map_err(bad)?;
        let (caller, body, bytes) = read(call, state).await?;
        Ok(Self { caller, key: Key::of(&key, &path, &bytes), body })
    }
}

fn header_key(headers: &HeaderMap) -> Result<String, String> {
    let key = headers
        .get("Idempotency-Key")
        .ok_or("every write needs an Idempotency-Key header: a new random one")?;
    let key = key.to_str().map_err(|_| "the Idempotency-Key is not ASCII")?;
    if key.is_empty() || key.len() > api::limits::KEY {
        return Err(format!("the Idempotency-Key is not 1 to {} characters long", api::limits::KEY));
    }
    Ok(key.to_owned())
}
