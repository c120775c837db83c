//! The main job, live: refused, asked, approved, in, and out again when the grant ends.

use crate::dist;
use anyhow::Result;
use testbed::{Host, Person, Progress, Seen};

/// How long the grants of the demo are good: long enough to use them, short enough to watch them end.
const SHORT: &str = "12s";

/// Plays it. Everything that people do here they do over ssh, with what anybody has.
pub fn demo(keep: bool) -> Result<()> {
    testbed::root_or_explain()?;
    dist::dist()?;
    testbed::image()?;
    let mut host = {
        let _progress = Progress::begin("booting web-1 and installing the package");
        Host::gated("web-1")?
    };
    play(&host)?;
    if keep {
        title("The host stays up");
        println!("{}", host.keep());
    }
    Ok(())
}

fn play(host: &Host) -> Result<()> {
    let alice = host.person("alice", &["staff"])?;
    let bob = host.person("bob", &["jit-approvers", "adm"])?;
    host.jitd_is_up();

    title("Alice has an account and a key, and no grant: ssh refuses, says why, and asks for her");
    let refused = show(&alice, "true");
    refused.is_refused_with("holds no grant for ssh");
    let request = refused.id("R-");

    title("Bob is an approver. He comes in over ssh and looks at what waits");
    show(&bob, "jit requests").ends_with(0);
    show(&bob, &format!("jit approve {request} --for {SHORT} --comment 'go ahead'")).ends_with(0);

    title("Alice is in; sudo is another door, and opens a request of its own");
    show(&alice, "echo in as $(id -un)").is_in();
    let refused = show(&alice, "sudo -n id -un");
    refused.is_refused_with("grant G-");
    let request = refused.id("R-");

    title("Bob approves that too");
    show(&bob, &format!("jit approve {request} --for {SHORT}")).ends_with(0);
    let root = show(&alice, "sudo -n id -un");
    if root.code == 255 {
        println!("(her first grant has ended meanwhile)");
    } else {
        root.is_in().says("root");
    }

    title("The grants end by themselves");
    show(&bob, "'until [ \"$(jit grants --json)\" = \"[]\" ]; do sleep 1; done; jit grants --all'")
        .ends_with(0);
    show(&alice, "true").is_refused_with("ended");

    title("What syslog says, as anybody in group adm reads it");
    let lines = bob.ssh("grep -h 'jitd\\[' /var/log/auth.log");
    for line in lines.out.lines().filter(|line| line.contains("user=alice") || line.contains("change=")) {
        println!("  {line}");
    }
    title("How the gate is");
    show(&bob, "jit status").ends_with(0);
    Ok(())
}

fn show(person: &Person<'_>, command: &str) -> Seen {
    println!("\x1b[1m{0}@laptop$\x1b[0m ssh {0}@web-1 {command}", person.name());
    let seen = person.ssh(command);
    for line in seen.err.lines().chain(seen.out.lines()) {
        println!("  {line}");
    }
    println!("  \x1b[2m(exit {})\x1b[0m", seen.code);
    seen
}

fn title(words: &str) {
    println!("\n\x1b[7m {words} \x1b[0m\n");
}
