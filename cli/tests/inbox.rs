//! The commands that go on or ask first: `jit watch`, `--wait` and `jit policy apply`, against a daemon that says what a
//! test wants, and on a terminal of their own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // also in what tests share

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

const ID: &str = "R-7K2Q9-M4XTB";
const GRANT: &str = "G-00000-00007";

/// How a daemon answers the calls to one path, one after the other; the last answer stays.
enum Answer {
    Says(u16, Value),
    HangsUp,
}

/// The answers to each path.
type Answers = Vec<(String, Vec<Answer>)>;

/// A daemon that answers by path, and keeps what it was told.
#[derive(Clone, Default)]
struct Daemon {
    answers: Arc<Mutex<Answers>>,
    told: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Daemon {
    fn says(&self, path: &str, answers: Vec<Answer>) -> &Self {
        let mut all = self.answers.lock().unwrap();
        all.retain(|(other, _)| other != path);
        all.push((path.to_owned(), answers));
        self
    }

    fn opens(&self) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                daemon.answer(stream.unwrap());
            }
        });
        (folder, path.display().to_string())
    }

    fn answer(&self, stream: UnixStream) {
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            match line.to_ascii_lowercase().trim().split_once(": ") {
                Some(("content-length", bytes)) => length = bytes.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let call = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
        if length > 0 {
            self.told.lock().unwrap().push((call.clone(), serde_json::from_slice(&body).unwrap()));
        }
        let mut all = self.answers.lock().unwrap();
        let known = all.iter_mut().find(|(path, _)| *path == call);
        let (_, answers) = known.unwrap_or_else(|| panic!("nobody said how to answer {call}"));
        let (status, body) = match &answers[0] {
            Answer::Says(status, body) => (Some(*status), body.to_string()),
            Answer::HangsUp => (None, String::new()),
        };
        if answers.len() > 1 {
            answers.remove(0);
        }
        if let Some(status) = status {
            // A client that was interrupted reads no more.
            let _ = reader.get_mut().write_all(
                format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            );
        }
    }
}

fn ok(body: Value) -> Answer {
    Answer::Says(200, body)
}

fn request() -> Value {
    let mut request: Value = serde_json::from_str(include_str!("request.json")).unwrap();
    // Long from now, whenever this runs.
    request["state"]["until"] = json!("2999-01-01T00:00:00Z");
    request["escalates"] = Value::Null;
    request
}

fn with(change: impl Fn(&mut Value)) -> Value {
    let mut request = request();
    change(&mut request);
    request
}

fn review(by: &str, verdict: &Value) -> Value {
    json!({"by": by, "verdict": verdict, "comment": "be quick", "channel": "terminal",
           "at": "2026-11-24T14:01:00Z", "digest": "00d1"})
}

fn approved() -> Value {
    with(|request| {
        request["state"] = json!({"state": "approved", "at": "2026-11-24T14:02:00Z", "grant": GRANT,
                                  "by": {"people": ["bob", "carol"]}});
        request["could_approve"] = json!([]);
    })
}

fn grant() -> Value {
    json!({
        "grant": {
            "id": GRANT, "version": 1, "request": ID, "person": "alice", "names": ["alice"],
            "logins": ["alice"], "hosts": ["web-1"], "services": ["ssh", "sudo"], "run_as": ["root"],
            "window": {"clock": "approval", "not_before": "2026-11-24T14:02:00Z",
                       "expires": "2999-01-01T00:00:00Z"},
            "source": null, "sessions": null, "approved_at": "2026-11-24T14:02:00Z",
            "approved_by": ["bob", "carol"], "rule": "team", "policy": "00", "break_glass": false,
            "ended": null
        },
        "state": "active", "ends": "2999-01-01T00:00:00Z", "sessions": 0, "used": {"sessions": 0, "seconds": 0}
    })
}

fn status() -> Value {
    json!({
        "version": "0.1.0", "host": "web-1", "source": "local", "now": "2026-11-24T14:00:00Z",
        "clock_confirmed": true, "clock": "confirmed", "journal_seq": 1, "journal_ok": true,
        "lines_dropped": 0, "pending": 1, "grants": 0, "sessions": 0, "gated": ["sshd"], "warnings": [],
        "you": "bob", "roles": ["approver"]
    })
}

fn jit(socket: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jit"));
    command.args(["--socket", socket]).args(arguments);
    command
}

fn asking(daemon: &Daemon, looks: Vec<Answer>) {
    daemon
        .says("POST /v1/requests", vec![ok(json!({"request": request(), "existed": false}))])
        .says(&format!("GET /v1/requests/{ID}"), looks)
        .says(&format!("GET /v1/grants/{GRANT}"), vec![ok(grant())]);
}

