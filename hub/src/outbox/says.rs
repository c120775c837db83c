//! What is said of a request, in words that every channel puts into its own form. All of it is plain text: what people wrote
//! stands in values alone, each to be escaped for where it goes.

use super::channel::{Kind, Parcel};
use super::limits;
use super::truth::Truth;
use access::{EndedHow, Grant, Person, Time};
use api::GrantView;
use chrono::SecondsFormat;
use std::fmt::Display;
use workflow::{Change, Kind as Asked, RequestState};

/// What one reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// In one line: names, and nothing that somebody wrote.
    pub title: String,
    /// Names and values.
    pub facts: Vec<(&'static str, String)>,
    /// What the reader can do about it.
    pub next: String,
    /// Whether it is an alarm.
    pub is_loud: bool,
    /// Where.
    pub link: String,
}

/// What to tell `reader`, or a place that many read, of what happened, as things are now. Nothing where it is not for them
/// any more.
pub fn said(parcel: &Parcel, reader: Option<&Person>) -> Option<Said> {
    let (change, truth) = match (parcel.kind, &parcel.truth) {
        (Kind::Change(change), Some(truth)) => (change, truth),
        (Kind::More, _) => return Some(more(parcel)),
        (Kind::Change(_), None) => return None,
    };
    let asks = matches!(change, Change::Requested | Change::Escalated | Change::Rechecked);
    let decides = reader.is_none_or(|reader| truth.is_decider(reader));
    let concerns = reader.is_none_or(|reader| truth.is_own(reader) || truth.told().contains(reader));
    if asks && !(truth.is_pending() && (decides || concerns)) {
        return None;
    }
    Some(told(change, truth, reader))
}

/// How it stands, for who looks at it again and again.
pub fn stands(parcel: &Parcel, reader: Option<&Person>) -> Said {
    parcel.truth.as_ref().map_or_else(|| more(parcel), |truth| stands_now(truth, reader))
}

/// The same of a request.
pub fn stands_now(truth: &Truth, reader: Option<&Person>) -> Said {
    let unseen = truth.request.afterwards.as_ref().filter(|afterwards| afterwards.review.is_none());
    let change = match (&truth.request.state, unseen) {
        (_, Some(afterwards)) if afterwards.overdue => Change::Overdue,
        (_, Some(_)) => Change::BreakGlass,
        (RequestState::Pending { .. }, _) => Change::Requested,
        (RequestState::Denied { .. }, _) => Change::Denied,
        (RequestState::Cancelled { .. }, _) => Change::Cancelled,
        (RequestState::Expired { .. }, _) => Change::Lapsed,
        (RequestState::Approved { .. }, _) => match truth.grant.as_ref() {
            Some(GrantView { grant: Grant { ended: Some(ended), .. }, .. }) => match ended.how {
                EndedHow::Revoked => Change::Revoked,
                EndedHow::Released => Change::Released,
            },
            Some(view) if view.ends <= truth.now => Change::Expired,
            _ => Change::Approved,
        },
    };
    told(change, truth, reader)
}

/// That more happened than is told one by one.
fn more(parcel: &Parcel) -> Said {
    Said {
        title: "More happened within an hour than is told one by one".to_owned(),
        facts: vec![("Since", minute(parcel.at))],
        next: "See what waits for you".to_owned(),
        is_loud: false,
        link: parcel.pages.clone(),
    }
}

fn told(change: Change, truth: &Truth, reader: Option<&Person>) -> Said {
    let ask = &truth.request.ask;
    let who = if ask.asked_by == ask.person {
        ask.person.to_string()
    } else {
        format!("{} (asked by {})", ask.person, ask.asked_by)
    };
    let what = format!("{} on {}", list(&ask.services), list(&ask.hosts));
    let title = match change {
        Change::Requested | Change::Rechecked | Change::Escalated => match ask.kind {
            Asked::Extend { .. } => format!("{who} asks for more time: {what}"),
            _ => format!("{who} asks for {what}"),
        },
        Change::Reviewed => format!("{who}, {what}: one more has agreed"),
        Change::Approved => format!("{who} may use {what}"),
        Change::Extended => format!("{who} may use {what} for longer"),
        Change::BreakGlass => format!("BREAK GLASS: {who} let themselves in, {what}"),
        Change::Overdue => format!("BREAK GLASS: nobody has looked in time at {who}, {what}"),
        Change::LookedAt => format!("{who}, {what}: the break glass was looked at"),
        Change::Denied => format!("{who} may not use {what}"),
        Change::Cancelled => format!("{who}, {what}: the request was taken back"),
        Change::Lapsed => format!("{who}, {what}: nobody decided in time"),
        Change::Revoked => format!("{who}, {what}: the access was taken back"),
        Change::Released => format!("{who}, {what}: the access was given back"),
        Change::Expired => format!("{who}, {what}: the access is over"),
        _ => format!("{who}, {what}"),
    };
    let next = if truth.waits() && reader.is_some_and(|reader| truth.is_decider(reader)) {
        if truth.is_pending() {
            "You can agree or say no".to_owned()
        } else {
            "You can say that it was right, or take it back".to_owned()
        }
    } else {
        "See it".to_owned()
    };
    Said { title, facts: facts(truth), next, is_loud: change.is_loud(), link: truth.link.clone() }
}

