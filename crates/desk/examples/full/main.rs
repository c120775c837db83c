//! What a list of what waits and a review cost:
//! `cargo run --release -p desk --example waiting -- FOLDER [COUNT] [PENDING]`.
//!
//! Twenty rules, a thousand people in forty groups, COUNT (100,000) requests over 90 days of which the last
//! PENDING (500) wait, on the real store in FOLDER; each call by itself, and over HTTP on a Unix socket. A
//! line for each: what, calls, p50 and p99 in microseconds.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a program for figures

use access::{HostName, Login, Now, Person, RequestId, Service, Span, Text, Time};
use api::{AskRequests, Change, ChangeRecord, Client, NewReview, NewVerdict, Which};
use axum::Extension;
use chrono::TimeDelta;
use desk::{
    Caller, Clock, Committed, Desk, Key, PolicyVersion, Roles, SqliteStore, Store as _, Worlds, routes,
};
use journal::{Checkpoint, Stamp};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{File, Observer, Options, StoreError, Writer};
use workflow::{Ask, Channel, Decider, Hosts, Kind, Narrowing, People, Policy, Request, RequestState, World};

const DAYS: i64 = 90;
const RULES: u64 = 20;
const LISTS: usize = 500;
const REVIEWS: u64 = 200;

struct Fixed(World);

impl Worlds for Fixed {
    fn world(&self) -> World {
        self.0.clone()
    }
    fn version(&self) -> Option<u32> {
        None
    }
    fn world_of(&self, policy: Policy, _: Option<&str>) -> Result<World, String> {
        Ok(World { policy: Arc::new(policy), ..self.0.clone() })
    }
    fn adopt(&self, _: &PolicyVersion) -> Result<(), String> {
        Ok(())
    }
}

fn now() -> Time {
    Time::from_timestamp(1_800_000_000, 0).unwrap()
}

impl Clock for Fixed {
    fn now(&self) -> Now {
        Now::exactly(now())
    }
}

struct Deaf;

impl Observer<Committed> for Deaf {
    fn committed(&mut self, _: Vec<Committed>) {}
    fn checkpoint(&mut self, _: Checkpoint) {}
    fn reopened(&mut self, _: &Connection) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, error: &StoreError) {
        println!("{error}");
    }
}

/// Rule n is for groups n and n + 20, on its own hosts; lead n, the chief and the manager can agree.
fn world() -> World {
    let mut policy = String::new();
    let mut people = String::from("[chief]\ngroups = [\"chiefs\"]\n");
    for n in 0..RULES {
        let _ = write!(
            policy,
            "[[rule]]\nid = \"r{n}\"\nwho = {{ groups = [\"g{n}\", \"g{}\"] }}\nwhere = {{ hosts = [\"h{n}-*\"] }}\n\
             approve = [{{ from = [\"user:lead{n}\", \"group:chiefs\", \"manager\"], need = 1 }}]\n",
            n + RULES
        );
        let _ = writeln!(people, "[lead{n}]\ngroups = [\"leads\"]");
    }
    for n in 0..1000 {
        let (group, lead) = (n % (2 * RULES), (n + 7) % RULES);
        let _ = writeln!(people, "[p{n}]\ngroups = [\"g{group}\"]\nmanager = \"lead{lead}\"");
    }
    World {
        policy: Arc::new(Policy::parse(&policy, Path::new("policy.toml")).unwrap()),
        people: Arc::new(People::parse(&people, Path::new("people.toml")).unwrap()),
        schedules: Arc::default(),
        hosts: Arc::new(Hosts::default()),
    }
}

