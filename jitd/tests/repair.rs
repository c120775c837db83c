//! `jitd repair`: broken off at every step, with clocks that were tampered with and claims that are gone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use access::{Grant, GrantId};
use journal::{Checkpoint, Stamp, Verifier, Witness};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{File, Observer, Options, Sql, StoreError, Tx, Writer};

const BOOT: &str = "11111111-2222-3333-4444-555555555555";
/// 2026-11-24T12:00:00Z, an hour after that start of the machine.
const NOON: i64 = 1_795_521_600_000;
const HOUR: i64 = 3_600_000;

const GIVEN: &str = "G-00000-00001";
const REVOKED: &str = "G-00000-00002";
const USED: &str = "G-00000-00003";
const UNUSED: &str = "G-00000-00004";

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

/// One test at a time: a child that another test is just starting holds every lock of this process until it
/// runs its own program.
static ALONE: Mutex<()> = Mutex::new(());

/// A state folder with its configuration.
struct State(tempfile::TempDir);

impl State {
    fn empty() -> Self {
        // A process that is killed loses nothing that it wrote; waiting for a disk would show nothing more.
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let config = format!("state = \"{}\"\nhost = \"web-1\"\n", folder.path().display());
        std::fs::write(folder.path().join("jitd.toml"), config).unwrap();
        Self(folder)
    }

    /// As a daemon that was killed leaves it: what was committed last stands in the write-ahead log alone.
    /// `damage` is done to it as by a bad disk, or by somebody who can write to it.
    fn damaged(damage: impl FnOnce(&Connection)) -> Self {
        let lived = Self::empty();
        let writer = live(&lived.file());
        let db = Connection::open(lived.file()).unwrap();
        db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        // Without one the whole log is verified at a start.
        db.execute("DELETE FROM checkpoint", []).unwrap();
        damage(&db);
        let state = lived.copy();
        drop((writer, db));
        state
    }

    fn copy(&self) -> Self {
        let copy = Self::empty();
        for part in ["", "-wal"] {
            std::fs::copy(self.part(part), copy.part(part)).unwrap();
        }
        copy
    }

    fn file(&self) -> PathBuf {
        self.part("")
    }

    fn part(&self, part: &str) -> PathBuf {
        self.0.path().join(format!("jitd.db{part}"))
    }

