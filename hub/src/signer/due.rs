//! Whether a grant may be signed: nothing wider or longer than was asked, and agreed to by others than those it is
//! for, as far as the grant and its requests tell.

use crate::limits;
use access::{Grant, Person, Time, Window};
use chrono::TimeDelta;
use workflow::{Ask, Decider, Kind, Request, RequestState, ReviewVerdict};

/// Why a permit may not say this, as far as it tells by itself: it is for one host, for a while, and not for long.
pub fn may_be_permitted(grant: &Grant, now: Time) -> Result<(), &'static str> {
    let host = grant.hosts.first().ok_or("it is for no host")?;
    sync::Permit { hub: sync::HubId::new(host.clone()), grant: grant.clone() }.check(host)?;
    let Window::FirstUse { claim_by, length, .. } = &grant.window else {
        return Err("it has no time in which it can be used");
    };
    if *claim_by > now + limits::PERMIT_GOOD + sync::limits::SKEW {
        return Err("it could be used for too long");
    }
    if *length > limits::PERMIT_LONGEST {
        return Err("it lets in for too long");
    }
    if !grant.approved_by.is_empty() {
        return Err("nobody approves a permit");
    }
    Ok(())
}

/// Why the grant may not come of these requests: the one that opened it, and then those that extended it.
pub fn is_due(grant: &Grant, requests: &[Request]) -> Result<(), &'static str> {
    sync::fits(grant)?;
    if grant.ended.is_some() {
        // It opens nothing.
        return Ok(());
    }
    let (opening, extensions) = requests.split_first().ok_or("it comes of no request")?;
    if opening.ask.id != grant.request {
        return Err("the request is about another grant");
    }
    agreed(grant, opening)?;
    // A standing grant is for what its request cannot say exactly: hosts as they come.
    if opening.ask.kind == Kind::Standing {
        return Ok(());
    }
    let longer = extended(grant, opening, extensions)?;
    asked(grant, opening, longer)
}

/// This request was approved, for this grant, and by others than those it is for.
fn agreed(grant: &Grant, request: &Request) -> Result<(), &'static str> {
    let Ask { person: for_whom, asked_by, names, .. } = &request.ask;
    let RequestState::Approved { grant: id, by, .. } = &request.state else {
        return Err("the request was not approved");
    };
    if *id != grant.id || *for_whom != grant.person {
        return Err("the request is about another grant");
    }
    if grant.names != *names {
        return Err("it is for other names than asked");
    }
    let Decider::People(people) = by else { return Ok(()) };
    let own = |person: &Person| {
        person == for_whom
            || person == asked_by
            || grant.names.iter().any(|name| name.as_str() == person.as_str())
    };
    if people.is_empty() || people.iter().any(own) {
        return Err("nobody else agreed to it");
    }
    let said = |person: &Person| {
        let yes = |verdict: &ReviewVerdict| matches!(verdict, ReviewVerdict::Approve { .. });
        request.reviews.iter().any(|review| review.by == *person && yes(&review.verdict))
    };
    if people.iter().all(said) { Ok(()) } else { Err("who is said to have agreed did not") }
}

/// How much longer these make it.
fn extended(grant: &Grant, opening: &Request, extensions: &[Request]) -> Result<TimeDelta, &'static str> {
    if usize::try_from(grant.extended) != Ok(extensions.len()) {
        return Err("it was extended otherwise than its requests say");
    }
    let mut longer = TimeDelta::zero();
    let mut seen = vec![opening.ask.id];
    for extension in extensions {
        if extension.ask.kind != (Kind::Extend { grant: grant.id }) || seen.contains(&extension.ask.id) {
            return Err("one of its requests does not extend it");
        }
        agreed(grant, extension)?;
        seen.push(extension.ask.id);
        longer += extension.scope().length.delta();
    }
    Ok(longer)
}

