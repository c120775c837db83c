//! Asking and waiting right where somebody is refused: real sshd, sudo and su, on terminals.

use std::time::{Duration, Instant};
use testbed::{Host, PASSWORD, Person, Terminal};

const AUTH: &str = "auth [success=ok module_unknown=ignore default=die] pam_jit.so spare_user=rescue";

/// A host whose sshd asks too: the optional auth line stands where the manual says.
fn asking(config: &str) -> Host {
    let host = Host::sandbox("web-1", "", config).unwrap();
    let file = host.path("etc/pam.d/sshd");
    let text = std::fs::read_to_string(&file).unwrap();
    let with = text.replace("@include common-auth", &format!("@include common-auth\n{AUTH}"));
    assert_ne!(text, with);
    std::fs::write(&file, with).unwrap();
    host.soon("jitd answers", || host.root("jit status").code == 0);
    host
}

/// By keyboard-interactive, up to the right password.
fn knocks(person: &Person<'_>, command: &str) -> Terminal {
    let mut terminal = person.terminal_by("keyboard-interactive", command);
    terminal.exp_string("assword:").unwrap();
    terminal.send_line(PASSWORD).unwrap();
    terminal
}

/// Says why and for how long.
fn says(terminal: &mut Terminal, why: &str, length: &str) {
    terminal.exp_string("Ask for it here: say why, or press Enter to leave.").unwrap();
    terminal.exp_string("Reason: ").unwrap();
    terminal.send_line(why).unwrap();
    terminal.exp_string("For how long [1h]: ").unwrap();
    terminal.send_line(length).unwrap();
}

fn id(terminal: &mut Terminal) -> String {
    terminal.exp_regex("R-[0-9A-Z]{5}-[0-9A-Z]{5}").unwrap().1
}

/// Lets `person` in over ssh, so that what follows is about another door.
fn with_ssh(person: &Person<'_>, bob: &Person<'_>) {
    let request = person.ssh("true").id("R-");
    bob.jit(&format!("approve {request}")).ends_with(0);
}

fn count(host: &Host, words: &[&str]) -> usize {
    let lines = host.syslog_lines();
    lines.iter().filter(|line| words.iter().all(|words| line.contains(words))).count()
}

#[test]
fn a_refused_login_says_why_waits_and_is_in_within_one_connection() {
    let host = asking("");
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let mut terminal = knocks(&alice, "echo came in by $SHELL");
    let seen = terminal.exp_string("alice holds no grant for ssh on web-1. ").unwrap();
    assert!(!seen.contains("R-"), "nothing was asked for yet: {seen}");
    bob.jit("requests").says("No request waits.");
    says(&mut terminal, "the disk is full", "30m");
    let request = id(&mut terminal);
    terminal.exp_string(" waits for bob, another ").unwrap();
    terminal.exp_string("Press Enter to check (q and Enter: stop): ").unwrap();
    bob.jit(&format!("show {request}")).says("the disk is full").says("30m").says("is pending");
    // Too early.
    terminal.send_line("").unwrap();
    terminal.exp_string(&format!("{request} waits for bob, another ")).unwrap();
    terminal.exp_string("stop): ").unwrap();
    bob.jit(&format!("approve {request}")).ends_with(0);
    terminal.send_line("").unwrap();
    let seen = terminal.exp_string("came in by /bin/bash").unwrap();
    assert!(!seen.contains("jit:"), "quiet once it is granted: {seen}");

    host.soon("it is all on record", || count(&host, &["phase=open", "reason=granted"]) == 1);
    let by_login = ["change=requested", "actor=alice", "channel=login"];
    for (what, times) in [
        (&["decision=deny"][..], 1),
        (&["decision=deny", "reason=no_grant", "phase=auth"], 1),
        (&by_login, 1),
        (&["decision=allow", "reason=granted", "user=alice", "phase=auth"], 1),
        (&["decision=allow", "reason=granted", "user=alice", "phase=account"], 1),
    ] {
        assert_eq!(count(&host, what), times, "{what:?} in {:#?}", host.syslog_lines());
    }
}

