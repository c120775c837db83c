//! On a real server, that is killed, and whose words are lost.

use super::schema::{STEPS, Step, UNCOUNTED, bring, counted};
use super::{Place, Pool, Server};
use crate::{feed, limits};
use access::{Claim, Grant, GrantId, Time};
use desk::conformance::Subject;
use desk::{Committed, SqlStore};
use journal::{Checkpoint, Head, Stamp, Verifier, Witness};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::{Bind, Observer, Reader, Sql, StoreError, Tx, Writer};
use testbed::Postgres;

const WAIT: Duration = Duration::from_secs(30);
const ROOM: u64 = 64 << 20;

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Committed>>>);

impl Observer<Committed> for Heard {
    const HOLDS: bool = false;

    fn committed(&mut self, events: Vec<Committed>) {
        self.0.lock().unwrap().extend(events);
    }
    fn checkpoint(&mut self, _: Checkpoint) {}
    fn reopened(&mut self, _: &dyn Sql) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, _: &StoreError) {}
}

fn stamp() -> Stamp {
    Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 }
}

fn place(url: &str) -> Place {
    Place::of(url, None).unwrap()
}

fn open(url: &str, max_bytes: u64) -> Result<(Server, (super::engine::Writes, Head)), StoreError> {
    Server::open(place(url), max_bytes, Some(&|_| (stamp(), "{}".to_owned())))
}

fn start(url: &str, max_bytes: u64) -> (Writer<Committed>, Heard) {
    let (server, open) = open(url, max_bytes).unwrap();
    let heard = Heard::default();
    let (writer, _) = Writer::over(server, open, Box::new(stamp), heard.clone()).unwrap();
    (writer, heard)
}

struct Room {
    store: SqlStore<Committed>,
    writer: Writer<Committed>,
    heard: Heard,
    _server: Postgres,
}

impl Room {
    fn of(max_bytes: u64) -> Self {
        let server = Postgres::start().unwrap();
        let (writer, heard) = start(&server.url(), max_bytes);
        let store = SqlStore::new(writer.clone(), Reader::over(Pool::of(place(&server.url()))), WAIT);
        Self { store, writer, heard, _server: server }
    }

    fn sql(&self, sql: &'static str, values: Vec<i64>) {
        let done: Result<usize, StoreError> = self.writer.run(WAIT, move |tx| {
            let values: Vec<&dyn Bind> = values.iter().map(|value| value as &dyn Bind).collect();
            tx.connection().execute(sql, &values)
        });
        assert_eq!(done.unwrap(), 1);
    }
}

fn signed(bits: u64) -> i64 {
    i64::try_from(bits).unwrap()
}

impl Subject for Room {
    type Store = SqlStore<Committed>;

    fn fresh() -> Self {
        Self::of(ROOM)
    }
    fn tight() -> Self {
        Self::of(1 << 20)
    }
    fn store(&self) -> &Self::Store {
        &self.store
    }
    fn heard(&self) -> Vec<Committed> {
        self.heard.0.lock().unwrap().clone()
    }
    fn claims(&self, grant: &Grant, now: Time) {
        let claim = Claim::start(&grant.window, now).unwrap();
        let id = grant.id;
        let done: Result<(), StoreError> = self
            .writer
            .run(WAIT, move |tx: &mut Tx<'_, Committed>| desk::keep_claim(tx.connection(), id, claim, 1));
        done.unwrap();
    }
    fn opens_session(&self, grant: GrantId, number: i64) {
        self.sql(
            "INSERT INTO session (id, grant_id, body, seq) VALUES (?1, ?2, '{}', 1)",
            vec![number, signed(grant.bits())],
        );
    }
}

desk::conformance!(Room);

/// One record at the next revision, which its body says.
fn append(writer: &Writer<Committed>, body: &str) -> Result<(u64, u64), StoreError> {
    let body = body.to_owned();
    writer.run(WAIT, move |tx: &mut Tx<'_, Committed>| {
        let revision =
            feed::rows::rise(tx.connection()).map_err(|why| StoreError::Database(why.to_string()))?;
        Ok((tx.record(format!("{body} {revision}"))?, revision))
    })
}

/// The journal as another reader finds it, verified from its first record on: bodies by place.
fn journal(url: &str) -> Vec<(u64, String)> {
    let link = place(url).connect().unwrap();
    let log = store::log_id(&link).unwrap();
    let mut verifier = Verifier::new(Some(Head::start(log)), Witness::default());
    let rows = store::journal_after(&link, 0, 100_000).unwrap();
    rows.iter().try_for_each(|row| verifier.take(row)).unwrap();
    rows.into_iter().map(|row| (row.seq, row.body)).collect()
}

