//! Asking the gate, by people who hold grants and straight.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use testbed::{Host, Person};

/// A host on which alice holds grants for ssh and sudo.
pub fn granted(host: &Host) -> (Person<'_>, Person<'_>) {
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
    bob.jit(&format!("approve {}", alice.ssh("sudo -n true").id("R-"))).ends_with(0);
    alice.ssh("sudo -n true").is_in();
    (alice, bob)
}

/// Records in the journal.
pub fn records(host: &Host) -> u64 {
    let status = host.root("jit status --json").out;
    status.split("\"journal_seq\":").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap()
}

/// A question of an account that holds a grant, straight to the gate, and whether it was let in. Tries until
/// there is an answer: a daemon that is killed hangs up.
pub fn let_in(host: &Host, tty: &str) -> bool {
    until(|| asked(host, "alice", tty)) == frame::Verdict::Allow
}

/// What the gate says of somebody at sshd, where it answers.
pub fn asked(host: &Host, login: &str, tty: &str) -> Option<frame::Verdict> {
    let question =
        frame::Question { tty: tty.into(), ..frame::Question::at_sshd(frame::Phase::Account, login) };
    answered(host, &question)
}

/// What the gate says to a question, where it answers.
pub fn answered(host: &Host, question: &frame::Question) -> Option<frame::Verdict> {
    let mut gate = host.connect("/run/jitd/gate.sock").ok()?;
    gate.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    gate.write_all(&question.encode().ok()?).ok()?;
    let mut bytes = Vec::new();
    gate.read_to_end(&mut bytes).ok()?;
    Some(frame::Answer::decode(&bytes).ok()?.verdict)
}

/// Tries without pause until it works.
#[track_caller]
pub fn until<T>(works: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(made) = works() {
            return made;
        }
        assert!(Instant::now() < deadline, "no answer within 20 s");
    }
}
