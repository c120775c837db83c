//! What the desk costs where much was asked: a list of what waits, a review, and a replay of all of it under
//! another policy. `cargo run --release -p desk --example full -- FOLDER [COUNT] [PENDING]`.
//!
//! Twenty rules, a thousand people in forty groups, COUNT (100,000) requests over 90 days of which the last
//! PENDING (500) wait, on the real store in FOLDER; each call by itself, and lists and reviews over HTTP on a
//! Unix socket, too. A line for each: what, for whom, how many, calls, p50 and p99 in microseconds; of a replay
//! p50 and the slowest in microseconds, and its processor time.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a program for figures

mod figure;
mod replay;
mod store;
mod town;
mod waiting;

use desk::Desk;
use std::path::PathBuf;
use std::sync::Arc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap());
    let mut number = |otherwise| arguments.next().map_or(otherwise, |number| number.parse().unwrap());
    let asked = town::Asked { count: number(100_000), pending: number(500) };
    let store = store::full(&folder, asked);
    let host = access::HostName::parse("here").unwrap();
    let town = Arc::new(town::Town::new());
    let desk = Arc::new(Desk::new(store, Arc::<town::Town>::clone(&town), town, host));
    waiting::lists(&desk, &folder);
    replay::replays(&desk, asked.count);
    waiting::reviews(&desk, &folder, asked);
}
