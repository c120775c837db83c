//! The policies that are shipped as examples, each played by real people with real ssh and sudo.

use std::time::Instant;
use testbed::{Host, Person, Seen, limits};

/// From another client address: every address of 127.0.0.0/8 is the host's own.
fn ssh_from(person: &Person<'_>, address: &str, command: &str) -> Seen {
    person.ssh_with(&["-o", "BatchMode=yes", "-b", address], command)
}

/// The people of the examples, with nobody away.
fn people(host: &Host) -> String {
    let away = "away = { until = \"2026-12-24\", delegate = \"erin\" }\n";
    host.example("people", &[(away, "")]).unwrap()
}

/// Waits until syslog has one line that says all of this, among those of at least this urgency.
#[track_caller]
fn tells(host: &Host, urgency: &str, words: &[&str]) {
    let deadline = Instant::now() + limits::SOON;
    loop {
        let lines = host.root(&format!("journalctl -q -o cat -t jitd -p {urgency}")).out;
        if lines.lines().any(|line| words.iter().all(|words| line.contains(words))) {
            return;
        }
        assert!(Instant::now() < deadline, "syslog does not say {words:?}:\n{lines}");
    }
}

/// Opens the door that this refusal closed.
fn approve(by: &Person<'_>, asked: &Seen) -> String {
    let approved = by.jit(&format!("approve {}", asked.id("R-")));
    approved.ends_with(0);
    approved.id("G-")
}

