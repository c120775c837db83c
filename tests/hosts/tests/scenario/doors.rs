//! Every door that sshd, sudo and su know, with and without a grant.

use testbed::{Host, PASSWORD, Person, Seen};

/// Opens the door that this refusal closed: the approver approves the request that it opened.
fn approve(bob: &Person<'_>, refused: &Seen) -> String {
    let request = refused.id("R-");
    let approved = bob.jit(&format!("approve {request}"));
    approved.ends_with(0);
    approved.id("G-")
}

#[test]
fn a_host_without_the_gate_lets_people_in() {
    let host = Host::boot("plain").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    alice.ssh("sudo -n id -un").is_in().says("root");
    alice.scp("/etc/hostname").is_in();
    alice.sftp("/etc/hostname").is_in();
    for method in ["password", "keyboard-interactive"] {
        let mut terminal = alice.terminal_by(method, "echo came in by $SHELL");
        terminal.exp_string("assword:").unwrap();
        terminal.send_line(PASSWORD).unwrap();
        terminal.exp_string("came in by /bin/bash").unwrap();
    }
}

#[test]
fn installing_the_package_changes_no_login() {
    let host = Host::boot("fresh").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let before = host.root("sha256sum /etc/pam.d/* /etc/ssh/sshd_config /etc/sudoers").out;
    host.install(&testbed::package("jitd").unwrap()).unwrap();
    assert_eq!(host.root("sha256sum /etc/pam.d/* /etc/ssh/sshd_config /etc/sudoers").out, before);
    alice.ssh("sudo -n id -un").is_in().says("root");
    host.jitd_is_up();
    // With a PAM line in place the package does not go, for it would lock everybody out.
    host.gate("sshd", "").unwrap();
    host.root("dpkg -r jitd").ends_with(1).says("call pam_jit.so").says("/etc/pam.d/sshd");
}

#[test]
fn every_way_in_over_ssh_is_refused_without_a_grant_and_open_with_one() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();

    let why = "alice holds no grant for ssh on web-1";
    let status = host.root("jit status");
    assert!(!status.out.contains("pam.d"), "the manual's lines are no reason to warn: {status:?}");
    let refused = alice.ssh("true");
    refused.is_refused_with(why).is_refused_with("was opened for you: bob can approve it").ends_with(255);
    alice.ssh("").is_refused_with("already waits");
    alice.scp("/etc/hostname").is_refused_with(why);
    alice.sftp("/etc").is_refused_with(why);
    alice.ssh_with(&["-o", "BatchMode=yes", "-N", "-L", "12345:127.0.0.1:22"], "").is_refused_with(why);
    for method in ["password", "keyboard-interactive"] {
        let mut terminal = alice.terminal_by(method, "true");
        terminal.exp_string("assword:").unwrap();
        terminal.send_line(PASSWORD).unwrap();
        terminal.exp_string(why).unwrap();
        let rest = terminal.exp_eof().unwrap();
        assert!(!rest.contains("jit:"), "one line, once: {rest}");
    }
    let asked = host.log_lines().iter().filter(|line| line.starts_with("change=requested")).count();
    assert_eq!(asked, 1, "an equal request is pointed at, not repeated");

    approve(&bob, &refused);
    alice.ssh("echo in").is_in().says("in");
    alice.ssh("cat /no/such/file").ends_with(1);
    alice.scp("/etc/hostname").is_in();
    alice.sftp("/etc").is_in();
    let forward =
        ["-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-f", "-N", "-L", "12345:127.0.0.1:22"];
    alice.ssh_with(&forward, "").is_in();
    assert!(host.root("ss -ltnH sport = :12345").out.contains("12345"), "the forward listens");
    for method in ["password", "keyboard-interactive"] {
        let mut terminal = alice.terminal_by(method, "echo came in");
        terminal.exp_string("assword:").unwrap();
        terminal.send_line(PASSWORD).unwrap();
        let seen = terminal.exp_string("came in").unwrap();
        assert!(!seen.contains("jit:"), "quiet on success: {seen}");
    }
    let mut shell = alice.terminal("");
    shell.exp_string("alice@web-1").unwrap();
    shell.send_line("logout").unwrap();
    shell.exp_eof().unwrap();
}

