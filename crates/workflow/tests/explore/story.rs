//! What can happen, and a small desk it happens to.

use crate::engine::{Engine, behind};
use crate::law::{LOGINS, Law};
use access::{EndedHow, Grant, GrantId, HostName, Now, RequestId, Service, Span, Text, Time};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use workflow::{
    Ask, Channel, Decider, End, Event, Facts, Held, Hosts, Kind, Narrowing, People, Policy, Request,
    RequestState, Review, ReviewVerdict, Rule, Stepped, World, digest, end, length_of,
};

/// Seconds after the start at which things happen: around an escalation, the end of waiting and the time a
/// break glass is looked at within.
pub const CLOCK: [i64; 5] = [0, 310, 490, 600, 1300];

/// What is asked, by and for which login.
#[derive(Clone, Copy)]
pub struct Wish {
    pub by: &'static str,
    pub of: &'static str,
    pub kind: Wanted,
    pub hosts: &'static [&'static str],
    pub seconds: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Access,
    Glass,
    /// More time on the grant of the first request.
    More,
}

/// One thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Open(usize),
    Review(usize, &'static str, Said),
    Cancel(usize, &'static str),
    Tick(usize),
    Recheck(usize),
    /// The holder of the first request's grant gives it back.
    Release,
    /// It becomes known that two names are one person's.
    Merge,
    /// The next policy comes into force.
    Apply,
    /// Time passes.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Said {
    Yes,
    YesToA,
    YesToB,
    YesToTwentyMinutes,
    /// To what was asked, whatever has been cut off it since.
    YesToTheFirst,
    No,
}

impl Said {
    pub const ALL: [Self; 6] =
        [Self::Yes, Self::YesToA, Self::YesToB, Self::YesToTwentyMinutes, Self::YesToTheFirst, Self::No];

    fn verdict(self) -> ReviewVerdict {
        let hosts = |host: &str| Some([HostName::parse(host).unwrap()].into());
        let narrowing = match self {
            Self::No => return ReviewVerdict::Deny,
            Self::Yes | Self::YesToTheFirst => Narrowing::default(),
            Self::YesToA => Narrowing { hosts: hosts("a"), ..Narrowing::default() },
            Self::YesToB => Narrowing { hosts: hosts("b"), ..Narrowing::default() },
            Self::YesToTwentyMinutes => Narrowing { length: Span::seconds(1200), ..Narrowing::default() },
        };
        ReviewVerdict::Approve { narrowing }
    }
}

/// Everything that is stored, and beside it what really happened.
#[derive(Clone, Serialize)]
pub struct State {
    pub law: usize,
    pub merged: bool,
    pub clock: usize,
    pub requests: [Option<Request>; 2],
    pub grants: BTreeMap<GrantId, Grant>,
    pub told: [Told; 2],
}

/// What happened to a request, as a bystander wrote it down.
#[derive(Clone, Default, Serialize)]
pub struct Told {
    pub asked: Option<Ask>,
    /// The login that asked, and the one that is to get the access.
    pub by: &'static str,
    pub of: &'static str,
    pub first_digest: String,
    /// Reviews that were taken.
    pub reviews: Vec<(&'static str, Said)>,
}

/// The policies that come into force one after the other, and the two requests.
pub struct Story {
    pub laws: Vec<Law>,
    pub wishes: [Wish; 2],
    engine: Engine,
    /// By law, and whether the two names are known to be one person's.
    worlds: Vec<[World; 2]>,
}

/// A request as it is looked at: the rule that covers it, and what an approver would agree to.
pub struct View {
    rule: Result<Rule, String>,
    digest: String,
}

pub type Views = [Option<View>; 2];

pub fn at(second: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

impl Story {
    pub fn new(engine: Engine, laws: Vec<Law>, wishes: [Wish; 2]) -> Self {
        let world = |law: &Law, merged| World {
            policy: Arc::new(Policy::parse(law.toml, Path::new("policy.toml")).unwrap()),
            people: Arc::new(People::parse((engine.people)(merged), Path::new("people.toml")).unwrap()),
            schedules: Arc::default(),
            hosts: Arc::new(Hosts {
                labels: ["a", "b"].map(|host| (HostName::parse(host).unwrap(), BTreeMap::new())).into(),
                all: true,
            }),
        };
        let worlds = laws.iter().map(|law| [world(law, false), world(law, true)]).collect();
        Self { laws, wishes, engine, worlds }
    }

    pub fn begin() -> State {
        State {
            law: 0,
            merged: false,
            clock: 0,
            requests: [None, None],
            grants: BTreeMap::new(),
            told: [Told::default(), Told::default()],
        }
    }

    /// What can be tried in this state.
    pub fn moves(&self, state: &State, views: &Views) -> Vec<Move> {
        let mut moves = Vec::new();
        for (slot, view) in views.iter().enumerate() {
            match view {
                None => moves.push(Move::Open(slot)),
                Some(view) => {
                    for login in LOGINS {
                        for said in Said::ALL {
                            if said != Said::YesToTheFirst || state.told[slot].first_digest != view.digest {
                                moves.push(Move::Review(slot, login, said));
                            }
                        }
                        moves.push(Move::Cancel(slot, login));
                    }
                    moves.extend([Move::Tick(slot), Move::Recheck(slot)]);
                }
            }
        }
        if self.wishes[1].kind == Wanted::More && !state.grants.is_empty() {
            moves.push(Move::Release);
        }
        if !state.merged {
            moves.push(Move::Merge);
        }
        if state.law + 1 < self.laws.len() {
            moves.push(Move::Apply);
        }
        if state.clock + 1 < CLOCK.len() {
            moves.push(Move::Wait);
        }
        moves
    }

    pub fn world(&self, state: &State) -> &World {
        &self.worlds[state.law][usize::from(state.merged)]
    }

    /// What is before those who look at the two requests now.
    pub fn views(&self, state: &State) -> Views {
        let now = Now::exactly(at(CLOCK[state.clock]));
        [0, 1].map(|slot| {
            let request = state.requests[slot].as_ref()?;
            let rule = (self.engine.rule)(self.world(state), &request.ask, now);
            Some(View { rule: rule.map_err(|why| why.to_string()), digest: digest(request) })
        })
    }

    /// The state after a move and what the engine said, or nothing where it refused.
    pub fn play(&self, before: &State, views: &Views, what: Move) -> Option<(State, Option<Stepped>)> {
        let now = at(CLOCK[before.clock]);
        let (slot, event) = match what {
            Move::Merge => return Some((State { merged: true, ..before.clone() }, None)),
            Move::Apply => return Some((State { law: before.law + 1, ..before.clone() }, None)),
            Move::Wait => return Some((State { clock: before.clock + 1, ..before.clone() }, None)),
            Move::Release => {
                let grant = before.grants.values().next()?;
                let release =
                    End { how: EndedHow::Released, by: grant.person.clone(), has_right: false, reason: None };
                let ended = end(grant, release, Now::exactly(now)).ok()?;
                let mut state = before.clone();
                state.grants.insert(ended.id, ended);
                return Some((state, None));
            }
            Move::Open(slot) => {
                let stepped = self.opened(before, slot, now)?;
                let wish = self.wishes[slot];
                let mut state = put(before.clone(), slot, &stepped);
                state.told[slot] = Told {
                    asked: Some(stepped.request.ask.clone()),
                    by: wish.by,
                    of: wish.of,
                    first_digest: digest(&stepped.request),
                    reviews: Vec::new(),
                };
                return Some((state, Some(stepped)));
            }
            Move::Review(slot, login, said) => {
                (slot, self.review(before, views[slot].as_ref()?, login, said, slot))
            }
            Move::Cancel(slot, login) => (slot, Event::Cancel { by: behind(self.world(before), login).0 }),
            Move::Tick(slot) => (slot, Event::Tick),
            Move::Recheck(slot) => (slot, Event::Recheck { mint: mint(before) }),
        };
        let stepped = self.stepped(before, views, slot, event, now)?;
        let mut state = put(before.clone(), slot, &stepped);
        if let Move::Review(_, login, said) = what {
            state.told[slot].reviews.push((login, said));
        }
        Some((state, Some(stepped)))
    }

    fn review(&self, state: &State, view: &View, login: &str, said: Said, slot: usize) -> Event {
        let (by, names) = behind(self.world(state), login);
        let outdated = said == Said::YesToTheFirst;
        let review = Review {
            by,
            verdict: said.verdict(),
            comment: None,
            channel: Channel::Terminal,
            at: at(CLOCK[state.clock]),
            digest: if outdated { &state.told[slot].first_digest } else { &view.digest }.clone(),
        };
        Event::Review { review, names, mint: mint(state) }
    }

    fn opened(&self, state: &State, slot: usize, now: Time) -> Option<Stepped> {
        let wish = self.wishes[slot];
        let world = self.world(state);
        let (asked_by, _) = behind(world, wish.by);
        let (person, names) = behind(world, wish.of);
        let host = |host: &&str| HostName::parse(host).unwrap();
        let mut ask = Ask {
            id: RequestId::from_random(slot as u64 + 1),
            kind: match wish.kind {
                Wanted::Access => Kind::Access,
                Wanted::Glass => Kind::BreakGlass,
                Wanted::More => Kind::Extend { grant: *state.grants.keys().next()? },
            },
            asked_by,
            person,
            names,
            hosts: wish.hosts.iter().map(host).collect(),
            labels: BTreeMap::new(),
            follows: false,
            before: None,
            services: ["ssh", "sudo"].map(|service| Service::parse(service).unwrap()).into(),
            run_as: None,
            length: Span::seconds(u32::try_from(wish.seconds).unwrap()).unwrap(),
            starts: None,
            reason: Text::parse("why").unwrap(),
            ticket: None,
            source: None,
            channel: Channel::Terminal,
            asked_at: now,
        };
        if wish.kind == Wanted::More {
            let grant = state.grants.values().next()?;
            ask = Ask {
                person: grant.person.clone(),
                names: (&grant.names).into(),
                hosts: (&grant.hosts).into(),
                services: (&grant.services).into(),
                before: length_of(grant),
                ..ask
            };
        }
        let rule = (self.engine.rule)(world, &ask, Now::exactly(now)).ok()?;
        let facts = facts(state, &ask, &rule.id);
        (self.engine.open)(ask, &rule, &facts, mint(state), now).ok()
    }

    fn stepped(&self, state: &State, views: &Views, slot: usize, event: Event, now: Time) -> Option<Stepped> {
        let request = state.requests[slot].as_ref()?;
        let rule = views[slot].as_ref()?.rule.as_ref();
        let facts = facts(state, &request.ask, rule.map_or("", |rule| &rule.id));
        (self.engine.step)(request, rule.map_err(String::as_str), &facts, event, now).ok()
    }
}

/// As the store puts it: both or neither.
fn put(mut state: State, slot: usize, stepped: &Stepped) -> State {
    state.requests[slot] = Some(stepped.request.clone());
    if let Some(grant) = &stepped.grant {
        state.grants.insert(grant.id, grant.clone());
    }
    state
}

/// An id that is not taken, as the store mints it.
fn mint(state: &State) -> GrantId {
    GrantId::from_random(100 + state.grants.len() as u64)
}

fn facts(state: &State, ask: &Ask, rule: &str) -> Facts {
    let of_person = || state.requests.iter().flatten().filter(|other| other.ask.person == ask.person);
    let by_rule = |other: &&Request| {
        other.rule == rule
            && other.ask.kind == Kind::Access
            && matches!(other.state, RequestState::Approved { by: Decider::Rule { .. }, .. })
    };
    let unseen = |other: &&Request| other.afterwards.as_ref().is_some_and(|after| after.review.is_none());
    let held = match ask.kind {
        Kind::Extend { grant } => state.grants.get(&grant),
        _ => state.grants.values().find(|grant| grant.request == ask.id),
    };
    Facts {
        auto_used: u32::try_from(of_person().filter(by_rule).count()).unwrap(),
        unseen: of_person().filter(unseen).map(|other| other.ask.id).collect(),
        held: held.map(|grant| Held { ends: grant.window.latest_end(), grant: grant.clone() }),
    }
}

/// Names as a set of plain words.
pub fn words<'a, T: ToString + 'a>(names: impl IntoIterator<Item = &'a T>) -> BTreeSet<String> {
    names.into_iter().map(ToString::to_string).collect()
}
