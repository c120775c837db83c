//! What people do on a host of the hub, through a real `jitd` there.

use crate::host::approve;
use crate::jitd::{ALICE, NAME, There, refuses, request_id, with, with_policy};
use crate::keys::recover;
use crate::room::{Hub, text, until};
use access::Person;
use api::{Scope, Which};
use frame::{Offer, Phase, Verdict};
use rustix::process::Signal;
use std::process::Command;
use std::time::{Duration, Instant};
use workflow::RequestState;

#[test]
fn what_is_asked_there_is_decided_at_the_hub_and_opens_there() {
    let hub = with_policy();
    let there = There::joined(&hub, "");
    let said = there.done(ALICE, "request --service ssh --for 1h --reason 'the import hangs'");
    let id = request_id(&said);
    assert_eq!(said["request"]["ask"]["channel"], "host");
    // On a busy machine the hub's answer comes later than a person is made to wait.
    until("the hub has it", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    assert_eq!(there.done(ALICE, "requests").as_array().unwrap().len(), 1);
    assert!(!there.lets_in());
    let refused = there.jit(ALICE + 1, &format!("approve {id}"));
    assert!(text(&refused.stderr).contains("[approvals] here is not set"), "{}", text(&refused.stderr));
    approve(&hub, &id);
    until("the grant is there", || there.lets_in());
    let grant = there.done(ALICE, "grants")[0]["grant"]["id"].as_str().unwrap().to_owned();
    there.done(ALICE, &format!("extend {grant} --for 10m --reason 'not done yet'"));
    there.done(ALICE, &format!("release {grant}"));
    until("it was given back", || !there.lets_in());

    let elsewhere = there.jit(ALICE, "request --host db-8 --reason x");
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(
        text(&elsewhere.stderr).contains("from here db-7 alone can be asked for"),
        "{}",
        text(&elsewhere.stderr)
    );
    until("no rule is for bob", || {
        let other = there.jit(ALICE + 1, "request --service ssh --reason 'let me'");
        other.status.code() == Some(1)
    });
}

#[test]
fn who_may_approve_does_so_there_where_the_host_lets_them() {
    let hub = with("[approvals]\non_hosts = true");
    let there = There::joined(&hub, "[approvals]\nhere = true");
    let id = request_id(&there.done(ALICE, "request --service ssh --reason 'the import hangs'"));
    until("the hub has it", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    let own = there.jit(ALICE, &format!("approve {id}"));
    assert_eq!(own.status.code(), Some(1), "{}", text(&own.stdout));
    there.done(ALICE + 1, &format!("approve {id}"));
    until("the grant is there", || there.lets_in());
}

#[test]
fn a_review_on_a_host_counts_only_where_the_hub_says_so() {
    let hub = with_policy();
    let there = There::joined(&hub, "[approvals]\nhere = true");
    let id = request_id(&there.done(ALICE, "request --service ssh --reason 'the import hangs'"));
    until("the hub has it", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    let refused = there.jit(ALICE + 1, &format!("approve {id}"));
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
    assert!(text(&refused.stderr).contains("on_hosts = true"), "{}", text(&refused.stderr));
}

#[test]
fn the_hub_has_the_journal_of_a_host_over_kills_of_both() {
    let mut hub = with_policy();
    let mut there = There::joined(&hub, "");
    let through = |hub: &Hub| {
        let hosts = hub.client(&hub.admin).hosts().unwrap();
        let view = hosts.into_iter().find(|view| view.host.as_str() == NAME).unwrap();
        assert_eq!(view.alarm, None);
        view.journal.unwrap_or(0)
    };
    let written = |there: &There| there.done(0, "status")["journal_seq"].as_u64().unwrap();
    until("all of it is there", || through(&hub) >= written(&there));
    there.kill();
    hub.signal(Signal::KILL);
    assert!(!hub.ends());
    hub.serve();
    there.start();
    let before = written(&there);
    until("what came meanwhile is there", || through(&hub) >= before);
}

#[test]
fn a_host_whose_hub_takes_nothing_makes_room_without_it_and_says_so_and_the_hub_finds_the_gap() {
    let mut hub = with_policy();
    let there = There::joined(&hub, "[journal]\nmax_bytes = 16777216");
    let view = |hub: &Hub| {
        let hosts = hub.client(&hub.admin).hosts().unwrap();
        hosts.into_iter().find(|view| view.host.as_str() == NAME).unwrap()
    };
    until("it begins to be there", || view(&hub).journal.unwrap_or(0) > 1);
    hub.signal(Signal::KILL);
    assert!(!hub.ends());
    let database = store::read_only(&there.inside("state/jitd.db")).unwrap();
    let last = store::last_seq(&database).unwrap();
    let (mut strangers, mut warned) = (0, false);
    until("there is room again", || {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let gate = there.inside("gate");
                scope.spawn(move || (0..250).for_each(|n| refuses(&gate, strangers + 4 * n + thread)));
            }
        });
        strangers += 1000;
        let warnings = there.done(0, "status")["warnings"].to_string();
        warned |= warnings.contains("records of the journal wait for the hub");
        store::first_seq(&database).unwrap() > last + 1
    });
    assert!(warned, "and it was told before");
    there.says("records went from the journal for want of room, and the hub never got them");
    hub.serve();
    until("the hub finds the gap", || {
        view(&hub).alarm.is_some_and(|why| why.contains("are gone: neither host nor hub has them"))
    });
}

