//! What can happen, and the small world it happens to.

use crate::engine::Engine;
use crate::hub::{
    GRANT, ROOT, VIEW, at, clock, enrolled, grant, key, manifest, name, permit, permitted, revoked, sealed,
    signed, view,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::rc::Rc;
use sync::{Digest, Entry, Era, Message, SignedGrant, SignedPermit, State, whole_with};

/// Seconds after the beginning: the first grants are over at the last.
const CLOCK: [i64; 3] = [0, 120, 4000];

/// What may happen in a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Can {
    Write,
    Begin,
    EmitAll,
    EmitNews,
    Wait,
    Rotate,
    Fail,
    Miss,
    Restore,
    Forge,
    Mint,
    Permit,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// A desk commits a change.
    Commit(Write),
    /// A desk begins a transaction, and does not commit it yet.
    Begin(Write),
    /// It does.
    CommitBegun,
    /// The replica hears of changes and misses what they were.
    Miss,
    /// The replica signs what it knows: for a file, or for what the host holds and believes.
    EmitAll,
    EmitNews,
    /// A message that was ever sent arrives.
    Deliver(usize, Fate),
    /// The thief signs and delivers.
    Forge(Forgery),
    /// New keys.
    Rotate,
    /// The database of the beginning comes back.
    Restore,
    /// The root says so, and hosts tell what they know.
    Recover,
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    Extend,
    Revoke,
    /// A second grant.
    Add,
    /// The permit is taken back.
    TakePermit,
    /// Another one is made in its place.
    MakePermit,
}

/// How an arrival ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Good,
    DiskFull,
    /// After it was written, before anything else.
    PowerCut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forgery {
    /// Lists nothing.
    Hide,
    /// Lists what was never approved, signed by a key of the thief's own.
    OwnGrant,
    /// Lists the first version of the first grant again.
    Lower,
    /// In the year 2099, at the last revision there is.
    Future,
    /// Lists the body of the first version under a version far ahead.
    Misname,
    /// The same with the body of another grant, which it lists and sends too.
    Borrow,
    /// Of the next epoch.
    NextEpoch,
    /// Of the next incarnation.
    NextIncarnation,
    /// Lists a version far ahead, alive, signed by the stolen grant key.
    Overtake,
    /// Lists what was never approved, signed by the stolen grant key.
    Minted,
    /// Lists the first permit again, with its body as it was once sent.
    Relist,
    /// Lists a permit that no desk made, signed by a key of the thief's own.
    OwnPermit,
}

impl Forgery {
    const BY_VIEW_KEY: [Self; 7] = [
        Self::Hide,
        Self::OwnGrant,
        Self::Lower,
        Self::Future,
        Self::Misname,
        Self::NextEpoch,
        Self::NextIncarnation,
    ];
    const OF_PERMITS: [Self; 2] = [Self::Relist, Self::OwnPermit];
    const BY_GRANT_KEY: [Self; 2] = [Self::Overtake, Self::Minted];
}

/// A version of a grant as the desk wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    pub version: u32,
    pub ended: bool,
    pub revision: u64,
}

/// The database, or what a replica has of it in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Db {
    pub era: Era,
    pub revision: u64,
    pub rows: BTreeMap<u64, Row>,
    /// The permit that is listed.
    pub permit: Option<u64>,
    /// The digest that was committed with the revision.
    pub whole: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    pub disk: usize,
    pub memory: usize,
    pub acknowledged: Option<(Era, u64)>,
    /// What it tells the hub it has already.
    pub etag: Option<usize>,
}

