//! A database that is copied, put back, or brought to a server, with nothing lost on the way.

use crate::host::{Host, approve, ask_for, token};
use crate::room::{Hub, text};
use api::Scope;
use rustix::process::Signal;
use std::process::Output;

/// A hub with something in most of its tables.
fn lived() -> Hub {
    let hub = Hub::with_policy();
    let joining = token(&hub, 3);
    Host::new("db-7", &joining).join(&hub, &joining);
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let id = alice.request(&ask_for("db-7")).unwrap().request.ask.id.to_string();
    approve(&hub, &id);
    alice.request(&ask_for("db-1")).unwrap();
    hub
}

/// All that a client can see of it.
fn all(hub: &Hub) -> Vec<String> {
    let client = hub.client(&hub.admin);
    let every = api::AskRequests { which: api::Which::All, limit: None, after: None };
    let bare = |mut token: api::TokenView| {
        token.used = None;
        token
    };
    let tokens: Vec<_> = client.tokens(&api::AskTokens::default()).unwrap().into_iter().map(bare).collect();
    let mut hosts = client.hosts().unwrap();
    hosts.iter_mut().for_each(|host| host.seen = None);
    vec![
        format!("{:?}", client.policy().unwrap()),
        format!("{:?}", client.requests(&every).unwrap()),
        format!("{tokens:?}"),
        format!("{:?}", client.roles().unwrap()),
        format!("{hosts:?}"),
    ]
}

fn journal(hub: &Hub) -> Vec<String> {
    let rows = hub.client(&hub.admin).journal(&api::AskJournal { after: Some(0), limit: Some(500) }).unwrap();
    rows.iter().map(|row| row.row.to_string()).collect()
}

fn says(done: &Output, well: bool, words: &str) {
    let said = text(&done.stderr);
    assert!(done.status.success() == well && said.contains(words), "{said}");
}

#[test]
fn a_hub_that_is_brought_to_a_server_is_the_same_there_and_goes_on() {
    let server = testbed::Postgres::start().unwrap();
    let mut hub = lived();
    let migrate = |hub: &Hub| hub.command("migrate").args(["--to", &server.url()]).output().unwrap();
    says(&migrate(&hub), false, "another daemon has it open");
    let (before, records) = (all(&hub), journal(&hub));
    // As builds before chat_code left it.
    hub.sql(
        "CREATE TABLE IF NOT EXISTS teams_code (hash BLOB PRIMARY KEY, person TEXT NOT NULL, expires_ms INTEGER NOT NULL, \
         account TEXT, name TEXT, chat TEXT) STRICT, WITHOUT ROWID",
    );
    hub.sql("INSERT INTO teams_code (hash, person, expires_ms) VALUES (x'01', 'alice', 1)");
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    // What is there as somebody else's is left alone.
    server.psql("CREATE TABLE token (a INT)").unwrap();
    says(&migrate(&hub), false, "already exists");
    server.psql("DROP TABLE token").unwrap();
    says(&migrate(&hub), true, "read back and found the same");
    assert_eq!(server.psql("SELECT person FROM teams_code").unwrap(), "alice");
    says(&migrate(&hub), false, "there is a hub in it already");
    let path = hub.path("hub.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{config}[database]\nurl = \"{}\"\n", server.url())).unwrap();
    // It is not looked at any more.
    std::fs::remove_file(hub.path("state/hub.db")).unwrap();
    hub.serve();
    assert_eq!(all(&hub), before);
    let now = journal(&hub);
    assert_eq!(now[..records.len()], records[..]);
    let joining = token(&hub, 1);
    assert!(Host::new("db-8", &joining).join(&hub, &joining).starts_with("HTTP/1.1 200"));
    says(&hub.command("backup").arg(hub.path("copy")).output().unwrap(), false, "pg_dump");
}

