//! What waits for the reader, and what they asked for.

use super::guard::{self, Answer, Call};
use super::limits;
use super::page::{asks, time};
use crate::site::Site;
use api::{RequestView, Which};
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use std::sync::Arc;

/// The first page.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, visitor| {
        let waiting = site.desk.requests(&visitor.caller, Which::Pending, desk::limits::LIST)?;
        let own = site.desk.requests(&visitor.caller, Which::Mine, limits::OWN)?;
        let (yours, others): (Vec<_>, Vec<_>) = waiting.iter().partition(|request| request.yours_to_review);
        let is_of_others = |request: &&&RequestView| {
            request.ask.person != visitor.caller.person && request.ask.asked_by != visitor.caller.person
        };
        let others: Vec<_> = others.iter().filter(is_of_others).copied().collect();
        Ok(Answer::Page(
            "Inbox",
            html! {
                div data-live {
                    h2 { "Waits for you" }
                    (list(&yours, "Nothing waits for you."))
                    h2 { "Yours" }
                    (list(&own.iter().collect::<Vec<_>>(), "You asked for nothing."))
                    @if !others.is_empty() {
                        h2 { "Waits for others" }
                        (list(&others, ""))
                    }
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
