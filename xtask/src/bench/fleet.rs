//! `cargo xtask bench fleet`: how soon what is agreed to at a hub opens hosts, and what is taken back ends sessions there.

use crate::bench::page::{machine, met, put_section};
use crate::bench::part;
use crate::bench::sessions::{ends_by, logins_of};
use crate::dist;
use crate::tools::build_packages;
use anyhow::{Context as _, Result, ensure};
use hosts::asking::asked;
use hosts::fleet::Fleet;
use serde_json::Value;
use serde_json::json;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use testbed::teams::{Account, Teams};
use testbed::{Browser, Client, Host, Progress, Seen};

/// Bob decides what alice asks for by a command, and dave what carol asks for by a click.
const POLICY: &str = r#"
[[rule]]
id = "by-command"
who = { users = ["alice"] }
where = { labels = { env = "prod" } }
what = { services = ["ssh"] }
approve = [{ from = ["user:bob"] }]
[[rule]]
id = "by-click"
who = { users = ["carol"] }
where = { labels = { env = "prod" } }
what = { services = ["ssh"] }
approve = [{ from = ["user:dave"] }]
teams = "full"
"#;

/// The hosts: name, last part of the address, and label.
const HOSTS: [(&str, u8, &str); 3] = [("web-1", 11, "prod"), ("web-2", 12, "prod"), ("web-3", 13, "prod")];

/// Grants, each approved, used on every host, and revoked.
const ROUNDS: usize = 40;

/// Of them those in which something is asked on a host too: nobody opens more than 60 requests in an hour.
const ASKING_ROUNDS: usize = 10;

/// Asked on a host whose cable is pulled: some more than wait for a person elsewhere would be refused.
const UNSENT: usize = 10;

/// Between two clicks: a hub takes 30 a minute of one account.
const CLICK_PACE: Duration = Duration::from_secs(2);

/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a host is asked whether it lets in by now.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Measures, prints a table, and puts it into docs/benchmarks.md.
pub fn fleet() -> Result<()> {
    testbed::root_or_explain()?;
    build_packages()?;
    dist::dist(dist::For::Tests)?;
    let machine = machine();
    let (fleet, teams, dave) = {
        let _progress = Progress::begin("booting a hub with a bot in Teams, and three hosts");
        let (fleet, teams) = Fleet::with_a_bot(POLICY, &HOSTS);
        let dave = fleet.links(&teams, &mut Browser::at(&fleet.hub)?, "dave");
        for host in &fleet.hosts {
            host.person("carol", &[])?;
        }
        (fleet, teams, dave)
    };
    let mut took = Took::default();
    {
        let _progress = Progress::begin(&format!("{ROUNDS} grants, approved and revoked"));
        (0..ROUNDS).try_for_each(|number| round(&fleet, &mut took, number < ASKING_ROUNDS))?;
    }
    {
        let _progress = Progress::begin(&format!("{ROUNDS} grants, approved by a click in Teams"));
        (0..ROUNDS).try_for_each(|_| click(&fleet, &teams, &dave, &mut took))?;
    }
    unsent(&fleet, &mut took)?;
    let mut page = format!(
        "`cargo xtask bench fleet` on {machine}. A hub and three hosts, each booted in network namespaces of their own on \
         one bridge, all of it on the same CPUs; {ROUNDS} grants for all three, asked for, approved and revoked by `jit` on \
         a laptop of that network. Milliseconds from the command as it is typed, its own start and handshake included: \
         *usable* until the gate of a host lets in, asked each {} ms; *dead* until every process of a session by ssh is \
         gone. *Told* is from the host's record of what `jit request` asked there to the hub's. Of \
         {ROUNDS} more, *card* is from the answer to `jit request` until a double of Microsoft's Bot Connector has the card, and \
         *click* from its call to the hub, which shows what Microsoft's shows. *Kept* is until `jit request` on a host whose cable is \
         pulled says that what was asked will be sent when the hub is reachable.\n\n| | of | p50 | p99 | last |\n|---|---:|---:|---:|---:|\n",
        ASK_AGAIN.as_millis()
    );
    for (what, took) in [
        ("`jit approve` answered", &mut took.approved),
        ("usable on a host", &mut took.usable),
        ("told to the hub", &mut took.told),
        ("kept by a host whose cable is pulled", &mut took.unsent),
        ("card there after `jit request` answered", &mut took.carded),
        ("click answered, with the new card", &mut took.clicked),
        ("usable on a host after a click", &mut took.usable_clicked),
        ("`jit revoke` answered", &mut took.revoked),
        ("a process of a session on any of three hosts dead", &mut took.dead),
    ] {
        took.sort();
        let [p50, p99, last] = [50, 99, 100].map(|percent| part(took, percent).as_millis());
        writeln!(page, "| {what} | {} | {p50} | {p99} | {last} |", took.len())?;
    }
    writeln!(
        page,
        "\nTargets: usable p99 under 250 ms: {}. Dead on all three p99 under 1000 ms: {}. Told, \
         or kept and said so, within 700 ms: {}. Usable after a click p99 under 500 ms: {}. The card answers within 1000 ms: {}.",
        met(part(&took.usable, 99) < Duration::from_millis(250)),
        met(part(&took.dead, 99) < Duration::from_secs(1)),
        met(part(&took.told, 100).max(part(&took.unsent, 100)) < Duration::from_millis(700)),
        met(part(&took.usable_clicked, 99) < Duration::from_millis(500)),
        met(part(&took.clicked, 100) < Duration::from_secs(1)),
    )?;
    println!("{page}");
    put_section("A fleet", &page)
}

