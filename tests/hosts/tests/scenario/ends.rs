//! What somebody hears whose access ends while they are in, and what is left of it. One of these waits for a warning after the
//! other: it begins early.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a wrong step must stop the story; times are worth seeing

use hosts::Work;
use hosts::story::{end_of, grant, host, people};
use std::time::{Duration, Instant};

#[test]
fn a_revoked_session_is_told_why_and_ends_with_all_it_started() {
    let host = host();
    let [alice, bob] = people(&host);
    let grant = grant(&host, &bob, "1h");
    let mut terminal = alice.terminal("");
    terminal.exp_string("$ ").unwrap();
    terminal.send_line("echo grant $JIT_GRANT until $(date -d @$JIT_EXPIRES +%Y); jit status").unwrap();
    terminal.exp_regex(&format!("grant {grant} until 20[0-9][0-9]")).unwrap();
    terminal.exp_regex(&format!("session   S-[0-9A-Z-]+ \\(ssh\\) by grant {grant}, until ")).unwrap();
    bob.jit("sessions").says("alice").says(&grant).says("open");
    let work = Work::begin(&host, &alice);
    let since = Instant::now();
    bob.jit(&format!("revoke {grant} --reason 'wrong host'")).ends_with(0).says("sessions by it end now");
    let said = format!("jit: grant {grant} was revoked by bob: wrong host. Your ssh session ends now.");
    terminal.exp_string(&said).unwrap();
    terminal.exp_eof().unwrap();
    println!("revoked: {:#?}", work.is_over(since, Duration::from_secs(10)));
    host.soon("its end is recorded", || {
        host.log_lines().iter().any(|line| {
            line.contains("change=session_ended actor=bob session=S-") && line.contains("cause=revoked")
        })
    });
    host.root("jit audit verify").ends_with(0);
}

#[test]
fn an_expired_session_ends_at_the_end_of_its_grant_after_two_warnings() {
    let host = host();
    std::fs::write(
        host.path("etc/jitd/jitd.toml"),
        "[sessions]\nwarn = [\"20s\", \"10s\"]\ngrace = \"1s\"\n",
    )
    .unwrap();
    host.root("systemctl reload jitd");
    let [alice, bob] = people(&host);
    let grant = grant(&host, &bob, "40s");
    let ends = end_of(&bob, &grant);
    let mut terminal = alice.terminal("");
    let work = Work::begin(&host, &alice);
    for left in ["20 seconds", "10 seconds"] {
        let said = format!("jit: your ssh access to web-1 by grant {grant} ends in {left}, at ");
        terminal.exp_string(&said).unwrap();
        terminal.exp_string("For more time: jit extend --for 30m --reason TEXT").unwrap();
    }
    terminal.exp_string(&format!("jit: grant {grant} is over. Your ssh session ends now.")).unwrap();
    assert!(Instant::now() + Duration::from_millis(500) > ends, "not before its end");
    terminal.exp_eof().unwrap();
    println!("expired: {:#?}", work.is_over(ends, Duration::from_secs(10)));
    host.soon("its end is recorded", || {
        host.log_lines().iter().any(|line| {
            line.contains("change=session_ended actor=clock") && line.contains("cause=expired overrun=")
        })
    });
}
