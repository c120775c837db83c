//! The one writer: durable before told, one job's failure its own, and nothing acknowledged lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::semicolon_if_nothing_returned)] // also in the functions that tests share

use journal::{Checkpoint, Head, Stamp, Verifier, Witness};
use rusqlite::Connection;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::{Age, File, Observer, Options, Prune, Sql, StoreError, Tx, Writer};

const WAIT: Duration = Duration::from_secs(20);

/// What an observer heard, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer<String> for Heard {
    fn committed(&mut self, events: Vec<String>) {
        self.0.lock().unwrap().extend(events);
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.0.lock().unwrap().push(format!("checkpoint {}", checkpoint.0.seq));
    }
    fn reopened(&mut self, connection: &dyn Sql) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(format!("reopened at {}", store::last_seq(connection)?));
        Ok(())
    }
    fn failed(&mut self, _: &StoreError) {
        self.0.lock().unwrap().push("failed".into());
    }
}

/// One whose memory nobody decides from.
struct Bell(Heard);

impl Observer<String> for Bell {
    const HOLDS: bool = false;

    fn committed(&mut self, events: Vec<String>) {
        self.0.committed(events);
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.0.checkpoint(checkpoint);
    }
    fn reopened(&mut self, connection: &dyn Sql) -> Result<(), StoreError> {
        self.0.reopened(connection)
    }
    fn failed(&mut self, error: &StoreError) {
        self.0.failed(error);
    }
}

fn options(folder: &Path) -> Options {
    Options { path: folder.join("x.db"), max_bytes: 64 << 20, tables: "" }
}

fn stamp(wall_ms: i64) -> Stamp {
    Stamp { boot: "b".into(), wall_ms, boot_ms: 1 }
}

fn open(options: Options) -> Result<File, StoreError> {
    File::open(options, |log| (stamp(0), format!("opened {log}")))
}

fn start(options: Options) -> (Writer<String>, Heard) {
    let heard = Heard::default();
    let now = Arc::new(AtomicI64::new(0));
    let stamps = Box::new(move || stamp(now.fetch_add(1, Ordering::Relaxed)));
    let (writer, _) = Writer::start(open(options).unwrap(), stamps, heard.clone()).unwrap();
    (writer, heard)
}

fn append(writer: &Writer<String>, body: &str) -> Result<u64, StoreError> {
    let body = body.to_owned();
    writer.run(WAIT, move |tx: &mut Tx<'_, String>| {
        let seq = tx.record(body.clone())?;
        tx.event(body);
        Ok(seq)
    })
}

/// Rows as another reader finds them, and whether they verify from the first one on.
fn rows(options: &Options) -> Vec<journal::Row> {
    let connection = store::read_only(&options.path).unwrap();
    let rows = store::journal_after(&connection, 0, 100_000).unwrap();
    let log = store::log_id(&connection).unwrap();
    let mut verifier = Verifier::new(Some(Head::start(log)), Witness::default());
    rows.iter().try_for_each(|row| verifier.take(row)).unwrap();
    rows
}

#[test]
fn a_record_is_in_the_file_and_in_memory_before_its_writer_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, heard) = start(options(folder.path()));
    let seq = append(&writer, "one").unwrap();
    assert_eq!(seq, 2, "the first record opens the log");
    assert_eq!(heard.all(), ["one"]);
    let rows = rows(&options(folder.path()));
    assert_eq!(rows.iter().map(|row| row.body.as_str()).skip(1).collect::<Vec<_>>(), ["one"]);
    assert!(rows[0].body.starts_with("opened "));
}

/// Has something to do after an answer, which takes until it is told to end.
struct Busy(std::sync::mpsc::Receiver<()>);

impl Observer<()> for Busy {
    fn committed(&mut self, _: Vec<()>) {}
    fn answered(&mut self) {
        self.0.recv().unwrap();
    }
    fn checkpoint(&mut self, _: Checkpoint) {}
    fn reopened(&mut self, _: &dyn Sql) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, error: &StoreError) {
        unreachable!("{error}");
    }
}

