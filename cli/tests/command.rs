//! The command as a program: what it takes, and what it says when it cannot.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use clap::CommandFactory as _;
use jit::arguments::Arguments;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

fn jit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jit")).args(arguments).output().unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Arguments::command().debug_assert();
    let commands: Vec<_> = Arguments::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
    assert_eq!(
        commands.join(" "),
        "request requests show approve deny cancel grants revoke release extend sessions end watch policy check status pam doctor audit login logout token web role hosts host completions man"
    );
}

#[test]
fn every_command_has_a_man_page_and_every_page_that_one_names_is_there() {
    let folder = tempfile::tempdir().unwrap();
    assert!(jit(&["man", folder.path().to_str().unwrap()]).status.success());
    let mut named = BTreeSet::from(["jit.1".to_owned()]);
    let mut there = BTreeSet::new();
    for page in std::fs::read_dir(folder.path()).unwrap() {
        let page = page.unwrap();
        let text = std::fs::read_to_string(page.path()).unwrap().replace('\\', "");
        named.extend(
            text.split_whitespace().filter_map(|word| Some(format!("{}.1", word.strip_suffix("(1)")?))),
        );
        there.insert(page.file_name().into_string().unwrap());
    }
    assert_eq!(named, there);
    for page in ["jit-request.1", "jit-pam-enable.1", "jit-audit-verify.1"] {
        assert!(there.contains(page), "{there:?}");
    }
    let nowhere = jit(&["man", "/no/such/folder"]);
    assert!(error(&nowhere).contains("writing man pages into /no/such/folder: "), "{}", error(&nowhere));
}

#[test]
fn usage_is_exit_code_2_and_names_the_mistake() {
    for (arguments, said) in [
        (&["request"][..], "--reason <TEXT>"),
        (&["request", "--reason", "x", "--for", "5"], "has a number without a unit"),
        (&["request", "--reason", "a\u{202e}b"], "U+202E"),
        (&["request", "--reason", "x", "--host", "Web"], "is not a host name"),
        (&["deny", "R-1"], "--comment <COMMENT>"),
        (&["check", "a b"], "has a character other than"),
        (&["requests", "--mine", "--all"], "cannot be used with"),
        (&["nonsense"], "unrecognized subcommand"),
    ] {
        let output = jit(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(error(&output).contains(said), "{arguments:?}: {}", error(&output));
    }
}

#[test]
fn a_daemon_that_is_not_there_is_exit_code_3_and_one_line_with_what_to_do() {
    for command in [
        &["status"][..],
        &["requests"],
        &["watch"],
        &["watch", "--json"],
        &["grants", "--json"],
        &["check", "alice"],
        &["cancel", "R-7"],
    ] {
        let output = jit(&[&["--socket", "/no/such/socket"], command].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{command:?}");
        let said = error(&output);
        assert!(said.starts_with("error: asking jitd on /no/such/socket: "), "{said}");
        assert!(said.contains("systemctl status jitd") && said.lines().count() == 1, "{said}");
    }
}

/// A daemon that answers one call with this.
fn answering(status: &str, body: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer.as_bytes());
    });
    (folder, path.display().to_string())
}

#[test]
fn each_refusal_is_the_exit_code_of_its_kind_and_the_daemons_own_words() {
    for (status, code, exit) in [
        ("422 x", "refused", 1),
        ("403 x", "forbidden", 1),
        ("429 x", "rate_limited", 1),
        ("400 x", "bad_request", 2),
        ("503 x", "unavailable", 3),
        ("404 x", "not_found", 4),
        ("409 x", "conflict", 5),
    ] {
        let number = &status[..3];
        let body = format!(
            r#"{{"status":{number},"code":"{code}","detail":"what was wrong\u001b[2J\nerror: and more"}}"#
        );
        let (_folder, socket) = answering(status, &body);
        let output = jit(&["--socket", &socket, "cancel", "R-7K2Q9-M4XTB"]);
        assert_eq!(output.status.code(), Some(exit), "{code}");
        assert_eq!(
            error(&output),
            "error: what was wrong[2J\n       error: and more\n",
            "nothing reaches the terminal raw"
        );
    }
}

#[test]
fn a_check_that_says_no_is_an_answer_and_ends_with_0() {
    for (allowed, reason, words) in [
        (true, "granted", "Would be let in (granted): so."),
        (false, "no_grant", "Would be refused (no_grant): so."),
    ] {
        let body = format!(r#"{{"allowed":{allowed},"reason":"{reason}","because":"so"}}"#);
        let (_folder, socket) = answering("200 OK", &body);
        let output = jit(&["--socket", &socket, "check", "alice"]);
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{words}\n"));
        let (_folder, socket) = answering("200 OK", &body);
        let json = jit(&["--socket", &socket, "--json", "check", "alice"]);
        let said = String::from_utf8(json.stdout).unwrap();
        assert!(json.status.code() == Some(0) && said.contains(&format!("\"allowed\":{allowed}")), "{said}");
    }
    let body = r#"{"status":403,"code":"forbidden","detail":"what others hold is for them"}"#;
    let (_folder, socket) = answering("403 Forbidden", body);
    assert_eq!(jit(&["--socket", &socket, "check", "alice"]).status.code(), Some(1), "no answer");
}

#[test]
fn an_answer_of_another_program_is_told_from_a_refusal() {
    let (_folder, socket) = answering("200 OK", "<html>");
    let output = jit(&["--socket", &socket, "status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(error(&output).contains("are both of the same release?"), "{}", error(&output));
}

#[test]
fn an_exported_journal_is_verified_without_any_daemon() {
    use journal::{Checkpoint, Head, LogId, Stamp};
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("export"), folder.path().join("auth.log"));
    let mut head = Head::start(LogId([3; 16]));
    let mut lines = Vec::new();
    for n in 0..9 {
        let row = head.next(Stamp { boot: "b".into(), wall_ms: n, boot_ms: n }, format!("{{\"n\":{n}}}"));
        head = Head::of(&row);
        lines.push(serde_json::to_string(&row).unwrap());
    }
    std::fs::write(&file, lines.join("\n")).unwrap();
    std::fs::write(&log, format!("Nov 24 jitd[1]: {}\n", Checkpoint(head))).unwrap();
    let (file, log) = (file.to_str().unwrap(), log.to_str().unwrap());
    let whole = jit(&["audit", "verify", "--file", file, "--witness", log]);
    let said = String::from_utf8(whole.stdout).unwrap();
    assert!(
        said.contains("records 1 to 9") && said.contains("One checkpoint of the witness agrees"),
        "{said}"
    );
    std::fs::write(file, lines[..6].join("\n")).unwrap();
    let cut = jit(&["audit", "verify", "--file", file, "--witness", log]);
    assert_eq!(cut.status.code(), Some(1));
    assert!(error(&cut).contains("ends at record 6, but a witness saw record 9"), "{}", error(&cut));
    std::fs::write(file, lines.join("\n").replace("\\\"n\\\":4", "\\\"n\\\":5")).unwrap();
    let edited = jit(&["audit", "verify", "--file", file]);
    assert!(error(&edited).contains("record 5 was changed after it was written"), "{}", error(&edited));
    std::fs::write(file, "nonsense\n").unwrap();
    assert_eq!(jit(&["audit", "verify", "--file", file]).status.code(), Some(2));
}
