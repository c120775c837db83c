//! A hub and hosts of it, each on a machine of its own on one network, and laptops.

use serde_json::json;
use std::path::{Path, PathBuf};
use testbed::teams::{Account, SECRET, Teams};
use testbed::{Browser, Host, Lan, Look, Seen};

const POLICY: &str = "[[rule]]\nid = \"prod\"\nwho = { users = [\"alice\"] }\nwhere = { labels = { env = \"prod\" } }\n\
                      what = { services = [\"ssh\"] }\napprove = [{ from = [\"user:bob\"] }]\n";

const HUB: u8 = 1;

/// Where the hub is.
pub const HUB_AT: &str = "10.77.0.1";

/// A hub and its hosts.
pub struct Fleet {
    /// The network.
    pub lan: Lan,
    /// Where the hub runs.
    pub hub: Host,
    /// The hosts of the hub.
    pub hosts: Vec<Host>,
    ca: PathBuf,
}

impl Fleet {
    /// A hub with these hosts: name, last part of the address, and the label `env`. A rule lets alice ask for ssh where that
    /// is prod, and bob approve.
    pub fn of(hosts: &[(&str, u8, &str)]) -> Self {
        let mut fleet = Self::of_a_hub(POLICY, None, |_| {});
        for (name, last, label) in hosts {
            fleet.brings(name, *last, label);
        }
        fleet.all_listen();
        fleet
    }

    /// A hub with a bot in Teams, and these hosts.
    pub fn with_a_bot(policy: &str, hosts: &[(&str, u8, &str)]) -> (Self, Teams) {
        let mut fleet = Self::of_a_hub(policy, None, |_| {});
        let teams = bot(&fleet.hub);
        let ca = std::fs::read_to_string(&fleet.ca).unwrap();
        teams.asks("hub", &json!({"url": format!("https://{HUB_AT}:8443"), "ca": ca}));
        for (name, last, label) in hosts {
            fleet.brings(name, *last, label);
        }
        fleet.all_listen();
        (fleet, teams)
    }

    fn brings(&mut self, name: &str, last: u8, label: &str) {
        let host = Host::gated(name).unwrap();
        self.lan.plug(&host, last).unwrap();
        host.root(&format!("echo '{HUB_AT} hub-1' >> /etc/hosts")).ends_with(0);
        self.join(host, label);
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
        std::fs::write(fleet.hub.scratch().join("people.toml"), "[alice]\n[bob]\n[carol]\n[dave]\n").unwrap();
        fleet.logs_in("admin", &format!("cat {}", fleet.hub.path("root/admin.token").display()));
        let files = fleet.hub.scratch().display().to_string();
        fleet
            .jit("admin", &format!("policy apply {files}/policy.toml --people {files}/people.toml"))
            .ends_with(0);
        for who in ["alice", "bob", "carol", "dave"] {
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

    /// Waits until every host listens.
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
    pub fn granted(&self, hosts: &str) -> String {
        self.granted_to("alice", &format!("{hosts} --service ssh --for 1h"))
    }

    /// Asked by somebody and agreed to by bob.
    pub fn granted_to(&self, who: &str, what: &str) -> String {
        let asked = self.jit(who, &format!("request {what} --reason 'the import hangs'"));
        self.jit("bob", &format!("approve {}", asked.id("R-"))).id("G-")
    }
}

/// What a browser shows, where nothing else is said.
pub const LOOK: Look = Look { dark: false, width: 900 };

/// A hub gets a bot in Teams, as the guide says it.
fn bot(hub: &Host) -> Teams {
    const SECRET_AT: &str = "/etc/jit-hub/teams.secret";
    let teams = Teams::start_at(hub).unwrap();
    hub.root(&format!("install -m 0600 -o jit-hub -g jit-hub /dev/null {SECRET_AT}")).ends_with(0);
    std::fs::write(hub.path(SECRET_AT), SECRET).unwrap();
    let file = hub.path("etc/jit-hub/hub.toml");
    // Browsers here know it by its address.
    let url = format!("url = \"https://{HUB_AT}:8443\"\n");
    let lines = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{url}{lines}\n{}", teams.lines(SECRET_AT))).unwrap();
    hub.root("systemctl restart jit-hub").ends_with(0);
    teams
}

impl Fleet {
    /// Somebody signs in at the hub by a link, and says on its page which account in Teams is theirs.
    pub fn links(&self, teams: &Teams, browser: &mut Browser, person: &str) -> Account {
        let account = Account::named(person);
        teams.chats(&account);
        let link = self.jit(person, "web").ends_with(0).out.clone();
        browser.opens(link.lines().next().unwrap(), LOOK);
        browser.clicks(&format!("Sign in as {person}"));
        let page = format!("https://{HUB_AT}:8443/web/teams");
        browser.opens(&page, LOOK);
        browser.clicks("Make a code");
        let words = browser.reads("Say within ten minutes");
        let code = words.split(" link ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        teams.hears(&account.personal(), &account, &format!("link {code}"));
        browser.opens(&page, LOOK);
        browser.clicks("Yes, that is mine");
        browser.reads("Take it away");
        account
    }
}
