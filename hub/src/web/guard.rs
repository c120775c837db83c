//! Before every page: who reads it, and whether a form came from a page of this hub.

use super::entering::Visitor;
use super::form::{Form, NOTHING};
use super::{is_page, page};
use crate::site::Site;
use api::{Problem, ProblemCode};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use desk::DeskError;
use maud::{Markup, html};
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The address that a call comes from.
#[derive(Clone, Copy)]
pub struct From(pub IpAddr);

/// One call of a browser.
pub struct Call {
    /// Its head.
    pub headers: HeaderMap,
    /// Where it comes from.
    pub from: IpAddr,
    /// The page of this hub that led here, with its query.
    pub back: Option<String>,
    /// The page that is asked for, with its query.
    pub page: String,
    /// What the query says.
    pub query: Form,
    /// What it says.
    pub form: Form,
}

impl Call {
    /// Where a form leads to that is on this page, so that what comes back is the same part of it.
    pub fn leads(&self, path: &str) -> String {
        self.page.split_once('?').map_or_else(|| path.to_owned(), |(_, asked)| format!("{path}?{asked}"))
    }

    /// What was written into the form that leads there, where it comes back.
    pub fn said(&self, action: &str) -> &Form {
        if self.page == action { &self.form } else { &NOTHING }
    }
}

impl FromRequest<Arc<Site>> for Call {
    type Rejection = Response;

    async fn from_request(call: Request, site: &Arc<Site>) -> Result<Self, Response> {
        let from = call.extensions().get().copied().unwrap_or(From(Ipv4Addr::UNSPECIFIED.into())).0;
        let headers = call.headers().clone();
        let back = came_from(&site.url, &headers);
        let page = call.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let query = Form::parse(call.uri().query().unwrap_or_default().as_bytes());
        let bytes = Bytes::from_request(call, site).await.map_err(|why| {
            let problem = ProblemCode::BadRequest.because(format!("reading the form: {why}"));
            page::refused(None, back.as_deref(), &problem)
        })?;
        Ok(Self { headers, from, back, page, query, form: Form::parse(&bytes) })
    }
}

