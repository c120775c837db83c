//! Every door, with and without a grant.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use testbed::Host;

#[test]
fn a_host_without_the_gate_lets_people_in() {
    let host = Host::boot("plain").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    alice.ssh("sudo -n id -un").is_in().says("root");
    alice.scp("/etc/hostname").is_in();
    alice.sftp("/etc/hostname").is_in();
    for method in ["password", "keyboard-interactive"] {
        let mut terminal = alice.terminal_by(method, "echo came in by $SHELL");
        terminal.exp_string("assword:").unwrap();
        terminal.send_line("correct horse").unwrap();
        terminal.exp_string("came in by /bin/bash").unwrap();
    }
}

#[test]
fn without_a_grant_ssh_is_refused_and_opens_a_request() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    let refused = alice.ssh("true");
    eprintln!("{refused:#?}");
    refused.is_refused_with("holds no grant for ssh on web-1").says("bob can approve it");
    let request = refused.id("R-");
    let approved = bob.jit(&format!("approve {request}"));
    eprintln!("{approved:#?}");
    approved.ends_with(0);
    alice.ssh("true").is_in();
    eprintln!("{:#?}", host.log_lines());
    eprintln!("{:#?}", host.syslog_lines());
}