impl Host {
    pub fn restart(&mut self) {
        self.memory = self.disk;
        self.etag = None;
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub clock: usize,
    pub db: Db,
    pub replica: Db,
    /// The transaction that was begun, and the revision it took then.
    pub begun: Option<(Write, u64)>,
    /// What the sequence gave last.
    pub sequence: u64,
    /// What was sent and can be delivered at any time, again and again.
    pub sent: BTreeSet<usize>,
    pub host: Host,
    pub restored: bool,
    pub recovered: bool,
    /// Every version that was ever approved.
    pub approved: BTreeSet<(u64, u32, bool)>,
    /// Grants whose end a host has applied.
    pub ended: BTreeSet<u64>,
    /// Permits that a desk ever made, and those of which a host has applied that they were taken back.
    pub permitted: BTreeSet<u64>,
    pub taken_back: BTreeSet<u64>,
}

/// What a message says, by the hub's own books; nothing of a forged one.
pub struct Sent {
    pub bytes: Vec<u8>,
    pub truth: Option<Truth>,
}

pub struct Truth {
    pub at: (Era, u64),
    /// Live versions in the database.
    pub live: BTreeMap<u64, u32>,
}

type Outcome = Result<(usize, &'static str), &'static str>;

/// Things that are kept once, and known by number.
struct Numbered<K, T> {
    all: Vec<Rc<T>>,
    by: HashMap<K, usize>,
}

impl<K, T> Default for Numbered<K, T> {
    fn default() -> Self {
        Self { all: Vec::new(), by: HashMap::new() }
    }
}

impl<K: Eq + Hash, T> Numbered<K, T> {
    fn number(&mut self, key: K, thing: T) -> usize {
        *self.by.entry(key).or_insert_with(|| {
            self.all.push(Rc::new(thing));
            self.all.len() - 1
        })
    }
}

pub struct Story {
    pub engine: Engine,
    pub can: &'static [Can],
    states: RefCell<Numbered<String, State>>,
    messages: RefCell<Numbered<Vec<u8>, Sent>>,
    bodies: RefCell<HashMap<(u64, Row, u8), SignedGrant>>,
    emitted: RefCell<HashMap<String, usize>>,
    applied: RefCell<HashMap<(usize, usize, i64), Outcome>>,
}

impl Story {
    pub fn new(engine: Engine, can: &'static [Can]) -> Self {
        Self {
            engine,
            can,
            states: RefCell::default(),
            messages: RefCell::default(),
            bodies: RefCell::default(),
            emitted: RefCell::default(),
            applied: RefCell::default(),
        }
    }

    pub fn can(&self, what: Can) -> bool {
        self.can.contains(&what)
    }

    /// One grant, and a host that has it.
    pub fn begin(&self) -> World {
        let db = self.backup();
        let state = self.keep(enrolled());
        let mut world = World {
            clock: 0,
            replica: db.clone(),
            db,
            begun: None,
            sequence: 1,
            sent: BTreeSet::new(),
            host: Host { disk: state, memory: state, acknowledged: None, etag: None },
            restored: false,
            recovered: false,
            approved: [(1, 1, false)].into(),
            ended: BTreeSet::new(),
            permitted: if self.can(Can::Permit) { [11].into() } else { BTreeSet::new() },
            taken_back: BTreeSet::new(),
        };
        let first = self.emit(&mut world, true);
        self.deliver(&mut world, first, Fate::Good);
        world
    }

    /// The database of the beginning.
    fn backup(&self) -> Db {
        let rows = BTreeMap::from([(1, Row { version: 1, ended: false, revision: 1 })]);
        let (era, permit) = (Era { incarnation: 1, epoch: 1 }, self.can(Can::Permit).then_some(11));
        let mut db = Db { era, revision: 1, rows, permit, whole: Digest::of(b"") };
        db.whole = self.whole(&db);
        db
    }

    pub fn moves(&self, world: &World) -> Vec<Move> {
        let mut moves = Vec::new();
        let mut may = |what, these: &[Move]| {
            if self.can(what) {
                moves.extend(these);
            }
        };
        let writes = [Write::Extend, Write::Revoke, Write::Add];
        let writes: Vec<Write> = writes.into_iter().filter(|write| world.may(*write)).collect();
        may(Can::Write, &writes.iter().map(|write| Move::Commit(*write)).collect::<Vec<_>>());
        match world.db.permit {
            Some(_) => may(Can::Permit, &[Move::Commit(Write::TakePermit)]),
            None => may(Can::Permit, &[Move::Commit(Write::MakePermit)]),
        }
        if world.begun.is_none() {
            may(Can::Begin, &writes.iter().map(|write| Move::Begin(*write)).collect::<Vec<_>>());
        } else {
            may(Can::Begin, &[Move::CommitBegun]);
        }
        may(Can::EmitAll, &[Move::EmitAll]);
        may(Can::EmitNews, &[Move::EmitNews]);
        may(Can::Miss, &[Move::Miss]);
        if world.db.era.epoch == 1 {
            may(Can::Rotate, &[Move::Rotate]);
        }
        if world.clock + 1 < CLOCK.len() {
            may(Can::Wait, &[Move::Wait]);
        }
        if !world.restored {
            may(Can::Restore, &[Move::Restore]);
        } else if !world.recovered {
            may(Can::Restore, &[Move::Recover]);
        }
        may(Can::Forge, &Forgery::BY_VIEW_KEY.map(Move::Forge));
        if world.approved.contains(&(2, 1, false)) {
            may(Can::Forge, &[Move::Forge(Forgery::Borrow)]);
        }
        if self.can(Can::Permit) {
            may(Can::Forge, &Forgery::OF_PERMITS.map(Move::Forge));
        }
        may(Can::Mint, &Forgery::BY_GRANT_KEY.map(Move::Forge));
        for message in &world.sent {
            moves.push(Move::Deliver(*message, Fate::Good));
            if self.can(Can::Fail) {
                moves.extend([Fate::DiskFull, Fate::PowerCut].map(|fate| Move::Deliver(*message, fate)));
            }
        }
        moves
    }

    /// What follows, and how the host took what arrived.
    pub fn play(&self, before: &World, what: Move) -> (World, &'static str) {
        let mut world = before.clone();
        let mut outcome = "";
        match what {
            Move::Commit(write) => {
                world.sequence += 1;
                self.commit(&mut world, write, before.sequence + 1);
            }
            Move::Begin(write) => {
                world.sequence += 1;
                world.begun = Some((write, world.sequence));
            }
            Move::CommitBegun => {
                let (write, revision) = world.begun.take().unwrap();
                if before.may(write) {
                    self.commit(&mut world, write, revision);
                }
            }
            Move::Miss => world.replica = Db { rows: before.replica.rows.clone(), ..before.db.clone() },
            Move::EmitAll => drop(self.emit(&mut world, true)),
            Move::EmitNews => drop(self.emit(&mut world, false)),
            Move::Deliver(message, fate) => outcome = self.deliver(&mut world, message, fate),
            Move::Forge(forgery) => {
                let message = self.forge(&world, forgery);
                outcome = self.deliver(&mut world, message, Fate::Good);
            }
            Move::Rotate => self.rotate(&mut world),
            Move::Restore => {
                world.db = self.backup();
                world.replica = world.db.clone();
                world.sequence = world.db.revision;
                world.begun = None;
                world.restored = true;
            }
            Move::Recover => self.recover(&mut world),
            Move::Wait => world.clock += 1,
        }
        (world, outcome)
    }

    /// New keys, and permits by them.
    fn rotate(&self, world: &mut World) {
        world.db.era.epoch += 1;
        self.permit_anew(world);
    }

    /// The permit is made anew where one is listed: under another name.
    fn permit_anew(&self, world: &mut World) {
        if world.db.permit.is_some() {
            Self::make_permit(world);
            world.db.revision += 1;
            world.db.whole = self.whole(&world.db);
        }
    }

    fn make_permit(world: &mut World) {
        let id = world.permitted.last().map_or(11, |last| last + 1);
        world.permitted.insert(id);
        world.db.permit = Some(id);
    }

    fn commit(&self, world: &mut World, write: Write, taken: u64) {
        if matches!(write, Write::TakePermit | Write::MakePermit) {
            match write {
                Write::MakePermit => Self::make_permit(world),
                _ => world.db.permit = None,
            }
            world.db.revision += 1;
            world.db.whole = self.whole(&world.db);
            return;
        }
        let db = &mut world.db;
        let revision = if self.engine.sequence { taken } else { db.revision + 1 };
        let id = if write == Write::Add { 2 } else { 1 };
        let version = db.rows.get(&id).map_or(1, |row| row.version + 1);
        let row = Row { version, ended: write == Write::Revoke, revision };
        db.rows.insert(id, row);
        if revision > db.revision {
            db.revision = revision;
            db.whole = self.whole(db);
        }
        world.approved.insert((id, version, row.ended));
    }

    /// The replica reads what was committed after its cursor, and signs.
    pub fn emit(&self, world: &mut World, all: bool) -> usize {
        let World { db, replica, .. } = world;
        let news = db.rows.iter().filter(|(_, row)| row.revision > replica.revision);
        replica.rows.extend(news.map(|(id, row)| (*id, *row)));
        *replica = Db { rows: replica.rows.clone(), ..db.clone() };
        let holds = if all { BTreeSet::new() } else { self.state(world.host.memory).holds() };
        let spec = (all, &holds, world.clock, &world.db.rows, &world.replica, world.host.memory);
        let spec = format!("{spec:?}");
        let known = self.emitted.borrow().get(&spec).copied();
        let message = known.unwrap_or_else(|| self.write(world, all, &holds));
        self.emitted.borrow_mut().insert(spec, message);
        world.sent.insert(message);
        message
    }

    fn write(&self, world: &World, all: bool, holds: &BTreeSet<Digest>) -> usize {
        let replica = &world.replica;
        let (grants, permits) = (self.listed(replica), Self::permits(replica));
        let mut view = view(replica.era, replica.revision, world.now(), &grants);
        view.permits = permits.iter().map(|permit| permit.entry).collect();
        view.whole = whole_with(&view.host, &view.grants, &view.permits);
        if !self.engine.own_whole {
            view.whole = replica.whole;
        }
        let host = self.state(world.host.memory).watermark();
        let wanted = all || host.is_none_or(|(era, _)| era != replica.era);
        let manifest = wanted.then(|| manifest(replica.era, 0).sign(&key(ROOT)));
        let message = Message::new(manifest, sealed(&view), &grants, holds).with_permits(&permits, holds);
        let live = world.db.rows.iter().filter(|(_, row)| !row.ended);
        let live = live.map(|(id, row)| (*id, row.version)).collect();
        self.send(message.to_bytes(), Some(Truth { at: (replica.era, replica.revision), live }))
    }

    fn forge(&self, world: &World, forgery: Forgery) -> usize {
        let spec = format!("{forgery:?} {}", world.clock);
        if let Some(message) = self.emitted.borrow().get(&spec) {
            return *message;
        }
        let now = world.now();
        let row = Row { version: 1, ended: false, revision: 0 };
        let (first, second) = (self.body(1, row, 1), self.body(2, row, 1));
        let far = |of: &SignedGrant| SignedGrant {
            entry: Entry { version: 9, digest: of.entry.digest, ..first.entry },
            envelope: of.envelope.clone(),
        };
        let era = |incarnation, epoch| Era { incarnation, epoch };
        let (era, revision, listed, sent) = match forgery {
            Forgery::Hide => (era(1, 1), 100, vec![], None),
            Forgery::OwnGrant => (era(1, 1), 101, vec![signed(&grant(3, 1), 77)], None),
            Forgery::Lower => (era(1, 1), 102, vec![first], None),
            Forgery::Misname => (era(1, 1), 103, vec![far(&first)], Some(vec![])),
            Forgery::Borrow => (era(1, 1), 104, vec![far(&second), second.clone()], Some(vec![second])),
            Forgery::Future => (era(1, 1), u64::MAX, vec![first], None),
            Forgery::NextEpoch => (era(1, 2), 105, vec![first], None),
            Forgery::NextIncarnation => (era(2, 1), 106, vec![first], None),
            Forgery::Overtake => (era(1, 1), 107, vec![signed(&grant(1, 9), 1)], None),
            Forgery::Minted => (era(1, 1), 108, vec![signed(&grant(3, 1), 1)], None),
            Forgery::Relist => (era(1, 1), 109, vec![], None),
            Forgery::OwnPermit => (era(1, 1), 110, vec![], None),
        };
        let permits = match forgery {
            Forgery::Relist => vec![permitted(&permit(11), 1)],
            Forgery::OwnPermit => vec![permitted(&permit(99), 77)],
            _ => vec![],
        };
        let mut view = view(era, revision, now, &listed);
        if forgery == Forgery::Future {
            view.issued_at = at(73 * 365 * 86_400);
            view.fresh_until = view.issued_at + chrono::TimeDelta::hours(24);
        }
        view.permits = permits.iter().map(|permit| permit.entry).collect();
        view.whole = whole_with(&view.host, &view.grants, &view.permits);
        let grants = sent.unwrap_or(listed);
        let message = Message::new(None, view.sign(&key(VIEW + 1)), &grants, &BTreeSet::new());
        let message = message.with_permits(&permits, &BTreeSet::new());
        let message = self.send(message.to_bytes(), None);
        self.emitted.borrow_mut().insert(spec, message);
        message
    }

    fn deliver(&self, world: &mut World, message: usize, fate: Fate) -> &'static str {
        let now = world.now();
        let outcome = (self.engine.receive)(self, &mut world.host, message, now, fate);
        let state = self.state(world.host.disk);
        let ended = state.grants.iter().filter(|(_, known)| known.ended.is_some());
        world.ended.extend(ended.map(|(id, _)| id.bits()));
        let gone = state.permits.iter().filter(|(_, known)| known.held.is_none());
        world.taken_back.extend(gone.map(|(id, _)| id.bits()));
        outcome
    }

    /// The root signs the next incarnation, after the hub has asked the host what it knows.
    fn recover(&self, world: &mut World) {
        self.take_back(world);
        let served = self.state(world.host.disk).watermark().map_or(world.db.era, |(era, _)| era);
        let Era { incarnation, epoch } = world.db.era;
        world.db.era = Era { incarnation: incarnation + 1, epoch: epoch.max(served.epoch) + 1 };
        self.permit_anew(world);
        world.recovered = true;
    }

    /// What the host saw and the database lost is followed by a higher version.
    fn take_back(&self, world: &mut World) {
        let state = self.state(world.host.disk);
        let db = &mut world.db;
        let epoch = u8::try_from(db.era.epoch).unwrap();
        for (id, known) in &state.grants {
            let id = id.bits();
            let row = db.rows.get(&id).copied();
            let lost = row.is_none_or(|row| {
                let behind = row.version < known.version;
                behind
                    || row.version == known.version && self.body(id, row, epoch).entry.digest != known.digest
            });
            if lost {
                db.revision += 1;
                let ended = known.ended.is_some() || row.is_none_or(|row| row.ended);
                db.rows.insert(id, Row { version: known.version + 1, ended, revision: db.revision });
                world.approved.insert((id, known.version + 1, ended));
            }
        }
        db.whole = self.whole(db);
    }

    /// From here on nobody meddles: the hub and the host do what they always do, and a hand only what a restore
    /// needs.
    pub fn calm(&self, world: &World) -> World {
        let mut world = world.clone();
        if world.restored && !world.recovered {
            self.recover(&mut world);
        }
        if self.can(Can::Forge) && world.db.era.epoch == 1 {
            self.rotate(&mut world);
        }
        for _ in 0..2 {
            if world.restored {
                self.take_back(&mut world);
            }
            let message = self.emit(&mut world, true);
            if world.host.etag == Some(message) {
                continue;
            }
            if self.deliver(&mut world, message, Fate::Good) == "not_whole" {
                world.replica = world.db.clone();
            }
        }
        world
    }

    fn body(&self, id: u64, row: Row, epoch: u8) -> SignedGrant {
        let row = Row { revision: 0, ..row };
        let make =
            || signed(&if row.ended { revoked(id, row.version) } else { grant(id, row.version) }, epoch);
        self.bodies.borrow_mut().entry((id, row, epoch)).or_insert_with(make).clone()
    }

    fn listed(&self, db: &Db) -> Vec<SignedGrant> {
        let epoch = u8::try_from(db.era.epoch).unwrap();
        db.rows.iter().map(|(id, row)| self.body(*id, *row, epoch)).collect()
    }

    fn permits(db: &Db) -> Vec<SignedPermit> {
        let epoch = u8::try_from(db.era.epoch).unwrap();
        db.permit.iter().map(|id| permitted(&permit(*id), epoch)).collect()
    }

    fn whole(&self, db: &Db) -> Digest {
        let entries: Vec<Entry> = self.listed(db).iter().map(|grant| grant.entry).collect();
        let permits: Vec<Entry> = Self::permits(db).iter().map(|permit| permit.entry).collect();
        whole_with(&name("web-1"), &entries, &permits)
    }

    fn send(&self, bytes: Vec<u8>, truth: Option<Truth>) -> usize {
        self.messages.borrow_mut().number(bytes.clone(), Sent { bytes, truth })
    }

    pub fn message(&self, message: usize) -> Rc<Sent> {
        Rc::clone(&self.messages.borrow().all[message])
    }

    /// A state is what is written of it.
    pub fn keep(&self, state: State) -> usize {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state, "another state after a restart");
        self.states.borrow_mut().number(text, state)
    }

