//! Explaining and replaying over a real store: who may, what is answered, and that nothing changes.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{HostName, Login, Now, Person, RequestId, Service, Span, Text, Time};
use api::{AskExplain, Change, ChangeRecord, DifferenceKind, NewPolicy, NewReplay, NewRequest, ProblemCode};
use desk::{
    Caller, Clock, Committed, Desk, DeskError, InForce, Key, PolicyVersion, Roles, SqlStore, Store as _,
    Worlds,
};
use journal::{Checkpoint, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use store::{File, Observer, Options, Sql, StoreError, Writer};
use workflow::{Ask, Channel, Hosts, How, Kind, People, Policy, Request, RequestState, World};

const PEOPLE: &str = "[alice]\ngroups = [\"dev\"]\nmanager = \"bob\"\n[bob]\ngroups = [\"leads\"]\n\
    [carol]\ngroups = [\"dba\"]\n[dave]\ngroups = []\n";

const IN_FORCE: &str = "[[rule]]\nid = \"dev\"\nwho = { groups = [\"dev\"] }\n\
    approve = [{ from = [\"group:leads\"] }]\n\
    [[rule]]\nid = \"dba\"\nwho = { groups = [\"dba\"] }\nwhat = { services = [\"ssh\"] }\n\
    auto = { quota = \"2 per 1d\" }\napprove = [{ from = [\"group:leads\"] }]\n";

fn world(policy: Arc<Policy>, listed: Option<Arc<People>>) -> World {
    let people = || Arc::new(People::parse(PEOPLE, Path::new("people.toml")).unwrap());
    let labels = BTreeMap::from([(HostName::parse("here").unwrap(), BTreeMap::new())]);
    World {
        policy,
        people: listed.unwrap_or_else(people),
        schedules: Arc::default(),
        hosts: Arc::new(Hosts { labels, all: true }),
    }
}

struct Here(InForce);

impl Worlds for Here {
    fn in_force(&self) -> &InForce {
        &self.0
    }
    fn world(&self) -> World {
        let applied = self.0.load();
        world(Arc::clone(&applied.policy), applied.listed.clone())
    }
    fn world_of(&self, policy: Policy, listed: Option<People>) -> World {
        world(Arc::new(policy), listed.map(Arc::new))
    }
}

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Now {
        Now::exactly(Time::from_timestamp(1_800_000_000 + self.0.load(Ordering::Relaxed), 0).unwrap())
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<AtomicU64>);

impl Observer<Committed> for Heard {
    fn committed(&mut self, events: Vec<Committed>) {
        self.0.fetch_add(events.len() as u64, Ordering::Relaxed);
    }
    fn checkpoint(&mut self, _: Checkpoint) {}
    fn reopened(&mut self, _: &dyn Sql) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, error: &StoreError) {
        assert!(matches!(error, StoreError::Failed), "{error}");
    }
}

struct Room {
    desk: Desk<SqlStore<Committed>>,
    store: SqlStore<Committed>,
    hand: Arc<Hand>,
    heard: Heard,
    _folder: tempfile::TempDir,
}

impl Room {
    fn passes(&self, seconds: i64) {
        self.hand.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn asks(&self, who: &str, service: &str) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = Key::of(&NEXT.fetch_add(1, Ordering::Relaxed).to_string(), "/", b"");
        self.desk.request(&caller(who), &wants(service), &key).unwrap();
    }

    /// Requests of a person that nobody decided, one every so many seconds.
    fn asked(&self, who: &str, count: u64, every: i64) {
        let first = self.hand.now().trusted;
        let who = caller(who);
        let request = move |n: u64| Request {
            ask: Ask {
                id: RequestId::from_random(n + 1),
                kind: Kind::Access,
                asked_by: who.person.clone(),
                person: who.person.clone(),
                names: who.names.clone(),
                hosts: [HostName::parse("here").unwrap()].into(),
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
                channel: Channel::Terminal,
                asked_at: first + chrono::TimeDelta::seconds(every * i64::try_from(n).unwrap()),
            },
            rule: "dba".to_owned(),
            state: RequestState::Expired { at: first },
            reviews: Vec::new(),
            escalated: None,
            escalates: None,
            afterwards: None,
        };
        self.store
            .write(move |store| {
                store.record(asked(&request(0)))?;
                (0..count).try_for_each(|n| store.put_request(&request(n)))
            })
            .unwrap();
        self.passes(every * i64::try_from(count).unwrap());
    }

    fn replays(&self, policy: &str, days: u32) -> api::Replayed {
        self.desk.replay(&auditor(), &new(policy, days)).unwrap()
    }
}

