//! The gate's lines put in by the command, and taken out: by it, by time, and with the package.

use testbed::{Host, Person, SPARE};

/// A host with the package and a spare key, and no line of the gate anywhere.
fn installed(name: &str) -> Host {
    let host = Host::boot(name).unwrap();
    host.install(&testbed::package("jitd").unwrap()).unwrap();
    host.root("groupadd -f jit-approvers").ends_with(0);
    host.person(SPARE, &["staff"]).unwrap();
    host.jitd_is_up();
    host
}

/// Every service file, by what is in it, whom it belongs to and who may read it.
fn files(host: &Host) -> String {
    host.root("cd /etc/pam.d && ls -A && stat -c '%n %a %U %G' * && sha256sum *").out
}

/// What is left of an undo.
fn undo(host: &Host) -> String {
    host.root("ls -A -I lock /var/lib/jit-pam; find /etc/systemd/system -name '*jit-pam*'; systemctl list-units --all --plain --no-legend 'jit-pam-undo@*.timer'")
        .out
}

fn approve(bob: &Person<'_>, refused: &testbed::Seen) {
    bob.jit(&format!("approve {}", refused.id("R-"))).ends_with(0);
}

#[test]
fn enabled_by_root_and_confirmed_by_who_came_in_since() {
    let host = installed("web-1");
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers", "staff"]).unwrap();
    let rescue = host.person(SPARE, &[]).unwrap();
    let before = files(&host);
    host.root("jit pam status").says("sshd").says("open");

    let enabled = host.root("jit pam enable sshd --spare-user rescue --yes");
    enabled
        .ends_with(0)
        .says("+account [success=ok default=die] pam_jit.so spare_user=rescue # by jit pam enable")
        .says("sudo jit pam confirm sshd");
    host.root("grep -m1 '^account' /etc/pam.d/sshd").says("account [success=ok default=die] pam_jit.so");
    host.root("tail -n1 /etc/pam.d/sshd")
        .says("session [success=ok module_unknown=ignore default=bad] pam_jit.so");
    host.root("jit pam status").says("enabling (undo at ");
    host.root("jit pam enable sshd --spare-user rescue --yes").ends_with(1).says("is being enabled already");

    // Neither root's shell nor a spare key nor a name in the environment shows that grants let in.
    host.root("jit pam confirm sshd").ends_with(1).says("in no session that the gate let in by sshd");
    host.root("JIT_GRANT=G-7K2Q9-M4XTB jit pam confirm sshd").ends_with(1);
    rescue.ssh("sudo -n jit pam confirm sshd").ends_with(1).says("undone at");
    alice.ssh("jit pam confirm sshd").is_refused_with("alice holds no grant for ssh");
    approve(&bob, &alice.ssh("true"));
    alice.ssh("jit pam confirm sshd").ends_with(1).says("only root changes who comes in");
    alice.ssh("sudo -n jit pam confirm sshd").ends_with(0).says("Confirmed: sshd stays gated.");
    assert_eq!(undo(&host), "", "nothing is left to undo it");
    host.root("jit pam confirm sshd").ends_with(1).says("nothing of sshd waits to be confirmed");
    host.root("jit pam enable sshd --spare-user rescue --yes")
        .ends_with(0)
        .says("as it was asked for already");

    // A session of before the change does not count; its sudo, gated since, does.
    host.root("jit pam enable sudo --spare-user rescue --yes")
        .ends_with(0)
        .says("sudo-i goes along with sudo");
    approve(&bob, &alice.ssh("sudo -n true"));
    alice.ssh("sudo -n jit pam confirm").ends_with(0).says("Confirmed: sudo, sudo-i stays gated.");
    host.root("sudo -n true").ends_with(0);
    let status = host.root("jit pam status --json").out;
    assert_eq!(status.matches("\"state\":\"gated\",\"spare_users\":[\"rescue\"]").count(), 3, "{status}");
    host.root("jit status").says("gated     sshd, sudo, sudo-i");

    host.root("jit pam disable sshd sudo")
        .ends_with(0)
        .says("sshd: 2 lines taken out.")
        .says("sudo-i: 2 lines taken out.");
    assert_eq!(files(&host), before);
    alice.ssh("sudo -n true").is_in();
}

