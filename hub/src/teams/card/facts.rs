//! What a card says: its title, where the request stands, and what it is about.

use super::Cut;
use super::limits;
use super::markdown::{cut, escape};
use crate::chats::picture::Picture;
use crate::outbox::{becomes, hearsay};
use access::{Ended, EndedHow, GrantState, Person, Service, Span, Time};
use api::{GrantView, Used};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Display;
use workflow::policy::ChatWeight;
use workflow::{Afterwards, Ask, Decider, Kind, Request, RequestState, Review, ReviewVerdict};

/// Who asks for what.
pub fn title(request: &Request, named: Cut) -> String {
    let ask = &request.ask;
    let hosts = match ask.hosts.len() {
        0..=4 => names(&ask.hosts, named.named),
        many => format!("{many} hosts"),
    };
    let access = format!("{}{} on {hosts}", names(&ask.services, named.named), run_as(ask, &ask.services));
    let (person, length) = (escape(ask.person.as_str()), ask.length);
    match ask.kind {
        Kind::Access => format!("{person} asks for {access} for {length}"),
        Kind::Extend { .. } => format!("{person} asks for {length} more: {access}"),
        Kind::BreakGlass => format!("BREAK GLASS: {person} let themself in: {access} for {length}"),
        Kind::Standing => format!("Standing access of {person}: {access}"),
    }
}

fn run_as(ask: &Ask, services: &BTreeSet<Service>) -> String {
    let becomes = becomes(ask, services);
    if becomes.is_empty() { String::new() } else { format!(" as {}", names(becomes, limits::NAMED)) }
}

/// Where it stands, and the colour of that.
pub fn state(picture: &Picture, named: Cut) -> (String, &'static str) {
    let request = &picture.request;
    if let Some(afterwards) = &request.afterwards {
        return afterwards_state(picture, afterwards, named);
    }
    match &request.state {
        RequestState::Pending { until } => pending(picture, *until, named),
        RequestState::Approved { by, .. } => {
            let who = format!("Approved by {}", decider(by, named));
            match &picture.grant {
                Some(view) => granted(&who, view, picture, named),
                None => (who, "good"),
            }
        }
        RequestState::Denied { by, comment, .. } => {
            (format!("Denied by {}{}", decider(by, named), said(comment.as_ref(), named)), "attention")
        }
        RequestState::Cancelled { by, .. } => (format!("Taken back by {}", escape(by.as_str())), "default"),
        RequestState::Expired { at } => (format!("Nobody decided by {}", time(*at)), "warning"),
    }
}

fn pending(picture: &Picture, until: Time, named: Cut) -> (String, &'static str) {
    let agreed = &picture.agreed;
    let by = if agreed.is_empty() { String::new() } else { format!(" by {}", names(agreed, named.named)) };
    let words = format!("Waits until {}. Approved{by}: {} of {}.", time(until), picture.has, picture.needs);
    let door = match picture.chat {
        ChatWeight::Notify => " It is decided on the web page of the hub, not here.",
        ChatWeight::FirstOfTwo if picture.is_last() => {
            " The last approval is given on the web page of the hub."
        }
        _ => "",
    };
    (format!("{words}{door}"), "warning")
}

fn granted(who: &str, view: &GrantView, picture: &Picture, named: Cut) -> (String, &'static str) {
    let used = picture.used;
    let more = match view.grant.extended {
        0 => String::new(),
        1 => ", extended once".to_owned(),
        times => format!(", extended {times} times"),
    };
    let ends = view.ends_in_words(picture.now, time);
    match view.state {
        GrantState::Scheduled => {
            let from = time(view.grant.window.not_before());
            (format!("{who}. Starts {from}, until {ends}{more}."), "good")
        }
        GrantState::Unclaimed => (format!("{who}. Good until {ends}{more}."), "good"),
        GrantState::Active => (format!("{who}. Active until {ends}{more}."), "good"),
        GrantState::Expired => {
            (format!("{who}{more}. Ended {}: {}.", time(view.ends), how_used(used)), "default")
        }
        GrantState::Revoked | GrantState::Released => (
            format!("{who}{more}. {}: {}.", end(view.grant.ended.as_ref(), named), how_used(used)),
            "default",
        ),
    }
}

fn end(ended: Option<&Ended>, named: Cut) -> String {
    let Some(Ended { how, at, by, reason }) = ended else { return "Ended".to_owned() };
    let verb = match how {
        EndedHow::Revoked => "Revoked",
        EndedHow::Released => "Given back",
    };
    let by = by.as_ref().map_or_else(|| "the policy".to_owned(), |by| escape(by.as_str()));
    format!("{verb} by {by} {}{}", time(*at), said(reason.as_ref(), named))
}

/// `used 41 min, 2 sessions`
pub fn how_used(used: Used) -> String {
    let Used { sessions, seconds } = used;
    match sessions {
        0 => "not used".to_owned(),
        1 => format!("used {}, 1 session", minutes(seconds)),
        many => format!("used {}, {many} sessions", minutes(seconds)),
    }
}

