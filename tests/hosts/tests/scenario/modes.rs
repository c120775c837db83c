//! What the PAM lines and the configuration can say, each in a sandbox of its own where systemd has no part.

use testbed::{Host, PASSWORD, Person};

/// A policy of one rule with these terms beside its approvers.
fn one_rule(terms: &str) -> String {
    format!("[[rule]]\nid = \"ask\"\napprove = [{{ from = [\"group:jit-approvers\"] }}]\n{terms}\n")
}

fn up(host: &Host) {
    host.soon("jitd answers", || host.root("jit status").code == 0);
}

#[test]
fn monitor_lets_everybody_in_and_says_who_would_not_have_been() {
    let host = Host::sandbox("web-1", "mode=monitor", "").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    up(&host);
    alice.ssh("sudo -n id -un").is_in().says("root");
    host.soon("it is told", || {
        let lines = host.syslog_lines();
        let told = |door: &str| {
            lines.iter().any(|l| {
                l.contains(&format!(
                    "decision=allow reason=monitor would=no_grant user=alice as=alice service={door}"
                ))
            })
        };
        told("ssh") && told("sudo")
    });
    host.root("jit status")
        .says("! /etc/pam.d/sshd says mode=monitor: everybody is let in")
        .says("gated     sshd, su, su-l, sudo, sudo-i");
    host.root("jit requests").says("No request waits.");
    // Also while the daemon is away.
    host.root("mv /usr/sbin/jitd /usr/sbin/away; kill -KILL $(pidof jitd)");
    alice.ssh("true").is_in();
}

#[test]
fn unavailable_can_be_made_to_allow_on_the_line_alone_and_every_use_is_told() {
    let host = Host::sandbox("web-1", "on_unavailable=allow", "").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    up(&host);
    alice.ssh("true").is_refused_with("holds no grant");
    host.root("jit status").says("! /etc/pam.d/sshd says on_unavailable=allow");
    host.root("mv /usr/sbin/jitd /usr/sbin/away; kill -KILL $(pidof jitd)");
    alice.ssh("true").is_in();
    let log = std::fs::read_to_string(host.path("var/log/auth.log")).unwrap();
    assert!(log.contains("reason=unavailable user=alice as=alice service=ssh"), "{log}");
}

#[test]
fn each_login_that_a_line_alone_lets_in_is_an_error_in_the_log_and_the_status_names_the_line() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    host.jitd_is_up();
    // Entries of this tag with priority 3, which is err (syslog(3)), that say this.
    let errors = |tag: &str, words: &str| {
        let entries = host.root(&format!("journalctl -q -o json -t {tag} --facility=authpriv")).out;
        entries.lines().filter(|e| e.contains(words) && e.contains("\"PRIORITY\":\"3\"")).count()
    };
    host.gate("sshd", "mode=monitor").unwrap();
    host.root("jit status").says("! /etc/pam.d/sshd says mode=monitor: everybody is let in");
    for logins in 1..=3 {
        alice.ssh("true").is_in();
        host.soon("each of them is told, account and session", || {
            errors("jitd", "decision=allow reason=monitor would=no_grant user=alice") == 2 * logins
        });
    }
    host.root("jit audit tail -n 50").says("reason=monitor would=no_grant user=alice");

    host.gate("sshd", "on_unavailable=allow").unwrap();
    host.root("jit status").says("! /etc/pam.d/sshd says on_unavailable=allow: everybody is let in while");
    host.jitd_stops();
    for logins in 1..=3 {
        alice.ssh("true").is_in();
        host.soon("each of them is told", || {
            errors("sshd", "reason=unavailable user=alice as=alice service=ssh") == 2 * logins
        });
    }
}

#[test]
fn a_session_line_that_is_missing_is_told_by_the_status() {
    let host = Host::sandbox("web-1", "", "").unwrap();
    up(&host);
    let seen = host.root("jit status");
    assert!(seen.code == 0 && !seen.out.contains("session part"), "{seen:?}");
    let file = host.path("etc/pam.d/sudo");
    let text = std::fs::read_to_string(&file).unwrap();
    let without: Vec<&str> =
        text.lines().filter(|line| !(line.starts_with("session") && line.contains("pam_jit"))).collect();
    std::fs::write(&file, without.join("\n") + "\n").unwrap();
    host.root("jit status")
        .says("! /etc/pam.d/sudo calls pam_jit.so in its account part and not in its session part")
        .says("a grant to become one account is one for all of them");
}