/// It is what was asked and left by every review, and this much longer.
fn asked(grant: &Grant, opening: &Request, longer: TimeDelta) -> Result<(), &'static str> {
    let (ask, left) = (&opening.ask, opening.scope());
    let RequestState::Approved { at, .. } = &opening.state else {
        return Err("the request was not approved");
    };
    if grant.logins != ask.logins() {
        return Err("it opens other logins than were asked for");
    }
    if grant.approved_at != *at || grant.window.not_before() > ask.starts.unwrap_or(*at).max(*at) {
        return Err("its times are not those of the approval");
    }
    // What follows labels is for hosts as they come, unless somebody who agreed left some out.
    let follows = ask.follows && !ask.labels.is_empty() && left.hosts == ask.hosts;
    if !(follows || grant.hosts.iter().all(|host| left.hosts.contains(host)))
        || !grant.services.iter().all(|service| left.services.contains(service))
    {
        return Err("it is for more than was agreed to");
    }
    let becomes = ask.becomes();
    if !grant.run_as.iter().all(|login| becomes.contains(login)) {
        return Err("it becomes somebody that was not asked for");
    }
    let whole = grant.window.latest_end() - grant.window.not_before();
    let unclaimed = match &grant.window {
        Window::FirstUse { claim_by, not_before, .. } => *claim_by - *not_before,
        Window::Approval { .. } => TimeDelta::zero(),
    };
    if whole - unclaimed > left.length.delta() + longer {
        return Err("it is longer than was agreed to");
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use access::{GrantId, HostName, Login, RequestId, Service, Set, Span, Text, Time};
    use std::collections::{BTreeMap, BTreeSet};
    use workflow::{Channel, Narrowing, Review};

    fn at() -> Time {
        Time::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn person(name: &str) -> Person {
        Person::parse(name).unwrap()
    }

    fn due(grant: &Grant, request: &Request) -> Result<(), &'static str> {
        super::is_due(grant, std::slice::from_ref(request))
    }

    /// What alice asked for, and bob agreed to.
    pub fn approved() -> (Grant, Request) {
        let id = GrantId::from_random(7);
        let alice: BTreeSet<Login> = [Login::parse("alice").unwrap()].into();
        let ask = Ask {
            id: RequestId::from_random(5),
            kind: Kind::Access,
            asked_by: person("alice"),
            person: person("alice"),
            names: alice.clone(),
            hosts: [HostName::parse("db-1").unwrap()].into(),
            labels: BTreeMap::new(),
            follows: false,
            before: None,
            services: [Service::parse("ssh").unwrap()].into(),
            run_as: None,
            length: Span::parse("1h").unwrap(),
            starts: None,
            reason: Text::parse("why").unwrap(),
            ticket: None,
            source: None,
            channel: Channel::Token,
            asked_at: at(),
        };
        let review = Review {
            by: person("bob"),
            verdict: ReviewVerdict::Approve { narrowing: Narrowing::default() },
            comment: None,
            channel: Channel::Token,
            at: at(),
            digest: String::new(),
        };
        let request = Request {
            ask: ask.clone(),
            rule: "prod".to_owned(),
            state: RequestState::Approved { at: at(), grant: id, by: Decider::People(vec![person("bob")]) },
            reviews: vec![review],
            escalated: None,
            escalates: None,
            afterwards: None,
        };
        let grant = Grant {
            id,
            version: 1,
            request: ask.id,
            person: ask.person,
            names: alice.clone().into(),
            logins: alice.into(),
            hosts: ask.hosts.into(),
            services: ask.services.into(),
            run_as: Set::new(),
            window: Window::Approval { not_before: at(), expires: at() + TimeDelta::hours(1) },
            source: None,
            sessions: None,
            approved_at: at(),
            approved_by: vec![person("bob")],
            rule: "prod".into(),
            policy: "p".into(),
            break_glass: false,
            extended: 0,
            ended: None,
        };
        (grant, request)
    }

    #[test]
    fn what_was_asked_and_agreed_to_is_signed_and_nothing_more_is() {
        let (grant, request) = approved();
        assert_eq!(due(&grant, &request), Ok(()));
        let mallory: Set<Login> = [Login::parse("mallory").unwrap()].into();
        let wider: [(&str, Grant); 7] = [
            ("another host", Grant { hosts: [HostName::parse("db-2").unwrap()].into(), ..grant.clone() }),
            (
                "another service",
                Grant { services: [Service::parse("sudo").unwrap()].into(), ..grant.clone() },
            ),
            ("becoming somebody", Grant { run_as: mallory.clone(), ..grant.clone() }),
            ("other names", Grant { names: mallory.clone(), ..grant.clone() }),
            ("other logins", Grant { logins: mallory, ..grant.clone() }),
            ("another person", Grant { person: person("mallory"), ..grant.clone() }),
            (
                "longer",
                Grant {
                    window: Window::Approval { not_before: at(), expires: at() + TimeDelta::hours(2) },
                    ..grant.clone()
                },
            ),
        ];
        for (what, grant) in wider {
            assert!(due(&grant, &request).is_err(), "{what}");
        }
        let later = at() + TimeDelta::days(1);
        let again = Window::Approval { not_before: later, expires: later + TimeDelta::hours(1) };
        assert!(
            due(&Grant { window: again, ..grant.clone() }, &request).is_err(),
            "an old approval used again"
        );
    }

    #[test]
    fn nobody_agrees_to_their_own_and_nobody_is_said_to_have_who_did_not() {
        let (grant, request) = approved();
        let by = |names: &[&str]| {
            let by = Decider::People(names.iter().map(|name| person(name)).collect());
            Request { state: RequestState::Approved { at: at(), grant: grant.id, by }, ..request.clone() }
        };
        for people in [&[][..], &["alice"], &["carol"], &["bob", "carol"]] {
            assert!(due(&grant, &by(people)).is_err(), "{people:?}");
        }
        let pending = RequestState::Pending { until: at() };
        assert!(due(&grant, &Request { state: pending, ..request.clone() }).is_err());
        let ended = access::Ended { how: access::EndedHow::Revoked, at: at(), by: None, reason: None };
        let denied = Request { state: RequestState::Expired { at: at() }, ..request };
        assert_eq!(due(&Grant { ended: Some(ended), ..grant }, &denied), Ok(()), "an end opens nothing");
    }

    #[test]
    fn less_than_was_agreed_to_is_signed_and_what_a_review_cut_is_not() {
        let (grant, mut request) = approved();
        let narrowing = Narrowing { length: Some(Span::parse("30m").unwrap()), ..Narrowing::default() };
        request.reviews[0].verdict = ReviewVerdict::Approve { narrowing };
        assert_eq!(due(&grant, &request), Err("it is longer than was agreed to"));
        let window = Window::Approval { not_before: at(), expires: at() + TimeDelta::minutes(30) };
        assert_eq!(due(&Grant { window, ..grant }, &request), Ok(()));
    }

    /// The same for half an hour more, which carol agreed to.
    fn extended() -> (Grant, [Request; 2]) {
        let (grant, opening) = approved();
        let by = Decider::People(vec![person("carol")]);
        let review = Review { by: person("carol"), ..opening.reviews[0].clone() };
        let ask = Ask {
            id: RequestId::from_random(6),
            kind: Kind::Extend { grant: grant.id },
            length: Span::parse("30m").unwrap(),
            ..opening.ask.clone()
        };
        let state = RequestState::Approved { at: at(), grant: grant.id, by };
        let extension = Request { ask, state, reviews: vec![review], ..opening.clone() };
        let window = Window::Approval { not_before: at(), expires: at() + TimeDelta::minutes(90) };
        (Grant { version: 2, extended: 1, window, ..grant }, [opening, extension])
    }

    #[test]
    fn an_extension_is_signed_for_as_long_as_was_agreed_to_and_each_counts_once() {
        let (grant, requests) = extended();
        assert_eq!(is_due(&grant, &requests), Ok(()));
        let longer = Window::Approval { not_before: at(), expires: at() + TimeDelta::minutes(91) };
        assert!(is_due(&Grant { window: longer, ..grant.clone() }, &requests).is_err());
        assert!(is_due(&grant, &requests[..1]).is_err(), "nobody asked for more");
        let [opening, extension] = requests;
        let twice = [opening.clone(), extension.clone(), extension.clone()];
        assert!(is_due(&Grant { extended: 2, ..grant.clone() }, &twice).is_err(), "one counted twice");
        let other = Kind::Extend { grant: GrantId::from_random(99) };
        let of_another = Request { ask: Ask { kind: other, ..extension.ask.clone() }, ..extension.clone() };
        assert!(is_due(&grant, &[opening.clone(), of_another]).is_err());
        let own = Decider::People(vec![person("alice")]);
        let own = RequestState::Approved { at: at(), grant: grant.id, by: own };
        assert!(
            is_due(&grant, &[opening, Request { state: own, ..extension }]).is_err(),
            "agreed to by herself"
        );
    }
}