#[test]
fn whoever_waits_is_answered_before_what_can_be_done_later() {
    let folder = tempfile::tempdir().unwrap();
    let (end, ends) = std::sync::mpsc::channel();
    let file = open(options(folder.path())).unwrap();
    let (writer, thread) = Writer::start(file, Box::new(|| stamp(1)), Busy(ends)).unwrap();
    for seq in 2..=3 {
        let work = |tx: &mut Tx<'_, ()>| tx.record("x".into());
        assert_eq!(writer.run::<_, StoreError, _>(WAIT, work).unwrap(), seq);
        end.send(()).unwrap();
    }
    drop(writer);
    thread.join().unwrap();
}

#[test]
fn a_commit_makes_the_log_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let length = || std::fs::metadata(folder.path().join("x.db-wal")).unwrap().len();
    for round in 1..=3 {
        let file = open(options(folder.path())).unwrap();
        let (writer, thread) = Writer::start(file, Box::new(|| stamp(1)), Heard::default()).unwrap();
        assert_eq!(length(), store::limits::WAL);
        for _ in 0..20 {
            append(&writer, "x").unwrap();
        }
        assert_eq!(length(), store::limits::WAL);
        assert_eq!(rows(&options(folder.path())).len(), 1 + 20 * round);
        drop(writer);
        thread.join().unwrap();
    }
}

#[test]
fn a_job_that_fails_leaves_nothing_behind_and_hurts_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, heard) = start(options(folder.path()));
    let failed: Result<(), StoreError> = writer.run(WAIT, |tx: &mut Tx<'_, String>| {
        tx.record("never".into())?;
        tx.event("never".into());
        Err(StoreError::Reserved("x".into()))
    });
    assert!(matches!(failed, Err(StoreError::Reserved(_))));
    assert_eq!(append(&writer, "one").unwrap(), 2, "its place is free again");
    assert_eq!(heard.all(), ["one"]);
    assert!(rows(&options(folder.path())).iter().all(|row| row.body != "never"));
}