#[test]
fn an_idle_host_gives_a_restored_hub_its_journal_and_its_sessions_back() {
    let mut hub = with_policy();
    let there = There::joined(&hub, "");
    let id = request_id(&there.done(ALICE, "request --service ssh --for 1h --reason 'the import hangs'"));
    until("the hub has it", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    approve(&hub, &id);
    until("the grant is there", || there.lets_in());
    let has = |hub: &Hub| {
        let admin = hub.client(&hub.admin);
        let host = admin.hosts().unwrap().into_iter().find(|view| view.host.as_str() == NAME).unwrap();
        (host.journal.unwrap_or(0), admin.sessions(&api::AskSessions::default()).unwrap().len())
    };
    let copy = hub.backup();
    assert_eq!(there.asked(Phase::Account, false, "").0.verdict, Verdict::Allow);
    let mut logged_in = Command::new("sleep").arg("600").spawn().unwrap();
    assert_eq!(there.opens(&logged_in).verdict, Verdict::Allow);
    let written = || there.done(0, "status")["journal_seq"].as_u64().unwrap();
    until("all of it is there", || has(&hub) == (written(), 1));
    let before = written();

    hub.put_back(&copy);
    recover(&mut hub);
    assert_ne!(has(&hub), (before, 1), "the hub lost it");
    until("it is there again", || has(&hub) == (before, 1));
    assert_eq!(written(), before, "nothing happened there that would have told the hub");
    logged_in.kill().unwrap();
    logged_in.wait().unwrap();
}

#[test]
fn a_host_that_joined_after_the_copy_that_was_put_back_comes_back_by_itself_with_all_it_has() {
    let mut hub = with_policy();
    let _kept = crate::host::joined(&hub, "db-6");
    let copy = hub.backup();
    let there = There::joined(&hub, "");
    let id = request_id(&there.done(ALICE, "request --service ssh --for 1h --reason 'the import hangs'"));
    until("the hub has it", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    approve(&hub, &id);
    until("the grant is there", || there.lets_in());
    until("it keeps what the root signs of it", || there.inside("state/membership.json").exists());

    hub.put_back(&copy);
    there.says(
        "whose database does not know it: where that was restored or failed over run `jit-hub recover`",
    );
    assert!(there.lets_in(), "it goes on by what it knows");
    recover(&mut hub);
    there.says("the hub did not know this host, and does again by what its root signed of it");
    there.says("the hub lost commits, and was given back 1 grants");
    let written = || there.done(0, "status")["journal_seq"].as_u64().unwrap();
    until("its journal is there, whole", || {
        let hosts = hub.client(&hub.admin).hosts().unwrap();
        let view = hosts.into_iter().find(|view| view.host.as_str() == NAME);
        view.is_some_and(|view| view.journal == Some(written()) && view.alarm.is_none() && view.connected)
    });
    let grants = hub.client(&hub.admin).grants(&api::AskGrants::default()).unwrap();
    assert!(grants.iter().any(|view| view.grant.request.to_string() == id), "{grants:?}");
    assert!(there.lets_in());
}

#[test]
fn a_copy_of_a_host_tells_the_hub_nothing() {
    let hub = with_policy();
    let there = There::joined(&hub, "");
    until("it listens", || hub.client(&hub.admin).hosts().unwrap().iter().any(|view| view.connected));
    hub.sql(&format!(
        "UPDATE host SET machine = '{}' WHERE name = '{NAME}'",
        sync::Digest::of(b"the original")
    ));
    there.done(ALICE, "request --service ssh --reason 'the import hangs'");
    there.says("answered: host db-7 joined on another machine");
    hub.logs("host db-7 joined on another machine");
    let all = api::AskRequests { which: Which::All, limit: None, after: None };
    assert!(hub.client(&hub.admin).requests(&all).unwrap().is_empty());
}

#[test]
fn a_clone_of_a_host_that_has_its_identity_too_is_found_out_by_its_journal() {
    let hub = with_policy();
    let mut there = There::joined(&hub, "");
    let view = |hub: &Hub| {
        let hosts = hub.client(&hub.admin).hosts().unwrap();
        hosts.into_iter().find(|view| view.host.as_str() == NAME).unwrap()
    };
    until("its journal is there", || {
        view(&hub).journal == there.done(0, "status")["journal_seq"].as_u64() && view(&hub).journal > Some(1)
    });
    assert_eq!(view(&hub).alarm, None);
    let _clone = there.cloned();
    until("one of the two contradicts the other", || {
        view(&hub).alarm.is_some_and(|why| why.contains("rolled back or forked"))
    });
    hub.logs("rolled back or forked");
}

#[test]
fn a_host_knows_whether_anybody_could_decide_at_the_hub() {
    let hub = with_policy();
    let mut there = There::joined(&hub, "");
    let decides = |there: &There| there.done(0, "status")["somebody_decides"] == true;
    until("somebody does", || decides(&there));
    let nobody = "[alice]\ngroups = [\"dev\"]\n";
    let new = api::NewPolicy {
        policy: crate::jitd::POLICY.to_owned(),
        people: Some(nobody.to_owned()),
        no_people: false,
    };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    // It says how it stands each minute, and when it starts.
    there.kill();
    there.start();
    until("it listens", || hub.client(&hub.admin).hosts().unwrap().iter().any(|view| view.connected));
    until("nobody does", || !decides(&there));
}

#[test]
fn a_host_is_listed_with_how_it_stands_in_every_column() {
    let hub = with_policy();
    let _there = There::joined(&hub, "");
    let ca = hub.path("state/ca.crt").display().to_string();
    let logged_in =
        hub.jit("admin", &["login", "--hub", &hub.url(), "--ca", &ca, "--token-stdin"], &hub.admin);
    assert!(logged_in.status.success(), "{}", text(&logged_in.stderr));
    let mut listed = String::new();
    until("it has told how it stands, and all of its journal", || {
        listed = text(&hub.jit("admin", &["hosts"], "").stdout);
        listed.lines().any(|line| line.contains(NAME) && line.contains(" here ") && !line.contains(" - "))
    });
    let (titles, row) =
        (listed.lines().next().unwrap(), listed.lines().find(|line| line.contains(NAME)).unwrap());
    let columns =
        ["HOST", "STATE", "LABELS", "HEARD", "AS OF", "REVISION", "CLOCK", "JOURNAL", "GATED", "RELEASE"];
    let starts: Vec<usize> = columns.iter().map(|column| titles.find(column).unwrap()).collect();
    let ends = starts.iter().skip(1).copied().chain([row.len()]);
    let cells: Vec<&str> =
        starts.iter().zip(ends).map(|(start, end)| row.get(*start..end).unwrap().trim()).collect();
    let [host, state, labels, heard, as_of, revision, clock, journal, gated, release] = cells[..] else {
        panic!("{listed}")
    };
    assert_eq!((host, state, labels), (NAME, "listens", "env=prod"), "{listed}");
    assert!(heard.contains(" ago)") || heard.contains("now"), "{listed}");
    assert!(as_of.contains(" ago)") || as_of.contains("now"), "{listed}");
    assert!(revision.parse::<u64>().is_ok(), "{listed}");
    assert_eq!((clock, journal), ("right", "here"), "{listed}");
    assert!(!gated.is_empty() && gated != "-", "{listed}");
    assert_eq!(release, env!("CARGO_PKG_VERSION"), "{listed}");
}

#[test]
fn what_is_asked_while_the_hub_is_away_is_kept_over_a_kill_and_told_when_it_is_back() {
    let mut hub = with_policy();
    let mut there = There::joined(&hub, "");
    until("it listens", || hub.client(&hub.admin).hosts().unwrap().iter().any(|view| view.connected));
    hub.signal(Signal::KILL);
    assert!(!hub.ends());
    let begun = Instant::now();
    let said = there.jit(ALICE, "request --service ssh --for 1h --reason 'the import hangs'");
    let took = begun.elapsed();
    assert!(said.status.success(), "{}", text(&said.stderr));
    assert!(text(&said.stdout).contains("will be sent when the hub is reachable"), "{}", text(&said.stdout));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let id = there.done(ALICE, "requests")[0]["ask"]["id"].as_str().unwrap().to_owned();
    let second = request_id(&there.done(ALICE, "request --service sudo --for 1h --reason 'and sudo'"));
    there.done(ALICE, &format!("cancel {second}"));
    there.kill();
    there.start();
    let shown = there.done(ALICE, &format!("show {id}"));
    assert_eq!(shown["state"]["state"], "pending");
    hub.serve();
    let all = || {
        hub.client(&hub.admin)
            .requests(&api::AskRequests { which: Which::All, limit: None, after: None })
            .unwrap()
    };
    until("the hub has it", || all().len() == 1);
    assert_eq!(all()[0].ask.id.to_string(), id);
    until("it is answered", || there.done(ALICE, &format!("show {id}"))["could_approve"][0] == "bob");
    assert_eq!(all().len(), 1, "what was taken back was never told");
}

#[test]
fn glass_is_broken_there_once_while_the_hub_is_away_and_looked_at_afterwards() {
    let mut hub = with_policy();
    let mut there = There::joined(&hub, "");
    let sql = |there: &There, what: &str| -> u64 {
        let connection = rusqlite::Connection::open(there.inside("state/jitd.db")).unwrap();
        connection.query_row(what, [], |row| row.get(0)).unwrap()
    };
    until("a permit is there", || sql(&there, "SELECT count(*) FROM permit") == 1);
    hub.signal(Signal::KILL);
    assert!(!hub.ends());
    let nobody = there.jit(ALICE + 1, "request --service ssh --break-glass --reason 'let me in'");
    assert_eq!(nobody.status.code(), Some(3), "{}", text(&nobody.stdout));
    assert!(text(&nobody.stderr).contains("holds no permit for bob"), "{}", text(&nobody.stderr));
    let said = there.done(ALICE, "request --service ssh --break-glass --reason 'the hub is gone'");
    let id = request_id(&said);
    let loud = there.says("change=break_glass");
    assert!(loud.contains("actor=alice") && loud.starts_with("<83>"), "authpriv.err: {loud}");
    assert!(there.lets_in());
    let again = there.jit(ALICE, "request --service ssh --break-glass --reason 'once more'");
    assert!(text(&again.stderr).contains("holds no permit for alice"), "{}", text(&again.stderr));
    there.kill();
    there.start();
    assert!(there.lets_in(), "what was broken is good over a restart");
    let again = there.jit(ALICE, "request --service ssh --break-glass --reason 'once more'");
    assert!(!again.status.success(), "and its permit is used over a restart");

    hub.serve();
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    let mut told = None;
    until("the hub hears of it", || {
        told = bob.show_request(&id).ok();
        told.is_some()
    });
    let told = told.unwrap();
    assert!(matches!(told.state, RequestState::Approved { .. }) && told.afterwards.is_some());
    assert_eq!(told.ask.person, Person::parse("alice").unwrap());
    let narrowing = workflow::Narrowing::default();
    let seen =
        api::NewReview { verdict: api::NewVerdict::Approve, digest: told.digest, narrowing, comment: None };
    bob.review(&id, &seen).unwrap();
    until("the next permit is there", || sql(&there, "SELECT count(*) FROM permit") > 1);
    assert!(there.lets_in());
}

#[test]
fn glass_that_a_restored_hub_forgot_goes_on_there_and_is_looked_at_all_the_same() {
    let mut hub = with_policy();
    let there = There::joined(&hub, "");
    let sql = |there: &There, what: &str| -> u64 {
        let connection = rusqlite::Connection::open(there.inside("state/jitd.db")).unwrap();
        connection.query_row(what, [], |row| row.get(0)).unwrap()
    };
    until("a permit is there", || sql(&there, "SELECT count(*) FROM permit") == 1);
    let (database, backup) = (hub.path("state/hub.db"), hub.path("backup.db"));
    hub.sql(&format!("VACUUM INTO '{}'", backup.display()));
    hub.signal(Signal::KILL);
    assert!(!hub.ends());
    let id = request_id(&there.done(ALICE, "request --service ssh --break-glass --reason 'the hub is gone'"));
    hub.serve();
    until("the host has the grant of it", || sql(&there, "SELECT count(*) FROM known") == 1);
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    for beside in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(database.with_file_name(format!("hub.db{beside}")));
    }
    std::fs::copy(&backup, &database).unwrap();
    // As a copy would be that was made before the permit was.
    hub.sql("DELETE FROM permit");
    let done = hub.command("recover").output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    hub.serve();
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    until("it is there again", || bob.show_request(&id).is_ok());
    let told = bob.show_request(&id).unwrap();
    assert!(told.ask.reason.as_str().starts_with("host db-7 gave it back"), "{}", told.ask.reason);
    assert!(told.yours_to_review && told.afterwards.is_some_and(|afterwards| afterwards.review.is_none()));
    let answers = "SELECT count(*) FROM journal WHERE body LIKE '%answer=approved as=R-%'";
    until("it is said again", || sql(&there, answers) == 2);
    assert!(there.lets_in());
}

/// Below a second and a half, in which the module still tells its person why.
const IN_TIME: Duration = Duration::from_millis(1500);

#[test]
fn a_refused_login_there_asks_the_hub_and_where_that_is_away_is_told_so_in_time() {
    let mut hub = with_policy();
    let there = There::joined(&hub, "");
    let refused = there.asked(Phase::Account, false, "").0;
    assert_eq!(refused.verdict, Verdict::Deny);
    let all = || {
        hub.client(&hub.admin)
            .requests(&api::AskRequests { which: Which::All, limit: None, after: None })
            .unwrap()
    };
    until("the hub has it", || all().len() == 1);
    let all = all();
    assert_eq!(all[0].ask.channel, workflow::Channel::Login);
    let (line, id) = (text(&refused.line), all[0].ask.id);
    assert!(line.contains(&id.to_string()), "it is minted there: {line}");
    until("an equal one is pointed at", || {
        text(&there.asked(Phase::Account, false, "").0.line).contains(&format!("Request {id} already waits"))
    });
    there.done(ALICE, &format!("cancel {}", all[0].ask.id));

    hub.signal(Signal::STOP);
    let (slow, took) = there.asked(Phase::Account, false, "");
    assert!(
        text(&slow.line).contains("is kept on this host and sent when the hub is reachable"),
        "{}",
        text(&slow.line)
    );
    assert!(took < IN_TIME, "a hub that hangs: {took:?}");
    hub.signal(Signal::KILL);
    assert!(!hub.ends());
    let (away, took) = there.asked(Phase::Account, false, "");
    assert_eq!(text(&away.line), text(&slow.line), "an equal one waits");
    assert!(took < IN_TIME, "{took:?}");
    hub.serve();
    let waits = || hub.client(&hub.admin).requests(&api::AskRequests::default()).unwrap();
    until("the hub hears of it", || waits().len() == 1);
    assert!(text(&away.line).contains(&waits()[0].ask.id.to_string()));
}

#[test]
fn who_is_refused_at_a_prompt_there_asks_and_waits_for_the_hub() {
    let hub = with_policy();
    let there = There::joined(&hub, "");
    until("it is offered", || matches!(there.asked(Phase::Auth, true, "").0.offer, Offer::Ask { .. }));
    let mut opened = there.asked(Phase::Ask, true, "the import hangs").0;
    until("the hub has it", || {
        opened = there.asked(Phase::Ask, true, "the import hangs").0;
        matches!(opened.offer, Offer::Wait { .. })
    });
    let Offer::Wait { request } = &opened.offer else { panic!("{opened:?}") };
    let id = text(request);
    assert!(
        text(&opened.line).starts_with(&format!("jit: {id} waits for bob or carol, another ")),
        "{opened:?}"
    );
    let still = there.asked(Phase::Wait, true, "").0;
    assert_eq!(still.offer, opened.offer);
    approve(&hub, &id);
    until("the door opens for who waits", || {
        let (answer, _) = there.asked(Phase::Wait, true, "");
        let waits = matches!(answer.offer, Offer::Wait { .. });
        assert!(
            answer.verdict == Verdict::Allow || waits,
            "never told to go while the grant is on its way: {answer:?}"
        );
        answer.verdict == Verdict::Allow
    });
}
