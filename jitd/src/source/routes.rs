//! The control socket of a host whose desk is a hub's: what people here ask and do goes there by this host's word, and
//! what this host holds is answered here.

use super::asking::{Asker, Told};
use super::outbox::Kept;
use crate::limits;
use crate::site::Site;
use access::{GrantId, RequestId};
use api::{
    AskGrants, AskRequests, EndGrant, GrantView, HostAnswer, HostDoes, HostWish, NewExtension, NewRequest,
    NewReview, Opened, ProblemCode, RequestView, Reviewed,
};
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use desk::{Answer, Caller, DeskError, Page, Refused, Roles, paged};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Instant;
use workflow::RequestState;

type Shared = State<Arc<Site>>;

/// The routes of the desk, as far as they are for a host.
pub fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/v1/requests", get(requests).post(request))
        .route("/v1/requests/{id}", get(show_request))
        .route("/v1/requests/{id}/reviews", post(review))
        .route("/v1/requests/{id}/cancel", post(cancel))
        .route("/v1/grants", get(grants))
        .route("/v1/grants/{id}", get(show_grant))
        .route("/v1/grants/{id}/release", post(release))
        .route("/v1/grants/{id}/extend", post(extend))
        .route("/v1/grants/{id}/revoke", any(elsewhere))
        .route("/v1/policy", any(elsewhere))
        .route("/v1/policy/{*rest}", any(elsewhere))
        .with_state(site)
}

/// Runs blocking work off the event loop, where it may be the hub that refuses.
async fn blocking<T, F>(work: F) -> Answer<T>
where
    T: Serialize + Send + 'static,
    F: FnOnce() -> Result<T, Refused> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map(Json),
        Err(_) => Err(Refused(ProblemCode::Unavailable.because("the daemon is stopping: try again"))),
    }
}

impl Asker {
    pub(super) fn of(caller: &Caller) -> Self {
        Self { login: caller.login.clone(), source: caller.source }
    }
}

/// A write: what it says, and the key that makes it happen once.
fn write<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<(String, T), Refused> {
    let bad = |why: String| Refused(ProblemCode::BadRequest.because(why));
    let key = headers.get("Idempotency-Key").and_then(|key| key.to_str().ok());
    let key = key.filter(|key| !key.is_empty() && key.len() <= api::limits::KEY);
    let key = key.ok_or_else(|| {
        bad(format!(
            "every write needs an Idempotency-Key header of at most {} bytes: a new random one",
            api::limits::KEY
        ))
    })?;
    let body = serde_json::from_slice(body).map_err(|why| bad(format!("reading the body: {why}")))?;
    Ok((key.to_owned(), body))
}

async fn elsewhere(State(site): Shared) -> Result<Json<()>, Refused> {
    Err(site.at_the_hub("that is done there"))
}

async fn requests(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Query(ask): Query<AskRequests>,
) -> Answer<Vec<RequestView>> {
    blocking(move || {
        let unsent = site.unsent(&caller.login)?;
        let mut all: Vec<RequestView> =
            unsent.iter().rev().map(|kept| site.unsent_view(kept, &caller.person, &caller.names)).collect();
        let does = HostDoes::Requests { which: ask.which };
        let at_the_hub: Result<Vec<RequestView>, Refused> =
            site.call_hub(Asker::of(&caller), "", does, limits::HUB_CALL);
        match at_the_hub {
            Ok(there) => all.extend(there),
            // What waits for the hub is all that is known without it, and who asks for theirs is told that.
            Err(Refused(problem)) if problem.code == ProblemCode::Unavailable && !all.is_empty() => {}
            Err(why) => return Err(why),
        }
        all.truncate(ask.limit.unwrap_or(desk::limits::LIST).min(api::limits::PAGE) as usize);
        Ok(all)
    })
    .await
}