const ASK: [&str; 4] = ["request", "--reason", "the disk is full", "--wait"];

#[test]
fn a_wait_without_a_terminal_prints_one_line_for_each_change_and_then_the_grant() {
    let daemon = Daemon::default();
    let first = with(|request| {
        (request["needs"], request["has"], request["agreed"]) = (json!(2), json!(1), json!(["bob"]));
        request["reviews"] = json!([review(
            "bob",
            &json!({"verdict": "approve", "narrowing": {"length": "1h", "hosts": ["web-1"]}})
        )]);
    });
    asking(&daemon, vec![ok(request()), ok(first.clone()), ok(first), ok(approved())]);
    let opened = with(|request| request["needs"] = json!(2));
    daemon.says("POST /v1/requests", vec![ok(json!({"request": opened, "existed": false}))]);
    let (_folder, socket) = daemon.opens();
    let output = jit(&socket, &ASK).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        lines[0].starts_with("Request R-7K2Q9-M4XTB is open: ssh,sudo as root on web-1 for 2h."),
        "{said}"
    );
    assert!(lines[1].ends_with("; bob or carol can approve it, and 2 must."), "{said}");
    assert_eq!(
        lines[3..6],
        [
            "R-7K2Q9-M4XTB: 1 of 2: bob approved for at most 1h, on web-1 alone: be quick.",
            "Request R-7K2Q9-M4XTB was approved by bob and carol.",
            "Grant G-00000-00007 is active.",
        ]
    );
    assert!(said.contains("  approved   by bob and carol, 2026-11-24T14:02:00Z"), "{said}");
    assert!(output.stderr.is_empty());
}

#[test]
fn a_wait_for_a_program_ends_with_one_grant_in_json() {
    let daemon = Daemon::default();
    asking(&daemon, vec![ok(request()), ok(approved())]);
    let (_folder, socket) = daemon.opens();
    let output = jit(&socket, &[&["--json"], &ASK[..]].concat()).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["grant"]["id"], GRANT);
}

#[test]
fn every_end_without_a_grant_is_exit_code_1_and_says_who_and_why() {
    for (state, said) in [
        (
            json!({"state": "denied", "at": "2026-11-24T14:02:00Z", "by": {"people": ["bob"]}, "comment": "not now"}),
            "error: request R-7K2Q9-M4XTB was denied by bob: not now\n",
        ),
        (
            json!({"state": "cancelled", "at": "2026-11-24T14:02:00Z", "by": "alice"}),
            "error: request R-7K2Q9-M4XTB was taken back by alice\n",
        ),
        (
            json!({"state": "expired", "at": "2026-11-24T14:02:00Z"}),
            "error: nobody decided request R-7K2Q9-M4XTB in time: ask again\n",
        ),
    ] {
        let daemon = Daemon::default();
        asking(&daemon, vec![ok(request()), ok(with(|request| request["state"] = state.clone()))]);
        let (_folder, socket) = daemon.opens();
        let output = jit(&socket, &ASK).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
    }
}

#[test]
fn a_wait_goes_on_over_a_restart_of_the_daemon() {
    let daemon = Daemon::default();
    let busy = json!({"status": 503, "code": "unavailable", "detail": "the daemon is stopping: try again"});
    asking(
        &daemon,
        vec![ok(request()), Answer::Says(503, busy), Answer::HangsUp, ok(request()), ok(approved())],
    );
    let (_folder, socket) = daemon.opens();
    let output = jit(&socket, &ASK).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("Request R-7K2Q9-M4XTB stays, but the daemon is stopping: try again. Trying again.\njitd answers again.\nRequest R-7K2Q9-M4XTB was approved"),
        "{said}"
    );
}

#[test]
fn a_request_that_is_gone_ends_the_wait_at_once() {
    let daemon = Daemon::default();
    let gone =
        json!({"status": 404, "code": "not_found", "detail": "no request R-7K2Q9-M4XTB that you may see"});
    asking(&daemon, vec![ok(request()), Answer::Says(404, gone)]);
    let (_folder, socket) = daemon.opens();
    assert_eq!(jit(&socket, &ASK).output().unwrap().status.code(), Some(4));
}

/// `jit` on a terminal of its own, 24 lines of 80 columns. A screen is drawn by what changes on it, blanks
/// skipped, so that single words are what can be looked for there.
fn on_terminal(socket: &str, arguments: &[&str]) -> PtySession {
    let mut command = Command::new("sh");
    command.args(["-c", "stty rows 24 cols 80; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_jit")]);
    command.args(["--socket", socket]).args(arguments);
    spawn_command(command, Some(30_000)).unwrap()
}

