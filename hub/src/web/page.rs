//! The frame of every page, and what pages have in common.

use super::entering::Visitor;
use crate::door::unable;
use crate::signin::Provider;
use crate::site::Site;
use access::Time;
use api::{Problem, ProblemCode};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};
use std::fmt::Display;
use workflow::{Ask, Kind};

/// Where one can go: everybody, or who sees everything.
const PLACES: [(&str, &str, bool); 10] = [
    ("/web", "Inbox", true),
    ("/web/ask", "Ask", true),
    ("/web/grants", "Grants", true),
    ("/web/sessions", "Sessions", true),
    ("/web/hosts", "Hosts", true),
    ("/web/timeline", "Timeline", true),
    ("/web/policy", "Policy", true),
    ("/web/people", "People", false),
    ("/web/journal", "Journal", false),
    ("/web/tokens", "Sign-ins", true),
];

/// A whole page.
pub fn page(visitor: Option<&Visitor>, status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - jit" }
                link rel="stylesheet" href="/web/style.css";
                script src="/web/live.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                @if let Some(visitor) = visitor { (top(visitor, title)) }
                main #main {
                    h1 { (title) }
                    (body)
                }
            }
        }
    };
    let media = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, media, page.into_string()).into_response()
}

fn top(visitor: &Visitor, title: &str) -> Markup {
    html! {
        header {
            nav aria-label="Pages" {
                @for (path, name, _) in PLACES.iter().filter(|place| place.2 || visitor.caller.roles.sees_all()) {
                    a href=(path) aria-current=[(*name == title).then_some("page")] { (name) }
                }
            }
            form method="post" action="/web/out" {
                (csrf(visitor))
                span { (visitor.caller.person) }
                button { "Sign out" }
            }
        }
    }
}

/// What was refused, and why; and the way back to the page that led there.
pub fn refused(visitor: Option<&Visitor>, back: Option<&str>, problem: &Problem) -> Response {
    let body = html! {
        (why(problem))
        p {
            @match back {
                Some(back) => { a href=(back) { "Back to where you were" } }
                None => { a href="/web" { "Begin anew" } }
            }
        }
    };
    page(visitor, status_of(problem), "Request refused", &body)
}

/// The same above the form that it is about, so that nothing has to be written again.
pub fn again(visitor: &Visitor, title: &str, form: &Markup, problem: &Problem) -> Response {
    page(Some(visitor), status_of(problem), title, &html! { (why(problem)) (form) })
}

fn why(problem: &Problem) -> Markup {
    html! { p.problem role="alert" { (problem.detail) } }
}

/// The same before it is known who reads it. What does not work here is not theirs to know: the door has it, for the log.
pub fn failed(problem: Problem) -> Response {
    if problem.code != ProblemCode::Unavailable {
        return refused(None, None, &problem);
    }
    let mut answer = refused(None, None, &unable());
    answer.extensions_mut().insert(problem);
    answer
}

fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// How to sign in, to come to this page.
pub fn sign_in(site: &Site, to: &str) -> Response {
    let by_link = html! {
        p { "Run " code { "jit web" } " where you are logged in to this hub, and open the link that it prints. " }
        p { "An administrator can make one for you with " code { "jit web --person YOU" } "." }
    };
    let body = match &site.provider {
        None => by_link,
        Some(provider) => html! {
            p.buttons { (elsewhere(provider, to)) }
            h2 { "Or by a link" }
            (by_link)
        },
    };
    page(None, StatusCode::UNAUTHORIZED, "Sign in", &body)
}

/// What leads to a sign-in elsewhere and back to a page.
pub fn elsewhere(provider: &Provider, to: &str) -> Markup {
    html! { a.button.yes href=(place("/web/oidc/start", "to", to)) { "Sign in with " (provider.issuer()) } }
}

/// Why something needs a sign-in of now, and the way to one, and back to a page.
pub fn anew(site: &Site, why: &str, to: &str) -> Markup {
    html! {
        p.problem { (why) }
        @if let Some(provider) = &site.provider { p.buttons { (elsewhere(provider, to)) } }
    }
}

/// A page that is asked about something: names may hold what means something else in a query.
pub fn place(path: &str, about: &str, value: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(about, value).finish();
    format!("{path}?{query}")
}

/// What every form carries.
pub fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

/// What every form carries that does something once.
pub fn once(visitor: &Visitor) -> Result<Markup, desk::DeskError> {
    let key = format!("{:016x}", getrandom::u64().map_err(crate::ledger::random)?);
    Ok(html! { (csrf(visitor)) input type="hidden" name="key" value=(key); })
}

/// A time, for people and for programs.
pub fn time(at: Time) -> Markup {
    html! { time datetime=(at.format("%FT%TZ")) { (at.format("%F %R UTC")) } }
}

/// How long something takes, for people: whole minutes, below one in seconds.
pub fn length(length: chrono::TimeDelta) -> String {
    let (minutes, seconds) = (length.num_minutes(), length.num_seconds().max(0));
    match minutes {
        ..1 => format!("{seconds} s"),
        1..120 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// A row of a list of what something is.
pub fn option(value: &str, text: &str, chosen: bool) -> Markup {
    html! { option value=(value) selected[chosen] { (text) } }
}

/// Names, one after the other; of many the first, and how many there are.
pub fn names<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    names.join(", ")
}

/// What is asked for, in one line.
pub fn asks(ask: &Ask) -> String {
    let as_root = ask.services.iter().any(access::Service::switches).then_some("root");
    let run_as = ask.run_as.as_ref().map(access::Login::as_str).or(as_root);
    let run_as = run_as.map(|login| format!(" as {login}")).unwrap_or_default();
    let hosts = match ask.hosts.len() {
        0..=4 => names(&ask.hosts),
        many => format!("{many} hosts"),
    };
    let access = format!("{}{run_as} on {hosts}", names(&ask.services));
    match ask.kind {
        Kind::Access => format!("{access} for {}", ask.length),
        Kind::Extend { .. } => format!("{} more: {access}", ask.length),
        Kind::BreakGlass => format!("break glass: {access} for {}", ask.length),
        Kind::Standing => format!("standing: {access}"),
    }
}