#[test]
fn a_thousand_writers_at_once_are_each_told_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, heard) = start(options(folder.path()));
    let told: Vec<(u64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|thread| {
                let writer = writer.clone();
                scope.spawn(move || {
                    (0..20)
                        .map(|n| {
                            let body = format!("{thread} {n}");
                            (append(&writer, &body).unwrap(), body)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let rows = rows(&options(folder.path()));
    assert_eq!(rows.len(), 1001);
    for (seq, body) in told {
        assert_eq!(rows[usize::try_from(seq).unwrap() - 1].body, body);
    }
    let heard: Vec<String> =
        heard.all().into_iter().filter(|event| !event.starts_with("checkpoint")).collect();
    let bodies: Vec<String> = rows.into_iter().skip(1).map(|row| row.body).collect();
    assert_eq!(heard, bodies, "memory hears of it in the order of the journal");
}

#[test]
fn a_job_that_ends_its_group_is_seen_by_the_next_where_jobs_decide_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let seen = three(&start(options(folder.path())));
    assert_eq!(seen, [0, 0, 2], "the third sees what the second committed");

    let (folder, heard) = (tempfile::tempdir().unwrap(), Heard::default());
    let file = open(options(folder.path())).unwrap();
    let (writer, _) = Writer::start(file, Box::new(|| stamp(0)), Bell(heard.clone())).unwrap();
    assert_eq!(three(&(writer, heard)), [0, 0, 0], "all are committed at once");
}

/// How much the observer had heard when each of three jobs ran, of which the second ends its group.
fn three((writer, heard): &(Writer<String>, Heard)) -> Vec<usize> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    // While this one waits the others queue up behind it, and would run in one group.
    writer
        .submit(
            move |_: &mut Tx<'_, String>| {
                held.recv().unwrap();
                Ok::<_, StoreError>(())
            },
            |_| {},
        )
        .unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    for end in [false, true, false] {
        let (heard, tell) = (heard.clone(), tell.clone());
        let work = move |tx: &mut Tx<'_, String>| {
            tx.event(format!("ended {end}"));
            if end {
                tx.end_group();
            }
            Ok::<_, StoreError>(heard.all().len())
        };
        writer.submit(work, move |seen| tell.send(seen.unwrap()).unwrap()).unwrap();
    }
    release.send(()).unwrap();
    (0..3).map(|_| told.recv_timeout(WAIT).unwrap()).collect()
}

#[test]
fn an_idle_writer_is_used_where_the_caller_is_and_a_busy_one_takes_turns() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, heard) = start(options(folder.path()));
    let (seen, told) = std::sync::mpsc::channel();
    let at_once = |name: &'static str, wait: Duration| {
        let (before, seen, committed) = (seen.clone(), seen.clone(), heard.clone());
        let watched = || before.send("watched".to_owned()).unwrap();
        let work = move |tx: &mut Tx<'_, String>| {
            tx.event(name.to_owned());
            let by_thread = std::thread::current().name() == Some("writer");
            tx.record(name.to_owned()).map(|seq| (seq, by_thread))
        };
        let tell = move |done: &Result<_, StoreError>| {
            let durable = committed.all().contains(&name.to_owned());
            seen.send(format!("{name} {} {durable}", done.is_ok())).unwrap();
        };
        writer.run_at_once(wait, watched, work, tell)
    };
    let all = || told.try_iter().collect::<Vec<_>>();
    assert_eq!(at_once("first", WAIT).unwrap(), (2, false));
    assert_eq!(all(), ["watched", "first true true"]);

    // One that hangs in the thread, and one that waits behind it.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let hangs = move |tx: &mut Tx<'_, String>| {
        held.recv().unwrap();
        tx.record("hung".into())
    };
    writer.submit(hangs, |_| {}).unwrap();
    writer.submit(|tx: &mut Tx<'_, String>| tx.record("before".into()), |_| {}).unwrap();
    let late = at_once("late", Duration::from_millis(50));
    assert!(matches!(late, Err(StoreError::Late)), "{late:?}");
    assert!(all().is_empty(), "nobody is watched that can wait for no longer than they say");
    let then = std::thread::scope(|scope| {
        let then = scope.spawn(|| at_once("then", WAIT));
        release.send(()).unwrap();
        then.join().unwrap()
    });
    let (seq, by_thread) = then.unwrap();
    assert_eq!(seq, 5, "after those that came before, and without the one that was late");
    let told = all();
    assert_eq!(told.first().map(String::as_str), Some("late false false"));
    // Those before it may have been written by then.
    let expected: &[&str] = if by_thread { &["then true true"] } else { &["watched", "then true true"] };
    assert_eq!(told[1..], *expected);
    let rows = rows(&options(folder.path())).into_iter().skip(1);
    assert_eq!(rows.map(|row| row.body).collect::<Vec<_>>(), ["first", "hung", "before", "then"]);
}

#[test]
fn who_writes_where_they_are_hears_that_it_is_not_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, heard) = start(options(folder.path()));
    let gives_up = |tx: &mut Tx<'_, String>| tx.connection().batch("ROLLBACK");
    let done: Result<(), StoreError> = writer.run_at_once(WAIT, || (), gives_up, |_| {});
    assert!(done.is_err() && !writer.works() && heard.all().contains(&"failed".to_owned()), "{done:?}");
    // There is nothing to write into, so the thread is asked, which opens the file anew in its time.
    let again =
        || writer.run_at_once(WAIT, || (), |tx: &mut Tx<'_, String>| tx.record("again".into()), |_| {});
    let until = Instant::now() + WAIT;
    let mut seq = again();
    while seq.is_err() && Instant::now() < until {
        seq = again();
    }
    assert_eq!((seq.unwrap(), writer.works()), (2, true));
}

