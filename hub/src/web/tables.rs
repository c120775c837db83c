//! Hosts, and sessions there.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::page::{anew, csrf, names, time};
use crate::site::Site;
use access::{GrantId, HostName, Login, Text};
use api::{AskSessions, EndSession, HostView, SessionState, SessionView};
use axum::extract::{Path, State};
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All hosts, or those that are looked for.
pub async fn hosts(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, |site, visitor, call| {
        let search = call.query.search("words");
        let mut hosts = site.hosts_for(&visitor.caller)?;
        let all = hosts.len();
        hosts.retain(|host| search.finds(&format!("{} {}", host.host, labels(host))));
        let count = hosts.len();
        hosts.truncate(api::limits::PAGE as usize);
        Ok(Answer::Page(
            "Hosts",
            html! {
                form.across method="get" action="/web/hosts" role="search" {
                    label { "Name or label" input name="words" autocomplete="off" placeholder="db- env=prod" value=[call.query.text("words")]; }
                    p.buttons { button { "Show" } }
                }
                div data-live {
                    p {
                        @if count < all { (count) " of " }
                        (all) @if all == 1 { " host." } @else { " hosts." }
                        @if count > hosts.len() { " There are more than are shown: look for a name or a label." }
                    }
                    ul.cards { @for host in &hosts { (host_card(host)) } }
                }
            },
        ))
    })
    .await
}

fn labels(host: &HostView) -> String {
    names(host.labels.iter().map(|(key, value)| format!("{key}={value}")))
}

fn host_card(host: &HostView) -> Markup {
    let state = if host.connected { "connected" } else { "away" };
    html! {
        li {
            strong { (host.host) }
            " " span.state data-state=(state) { (state) }
            @if let Some(alarm) = &host.alarm { p.problem { (alarm) } }
            p.small {
                (labels(host))
                @if let Some(seen) = host.seen { " seen " (time(seen)) }
                @if let Some(gated) = &host.gated { ", asks at " (names(gated)) }
                @if let Some(version) = &host.version { ", release " (version) }
                ", " a href={ "/web/sessions?host=" (host.host) } { "sessions" }
            }
        }
    }
}

/// Sessions that are open, as far as the reader may see them.
pub async fn sessions(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, |site, visitor, call| Ok(page(site, visitor, call))).await
}

fn page(site: &Site, visitor: &Visitor, call: &Call) -> Answer {
    let said = &call.query;
    let search = html! {
        form.across method="get" action="/web/sessions" role="search" {
            label { "Host" input name="host" autocomplete="off" placeholder="any" value=[said.text("host")]; }
            label { "User" input name="user" autocomplete="off" placeholder="any that you may see" value=[said.text("user")]; }
            p.buttons { button { "Show" } }
        }
    };
    Answer::found("Sessions", search, found(site, visitor, call))
}

fn found(site: &Site, visitor: &Visitor, call: &Call) -> Result<Markup, DeskError> {
    let said = &call.query;
    let ask =
        AskSessions { user: said.read("user", Login::parse)?, host: said.read("host", HostName::parse)? };
    let sessions = site.sessions(&visitor.caller, &ask)?;
    let is_all = sessions.len() < api::limits::PAGE as usize;
    // Of many sessions of one person by one grant it is worked out once.
    let mut ends: BTreeMap<(&Login, Option<GrantId>), Result<(), DeskError>> = BTreeMap::new();
    Ok(html! {
        div data-live {
            @if sessions.is_empty() { p { "None is open that you may see." } }
            ul.cards {
                @for view in &sessions {
                    @let session = &view.session;
                    @let may = ends.entry((&session.subject, session.grant)).or_insert_with(|| site.may_end(session, &visitor.caller));
                    li { (session_facts(view)) (end_form(site, visitor, call, view, may)) }
                }
            }
            @if !is_all { p { "There are more than are shown: name a host or a user." } }
        }
    })
}

fn session_facts(view: &SessionView) -> Markup {
    let session = &view.session;
    html! {
        strong { (session.subject) } " as " (session.target) " by " (session.service)
        @if let Some(host) = &view.host { " on " (host) }
        " " span.state data-state=(view.state.code()) { (view.state.code()) }
        p.small {
            (session.id) ", since " (time(session.opened))
            @if let Some(ends) = view.ends { ", ends " (time(ends)) }
            @if let Some(grant) = session.grant { ", " a href={ "/web/grants/" (grant) } { "grant " (grant) } }
        }
    }
}

/// For who may end it, and would by this sign-in or by one of now.
fn end_form(
    site: &Site,
    visitor: &Visitor,
    call: &Call,
    view: &SessionView,
    may: &Result<(), DeskError>,
) -> Markup {
    let id = view.session.id;
    let is_for_it = visitor.admits(&format!("/v1/sessions/{id}/end")).is_ok();
    let action = call.leads(&format!("/web/sessions/{id}/end"));
    let said = call.said(&action);
    let form = match may {
        _ if !is_for_it || view.state == SessionState::Ending => return html! {},
        Ok(()) => html! {
            form method="post" action=(action) {
                (csrf(visitor))
                @if let Some(host) = &view.host { input type="hidden" name="host" value=(host); }
                label { "Why" input name="reason" required autocomplete="off" value=[said.text("reason")]; }
                p.buttons { button.no { "End" } }
            }
        },
        Err(DeskError::NotThem(_, why)) => anew(site, why, "/web/sessions"),
        Err(_) => return html! {},
    };
    html! { details open[!said.is_empty()] { summary { "End it" } (form) } }
}

/// Ends a session.
pub async fn end(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    let again = |site: &Site, visitor: &Visitor, call: &Call| Ok(page(site, visitor, call));
    guard::written(site, call, format!("/v1/sessions/{id}/end"), again, move |site, visitor, call| {
        let reason = call.form.read("reason", Text::parse)?;
        let reason = reason.ok_or_else(|| DeskError::BadRequest("reason: write one".to_owned()))?;
        let host = call.form.read("host", HostName::parse)?;
        site.end_there(&visitor.caller, &id, EndSession { reason, host })?;
        Ok(Answer::To(call.leads("/web/sessions")))
    })
    .await
}
