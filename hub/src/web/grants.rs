//! Grants: the reader's own, and others' that they may see.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::page::{anew, names, once, time};
use crate::site::Site;
use access::{EndedHow, GrantId, GrantState, Span, Text, Time};
use api::{AskGrants, EndGrant, GrantView, Heard, NewExtension};
use axum::extract::{Path, State};
use axum::response::Response;
use desk::{DeskError, Page, Worlds as _};
use maud::{Markup, PreEscaped, html};
use std::sync::Arc;

/// Those that are good or will be.
pub async fn list(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, |site, visitor, call| {
        let after = call.query.read("after", str::parse::<GrantId>)?;
        let ask = AskGrants { after, ..AskGrants::default() };
        let Page { rows: grants, next } =
            site.desk.grants_page(&visitor.caller, &ask, desk::limits::LIST)?;
        let is_own = |view: &GrantView| view.grant.person == visitor.caller.person;
        let (listed, others): (Vec<_>, Vec<_>) = grants.into_iter().partition(is_own);
        // Newer ones of others must not hide those of the reader.
        let own = if after.is_none() { own(site, visitor)? } else { listed };
        Ok(Answer::Page(
            "Grants",
            html! {
                div data-live {
                    h2 { "Yours" }
                    @if own.is_empty() && after.is_none() { p { "You hold none. " a href="/web/ask" { "Ask for access" } "." } }
                    (cards(&own, visitor.now))
                    @if !others.is_empty() { h2 { "Of others" } (cards(&others, visitor.now)) }
                    @if let Some(next) = next { p { a href={ "/web/grants?after=" (next) } { "Older ones" } } }
                }
            },
        ))
    })
    .await
}

/// What the reader holds, whatever others do.
fn own(site: &Site, visitor: &Visitor) -> Result<Vec<GrantView>, DeskError> {
    let ask = AskGrants { user: Some(visitor.caller.login.clone()), ..AskGrants::default() };
    let mut own = site.desk.grants(&visitor.caller, &ask, api::limits::PAGE)?;
    own.retain(|view| view.grant.person == visitor.caller.person);
    Ok(own)
}

fn cards(grants: &[GrantView], now: Time) -> Markup {
    html! {
        ul.cards {
            @for view in grants {
                li {
                    a href={ "/web/grants/" (view.grant.id) } { (view.grant.person) ": " (access(view)) }
                    p.small { (state(view.state)) " " (view.grant.id) ", ends " (ends(view, now)) }
                }
            }
        }
    }
}

fn access(view: &GrantView) -> String {
    let grant = &view.grant;
    let run_as =
        if grant.run_as.is_empty() { String::new() } else { format!(" as {}", names(&grant.run_as)) };
    format!("{}{run_as} on {}", names(&grant.services), names(&grant.hosts))
}

fn ends(view: &GrantView, now: Time) -> Markup {
    // Words of ours, and instants as markup.
    PreEscaped(view.ends_in_words(now, |at| time(at).into_string()))
}

fn state(state: GrantState) -> Markup {
    html! { span.state data-state=(state.code()) { (state.code()) } }
}

/// One, and what its reader can do about it.
pub async fn show(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    guard::asked(site, call, page_of(id)).await
}

fn page_of(id: String) -> impl FnOnce(&Site, &Visitor, &Call) -> Result<Answer, DeskError> + Send {
    move |site: &Site, visitor: &Visitor, call: &Call| page(site, visitor, call, &id)
}

fn page(site: &Site, visitor: &Visitor, call: &Call, id: &str) -> Result<Answer, DeskError> {
    let view = site.desk.show_grant(&visitor.caller, id)?;
    let grant = &view.grant;
    let is_good = matches!(view.state, GrantState::Scheduled | GrantState::Unclaimed | GrantState::Active);
    let own = grant.person == visitor.caller.person;
    let approved =
        if grant.approved_by.is_empty() { "the rule itself".to_owned() } else { names(&grant.approved_by) };
    Ok(Answer::Page(
        "Grant",
        html! {
            p.lead { (grant.person) ": " (access(&view)) }
            dl {
                dt { "State" } dd { (state(view.state)) }
                dt { "From" } dd { (time(grant.window.not_before())) }
                dt { "Ends" } dd { (ends(&view, visitor.now)) }
                dt { "Approved" } dd { (time(grant.approved_at)) " by " (approved) }
                @if let Some(end) = &grant.ended {
                    dt { "Ended" }
                    dd {
                        (time(end.at)) @if let Some(by) = &end.by { " by " (by) }
                        @if let Some(reason) = &end.reason { ": " (reason) }
                    }
                }
                dt { "Request" } dd { a href={ "/web/requests/" (grant.request) } { (grant.request) } }
                dt { "Rule" } dd { (grant.rule) }
                dt { "Id" } dd { code { (grant.id) } }
            }
            @if grant.ended.is_some() { (heard(&site.grant_heard(&visitor.caller, id)?)) }
            @if is_good && own { (own_forms(site, visitor, call, &view)?) }
            @if is_good && !own { (revoke_form(site, visitor, call, &view)?) }
        },
    ))
}