#[test]
fn a_door_that_is_open_beside_its_gate_is_told_by_the_status() {
    let host = Host::sandbox("web-1", "", "").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    up(&host);
    let seen = host.root("jit status");
    assert!(seen.code == 0 && !seen.out.contains("pam.d"), "{seen:?}");
    alice.ssh("true").is_refused_with("holds no grant");
    let file = host.path("etc/pam.d/sshd");
    let text = std::fs::read_to_string(&file).unwrap();
    // The session line would refuse all the same.
    let text: Vec<&str> =
        text.lines().filter(|line| !(line.starts_with("session") && line.contains("pam_jit"))).collect();
    let text = text.join("\n") + "\n";
    let optional = text.replace("account [success=ok default=die] pam_jit.so", "account optional pam_jit.so");
    let before = format!("account sufficient pam_permit.so\n{text}");
    for (open, told) in [
        (optional, "! /etc/pam.d/sshd calls pam_jit.so in its account part with \"optional\""),
        (before, "! /etc/pam.d/sshd has pam_permit.so before pam_jit.so in its account part"),
    ] {
        std::fs::write(&file, open).unwrap();
        alice.ssh("true").ends_with(0);
        host.root("jit status").says(told).says("gated     sshd,");
    }
}

#[test]
fn a_refusal_can_hint_or_say_only_why() {
    let host = Host::sandbox("web-1", "", "").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    up(&host);
    host.policy(&one_rule("on_refusal = \"hint\""), None).unwrap();
    let why = "jit: alice holds no grant for ssh on web-1.";
    // Who is refused at the front door has nowhere to type it.
    alice.ssh("true").is_refused_with(&format!(
        "{why} Ask for it, or let somebody who is in ask for you: jit request --user alice --service ssh --reason TEXT"
    ));
    alice.ssh_as("root", "true").is_refused_with(": jit request --as root --service ssh --reason TEXT");
    host.policy(&one_rule("ask = { ticket = \"OPS-[0-9]+\" }"), None).unwrap();
    alice.ssh("true").is_refused_with(&format!(
        "{why} Ask for it, or let somebody who is in ask for you, with a ticket like OPS-[0-9]+: \
         jit request --user alice --service ssh --ticket ID --reason TEXT"
    ));
    host.policy(&one_rule("on_refusal = \"off\""), None).unwrap();
    assert!(alice.ssh("true").err.ends_with("on web-1.\nConnection closed by 127.0.0.1 port 22"));
    host.root("jit requests").says("No request waits.");
    // Inside, the command is the person's own; whom to become is known once a session begins.
    host.policy(&one_rule("what = { run_as = [\"*\"] }\non_refusal = \"hint\""), None).unwrap();
    let approve = |asked: testbed::Seen, by: &Person<'_>| {
        let approver = by.jit(&format!("approve {}", asked.id("R-")));
        approver.ends_with(0);
    };
    let carol = host.person("carol", &["jit-approvers"]).unwrap();
    approve(bob.jit("request --user alice --reason 'she cannot get in'"), &carol);
    alice
        .ssh("sudo -n true")
        .is_refused_with("not for sudo. Ask for it: jit request --service sudo --reason TEXT");
    approve(alice.jit("request --service sudo --reason 'the disk'"), &bob);
    alice
        .ssh("sudo -n -u bob true")
        .is_refused_with("Ask for it: jit request --service sudo --as bob --reason TEXT");
}

#[test]
fn approvers_can_be_made_to_need_a_grant_too() {
    let host = Host::sandbox("web-1", "", "[gate]\napprovers_log_in = false\n").unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    up(&host);
    bob.ssh("true").is_refused_with("bob holds no grant for ssh").says("nobody could approve this");
    host.root("jit status").says("! there is one approver");
}

#[test]
fn an_approver_is_one_from_the_moment_the_group_says_so() {
    let host = Host::sandbox("web-1", "", "").unwrap();
    let bob = host.person("bob", &[]).unwrap();
    up(&host);
    bob.ssh("true").is_refused_with("nobody could approve this");
    host.root("usermod -aG jit-approvers bob");
    bob.ssh("true").is_in();
    host.root("gpasswd -d bob jit-approvers");
    bob.ssh("true").is_refused_with("bob holds no grant");
}

#[test]
fn the_auth_line_gives_the_answer_of_account_once_and_starts_no_clock() {
    let host = Host::sandbox("web-1", "", "").unwrap();
    let file = host.path("etc/pam.d/sshd");
    let text = std::fs::read_to_string(&file).unwrap();
    let auth = "@include common-auth\nauth [success=ok module_unknown=ignore default=die] pam_jit.so spare_user=rescue";
    std::fs::write(&file, text.replace("@include common-auth", auth)).unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    up(&host);
    host.policy(&one_rule("time = { clock = \"first-use\" }"), None).unwrap();
    let mut terminal = alice.terminal_by("keyboard-interactive", "true");
    terminal.exp_string("assword:").unwrap();
    terminal.send_line(PASSWORD).unwrap();
    let seen = terminal.exp_string("Reason: ").unwrap();
    assert_eq!(seen.matches("jit: alice holds no grant").count(), 1, "{seen}");
    terminal.send_line("the disk is full").unwrap();
    terminal.exp_string("For how long [1h]: ").unwrap();
    terminal.send_line("").unwrap();
    terminal.exp_string("stop): ").unwrap();
    terminal.send_line("q").unwrap();
    let seen = terminal.exp_eof().unwrap();
    assert_eq!(seen.matches("jit:").count(), 1, "said once, not at each of three tries: {seen}");
    assert!(!seen.contains("Reason"), "and asked once: {seen}");
    let request = bob.jit("requests --json");
    let grant = bob.jit(&format!("approve {}", request.id("R-"))).id("G-");
    bob.jit(&format!("show {grant}")).says("is unclaimed");
    let mut terminal = alice.terminal_by("keyboard-interactive", "echo came in");
    terminal.exp_string("assword:").unwrap();
    terminal.send_line(PASSWORD).unwrap();
    terminal.exp_string("came in").unwrap();
    bob.jit(&format!("show {grant}")).says("is active");
    let lines = host.syslog_lines();
    let phases = ["phase=auth", "phase=account", "phase=open"]
        .map(|phase| lines.iter().filter(|l| l.contains("reason=granted") && l.contains(phase)).count());
    assert_eq!(phases, [1, 1, 1]);
}

