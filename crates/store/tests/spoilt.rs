//! A write-ahead log that ends anywhere, as after a power cut: what opens is whole, and nothing is made up.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use journal::{Head, Stamp, Verifier, Witness};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use store::{File, Options, StoreError};

/// Records that are in the database itself, and those that are in its log only.
const BASE: usize = 4;
const LOGGED: usize = 40;

fn options(folder: &Path) -> Options {
    Options { path: folder.join("x.db"), max_bytes: 64 << 20, tables: "" }
}

fn stamp(wall_ms: i64) -> Stamp {
    Stamp { boot: "b".into(), wall_ms, boot_ms: 1 }
}

fn open(folder: &Path) -> Result<File, StoreError> {
    File::open(options(folder), |log| (stamp(0), format!("opened {log}")))
}

struct Quiet;

impl store::Observer<()> for Quiet {
    fn committed(&mut self, _: Vec<()>) {}
    fn checkpoint(&mut self, _: journal::Checkpoint) {}
    fn reopened(&mut self, _: &dyn store::Sql) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, _: &StoreError) {}
}

/// Bodies of a file's journal, which verifies from its first record on.
fn bodies(folder: &Path) -> Vec<String> {
    let connection = store::read_only(&options(folder).path).unwrap();
    let rows = store::journal_after(&connection, 0, 1000).unwrap();
    let log = store::log_id(&connection).unwrap();
    let mut verifier = Verifier::new(Some(Head::start(log)), Witness::default());
    rows.iter().try_for_each(|row| verifier.take(row)).unwrap();
    rows.into_iter().map(|row| row.body).collect()
}

/// The bytes of a database, of its write-ahead log, and what they hold.
fn whole() -> &'static (Vec<u8>, Vec<u8>, Vec<String>) {
    static WHOLE: OnceLock<(Vec<u8>, Vec<u8>, Vec<String>)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _) =
            store::Writer::start(open(folder.path()).unwrap(), Box::new(|| stamp(1)), Quiet).unwrap();
        for n in 1..=BASE + LOGGED {
            writer
                .run(std::time::Duration::from_secs(20), move |tx: &mut store::Tx<'_, ()>| {
                    tx.record(format!("record {n} {}", "x".repeat(n * 37)))
                })
                .unwrap();
            if n == BASE {
                let connection = rusqlite::Connection::open(options(folder.path()).path).unwrap();
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            }
        }
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        // Zeros follow on what was written.
        let mut wal = read("x.db-wal");
        wal.truncate(wal.iter().rposition(|byte| *byte != 0).unwrap() + 1);
        (read("x.db"), wal, bodies(folder.path()))
    })
}

fn torn(wal: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.db"), &whole().0).unwrap();
    fs::write(folder.path().join("x.db-wal"), wal).unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_torn_or_spoilt_at_any_byte_leaves_a_whole_beginning(
        at: prop::sample::Index, flip: u8, cut: bool,
    ) {
        let (_, wal, all) = whole();
        let at = at.index(wal.len());
        let mut wal = wal.clone();
        if cut {
            wal.truncate(at);
        } else {
            wal[at] ^= flip.max(1);
        }
        let (_folder, path) = torn(&wal);
        let file = open(&path).unwrap();
        let left = bodies(&path);
        prop_assert_eq!(file.head().seq, left.len() as u64);
        prop_assert!(left.len() > BASE, "what was in the file stays: {}", left.len());
        prop_assert_eq!(&left[..], &all[..left.len()]);
    }
}

#[test]
fn a_log_that_is_whole_loses_nothing() {
    let (_, wal, all) = whole();
    let (_folder, path) = torn(wal);
    assert_eq!(open(&path).unwrap().head().seq, all.len() as u64);
    assert_eq!(all.len(), 1 + BASE + LOGGED);
    assert_eq!(&bodies(&path), all);
}
