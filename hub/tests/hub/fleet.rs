//! From nothing to a grant, and who may do what on the way.

use crate::room::{Hub, PEOPLE, POLICY, text};
use access::{Person, Text};
use api::{NewRequest, ProblemCode, Role, Roles, Scope};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

fn code(outcome: Result<impl std::fmt::Debug, api::ClientError>) -> ProblemCode {
    match outcome {
        Err(api::ClientError::Refused(problem)) => problem.code,
        other => panic!("{other:?}"),
    }
}

fn ask() -> NewRequest {
    NewRequest {
        hosts: [access::HostName::parse("db-1").unwrap()].into(),
        labels: BTreeMap::new(),
        services: [access::Service::parse("ssh").unwrap()].into(),
        run_as: None,
        length: None,
        at: None,
        reason: Text::parse("the disk of db-1 is full").unwrap(),
        ticket: None,
        user: None,
        break_glass: false,
    }
}

#[test]
fn from_init_to_a_grant_by_the_commands_that_people_type() {
    let mut hub = Hub::set_up("");
    hub.serve();
    let url = hub.url();
    let ca = hub.path("state/ca.crt").display().to_string();
    let log_in = |who: &str, token: &str| {
        let done = hub.jit(who, &["login", "--hub", &url, "--ca", &ca, "--token-stdin"], token);
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout)
    };
    let done = |who: &str, arguments: &[&str]| {
        let done = hub.jit(who, arguments, "");
        assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
        text(&done.stdout)
    };
    assert!(
        log_in("admin", &format!("{}\n", hub.admin))
            .contains(" as admin (auditor, operator, admin). Commands use this hub until ")
    );
    let kept = std::fs::metadata(hub.path("admin/jit/hub.toml")).unwrap();
    let folder = std::fs::metadata(hub.path("admin/jit")).unwrap();
    assert_eq!((kept.permissions().mode() & 0o777, folder.permissions().mode() & 0o777), (0o600, 0o700));

    let status = done("admin", &["status"]);
    assert!(status.contains("! nobody can ask for anything, for there are no people"), "{status}");
    let nobody = hub.jit("admin", &["request", "--host", "db-1", "--reason", "to see whether I can"], "");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("there is no account admin here"), "{}", text(&nobody.stderr));

    std::fs::write(hub.path("policy.toml"), POLICY).unwrap();
    std::fs::write(hub.path("people.toml"), PEOPLE).unwrap();
    let policy = hub.path("policy.toml").display().to_string();
    assert!(done("admin", &["policy", "apply", &policy]).contains("Version 1 is in force."));
    for person in ["alice", "bob"] {
        let made = done(
            "admin",
            &["token", "make", "a laptop", "--person", person, "--scope", "read,request,review"],
        );
        log_in(person, made.lines().next().unwrap());
    }
    let strange = hub.jit("alice", &["request", "--host", "web-1", "--reason", "it is slow today"], "");
    assert!(
        text(&strange.stderr).contains("there is no host web-1 here, only db-1"),
        "{}",
        text(&strange.stderr)
    );
    let nowhere = hub.jit("alice", &["request", "--reason", "it is slow today"], "");
    assert!(
        text(&nowhere.stderr).contains("a hub is no host itself: name the hosts"),
        "{}",
        text(&nowhere.stderr)
    );

    let opened = done(
        "alice",
        &["--json", "request", "--label", "env=prod", "--for", "1h", "--reason", "the disk is full"],
    );
    let opened: api::Opened = serde_json::from_str(&opened).unwrap();
    let id = opened.request.ask.id.to_string();
    let own = hub.jit("alice", &["approve", &id], "");
    assert_eq!(own.status.code(), Some(1), "nobody approves their own: {}", text(&own.stderr));
    done("bob", &["approve", &id]);
    let grants: Vec<api::GrantView> = serde_json::from_str(&done("alice", &["--json", "grants"])).unwrap();
    let [grant] = &grants[..] else { panic!("{grants:?}") };
    assert_eq!(grant.grant.approved_by, [Person::parse("bob").unwrap()]);
    assert_eq!(grant.grant.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["db-1"]);
    let journal = done("admin", &["audit", "tail"]);
    for line in [
        "change=role_given actor=jit-hub person=admin role=admin",
        "change=token_made actor=admin person=bob",
        "change=approved actor=bob channel=token",
    ] {
        assert!(journal.contains(line), "{line} is not in\n{journal}");
    }
    done("admin", &["audit", "verify"]);

    done("alice", &["logout"]);
    let out = hub.jit("alice", &["status"], "");
    assert!(!text(&out.stderr).contains("https://"), "{}", text(&out.stderr));
    let again = hub.jit("bob", &["--socket", "/no/such/socket", "status"], "");
    assert!(
        text(&again.stderr).contains("asking jitd on /no/such/socket"),
        "a socket that is named is meant"
    );
    hub.signal(rustix::process::Signal::TERM);
    assert!(hub.ends());
}

