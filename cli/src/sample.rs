//! Requests to test with.

use access::{GrantId, Person, Text, Time};
use api::RequestView;
use chrono::{TimeDelta, TimeZone as _};
use workflow::{Afterwards, Channel, Decider, Kind, Narrowing, RequestState, Review, ReviewVerdict};

/// So many seconds after everything here began.
pub fn at(seconds: i64) -> Time {
    chrono::Utc.with_ymd_and_hms(2026, 11, 24, 14, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

pub fn text(words: &str) -> Text {
    Text::parse(words).unwrap()
}

/// alice asks; bob, who reads it, or carol can approve.
pub fn access() -> RequestView {
    serde_json::from_str(include_str!("../tests/request.json")).unwrap()
}

/// alice has become root until an hour after everything began.
pub fn session() -> api::SessionView {
    serde_json::from_value(serde_json::json!({
        "session": {
            "id": "S-7K2Q9-M4XTB", "grant": "G-7K2Q9-M4XTB", "boot": "b", "pid": 5, "start_ticks": 7,
            "audit_session": 3, "inside": "S-0000Z-00001", "subject": "alice", "target": "root",
            "service": "sudo", "tty": "/dev/pts/3", "rhost": "", "reason": "granted", "opened": at(0)
        },
        "state": "open", "ends": at(3_600)
    }))
    .unwrap()
}

pub fn grant_id() -> GrantId {
    GrantId::from_random(7)
}

/// alice broke glass; bob can look at it.
pub fn broken_glass() -> RequestView {
    let mut request = access();
    request.ask.id = access::RequestId::from_random(99);
    request.ask.kind = Kind::BreakGlass;
    request.ask.reason = text("the site is down");
    let saw = vec!["alice broke the glass".to_owned()];
    request.state = RequestState::Approved { at: at(0), grant: grant_id(), by: Decider::Rule { saw } };
    request.escalates = None;
    request.afterwards = Some(Afterwards { due: at(86_400), overdue: false, review: None });
    request
}

/// Somebody agrees, and it is not enough.
pub fn agrees(request: &mut RequestView, by: &str, comment: Option<&str>) {
    request.reviews.push(review(by, true, comment));
    request.agreed.push(person(by));
    request.has += 1;
}

pub fn review(by: &str, yes: bool, comment: Option<&str>) -> Review {
    Review {
        by: person(by),
        verdict: if yes {
            ReviewVerdict::Approve { narrowing: Narrowing::default() }
        } else {
            ReviewVerdict::Deny
        },
        comment: comment.map(text),
        channel: Channel::Terminal,
        at: at(30),
        digest: "d".to_owned(),
    }
}
