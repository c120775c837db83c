//! What a hub costs with a fleet that listens. `cargo run --release -p hub --example fleet -- JIT-HUB FOLDER HOSTS
//! [REPLICAS]`, JIT-HUB the program that is measured; with REPLICAS so many on one PostgreSQL server.
//!
//! HOSTS are rows of the hub's database before it starts, with keys drawn here; each is a TLS 1.3 connection from an
//! address of 127.0.0.0/8 that it shares with 59 others, asks for a nonce and listens, as `jitd` does. Every message is
//! read as far as to know which change it tells of; those of one host in a hundred are verified (`sync::apply`). A line
//! for each figure: what, how many, p50, p99 and the most, in microseconds; or what and one number.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a program for figures
#![allow(clippy::print_stdout, clippy::print_stderr)] // which it tells

mod figure;
mod host;
mod people;
mod room;
mod wire;

use host::Fleet;
use people::People;
use room::Room;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Grants to ten hosts, one after the other.
const GRANTS: usize = 100;

/// Hosts of each.
const MATCHING: usize = 10;

/// Hosts of one grant at most (`access::limits`).
const OF_A_GRANT: usize = 256;

/// Reviews, and the connections that they come by.
const REVIEWS: usize = 3000;
const REVIEWERS: usize = 16;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (program, folder) = (arguments.next().unwrap(), PathBuf::from(arguments.next().unwrap()));
    let hosts: usize = arguments.next().unwrap().parse().unwrap();
    let replicas: Option<usize> = arguments.next().map(|number| number.parse().unwrap());
    let room = Room::new(program, folder, hosts, replicas);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(room, hosts));
}

async fn measure(mut room: Room, hosts: usize) {
    room.serve();
    let people = People::new(&room).await;
    let bare = room.resident();
    let fleet = Fleet::new(&room, hosts);
    let begun = Instant::now();
    fleet.begin();
    fleet.all("every host listens", |heard| heard.revision.is_some()).await;
    figure::one("connected-ms", begun.elapsed().as_millis());
    // Each has heard at least once that nothing changed.
    tokio::time::sleep(Duration::from_secs(25)).await;
    figure::one("resident-bare-kb", u128::from(bare / 1024));
    figure::one("resident-kb", u128::from(room.resident() / 1024));
    figure::one("bytes-per-host", u128::from(room.resident().saturating_sub(bare)) / hosts as u128);
    let (before, span) = (room.processor(), Duration::from_secs(20));
    let ((_, read), bytes) = (fleet.messages(), fleet.bytes());
    tokio::time::sleep(span).await;
    let again = (fleet.messages().1 - read).max(1);
    figure::one("message-bytes", u128::from((fleet.bytes() - bytes) / again));
    figure::one("idle-processor-ms-per-s", room.since(before).as_millis() / u128::from(span.as_secs()));

    rotated(&room, &fleet).await;
    some_hosts(&people, &fleet, hosts).await;
    all_hosts(&room, &people, &fleet, hosts).await;
    reviews(&room, &people, hosts).await;
    figure::one("resident-later-kb", u128::from(room.resident() / 1024));
    restarted(&mut room, &fleet).await;
    let (verified, read) = fleet.messages();
    figure::one("verified", u128::from(verified));
    figure::one("read", u128::from(read));
    fleet.end();
}

/// Other keys, of which every host hears.
async fn rotated(room: &Room, fleet: &Arc<Fleet>) {
    room.rotate();
    let (epoch, before) = (fleet.heard(0).epoch, room.processor());
    let begun = Instant::now();
    room.hang_up();
    let took = fleet.all("every host hears of the keys", |heard| heard.epoch > epoch).await;
    figure::tell("keys-to-all", took.iter().map(|at| at.saturating_duration_since(begun)).collect());
    let spent = room.since(before).as_micros();
    figure::one("keys-processor-us-per-host", spent / took.len() as u128);
}

/// Grants to a few hosts each.
async fn some_hosts(people: &People, fleet: &Arc<Fleet>, hosts: usize) {
    let (mut took, mut answered) = (Vec::new(), Vec::new());
    for number in 0..GRANTS {
        let matching: Vec<usize> =
            (0..MATCHING).map(|at| (number * 97 + at * (hosts / MATCHING)) % hosts).collect();
        let asked = people.ask(&matching).await;
        let before: Vec<_> = matching.iter().map(|host| fleet.heard(*host).revision).collect();
        let begun = Instant::now();
        people.approve(&asked).await;
        answered.push(begun.elapsed());
        for (host, before) in matching.iter().zip(before) {
            let at = fleet.one(*host, |heard| heard.revision > before).await;
            took.push(at.saturating_duration_since(begun));
        }
    }
    figure::tell("grant-to-some", took);
    figure::tell("grant-answered", answered);
}

/// As many grants as it takes for every host to get one.
async fn all_hosts(room: &Room, people: &People, fleet: &Arc<Fleet>, hosts: usize) {
    let numbers: Vec<usize> = (0..hosts).collect();
    let mut asked = Vec::new();
    for some in numbers.chunks(OF_A_GRANT) {
        asked.push(people.ask(some).await);
    }
    let before: Vec<_> = numbers.iter().map(|host| fleet.heard(*host).revision).collect();
    let (begun, spent) = (Instant::now(), room.processor());
    for asked in &asked {
        people.approve(asked).await;
    }
    figure::one("grants-for-all", asked.len() as u128);
    figure::one("grants-for-all-answered-ms", begun.elapsed().as_millis());
    let mut took = Vec::new();
    for (host, before) in before.into_iter().enumerate() {
        let at = fleet.one(host, |heard| heard.revision > before).await;
        took.push(at.saturating_duration_since(begun));
    }
    figure::tell("grants-to-all", took);
    figure::one("grants-processor-us-per-host", room.since(spent).as_micros() / hosts as u128);
}

/// As many reviews as can be, each with its grant, its signature and a host that hears of it.
async fn reviews(room: &Room, people: &People, hosts: usize) {
    let mut asked = Vec::new();
    for number in 0..REVIEWS {
        asked.push(people.ask(&[number % hosts]).await);
    }
    let (begun, spent) = (Instant::now(), room.processor());
    let took = people.approve_all(asked, REVIEWERS).await;
    let span = begun.elapsed();
    figure::one("reviews-per-s", REVIEWS as u128 * 1_000_000 / span.as_micros());
    figure::one("review-processor-us", room.since(spent).as_micros() / REVIEWS as u128);
    figure::tell("review", took);
}

/// The hub is stopped and started, and every host comes back.
async fn restarted(room: &mut Room, fleet: &Arc<Fleet>) {
    room.stop();
    let begun = Instant::now();
    fleet.forget();
    room.serve();
    figure::one("started-ms", begun.elapsed().as_millis());
    let took = fleet.all("every host is back", |heard| heard.revision.is_some()).await;
    figure::tell("back", took.iter().map(|at| at.saturating_duration_since(begun)).collect());
    let (away, wrong) = fleet.failures();
    figure::one("tries-while-away", away.into());
    figure::one("tries-that-failed", wrong.len() as u128);
    for why in wrong.iter().take(5) {
        eprintln!("a host: {why}");
    }
}