#[test]
fn a_login_that_takes_a_key_and_a_password_too_is_gated_after_both() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    let refused = alice.ssh("true");
    refused.is_refused_with("alice holds no grant for ssh");
    std::fs::write(
        host.path("etc/ssh/sshd_config.d/both.conf"),
        "Match User alice\n  AuthenticationMethods publickey,keyboard-interactive:pam\n",
    )
    .unwrap();
    // A restart, unlike a reload, comes back only when sshd listens again.
    host.root("systemctl restart ssh").ends_with(0);
    alice.ssh("true").says("Permission denied (keyboard-interactive)");
    let both = |password: &str| {
        let mut terminal = alice.terminal_by_key_and_password("echo came in by $SHELL");
        terminal.exp_string("assword:").unwrap();
        terminal.send_line(password).unwrap();
        terminal
    };
    both(PASSWORD).exp_string("alice holds no grant for ssh on web-1").unwrap();
    approve(&bob, &refused);
    let mut terminal = both(PASSWORD);
    let seen = terminal.exp_string("came in by /bin/bash").unwrap();
    assert!(!seen.contains("jit:"), "quiet on success: {seen}");
    both("another").exp_string("assword:").unwrap();
}

#[test]
fn where_somebody_comes_from_is_not_theirs_to_write() {
    let host = Host::gated("web-1").unwrap();
    let (alice, _bob) = hosts::asking::granted(&host);
    // Debian 12 has such a line before the gate's; what it reads from a home goes over what sshd says.
    let lines = "SSH_CONNECTION DEFAULT=10.0.0.5\nREAD_FROM_HOME DEFAULT=yes\n";
    std::fs::write(host.path("home/alice/.pam_environment"), lines).unwrap();
    host.root("chown alice: /home/alice/.pam_environment").ends_with(0);
    host.root("sed -i '1i session required pam_env.so user_readenv=1' /etc/pam.d/sshd").ends_with(0);
    let comes_from = |address: &str| {
        let told = format!("\"address\":\"{address}\"");
        let seen = alice.ssh_with(
            &["-o", "BatchMode=yes", "-b", address],
            "echo home=$READ_FROM_HOME; jit sessions --json; sudo -n true",
        );
        seen.is_in().says("home=yes").says(&told);
    };
    comes_from("127.0.0.2");
    // What is asked for from inside comes from there, too.
    alice
        .ssh_with(
            &["-o", "BatchMode=yes", "-b", "127.0.0.2"],
            "jit request --service su --reason 'to see where from' --json",
        )
        .says("\"source\":\"127.0.0.2\"");
    // Where sshd tells PAM a name, that of the account phase counts, also where a child of sshd asked for it.
    host.root("sed -i 's/^UseDNS no/UseDNS yes/' /etc/ssh/sshd_config.d/test.conf && systemctl restart ssh")
        .ends_with(0);
    comes_from("127.0.0.1");
    let mut terminal =
        alice.terminal_by("keyboard-interactive", "echo home=$READ_FROM_HOME; jit sessions --json");
    terminal.exp_string("assword:").unwrap();
    terminal.send_line(PASSWORD).unwrap();
    terminal.exp_string("home=yes").unwrap();
    terminal.exp_string("\"address\":\"127.0.0.1\"").unwrap();
    terminal.exp_eof().unwrap();
    let forged = |line: &String| line.contains("10.0.0.5");
    assert!(!host.log_lines().iter().any(forged), "{:#?}", host.log_lines());
}