    fn repair_under(&self, strace: &[&str]) -> Output {
        let line = [strace, &[env!("CARGO_BIN_EXE_jitd")]].concat();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).arg("--config").arg(self.0.path().join("jitd.toml")).arg("repair");
        let output = command.output();
        assert!(output.is_ok(), "{}: {:?}; is it installed?", line[0], output.err());
        output.unwrap()
    }

    /// What a repair says that does what it should.
    fn repaired(&self) -> String {
        let output = self.repair_under(&[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    fn step(&self) -> Step {
        let is = |name: &str| self.0.path().join(name).exists();
        match (is("jitd.repair"), is("jitd.damaged-1")) {
            (true, _) => Step::Between,
            (false, true) => Step::After,
            (false, false) => Step::Before,
        }
    }

    fn open(&self) -> Result<File, StoreError> {
        let options = Options { path: self.file(), max_bytes: 64 << 20, tables: "" };
        File::open(options, |_| unreachable!("a database is never replaced by an empty one"))
    }

    /// Opens it as the daemon does, and verifies everything.
    fn opened(&self) -> File {
        let file = self.open().unwrap();
        let rows = store::journal_after(file.connection(), 0, 10_000).unwrap();
        let mut verifier = Verifier::new(None, Witness::default());
        rows.iter().try_for_each(|row| verifier.take(row)).unwrap();
        file
    }

    fn has_grant(&self, id: &str) -> bool {
        has_grant(&self.opened(), id)
    }

    fn has_the_claim(&self) -> bool {
        has_the_claim(&self.opened())
    }

    fn clock(&self) -> Value {
        clock(&self.opened())
    }

    /// Everything that was acknowledged and is not the damage itself.
    fn holds_everything(&self) {
        let file = self.opened();
        assert!([GIVEN, USED, UNUSED].iter().all(|id| has_grant(&file, id)));
        let revoked = format!("body LIKE '%{REVOKED}%' AND body LIKE '%revoked%' AND closed = 1");
        assert!(has_one(&file, &format!("SELECT count(*) FROM grants WHERE {revoked}")));
        assert!(has_the_claim(&file));
        assert_eq!(clock(&file)["floor"], iso(NOON + 120_000), "{}", clock(&file));
    }
}

fn has_one(file: &File, sql: &str) -> bool {
    let found: i64 = file.connection().query_row(sql, [], |row| row.get(0)).unwrap();
    found == 1
}

fn has_grant(file: &File, id: &str) -> bool {
    has_one(file, &format!("SELECT count(*) FROM grants WHERE body LIKE '%{id}%'"))
}

/// Whether the one claim there is still has the end that it was made with, and no grant of it has another.
fn has_the_claim(file: &File) -> bool {
    let (id, started) = (bits(USED), NOON + 60_000);
    let this = format!("grant_id = {id} AND started_ms = {started} AND ends_ms = {}", started + HOUR);
    has_one(file, &format!("SELECT count(*) FROM claim WHERE {this}"))
        && has_one(file, "SELECT count(*) FROM claim")
        && has_one(
            file,
            "SELECT NOT EXISTS (SELECT * FROM claim JOIN grants ON id = grant_id WHERE latest_ms <> ends_ms)",
        )
}

fn clock(file: &File) -> Value {
    serde_json::from_str(&store::meta(file.connection(), "clock").unwrap().unwrap()).unwrap()
}

fn bits(id: &str) -> u64 {
    id.parse::<GrantId>().unwrap().bits()
}

fn iso(millis: i64) -> String {
    let time = access::Time::from_timestamp_millis(millis).unwrap();
    serde_json::to_value(time).unwrap().as_str().unwrap().to_owned()
}

fn grant(id: &str, by_use: bool, revoked: bool) -> Grant {
    let window = if by_use {
        json!({ "clock": "first-use", "not_before": iso(NOON), "claim_by": iso(NOON + 8 * HOUR),
                "length": "1h", "latest_end": iso(NOON + 9 * HOUR) })
    } else {
        json!({ "clock": "approval", "not_before": iso(NOON), "expires": iso(NOON + HOUR) })
    };
    let ended = revoked.then(|| json!({ "how": "revoked", "at": iso(NOON), "by": "bob", "reason": "wrong" }));
    serde_json::from_value(json!({
        "id": id, "version": 1, "request": "R-00000-00001", "person": "alice", "names": ["alice"],
        "logins": ["alice"], "hosts": ["web-1"], "services": ["ssh"], "run_as": [], "window": window,
        "source": null, "sessions": null, "approved_at": iso(NOON), "approved_by": ["bob"], "rule": "built-in",
        "policy": "", "break_glass": false, "ended": ended
    }))
    .unwrap()
}

fn decision(at: i64, reason: &str, grant: Option<&str>, expires: Option<i64>) -> String {
    let mut record = json!({
        "kind": "decision", "at": iso(at), "reason": reason, "user": "alice", "as": "alice", "service": "ssh",
        "phase": "account", "host": "web-1", "rhost": "203.0.113.5", "tty": "ssh", "source": "local",
        "staleness_s": 0, "times": 1
    });
    if let (Some(grant), Some(expires)) = (grant, expires) {
        record["grant"] = grant.into();
        record["expires"] = iso(expires).into();
    }
    record.to_string()
}

fn mark(mark: &str, detail: &str) -> String {
    json!({ "kind": "mark", "at": iso(NOON), "mark": mark, "detail": detail }).to_string()
}

type Work = Box<dyn FnOnce(&mut Tx<'_, ()>) -> Result<(), StoreError> + Send>;

/// What a daemon wrote in two minutes.
fn live(path: &Path) -> Writer<()> {
    let stamp = |at: i64| Stamp { boot: BOOT.into(), wall_ms: at, boot_ms: HOUR + at - NOON };
    let options = Options { path: path.into(), max_bytes: 64 << 20, tables: "" };
    let file = File::open(options, |_| (stamp(NOON), mark("opened", "x"))).unwrap();
    let clock = Arc::new(AtomicI64::new(NOON));
    let now = Arc::clone(&clock);
    let stamps = move || stamp(now.load(Ordering::Relaxed));
    let (writer, _) = Writer::start(file, Box::new(stamps), Deaf).unwrap();
    let write = |at: i64, work: Work| {
        clock.store(at, Ordering::Relaxed);
        writer.run::<(), StoreError, _>(Duration::from_secs(20), work).unwrap();
    };
    let put = |at: i64, how: &'static str, grant: Grant| {
        let work = move |tx: &mut Tx<'_, ()>| {
            let record =
                json!({ "kind": "change", "at": iso(at), "change": how, "actor": "bob", "grant": grant });
            let seq = tx.record(record.to_string())?;
            let body = serde_json::to_string(&grant).unwrap();
            let digest = journal::Hash::of(body.as_bytes()).0;
            tx.connection().execute(
                "INSERT OR REPLACE INTO grants (id, person, closed, latest_ms, at_ms, body, digest, seq, version, hosts) \
                 VALUES (?1, 'alice', ?2, ?3, ?3, ?4, ?5, ?6, ?7, ' web-1 ')",
                &[&grant.id.bits(), &grant.ended.is_some(), &NOON, &body, &digest, &seq, &grant.version],
            )?;
            Ok(())
        };
        write(at, Box::new(work));
    };
    // Record 2 is the one that is damaged later.
    write(NOON, Box::new(|tx| tx.record(decision(NOON, "no_grant", None, None)).map(drop)));
    write(NOON, Box::new(|tx| tx.record(mark("clock_confirmed", "kept by a time service")).map(drop)));
    put(NOON, "approved", grant(GIVEN, false, false));
    put(NOON, "approved", grant(REVOKED, false, false));
    put(NOON, "approved", grant(USED, true, false));
    put(NOON, "approved", grant(UNUSED, true, false));
    let used = NOON + 60_000;
    let first_use = move |tx: &mut Tx<'_, ()>| {
        let seq = tx.record(decision(used, "granted", Some(USED), Some(used + HOUR)))?;
        tx.connection().execute(
            "INSERT INTO claim (grant_id, started_ms, ends_ms, seq) VALUES (?1, ?2, ?3, ?4)",
            &[&bits(USED), &used, &(used + HOUR), &seq],
        )?;
        let kept = json!({ "floor": iso(used), "boot": BOOT, "wall": iso(NOON), "since_boot_ms": HOUR,
                           "confirmed": true });
        store::set_meta(tx.connection(), "clock", &kept.to_string())
    };
    write(used, Box::new(first_use));
    put(NOON + 120_000, "revoked", grant(REVOKED, false, true));
    writer
}

