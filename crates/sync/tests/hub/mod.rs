//! A hub and a host of it, small enough to see through.
#![allow(dead_code)] // each test file uses its part

use access::{
    Ended, EndedHow, Grant, GrantId, HostName, Login, Person, RequestId, Service, Set, Time, Window,
};
use chrono::TimeDelta;
use std::collections::BTreeSet;
use sync::{
    Body, Entry, Envelope, Era, HubId, LocalTime, Manifest, Message, Permit, Roots, SecretKey, SignedGrant,
    SignedPermit, State, View, whole, whole_with,
};

/// Seconds after the beginning.
pub fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// A host whose clocks are right.
pub fn clock(seconds: i64) -> LocalTime {
    LocalTime { own: at(seconds), latest: at(seconds) }
}

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_random(&[seed; 32])
}

pub const ROOT: u8 = 1;
/// The keys of an epoch are of these seeds and the epoch.
pub const GRANT: u8 = 10;
pub const VIEW: u8 = 20;

pub fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

pub fn hub() -> HubId {
    HubId::new(name("acme"))
}

/// A host that was just enrolled.
pub fn enrolled() -> State {
    State::new(hub(), Roots::one(key(ROOT).public()).fingerprint(), name("web-1"))
}

/// The keys of an epoch, good for 30 days from `seconds` on.
pub fn manifest(era: Era, seconds: i64) -> Manifest {
    let epoch = u8::try_from(era.epoch).unwrap();
    Manifest {
        hub: hub(),
        era,
        roots: Roots::one(key(ROOT).public()),
        grant_keys: vec![key(GRANT + epoch).public()],
        view_keys: vec![key(VIEW + epoch).public()],
        issued_at: at(seconds),
        expires: at(seconds) + TimeDelta::days(30),
    }
}

pub const fn era(incarnation: u64, epoch: u64) -> Era {
    Era { incarnation, epoch }
}

/// Seconds after the beginning at which grants are over.
pub const ENDS: i64 = 3600;

/// A grant until then, on web-1.
pub fn grant(id: u64, version: u32) -> Grant {
    let alice = Login::parse("alice").unwrap();
    Grant {
        id: GrantId::from_random(id),
        version,
        request: RequestId::from_random(id),
        person: Person::parse("alice").unwrap(),
        names: [alice.clone()].into(),
        logins: [alice].into(),
        hosts: [name("web-1")].into(),
        services: [Service::parse("ssh").unwrap()].into(),
        run_as: Set::new(),
        window: Window::Approval { not_before: at(0), expires: at(ENDS) },
        source: None,
        sessions: None,
        approved_at: at(0),
        approved_by: vec![Person::parse("bob").unwrap()],
        rule: "ops".into(),
        policy: "p".into(),
        break_glass: false,
        extended: 0,
        ended: None,
    }
}

/// The same, taken back.
pub fn revoked(id: u64, version: u32) -> Grant {
    let ended = Ended { how: EndedHow::Revoked, at: at(60), by: None, reason: None };
    Grant { ended: Some(ended), ..grant(id, version) }
}

pub fn signed(grant: &Grant, epoch: u8) -> SignedGrant {
    SignedGrant::sign(&Body { hub: hub(), grant: grant.clone() }, &key(GRANT + epoch))
}

/// A permit for web-1, to be claimed for a day.
pub fn permit(id: u64) -> Grant {
    let window = Window::FirstUse {
        not_before: at(0),
        claim_by: at(86_400),
        length: access::Span::parse("1h").unwrap(),
        latest_end: at(90_000),
    };
    Grant { window, break_glass: true, approved_by: Vec::new(), ..grant(id, 1) }
}

pub fn permitted(grant: &Grant, epoch: u8) -> SignedPermit {
    SignedPermit::sign(&Permit { hub: hub(), grant: grant.clone() }, &key(GRANT + epoch))
}

/// The message with these permits too.
pub fn with_permits(
    era: Era,
    revision: u64,
    seconds: i64,
    grants: &[SignedGrant],
    permits: &[SignedPermit],
) -> Message {
    let permits_listed: Vec<Entry> = permits.iter().map(|permit| permit.entry).collect();
    let view = view(era, revision, seconds, grants);
    let whole = whole_with(&view.host, &view.grants, &permits_listed);
    let view = sealed(&View { permits: permits_listed, whole, ..view });
    let manifest = Some(manifest(era, 0).sign(&key(ROOT)));
    Message::new(manifest, view, grants, &BTreeSet::new()).with_permits(permits, &BTreeSet::new())
}

/// The view of web-1, signed at `seconds`, fresh for 90 s.
pub fn view(era: Era, revision: u64, seconds: i64, grants: &[SignedGrant]) -> View {
    let mut grants: Vec<Entry> = grants.iter().map(|grant| grant.entry).collect();
    grants.sort_by_key(|entry| entry.id);
    View {
        hub: hub(),
        host: name("web-1"),
        era,
        revision,
        issued_at: at(seconds),
        fresh_until: at(seconds + 90),
        whole: whole(&name("web-1"), &grants),
        grants,
        permits: Vec::new(),
    }
}

pub fn sealed(view: &View) -> Envelope {
    view.sign(&key(VIEW + u8::try_from(view.era.epoch).unwrap()))
}

/// All of it, with the manifest and every body, as a file.
pub fn message(era: Era, revision: u64, seconds: i64, grants: &[SignedGrant]) -> Message {
    let view = sealed(&view(era, revision, seconds, grants));
    Message::new(Some(manifest(era, 0).sign(&key(ROOT))), view, grants, &BTreeSet::new())
}