fn request(n: u64, count: u64, pending: u64) -> Request {
    let person = Person::parse(&format!("p{}", n % 1000)).unwrap();
    let rule = n % RULES;
    let seconds = TimeDelta::days(DAYS).num_seconds().unsigned_abs();
    let asked_at = now() - TimeDelta::seconds(i64::try_from(seconds - n * seconds / count).unwrap());
    let state = if n + pending >= count {
        RequestState::Pending { until: now() + TimeDelta::hours(8) }
    } else {
        let by = Decider::People(vec![Person::parse("chief").unwrap()]);
        RequestState::Denied { at: asked_at + TimeDelta::minutes(5), by, comment: None }
    };
    Request {
        ask: Ask {
            // Ids are random: multiplied by an odd number they are spread and stay distinct.
            id: RequestId::from_random((n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            kind: Kind::Access,
            asked_by: person.clone(),
            names: [Login::parse(person.as_str()).unwrap()].into(),
            person,
            hosts: [HostName::parse(&format!("h{rule}-{}", n % 7)).unwrap()].into(),
            labels: BTreeMap::new(),
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

fn fill(store: &SqliteStore<Committed>, count: u64, pending: u64) {
    for first in (0..count).step_by(5000) {
        let put = move |store: &mut dyn desk::Transaction, n| {
            let request = request(n, count, pending);
            store.record(ChangeRecord {
                at: request.ask.asked_at,
                change: if request.state.is_pending() { Change::Requested } else { Change::Denied },
                actor: None,
                channel: None,
                comment: None,
                request: Some(request.clone()),
                grant: None,
                used: None,
                policy: None,
            })?;
            store.put_request(&request)
        };
        store.write(move |store| (first..(first + 5000).min(count)).try_for_each(|n| put(store, n))).unwrap();
    }
}

fn caller(name: &str) -> Caller {
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

/// The routes of the desk on a socket where everybody is `name`.
fn serve(desk: &Arc<Desk<SqliteStore<Committed>>>, folder: &Path, name: &str) -> Client {
    let socket = folder.join(name);
    let routes = routes(Arc::clone(desk)).layer(Extension(caller(name)));
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            axum::serve(listener, routes).await.unwrap();
        });
    });
    Client::on_socket(&socket).unwrap()
}

fn tell(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |part: usize| took.get((took.len() * part / 100).min(took.len() - 1)).unwrap().as_micros();
    println!("{what}\t{}\t{}\t{}", took.len(), at(50), at(99));
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap());
    let mut number = |otherwise| arguments.next().map_or(otherwise, |number| number.parse().unwrap());
    let (count, pending) = (number(100_000), number(500));
    let options = Options { path: folder.join("x.db"), max_bytes: 4 << 30 };
    let stamp = || Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 };
    let file = File::open(options.clone(), |_| (stamp(), "{}".into())).unwrap();
    let (writer, _) = Writer::start(file, Box::new(stamp), Deaf).unwrap();
    let reader = store::read_only(&options.path).unwrap();
    let store: SqliteStore<Committed> = SqliteStore::new(writer, reader, Duration::from_secs(120));
    fill(&store, count, pending);
    let host = HostName::parse("here").unwrap();
    let desk = Arc::new(Desk::new(store, Arc::new(Fixed(world())), Arc::new(Fixed(world())), host));

    // Those who may see all of it, a part of it, and nothing but their own.
    for name in ["chief", "auditor", "lead3", "p1"] {
        let (who, client) = (caller(name), serve(&desk, &folder, name));
        let (mut by_itself, mut by_http, mut seen) = (Vec::new(), Vec::new(), 0);
        for _ in 0..LISTS {
            let (list, took) = timed(|| desk.requests(&who, Which::Pending, 200).unwrap());
            by_itself.push(took);
            seen = list.len();
            let ask = AskRequests { which: Which::Pending, limit: Some(200) };
            let (list, took) = timed(|| client.requests(&ask).unwrap());
            by_http.push(took);
            assert_eq!(list.len(), seen);
        }
        tell(&format!("list\t{name}\t{seen}"), by_itself);
        tell(&format!("list-http\t{name}\t{seen}"), by_http);
    }
    let (chief, client) = (caller("chief"), Client::on_socket(&folder.join("chief")).unwrap());
    let (mut by_itself, mut by_http) = (Vec::new(), Vec::new());
    for n in 0..2 * REVIEWS {
        let id = request(count - 1 - n, count, pending).ask.id.to_string();
        let digest = desk.show_request(&chief, &id).unwrap().digest;
        let review = NewReview {
            verdict: NewVerdict::Approve,
            digest,
            narrowing: Narrowing::default(),
            comment: None,
        };
        if n % 2 == 0 {
            let key = Key::of(&id, "/", b"");
            by_itself.push(timed(|| desk.review(&chief, &id, &review, &key).unwrap()).1);
        } else {
            by_http.push(timed(|| client.review(&id, &review).unwrap()).1);
        }
    }
    tell("review\tchief\t1", by_itself);
    tell("review-http\tchief\t1", by_http);
}