type Work = Box<dyn FnOnce(&mut Tx<'_, String>) -> Result<(), StoreError> + Send>;

#[test]
fn what_rests_on_a_commit_that_failed_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = start(options(folder.path()));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let submit = |what: &'static str, work: Work| {
        let tell = tell.clone();
        writer.submit(work, move |done: Result<(), StoreError>| tell.send((what, done)).unwrap()).unwrap();
    };
    submit(
        "waits",
        Box::new(move |_| {
            gate.recv().unwrap();
            Err(StoreError::Late)
        }),
    );
    submit("rests on nothing", Box::new(|_| Err(StoreError::Late)));
    submit("is kept", Box::new(|tx| tx.record("granted".into()).map(drop)));
    submit("may rest on that", Box::new(|_| Err(StoreError::Late)));
    submit("breaks it", Box::new(|tx| tx.connection().batch("ROLLBACK")));
    open.send(()).unwrap();
    let told = (0..5).map(|_| told.recv_timeout(WAIT).unwrap());
    let own: Vec<_> = told.filter(|(_, done)| matches!(done, Err(StoreError::Late))).collect();
    let own: Vec<&str> = own.iter().map(|(what, _)| *what).collect();
    assert_eq!(own, ["waits", "rests on nothing"], "the others hear that nothing came of it");
}

#[test]
fn one_file_belongs_to_one_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(options(folder.path())).unwrap();
    let second = open(options(folder.path())).err().unwrap();
    assert!(second.to_string().contains("another daemon has it open"), "{second}");
    drop(first);
    assert!(open(options(folder.path())).is_ok());
}

#[test]
fn the_file_is_its_owners_alone_and_a_newer_one_is_not_touched() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    drop(open(options(folder.path())).unwrap());
    for file in ["x.db", "x.lock"] {
        assert_eq!(std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    Connection::open(options(folder.path()).path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let newer = open(options(folder.path())).err().unwrap();
    assert!(newer.to_string().contains("it has schema 99, and this release knows up to 1"), "{newer}");
}

#[test]
fn what_happened_to_the_tail_is_found_at_the_next_start() {
    type Damage = fn(&Connection);
    let damages: [(&str, Damage); 5] = [
        ("record 9 was changed", |db| drop(db.execute("UPDATE journal SET body = 'x' WHERE seq = 9", []))),
        ("record 9 was changed", |db| {
            drop(db.execute("UPDATE journal SET wall_ms = 7777 WHERE seq = 9", []))
        }),
        ("record 8 is missing", |db| drop(db.execute("DELETE FROM journal WHERE seq = 8", []))),
        ("its journal is empty", |db| drop(db.execute("DELETE FROM journal", []))),
        ("the name of its log is gone", |db| drop(db.execute("DELETE FROM meta", []))),
    ];
    for (words, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _) = start(options(folder.path()));
        for n in 2..=9 {
            append(&writer, &format!("record {n}")).unwrap();
        }
        drop(writer);
        wait_for_the_lock(folder.path());
        let db = Connection::open(options(folder.path()).path).unwrap();
        db.execute("DELETE FROM checkpoint", []).unwrap();
        damage(&db);
        drop(db);
        let found = open(options(folder.path())).err().unwrap().to_string();
        assert!(found.contains(words) && found.contains("jitd repair"), "{found}");
    }
}

fn wait_for_the_lock(folder: &Path) {
    for _ in 0..1000 {
        match open(options(folder)) {
            Err(StoreError::Locked { .. }) => std::thread::sleep(Duration::from_millis(10)),
            _ => return,
        }
    }
}

#[test]
fn garbage_in_place_of_the_file_is_damage_and_not_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(options(folder.path()).path, vec![0xAB; 8192]).unwrap();
    assert!(matches!(open(options(folder.path())), Err(StoreError::Damaged { .. })));
}

#[test]
fn checkpoints_come_by_count_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Heard::default();
    let now = Arc::new(AtomicI64::new(1_000_000));
    let clock = Arc::clone(&now);
    let stamps = Box::new(move || stamp(clock.load(Ordering::Relaxed)));
    let (writer, thread) =
        Writer::start(open(options(folder.path())).unwrap(), stamps, heard.clone()).unwrap();
    append(&writer, "x").unwrap();
    append(&writer, "x").unwrap();
    now.fetch_add(journal::limits::CHECKPOINT_MS, Ordering::Relaxed);
    append(&writer, "x").unwrap();
    for _ in 5..=journal::limits::CHECKPOINT_EVERY {
        append(&writer, "x").unwrap();
    }
    // Whoever asked is told first.
    drop(writer);
    thread.join().unwrap();
    let checkpoints: Vec<String> =
        heard.all().into_iter().filter(|event| event.starts_with("checkpoint")).collect();
    assert_eq!(checkpoints, ["checkpoint 2", "checkpoint 4", "checkpoint 256"]);
}

