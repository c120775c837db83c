//! Three hosts and a hub, each on a machine of its own, and a laptop: asked there, let in exactly where it was agreed to,
//! thrown out everywhere at once.

use std::path::{Path, PathBuf};
use testbed::{Host, Lan, Seen};

const POLICY: &str = "[[rule]]\nid = \"prod\"\nwho = { users = [\"alice\"] }\nwhere = { labels = { env = \"prod\" } }\n\
                      what = { services = [\"ssh\"] }\napprove = [{ from = [\"user:bob\"] }]\n";

const HUB: u8 = 1;

/// Where the hub is.
pub const HUB_AT: &str = "10.77.0.1";

/// Name, last part of the address, and label.
const HOSTS: [(&str, u8, &str); 3] = [("web-1", 11, "prod"), ("web-2", 12, "prod"), ("test-1", 13, "test")];

pub struct Fleet {
    pub lan: Lan,
    pub hub: Host,
    pub hosts: Vec<Host>,
    ca: PathBuf,
}

impl Fleet {
    fn new() -> Self {
        let mut fleet = Self::of_a_hub(POLICY, None, |_| {});
        for (name, last, label) in HOSTS {
            let host = Host::gated(name).unwrap();
            fleet.lan.plug(&host, last).unwrap();
            host.root(&format!("echo '{HUB_AT} hub-1' >> /etc/hosts")).ends_with(0);
            fleet.join(host, label);
        }
        fleet.all_listen();
        fleet
    }

    /// A hub without hosts, whose machine is prepared by this before it is set up. People pin this authority where it is
    /// not the hub's own.
    pub fn of_a_hub(policy: &str, ca: Option<&Path>, prepare: impl FnOnce(&Host)) -> Self {
        let lan = Lan::new().unwrap();
        let hub = Host::boot("hub-1").unwrap();
        lan.plug(&hub, HUB).unwrap();
        hub.install(&testbed::package("jit-hub").unwrap()).unwrap();
        prepare(&hub);
        hub.root(&format!("jit-hub init --name hub-1 --name {HUB_AT} --admin admin > /root/admin.token"))
            .ends_with(0);
        hub.root("systemctl start jit-hub").ends_with(0);
        let ca = ca.map_or_else(|| hub.path("var/lib/jit-hub/ca.crt"), Path::to_path_buf);
        let fleet = Self { lan, hub, hosts: Vec::new(), ca };
        std::fs::write(fleet.hub.scratch().join("policy.toml"), policy).unwrap();
        std::fs::write(fleet.hub.scratch().join("people.toml"), "[alice]\n[bob]\n[carol]\n").unwrap();
        fleet.logs_in("admin", &format!("cat {}", fleet.hub.path("root/admin.token").display()));
        let files = fleet.hub.scratch().display().to_string();
        fleet
            .jit("admin", &format!("policy apply {files}/policy.toml --people {files}/people.toml"))
            .ends_with(0);
        for who in ["alice", "bob", "carol"] {
            let token =
                fleet.jit("admin", &format!("token make t --person {who} --scope read,request,review"));
            std::fs::write(fleet.hub.scratch().join("token"), token.out.lines().next().unwrap()).unwrap();
            fleet.logs_in(who, &format!("cat {files}/token"));
        }
        fleet
    }

    /// A host, whose cable is in and that finds its hub, becomes one of the hub's.
    pub fn join(&mut self, host: Host, label: &str) {
        host.person("alice", &[]).unwrap();
        host.jitd_is_up();
        let token = self.jit("admin", &format!("host token --label env={label}"));
        let token = token.out.lines().next().unwrap().to_owned();
        host.root(&format!("echo '{token}' | jitd enrol - && systemctl restart jitd")).ends_with(0);
        host.jitd_is_up();
        self.hosts.push(host);
    }

    pub fn all_listen(&self) {
        let all = self.hosts.len();
        self.hub
            .soon("all hosts listen", || self.jit("admin", "hosts").out.matches("listens").count() == all);
    }

    fn logs_in(&self, who: &str, token: &str) {
        let login = format!("login --hub https://{HUB_AT}:8443 --ca {} --token-stdin", self.ca.display());
        self.lan.laptop(&format!("{token} | {}", self.command(who, &login))).ends_with(0);
    }

    /// `jit` of somebody on their laptop.
    pub fn jit(&self, who: &str, command: &str) -> Seen {
        self.lan.laptop(&self.command(who, command))
    }

    fn command(&self, who: &str, command: &str) -> String {
        let (jit, home) = (testbed::repository().join("target/release/jit"), self.hub.scratch().join(who));
        format!("XDG_CONFIG_HOME={} {} {command}", home.display(), jit.display())
    }

    /// Asked by alice and agreed to by bob.
    fn granted(&self, hosts: &str) -> String {
        self.granted_to("alice", &format!("{hosts} --service ssh --for 1h"))
    }

    /// Asked by somebody and agreed to by bob.
    pub fn granted_to(&self, who: &str, what: &str) -> String {
        let asked = self.jit(who, &format!("request {what} --reason 'the import hangs'"));
        self.jit("bob", &format!("approve {}", asked.id("R-"))).id("G-")
    }
}

#[test]
fn what_is_agreed_to_opens_exactly_those_hosts_and_is_taken_back_on_all_of_them() {
    let fleet = Fleet::new();
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

#[test]
fn a_host_whose_cable_is_pulled_goes_on_and_hears_of_everything_when_it_is_back() {
    let fleet = Fleet::new();
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
    web_1
        .soon("it hears of what comes after", || alice(web_1).ssh("true").err.contains("was revoked by bob"));
}
