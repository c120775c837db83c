//! What is said of a request, in words that every channel puts into its own form. All of it is plain text: what people wrote
//! stands in values alone, each to be escaped for where it goes.

use super::channel::{Kind, Parcel};
use super::limits;
use super::truth::Truth;
use access::{EndedHow, Grant, Login, Person, Service, Time};
use api::{GrantView, RequestView};
use chrono::SecondsFormat;
use std::collections::BTreeSet;
use std::fmt::Display;
use workflow::{Ask, Change, Channel, Kind as Asked, RequestState, Review, ReviewVerdict};

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
        title: "Further messages of this hour were held back".to_owned(),
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
    let left = &truth.request.left;
    let (services, hosts) =
        (left.services.as_ref().unwrap_or(&ask.services), left.hosts.as_ref().unwrap_or(&ask.hosts));
    let what = format!("{} on {}", list(services), list(hosts));
    let title = match change {
        Change::Requested | Change::Rechecked | Change::Escalated => match ask.kind {
            Asked::Extend { .. } => format!("{who} asks for more time: {what}"),
            _ => format!("{who} asks for {what}"),
        },
        Change::Reviewed => format!("{who}, {what}: one more has agreed"),
        Change::Approved => format!("{who} may use {what}"),
        Change::Extended => format!("{who} may use {what} for longer"),
        Change::HostsChanged => format!("{who} may use {what}: hosts came to it or left it"),
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
            "Say whether it was in order".to_owned()
        }
    } else {
        "Open it".to_owned()
    };
    Said { title, facts: facts(truth), next, is_loud: change.is_loud(), link: truth.link.clone() }
}

/// All there is to know of it, the most telling first; what others said comes last, so that it alone is cut where there is
/// too much.
fn facts(truth: &Truth) -> Vec<(&'static str, String)> {
    let (request, ask) = (&truth.request, &truth.request.ask);
    let left = &request.left;
    let mut facts = vec![
        ("Who", ask.person.to_string()),
        ("What", list(left.services.as_ref().unwrap_or(&ask.services))),
        ("Hosts", list(left.hosts.as_ref().unwrap_or(&ask.hosts))),
    ];
    let becomes = becomes(ask, left.services.as_ref().unwrap_or(&ask.services));
    if !becomes.is_empty() {
        facts.push(("As", list(&becomes)));
    }
    facts.extend(ask.labels_in_words().map(|labels| ("Asked for by", labels)));
    facts.push(("For", length(request)));
    facts.extend(request.clock().map(|clock| ("Clock", clock)));
    if let Some(starts) = ask.starts {
        facts.push(("From", minute(starts)));
    }
    facts.push(("Reason", ask.reason.as_str().to_owned()));
    if let Some(ticket) = &ask.ticket {
        facts.push(("Ticket", ticket.as_str().to_owned()));
    }
    facts.extend(hearsay(ask.channel).map(|whose| ("Asked", whose.to_owned())));
    facts.push(("Rule", request.rule.clone()));
    facts.push(("Now", state(truth)));
    facts.push(("Request", ask.id.to_string()));
    let earlier = request.reviews.len().saturating_sub(limits::REVIEWS);
    facts.extend(request.reviews.iter().skip(earlier).map(|review| ("Said", reviewed(review))));
    facts
}

/// Whom an ask lets its person become, as far as it is for services that are left.
pub fn becomes(ask: &Ask, left: &BTreeSet<Service>) -> BTreeSet<Login> {
    let switches = |services: &BTreeSet<Service>| services.iter().any(Service::switches);
    if switches(&ask.services) && !switches(left) { BTreeSet::new() } else { ask.becomes() }
}

/// For how long, after what reviews cut off.
fn length(request: &RequestView) -> String {
    let asked = request.ask.length;
    match request.left.length.filter(|left| *left != asked) {
        Some(left) => format!("{left}, of the {asked} that were asked for"),
        None => asked.to_string(),
    }
}

/// What somebody said to it.
fn reviewed(review: &Review) -> String {
    let verdict = match &review.verdict {
        ReviewVerdict::Approve { narrowing } => format!("approved {}", cut(&narrowing.to_string())),
        ReviewVerdict::Deny => "denied".to_owned(),
    };
    let how = hearsay(review.channel).map(|whose| format!(", {whose}")).unwrap_or_default();
    let comment = review.comment.as_ref().map(|comment| format!(": {}", cut(comment.as_str())));
    format!("{} {}, {}{how}{}", review.by, verdict.trim_end(), minute(review.at), comment.unwrap_or_default())
}

/// As much of what somebody said as is told.
fn cut(text: &str) -> String {
    match text.get(..text.floor_char_boundary(limits::REVIEW)) {
        Some(part) if part.len() < text.len() => format!("{part}..."),
        _ => text.to_owned(),
    }
}

