//! Three hosts and a hub, each on a machine of its own, and a laptop: asked there, let in exactly where it was agreed to,
//! thrown out everywhere at once.

use hosts::fleet::Fleet;
use testbed::Host;

/// Name, last part of the address, and label.
const HOSTS: [(&str, u8, &str); 3] = [("web-1", 11, "prod"), ("web-2", 12, "prod"), ("test-1", 13, "test")];

#[test]
fn what_is_agreed_to_opens_exactly_those_hosts_and_is_taken_back_on_all_of_them() {
    let fleet = Fleet::of(&HOSTS);
    let [web_1, web_2, test_1] = fleet.hosts.as_slice() else { panic!("three hosts") };
    let alice = |host| Host::person(host, "alice", &[]).unwrap();
    for host in &fleet.hosts {
        alice(host).ssh("true").is_refused_with("holds no grant for ssh");
    }
    let refused =
        fleet.jit("alice", "request --host test-1 --service ssh --for 1h --reason 'the import hangs'");
    assert_ne!(refused.code, 0, "no rule is about it: {refused:#?}");

    let grant = fleet.granted("--label env=prod");
    for host in [web_1, web_2] {
        host.soon("the grant is there", || alice(host).ssh("true").code == 0);
    }
    alice(test_1).ssh("true").is_refused_with("holds no grant for ssh");

    let people = [alice(web_1), alice(web_2)];
    let mut stays: Vec<_> = people.iter().map(|person| person.stays(&[], "sleep 1000")).collect();
    for host in [web_1, web_2] {
        host.soon("the session is there", || host.root("jit sessions --json").out.contains(&grant));
    }
    fleet.jit("bob", &format!("revoke {grant} --reason 'wrong host'")).ends_with(0);
    for (host, stays) in [web_1, web_2].into_iter().zip(&mut stays) {
        let stays = std::cell::RefCell::new(stays);
        host.soon("the session has ended", || stays.borrow_mut().is_over());
        alice(host).ssh("true").is_refused_with("was revoked by bob");
        host.root("jit audit verify").ends_with(0);
    }
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn a_host_whose_cable_is_pulled_goes_on_and_hears_of_everything_when_it_is_back() {
        let fleet = Fleet::of(&HOSTS);
        let [web_1, web_2, _] = fleet.hosts.as_slice() else { panic!("three hosts") };
        let alice = |host| Host::person(host, "alice", &[]).unwrap();
        let kept = fleet.granted("--host web-1");
        let taken = fleet.granted("--host web-2");
        for host in [web_1, web_2] {
            host.soon("the grant is there", || alice(host).ssh("true").code == 0);
        }
        fleet.lan.pull(11, true).unwrap();
        fleet.lan.pull(12, true).unwrap();
        fleet.jit("bob", &format!("revoke {taken} --reason 'wrong host'")).ends_with(0);
        alice(web_1).ssh("true").is_in();
        alice(web_2).ssh("true").is_in();
        fleet.lan.pull(11, false).unwrap();
        fleet.lan.pull(12, false).unwrap();
        web_2.soon("it has heard of the revocation", || {
            alice(web_2).ssh("true").err.contains("was revoked by bob")
        });
        alice(web_1).ssh("true").is_in();
        fleet.jit("bob", &format!("revoke {kept} --reason 'done'")).ends_with(0);
        web_1.soon("it hears of what comes after", || {
            alice(web_1).ssh("true").err.contains("was revoked by bob")
        });
        for host in [web_1, web_2] {
            crate::long::apart::all_records_are_at_the_hub(&fleet, host);
        }
    }
}
