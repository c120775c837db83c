//! The policy in force: who changes it, what is written down of it, and what it does to what waits.

use crate::room::{POLICY, Room, caller, code, key, room, room_of, said, wants, written};
use access::Login;
use api::{Change, Foreseen, NewPolicy, ProblemCode, Record};
use desk::{Committed, PolicyVersion, Store};
use workflow::{Decider, RequestState};

/// The same without ssh.
const SUDO_ALONE: &str = r#"
[[rule]]
id = "sudo-alone"
what = { services = ["sudo"] }
time = { default = "1h", max = "2h", pending = "1h" }
approve = [{ from = ["group:g"], need = 1 }]
"#;

#[test]
fn an_administrator_alone_puts_a_policy_in_force_and_the_journal_says_who_and_what() {
    let room = room();
    for name in ["alice", "bob", "mallory"] {
        let refused = room.desk.apply(&caller(name), written(SUDO_ALONE), &key());
        assert_eq!(code(&refused), Some(ProblemCode::Forbidden));
        assert_eq!(
            said(refused),
            "only an administrator puts a policy in force: root on one machine, who has the role admin on a hub"
        );
    }
    assert!(room.paper.heard.lines().is_empty());
    assert_eq!(room.desk.policy(&caller("alice")).unwrap().version, 1);

    let applied = room.applies(SUDO_ALONE);
    assert_eq!((applied.version, applied.unchanged), (2, false));
    assert!(applied.diff.contains("-id = \"group\"\n") && applied.diff.contains("+id = \"sudo-alone\"\n"));
    let shown = room.desk.policy(&caller("alice")).unwrap();
    assert_eq!((shown.version, shown.policy.as_str()), (2, SUDO_ALONE));
    assert_eq!(shown.by.as_ref().map(access::Person::as_str), Some("root"));

    let heard = room.paper.heard.0.lock().unwrap();
    let [Committed::Record { record, .. }] = heard.as_slice() else { panic!("{heard:?}") };
    let Record::Change(change) = &**record else { panic!("{record:?}") };
    assert_eq!(change.change, Change::PolicyApplied);
    assert_eq!(change.actor.as_ref().map(access::Person::as_str), Some("root"));
    let policy = change.policy.as_ref().unwrap();
    assert_eq!((policy.version, policy.diff.as_str()), (2, applied.diff.as_str()));
}

#[test]
fn the_policy_that_is_in_force_already_is_no_new_version_and_no_record() {
    let room = room();
    let again = room.applies(POLICY);
    assert_eq!((again.version, again.unchanged, again.diff.as_str()), (1, true, ""));
    assert!(room.paper.heard.lines().is_empty());
}

#[test]
fn where_none_is_in_force_any_more_the_shipped_policy_is_applied_like_any_other() {
    // As a repair leaves it that lost the policy.
    let room = room_of(64 << 20);
    let none = room.desk.policy(&caller("root"));
    assert_eq!(code(&none), Some(ProblemCode::NotFound), "a text that nobody goes by is not shown");
    let told = said(none);
    assert!(
        told.starts_with("no policy is in force: a repair lost it") && told.contains("`jit policy apply`"),
        "{told}"
    );
    let shipped = PolicyVersion::shipped().policy;
    let applied = room.applies(&shipped);
    assert_eq!((applied.version, applied.unchanged), (1, false));
    assert!(applied.diff.contains("+id = \"approved\""), "{}", applied.diff);
    let again = room.applies(&shipped);
    assert_eq!((again.version, again.unchanged), (1, true));
    assert_eq!(room.desk.policy(&caller("root")).unwrap().policy, shipped);
}

#[test]
fn an_application_that_is_sent_again_with_its_key_is_one_version_and_answers_the_same() {
    let room = room();
    let once = key();
    let first = room.desk.apply(&caller("root"), written(SUDO_ALONE), &once).unwrap();
    assert_eq!(room.desk.apply(&caller("root"), written(SUDO_ALONE), &once).unwrap(), first);
    assert_eq!(room.desk.in_force().unwrap().unwrap().version, 2);
}

