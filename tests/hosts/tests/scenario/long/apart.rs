//! A host and its hub apart: names that are not found, a hub that is a day away, clocks that differ. People come in by
//! what the host knows, nothing that is over is honoured, and all of it heals by itself.

use crate::clock::{DAY, boot, own_clock, set};
use crate::fleet::again;
use hosts::fleet::{Fleet, HUB_AT};
use rusqlite::{Connection, OpenFlags};
use std::cell::RefCell;
use std::path::PathBuf;
use testbed::{Host, Lan, Person, Program};

pub const POLICY: &str = "[[rule]]\nid = \"prod\"\nwho = { users = [\"alice\", \"carol\"] }\n\
                      where = { labels = { env = \"prod\" } }\nwhat = { services = [\"ssh\", \"sudo\"] }\n\
                      time = { max = \"7d\" }\napprove = [{ from = [\"user:bob\"] }]\n";

/// The hub has the journal of this host, each record once and as it was written, from the first to the last.
#[track_caller]
pub fn all_records_are_at_the_hub(fleet: &Fleet, host: &Host) {
    let records = |file: PathBuf, what: &str| -> Vec<(u64, Vec<u8>)> {
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut rows = db.prepare(what).unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    let of_host = format!("SELECT seq, hash FROM host_record WHERE host = '{}' ORDER BY seq", host.name());
    again("every record of the host is at the hub once", || {
        let here = records(host.path("var/lib/jitd/jitd.db"), "SELECT seq, hash FROM journal ORDER BY seq");
        let there = records(fleet.hub.path("var/lib/jit-hub/hub.db"), &of_host);
        !here.is_empty() && here == there
    });
    assert!(!fleet.jit("admin", "hosts").out.contains("wrong"), "{}", fleet.jit("admin", "hosts").out);
}

fn restart(host: &Host) {
    host.root("systemctl restart jitd").ends_with(0);
    host.jitd_is_up();
}

fn is_heard(fleet: &Fleet) {
    again("the hub is heard", || fleet.jit("admin", "hosts").out.contains("listens"));
}

/// How stale the last of this person's logins that were let in says that it was, in seconds.
fn staleness(host: &Host, who: &str) -> i64 {
    let lines = host.log_lines();
    let of_who = |line: &&String| {
        line.contains("decision=allow reason=granted") && line.contains(&format!("user={who} "))
    };
    let line = lines.iter().rfind(of_who);
    assert!(line.is_some(), "nobody came in: {lines:#?}");
    let line = line.unwrap();
    assert!(line.contains(" source=hub "), "{line}");
    let told = line.split("staleness=").nth(1).and_then(|rest| rest.split('s').next());
    told.and_then(|told| told.parse().ok()).unwrap()
}

/// A resolver for the hub's name, at the network's own address.
fn resolver(fleet: &Fleet) -> Program {
    testbed::install(&[("dnsmasq", "dnsmasq-base")]).unwrap();
    let own = format!("--listen-address={}", Lan::OWN);
    let record = format!("--host-record=hub-1,{HUB_AT}");
    let alone =
        ["--keep-in-foreground", "--conf-file=/dev/null", "--bind-interfaces", "--no-resolv", "--no-hosts"];
    let apart = ["--user=root", "--pid-file=", "--log-facility=-", &own, &record];
    fleet.lan.program("dnsmasq", &[&alone[..], &apart[..]].concat()).unwrap()
}

#[test]
fn names_are_not_found_then_the_hub_is_a_day_away_and_then_the_clocks_differ() {
    let mut fleet = Fleet::of_a_hub(POLICY, None, |hub| own_clock(hub, &["jit-hub", "jit-hub-signer"]));
    let _resolver = resolver(&fleet);
    let host = Host::gated("web-1").unwrap();
    own_clock(&host, &["jitd"]);
    fleet.lan.plug(&host, 11).unwrap();
    host.root(&format!("echo 'nameserver {}' > /etc/resolv.conf", Lan::OWN)).ends_with(0);
    host.root("sed -i 's/^# max_staleness.*/max_staleness = { sudo = \"15m\" }/' /etc/jitd/jitd.toml && jitd --check-config").ends_with(0);
    host.person("alice", &["staff"]).unwrap();
    host.person("carol", &[]).unwrap();
    fleet.join(host, "prod");
    fleet.all_listen();
    let [host] = fleet.hosts.as_slice() else { panic!("one host") };
    let [alice, carol] = ["alice", "carol"].map(|name| host.person(name, &[]).unwrap());
    fleet.granted_to("alice", "--host web-1 --service ssh,sudo --for 2d");
    host.soon("the grant is there", || alice.ssh("sudo -n true").code == 0);

    where_no_name_is_found(&fleet, host, &alice, &carol);
    where_the_hub_is_a_day_away(&fleet, host, &alice, &carol);
    where_the_clocks_differ(&fleet, host, &alice, &carol);
    all_records_are_at_the_hub(&fleet, host);
    host.root("jit audit verify").ends_with(0);
}

fn where_no_name_is_found(fleet: &Fleet, host: &Host, alice: &Person<'_>, carol: &Person<'_>) {
    fleet.lan.answers(11, false).unwrap();
    // It has to look for the hub anew.
    restart(host);
    alice.ssh("sudo -n true").is_in();
    // The question to the hub is given up before the module would give up on the daemon.
    let asked = carol.ssh("true");
    asked.is_refused_with("is kept on this host and sent when the hub is reachable");
    alice.ssh("sudo -n true").is_in();
    host.soon("it is told that the hub is not heard", || {
        host.log_lines().iter().any(|line| line.contains("listening to the hub: calling https://hub-1:8443"))
    });
    fleet.lan.answers(11, true).unwrap();
    let asked = asked.id("R-");
    again("what was asked meanwhile is at the hub", || fleet.jit("bob", "requests").out.contains(&asked));
    fleet.jit("bob", &format!("approve {asked} --for 1h")).ends_with(0);
    again("the grant is there", || carol.ssh("true").code == 0);
}

fn where_the_hub_is_a_day_away(fleet: &Fleet, host: &Host, alice: &Person<'_>, carol: &Person<'_>) {
    let stays = RefCell::new(carol.stays(&[], "sleep 1000"));
    host.soon("the session is there", || host.root("pgrep -x sleep").code == 0);
    fleet.hub.root("systemctl stop jit-hub jit-hub-signer").ends_with(0);
    set(host, DAY);
    // Carol's hour is over, also for who is in. Alice has two days.
    host.soon("the session is ended by the host itself", || stays.borrow_mut().is_over());
    carol.ssh("true").is_refused_with("ended");
    alice.ssh("true").is_in();
    // By a clock that was set alone no host says how long it was: it was started anew meanwhile.
    boot(host, 2);
    restart(host);
    alice.ssh("true").is_in();
    let stale = staleness(host, "alice");
    assert!((DAY - 600..DAY + 600).contains(&stale), "{stale}");
    let status = host.root("jit status");
    status
        .says("the hub was heard last 86")
        .says("grants that are known stay good, and nothing new is heard of");
    let sudo = alice.ssh("sudo -n true");
    sudo.is_refused_with("has not heard from its source for too long to trust grant");
    for _ in 0..3 {
        carol.ssh("true").is_refused_with("ended 23 hours");
    }

    set(&fleet.hub, DAY);
    fleet.hub.root("systemctl start jit-hub").ends_with(0);
    again("the strict service is open again", || alice.ssh("sudo -n true").code == 0);
    assert!(staleness(host, "alice") < 90);
    again("what was asked meanwhile is at the hub", || fleet.jit("bob", "requests").out.contains("carol"));
    let asked = fleet.jit("bob", "requests");
    assert_eq!(asked.out.matches("pending").count(), 1, "{asked:#?}");
    let grant = fleet.jit("bob", &format!("approve {}", asked.id("R-"))).id("G-");
    again("the grant is there", || carol.ssh("true").code == 0);
    fleet.jit("bob", &format!("revoke {grant} --reason 'done'")).ends_with(0);
    host.soon("the end is there", || carol.ssh("true").code != 0);
}

fn where_the_clocks_differ(fleet: &Fleet, host: &Host, alice: &Person<'_>, carol: &Person<'_>) {
    let apart = |seconds: i64, number: u32| {
        set(host, DAY + seconds);
        boot(host, number);
        restart(host);
        is_heard(fleet);
    };
    let says_apart = |words: &str| {
        again("the hub says how far the clock is off", || fleet.jit("admin", "hosts").out.contains(words));
    };
    // Nine minutes behind: what starts now at the hub starts now here, and the truth is no nine minutes old.
    apart(-540, 3);
    says_apart("s behind");
    alice.ssh("true").is_in();
    let grant = fleet.granted_to("carol", "--host web-1 --service ssh --for 1h");
    host.soon("the grant is there", || carol.ssh("true").code == 0);
    assert!(staleness(host, "carol") < 90);
    host.root("jit status").says("agrees with the hub's").says("host      web-1, grants from its hub");
    fleet.jit("bob", &format!("revoke {grant} --reason 'done'")).ends_with(0);
    host.soon("the end is there", || carol.ssh("true").code != 0);

    // Eleven minutes behind: the hub's time counts no further, which is told.
    apart(-660, 4);
    host.soon("it is told", || {
        host.log_lines()
            .iter()
            .any(|line| line.contains("ahead of this host's clock by more than 10 minutes"))
    });
    host.root("jit status").says("the wall clock is 11 minutes behind what the hub signed");
    alice.ssh("true").is_in();
    let grant = fleet.granted_to("carol", "--host web-1 --service ssh --for 1h");
    again("the grant is there", || carol.ssh("true").code == 0);

    // Nine minutes ahead, and right again.
    apart(540, 5);
    says_apart("s ahead");
    carol.ssh("true").is_in();
    fleet.jit("bob", &format!("revoke {grant} --reason 'done'")).ends_with(0);
    host.soon("the end is there", || carol.ssh("true").code != 0);
    // What ends in five minutes there is over here as soon as it is heard of.
    let asked = fleet.jit("carol", "request --host web-1 --service ssh --reason 'the import hangs'");
    // Her refused login may have asked for more already.
    let short = fleet.jit("bob", &format!("approve {} --for 5m", asked.id("R-"))).id("G-");
    host.soon("the grant is heard of", || host.root("jit grants --all").out.contains(&short));
    carol.ssh("true").is_refused_with(&format!("grant {short} for ssh ended "));
    fleet.jit("bob", &format!("revoke {short} --reason 'done'")).ends_with(0);
    apart(0, 6);
    says_apart("right");
    alice.ssh("true").is_in();

    // The hub's jumps two hours ahead while it runs: what would be over by it is not closed.
    let grant = fleet.granted_to("carol", "--host web-1 --service ssh --for 1h");
    host.soon("the grant is there", || carol.ssh("true").code == 0);
    set(&fleet.hub, DAY + 7230);
    let says = |words: &str| fleet.jit("admin", "status").out.contains(words);
    again("it says that its clock jumped", || says("has jumped and is 120 minutes ahead of the hub's time"));
    assert!(fleet.jit("carol", "grants").out.contains(&grant));
    carol.ssh("true").is_in();
    set(&fleet.hub, DAY);
    again("its clock is right again", || !says("has jumped"));
    fleet.jit("bob", &format!("revoke {grant} --reason 'done'")).ends_with(0);
    host.soon("the end is there", || carol.ssh("true").code != 0);
    assert_ne!(carol.ssh("true").code, 0, "what was ended stays so");
}
