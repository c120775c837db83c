//! What the release module answers, to every kind of question and every kind of gate.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use frame::{Mode, Notice, Phase, Question};
use module_tests::code::{AUTHINFO_UNAVAIL, MAXTRIES, PERM_DENIED, SERVICE_ERR, SUCCESS};
use module_tests::{Gate, Outcome, Stack, allow, deny};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A folder as `/run/jitd` is: root's, and writable by root alone.
fn folder() -> TempDir {
    testbed::root_or_explain().unwrap();
    let folder = tempfile::Builder::new().prefix("gate").tempdir_in("/run").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn stack(folder: &Path, more: &str) -> Stack {
    Stack::new(folder, &format!("socket={}/gate.sock timeout=1 {more}", folder.display()))
}

fn login(stack: &Stack) -> Outcome {
    stack.run("sshd", "nobody", "acct", &[])
}

#[test]
fn what_the_gate_is_asked_about_an_ssh_login() {
    let folder = folder();
    let gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    let items = [
        "rhost=client.example",
        "tty=ssh",
        "env=SSH_CONNECTION=203.0.113.5 50000 192.0.2.1 22",
        "later=SSH_CONNECTION=10.0.0.5 50000 192.0.2.1 22",
    ];
    let outcome = stack(folder.path(), "").run("sshd", "nobody", "acct,open,close,cred", &items);
    let codes: Vec<i32> = outcome.phases.iter().map(|(_, code, _)| *code).collect();
    assert_eq!(codes, [SUCCESS; 4]);
    outcome.is_quiet();
    let asked: Vec<Question> = (0..3).map(|_| gate.asked()).collect();
    assert_eq!(
        asked.iter().map(|q| q.phase).collect::<Vec<_>>(),
        [Phase::Account, Phase::Open, Phase::Close]
    );
    for question in &asked {
        assert_eq!(
            (question.service.as_slice(), question.subject.as_slice()),
            (&b"sshd"[..], &b"nobody"[..])
        );
        assert_eq!(
            (question.rhost.as_slice(), question.tty.as_slice()),
            (&b"client.example"[..], &b"ssh"[..])
        );
        let address: &[u8] = if question.phase == Phase::Account { b"203.0.113.5" } else { b"" };
        assert_eq!(
            question.address, address,
            "the address is sshd's word, not the resolver's nor the person's"
        );
        assert_eq!((question.mode, question.notice), (Mode::Enforce, Notice::None));
        assert!(question.pid > 0);
        assert_eq!(
            question.start_ticks > 0,
            question.phase != Phase::Account,
            "a session is known by its process"
        );
    }
    assert_ne!(asked[0].nonce, asked[1].nonce);
    assert!(gate.heard_nothing(), "setcred asks nothing");
}

#[test]
fn a_session_comes_from_where_sshd_says_in_an_item_that_nobody_else_writes() {
    let folder = folder();
    let gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    let items = ["rhost=203.0.113.5", "later=SSH_CONNECTION=10.0.0.5 50000 192.0.2.1 22"];
    let outcome = stack(folder.path(), "").run("sshd", "nobody", "open", &items);
    assert_eq!(outcome.phases.iter().map(|(_, code, _)| *code).collect::<Vec<_>>(), [SUCCESS]);
    assert_eq!(gate.asked().address, b"203.0.113.5");
}

#[test]
fn in_sudo_and_su_the_invoker_is_the_subject_and_must_be_who_runs_it() {
    let folder = folder();
    let gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    let stack = stack(folder.path(), "");
    for service in ["sudo", "sudo-i", "su"] {
        let came_from = "env=SSH_CONNECTION=10.0.0.5 50000 192.0.2.1 22";
        assert_eq!(stack.run(service, "root", "acct", &["ruser=daemon", came_from, "uid=1"]).code(), SUCCESS);
        assert_eq!(gate.asked().address, b"", "whoever is in came from where they came in from");
        assert_eq!(stack.run(service, "root", "open", &["ruser=daemon", "uid=1"]).code(), SUCCESS);
        let question = gate.asked();
        assert_eq!((question.subject.as_slice(), question.target.as_slice()), (&b"daemon"[..], &b"root"[..]));
        assert_eq!(question.uid, 1);
        let lie = stack.run(service, "root", "acct", &["ruser=daemon", "uid=2"]);
        assert_eq!(lie.code(), SERVICE_ERR);
        assert!(lie.line().contains("says that \"daemon\" asks, but user id 2 runs it"), "{}", lie.line());
        assert_eq!(stack.run(service, "root", "acct", &["ruser=stranger", "uid=2"]).code(), SERVICE_ERR);
        assert_eq!(
            stack.run(service, "root", "acct", &["uid=2"]).code(),
            SERVICE_ERR,
            "no invoker, no answer"
        );
        assert_eq!(
            stack.run(service, "root", "acct", &["ruser=stranger", "uid=54321"]).code(),
            SUCCESS,
            "a directory's user is in neither file"
        );
        gate.asked();
        let edits = stack.run(service, "root", "open", &["ruser=daemon", "uid=0"]);
        assert_eq!(edits.code(), SUCCESS, "sudo -e is root by the time it opens its session");
        assert_eq!(gate.asked().subject, b"daemon", "and asks for its invoker");
        for (phase, items) in [("acct", &["ruser=daemon", "uid=0"][..]), ("open", &["uid=0"])] {
            assert_ne!(stack.run(service, "root", phase, items).code(), SUCCESS, "{phase} {items:?}");
        }
    }
}

#[test]
fn a_refusal_is_the_daemons_one_line_and_the_code_of_the_phase() {
    let folder = folder();
    let _gate = Gate::answering(folder.path(), |question| deny(question, "jit: no grant.").encode().unwrap());
    let stack = stack(folder.path(), "");
    for (phase, code) in [("acct", PERM_DENIED), ("auth", MAXTRIES), ("open", PERM_DENIED)] {
        let outcome = stack.run("sshd", "nobody", phase, &[]);
        assert_eq!((outcome.code(), outcome.line()), (code, "jit: no grant."), "{phase}");
    }
    let close = stack.run("sshd", "nobody", "close", &[]);
    assert_eq!(close.is_quiet().code(), SUCCESS, "nobody is kept in");
}

#[test]
fn a_line_of_the_daemon_cannot_do_anything_to_a_terminal() {
    let folder = folder();
    let _gate = Gate::answering(folder.path(), |question| {
        deny(question, "jit: \x1b[2Jno\r\n\u{202e}grant\0\u{e9}").encode().unwrap()
    });
    assert_eq!(login(&stack(folder.path(), "")).line(), "jit: [2Jnogrant");
}

#[test]
fn every_gate_that_is_not_right_refuses_in_time_with_one_line() {
    type Serve = fn(&mut std::os::unix::net::UnixStream, &Question);
    let gates: [(&str, Serve); 12] = [
        ("hangs up", |_, _| {}),
        ("garbage", |stream, _| drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"))),
        ("truncated", |stream, question| {
            let bytes = allow(question).encode().unwrap();
            drop(stream.write_all(&bytes[..bytes.len() - 1]));
        }),
        ("oversize", |stream, _| drop(stream.write_all(b"JIT!\x01\xff\xff"))),
        ("wrong nonce", |stream, question| {
            let mut answer = allow(question);
            answer.nonce[0] ^= 1;
            drop(stream.write_all(&answer.encode().unwrap()));
        }),
        ("other subject", |stream, question| {
            let mut answer = allow(question);
            answer.subject = b"root".to_vec();
            drop(stream.write_all(&answer.encode().unwrap()));
        }),
        ("other service", |stream, question| {
            let mut answer = allow(question);
            answer.service = b"sudo".to_vec();
            drop(stream.write_all(&answer.encode().unwrap()));
        }),
        ("no reason", |stream, question| {
            let mut answer = allow(question);
            answer.reason.clear();
            drop(stream.write_all(&answer.encode().unwrap()));
        }),
        ("no verdict", |stream, question| {
            let mut bytes = allow(question).encode().unwrap();
            let at = bytes.iter().position(|byte| *byte == 0xA5).unwrap();
            bytes[at] = 1;
            drop(stream.write_all(&bytes));
        }),
        ("next version", |stream, question| {
            let mut bytes = allow(question).encode().unwrap();
            bytes[4] = frame::VERSION + 1;
            drop(stream.write_all(&bytes));
        }),
        ("unknown field", |stream, question| {
            let mut bytes = allow(question).encode().unwrap();
            bytes.extend_from_slice(&[99, 0, 0]);
            let body = u16::try_from(bytes.len() - frame::limits::HEADER).unwrap();
            bytes[5..7].copy_from_slice(&body.to_be_bytes());
            drop(stream.write_all(&bytes));
        }),
        ("the question itself", |stream, question| drop(stream.write_all(&question.encode().unwrap()))),
    ];
    for (name, serve) in gates {
        let folder = folder();
        let _gate = Gate::doing(folder.path(), serve);
        let outcome = login(&stack(folder.path(), ""));
        assert_eq!(outcome.code(), AUTHINFO_UNAVAIL, "{name}");
        assert!(outcome.line().starts_with("jit: this host's access daemon does not answer ("), "{name}");
        assert!(outcome.took() < Duration::from_secs(3), "{name}: {:?}", outcome.took());
    }
}

#[test]
fn the_deadline_holds_whatever_the_gate_does() {
    type Serve = fn(&mut std::os::unix::net::UnixStream, &Question);
    let gates: [(&str, Serve); 2] = [
        ("silent", |_, _| std::thread::sleep(Duration::from_secs(5))),
        ("a byte every 50 ms", |stream, question| {
            for byte in allow(question).encode().unwrap() {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }),
    ];
    for (name, serve) in gates {
        let folder = folder();
        let _gate = Gate::doing(folder.path(), serve);
        let outcome = login(&stack(folder.path(), ""));
        assert_eq!(outcome.code(), AUTHINFO_UNAVAIL, "{name}");
        assert!(outcome.line().contains("jitd did not answer in time"), "{name}: {}", outcome.line());
        let took = outcome.took().as_millis();
        assert!((1000..1500).contains(&took), "{name}: {took} ms for a deadline of 1000");
    }
}

#[test]
fn a_full_queue_costs_the_deadline_and_no_more() {
    let folder = folder();
    let listener = UnixListener::bind(folder.path().join("gate.sock")).unwrap();
    // std asks for a queue of 128 or more; connections that nobody accepts fill it.
    let mut waiting = Vec::new();
    let connect = || {
        let (tell, told) = std::sync::mpsc::channel();
        let path = folder.path().join("gate.sock");
        std::thread::spawn(move || drop(tell.send(std::os::unix::net::UnixStream::connect(path))));
        told.recv_timeout(Duration::from_millis(500))
    };
    while let Ok(Ok(stream)) = connect() {
        waiting.push(stream);
        assert!(waiting.len() < 10_000, "the queue has an end");
    }
    let outcome = login(&stack(folder.path(), ""));
    assert_eq!(outcome.code(), AUTHINFO_UNAVAIL);
    assert!(outcome.took() < Duration::from_millis(1500), "{:?}", outcome.took());
    drop(listener);
}

#[test]
fn no_daemon_no_socket_no_folder_refuse_at_once() {
    let folder = folder();
    assert_eq!(login(&stack(folder.path(), "")).code(), AUTHINFO_UNAVAIL, "no socket");
    drop(UnixListener::bind(folder.path().join("gate.sock")).unwrap());
    assert_eq!(login(&stack(folder.path(), "")).code(), AUTHINFO_UNAVAIL, "nobody listens");
    let gone = folder.path().join("gone");
    assert_eq!(
        login(&Stack::new(folder.path(), &format!("socket={}/x", gone.display()))).code(),
        AUTHINFO_UNAVAIL
    );
}

#[test]
fn a_socket_that_others_could_have_put_there_is_not_asked() {
    let folder = folder();
    let gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    for mode in [0o777, 0o775, 0o757] {
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let outcome = login(&stack(folder.path(), ""));
        assert_eq!(outcome.code(), AUTHINFO_UNAVAIL, "{mode:o}");
        assert!(outcome.line().contains("is not a folder that only root can write to"), "{}", outcome.line());
    }
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(folder.path(), Some(65534), None).unwrap();
    assert_eq!(login(&stack(folder.path(), "")).code(), AUTHINFO_UNAVAIL, "another owner");
    assert!(gate.heard_nothing());
}

#[test]
fn a_gate_of_another_user_is_not_believed() {
    let folder = folder();
    testbed::install(&[("python3", "python3-minimal")]).unwrap();
    let script = format!(
        "import os,socket,time\ns=socket.socket(socket.AF_UNIX)\ns.bind('{}/gate.sock')\nos.setuid(65534)\ns.listen(9)\nprint('up',flush=True)\ntime.sleep(20)\n",
        folder.path().display()
    );
    let mut gate =
        Command::new("python3").args(["-c", &script]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut up = [0; 3];
    std::io::Read::read_exact(gate.stdout.as_mut().unwrap(), &mut up).unwrap();
    let outcome = login(&stack(folder.path(), ""));
    gate.kill().unwrap();
    gate.wait().unwrap();
    assert_eq!(outcome.code(), AUTHINFO_UNAVAIL);
    assert!(outcome.line().contains("belongs to user id 65534"), "{}", outcome.line());
}

#[test]
fn one_wrong_argument_refuses_everybody_and_is_named() {
    let folder = folder();
    let _gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    for (argument, named) in [
        ("debug", "every argument is KEY=VALUE"),
        ("sockets=/x", "there are socket timeout"),
        ("socket=run/x", "absolute path"),
        ("timeout=0", "0.1 to 10 seconds"),
        ("timeout=11", "0.1 to 10 seconds"),
        ("timeout=-1", "0.1 to 10 seconds"),
        ("timeout=1e1", "0.1 to 10 seconds"),
        ("spare_user=", "1 to 32 names"),
        ("spare_group=a,,b", "1 to 32 names"),
        ("on_unavailable=permit", "deny or allow"),
        ("mode=Monitor", "enforce or monitor"),
    ] {
        let outcome = login(&stack(folder.path(), argument));
        assert_eq!(outcome.code(), SERVICE_ERR, "{argument}");
        assert!(outcome.line().contains(named) && outcome.line().contains(argument), "{}", outcome.line());
        let auth = stack(folder.path(), argument).run("sshd", "nobody", "auth", &[]);
        assert_eq!(auth.code(), MAXTRIES, "{argument}");
    }
    for fine in
        ["timeout=0.5", "timeout=10", "spare_user=a,b spare_user=c", "on_unavailable=deny", "mode=enforce"]
    {
        assert_eq!(login(&stack(folder.path(), fine)).code(), SUCCESS, "{fine}");
    }
}

#[test]
fn spare_keys_and_roots_own_sudo_work_with_everything_dead() {
    let folder = folder();
    let dead = stack(folder.path(), "spare_user=daemon,bin spare_group=daemon,mail");
    assert_eq!(dead.run("sshd", "daemon", "acct,open,close", &[]).is_quiet().phases.len(), 3);
    assert_eq!(dead.run("sshd", "daemon", "acct", &[]).code(), SUCCESS, "by name");
    assert_eq!(dead.run("sshd", "mail", "acct", &[]).code(), SUCCESS, "by first group");
    assert_eq!(dead.run("sshd", "nobody", "acct", &[]).code(), AUTHINFO_UNAVAIL, "nobody else");
    assert_eq!(dead.run("sshd", "Daemon", "acct", &[]).code(), AUTHINFO_UNAVAIL, "names are exact");
    assert_eq!(
        dead.run("sudo", "root", "acct", &["ruser=daemon", "uid=1"]).code(),
        SUCCESS,
        "a spare key becomes root"
    );
    let plain = stack(folder.path(), "");
    for service in ["sudo", "sudo-i", "su"] {
        let own = plain.run(service, "nobody", "acct", &["ruser=root", "uid=0"]);
        assert_eq!(own.is_quiet().code(), SUCCESS, "root's own {service}");
        assert_eq!(
            plain.run(service, "root", "acct", &["ruser=root", "uid=1"]).code(),
            SERVICE_ERR,
            "only claims to be"
        );
    }
    assert_eq!(
        plain.run("sshd", "root", "acct", &[]).code(),
        AUTHINFO_UNAVAIL,
        "root over ssh is like anyone"
    );
    assert_eq!(
        stack(folder.path(), "spare_user=ghost").run("sshd", "ghost", "acct", &[]).code(),
        AUTHINFO_UNAVAIL,
        "a spare key is a local account"
    );
}

#[test]
fn a_spare_key_is_found_in_whatever_encoding_full_names_are() {
    let folder = folder();
    let (passwd, group) = (folder.path().join("passwd"), folder.path().join("group"));
    let people = b"root:x:0:0:root:/root:/bin/sh\nrescue:x:5001:5001:Ren\xe9 M\xfcller:/:/bin/sh\n";
    std::fs::write(&passwd, people).unwrap();
    std::fs::write(&group, b"root:x:0:\nsafe:x:5002:andr\xe9,rescue\n").unwrap();
    let files = format!(
        "mount --bind {} /etc/passwd && mount --bind {} /etc/group && exec \"$@\"",
        passwd.display(),
        group.display()
    );
    let under = ["unshare", "--mount", "sh", "-c", &files, "sh"];
    for (arguments, code) in
        [("spare_user=rescue", SUCCESS), ("spare_group=safe", SUCCESS), ("spare_user=root", AUTHINFO_UNAVAIL)]
    {
        let outcome = stack(folder.path(), arguments).run_under(&under, "sshd", "rescue", "acct", &[]);
        assert_eq!(outcome.code(), code, "{arguments}");
    }
    let sudo = stack(folder.path(), "spare_user=rescue").run_under(
        &under,
        "sudo",
        "root",
        "acct",
        &["ruser=rescue", "uid=5001"],
    );
    assert_eq!(sudo.is_quiet().code(), SUCCESS, "the invoker is looked up there too");
}

#[test]
fn spare_keys_and_roots_own_sudo_need_no_random_numbers() {
    testbed::install(&[("strace", "strace")]).unwrap();
    let folder = folder();
    let gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    let early = |service: &str, user: &str, items: &[&str]| {
        let under = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=getrandom:error=EAGAIN"];
        stack(folder.path(), "spare_user=daemon").run_under(&under, service, user, "acct", items)
    };
    assert_eq!(early("sshd", "daemon", &[]).is_quiet().code(), SUCCESS, "a spare key");
    assert_eq!(early("sudo", "root", &["ruser=root", "uid=0"]).is_quiet().code(), SUCCESS, "root's own sudo");
    let other = early("sshd", "nobody", &[]);
    assert_eq!(other.code(), AUTHINFO_UNAVAIL);
    assert!(other.line().contains("(the kernel gives no random numbers)"), "{other:?}");
    assert!(gate.heard_nothing(), "nobody could be asked");
}

#[test]
fn what_sudo_is_asked_to_do_says_whom_the_question_is_about() {
    let folder = folder();
    let gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    let about = |service: &str, called: &str, phase: &str, ruser: &str, uid: &str| {
        let (name, options) = called.split_once(' ').unwrap_or((called, ""));
        let script = format!("exec -a {name} \"$1\" {options} -- \"${{@:2}}\"");
        let items = [format!("ruser={ruser}"), format!("uid={uid}")];
        let outcome = stack(folder.path(), "").run_under(
            &["bash", "-c", &script, "bash"],
            service,
            "bin",
            phase,
            &[&items[0], &items[1]],
        );
        assert_eq!(outcome.code(), SUCCESS, "{called}");
        String::from_utf8(gate.asked().target).unwrap()
    };
    for service in ["sudo", "sudo-i"] {
        for (called, before, in_session) in [
            ("sudo", "daemon", "bin"),
            ("sudo -u bin", "daemon", "bin"),
            ("sudo -e -u bin", "bin", "bin"),
            ("sudo -e -u '#2'", "root", "bin"),
            ("sudoedit -u mail", "mail", "bin"),
            ("sudoedit", "root", "bin"),
            ("sudo -u bin -g disk", "root", "root"),
        ] {
            assert_eq!(about(service, called, "acct", "daemon", "1"), before, "{called}");
            assert_eq!(about(service, called, "open", "daemon", "1"), in_session, "{called}");
            let own = about(service, called, "acct", "root", "0");
            assert_eq!(own, "bin", "{called}: root's own is as sudo says it");
        }
    }
    let su = about("su", "su -g disk -e", "acct", "daemon", "1");
    assert_eq!(su, "bin", "su says it itself, and its options are others");
}

#[test]
fn what_the_module_decides_alone_is_told_to_the_gate_and_never_waits_for_it() {
    let folder = folder();
    let gate = Gate::answering(folder.path(), |question| deny(question, "no").encode().unwrap());
    let stack = stack(folder.path(), "spare_user=daemon");
    assert_eq!(stack.run("sshd", "daemon", "acct", &[]).is_quiet().code(), SUCCESS);
    let question = gate.asked();
    assert_eq!((question.phase, question.notice), (Phase::Notice, Notice::SpareKey));
    assert_eq!(stack.run("sudo", "root", "acct", &["ruser=root"]).code(), SUCCESS);
    assert_eq!(gate.asked().notice, Notice::Exempt);

    let silent = self::folder();
    let _gate = Gate::doing(silent.path(), |_, _| std::thread::sleep(Duration::from_secs(5)));
    let outcome = self::stack(silent.path(), "spare_user=daemon").run("sshd", "daemon", "acct", &[]);
    assert_eq!(outcome.code(), SUCCESS);
    assert!(outcome.took() < Duration::from_millis(400), "{:?}", outcome.took());
}

#[test]
fn what_the_gate_has_no_record_of_goes_to_syslog() {
    testbed::install(&[("strace", "strace")]).unwrap();
    for takes in [true, false] {
        let folder = folder();
        let _gate = Gate::answering(folder.path(), move |question| {
            let answer = if takes { allow(question) } else { deny(question, "jit: no.") };
            answer.encode().unwrap()
        });
        let calls = folder.path().join("calls");
        let under = ["strace", "-qq", "-o", calls.to_str().unwrap(), "-e", "trace=connect"];
        let outcome =
            stack(folder.path(), "spare_user=daemon").run_under(&under, "sshd", "daemon", "acct", &[]);
        assert_eq!(outcome.is_quiet().code(), SUCCESS);
        let calls = std::fs::read_to_string(calls).unwrap();
        // libpam has something to say of its own before it calls the module.
        let (_, after) = calls.split_once("gate.sock").unwrap();
        assert_eq!(after.contains("/dev/log"), !takes, "{calls}");
    }
}

#[test]
fn only_the_line_itself_can_say_that_no_answer_lets_in() {
    let folder = folder();
    assert_eq!(login(&stack(folder.path(), "on_unavailable=allow")).is_quiet().code(), SUCCESS);
    assert_eq!(login(&stack(folder.path(), "mode=monitor")).is_quiet().code(), SUCCESS);
    let gate = Gate::answering(folder.path(), |question| deny(question, "jit: no.").encode().unwrap());
    let allow = login(&stack(folder.path(), "on_unavailable=allow"));
    assert_eq!((allow.code(), allow.line()), (PERM_DENIED, "jit: no."), "an answer is an answer");
    gate.asked();
    assert_eq!(login(&stack(folder.path(), "mode=monitor")).is_quiet().code(), SUCCESS);
    assert_eq!(gate.asked().mode, Mode::Monitor);
}

#[test]
fn what_the_caller_may_have_used_up_lets_nobody_in_whatever_the_line_says() {
    let folder = folder();
    testbed::install(&[("strace", "strace")]).unwrap();
    let short_of = |arguments: &str, what: &[&str], service: &str, items: &[&str]| {
        let under = [&["strace", "-qq", "-o", "/dev/null"], what].concat();
        stack(folder.path(), arguments).run_under(&under, service, "nobody", "acct", items)
    };
    for arguments in ["on_unavailable=allow", "mode=monitor"] {
        for (call, error, words) in [
            ("socket", "EMFILE", "gate.sock: Too many open files)"),
            ("socket", "ENFILE", "gate.sock: File table overflow)"),
            ("socket", "ENOMEM", "gate.sock: Out of memory)"),
            ("connect", "ENOBUFS", "gate.sock: No buffer space available)"),
        ] {
            let inject = format!("inject={call}:error={error}");
            let outcome = short_of(arguments, &["-e", &inject], "sshd", &[]);
            // Where libpam finds no socket for its own record, the code is its own.
            assert_ne!(outcome.code(), SUCCESS, "{arguments} {error}");
            assert!(outcome.line().contains(words), "{arguments} {error}: {outcome:?}");
        }
        // As the daemon does with who says nothing.
        let listener = UnixListener::bind(folder.path().join("gate.sock")).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                let _ = stream.read(&mut [0]);
            }
        });
        let prompt = short_of(arguments, &["-e", "trace=none"], "sshd", &[]);
        assert_eq!(prompt.is_quiet().code(), SUCCESS, "the daemon hung up");
        let held = short_of(arguments, &["-e", "inject=sendto:delay_enter=700000"], "sshd", &[]);
        assert_eq!(held.code(), AUTHINFO_UNAVAIL, "{arguments}: {held:?}");
        assert!(held.line().starts_with("jit: broken off ("), "{held:?}");
        // Nor where the queue is full by the time it is asked again; the first connection is libpam's, to syslog.
        let slow = "inject=sendto:delay_enter=700000";
        let full = "inject=connect:error=EAGAIN:when=3+";
        let again = short_of(arguments, &["-e", slow, "-e", full], "sshd", &[]);
        assert_eq!(again.code(), AUTHINFO_UNAVAIL, "{arguments}: {again:?}");
        let why = "broken off (jitd did not answer in time)";
        assert!(again.line().contains(why), "{again:?}");
        std::fs::remove_file(folder.path().join("gate.sock")).unwrap();
        let gone = short_of(arguments, &["-e", "inject=connect:error=EACCES"], "sshd", &[]);
        assert_eq!(gone.is_quiet().code(), SUCCESS, "what is no limit of the caller's");
        let passwd = ["-P", "/etc/passwd", "-e", "inject=openat:error=EMFILE"];
        let sudo = short_of(arguments, &passwd, "sudo", &["ruser=daemon", "uid=1"]);
        assert_eq!(sudo.code(), SERVICE_ERR, "nobody knows who asks: {sudo:?}");
        assert!(sudo.line().contains("/etc/passwd cannot be read: Too many open files"), "{sudo:?}");
        let own = short_of(arguments, &passwd, "sudo", &["ruser=root", "uid=0"]);
        assert_eq!(own.is_quiet().code(), SUCCESS, "root's own sudo");
    }
}

#[test]
fn a_question_that_was_not_read_is_asked_again() {
    let folder = folder();
    testbed::install(&[("strace", "strace")]).unwrap();
    let slow = |times: &str| {
        let inject = format!("inject=sendto:delay_enter=700000:when={times}");
        let under = ["strace", "-qq", "-o", "/dev/null", "-e", &inject];
        stack(folder.path(), "timeout=5").run_under(&under, "sshd", "nobody", "acct", &[])
    };
    let gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    let outcome = slow("1..2");
    assert_eq!(outcome.is_quiet().code(), SUCCESS);
    assert!(outcome.took() > Duration::from_millis(1400), "{outcome:?}");
    gate.asked();
    assert!(gate.heard_nothing(), "it is decided once");
    let outcome = slow("1..3");
    let why = "jitd hung up before it had read the question";
    assert_eq!(outcome.line(), format!("jit: broken off ({why}), so nobody is let in. Try again."));
    assert!(gate.heard_nothing());
}

#[test]
fn a_signal_ends_the_wait() {
    let folder = folder();
    let _gate = Gate::doing(folder.path(), |_, _| std::thread::sleep(Duration::from_secs(5)));
    let stack = Stack::new(folder.path(), &format!("socket={}/gate.sock timeout=9", folder.path().display()));
    testbed::install(&[("strace", "strace")]).unwrap();
    let outcome = stack.run_under(
        &["strace", "-qq", "-o", "/dev/null", "-e", "inject=recvfrom:error=EINTR:when=1"],
        "sshd",
        "nobody",
        "acct",
        &[],
    );
    assert_eq!(outcome.code(), AUTHINFO_UNAVAIL);
    assert_eq!(outcome.line(), "jit: broken off (interrupted), so nobody is let in. Try again.");
    assert!(outcome.took() < Duration::from_secs(2), "{:?}", outcome.took());
}

#[test]
fn a_panic_in_the_module_refuses_with_one_line_and_takes_no_key_away() {
    let folder = folder();
    let gate = Gate::answering(folder.path(), |question| allow(question).encode().unwrap());
    let preload = format!("LD_PRELOAD={}", module_tests::no_clock().display());
    let faulty = |arguments: &str, service: &str, user: &str, phase: &str, items: &[&str]| {
        stack(folder.path(), arguments).run_under(&["env", &preload], service, user, phase, items)
    };
    // Nothing that the line can say makes a fault of the module let in.
    for arguments in ["", "on_unavailable=allow", "mode=monitor"] {
        for (phase, code) in [("acct", SERVICE_ERR), ("auth", MAXTRIES), ("open", PERM_DENIED)] {
            let outcome = faulty(arguments, "sshd", "nobody", phase, &[]);
            assert_eq!(outcome.code(), code, "{phase} {arguments}");
            assert!(outcome.line().contains("(the module has a fault), so nobody is let in"), "{outcome:?}");
        }
    }
    assert_eq!(faulty("", "sshd", "nobody", "close", &[]).is_quiet().code(), SUCCESS, "nobody is kept in");
    for phase in ["acct", "auth", "open"] {
        let spare = faulty("spare_user=daemon", "sshd", "daemon", phase, &[]);
        assert_eq!(spare.is_quiet().code(), SUCCESS, "a spare key, {phase}");
        let own = faulty("", "sudo", "nobody", phase, &["ruser=root", "uid=0"]);
        assert_eq!(own.is_quiet().code(), SUCCESS, "root's own sudo, {phase}");
    }
    assert!(gate.heard_nothing(), "it never came to asking");
}

#[test]
fn the_module_is_no_password_module() {
    let folder = folder();
    assert_ne!(stack(folder.path(), "").run("login", "nobody", "chauthtok", &[]).code(), SUCCESS);
}

/// Bytes of the module, which every login maps and every sudo: a dependency that doubles them is noticed here.
const MODULE_BYTES: u64 = 300_000;

#[test]
fn the_module_needs_and_offers_no_more_than_it_must() {
    let module = testbed::repository().join("target/module/libpam_jit.so");
    let lines = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(&module).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let dynamic = lines("readelf", &["-d"]);
    // Loaded once by each program, however often it begins a conversation with PAM.
    assert!(dynamic.iter().any(|line| line.contains("NODELETE")), "{dynamic:?}");
    let needed: Vec<String> = dynamic
        .iter()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']').to_owned()))
        .collect();
    // Each is there wherever a program that uses PAM runs.
    let there = |library: &String| {
        ["libpam.so.0", "libc.so.6"].contains(&library.as_str()) || library.starts_with("ld-linux")
    };
    assert!(!needed.is_empty() && needed.iter().all(there), "{needed:?}");
    let exported: Vec<String> = lines("nm", &["-D", "--defined-only"])
        .iter()
        .filter_map(|line| Some(line.split(' ').next_back()?.to_owned()))
        .collect();
    let called = ["acct_mgmt", "authenticate", "chauthtok", "close_session", "open_session", "setcred"]
        .map(|call| format!("pam_sm_{call}"));
    assert_eq!(exported, called);
    let bytes = module.metadata().unwrap().len();
    assert!(bytes <= MODULE_BYTES, "{bytes} bytes");
}
