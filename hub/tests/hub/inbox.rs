//! What hosts say: for people on them, and of themselves.

use crate::host::{Host, joined, now, token};
use crate::room::{Hub, PEOPLE, POLICY};
use access::{GrantId, Login, RequestId, SessionId, Span, Text, Window};
use api::{
    AskSessions, EndSession, HostAnswer, HostAsk, HostCall, HostDoes, HostKnock, HostWish, JournalHas,
    JournalPart, NewRequest, NewReview, NewVerdict, OpenSessions, Opened, RequestView, Scope, SessionState,
    SessionView, Which,
};
use journal::{Head, LogId, Row, Stamp};
use std::io::BufRead as _;
use workflow::{Channel, RequestState};

fn login(name: &str) -> Login {
    Login::parse(name).unwrap()
}

fn text(words: &str) -> Text {
    Text::parse(words).unwrap()
}

fn wants(more: &serde_json::Value) -> NewRequest {
    let mut new = serde_json::json!({ "services": ["ssh"], "reason": "the import hangs", "for": "1h" });
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(new).unwrap()
}

fn ask(id: u64, name: &str, wish: HostWish) -> HostAsk {
    HostAsk { id: RequestId::from_random(id), login: login(name), source: None, asked_at: now(), wish }
}

fn command(id: u64, name: &str, more: &serde_json::Value) -> HostAsk {
    ask(id, name, HostWish::Command { new: Box::new(wants(more)), unsure: None })
}

fn opened(answer: HostAnswer) -> Opened {
    match answer {
        HostAnswer::Opened(opened) => *opened,
        other => panic!("{other:?}"),
    }
}

fn call(name: &str, what: HostDoes) -> HostCall {
    HostCall { login: login(name), source: None, key: "k1".to_owned(), what }
}

fn yes(digest: String) -> NewReview {
    NewReview {
        verdict: NewVerdict::Approve,
        digest,
        narrowing: workflow::Narrowing::default(),
        comment: None,
    }
}

#[test]
fn what_is_asked_on_a_host_is_one_request_for_it_however_often_it_is_said() {
    let hub = Hub::with_policy();
    let host = joined(&hub, "db-7");
    let asks = command(7, "alice", &serde_json::json!({}));
    let first = host.is_heard::<HostAnswer>(&hub, "asks", &asks);
    let request = opened(first.clone()).request;
    assert_eq!((request.ask.id, request.ask.channel), (asks.id, Channel::Host));
    assert_eq!((request.ask.person.as_str(), request.ask.hosts.len()), ("alice", 1));
    assert!(
        request.state.is_pending() && request.could_approve.iter().any(|person| person.as_str() == "bob")
    );
    assert_eq!(host.is_heard::<HostAnswer>(&hub, "asks", &asks), first, "its answer may have been lost");
    let all = hub
        .client(&hub.admin)
        .requests(&api::AskRequests { which: Which::All, limit: None, after: None })
        .unwrap();
    assert_eq!(all.len(), 1);

    let other = HostAsk { login: login("alice"), ..command(7, "alice", &serde_json::json!({ "for": "2h" })) };
    assert!(matches!(host.is_heard(&hub, "asks", &other), HostAnswer::Refused(_)), "the id is taken");
    let equal = command(8, "alice", &serde_json::json!({ "hosts": ["db-7"] }));
    let again = opened(host.is_heard(&hub, "asks", &equal));
    assert!(again.existed && again.request.ask.id == asks.id, "an equal one waits");

    let nobody = host.is_heard::<HostAnswer>(&hub, "asks", &command(9, "mallory", &serde_json::json!({})));
    let HostAnswer::Refused(problem) = nobody else { panic!("{nobody:?}") };
    assert!(problem.detail.contains("knows nobody by the login name mallory"), "{problem:?}");
    let denied = host.is_heard::<HostAnswer>(&hub, "asks", &command(10, "bob", &serde_json::json!({})));
    assert!(matches!(denied, HostAnswer::Refused(_)), "no rule is for bob: {denied:?}");
}

