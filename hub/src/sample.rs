//! What tests of several rooms look at.

use access::{Grant, GrantId, HostName, Login, Person, RequestId, Service, Set, Time, Window};
use chrono::TimeDelta;

/// So many minutes after some moment.
pub fn minute(minute: i64) -> Time {
    Time::UNIX_EPOCH + TimeDelta::days(365 * 57) + TimeDelta::minutes(minute)
}

/// Alice's, for ssh on the hosts a and b, in this window.
pub fn grant(window: Window) -> Grant {
    let alice: Set<Login> = [Login::parse("alice").unwrap()].into();
    Grant {
        id: GrantId::from_random(2),
        version: 1,
        request: RequestId::from_random(1),
        person: Person::parse("alice").unwrap(),
        names: alice.clone(),
        logins: alice,
        hosts: ["a", "b"].map(|host| HostName::parse(host).unwrap()).into(),
        services: [Service::parse("ssh").unwrap()].into(),
        run_as: Set::new(),
        window,
        source: None,
        sessions: None,
        approved_at: window.not_before(),
        approved_by: Vec::new(),
        rule: "one".into(),
        policy: "p".into(),
        break_glass: false,
        extended: 0,
        ended: None,
    }
}
