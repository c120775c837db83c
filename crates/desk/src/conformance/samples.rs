//! What is put into a store under test: things of few names and times, so that equal ones are common.

use crate::DeskError;
use crate::store::{PolicyVersion, Store, Transaction};
use access::{
    Ended, EndedHow, Grant, GrantId, HostName, Login, Person, RequestId, Service, Set, Span, Text, Time,
    Window,
};
use api::{Change, ChangeRecord, PolicyApplied};
use std::collections::{BTreeMap, BTreeSet};
use workflow::{Ask, Channel, Kind, Request, RequestState};

/// Names, times and rules to draw from.
pub(super) const NAMES: [&str; 3] = ["alice", "bob", "carol"];
pub(super) const TIMES: [i64; 4] = [0, 10, 11, 100];
pub(super) const RULES: [&str; 2] = ["day", "night"];

/// Numbers that look drawn and are the same in each run (Knuth's MMIX generator).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    pub(super) fn one_of<T: Copy>(&mut self, some: &[T]) -> T {
        some[usize::try_from(self.below(some.len() as u64)).unwrap()]
    }
}

pub(super) fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

pub(super) fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

pub(super) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub(super) fn names(name: &str) -> BTreeSet<Login> {
    [Login::parse(name).unwrap()].into()
}

pub(super) fn services() -> BTreeSet<Service> {
    [Service::parse("ssh").unwrap()].into()
}

pub(super) fn pending(until: i64) -> RequestState {
    RequestState::Pending { until: at(until) }
}

pub(super) fn request(number: u64, asked_by: &str, who: &str, asked: i64, state: RequestState) -> Request {
    Request {
        ask: Ask {
            id: RequestId::from_random(number),
            kind: Kind::Access,
            asked_by: person(asked_by),
            person: person(who),
            names: names(who),
            hosts: [host("web-1")].into(),
            labels: BTreeMap::new(),
            follows: false,
            before: None,
            services: services(),
            run_as: None,
            length: Span::seconds(60).unwrap(),
            starts: None,
            reason: Text::parse("it's \"quoted\" – and not ASCII").unwrap(),
            ticket: None,
            source: None,
            channel: Channel::Terminal,
            asked_at: at(asked),
        },
        rule: "day".into(),
        state,
        reviews: Vec::new(),
        escalated: None,
        escalates: None,
        afterwards: None,
    }
}

pub(super) fn grant(number: u64, who: &str, from: i64, to: i64) -> Grant {
    Grant {
        id: GrantId::from_random(number),
        version: 1,
        request: RequestId::from_random(number),
        person: person(who),
        names: names(who).into(),
        logins: names(who).into(),
        hosts: [host("web-1")].into(),
        services: services().into(),
        run_as: Set::new(),
        window: Window::Approval { not_before: at(from), expires: at(to) },
        source: None,
        sessions: None,
        approved_at: at(from),
        approved_by: vec![person("bob")],
        rule: "day".into(),
        policy: "p".into(),
        break_glass: false,
        extended: 0,
        ended: Some(Ended { how: EndedHow::Released, at: at(to), by: None, reason: None }),
    }
}

pub(super) fn policy(version: u32) -> PolicyVersion {
    let people = version.is_multiple_of(2).then(|| "[bob]\n".to_owned());
    PolicyVersion { version, at: at(version.into()), by: Some(person("bob")), policy: "x".into(), people }
}

pub(super) fn changed(change: Change, request: Option<Request>, grant: Option<Grant>) -> ChangeRecord {
    ChangeRecord {
        at: at(0),
        change,
        actor: None,
        channel: None,
        comment: None,
        request,
        grant,
        used: None,
        policy: None,
    }
}

pub(super) fn applied(version: u32) -> ChangeRecord {
    let policy = PolicyApplied { version, digest: String::new(), diff: String::new() };
    ChangeRecord { policy: Some(policy), ..changed(Change::PolicyApplied, None, None) }
}

pub(super) fn put<S: Store>(store: &S, requests: &[Request]) {
    let requests = requests.to_vec();
    let work = move |store: &mut dyn Transaction| {
        for request in &requests {
            store.record(changed(Change::Rechecked, Some(request.clone()), None))?;
            store.put_request(request)?;
        }
        Ok(())
    };
    store.write(work).unwrap();
}

pub(super) fn put_grant<S: Store>(store: &S, grant: &Grant, closed: bool) {
    let grant = grant.clone();
    let work = move |store: &mut dyn Transaction| {
        store.record(changed(Change::Approved, None, Some(grant.clone())))?;
        store.put_grant(&grant, closed)
    };
    store.write(work).unwrap();
}

pub(super) fn put_policy<S: Store>(store: &S, version: u32) -> Result<(), DeskError> {
    store.write(move |store| {
        store.record(applied(version))?;
        store.put_policy(&policy(version))
    })
}