/// How it ended: the exit code that a shell would show.
fn exit_code(session: &mut PtySession) -> i32 {
    session.exp_eof().unwrap();
    match session.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wait_on_a_terminal_counts_down_and_an_interrupt_leaves_the_request() {
    let daemon = Daemon::default();
    asking(&daemon, vec![ok(request())]);
    let (_folder, socket) = daemon.opens();
    let mut terminal = on_terminal(&socket, &ASK);
    terminal.exp_regex("waiting for bob or carol, another [0-9]+d[0-9]{2}h").unwrap();
    terminal.send_control('c').unwrap();
    terminal.exp_string("No longer waiting. Request R-7K2Q9-M4XTB stays open").unwrap();
    terminal.exp_string("jit show R-7K2Q9-M4XTB").unwrap();
    assert_eq!(exit_code(&mut terminal), 130);
    assert!(
        daemon.told.lock().unwrap().iter().all(|(call, _)| call == "POST /v1/requests"),
        "nothing cancelled"
    );
}

/// A daemon with these lists of what waits, one after the other.
fn inbox(lists: Vec<Answer>) -> Daemon {
    let daemon = Daemon::default();
    daemon
        .says("GET /v1/status", vec![ok(status())])
        .says("GET /v1/requests?which=pending", lists)
        .says("GET /v1/requests?which=all&limit=50", vec![ok(json!([]))])
        .says(&format!("GET /v1/requests/{ID}"), vec![ok(approved())]);
    daemon
}

#[test]
fn watch_approves_what_was_seen_tells_what_the_desk_said_and_gives_the_terminal_back() {
    let daemon = inbox(vec![ok(json!([request()]))]);
    daemon.says(
        &format!("POST /v1/requests/{ID}/reviews"),
        vec![ok(json!({"request": approved(), "grant": grant()}))],
    );
    let (_folder, socket) = daemon.opens();
    let mut terminal = on_terminal(&socket, &["watch"]);
    terminal.exp_string("\x1b[?1049h").unwrap();
    terminal.exp_string("disk").unwrap();
    terminal.send("a").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("sends").unwrap();
    terminal.send("30m\tbe quick\r").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("Approved:").unwrap();
    terminal.send("q").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("\x1b[?1049l").unwrap();
    assert_eq!(exit_code(&mut terminal), 0);
    assert_eq!(
        *daemon.told.lock().unwrap(),
        [(
            format!("POST /v1/requests/{ID}/reviews"),
            json!({"verdict": "approve", "digest": "00d1", "narrowing": {"length": "30m"}, "comment": "be quick"})
        )]
    );
}

#[test]
fn watch_shows_a_refusal_of_the_desk_and_outlives_the_daemon() {
    let conflict = json!({"status": 409, "code": "conflict",
                          "detail": "request R-7K2Q9-M4XTB is already approved by carol: nothing was changed"});
    let daemon = inbox(vec![ok(json!([request()]))]);
    daemon.says(&format!("POST /v1/requests/{ID}/reviews"), vec![Answer::Says(409, conflict)]);
    let (_folder, socket) = daemon.opens();
    let mut terminal = on_terminal(&socket, &["watch"]);
    terminal.exp_string("disk").unwrap();
    terminal.send("dno\r").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("already").unwrap();
    daemon.says("GET /v1/requests?which=pending", vec![Answer::HangsUp]);
    terminal.exp_string("What").unwrap();
    daemon.says("GET /v1/requests?which=pending", vec![ok(json!([]))]);
    terminal.exp_string("waits.").unwrap();
    terminal.send_control('c').unwrap();
    terminal.exp_string("\x1b[?1049l").unwrap();
    assert_eq!(exit_code(&mut terminal), 0);
}

#[test]
fn who_applies_a_policy_on_a_terminal_is_asked_before_anything_ends() {
    let daemon = Daemon::default();
    let ends = |grants: u32, requests: u32| vec![ok(json!({"grants": grants, "requests": requests}))];
    let done = json!({"version": 2, "unchanged": false, "diff": "", "findings": []});
    daemon.says("POST /v1/policy", vec![ok(done)]);
    let (folder, socket) = daemon.opens();
    let file = folder.path().join("rules.toml");
    std::fs::write(&file, "[[rule]]\n").unwrap();
    let apply = ["policy", "apply", file.to_str().unwrap()];
    let calls = || std::mem::take(&mut *daemon.told.lock().unwrap()).into_iter().map(|(call, _)| call);
    let (looks, applies) = ("POST /v1/policy/foresee", "POST /v1/policy");

    for (grants, requests, asked) in [
        (12, 1, "12 grants end and 1 waiting request is denied by it, for good."),
        (1, 0, "1 grant ends by it, for good."),
    ] {
        daemon.says(looks, ends(grants, requests));
        for (answer, code, called) in [("n", 1, &[looks][..]), ("y", 0, &[looks, applies])] {
            let mut terminal = on_terminal(&socket, &apply);
            terminal.exp_string(asked).unwrap();
            terminal.exp_string("[y/N]").unwrap();
            terminal.send_line(answer).unwrap();
            assert_eq!(exit_code(&mut terminal), code, "{asked} {answer}");
            assert!(calls().eq(called.iter().copied()));
        }
    }
    daemon.says(looks, ends(0, 0));
    assert_eq!(exit_code(&mut on_terminal(&socket, &apply)), 0);
    assert!(calls().eq([looks, applies]));
    assert_eq!(exit_code(&mut on_terminal(&socket, &[&apply[..], &["--yes"]].concat())), 0);
    assert!(jit(&socket, &apply).output().unwrap().status.success(), "nobody is there to be asked");
    assert!(calls().eq([applies, applies]));

    std::fs::write(folder.path().join("people.toml"), "[alice]\n").unwrap();
    assert!(jit(&socket, &[&apply[..], &["--no-people"]].concat()).output().unwrap().status.success());
    let told = daemon.told.lock().unwrap().pop().unwrap();
    assert_eq!(told, (applies.to_owned(), json!({"policy": "[[rule]]\n", "no_people": true})));
}

#[test]
fn watch_gives_the_terminal_back_when_it_is_told_to_stop() {
    let daemon = inbox(vec![ok(json!([request()]))]);
    let (_folder, socket) = daemon.opens();
    let mut terminal = on_terminal(&socket, &["watch"]);
    terminal.exp_string("disk").unwrap();
    terminal.process_mut().signal(rexpect::process::Signal::SIGTERM).unwrap();
    terminal.exp_string("\x1b[?2004l").unwrap();
    terminal.exp_string("\x1b[?1049l").unwrap();
    assert_eq!(exit_code(&mut terminal), 0);
}

#[test]
fn nothing_is_left_of_no_session_and_a_program_reads_null() {
    let daemon = Daemon::default();
    daemon.says("GET /v1/status", vec![ok(status())]);
    let (_folder, socket) = daemon.opens();
    for (more, said) in [(&["--json"][..], "null\n"), (&[], "")] {
        let output = jit(&socket, &[&["status", "--left"], more].concat()).output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stdout).unwrap()),
            (Some(0), said.to_owned())
        );
    }
}