/// What a page comes to.
pub enum Answer {
    /// A title and what is under it.
    Page(&'static str, Markup),
    /// The same, and which other place its form may lead to.
    PageFor(&'static str, Markup, String),
    /// The same in place of what was not done: why, and the form once more.
    Again(&'static str, Markup, Problem),
    /// Another page, to be looked at next.
    To(String),
}

impl Answer {
    /// What is looked for, and what was found or why nothing could be.
    pub fn found(title: &'static str, search: Markup, found: Result<Markup, DeskError>) -> Self {
        match found {
            Ok(found) => Self::Page(title, html! { (search) (found) }),
            Err(why) => Self::Again(title, search, why.problem()),
        }
    }
}

/// Shows a page to whoever signed in, and to others how to. Off the event loop.
pub async fn shown(
    site: Arc<Site>,
    call: Call,
    work: impl FnOnce(&Site, &Visitor) -> Result<Answer, DeskError> + Send + 'static,
) -> Response {
    asked(site, call, |site, visitor, _| work(site, visitor)).await
}

/// The same for a page that looks at what the call says.
pub async fn asked(
    site: Arc<Site>,
    call: Call,
    work: impl FnOnce(&Site, &Visitor, &Call) -> Result<Answer, DeskError> + Send + 'static,
) -> Response {
    blocking(move || {
        // A page that renews itself says so: nobody need be there.
        let is_use = !call.headers.contains_key("jit-live");
        Ok(match site.visitor(&call.headers, call.from, is_use)? {
            None => page::sign_in(&site, &call.page),
            Some(visitor) => answered(&visitor, &call, work(&site, &visitor, &call)),
        })
    })
    .await
}

/// Does what a form says, which is what this call of the API does, for whoever signed in.
pub async fn done(
    site: Arc<Site>,
    call: Call,
    api: String,
    work: impl FnOnce(&Site, &Visitor, &Call) -> Result<Answer, DeskError> + Send + 'static,
) -> Response {
    blocking(move || {
        if let Err(problem) = is_of_this_hub(&site.url, &call.headers) {
            return Ok(page::refused(None, call.back.as_deref(), &problem));
        }
        let Some(visitor) = site.visitor(&call.headers, call.from, true)? else {
            return Ok(page::sign_in(&site, ""));
        };
        let carried = call.form.text("csrf").unwrap_or_default();
        let back = call.back.as_deref();
        // By their hashes, so that how long it takes says nothing.
        if Sha256::digest(carried) != Sha256::digest(&visitor.csrf) {
            let why = "the form is not one of this sign-in: load its page anew";
            return Ok(page::refused(Some(&visitor), back, &ProblemCode::Forbidden.because(why)));
        }
        if let Err(problem) = visitor.admits(&api) {
            return Ok(page::refused(Some(&visitor), back, &problem));
        }
        Ok(answered(&visitor, &call, work(&site, &visitor, &call)))
    })
    .await
}

/// The same for a form that people write in: where it is refused, its page comes back with what they wrote.
pub async fn written(
    site: Arc<Site>,
    call: Call,
    api: String,
    page: impl FnOnce(&Site, &Visitor, &Call) -> Result<Answer, DeskError> + Send + 'static,
    work: impl FnOnce(&Site, &Visitor, &Call) -> Result<Answer, DeskError> + Send + 'static,
) -> Response {
    done(site, call, api, |site, visitor, call| {
        work(site, visitor, call).or_else(|why| {
            let problem = why.problem();
            // With the key of another form it could be done twice.
            if problem.code == ProblemCode::Unavailable {
                return Err(why);
            }
            match page(site, visitor, call) {
                Ok(Answer::Page(title, body)) => Ok(Answer::Again(title, body, problem)),
                _ => Err(why),
            }
        })
    })
    .await
}

/// Runs it off the event loop.
pub async fn blocking(work: impl FnOnce() -> Result<Response, DeskError> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => page::failed(why.problem()),
        Err(_) => {
            page::refused(None, None, &ProblemCode::Unavailable.because("the hub is stopping: try again"))
        }
    }
}

fn answered(visitor: &Visitor, call: &Call, answer: Result<Answer, DeskError>) -> Response {
    match answer {
        Ok(Answer::Page(title, body)) => page::page(Some(visitor), StatusCode::OK, title, &body),
        Ok(Answer::PageFor(title, body, place)) => {
            let mut answer = page::page(Some(visitor), StatusCode::OK, title, &body);
            if let Ok(policy) = HeaderValue::from_str(&policy(&format!("'self' {place}"))) {
                answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            answer
        }
        Ok(Answer::Again(title, body, problem)) => page::again(visitor, title, &body, &problem),
        Ok(Answer::To(path)) => Redirect::to(&path).into_response(),
        Err(why) => page::refused(Some(visitor), call.back.as_deref(), &why.problem()),
    }
}

/// Whether a browser says that a form comes from a page of this hub. Each says so of every form (Fetch, section 3.2).
pub fn is_of_this_hub(url: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let head = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let host = head(header::HOST).unwrap_or_default();
    let origin = head(header::ORIGIN).unwrap_or_default();
    let own = origin.strip_prefix("https://").is_some_and(|named| !host.is_empty() && named == host);
    let site = head(HeaderName::from_static("sec-fetch-site")).unwrap_or("same-origin");
    if (own || origin == url) && site == "same-origin" {
        return Ok(());
    }
    Err(ProblemCode::Forbidden.because(
        "the form comes from somewhere else than this hub, and nothing was done: open the page here, and send it from there",
    ))
}

/// The page of this hub that a browser says it comes from, which it does within one origin (Referrer Policy, section 3.4).
fn came_from(url: &str, headers: &HeaderMap) -> Option<String> {
    let head = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let named = format!("https://{}", head(header::HOST)?);
    let from = head(header::REFERER)?;
    let path = from.strip_prefix(&named).or_else(|| from.strip_prefix(url))?;
    path.split('?').next().is_some_and(is_page).then(|| path.to_owned())
}

/// No such page.
pub async fn nothing(call: Call) -> Response {
    let problem = ProblemCode::NotFound.because("there is no such page: begin at /web");
    page::refused(None, call.back.as_deref(), &problem)
}

/// Where a form leads to is no page.
pub async fn no_page() -> Response {
    let body = html! { p { "Forms lead here, and nothing is to be seen. " a href="/web" { "Begin anew" } } };
    page::page(None, StatusCode::METHOD_NOT_ALLOWED, "Nothing here", &body)
}

/// What a browser may load for a page, and where its forms may lead to.
fn policy(forms: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action {forms}; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// What every answer carries: nothing but our own files, in nobody's frame, kept by nobody.
pub async fn heads(mut answer: Response) -> Response {
    let heads = answer.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy("'self'")) {
        heads.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    for (name, value) in [
        // Under no-referrer browsers would say of our own forms that they come from nowhere.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        heads.insert(name, HeaderValue::from_static(value));
    }
    heads.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_counts_only_from_a_page_of_the_same_origin() {
        let from = |heads: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in heads {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            is_of_this_hub("https://hub.example.org", &map).is_ok()
        };
        let host = ("host", "hub:8443");
        assert!(from(&[host, ("origin", "https://hub:8443")]));
        assert!(from(&[host, ("origin", "https://hub:8443"), ("sec-fetch-site", "same-origin")]));
        assert!(
            from(&[host, ("origin", "https://hub.example.org")]),
            "behind something that changes the host"
        );
        assert!(!from(&[host]) && !from(&[host, ("origin", "null")]));
        assert!(!from(&[host, ("origin", "http://hub:8443")]) && !from(&[host, ("origin", "https://hub")]));
        assert!(!from(&[host, ("origin", "https://evil.example")]));
        assert!(!from(&[host, ("origin", "https://hub:8443"), ("sec-fetch-site", "same-site")]));
        assert!(!from(&[("origin", "https://")]) && !from(&[("host", ""), ("origin", "https://")]));
    }
}