#[test]
fn a_refused_login_opens_what_the_policy_of_the_hub_lets_it() {
    let hub = Hub::with_policy();
    let host = joined(&hub, "db-7");
    let knock = |reason: &str| HostKnock {
        service: access::Service::parse("ssh").unwrap(),
        run_as: None,
        reason: text(reason),
    };
    let answer =
        host.is_heard::<HostAnswer>(&hub, "asks", &ask(3, "alice", HostWish::Login(knock("refused ssh"))));
    let request = opened(answer).request;
    assert_eq!((request.ask.channel, request.ask.id), (Channel::Login, RequestId::from_random(3)));
    let offer = call("alice", HostDoes::Offer(knock("x")));
    let offer: api::HostOffer = host.is_heard(&hub, "calls", &offer);
    assert!(matches!(offer, api::HostOffer::Wait(waits) if waits.ask.id == request.ask.id));
    let silent = POLICY.replace("approve =", "on_refusal = \"off\"\napprove =");
    let new = api::NewPolicy { policy: silent, people: Some(PEOPLE.to_owned()), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    let answer =
        host.is_heard::<HostAnswer>(&hub, "asks", &ask(4, "alice", HostWish::Login(knock("refused ssh"))));
    assert_eq!(answer, HostAnswer::Silent);
}

#[test]
fn the_word_of_a_host_counts_for_itself_alone() {
    let hub = Hub::with("[approvals]\non_hosts = true");
    let (host, other) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    for hosts in [serde_json::json!({ "hosts": ["db-8"] }), serde_json::json!({ "hosts": ["db-7", "db-8"] })]
    {
        let answer = host.is_heard::<HostAnswer>(&hub, "asks", &command(7, "alice", &hosts));
        assert!(
            matches!(&answer, HostAnswer::Refused(why) if why.detail.contains("counts for itself alone")),
            "{answer:?}"
        );
    }
    let id = opened(host.is_heard(&hub, "asks", &command(7, "alice", &serde_json::json!({})))).request.ask.id;
    let id = id.to_string();
    let asked: RequestView =
        host.is_heard(&hub, "calls", &call("alice", HostDoes::Request { id: id.clone() }));
    let seen = other.says(&hub, "calls", &call("alice", HostDoes::Request { id: id.clone() }));
    assert!(seen.contains("404"), "it is not about db-8: {seen}");
    let theirs: Vec<RequestView> =
        other.is_heard(&hub, "calls", &call("alice", HostDoes::Requests { which: Which::Mine }));
    assert!(theirs.is_empty());
    let taken = other.says(&hub, "calls", &call("alice", HostDoes::Cancel { id: id.clone() }));
    assert!(taken.contains("404"), "{taken}");
    let by_other =
        other.says(&hub, "calls", &call("bob", HostDoes::Review { id: id.clone(), body: yes(asked.digest) }));
    assert!(by_other.contains("404"), "{by_other}");

    // What is about it and another too is for the hub alone.
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let both = alice.request(&wants(&serde_json::json!({ "hosts": ["db-7", "db-8"] }))).unwrap().request;
    let wide = both.ask.id.to_string();
    let digest =
        hub.client(&hub.token("bob", &[Scope::Review], "1h").secret).show_request(&wide).unwrap().digest;
    let refused = host.says(&hub, "calls", &call("bob", HostDoes::Review { id: wide, body: yes(digest) }));
    assert!(refused.contains("403") && refused.contains("other hosts than db-7 too"), "{refused}");

    // And what is about it alone it may attest, where the policy lets that person.
    let view: RequestView = host.is_heard(&hub, "calls", &call("bob", HostDoes::Request { id: id.clone() }));
    let own = host.says(
        &hub,
        "calls",
        &call("alice", HostDoes::Review { id: id.clone(), body: yes(view.digest.clone()) }),
    );
    assert!(own.starts_with("HTTP/1.1 403"), "alice approves nothing of her own: {own}");
    let done: api::Reviewed =
        host.is_heard(&hub, "calls", &call("bob", HostDoes::Review { id, body: yes(view.digest) }));
    assert!(matches!(done.request.state, RequestState::Approved { .. }) && done.grant.is_some());
    assert_eq!(done.request.reviews[0].channel, Channel::Host);
}

fn rows(after: Head, count: usize, word: &str) -> Vec<Row> {
    let mut head = after;
    let row = |n: usize| {
        let row = head.next(
            Stamp { boot: "b".into(), wall_ms: now().timestamp_millis(), boot_ms: 1 },
            format!("{word}{n}"),
        );
        head = Head::of(&row);
        row
    };
    (0..count).map(row).collect()
}

#[test]
fn a_journal_is_taken_once_over_kills_and_a_fork_of_it_is_shown() {
    let mut hub = Hub::with_policy();
    let host = joined(&hub, "db-7");
    let log = LogId([7; 16]);
    let all = rows(Head::start(log), 9, "a");
    let part = |rows: &[Row]| JournalPart { log, rows: rows.to_vec(), oldest: false };
    let through = |hub: &Hub, part: &JournalPart| host.is_heard::<JournalHas>(hub, "journal", part).through;
    assert_eq!(through(&hub, &part(&all[2..4])), 0, "it begins at the beginning");
    assert_eq!(through(&hub, &part(&all[..4])), 4);
    assert_eq!(through(&hub, &part(&all[..4])), 4, "again");
    assert_eq!(through(&hub, &part(&all[6..])), 4, "what is between is wanted");
    hub.signal(rustix::process::Signal::KILL);
    assert!(!hub.ends());
    hub.serve();
    assert_eq!(through(&hub, &part(&all[2..])), 9, "some of it again");
    let fork = rows(Head::of(&all[6]), 2, "b");
    let said = host.says(&hub, "journal", &part(&fork));
    assert!(said.contains("400") && said.contains("rolled back or forked"), "{said}");
    let hosts = hub.client(&hub.admin).hosts().unwrap();
    let view = hosts.iter().find(|view| view.host == host.name).unwrap();
    assert_eq!(view.journal, Some(9));
    assert!(view.alarm.as_ref().unwrap().contains("record 8 is not the one"), "{:?}", view.alarm);
    let edited = Row { body: "x".into(), ..all[8].clone() };
    assert!(host.says(&hub, "journal", &part(&[edited])).contains("was changed after it was written"));
    let hub_again = token(&hub, 1);
    assert!(host.join(&hub, &hub_again).starts_with("HTTP/1.1 200"));
    let whole = [&all[..7], &fork].concat();
    assert_eq!(through(&hub, &part(&whole)), 9, "a host that joined anew begins anew");
    let hosts = hub.client(&hub.admin).hosts().unwrap();
    assert_eq!(hosts.iter().find(|view| view.host == host.name).unwrap().alarm, None);
    let other = rows(Head::start(LogId([8; 16])), 3, "c");
    let anew = JournalPart { log: LogId([8; 16]), rows: other, oldest: false };
    assert_eq!(through(&hub, &anew), 3, "another log");
    let hosts = hub.client(&hub.admin).hosts().unwrap();
    let alarm = hosts.iter().find(|view| view.host == host.name).unwrap().alarm.clone().unwrap();
    assert!(alarm.contains("the host began another log"), "{alarm}");
    let listed = hub.jit("nobody", &["hosts"], "");
    assert!(!listed.status.success(), "who is not logged in sees nothing");
}

#[test]
fn a_host_begins_some_logs_and_no_other_until_it_is_enrolled_anew() {
    let hub = Hub::with_policy();
    let host = joined(&hub, "db-7");
    let begun = |n: u8| {
        let log = LogId([n; 16]);
        (log, rows(Head::start(log), 2, "a"))
    };
    let part = |log: LogId, rows: &[Row]| JournalPart { log, rows: rows.to_vec(), oldest: false };
    let logs: Vec<_> = (1..=17).map(begun).collect();
    for (log, rows) in &logs[..16] {
        assert_eq!(host.is_heard::<JournalHas>(&hub, "journal", &part(*log, &rows[..1])).through, 1);
    }
    let (log, rows) = &logs[16];
    let said = host.says(&hub, "journal", &part(*log, rows));
    assert!(said.contains("400") && said.contains("enrol it anew"), "{said}");
    let (last, of_it) = &logs[15];
    assert_eq!(host.is_heard::<JournalHas>(&hub, "journal", &part(*last, of_it)).through, 2, "it goes on");
    let again = token(&hub, 1);
    assert!(host.join(&hub, &again).starts_with("HTTP/1.1 200"));
    assert_eq!(host.is_heard::<JournalHas>(&hub, "journal", &part(*log, rows)).through, 2);
}

#[test]
fn a_host_that_says_too_much_is_told_so_and_takes_nothing_of_others() {
    let hub = Hub::with_policy();
    let (loud, quiet) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let tells = |host: &Host, first: u64| {
        let sessions = (first..first + 1000).map(|id| session(id, None)).collect();
        host.says(&hub, "sessions", &OpenSessions { sessions })
    };
    let mut first = 1;
    let begun = std::time::Instant::now();
    let refused = loop {
        let said = tells(&loud, first);
        if !said.starts_with("HTTP/1.1 200") {
            break said;
        }
        first += 1000;
        assert!(begun.elapsed() < crate::room::PATIENCE, "all of it is taken");
    };
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("db-7 says more than"), "{refused}");
    hub.logs("db-7 says more than");
    let said = tells(&quiet, 1);
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
}