#[test]
fn watch_without_a_daemon_says_so_and_takes_no_terminal() {
    let mut terminal = on_terminal("/no/such/socket", &["watch"]);
    let said = terminal.exp_eof().unwrap();
    assert!(said.starts_with("error: asking jitd on /no/such/socket") && !said.contains('\x1b'), "{said:?}");
}

/// The lines that `jit watch` prints for a program.
fn followed(child: &mut Child, count: usize) -> Vec<(String, String)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(count);
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    lines.iter().map(|line| (word(&line["change"]), word(&line["request"]["ask"]["id"]))).collect()
}

#[test]
fn watch_for_programs_prints_each_change_as_one_line_of_json() {
    let other = with(|request| {
        request["ask"]["id"] = json!("R-00000-00002");
        request["ask"]["asked_at"] = json!("2026-11-24T14:05:00Z");
    });
    for arguments in [&["watch"][..], &["watch", "--json"]] {
        let daemon = inbox(vec![ok(json!([request()]))]);
        daemon.says(
            "GET /v1/requests?which=pending",
            vec![ok(json!([request()])), ok(json!([other, request()])), Answer::HangsUp, ok(json!([other]))],
        );
        let (_folder, socket) = daemon.opens();
        let mut child =
            jit(&socket, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let word = |change: &str, id: &str| (change.to_owned(), id.to_owned());
        assert_eq!(
            followed(&mut child, 3),
            [word("waiting", ID), word("requested", "R-00000-00002"), word("approved", ID)]
        );
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("Trying again.\njitd answers again."), "{said}");
    }
}

#[test]
fn json_on_a_terminal_is_the_same_value_and_nothing_that_the_terminal_obeys() {
    let rule = "one\u{9b}2J\u{202e}";
    let daemon = Daemon::default();
    let shown = with(|request| request["rule"] = json!(rule));
    daemon.says(&format!("GET /v1/requests/{ID}"), vec![ok(shown)]);
    let (_folder, socket) = daemon.opens();
    let said = on_terminal(&socket, &["--json", "show", ID]).exp_eof().unwrap();
    assert!(said.contains(r"one\u009b2J\u202e"), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["rule"], rule);
    let command =
        Command::new(env!("CARGO_BIN_EXE_jit")).args(["--socket", &socket, "--json", "show", ID]).output();
    let piped = String::from_utf8(command.unwrap().stdout).unwrap();
    assert!(piped.contains(rule), "programs get it as it is: {piped}");
}