#[test]
fn what_cannot_be_in_force_is_refused_with_why_and_changes_nothing() {
    let room = room();
    let refused = |new: NewPolicy| {
        let refused = room.desk.apply(&caller("root"), new, &key());
        assert_eq!(code(&refused), Some(ProblemCode::BadRequest));
        said(refused)
    };
    let why = refused(written("[[rule]]\nid = \"x\"\nwhoo = 1\n"));
    assert!(why.contains("policy.toml:3") && why.contains("whoo"), "{why}");
    let two = POLICY.replace("need = 1", "need = 2");
    let why = refused(written(&two));
    assert!(
        why.starts_with("policy.toml:2: rule \"group\": it needs 2 people") && why.contains("bob or carol")
    );
    let why = refused(NewPolicy { people: Some("bob = 1\n".into()), ..written(&two) });
    assert!(why.contains("people.toml:1"), "{why}");
    let why = refused(written(&format!("{POLICY}# {}", "x".repeat(api::limits::POLICY))));
    assert!(why.contains("larger than 262144 bytes"), "{why}");
    assert!(room.paper.heard.lines().is_empty() && room.desk.in_force().unwrap().unwrap().version == 1);

    // Listed, they are known to be two people.
    let listed = "[bob]\nnames = [\"bob\"]\n[carol]\nnames = [\"carol\"]\n";
    let new = NewPolicy { people: Some(listed.into()), ..written(&two) };
    room.desk.apply(&caller("root"), new, &key()).unwrap();
    let request = room.asks("alice", "ssh");
    assert!(room.approves("bob", &request).unwrap().grant.is_none());
    assert!(room.approves("carol", &room.request(request.ask.id)).unwrap().grant.is_some());
    assert!(
        room.desk.policy(&caller("alice")).unwrap().people.is_none(),
        "mail and absences are not for all"
    );
    assert_eq!(room.desk.policy(&caller("root")).unwrap().people.as_deref(), Some(listed));
}

#[test]
fn a_hub_that_has_people_takes_no_policy_without_any_unless_that_is_said() {
    let room = crate::room::hub();
    let people = |people: Option<&str>| NewPolicy { people: people.map(str::to_owned), ..written(POLICY) };
    let has = people(Some("[alice]\n[bob]\ngroups = [\"g\"]\n"));
    room.desk.apply(&caller("root"), people(None), &key()).unwrap();
    room.desk.apply(&caller("root"), has.clone(), &key()).unwrap();
    let there = |service| {
        let here = access::HostName::parse("here").unwrap();
        room.tries("alice", &api::NewRequest { hosts: [here].into(), ..wants(service) }).unwrap().request
    };
    let (agreed, waits) = (there("ssh"), there("sudo"));
    let grant = room.approves("bob", &agreed).unwrap().grant.unwrap().grant.id;
    room.paper.heard.clear();

    let foreseen = |new: &NewPolicy| room.desk.foresee(&caller("root"), new);
    assert_eq!(foreseen(&has).unwrap(), Foreseen::default());
    for none in [None, Some(""), Some("# nobody yet\n")] {
        let why = said(room.desk.apply(&caller("root"), people(none), &key()));
        assert!(why.contains("every grant would end") && why.contains("--no-people"), "{why}");
        assert_eq!(said(foreseen(&people(none))), why);
    }
    let meant = NewPolicy { no_people: true, ..people(None) };
    assert_eq!(foreseen(&meant).unwrap(), Foreseen { grants: 1, requests: 1 });
    assert_eq!(code(&room.desk.foresee(&caller("bob"), &meant)), Some(ProblemCode::Forbidden));
    assert_eq!(room.grant(grant).state, access::GrantState::Active, "to ask ends nothing");
    assert!(room.paper.heard.lines().is_empty());

    room.desk.apply(&caller("root"), meant, &key()).unwrap();
    assert_eq!(room.grant(grant).state, access::GrantState::Revoked);
    assert!(matches!(room.request(waits.ask.id).state, RequestState::Denied { .. }));
}