fn edited(db: &Connection) {
    db.execute("UPDATE journal SET body = body || ' ' WHERE seq = 2", []).unwrap();
    // A floor that is as late as the records.
    db.execute(
        "UPDATE meta SET value = json_set(value, '$.floor', ?1) WHERE key = 'clock'",
        [iso(NOON + 120_000)],
    )
    .unwrap();
}

#[test]
fn a_repair_takes_over_all_that_is_whole_and_so_does_the_one_after_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let state = State::damaged(edited);
    let refused = state.open().err().unwrap().to_string();
    assert!(refused.contains("record 2 was changed") && refused.contains("jitd repair"), "{refused}");
    let said = state.repaired();
    assert!(said.contains("lost: journal 2: it was changed after it was written"), "{said}");
    assert_eq!(said.matches("lost: ").count(), 1, "{said}");
    state.holds_everything();

    // The records of the second log prove as much as those of the first.
    let db = Connection::open(state.file()).unwrap();
    db.execute("UPDATE claim SET ends_ms = ends_ms + 1", []).unwrap();
    db.execute("UPDATE meta SET value = 'x' WHERE key = 'clock'", []).unwrap();
    let body: String =
        db.query_row("SELECT body FROM grants WHERE id = ?1", [bits(GIVEN)], |row| row.get(0)).unwrap();
    let longer = body.replace(&iso(NOON + HOUR), &iso(NOON + 100 * HOUR));
    assert_ne!(body, longer);
    db.execute(
        "UPDATE grants SET body = ?1, digest = ?2 WHERE id = ?3",
        params![longer, journal::Hash::of(longer.as_bytes()).0, bits(GIVEN)],
    )
    .unwrap();
    drop(db);
    let said = state.repaired();
    assert!(said.contains("which made it, says something else"), "{said}");
    assert!(!state.has_grant(GIVEN) && state.has_grant(USED) && state.has_grant(UNUSED), "{said}");
    assert!(state.has_the_claim(), "{said}");
    assert_eq!(state.clock()["floor"], iso(NOON + 120_000), "the floor of the first repair");
}

#[test]
fn what_root_repairs_belongs_to_whom_the_folder_belongs_to() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let state = State::damaged(edited);
    chown(state.0.path(), Some(65534), Some(65534)).unwrap();
    state.repaired();
    for name in ["jitd.db", "jitd.lock"] {
        let file = std::fs::metadata(state.0.path().join(name)).unwrap();
        assert_eq!(
            (file.uid(), file.gid(), file.permissions().mode() & 0o777),
            (65534, 65534, 0o600),
            "{name}"
        );
    }
}

