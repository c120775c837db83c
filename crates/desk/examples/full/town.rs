//! Who there is, what the rules are, and what was asked.

use access::{HostName, Login, Now, Person, RequestId, Service, Span, Text, Time};
use chrono::TimeDelta;
use desk::{Caller, Clock, InForce, PolicyVersion, Roles, Worlds};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use workflow::{Ask, Channel, Decider, Hosts, Kind, People, Policy, Request, RequestState, World};

/// Days that the requests are spread over.
pub const DAYS: u32 = 90;

pub const RULES: u64 = 20;

const PEOPLE: u64 = 1000;

/// How much was asked, and how many of the last of it wait.
#[derive(Clone, Copy)]
pub struct Asked {
    pub count: u64,
    pub pending: u64,
}

/// One policy over the same people, at one moment.
pub struct Town {
    in_force: InForce,
    world: World,
}

impl Town {
    pub fn new() -> Self {
        let mut people = String::from("[chief]\ngroups = [\"chiefs\"]\n");
        for n in 0..RULES {
            let _ = writeln!(people, "[lead{n}]\ngroups = [\"leads\"]");
        }
        for n in 0..PEOPLE {
            let (group, lead) = (n % (2 * RULES), (n + 7) % RULES);
            let _ = writeln!(people, "[p{n}]\ngroups = [\"g{group}\"]\nmanager = \"lead{lead}\"");
        }
        let version = PolicyVersion { policy: policy(), people: Some(people), ..PolicyVersion::shipped() };
        let (in_force, why) = InForce::found(Some(&version));
        assert_eq!(why, None);
        let applied = in_force.load();
        let world = World {
            policy: Arc::clone(&applied.policy),
            people: applied.listed.clone().unwrap_or_default(),
            schedules: Arc::default(),
            hosts: Arc::new(Hosts::default()),
        };
        Self { in_force, world }
    }
}

/// Rule n is for groups n and n + 20, on hosts of its own; lead n, the chief and the manager can agree.
fn policy() -> String {
    (0..RULES).fold(String::new(), |mut text, n| {
        let _ = write!(
            text,
            "[[rule]]\nid = \"r{n}\"\nwho = {{ groups = [\"g{n}\", \"g{}\"] }}\nwhere = {{ hosts = [\"h{n}-*\"] }}\n\
             approve = [{{ from = [\"user:lead{n}\", \"group:chiefs\", \"manager\"], need = 1 }}]\n",
            n + RULES
        );
        text
    })
}

fn now() -> Time {
    Time::from_timestamp(1_800_000_000, 0).unwrap()
}

impl Worlds for Town {
    fn in_force(&self) -> &InForce {
        &self.in_force
    }
    fn world(&self) -> World {
        self.world.clone()
    }
    fn world_of(&self, policy: Policy, _: Option<People>) -> World {
        World { policy: Arc::new(policy), ..self.world.clone() }
    }
}

impl Clock for Town {
    fn now(&self) -> Now {
        Now::exactly(now())
    }
}

/// The `number`th request.
pub fn request(number: u64, asked: Asked) -> Request {
    let person = Person::parse(&format!("p{}", number % PEOPLE)).unwrap();
    let rule = number % RULES;
    let seconds = TimeDelta::days(DAYS.into()).num_seconds().unsigned_abs() - 1;
    let ago = seconds - number * seconds / asked.count;
    let asked_at = now() - TimeDelta::seconds(i64::try_from(ago).unwrap());
    let state = if number + asked.pending >= asked.count {
        RequestState::Pending { until: now() + TimeDelta::hours(8) }
    } else {
        let by = Decider::People(vec![Person::parse("chief").unwrap()]);
        RequestState::Denied { at: asked_at + TimeDelta::minutes(5), by, comment: None }
    };
    Request {
        ask: Ask {
            // Ids are random: multiplied by an odd number they are spread and stay distinct.
            id: RequestId::from_random((number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            kind: Kind::Access,
            asked_by: person.clone(),
            names: [Login::parse(person.as_str()).unwrap()].into(),
            person,
            hosts: [HostName::parse(&format!("h{rule}-{}", number % 7)).unwrap()].into(),
            labels: BTreeMap::new(),
            follows: false,
            before: None,
            services: ["ssh", "sudo"].iter().map(|name| Service::parse(name).unwrap()).collect(),
            run_as: None,
            length: Span::parse("1h").unwrap(),
            starts: None,
            reason: Text::parse("the nightly import hangs and has to be looked at").unwrap(),
            ticket: Text::parse("OPS-1234").ok(),
            source: None,
            channel: Channel::Terminal,
            asked_at,
        },
        rule: format!("r{rule}"),
        state,
        reviews: Vec::new(),
        escalated: None,
        escalates: None,
        afterwards: None,
    }
}

pub fn caller(name: &str) -> Caller {
    let login = Login::parse(name).unwrap();
    Caller {
        person: Person::parse(name).unwrap(),
        names: [login.clone()].into(),
        login,
        source: None,
        roles: Roles { auditor: name == "auditor", ..Roles::default() },
        channel: Channel::Terminal,
        reviews: Ok(()),
    }
}