#[test]
fn what_nobody_confirms_is_undone_to_the_letter_also_over_a_restart() {
    let host = installed("web-1");
    let alice = host.person("alice", &["staff"]).unwrap();
    host.person("bob", &["jit-approvers"]).unwrap();
    let before = files(&host);
    let enable = || {
        host.root("jit pam enable sshd sudo --spare-user rescue --yes").ends_with(0);
        alice.ssh("true").is_refused_with("alice holds no grant for ssh");
    };
    enable();
    // It is armed for ten minutes from now, and needs nothing of ours.
    let next = host.root("systemctl show -P NextElapseUSecRealtime jit-pam-undo@sshd.timer; date -u -d '+9 minutes' +%s; date -u -d '+10 minutes' +%s");
    let lines: Vec<&str> = next.out.lines().collect();
    let at: i64 = host.root(&format!("date -u -d '{}' +%s", lines[0])).out.trim().parse().unwrap();
    assert!((lines[1].parse().unwrap()..=lines[2].parse().unwrap()).contains(&at), "{lines:?}");
    host.jitd_stops();
    host.root("mv /usr/bin/jit /usr/bin/jit.away; rm -rf /run/jitd").ends_with(0);
    host.root(
        "systemctl start jit-pam-undo@sshd.service jit-pam-undo@sudo.service jit-pam-undo@sudo-i.service",
    )
    .ends_with(0);
    host.soon("the undo takes itself away", || undo(&host).is_empty());
    assert_eq!(files(&host), before);
    alice.ssh("sudo -n true").is_in();
    host.root("journalctl -q -o cat -t jit --facility=authpriv").says("change=pam_undone service=sshd");
    host.root("mv /usr/bin/jit.away /usr/bin/jit; systemd-tmpfiles --create jitd.conf").ends_with(0);
    host.jitd_starts();

    // What somebody else wrote meanwhile stays.
    enable();
    host.root("echo '# mine' >> /etc/pam.d/sshd").ends_with(0);
    host.root(
        "systemctl start jit-pam-undo@sshd.service jit-pam-undo@sudo.service jit-pam-undo@sudo-i.service",
    )
    .ends_with(0);
    host.root("tail -n1 /etc/pam.d/sshd").says("# mine");
    host.root("sed -i '/# mine/d' /etc/pam.d/sshd; chmod 644 /etc/pam.d/sshd").ends_with(0);
    assert_eq!(files(&host), before);
    host.soon("the undo takes itself away", || undo(&host).is_empty());

    // What cannot be written is tried until it can.
    enable();
    host.root("mount --bind /etc/pam.d /etc/pam.d && mount -o remount,bind,ro /etc/pam.d").ends_with(0);
    host.root("systemctl start --no-block jit-pam-undo@sshd.service jit-pam-undo@sudo.service jit-pam-undo@sudo-i.service").ends_with(0);
    host.soon("it fails", || {
        host.root("systemctl show -P Result jit-pam-undo@sshd.service").out.trim() == "exit-code"
    });
    host.root("umount /etc/pam.d").ends_with(0);
    host.soon("it is undone", || files(&host) == before);
    host.soon("the undo takes itself away", || undo(&host).is_empty());

    // The power goes, and comes back when the time is over.
    enable();
    host.root(
        "sed -i 's/^OnCalendar=.*/OnCalendar=2020-01-01 00:00:00 UTC/' /etc/systemd/system/jit-pam-undo@*.timer
         touch -d '2019-12-31' /var/lib/systemd/timers/stamp-jit-pam-undo@*.timer; sync",
    )
    .ends_with(0);
    host.reboot().unwrap();
    host.soon("it is undone", || files(&host) == before);
    host.soon("the undo takes itself away", || undo(&host).is_empty());
    alice.ssh("sudo -n true").is_in();

    // Back before that, it still waits.
    enable();
    host.root("sync");
    host.reboot().unwrap();
    host.root("systemctl is-active jit-pam-undo@sshd.timer").says("active");
    host.root("jit pam status").says("enabling (undo at ");
    host.root("jit pam disable --all").ends_with(0).says("sshd: 2 lines taken out.").says("sudo: 2 lines");
    assert_eq!((files(&host), undo(&host)), (before, String::new()));
}

