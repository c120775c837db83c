//! One request in full, and what its reader can do about it.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::page::{anew, asks, names, once, time};
use super::recent;
use crate::site::Site;
use access::{Person, Span, Text};
use api::{NewReview, NewVerdict, RequestView};
use axum::extract::{Path, State};
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::sync::Arc;
use workflow::{Afterwards, Decider, Kind, Narrowing, RequestState, Review, ReviewVerdict, Step};

/// The request.
pub async fn show(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    guard::asked(site, call, page_of(id)).await
}

fn page_of(id: String) -> impl FnOnce(&Site, &Visitor, &Call) -> Result<Answer, DeskError> + Send {
    move |site: &Site, visitor: &Visitor, call: &Call| page(site, visitor, call, &id)
}

fn page(site: &Site, visitor: &Visitor, call: &Call, id: &str) -> Result<Answer, DeskError> {
    let request = site.desk.show_request(&visitor.caller, id)?;
    let recent = recent::of(site, visitor, &request.ask)?;
    let waits = matches!(request.state, RequestState::Pending { .. });
    let own = [&request.ask.person, &request.ask.asked_by].contains(&&visitor.caller.person);
    let cancels = waits && own && visitor.admits(&format!("/v1/requests/{}/cancel", request.ask.id)).is_ok();
    Ok(Answer::Page(
        "Request",
        html! {
            div data-live {
                p.lead { (request.ask.person) ": " (asks(&request.ask)) }
                (facts(&request, &site.desk.steps_of(&request)?))
            }
            @if request.yours_to_review { (decide(site, visitor, call, &request)?) }
            @if cancels {
                form method="post" action={ "/web/requests/" (request.ask.id) "/cancel" } {
                    (once(visitor)?)
                    button { "Take it back" }
                }
            }
            h2 { "The same access lately" }
            (recent::shown(&recent))
        },
    ))
}

fn facts(request: &RequestView, steps: &[Step]) -> Markup {
    let ask = &request.ask;
    html! {
        dl {
            dt { "State" } dd { (state(request)) }
            @if let Some(glass) = &request.afterwards { dt { "Afterwards" } dd { (afterwards(request, glass)) } }
            dt { "Why" } dd { (ask.reason) }
            @if let Some(ticket) = &ask.ticket { dt { "Ticket" } dd { (ticket) } }
            dt { "Hosts" } dd { (names(&ask.hosts)) }
            @if let Some(labels) = ask.labels_in_words() { dt { "By label" } dd { (labels) } }
            @if ask.asked_by != ask.person { dt { "Asked by" } dd { (ask.asked_by) } }
            dt { "Asked" }
            dd { (time(ask.asked_at)) @if let Some(source) = ask.source { " from " (source) } ", " (ask.channel.code()) }
            @if let Some(starts) = ask.starts { dt { "From" } dd { (time(starts)) } }
            @if let Some(clock) = request.clock() { dt { "Clock" } dd { (clock) } }
            dt { "Rule" } dd { (request.rule) }
            @if request.state.is_pending() {
                dt { "Steps" }
                dd {
                    @if steps.is_empty() { "no rule covers it now" } @else {
                        (request.has) " of " (request.needs) " agreed" @if steps.len() > 1 { ", each for one step" }
                        ol.steps { @for step in steps { (step_item(request, step)) } }
                    }
                }
            }
            @if let Some(at) = request.escalates { dt { "Escalates at" } dd { (time(at)) } }
            @for review in &request.reviews {
                dt { "Review" }
                dd {
                    (review.by) @match &review.verdict {
                        ReviewVerdict::Approve { narrowing } => {
                            " approved" @if *narrowing != Narrowing::default() { " " (narrowing) }
                        }
                        ReviewVerdict::Deny => " denied",
                    }
                    (when_and_why(review))
                }
            }
            @if let Some(left) = request.narrowed() { dt { "Narrowed to" } dd { (left) } }
            dt { "Id" } dd { code { (ask.id) } }
        }
    }
}