#[test]
fn a_file_that_is_opened_anew_stays_locked_by_those_who_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let (writer, _) = start(options.clone());
    append(&writer, "before").unwrap();
    let reader = store::read_only(&options.path).unwrap();
    assert_eq!(store::last_seq(&reader).unwrap(), 2);
    let file = format!(":{} ", std::fs::metadata(&options.path).unwrap().ino());
    let is_locked =
        || std::fs::read_to_string("/proc/locks").unwrap().lines().any(|lock| lock.contains(&file));
    assert!(is_locked());
    let other = Connection::open(&options.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    append(&writer, "in the way").unwrap_err();
    drop(other);
    let begun = Instant::now();
    while append(&writer, "after").is_err() {
        assert!(begun.elapsed() < WAIT);
    }
    assert!(is_locked(), "or the next program that closes it takes its log for nobody's");
}

#[test]
fn refusals_never_fill_the_last_quarter_and_a_full_file_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { max_bytes: 400 * 4096, ..options(folder.path()) };
    let (writer, _) = start(small.clone());
    let body = "x".repeat(3000);
    let refusal = |writer: &Writer<String>| {
        let body = body.clone();
        writer.run(WAIT, move |tx: &mut Tx<'_, String>| tx.record_refusal(body))
    };
    let refused = (0..1000).find_map(|_| refusal(&writer).err()).unwrap();
    assert!(matches!(refused, StoreError::Reserved(_)), "{refused}");
    let todo = "three quarters of the 1 MiB of [journal] max_bytes are used: raise it";
    assert!(refused.to_string().ends_with(todo), "{refused}");
    let kept = (0..1000).take_while(|_| append(&writer, &body).is_ok()).count();
    assert!(kept > 50, "{kept} allows still fit");
    let full = append(&writer, &body).unwrap_err();
    assert!(matches!(full, StoreError::Full(_) | StoreError::Failed), "{full}");
    let before = rows(&small).len();
    std::thread::sleep(Duration::from_millis(60));
    assert!(append(&writer, &body).is_err());
    assert_eq!(rows(&small).len(), before, "nothing that was told is gone");
}

fn old(witnessed: u64, before_ms: i64) -> Prune {
    let age = Age { before_ms, boot: "another".into(), before_boot_ms: 0 };
    Prune { witnessed, age: Some(age), max_bytes: 64 << 20 }
}

fn prune(writer: &Writer<String>, prune: Prune) -> usize {
    writer.run(WAIT, move |tx: &mut Tx<'_, String>| store::prune(tx.connection(), &prune)).unwrap()
}

/// The places of the records that are left, if they verify as they are.
fn left(options: &Options) -> Vec<u64> {
    let connection = store::read_only(&options.path).unwrap();
    let rows = store::journal_after(&connection, 0, 100_000).unwrap();
    let mut verifier = Verifier::new(None, Witness::default());
    rows.iter().try_for_each(|row| verifier.take(row)).unwrap();
    rows.iter().map(|row| row.seq).collect()
}

#[test]
fn old_records_go_only_before_a_checkpoint_that_a_witness_has_and_the_rest_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = start(options(folder.path()));
    for _ in 0..600 {
        append(&writer, "x").unwrap();
    }
    assert_eq!(prune(&writer, old(0, i64::MAX)), 0, "no checkpoint is in syslog");
    assert_eq!(prune(&writer, old(300, i64::MAX)), 0, "that is no checkpoint of this journal");
    assert_eq!(prune(&writer, old(256, i64::MAX)), 255, "there is a newer one, which nobody has seen");
    assert_eq!(left(&options(folder.path())), (256..=601).collect::<Vec<_>>());
    assert_eq!(prune(&writer, old(512, i64::MAX)), 256);
    assert_eq!(prune(&writer, old(512, i64::MAX)), 0);
    assert_eq!(left(&options(folder.path())), (512..=601).collect::<Vec<_>>());
    drop(writer);
    wait_for_the_lock(folder.path());
    assert_eq!(open(options(folder.path())).unwrap().head().seq, 601);
}