async fn show_request(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<RequestView> {
    blocking(move || match site.own_ask(&caller, &id)? {
        Some(kept) if kept.answer.is_none() => Ok(site.unsent_view(&kept, &caller.person, &caller.names)),
        kept => {
            let id = known_as(kept.as_ref()).unwrap_or(id);
            site.call_hub(Asker::of(&caller), "", HostDoes::Request { id }, limits::HUB_CALL)
        }
    })
    .await
}

/// The id of the request that an ask became: an equal one may have waited there.
fn known_as(kept: Option<&Kept>) -> Option<String> {
    match kept?.answer.as_ref()? {
        HostAnswer::Opened(opened) => Some(opened.request.ask.id.to_string()),
        HostAnswer::Hint { .. } | HostAnswer::Silent | HostAnswer::Refused(_) => None,
    }
}

async fn request(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Opened> {
    blocking(move || {
        let (key, new) = write::<NewRequest>(&headers, &body)?;
        site.request_here(&caller, &new, key)
    })
    .await
}

async fn cancel(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<RequestView> {
    blocking(move || {
        let (key, _) = write::<serde::de::IgnoredAny>(&headers, &body)?;
        let kept = site.own_ask(&caller, &id)?;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.answer.is_none())
            && site.forget_ask(kept.ask.id, "it was taken back")?
        {
            let at = site.clock.now().trusted;
            let state = RequestState::Cancelled { at, by: caller.person.clone() };
            return Ok(RequestView { state, ..site.unsent_view(kept, &caller.person, &caller.names) });
        }
        let id = known_as(kept.as_ref()).unwrap_or(id);
        site.call_hub(Asker::of(&caller), &key, HostDoes::Cancel { id }, limits::HUB_CALL)
    })
    .await
}

async fn review(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Reviewed> {
    blocking(move || {
        let (key, body) = write::<NewReview>(&headers, &body)?;
        if !site.config.load().approvals.here {
            return Err(
                site.at_the_hub("requests are reviewed there, for [approvals] here is not set in jitd.toml")
            );
        }
        caller.reviews.clone().map_err(|why| DeskError::NotThem("this review does not count", why))?;
        site.call_hub(Asker::of(&caller), &key, HostDoes::Review { id, body }, limits::HUB_CALL)
    })
    .await
}

async fn grants(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Query(ask): Query<AskGrants>,
) -> Result<Page<GrantView, GrantId>, Refused> {
    paged(move || {
        // People of the hub are known here by their login names alone.
        let user = ask.user.clone();
        let all = AskGrants { user: None, ..ask };
        let mut page = site.desk.grants_page(&seeing_all(&caller), &all, desk::limits::LIST)?;
        page.rows.retain(|view| {
            is_own(view, &caller) && user.as_ref().is_none_or(|user| view.grant.names.contains(user))
        });
        Ok(page)
    })
    .await
}

async fn show_grant(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<GrantView> {
    blocking(move || match site.desk.show_grant(&seeing_all(&caller), &id) {
        Ok(view) if is_own(&view, &caller) => Ok(view),
        Err(why @ (DeskError::BadRequest(_) | DeskError::Ambiguous { .. })) => Err(why.into()),
        // It can be on its way here.
        _ => site.call_hub(Asker::of(&caller), "", HostDoes::Grant { id }, limits::HUB_CALL),
    })
    .await
}

pub(super) fn seeing_all(caller: &Caller) -> Caller {
    Caller { roles: Roles { auditor: true, ..caller.roles }, ..caller.clone() }
}

fn is_own(view: &GrantView, caller: &Caller) -> bool {
    caller.roles.sees_all() || view.grant.names.iter().any(|name| caller.names.contains(name))
}

async fn release(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<GrantView> {
    blocking(move || {
        let (key, body) = write::<EndGrant>(&headers, &body)?;
        GrantId::range(&id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        site.call_hub(Asker::of(&caller), &key, HostDoes::Release { id, body }, limits::HUB_CALL)
    })
    .await
}

async fn extend(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Opened> {
    blocking(move || {
        let (key, body) = write::<NewExtension>(&headers, &body)?;
        GrantId::range(&id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        site.call_hub(Asker::of(&caller), &key, HostDoes::Extend { id, body }, limits::HUB_CALL)
    })
    .await
}

impl Site {
    /// What is not done on a host of a hub.
    fn at_the_hub(&self, why: &str) -> Refused {
        Refused(ProblemCode::Forbidden.because(match self.source.url() {
            Ok(url) => {
                format!(
                    "this host takes its grants from the hub at {url}: {why}, after `jit login --hub {url}`"
                )
            }
            Err(lost) => format!(
                "this host takes its grants from a hub: {why}. Which one it is not known here: {lost}"
            ),
        }))
    }

    /// What the caller asked under this id, as far as it is known here; administrators see everybody's.
    fn own_ask(&self, caller: &Caller, id: &str) -> Result<Option<Kept>, Refused> {
        let (low, high) = RequestId::range(id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        if low != high {
            // Cut short it is looked for among what waits, and else at the hub.
            let mut own = self.unsent(&caller.login)?;
            own.retain(|kept| (low..=high).contains(&kept.ask.id));
            return Ok(if own.len() == 1 { own.pop() } else { None });
        }
        let theirs = |kept: &Kept| caller.names.contains(&kept.ask.login) || caller.roles.sees_all();
        Ok(self.kept(low)?.filter(theirs))
    }

    /// `jit request` on this host.
    fn request_here(&self, caller: &Caller, new: &NewRequest, key: String) -> Result<Opened, Refused> {
        if new.hosts.iter().any(|host| *host != self.host) || !new.labels.is_empty() {
            return Err(self.at_the_hub(&format!(
                "from here {} alone can be asked for, and other hosts there",
                self.host
            )));
        }
        let unsure = caller.reviews.clone().err();
        if new.break_glass
            && let Some(why) = unsure
        {
            // Breaking glass is one's own approval, so this door must be as sure as for one.
            return Err(DeskError::NotThem("no glass was broken", why).into());
        }
        let wish = HostWish::Command { new: Box::new(new.clone()), unsure };
        let by = Instant::now() + limits::DESK_WAIT + limits::HUB_HASTY;
        let told = self.ask_hub(Asker::of(caller), wish, Some(key), by)?;
        match told {
            Told::Answered(HostAnswer::Opened(opened)) => Ok(*opened),
            Told::Answered(HostAnswer::Refused(problem)) => Err(Refused(problem)),
            Told::Answered(HostAnswer::Hint { .. } | HostAnswer::Silent) => Err(DeskError::Away(
                "the hub answered something else than was asked: look whether it was done".to_owned(),
            )
            .into()),
            Told::Unsent { kept, why } if new.break_glass => self.break_glass_here(caller, new, &kept, &why),
            Told::Unsent { kept, why } => Ok(self.unsent_opened(&kept, why, &caller.person, &caller.names)),
        }
    }
}
