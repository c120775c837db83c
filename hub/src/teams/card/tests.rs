use super::*;
use access::{
    Ended, EndedHow, Grant, GrantId, GrantState, HostName, Login, Person, RequestId, Service, Span, Text,
    Time, Window,
};
use api::{GrantView, Used};
use std::collections::{BTreeMap, BTreeSet};
use workflow::policy::ChatWeight;
use workflow::{Afterwards, Ask, Channel, Decider, Narrowing, Request, RequestState, Review, ReviewVerdict};

fn at(minute: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
}

fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

fn ask() -> Ask {
    Ask {
        id: RequestId::from_random(1),
        kind: Kind::Access,
        asked_by: person("alice"),
        person: person("alice"),
        names: [Login::parse("alice").unwrap()].into(),
        hosts: [HostName::parse("db-1").unwrap()].into(),
        labels: BTreeMap::new(),
        follows: false,
        before: None,
        services: [Service::parse("ssh").unwrap()].into(),
        run_as: None,
        length: Span::parse("2h").unwrap(),
        starts: None,
        reason: Text::parse("why").unwrap(),
        ticket: None,
        source: None,
        channel: Channel::Web,
        asked_at: at(0),
    }
}

fn picture(state: RequestState) -> Picture {
    Picture {
        request: Request {
            ask: ask(),
            rule: "one".into(),
            state,
            reviews: Vec::new(),
            escalated: None,
            escalates: None,
            afterwards: None,
        },
        agreed: Vec::new(),
        needs: 2,
        has: 0,
        clock: None,
        could: ["bob", "carol"].map(person).into(),
        chat: ChatWeight::Full,
        grant: None,
        used: Used::default(),
        now: at(1),
    }
}

fn waits() -> Picture {
    picture(RequestState::Pending { until: at(60) })
}

fn review(verdict: ReviewVerdict) -> Review {
    Review {
        by: person("bob"),
        verdict,
        comment: None,
        channel: Channel::Teams,
        at: at(1),
        digest: String::new(),
    }
}

fn approved(state: GrantState) -> Picture {
    let by = Decider::People(vec![person("bob"), person("carol")]);
    let window = Window::Approval { not_before: at(2), expires: at(122) };
    let Ask { names, hosts, services, .. } = ask();
    let grant = Grant {
        logins: names.clone().into(),
        names: names.into(),
        hosts: hosts.into(),
        services: services.into(),
        ..crate::sample::grant(window)
    };
    let view = GrantView { grant, state, ends: at(122), sessions: 0, used: Used::default() };
    Picture {
        grant: Some(view),
        ..picture(RequestState::Approved { at: at(2), grant: GrantId::from_random(2), by })
    }
}

fn ended(how: EndedHow, by: Option<&str>) -> Picture {
    let state = if how == EndedHow::Revoked { GrantState::Revoked } else { GrantState::Released };
    let mut picture = approved(state);
    let ended = Ended { how, at: at(30), by: by.map(person), reason: Text::parse("enough").ok() };
    picture.grant.as_mut().unwrap().grant.ended = Some(ended);
    picture.used = Used { sessions: 1, seconds: 59 };
    picture
}

fn words(picture: &Picture) -> String {
    facts::state(picture, Cut { reason: 1000, said: SAID, named: limits::NAMED }).0
}

fn drawn(picture: &Picture) -> Value {
    card(&Shown { picture, url: "https://hub.example.org", viewers: &[] })
}