#[test]
fn a_wall_clock_that_jumped_leaves_no_gap_and_makes_nothing_old_that_is_young() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Heard::default();
    let now = Arc::new(AtomicI64::new(1_000));
    let clock = Arc::clone(&now);
    let stamps = Box::new(move || stamp(clock.load(Ordering::Relaxed)));
    let (writer, _) = Writer::start(open(options(folder.path())).unwrap(), stamps, heard).unwrap();
    for n in 2..=600 {
        // From 100 on it is ahead for a while, and old again after that.
        now.store(if (100..200).contains(&n) { 9_000_000 } else { 1_000 }, Ordering::Relaxed);
        append(&writer, "x").unwrap();
    }
    assert_eq!(prune(&writer, old(512, 5_000)), 99, "the oldest, up to the first that is not old");
    assert_eq!(left(&options(folder.path())), (100..=600).collect::<Vec<_>>());
    assert_eq!(prune(&writer, old(512, 5_000)), 0);
    // Written in this start of the machine, a moment ago, under a wall clock that stood at 1970.
    let mut young = old(512, i64::MAX);
    young.age = young.age.map(|age| Age { boot: "b".into(), ..age });
    assert_eq!(prune(&writer, young.clone()), 0);
    young.age = young.age.map(|age| Age { before_boot_ms: 2, ..age });
    assert_eq!(prune(&writer, young), 412);
}

#[test]
fn the_oldest_records_make_room_in_rounds_and_refusals_are_recorded_again() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { max_bytes: 2000 * 4096, ..options(folder.path()) };
    let (writer, heard) = start(small.clone());
    let body = "x".repeat(600);
    let refuse_many = |writer: &Writer<String>, many: usize| {
        let body = body.clone();
        writer.run(WAIT, move |tx: &mut Tx<'_, String>| {
            (0..many).try_for_each(|_| tx.record_refusal(body.clone()).map(drop))
        })
    };
    let refuse = |writer: &Writer<String>| refuse_many(writer, 1);
    // By the hundred, and what room is left one by one: a disk is slow to wait for.
    for many in [100, 1] {
        let refused = (0..100_000).find_map(|_| refuse_many(&writer, many).err()).unwrap();
        assert!(matches!(refused, StoreError::Reserved(_)), "{refused}");
    }
    let witnessed =
        heard.all().iter().rev().find_map(|event| event.strip_prefix("checkpoint ")?.parse().ok());
    let by_size = Prune { witnessed: witnessed.unwrap(), age: None, max_bytes: small.max_bytes };
    let unwitnessed = Prune { witnessed: 0, ..by_size.clone() };
    let reader = store::read_only(&small.path).unwrap();
    assert!(!store::prunable(&reader, &unwitnessed).unwrap());
    let (mut rounds, mut first) = (0, 1);
    while store::prunable(&reader, &by_size).unwrap() {
        let gone = u64::try_from(prune(&writer, by_size.clone())).unwrap();
        assert!((1..=store::limits::PRUNE).contains(&gone), "{gone} in one round");
        (rounds, first) = (rounds + 1, first + gone);
    }
    let used = store::used_bytes(&reader).unwrap();
    assert!(rounds > 1 && used <= small.max_bytes / 8 * 5, "{rounds} rounds, {used} bytes are used");
    assert_eq!(left(&small)[0], first, "only as much as it takes");
    assert!(first < by_size.witnessed, "{first}");
    // The file is as large as before, and there is room within it.
    refuse(&writer).unwrap();
    drop((reader, writer));
    wait_for_the_lock(folder.path());
    assert!(open(small).is_ok());
}