#[test]
fn a_login_that_does_not_work_is_not_kept_and_one_that_others_can_read_is_not_used() {
    let hub = Hub::new();
    let ca = hub.path("state/ca.crt").display().to_string();
    let wrong = hub.jit("eve", &["login", "--hub", &hub.url(), "--ca", &ca, "--token-stdin"], "jit_nonsense");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("is no token of a hub"), "{}", text(&wrong.stderr));
    let untrusted = hub.jit("eve", &["login", "--hub", &hub.url(), "--token-stdin"], &hub.admin);
    assert_eq!(
        untrusted.status.code(),
        Some(3),
        "this machine does not trust it: {}",
        text(&untrusted.stderr)
    );
    let plain = hub.jit("eve", &["login", "--hub", "http://localhost:1", "--token-stdin"], &hub.admin);
    assert_eq!(plain.status.code(), Some(2), "{}", text(&plain.stderr));
    assert!(!hub.path("eve/jit/hub.toml").exists());
    hub.jit("eve", &["login", "--hub", &hub.url(), "--ca", &ca, "--token-stdin"], &hub.admin);
    let kept = hub.path("eve/jit/hub.toml");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o640)).unwrap();
    let open = hub.jit("eve", &["status"], "");
    assert!(
        open.status.code() == Some(2) && text(&open.stderr).contains("chmod 600"),
        "{}",
        text(&open.stderr)
    );
}

