//! A host that takes its grants from a hub: asked and approved there, let in and thrown out here.

use std::cell::RefCell;
use testbed::{Host, Seen};

const POLICY: &str = "[[rule]]\nid = \"prod\"\nwho = { users = [\"alice\"] }\nwhere = { labels = { env = \"prod\" } }\n\
                      what = { services = [\"ssh\", \"sudo\"] }\napprove = [{ from = [\"user:bob\"] }]\n";

const PEOPLE: &str = "[alice]\n[bob]\n";

/// A host with a hub beside it, of which it is one; what people do at the hub is done with their tokens.
struct Fleet {
    host: Host,
}

impl Fleet {
    fn new() -> Self {
        let host = Host::gated("web-1").unwrap();
        host.person("alice", &["staff"]).unwrap();
        host.jitd_is_up();
        Self::around(host)
    }

    /// This host becomes one of a hub's.
    fn around(host: Host) -> Self {
        for (from, to) in [
            ("target/release/jit-hub", "usr/sbin/jit-hub"),
            ("packaging/systemd/jit-hub.service", "etc/systemd/system/jit-hub.service"),
            ("packaging/systemd/jit-hub-signer.service", "etc/systemd/system/jit-hub-signer.service"),
            ("packaging/sysusers-hub.conf", "usr/lib/sysusers.d/jit-hub.conf"),
        ] {
            std::fs::copy(testbed::repository().join(from), host.path(to)).unwrap();
        }
        std::fs::write(host.path("root/policy.toml"), POLICY).unwrap();
        std::fs::write(host.path("root/people.toml"), PEOPLE).unwrap();
        let fleet = Self { host };
        fleet
            .root("systemd-sysusers && jit-hub init --name localhost --admin admin > /root/admin.token && systemctl daemon-reload && (systemctl start jit-hub || (journalctl -n 40 -u jit-hub -u jit-hub-signer >&2; false))")
            .ends_with(0);
        fleet.logs_in("admin", "cat /root/admin.token");
        fleet.at_the_hub("admin", "policy apply /root/policy.toml --people /root/people.toml").ends_with(0);
        for who in ["alice", "bob"] {
            fleet.logs_in(
                who,
                &format!("XDG_CONFIG_HOME=/root/admin jit token make t --person {who} --scope read,request,review | head -n 1"),
            );
        }
        fleet
            .root("XDG_CONFIG_HOME=/root/admin jit host token --label env=prod | head -n 1 | jitd enrol -")
            .ends_with(0);
        fleet.root("systemctl restart jitd").ends_with(0);
        fleet.host.jitd_is_up();
        fleet.host.soon("the hub is heard", || fleet.at_the_hub("admin", "hosts").out.contains("listens"));
        fleet
    }

    fn root(&self, command: &str) -> Seen {
        self.host.root(command)
    }

    fn logs_in(&self, who: &str, token: &str) {
        self.root(&format!(
            "({token}) | XDG_CONFIG_HOME=/root/{who} jit login --hub https://localhost:8443 --ca /var/lib/jit-hub/ca.crt --token-stdin"
        ))
        .ends_with(0);
    }

    /// `jit` of somebody at the hub.
    fn at_the_hub(&self, who: &str, command: &str) -> Seen {
        self.root(&format!("XDG_CONFIG_HOME=/root/{who} jit {command}"))
    }
}

#[test]
fn what_is_approved_at_the_hub_opens_the_host_and_what_is_revoked_there_ends_the_session() {
    let fleet = Fleet::new();
    let host = &fleet.host;
    let alice = host.person("alice", &[]).unwrap();
    alice.ssh("true").is_refused_with("jit request --host web-1 --user alice --service ssh --reason TEXT");
    let asked = fleet
        .at_the_hub("alice", "request --host web-1 --service ssh,sudo --for 1h --reason 'the import hangs'");
    let grant = fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).id("G-");
    host.soon("the host has heard of it", || alice.ssh("true").code == 0);
    alice.ssh("sudo -n id -un").is_in();
    host.soon("the decision says where the grant came from", || {
        host.log_lines().iter().any(|line| {
            line.contains("decision=allow reason=granted")
                && line.contains(&grant)
                && line.contains("source=hub staleness=")
        })
    });
    let stays = RefCell::new(alice.stays(&[], "sleep 1000"));
    host.soon("the session is there", || host.root("jit sessions --json").out.contains(&grant));
    fleet.at_the_hub("bob", &format!("revoke {grant} --reason 'wrong host'")).ends_with(0);
    host.soon("the session has ended", || stays.borrow_mut().is_over());
    alice.ssh("true").is_refused_with("was revoked by bob");
    host.root("jit audit verify").ends_with(0);
}

#[test]
fn a_host_goes_on_by_what_it_knows_while_the_hub_is_away() {
    let fleet = Fleet::new();
    let host = &fleet.host;
    let alice = host.person("alice", &[]).unwrap();
    let asked = fleet.at_the_hub("alice", "request --host web-1 --for 1h --reason 'the import hangs'");
    fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).ends_with(0);
    host.soon("the host has heard of it", || alice.ssh("true").code == 0);
    fleet.root("systemctl stop jit-hub jit-hub-signer").ends_with(0);
    alice.ssh("true").is_in();
    fleet.root("systemctl restart jitd").ends_with(0);
    host.jitd_is_up();
    alice.ssh("true").is_in();
    fleet.root("systemctl start jit-hub").ends_with(0);
    host.soon("the hub is heard again", || fleet.at_the_hub("admin", "hosts").out.contains("listens"));
}

#[test]
fn nothing_is_asked_or_decided_on_a_host_whose_desk_is_the_hub() {
    let fleet = Fleet::new();
    let bob = fleet.host.person("bob", &["jit-approvers"]).unwrap();
    fleet
        .root("jit request --user alice --reason x")
        .says("takes its grants from the hub at https://localhost:8443");
    bob.ssh("true").is_refused_with("no grant");
}

#[test]
fn what_a_host_granted_by_itself_counts_no_more_once_it_is_a_hubs() {
    let host = Host::gated("web-1").unwrap();
    let alice = host.person("alice", &["staff"]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    host.jitd_is_up();
    let asked = alice.ssh("true").id("R-");
    bob.jit(&format!("approve {asked}")).ends_with(0);
    alice.ssh("true").is_in();
    drop((alice, bob));
    let fleet = Fleet::around(host);
    let alice = fleet.host.person("alice", &[]).unwrap();
    alice.ssh("true").is_refused_with("no grant");
    // What it is called since makes no difference to the hub's grants.
    fleet.root("hostname renamed && systemctl restart jitd").ends_with(0);
    fleet.host.jitd_is_up();
    let asked = fleet.at_the_hub("alice", "request --host web-1 --for 1h --reason 'the import hangs'");
    fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).ends_with(0);
    fleet.host.soon("the host has heard of it", || alice.ssh("true").code == 0);
}
