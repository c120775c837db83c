//! The life of requests and grants, as people live it.

use testbed::Host;

#[test]
fn a_grant_ends_by_itself_and_reconnecting_never_adds_time() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    let request = alice.ssh("true").id("R-");
    let grant = bob.jit(&format!("approve {request} --for 6s --comment 'be quick'")).id("G-");
    alice.ssh("true").is_in();
    let ends = |seen: testbed::Seen| {
        let after = seen.out.split("\"ends\":").nth(1).expect("when it ends");
        after.split(',').next().map(str::to_owned)
    };
    let first = ends(bob.jit(&format!("show {grant} --json")));
    alice.ssh("true").is_in();
    assert_eq!(ends(bob.jit(&format!("show {grant} --json"))), first, "the end stays where it was");
    alice.jit("check alice").says("Would be let in (granted)");
    // Not one that was let in at the last moment and ended: the refusal opens the request that is named below.
    host.soon("the grant is over", || alice.ssh("true").err.contains("R-"));
    bob.jit("check alice").says(&format!("grant {grant} for ssh ended")).says("Next: jit show R-");
    host.soon("its end is recorded", || {
        host.log_lines().iter().any(|l| l.contains(&format!("change=expired actor=clock grant={grant}")))
    });
}

#[test]
fn a_first_use_grant_waits_for_its_first_use() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    host.policy(
        "[[rule]]\nid = \"first-use\"\ntime = { default = \"20m\", clock = \"first-use\", claim_by = \"1h\" }\napprove = [{ from = [\"group:jit-approvers\"] }]\n",
        None,
    )
    .unwrap();
    let request = alice.ssh("true").id("R-");
    let approved = bob.jit(&format!("approve {request} --for 5s"));
    let grant = approved.says("5s from the first use").id("G-");
    // Asking is no use.
    bob.jit("check alice").says("Would be let in");
    bob.jit(&format!("show {grant}")).says("is unclaimed");
    alice.ssh("true").is_in();
    bob.jit(&format!("show {grant}")).says("is active");
    // The clock that the first use started goes on over a restart and a crash of the daemon.
    host.root("systemctl restart jitd");
    host.root("systemctl kill -s KILL jitd");
    host.soon("the grant is over", || alice.ssh("true").code == 255);
    bob.jit(&format!("show {grant}")).says("is expired");
}

#[test]
fn nobody_approves_their_own_request_under_any_name() {
    let host = Host::gated("web-1").unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let carol = host.person("carol", &["jit-approvers"]).unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    host.person("dave", &["jit-approvers"]).unwrap();
    // A second name of the same person.
    host.root("useradd -o -u $(id -u bob) -g bob -d /home/bob -s /bin/bash -G jit-approvers bob2")
        .ends_with(0);
    host.jitd_is_up();

    let own = bob.jit("request --service sudo --reason 'my own'");
    own.ends_with(0).says("carol or dave can approve it");
    let own = own.id("R-");
    bob.jit(&format!("approve {own}")).ends_with(1).says("is yours or gives you access");
    bob.ssh_as("bob2", &format!("jit approve {own}")).ends_with(1).says("is yours or gives you access");
    bob.ssh_as("bob2", "jit status").says("you       bob (approver)");
    // Asked for by another, for the approver: still theirs.
    let for_carol = bob.jit("request --service sudo --user carol --reason 'she is on call'").id("R-");
    bob.jit(&format!("approve {for_carol}")).ends_with(1).says("is yours or gives you access");
    carol.jit(&format!("approve {for_carol}")).ends_with(1).says("is yours or gives you access");
    carol.jit(&format!("approve {own}")).ends_with(0);
    // Who is no approver may not, and does not even see it.
    let other = carol.jit("request --service sudo --reason 'something'").id("R-");
    bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
    alice.jit(&format!("show {other}")).ends_with(4).says("no request");
    alice.jit(&format!("approve {other}")).ends_with(4);
    alice.jit("requests --all --json").ends_with(0);
    assert!(!alice.jit("requests --all --json").out.contains(&other));
}