#[test]
fn what_people_on_a_host_ask_for_is_recorded_as_far_as_that_of_one_host_is() {
    let hub = Hub::with_policy();
    let (loud, quiet) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let path = "/v1/hosts/db-7/asks";
    let body = serde_json::to_string(&command(1, "alice", &serde_json::json!({}))).unwrap();
    let body = format!("{body}{}", " ".repeat(60 * 1024));
    let asks = || hub.raw(&format!("POST {path}"), &loud.signed(loud.nonce(&hub), path, &body), &body);
    let taken = (0..1000).map(|_| asks()).take_while(|said| said.starts_with("HTTP/1.1 200")).count();
    let most = 16 * 1024 * 1024 / (body.len() + 4096);
    assert!(taken == most || taken == most + 1, "{taken}, and some comes back with time");
    let refused = asks();
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("after `jit login`"), "{refused}");
    hub.logs("people on db-7 ask for and do more than the 16 MB a day");
    opened(quiet.is_heard(&hub, "asks", &command(2, "alice", &serde_json::json!({}))));
    let looks = call("alice", HostDoes::Requests { which: Which::Mine });
    assert_eq!(loud.is_heard::<Vec<RequestView>>(&hub, "calls", &looks).len(), 1, "looking is free");
}

fn session(id: u64, grant: Option<GrantId>) -> SessionView {
    serde_json::from_value(serde_json::json!({
        "session": {
            "id": SessionId::from_random(id), "grant": grant, "boot": "b", "pid": 5, "start_ticks": 7, "audit_session": 3,
            "inside": null, "subject": "alice", "target": "alice", "service": "ssh", "tty": "ssh", "rhost": "",
            "reason": "granted", "opened": now()
        },
        "state": "open"
    }))
    .unwrap()
}