#[test]
fn the_journal_keeps_a_part_of_the_room_where_other_rows_fill_it() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { max_bytes: 2000 * 4096, ..options(folder.path()) };
    let (writer, heard) = start(small.clone());
    let append_many = |many: usize| -> Result<(), StoreError> {
        writer.run(WAIT, move |tx: &mut Tx<'_, String>| {
            (0..many).try_for_each(|_| tx.record("x".repeat(600)).map(drop))
        })
    };
    (0..30).for_each(|_| append_many(100).unwrap());
    // Five eighths of the room are of other rows.
    let filled: Result<(), StoreError> = writer.run(WAIT, move |tx: &mut Tx<'_, String>| {
        let body = "x".repeat(3900);
        for n in 0..1100_u64 {
            tx.connection().execute(
                "INSERT INTO idempotency (person, key, call, answer, at_ms) VALUES ('alice', ?1, '', ?2, 1)",
                &[&n.to_string(), &body],
            )?;
        }
        Ok(())
    });
    filled.unwrap();
    append_many(300).unwrap();
    let witnessed =
        heard.all().iter().rev().find_map(|event| event.strip_prefix("checkpoint ")?.parse().ok());
    let by_size = Prune { witnessed: witnessed.unwrap(), age: None, max_bytes: small.max_bytes };
    let reader = store::read_only(&small.path).unwrap();
    while store::prunable(&reader, &by_size).unwrap() {
        assert!(prune(&writer, by_size.clone()) > 0);
    }
    assert!(store::is_short(&reader, small.max_bytes).unwrap(), "no record of the journal can help that");
    let kept = left(&small);
    assert!((700..2000).contains(&kept.len()), "{} of 3300 records are left", kept.len());
}

#[test]
fn where_there_was_no_room_what_may_go_goes_before_the_next_group() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { max_bytes: 2000 * 4096, ..options(folder.path()) };
    let (writer, heard) = start(small.clone());
    let body = "x".repeat(3000);
    let full = (0..10_000).find_map(|_| append(&writer, &body).err()).unwrap();
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    let witnessed =
        heard.all().iter().rev().find_map(|event| event.strip_prefix("checkpoint ")?.parse().ok());
    writer.relieve_by(Prune { witnessed: witnessed.unwrap(), age: None, max_bytes: small.max_bytes });
    // Nobody but who wants to write comes by.
    let since = std::time::Instant::now();
    while append(&writer, &body).is_err() {
        assert!(since.elapsed() < WAIT, "no room is made");
        std::thread::sleep(Duration::from_millis(5));
    }
    let reader = store::read_only(&small.path).unwrap();
    assert!(store::used_bytes(&reader).unwrap() <= small.max_bytes / 8 * 5 + 4096);
    assert!(left(&small)[0] > 1);
}

#[test]
fn a_beat_is_a_sign_of_life_and_never_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, heard) = start(options(folder.path()));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (tell, beats) = std::sync::mpsc::channel();
    // A job that hangs holds the beat back.
    writer
        .submit(move |_| gate.recv().map_err(|_| StoreError::Closed), |_: Result<(), StoreError>| ())
        .unwrap();
    let told = tell.clone();
    writer.beat(move || told.send(()).unwrap()).unwrap();
    assert!(beats.recv_timeout(Duration::from_millis(200)).is_err(), "it hangs");
    open.send(()).unwrap();
    beats.recv_timeout(WAIT).unwrap();
    // A file that takes nothing does not.
    let refused = writer
        .run(WAIT, |tx: &mut Tx<'_, String>| -> Result<(), StoreError> { tx.connection().batch("ROLLBACK") });
    assert!(refused.is_err() && !writer.works());
    writer.beat(move || tell.send(()).unwrap()).unwrap();
    beats.recv_timeout(WAIT).unwrap();
    assert!(!writer.works(), "a beat opens nothing");
    assert_eq!(heard.all(), ["failed"]);
}

#[test]
fn what_nobody_waits_for_any_more_does_not_happen_later() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, heard) = start(options(folder.path()));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let hangs = move |_: &mut Tx<'_, String>| gate.recv().map_err(|_| StoreError::Closed);
    writer.submit(hangs, |_: Result<(), StoreError>| ()).unwrap();
    let late = writer.run(Duration::from_millis(50), |tx: &mut Tx<'_, String>| {
        tx.event("late".into());
        tx.record("late".into())
    });
    assert!(matches!(late, Err(StoreError::Late)), "{late:?}");
    open.send(()).unwrap();
    let seq = append(&writer, "in time").unwrap();
    assert_eq!((seq, heard.all()), (2, vec!["in time".to_owned()]));
}