#[test]
fn a_changed_policy_denies_what_it_no_longer_gives_and_says_so() {
    let room = room();
    let (gone, long, stays) = (room.asks("alice", "ssh"), long(&room), room.asks("mallory", "sudo"));
    room.paper.heard.clear();
    let foreseen = room.desk.foresee(&caller("root"), &written(SUDO_ALONE)).unwrap();
    assert_eq!(foreseen, Foreseen { grants: 0, requests: 2 });
    room.applies(SUDO_ALONE);
    let denied = |request: &api::RequestView| match room.request(request.ask.id).state {
        RequestState::Denied { by: Decider::Policy { why }, .. } => why,
        other => panic!("{other:?}"),
    };
    let nearest = "no rule covers all of this: rule \"sudo-alone\" comes nearest, but not for ssh";
    assert_eq!(denied(&gone), nearest);
    assert!(denied(&long).starts_with("rule \"sudo-alone\" gives 2h at most now"));
    let kept = room.request(stays.ask.id);
    assert!(kept.state.is_pending() && kept.rule == "sudo-alone", "another rule covers it now");
    let mut changes = room.paper.heard.changes();
    changes.sort();
    assert_eq!(changes, ["denied", "denied", "policy_applied", "rechecked"]);
    let lines = room.paper.heard.lines();
    let told = lines.iter().find(|line| line.contains(&gone.ask.id.to_string())).unwrap();
    assert!(
        told.contains("actor=policy")
            && told.contains("comment=\"no rule covers all of this: rule \\\"sudo-alone\\\" comes nearest"),
        "{told}"
    );
    let late = said(room.desk.cancel(&caller("alice"), &gone.ask.id.to_string(), &key()));
    assert!(late.contains("is already denied by the policy (no rule"), "{late}");
    assert!(room.approves("bob", &kept).unwrap().grant.is_some());
    // What people agreed to before stands, and a policy that was brought in line stays so.
    room.paper.heard.clear();
    room.desk.reconcile().unwrap();
    assert!(room.paper.heard.changes().is_empty());
}

/// Five hours of sudo for alice.
fn long(room: &Room) -> api::RequestView {
    let length = access::Span::parse("5h").ok();
    room.tries("alice", &api::NewRequest { length, ..wants("sudo") }).unwrap().request
}

#[test]
fn a_policy_that_asks_for_less_approves_what_has_enough_already() {
    let listed = "[bob]\nnames = [\"bob\"]\n[carol]\nnames = [\"carol\"]\n";
    let room = room();
    let two = NewPolicy { people: Some(listed.into()), ..written(&POLICY.replace("need = 1", "need = 2")) };
    room.desk.apply(&caller("root"), two, &key()).unwrap();
    let request = room.asks("alice", "ssh");
    room.approves("bob", &request).unwrap();
    room.applies(POLICY);
    let RequestState::Approved { grant, by, .. } = room.request(request.ask.id).state else { panic!() };
    assert_eq!(by.to_string(), "bob");
    assert_eq!(room.grant(grant).grant.approved_by, [access::Person::parse("bob").unwrap()]);
}

#[test]
fn of_two_policies_applied_at_once_the_newer_version_is_the_one_that_decides() {
    let room = room();
    for _ in 0..20 {
        std::thread::scope(|scope| {
            for policy in [POLICY, SUDO_ALONE] {
                scope.spawn(|| room.applies(policy));
            }
        });
        let in_force = room.desk.in_force().unwrap().unwrap();
        let covers_ssh = room.tries("alice", &wants("ssh")).map(|opened| opened.request.ask.id);
        assert_eq!(covers_ssh.is_ok(), in_force.policy == POLICY);
        if let Ok(id) = covers_ssh {
            room.desk.cancel(&caller("alice"), &id.to_string(), &key()).unwrap();
        }
    }
}

#[test]
fn the_policy_in_force_is_the_stored_one_after_a_restart() {
    let room = room();
    let request = room.asks("alice", "ssh");
    let room = room.restarted();
    let stored = room.paper.store.read(|store| store.policy()).unwrap().unwrap();
    assert_eq!((stored.version, stored.policy.as_str()), (1, POLICY));
    assert!(room.approves("bob", &request).unwrap().grant.is_some());
    assert_eq!(room.applies(SUDO_ALONE).version, 2);
}

#[test]
fn one_who_left_the_group_a_rule_is_for_loses_the_grant_and_the_record_says_why() {
    let room = crate::room::room_by(&POLICY.replace("[[rule]]", "[[rule]]\nwho = { groups = [\"dev\"] }"));
    let grant = room.granted("alice", "ssh");
    let waits = room.asks("alice", "sudo");
    room.paper.heard.clear();
    room.desk.reconcile().unwrap();
    assert!(room.paper.heard.changes().is_empty(), "nothing changed yet");
    room.place.groups("alice", &[]);
    room.desk.reconcile().unwrap();
    let ended = room.grant(grant.id);
    assert_eq!(ended.state, access::GrantState::Revoked);
    let end = ended.grant.ended.unwrap();
    assert!(end.by.is_none());
    let reason = end.reason.unwrap();
    assert_eq!(reason.as_str(), "alice is no longer one of those that rule \"group\" is for");
    assert!(matches!(room.request(waits.ask.id).state, RequestState::Denied { .. }));
    let lines = room.paper.heard.lines();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("change=revoked actor=policy") && line.contains("no longer"))
    );
    let refused = said(room.tries("alice", &wants("ssh")));
    assert!(refused.contains("no rule is for alice"), "{refused}");
    room.paper.heard.clear();
    room.place.groups("alice", &["dev"]);
    room.desk.reconcile().unwrap();
    assert!(room.paper.heard.changes().is_empty(), "what was ended stays ended");
}

