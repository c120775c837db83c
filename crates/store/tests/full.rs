//! A disk that is full for real, and the mistake that it punishes: an answer that is read before its commit.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;
use store::{Observer, Options, Sql, StoreError, Tx, Writer};

/// Some pages of a record each, so that a full disk is soon met.
const LONG: usize = 20_000;

/// Records until the disk is full, and no more where it never is.
const MOST: usize = 2_000;

/// Does this in a folder on a disk of 8 MiB, which goes with the thread that does it.
fn on_a_small_disk(does: impl FnOnce(&Path) + Send + 'static) {
    let on_it = || {
        let folder = tempfile::tempdir().unwrap();
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        let tmpfs = Some("tmpfs");
        mount(tmpfs, folder.path(), tmpfs, MsFlags::empty(), Some("size=8m")).unwrap();
        does(folder.path());
        umount2(folder.path(), MntFlags::MNT_DETACH).unwrap();
    };
    std::thread::spawn(on_it).join().unwrap();
}

fn count(path: &Path, sql: &str) -> usize {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

struct Deaf;

impl Observer<()> for Deaf {
    fn committed(&mut self, _: Vec<()>) {}
    fn checkpoint(&mut self, _: journal::Checkpoint) {}
    fn reopened(&mut self, _: &dyn Sql) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, _: &StoreError) {}
}

#[test]
fn an_answer_that_is_read_before_its_commit_is_lost_where_the_disk_is_full() {
    on_a_small_disk(|folder| {
        let path = folder.join("x.db");
        let database = Connection::open(&path).unwrap();
        let set =
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE journal (body TEXT NOT NULL)";
        database.execute_batch(set).unwrap();
        // The row is there before the statement, and so its transaction, is at its end, and what comes then nobody hears.
        let insert = "INSERT INTO journal (body) VALUES (?1) RETURNING rowid";
        let body = "x".repeat(LONG);
        let answers = |_: &usize| database.query_row(insert, [&body], |row| row.get::<_, u64>(0)).is_ok();
        let answered = (0..MOST).take_while(answers).count();
        drop(database);
        let kept = count(&path, "SELECT count(*) FROM journal");
        assert!((10..answered).contains(&kept), "of {answered} that were answered {kept} are there");
    });
}

#[test]
fn what_the_writer_answered_is_kept_where_the_disk_is_full() {
    on_a_small_disk(|folder| {
        let path = folder.join("x.db");
        let stamp = || journal::Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 };
        let options = Options { path: path.clone(), max_bytes: 64 << 20, tables: "" };
        let file = store::File::open(options, |log| (stamp(), format!("opened {log}"))).unwrap();
        let (writer, done) = Writer::start(file, Box::new(stamp), Deaf).unwrap();
        let appends = |_: &usize| {
            let body = "x".repeat(LONG);
            writer.run(Duration::from_secs(20), move |tx: &mut Tx<'_, ()>| tx.record(body)).is_ok()
        };
        let answered = (0..MOST).take_while(appends).count();
        assert!(answered > 10 && answered < MOST, "{answered}");
        drop((writer, done));
        assert_eq!(count(&path, "SELECT count(*) - 1 FROM journal"), answered);
    });
}
