//! The hub on a disk that forgets what was not synced.

use crate::database::{CUTS, Database, NAMES};
use crate::host::{ask_for, joined};
use crate::room::{Hub, PATIENCE, POLICY};
use access::{GrantId, GrantState};
use api::{AskJournal, EndGrant, NewPolicy, NewReview, NewVerdict, Scope};
use disk::{Disk, Keep};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use workflow::RequestState;

/// Steps of the disk within which it is cut: a request takes some forty.
const STEPS: std::ops::RangeInclusive<u64> = 1..=2000;
/// Hosts that each person asks for: as many requests as may wait.
const HOSTS: usize = 20;
/// People who ask at once, others each time.
const ASKERS: u64 = 3;

/// A hub, and the disk that its state and its database are on. The hub ends first.
struct Powered {
    hub: Hub,
    disk: Disk,
}

impl Powered {
    /// One that was set up, and whose power was cut as soon as it had said so.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A database server is another user than this test.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let disk = Disk::new(&folder.path().join("disk"), NAMES).unwrap();
        let hub = Hub::set_up_in(folder, "disk/", Database::on(&disk), "");
        let mut powered = Self { hub, disk };
        powered.back(Keep::Nothing);
        powered
    }

    /// The power is back.
    fn back(&mut self, keep: Keep) {
        self.disk.cut();
        self.hub.database.lock().unwrap().kill();
        self.disk.restart(keep).unwrap();
        self.hub.database.lock().unwrap().begin();
        self.hub.serve();
    }
}

/// Nothing of it runs any more.
fn ends(hub: &mut Hub) {
    hub.signal(Signal::KILL);
    assert!(!hub.ends());
    hub.stop_signing();
}

/// What was acknowledged.
#[derive(Default)]
struct Told {
    requests: Vec<String>,
    grants: Vec<(String, GrantId)>,
    /// Those that somebody began to take back.
    ending: BTreeSet<GrantId>,
    revoked: BTreeSet<GrantId>,
}

impl Told {
    /// All of it is so.
    fn is_true(&self, hub: &Hub, keep: Keep) {
        let admin = hub.client(&hub.admin);
        for id in &self.requests {
            assert!(admin.show_request(id).is_ok(), "request {id} is lost with {keep:?}");
        }
        for (request, id) in &self.grants {
            let approved = admin.show_request(request).unwrap().state;
            assert!(
                matches!(approved, RequestState::Approved { .. }),
                "{request}, with {keep:?}: {approved:?}"
            );
            let state = admin.show_grant(&id.to_string()).unwrap().state;
            let is_good = if self.revoked.contains(id) {
                state == GrantState::Revoked
            } else {
                state == GrantState::Active || self.ending.contains(id)
            };
            assert!(is_good, "{id} is {state:?} with {keep:?}");
        }
        verified(&admin);
    }
}

/// The journal is whole.
fn verified(admin: &api::Client) {
    let mut verifier = journal::Verifier::new(None, journal::Witness::default());
    let mut after = 0;
    loop {
        let page = admin.journal(&AskJournal { after: Some(after), limit: Some(1000) }).unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        for row in page {
            verifier.take(&serde_json::from_value(row.row).unwrap()).unwrap();
        }
    }
    assert!(after > 0);
}

/// The answer, or nothing once the power is gone. Until then every call is answered well.
fn answer<T>(said: Result<T, api::ClientError>, disk: &Disk) -> Option<T> {
    assert!(said.is_ok() || disk.is_cut(), "{:?}", said.err());
    said.ok()
}

/// What one round shares.
struct Round<'a> {
    disk: &'a Disk,
    told: &'a Mutex<Told>,
    asked: Mutex<Receiver<String>>,
}