#[test]
fn a_policy_that_is_applied_again_is_followed_where_it_was_not() {
    let room = room();
    let grant = room.granted("alice", "ssh");
    let narrower = POLICY.replace("id = \"group\"", "id = \"group\"\nwho = { groups = [\"dev\"] }");
    room.applies(&narrower);
    room.place.groups("alice", &["ops"]);
    assert_eq!(room.grant(grant.id).state, access::GrantState::Active, "nobody has looked");
    assert!(room.applies(&narrower).unchanged);
    assert_eq!(room.grant(grant.id).state, access::GrantState::Revoked);
}

const ROBOT: &str = r#"
[[rule]]
id = "nightly"
who = { users = ["robot"] }
where = { hosts = ["here"] }
what = { services = ["ssh"] }
standing = { source = "10.0.0.5", owner = "alice", review_by = "2027-01-31" }
"#;

#[test]
fn an_automation_account_holds_what_its_rule_gives_for_as_long_as_the_rule_gives_it() {
    let room = room();
    let held = || {
        let ask = api::AskGrants { user: Login::parse("robot").ok(), ..api::AskGrants::default() };
        room.desk.grants(&caller("root"), &ask, 10).unwrap()
    };
    room.applies(&format!("{POLICY}{ROBOT}"));
    let [first] = &held()[..] else { panic!("{:?}", held()) };
    assert_eq!(first.grant.source, Some("10.0.0.5/32".parse().unwrap()));
    assert_eq!(first.ends, "2027-02-01T00:00:00Z".parse::<access::Time>().unwrap());
    let request = room.request(first.grant.request);
    assert_eq!(request.ask.kind, workflow::Kind::Standing);
    let RequestState::Approved { by, .. } = &request.state else { panic!() };
    assert!(by.to_string().contains("alice answers for robot until 2027-02-01"), "{by}");
    room.desk.reconcile().unwrap();
    assert_eq!(held().len(), 1, "once, however often it is looked at");

    room.applies(&format!("{POLICY}{}", ROBOT.replace("10.0.0.5", "10.0.0.6")));
    let [second] = &held()[..] else { panic!("{:?}", held()) };
    assert_eq!(second.grant.source, Some("10.0.0.6/32".parse().unwrap()));
    assert_eq!(room.grant(first.grant.id).state, access::GrantState::Revoked);

    room.applies(POLICY);
    assert!(held().is_empty());
    let end = room.grant(second.grant.id).grant.ended.unwrap();
    assert!(end.reason.unwrap().as_str().contains("rule nightly gives it no more"));
}

#[test]
fn what_a_person_took_back_from_an_automation_account_is_not_given_again_until_its_rule_is_renewed() {
    let room = room();
    room.applies(&format!("{POLICY}{ROBOT}"));
    let held = || {
        let ask = api::AskGrants { user: Login::parse("robot").ok(), ..api::AskGrants::default() };
        room.desk.grants(&caller("root"), &ask, 10).unwrap()
    };
    let id = held()[0].grant.id.to_string();
    let reason = access::Text::parse("its key was stolen").ok();
    let how = access::EndedHow::Revoked;
    room.desk.end_grant(&caller("root"), &id, how, &api::EndGrant { reason }, &key()).unwrap();
    room.desk.reconcile().unwrap();
    assert!(held().is_empty(), "the stolen key would open the door again");
    let other = room.granted("robot", "sudo").id;
    let end = api::EndGrant { reason: None };
    room.desk
        .end_grant(&caller("robot"), &other.to_string(), access::EndedHow::Released, &end, &key())
        .unwrap();
    room.paper.ended(other, api::limits::PAGE.into());
    room.desk.reconcile().unwrap();
    assert!(held().is_empty(), "however many grants it had since");
    room.applies(&format!("{POLICY}{}", ROBOT.replace("2027-01-31", "2027-02-28")));
    assert_eq!(held().len(), 1);
}