fn minutes(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn afterwards_state(picture: &Picture, afterwards: &Afterwards, named: Cut) -> (String, &'static str) {
    let grant =
        picture.grant.as_ref().map(|view| granted("Without anybody's approval", view, picture, named).0);
    let grant = grant.unwrap_or_default();
    match &afterwards.review {
        None if afterwards.overdue => {
            (format!("NOBODY LOOKED AT IT by {}. {grant}", time(afterwards.due)), "attention")
        }
        None => (format!("Somebody must look at it by {}. {grant}", time(afterwards.due)), "attention"),
        Some(Review { by, verdict, comment, .. }) => {
            let (by, comment) = (escape(by.as_str()), said(comment.as_ref(), named));
            let colour = if *verdict == ReviewVerdict::Deny { "attention" } else { "good" };
            (format!("{by} looked at it: {}{comment}. {grant}", verdict.of_glass()), colour)
        }
    }
}

/// What it is about.
pub fn facts(picture: &Picture, named: Cut) -> Vec<Value> {
    let request = &picture.request;
    let (ask, left) = (&request.ask, request.scope());
    let mut facts: Vec<(&str, String)> = vec![("Who", escape(ask.person.as_str()))];
    if ask.asked_by != ask.person {
        facts.push(("Asked by", escape(ask.asked_by.as_str())));
    }
    facts.push(("Hosts", names(&left.hosts, named.named)));
    facts.extend(ask.labels_in_words().map(|labels| ("Labels", escape(&cut(&labels, named.said)))));
    facts.push(("What", format!("{}{}", names(&left.services, named.named), run_as(ask, &left.services))));
    facts.push(("Length", length(left.length, ask.length)));
    facts.extend(picture.clock.clone().map(|clock| ("Clock", clock)));
    facts.extend(ask.starts.map(|starts| ("From", time(starts))));
    facts.push(("Reason", escape(&cut(ask.reason.as_str(), named.reason))));
    facts.extend(ask.ticket.as_ref().map(|ticket| ("Ticket", escape(&cut(ticket.as_str(), named.said)))));
    facts.extend(hearsay(ask.channel).map(|whose| ("Asked", whose.to_owned())));
    facts.push(("Rule", escape(&request.rule)));
    if request.state.is_pending() {
        facts.push(("Approvers", people(&picture.could, named)));
    } else if request.is_unseen() {
        facts.push(("Look at it", people(&picture.could, named)));
    }
    for review in request.reviews.iter().rev().take(named.named).rev() {
        facts.push(("Said", reviewed(review, named)));
    }
    if let Some(view) = &picture.grant {
        facts.push(("Grant", view.grant.id.to_string()));
    }
    facts.push(("Request", ask.id.to_string()));
    facts.into_iter().map(|(title, value)| json!({"title": title, "value": value})).collect()
}

fn length(left: Span, asked: Span) -> String {
    if left == asked { asked.to_string() } else { format!("{left}, of the {asked} that were asked for") }
}

fn people(people: impl IntoIterator<Item = impl Display>, named: Cut) -> String {
    let all = names(people, named.named);
    if all.is_empty() { "nobody now".to_owned() } else { all }
}

fn reviewed(review: &Review, named: Cut) -> String {
    let verb = match &review.verdict {
        ReviewVerdict::Approve { narrowing } => match narrowing.length {
            Some(length) => format!("approved for {length}"),
            None => "approved".to_owned(),
        },
        ReviewVerdict::Deny => "denied".to_owned(),
    };
    let by = escape(review.by.as_str());
    format!(
        "{by} {verb}, {}, {}{}",
        hearsay(review.channel).unwrap_or(review.channel.code()),
        time(review.at),
        said(review.comment.as_ref(), named)
    )
}

fn said(comment: Option<&access::Text>, named: Cut) -> String {
    comment.map(|comment| format!(": {}", escape(&cut(comment.as_str(), named.said)))).unwrap_or_default()
}

fn decider(by: &Decider, named: Cut) -> String {
    match by {
        Decider::People(people) => names(people.iter().map(Person::as_str), named.named),
        Decider::Rule { saw } if saw.is_empty() => "the rule itself".to_owned(),
        Decider::Rule { saw } => format!("the rule itself ({})", names(saw, named.named)),
        Decider::Policy { why } => format!("the policy: {}", escape(&cut(why, named.said))),
    }
}

/// Names, escaped; of many the first, and how many there are.
fn names<T: Display>(names: impl IntoIterator<Item = T>, most: usize) -> String {
    let names: Vec<String> = names.into_iter().map(|name| escape(&name.to_string())).collect();
    let shown = names.get(..most.min(names.len())).unwrap_or_default().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn time(at: Time) -> String {
    at.format("%F %R UTC").to_string()
}
