//! One request in full, and what its reader can do about it.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::limits;
use super::page::{asks, elsewhere, length, names, once, time};
use crate::inbox::{self, Past};
use crate::site::Site;
use access::{Login, Span, Text, Time};
use api::{AskGrants, GrantView, NewReview, NewVerdict, RequestView};
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::TimeDelta;
use desk::DeskError;
use maud::{Markup, html};
use std::sync::Arc;
use workflow::{Decider, Narrowing, RequestState, ReviewVerdict};

/// The request.
pub async fn show(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    guard::shown(site, call, move |site, visitor| {
        let request = site.desk.show_request(&visitor.caller, &id)?;
        let recent = recent(site, visitor, &request)?;
        let waits = matches!(request.state, RequestState::Pending { .. });
        let own = [&request.ask.person, &request.ask.asked_by].contains(&&visitor.caller.person);
        Ok(Answer::Page(
            "Request",
            html! {
                p.lead { (request.ask.person) ": " (asks(&request.ask)) }
                (facts(&request))
                @if request.yours_to_review { (decide(site, visitor, &request)?) }
                @if waits && own {
                    form method="post" action={ "/web/requests/" (request.ask.id) "/cancel" } {
                        (once(visitor)?)
                        button { "Take it back" }
                    }
                }
                h2 { "The same access lately" }
                (used(&recent))
            },
        ))
    })
    .await
}

fn facts(request: &RequestView) -> Markup {
    let ask = &request.ask;
    html! {
        dl {
            dt { "State" } dd { (state(&request.state)) }
            dt { "Why" } dd { (ask.reason) }
            @if let Some(ticket) = &ask.ticket { dt { "Ticket" } dd { (ticket) } }
            dt { "Hosts" } dd { (names(&ask.hosts)) }
            @if !ask.labels.is_empty() {
                dt { "By label" } dd { (names(ask.labels.iter().map(|(key, value)| format!("{key}={value}")))) }
            }
            @if ask.asked_by != ask.person { dt { "Asked by" } dd { (ask.asked_by) } }
            dt { "Asked" }
            dd { (time(ask.asked_at)) @if let Some(source) = ask.source { " from " (source) } ", " (ask.channel.code()) }
            @if let Some(starts) = ask.starts { dt { "From" } dd { (time(starts)) } }
            dt { "Rule" } dd { (request.rule) }
            dt { "Steps" }
            dd { (request.needs) " must approve; " (approvals(request)) " did" }
            dt { "Could approve" }
            dd { @if request.could_approve.is_empty() { "nobody now" } @else { (names(&request.could_approve)) } }
            @if let Some(at) = request.escalates { dt { "Others may from" } dd { (time(at)) } }
            @for review in &request.reviews {
                dt { "Review" }
                dd {
                    (review.by) @match &review.verdict {
                        ReviewVerdict::Approve { narrowing } => {
                            " approved" @if let Some(length) = narrowing.length { " for " (length) }
                        }
                        ReviewVerdict::Deny => " denied",
                    }
                    ", " (time(review.at))
                    @if let Some(comment) = &review.comment { ": " (comment) }
                }
            }
            dt { "Id" } dd { code { (ask.id) } }
        }
    }
}

fn approvals(request: &RequestView) -> usize {
    request.reviews.iter().filter(|review| matches!(review.verdict, ReviewVerdict::Approve { .. })).count()
}

fn state(state: &RequestState) -> Markup {
    let by = |by: &Decider| match by {
        Decider::People(people) => format!("by {}", names(people)),
        Decider::Rule { saw } => format!("by the rule itself: {}", names(saw)),
        Decider::Policy { why } => format!("by the policy: {why}"),
    };
    html! {
        span.state data-state=(state.code()) { (state.code()) }
        @match state {
            RequestState::Pending { until } => { " until " (time(*until)) }
            RequestState::Approved { at, grant, by: who } => {
                " " (time(*at)) " " (by(who)) ", " a href={ "/web/grants/" (grant) } { "grant " (grant) }
            }
            RequestState::Denied { at, by: who, comment } => {
                " " (time(*at)) " " (by(who)) @if let Some(comment) = comment { ": " (comment) }
            }
            RequestState::Cancelled { at, by } => { " " (time(*at)) " by " (by) }
            RequestState::Expired { at } => { " " (time(*at)) }
        }
    }
}