#[test]
fn two_hubs_that_race_lose_nothing_and_their_revisions_are_in_the_order_of_their_records() {
    let server = Postgres::start().unwrap();
    // Also to make the tables.
    let hubs: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..2).map(|_| scope.spawn(|| start(&server.url(), ROOM).0)).collect();
        starting.into_iter().map(|hub| hub.join().unwrap()).collect()
    });
    let told: Vec<(u64, String)> = std::thread::scope(|scope| {
        let writing = |(hub, writer): (usize, Writer<Committed>)| {
            let writes = move |thread: usize| {
                let one = |n: usize| {
                    let body = format!("{hub} {thread} {n}");
                    let (seq, revision) = append(&writer, &body).unwrap();
                    (seq, format!("{body} {revision}"))
                };
                (0..25).map(one).collect::<Vec<_>>()
            };
            (0..4)
                .map(|thread| {
                    scope.spawn({
                        let writes = writes.clone();
                        move || writes(thread)
                    })
                })
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = hubs.iter().cloned().enumerate().flat_map(writing).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let rows = journal(&server.url());
    assert_eq!((rows.len(), told.len()), (201, 200), "nothing is lost, and nothing is doubled");
    let by_seq: HashMap<u64, String> = rows.iter().cloned().collect();
    assert!(told.iter().all(|(seq, body)| by_seq[seq] == *body));
    let revisions =
        rows[1..].iter().map(|(_, body)| body.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    assert!(revisions.eq(1..=200));
}

#[test]
fn what_nobody_waits_for_is_done_in_order_and_fails_the_job_that_said_it_alone() {
    let server = Postgres::start().unwrap();
    let (writer, _) = start(&server.url(), ROOM);
    let (go, waits) = channel();
    let (tell, told) = channel();
    let submit = |name: &'static str, puts: Vec<(&'static str, String)>, waits: Option<Receiver<()>>| {
        let tell = tell.clone();
        let job = move |tx: &mut Tx<'_, Committed>| {
            tx.record(name.to_owned())?;
            let waited = waits.is_none_or(|waits| waits.recv_timeout(WAIT).is_ok());
            assert!(waited);
            puts.iter().try_for_each(|(sql, value)| tx.connection().put(sql, &[value]))
        };
        writer.submit(job, move |done: Result<(), StoreError>| tell.send((name, done)).unwrap()).unwrap();
    };
    let put = "INSERT INTO meta (key, value) VALUES ('n', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1";
    // All in one group: the first one waits until all are there.
    submit("first", Vec::new(), Some(waits));
    submit("many", (1..=100).map(|n| (put, n.to_string())).collect(), None);
    submit("taken", vec![("INSERT INTO meta (key, value) VALUES ('n', ?1)", "x".to_owned())], None);
    submit("last", Vec::new(), None);
    go.send(()).unwrap();
    let told: HashMap<&str, Result<(), StoreError>> =
        (0..4).map(|_| told.recv_timeout(WAIT).unwrap()).collect();
    let refused = told["taken"].as_ref().unwrap_err().to_string();
    assert!(refused.contains("duplicate key"), "{refused}");
    assert!(["first", "many", "last"].iter().all(|name| told[name].is_ok()), "{told:?}");
    let bodies: Vec<String> = journal(&server.url()).into_iter().skip(1).map(|(_, body)| body).collect();
    assert_eq!(bodies, ["first", "many", "last"]);
    assert_eq!(server.psql("SELECT value FROM meta WHERE key = 'n'").unwrap(), "100");
}

#[test]
fn what_a_killed_server_had_acknowledged_is_there_when_it_is_back_and_once() {
    let mut server = Postgres::start().unwrap();
    let (writer, _) = start(&server.url(), ROOM);
    let mut told = Vec::new();
    for round in 0..4 {
        let (tell, heard) = std::sync::mpsc::channel();
        let writing = {
            let writer = writer.clone();
            std::thread::spawn(move || {
                for n in 0.. {
                    let body = format!("{round} {n}");
                    let Ok((seq, revision)) = append(&writer, &body) else { return };
                    tell.send((seq, format!("{body} {revision}"))).unwrap();
                }
            })
        };
        told.extend((0..20 + round * 7).map(|_| heard.recv_timeout(WAIT).unwrap()));
        server.kill().unwrap();
        // Long enough that a writer that asks what became of its commit gives up, in one round of two.
        if round % 2 == 0 {
            writing.join().unwrap();
            server.begin().unwrap();
        } else {
            server.begin().unwrap();
            let begun = Instant::now();
            while !writing.is_finished() && begun.elapsed() < Duration::from_secs(1) {
                told.extend(heard.recv_timeout(Duration::from_millis(10)));
            }
            server.kill().unwrap();
            writing.join().unwrap();
            server.begin().unwrap();
        }
        told.extend(heard.try_iter());
        let begun = Instant::now();
        while append(&writer, "back").is_err() {
            assert!(begun.elapsed() < WAIT, "it does not come back");
        }
    }
    let rows = journal(&server.url());
    let by_seq: HashMap<u64, String> = rows.iter().cloned().collect();
    assert!(told.len() > 100 && told.iter().all(|(seq, body)| by_seq[seq] == *body));
    let mut bodies: Vec<&str> =
        rows.iter().map(|(_, body)| body.rsplit_once(' ').map_or("", |(body, _)| body)).collect();
    bodies.retain(|body| *body != "back" && !body.is_empty());
    let all = bodies.len();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), all, "nothing is there twice");
}