#[test]
fn a_review_counts_only_from_the_persons_own_login() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
    bob.jit(&format!("approve {}", alice.ssh("sudo -n true").id("R-"))).ends_with(0);
    // Whom else than root is for a rule to say.
    host.policy(
        "[[rule]]\nid = \"anybody\"\nwhat = { run_as = [\"*\"] }\napprove = [{ from = [\"group:jit-approvers\"] }]\n",
        None,
    )
    .unwrap();
    let as_bob = alice.jit("request --service sudo --as bob --reason 'be bob'");
    bob.jit(&format!("approve {}", as_bob.id("R-"))).ends_with(0);

    let wanted = alice.jit("request --service su --reason 'more'").id("R-");
    let tries = [
        format!("sudo -n -u bob jit approve {wanted}"),
        format!("sudo -n su bob -c 'jit approve {wanted}'"),
        format!("sudo -n jit approve {wanted}"),
        format!("sudo -n systemd-run --quiet --wait --pipe --uid=bob jit approve {wanted}"),
        format!("sudo -n setpriv --reuid=bob --clear-groups jit approve {wanted}"),
    ];
    for command in &tries {
        let seen = alice.ssh(command);
        assert_ne!(seen.code, 0, "{seen:?}");
        seen.says("this review does not count");
    }
    // What runs by itself in bob's name can be started by whoever becomes bob for a moment.
    std::fs::write(
        host.path("usr/local/bin/review"),
        format!("#!/bin/sh\njit approve {wanted} > /var/tmp/$1 2>&1; echo exit $? >> /var/tmp/$1\n"),
    )
    .unwrap();
    host.root("chmod 755 /usr/local/bin/review; loginctl enable-linger bob").ends_with(0);
    host.soon("bob's user manager runs", || {
        host.root("systemctl is-active user@$(id -u bob)").out.trim() == "active"
    });
    alice.ssh("echo '@reboot /usr/local/bin/review cron' | sudo -n -u bob crontab -").ends_with(0);
    host.cron_runs();
    alice.ssh("cd /; echo '/usr/local/bin/review at' | sudo -n -u bob at -M now").ends_with(0);
    alice
        .ssh("sudo -n -u bob env XDG_RUNTIME_DIR=/run/user/$(id -u bob) systemd-run --user --quiet /usr/local/bin/review user")
        .ends_with(0);
    for (by, under) in [("cron", "cron.service"), ("at", "atd.service"), ("user", "user@")] {
        let said = || std::fs::read_to_string(host.path(&format!("var/tmp/{by}"))).unwrap_or_default();
        host.soon("it ran", || said().contains("exit "));
        let said = said();
        assert!(said.contains("this review does not count: this process runs under"), "{by}: {said}");
        assert!(said.contains(under) && said.ends_with("exit 1\n"), "{by}: {said}");
        assert_eq!(
            host.root(&format!("stat -c %U /var/tmp/{by}")).out,
            "bob\n",
            "it was bob, for the kernel"
        );
    }
    // What a service runs in bob's name, for his .forward say, has no login id and may give itself his.
    std::fs::write(
        host.path("usr/local/bin/deliver"),
        "#!/bin/sh\necho $(id -u) > /proc/self/loginuid\n".to_owned()
            + "echo login id $(cat /proc/self/loginuid) > /var/tmp/mail.id\nexec /usr/local/bin/review mail\n",
    )
    .unwrap();
    host.root("chmod 755 /usr/local/bin/deliver; systemd-run --quiet --wait --unit=mail --uid=bob /usr/local/bin/deliver");
    let said = std::fs::read_to_string(host.path("var/tmp/mail")).unwrap_or_default();
    assert!(said.contains("this review does not count: this process runs under mail.service"), "{said}");
    assert_eq!(host.root("cat /var/tmp/mail.id").out, format!("login id {}", host.root("id -u bob").out));
    bob.jit(&format!("show {wanted}")).says("is pending");
    bob.jit(&format!("approve {wanted}")).ends_with(0);
}