#[test]
fn who_waits_for_a_login_hears_a_no_and_can_stop() {
    let host = asking("");
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();

    let mut terminal = knocks(&alice, "true");
    says(&mut terminal, "the disk is full", "");
    let request = id(&mut terminal);
    terminal.exp_string("stop): ").unwrap();
    bob.jit(&format!("deny {request} --comment 'not today'")).ends_with(0);
    terminal.send_line("").unwrap();
    terminal.exp_string(&format!("jit: request {request} was denied by bob: not today")).unwrap();
    let rest = terminal.exp_eof().unwrap();
    assert!(!rest.contains("jit:") && !rest.contains("assword"), "said once, and over: {rest}");

    let mut terminal = knocks(&alice, "true");
    says(&mut terminal, "the disk is still full", "");
    let request = id(&mut terminal);
    terminal.exp_string("stop): ").unwrap();
    terminal.send_line("q").unwrap();
    terminal.exp_string(&format!("jit: no longer waiting; request {request} stays open: try again")).unwrap();
    terminal.exp_eof().unwrap();
    bob.jit(&format!("show {request}")).says("is pending");

    // The next one waits for the same.
    let mut terminal = knocks(&alice, "echo came in by $SHELL");
    terminal.exp_string("alice holds no grant for ssh on web-1. ").unwrap();
    terminal.exp_string(&format!("{request} waits for bob, another ")).unwrap();
    terminal.exp_string("stop): ").unwrap();
    bob.jit(&format!("approve {request}")).ends_with(0);
    terminal.send_line("").unwrap();
    terminal.exp_string("came in by /bin/bash").unwrap();

    // No reason, no request.
    let carol = host.person("carol", &[]).unwrap();
    let mut terminal = knocks(&carol, "true");
    terminal.exp_string("Reason: ").unwrap();
    terminal.send_line("").unwrap();
    terminal.exp_string("jit: nothing was asked for.").unwrap();
    terminal.exp_eof().unwrap();
    assert_eq!(count(&host, &["change=requested", "actor=carol"]), 0);

    // A client that answers each question with the password asks for nothing in those words.
    let dave = host.person("dave", &[]).unwrap();
    let mut terminal = knocks(&dave, "true");
    terminal.exp_string("Reason: ").unwrap();
    terminal.send_line(PASSWORD).unwrap();
    let (_, request) = terminal.exp_regex("R-[0-9A-Z]{5}-[0-9A-Z]{5}").unwrap();
    let seen = terminal.exp_eof().unwrap();
    assert!(seen.contains("was opened for you") && !seen.contains("[1h]"), "{seen}");
    bob.jit(&format!("show {request}")).says("refused ssh login from 127.0.0.1");
    assert!(!host.root("jit requests --all --json; cat /var/log/auth.log").out.contains(PASSWORD));
}

#[test]
fn what_the_rule_wants_is_asked_until_it_is_right() {
    let host = asking("[gate]\napprovers_log_in = false\n");
    let alice = host.person("alice", &[]).unwrap();
    host.person("bob", &["jit-approvers"]).unwrap();
    let policy = "[[rule]]\nid = \"strict\"\nask = { reason_min = 10, ticket = \"OPS-[0-9]+\" }\n\
                  time = { default = \"1h\", max = \"2h\" }\non_refusal = \"hint\"\n\
                  approve = [{ from = [\"group:jit-approvers\"] }]\n";
    host.policy(policy, None).unwrap();
    let mut terminal = knocks(&alice, "true");
    for (why, length, ticket, wrong) in [
        ("short", "", "OPS-7", "jit: rule \"strict\" wants a reason of at least 10 characters."),
        ("the disk is full", "2 hours", "OPS-7", "jit: duration \"2 hours\" has a unit other than"),
    ] {
        terminal.exp_string("Reason").unwrap();
        terminal.send_line(why).unwrap();
        terminal.exp_string("For how long [1h]: ").unwrap();
        terminal.send_line(length).unwrap();
        terminal.exp_string("Ticket, like OPS-[0-9]+: ").unwrap();
        terminal.send_line(ticket).unwrap();
        terminal.exp_string(wrong).unwrap();
    }
    terminal.exp_string("Reason [as before]: ").unwrap();
    terminal.send_line("").unwrap();
    terminal.exp_string("For how long [1h]: ").unwrap();
    terminal.send_line("2h").unwrap();
    terminal.exp_string("Ticket, like OPS-[0-9]+: ").unwrap();
    terminal.send_line("OPS-7").unwrap();
    let request = id(&mut terminal);
    host.root(&format!("jit show {request}")).says("the disk is full").says("OPS-7").says("2h");

    // Where nobody could agree nobody is asked for words.
    let carol = host.person("carol", &[]).unwrap();
    host.policy(&policy.replace("group:jit-approvers", "user:carol"), None).unwrap();
    let mut terminal = knocks(&carol, "true");
    terminal.exp_string("carol holds no grant for ssh on web-1.").unwrap();
    let rest = terminal.exp_eof().unwrap();
    assert!(rest.contains("jit request --user carol") && !rest.contains("Reason"), "as by key: {rest}");
}

