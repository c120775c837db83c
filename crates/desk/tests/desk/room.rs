//! A desk on a real file, with a policy, people and a clock that a test can change.

use access::{Claim, Grant, GrantId, HostName, Login, Now, Person, Service, Span, Text, Time};
use api::{NewExtension, NewPolicy, NewRequest, NewReview, NewVerdict, ProblemCode};
use chrono::TimeDelta;
use desk::{
    Caller, Clock, Committed, Desk, DeskError, InForce, Key, PolicyVersion, Roles, SqlStore, Store, Worlds,
};
use journal::{Checkpoint, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use store::{Bind, File, Observer, Options, Sql, StoreError, Writer};
use workflow::{Channel, Hosts, Narrowing, People, Policy, World};

/// Anybody asks, one of group g agrees within an hour.
pub const POLICY: &str = r#"
[[rule]]
id = "group"
time = { default = "1h", max = "8h", pending = "1h" }
approve = [{ from = ["group:g"], need = 1 }]
"#;

/// Accounts beside `user0` to `user99`, each with its groups.
const ACCOUNTS: [(&str, &[&str]); 7] = [
    ("root", &[]),
    ("alice", &["dev"]),
    ("bob", &["g"]),
    ("carol", &["g"]),
    ("dave", &["leads"]),
    ("mallory", &[]),
    ("robot", &[]),
];

/// Accounts, and the policy in force over them.
pub struct Place {
    accounts: Mutex<BTreeMap<String, BTreeSet<String>>>,
    hosts: Mutex<Hosts>,
    policy: InForce,
}

impl Place {
    fn new(version: &PolicyVersion, accounts: BTreeMap<String, BTreeSet<String>>) -> Self {
        let here = HostName::parse("here").unwrap();
        let hosts = Hosts { labels: BTreeMap::from([(here, BTreeMap::new())]), all: false };
        let (policy, why) = InForce::found(Some(version));
        assert_eq!(why, None);
        Self { accounts: Mutex::new(accounts), hosts: Mutex::new(hosts), policy }
    }

    /// An account is in these groups from now on.
    pub fn groups(&self, name: &str, groups: &[&str]) {
        let groups = groups.iter().map(ToString::to_string).collect();
        self.accounts.lock().unwrap().insert(name.to_owned(), groups);
    }

    /// These are the hosts from now on, each with its `env`, and no others.
    pub fn hosts(&self, hosts: &[(&str, &str)]) {
        let labels = |env: &str| BTreeMap::from([("env".to_owned(), env.to_owned())]);
        let hosts = hosts.iter().map(|(host, env)| (HostName::parse(host).unwrap(), labels(env)));
        *self.hosts.lock().unwrap() = Hosts { labels: hosts.collect(), all: true };
    }

    fn over(&self, policy: Arc<Policy>, listed: Option<&People>) -> World {
        let accounts = self.accounts.lock().unwrap().clone().into_iter().map(|(name, groups)| {
            (Person::parse(&name).unwrap(), [Login::parse(&name).unwrap()].into(), groups)
        });
        let system = People::of_system(accounts);
        let people = listed.map_or_else(|| system.clone(), |listed| listed.clone().over(&system));
        let hosts = Arc::new(self.hosts.lock().unwrap().clone());
        World { policy, people: Arc::new(people), schedules: Arc::default(), hosts }
    }
}

impl Worlds for Place {
    fn in_force(&self) -> &InForce {
        &self.policy
    }
    fn world(&self) -> World {
        let applied = self.policy.load();
        self.over(Arc::clone(&applied.policy), applied.listed.as_deref())
    }
    fn world_of(&self, policy: Policy, listed: Option<People>) -> World {
        self.over(Arc::new(policy), listed.as_ref())
    }
}

/// Seconds after a fixed instant.
pub struct Hand {
    trusted: AtomicI64,
    wall_ahead: AtomicI64,
}

impl Hand {
    pub fn at(seconds: i64) -> Self {
        Self { trusted: AtomicI64::new(seconds), wall_ahead: AtomicI64::new(0) }
    }

    pub fn set(&self, seconds: i64) {
        self.trusted.store(seconds, Ordering::Relaxed);
    }

    /// The wall clock is so many seconds ahead of what is trusted.
    pub fn wall_ahead(&self, seconds: i64) {
        self.wall_ahead.store(seconds, Ordering::Relaxed);
    }
}

/// That instant and so many seconds.
pub fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

impl Clock for Hand {
    fn now(&self) -> Now {
        let trusted = at(self.trusted.load(Ordering::Relaxed));
        let latest = trusted + TimeDelta::seconds(self.wall_ahead.load(Ordering::Relaxed));
        Now { latest, ..Now::exactly(trusted) }
    }
}

/// Everything that was committed, in order.
#[derive(Clone, Default)]
pub struct Heard(pub Arc<Mutex<Vec<Committed>>>);

impl Heard {
    /// The records of changes, as the lines they are in syslog, without their places.
    pub fn lines(&self) -> Vec<String> {
        let heard = self.0.lock().unwrap();
        let line = |event: &Committed| match event {
            Committed::Record { seq, record } => Some(record.line(*seq).replace(&format!(" seq={seq}"), "")),
            _ => None,
        };
        heard.iter().filter_map(line).collect()
    }

    /// The names of the changes, in order.
    pub fn changes(&self) -> Vec<String> {
        let name = |line: String| {
            line.split(' ').next().and_then(|pair| pair.strip_prefix("change=")).map(str::to_owned)
        };
        self.lines().into_iter().filter_map(name).collect()
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Observer<Committed> for Heard {
    fn committed(&mut self, events: Vec<Committed>) {
        self.0.lock().unwrap().extend(events);
    }
    fn checkpoint(&mut self, _: Checkpoint) {}
    fn reopened(&mut self, _: &dyn Sql) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, error: &StoreError) {
        assert!(matches!(error, StoreError::Failed), "{error}");
    }
}

/// One real file.
pub struct Paper {
    pub store: SqlStore<Committed>,
    pub writer: Writer<Committed>,
    pub heard: Heard,
    pub folder: tempfile::TempDir,
    thread: JoinHandle<()>,
}

impl Paper {
    pub fn new(max_bytes: u64) -> Self {
        Self::within(tempfile::tempdir().unwrap(), max_bytes)
    }

    fn within(folder: tempfile::TempDir, max_bytes: u64) -> Self {
        let options = Options { path: folder.path().join("x.db"), max_bytes, tables: "" };
        let stamp = || Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 };
        let file = File::open(options.clone(), |_| (stamp(), "{}".into())).unwrap();
        let heard = Heard::default();
        let (writer, thread) = Writer::start(file, Box::new(stamp), heard.clone()).unwrap();
        let reader = store::read_only(&options.path).unwrap();
        let store = SqlStore::new(writer.clone(), reader, Duration::from_secs(20));
        Self { store, writer, heard, folder, thread }
    }

    /// The first use of a grant, as a gate writes it.
    pub fn claims(&self, grant: &Grant, now: Time) {
        let claim = Claim::start(&grant.window, now).unwrap();
        let id = grant.id;
        let done: Result<(), StoreError> = self
            .writer
            .run(Duration::from_secs(20), move |tx| desk::keep_claim(tx.connection(), id, claim, 1));
        done.unwrap();
    }

    /// A session of a grant, as a gate writes it.
    pub fn opens_session(&self, grant: GrantId, number: i64) {
        self.sql(
            "INSERT INTO session (id, grant_id, body, seq) VALUES (?1, ?2, '{}', 1)",
            vec![number, signed(grant.bits())],
        );
    }

    /// So many grants like this one that came after it, and are over.
    pub fn ended(&self, like: GrantId, count: u64) {
        let done: Result<usize, StoreError> = self.writer.run(Duration::from_secs(20), move |tx| {
            tx.connection().execute(
                "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1) \
                 INSERT INTO grants SELECT id + n, version, person, hosts, 1, latest_ms, at_ms + n, body, digest, seq \
                 FROM (SELECT * FROM grants WHERE id = ?2), number",
                &[&count, &like.bits()],
            )
        });
        done.unwrap();
    }

    /// One row changed by whoever can write the file.
    pub fn sql(&self, sql: &'static str, values: Vec<i64>) {
        let done: Result<usize, StoreError> = self.writer.run(Duration::from_secs(20), move |tx| {
            let values: Vec<&dyn Bind> = values.iter().map(|value| value as &dyn Bind).collect();
            tx.connection().execute(sql, &values)
        });
        assert_eq!(done.unwrap(), 1);
    }
}

fn signed(bits: u64) -> i64 {
    i64::try_from(bits).unwrap()
}

/// A desk in its room.
pub struct Room {
    pub desk: Arc<Desk<SqlStore<Committed>>>,
    pub place: Arc<Place>,
    pub hand: Arc<Hand>,
    pub paper: Paper,
}

/// A room with this policy in force.
pub fn room_by(policy: &str) -> Room {
    let room = room_of(64 << 20);
    room.applies(policy);
    room.paper.heard.clear();
    room
}

/// A room with [`POLICY`] in force.
pub fn room() -> Room {
    room_by(POLICY)
}

/// A hub: no host itself, and without accounts. The shipped policy is in force.
pub fn hub() -> Room {
    Room::on(Paper::new(64 << 20), BTreeMap::new(), Arc::new(Hand::at(0)))
}

/// A room whose file may grow to so many bytes, with the shipped policy in force.
pub fn room_of(max_bytes: u64) -> Room {
    let mut accounts: BTreeMap<String, BTreeSet<String>> =
        (0..100).map(|number| (format!("user{number}"), BTreeSet::new())).collect();
    accounts.extend(
        ACCOUNTS
            .iter()
            .map(|(name, groups)| (name.to_string(), groups.iter().map(ToString::to_string).collect())),
    );
    Room::on(Paper::new(max_bytes), accounts, Arc::new(Hand::at(0)))
}

impl Room {
    fn on(paper: Paper, accounts: BTreeMap<String, BTreeSet<String>>, hand: Arc<Hand>) -> Self {
        let in_force = paper.store.read(|store| store.policy()).unwrap();
        let place = Arc::new(Place::new(&in_force.unwrap_or_else(PolicyVersion::shipped), accounts));
        let is_hub = place.accounts.lock().unwrap().is_empty();
        let host = (!is_hub).then(|| HostName::parse("here").unwrap());
        let worlds: Arc<dyn Worlds> = Arc::<Place>::clone(&place);
        let desk = Arc::new(Desk::new(paper.store.clone(), worlds, Arc::<Hand>::clone(&hand), host));
        Self { desk, place, hand, paper }
    }

    /// The daemon stops and starts again: only the file is left of it.
    pub fn restarted(self) -> Self {
        let Self { desk, place, hand, paper } = self;
        let accounts = place.accounts.lock().unwrap().clone();
        drop((desk, place));
        let Paper { store, writer, folder, thread, .. } = paper;
        drop((store, writer));
        thread.join().unwrap();
        Self::on(Paper::within(folder, 64 << 20), accounts, hand)
    }

    pub fn applies(&self, policy: &str) -> api::AppliedPolicy {
        self.desk.apply(&caller("root"), written(policy), &key()).unwrap()
    }

    pub fn tries(&self, name: &str, new: &NewRequest) -> Result<api::Opened, DeskError> {
        self.desk.request(&caller(name), new, &key())
    }

    pub fn asks(&self, name: &str, service: &str) -> api::RequestView {
        self.tries(name, &wants(service)).unwrap().request
    }

    pub fn reviews(
        &self,
        name: &str,
        request: &api::RequestView,
        verdict: NewVerdict,
    ) -> Result<api::Reviewed, DeskError> {
        let review = answer(verdict, &request.digest);
        self.desk.review(&caller(name), &request.ask.id.to_string(), &review, &key())
    }

    pub fn approves(&self, name: &str, request: &api::RequestView) -> Result<api::Reviewed, DeskError> {
        self.reviews(name, request, NewVerdict::Approve)
    }

    /// The grant of a request that bob approves.
    pub fn granted(&self, name: &str, service: &str) -> Grant {
        self.approves("bob", &self.asks(name, service)).unwrap().grant.unwrap().grant
    }

    pub fn extends(&self, name: &str, grant: &Grant, by: &str) -> Result<api::Opened, DeskError> {
        let new = NewExtension {
            length: Span::parse(by).unwrap(),
            reason: Text::parse("not done yet").unwrap(),
            ticket: None,
        };
        self.desk.extend(&caller(name), &grant.id.to_string(), &new, &key())
    }

    pub fn request(&self, id: access::RequestId) -> api::RequestView {
        self.desk.show_request(&caller("root"), &id.to_string()).unwrap()
    }

    pub fn grant(&self, id: GrantId) -> api::GrantView {
        self.desk.show_grant(&caller("root"), &id.to_string()).unwrap()
    }
}

pub fn written(policy: &str) -> NewPolicy {
    NewPolicy { policy: policy.to_owned(), people: None, no_people: false }
}

pub fn caller(name: &str) -> Caller {
    let login = Login::parse(name).unwrap();
    Caller {
        person: Person::parse(name).unwrap(),
        names: [login.clone()].into(),
        login,
        source: None,
        roles: Roles { admin: name == "root", ..Roles::default() },
        channel: Channel::Terminal,
        reviews: if name == "root" { Err("root".into()) } else { Ok(()) },
    }
}

pub fn wants(service: &str) -> NewRequest {
    NewRequest {
        hosts: BTreeSet::new(),
        labels: BTreeMap::new(),
        services: [Service::parse(service).unwrap()].into(),
        run_as: None,
        length: None,
        at: None,
        reason: Text::parse("why").unwrap(),
        ticket: None,
        user: None,
        break_glass: false,
    }
}

pub fn key() -> Key {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Key::of(&NEXT.fetch_add(1, Ordering::Relaxed).to_string(), "/", b"")
}

pub fn answer(verdict: NewVerdict, digest: &str) -> NewReview {
    let comment = (verdict == NewVerdict::Deny).then(|| Text::parse("not like that").unwrap());
    NewReview { verdict, digest: digest.into(), narrowing: Narrowing::default(), comment }
}

pub fn code(result: &Result<impl Sized, DeskError>) -> Option<ProblemCode> {
    result.as_ref().err().map(|error| error.problem().code)
}

/// What was said to somebody who was refused.
pub fn said(result: Result<impl Sized, DeskError>) -> String {
    result.err().map(|error| error.to_string()).unwrap()
}