/// All there is to know of it, the most telling first.
fn facts(truth: &Truth) -> Vec<(&'static str, String)> {
    let (request, ask) = (&truth.request, &truth.request.ask);
    let mut facts =
        vec![("Who", ask.person.to_string()), ("What", list(&ask.services)), ("Hosts", list(&ask.hosts))];
    if let Some(run_as) = &ask.run_as {
        facts.push(("As", run_as.to_string()));
    }
    if !ask.labels.is_empty() {
        let labels: Vec<String> = ask.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        facts.push(("Asked for by", list(&labels)));
    }
    facts.push(("For", ask.length.to_string()));
    if let Some(starts) = ask.starts {
        facts.push(("From", minute(starts)));
    }
    facts.push(("Reason", ask.reason.as_str().to_owned()));
    if let Some(ticket) = &ask.ticket {
        facts.push(("Ticket", ticket.as_str().to_owned()));
    }
    facts.push(("Rule", request.rule.clone()));
    facts.push(("Now", state(truth)));
    facts.push(("Request", ask.id.to_string()));
    facts
}

/// Where it stands.
fn state(truth: &Truth) -> String {
    let request = &truth.request;
    let with = |comment: Option<&access::Text>| {
        comment.map_or_else(String::new, |text| format!(": {}", text.as_str()))
    };
    let stands = match &request.state {
        RequestState::Pending { until } => {
            format!("waits until {}, {} of {} agreed", minute(*until), request.has, request.needs)
        }
        RequestState::Approved { by, .. } => {
            match truth.grant.as_ref().map(|view| (&view.grant.ended, view.ends)) {
                Some((Some(ended), _)) => {
                    let how = match ended.how {
                        EndedHow::Revoked => "taken back",
                        EndedHow::Released => "given back",
                    };
                    let by = ended.by.as_ref().map_or_else(|| "the policy".to_owned(), ToString::to_string);
                    format!("{how} by {by} at {}{}", minute(ended.at), with(ended.reason.as_ref()))
                }
                Some((None, ends)) if ends <= truth.now => {
                    format!("over since {}, agreed to by {by}", minute(ends))
                }
                Some((None, ends)) => format!("good until {}, agreed to by {by}", minute(ends)),
                None => format!("agreed to by {by}"),
            }
        }
        RequestState::Denied { by, comment, .. } => format!("denied by {by}{}", with(comment.as_ref())),
        RequestState::Cancelled { by, .. } => format!("taken back by {by}"),
        RequestState::Expired { .. } => "nobody decided in time".to_owned(),
    };
    match &request.afterwards {
        Some(afterwards) => match &afterwards.review {
            Some(review) => format!("{stands}; looked at by {}{}", review.by, with(review.comment.as_ref())),
            None => format!("{stands}; somebody should look at it by {}", minute(afterwards.due)),
        },
        None => stands,
    }
}

/// An instant as people read it.
pub fn minute(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
        .replace('T', " ")
        .replace(":00Z", " UTC")
        .replace('Z', " UTC")
}

/// Names, as many as a line takes.
fn list<'a, T: Display + 'a>(names: impl IntoIterator<Item = &'a T>) -> String {
    let names: Vec<String> = names.into_iter().map(ToString::to_string).collect();
    let shown = names.len().min(limits::NAMES);
    let mut text = names.get(..shown).unwrap_or_default().join(", ");
    if names.len() > shown {
        text.push_str(&format!(" and {} more", names.len() - shown));
    }
    text
}