/// What becomes of the next commit on its way.
const PASSES: u8 = 0;
const ANSWER_IS_LOST: u8 = 1;
const IS_LOST: u8 = 2;

/// Stands between a writer and its server.
struct Between {
    folder: tempfile::TempDir,
    next: Arc<AtomicU8>,
}

impl Between {
    fn new(server: &Postgres) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let next = Arc::new(AtomicU8::new(PASSES));
        let (socket, armed) = (
            PathBuf::from(server.url().split_once("host=").unwrap().1).join(".s.PGSQL.5432"),
            Arc::clone(&next),
        );
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = UnixStream::connect(&socket).unwrap();
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                // A server whose answers nobody takes would hear of it before it commits.
                std::thread::spawn(move || {
                    std::io::copy(&mut from, &mut to)
                        .or_else(|_| std::io::copy(&mut from, &mut std::io::sink()))
                });
                let armed = Arc::clone(&armed);
                std::thread::spawn(move || forward(client, server, &armed));
            }
        });
        Self { folder, next }
    }

    fn url(&self) -> String {
        format!("postgres://hub@/hub?host={}", self.folder.path().display())
    }
}

fn forward(mut client: UnixStream, mut server: UnixStream, armed: &AtomicU8) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let sent = &bytes[..count];
        if sent.windows(14).any(|part| part == b"jit_hub; COMMI") {
            let fate = armed.swap(PASSES, Ordering::SeqCst);
            if fate != PASSES {
                client.shutdown(Shutdown::Both).unwrap();
                if fate == ANSWER_IS_LOST {
                    server.write_all(sent).unwrap();
                }
                return;
            }
        }
        if server.write_all(sent).is_err() {
            return;
        }
    }
}

#[test]
fn a_commit_of_which_no_word_came_is_asked_after_and_told_as_it_was() {
    let server = Postgres::start().unwrap();
    let between = Between::new(&server);
    let (writer, _) = start(&between.url(), ROOM);
    append(&writer, "before").unwrap();
    between.next.store(ANSWER_IS_LOST, Ordering::SeqCst);
    let (seq, _) = append(&writer, "kept").unwrap();
    assert_eq!(between.next.load(Ordering::SeqCst), PASSES, "the answer was lost");
    assert!(writer.works());
    between.next.store(IS_LOST, Ordering::SeqCst);
    let lost = append(&writer, "lost").unwrap_err();
    assert!(matches!(lost, StoreError::Database(_)), "{lost:?}");
    let begun = Instant::now();
    while append(&writer, "after").is_err() {
        assert!(begun.elapsed() < WAIT);
    }
    let rows = journal(&server.url());
    let bodies: Vec<&str> = rows[1..].iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(bodies, ["before 1", "kept 2", "after 3"]);
    assert_eq!(rows[usize::try_from(seq).unwrap() - 1].1, "kept 2");
}

