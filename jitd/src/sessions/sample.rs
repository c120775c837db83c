//! A session and a grant for tests.
#![allow(clippy::unwrap_used)] // they are what they are

use access::{Grant, GrantId, Login, Person, Reason, RequestId, Service, SessionId, Set, Time, Window};
use api::Session;
use chrono::TimeDelta;

/// A session of alice over ssh, carried by [`grant`].
pub fn session(n: u64) -> Session {
    let login = Login::parse("alice").unwrap();
    Session {
        id: SessionId::from_random(n),
        grant: Some(GrantId::from_random(1)),
        boot: "now".into(),
        pid: 5,
        start_ticks: 7,
        audit_session: 3,
        inside: None,
        subject: login.clone(),
        target: login,
        service: Service::parse("ssh").unwrap(),
        tty: "ssh".into(),
        rhost: "203.0.113.5".into(),
        address: None,
        reason: Reason::Granted,
        monitored: false,
        opened: Time::UNIX_EPOCH,
        closed: None,
        end: None,
    }
}

/// A grant for alice that ends so many seconds after the epoch.
pub fn grant(ends_s: i64) -> Grant {
    let alice = Set::from([Login::parse("alice").unwrap()]);
    Grant {
        id: GrantId::from_random(1),
        version: 1,
        request: RequestId::from_random(1),
        person: Person::parse("alice").unwrap(),
        names: alice.clone(),
        logins: alice,
        hosts: Set::from([access::HostName::parse("web-1").unwrap()]),
        services: Set::from([Service::parse("ssh").unwrap()]),
        run_as: Set::new(),
        window: Window::Approval {
            not_before: Time::UNIX_EPOCH,
            expires: Time::UNIX_EPOCH + TimeDelta::seconds(ends_s),
        },
        source: None,
        sessions: None,
        approved_at: Time::UNIX_EPOCH,
        approved_by: Vec::new(),
        rule: "r".into(),
        policy: "p".into(),
        break_glass: false,
        extended: 0,
        ended: None,
    }
}
