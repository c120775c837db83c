//! A write-ahead log that was torn, by a power cut in the middle of a commit, repairs itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use journal::{Checkpoint, Head, Stamp, Verifier, Witness};
use std::path::Path;
use std::time::Duration;
use store::{File, Observer, Options, Sql, StoreError, Tx, Writer};

/// Bytes before the frames of a write-ahead log, and before the page in each (sqlite.org/fileformat2.html).
const HEADER: usize = 32;
const FRAME: usize = 24 + 4096;

struct Deaf;

impl Observer<()> for Deaf {
    fn committed(&mut self, _: Vec<()>) {}
    fn checkpoint(&mut self, _: Checkpoint) {}
    fn reopened(&mut self, _: &dyn Sql) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, error: &StoreError) {
        unreachable!("{error}");
    }
}

fn stamp() -> Stamp {
    Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 }
}

fn open(folder: &Path) -> File {
    let options = Options { path: folder.join("x.db"), max_bytes: 64 << 20, tables: "" };
    File::open(options, |_| (stamp(), "opened".into())).unwrap()
}

/// The log up to the end of its last frame: zeros follow, where nothing was written yet.
fn logged(wal: &Path) -> Vec<u8> {
    let mut log = std::fs::read(wal).unwrap();
    let written = log.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    log.truncate(HEADER + (written - HEADER).next_multiple_of(FRAME));
    log
}

/// Records that a start finds, the first one included.
fn found(folder: &Path) -> Vec<String> {
    let file = open(folder);
    let rows = store::journal_after(file.connection(), 0, 1000).unwrap();
    let log = store::log_id(file.connection()).unwrap();
    let mut verifier = Verifier::new(Some(Head::start(log)), Witness::default());
    rows.iter().try_for_each(|row| verifier.take(row)).unwrap();
    assert_eq!(verifier.end(log).unwrap().head, file.head());
    rows.into_iter().map(|row| row.body).collect()
}

#[test]
fn every_record_that_was_acknowledged_before_the_tear_is_there_and_nothing_of_what_came_after() {
    let lived = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::start(open(lived.path()), Box::new(stamp), Deaf).unwrap();
    let wal = lived.path().join("x.db-wal");
    let length = || logged(&wal).len();
    // Where the log ended when each record was acknowledged.
    let mut acknowledged = vec![length()];
    let mut bodies = vec!["opened".to_owned()];
    for n in 2..=14 {
        // From one page to several, so that a tear falls between pages of one record too.
        let body = format!("{n} {}", "x".repeat(n * 900));
        bodies.push(body.clone());
        let work = move |tx: &mut Tx<'_, ()>| tx.record(body);
        writer.run::<u64, StoreError, _>(Duration::from_secs(20), work).unwrap();
        acknowledged.push(length());
    }
    let (database, log) = (std::fs::read(lived.path().join("x.db")).unwrap(), logged(&wal));
    assert_eq!((log.len() - HEADER) % FRAME, 0);

    let mut tears: Vec<usize> = (HEADER..=log.len()).step_by(FRAME).collect();
    tears.extend(tears.clone().iter().flat_map(|at| [at - 1, at + 1, at + 24, at + 24 + 2000]));
    let mut lost_some = 0;
    for at in tears.into_iter().filter(|at| *at >= acknowledged[0] && *at <= log.len()) {
        // Cut off; or the file has its length, but what was not written is zeros or what stood there before.
        let tail = log.len() - at;
        let ends = [Vec::new(), vec![0; tail], vec![0xA5; tail], log[at - tail.min(at)..at].to_vec()];
        for (how, end) in ends.into_iter().enumerate() {
            // A tear is made of bytes; waiting for a disk would show nothing more.
            let folder = tempfile::tempdir_in("/dev/shm").unwrap();
            std::fs::write(folder.path().join("x.db"), &database).unwrap();
            let torn = [&log[..at], &end].concat();
            // What is overwritten with what it was is not torn there.
            let same = torn.iter().zip(&log).take_while(|(torn, log)| torn == log).count();
            let whole = acknowledged.iter().take_while(|end| **end <= same).count();
            lost_some += usize::from(whole < bodies.len());
            std::fs::write(folder.path().join("x.db-wal"), torn).unwrap();
            let found = found(folder.path());
            assert_eq!(found.len(), whole, "torn at {at}, in way {how}");
            assert_eq!(found[..], bodies[..whole]);
        }
    }
    assert!(lost_some > 100, "{lost_some} tears");
}