#[test]
fn what_people_type_and_read() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let carol = host.person("carol", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    bob.jit("requests").says("No request waits.");
    let request = alice.ssh("true").id("R-");
    bob.jit("requests").says(&request).says("pending").says("ssh on web-1 for 1h");
    bob.jit(&format!("show {}", &request[..6])).says("alice").says(&format!("Next: jit approve {request}"));
    bob.jit(&format!("approve {request} --for 9h")).ends_with(1).says("at most 1h is left");
    bob.jit(&format!("approve {request} --service sudo"))
        .ends_with(1)
        .says("the services left of it are ssh");
    let grant = bob.jit(&format!("approve {request} --for 30m")).id("G-");
    carol
        .jit(&format!("approve {request}"))
        .ends_with(5)
        .says(&format!("request {request} is already approved by bob"));
    carol.jit(&format!("deny {request} --comment no")).ends_with(5);
    alice.jit(&format!("cancel {request}")).ends_with(5);
    alice.jit("grants").says(&grant).says("active").says("bob");
    alice.jit("release G-00000-00000").ends_with(4);
    alice.jit("show nonsense").ends_with(2);
    alice.jit("request --reason ' '").ends_with(2).says("write at least a word");
    alice.jit("request --for 9h --reason x").ends_with(1).says("ask for 8h or less");
    alice.jit("request --for 0m --reason x").ends_with(2).says("is no time at all");
    let denied = alice.jit("request --service sudo --reason 'please'").id("R-");
    carol.jit(&format!("deny {denied} --comment 'not today'")).ends_with(0);
    alice.jit(&format!("show {denied}")).says("is denied").says("not today");
    let cancelled = alice.jit("request --service sudo --reason 'again'").id("R-");
    carol.jit(&format!("cancel {cancelled}")).ends_with(1);
    alice.jit(&format!("cancel {cancelled}")).ends_with(0);
    alice.jit(&format!("release {grant}")).ends_with(0);
    alice.ssh("true").is_refused_with("was released by alice");
    carol
        .jit("check alice --service sudo")
        .says("alice holds no grant for sudo on web-1")
        .says("Next: jit request --service sudo");
    assert!(carol.jit("grants --all --json").out.contains(&grant));
    // The journal is for root here, and whole.
    carol.jit("audit tail").ends_with(1).says("for auditors, operators and root");
    host.root("jit audit verify --witness /var/log/auth.log")
        .ends_with(0)
        .says("none edited, moved or missing")
        .says("of the witness agree");
    host.root("jit audit tail -n 3").ends_with(0).says("seq=");
    host.root("jit audit tail -n 1001").ends_with(2).says("1001 is not in 1..=1000");
    carol.jit("audit export").ends_with(1).says("for auditors, operators and root");
    host.root("jit audit export > /tmp/all && jit audit verify --file /tmp/all --witness /var/log/auth.log")
        .ends_with(0)
        .says("of the witness agree");
    host.root("sed -i 2d /tmp/all; jit audit verify --file /tmp/all").ends_with(1).says("is missing");
    // A journal that was thrown away is whole by itself, and syslog knows better.
    host.jitd_stops();
    host.root("mkdir /root/away; mv /var/lib/jitd/jitd.db* /root/away").ends_with(0);
    host.jitd_starts();
    host.root("jit audit verify").ends_with(0).says("none edited, moved or missing");
    host.soon("syslog knows both", || {
        host.root("jit audit verify --witness /var/log/auth.log").err.contains("that journal was thrown away")
    });
    host.root("echo nothing > /tmp/none; jit audit verify --witness /tmp/none")
        .ends_with(1)
        .says("witnessed none of them");
    host.root("jit completions bash").ends_with(0).says("_jit");
    host.jitd_stops();
    host.root("jit status").ends_with(3).says("is it running?");
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_decision() {
        let host = Host::gated("web-1").unwrap();
        let alice = host.person("alice", &[]).unwrap();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        host.jitd_is_up();
        bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
        let mut terminal = alice.terminal("jit request --service sudo --reason 'the disk' --wait");
        let (_, request) = terminal.exp_regex("R-[0-9A-Z]{5}-[0-9A-Z]{5}").unwrap();
        terminal.exp_string("waiting for bob, another").unwrap();
        bob.jit(&format!("approve {request}")).ends_with(0);
        terminal.exp_string("is active").unwrap();
        terminal.exp_eof().unwrap();
    }
}
