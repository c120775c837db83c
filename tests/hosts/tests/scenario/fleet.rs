//! A host that takes its grants from a hub: asked and approved there, let in and thrown out here.

use std::cell::RefCell;
use std::time::{Duration, Instant};
use testbed::{Host, Seen};

const POLICY: &str = "[[rule]]\nid = \"prod\"\nwho = { users = [\"alice\"] }\nwhere = { labels = { env = \"prod\" } }\n\
                      what = { services = [\"ssh\", \"sudo\"], run_as = [\"root\"] }\napprove = [{ from = [\"user:bob\"] }]\n";

const GLASS: &str = "[[rule]]\nid = \"fire\"\nwho = { users = [\"alice\"] }\nwhere = { labels = { env = \"prod\" } }\n\
                     what = { services = [\"sudo\"] }\n\
                     break_glass = { who = [\"user:alice\"], max = \"1h\", review_by = [\"user:bob\"], within = \"1d\" }\n";

const PEOPLE: &str = "[alice]\n[bob]\n";

/// More than the longest pause before a hub that was away is called again, which is 90 s.
const CALLED_AGAIN: Duration = Duration::from_secs(120);

/// A host with a hub beside it, of which it is one; what people do at the hub is done with their tokens.
pub struct Fleet {
    pub host: Host,
}

impl Fleet {
    pub fn new() -> Self {
        let host = Host::gated("web-1").unwrap();
        host.person("alice", &["staff"]).unwrap();
        host.jitd_is_up();
        Self::around(host)
    }

    /// This host becomes one of a hub's.
    fn around(host: Host) -> Self {
        std::fs::copy(testbed::package("jit-hub").unwrap(), host.path("root/jit-hub.deb")).unwrap();
        std::fs::write(host.path("root/policy.toml"), POLICY).unwrap();
        std::fs::write(host.path("root/people.toml"), PEOPLE).unwrap();
        let fleet = Self { host };
        fleet
            .root("dpkg -i /root/jit-hub.deb >&2 && jit-hub init --name localhost --admin admin > /root/admin.token && (systemctl start jit-hub || (journalctl -n 40 -u jit-hub -u jit-hub-signer >&2; false))")
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

    /// The host joins again, with one label.
    fn lets_in(&self) {
        let token = self.at_the_hub("admin", "host token --label env=prod --ttl 10m --uses 1");
        let token = token.ends_with(0).out.lines().next().unwrap().to_owned();
        self.root(&format!("echo '{token}' | jitd enrol - && systemctl restart jitd")).ends_with(0);
        self.host.jitd_is_up();
    }

    /// `jit` of somebody at the hub.
    pub fn at_the_hub(&self, who: &str, command: &str) -> Seen {
        self.root(&format!("XDG_CONFIG_HOME=/root/{who} jit {command}"))
    }
}

/// Waits until `what` holds where a hub that was away has to be called again first.
#[track_caller]
pub fn again(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < CALLED_AGAIN, "not within {} s: {what}", CALLED_AGAIN.as_secs());
        std::thread::sleep(testbed::limits::LOOK_AGAIN);
    }
}

#[test]
fn what_is_approved_at_the_hub_opens_the_host_and_what_is_revoked_there_ends_the_session() {
    let fleet = Fleet::new();
    let host = &fleet.host;
    let alice = host.person("alice", &[]).unwrap();
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
fn who_revokes_hears_which_host_does_not_know_and_when_it_is_over_there_at_the_latest() {
    let fleet = Fleet::new();
    let host = &fleet.host;
    let alice = host.person("alice", &[]).unwrap();
    let asked = fleet.at_the_hub("alice", "request --host web-1 --for 1h --reason 'the import hangs'");
    let grant = fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).id("G-");
    host.soon("the host has heard of it", || alice.ssh("true").code == 0);
    host.jitd_stops();
    fleet
        .at_the_hub("bob", &format!("revoke {grant} --reason 'wrong host'"))
        .ends_with(0)
        .says("Confirmed by 0 of 1 host, not yet by web-1 (heard of ")
        .says("In the worst case it is over there ");
    host.jitd_starts();
    again("the host hears of it", || alice.ssh("true").err.contains("was revoked by bob"));
    host.soon("and says so", || {
        fleet.at_the_hub("bob", &format!("show {grant}")).out.contains("Confirmed by 1 of 1 host.")
    });
}