/// Whose word it is that somebody asked or agreed, where this hub did not see to it itself.
pub const fn hearsay(channel: Channel) -> Option<&'static str> {
    match channel {
        Channel::Host => Some("on a host, by the word of that host alone"),
        Channel::Login => Some("by a login that was refused, by the word of that host alone"),
        Channel::Webhook => Some("by an outgoing webhook of Teams, by the word of whoever knows its key"),
        Channel::Terminal
        | Channel::Policy
        | Channel::Token
        | Channel::Web
        | Channel::Teams
        | Channel::Slack => None,
    }
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
            match truth.grant.as_ref().map(|view| (&view.grant.ended, view)) {
                Some((Some(ended), _)) => {
                    let how = match ended.how {
                        EndedHow::Revoked => "taken back",
                        EndedHow::Released => "given back",
                    };
                    let by = ended.by.as_ref().map_or_else(|| "the policy".to_owned(), ToString::to_string);
                    format!("{how} by {by} at {}{}", minute(ended.at), with(ended.reason.as_ref()))
                }
                Some((None, view)) if view.ends <= truth.now => {
                    format!("over since {}, agreed to by {by}", minute(view.ends))
                }
                Some((None, view)) => {
                    format!("good until {}, agreed to by {by}", view.ends_in_words(truth.now, minute))
                }
                None => format!("agreed to by {by}"),
            }
        }
        RequestState::Denied { by, comment, .. } => format!("denied by {by}{}", with(comment.as_ref())),
        RequestState::Cancelled { by, .. } => format!("taken back by {by}"),
        RequestState::Expired { .. } => "nobody decided in time".to_owned(),
    };
    match &request.afterwards {
        Some(afterwards) => match &afterwards.review {
            Some(Review { by, verdict, comment, .. }) => {
                format!("{stands}; {by} looked at it: {}{}", verdict.of_glass(), with(comment.as_ref()))
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;
    use access::{GrantState, HostName, RequestId, Span, Text, Window};
    use api::Used;
    use desk::{InForce, Worlds as _};
    use std::collections::BTreeMap;
    use workflow::{Decider, Hosts, Narrowing};

    fn at(minute: i64) -> Time {
        crate::sample::minute(minute)
    }

    fn names<T: Ord>(names: &[&str], parse: impl Fn(&str) -> T) -> BTreeSet<T> {
        names.iter().map(|name| parse(name)).collect()
    }

    fn hosts(hosts: &[&str]) -> BTreeSet<HostName> {
        names(hosts, |host| HostName::parse(host).unwrap())
    }

    fn services(services: &[&str]) -> BTreeSet<Service> {
        names(services, |service| Service::parse(service).unwrap())
    }

    fn span(text: &str) -> Span {
        Span::parse(text).unwrap()
    }

    fn person(name: &str) -> Person {
        Person::parse(name).unwrap()
    }

    fn asks(services: BTreeSet<Service>, run_as: Option<&str>, channel: Channel) -> Truth {
        let ask = Ask {
            id: RequestId::from_random(1),
            kind: Asked::Access,
            asked_by: person("alice"),
            person: person("alice"),
            names: BTreeSet::new(),
            hosts: hosts(&["db-1", "db-2"]),
            labels: BTreeMap::new(),
            follows: false,
            before: None,
            services,
            run_as: run_as.map(|login| Login::parse(login).unwrap()),
            length: span("2h"),
            starts: None,
            reason: Text::parse("why").unwrap(),
            ticket: None,
            source: None,
            channel,
            asked_at: at(0),
        };
        let request = RequestView {
            rule: "one".into(),
            state: RequestState::Pending { until: at(60) },
            reviews: Vec::new(),
            afterwards: None,
            escalates: None,
            left: Narrowing {
                length: Some(ask.length),
                hosts: Some(ask.hosts.clone()),
                services: Some(ask.services.clone()),
            },
            claim_by: None,
            digest: String::new(),
            could_approve: Vec::new(),
            agreed: Vec::new(),
            needs: 2,
            has: 0,
            yours_to_review: false,
            ask,
        };
        let world = Policies::new(Hosts::default(), InForce::found(None).0).world();
        Truth { request, grant: None, rule: None, world, now: at(1), link: "https://hub/x".to_owned() }
    }

    fn fact<'a>(facts: &'a [(&'static str, String)], name: &str) -> Vec<&'a str> {
        facts.iter().filter(|(fact, _)| *fact == name).map(|(_, value)| value.as_str()).collect()
    }

    fn review(by: &str, narrowing: Narrowing, comment: &str) -> Review {
        Review {
            by: person(by),
            verdict: ReviewVerdict::Approve { narrowing },
            comment: Text::parse(comment).ok(),
            channel: Channel::Web,
            at: at(2),
            digest: String::new(),
        }
    }

    #[test]
    fn sudo_is_as_root_unless_it_says_as_whom_or_nothing_is_left_of_it() {
        for (asked, run_as, said) in [
            (&["sudo"][..], None, vec!["root"]),
            (&["ssh", "su"], Some("postgres"), vec!["postgres"]),
            (&["ssh"], Some("deploy"), vec!["deploy"]),
            (&["ssh"], None, vec![]),
        ] {
            let truth = asks(services(asked), run_as, Channel::Web);
            assert_eq!(fact(&facts(&truth), "As"), said, "{asked:?} {run_as:?}");
        }
        let mut truth = asks(services(&["ssh", "sudo"]), None, Channel::Web);
        truth.request.left.services = Some(services(&["ssh"]));
        assert!(fact(&facts(&truth), "As").is_empty());
    }

    #[test]
    fn what_reviews_cut_off_is_not_told_as_what_is_asked_for_and_what_they_said_is_told() {
        let mut truth = asks(services(&["ssh", "sudo"]), None, Channel::Web);
        let narrowing =
            Narrowing { length: Some(span("30m")), hosts: Some(hosts(&["db-1"])), services: None };
        truth.request.reviews = vec![review("bob", narrowing.clone(), "be quick")];
        truth.request.left = Narrowing { services: Some(services(&["ssh"])), ..narrowing };
        let said = stands_now(&truth, None);
        assert_eq!(said.title, "alice asks for ssh on db-1");
        let one = |name| fact(&said.facts, name);
        assert_eq!(one("For"), ["30m, of the 2h that were asked for"]);
        assert_eq!((one("What"), one("Hosts")), (vec!["ssh"], vec!["db-1"]));
        let words = one("Said");
        assert!(words.len() == 1 && words[0].starts_with("bob approved for at most 30m, on db-1 alone, "));
        assert!(words[0].ends_with(": be quick"), "{words:?}");
        assert!(one("Asked").is_empty());
    }

    #[test]
    fn a_grant_that_waits_for_its_first_use_is_told_with_when_that_must_come() {
        let mut truth = asks(services(&["ssh"]), None, Channel::Web);
        let (claim_by, latest_end) = (at(480), at(600));
        let window = Window::FirstUse { not_before: at(0), claim_by, length: span("2h"), latest_end };
        let grant = crate::sample::grant(window);
        let by = Decider::People(vec![person("bob")]);
        truth.request.state = RequestState::Approved { at: at(0), grant: grant.id, by };
        let (state, used) = (GrantState::Unclaimed, Used::default());
        truth.grant = Some(GrantView { grant, state, ends: latest_end, sessions: 0, used });
        let by = minute(claim_by);
        assert_eq!(
            super::state(&truth),
            format!(
                "good until 2h from the first use on each host, which must come by {by}, agreed to by bob"
            )
        );
        truth.now = claim_by;
        let ends = minute(latest_end);
        assert_eq!(
            super::state(&truth),
            format!("good until {ends} at the latest, for no host has told of a first use, agreed to by bob")
        );
    }

    #[test]
    fn what_is_somebody_elses_word_says_so() {
        for (channel, words) in [
            (Channel::Host, "by the word of that host alone"),
            (Channel::Login, "by the word of that host alone"),
            (Channel::Webhook, "by the word of whoever knows its key"),
        ] {
            assert!(channel.is_hearsay());
            let mut truth = asks(services(&["ssh"]), None, channel);
            let said = Review { channel, ..review("bob", Narrowing::default(), "yes") };
            truth.request.reviews = vec![said];
            let facts = facts(&truth);
            assert!(fact(&facts, "Asked")[0].ends_with(words), "{channel:?}");
            assert!(fact(&facts, "Said")[0].ends_with(&format!("{words}: yes")), "{channel:?}");
        }
        for channel in [Channel::Web, Channel::Token, Channel::Teams, Channel::Slack, Channel::Terminal] {
            assert!(!channel.is_hearsay() && hearsay(channel).is_none());
        }
    }

    #[test]
    fn however_much_was_said_a_card_holds_the_id_and_what_waits() {
        let mut truth = asks(services(&["ssh"]), None, Channel::Webhook);
        let long = "\"<".repeat(499);
        let many: BTreeSet<HostName> =
            (0..256).map(|n| HostName::parse(&format!("{}-{n}", "h".repeat(58))).unwrap()).collect();
        let ask = &mut truth.request.ask;
        (ask.hosts, ask.reason) = (many.clone(), Text::parse(&long).unwrap());
        ask.ticket = Text::parse(&long).ok();
        let narrowing = Narrowing { hosts: Some(many), ..Narrowing::default() };
        truth.request.left.hosts = narrowing.hosts.clone();
        truth.request.reviews = vec![review("bob", narrowing, &long); 32];
        let said = stands_now(&truth, None);
        let card = crate::outbox::card::of(&said).to_string();
        assert!(card.len() <= 28 * 1024 && card.contains("R-00000-00001") && card.contains("0 of 2 agreed"));
        assert_eq!(fact(&said.facts, "Said").len(), limits::REVIEWS);
    }
}
