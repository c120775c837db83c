//! The daemon asked question by question, as the module asks: from a prompt for the most part.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use frame::{Answer, Mode, Offer, Phase, Question, Verdict, Wish};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(20);

/// A daemon of its own with the policy as it is shipped, two people, and one of them to agree.
struct Daemon {
    process: Child,
    folder: tempfile::TempDir,
    log: UnixDatagram,
}

impl Daemon {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:5001:5001::/:/bin/sh\nbob:x:5002:5002::/:/bin/sh\n";
        std::fs::write(inside("passwd"), passwd).unwrap();
        std::fs::write(inside("group"), "root:x:0:\njit-approvers:x:900:bob\n").unwrap();
        let config = format!(
            "state = \"{0}\"\nhost = \"web-1\"\n[gate]\nsocket = \"{0}/gate\"\n[control]\nsocket = \"{0}/control\"\n\
             [syslog]\nsocket = \"{0}/log\"\n[accounts]\npasswd = \"{0}/passwd\"\ngroup = \"{0}/group\"\n{more}\n",
            folder.path().display()
        );
        std::fs::write(inside("jitd.toml"), config).unwrap();
        let log = UnixDatagram::bind(inside("log")).unwrap();
        log.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut jitd = Command::new(env!("CARGO_BIN_EXE_jitd"));
        let jitd = jitd.arg("--config").arg(inside("jitd.toml")).stderr(Stdio::inherit());
        let daemon = Self { process: jitd.spawn().unwrap(), log, folder };
        let since = Instant::now();
        while UnixStream::connect(daemon.gate()).is_err() {
            assert!(since.elapsed() < WAIT, "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    fn gate(&self) -> PathBuf {
        self.folder.path().join("gate")
    }

    fn asked(&self, question: &Question) -> Answer {
        let mut stream = UnixStream::connect(self.gate()).unwrap();
        stream.write_all(&question.encode().unwrap()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = Answer::decode(&answer);
        assert!(answer.is_ok(), "{answer:?}: the gate answers root alone, so this runs as root");
        answer.unwrap().to(question).unwrap()
    }

    /// What the log was told since the last look, as far as it is about this.
    fn told(&self, about: &str) -> Vec<String> {
        let mut buffer = [0; 8192];
        let lines =
            std::iter::from_fn(|| self.log.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec()));
        let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
        lines.filter(|line| line.contains(about)).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn question(phase: Phase) -> Question {
    Question { address: b"203.0.113.5".to_vec(), can_prompt: true, ..Question::at_sshd(phase, "alice") }
}

fn wish(reason: &str, length: &str) -> Question {
    let wish = Wish { reason: reason.into(), length: length.into(), ticket: Vec::new() };
    Question { wish, ..question(Phase::Ask) }
}

fn line(answer: &Answer) -> String {
    assert_eq!(answer.verdict, Verdict::Deny, "{answer:?}");
    assert!(answer.line.iter().all(|c| (b' '..=b'~').contains(c)), "printable ASCII: {answer:?}");
    String::from_utf8(answer.line.clone()).unwrap()
}

/// The request that can be waited for.
fn waits(answer: &Answer) -> String {
    let Offer::Wait { request } = &answer.offer else { unreachable!("{answer:?}") };
    String::from_utf8(request.clone()).unwrap()
}

const REFUSED: &str = "jit: alice holds no grant for ssh on web-1.";

#[test]
fn a_refusal_at_a_prompt_opens_nothing_and_what_is_said_there_is_the_request() {
    let daemon = Daemon::start("");
    let refused = daemon.asked(&question(Phase::Auth));
    assert_eq!(line(&refused), format!("{REFUSED} Ask for it here: say why, or press Enter to leave."));
    assert_eq!(refused.offer, Offer::Ask { length: b"1h".to_vec(), ticket: Vec::new() });
    let opened = daemon.asked(&wish("the disk is full", "30m"));
    let id = waits(&opened);
    assert!(line(&opened).starts_with(&format!("jit: {id} waits for bob, another ")), "{}", line(&opened));
    let still = daemon.asked(&question(Phase::Wait));
    assert_eq!(waits(&still), id);
    assert!(line(&still).starts_with(&format!("jit: {id} waits for bob, another ")), "{}", line(&still));

    // Somebody else of the same person, elsewhere, waits for the same.
    let again = daemon.asked(&question(Phase::Auth));
    assert!(line(&again).starts_with(&format!("{REFUSED} {id} waits for bob, another ")), "{}", line(&again));
    assert_eq!(waits(&again), id);
    let also = daemon.asked(&wish("once more", ""));
    assert_eq!(waits(&also), id, "an equal request is pointed at");
    let plain = daemon.asked(&Question { can_prompt: false, ..question(Phase::Auth) });
    assert_eq!(plain.offer, Offer::Nothing);
    assert!(line(&plain).contains(&format!("Request {id} already waits")), "{}", line(&plain));

    let told = daemon.told("alice");
    let requested: Vec<_> = told.iter().filter(|line| line.contains("change=requested")).collect();
    assert_eq!(requested.len(), 1, "{told:#?}");
    assert!(requested[0].contains("actor=alice channel=login"), "{told:#?}");
    let refusals = told.iter().filter(|line| line.contains("decision=deny")).count();
    assert_eq!(refusals, 1, "one refusal, and neither asking nor waiting is one: {told:#?}");
}

#[test]
fn what_was_typed_wrong_is_said_and_offered_again_and_harms_nobody() {
    let daemon = Daemon::start("");
    let again = Offer::Ask { length: b"1h".to_vec(), ticket: Vec::new() };
    for (typed, wrong) in [
        (wish(" ", ""), "jit: the reason is empty: write at least a word."),
        (
            wish("x\x1b]0;y\x07", ""),
            "jit: the reason has the character U+001B, which could hide or change what a reader sees",
        ),
        (wish("a\u{202e}b", ""), "jit: the reason has the character U+202E"),
        (wish("the disk", "9h"), "jit: 9h is longer than the 8h that rule \"approved\" gives."),
        (wish("the disk", "1\x1b[2J"), "jit: duration \"1\\u{1b}[2J\" has a unit other than"),
    ] {
        let answer = daemon.asked(&typed);
        assert!(line(&answer).starts_with(wrong), "{}", line(&answer));
        assert_eq!(answer.offer, again, "{wrong}");
    }
    let latin =
        Question { wish: Wish { reason: b"M\xfcll".to_vec(), ..Wish::default() }, ..question(Phase::Ask) };
    assert_eq!(line(&daemon.asked(&latin)), "jit: the reason is not UTF-8.");
    assert!(daemon.told("change=requested").is_empty());
}

#[test]
fn only_a_prompt_that_is_one_is_offered_anything() {
    let daemon = Daemon::start("");
    for no_prompt in [
        Question { can_prompt: false, ..question(Phase::Auth) },
        Question { phase: Phase::Open, ..question(Phase::Auth) },
    ] {
        assert_eq!(daemon.asked(&no_prompt).offer, Offer::Nothing);
    }
    let monitored = daemon.asked(&Question { mode: Mode::Monitor, ..question(Phase::Auth) });
    assert_eq!((monitored.verdict, monitored.offer), (Verdict::Allow, Offer::Nothing));
    let stranger = b"stranger".to_vec();
    let stranger = Question { subject: stranger.clone(), target: stranger, ..question(Phase::Auth) };
    assert_eq!(daemon.asked(&stranger).offer, Offer::Nothing, "whom nobody knows");
    // Who never was offered a place can wait for nothing.
    let nothing = daemon.asked(&Question { subject: b"root".to_vec(), ..question(Phase::Wait) });
    assert_eq!(nothing.offer, Offer::Nothing);

    for more in ["[prompt]\nenabled = false", "[prompt]\nssh_seats = 0"] {
        let daemon = Daemon::start(more);
        let answer = daemon.asked(&question(Phase::Auth));
        assert_eq!(answer.offer, Offer::Nothing, "{more}");
        assert!(
            line(&answer).contains("was opened for you: bob can approve it."),
            "{more}: {}",
            line(&answer)
        );
    }
    let off = Daemon::start("[prompt]\nenabled = false");
    let answer = off.asked(&wish("all the same", ""));
    assert_eq!(
        (line(&answer).as_str(), answer.offer),
        ("jit: this host takes no requests at a prompt. Use jit request.", Offer::Nothing)
    );
}

#[test]
fn a_place_is_one_processs_and_the_next_is_refused_as_everywhere() {
    let daemon = Daemon::start("[prompt]\nssh_seats = 1\nsudo_seats = 1");
    // Another process, and not this one, has the only place.
    let bytes = daemon.folder.path().join("question");
    std::fs::write(&bytes, question(Phase::Auth).encode().unwrap()).unwrap();
    let script = "use IO::Socket::UNIX; $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; \
                  open $q, '<:raw', $ARGV[1]; $s->syswrite(join '', <$q>); 1 while $s->sysread($_, 4096); \
                  $| = 1; print 'asked'; <STDIN>";
    let mut other = Command::new("perl")
        .args(["-e", script])
        .arg(daemon.gate())
        .arg(bytes)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    other.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    let refused = daemon.asked(&question(Phase::Auth));
    assert_eq!(refused.offer, Offer::Nothing);
    assert!(line(&refused).contains("was opened for you"), "{}", line(&refused));
    let sudo =
        Question { service: b"sudo".to_vec(), tty: b"/dev/pts/0".to_vec(), ..question(Phase::Account) };
    assert!(matches!(daemon.asked(&sudo).offer, Offer::Ask { .. }), "another door has its own");
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(matches!(daemon.asked(&question(Phase::Auth)).offer, Offer::Wait { .. }), "and now it is free");
}

#[test]
fn prompts_open_no_more_requests_than_refused_logins_do() {
    let daemon = Daemon::start("[prompt]\nsudo_seats_per_person = 20");
    let asks = |n: u32| {
        let service = format!("door{n}").into_bytes();
        daemon.asked(&Question { service, ..wish("the disk is full", "") })
    };
    for n in 0..10 {
        waits(&asks(n));
    }
    let more = asks(10);
    assert_eq!(more.offer, Offer::Nothing);
    assert!(line(&more).contains("as many requests as they can within an hour"), "{}", line(&more));
}

#[test]
fn a_dry_run_knows_who_approves_before_anybody_has_knocked() {
    let daemon = Daemon::start("");
    let client = api::Client::on_socket(&daemon.folder.path().join("control")).unwrap();
    let query = api::CheckQuery {
        user: access::Login::parse("bob").unwrap(),
        service: access::Service::parse("ssh").unwrap(),
        host: None,
        run_as: None,
        at: None,
    };
    let check = client.check(&query).unwrap();
    assert_eq!((check.allowed, check.reason), (true, access::Reason::Approver));
}

#[test]
fn a_session_comes_from_where_its_login_came_from_and_not_from_what_its_user_wrote() {
    let daemon = Daemon::start("");
    let asks = |phase, rhost: &str, address: &str| {
        let of_bob = Question::at_sshd(phase, "bob");
        let question = Question { rhost: rhost.into(), address: address.into(), ..of_bob };
        assert_eq!(daemon.asked(&question).verdict, Verdict::Allow);
    };
    asks(Phase::Open, "client.example", "10.0.0.5");
    // From now on it is known where this process, which is sshd, has its client.
    asks(Phase::Account, "client.example", "203.0.113.5");
    asks(Phase::Open, "client.example", "10.0.0.5");
    asks(Phase::Open, "203.0.113.6", "10.0.0.5");
    let told = daemon.told("decision=allow reason=approver user=bob");
    let from: Vec<_> =
        told.iter().filter_map(|line| line.split(" rhost=").nth(1)?.split(' ').next()).collect();
    assert_eq!(from, ["client.example", "203.0.113.5", "203.0.113.5", "203.0.113.6"], "{told:#?}");
}

#[test]
fn who_would_outlive_their_login_by_a_sudo_is_refused_on_record() {
    let daemon = Daemon::start("");
    let mut login = Command::new("sleep").arg("60").spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", login.id())).unwrap();
    let ticks = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    let of_login = Question {
        pid: login.id(),
        start_ticks: ticks.parse().unwrap(),
        audit_session: 7_000_001,
        ..Question::at_sshd(Phase::Open, "bob")
    };
    assert_eq!(daemon.asked(&of_login).verdict, Verdict::Allow);
    let client = api::Client::on_socket(&daemon.folder.path().join("control")).unwrap();
    let [view] = &client.sessions(&api::AskSessions::default()).unwrap()[..] else { unreachable!() };
    let end = api::EndSession { reason: access::Text::parse("lunch").unwrap(), host: None };
    client.end_session(&view.session.id.to_string(), &end).unwrap();
    login.wait().unwrap();

    let sudo = Question {
        service: b"sudo".to_vec(),
        target: b"root".to_vec(),
        audit_session: 7_000_002,
        outer_session: of_login.audit_session,
        ..Question::at_sshd(Phase::Open, "bob")
    };
    assert_eq!(line(&daemon.asked(&sudo)), "jit: the login that this is run in is over.");
    let monitored = daemon.asked(&Question { mode: Mode::Monitor, ..sudo });
    assert_eq!(monitored.verdict, Verdict::Allow);
    let told = daemon.told("user=bob as=root service=sudo");
    let [refused, let_in] = &told[..] else { unreachable!("{told:#?}") };
    assert!(refused.contains("decision=deny reason=unavailable"), "{refused}");
    assert!(let_in.contains("decision=allow reason=monitor would=unavailable"), "{let_in}");
}

#[test]
fn a_refusal_that_has_too_much_to_say_is_an_answer_all_the_same() {
    let daemon = Daemon::start("");
    // Each of these is shown as six characters.
    let name = vec![0x1b; 200];
    let answer = daemon.asked(&Question {
        subject: name.clone(),
        target: name,
        can_prompt: false,
        ..question(Phase::Account)
    });
    assert_eq!(answer.reason, b"bad_request");
    let line = line(&answer);
    assert_eq!(line.len(), frame::limits::LINE);
    assert!(line.starts_with("jit: login name \"\\u{1b}"), "{line}");
}

#[test]
fn what_the_module_let_in_is_told_as_let_in_whatever_can_be_read_of_it() {
    let daemon = Daemon::start("");
    let answer = daemon.asked(&Question {
        service: b"su".to_vec(),
        target: b"CORP\\first last".to_vec(),
        notice: frame::Notice::Exempt,
        ..Question::at_sshd(Phase::Notice, "root")
    });
    assert_eq!((answer.verdict, answer.reason.as_slice()), (Verdict::Deny, &b"bad_request"[..]));
    let told = daemon.told("first last");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("decision=allow reason=exempt user=root "), "{told:#?}");
}