#[test]
fn a_host_that_was_removed_hears_nothing_more_until_it_joins_again() {
    let fleet = Fleet::new();
    let host = &fleet.host;
    let alice = host.person("alice", &[]).unwrap();
    let ask = "request --host web-1 --for 1h --reason 'the import hangs'";
    let grant =
        fleet.at_the_hub("bob", &format!("approve {}", fleet.at_the_hub("alice", ask).id("R-"))).id("G-");
    host.soon("the host has heard of it", || alice.ssh("true").code == 0);
    fleet.at_the_hub("admin", "host label web-1 env=prod tier=db").ends_with(0);
    fleet.at_the_hub("admin", "hosts").ends_with(0).says("tier=db");

    fleet.at_the_hub("admin", "host remove web-2").ends_with(4).says("no host of this hub is called web-2");
    fleet.at_the_hub("admin", "host remove web-1").ends_with(0);
    fleet.at_the_hub("alice", ask).ends_with(1).says("web-1");
    let refused = "no host of this hub is called web-1: enrol this host anew";
    again("the host hears that it was removed", || {
        host.root("journalctl -q -o cat -u jitd").out.contains(refused)
    });
    // What it heard is good until it would have been over, which whoever revokes is told.
    alice.ssh("true").is_in();
    fleet
        .at_the_hub("bob", &format!("revoke {grant} --reason 'wrong host'"))
        .ends_with(0)
        .says("web-1 (none of the hub's hosts now, so it hears nothing)");

    fleet.lets_in();
    host.soon("it has heard of the revocation", || alice.ssh("true").err.contains("was revoked by bob"));
    host.soon("and says so", || {
        fleet.at_the_hub("bob", &format!("show {grant}")).out.contains("Confirmed by 1 of 1 host.")
    });
    host.root("jit audit verify").ends_with(0);
    // A host of a hub has a network, which alone costs most of it.
    let seen = host.root("systemd-analyze security --no-pager jitd.service");
    let (_, level) = seen.out.split_once("Overall exposure level for jitd.service: ").expect("a level");
    let level: f64 = level.split(' ').next().unwrap().parse().unwrap();
    assert!(level <= 2.3, "{}", seen.out);
}

#[test]
fn a_hub_is_set_up_as_the_readme_says() {
    let host = Host::gated("web-1").unwrap();
    std::fs::copy(testbed::package("jit-hub").unwrap(), host.path("root/jit-hub.deb")).unwrap();
    host.root("dpkg -i /root/jit-hub.deb && echo '127.0.0.1 hub.example.org' >> /etc/hosts").ends_with(0);
    let readme = include_str!("../../../../README.md");
    let (_, commands) = readme.split_once("# apt install ./target/deb/jit-hub_*.deb\n").unwrap();
    let (commands, _) = commands.split_once("```").unwrap();
    // jit is there already, and the examples are left as they are.
    let is_played = |line: &&str| !line.starts_with("# install ") && !line.starts_with("# editor ");
    for line in commands.lines().filter(is_played) {
        let command = line.strip_prefix("# ").unwrap();
        host.root(&format!("export HOME=/root; cd; {command}")).ends_with(0);
    }
    host.root("export HOME=/root; jit policy show").says("id = \"team\"");

    // What signs is another user than what serves, and lets nobody else near its keys or its socket.
    for unit in ["jit-hub", "jit-hub-signer"] {
        let user = format!("ps -o user:32= -p $(systemctl show --property MainPID --value {unit})");
        assert_eq!(host.root(&user).out.trim(), unit);
    }
    let as_user = |user: &str, command: &str| {
        host.root(&format!("setpriv --reuid {user} --regid $(id -g {user}) --init-groups {command}"))
    };
    as_user("jit-hub", "cat /var/lib/jit-hub-signer/root.pem").ends_with(1).says("Permission denied");
    as_user("jit-hub", "jit-hub keys status").ends_with(0);
    as_user("jit-hub", "jit-hub keys rotate grant").ends_with(1).says("by root alone");
    as_user("nobody", "jit-hub keys status").ends_with(1).says("Permission denied");
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
    again("the hub is heard again", || fleet.at_the_hub("admin", "hosts").out.contains("listens"));
}