/// Which hosts know that it is over, and what of the others.
fn heard(heard: &Heard) -> Markup {
    let Heard { confirmed, not_yet, removed, over } = heard;
    html! {
        div data-live {
            h2 { "On its hosts" }
            p { "Confirmed by " (confirmed.len()) " of " (confirmed.len() + not_yet.len()) "." }
            @if !not_yet.is_empty() {
                p { "Not yet by these; in the worst case it is over there at " (time(*over)) ":" }
                ul {
                    @for (host, seen) in not_yet {
                        li {
                            (host)
                            @if removed.contains(host) { ", none of the hub's hosts now, so it hears nothing" }
                            @else if let Some(seen) = seen { ", heard of at " (time(*seen)) }
                            @else { ", never heard of" }
                        }
                    }
                }
            }
        }
    }
}

fn own_forms(site: &Site, visitor: &Visitor, call: &Call, view: &GrantView) -> Result<Markup, DeskError> {
    let grant = &view.grant;
    if visitor.admits(&format!("/v1/grants/{}/extend", grant.id)).is_err() {
        return Ok(html! {});
    }
    // What was asked for may be forgotten by now.
    let first = site.desk.show_request(&visitor.caller, &grant.request.to_string()).ok();
    let at = format!("/web/grants/{}", grant.id);
    let extend = format!("{at}/extend");
    let said = call.said(&extend);
    let before = first.as_ref().and_then(|first| first.ask.ticket.as_ref());
    let ticket = if said.is_empty() { before.map(Text::as_str) } else { said.text("ticket") };
    Ok(html! {
        h2 { "More time" }
        form method="post" action=(extend) {
            (once(visitor)?)
            label { "How much more" input name="length" required placeholder="30m" autocomplete="off" value=[said.text("length")]; }
            label { "Why" input name="reason" required autocomplete="off" value=[said.text("reason")]; }
            label { "Ticket" input name="ticket" autocomplete="off" value=[ticket]; }
            p.buttons { button { "Ask for more time" } }
        }
        h2 { "Done" }
        form method="post" action={ (at) "/release" } {
            (once(visitor)?)
            p.buttons { button.no { "Give it back" } }
        }
    })
}

/// For who may revoke it, and would by this sign-in or by one of now.
fn revoke_form(site: &Site, visitor: &Visitor, call: &Call, view: &GrantView) -> Result<Markup, DeskError> {
    let at = format!("/web/grants/{}", view.grant.id);
    let form = match site.desk.may_revoke(&site.policies.world(), &view.grant, &visitor.caller) {
        Ok(false) => return Ok(html! {}),
        Err(DeskError::NotThem(_, why)) => anew(site, &why, &at),
        Err(why) => return Err(why),
        Ok(true) => {
            let action = format!("{at}/revoke");
            html! {
                form method="post" action=(action) {
                    (once(visitor)?)
                    label { "Why" input name="reason" required autocomplete="off" value=[call.said(&action).text("reason")]; }
                    p.buttons { button.no { "Revoke" } }
                }
            }
        }
    };
    Ok(html! { h2 { "Take it back" } (form) })
}

/// Gives it back.
pub async fn release(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    end(site, id, call, "release", EndedHow::Released).await
}

/// Takes it from somebody.
pub async fn revoke(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    end(site, id, call, "revoke", EndedHow::Revoked).await
}

async fn end(site: Arc<Site>, id: String, call: Call, what: &str, how: EndedHow) -> Response {
    let api = format!("/v1/grants/{id}/{what}");
    guard::written(site, call, api.clone(), page_of(id.clone()), move |site, visitor, call| {
        let end = EndGrant { reason: call.form.read("reason", Text::parse)? };
        let done = site.desk.end_grant(&visitor.caller, &id, how, &end, &call.form.key(&api)?)?;
        Ok(Answer::To(format!("/web/grants/{}", done.grant.id)))
    })
    .await
}

/// Asks for more time.
pub async fn extend(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    let api = format!("/v1/grants/{id}/extend");
    guard::written(site, call, api.clone(), page_of(id.clone()), move |site, visitor, call| {
        let form = &call.form;
        let missing = |what: &str| DeskError::BadRequest(format!("{what}: write one"));
        let new = NewExtension {
            length: form.read("length", Span::parse)?.ok_or_else(|| missing("length"))?,
            reason: form.read("reason", Text::parse)?.ok_or_else(|| missing("reason"))?,
            ticket: form.read("ticket", Text::parse)?,
        };
        let opened = site.desk.extend(&visitor.caller, &id, &new, &form.key(&api)?)?;
        Ok(Answer::To(format!("/web/requests/{}", opened.request.ask.id)))
    })
    .await
}
