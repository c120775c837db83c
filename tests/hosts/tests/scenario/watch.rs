//! What is looked at around the daemon, told and shown; the drill of the spare keys; and what `mode=monitor` tells.

use testbed::{Host, Person, SPARE};

/// How often the log tells this of a finding.
fn told(host: &Host, mark: &str, of: &str) -> usize {
    let is = |line: &&String| line.starts_with(&format!("mark={mark} ")) && line.contains(of);
    host.log_lines().iter().filter(is).count()
}

/// Nothing is looked at just now, so that the next change is seen.
#[track_caller]
fn rests(host: &Host) {
    host.soon("jit-watch is done", || host.root("systemctl is-active jit-watch").out.trim() == "inactive");
}

#[test]
fn a_spare_key_is_proved_without_the_daemon_and_one_that_a_door_refuses_is_told() {
    let host = Host::gated("web-1").unwrap();
    let rescue = host.person(SPARE, &[]).unwrap();
    host.jitd_is_up();
    host.jitd_stops();
    host.root("jit doctor --spare-key")
        .ends_with(1)
        .says("let in: rescue at sshd, rescue at su, rescue at su-l, rescue at sudo, rescue at sudo-i");
    rescue.ssh("sudo -n true").is_in();
    host.jitd_starts();
    rests(&host);
    // An account that another module of the door refuses is no spare key there, whatever its line says.
    host.root("echo 'account requisite pam_succeed_if.so user != rescue quiet' >> /etc/pam.d/sudo")
        .ends_with(0);
    host.root("jit doctor --spare-key")
        .ends_with(1)
        .says("! spare keys: a spare key is not let in: rescue at sudo: ");
    host.root("systemctl start jit-watch").ends_with(0);
    host.soon("it is told", || told(&host, "finding", "a spare key is not let in: rescue at sudo") == 1);
    host.root("jit status").says(": 4 of 5 let in");
}

#[test]
fn every_door_is_listed_and_one_that_is_open_without_its_module_says_so() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    // As their packages bring them.
    let others = ["polkit-1", "cockpit", "atd", "gdm-password", "lightdm"];
    for other in others {
        host.root(&format!("cp -n /etc/pam.d/cron /etc/pam.d/{other}")).ends_with(0);
    }
    let doors: serde_json::Value = serde_json::from_str(&host.root("jit pam status --json").out).unwrap();
    let state = |name: &str| {
        let door = doors.as_array().unwrap().iter().find(|door| door["service"] == name);
        door.map(|door| door["state"].as_str().unwrap().to_owned())
    };
    for door in ["sshd", "sudo", "su"] {
        assert_eq!(state(door).as_deref(), Some("gated"), "{door}: {doors}");
    }
    for door in ["login", "cron", "systemd-user", "other"].into_iter().chain(others) {
        assert_eq!(state(door).as_deref(), Some("open"), "{door}: {doors}");
    }
    assert_eq!((state("passwd"), state("common-auth")), (None, None), "{doors}");
    host.root("jit pam status")
        .says("the console: the spare way in")
        .says("passwords that polkit asks for")
        .says("logins over the web")
        .says("logins at a screen")
        .says("user managers, which each login starts");

    host.root("jit pam disable --all --force").ends_with(0);
    host.root("jit pam enable sshd --spare-user rescue --if-missing=open --yes")
        .ends_with(0)
        .says("+account [success=ok module_unknown=ignore default=die] pam_jit.so spare_user=rescue")
        .says("everybody comes in without a grant");
    alice.ssh("true").is_refused_with("alice holds no grant for ssh");
    host.root("jit status").says("! /etc/pam.d/sshd says module_unknown=ignore");
    host.root("jit pam status").says("open where the module is missing or does not load");
    rests(&host);
    host.root("mv /usr/lib/*-linux-gnu/security/pam_jit.so /root/").ends_with(0);
    alice.ssh("true").is_in();
    host.soon("it is told", || told(&host, "finding", "module: there is no /usr/lib/") == 1);
    // What is no library does not load either; what is cut off ends whoever loads it.
    let module = "$(echo /usr/lib/*-linux-gnu/security)/pam_jit.so";
    host.root(&format!("echo 'no library' > {module}")).ends_with(0);
    alice.ssh("true").is_in();
    host.root(&format!("head -c 65536 /root/pam_jit.so > {module}")).ends_with(0);
    let cut = alice.ssh("true");
    assert!(cut.code != 0 && cut.err.contains("Connection closed by"), "{cut:?}");
}