#[test]
fn the_record_has_client_and_terminal_as_sshd_tells_them() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    let from = |address: &str, options: &[&str], command: &str| {
        alice.ssh_with(&[&["-o", "BatchMode=yes", "-b", address], options].concat(), command)
    };
    let refused = from("127.0.0.7", &[], "true");
    approve(&bob, &refused);
    approve(&bob, &alice.ssh("sudo -n true"));
    from("127.0.0.8", &[], "sudo -n true").is_in();
    let mut shell = alice.terminal_from("127.0.0.9", "");
    shell.exp_string("alice@web-1").unwrap();
    shell.send_line("tty; sudo -n echo became $(id -un root)").unwrap();
    let (_, tty) = shell.exp_regex("/dev/pts/[0-9]+").unwrap();
    shell.exp_string("became root").unwrap();
    shell.send_line("exit").unwrap();
    // sshd says "ssh" with a terminal and without (PAM_TTY), and sudo its terminal, if there is one.
    for told in [
        "decision=deny reason=no_grant user=alice as=alice service=ssh host=web-1 rhost=127.0.0.7 tty=ssh "
            .to_owned(),
        "decision=allow reason=granted user=alice as=alice service=ssh host=web-1 rhost=127.0.0.8 tty=ssh "
            .to_owned(),
        "decision=allow reason=granted user=alice as=root service=sudo host=web-1 rhost=\"\" tty=\"\" "
            .to_owned(),
        "decision=allow reason=granted user=alice as=alice service=ssh host=web-1 rhost=127.0.0.9 tty=ssh "
            .to_owned(),
        format!(
            "decision=allow reason=granted user=alice as=root service=sudo host=web-1 rhost=\"\" tty={tty} "
        ),
    ] {
        let lines = host.log_lines();
        assert!(lines.iter().any(|line| line.contains(&told)), "{told:?} is not in {lines:#?}");
    }
}

#[test]
fn root_over_ssh_is_like_anyone_and_a_shared_name_can_be_asked_for() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let spare = host.person("rescue", &[]).unwrap();
    host.jitd_is_up();
    let refused = alice.ssh_as("root", "true");
    refused.is_refused_with("root holds no grant for ssh on web-1");

    approve(&bob, &alice.ssh("true"));
    let asked = alice.jit("request --service ssh --as root --for 30m --reason 'restore the backup'");
    asked.ends_with(0).says("ssh as root on web-1 for 30m");
    let approved = bob.jit(&format!("approve {}", asked.id("R-")));
    approved.ends_with(0);
    alice.ssh_as("root", "id -un").is_in().says("root");
    alice.ssh("true").is_in();
    let grant = approved.id("G-");
    let carried: Vec<String> = host
        .log_lines()
        .into_iter()
        .filter(|line| line.starts_with("decision=allow") && line.contains("user=root"))
        .filter(|line| line.contains(&format!("grant={grant}")))
        .collect();
    assert_eq!(carried.len(), 2, "account and session name the grant of the person who asked: {carried:?}");

    // A spare key needs nothing, and is never quiet.
    spare.ssh("sudo -n id -un").is_in().says("root");
    host.soon("the spare key is told", || {
        host.log_lines().iter().filter(|line| line.contains("reason=spare_key user=rescue")).count() >= 2
    });
}

