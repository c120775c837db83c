//! What the release module does at a prompt: over sshd's conversation, and on the terminal of sudo.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use frame::{Answer, Offer, Phase, Question};
use module_tests::code::{MAXTRIES, PERM_DENIED, SUCCESS};
use module_tests::{Gate, Outcome, Stack, allow, deny, offer};
use std::collections::VecDeque;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use tempfile::TempDir;

fn folder() -> TempDir {
    testbed::root_or_explain().unwrap();
    let folder = tempfile::Builder::new().prefix("gate").tempdir_in("/run").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn stack(folder: &Path, more: &str) -> Stack {
    Stack::new(folder, &format!("socket={}/gate.sock timeout=1 {more}", folder.display()))
}

/// What the gate answers, question by question.
#[derive(Clone)]
enum Step {
    Allow,
    Deny(&'static str),
    /// Offers to ask.
    Ask(&'static str),
    /// The same, and a ticket like this.
    Ticket(&'static str, &'static str),
    /// Offers to wait.
    Wait(&'static str),
    /// Hangs up.
    Nothing,
}

use Step::{Allow, Ask, Deny, Nothing, Ticket, Wait};

fn gate(folder: &Path, steps: &[Step]) -> Gate {
    let steps: Mutex<VecDeque<Step>> = Mutex::new(steps.to_vec().into());
    Gate::answering(folder, move |question| {
        let ask = |ticket: &str| Offer::Ask { length: b"1h".to_vec(), ticket: ticket.into() };
        let answer = match steps.lock().unwrap().pop_front() {
            Some(Allow) => allow(question),
            Some(Deny(line)) => deny(question, line),
            Some(Ask(line)) => offer(question, line, ask("")),
            Some(Ticket(line, pattern)) => offer(question, line, ask(pattern)),
            Some(Wait(line)) => offer(question, line, Offer::Wait { request: b"R-1".to_vec() }),
            Some(Nothing) => return Vec::new(),
            None => deny(question, "jit: it was asked more than it should be."),
        };
        answer.encode().unwrap()
    })
}

/// A login by keyboard-interactive of somebody who types this.
fn login(stack: &Stack, typed: &[&str]) -> Outcome {
    let typed: Vec<String> = typed.iter().map(|text| format!("type={text}")).collect();
    let items: Vec<&str> = typed.iter().map(String::as_str).collect();
    stack.run("sshd", "nobody", "auth", &items)
}

/// The questions that the gate was asked, all of them.
fn asked(gate: &Gate, count: usize) -> Vec<Question> {
    let asked = (0..count).map(|_| gate.asked()).collect();
    assert!(gate.heard_nothing(), "more than {count} questions");
    asked
}

fn phases(questions: &[Question]) -> Vec<Phase> {
    questions.iter().map(|question| question.phase).collect()
}

const REFUSED: &str = "jit: no grant. Ask for it here.";
const WAITS: &str = "jit: R-1 waits for bob.";
const CHECK: &str = "jit: R-1 waits for bob. Press Enter to check (q and Enter: stop): ";

#[test]
fn a_refused_login_says_why_waits_and_is_let_in_by_a_decision_of_its_own() {
    let folder = folder();
    let gate = gate(folder.path(), &[Ask(REFUSED), Wait(WAITS), Wait(WAITS), Allow, Allow]);
    let outcome = login(&stack(folder.path(), ""), &["the disk is full", "30m", "", ""]);
    assert_eq!(outcome.code(), SUCCESS);
    let ask = format!("{REFUSED}\\nReason: ");
    assert_eq!(outcome.asked(), [ask.as_str(), "For how long [1h]: ", CHECK, CHECK]);
    assert_eq!(outcome.messages.len(), 4, "nothing else is shown: {outcome:?}");
    let asked = asked(&gate, 5);
    assert_eq!(phases(&asked), [Phase::Auth, Phase::Ask, Phase::Wait, Phase::Wait, Phase::Auth]);
    assert_eq!(asked.iter().map(|q| q.can_prompt).collect::<Vec<_>>(), [true, true, true, true, false]);
    assert_eq!(
        (asked[1].wish.reason.as_slice(), asked[1].wish.length.as_slice()),
        (&b"the disk is full"[..], &b"30m"[..])
    );
    assert!(asked[1].wish.ticket.is_empty(), "no ticket was asked for");
    let nonces: std::collections::HashSet<_> = asked.iter().map(|q| q.nonce).collect();
    assert_eq!(nonces.len(), 5, "each question is its own");
}

#[test]
fn what_is_told_at_the_prompt_lets_nobody_in() {
    for (steps, typed) in [
        (&[Ask(REFUSED), Wait(WAITS), Allow, Deny("jit: revoked.")][..], &["why", "", ""][..]),
        (&[Ask(REFUSED), Allow, Deny("jit: revoked.")][..], &["why", ""][..]),
        (&[Wait(WAITS), Allow, Deny("jit: revoked.")][..], &[""][..]),
    ] {
        let folder = folder();
        let _gate = gate(folder.path(), steps);
        let outcome = login(&stack(folder.path(), ""), typed);
        assert_eq!((outcome.code(), outcome.line()), (MAXTRIES, "jit: revoked."));
    }
    // The decision is the daemon's, and without it there is none.
    let folder = folder();
    let _gate = gate(folder.path(), &[Wait(WAITS), Allow, Nothing]);
    let outcome = login(&stack(folder.path(), ""), &[""]);
    assert_eq!(outcome.code(), MAXTRIES);
    assert!(outcome.line().contains("does not answer"), "{outcome:?}");
}

#[test]
fn a_refusal_stays_one_whatever_the_line_says_of_no_answer() {
    for steps in [&[Ask(REFUSED), Nothing][..], &[Ask(REFUSED), Wait(WAITS)]] {
        let folder = folder();
        let gate = gate(folder.path(), steps);
        let outcome = login(&stack(folder.path(), "on_unavailable=allow"), &["why", "", "q"]);
        assert_eq!(outcome.code(), MAXTRIES, "{outcome:?}");
        assert!(outcome.line().starts_with("jit: "), "{outcome:?}");
        assert_eq!(phases(&asked(&gate, 2)), [Phase::Auth, Phase::Ask]);
    }
}

#[test]
fn an_empty_reason_asks_for_nothing() {
    let folder = folder();
    let gate = gate(folder.path(), &[Ask(REFUSED)]);
    let outcome = login(&stack(folder.path(), ""), &[" "]);
    assert_eq!((outcome.code(), outcome.line()), (MAXTRIES, "jit: nothing was asked for."));
    asked(&gate, 1);
}

#[test]
fn where_nobody_can_be_asked_the_question_is_asked_as_without_a_prompt() {
    for first in [Ask(REFUSED), Wait(WAITS)] {
        let folder = folder();
        let gate = gate(folder.path(), &[first, Deny("jit: no grant. Request R-1 was opened for you.")]);
        // As sshd is under password authentication: a prompt with echo fails, one without gets the password.
        let outcome = login(&stack(folder.path(), ""), &[]);
        assert_eq!(outcome.code(), MAXTRIES);
        assert_eq!(outcome.line(), "jit: no grant. Request R-1 was opened for you.", "one line");
        assert_eq!(outcome.asked().len(), 1, "one try, with echo");
        let asked = asked(&gate, 2);
        assert_eq!(phases(&asked), [Phase::Auth, Phase::Auth]);
        assert_eq!((asked[0].can_prompt, asked[1].can_prompt), (true, false));
    }
    // And a rule that approves by itself then lets in.
    let folder = folder();
    let _gate = gate(folder.path(), &[Ask(REFUSED), Allow]);
    assert_eq!(login(&stack(folder.path(), ""), &[]).code(), SUCCESS);
}

#[test]
fn a_password_is_no_reason_and_is_not_sent_on() {
    for (steps, typed, questions) in [
        (&[Ask(REFUSED), Deny("jit: no.")][..], &["secret"][..], 2),
        (&[Ask(REFUSED), Deny("jit: no.")][..], &["it is (secret)"][..], 2),
        (&[Ask(REFUSED)][..], &["why", "secret"][..], 1),
        (&[Ticket(REFUSED, "OPS-[0-9]+")][..], &["why", "1h", "secret"][..], 1),
        (&[Ask(REFUSED), Wait(WAITS)][..], &["why", "1h", "secret"][..], 2),
    ] {
        let folder = folder();
        let gate = gate(folder.path(), steps);
        let outcome = login(&stack(folder.path(), "").after_a_password(), typed);
        assert_eq!(outcome.code(), MAXTRIES, "{typed:?}");
        assert!(outcome.line().starts_with("jit: "), "{typed:?}");
        for question in asked(&gate, questions) {
            let bytes = question.encode().unwrap();
            assert!(!bytes.windows(6).any(|part| part == b"secret"), "{typed:?}: {question:?}");
        }
    }
    let folder = folder();
    let _gate = gate(folder.path(), &[Ask(REFUSED), Allow, Allow]);
    let honest = login(&stack(folder.path(), "").after_a_password(), &["the disk", ""]);
    assert_eq!(honest.code(), SUCCESS, "{honest:?}");
}

#[test]
fn what_was_typed_wrong_is_said_and_asked_again_three_times_at_most() {
    let folder = folder();
    let short = "jit: say more.";
    let gate = gate(
        folder.path(),
        &[Ask(REFUSED), Ask(short), Ticket("jit: that is no length.", "OPS-1"), Ask("jit: still not.")],
    );
    let typed = ["x", "", "the disk is full", "soon", "", "1h", "OPS-1", "never asked for"];
    let outcome = login(&stack(folder.path(), ""), &typed);
    assert_eq!((outcome.code(), outcome.line()), (MAXTRIES, "jit: still not."));
    assert_eq!(
        outcome.asked(),
        [
            &format!("{REFUSED}\\nReason: ")[..],
            "For how long [1h]: ",
            "jit: say more.\\nReason [as before]: ",
            "For how long [1h]: ",
            "jit: that is no length.\\nReason [as before]: ",
            "For how long [1h]: ",
            "Ticket, like OPS-1: ",
        ]
    );
    let wishes: Vec<_> = asked(&gate, 4).into_iter().skip(1).map(|question| question.wish).collect();
    let reasons: Vec<_> =
        wishes.iter().map(|wish| String::from_utf8_lossy(&wish.reason).into_owned()).collect();
    assert_eq!(reasons, ["x", "the disk is full", "the disk is full"], "Enter keeps the reason");
    assert_eq!(wishes[2].ticket, b"OPS-1");
}

#[test]
fn what_does_not_fit_the_frame_is_said_by_the_module() {
    let folder = folder();
    let gate = gate(folder.path(), &[Ask(REFUSED), Allow, Allow]);
    let (long, hours) = ("x".repeat(1001), "h".repeat(33));
    let outcome = login(&stack(folder.path(), ""), &[&long, "", "fine", &hours, "", "1h"]);
    assert_eq!(outcome.code(), SUCCESS, "{outcome:?}");
    let asked_for = outcome.asked();
    assert!(asked_for[2].starts_with("jit: the reason is longer than 1000 bytes."), "{asked_for:?}");
    assert!(asked_for[4].starts_with("jit: that is too long for a length of time"), "{asked_for:?}");
    assert_eq!(asked(&gate, 3)[1].wish.length, b"1h");
}

#[test]
fn who_waits_can_stop_or_hears_how_it_ended() {
    for (steps, typed, line) in [
        (
            &[Wait(WAITS)][..],
            &["q"][..],
            "jit: no longer waiting; request R-1 stays open: try again once it is approved.",
        ),
        (&[Wait(WAITS), Deny("jit: R-1 was denied by bob: no")], &[""], "jit: R-1 was denied by bob: no"),
        // The connection is gone.
        (
            &[Wait(WAITS), Wait(WAITS)],
            &[""],
            "jit: no longer waiting; request R-1 stays open: try again once it is approved.",
        ),
    ] {
        let folder = folder();
        let gate = gate(folder.path(), steps);
        let outcome = login(&stack(folder.path(), ""), typed);
        assert_eq!((outcome.code(), outcome.line()), (MAXTRIES, line));
        asked(&gate, steps.len());
    }
}

#[test]
fn a_daemon_that_is_started_anew_ends_no_wait() {
    let folder = folder();
    let gate = gate(folder.path(), &[Wait(WAITS), Nothing, Wait(WAITS), Allow, Allow]);
    let outcome = login(&stack(folder.path(), ""), &["", "", ""]);
    assert_eq!(outcome.code(), SUCCESS);
    let prompts = outcome.asked();
    assert!(
        prompts[1].starts_with("jit: this host's access daemon does not answer; trying again."),
        "{prompts:?}"
    );
    assert_eq!(prompts[2], CHECK);
    asked(&gate, 5);
}

#[test]
fn a_login_waits_no_longer_than_sshd_lets_it() {
    let folder = folder();
    let gate = gate(folder.path(), &[Wait(WAITS)]);
    // A process that began 110 s ago, as this reads.
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let later: u64 = uptime.split('.').next().unwrap().parse::<u64>().unwrap() + 112;
    let file = folder.path().join("uptime");
    std::fs::write(&file, format!("{later}.00 0.00\n")).unwrap();
    let mount = format!("mount --bind {} /proc/uptime && exec \"$@\"", file.display());
    let outcome = stack(folder.path(), "").run_under(
        &["unshare", "-m", "sh", "-c", &mount, "sh"],
        "sshd",
        "nobody",
        "auth",
        &["type="],
    );
    assert_eq!(outcome.code(), MAXTRIES);
    assert_eq!(outcome.line(), "jit: a login cannot wait longer; request R-1 stays open. Come again.");
    asked(&gate, 1);
}

#[test]
fn nothing_that_the_daemon_names_does_anything_to_a_terminal() {
    let folder = folder();
    let hostile = |question: &Question| {
        let offer = match question.phase {
            Phase::Auth => Offer::Ask { length: b"1h\x1b]0;x\x07".to_vec(), ticket: b"\x1b[2J\nX".to_vec() },
            _ => Offer::Wait { request: b"R-\x1b[31m\r\n1".to_vec() },
        };
        Answer { offer, ..deny(question, "jit: \x1b[2Jno\r\n\u{202e}grant\0") }.encode().unwrap()
    };
    let _gate = Gate::answering(folder.path(), hostile);
    let outcome = login(&stack(folder.path(), ""), &["why", "", "", "q"]);
    assert_eq!(
        outcome.asked(),
        [
            "jit: [2Jnogrant\\nReason: ",
            "For how long [1h]0;x]: ",
            "Ticket, like [2JX: ",
            "jit: [2Jnogrant Press Enter to check (q and Enter: stop): ",
        ]
    );
    assert_eq!(
        outcome.line(),
        "jit: no longer waiting; request R-[31m1 stays open: try again once it is approved."
    );
}

#[test]
fn an_offer_that_is_none_is_no_answer() {
    let folder = folder();
    let _gate = Gate::answering(folder.path(), |question| {
        let mut bytes = offer(question, REFUSED, Offer::Wait { request: b"R-1".to_vec() }).encode().unwrap();
        // Field 9 says which offer it is; there are 0, 1 and 2.
        let at = bytes.windows(4).position(|field| field == [9, 0, 1, 2]).unwrap();
        bytes[at + 3] = 1;
        bytes
    });
    let outcome = login(&stack(folder.path(), ""), &["why", "1h"]);
    assert_eq!(outcome.code(), MAXTRIES);
    assert!(outcome.line().contains("frame field 9 is missing, out of place or not valid"), "{outcome:?}");
    assert!(outcome.asked().is_empty());
}

#[test]
fn nobody_is_asked_where_there_is_nobody_to_ask() {
    let typed = ["type=why", "type=1h"];
    for (arguments, service, phase, items) in [
        ("", "sshd", "acct", &[][..]),
        ("", "sshd", "open", &[]),
        ("mode=monitor", "sshd", "auth", &[]),
        ("", "login", "auth", &[]),
        ("", "sudo", "acct", &["ruser=daemon", "uid=1"][..]),
        // A terminal that the application names, and none that this process has.
        ("", "su", "acct", &["ruser=daemon", "uid=1", "tty=/dev/pts/0"]),
    ] {
        let folder = folder();
        let gate = gate(folder.path(), &[Ask("jit: no grant.")]);
        let items = [items, &typed].concat();
        let outcome =
            stack(folder.path(), arguments).run_under(&["setsid", "-w"], service, "root", phase, &items);
        assert!(outcome.asked().is_empty(), "{service} {phase}: {outcome:?}");
        assert_eq!(outcome.code() == SUCCESS, arguments == "mode=monitor", "{service} {phase}: {outcome:?}");
        assert!(!asked(&gate, 1)[0].can_prompt, "{service} {phase}");
    }
    // An offer that comes with a yes changes nothing.
    let folder = folder();
    let _gate = Gate::answering(folder.path(), |question| {
        let offer = Offer::Ask { length: b"1h".to_vec(), ticket: Vec::new() };
        Answer { offer, ..allow(question) }.encode().unwrap()
    });
    assert_eq!(login(&stack(folder.path(), ""), &["why"]).is_quiet().code(), SUCCESS);
}

/// How sudo is run on a terminal by user id 1; ^C is caught, as sudo does.
const BY_DAEMON: [&str; 4] = ["ruser=daemon", "uid=1", "tty=/dev/pts/0", "catch=1"];

#[test]
fn sudo_asks_on_the_terminal_and_waits_there_with_one_line_that_changes() {
    let folder = folder();
    let two = "jit: R-1 waits for bob, another 2 minutes.";
    let one = "jit: R-1 waits for bob, another 1 minute.";
    let gate = gate(folder.path(), &[Ask(REFUSED), Wait(two), Wait(two), Wait(one), Allow, Allow]);
    let mut terminal = stack(folder.path(), "").terminal(&[], "sudo", "acct", &BY_DAEMON);
    let before = terminal.exp_string("Reason: ").unwrap();
    assert_eq!(before, format!("{REFUSED}\r\n"));
    terminal.send_line("the disk is full").unwrap();
    terminal.exp_string("For how long [1h]: ").unwrap();
    terminal.send_line("30m").unwrap();
    terminal.exp_string("jit: waiting for it. ^C stops that, and request R-1 stays open.\r\n").unwrap();
    let rest = terminal.exp_string("acct 0").unwrap();
    assert_eq!(rest, format!("\r\x1b[K{two}\r\x1b[K{one}\r\n"), "written anew only as it changes");
    let asked = asked(&gate, 6);
    assert_eq!((asked[1].phase, asked[1].wish.reason.as_slice()), (Phase::Ask, &b"the disk is full"[..]));
    assert_eq!((asked[5].phase, asked[5].can_prompt), (Phase::Account, false));
}

#[test]
fn a_break_ends_the_wait_and_not_the_request() {
    let waits = vec![Wait(WAITS); 20];
    let folder = folder();
    let _gate = gate(folder.path(), &waits);
    let mut terminal = stack(folder.path(), "").terminal(&[], "su", "acct", &BY_DAEMON);
    terminal.exp_string("\x1b[Kjit: R-1 waits for bob.").unwrap();
    terminal.send_control('c').unwrap();
    terminal
        .exp_string("3 jit: no longer waiting; request R-1 stays open: try again once it is approved.")
        .unwrap();
    terminal.exp_string(&format!("acct {PERM_DENIED} ")).unwrap();

    // At a question too.
    let folder = self::folder();
    let _gate = gate(folder.path(), &[Ask(REFUSED)]);
    let mut terminal = stack(folder.path(), "").terminal(&[], "sudo", "acct", &BY_DAEMON);
    terminal.exp_string("Reason: ").unwrap();
    terminal.send_control('c').unwrap();
    terminal.exp_string("3 jit: nothing was asked for.").unwrap();
    terminal.exp_string(&format!("acct {PERM_DENIED} ")).unwrap();
}

#[test]
fn what_was_typed_before_the_question_is_no_answer_to_it() {
    let folder = folder();
    let gate = Gate::doing(folder.path(), |stream, question| {
        // Long enough for somebody to type ahead.
        std::thread::sleep(std::time::Duration::from_millis(700));
        let ask = Offer::Ask { length: b"1h".to_vec(), ticket: Vec::new() };
        let answer = match question.phase {
            Phase::Account => offer(question, REFUSED, ask),
            _ => deny(question, "jit: no."),
        };
        drop(stream.write_all(&answer.encode().unwrap()));
    });
    let mut terminal = stack(folder.path(), "").terminal(&[], "sudo", "acct", &BY_DAEMON);
    terminal.send_line("a password, perhaps").unwrap();
    terminal.exp_string("Reason: ").unwrap();
    terminal.send_line("the disk").unwrap();
    terminal.exp_string("For how long [1h]: ").unwrap();
    terminal.send_line("").unwrap();
    terminal.exp_string("3 jit: no.").unwrap();
    assert_eq!(asked(&gate, 2)[1].wish.reason, b"the disk");
}

#[test]
fn sudo_that_was_told_to_ask_nobody_does_not_ask() {
    for (options, asks) in [
        (&["-n"][..], false),
        (&["-kn"], false),
        (&["-u", "bob", "-n"], false),
        (&["-ubob", "-n"], false),
        (&["-p", "x", "-S"], false),
        (&["-A"], false),
        (&["--non-interactive"], false),
        (&["--non"], false),
        (&["--stdin"], false),
        (&["--askpass"], false),
        (&["--login", "-n"], false),
        (&["--user", "bob", "--std"], false),
        (&["X=1", "-n"], false),
        (&[], true),
        (&["-u", "bob"], true),
        (&["-un"], true),
        (&["-u", "-n"], true),
        (&["--user", "-n"], true),
        (&["--user=bob", "-i"], true),
        (&["--prompt", "-A"], true),
        (&["X=1"], true),
    ] {
        let folder = folder();
        let gate = gate(folder.path(), &[Deny("jit: no.")]);
        let mut terminal = stack(folder.path(), "").terminal(options, "sudo", "acct", &BY_DAEMON);
        terminal.exp_string("jit: no.").unwrap();
        assert_eq!(asked(&gate, 1)[0].can_prompt, asks, "{options:?}");
    }
}

#[test]
fn a_terminal_that_takes_no_lines_and_a_job_in_the_background_are_not_asked() {
    let driver = module_tests::driver().display();
    for (script, asks) in [("exec", true), ("stty raw; exec", false), ("set -m;", false)] {
        let folder = folder();
        let gate = gate(folder.path(), &[Deny("jit: no.")]);
        let _stack = stack(folder.path(), "");
        let (place, items) = (folder.path().display(), BY_DAEMON.join(" "));
        let behind = if script == "set -m;" { "& wait" } else { "" };
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &format!("{script} {driver} {place} sudo root acct {items} {behind}")]);
        let mut terminal = rexpect::session::spawn_command(bash, Some(20_000)).unwrap();
        terminal.exp_string("jit: no.").unwrap();
        assert_eq!(asked(&gate, 1)[0].can_prompt, asks, "{script}");
    }
}