#[test]
fn a_refused_login_asks_at_the_hub_and_what_is_asked_while_it_is_away_is_sent_later() {
    let fleet = Fleet::new();
    let host = &fleet.host;
    let alice = host.person("alice", &[]).unwrap();
    let bob = host.person("bob", &["jit-approvers"]).unwrap();
    let asked = alice.ssh("true").id("R-");
    fleet.at_the_hub("bob", &format!("approve {asked}")).ends_with(0);
    host.soon("the host has heard of it", || alice.ssh("true").code == 0);
    bob.ssh("true").is_refused_with("no grant");

    fleet.root("systemctl stop jit-hub").ends_with(0);
    let kept = alice.ssh("jit request --service sudo --for 30m --reason 'the import hangs'");
    kept.says("will be sent when the hub is reachable").ends_with(0);
    let asked = kept.id("R-");
    assert!(host.kill("jitd"), "there is a daemon to kill");
    host.jitd_is_up();
    fleet.root("systemctl start jit-hub").ends_with(0);
    again("the hub has it", || fleet.at_the_hub("bob", "requests").out.contains(&asked));
    fleet.at_the_hub("bob", &format!("approve {asked}")).ends_with(0);
    host.soon("sudo works", || alice.ssh("sudo -n id -un").code == 0);
}