/// Runs a repair under strace(1), which does something to the n-th of these system calls.
fn with(state: &State, call: &str, what: &str) -> Output {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{what}"));
    state.repair_under(&["strace", "-f", "-o", "/dev/null", "-e", &trace, "-e", &inject])
}

/// How far a repair came.
#[derive(PartialEq)]
enum Step {
    Before,
    Between,
    After,
}

/// A repair does what the one before did not, and the damaged files are kept as they were.
fn finish(damaged: &State, state: &State) {
    if state.step() != Step::After {
        state.repaired();
    }
    state.holds_everything();
    for part in ["", "-wal"] {
        let kept = std::fs::read(state.0.path().join(format!("jitd.damaged-1{part}"))).unwrap();
        assert_eq!(kept, std::fs::read(damaged.part(part)).unwrap(), "{part}");
    }
    let mut left: Vec<String> = std::fs::read_dir(state.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("jitd.db-"))
        .collect();
    left.sort();
    assert_eq!(left, ["jitd.damaged-1", "jitd.damaged-1-wal", "jitd.db", "jitd.lock", "jitd.toml"]);
}

#[test]
fn a_repair_that_is_killed_at_any_system_call_loses_nothing_and_is_taken_up_again() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let damaged = State::damaged(edited);
    let (mut broken_off, mut between) = (0, 0);
    // All that change something or make it durable, and what they are done to.
    for call in ["openat", "rename", "unlink", "write", "pwrite64", "ftruncate", "fsync", "fdatasync"] {
        for nth in first_of(call).. {
            let state = damaged.copy();
            if with(&state, call, &format!("signal=KILL:when={nth}")).status.success() {
                break;
            }
            broken_off += 1;
            // A daemon that starts now finds the damaged file, why it must not start, or the whole new one:
            // never an empty file.
            match state.step() {
                Step::Before => {
                    assert!(matches!(state.open(), Err(StoreError::Damaged { .. })), "{call} {nth}");
                    // Looking at it has moved its write-ahead log into it: the same rows in another place.
                    state.repaired();
                    state.holds_everything();
                }
                Step::Between => {
                    between += 1;
                    let why = state.open().err().unwrap();
                    assert!(matches!(why, StoreError::BrokenOff { .. }), "{call} {nth}: {why}");
                    assert!(why.to_string().contains("run `jitd repair` again"), "{why}");
                    finish(&damaged, &state);
                }
                Step::After => finish(&damaged, &state),
            }
        }
    }
    println!("broken off {broken_off} times, {between} of them between the first step and the last");
    assert!(broken_off > 50 && between > 20, "{broken_off}, {between}");
}

#[test]
fn a_repair_without_room_says_so_and_goes_on_when_there_is_some() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let damaged = State::damaged(edited);
    let mut failed = 0;
    for call in ["openat", "rename", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync"] {
        for nth in first_of(call).. {
            let state = damaged.copy();
            let output = with(&state, call, &format!("error=ENOSPC:when={nth}+"));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() {
                finish(&damaged, &state);
                break;
            }
            failed += 1;
            assert!(
                said.contains("error: ") && said.contains("run `jitd repair` again"),
                "{call} {nth}: {said}"
            );
            finish(&damaged, &state);
        }
    }
    println!("failed {failed} times");
    assert!(failed > 20, "{failed}");
}

#[test]
fn a_repair_whose_end_a_power_cut_took_back_undoes_nothing_of_what_was_written_since() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let state = State::damaged(edited);
    state.repaired();
    let db = Connection::open(state.file()).unwrap();
    store::set_meta(&db, "since", "acknowledged").unwrap();
    drop(db);
    std::fs::write(state.0.path().join("jitd.repair"), "jitd.damaged-1").unwrap();
    assert!(matches!(state.open(), Err(StoreError::BrokenOff { .. })));
    state.repaired();
    assert_eq!(store::meta(state.opened().connection(), "since").unwrap().as_deref(), Some("acknowledged"));
    state.holds_everything();
}

/// The first of these calls that is worth breaking off at: what a program opens to start at all says nothing
/// about its repair.
fn first_of(call: &str) -> usize {
    if call != "openat" {
        return 1;
    }
    let state = State::empty();
    let trace = state.0.path().join("trace");
    let strace = ["strace", "-f", "-o", trace.to_str().unwrap(), "-e", "trace=openat"];
    assert!(!state.repair_under(&strace).status.success(), "there is nothing to repair");
    let lines = std::fs::read_to_string(trace).unwrap();
    1 + lines.lines().take_while(|line| !line.contains("jitd.lock")).count()
}

