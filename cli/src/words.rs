//! Sentences about requests and grants.

use access::{GrantState, Time, Window, for_people};
use api::{GrantView, RequestView};
use chrono::SecondsFormat;
use std::collections::BTreeSet;
use workflow::{RequestState, ReviewVerdict};

/// Names with commas between.
pub fn list<T: ToString>(names: &BTreeSet<T>) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// An instant, and how far from now it is.
pub fn when(time: Time, now: Time) -> String {
    let stamp = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let off = time - now;
    if off >= chrono::TimeDelta::zero() {
        format!("{stamp} (in {})", for_people(off))
    } else {
        format!("{stamp} ({} ago)", for_people(-off))
    }
}

/// What a request asks for, in one clause: `ssh,sudo on web-1 for 1h`.
pub fn asks(request: &RequestView) -> String {
    let ask = &request.ask;
    let as_root = ask.services.iter().any(access::Service::switches).then_some("root");
    let run_as = ask.run_as.as_ref().map(access::Login::as_str).or(as_root);
    let run_as = run_as.map(|login| format!(" as {login}")).unwrap_or_default();
    let starts = ask
        .starts
        .map(|at| format!(" from {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)))
        .unwrap_or_default();
    format!("{}{run_as} on {} for {}{starts}", list(&ask.services), list(&ask.hosts), ask.length)
}

/// A request in full.
pub fn request(request: &RequestView, now: Time) -> String {
    let ask = &request.ask;
    let mut lines = vec![format!("Request {} is {}.", ask.id, request.state.code())];
    let by = if ask.asked_by == ask.person { String::new() } else { format!(" (asked by {})", ask.asked_by) };
    lines.push(format!("  who       {}{by}", ask.person));
    lines.push(format!("  what      {}", asks(request)));
    lines.push(format!("  why       {}", ask.reason));
    if let Some(ticket) = &ask.ticket {
        lines.push(format!("  ticket    {ticket}"));
    }
    lines.push(format!("  rule      {}", request.rule));
    lines.push(format!("  asked     {}", when(ask.asked_at, now)));
    for review in &request.reviews {
        let said = review.comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
        let (verdict, cut) = match &review.verdict {
            ReviewVerdict::Deny => ("denied", String::new()),
            ReviewVerdict::Approve { narrowing } => (
                "approved",
                narrowing.length.map(|length| format!(" for at most {length}")).unwrap_or_default(),
            ),
        };
        lines.push(format!("  review    {verdict} by {}{cut}, {}{said}", review.by, when(review.at, now)));
    }
    match &request.state {
        RequestState::Pending { until } => {
            lines.push(format!("  waits     until {}", when(*until, now)));
            lines.push(format!("  approvers {}", workflow::who_can(&request.could_approve)));
            if request.yours_to_review {
                lines.push(format!("Next: jit approve {0}   or   jit deny {0} --comment TEXT", ask.id));
            }
        }
        RequestState::Approved { at, grant, .. } => {
            lines.push(format!("  decided   {}", when(*at, now)));
            lines.push(format!("  grant     {grant}"));
        }
        RequestState::Denied { at, .. }
        | RequestState::Cancelled { at, .. }
        | RequestState::Expired { at } => {
            lines.push(format!("  ended     {}", when(*at, now)));
        }
    }
    lines.join("\n")
}

/// When a grant ends, or what it waits for.
pub fn ends(view: &GrantView, now: Time) -> String {
    match (view.state, &view.grant.window) {
        (GrantState::Scheduled, window) => format!("starts {}", when(window.not_before(), now)),
        (GrantState::Unclaimed, Window::FirstUse { claim_by, length, .. }) => {
            format!("{length} from first use, which must come by {}", when(*claim_by, now))
        }
        (GrantState::Revoked | GrantState::Released, _) => {
            let at = view.grant.ended.as_ref().map_or(view.ends, |ended| ended.at);
            when(at, now)
        }
        _ => when(view.ends, now),
    }
}

/// A grant in full.
pub fn grant(view: &GrantView, now: Time) -> String {
    let grant = &view.grant;
    let mut lines = vec![format!("Grant {} is {}.", grant.id, view.state.code())];
    lines.push(format!("  who       {}", grant.person));
    lines.push(format!("  what      {} on {}", list(&grant.services), list(&grant.hosts)));
    if grant.logins != grant.names {
        lines.push(format!("  login as  {}", list(&grant.logins)));
    }
    if !grant.run_as.is_empty() {
        lines.push(format!("  run as    {}", list(&grant.run_as)));
    }
    lines.push(format!("  ends      {}", ends(view, now)));
    lines.push(format!(
        "  approved  by {}, {}",
        grant.approved_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        when(grant.approved_at, now)
    ));
    lines.push(format!("  request   {} by rule {}", grant.request, grant.rule));
    let used = access::for_people(chrono::TimeDelta::seconds(i64::try_from(view.used.seconds).unwrap_or(0)));
    lines.push(format!("  sessions  {} open, {} in all, used for {used}", view.sessions, view.used.sessions));
    if let Some(ended) = &grant.ended {
        let why = ended.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let by = ended.by.as_ref().map_or("the policy", access::Person::as_str);
        lines.push(format!("  ended     by {by}{why}"));
    }
    lines.join("\n")
}
