//! How long a replay of many requests takes: `cargo run --release -p desk --example replay [COUNT]`.
//!
//! Twenty rules, a thousand people in forty groups, and COUNT (100,000) requests over 90 days, on the real
//! store.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a program for one figure

use access::{HostName, Login, Now, Person, RequestId, Service, Span, Text, Time};
use api::{Change, ChangeRecord, NewReplay};
use chrono::TimeDelta;
use desk::{Caller, Clock, Committed, Desk, PolicyVersion, Roles, SqliteStore, Store as _, Worlds};
use journal::{Checkpoint, Stamp};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{File, Observer, Options, StoreError, Writer};
use workflow::{Ask, Channel, Hosts, Kind, People, Policy, Request, RequestState, World};

const DAYS: u32 = 90;

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

fn end() -> Time {
    Time::from_timestamp(1_800_000_000, 0).unwrap()
}

impl Clock for Fixed {
    fn now(&self) -> Now {
        Now::exactly(end())
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

fn policy(need: usize) -> String {
    (0..20).fold(String::new(), |mut text, n| {
        let _ = write!(
            text,
            "[[rule]]\nid = \"r{n}\"\nwho = {{ groups = [\"g{n}\", \"g{}\"] }}\nwhere = {{ hosts = [\"h{n}-*\", \
             \"all-*\"] }}\nauto = {{ hours = \"Mon-Fri 08:00-19:00 Europe/Berlin\", quota = \"5 per 7d\" }}\n\
             approve = [{{ from = [\"group:g{n}\", \"manager\"], need = {need} }}]\ntell = [\"group:g0\"]\n",
            n + 20
        );
        text
    })
}

fn request(n: u64, count: u64) -> Request {
    let person = Person::parse(&format!("p{}", n % 1000)).unwrap();
    let group = (n % 1000) % 20;
    let before = TimeDelta::days(i64::from(DAYS)).num_seconds() - 1;
    let asked_at =
        end() - TimeDelta::seconds(before - i64::try_from(n * before.unsigned_abs() / count).unwrap());
    Request {
        ask: Ask {
            id: RequestId::from_random(n + 1),
            kind: Kind::Access,
            asked_by: person.clone(),
            names: [Login::parse(person.as_str()).unwrap()].into(),
            person,
            hosts: [HostName::parse(&format!("h{group}-{}", n % 7)).unwrap()].into(),
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
        rule: format!("r{group}"),
        state: RequestState::Expired { at: asked_at },
        reviews: Vec::new(),
        escalated: None,
        escalates: None,
        afterwards: None,
    }
}

/// The record that vouches for what is put after it.
fn asked(request: &Request) -> ChangeRecord {
    ChangeRecord {
        at: request.ask.asked_at,
        change: Change::Requested,
        actor: None,
        channel: None,
        comment: None,
        request: Some(request.clone()),
        grant: None,
        used: None,
        policy: None,
    }
}

/// Processor time of this program so far (proc_pid_stat(5), utime and stime in hundredths of a second), which
/// other work on the machine does not stretch.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn main() {
    let count = std::env::args().nth(1).map_or(100_000, |count| count.parse().unwrap());
    let people: String = (0..1000).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "[p{n}]\ngroups = [\"g{}\"]\nmanager = \"boss\"", n % 40);
        text
    });
    let people = People::parse(&format!("{people}[boss]\n"), Path::new("people.toml")).unwrap();
    let world = World {
        policy: Arc::new(Policy::parse(&policy(1), Path::new("policy.toml")).unwrap()),
        people: Arc::new(people),
        schedules: Arc::default(),
        hosts: Arc::new(Hosts::default()),
    };
    let folder = tempfile::tempdir().unwrap();
    let options = Options { path: folder.path().join("x.db"), max_bytes: 4 << 30 };
    let stamp = || Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 };
    let file = File::open(options.clone(), |_| (stamp(), "{}".into())).unwrap();
    let (writer, _) = Writer::start(file, Box::new(stamp), Deaf).unwrap();
    let store: SqliteStore<Committed> =
        SqliteStore::new(writer, store::read_only(&options.path).unwrap(), Duration::from_secs(120));
    store
        .write(move |store| {
            store.record(asked(&request(0, count)))?;
            (0..count).try_for_each(|n| store.put_request(&request(n, count)))
        })
        .unwrap();
    let host = HostName::parse("here").unwrap();
    let desk = Desk::new(store, Arc::new(Fixed(world.clone())), Arc::new(Fixed(world)), host);
    let auditor = Caller {
        person: Person::parse("boss").unwrap(),
        login: Login::parse("boss").unwrap(),
        names: [Login::parse("boss").unwrap()].into(),
        source: None,
        roles: Roles { auditor: true, ..Roles::default() },
        channel: Channel::Terminal,
        reviews: Ok(()),
    };
    let started = Instant::now();
    desk.replay(&auditor, &NewReplay { policy: policy(1), people: None, old: None, days: 1 }).unwrap();
    println!("the last day took {:.2?}", started.elapsed());
    let new = NewReplay { policy: policy(2), people: None, old: None, days: DAYS };
    let (started, used) = (Instant::now(), processor());
    let replayed = desk.replay(&auditor, &new).unwrap();
    let took = started.elapsed();
    println!(
        "{} requests replayed in {took:.2?}, {:.2?} of processor time: {} the same, {:?}, stopped at {:?}",
        replayed.looked_at,
        processor().saturating_sub(used),
        replayed.same,
        replayed.kinds,
        replayed.stopped_at
    );
}