#[test]
fn nothing_is_written_that_could_lock_somebody_out_or_gate_nothing() {
    let host = installed("web-1");
    let alice = host.person("alice", &["staff"]).unwrap();
    let refused = |command: &str, why: &str| {
        let before = files(&host);
        host.root(command).ends_with(1).says(why);
        assert_eq!((files(&host), undo(&host)), (before, String::new()), "{command}");
    };
    let enable = "jit pam enable sshd --yes";
    refused(&format!("{enable} --spare-user rescue"), "nobody can approve a request here");
    host.person("bob", &["jit-approvers"]).unwrap();
    host.soon("somebody can approve", || !host.root("jit status").out.contains("nobody can approve"));

    alice.ssh(&format!("{enable} --spare-user rescue")).ends_with(1).says("only root changes who comes in");
    refused(enable, "name a spare key");
    refused(
        &format!("{enable} --spare-user ghost"),
        "spare key ghost: there is no such account in /etc/passwd",
    );
    refused(&format!("{enable} --spare-group ghosts"), "there is no such group in /etc/group");
    refused(&format!("{enable} --spare-user nobody"), "spare key nobody: its shell is /usr/sbin/nologin");
    host.root("usermod -L rescue").ends_with(0);
    refused(
        &format!("{enable} --spare-user rescue"),
        "its password is locked: unlock it with `usermod -U rescue`",
    );
    host.root("usermod -U rescue; passwd -d rescue; mv ~rescue/.ssh ~rescue/ssh").ends_with(0);
    refused(
        &format!("{enable} --spare-user rescue"),
        "there is no way in: no file of keys is there, and it has no password",
    );
    host.root("mv ~rescue/ssh ~rescue/.ssh; usermod -e 1 rescue").ends_with(0);
    refused(&format!("{enable} --spare-user rescue"), "with these lines sshd would refuse spare key rescue");
    host.root("usermod -e '' rescue").ends_with(0);

    let with = |file: &str, line: &str, why: &str| {
        host.root(&format!("cp -p /etc/pam.d/{file} /root/kept; echo '{line}' >> /etc/pam.d/{file}"))
            .ends_with(0);
        refused(&format!("{enable} --spare-user rescue"), why);
        host.root(&format!("cp -p /root/kept /etc/pam.d/{file}")).ends_with(0);
    };
    with(
        "sshd",
        "session sufficient pam_permit.so",
        "(pam_permit.so) may end the session part before pam_jit.so",
    );
    with("common-session", "session sufficient pam_permit.so", "/etc/pam.d/common-session, line");
    with("sshd", "account perhaps pam_permit.so", "is not understood: \"perhaps\" is no control");
    with("sshd", "account required pam_jit.so", "calls pam_jit.so and was written by hand");
    with("sshd", "account required pam_deny.so", "with these lines sshd would refuse spare key rescue");
    with(
        "common-account",
        "account required pam_nowhere.so",
        "with these lines sshd would refuse spare key rescue",
    );
    with(
        "sudo",
        "account required pam_deny.so",
        "none of these spare keys passes both sshd and sudo, so nothing was written: sudo says to rescue",
    );
    host.root("mv /usr/lib/*/security/pam_jit.so /root/").ends_with(0);
    refused(&format!("{enable} --spare-user rescue"), "with these lines sshd would refuse spare key rescue");
    host.root("mv /root/pam_jit.so /usr/lib/*-linux-gnu/security/").ends_with(0);

    let as_rescue = "--spare-user rescue --yes";
    refused(
        &format!("jit pam enable login {as_rescue}"),
        "the console is the way back in when all else fails",
    );
    refused(&format!("jit pam enable cron {as_rescue}"), "jobs would need a grant");
    refused(&format!("jit pam enable nowhere --force {as_rescue}"), "there is no /etc/pam.d/nowhere");
    host.root(&format!("jit pam enable common-account {as_rescue}")).ends_with(2).says("many services share");
    host.root("jit pam enable sshd --spare-user rescue")
        .ends_with(2)
        .says("--yes where there is no terminal to ask on");
    host.root("echo 'UsePAM no' > /etc/ssh/sshd_config.d/0.conf").ends_with(0);
    refused(&format!("{enable} --spare-user rescue"), "sshd does not ask PAM");
    host.root("rm /etc/ssh/sshd_config.d/0.conf").ends_with(0);
    host.jitd_stops();
    host.root(&format!("{enable} --spare-user rescue")).ends_with(3);
    alice.ssh("sudo -n true").is_in();
}