#[test]
fn sessions_of_all_hosts_are_seen_at_the_hub_and_ended_from_there() {
    let hub = Hub::with_policy();
    let (mut host, other) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let tells = |host: &Host, ids: &[u64]| {
        let sessions = ids.iter().map(|id| session(*id, None)).collect();
        host.is_heard::<serde_json::Value>(&hub, "sessions", &OpenSessions { sessions })
    };
    tells(&host, &[1, 2]);
    tells(&other, &[3]);
    let admin = hub.client(&hub.admin);
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let carol = hub.client(&hub.token("carol", &[Scope::Read], "1h").secret);
    let ids = |client: &api::Client| {
        let mut seen: Vec<(u64, String)> = client
            .sessions(&AskSessions::default())
            .unwrap()
            .iter()
            .map(|view| (view.session.id.bits(), view.host.as_ref().unwrap().to_string()))
            .collect();
        seen.sort_unstable();
        seen
    };
    let all = [(1, "db-7".to_owned()), (2, "db-7".to_owned()), (3, "db-8".to_owned())];
    assert_eq!(ids(&admin), all);
    assert_eq!(ids(&alice), all, "her own");
    assert!(ids(&carol).is_empty());
    tells(&host, &[2]);
    assert_eq!(ids(&admin), all[1..]);

    let away = EndSession { reason: text("it is late"), host: None };
    let id = SessionId::from_random(3).to_string();
    assert!(carol.end_session(&id, &away).is_err());
    assert_eq!(admin.end_session(&id, &away).unwrap().state, SessionState::Open, "db-8 does not listen");
    let mut stream = host.listen(&hub);
    host.hears(&mut stream);
    let ending = admin.end_session(&SessionId::from_random(2).to_string(), &away).unwrap();
    assert_eq!(ending.state, SessionState::Ending);
    let mut line = String::new();
    while line.trim() != "event: end" {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0);
    }
    line.clear();
    stream.read_line(&mut line).unwrap();
    let end: api::EndThere = serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((end.session.bits(), end.by.as_str(), end.reason.as_str()), (2, "admin", "it is late"));
    let mut late = other.listen(&hub);
    let mut first = String::new();
    while !first.starts_with("event: ") {
        first.clear();
        late.read_line(&mut first).unwrap();
    }
    assert_eq!(first.trim(), "event: end", "who was away hears of it first");
}

