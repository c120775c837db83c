//! Hosts, sessions there, and sign-ins and tokens.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::page::{csrf, names, time};
use crate::rows;
use crate::site::Site;
use access::Text;
use api::{EndSession, HostView, SessionState, SessionView, TokenView};
use axum::extract::{Path, State};
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::sync::Arc;

/// All hosts.
pub async fn hosts(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, _| {
        let mut hosts = site.host_views()?;
        let count = hosts.len();
        hosts.truncate(api::limits::PAGE as usize);
        Ok(Answer::Page(
            "Hosts",
            html! {
                div data-live {
                    p { (count) @if count == 1 { " host" } @else { " hosts" } @if count > hosts.len() { ", of which the first" } }
                    ul.cards { @for host in &hosts { (host_card(host)) } }
                }
            },
        ))
    })
    .await
}

fn host_card(host: &HostView) -> Markup {
    let state = if host.connected { "connected" } else { "away" };
    html! {
        li {
            strong { (host.host) }
            " " span.state data-state=(state) { (state) }
            @if let Some(alarm) = &host.alarm { p.problem { (alarm) } }
            p.small {
                (names(host.labels.iter().map(|(key, value)| format!("{key}={value}"))))
                @if let Some(seen) = host.seen { " seen " (time(seen)) }
                @if let Some(gated) = &host.gated { ", asks at " (names(gated)) }
                @if let Some(version) = &host.version { ", release " (version) }
            }
        }
    }
}

/// Sessions that are open, as far as the reader may see them.
pub async fn sessions(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, visitor| {
        let sessions = site.sessions(&visitor.caller)?;
        Ok(Answer::Page(
            "Sessions",
            html! {
                div data-live {
                    @if sessions.is_empty() { p { "None is open that you may see." } }
                    ul.cards { @for view in &sessions { (session_card(visitor, view)) } }
                }
            },
        ))
    })
    .await
}

fn session_card(visitor: &Visitor, view: &SessionView) -> Markup {
    let session = &view.session;
    html! {
        li {
            strong { (session.subject) } " as " (session.target) " by " (session.service)
            @if let Some(host) = &view.host { " on " (host) }
            " " span.state data-state=(view.state.code()) { (view.state.code()) }
            p.small {
                (session.id) ", since " (time(session.opened))
                @if let Some(ends) = view.ends { ", ends " (time(ends)) }
                @if let Some(grant) = session.grant { ", " a href={ "/web/grants/" (grant) } { "grant " (grant) } }
            }
            @if view.state != SessionState::Ending {
                details {
                    summary { "End it" }
                    form method="post" action={ "/web/sessions/" (session.id) "/end" } {
                        (csrf(visitor))
                        label { "Why" input name="reason" required autocomplete="off"; }
                        p.buttons { button.no { "End" } }
                    }
                }
            }
        }
    }
}

/// Ends a session.
pub async fn end(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    guard::done(site, call, format!("/v1/sessions/{id}/end"), move |site, visitor, call| {
        let reason = call.form.read("reason", Text::parse)?;
        let reason = reason.ok_or_else(|| DeskError::BadRequest("reason: write one".to_owned()))?;
        site.end_there(&visitor.caller, &id, EndSession { reason })?;
        Ok(Answer::To("/web/sessions".to_owned()))
    })
    .await
}

/// The reader's own sign-ins, links and tokens that are good.
pub async fn tokens(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, visitor| {
        let mut all =
            site.ledger.read(|connection| rows::tokens(connection, Some(&visitor.caller.person)))?;
        all.retain(|view| view.token.is_good(visitor.now));
        Ok(Answer::Page(
            "Sign-ins",
            html! {
                p { "What opens the hub in your name: browsers that are signed in, and tokens." }
                ul.cards { @for view in &all { (token_card(visitor, view)) } }
            },
        ))
    })
    .await
}

fn token_card(visitor: &Visitor, view: &TokenView) -> Markup {
    let token = &view.token;
    html! {
        li {
            strong { (token.name) }
            @if token.id == visitor.token.id { " " span.state { "this one" } }
            p.small {
                (token.id) ", for " (names(token.scopes.iter().map(|scope| scope.code()))) ", made " (time(token.made))
                ", ends " (time(token.expires))
                @if let Some(used) = view.used { ", used " (time(used)) }
            }
            form method="post" action={ "/web/tokens/" (token.id) "/revoke" } {
                (csrf(visitor))
                p.buttons { button.no { "Revoke" span.hidden { " " (token.id) } } }
            }
        }
    }
}

/// Revokes one.
pub async fn revoke(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    guard::done(site, call, format!("/v1/tokens/{id}/revoke"), move |site, visitor, _| {
        site.revoke_token(&visitor.caller, &visitor.token, &id)?;
        Ok(Answer::To("/web/tokens".to_owned()))
    })
    .await
}