#[test]
fn a_commit_that_left_no_record_and_no_word_is_told_as_unknown() {
    let server = Postgres::start().unwrap();
    let between = Between::new(&server);
    let (writer, _) = start(&between.url(), ROOM);
    between.next.store(ANSWER_IS_LOST, Ordering::SeqCst);
    let done: Result<(), StoreError> =
        writer.run(WAIT, |tx: &mut Tx<'_, Committed>| store::set_meta(tx.connection(), "a", "b"));
    assert!(matches!(done, Err(StoreError::Unsure)), "{done:?}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up_in_time_and_used_again_when_it_does() {
    let server = Postgres::start().unwrap();
    let (writer, _) = start(&server.url(), ROOM);
    let reader = Reader::over(Pool::of(place(&server.url())));
    let look = || reader.read(|sql| store::last_seq(sql));
    assert_eq!((append(&writer, "one").unwrap().0, look().unwrap()), (2, 2));
    server.pause(true).unwrap();
    let begun = Instant::now();
    assert!(append(&writer, "two").is_err() && look().is_err());
    assert!(begun.elapsed() < WAIT, "{:?}", begun.elapsed());
    server.pause(false).unwrap();
    let begun = Instant::now();
    while append(&writer, "three").is_err() {
        assert!(begun.elapsed() < WAIT);
    }
    assert_eq!(look().unwrap(), 3);
}

#[test]
fn an_older_hub_goes_on_while_and_after_a_newer_one_adds_to_the_tables_unless_it_says_no() {
    let server = Postgres::start().unwrap();
    let (writer, _) = start(&server.url(), ROOM);
    append(&writer, "before").unwrap();
    let host = access::HostName::parse("web-1").unwrap();
    let reader = Reader::over(Pool::of(place(&server.url())));
    // Of a newer release, which starts under load.
    let more = || {
        "ALTER TABLE signed ADD COLUMN more BIGINT; ALTER TABLE journal ADD COLUMN more TEXT; \
         ALTER TABLE head ADD COLUMN more BIGINT NOT NULL DEFAULT 1; ALTER TABLE signed_host ADD COLUMN more BIGINT"
            .to_owned()
    };
    let newer: Vec<Step> = STEPS
        .iter()
        .map(|step| step.sql)
        .chain([more as fn() -> String])
        .map(|sql| Step { sql, oldest: 1 })
        .collect();
    let knows = i64::try_from(newer.len()).unwrap() - 1;
    let done = AtomicU8::new(0);
    let until_done = |work: &dyn Fn() -> Result<(), StoreError>| {
        while done.load(Ordering::Relaxed) == 0 {
            work()?;
        }
        work()
    };
    let look =
        |sql: &dyn Sql| feed::rows::truth(sql, &host).map_err(|why| StoreError::Database(why.to_string()));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| until_done(&|| append(&writer, "during").map(drop)));
        let reading = scope.spawn(|| until_done(&|| reader.read(look).map(drop)));
        let brought = bring(&place(&server.url()), &newer, None);
        done.store(1, Ordering::Relaxed);
        brought.unwrap();
        writing.join().unwrap().unwrap();
        reading.join().unwrap().unwrap();
    });
    append(&writer, "after").unwrap();
    assert!(open(&server.url(), ROOM).is_ok(), "it also starts anew");
    let next = knows + 2;
    server.psql(&format!("INSERT INTO schema_version VALUES ({next}, {next})")).unwrap();
    let refused = open(&server.url(), ROOM).map(drop).unwrap_err();
    assert!(
        matches!(refused, StoreError::Newer { found, known, .. } if (found, known) == (next, knows)),
        "{refused:?}"
    );
    assert!(append(&writer, "who runs is let be").is_ok());
}

#[test]
fn what_is_asked_goes_by_an_index_also_before_the_server_knows_how_large_a_table_will_be() {
    let server = Postgres::start().unwrap();
    start(&server.url(), ROOM);
    let reader = Reader::over(Pool::of(place(&server.url())));
    for (index, asks, of) in [
        ("signed_host_id", feed::rows::HOSTS_SINCE, "7"),
        ("signed_host_pkey", feed::rows::GRANTS_OF, "'web-1'"),
        ("signed_host_pkey", feed::rows::BODIES, "'web-1'"),
        ("idempotency_at", "DELETE FROM idempotency WHERE at_ms < ?1", "7"),
    ] {
        let plain = asks.replace("?1", of).replace("?2", "7");
        let look = |sql: &dyn Sql| sql.rows::<String>(&format!("EXPLAIN {plain}"), &[]);
        // The head is one row.
        let found = reader.read(look).unwrap().join("\n").replace("Seq Scan on head", "");
        assert!(
            found.contains(index) && !found.contains("Seq Scan") && !found.contains("Hash Join"),
            "{found}"
        );
    }
}