#[test]
fn a_host_hides_no_session_of_another_and_keeps_none_from_being_ended() {
    let hub = Hub::with_policy();
    let (host, other) = (joined(&hub, "db-7"), joined(&hub, "db-8"));
    let tells = |host: &Host, sessions: Vec<SessionView>| {
        host.is_heard::<serde_json::Value>(&hub, "sessions", &OpenSessions { sessions })
    };
    tells(&host, vec![session(5, None)]);
    let made_up = |id| {
        let mut view = session(id, None);
        view.session.subject = login("mallory");
        view.session.opened = "9998-01-01T00:00:00Z".parse().unwrap();
        view
    };
    tells(&other, (5..1005).map(made_up).collect());
    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let seen = alice.sessions(&AskSessions::default()).unwrap();
    let [own] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((own.session.id.bits(), own.host.as_ref().unwrap()), (5, &host.name));
    let admin = hub.client(&hub.admin);
    let latest = now() + chrono::TimeDelta::minutes(1);
    assert!(
        admin.sessions(&AskSessions::default()).unwrap().iter().all(|view| view.session.opened < latest),
        "none is to come"
    );
    tells(&host, vec![session(5, None), session(2000, None)]);
    let seen = admin.sessions(&AskSessions::default()).unwrap();
    assert_eq!(seen[0].session.id.bits(), 2000, "what came later is before it");
    let of = |user: Option<&str>, host: Option<&Host>| {
        let ask = AskSessions { user: user.map(login), host: host.map(|host| host.name.clone()) };
        let seen = admin.sessions(&ask).unwrap();
        seen.into_iter().map(|view| (view.session.id.bits(), view.host.unwrap())).collect::<Vec<_>>()
    };
    let two = [(2000, host.name.clone()), (5, host.name.clone())];
    assert_eq!(of(None, Some(&host)), two, "a host that is named is looked at by itself");
    assert_eq!(of(Some("alice"), None), two, "and so is a user");
    assert!(of(Some("mallory"), Some(&host)).is_empty());

    let id = SessionId::from_random(5).to_string();
    let end = |host: Option<&Host>| EndSession {
        reason: text("it is late"),
        host: host.map(|host| host.name.clone()),
    };
    let unsure = admin.end_session(&id, &end(None)).unwrap_err().to_string();
    assert!(
        unsure.contains("db-7") && unsure.contains("db-8") && unsure.contains("name the one that is meant"),
        "{unsure}"
    );
    let ended = admin.end_session(&id, &end(Some(&host))).unwrap();
    assert_eq!(ended.host.as_ref(), Some(&host.name));
    assert!(alice.end_session(&id, &end(None)).is_ok(), "of what she may see it is the only one");
    assert!(alice.end_session(&id, &end(Some(&other))).is_err());
}