/// What was measured, in the order of the rounds.
#[derive(Default)]
struct Took {
    approved: Vec<Duration>,
    usable: Vec<Duration>,
    told: Vec<Duration>,
    unsent: Vec<Duration>,
    carded: Vec<Duration>,
    clicked: Vec<Duration>,
    usable_clicked: Vec<Duration>,
    revoked: Vec<Duration>,
    dead: Vec<Duration>,
}

fn round(fleet: &Fleet, took: &mut Took, asks: bool) -> Result<()> {
    let asked = fleet.jit("alice", "request --label env=prod --service ssh --for 1h --reason bench");
    let since = Instant::now();
    let grant = std::thread::scope(|scope| {
        let hosts: Vec<_> =
            fleet.hosts.iter().map(|host| scope.spawn(move || usable(host, "alice", since))).collect();
        let approved = fleet.jit("bob", &format!("approve {}", asked.id("R-")));
        took.approved.push(since.elapsed());
        for host in hosts {
            took.usable.push(host.join().map_err(|_| anyhow::anyhow!("asking a host failed"))??);
        }
        Ok::<_, anyhow::Error>(approved.id("G-"))
    })?;
    let people = fleet.hosts.iter().map(|host| host.person("alice", &[])).collect::<Result<Vec<_>>>()?;
    let clients: Vec<Client> = people.iter().map(|alice| alice.stays(&[], "exec sleep 100000")).collect();
    if asks && let (Some(alice), Some(host)) = (people.first(), fleet.hosts.first()) {
        let id = alice.jit("request --service ssh --for 2h --reason bench").id("R-");
        took.told.push(told(fleet, host, &id)?);
        fleet.jit("bob", &format!("deny {id} --comment bench")).ends_with(0);
    }
    let mut held = Vec::new();
    for host in &fleet.hosts {
        host.soon("the session is there", || host.root("pgrep -u alice -x sleep").code == 0);
        held.extend(logins_of(host, "alice")?);
    }
    let (ends, answered) = ends_by(&held, || fleet.jit("bob", &format!("revoke {grant} --reason bench")))?;
    took.revoked.push(answered);
    took.dead.extend(ends);
    drop(clients);
    Ok(())
}