/// The lines of `jit status --monitor`, as (service, login, as, times, covered).
fn monitored(who: &Person<'_>) -> Vec<(String, String, String, u64, bool)> {
    let seen = who.jit("status --monitor --json");
    seen.ends_with(0);
    let answer: api::Monitored = serde_json::from_str(&seen.out).unwrap();
    let line = |one: api::WouldRefuse| {
        (one.service.to_string(), one.user.to_string(), one.run_as.to_string(), one.times, one.covered)
    };
    answer.refused.into_iter().map(line).collect()
}

#[test]
fn monitor_says_who_would_have_been_refused_and_what_it_says_would_cover_it_does() {
    let host = Host::sandbox("web-1", "mode=monitor", "").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.soon("jitd answers", || host.root("jit status").code == 0);
    bob.jit("status --monitor").ends_with(0).says("In the last 14 days everybody let in");
    for _ in 0..3 {
        alice.ssh("true").is_in();
    }
    alice.ssh("sudo -n true && sudo -n -u bob true").is_in();
    alice.ssh_as("root", "true").is_in();
    let line = |service: &str, user: &str, run_as: &str, times, covered| {
        (service.to_owned(), user.to_owned(), run_as.to_owned(), times, covered)
    };
    let seen = monitored(&bob);
    for wanted in [
        line("ssh", "alice", "alice", 4, false),
        line("ssh", "root", "root", 1, false),
        line("sudo", "alice", "root", 1, false),
        line("sudo", "alice", "bob", 1, false),
    ] {
        assert!(seen.contains(&wanted), "{wanted:?} is not in {seen:?}");
    }
    assert!(seen.iter().all(|(_, user, ..)| user != "bob"), "an approver comes in: {seen:?}");
    bob.jit("status --monitor")
        .says("In mode=monitor now: sshd, su, su-l, sudo, sudo-i.")
        .says("ssh: 5 times, by 2 logins")
        .says("jit request --service ssh --reason TEXT")
        .says("jit request --service ssh --as root --reason TEXT");
    alice.jit("status --monitor").ends_with(1).says("is for approvers, auditors, operators and root to see");

    // What it says to ask for is asked for as it says, and covers it.
    let asked = alice.jit("request --service ssh --reason 'as it was said'");
    bob.jit(&format!("approve {}", asked.id("R-"))).ends_with(0);
    alice.ssh("true").is_in();
    let seen = monitored(&bob);
    // The two by which she looked and asked were refusals yet.
    assert!(seen.contains(&line("ssh", "alice", "alice", 6, true)), "{seen:?}");
    host.gate("sshd", &format!("spare_user={SPARE}")).unwrap();
    alice.ssh("true").is_in();
    alice.ssh_as("root", "true").is_refused_with("root holds no grant for ssh");
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn what_stops_being_right_around_the_gate_is_told_once_with_its_fix_and_so_is_its_mending() {
        let host = Host::gated("web-1").unwrap();
        let alice = host.person("alice", &["staff"]).unwrap();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        host.jitd_is_up();
        let all = "let in: rescue at sshd, rescue at su, rescue at su-l, rescue at sudo, rescue at sudo-i; not let in: none";
        host.soon("spare keys went through every door of theirs", || {
            told(&host, "spare_key_drill", all) == 1
        });
        rests(&host);
        host.root("jit status").says(", spare keys tried ").says(": 5 of 5 let in");
        let used =
            || host.log_lines().iter().filter(|line| line.contains("reason=spare_key user=rescue")).count();
        let before = used();
        host.root("systemctl start jit-watch").ends_with(0);
        assert_eq!(used(), before, "once a day is enough");
        // Who touches again and again what is watched stops nothing: all that follows is noticed.
        host.root("for n in $(seq 200); do echo '# nothing' | crontab -u alice -; done").ends_with(0);
        rests(&host);

        let module = "/usr/lib/*-linux-gnu/security/pam_jit.so";
        for (breaks, what, fix, mends) in [
            (
                format!("cp -p {module} /root/; echo | tee -a {module}"),
                "package: /usr/lib/",
                "apt-get install --reinstall jitd",
                format!("cp -p /root/pam_jit.so {module}"),
            ),
            (
                "sed -i 's/default=die/default=ignore/' /etc/pam.d/sudo".to_owned(),
                "PAM lines: sudo: a refusal may count for nothing",
                "write its lines as pam_jit(8) has them; jit pam disable sudo --force takes them out",
                "sed -i 's/default=ignore/default=die/' /etc/pam.d/sudo".to_owned(),
            ),
            (
                "echo 'Defaults:alice !pam_acct_mgmt' > /etc/sudoers.d/alice".to_owned(),
                "sudoers: Defaults of ",
                "take it out with visudo",
                "rm /etc/sudoers.d/alice".to_owned(),
            ),
            (
                "echo 'UsePAM no' > /etc/ssh/sshd_config.d/0.conf".to_owned(),
                "sshd: sshd does not ask PAM",
                "UsePAM yes",
                "rm /etc/ssh/sshd_config.d/0.conf".to_owned(),
            ),
            (
                "usermod -L rescue".to_owned(),
                "spare keys: sshd: spare key rescue: its password is locked",
                "ssh NAME@host",
                "usermod -U rescue".to_owned(),
            ),
            (
                "chmod 666 /run/jitd/gate.sock".to_owned(),
                "sockets: /run/jitd/gate.sock has mode 666",
                "systemd-tmpfiles --create",
                "chmod 600 /run/jitd/gate.sock".to_owned(),
            ),
        ] {
            host.root(&breaks).ends_with(0);
            host.soon(&breaks, || told(&host, "finding", what) == 1);
            rests(&host);
            let shown = format!("! {}", what.replace('"', ""));
            bob.jit("status").says(&shown).says(fix);
            let seen = alice.ssh_as(SPARE, "jit status");
            assert!(
                seen.code == 0 && !seen.out.contains(&shown),
                "what is weak is for those who can mend it: {seen:?}"
            );
            if what.starts_with("package") {
                // Still wrong is no news.
                host.root("systemctl start jit-watch").ends_with(0);
            }
            host.root(&mends).ends_with(0);
            host.soon(&mends, || told(&host, "finding_gone", what) == 1);
            rests(&host);
            assert_eq!(told(&host, "finding", what), 1, "{what}");
        }

        // What was reported is known again after a start of the daemon, whatever the timer does.
        host.root(
            "systemctl stop jit-watch.timer jit-watch.path; echo 'Defaults !pam_session' > /etc/sudoers.d/x",
        )
        .ends_with(0);
        host.root("systemctl restart jitd").ends_with(0);
        host.soon("it is told after a start", || told(&host, "finding", "pam_session") == 1);
        rests(&host);
        // And who does not report is missed, once.
        host.root("sed -i 's/^#late = \"20m\"/late = \"2s\"/' /etc/jitd/jitd.toml; systemctl reload jitd")
            .ends_with(0);
        host.soon("it is missed", || told(&host, "watch_late", "reported nothing for 2s") == 1);
        host.root("jit status")
            .says("! jit doctor has reported nothing for 2s: see `systemctl status jit-watch");
        host.root(
        "sed -i 's/\"2s\"/\"20m\"/' /etc/jitd/jitd.toml; systemctl reload jitd; systemctl start jit-watch",
    )
    .ends_with(0);
        assert_eq!((told(&host, "watch_late", ""), told(&host, "watch_back", "")), (1, 1));
        let status = host.root("jit status");
        assert!(!status.out.contains("has reported nothing"), "{status:?}");

        // A report is root's to make.
        let forged = r#"printf 'POST /v1/doctor HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{"findings":[]}' | timeout 5 perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new("/run/jitd/control.sock"); print $s join("", <STDIN>); print <$s>'"#;
        alice.ssh_as(SPARE, forged).says("403 Forbidden").says("is for root to report");
        host.root("jit status").says("pam_session is false");
    }
}
