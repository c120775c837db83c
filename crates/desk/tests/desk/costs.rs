//! What is asked for again and again takes as many steps among many that are good as among few. Grants whose first
//! use is long over, of which a host has ever more, are among them.

use crate::room::{Paper, at, room};
use access::Person;
use desk::{Queries, RequestFilter, SqlStore, Store as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::StoreError;

/// Requests that wait, grants that are good and first uses, of others.
const FEW: u64 = 100;
const MANY: u64 = 3000;

#[test]
fn what_is_looked_for_each_second_or_at_each_knock_costs_the_same_among_many() {
    let (few, many) = (steps(FEW), steps(MANY));
    for ((what, few), (_, many)) in few.into_iter().zip(many) {
        assert!(few > 0 && many <= few + few / 4, "{what}: {few} steps among {FEW}, {many} among {MANY}");
    }
}

/// How many steps of SQLite's machine each look takes among so many.
fn steps(others: u64) -> Vec<(&'static str, u64)> {
    let room = room();
    let request = room.asks("alice", "ssh");
    let other = room.asks("alice", "sudo");
    room.approves("bob", &other).unwrap();
    among(&room.paper, others);

    let steps = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&steps);
    let mut reader = store::read_only(&room.paper.folder.path().join("x.db")).unwrap();
    let counts = move || {
        count.fetch_add(1, Ordering::Relaxed);
        false
    };
    reader.progress_handler(1, Some(counts)).unwrap();
    let store = SqlStore::new(room.paper.writer.clone(), reader, Duration::from_secs(20));
    let (alice, now) = (Person::parse("alice").unwrap(), at(10));
    let look = |what, look: &dyn Fn(&dyn Queries)| {
        // The first look reads the schema, too.
        let taken = [0; 2].map(|_| {
            let looked = store.read(|queries| {
                look(queries);
                Ok::<_, desk::DeskError>(())
            });
            looked.unwrap();
            steps.swap(0, Ordering::Relaxed)
        });
        (what, taken[1])
    };
    vec![
        look("due", &|all| assert!(all.due(now, 10).unwrap().is_empty())),
        look("over", &|all| assert!(all.over(now, 10).unwrap().is_empty())),
        look("pending", &|all| assert_eq!(all.pending_of(&alice).unwrap().len(), 1)),
        look("asked", &|all| assert_eq!(all.asked_by(&alice, at(0)).unwrap().lately, 2)),
        look("held", &|all| assert_eq!(all.held_by(&alice).unwrap(), 1)),
        look("unseen", &|all| assert!(all.unseen(&alice).unwrap().is_empty())),
        look("request", &|all| assert!(all.request(request.ask.id).unwrap().is_some())),
        look("waiting", &|all| {
            assert_eq!(all.requests(&RequestFilter::Waiting, None, 10).unwrap().len(), 10);
        }),
        look("theirs", &|all| {
            assert_eq!(all.requests(&RequestFilter::Of(alice.clone()), None, 10).unwrap().len(), 2);
        }),
        look("newest", &|all| assert_eq!(all.grants(None, None, false, None, 10).unwrap().len(), 10)),
        look("mine", &|all| assert_eq!(all.grants(Some(&alice), None, true, None, 10).unwrap().len(), 1)),
    ]
}

/// Puts copies of what is there into a store, as others' than alice's, whose time is not over.
fn among(paper: &Paper, others: u64) {
    let done: Result<(), StoreError> = paper.writer.run(Duration::from_secs(20), move |tx| {
        let numbers = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)";
        for copies in [
            "INSERT INTO request SELECT id + n, state, 'o' || n, 'o' || n, asked_ms, due_ms, auto, unseen, body, digest, seq \
             FROM request, number WHERE state = 'pending'",
            "INSERT INTO grants SELECT id + n, version, 'o' || n, hosts, closed, latest_ms, at_ms, body, digest, seq \
             FROM grants, number",
            "INSERT INTO grants SELECT id + ?1 + n, version, 'p' || n, hosts, 1, at_ms, at_ms, body, digest, seq \
             FROM (SELECT * FROM grants WHERE person = 'alice'), number",
        ] {
            tx.connection().execute(&format!("{numbers} {copies}"), &[&others])?;
        }
        tx.connection().execute("INSERT INTO claim SELECT id, at_ms, latest_ms, seq FROM grants", &[])?;
        Ok(())
    });
    done.unwrap();
}
