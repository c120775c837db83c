//! `jit sessions`, `jit end`, and what `jitd watch` reports.

use super::fate::{Fate, fate};
use super::left::Found;
use crate::limits;
use crate::memory::Carried;
use crate::site::Site;
use access::{Person, SessionId, Text};
use api::{
    AskSessions, EndAsked, EndSession, Session, SessionChange, SessionRecord, SessionState, SessionView,
    WatchReport,
};
use axum::extract::{Extension, Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use desk::{Answer, Caller, DeskError, Worlds as _, blocking};
use std::sync::{Arc, PoisonError};

/// The routes.
pub fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{id}/end", post(end))
        .route("/v1/watch", post(watched))
        .with_state(site)
}

async fn sessions(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Query(ask): Query<AskSessions>,
) -> Answer<Vec<SessionView>> {
    blocking(move || Ok(site.sessions(&caller, &ask))).await
}

async fn end(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Json(body): Json<EndSession>,
) -> Answer<SessionView> {
    blocking(move || site.end_session(&caller, &id, body)).await
}

async fn watched(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Json(report): Json<WatchReport>,
) -> Answer<serde_json::Value> {
    blocking(move || {
        if !caller.roles.admin {
            return Err(DeskError::Forbidden("what jitd watch found is for root to report".to_owned()));
        }
        let gated = report.left_over.into_iter().filter(|left| site.is_gated(&left.user));
        site.found_left(Found::ByWatch, gated.collect());
        Ok(serde_json::json!({}))
    })
    .await
}

impl Site {
    /// Sessions that the caller may see, the newest first.
    pub fn sessions(&self, caller: &Caller, ask: &AskSessions) -> Vec<SessionView> {
        if ask.host.as_ref().is_some_and(|host| *host != self.host) {
            return Vec::new();
        }
        self.views(|carried| ask.is_of(&carried.session.subject) && self.may_see(carried, caller))
    }

    /// One's own, those of grants that one could decide, or everything.
    fn may_see(&self, carried: &Carried, caller: &Caller) -> bool {
        let Carried { session, grant, .. } = carried;
        caller.roles.sees_all()
            || caller.names.contains(&session.subject)
            || grant.as_ref().is_some_and(|grant| self.desk.may_see(&self.policies.world(), grant, caller))
    }

    fn session_view(&self, Carried { session, grant, claim, fresh }: &Carried) -> SessionView {
        let ends = match fate(session, grant.as_deref(), *claim, *fresh, self.clock.now()) {
            Fate::Until(ends) => Some(ends),
            Fate::Free | Fate::Over(_) => None,
        };
        let state = if session.end.is_some() || self.is_ending(session.id) {
            SessionState::Ending
        } else if session.closed.is_some() {
            SessionState::Left
        } else {
            SessionState::Open
        };
        SessionView { session: (**session).clone(), host: None, state, ends }
    }

    /// Whether the session is being ended.
    pub fn is_ending(&self, id: SessionId) -> bool {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// The session that a process of this audit session belongs to, as its own person sees it.
    pub fn session_here(&self, caller: &Caller, audit: Option<u32>) -> Option<SessionView> {
        let session = self.memory.session_of_audit(self.clock.boot(), audit)?;
        let carried = self.memory.carried().into_iter().find(|carried| carried.session.id == session.id)?;
        caller.names.contains(&session.subject).then(|| self.session_view(&carried))
    }

    fn end_session(&self, caller: &Caller, id: &str, body: EndSession) -> Result<SessionView, DeskError> {
        let none = || DeskError::NotFound { what: "session", id: id.to_owned() };
        if let Some(other) = body.host.as_ref().filter(|host| **host != self.host) {
            return Err(DeskError::BadRequest(format!(
                "sessions of {} alone are ended here, and of {other} there or at the hub",
                self.host
            )));
        }
        let (low, high) = SessionId::range(id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        let found: Vec<Carried> = self
            .memory
            .carried()
            .into_iter()
            .filter(|carried| (low..=high).contains(&carried.session.id) && self.may_see(carried, caller))
            .collect();
        let carried = match found.as_slice() {
            [] => return Err(none()),
            [one] => one,
            _ => return Err(DeskError::Ambiguous { what: "session", id: id.to_owned() }),
        };
        self.may_end(carried, caller)?;
        // It may have been over just before.
        if carried.session.end.is_none()
            && !self.ask_end(carried.session.id, caller.person.clone(), body.reason)?
        {
            return Err(none());
        }
        Ok(SessionView { state: SessionState::Ending, ..self.session_view(carried) })
    }

    /// Somebody who may wants a session ended. Whether it is there.
    pub fn ask_end(&self, id: SessionId, by: Person, reason: Text) -> Result<bool, DeskError> {
        let at = self.clock.now().trusted;
        Ok(self.ledger.append(limits::DESK_WAIT, move |entry| {
            entry.change(id, move |before| SessionRecord {
                at,
                change: SessionChange::Ending,
                // Whoever was first is who ended it.
                session: Session {
                    end: before.end.clone().or(Some(EndAsked { by: by.clone(), at, reason: reason.clone() })),
                    ..before
                },
                actor: Some(by),
                comment: Some(reason),
                end: None,
                detail: String::new(),
            })
        })?)
    }

    /// All sessions, the newest first and no more than one answer has.
    pub fn all_sessions(&self) -> Vec<SessionView> {
        self.views(|_| true)
    }

    fn views(&self, seen: impl Fn(&Carried) -> bool) -> Vec<SessionView> {
        let carried = self.memory.carried();
        let mut views: Vec<SessionView> = carried
            .iter()
            .filter(|carried| seen(carried))
            .map(|carried| self.session_view(carried))
            .collect();
        views.sort_unstable_by_key(|view| (std::cmp::Reverse(view.session.opened), view.session.id));
        views.truncate(api::limits::PAGE as usize);
        views
    }

    /// Its own person, who decides over its grant, and operators.
    fn may_end(&self, carried: &Carried, caller: &Caller) -> Result<(), DeskError> {
        let Carried { session, grant, .. } = carried;
        let asked_for_it = grant.as_ref().is_some_and(|grant| grant.person == caller.person);
        if asked_for_it || caller.names.contains(&session.subject) || caller.roles.revokes() {
            return Ok(());
        }
        if !grant
            .as_ref()
            .is_some_and(|grant| self.desk.approves(&self.policies.world(), grant, &caller.person))
        {
            let why = format!("session {} is for its person, its approvers and operators to end", session.id);
            return Err(DeskError::Forbidden(why));
        }
        caller.reviews.clone().map_err(|why| DeskError::NotThem("no session was ended", why))
    }
}
