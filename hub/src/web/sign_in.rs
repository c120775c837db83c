//! Signing in by a link, and out.

use super::entering::cookie;
use super::guard::{self, Call, is_of_this_hub};
use super::page;
use crate::site::Site;
use api::ProblemCode;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use std::sync::Arc;

/// What a link leads to: a button, so that whatever looks at links does not use it up.
pub async fn show(State(site): State<Arc<Site>>, Path(link): Path<String>, call: Call) -> Response {
    guard::blocking(move || {
        let Some(token) = site.link(&link)? else { return Ok(no_link(&site, &call)) };
        let body = html! {
            p { "This browser is signed in as " strong { (token.person) } " from then on, for up to 12 hours." }
            form method="post" action="/web/in" {
                input type="hidden" name="link" value=(link);
                button.yes { "Sign in as " (token.person) }
            }
        };
        Ok(page::page(None, StatusCode::OK, "Sign in", &body))
    })
    .await
}

/// Signs in.
pub async fn enter(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::blocking(move || {
        if let Err(problem) = is_of_this_hub(&site.url, &call.headers) {
            return Ok(page::refused(None, call.back.as_deref(), &problem));
        }
        let before = site.visitor(&call.headers, call.from, false)?.map(|visitor| visitor.token.id);
        let link = call.form.text("link").unwrap_or_default();
        let Some(secret) = site.sign_in(link, call.from, before)? else { return Ok(no_link(&site, &call)) };
        Ok(with(&cookie(Some(&secret)), Redirect::to("/web").into_response()))
    })
    .await
}

/// Signs out.
pub async fn leave(State(site): State<Arc<Site>>, call: Call) -> Response {
    let left = guard::done(site, call, "/v1/tokens".to_owned(), |site, visitor, _| {
        site.ledger.sign_out(visitor.token.id, visitor.caller.person.clone(), visitor.now)?;
        Ok(guard::Answer::To("/web".to_owned()))
    })
    .await;
    if left.status().is_redirection() { with(&cookie(None), left) } else { left }
}

fn no_link(site: &Site, call: &Call) -> Response {
    let why = "this link signs nobody in: it was used, revoked, or is older than 15 minutes";
    let refused = site.stranger(call.from, why).0;
    if refused.code == ProblemCode::RateLimited {
        return page::refused(None, None, &refused);
    }
    let problem = ProblemCode::Unauthorized.because(format!("{why}. Make another with `jit web`"));
    page::refused(None, None, &problem)
}

/// An answer that has a browser keep or forget something.
pub fn with(cookie: &str, mut answer: Response) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
    answer
}