    pub fn state(&self, state: usize) -> Rc<State> {
        Rc::clone(&self.states.borrow().all[state])
    }

    /// The function under test, asked once for each state, message and time.
    pub fn apply(&self, state: usize, message: usize, now: i64) -> Outcome {
        if let Some(known) = self.applied.borrow().get(&(state, message, now)) {
            return *known;
        }
        let outcome = match (self.engine.apply)(&self.state(state), &self.message(message).bytes, clock(now))
        {
            Ok(applied) => {
                let said = applied.alarms.first().map_or("applied", |alarm| alarm.code());
                Ok((self.keep(applied.state), said))
            }
            Err(rejected) => Err(rejected.code()),
        };
        self.applied.borrow_mut().insert((state, message, now), outcome);
        outcome
    }
}

impl World {
    pub fn now(&self) -> i64 {
        CLOCK[self.clock]
    }

    /// Whether a desk would.
    fn may(&self, write: Write) -> bool {
        match write {
            Write::Extend => self.db.rows[&1].version == 1 && !self.db.rows[&1].ended,
            Write::Revoke => !self.db.rows[&1].ended,
            Write::Add => !self.db.rows.contains_key(&2),
            Write::TakePermit | Write::MakePermit => true,
        }
    }
}

/// Whether the key that signed a body is one of this epoch or later.
pub fn since_epoch(signer: sync::PublicKey, epoch: u8) -> bool {
    (epoch..9).any(|epoch| key(GRANT + epoch).public() == signer)
}
