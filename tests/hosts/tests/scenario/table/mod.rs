//! The table of faults, `faults.toml`: what each of them means for a person with grants, for root and for a spare
//! key, by ssh and by sudo. Every cell is played on a booted host with real ssh and sudo.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stderr)] // a wrong step must stop the story

mod cell;
mod fault;
mod page;
mod row;

use crate::fleet::Fleet;
use hosts::acknowledged::Acknowledged;
use hosts::asking::granted;
use row::{Row, rows};
use std::collections::BTreeSet;
use std::time::Duration;
use testbed::{Host, Person, SPARE};

/// A host as a fault finds it: alice, root and the spare key are inside and may come in anew, alice may become
/// root.
pub struct Bed<'a> {
    host: &'a Host,
    seats: Vec<cell::Seat<'a>>,
}

impl<'a> Bed<'a> {
    fn on(host: &'a Host) -> Self {
        let (alice, bob) = granted(host);
        let asked =
            alice.jit("request --service ssh --as root --for 1h --reason 'look at the machine itself'");
        bob.jit(&format!("approve {}", asked.id("R-"))).ends_with(0);
        Self::seated(host, alice)
    }

    /// The same where grants come from a hub.
    fn of_a_hub(fleet: &'a Fleet) -> Self {
        let host = &fleet.host;
        let alice = host.person("alice", &["staff"]).unwrap();
        let agreed = |asked: &str| fleet.at_the_hub("bob", &format!("approve {asked}")).ends_with(0).id("G-");
        for command in ["true", "sudo -n true"] {
            agreed(&alice.ssh(command).id("R-"));
            host.soon("the host has heard of it", || alice.ssh(command).code == 0);
        }
        let asked =
            "request --host web-1 --service ssh --as root --for 1h --reason 'look at the machine itself'";
        agreed(&fleet.at_the_hub("alice", asked).id("R-"));
        host.soon("that too", || alice.ssh_as("root", "true").code == 0);
        Self::seated(host, alice)
    }

    fn seated(host: &'a Host, alice: Person<'a>) -> Self {
        let seats = [alice, host.person("root", &[]).unwrap(), host.person(SPARE, &[]).unwrap()];
        Self { host, seats: seats.into_iter().map(|person| cell::Seat::of(host, person)).collect() }
    }

    /// Makes this fault, plays its row, and undoes it. What is not as the table says.
    fn plays(&self, row: &Row, make: fault::Make) -> Vec<String> {
        for seat in &self.seats {
            seat.is_taken();
        }
        let before = Acknowledged::by(self.host);
        let undo = make(self);
        let cursor = self.host.root("journalctl -q -n 0 --show-cursor").out;
        let cursor = cursor.trim().strip_prefix("-- cursor: ").unwrap_or_default().to_owned();
        let mut wrong = Vec::new();
        let cells = row.people().into_iter().zip(&self.seats);
        for ((name, ways), seat) in cells {
            for (way, cell) in [(cell::Way::Ssh, &ways.ssh), (cell::Way::Sudo, &ways.sudo)] {
                let differs = seat.plays(way, cell);
                wrong.extend(differs.map(|why| format!("{}: {name} by {way}: {why}", row.name)));
            }
        }
        wrong.extend(cell::told(self.host, &cursor, row, &self.seats));
        undo();
        for seat in &self.seats {
            self.host
                .soon(&format!("after {} {} comes in again", row.name, seat.name()), || seat.is_let_in());
        }
        self.host.root("jit audit verify --witness /var/log/auth.log").ends_with(0);
        before.is_still_there(self.host);
        wrong
    }
}

/// What the default run plays, one of each kind. The whole table takes minutes: `cargo xtask test --long`.
const HANDFUL: &[&str] = &[
    "hung",
    "wrong_peer",
    "asks_in_next_version",
    "disk_full",
    "module_panics",
    "module_missing",
    "clock_ahead",
];

/// Those of these faults that this run plays.
fn chosen(faults: &'static [(&'static str, fault::Make)]) -> Vec<&'static (&'static str, fault::Make)> {
    // To try some: JIT_FAULTS=hung,stopped
    let tried = std::env::var("JIT_FAULTS").unwrap_or_default();
    let names: Vec<&str> = match tried.as_str() {
        "" if cfg!(feature = "long") => return faults.iter().collect(),
        "" => HANDFUL.to_vec(),
        _ => tried.split(',').collect(),
    };
    for name in &names {
        let mut all = fault::SHARED.iter().chain(fault::ALONE);
        assert!(all.any(|(made, _)| made == name), "there is no fault {name}");
    }
    faults.iter().filter(|(name, _)| names.contains(name)).collect()
}

/// Plays these rows on one host, each after the one before is undone.
fn play(faults: &[&(&str, fault::Make)]) {
    if faults.is_empty() {
        return;
    }
    let host = Host::gated("web-1").unwrap();
    play_on(&Bed::on(&host), faults);
}

fn play_on(bed: &Bed<'_>, faults: &[&(&str, fault::Make)]) {
    let rows = rows();
    let mut wrong = Vec::new();
    for (name, make) in faults {
        let row = rows.iter().find(|row| row.name == *name).unwrap_or_else(|| panic!("no row for {name}"));
        let since = std::time::Instant::now();
        wrong.extend(bed.plays(row, *make));
        eprintln!("{name}: {:.1} s", since.elapsed().as_secs_f32());
    }
    assert!(wrong.is_empty(), "faults.toml says otherwise:\n{}", wrong.join("\n"));
}

#[test]
fn every_row_is_produced_and_every_fault_has_its_row() {
    let rows = rows();
    let made: Vec<&str> = fault::SHARED.iter().chain(fault::ALONE).map(|(name, _)| *name).collect();
    let told: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let set = |names: &[&'_ str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(set(&made), set(&told));
    assert_eq!((made.len(), told.len()), (set(&made).len(), set(&told).len()), "each once");
}

#[test]
fn each_fault_that_can_be_undone_means_what_the_table_says() {
    play(&chosen(fault::SHARED));
}

#[test]
fn each_fault_that_spoils_its_host_means_what_the_table_says() {
    for fault in chosen(fault::ALONE) {
        play(&[fault]);
    }
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn a_host_of_a_hub_is_no_other_in_the_table() {
        let fleet = Fleet::new();
        let bed = Bed::of_a_hub(&fleet);
        play_on(&bed, &fault::SHARED.iter().collect::<Vec<_>>());
    }
}

/// The deadline holds within a tenth, and what is over sooner may take sudo itself so long.
fn most(wait: Duration) -> Duration {
    wait.mul_f64(1.1).max(wait + Duration::from_millis(200))
}