#[test]
fn a_hub_that_cannot_read_what_comes_of_slack_does_not_start_where_one_was_that_can() {
    let server = Postgres::start().unwrap();
    start(&server.url(), ROOM);
    let place = place(&server.url());
    let refused = bring(&place, &STEPS[..5], None).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found, known: 5, .. } if found > 5), "{refused:?}");
    bring(&place, &STEPS[..6], None).unwrap();
    let asks: Vec<i64> = STEPS.iter().map(|step| step.oldest).collect();
    assert!(asks.is_sorted(), "a later step takes nothing back of what an earlier one asks: {asks:?}");
}

#[test]
fn sessions_of_hosts_are_counted_as_they_come_and_go_and_at_once_after_a_move() {
    let server = Postgres::start().unwrap();
    start(&server.url(), ROOM);
    let comes = |id: u32| {
        server.psql(&format!(
            "INSERT INTO past_session VALUES ('a', {id}, NULL, '', '', '', 0, NULL, NULL, 1) \
             ON CONFLICT (host, id) DO UPDATE SET heard_ms = 2"
        ))
    };
    let bytes = || server.psql("SELECT bytes FROM host_room").unwrap().parse::<u64>().unwrap();
    for (id, count) in [(1, 1), (2, 2), (2, 2)] {
        comes(id).unwrap();
        assert_eq!(bytes(), count * limits::PAST_SESSION);
    }
    server.psql("DELETE FROM past_session WHERE id = 1").unwrap();
    assert_eq!(bytes(), limits::PAST_SESSION);
    server.psql(UNCOUNTED).unwrap();
    comes(3).unwrap();
    assert_eq!(bytes(), limits::PAST_SESSION);
    server.psql(&counted()).unwrap();
    assert_eq!(bytes(), 2 * limits::PAST_SESSION);
}

#[test]
fn a_database_that_loses_what_it_acknowledged_or_is_of_no_hub_is_not_used() {
    let server = Postgres::start().unwrap();
    let none = Server::open(place(&server.url()), ROOM, None);
    assert!(none.map(drop).unwrap_err().to_string().contains("there is no hub in it"));
    let (writer, _) = start(&server.url(), ROOM);
    append(&writer, "one").unwrap();
    server.psql("UPDATE head SET seq = seq + 1").unwrap();
    let cut = open(&server.url(), ROOM).map(drop).unwrap_err().to_string();
    assert!(cut.contains("its journal ends at record 2, and its head says 3"), "{cut}");
    server.psql("UPDATE head SET seq = seq - 1; UPDATE journal SET body = 'x' WHERE seq = 2").unwrap();
    assert!(
        open(&server.url(), ROOM)
            .map(drop)
            .unwrap_err()
            .to_string()
            .contains("was changed after it was written")
    );
}

#[test]
fn over_tls_the_server_is_the_one_of_its_certificate_or_none() {
    let made = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let (certificate, key) = made("localhost");
    let server = Postgres::over_tls(&certificate, &key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (folder.path().join("own.crt"), folder.path().join("other.crt"));
    std::fs::write(&own, certificate).unwrap();
    std::fs::write(&other, made("localhost").0).unwrap();
    let port = server.port().unwrap();
    let connect = |host: &str, ca: &Path| {
        let url = format!("postgres://hub@{host}:{port}/hub?sslmode=require");
        let link = Place::of(&url, Some(ca)).unwrap().connect()?;
        let sql: &dyn Sql = &link;
        sql.one::<i64>("SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl", &[])
    };
    assert_eq!(connect("localhost", &own).unwrap(), 1);
    assert!(connect("localhost", &other).is_err(), "by another authority");
    assert!(connect("127.0.0.1", &own).is_err(), "of another name");
}

#[test]
fn what_a_standby_must_have_and_lacks_is_not_acknowledged_and_comes_in_once() {
    let server = Postgres::start().unwrap();
    let (writer, _) = start(&server.url(), ROOM);
    append(&writer, "before").unwrap();
    let standby = |names: &str| {
        server.psql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'")).unwrap();
        server.psql("SELECT pg_reload_conf()").unwrap();
        let begun = Instant::now();
        while server.psql("SHOW synchronous_standby_names").unwrap() != names {
            assert!(begun.elapsed() < WAIT);
        }
    };
    standby("nobody");
    let told = append(&writer, "lacks").unwrap_err();
    assert!(matches!(told, StoreError::Unsure), "{told:?}");
    standby("");
    let begun = Instant::now();
    while append(&writer, "after").is_err() {
        assert!(begun.elapsed() < WAIT);
    }
    let bodies: Vec<String> = journal(&server.url()).into_iter().skip(1).map(|(_, body)| body).collect();
    assert_eq!(bodies, ["before 1", "lacks 2", "after 3"]);
}