#[test]
fn a_clock_that_cannot_be_read_is_made_again_from_what_records_prove() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for row in ["garbage", "{}", "{\"floor\":\"2026-11-24T12:00:00Z\"}"] {
        let state = State::damaged(|db| {
            edited(db);
            db.execute("UPDATE meta SET value = ?1 WHERE key = 'clock'", [row]).unwrap();
        });
        let said = state.repaired();
        assert!(said.contains("lost: meta clock: it cannot be read"), "{said}");
        let clock = state.clock();
        assert_eq!(clock["floor"], iso(NOON + 120_000), "{clock}");
        assert_eq!((&clock["boot"], &clock["confirmed"]), (&json!(BOOT), &json!(true)));
    }
}

#[test]
fn a_floor_is_never_lower_than_records_prove_and_a_later_one_stays() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (floor, kept) in [(NOON - 24 * HOUR, NOON + 120_000), (NOON + 2 * HOUR, NOON + 2 * HOUR)] {
        let state = State::damaged(|db| {
            edited(db);
            let sql = "UPDATE meta SET value = json_set(value, '$.floor', ?1) WHERE key = 'clock'";
            db.execute(sql, [iso(floor)]).unwrap();
        });
        let said = state.repaired();
        assert_eq!(said.contains("lost: meta clock: its floor was"), floor < NOON, "{said}");
        assert_eq!(state.clock()["floor"], iso(kept));
    }
}

#[test]
fn time_that_nobody_confirmed_never_becomes_the_floor() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let state = State::damaged(|db| {
        // Without its record nothing says that the clock was confirmed.
        db.execute("DELETE FROM journal WHERE seq = 3", []).unwrap();
        db.execute("DELETE FROM meta WHERE key = 'clock'", []).unwrap();
    });
    let said = state.repaired();
    assert!(said.contains("lost: meta clock: it is gone"), "{said}");
    let clock = state.clock();
    assert_eq!((&clock["floor"], &clock["confirmed"]), (&json!("1970-01-01T00:00:00Z"), &json!(false)));
    assert_eq!(clock["boot"], BOOT, "the time of this start of the machine goes on");
}

#[test]
fn a_first_use_never_gets_a_second_clock() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let claims = [
        ("DELETE FROM claim", "its row is gone; it was made again from record 8"),
        ("UPDATE claim SET ends_ms = ends_ms + 3600000", "its row says something else than record 8"),
    ];
    for (damage, words) in claims {
        let state = State::damaged(|db| {
            edited(db);
            assert_eq!(db.execute(damage, []).unwrap(), 1);
        });
        let said = state.repaired();
        assert!(said.contains(words), "{said}");
        state.holds_everything();
    }
    // Row and record are gone: so is the grant.
    let state = State::damaged(|db| {
        db.execute("UPDATE journal SET body = body || ' ' WHERE seq = 8", []).unwrap();
        db.execute("DELETE FROM claim", []).unwrap();
    });
    let said = state.repaired();
    assert!(said.contains("record 8 is lost and could have ended it"), "{said}");
    assert!(!state.has_grant(USED));
    // A claim that no record made, of a grant that is whole.
    let state = State::damaged(|db| {
        edited(db);
        db.execute("UPDATE claim SET grant_id = ?1", [bits(UNUSED)]).unwrap();
    });
    let said = state.repaired();
    assert!(said.contains("no record tells of this use"), "{said}");
    assert!(!state.has_grant(UNUSED) && state.has_grant(USED));
    let file = state.opened();
    let ends =
        |id| format!("SELECT count(*) FROM claim WHERE grant_id = {} AND ends_ms - started_ms = ", bits(id));
    assert!(has_one(&file, &format!("{} {HOUR}", ends(USED))), "as its record tells it");
    assert!(has_one(&file, &format!("{} 0", ends(UNUSED))), "used up: nobody knows until when it was good");
}