impl Round<'_> {
    /// Somebody asks for each host, until nobody answers.
    fn asks(&self, client: &api::Client, tell: &Sender<String>) -> Option<()> {
        for host in 0..HOSTS {
            let opened = answer(client.request(&ask_for(&format!("db-{host}"))), self.disk)?;
            let id = opened.request.ask.id.to_string();
            self.told.lock().unwrap().requests.push(id.clone());
            let _ = tell.send(id);
        }
        None
    }

    /// Somebody approves what was asked for, and takes each third of it back.
    fn reviews(&self, client: &api::Client) -> Option<()> {
        for n in 0.. {
            let id = self.asked.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()?;
            let digest = answer(client.show_request(&id), self.disk)?.digest;
            let narrowing = workflow::Narrowing::default();
            let yes = NewReview { verdict: NewVerdict::Approve, digest, narrowing, comment: None };
            let grant = answer(client.review(&id, &yes), self.disk)?.grant.unwrap().grant.id;
            self.told.lock().unwrap().grants.push((id, grant));
            if n % 3 == 0 {
                self.told.lock().unwrap().ending.insert(grant);
                let end = EndGrant { reason: Some(access::Text::parse("no longer").unwrap()) };
                answer(client.revoke(&grant.to_string(), &end), self.disk)?;
                self.told.lock().unwrap().revoked.insert(grant);
            }
        }
        None
    }
}

#[test]
fn what_a_hub_acknowledged_outlives_a_power_cut_at_any_moment() {
    let mut powered = Powered::new();
    let hub = &powered.hub;
    let mut people = "[bob]\ngroups = [\"leads\"]\n[carol]\ngroups = [\"leads\"]\n".to_owned();
    (0..CUTS * ASKERS).for_each(|n| people.push_str(&format!("[p{n}]\ngroups = [\"dev\"]\n")));
    let policy = NewPolicy { policy: POLICY.to_owned(), people: Some(people), no_people: false };
    hub.client(&hub.admin).apply_policy(&policy).unwrap();
    let secret = |hub: &Hub, who: &str, scope| hub.token(who, &[Scope::Read, scope], "1h").secret;
    let reviewers: Vec<String> = ["bob", "carol"].iter().map(|who| secret(hub, who, Scope::Review)).collect();
    for host in 0..HOSTS {
        joined(hub, &format!("db-{host}"));
    }
    let told = Mutex::new(Told::default());
    let mut chance = fastrand::Rng::with_seed(1);
    for round in 0..CUTS {
        let askers =
            (0..ASKERS).map(|n| secret(&powered.hub, &format!("p{}", round * ASKERS + n), Scope::Request));
        let askers: Vec<_> = askers.map(|secret| powered.hub.client(&secret)).collect();
        let reviewing: Vec<_> = reviewers.iter().map(|secret| powered.hub.client(secret)).collect();
        powered.disk.cut_at(chance.u64(STEPS));
        let begun = Instant::now();
        let Powered { hub, disk } = &mut powered;
        std::thread::scope(|scope| {
            let (tell, asked) = channel();
            let round = Arc::new(Round { disk, told: &told, asked: Mutex::new(asked) });
            let mut working = Vec::new();
            for client in &askers {
                let (round, tell) = (Arc::clone(&round), tell.clone());
                working.push(scope.spawn(move || round.asks(client, &tell).unwrap_or_default()));
            }
            drop(tell);
            for client in &reviewing {
                let round = Arc::clone(&round);
                working.push(scope.spawn(move || round.reviews(client).unwrap_or_default()));
            }
            let is_done = || working.iter().all(std::thread::ScopedJoinHandle::is_finished);
            // On a busy machine it is cut before it came to its step.
            while !disk.wait_for_cut(Duration::from_millis(20)) && !is_done() && begun.elapsed() < PATIENCE {}
            disk.cut();
            ends(hub);
        });
        let keep = match round % 3 {
            0 => Keep::Nothing,
            _ => Keep::Some(round),
        };
        powered.back(keep);
        told.lock().unwrap().is_true(&powered.hub, keep);
    }
    let told = told.into_inner().unwrap();
    eprintln!(
        "{CUTS} cuts: {} requests, {} grants and {} revocations were acknowledged, and are there",
        told.requests.len(),
        told.grants.len(),
        told.revoked.len()
    );
    assert!(told.requests.len() > 20 && told.grants.len() > 10 && !told.revoked.is_empty());
}
