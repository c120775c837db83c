//! What waits for the reader, and what they asked for.

use super::guard::{self, Answer, Call};
use super::limits;
use super::page::{asks, time};
use crate::site::Site;
use api::{AskRequests, RequestView, Which};
use axum::extract::State;
use axum::response::Response;
use desk::Page;
use maud::{Markup, html};
use std::sync::Arc;

/// The first page.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, visitor| {
        let page = |which, limit| {
            site.desk.requests_page(&visitor.caller, &AskRequests { which, limit: Some(limit), after: None })
        };
        let Page { rows: waiting, next: more } = page(Which::Pending, desk::limits::LIST)?;
        let Page { rows: own, next: older } = page(Which::Mine, limits::OWN)?;
        let (yours, others): (Vec<_>, Vec<_>) = waiting.iter().partition(|request| request.yours_to_review);
        let is_of_others = |request: &&&RequestView| {
            request.ask.person != visitor.caller.person && request.ask.asked_by != visitor.caller.person
        };
        let others: Vec<_> = others.iter().filter(is_of_others).copied().collect();
        Ok(Answer::Page(
            "Inbox",
            html! {
                div data-live {
                    h2 { "Waiting for you" }
                    (list(&yours, "Nothing waits for you."))
                    h2 { "Yours" }
                    (list(&own.iter().collect::<Vec<_>>(), "You have no requests."))
                    @if older.is_some() { p { "There are older ones: " code { "jit requests --mine" } " lists them all." } }
                    @if !others.is_empty() {
                        h2 { "Waits for others" }
                        (list(&others, ""))
                    }
                    @if more.is_some() { p { "More wait than are shown: " code { "jit requests" } " lists them all." } }
                }
            },
        ))
    })
    .await
}

fn list(requests: &[&RequestView], none: &str) -> Markup {
    html! {
        @if requests.is_empty() { p { (none) } } @else {
            ul.cards {
                @for request in requests {
                    li {
                        a href={ "/web/requests/" (request.ask.id) } { (request.ask.person) ": " (asks(&request.ask)) }
                        p { (request.ask.reason) }
                        p.small {
                            span.state data-state=(request.state.code()) { (request.state.code()) }
                            " " (request.ask.id) ", asked " (time(request.ask.asked_at))
                        }
                    }
                }
            }
        }
    }
}