/// A step, who agreed of those who may, and who else could.
fn step_item(request: &RequestView, step: &Step) -> Markup {
    let of_step = |person: &&Person| step.from.contains(*person);
    let (agreed, could): (Vec<_>, Vec<_>) =
        request.could_approve.iter().filter(of_step).partition(|person| request.agreed.contains(person));
    html! {
        li {
            (step.need) " of " (step.named) "; can approve: " (people(&could))
            @if !agreed.is_empty() { "; agreed: " (people(&agreed)) }
        }
    }
}

fn people<T: std::fmt::Display>(people: &[T]) -> String {
    if people.is_empty() { "nobody now".to_owned() } else { names(people) }
}

fn when_and_why(review: &Review) -> Markup {
    html! { ", " (time(review.at)) @if let Some(comment) = &review.comment { ": " (comment) } }
}

/// What becomes of a break glass afterwards.
fn afterwards(request: &RequestView, glass: &Afterwards) -> Markup {
    html! {
        @match &glass.review {
            Some(review) => {
                (review.by) " looked at it: "
                @match review.verdict {
                    ReviewVerdict::Approve { .. } => "it was in order",
                    ReviewVerdict::Deny => "it was not in order",
                }
                (when_and_why(review))
            }
            None => {
                @if glass.overdue { strong { "Overdue: nobody looked at it by " (time(glass.due)) } }
                @else { "Somebody must look at it by " (time(glass.due)) }
                "; can approve: " (people(&request.could_approve))
            }
        }
    }
}

fn state(request: &RequestView) -> Markup {
    let by = |by: &Decider| match by {
        _ if request.ask.kind == Kind::BreakGlass => format!("by {}, who broke glass", request.ask.person),
        Decider::People(people) => format!("by {}", names(people)),
        Decider::Rule { saw } => format!("by the rule itself: {}", names(saw)),
        Decider::Policy { why } => format!("by the policy: {why}"),
    };
    html! {
        span.state data-state=(request.state.code()) { (request.state.code()) }
        @match &request.state {
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

fn decide(site: &Site, visitor: &Visitor, call: &Call, request: &RequestView) -> Result<Markup, DeskError> {
    let at = format!("/web/requests/{}", request.ask.id);
    let action = format!("{at}/review");
    let said = call.said(&action);
    // A break glass is looked at as it was.
    let afterwards = request.afterwards.is_some();
    let (yes, no) = if afterwards { ("It was in order", "It was not: revoke") } else { ("Approve", "Deny") };
    Ok(html! {
        h2 { "Your review" }
        @if let Err(why) = &visitor.caller.reviews {
            (anew(site, why, &at))
        } @else {
            form method="post" action=(action) {
                (once(visitor)?)
                // What was seen is what is approved.
                input type="hidden" name="digest" value=(request.digest);
                // Enter in a field presses the first button of its form (WHATWG HTML, "Implicit submission"): none, and not yes.
                button disabled hidden { "Decide below" }
                @if !afterwards {
                    label {
                        "For no longer than"
                        input name="length" placeholder=[request.left.length] aria-describedby="length" value=[said.text("length")];
                    }
                    p.small #length { "Like 30m or 1h30m; as asked if left out. Counts only for an approval." }
                }
                label { "Comment, which a denial needs" input name="comment" autocomplete="off" value=[said.text("comment")]; }
                p.buttons {
                    button.yes name="verdict" value="approve" { (yes) }
                    button.no name="verdict" value="deny" { (no) }
                }
            }
        }
    })
}

/// Approves or denies.
pub async fn review(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    let api = format!("/v1/requests/{id}/reviews");
    guard::written(site, call, api.clone(), page_of(id.clone()), move |site, visitor, call| {
        let form = &call.form;
        let (verdict, length) = match form.text("verdict") {
            Some("approve") => (NewVerdict::Approve, form.read("length", Span::parse)?),
            Some("deny") => (NewVerdict::Deny, None),
            _ => return Err(DeskError::BadRequest("the form says neither yes nor no".to_owned())),
        };
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
    guard::written(site, call, api.clone(), page_of(id.clone()), move |site, visitor, call| {
        let done = site.desk.cancel(&visitor.caller, &id, &call.form.key(&api)?)?;
        Ok(Answer::To(format!("/web/requests/{}", done.ask.id)))
    })
    .await
}