fn buttons(picture: &Picture) -> Vec<String> {
    let card = drawn(picture);
    let last = card["body"].as_array().unwrap().last().unwrap()["actions"].as_array().unwrap().clone();
    last.iter().map(|action| action["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_card_says_where_its_request_stands_through_its_whole_life() {
    let mut once = waits();
    once.request.reviews.push(review(ReviewVerdict::Approve { narrowing: Narrowing::default() }));
    (once.agreed, once.has) = (vec![person("bob")], 1);
    let sure = Picture { chat: ChatWeight::FirstOfTwo, ..once.clone() };
    let told = Picture { chat: ChatWeight::Notify, ..waits() };
    let mut longer = approved(GrantState::Active);
    longer.grant.as_mut().unwrap().grant.extended = 2;
    let unclaimed = |claim_by| {
        let mut picture = approved(GrantState::Unclaimed);
        let (length, latest_end) = (Span::parse("1h").unwrap(), at(122));
        picture.grant.as_mut().unwrap().grant.window =
            Window::FirstUse { not_before: at(0), claim_by, length, latest_end };
        picture
    };
    let late = unclaimed(waits().now);
    let over = Picture { used: Used { sessions: 2, seconds: 41 * 60 + 5 }, ..approved(GrantState::Expired) };
    let long =
        Picture { used: Used { sessions: 9, seconds: 2 * 3600 + 60 }, ..approved(GrantState::Expired) };
    let denied = RequestState::Denied {
        at: at(3),
        by: Decider::People(vec![person("bob")]),
        comment: Text::parse("not *now*").ok(),
    };
    let policy = RequestState::Denied {
        at: at(3),
        by: Decider::Policy { why: "no rule is for alice".into() },
        comment: None,
    };
    for (picture, said) in vec![
        (waits(), "Waits until 2027-01-15 09:00 UTC. Approved: 0 of 2."),
        (once, "Waits until 2027-01-15 09:00 UTC. Approved by bob: 1 of 2."),
        (
            sure,
            "Waits until 2027-01-15 09:00 UTC. Approved by bob: 1 of 2. The last approval is given on the web page of the hub.",
        ),
        (
            told,
            "Waits until 2027-01-15 09:00 UTC. Approved: 0 of 2. It is decided on the web page of the hub, not here.",
        ),
        (approved(GrantState::Active), "Approved by bob, carol. Active until 2027-01-15 10:02 UTC."),
        (
            approved(GrantState::Scheduled),
            "Approved by bob, carol. Starts 2027-01-15 08:02 UTC, until 2027-01-15 10:02 UTC.",
        ),
        (
            unclaimed(at(62)),
            "Approved by bob, carol. Good until 1h from the first use, which must come by 2027-01-15 09:02 UTC.",
        ),
        (
            late,
            "Approved by bob, carol. Good until 2027-01-15 10:02 UTC at the latest, for no host has told of a first use.",
        ),
        (longer, "Approved by bob, carol. Active until 2027-01-15 10:02 UTC, extended 2 times."),
        (over, "Approved by bob, carol. Ended 2027-01-15 10:02 UTC: used 41 min, 2 sessions."),
        (long, "Approved by bob, carol. Ended 2027-01-15 10:02 UTC: used 2 h 1 min, 9 sessions."),
        (
            ended(EndedHow::Revoked, Some("bob")),
            "Approved by bob, carol. Revoked by bob 2027-01-15 08:30 UTC: enough: used 59 s, 1 session.",
        ),
        (
            ended(EndedHow::Revoked, None),
            "Approved by bob, carol. Revoked by the policy 2027-01-15 08:30 UTC: enough: used 59 s, 1 session.",
        ),
        (
            ended(EndedHow::Released, Some("alice")),
            "Approved by bob, carol. Given back by alice 2027-01-15 08:30 UTC: enough: used 59 s, 1 session.",
        ),
        (picture(denied), "Denied by bob: not \\*now\\*"),
        (picture(policy), "Denied by the policy: no rule is for alice"),
        (picture(RequestState::Cancelled { at: at(3), by: person("alice") }), "Taken back by alice"),
        (picture(RequestState::Expired { at: at(60) }), "Nobody decided by 2027-01-15 09:00 UTC"),
    ] {
        assert_eq!(words(&picture), said);
        assert!(drawn(&picture).to_string().contains(&serde_json::to_string(said).unwrap()));
    }
}

#[test]
fn a_broken_glass_is_loud_until_somebody_looked_at_it() {
    let glass = |overdue, review| {
        let mut picture = approved(GrantState::Active);
        picture.request.ask.kind = Kind::BreakGlass;
        picture.request.afterwards = Some(Afterwards { due: at(90), overdue, review });
        picture
    };
    let tail = "Without anybody's approval. Active until 2027-01-15 10:02 UTC.";
    let well = review(ReviewVerdict::Approve { narrowing: Narrowing::default() });
    for (picture, said, can) in [
        (glass(false, None), "Somebody must look at it by 2027-01-15 09:30 UTC. ", 3),
        (glass(true, None), "NOBODY LOOKED AT IT by 2027-01-15 09:30 UTC. ", 3),
        (glass(false, Some(well)), "bob looked at it: it was in order. ", 1),
        (glass(false, Some(review(ReviewVerdict::Deny))), "bob looked at it: it was not in order. ", 1),
    ] {
        assert_eq!(words(&picture), format!("{said}{tail}"));
        assert_eq!(buttons(&picture).len(), can, "{said}");
        assert_eq!(drawn(&picture)["body"][0]["style"], "attention");
    }
    let sure = Picture { chat: ChatWeight::FirstOfTwo, ..glass(false, None) };
    assert_eq!(buttons(&sure), ["It was not: revoke", "Approve on the web page"]);
}

#[test]
fn there_are_buttons_for_what_a_click_can_do_and_for_nothing_else() {
    assert_eq!(buttons(&waits()), ["Approve", "Deny", "Details"]);
    assert_eq!(buttons(&Picture { chat: ChatWeight::FirstOfTwo, ..waits() }), ["Approve", "Deny", "Details"]);
    let alone = Picture { chat: ChatWeight::FirstOfTwo, needs: 1, ..waits() };
    assert_eq!(buttons(&alone), ["Deny", "Approve on the web page"]);
    assert_eq!(buttons(&Picture { chat: ChatWeight::Notify, ..waits() }), ["Details"]);
    assert_eq!(buttons(&Picture { now: at(60), ..waits() }), ["Details"], "over, though nobody said so yet");
    assert_eq!(buttons(&approved(GrantState::Active)), ["Details"]);
}

#[test]
fn another_state_is_another_revision_and_the_same_one_is_the_same() {
    let mut once = waits();
    once.request.reviews.push(review(ReviewVerdict::Approve { narrowing: Narrowing::default() }));
    (once.agreed, once.has) = (vec![person("bob")], 1);
    let all = [
        waits(),
        once,
        approved(GrantState::Active),
        approved(GrantState::Expired),
        ended(EndedHow::Revoked, None),
    ];
    let revisions: BTreeSet<String> = all.iter().map(Picture::revision).collect();
    assert_eq!(revisions.len(), all.len());
    assert_eq!(waits().revision(), Picture { now: at(5), needs: 3, ..waits() }.revision());
}

#[test]
fn lengths_to_choose_from_are_no_longer_than_what_is_left() {
    let of = |text: &str| {
        let mut picture = waits();
        picture.request.ask.length = Span::parse(text).unwrap();
        picture.lengths().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of("2h"), ["2h", "1h", "30m", "15m"]);
    assert_eq!(of("10m"), ["10m"]);
    assert_eq!(of("30d"), ["30d", "5d", "1d", "8h", "4h", "2h"]);
}

#[test]
fn a_length_is_as_asked_only_where_it_is_what_was_asked() {
    let titles = |picture: &Picture| -> Vec<String> {
        picture.lengths().into_iter().map(|length| picture.choice(length)).collect()
    };
    assert_eq!(titles(&waits()), ["2h, as asked", "1h", "30m", "15m"]);
    let mut picture = waits();
    let narrowing = Narrowing { length: Some(Span::parse("1h").unwrap()), ..Narrowing::default() };
    picture.request.reviews.push(review(ReviewVerdict::Approve { narrowing }));
    assert_eq!(titles(&picture), ["1h, what is left", "30m", "15m"]);
    let card = drawn(&picture).to_string();
    assert!(card.contains("1h, what is left") && !card.contains("as asked"), "{card}");
}

#[test]
fn a_card_says_as_whom_where_something_is_left_that_becomes_somebody() {
    let mut picture = waits();
    picture.request.ask.services = ["ssh", "sudo"].map(|service| Service::parse(service).unwrap()).into();
    let what = |picture: &Picture| {
        let facts = drawn(picture)["body"][1]["facts"].as_array().unwrap().clone();
        facts.into_iter().find(|fact| fact["title"] == "What").unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(what(&picture), "ssh, sudo as root");
    let services = Some([Service::parse("ssh").unwrap()].into());
    let narrowing = Narrowing { services, ..Narrowing::default() };
    picture.request.reviews.push(review(ReviewVerdict::Approve { narrowing }));
    assert_eq!(what(&picture), "ssh");
}

#[test]
fn a_card_says_whose_word_it_is_that_somebody_asked_or_agreed() {
    let mut picture = waits();
    picture.request.reviews.push(review(ReviewVerdict::Deny));
    assert!(!drawn(&picture).to_string().contains("by the word of"));
    picture.request.ask.channel = Channel::Webhook;
    picture.request.reviews[0].channel = Channel::Host;
    let card = drawn(&picture).to_string();
    assert!(card.contains("webhook of Teams, by the word of whoever knows its key"), "{card}");
    assert!(card.contains("bob denied, on a host, by the word of that host alone"), "{card}");
}

#[test]
fn whatever_people_write_the_card_is_small_and_its_ids_are_whole() {
    let long = Text::parse(&"\"<*".repeat(333)).unwrap();
    let mut picture = waits();
    let ask = &mut picture.request.ask;
    ask.reason = long.clone();
    ask.ticket = Some(long.clone());
    ask.hosts =
        (0..256).map(|n| HostName::parse(&format!("{}-{n}.example.org", "h".repeat(50))).unwrap()).collect();
    ask.labels = (0..32).map(|n| (format!("{n:0>100}"), "v".repeat(100))).collect();
    let said =
        Review { comment: Some(long), ..review(ReviewVerdict::Approve { narrowing: Narrowing::default() }) };
    picture.request.reviews = vec![said; 32];
    let viewers: Vec<String> = (0..500).map(|n| format!("29:{n:0>120}")).collect();
    for most in [limits::CARD, limits::CARD_LEAST] {
        let viewers = if most == limits::CARD { &viewers[..] } else { &[] };
        let card = within(&Shown { picture: &picture, url: "https://hub.example.org", viewers }, most);
        let text = card.to_string();
        assert!(text.len() <= most, "{} of {most}", text.len());
        assert!(text.contains("R-00000-00001") && text.contains(&workflow::digest(&picture.request)));
    }
}