#[test]
fn a_way_in_that_asks_nobody_never_waits() {
    let host = asking("");
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let opened = "was opened for you: bob can approve it. Then try again.";
    // sshd has the password at hand, and hands it to whoever asks without echo. What a module says before
    // somebody is authenticated it shows to nobody.
    let mut terminal = alice.terminal_by("password", "true");
    terminal.exp_string("assword:").unwrap();
    terminal.send_line(PASSWORD).unwrap();
    let seen = terminal.exp_eof().unwrap();
    assert!(seen.contains("Permission denied") && !seen.contains("Reason"), "{seen}");
    assert_eq!(count(&host, &["change=requested", "actor=alice", "channel=login"]), 1, "asked for");
    assert_eq!(count(&host, &["decision=deny", "user=alice"]), 1, "and one record");
    alice.ssh("true").is_refused_with("already waits");
    bob.jit(&format!("approve {}", bob.jit("requests --json").id("R-"))).ends_with(0);

    // No terminal, and none to ask at.
    alice.ssh("sudo true").is_refused_with(opened);
    let refused = "R-[0-9A-Z]{5}-[0-9A-Z]{5} already waits, for another";
    for command in [
        "sudo -n true",
        "sudo -k -n true",
        "sudo -n -u root -- true",
        "sudo --non-interactive true",
        "echo pw | sudo -S true",
        "SUDO_ASKPASS=/bin/hostname sudo -A true",
        "setsid -w sudo true",
        "setsid -w sudo true < /dev/null",
    ] {
        let mut terminal = alice.terminal(command);
        let (seen, _) = terminal.exp_regex(refused).unwrap();
        assert!(!seen.contains("Reason"), "{command}: {seen}");
        terminal.exp_eof().unwrap();
    }
    let mut shell = alice.terminal("");
    shell.exp_string("alice@web-1").unwrap();
    shell.send_line("sudo true & wait; echo over $((1 + 1))").unwrap();
    let seen = shell.exp_string("over 2").unwrap();
    assert!(seen.contains("already waits") && !seen.contains("Reason"), "a job in the background: {seen}");
    let asked = host.root("jit requests --all --json");
    assert!(!asked.out.contains("\"pw\"") && !asked.out.contains("\"web-1\\n\""), "{asked:?}");
}

