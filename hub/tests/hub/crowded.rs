//! A database that fills up with what hosts write.

use crate::host::{ask_for, joined};
use crate::room::{Hub, until};
use api::{JournalHas, JournalPart, Scope};
use journal::{Head, LogId, Row, Stamp};

/// The least that a database may grow to.
const BYTES: usize = 16 * 1024 * 1024;

/// Records of a host that each have so many bytes.
fn large(after: &mut Head, count: usize, bytes: usize) -> Vec<Row> {
    let stamp = || Stamp { boot: "b".into(), wall_ms: crate::host::now().timestamp_millis(), boot_ms: 1 };
    let row = |_| {
        let row = after.next(stamp(), "x".repeat(bytes));
        *after = Head::of(&row);
        row
    };
    (0..count).map(row).collect()
}

#[test]
fn what_hosts_write_never_takes_the_room_of_requests_and_somebody_is_told_in_time() {
    let hub = Hub::with(&format!("[journal]\nmax_bytes = {BYTES}"));
    let host = joined(&hub, "db-7");
    let log = LogId([7; 16]);
    let mut head = Head::start(log);
    let mut takes = |count, bytes| {
        let rows = large(&mut head, count, bytes);
        let last = rows.last().unwrap().seq;
        let part = JournalPart { log, rows, oldest: false };
        assert_eq!(host.is_heard::<JournalHas>(&hub, "journal", &part).through, last);
    };
    let bearer = format!("authorization: Bearer {}\r\n", hub.admin);
    let counts = |what: &str| -> Option<usize> {
        let text = hub.raw("GET /metrics", &bearer, "");
        text.lines().find_map(|line| line.strip_prefix(what)).map(|count| count.trim().parse().unwrap())
    };
    // Twice as much as the database may hold.
    for _ in 0..2 * BYTES / 1024 / 1024 {
        takes(100, 10 * 1024);
    }
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    alice.request(&ask_for("db-7")).unwrap();
    hub.logs("the oldest records of hosts go");
    // A look of before can have made room since.
    until("an administrator is told, and what to do", || {
        takes(100, 10 * 1024);
        let warnings = hub.client(&hub.admin).status().unwrap().warnings;
        let told = warnings.iter().find(|warning| warning.contains("the oldest records of hosts go"));
        told.is_some_and(|told| told.contains("(journal.max_bytes"))
    });
    assert_eq!(counts("jit_hub_database_max_bytes "), Some(BYTES));
    until("there is room again", || counts("jit_hub_database_bytes ").unwrap() <= BYTES / 4 * 3);
    takes(1, 100);
}
