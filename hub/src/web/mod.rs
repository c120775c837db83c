//! The pages of the hub, for a browser: what the API does, by the same functions of the desk, for the same caller.
//!
//! A page knows who reads it by a cookie ([`entering`]); a form is taken from a page of this hub alone ([`guard`]).
//! What may be done is not decided here.

mod ask;
mod chats;
mod entering;
mod files;
mod form;
mod grants;
mod guard;
mod inbox;
mod journal;
mod limits;
mod login;
mod oidc;
mod page;
mod people;
mod picture;
mod policy;
mod recent;
mod request;
mod sign_in;
mod tables;
mod timeline;
mod tokens;

pub use entering::{Browser, link};
pub use guard::From;
pub use page::{asks, names};

use crate::site::Site;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::response::Redirect;
use axum::routing::{get, post};
use std::sync::Arc;

/// Whether this is the path of a page, or of something that pages are made of.
pub fn is_page(path: &str) -> bool {
    path == "/" || path == "/web" || path.starts_with("/web/")
}

/// All pages. Whose address a call comes from is in its extensions ([`From`]).
pub fn pages(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/", get(async || Redirect::to("/web")))
        .route("/web", get(inbox::show))
        .route("/web/in", post(sign_in::enter))
        .route("/web/in/{link}", get(sign_in::show))
        .route("/web/out", post(sign_in::leave))
        .route("/web/ask", get(ask::show).post(ask::ask))
        .route("/web/requests/{id}", get(request::show))
        .route("/web/requests/{id}/review", post(request::review))
        .route("/web/requests/{id}/cancel", post(request::cancel))
        .route("/web/grants", get(grants::list))
        .route("/web/grants/{id}", get(grants::show))
        .route("/web/grants/{id}/release", post(grants::release))
        .route("/web/grants/{id}/revoke", post(grants::revoke))
        .route("/web/grants/{id}/extend", post(grants::extend))
        .route("/web/hosts", get(tables::hosts))
        .route("/web/sessions", get(tables::sessions))
        .route("/web/sessions/{id}/end", post(tables::end))
        .route("/web/timeline", get(timeline::show))
        .route("/web/journal", get(journal::show))
        .route("/web/policy", get(policy::show))
        .route("/web/people", get(people::show))
        .route("/web/people/roles", post(people::roles))
        .route("/web/people/link", post(people::link))
        .route("/web/people/bind", post(oidc::bind_to))
        .route("/web/tokens", get(tokens::show).post(tokens::make))
        .route("/web/tokens/{id}/revoke", post(tokens::revoke))
        .route("/web/oidc/start", get(oidc::start))
        .route("/web/oidc/back", get(oidc::back))
        .route("/web/oidc/bind", post(oidc::bind))
        .route("/web/oidc/unbind", post(oidc::unbind))
        .route("/web/login", get(login::show).post(login::answer))
        .route("/web/device", get(login::device).post(login::answer_device))
        .route("/web/teams", get(chats::show))
        .route("/web/teams/code", post(chats::code))
        .route("/web/teams/link", post(chats::link))
        .route("/web/teams/unlink", post(chats::unlink))
        .route("/web/teams/away", post(chats::away))
        .route("/web/style.css", get(files::style))
        .route("/web/live.js", get(files::live))
        .fallback(guard::nothing)
        .method_not_allowed_fallback(guard::no_page)
        .layer(DefaultBodyLimit::max(limits::FORM))
        .layer(map_response(guard::heads))
        .with_state(Arc::clone(site))
}