#[test]
fn neither_a_lock_of_somebody_elses_nor_an_open_question_keeps_anybody_from_changing_lines() {
    let host = installed("web-1");
    let alice = host.person("alice", &["staff"]).unwrap();
    host.person("bob", &["jit-approvers"]).unwrap();
    host.soon("somebody can approve", || !host.root("jit status").out.contains("nobody can approve"));
    host.root("jit pam disable --all").ends_with(0);
    alice.ssh("setsid -f flock -x /var/lib/jit-pam sleep 600 > /dev/null 2>&1").ends_with(0);
    alice.ssh("flock -n /var/lib/jit-pam/lock true").says("Permission denied");
    let mut terminal = alice.terminal("sudo jit pam enable sshd --spare-user rescue");
    terminal.exp_string("[y/N] ").unwrap();
    host.root("timeout 20 jit pam disable --all").ends_with(0);
    host.root("echo '# mine' >> /etc/pam.d/sshd").ends_with(0);
    let before = files(&host);
    terminal.send_line("y").unwrap();
    terminal
        .exp_string("the PAM file sshd was changed while you were asked, so nothing was written")
        .unwrap();
    assert_eq!((files(&host), undo(&host)), (before, String::new()));
}

#[test]
fn an_upgrade_leaves_the_lines_and_a_removal_takes_them_before_the_module() {
    let host = installed("web-1");
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let before = files(&host);
    host.root("jit pam enable sshd --spare-user rescue --yes").ends_with(0);
    approve(&bob, &alice.ssh("true"));
    alice.ssh("sudo -n jit pam confirm").ends_with(0);
    host.root("groupadd helpers && usermod -aG helpers alice").ends_with(0);
    host.root("jit pam enable su su-l --spare-group helpers --yes")
        .ends_with(1)
        .says("none of these spare keys passes both sshd and sudo")
        .says("sshd is gated and does not name alice");
    host.root("jit pam enable su su-l --if-missing=open --spare-user rescue --spare-group staff --yes")
        .ends_with(0)
        .says("/etc/pam.d/su-l includes /etc/pam.d/su, which calls pam_jit.so in line");
    host.root("jit pam status")
        .says("along with su")
        .says("open where the module is missing")
        .says("group staff");
    let gated = files(&host);
    // What an administrator masked stays so, and when spare keys were tried last is still known.
    host.root("systemctl mask --now jit-watch.path; systemctl disable --now jit-watch.timer").ends_with(0);
    host.root("touch /var/lib/jit-watch/kept").ends_with(0);
    host.root("dpkg -i /opt/jitd.deb").ends_with(0);
    assert_eq!(files(&host), gated);
    host.root("systemctl is-enabled jit-watch.path jit-watch.timer; ls /var/lib/jit-watch")
        .says("masked\ndisabled\n")
        .says("kept");
    assert_eq!(host.root("systemctl is-active jit-watch.timer").out, "inactive\n");
    host.root("systemctl unmask jit-watch.path; systemctl enable jit-watch.timer").ends_with(0);
    // Who calls all the time has nothing started again that stops.
    let callers = "for _ in 1 2 3 4; do setsid -f timeout 60 sh -c 'while command -v jit; do jit status || sleep 0.1; done' > /dev/null 2>&1; done";
    host.root(callers).ends_with(0);
    host.root("dpkg -r jitd").ends_with(0).says("sshd: 2 lines taken out.").says("su: 2 lines taken out.");
    assert_eq!((files(&host), undo(&host).contains("jit-pam-undo")), (before, false));
    alice.ssh("sudo -n true").is_in();
    assert_eq!(host.root("systemctl is-active jitd.service jitd-gate.socket").out, "inactive\ninactive\n");
    assert_eq!(host.root("pidof jitd; find /run/systemd/system -name 'jit*'").out, "");
    host.root("ls -d /var/lib/jit-watch").ends_with(2);
    host.root("dpkg -i /opt/jitd.deb").ends_with(0);
    host.jitd_is_up();
    for unit in [
        "jitd.service",
        "jitd-gate.socket",
        "jitd-control.socket",
        "jit-watch.timer",
        "jit-watch.path",
        "jit-left.path",
    ] {
        host.root(&format!("systemctl is-enabled {unit} && systemctl is-active {unit}")).ends_with(0);
    }
    host.root("dpkg -P jitd").ends_with(0);
    assert_eq!(host.root("find /etc/systemd/system -name 'jit*'").out, "", "nothing is left to be started");
}