#[test]
fn every_way_of_sudo_and_su_is_a_door_of_its_own() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let carol = host.person("carol", &["sudo"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    for person in [&alice, &carol] {
        approve(&bob, &person.ssh("true"));
    }

    for command in [
        "sudo -n true",
        "sudo -n -i true",
        "sudo -n -s true",
        "sudo -n -l",
        "sudo -n -v",
        "SUDO_EDITOR=true sudo -n -e /etc/hostname",
        "sudo -n -u bob true",
    ] {
        let seen = alice.ssh(command);
        seen.is_refused_with("is for ssh, not for sudo");
    }
    // What is captured from a refused sudo is nothing of ours.
    let captured = alice.ssh("x=$(sudo -n true); echo \"[$x]\"");
    captured.says("[]");
    // With a password, on a terminal; the right password changes nothing.
    let mut terminal = carol.terminal("sudo id -un");
    terminal.exp_string("assword").unwrap();
    terminal.send_line(PASSWORD).unwrap();
    terminal.exp_string("is for ssh, not for sudo").unwrap();
    // On a terminal they are asked why; who says nothing is refused, and the command did not run.
    terminal.exp_string("Reason: ").unwrap();
    terminal.send_line("").unwrap();
    terminal.exp_string("jit: nothing was asked for.").unwrap();
    let rest = terminal.exp_eof().unwrap();
    assert!(!rest.contains("root"), "{rest}");

    approve(&bob, &alice.ssh("sudo -n true"));
    for command in [
        "sudo -n true",
        "sudo -n -i true",
        "sudo -n -s true",
        "sudo -n -l",
        "sudo -n -v",
        "SUDO_EDITOR=true sudo -n -e /etc/hostname",
    ] {
        alice.ssh(command).is_in();
    }
    alice.ssh("sudo -n id -un").says("root");
    // The grant is to become root; whom else is known only when the session opens.
    let other = alice.ssh("sudo -n -u bob id");
    other.is_refused_with("is for sudo as root");
    assert!(!other.out.contains("uid="), "the command did not run: {other:?}");
    // Whom else than root is for a rule to say.
    host.policy(
        "[[rule]]\nid = \"anybody\"\nwhat = { run_as = [\"*\"] }\napprove = [{ from = [\"group:jit-approvers\"] }]\n",
        None,
    )
    .unwrap();
    let asked = alice.jit("request --service sudo --as bob --for 10m --reason 'look at his files'");
    bob.jit(&format!("approve {}", asked.id("R-"))).ends_with(0);
    alice.ssh("sudo -n -u bob id -un").is_in().says("bob");
}

#[test]
fn a_grant_to_become_somebody_opens_no_file_of_roots_and_no_group() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    host.policy(
        "[[rule]]\nid = \"anybody\"\nwhat = { run_as = [\"*\"] }\napprove = [{ from = [\"group:jit-approvers\"] }]\n",
        None,
    )
    .unwrap();
    approve(&bob, &alice.ssh("true"));
    let asked = alice.jit("request --service sudo --as bob --for 10m --reason 'look at his files'");
    bob.jit(&format!("approve {}", asked.id("R-"))).ends_with(0);
    alice.ssh("sudo -n -u bob id -un").is_in().says("bob");
    host.root("find /var/tmp -type f -delete").ends_with(0);
    // An editor that never ends would keep the copy there, if one was made.
    let keeps = "SUDO_EDITOR='cp -t /var/tmp/kept'";
    host.root("mkdir -m 1777 /var/tmp/kept").ends_with(0);
    for command in [
        "sudo -n -e /etc/shadow",
        "sudo -n --edit -- /etc/shadow",
        "sudo -ne -u root /etc/shadow",
        "sudo -n -e -u '#0' /etc/shadow",
        "sudoedit -n /etc/shadow",
        "sudo -n sudoedit /etc/shadow",
        "SHELL=/tmp/sudoedit sudo -n -s /etc/shadow",
        "sudo -n -e -u bob -g root /etc/shadow",
    ] {
        alice.ssh(&format!("{keeps} {command}")).is_refused_with("is for sudo as bob");
        assert_eq!(host.root("find /var/tmp -type f").out, "", "{command}");
    }
    for command in ["sudo -n -u bob -g root true", "sudo -n -g root true", "sudo -n -u bob --group=root true"]
    {
        alice.ssh(command).is_refused_with("is for sudo as bob");
    }
    host.root("install -o bob -m 600 /dev/null ~bob/mine").ends_with(0);
    alice.ssh("SUDO_EDITOR=true sudo -n -e -u bob ~bob/mine").is_in();
    // What is root's needs no grant.
    host.root("SUDO_EDITOR=true sudo -n -e /etc/hostname && sudo -n -u bob -g root true").ends_with(0);
}