#[test]
fn glass_is_broken_without_the_hub_once_and_loudly_and_looked_at_when_it_is_back() {
    let fleet = Fleet::new();
    let host = &fleet.host;
    let alice = host.person("alice", &[]).unwrap();
    let asked =
        fleet.at_the_hub("alice", "request --host web-1 --service ssh --for 1h --reason 'the import hangs'");
    fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).ends_with(0);
    host.soon("the host has heard of it", || alice.ssh("true").code == 0);
    std::fs::write(host.path("root/policy.toml"), format!("{GLASS}{POLICY}")).unwrap();
    fleet.at_the_hub("admin", "policy apply /root/policy.toml --people /root/people.toml").ends_with(0);
    let database = host.path("var/lib/jitd/jitd.db");
    let permits = || {
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection.query_row("SELECT count(*) FROM permit", [], |row| row.get::<_, u64>(0)).unwrap()
    };
    host.soon("the host holds a permit", || permits() == 1);

    fleet.root("systemctl stop jit-hub jit-hub-signer").ends_with(0);
    assert_ne!(alice.ssh("sudo -n id -un").code, 0);
    let break_it = "jit request --break-glass --service sudo --reason 'the database is on fire'";
    alice.ssh(break_it).ends_with(0);
    alice.ssh("sudo -n id -un").is_in();
    host.soon("it is told loudly", || {
        host.syslog_lines().iter().any(|line| line.contains("change=break_glass actor=alice"))
    });
    let twice = alice.ssh(break_it);
    assert!(twice.err.contains("holds no permit for alice"), "a permit is good once: {twice:#?}");

    fleet.root("systemctl start jit-hub").ends_with(0);
    let known = || fleet.at_the_hub("bob", "requests").out;
    again("bob is to look at it", || known().contains("R-"));
    let request = fleet.at_the_hub("bob", "requests").id("R-");
    fleet.at_the_hub("bob", &format!("deny {request} --comment 'it was not'")).ends_with(0);
    again("it is taken back", || alice.ssh("sudo -n id -un").code != 0);
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

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn a_host_of_a_hub_is_gated_only_where_somebody_could_decide() {
        let fleet = Fleet::new();
        let host = &fleet.host;
        let alice = host.person("alice", &["staff"]).unwrap();
        fleet.root("jit pam disable --all --force").ends_with(0);
        let applies = |people: &str| {
            fleet
                .at_the_hub("admin", &format!("policy apply /root/policy.toml --people {people} --yes"))
                .ends_with(0);
            // It says how it stands each minute, and when it starts.
            fleet.root("systemctl restart jitd").ends_with(0);
            host.jitd_is_up();
        };
        std::fs::write(host.path("root/nobody.toml"), "[alice]\ngroups = [\"dev\"]\n").unwrap();
        applies("/root/nobody.toml");
        let enable = || host.root("jit pam enable sshd --spare-user rescue --yes");
        host.soon("nothing is enabled where nobody could let anybody in", || {
            let refused = enable();
            refused.code == 1 && refused.err.contains("nobody could approve a request")
        });
        alice.ssh("true").is_in();
        applies("/root/people.toml");
        host.soon("it is where somebody could", || enable().code == 0);
        alice.ssh("true").is_refused_with("alice holds no grant for ssh");
    }

    #[test]
    fn a_host_that_joined_after_the_backup_is_a_host_again_without_a_hand() {
        let fleet = Fleet::new();
        let host = &fleet.host;
        let alice = host.person("alice", &["staff"]).unwrap();
        fleet.at_the_hub("admin", "host remove web-1").ends_with(0);
        fleet.root("jit-hub backup /var/lib/jit-hub/yesterday.db").ends_with(0);
        fleet.lets_in();
        host.soon("it keeps what the root signs of it", || {
            host.root("test -s /var/lib/jitd/membership.json").code == 0
        });
        let asked = fleet.at_the_hub("alice", "request --host web-1 --for 1h --reason 'the import hangs'");
        let grant = fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).id("G-");
        host.soon("the host has heard of it", || alice.ssh("true").code == 0);
        fleet.root("systemctl stop jit-hub && jit-hub restore --force /var/lib/jit-hub/yesterday.db && systemctl start jit-hub")
            .ends_with(0);
        let said = |words: &str| host.root("journalctl -q -o cat -u jitd").out.contains(words);
        again("the host says what to do", || said("run `jit-hub recover` as root"));
        alice.ssh("true").is_in();
        fleet.root("jit-hub recover && systemctl reload jit-hub").ends_with(0);
        again("the hub was given back what it lost", || {
            fleet.at_the_hub("bob", "grants").out.contains(&grant)
        });
        fleet.at_the_hub("admin", "hosts").says("env=prod");
        alice.ssh("true").is_in();
        fleet.at_the_hub("bob", &format!("revoke {grant} --reason 'done'")).ends_with(0);
        host.soon("the host hears of it", || alice.ssh("true").err.contains("was revoked by bob"));
    }

    #[test]
    fn a_hub_that_was_restored_from_a_backup_is_given_back_what_hosts_know() {
        let fleet = Fleet::new();
        let host = &fleet.host;
        let alice = host.person("alice", &["staff"]).unwrap();
        let granted = |services: &str| {
            let what =
                format!("request --host web-1 --service {services} --for 1h --reason 'the import hangs'");
            let asked = fleet.at_the_hub("alice", &what);
            fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).id("G-")
        };
        let early = granted("sudo");
        let is_over = |seen: &Seen| assert!(seen.err.contains("was revoked by bob"), "{seen:?}");
        host.soon("the host has heard of it", || host.root("jit grants").out.contains(&early));
        fleet.root("jit-hub backup /var/lib/jit-hub/yesterday.db").ends_with(0);
        let late = granted("ssh");
        fleet
            .at_the_hub("bob", &format!("revoke {early} --reason 'wrong host'"))
            .says("Confirmed by 1 of 1 host");
        host.soon("the host has heard of it", || alice.ssh("true").code == 0);
        fleet.root("systemctl stop jit-hub && jit-hub restore --force /var/lib/jit-hub/yesterday.db && systemctl start jit-hub")
        .ends_with(0);
        host.soon("the host alarms", || host.log_lines().iter().any(|line| line.contains("revision_back")));
        alice.ssh("true").is_in();
        // What was revoked after the copy, and confirmed, is honoured by nobody meanwhile.
        is_over(&alice.ssh("sudo -n true"));
        fleet.root("jit-hub recover && systemctl reload jit-hub").ends_with(0);
        again("the hub was given back what it lost", || {
            fleet.at_the_hub("bob", "grants").out.contains(&late)
        });
        alice.ssh("true").is_in();
        is_over(&alice.ssh("sudo -n true"));
        let shown = fleet.at_the_hub("bob", &format!("show {early}"));
        shown.says("revoked");
        fleet.at_the_hub("bob", &format!("revoke {late} --reason 'done'")).ends_with(0);
        again("the host hears of it", || alice.ssh("true").err.contains("was revoked by bob"));
    }

    #[test]
    fn a_session_is_ended_from_the_hub_and_a_strict_service_ends_when_the_hub_is_not_heard() {
        let fleet = Fleet::new();
        let host = &fleet.host;
        let alice = host.person("alice", &[]).unwrap();
        let asked = fleet.at_the_hub("alice", "request --host web-1 --for 1h --reason 'the import hangs'");
        fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).ends_with(0);
        host.soon("the host has heard of it", || alice.ssh("true").code == 0);
        let stays = RefCell::new(alice.stays(&[], "sleep 1000"));
        // The logins before are over, and this one sleeps.
        let only = || {
            let seen = host.root("jit sessions");
            let one = seen.out.matches("S-").count() == 1 && host.root("pgrep -x sleep").code == 0;
            one.then(|| seen.id("S-"))
        };
        host.soon("the hub sees the session", || {
            only().is_some_and(|session| fleet.at_the_hub("bob", "sessions").out.contains(&session))
        });
        let session = host.root("jit sessions").id("S-");
        fleet.at_the_hub("bob", &format!("end {session} --reason 'wrong host'")).ends_with(0);
        host.soon("the session has ended", || stays.borrow_mut().is_over());
        alice.ssh("true").is_in();

        fleet
        .root("sed -i 's/^# max_staleness.*/max_staleness = { ssh = \"25s\" }/' /etc/jitd/jitd.toml && jitd --check-config && systemctl reload jitd")
        .ends_with(0);
        host.soon("it is in force", || host.log_lines().iter().any(|line| line.contains("mark=reloaded")));
        alice.ssh("true").is_in();
        let mut stays = alice.stays(&[], "sleep 1000");
        fleet.root("systemctl stop jit-hub").ends_with(0);
        let begun = Instant::now();
        while !stays.is_over() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the session goes on");
            std::thread::sleep(testbed::limits::LOOK_AGAIN);
        }
        let refused = alice.ssh("true");
        assert!(
            refused.err.contains("not heard from its source for too long"),
            "{refused:#?}\n{:#?}",
            host.log_lines().iter().rev().take(12).collect::<Vec<_>>()
        );
        fleet.root("systemctl start jit-hub").ends_with(0);
        again("the hub is heard again", || alice.ssh("true").code == 0);
    }

    #[test]
    fn files_that_the_hubs_unit_writes_open_and_shut_a_host_that_calls_no_hub() {
        let fleet = Fleet::new();
        let host = &fleet.host;
        let alice = host.person("alice", &[]).unwrap();
        fleet.root("systemctl enable --now jit-hub-publish").ends_with(0);
        let set =
            "s|^# static = .*|static = \"file:///var/lib/jit-hub-publish\"|; s|^#every = .*|every = \"1s\"|";
        fleet
            .root(&format!(
                "sed -i '{set}' /etc/jitd/jitd.toml && jitd --check-config && systemctl restart jitd"
            ))
            .ends_with(0);
        host.jitd_is_up();
        host.root("jit status").says("grants from files that its hub signed");
        alice.ssh("true").is_refused_with("jit request");
        let asked = fleet.at_the_hub("alice", "request --host web-1 --for 1h --reason 'the import hangs'");
        let grant = fleet.at_the_hub("bob", &format!("approve {}", asked.id("R-"))).id("G-");
        host.soon("the file opens the door", || alice.ssh("true").code == 0);

        // What is taken back while the unit is dead is in the file once it is there again.
        fleet.root("systemctl kill --signal=KILL jit-hub-publish").ends_with(0);
        fleet.at_the_hub("bob", &format!("revoke {grant} --reason 'wrong host'")).ends_with(0);
        host.soon("the file shuts the door", || alice.ssh("true").code != 0);
        alice.ssh("true").is_refused_with("was revoked by bob");
        fleet.root("systemctl is-active jit-hub-publish").ends_with(0);
    }
}