#[test]
fn a_second_init_changes_nothing_also_while_the_hub_serves() {
    let mut hub = Hub::set_up("");
    // A database moves its own log whenever it likes; a record of each change, and each token, are what is in it.
    let all = |hub: &Hub| {
        let files =
            ["hub.toml", "state/ca.crt", "state/ca.key"].map(|name| std::fs::read(hub.path(name)).unwrap());
        let kept = crate::database::FILES.iter().map(|name| {
            let connection = rusqlite::Connection::open(hub.path(name)).unwrap();
            let sql = "SELECT (SELECT group_concat(hex(hash)) FROM (SELECT hash FROM journal ORDER BY seq)), \
                       (SELECT group_concat(id) FROM (SELECT id FROM token ORDER BY id))";
            connection
                .query_row(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
                .unwrap()
        });
        (files, kept.collect::<Vec<_>>())
    };
    let again = |hub: &Hub| {
        let done = hub.command("init").args(["--admin", "eve"]).output().unwrap();
        assert!(done.status.success() && done.stdout.is_empty(), "{}", text(&done.stderr));
        assert!(
            text(&done.stderr).contains("is set up already: nothing was changed"),
            "{}",
            text(&done.stderr)
        );
    };
    again(&hub);
    let before = all(&hub);
    again(&hub);
    assert!(before == all(&hub));
    hub.serve();
    again(&hub);
    let client = hub.client(&hub.admin);
    let roles: Vec<String> = client.roles().unwrap().iter().map(|of| of.person.to_string()).collect();
    assert_eq!(
        (roles, client.tokens(&api::AskTokens::default()).unwrap().len()),
        (vec!["admin".to_owned()], 2)
    );
    let files = crate::database::FILES.iter().map(|name| (*name, 0o600));
    for (name, mode) in [("state", 0o700), ("state/ca.key", 0o600)].into_iter().chain(files) {
        assert_eq!(std::fs::metadata(hub.path(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn init_makes_what_is_missing_and_says_what_to_type_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_jit-hub"))
        .arg("init")
        .args(["--name", "hub.example.org", "--admin", "alice", "--config"])
        .arg(path("etc/hub.toml"))
        .arg("--state")
        .arg(path("state"))
        .output()
        .unwrap();
    let (token, said) = (text(&done.stdout), text(&done.stderr));
    assert!(
        done.status.success() && token.starts_with("jit_") && token.lines().count() == 1,
        "{token}{said}"
    );
    for line in [
        "A token for alice, who is administrator.",
        "  systemctl enable --now jit-hub",
        "  jit login --hub https://hub.example.org:8443 --ca ca.crt --token-stdin",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
    let config = std::fs::read_to_string(path("etc/hub.toml")).unwrap();
    assert!(config.contains("\nnames = [\"hub.example.org\"]\n"), "{config}");
    assert!(path("state/ca.crt").exists() && path("state/hub.db").exists());
    // What was made where is in the file: nobody has to say it again.
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jit-hub"));
        command.args(arguments).arg("--config").arg(path("etc/hub.toml"));
        command
    };
    let mut signer = command(&["signer"]).spawn().unwrap();
    let answers = || command(&["keys", "status"]).output().unwrap().status.success();
    crate::room::until("the signer answers where the file says", answers);
    signer.kill().unwrap();
    signer.wait().unwrap();
}

#[test]
fn a_token_does_what_its_scopes_say_and_never_more_than_its_person_may() {
    let hub = Hub::with_policy();
    let alice = |scopes: &[Scope]| hub.client(&hub.token("alice", scopes, "1d").secret);
    let read = alice(&[Scope::Read]);
    assert!(read.requests(&api::AskRequests::default()).is_ok());
    assert_eq!(code(read.request(&ask())), ProblemCode::Forbidden);
    let said = read.request(&ask()).unwrap_err().to_string();
    assert!(
        said.contains("has scopes read; this call needs request") && said.contains("--scope read,request`"),
        "{said}"
    );

    let opened = alice(&[Scope::Request]).request(&ask()).unwrap().request;
    let review = api::NewReview {
        verdict: api::NewVerdict::Approve,
        digest: opened.digest.clone(),
        narrowing: workflow::Narrowing::default(),
        comment: None,
    };
    let id = opened.ask.id.to_string();
    let bob = hub.client(&hub.token("bob", &[Scope::Read, Scope::Request], "1d").secret);
    assert_eq!(code(bob.review(&id, &review)), ProblemCode::Forbidden, "bob may, this token may not");
    let all = hub.client(&hub.token("alice", &Scope::ALL, "1d").secret);
    assert_eq!(code(all.review(&id, &review)), ProblemCode::Forbidden, "the token may, alice may not");
    let new = api::NewPolicy { policy: POLICY.to_owned(), people: None, no_people: false };
    assert_eq!(code(all.apply_policy(&new)), ProblemCode::Forbidden);
    assert_eq!(code(all.journal(&api::AskJournal::default())), ProblemCode::Forbidden);
    let carol = hub.client(&hub.token("carol", &[Scope::Review], "1d").secret);
    let grant = carol.review(&id, &review).unwrap().grant.unwrap().grant;
    let end = api::EndGrant { reason: Some(Text::parse("enough of it").unwrap()) };
    assert_eq!(code(alice(&[Scope::Request]).revoke(&grant.id.to_string(), &end)), ProblemCode::Forbidden);
    assert!(carol.revoke(&grant.id.to_string(), &end).is_ok());
}

#[test]
fn a_token_makes_none_that_is_wider_or_longer_or_anothers_and_an_administrator_makes_any() {
    let hub = Hub::with_policy();
    let made = hub.token("alice", &[Scope::Read, Scope::Request], "1h");
    let alice = hub.client(&made.secret);
    let new = |person: Option<&str>, scopes: &[Scope], length: &str| api::NewToken {
        name: Text::parse("a script").unwrap(),
        person: person.map(|name| Person::parse(name).unwrap()),
        scopes: scopes.iter().copied().collect(),
        length: access::Span::parse(length).unwrap(),
    };
    for (new, why) in [
        (new(None, &[Scope::Review], "30m"), "wider"),
        (new(None, &[Scope::Read], "2h"), "longer"),
        (new(Some("bob"), &[Scope::Read], "30m"), "bob's"),
    ] {
        assert_eq!(code(alice.make_token(&new)), ProblemCode::Forbidden, "{why}");
    }
    assert_eq!(code(alice.make_token(&new(None, &[], "30m"))), ProblemCode::BadRequest);
    let own = alice.make_token(&new(None, &[Scope::Read], "30m")).unwrap();
    let narrow = hub.client(&own.secret);
    assert_eq!(code(narrow.revoke_token(&made.token.id.to_string())), ProblemCode::Forbidden);
    let admin = hub.client(&hub.admin);
    assert_eq!(code(admin.make_token(&new(None, &[Scope::Read], "91d"))), ProblemCode::BadRequest);
    let other = hub.token("bob", &[Scope::Read], "1d").token.id.to_string();
    assert_eq!(
        code(alice.revoke_token(&other)),
        ProblemCode::NotFound,
        "that it is there is not hers to know"
    );
    let seen: Vec<Person> =
        alice.tokens(&api::AskTokens::default()).unwrap().into_iter().map(|view| view.token.person).collect();
    assert!(seen.len() == 2 && seen.iter().all(|person| person.as_str() == "alice"));
    assert!(narrow.revoke_token(&own.token.id.to_string()).is_ok(), "itself it may");
    assert_eq!(code(narrow.status()), ProblemCode::Unauthorized);
}

#[test]
fn roles_count_from_the_next_call_on_and_the_last_administrator_stays() {
    let hub = Hub::with_policy();
    let bob = hub.client(&hub.token("bob", &Scope::ALL, "1d").secret);
    let admin = hub.client(&hub.admin);
    let set = |person: &str, roles: &[Role]| Roles {
        person: Person::parse(person).unwrap(),
        roles: roles.iter().copied().collect(),
    };
    assert_eq!(code(bob.set_roles(&set("bob", &[Role::Admin]))), ProblemCode::Forbidden);
    assert_eq!(code(admin.set_roles(&set("admin", &[]))), ProblemCode::BadRequest);
    admin.set_roles(&set("bob", &[Role::Admin])).unwrap();
    assert!(bob.journal(&api::AskJournal::default()).is_ok());
    bob.set_roles(&set("admin", &[Role::Auditor])).unwrap();
    assert_eq!(code(admin.set_roles(&set("bob", &[]))), ProblemCode::Forbidden);
    assert_eq!(admin.roles().unwrap(), [set("admin", &[Role::Auditor]), set("bob", &[Role::Admin])]);
}