fn room() -> Room {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { path: folder.path().join("x.db"), max_bytes: 64 << 20, tables: "" };
    let stamp = || Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 };
    let file = File::open(options.clone(), |_| (stamp(), "{}".into())).unwrap();
    let heard = Heard::default();
    let (writer, _) = Writer::start(file, Box::new(stamp), heard.clone()).unwrap();
    let store = SqlStore::new(writer, store::read_only(&options.path).unwrap(), Duration::from_secs(20));
    let hand = Arc::new(Hand(AtomicI64::new(0)));
    let version = PolicyVersion { policy: IN_FORCE.to_owned(), ..PolicyVersion::shipped() };
    let here = Arc::new(Here(InForce::found(Some(&version)).0));
    let desk = Desk::new(store.clone(), here, Arc::<Hand>::clone(&hand), HostName::parse("here").unwrap());
    Room { desk, store, hand, heard, _folder: folder }
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

fn caller(name: &str) -> Caller {
    Caller {
        person: Person::parse(name).unwrap(),
        login: Login::parse(name).unwrap(),
        names: [Login::parse(name).unwrap()].into(),
        source: None,
        roles: Roles::default(),
        channel: Channel::Terminal,
        reviews: Ok(()),
    }
}

fn auditor() -> Caller {
    Caller { roles: Roles { auditor: true, ..Roles::default() }, ..caller("dave") }
}

