//! Approvers at their terminals: the inbox, and two of them who answer at once.

use testbed::{Host, Seen};

#[test]
fn an_approver_sees_a_request_come_in_and_approves_it_by_key() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let carol = host.person("carol", &["jit-approvers"]).unwrap();
    host.jitd_is_up();

    let mut inbox = bob.screen("jit watch");
    inbox.shows("No request waits.");
    let first = alice.ssh("true").id("R-");
    // By itself, without a key of bob's.
    inbox.shows(&format!("{first} is pending"));
    inbox.types("a");
    inbox.shows(&format!("Approve {first} of alice"));
    // For so long, and a word with it.
    inbox.types("30m\tfine");
    inbox.shows("comment  fine");
    carol.jit(&format!("show {first}")).says("is pending");
    inbox.types("\r");
    inbox.shows("Approved: alice may use ssh on web-1");
    let shown = carol.jit(&format!("show {first}"));
    shown.says("is approved").says("bob").says("fine");
    alice.ssh("true").is_in();
    host.soon("the review is told", || {
        host.log_lines()
            .iter()
            .any(|line| line.contains(&format!("change=approved actor=bob channel=terminal request={first}")))
    });

    // What another answers while bob reads it goes away under his eyes.
    let second = alice.jit("request --service sudo --reason 'the disk is full'").id("R-");
    inbox.shows(&format!("{second} is pending"));
    carol.jit(&format!("deny {second} --comment 'use the other one'")).ends_with(0);
    inbox.shows("No request waits.");
    inbox.types("q");
    inbox.ends();
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn of_two_approvers_who_answer_at_the_same_instant_one_is_done_and_the_other_told_by_whom() {
        let host = Host::gated("web-1").unwrap();
        let alice = host.person("alice", &[]).unwrap();
        let bob = host.person("bob", &["jit-approvers"]).unwrap();
        let carol = host.person("carol", &["jit-approvers"]).unwrap();
        host.jitd_is_up();
        bob.jit(&format!("approve {}", alice.ssh("true").id("R-"))).ends_with(0);
        host.root("install -d -m 777 /var/tmp/start").ends_with(0);
        for round in 0..8 {
            let request =
                alice.jit(&format!("request --service door{round} --reason 'one of many'")).id("R-");
            // Both are logged in and wait before either may begin.
            let approve = |name: &str| {
                format!(
                    "touch /var/tmp/start/{name}-{round}; until [ -e /var/tmp/start/go-{round} ]; do :; done; \
                 jit approve {request}"
                )
            };
            let both: [Seen; 2] = std::thread::scope(|scope| {
                let both = [&bob, &carol].map(|one| scope.spawn(|| one.ssh(&approve(one.name()))));
                let ready = |name: &str| host.path(&format!("var/tmp/start/{name}-{round}")).exists();
                host.soon("both are logged in", || ready("bob") && ready("carol"));
                std::fs::write(host.path(&format!("var/tmp/start/go-{round}")), "").unwrap();
                both.map(|one| one.join().unwrap())
            });
            let (winner, loser) = match both.each_ref().map(|seen| seen.code) {
                [0, 5] => ("bob", &both[1]),
                [5, 0] => ("carol", &both[0]),
                codes => panic!("one is done and one too late, not {codes:?}: {both:#?}"),
            };
            loser.says(&format!("request {request} is already approved by {winner}"));
            host.soon("the record has it once", || {
                let lines = host.log_lines();
                let mut approved =
                    lines.iter().filter(|line| line.contains("change=approved") && line.contains(&request));
                let first = approved.next();
                first.is_some_and(|line| line.contains(&format!("actor={winner} ")))
                    && approved.next().is_none()
            });
        }
    }
}