#[test]
fn what_goes_around_the_module_is_what_the_manual_says() {
    let host = Host::sandbox("web-1", "", "").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    up(&host);
    bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
    let grant = bob.jit(&format!("approve {}", alice.ssh("sudo -n true").id("R-"))).id("G-");
    let sudoers =
        |line: &str| std::fs::write(host.path("etc/sudoers.d/around"), format!("{line}\n")).unwrap();

    alice.ssh("sudo -n -u bob id -un").is_refused_with("is for sudo as root");
    // sudo goes on over PAM_SESSION_ERR, with the refusal on the screen.
    let fails = "session required pam_debug.so open_session=session_err";
    host.root(&format!("cp -p /etc/pam.d/sudo /root/; sed -i '1i {fails}' /etc/pam.d/sudo")).ends_with(0);
    let goes_on = alice.ssh("sudo -n -u bob id -un");
    goes_on.ends_with(0).says("is for sudo as root");
    assert!(goes_on.out.starts_with("bob\n"), "{goes_on:?}");
    let why = "pam_debug.so before pam_jit.so in its session part (/etc/pam.d/sudo, line 1)";
    host.soon("the status says so", || host.root("jit status").out.contains(why));
    host.root("sed -i '1s/required/optional/' /etc/pam.d/sudo").ends_with(0);
    alice.ssh("sudo -n -u bob id -un").is_refused_with("is for sudo as root");
    host.root("cp -p /root/sudo /etc/pam.d/").ends_with(0);
    sudoers("Defaults !pam_session");
    alice.ssh("sudo -n -u bob id -un").is_in().says("bob");
    bob.jit(&format!("revoke {grant} --reason done")).ends_with(0);
    alice.ssh("sudo -n id -un").is_refused_with("was revoked by bob");
    sudoers("Defaults !pam_acct_mgmt, !pam_session");
    alice.ssh("sudo -n id -un").is_in().says("root");
    sudoers("");

    // A further channel of a connection that is open.
    let path = format!("ControlPath={}", host.scratch().join("master").display());
    let further = |how: &str| alice.ssh_with(&["-o", "BatchMode=yes", "-o", &path, "-o", how], "echo in");
    alice.ssh_with(&["-o", "BatchMode=yes", "-o", &path, "-f", "-N", "-M"], "").is_in();
    // It makes no PAM call, and ends with the login that opened the connection.
    host.soon("its session is open", || {
        host.root("jit sessions").out.lines().any(|line| line.contains("alice") && line.contains("open"))
    });
    let asked = || host.root("jit audit tail -n 500").out.matches("user=alice").count();
    let before = asked();
    further("ControlMaster=no").is_in().says("in");
    assert_eq!(asked(), before);
    for line in bob.jit("grants --user alice --json").out.split("\"G-").skip(1) {
        bob.jit(&format!("revoke G-{} --reason done", &line[..11])).ends_with(0);
    }
    alice.ssh("true").is_refused_with("was revoked by bob");
    host.soon("the connection is over", || alice.ssh_with(&["-o", &path, "-O", "check"], "").code != 0);
    further("ControlMaster=no").is_refused_with("was revoked by bob");

    host.root("sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; kill -HUP $(cat /run/sshd.pid)")
        .ends_with(0);
    host.soon("sshd asks nobody", || alice.ssh("true").code == 0);
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn refused_logins_of_one_person_open_so_many_requests_and_no_more() {
        let host = Host::sandbox("web-1", "", "").unwrap();
        let alice = host.person("alice", &[]).unwrap();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        up(&host);
        for n in 0..10 {
            let request = alice.ssh("true").id("R-");
            if n == 5 {
                alice.ssh("true").is_refused_with(&format!("Request {request} already waits"));
            }
            bob.jit(&format!("deny {request} --comment no")).ends_with(0);
        }
        alice.ssh("true").is_refused_with("jit request --user alice --service ssh --reason TEXT");
    }
}