#[test]
fn a_removal_that_is_refused_or_broken_off_leaves_everything_as_it_was() {
    let host = installed("web-1");
    host.person("bob", &["jit-approvers"]).unwrap();
    host.soon("somebody can approve", || !host.root("jit status").out.contains("nobody can approve"));
    host.root("jit pam enable sshd --spare-user rescue --yes").ends_with(0);
    let units = || {
        host.root("systemctl is-active jitd-gate.socket jitd-control.socket jitd.service jit-watch.timer jit-watch.path jit-left.path").out
    };
    let up = "active\n".repeat(6);
    host.soon("all is up", || units() == up);

    // One line that was written by hand keeps all of them.
    host.root("cp -p /etc/pam.d/su /root/; echo 'session optional pam_jit.so' >> /etc/pam.d/su").ends_with(0);
    let gated = files(&host);
    host.root("dpkg -r jitd").ends_with(1).says("  /etc/pam.d/su\n").says("so nothing was changed");
    assert_eq!((files(&host), units()), (gated, up.clone()));
    host.root("cp -p /root/su /etc/pam.d/su; cp -p /root/su /etc/pam.d/su~").ends_with(0);
    host.root("echo 'session optional pam_jit.so' >> /etc/pam.d/su~").ends_with(0);

    // What a person stopped is not started by a removal that did not come about.
    host.root("systemctl stop jit-watch.timer; /var/lib/dpkg/info/jitd.prerm remove")
        .ends_with(0)
        .says("sshd: 2 lines taken out.");
    assert_eq!(units(), "inactive\n".repeat(6));
    host.root("/var/lib/dpkg/info/jitd.postinst abort-remove").ends_with(0);
    assert_eq!(units(), "active\nactive\nactive\ninactive\nactive\nactive\n");
    host.root("ls /run/jitd-removing").ends_with(2);
    host.root("dpkg -r jitd").ends_with(0);
}