#[test]
fn sudo_on_a_terminal_asks_waits_and_runs_the_command() {
    let host = asking("");
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    with_ssh(&alice, &bob);
    let mut terminal =
        alice.terminal("sudo -p 'Password: ' id -un > /tmp/out 2> /tmp/err; echo left with $?");
    terminal.exp_string("is for ssh, not for sudo. ").unwrap();
    says(&mut terminal, "restart nginx", "30m");
    terminal.exp_string("jit: waiting for it. ^C stops that, and request ").unwrap();
    let request = id(&mut terminal);
    terminal.exp_string(&format!("jit: {request} waits for bob, another ")).unwrap();
    bob.jit(&format!("approve {request}")).ends_with(0);
    terminal.exp_string("left with 0").unwrap();
    assert_eq!(host.root("cat /tmp/out; echo; cat /tmp/err").out, "root\n\n", "nothing of ours is captured");
    bob.jit(&format!("show {request}")).says("restart nginx");
    assert_eq!(count(&host, &["decision=deny", "user=alice", "service=sudo"]), 1);
    assert_eq!(count(&host, &["decision=allow", "service=sudo", "phase=account"]), 1);
    assert_eq!(count(&host, &["phase=wait"]) + count(&host, &["phase=ask"]), 0, "waiting is no decision");
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn only_so_many_logins_wait_and_nobody_is_kept_out_by_them() {
        let host = asking("");
        // As sshd is without a word of ours: it begins to turn away at ten that are not in yet.
        let config = host.path("etc/ssh/sshd_config.d/test.conf");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace("MaxStartups 200", "MaxStartups 10:30:100")).unwrap();
        host.root("kill $(cat /run/sshd.pid)").ends_with(0);
        host.soon("sshd is gone", || host.root("ls /run/sshd.pid").code != 0);
        host.root("/usr/sbin/sshd").ends_with(0);
        let people: Vec<Person<'_>> =
            ["alice", "carol", "dave"].iter().map(|name| host.person(name, &[]).unwrap()).collect();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        let waits = |person: &Person<'_>| {
            let mut terminal = knocks(person, "true");
            terminal.exp_regex("Reason: |stop\\): ").unwrap();
            terminal
        };
        let is_refused = |person: &Person<'_>| {
            let since = Instant::now();
            let seen = knocks(person, "true").exp_eof().unwrap();
            assert!(seen.contains("was opened for you") || seen.contains("already waits"), "{seen}");
            assert!(!seen.contains("Reason"), "{seen}");
            assert!(since.elapsed() < Duration::from_secs(20), "at once");
        };
        let [alice, carol, dave] = people.as_slice() else { unreachable!() };
        let mut waiting = vec![waits(alice), waits(alice)];
        // However often one person tries, two of theirs wait.
        for _ in 0..12 {
            is_refused(alice);
        }
        waiting.extend([waits(carol), waits(carol)]);
        is_refused(dave);
        for _ in 0..20 {
            bob.ssh("true").is_in();
        }
        // A place is free again once its login is gone.
        drop(waiting.pop());
        host.soon("a place is free", || {
            knocks(dave, "true").exp_regex("stop\\): |Then try again").unwrap().1.starts_with("stop")
        });
    }

    #[test]
    fn su_on_a_terminal_asks_and_waits_too() {
        let host = asking("");
        let alice = host.person("alice", &[]).unwrap();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        with_ssh(&alice, &bob);
        for command in ["su -c 'id -un > /tmp/out'", "su -l -c 'id -un > /tmp/out'"] {
            host.root("rm -f /tmp/out");
            let mut terminal = alice.terminal(&format!("{command}; echo left with $?"));
            terminal.exp_string("assword").unwrap();
            terminal.send_line(PASSWORD).unwrap();
            says(&mut terminal, "an old habit", "");
            let request = id(&mut terminal);
            terminal.exp_string(&format!("jit: {request} waits for bob, another ")).unwrap();
            bob.jit(&format!("approve {request}")).ends_with(0);
            terminal.exp_string("left with 0").unwrap();
            assert_eq!(host.root("cat /tmp/out").out, "root\n");
            let grant = bob.jit("grants --all --json").out;
            assert!(grant.contains("\"su\""), "{grant}");
            let grant = bob.jit(&format!("show {request}")).id("G-");
            alice.jit(&format!("release {grant}")).ends_with(0);
        }
        // ^C ends su itself; what was asked for stays.
        let mut terminal = alice.terminal("su -c true");
        terminal.exp_string("assword").unwrap();
        terminal.send_line(PASSWORD).unwrap();
        says(&mut terminal, "once more", "");
        let request = id(&mut terminal);
        terminal.exp_string("waits for bob").unwrap();
        terminal.send_control('c').unwrap();
        terminal.exp_eof().unwrap();
        bob.jit(&format!("show {request}")).says("is pending");
    }

    #[test]
    fn a_break_in_sudo_ends_the_wait_and_not_the_request() {
        let host = asking("");
        let alice = host.person("alice", &["staff"]).unwrap();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        with_ssh(&alice, &bob);
        let mut shell = alice.terminal("");
        shell.exp_string("alice@web-1").unwrap();
        shell.send_line("sudo id -un").unwrap();
        says(&mut shell, "restart nginx", "");
        let request = id(&mut shell);
        shell.exp_string(&format!("jit: {request} waits for bob, another ")).unwrap();
        shell.send_control('c').unwrap();
        shell
            .exp_string(&format!(
                "jit: no longer waiting; request {request} stays open: try again once it is approved."
            ))
            .unwrap();
        shell.exp_string("alice@web-1").unwrap();
        bob.jit(&format!("show {request}")).says("is pending");

        // Straight to waiting for the same, over a daemon that is started anew.
        shell.send_line("sudo id -un").unwrap();
        shell.exp_string(&format!("{request} waits for bob, another ")).unwrap();
        shell.exp_string("^C stops that").unwrap();
        assert!(host.kill("jitd"));
        host.soon("jitd is back", || host.root("jit status").code == 0);
        bob.jit(&format!("approve {request}")).ends_with(0);
        shell.exp_string("root\r\n").unwrap();

        // A no is told too.
        let carol = host.person("carol", &["staff"]).unwrap();
        with_ssh(&carol, &bob);
        let mut terminal = carol.terminal("sudo id -un");
        says(&mut terminal, "look around", "");
        let request = id(&mut terminal);
        terminal.exp_string("waits for bob").unwrap();
        bob.jit(&format!("deny {request} --comment 'what for'")).ends_with(0);
        terminal.exp_string(&format!("jit: request {request} was denied by bob: what for")).unwrap();
        let rest = terminal.exp_eof().unwrap();
        assert!(!rest.contains("root"), "{rest}");
    }

    #[test]
    fn the_configuration_can_take_the_prompt_away() {
        let host = asking("[prompt]\nenabled = false\n");
        let alice = host.person("alice", &["staff"]).unwrap();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        let seen = knocks(&alice, "true").exp_eof().unwrap();
        assert!(seen.contains("was opened for you") && !seen.contains("Reason"), "{seen}");
        bob.jit(&format!("approve {}", bob.jit("requests --json").id("R-"))).ends_with(0);
        let seen = alice.terminal("sudo true").exp_eof().unwrap();
        assert!(seen.contains("was opened for you") && !seen.contains("Reason"), "{seen}");
    }

    #[test]
    fn what_a_rule_gives_by_itself_or_does_not_want_asked_for_is_as_without_a_prompt() {
        let host = asking("");
        let alice = host.person("alice", &["staff"]).unwrap();
        host.person("bob", &["jit-approvers"]).unwrap();
        let rule = |more: &str| {
            format!("[[rule]]\nid = \"r\"\napprove = [{{ from = [\"group:jit-approvers\"] }}]\n{more}\n")
        };
        host.policy(&rule("on_refusal = \"off\""), None).unwrap();
        let mut terminal = knocks(&alice, "true");
        let seen = terminal.exp_eof().unwrap();
        assert!(
            seen.contains("jit: alice holds no grant for ssh on web-1.") && !seen.contains("Reason"),
            "{seen}"
        );
        // No rule approves by itself on a clock that nobody vouches for.
        host.root("jitd clock accept").ends_with(0);
        host.policy(&rule("auto = { max = \"2h\" }"), None).unwrap();
        let mut terminal = knocks(&alice, "sudo id -un; echo came in by $SHELL");
        let seen = terminal.exp_string("came in by /bin/bash").unwrap();
        assert!(!seen.contains("Reason") && seen.contains("root"), "{seen}");
    }
}