#[test]
fn neither_a_cached_timestamp_nor_roots_password_is_a_grant() {
    let host = Host::gated("web-1").unwrap();
    let carol = host.person("carol", &["sudo"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    approve(&bob, &carol.ssh("true"));
    let mut shell = carol.terminal("");
    shell.exp_string("carol@web-1").unwrap();
    shell.send_line("sudo id -un").unwrap();
    shell.exp_string("assword").unwrap();
    shell.send_line(PASSWORD).unwrap();
    shell.exp_string("Reason: ").unwrap();
    shell.send_line("").unwrap();
    shell.exp_string("jit: nothing was asked for.").unwrap();
    shell.exp_string("carol@web-1").unwrap();
    // What was refused left no timestamp either.
    shell.send_line("sudo id -un").unwrap();
    shell.exp_string("assword").unwrap();
    shell.send_line(PASSWORD).unwrap();
    shell.exp_string("Reason: ").unwrap();
    shell.send_line("see who I am").unwrap();
    shell.exp_string("For how long [1h]: ").unwrap();
    shell.send_line("").unwrap();
    let (_, id) = shell.exp_regex("R-[0-9A-Z]{5}-[0-9A-Z]{5}").unwrap();
    let grant = bob.jit(&format!("approve {id}")).id("G-");
    shell.exp_string("root").unwrap();
    // What is typed while sudo still has the terminal can be thrown away.
    shell.exp_string("carol@web-1").unwrap();
    shell.send_line("sudo -n echo the password is $((1 + 1))-times cached").unwrap();
    shell.exp_string("2-times cached").unwrap();
    bob.jit(&format!("revoke {grant} --reason 'done'")).ends_with(0);
    shell.send_line("sudo -n echo cached").unwrap();
    shell.exp_string(&format!("grant {grant} was revoked by bob")).unwrap();
    shell.send_line("exit").unwrap();

    // rootpw makes sudo ask for root's password; the subject stays the invoker, with a grant and without.
    host.root("echo 'Defaults:carol rootpw' > /etc/sudoers.d/rootpw; echo 'root:battery staple' | chpasswd")
        .ends_with(0);
    let by_root = |command: &str| {
        let mut terminal = carol.terminal(command);
        terminal.exp_string("assword").unwrap();
        terminal.send_line("battery staple").unwrap();
        terminal
    };
    by_root("sudo id -un").exp_string("revoked by bob").unwrap();
    let asked = carol.jit("request --service sudo --for 10m --reason 'with the password of root'");
    let grant = bob.jit(&format!("approve {}", asked.id("R-"))).ends_with(0).id("G-");
    by_root("sudo echo became $((40 + 2))").exp_string("became 42").unwrap();
    let carried =
        "decision=allow reason=granted user=carol as=root service=sudo host=web-1 rhost=\"\" tty=/dev/pts/";
    host.soon("it is carol's grant that carried it", || {
        host.log_lines()
            .iter()
            .any(|line| line.starts_with(carried) && line.contains(&format!("grant={grant}")))
    });

    // su: its own class, the invoker's grant; with a login shell it goes by another service.
    for command in ["su -c 'echo became $((40 + 2))'", "su -l -c 'echo became $((40 + 2))'"] {
        by_root(command).exp_string(", not for su.").unwrap();
    }
    let asked = carol.jit("request --service su --for 10m --reason 'old habit'");
    bob.jit(&format!("approve {}", asked.id("R-"))).ends_with(0);
    for command in ["su -c 'echo became $((40 + 2))'", "su -l -c 'echo became $((40 + 2))'"] {
        by_root(command).exp_string("became 42").unwrap();
    }
}

#[test]
fn roots_own_sudo_su_and_cron_always_work() {
    let host = Host::gated("web-1").unwrap();
    host.person("alice", &[]).unwrap();
    host.jitd_is_up();
    let works = |when: &str| {
        for command in
            ["sudo true", "sudo -n -i true", "sudo -u alice true", "su alice -c true", "su -l alice -c true"]
        {
            let seen = host.root(command);
            assert_eq!((seen.code, seen.err.as_str()), (0, ""), "{when}: {seen:?}");
        }
    };
    works("with the daemon up");
    host.jitd_stops();
    works("with the daemon down");
    host.root("rm -rf /run/jitd");
    works("with its folder gone");
    std::fs::write(
        host.path("etc/cron.d/test"),
        "@reboot root sudo -u alice touch /var/tmp/by-sudo\n@reboot root su alice -c 'touch /var/tmp/by-su'\n",
    )
    .unwrap();
    host.cron_runs();
    host.soon("cron became somebody else, twice", || {
        host.root("stat -c %U /var/tmp/by-sudo /var/tmp/by-su").out == "alice\nalice\n"
    });
}