/// The instant a grant ends, in seconds since 1970.
fn end_of(person: &Person<'_>, grant: &str) -> i64 {
    let shown = person.jit(&format!("show {grant} --json"));
    let ends =
        shown.out.split("\"ends\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    person.ssh(&format!("date -d {ends} +%s")).out.trim().parse().unwrap()
}

#[test]
fn a_production_database_takes_two_people_and_a_ticket() {
    let host = Host::gated("db-1").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &[]).unwrap();
    let carol = host.person("carol", &[]).unwrap();
    let dave = host.person("dave", &[]).unwrap();
    let erin = host.person("erin", &[]).unwrap();
    for second in ["alice-adm", "erin-adm", "postgres"] {
        host.person(second, &[]).unwrap();
    }
    host.jitd_is_up();
    let policy = host.example("production-database", &[]).unwrap();
    // Two people must agree, and nothing says that these accounts are two.
    std::fs::write(host.path("etc/jitd/policy.toml"), &policy).unwrap();
    host.root("groupadd dba; groupadd dba-leads; usermod -aG dba carol; usermod -aG dba-leads erin")
        .ends_with(0);
    host.root("jit policy apply").ends_with(2).says(
        "carol or erin could be one person with two accounts: list them in people.toml with all their names",
    );
    host.policy(&policy, Some(&people(&host))).unwrap();

    // A refused login has no ticket to show.
    alice.ssh("true").is_refused_with(
        "jit: alice holds no grant for ssh on db-1. Ask for it, or let somebody who is in ask for you, with a ticket like OPS-[0-9]+: \
         jit request --user alice --service ssh --ticket ID --reason TEXT",
    );
    let ask = "request --user alice --service ssh,sudo --as postgres --reason 'vacuum the orders table'";
    carol.jit(ask).ends_with(1).says("rule \"prod-db\" wants a ticket that looks like OPS-[0-9]+: name one");
    carol.jit(&format!("{ask} --ticket SALES-1")).ends_with(1).says("looks like OPS-[0-9]+");
    carol
        .jit("request --user alice --service ssh --ticket OPS-17 --reason vacuum")
        .ends_with(1)
        .says("wants a reason of at least 10 characters: say more");
    carol
        .jit("request --user alice --service sudo --ticket OPS-17 --reason 'vacuum the orders table'")
        .ends_with(1)
        .says("no rule covers all of this: rule \"prod-db\" comes nearest, but not for becoming root");
    let asked = carol.jit(&format!("{ask} --ticket OPS-17"));
    asked.ends_with(0).says("ssh,sudo as postgres on db-1 for 1h");
    let request = asked.id("R-");

    // Erin is of both groups and has two names, and is one person all the same.
    erin.jit(&format!("approve {request}")).ends_with(0).says("Counted");
    erin.ssh_as("erin-adm", &format!("jit approve {request}"))
        .ends_with(5)
        .says(&format!("you already approved request {request}: it waits for somebody else"));
    erin.ssh_as("erin-adm", "jit status").says("you       erin (approver)");
    carol.jit(&format!("approve {request}")).ends_with(1).says("is yours or gives you access");
    alice.ssh("true").is_refused_with("alice holds no grant for ssh on db-1");
    let approved = bob.jit(&format!("approve {request}"));
    let grant = approved.ends_with(0).id("G-");
    let approved = format!("change=approved actor=bob channel=terminal request={request} grant={grant}");
    let what = "person=alice services=ssh,sudo hosts=db-1 approved_by=bob,erin";
    tells(&host, "notice", &[&approved, what]);

    // In as herself and as postgres, and no further.
    alice.ssh("sudo -n -u postgres id -un").is_in().says("postgres");
    alice
        .ssh("sudo -n id -un")
        .is_refused_with(&format!("jit: grant {grant} is for sudo as postgres. Ask for it"));
    alice.ssh_as("alice-adm", "true").is_in();
    // Her own second name does not help her.
    let more = alice.jit(
        "request --service sudo --as postgres --for 3h --ticket OPS-18 --reason 'it takes longer than that'",
    );
    let more = more.ends_with(0).id("R-");
    alice
        .ssh_as("alice-adm", &format!("jit approve {more}"))
        .ends_with(1)
        .says("is yours or gives you access");
    // Beyond two hours it takes a lead as well: three people, and bob is the only lead.
    erin.jit(&format!("approve {more}")).ends_with(0).says("Counted");
    carol.jit(&format!("approve {more}")).ends_with(0).says("Counted");
    alice.jit("grants --json").ends_with(0);
    assert!(!alice.jit("grants --json").out.contains(&more), "two of three are not enough");
    bob.jit(&format!("approve {more} --for 2h30m")).ends_with(0).says("Approved: alice may use sudo on db-1");

    // The next policy has no place for contractors here.
    host.policy(&host.example("contractors", &[]).unwrap(), Some(&people(&host))).unwrap();
    dave.ssh("true").is_refused_with(
        "jit: dave holds no grant for ssh on db-1. No request was opened: rule \"no-contractors-in-production\" forbids it, whoever would approve.",
    );
    alice
        .jit("request --user dave --reason 'he has to see the logs'")
        .ends_with(1)
        .says("forbids it, whoever would approve");
    // What was agreed to by a rule that is gone stands.
    alice.ssh("sudo -n -u postgres id -un").is_in().says("postgres");
}