/// Alice may break glass.
pub const GLASS: &str = r#"
[[rule]]
id = "production"
who = { groups = ["dev"] }
where = { hosts = ["db-*"] }
what = { services = ["ssh", "sudo"] }
approve = [{ from = ["group:leads"] }]
break_glass = { who = ["user:alice"], max = "30m", review_by = ["group:leads"] }
"#;

#[test]
fn a_permit_lets_in_for_a_day_at_most_whatever_the_policy_says() {
    let hub = Hub::new();
    let mut host = joined(&hub, "db-7");
    let policy = GLASS.replace("30m\"", "3d\"").replace("[[rule]]", "[[rule]]\ntime = { max = \"7d\" }");
    let new = api::NewPolicy { policy, people: Some(PEOPLE.to_owned()), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.permits().count() == 1);
    let permit = host.state.permits().next().unwrap();
    assert!(matches!(permit.window, Window::FirstUse { length, .. } if length == Span::parse("1d").unwrap()));
}

#[test]
fn glass_is_broken_by_a_permit_once_and_the_next_one_is_made_when_somebody_has_looked() {
    let hub = Hub::new();
    let mut host = joined(&hub, "db-7");
    let new = api::NewPolicy { policy: GLASS.to_owned(), people: Some(PEOPLE.to_owned()), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    let mut stream = host.listen(&hub);
    while host.state.permits().count() == 0 {
        host.hears(&mut stream);
    }
    let permit = host.state.permits().next().unwrap().clone();
    assert_eq!((permit.person.as_str(), permit.hosts.len(), permit.services.len()), ("alice", 1, 2));
    assert_eq!(host.state.grants().count(), 0, "a permit is no grant");

    let at = now();
    let made = access::Grant {
        request: RequestId::from_random(5),
        window: Window::Approval { not_before: at, expires: at + chrono::TimeDelta::minutes(30) },
        approved_at: at,
        ..permit.clone()
    };
    let broke = |grant: access::Grant| HostAsk {
        asked_at: at,
        ..ask(
            5,
            "alice",
            HostWish::Glass { grant: Box::new(grant), reason: text("the hub is gone"), ticket: None },
        )
    };
    let longer = Window::Approval { not_before: at, expires: at + chrono::TimeDelta::minutes(31) };
    for wider in [
        access::Grant { window: longer, ..made.clone() },
        access::Grant { services: [access::Service::parse("su").unwrap()].into(), ..made.clone() },
        access::Grant { logins: [login("root")].into(), ..made.clone() },
        access::Grant { id: GrantId::from_random(77), ..made.clone() },
    ] {
        let answer = host.is_heard::<HostAnswer>(&hub, "asks", &broke(wider));
        assert!(matches!(answer, HostAnswer::Refused(_)), "{answer:?}");
    }
    let request = opened(host.is_heard(&hub, "asks", &broke(made.clone()))).request;
    assert!(request.afterwards.is_some() && request.ask.kind == workflow::Kind::BreakGlass);
    let again = opened(host.is_heard(&hub, "asks", &broke(made.clone()))).request;
    assert_eq!(again.ask.id, request.ask.id, "said again it is the same");
    let twice = access::Grant { request: RequestId::from_random(6), ..made };
    let glass = HostWish::Glass { grant: Box::new(twice), reason: text("once more"), ticket: None };
    let answer =
        host.is_heard::<HostAnswer>(&hub, "asks", &HostAsk { asked_at: at, ..ask(6, "alice", glass) });
    assert!(matches!(&answer, HostAnswer::Refused(why) if why.detail.contains("used already")), "{answer:?}");
    let journal = hub.client(&hub.admin).journal(&api::AskJournal::default()).unwrap();
    let loud = journal.iter().filter(|row| row.line.starts_with("change=break_glass ")).count();
    assert_eq!(loud, 1, "a permit is for once, and nobody is alarmed twice");
    while host.state.permits().count() > 0 || host.state.grants().count() == 0 {
        host.hears(&mut stream);
    }
    assert!(
        host.state.grants().any(|grant| grant.id == permit.id && grant.break_glass),
        "signed, as any grant"
    );

    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    let id = request.ask.id.to_string();
    let digest = bob.show_request(&id).unwrap().digest;
    bob.review(&id, &yes(digest)).unwrap();
    while host.state.permits().count() == 0 {
        host.hears(&mut stream);
    }
    assert_ne!(host.state.permits().next().unwrap().id, permit.id);
}

#[test]
fn whoever_decides_nothing_lists_their_own_sessions_and_those_of_their_grants_alone() {
    let hub = Hub::with_policy();
    let host = joined(&hub, "db-7");
    let grant = crate::host::granted(&hub, "db-7");
    let by_grant = |id, subject: &str| {
        let mut view = session(id, Some(grant));
        view.session.subject = login(subject);
        view
    };
    let sessions = vec![by_grant(5, "alice"), by_grant(6, "deploy"), by_grant(7, "deploy")];
    host.is_heard::<serde_json::Value>(&hub, "sessions", &OpenSessions { sessions });
    let lists = |person: &str| {
        let client = hub.client(&hub.token(person, &Scope::ALL, "1h").secret);
        let mut ids: Vec<u64> = client
            .sessions(&AskSessions::default())
            .unwrap()
            .iter()
            .map(|view| view.session.id.bits())
            .collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!((lists("alice"), lists("bob"), lists("carol")), (vec![5, 6, 7], vec![5, 6, 7], vec![5, 6, 7]));
    assert!(lists("dave").is_empty());
    let new = api::NewPolicy {
        policy: POLICY.to_owned(),
        people: Some(PEOPLE.replace("[bob]\ngroups = [\"leads\"]", "[bob]")),
        no_people: false,
    };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    assert_eq!((lists("alice"), lists("bob"), lists("carol")), (vec![5, 6, 7], vec![], vec![5, 6, 7]));
    let bob = hub.client(&hub.token("bob", &Scope::ALL, "1h").secret);
    let end = EndSession { reason: text("it is late"), host: None };
    assert!(bob.end_session(&SessionId::from_random(6).to_string(), &end).is_ok(), "he agreed to it");
}

/// A host that the hub has an alarm about, and that has said how it stands.
pub fn forked(hub: &Hub) -> Host {
    let host = joined(hub, "db-7");
    let log = LogId([7; 16]);
    let all = rows(Head::start(log), 9, "a");
    host.is_heard::<JournalHas>(hub, "journal", &JournalPart { log, rows: all.clone(), oldest: false });
    let fork = JournalPart { log, rows: rows(Head::of(&all[6]), 2, "b"), oldest: false };
    assert!(host.says(hub, "journal", &fork).contains("rolled back or forked"));
    let (version, gated) = (text("9.9.9"), vec!["sshd".to_owned()]);
    let state = api::HostState { watermark: None, as_of: None, clock: now(), seq: 9, gated, version };
    host.is_heard::<serde_json::Value>(hub, "state", &state);
    host
}

#[test]
fn what_is_wrong_with_a_host_is_for_who_decides_or_sees_everything() {
    let hub = Hub::with_policy();
    let host = forked(&hub);
    let told = |token: &str| {
        let hosts = hub.client(token).hosts().unwrap();
        let view = hosts.into_iter().find(|view| view.host == host.name).unwrap();
        [view.alarm.is_some(), view.ahead_ms.is_some(), view.version.is_some(), view.gated.is_some()]
    };
    assert_eq!(told(&hub.admin), [true; 4]);
    assert_eq!(told(&hub.token("bob", &[Scope::Read], "1h").secret), [true; 4]);
    assert_eq!(told(&hub.token("alice", &Scope::ALL, "1h").secret), [false; 4]);
}
