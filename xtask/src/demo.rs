//! The main job, live: refused, asked, approved, in, and out again when the grant ends.

use crate::dist;
use anyhow::{Result, ensure};
use testbed::{Host, Person, Progress, Seen};

/// How long the grant for sudo is good: long enough to use it, short enough to watch it end.
const SHORT: &str = "15s";

/// Plays it. Everything that people do here they do over ssh, with what anybody has.
pub fn demo(keep: bool) -> Result<()> {
    testbed::root_or_explain()?;
    dist::dist(dist::For::Demo)?;
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
    show(&bob, "jit requests").ends_with(0).says(&request);
    let approved = show(&bob, &format!("jit approve {request} --for 30m --comment 'go ahead'"));
    let ssh_grant = approved.ends_with(0).id("G-");

    title("Alice is in; sudo is another door, and opens a request of its own");
    show(&alice, "echo in as $(id -un)").is_in().says("in as alice");
    let refused = show(&alice, "sudo -n id -un");
    refused.is_refused_with(&format!("grant {ssh_grant} is for ssh, not for sudo"));
    let request = refused.id("R-");

    title("Bob approves that too, for a short time");
    let approved = show(&bob, &format!("jit approve {request} --for {SHORT}"));
    let sudo_grant = approved.ends_with(0).id("G-");
    show(&alice, "sudo -n id -un").is_in().says("root");

    title("The grant ends by itself, and sudo refuses again");
    let wait = format!("until jit show {sudo_grant} | grep 'is expired'; do sleep 1; done");
    show(&bob, &wait).ends_with(0).says("is expired");
    show(&alice, "sudo -n id -un").is_refused_with(&format!("grant {sudo_grant} for sudo ended"));

    title("Alice has a shell open when Bob takes her other grant back: she reads why, and the shell is gone");
    let mut shell = alice.terminal("");
    shell.exp_string("$ ")?;
    show(&bob, "jit sessions").ends_with(0).says(&ssh_grant);
    show(&bob, &format!("jit revoke {ssh_grant} --reason 'the window is closed'")).ends_with(0);
    let read = shell.exp_eof()?;
    println!("\x1b[1malice@web-1:~$\x1b[0m");
    let lines = read.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty());
    lines.for_each(|line| println!("  {line}"));
    let told = format!(
        "jit: grant {ssh_grant} was revoked by bob: the window is closed. Your ssh session ends now."
    );
    ensure!(read.contains(&told), "alice did not read why: {read:?}");
    show(&alice, "true").is_refused_with(&format!("grant {ssh_grant} was revoked by bob"));

    title("What syslog says, as anybody in group adm reads it");
    let lines = bob.ssh("grep -h 'jitd\\[' /var/log/auth.log");
    for line in lines.out.lines().filter(|line| line.contains("user=alice") || line.contains("change=")) {
        println!("  {line}");
    }
    for told in [
        "decision=deny reason=no_grant user=alice",
        "decision=allow reason=granted user=alice as=root service=sudo",
        "change=expired actor=clock",
        "change=revoked actor=bob",
        "change=session_ended actor=bob",
    ] {
        lines.says(told);
    }
    title("How the gate is");
    show(&bob, "jit status").ends_with(0);
    Ok(())
}

fn show(person: &Person<'_>, command: &str) -> Seen {
    // As it would be typed: what the far shell is to see is kept from the near one.
    let typed = if command.contains(['$', ';', '|']) {
        format!("\"{}\"", command.replace('$', "\\$"))
    } else {
        command.to_owned()
    };
    println!("\x1b[1m{0}@laptop$\x1b[0m ssh {0}@web-1 {typed}", person.name());
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