/// Nobody answers at night, and it must be now.
fn break_glass(host: &Host, alice: &Person<'_>, bob: &Person<'_>, carol: &Person<'_>, everybody: &str) {
    host.policy(&host.example("break-glass", &[]).unwrap(), Some(everybody)).unwrap();
    // What the day brought is over. Bob let her in to have a look, and went to bed.
    for grant in host.root("jit grants --user alice --json").out.split("\"G-").skip(1) {
        host.root(&format!("jit revoke G-{} --reason 'the day is over'", &grant[..11])).ends_with(0);
    }
    let refused = alice.ssh("true");
    refused.is_refused_with("was revoked by root").says("for 1h was opened for you: bob can approve it");
    approve(bob, &refused);
    alice.ssh("sudo -n true").is_refused_with("bob can approve it");

    let glass = |reason: &str| {
        alice.jit(&format!("request --service sudo --as postgres --break-glass --reason '{reason}'"))
    };
    glass("the house is on fire")
        .ends_with(1)
        .says("no rule covers all of this: rule \"emergency\" comes nearest, but not for becoming postgres");
    let glass =
        |reason: &str| alice.jit(&format!("request --service sudo --break-glass --reason '{reason}'"));
    glass("fire").ends_with(1).says("wants a reason of at least 10 characters");
    bob.jit("request --service sudo --break-glass --reason 'i am no longer on call'")
        .ends_with(1)
        .says("no rule is for bob: whoever keeps the policy can add one");
    let broke = glass("the house is on fire");
    broke.ends_with(0).says("You broke glass with request R-");
    let (request, grant) = (broke.id("R-"), broke.id("G-"));
    alice.ssh("sudo -n id -un").is_in().says("root");
    let loud = format!(
        "change=break_glass actor=alice channel=terminal request={request} grant={grant} person=alice"
    );
    tells(host, "err", &[&loud]);
    // Not by somebody who became her.
    host.root("runuser -u alice -- jit request --service su --break-glass --reason 'the house is on fire'")
        .ends_with(1)
        .says("no glass was broken: this process");

    // Not again before somebody looked at it, and not by herself.
    let again = glass("it burns again");
    again.ends_with(1).says(&format!("you broke glass with request {request}, which nobody has looked at yet (bob or carol can): until then ask as usual"));
    carol
        .jit("status")
        .says(&format!("! alice broke glass with {request} and nobody has looked at it: jit show {request}"));
    alice.jit(&format!("approve {request}")).ends_with(1).says("is yours or gives you access");
    carol.jit(&format!("approve {request} --comment 'it did burn'")).ends_with(0);
    carol.jit(&format!("approve {request}")).ends_with(5);

    // Looked at, so it can be done again; found wrong, so it ends there.
    carol.jit(&format!("revoke {grant} --reason 'it is out'")).ends_with(0);
    let broke = glass("a match, this time");
    let (request, grant) = (broke.ends_with(0).id("R-"), broke.id("G-"));
    alice.ssh("sudo -n id -un").is_in();
    bob.jit(&format!("deny {request} --comment 'a match is no fire'")).ends_with(0);
    alice.ssh("sudo -n id -un").is_refused_with(&format!("jit: grant {grant} was revoked by bob"));
    tells(host, "notice", &[&format!("change=looked_at actor=bob channel=terminal request={request}")]);
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn on_call_gets_in_at_once_and_breaks_glass_alone() {
        let host = Host::gated("web-1").unwrap();
        let alice = host.person("alice", &["staff"]).unwrap();
        let bob = host.person("bob", &[]).unwrap();
        let carol = host.person("carol", &[]).unwrap();
        let erin = host.person("erin", &["staff"]).unwrap();
        host.jitd_is_up();
        let everybody = people(&host);
        let now = [
            ("2026-11-23T08:00:00+01:00", host.date("-1 day", "%FT%TZ")),
            ("2026-11-30T08:00:00+01:00", host.date("+1 day", "%FT%TZ")),
            ("2026-12-07T08:00:00+01:00", host.date("+2 days", "%FT%TZ")),
        ];
        let now: Vec<(&str, &str)> = now.iter().map(|(from, to)| (*from, to.as_str())).collect();
        let schedule = host.example("oncall", &now).unwrap();
        let calls = |text: &str| std::fs::write(host.path("etc/jitd/oncall.toml"), text).unwrap();
        let hours = "Mon-Fri 08:00-19:00 Europe/Berlin";
        let (open, shut) = (
            "Mon-Sun 00:00-24:00 Europe/Berlin",
            format!("{} 08:00-19:00 Europe/Berlin", host.date("+3 days", "%a")),
        );
        let policy = |hours_now: &str| {
            host.example("on-call", &[(hours, hours_now), ("5 per 7d", "3 per 7d")]).unwrap()
        };
        calls(&schedule);
        host.policy(&policy(open), Some(&everybody)).unwrap();

        // A clock that nobody vouches for opens nothing by itself.
        alice.ssh("true").is_refused_with("for 1h was opened for you: bob can approve it");
        let waiting = alice.ssh("true").id("R-");
        bob.jit(&format!("deny {waiting} --comment 'the clock first'")).ends_with(0);
        host.root("jitd clock accept").ends_with(0);

        // On call: in at once, and the record says what the rule saw.
        alice.ssh("echo in").is_in().says("in");
        let grant = alice.jit("grants --json").id("G-");
        let in_by_rule = format!(
            "decision=allow reason=granted user=alice as=alice service=ssh host=web-1 rhost=127.0.0.1 tty=ssh grant={grant}"
        );
        tells(&host, "info", &[&in_by_rule, "approved_by=rule:on-call"]);
        let saw = "saw=\"alice is on call by primary at level 1; 0 of 3 per 7d used\"";
        tells(&host, "notice", &["change=approved actor=rule:on-call", &grant, saw]);
        alice.ssh("sudo -n id -un").is_in().says("root");
        bob.jit("grants").says(&grant);
        // In working hours, for anybody of the team.
        erin.ssh("true").is_in();
        // Outside of them people decide.
        host.policy(&policy(&shut), Some(&everybody)).unwrap();
        erin.ssh("sudo -n true")
            .is_refused_with("is for ssh, not for sudo. Request R-")
            .says("for 1h was opened for you: bob can approve it. Then try again.");

        // A schedule that is old, broken or says another name lets nobody in by itself.
        let asks_people = |why: &str| {
            let asked = alice.jit("request --service su --for 20m --reason 'the disk is full'");
            assert!(
                asked.out.contains("is open") && asked.out.contains("bob can approve it"),
                "{why}: {asked:#?}"
            );
            alice.jit(&format!("cancel {}", asked.id("R-"))).ends_with(0);
        };
        host.root("touch -d '-25 hours' /etc/jitd/oncall.toml").ends_with(0);
        asks_people("a stale schedule");
        calls("[[shift]]\nwho = alice\n");
        asks_people("a broken schedule");
        host.root("rm /etc/jitd/oncall.toml").ends_with(0);
        asks_people("no schedule");
        calls(&schedule.replace("\"alice\"", "\"carol@example.org\""));
        asks_people("somebody else's shift");
        calls(&schedule);
        alice.jit("request --service su --for 20m --reason 'the disk is full'").ends_with(0).says(
            "was approved by the rule itself (alice is on call by primary at level 1; 2 of 3 per 7d used)",
        );
        // Three times in a week, then people are asked again; after a while others may answer for them.
        let asked = alice.jit("request --service ssh,su --for 20m --reason 'the disk is full'");
        asked.ends_with(0).says("bob can approve it");
        let request = asked.id("R-");
        carol
            .jit(&format!("approve {request}"))
            .ends_with(1)
            .says(&format!("carol may not review request {request}: bob can"));
        // Bob's phone is off. After a while his place is taken: by alice's manager, who is bob too, then by security.
        let quick = policy(&shut).replace("\"15m\"", "\"1s\"").replace("\"30m\"", "\"2s\"");
        host.policy(&quick, Some(&everybody)).unwrap();
        host.soon("carol may too", || bob.jit(&format!("show {request} --json")).out.contains("\"carol\""));
        carol.jit(&format!("approve {request}")).ends_with(0);
        tells(&host, "notice", &[&format!("change=escalated actor=clock request={request}")]);

        break_glass(&host, &alice, &bob, &carol, &everybody);
    }

    #[test]
    fn a_small_team_approves_one_another_and_whoever_leaves_it_is_out() {
        let host = Host::gated("web-1").unwrap();
        host.root("groupadd dev; groupadd leads");
        let alice = host.person("alice", &["dev", "staff"]).unwrap();
        let bob = host.person("bob", &["leads"]).unwrap();
        let carol = host.person("carol", &["dev"]).unwrap();
        let mallory = host.person("mallory", &[]).unwrap();
        host.jitd_is_up();

        // The package brings a policy; another one is a file until root applies it.
        host.root("jit status").says("nobody can approve");
        host.root("cp /usr/share/doc/jitd/examples/small-team.toml /etc/jitd/policy.toml").ends_with(0);
        host.root("jit status").says("! /etc/jitd/policy.toml differs from the policy in force, version 0");
        alice.ssh("true").is_refused_with(
        "No request was opened: nobody could approve this: rule \"approved\" needs 1 of group jit-approvers",
    );
        host.root("jit policy apply").ends_with(0).says("+id = \"team\"").says("Version 1 is in force.");
        host.root("jit policy apply").ends_with(0).says("Version 1 is in force already");
        tells(&host, "notice", &["change=policy_applied actor=root", "version=1"]);

        // Each of the team could approve, so each comes in. One asks by trying sudo, another agrees.
        let refused = alice.ssh("sudo -n true");
        refused
            .is_refused_with("jit: alice holds no grant for sudo on web-1. Request R-")
            .says("for 1h was opened for you: bob or carol can approve it. Then try again.");
        let grant = approve(&carol, &refused);
        alice.ssh("sudo -n id -un").is_in().says("root");
        mallory.ssh("true").is_refused_with(
        "jit: mallory holds no grant for ssh on web-1. No request was opened: no rule is for mallory: whoever keeps the policy can add one.",
    );
        // Only root changes the policy.
        for person in [&alice, &bob] {
            person
            .jit("policy apply")
            .ends_with(1)
            .says("only an administrator puts a policy in force: root on one machine, who has the role admin on a hub");
        }
        alice.jit("policy show").ends_with(0).says("id = \"team\"").says("applied by root");

        // More time on the same grant, in the same session.
        let mut shell = alice.terminal("");
        shell.exp_string("alice@web-1").unwrap();
        let before = end_of(&alice, &grant);
        shell.send_line("jit extend --for 30m --reason 'the copy still runs'").unwrap();
        shell.exp_string("was approved by the rule itself (extension 1 of 1)").unwrap();
        shell.exp_string(&grant).unwrap();
        assert_eq!(end_of(&alice, &grant) - before, 30 * 60);
        alice
            .jit("extend --for 30m --reason 'and still runs'")
            .ends_with(1)
            .says(&format!("grant {grant} was extended once, as often as it can be: ask for a new one"));

        // A policy that gives less denies what waits for more, and says so.
        let request = alice.jit("request --service su --reason 'an old habit'").ends_with(0).id("R-");
        let who = "who = { groups = [\"dev\", \"leads\"] }";
        let less = format!("{who}\nwhat = {{ services = [\"ssh\", \"sudo\"] }}");
        let team = host.example("small-team", &[(who, &less)]).unwrap();
        let applied = host.policy(&team, None).unwrap();
        applied.says("+what = { services = [\"ssh\", \"sudo\"] }").says("Version 2 is in force.");
        let denied =
            format!("change=denied actor=policy request={request} person=alice services=su hosts=web-1");
        let why = "comment=\"no rule covers all of this: rule \\\"team\\\" comes nearest, but not for su\"";
        tells(&host, "notice", &[&denied, why]);
        alice.jit(&format!("show {request}")).says("is denied");
        bob.jit(&format!("approve {request}"))
        .ends_with(5)
        .says(&format!("request {request} is already denied by the policy (no rule covers all of this: rule \"team\" comes nearest"));
        alice
            .jit("request --service su --reason 'an old habit'")
            .ends_with(1)
            .says("no rule covers all of this: rule \"team\" comes nearest, but not for su");
        alice.ssh("sudo -n id -un").is_in().says("root");

        // Who leaves the team loses what the team gave, in the middle of it.
        host.root("gpasswd -d alice dev").ends_with(0);
        let why = "comment=\"alice is no longer one of those that rule \\\"team\\\" is for\"";
        tells(&host, "notice", &[&format!("change=revoked actor=policy grant={grant}"), why]);
        shell.send_line("sudo -n id -un").unwrap();
        shell.exp_string(&format!("jit: grant {grant} was revoked by the policy")).unwrap();
        shell.exp_string("no rule is for alice").unwrap();
        shell.send_line("exit").unwrap();
        alice
            .ssh("true")
            .is_refused_with("jit: alice holds no grant for ssh on web-1.")
            .says("no rule is for alice");
    }

    #[test]
    fn contractors_come_from_one_address_and_automation_without_asking() {
        let host = Host::gated("web-1").unwrap();
        let alice = host.person("alice", &["staff"]).unwrap();
        let bob = host.person("bob", &[]).unwrap();
        let dave = host.person("dave", &["staff"]).unwrap();
        host.jitd_is_up();
        host.policy(&host.example("contractors", &[]).unwrap(), Some(&people(&host))).unwrap();

        // He knocks; alice, his manager, comes in to agree.
        let refused = ssh_from(&dave, "127.0.0.2", "true");
        refused
            .is_refused_with("jit: dave holds no grant for ssh on web-1. Request R-")
            .says("for 2h was opened for you: alice can approve it. Then try again.");
        ssh_from(&dave, "127.0.0.2", "true")
            .is_refused_with(&format!("Request {} already waits", refused.id("R-")));
        let elsewhere = ssh_from(&dave, "127.0.0.3", "true");
        assert_ne!(elsewhere.id("R-"), refused.id("R-"), "an approval for one address is none for another");
        alice.jit("request --user dave --reason 'he phoned me and said so'").ends_with(1).says("pins access to the client address that asks, and there is none here: run ssh, and let the refused login ask");
        let grant = alice
            .jit(&format!("approve {} --for 1h", refused.id("R-")))
            .says("1h from the first use")
            .id("G-");
        alice.jit(&format!("deny {} --comment 'not from there'", elsewhere.id("R-"))).ends_with(0);

        // From there alone; the first login starts the clock; one session at once; ssh alone.
        ssh_from(&dave, "127.0.0.4", "true")
            .is_refused_with(&format!("jit: grant {grant} is pinned to another client address"));
        alice.jit(&format!("show {grant}")).says("is unclaimed");
        ssh_from(&dave, "127.0.0.2", "true").is_in();
        alice.jit(&format!("show {grant}")).says("is active");
        ssh_from(&dave, "127.0.0.2", "sudo -n true").is_refused_with(&format!(
        "jit: grant {grant} is for ssh, not for sudo. No request was opened: no rule covers all of this: rule \"contractors\" comes nearest, but not for sudo."
    ));
        let mut held = dave.terminal_from("127.0.0.2", "");
        held.exp_string("dave@web-1").unwrap();
        ssh_from(&dave, "127.0.0.2", "true")
            .is_refused_with(&format!("jit: grant {grant} carries 1 session already, and no more at once"));
        held.send_line("exit").unwrap();
        held.exp_eof().unwrap();
        host.soon("his session is closed", || ssh_from(&dave, "127.0.0.2", "true").code == 0);

        // A machine logs in every night: no request, one address.
        host.root("ip addr add 10.0.0.5/32 dev lo; usermod -s /bin/bash backup").ends_with(0);
        let backup = host.person("backup", &[]).unwrap();
        ssh_from(&backup, "10.0.0.5", "true").is_refused_with("backup holds no grant for ssh on web-1");
        let until = host.date("+30 days", "%F");
        let automation = host.example("automation", &[("2027-01-31", &until)]).unwrap();
        host.policy(&automation, Some(&people(&host))).unwrap();
        ssh_from(&backup, "10.0.0.5", "echo saved").is_in().says("saved");
        let in_by_rule = "reason=granted user=backup as=backup service=ssh host=web-1 rhost=10.0.0.5";
        tells(&host, "info", &[in_by_rule, "approved_by=rule:backup"]);
        let grant = host.root("jit grants --user backup --json").id("G-");
        ssh_from(&backup, "127.0.0.1", "true").is_refused_with(&format!(
        "jit: grant {grant} is pinned to another client address. No request was opened: no rule is for backup: whoever keeps the policy can add one."
    ));
        bob.jit("request --user backup --service sudo --reason 'restore as root'")
            .ends_with(1)
            .says("no rule is for backup");
        // Over a restart of the daemon and of its policy it stays the same one.
        host.root("systemctl restart jitd; jit policy apply").ends_with(0);
        assert_eq!(host.root("jit grants --user backup --json").id("G-"), grant);
        // Taken out of the policy, it is out.
        let (before, rest) = automation.split_once("[[rule]]").unwrap();
        let (_, others) = rest.split_once("[[rule]]").unwrap();
        host.policy(&format!("{before}[[rule]]{others}"), Some(&people(&host))).unwrap();
        ssh_from(&backup, "10.0.0.5", "true")
            .is_refused_with(&format!("jit: grant {grant} was revoked by the policy"));
    }
}