#[test]
fn the_doctor_finds_each_thing_that_is_wrong_and_says_what_puts_it_right() {
    let host = Host::gated("web-1").unwrap();
    host.person("alice", &["staff"]).unwrap();
    host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    let right = |what: &str| host.root("jit doctor --json").out.contains(&format!("{{\"what\":\"{what}\"}}"));
    let all = ["module", "package", "PAM lines", "spare keys", "sshd", "sudo", "sudoers", "disk", "sockets"];
    for what in all {
        assert!(right(what), "{what}: {}", host.root("jit doctor").out);
    }
    host.root("jit doctor --spare-key --json").says("{\"what\":\"spare keys\"}");
    host.soon("the drill is on record, as each use of a spare key", || {
        host.log_lines()
            .iter()
            .any(|line| line.contains("reason=spare_key user=rescue") && line.contains("service=sudo"))
    });
    let finds = |what: &str, words: &str| {
        let found = host.root("jit doctor --json");
        found.ends_with(1).says(&format!("{{\"what\":\"{what}\",\"wrong\":")).says(words);
    };
    let module = "/usr/lib/*-linux-gnu/security/pam_jit.so";
    let says = "printf '#!/bin/sh\\necho %s\\n'";
    for (breaks, what, words, mends) in [
        (
            format!("mv {module} /root/"),
            "module",
            "install the package again",
            "mv /root/pam_jit.so /usr/lib/*-linux-gnu/security/".to_owned(),
        ),
        (format!("chmod 666 {module}"), "module", "chmod 644", format!("chmod 644 {module}")),
        (
            format!("cp -p {module} /root/; echo | tee -a {module}"),
            "package",
            "is not as the package brought it",
            format!("cp -p /root/pam_jit.so {module}"),
        ),
        (
            "sed -i 's/default=die/default=ignore/' /etc/pam.d/sudo".to_owned(),
            "PAM lines",
            "sudo: a refusal may count for nothing",
            "sed -i 's/default=ignore/default=die/' /etc/pam.d/sudo".to_owned(),
        ),
        (
            "cp -p /etc/pam.d/sudo-i /root/; sed -i /pam_jit/d /etc/pam.d/sudo-i".to_owned(),
            "PAM lines",
            "sudo is gated and sudo-i is not",
            "cp -p /root/sudo-i /etc/pam.d/".to_owned(),
        ),
        (
            "sed -i '1i session required pam_debug.so open_session=success' /etc/pam.d/sudo".to_owned(),
            "PAM lines",
            "whom sudo becomes may not be checked",
            "sed -i 1d /etc/pam.d/sudo".to_owned(),
        ),
        ("usermod -L rescue".to_owned(), "spare keys", "usermod -U rescue", "usermod -U rescue".to_owned()),
        (
            "echo 'UsePAM no' > /etc/ssh/sshd_config.d/0.conf".to_owned(),
            "sshd",
            "sshd does not ask PAM",
            "rm /etc/ssh/sshd_config.d/0.conf".to_owned(),
        ),
        (
            "echo 'Defaults:alice !pam_acct_mgmt' > /etc/sudoers.d/alice".to_owned(),
            "sudoers",
            "pam_acct_mgmt is false: sudo does not ask the gate",
            "rm /etc/sudoers.d/alice".to_owned(),
        ),
        (
            "echo 'Defaults pam_service=other' > /etc/sudoers.d/alice".to_owned(),
            "sudoers",
            "sudo goes by /etc/pam.d/other, not by its own file",
            "rm /etc/sudoers.d/alice".to_owned(),
        ),
        (
            "echo 'Defaults runas_allow_unknown_id' > /etc/sudoers.d/alice".to_owned(),
            "sudoers",
            "sudo opens no session for a user id without an account",
            "rm /etc/sudoers.d/alice".to_owned(),
        ),
        (
            format!("{says} 'sudo-rs 0.2.13' > /usr/local/bin/sudo-rs; chmod 755 /usr/local/bin/sudo-rs"),
            "sudo",
            "sudo-rs is sudo-rs 0.2.13: it does not ask the gate",
            "rm /usr/local/bin/sudo-rs".to_owned(),
        ),
        (
            "mount -t tmpfs -o size=8m tmpfs /var/lib/jitd".to_owned(),
            "disk",
            "less than 200 MB are free under /var/lib/jitd",
            "umount /var/lib/jitd".to_owned(),
        ),
        (
            "mkdir /srv/small && mount -t tmpfs -o size=8m tmpfs /srv/small && sed -i '1istate = \"/srv/small\"' /etc/jitd/jitd.toml".to_owned(),
            "disk",
            "less than 200 MB are free under /srv/small",
            "umount /srv/small; sed -i 1d /etc/jitd/jitd.toml".to_owned(),
        ),
        // As the kernel of this machine says it, which is no test's to change.
        (format!("{says} no > /usr/bin/timedatectl"), "clock", "a time service", format!("{says} yes > /usr/bin/timedatectl")),
        (
            "chmod 666 /run/jitd/gate.sock".to_owned(),
            "sockets",
            "/run/jitd/gate.sock has mode 666",
            "chmod 600 /run/jitd/gate.sock".to_owned(),
        ),
    ] {
        host.root(&breaks).ends_with(0);
        finds(what, words);
        host.root(&mends).ends_with(0);
        assert!(right(what), "{what} after {mends}: {}", host.root("jit doctor").out);
    }
    host.jitd_stops();
    finds("daemon", "systemctl status jitd");
    host.root("runuser -u alice jit doctor").ends_with(1).says("only root sees all of it");
}