fn wants(service: &str) -> NewRequest {
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

fn about(user: Option<&str>) -> AskExplain {
    AskExplain {
        user: user.map(|user| Login::parse(user).unwrap()),
        hosts: BTreeSet::new(),
        services: [Service::parse("ssh").unwrap()].into(),
        run_as: None,
        length: None,
        at: None,
    }
}

fn new(policy: &str, days: u32) -> NewReplay {
    NewReplay { policy: policy.to_owned(), people: None, old: None, days }
}

#[test]
fn an_explanation_is_for_the_person_for_approvers_and_for_auditors() {
    let room = room();
    let own = room.desk.explain(&caller("alice"), about(None)).unwrap();
    assert_eq!((own.person.as_str(), own.outcome.how, own.outcome.needs), ("alice", How::ByPeople, 1));
    assert_eq!(own.hosts, [HostName::parse("here").unwrap()].into(), "this machine, where none is named");
    assert_eq!(own.could(), [Person::parse("bob").unwrap()].into());
    assert_eq!(own.length, Span::parse("1h").ok(), "the rule's default");
    for reader in [caller("bob"), auditor()] {
        assert_eq!(room.desk.explain(&reader, about(Some("alice"))).unwrap(), own);
    }
    for other in ["bob", "ghost"] {
        let refused = room.desk.explain(&caller("alice"), about(Some(other))).unwrap_err();
        assert!(matches!(refused, DeskError::Forbidden(_)), "{refused}");
    }
    let nobody = room.desk.explain(&auditor(), about(Some("ghost"))).unwrap_err();
    assert!(matches!(nobody, DeskError::NoAccount(_)), "{nobody}");
    let end_of_time = AskExplain { at: Some(access::Time::MAX_UTC), ..about(None) };
    let refused = room.desk.explain(&caller("alice"), end_of_time).unwrap_err();
    assert!(matches!(refused, DeskError::BadRequest(_)), "{refused}");
    let none = room.desk.explain(&auditor(), about(None)).unwrap();
    let why = "no rule is for dave: whoever keeps the policy can add one";
    assert_eq!(none.outcome.why.as_deref(), Some(why));
    assert_eq!(room.heard.0.load(Ordering::Relaxed), 0, "nothing was written");
}

#[test]
fn an_explanation_counts_what_was_used_of_a_quota() {
    let room = room();
    let auto = || {
        let explained = room.desk.explain(&caller("carol"), about(None)).unwrap();
        let auto = explained.rule.unwrap().auto.unwrap();
        (explained.outcome.how, auto.held, auto.missed)
    };
    assert_eq!(auto(), (How::ByItself, vec!["0 of 2 per 1d used".to_owned()], vec![]));
    room.asks("carol", "ssh");
    room.asks("carol", "ssh");
    assert_eq!(auto(), (How::ByPeople, vec![], vec!["2 of 2 per 1d used".to_owned()]));
}

#[test]
fn a_replay_is_for_those_who_see_everything_and_stays_within_bounds() {
    let room = room();
    let refused = room.desk.replay(&caller("bob"), &new(IN_FORCE, 90)).unwrap_err();
    assert_eq!(refused.problem().code, ProblemCode::Forbidden);
    for (policy, days) in [(IN_FORCE, 0), (IN_FORCE, 401), ("nonsense", 1)] {
        let refused = room.desk.replay(&auditor(), &new(policy, days)).unwrap_err();
        assert_eq!(refused.problem().code, ProblemCode::BadRequest, "{refused}");
    }
    let old = NewPolicy { policy: "nonsense".to_owned(), people: None, no_people: false };
    let refused = room.desk.replay(&auditor(), &NewReplay { old: Some(old), ..new(IN_FORCE, 1) });
    assert_eq!(refused.unwrap_err().problem().code, ProblemCode::BadRequest);
    assert_eq!(room.replays(IN_FORCE, 90), api::Replayed::default(), "nothing was asked yet");
}

#[test]
fn a_replay_tells_each_way_in_which_requests_would_have_gone_differently() {
    let room = room();
    room.asks("alice", "ssh");
    room.asks("alice", "sudo");
    room.asks("carol", "ssh");
    let written = room.heard.0.load(Ordering::Relaxed);
    let same = room.replays(IN_FORCE, 90);
    assert_eq!((same.looked_at, same.same, same.kinds.len()), (3, 3, 0));

    let kinds = |policy: &str| {
        let replayed = room.replays(policy, 90);
        let counted: u64 = replayed.kinds.values().sum();
        assert_eq!(replayed.same + counted, 3);
        assert_eq!(replayed.differences.len() as u64, counted);
        replayed.kinds.into_iter().collect::<Vec<_>>()
    };
    let dev = |terms: &str| {
        IN_FORCE
            .replace("who = { groups = [\"dev\"] }\n", &format!("who = {{ groups = [\"dev\"] }}\n{terms}\n"))
    };
    assert_eq!(kinds(&dev("what = { services = [\"ssh\"] }")), [(DifferenceKind::Refused, 1)]);
    assert_eq!(kinds(&dev("ask = { ticket = \"OPS-1\" }")), [(DifferenceKind::Refused, 2)]);
    assert_eq!(kinds(&dev("auto = { max = \"2h\" }")), [(DifferenceKind::ByItself, 2)]);
    assert_eq!(
        kinds(&IN_FORCE.replace("auto = { quota = \"2 per 1d\" }\n", "")),
        [(DifferenceKind::ByPeople, 1)]
    );
    assert_eq!(kinds(&IN_FORCE.replace("id = \"dba\"", "id = \"dbas\"")), [(DifferenceKind::OtherRule, 1)]);
    let two = IN_FORCE.replacen("group:leads\"] }", "user:bob\", \"user:carol\"], need = 2 }", 1);
    assert_eq!(kinds(&two), [(DifferenceKind::MorePeople, 2)]);

    let between = |old: &str, policy: &str| {
        let old = Some(NewPolicy { policy: old.to_owned(), people: None, no_people: false });
        room.desk.replay(&auditor(), &NewReplay { old, ..new(policy, 90) }).unwrap()
    };
    assert_eq!(between(&two, IN_FORCE).kinds, [(DifferenceKind::FewerPeople, 2)].into());
    let given = between(&dev("what = { services = [\"ssh\"] }"), IN_FORCE);
    assert_eq!(given.kinds, [(DifferenceKind::NotRefused, 1)].into());
    let difference = &given.differences[0];
    assert_eq!((difference.person.as_str(), difference.state.as_str()), ("alice", "pending"));
    assert_eq!((difference.before.how, difference.after.how), (How::Refused, How::ByPeople));
    assert!(difference.before.why.as_ref().unwrap().contains("not for sudo"), "{difference:?}");
    assert_eq!(room.heard.0.load(Ordering::Relaxed), written, "nothing was written");
}

#[test]
fn a_replay_uses_quotas_up_in_the_order_of_time_and_knows_what_was_used_before_its_days() {
    let room = room();
    // Every eight hours: never more than three within a day, its two ends counted.
    room.asked("carol", 5, 8 * 3600);
    let one = IN_FORCE.replace("2 per 1d", "1 per 1d");
    let replayed = room.replays(&one, 90);
    let at = |replayed: &api::Replayed| -> Vec<(DifferenceKind, i64)> {
        let hours = |time: Time| (time.timestamp() - 1_800_000_000) / 3600;
        replayed.differences.iter().map(|difference| (difference.kind, hours(difference.asked_at))).collect()
    };
    // Two a day: at 0 and 8 by itself, 16 not, 24 not (0 is still within), 32 by itself again. One: 0 and 32.
    assert_eq!((replayed.looked_at, at(&replayed)), (5, vec![(DifferenceKind::ByPeople, 8)]));
    // The last two alone, at hours 24 and 32: what was used before counts, or the one of 32 would differ.
    room.passes(8 * 3600);
    let last = room.replays(&one, 1);
    assert_eq!((last.looked_at, at(&last)), (2, vec![]));
}

#[test]
fn a_replay_goes_on_from_page_to_page_and_tells_the_first_differences() {
    let room = room();
    let page = u64::from(api::limits::PAGE);
    room.asked("carol", page + 5, 3600);
    let looked = room.replays(&IN_FORCE.replace("id = \"dba\"", "id = \"other\""), 90);
    assert_eq!((looked.looked_at, looked.kinds), (page + 5, [(DifferenceKind::OtherRule, page + 5)].into()));
    assert_eq!((looked.differences.len(), looked.stopped_at), (desk::limits::DIFFERENCES, None));
    assert_eq!(looked.differences[0].request, RequestId::from_random(1), "the oldest first");
}