#[test]
fn what_root_makes_for_the_hub_belongs_to_whom_its_folder_belongs_to() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    let mut hub = lived();
    let before = all(&hub);
    says(&hub.command("backup").arg(hub.path("copy")).output().unwrap(), true, "is whole");
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    let state = hub.path("state");
    std::fs::remove_file(state.join("authority.json")).unwrap();
    std::fs::remove_file(state.join("hub.lock")).unwrap();
    let files = || std::fs::read_dir(&state).unwrap().map(|file| file.unwrap().path());
    for path in files().chain([state.clone()]) {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
    let belongs = |name: &str, mode: u32| {
        let file = std::fs::metadata(state.join(name)).unwrap();
        let found = (file.uid(), file.gid(), file.permissions().mode() & 0o777);
        assert_eq!(found, (65534, 65534, mode), "{name}");
    };
    let theirs = hub.path("theirs");
    std::fs::write(&theirs, "root's").unwrap();
    let link = |name: &str| std::os::unix::fs::symlink(&theirs, state.join(name)).unwrap();
    link("authority.new");
    says(&hub.command("init").output().unwrap(), true, "is set up already");
    belongs("authority.json", 0o644);
    belongs("hub.lock", 0o600);
    std::fs::remove_file(state.join("hub.lock")).unwrap();
    says(&hub.command("restore").arg(hub.path("copy")).arg("--force").output().unwrap(), true, "is back");
    belongs("hub.lock", 0o600);
    belongs("hub.db", 0o600);
    assert!(hub.command("admin").arg("carol").output().unwrap().status.success());
    assert!(
        files().all(|path| std::fs::metadata(path).unwrap().uid() == 65534),
        "{:?}",
        files().collect::<Vec<_>>()
    );

    // Whoever the folder belongs to gets nothing else by it.
    std::fs::remove_file(state.join("hub.lock")).unwrap();
    link("hub.lock");
    let restored = || hub.command("restore").arg(hub.path("copy")).arg("--force").output().unwrap();
    says(&restored(), false, "hub.lock: it is a link to ");
    std::fs::remove_file(state.join("hub.lock")).unwrap();
    link("hub.db.restored");
    says(&restored(), true, "is back");
    assert_eq!(std::fs::metadata(&theirs).unwrap().uid(), 0);
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "root's");
    hub.serve();
    assert_eq!(all(&hub), before);
}

#[test]
fn a_backup_is_made_while_the_hub_serves_and_put_back_only_where_nothing_is_lost_by_it() {
    let mut hub = lived();
    let before = all(&hub);
    let backup = |hub: &Hub| hub.command("backup").arg(hub.path("copy")).output().unwrap();
    says(&backup(&hub), true, "is whole");
    says(&backup(&hub), false, "File exists");
    let later = hub.token("carol", &[Scope::Read], "1h").secret;
    let restore =
        |hub: &Hub, more: &[&str]| hub.command("restore").arg(hub.path("copy")).args(more).output().unwrap();
    says(&restore(&hub, &["--force"]), false, "another daemon has it open");
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    says(&restore(&hub, &[]), false, "with --force it is kept aside");
    says(&restore(&hub, &["--force"]), true, "hub.db.before-1");
    hub.serve();
    assert_eq!(all(&hub), before);
    assert!(hub.client(&later).status().is_err(), "that was made later");
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    // The other way round nothing of it is lost either.
    let aside = hub.path("state/hub.db.before-1");
    let back = hub.command("restore").arg(aside).arg("--force").output().unwrap();
    says(&back, true, "hub.db.before-2");
    hub.serve();
    assert!(hub.client(&later).status().is_ok());
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    let mut bytes = std::fs::read(hub.path("copy")).unwrap();
    // In a record, and wherever SQLite left a copy of it between its rows.
    let found: Vec<usize> = bytes
        .windows(15)
        .enumerate()
        .filter_map(|(at, part)| (part == b"\"mark\":\"started").then_some(at))
        .collect();
    found.iter().for_each(|at| bytes[at + 14] = b'k');
    std::fs::write(hub.path("copy"), &bytes).unwrap();
    says(&restore(&hub, &["--force"]), false, "is no whole backup of a hub");
}
