//! A way to the hub that carries nothing as it was sent: a line that delays, reorders and loses frames.

use super::apart::{POLICY, all_records_are_at_the_hub};
use crate::fleet::again;
use hosts::fleet::{Fleet, HUB_AT};
use std::cell::RefCell;
use testbed::Host;

/// Asked for, used, ended from the hub while somebody is in, and asked for again; each within its time.
pub fn hears_of_everything(fleet: &Fleet, host: &Host) {
    let alice = host.person("alice", &[]).unwrap();
    let granted = || fleet.granted_to("alice", &format!("--host {} --service ssh --for 1h", host.name()));
    let grant = granted();
    again("the grant is there", || alice.ssh("true").code == 0);
    let stays = RefCell::new(alice.stays(&[], "sleep 1000"));
    host.soon("the session is there", || host.root("jit sessions --json").out.contains(&grant));
    fleet.jit("bob", &format!("revoke {grant} --reason 'wrong host'")).ends_with(0);
    again("the session has ended", || stays.borrow_mut().is_over());
    alice.ssh("true").is_refused_with("was revoked by bob");
    granted();
    again("the next one is there", || alice.ssh("true").code == 0);
    let status = host.root("jit status");
    assert!(!status.out.contains("the hub was heard last"), "{status:#?}");
    all_records_are_at_the_hub(fleet, host);
    host.root("jit audit verify").ends_with(0);
}

#[test]
fn a_host_at_the_end_of_a_bad_line_hears_of_everything() {
    let mut fleet = Fleet::of_a_hub(POLICY, None, |_| {});
    let host = Host::gated("web-1").unwrap();
    let line = fleet.lan.plug_badly(&host, 11, 1).unwrap();
    host.root(&format!("echo '{HUB_AT} hub-1' >> /etc/hosts")).ends_with(0);
    fleet.join(host, "prod");
    let [host] = fleet.hosts.as_slice() else { panic!("one host") };
    hears_of_everything(&fleet, host);
    let (carried, overtaken, lost) = line.counts();
    eprintln!("{carried} frames carried, {overtaken} of them overtaken, {lost} lost");
    assert!(
        carried > 100 && overtaken > 10 && lost > 0,
        "{carried} carried, {overtaken} overtaken, {lost} lost"
    );
}
