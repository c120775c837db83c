//! Policies looked at and tried before they are applied, over what was really asked.

use testbed::Host;

/// Two must agree to sudo, and nobody gets su.
const STRICTER: &str = r#"
[[rule]]
id = "root"
what = { services = ["sudo"] }
approve = [{ from = ["group:jit-approvers"], need = 2 }]

[[rule]]
id = "in"
what = { services = ["ssh"] }
approve = [{ from = ["group:jit-approvers"] }]
"#;

/// What is expected of it.
const CASES: &str = r#"
policy = "stricter.toml"
people = "people.toml"

[[case]]
name = "two agree to sudo"
user = "alice"
hosts = ["web-1"]
services = ["sudo"]
expect = { rule = "root", steps = 1, approvers = ["bob", "carol"] }

[[case]]
name = "nobody gets su"
user = "alice"
hosts = ["web-1"]
services = ["su"]
expect = { rule = "none" }
"#;

const PEOPLE: &str = "[alice]\n[bob]\ngroups = [\"jit-approvers\"]\n[carol]\ngroups = [\"jit-approvers\"]\n";

#[test]
fn a_policy_is_explained_tried_and_replayed_over_what_was_asked_before_it_is_applied() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.person("carol", &["jit-approvers"]).unwrap();
    host.jitd_is_up();

    // What was asked: a login by trying it, sudo and su by command.
    let login = alice.ssh("true").id("R-");
    bob.jit(&format!("approve {login}")).ends_with(0);
    let sudo = alice.jit("request --service sudo --for 2h --reason 'the disk is full'").id("R-");
    bob.jit(&format!("approve {sudo}")).ends_with(0);
    let su = alice.jit("request --service su --reason 'an old habit'").id("R-");
    bob.jit(&format!("deny {su} --comment 'use sudo'")).ends_with(0);
    let waits = alice.jit("request --service sudo --as bob --reason 'his crontab'").id("R-");

    // What would become of an ask, by the policy in force.
    alice
        .jit("policy explain --service ssh,sudo --for 2h")
        .ends_with(0)
        .says("alice asks for ssh,sudo")
        .says("on web-1 for 2h")
        .says("covered by rule \"approved\"")
        .says("step 1: 1 of group jit-approvers")
        .says("could now: bob or carol")
        .says("approved once 1 person agreed, for 2h");
    alice.jit("policy explain --service ssh --for 9h").ends_with(0).says("refused at once");
    // Of others it is for those to know who have a say about them.
    bob.jit("policy explain --user alice --service sudo").ends_with(0).says("could now: bob or carol");
    bob.jit("policy explain --service sudo").ends_with(0).says("could now: carol");
    alice.jit("policy explain --user bob").ends_with(1).says("what bob could get is for them");
    host.root("jit policy explain --user nobody-here").ends_with(1).says("no account nobody-here");

    // The same of rules that are not in force.
    host.root("install -d -m 755 /srv/policy").ends_with(0);
    for (file, text) in [("stricter.toml", STRICTER), ("cases.toml", CASES), ("people.toml", PEOPLE)] {
        std::fs::write(host.path(&format!("srv/policy/{file}")), text).unwrap();
    }
    alice
        .jit("policy explain --file /srv/policy/stricter.toml --user alice --host web-1 --service sudo")
        .ends_with(0)
        .says("covered by rule \"root\"")
        .says("step 1: 2 of group jit-approvers");
    alice.jit("policy test /srv/policy/cases.toml").ends_with(0).says("2 of 2 cases are met.");
    let wrong = CASES.replace("rule = \"none\"", "rule = \"root\"");
    std::fs::write(host.path("srv/policy/cases.toml"), wrong).unwrap();
    alice
        .jit("policy test /srv/policy/cases.toml")
        .ends_with(1)
        .says("nobody gets su")
        .says("1 of 2 cases are met.");
    alice
        .jit("policy test /usr/share/doc/jitd/examples/on-call.cases.toml")
        .ends_with(0)
        .says("cases are met.");

    // What it would have made of what was asked. That is everybody's, so not for everybody.
    let replay = "policy diff /etc/jitd/policy.toml /srv/policy/stricter.toml --replay 90d";
    alice.jit(replay).ends_with(1).says("a replay looks at everybody's requests");
    let replayed = host.root(&format!("jit {replay}"));
    replayed
        .ends_with(0)
        .says("+id = \"root\"")
        .says("Of 4 past requests 0 would have gone the same way.")
        .says("1  would have needed more people")
        .says("2  would have been refused at once")
        .says("1  would have been covered by another rule, in the same way");
    let rows = |id: &str| replayed.out.lines().filter(|line| line.contains(id)).count();
    assert_eq!([&login, &sudo, &su, &waits].map(|id| rows(id)), [1; 4], "{replayed:?}");
    // Compared to what is in force it is the same, for that is what the file says.
    let to_that = host.root("jit policy diff /srv/policy/stricter.toml --replay 90d --json");
    to_that.ends_with(0).says("\"looked_at\":4");
    host.root("jit policy diff --replay 90d")
        .ends_with(0)
        .says("The two say the same.")
        .says("Of 4 past requests 4 would have gone the same way.");

    // All of that changed nothing.
    host.root("jit policy show").ends_with(0).says("# version 0, shipped with this release");
    bob.jit(&format!("show {waits}")).says("is pending");
    // Until it is applied: then it is so.
    host.policy(STRICTER, Some(PEOPLE)).unwrap().says("Version 1 is in force.");
    alice.jit(&format!("show {waits}")).says("is denied").says("no rule covers all of this");
    alice.jit("policy explain --service sudo").ends_with(0).says("step 1: 2 of group jit-approvers");
    alice.jit("policy explain --service su").ends_with(0).says("refused at once: no rule covers all of this");
}