fn decide(site: &Site, visitor: &Visitor, request: &RequestView) -> Result<Markup, DeskError> {
    Ok(html! {
        h2 { "Your review" }
        @if let Err(why) = &visitor.caller.reviews {
            p.problem { (why) }
            @if let Some(provider) = &site.provider {
                p.buttons { (elsewhere(provider, &format!("/web/requests/{}", request.ask.id))) }
            }
        } @else {
            form method="post" action={ "/web/requests/" (request.ask.id) "/review" } {
                (once(visitor)?)
                // What was seen is what is approved.
                input type="hidden" name="digest" value=(request.digest);
                label {
                    "For no longer than"
                    input name="length" placeholder=[request.left.length] aria-describedby="length";
                }
                p.small #length { "Like 30m or 1h30m; as asked if left out. Counts only for an approval." }
                label { "Comment" input name="comment" autocomplete="off"; }
                p.buttons {
                    button.yes name="verdict" value="approve" { "Approve" }
                    button.no name="verdict" value="deny" { "Deny" }
                }
            }
        }
    })
}

/// A past grant of the same access, and what it was used for.
struct Recent {
    view: GrantView,
    sessions: Vec<Past>,
}

/// Past grants of the same person on one of the same hosts, as far as the reader may see them.
fn recent(site: &Site, visitor: &Visitor, request: &RequestView) -> Result<Vec<Recent>, DeskError> {
    let ask = &request.ask;
    let Some(login) = ask.names.first().cloned().or_else(|| Login::parse(ask.person.as_str()).ok()) else {
        return Ok(Vec::new());
    };
    let of_them = AskGrants { user: Some(login), host: None, all: true };
    let mut grants = site.desk.grants(&visitor.caller, &of_them, desk::limits::LIST)?;
    grants.retain(|view| {
        let same_host = view.grant.hosts.iter().any(|host| ask.hosts.contains(host));
        let same_service = view.grant.services.iter().any(|service| ask.services.contains(service));
        same_host && same_service && view.grant.request != ask.id
    });
    grants.truncate(limits::RECENT);
    let used = |view: GrantView| {
        let id = view.grant.id;
        let sessions = site.ledger.read(|connection| inbox::past_of(connection, id, limits::USES))?;
        Ok(Recent { view, sessions })
    };
    grants.into_iter().map(used).collect()
}

/// How long somebody was in by a grant: from the first that came in to the last that left, where all did.
fn used_for(sessions: &[Past]) -> Option<TimeDelta> {
    let opened = sessions.iter().map(|past| past.opened).min()?;
    let ended: Option<Vec<Time>> = sessions.iter().map(|past| past.ended).collect();
    ended?.into_iter().max().map(|ended| ended - opened)
}

fn used(grants: &[Recent]) -> Markup {
    let lengths: Vec<TimeDelta> = grants.iter().filter_map(|recent| used_for(&recent.sessions)).collect();
    html! {
        @if grants.is_empty() { p { "None that you may see." } } @else {
            @if let (Some(least), Some(most)) = (lengths.iter().min(), lengths.iter().max()) {
                p {
                    "Used " (lengths.len()) @if lengths.len() == 1 { " time" } @else { " times" } ": "
                    @if least == most { (length(*least)) } @else { (length(*least)) " to " (length(*most)) }
                }
            }
            ul {
                @for Recent { view, sessions } in grants {
                    li {
                        (time(view.grant.approved_at)) ": "
                        a href={ "/web/grants/" (view.grant.id) } { (names(&view.grant.services)) " on " (names(&view.grant.hosts)) }
                        ", rule " (view.grant.rule)
                        @match (sessions.len(), used_for(sessions)) {
                            (0, _) => ", no session is known",
                            (1, Some(used)) => { ", used for " (length(used)) },
                            (count, Some(used)) => { ", used for " (length(used)) " in " (count) " sessions" },
                            (_, None) => ", in use",
                        }
                    }
                }
            }
        }
    }
}

/// Approves or denies.
pub async fn review(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    let api = format!("/v1/requests/{id}/reviews");
    guard::done(site, call, api.clone(), move |site, visitor, call| {
        let form = &call.form;
        let verdict = match form.text("verdict") {
            Some("approve") => NewVerdict::Approve,
            Some("deny") => NewVerdict::Deny,
            _ => return Err(DeskError::BadRequest("the form says neither yes nor no".to_owned())),
        };
        let length = form.read("length", Span::parse)?.filter(|_| verdict == NewVerdict::Approve);
        let review = NewReview {
            verdict,
            digest: form.text("digest").unwrap_or_default().to_owned(),
            narrowing: Narrowing { length, ..Narrowing::default() },
            comment: form.read("comment", Text::parse)?,
        };
        let done = site.desk.review(&visitor.caller, &id, &review, &form.key(&api)?)?;
        Ok(Answer::To(format!("/web/requests/{}", done.request.ask.id)))
    })
    .await
}

/// Takes it back.
pub async fn cancel(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    let api = format!("/v1/requests/{id}/cancel");
    guard::done(site, call, api.clone(), move |site, visitor, call| {
        let done = site.desk.cancel(&visitor.caller, &id, &call.form.key(&api)?)?;
        Ok(Answer::To(format!("/web/requests/{}", done.ask.id)))
    })
    .await
}