/// Alice, who is logged in, asks where the hub cannot be reached, and nothing says so to the host.
fn unsent(fleet: &Fleet, took: &mut Took) -> Result<()> {
    let (host, (_, last, _)) = fleet.hosts.first().zip(HOSTS.first()).context("there is no host")?;
    let grant = fleet.granted("--label env=prod");
    usable(host, "alice", Instant::now())?;
    let alice = host.person("alice", &[])?;
    fleet.lan.pull(*last, true)?;
    let asked = alice.ssh(&format!(
        "for n in $(seq {UNSENT}); do since=$(date +%s%N); jit request --service sudo --reason \"bench $n\"; echo ns $(($(date +%s%N) - since)); done"
    ));
    fleet.lan.pull(*last, false)?;
    let kept = asked.out.matches("will be sent when the hub is reachable").count();
    ensure!(kept == UNSENT, "{kept} of {UNSENT} were kept: {}{}", asked.out, asked.err);
    for line in asked.out.lines().filter_map(|line| line.strip_prefix("ns ")) {
        took.unsent.push(Duration::from_nanos(line.parse()?));
    }
    fleet.jit("bob", &format!("revoke {grant} --reason bench")).ends_with(0);
    Ok(())
}

/// How long after this host's record of a request the hub had its own.
fn told(fleet: &Fleet, host: &Host, id: &str) -> Result<Duration> {
    host.soon("the hub has the request", || fleet.jit("bob", &format!("show {id}")).code == 0);
    let minted = recorded(&host.root("jit audit tail --lines 50 --json"), id)?;
    let heard = recorded(&fleet.jit("admin", "audit tail --lines 50 --json"), id)?;
    let took = u64::try_from(heard - minted).context("the hub had it before it was minted")?;
    Ok(Duration::from_millis(took))
}

/// When the first record about this was written, in milliseconds.
fn recorded(tail: &Seen, id: &str) -> Result<i64> {
    let row = tail.out.lines().find(|row| row.contains(id)).context("there is no record of it")?;
    let row: Value = serde_json::from_str(row)?;
    row.pointer("/at/wall_ms").and_then(Value::as_i64).context("when it was recorded")
}

/// Carol asks, and dave clicks on the card, as often as the hub lets one account.
fn click(fleet: &Fleet, teams: &Teams, dave: &Account, took: &mut Took) -> Result<()> {
    std::thread::sleep(CLICK_PACE);
    let asked = fleet.jit("carol", "request --label env=prod --service ssh --for 1h --reason bench").id("R-");
    let since = Instant::now();
    let (message, _) = teams.card(&dave.personal(), &asked);
    took.carded.push(since.elapsed());
    let since = Instant::now();
    let grant = std::thread::scope(|scope| {
        let hosts: Vec<_> =
            fleet.hosts.iter().map(|host| scope.spawn(move || usable(host, "carol", since))).collect();
        let answered = teams.click(&json!({"message": message, "verb": "approve", "from": dave.of()}));
        let ms = answered.get("ms").and_then(Value::as_u64).context("how long the answer took")?;
        took.clicked.push(Duration::from_millis(ms));
        for host in hosts {
            let usable = host.join().map_err(|_| anyhow::anyhow!("asking a host failed"))?;
            took.usable_clicked.push(usable.with_context(|| format!("{asked} was clicked on: {answered}"))?);
        }
        let card = answered.to_string();
        // A group of an id can end in a G.
        let grant = card.find("G-").and_then(|at| card.get(at..at + "G-XXXXX-XXXXX".len()));
        grant.map(str::to_owned).with_context(|| format!("no grant on {card}"))
    })?;
    fleet.jit("dave", &format!("revoke {grant} --reason bench")).ends_with(0);
    fleet.hosts.iter().try_for_each(|host| gone(host, "carol"))
}

/// Waits until a host lets somebody in no more.
fn gone(host: &Host, login: &str) -> Result<()> {
    let since = Instant::now();
    while asked(host, login, "bench") == Some(frame::Verdict::Allow) {
        ensure!(since.elapsed() < PATIENCE, "{} lets {login} in still", host.name());
        std::thread::sleep(ASK_AGAIN);
    }
    Ok(())
}

/// How long after `since` this host lets somebody in.
fn usable(host: &Host, login: &str, since: Instant) -> Result<Duration> {
    loop {
        if asked(host, login, "bench") == Some(frame::Verdict::Allow) {
            return Ok(since.elapsed());
        }
        ensure!(since.elapsed() < PATIENCE, "{} does not let {login} in", host.name());
        std::thread::sleep(ASK_AGAIN);
    }
}