#[test]
fn a_revocation_stays_whatever_its_row_says() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Record 5 approved it and record 9 revoked it.
    for (seq, lost, why) in [
        (9, 2, "record 9, which made it, says something else"),
        (5, 2, "record 9 ended it"),
        (5, 9, "record 9 is lost and could have ended it"),
    ] {
        let state = State::damaged(|db| {
            edited(db);
            db.execute("UPDATE journal SET body = body || ' ' WHERE seq = ?1", [lost]).unwrap();
            let approved: String = db
                .query_row("SELECT json_extract(body, '$.grant') FROM journal WHERE seq = 5", [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert!(approved.contains(REVOKED) && approved.contains("\"ended\":null"), "{approved}");
            let sql = "UPDATE grants SET closed = 0, body = ?1, digest = ?2, seq = ?3 WHERE id = ?4";
            let digest = journal::Hash::of(approved.as_bytes()).0;
            assert_eq!(db.execute(sql, params![approved, digest, seq, bits(REVOKED)]).unwrap(), 1);
        });
        let said = state.repaired();
        assert!(said.contains(why), "{why}: {said}");
        assert!(!state.has_grant(REVOKED), "{said}");
        assert_eq!(state.has_grant(GIVEN), lost == 2, "what nobody touched is taken over: {said}");
    }
}

/// What a host of a hub keeps beside: the last message, a grant that is honoured, one that another body is remembered
/// of, and the memory of one that ended.
fn of_a_hub(db: &Connection) {
    edited(db);
    db.execute_batch(include_str!("../src/tables.sql")).unwrap();
    store::set_meta(db, "hub", "a hub, its root, and this host").unwrap();
    let key = |seed| sync::SecretKey::from_random(&[seed; 32]).public();
    let time = |ms| access::Time::from_timestamp_millis(ms).unwrap();
    let manifest = sync::Manifest {
        hub: sync::HubId::new(access::HostName::parse("hub").unwrap()),
        era: sync::Era { incarnation: 1, epoch: 1 },
        roots: sync::Roots::one(key(1)),
        grant_keys: vec![key(2)],
        view_keys: vec![key(3)],
        issued_at: time(NOON),
        expires: time(NOON + HOUR),
    };
    let served = sync::Served {
        manifest,
        retired: Vec::new(),
        revision: 7,
        whole: sync::Digest::of(b"whole"),
        as_of: time(NOON),
        fresh_until: time(NOON + HOUR),
        signed_time: None,
    };
    db.execute("INSERT INTO served (one, body) VALUES (1, ?1)", [serde_json::to_string(&served).unwrap()])
        .unwrap();
    let known = |id: &str, held: Option<Grant>| {
        let held = held.map(|grant| sync::Held {
            grant,
            signer: key(2),
            signature: sync::SecretKey::from_random(&[2; 32]).sign(b""),
        });
        let digest = sync::Digest::of(id.as_bytes());
        let known = sync::Known { version: 1, digest, ended: None, until: time(NOON + HOUR), held };
        let body = serde_json::to_string(&known).unwrap();
        db.execute("INSERT INTO known (id, body) VALUES (?1, ?2)", params![bits(id), body]).unwrap();
    };
    known(GIVEN, Some(grant(GIVEN, false, false)));
    known(UNUSED, Some(Grant { rule: "wider".into(), ..grant(UNUSED, true, false) }));
    known("G-00000-00009", None);
}

#[test]
fn what_a_hub_said_is_taken_over_where_it_is_what_the_records_say() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let state = State::damaged(of_a_hub);
    let said = state.repaired();
    assert!(said.contains("taken over: 2 of known") && said.contains("taken over: 1 of served"), "{said}");
    assert!(said.contains(&format!("lost: known {}", bits(UNUSED))), "{said}");
    let file = state.opened();
    assert!(has_one(&file, "SELECT count(*) FROM meta WHERE key = 'hub'"));
    assert!(has_one(&file, &format!("SELECT count(*) FROM known WHERE id = {}", bits(GIVEN))));
}

#[test]
fn a_grant_that_is_given_again_gets_no_second_clock() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let state = State::damaged(|db| {
        edited(db);
        db.execute("DELETE FROM grants WHERE id = ?1", [bits(USED)]).unwrap();
    });
    let said = state.repaired();
    assert!(state.has_the_claim(), "as its record tells it: {said}");

    let state = State::damaged(|db| {
        edited(db);
        db.execute("DELETE FROM grants WHERE id = ?1", [bits(USED)]).unwrap();
        db.execute("UPDATE journal SET body = body || ' ' WHERE body LIKE '%\"granted\"%'", []).unwrap();
    });
    let said = state.repaired();
    assert!(said.contains("no record tells until when its grant is good"), "{said}");
    let used_up =
        format!("SELECT count(*) FROM claim WHERE grant_id = {} AND ends_ms = started_ms", bits(USED));
    assert!(has_one(&state.opened(), &used_up));
}
