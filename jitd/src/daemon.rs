//! The daemon's life: everything checked, then opened, then served, until it is told to stop.

use crate::accounts::{AccountBook, AccountsError};
use crate::clock::{Clock, Confirmed};
use crate::config::Config;
use crate::examined::Examined;
use crate::gate::{Gate, Overdue};
use crate::ledger::{self, Keeper, Ledger, LedgerError};
use crate::memory::Changed;
use crate::policy::{Fresh, Policies};
use crate::pruning::Pruning;
use crate::sessions::{Left, Warden};
use crate::site::Site;
use crate::source::{Source, follow};
use crate::{control, limits, repair};
use access::HostName;
use api::{Mark, MarkRecord, Record};
use arc_swap::ArcSwap;
use desk::{Desk, InForce, Looks, SqlStore, Worlds as _};
use journal::LogId;
use loglines::{Level, Log, Outcomes};
use settings::SettingsError;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use store::{Options, StoreError, Writer};
use tokio::signal::unix::{SignalKind, signal};

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] SettingsError),
    /// The accounts.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database is not repaired.
    #[error("{0}. Nothing is lost by that: put it right and run `jitd repair` again")]
    Unrepaired(StoreError),
    /// The database, later.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The machine.
    #[error("{doing}: {why}")]
    Os {
        /// What was being done.
        doing: String,
        /// What happened.
        why: std::io::Error,
    },
    /// This host has no name that grants could use.
    #[error("this host's name cannot be used: {0}; set host = \"NAME\" in jitd.toml")]
    Host(String),
    /// The daemon was asked something and refused it.
    #[error("{0}")]
    Refused(String),
}

/// Whether the gate cannot do without a thread of this name: a gate thread that is gone is one answer fewer at a
/// time.
fn is_vital(name: &str) -> bool {
    matches!(name, "writer" | "tick" | "watch" | "warden" | "log" | "late") || name.starts_with("gate-")
}

/// The machine did not let us do this.
pub fn os(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> DaemonError {
    let doing = doing.into();
    move |why| DaemonError::Os { doing, why }
}

/// The running daemon.
struct Daemon {
    path: PathBuf,
    site: Arc<Site>,
    gate: Arc<Gate>,
    /// For what time and policy make due, by a connection of its own: following a policy goes through every grant.
    chores: Arc<Desk<SqlStore<Changed>>>,
    pruning: Pruning,
    kept_at: Mutex<Instant>,
    /// The people and policy that requests and grants were brought in line with.
    looks: Mutex<Looks>,
    loss: Mutex<Loss>,
    outcomes: Outcomes,
}

/// Lost log lines that are in the journal.
#[derive(Default)]
struct Loss {
    lines: u64,
    at: Option<Instant>,
}

/// Runs the daemon until it is told to stop.
pub fn run(path: &Path) -> Result<(), DaemonError> {
    let config = Config::load(path)?;
    let source = Source::of(&config);
    // Grants of a hub name this host as it joined there, whatever it is called since.
    let host = source.host().map_or_else(|| host(&config), |host| Ok(host.clone()))?;
    let accounts = Arc::new(AccountBook::open(&config.accounts)?);
    let log = Log::to(&config.syslog.socket, "jitd").map_err(os("starting the log's thread"))?;
    loglines::abort_on_panic(log.clone(), "jitd", is_vital);
    let options = options(&config);
    let result = start(path, config, host, source, accounts, &log, &options);
    if let Err(why) = &result {
        log.put(Level::Err, format!("jitd does not run, so only spare keys are let in: {why}"));
        log.flush();
    }
    result
}

fn start(
    path: &Path,
    config: Config,
    host: HostName,
    source: Source,
    accounts: Arc<AccountBook>,
    log: &Log,
    options: &Options,
) -> Result<(), DaemonError> {
    let boot = kernel::boot_id().map_err(os("reading the kernel's boot id"))?;
    let file = store::File::open(options.clone(), |log| {
        let detail = format!("log={log} by=jitd-{}", env!("CARGO_PKG_VERSION"));
        (ledger::stamps(boot.clone())(), opening(Mark::Opened, detail))
    })?;
    // Old records go once syslog has a checkpoint after them, and in a journal without room there is no new one.
    if let Some(checkpoint) = file.checkpoint()? {
        log.checkpoint(checkpoint);
    }
    let clock = crate::rows::clock(file.connection())?;
    let clock = Arc::new(Clock::resume(clock).map_err(os("reading the clock"))?);
    let memory = Arc::new(ledger::load(file.connection(), &host)?);
    let held = Arc::new(OnceLock::new());
    let _ = held.set(Arc::clone(&memory));
    let keeper = Keeper::new(held, host.clone(), log.clone());
    let (writer, _) =
        Writer::start(file, ledger::stamps(boot), keeper).map_err(os("starting the writer's thread"))?;
    let reader = || store::read_only(&options.path);
    let ledger = Arc::new(Ledger::new(writer.clone(), Arc::clone(&memory), reader()?, log.clone()));
    // Without room for it the daemon runs all the same: it refuses, makes room, and lets spare keys in.
    let kept = ledger.keep_clock(&clock);
    goes_on_without(log, "writing the clock down", kept)?;

    let state = config.state.clone();
    let config = Arc::new(ArcSwap::from_pointee(config));
    let policies = Arc::new(policies(&host, &config, &accounts, &reader()?, log)?);
    policies.watch().map_err(os("starting the schedules' thread"))?;
    let desk = |reader, wait, worlds: Arc<dyn desk::Worlds>| {
        let store = SqlStore::new(writer.clone(), reader, wait);
        Arc::new(Desk::new(store, worlds, Arc::<Clock>::clone(&clock), host.clone()))
    };
    let hasty = desk(reader()?, limits::LOGIN_REQUEST_WAIT, Arc::<Policies>::clone(&policies));
    let chores = desk(reader()?, limits::DESK_WAIT, Arc::<Policies>::clone(&policies));
    let fresh = Arc::new(Fresh(Arc::clone(&policies)));
    let desk = desk(store::read_lists(&options.path)?, limits::DESK_WAIT, fresh);
    if policies.in_force().is_readable() && !source.has_hub() {
        desk.begin().map_err(|why| DaemonError::Refused(why.to_string()))?;
    }
    let log = log.clone();
    let (ending, over, left) = (Mutex::default(), Mutex::default(), Left::default());
    let site = Arc::new(Site {
        host,
        memory,
        ledger,
        desk,
        clock,
        accounts,
        policies,
        config,
        approvers_of: Mutex::default(),
        ending,
        over,
        left,
        examined: Examined::default(),
        source,
        log,
    });
    site.be_strict();
    let gate = Arc::new(Gate {
        site: Arc::clone(&site),
        desk: hasty,
        repeats: Mutex::default(),
        nonsense: Mutex::default(),
        throttle: Mutex::default(),
        seats: Mutex::default(),
        clients: Mutex::default(),
        overdue: Overdue::new().map_err(os("preparing the gate's timer"))?,
    });
    let sockets = Sockets::open(&site.config.load())?;
    let version = format!("version={}", env!("CARGO_PKG_VERSION"));
    let started = site.ledger.mark(Mark::Started, version, site.clock.now().trusted);
    goes_on_without(&site.log, "recording the start", started)?;
    let daemon = Arc::new(Daemon {
        path: path.into(),
        outcomes: Outcomes::of(site.log.clone()),
        site,
        gate,
        chores,
        pruning: Pruning::of(options.max_bytes),
        kept_at: Mutex::new(Instant::now()),
        looks: Mutex::default(),
        loss: Mutex::default(),
    });
    if let Err(why) = follow(&daemon.site, &state) {
        // Not to start would refuse everybody.
        let what = "grants that are known stay good, and nothing new is heard of: enrol this host anew with `jitd enrol TOKEN`";
        daemon.site.log.put(Level::Err, format!("not following the hub: {why}; {what}"));
    }
    daemon.serve(sockets)
}

/// A database that can take nothing now, for want of room or otherwise, is told of and ends no start: only a daemon that runs
/// takes old records away, and it lets nobody in before it can write again.
fn goes_on_without<T>(log: &Log, doing: &str, done: Result<T, LedgerError>) -> Result<(), LedgerError> {
    match done {
        Err(LedgerError::Store(why @ (StoreError::Full(_) | StoreError::GaveUp | StoreError::Failed))) => {
            log.put(
                Level::Err,
                format!(
                    "{doing}: {why}; the daemon runs, and lets nobody in until its database can be written"
                ),
            );
            Ok(())
        }
        done => done.map(drop),
    }
}

/// The policy that was applied last. One that was lost, or that this release cannot read, gives nothing new,
/// and what was granted before stays: so the daemon runs, and says so.
fn policies(
    host: &HostName,
    config: &Arc<ArcSwap<Config>>,
    accounts: &Arc<AccountBook>,
    connection: &rusqlite::Connection,
    log: &Log,
) -> Result<Policies, DaemonError> {
    let applied = desk::policy_in_force(connection).map_err(|why| DaemonError::Refused(why.to_string()))?;
    let (in_force, unreadable) = InForce::found(applied.as_ref());
    if let Some(why) = unreadable {
        let until = "so nobody can ask for anything until root runs `jit policy apply`";
        log.put(Level::Err, format!("the policy in force cannot be read, {until}: {why}"));
    }
    Ok(Policies::new(host.clone(), Arc::clone(config), Arc::clone(accounts), in_force))
}

impl Daemon {
    fn serve(self: Arc<Self>, sockets: Sockets) -> Result<(), DaemonError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(limits::CONTROL_THREADS)
            .build()
            .map_err(os("starting the control socket's runtime"))?;
        Warden::start(Arc::clone(&self.site)).map_err(os("starting the warden's thread"))?;
        let serving = self.gate.serve(sockets.gate).map_err(os("starting the gate's threads"))?;
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let ticking = Arc::clone(&self);
        let ticker = std::thread::Builder::new()
            .name("tick".into())
            .spawn(move || {
                // Until the other end is dropped.
                while stopped.recv_timeout(limits::TICK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    ticking.tick();
                }
            })
            .map_err(os("starting the clock's thread"))?;
        let (alive, ended) = std::sync::mpsc::channel::<()>();
        let site = Arc::clone(&self.site);
        let watch = std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || watch(&site, &ended))
            .map_err(os("starting the watchdog's thread"))?;
        let served = runtime.block_on(async {
            let listener = tokio::net::UnixListener::from_std(sockets.control)
                .map_err(os("listening on the control socket"))?;
            let handle = |kind| signal(kind).map_err(os("setting a signal handler"));
            let (mut term, mut int, mut hup) = (
                handle(SignalKind::terminate())?,
                handle(SignalKind::interrupt())?,
                handle(SignalKind::hangup())?,
            );
            tokio::spawn(control::serve(Arc::clone(&self.site), listener));
            notify(&[sd_notify::NotifyState::Ready]);
            loop {
                tokio::select! {
                    _ = term.recv() => return Ok(()),
                    _ = int.recv() => return Ok(()),
                    _ = hup.recv() => {
                        let daemon = Arc::clone(&self);
                        // A reload that panicked changed nothing.
                        let _ = tokio::task::spawn_blocking(move || daemon.reload()).await;
                    }
                }
            }
        });
        notify(&[sd_notify::NotifyState::Stopping]);
        drop(stop);
        // A panic of theirs has ended the process.
        let _ = ticker.join();
        serving.end();
        self.gate.write_counts(true);
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).at = None;
        self.record_loss(self.site.log.dropped());
        if let Err(why) = self.site.ledger.keep_clock(&self.site.clock) {
            self.site.log.put(Level::Err, format!("stopping: the clock could not be written down: {why}"));
        }
        self.site.log.flush();
        drop(alive);
        let _ = watch.join();
        served
    }

    /// What time alone makes due.
    fn tick(&self) {
        self.gate.write_counts(false);
        self.outcomes.told("closing what is over", self.chores.tick());
        self.outcomes.told("following the policy", self.reconcile());
        self.site.memory.forget(self.site.clock.now());
        let confirmed = self.confirm_clock();
        let mut kept_at = self.kept_at.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = if kept_at.elapsed() >= limits::FLOOR_EVERY {
            *kept_at = Instant::now();
            self.outcomes
                .told("forgetting what ended long ago", self.pruning.forget(&self.site, &self.chores));
            self.site.ledger.keep_clock(&self.site.clock)
        } else {
            Ok(())
        };
        self.outcomes.told("writing the clock down", confirmed.and(kept));
        self.outcomes.told("taking old records away", self.pruning.prune(&self.site));
        self.record_loss(self.site.log.dropped_before());
        self.site.watch_is_in_time();
    }

    /// Goes by the wall clock where a time service has kept it for long enough.
    fn confirm_clock(&self) -> Result<(), LedgerError> {
        let clock = &self.site.clock;
        let Some(how) = clock.settled(self.site.source.has_hub()) else { return Ok(()) };
        let before = clock.own().trusted;
        let now = self.site.ledger.confirm_clock(clock, how)?;
        if how == Confirmed::AgainByTimeService {
            // Grants that start later start now, and others are over.
            let what = format!(
                "the gate's time was {} behind a wall clock that a time service keeps, and goes on from {now}: the machine \
                 stood still, or its clock was wrong before",
                access::for_people(now - before)
            );
            self.site.log.put(Level::Err, what);
        }
        Ok(())
    }

    /// Brings requests and grants in line with people and policy, where those changed. What that takes back
    /// never returns, so two looks a tick apart must agree: somebody may be writing the accounts just now.
    fn reconcile(&self) -> Result<(), desk::DeskError> {
        if !self.site.policies.in_force().is_readable() || self.site.source.has_hub() {
            return Ok(());
        }
        let ground = self.site.policies.ground();
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.are_to_be_followed(&ground.world) {
            self.chores.reconcile_with(&ground)?;
            looks.followed(ground.world);
        }
        Ok(())
    }

    /// Puts into the journal that log lines were dropped, of which there were so many since the daemon started.
    fn record_loss(&self, dropped: u64) {
        let mut told = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        let new = dropped.saturating_sub(told.lines);
        if new == 0 || told.at.is_some_and(|at| at.elapsed() < limits::LOSS_EVERY) {
            return;
        }
        if !self.site.ledger.works() {
            return;
        }
        told.at = Some(Instant::now());
        let detail = format!("{new} log lines were dropped; the journal has every record");
        match self.site.ledger.mark(Mark::LinesDropped, detail, self.site.clock.now().trusted) {
            Ok(_) => told.lines = dropped,
            Err(why) => {
                let line = format!("{new} log lines were dropped, which is not in the journal yet: {why}");
                self.site.log.put(Level::Err, line);
            }
        }
    }

    /// Reads the configuration anew; a bad one changes nothing.
    fn reload(&self) {
        let told = match Config::load(&self.path) {
            Ok(config) => {
                let old = self.site.config.load();
                let fixed = old.state != config.state
                    || old.host != config.host
                    || old.gate.socket != config.gate.socket
                    || old.control != config.control
                    || old.syslog != config.syslog
                    || old.accounts != config.accounts
                    || old.journal != config.journal
                    || (&old.hub.files, old.hub.every, &old.hub.ca)
                        != (&config.hub.files, config.hub.every, &config.hub.ca);
                self.site.config.store(Arc::new(config));
                self.site.be_strict();
                let detail = if fixed {
                    "in force, but for paths, host, files of a hub and journal limits, which need a restart"
                } else {
                    "in force"
                };
                let at = self.site.clock.now().trusted;
                self.site
                    .ledger
                    .mark(Mark::Reloaded, detail.to_owned(), at)
                    .map(drop)
                    .map_err(DaemonError::from)
            }
            Err(why) => Err(why.into()),
        };
        if let Err(why) = told {
            self.site
                .log
                .put(Level::Err, format!("reloading: {why}; the configuration of before stays in force"));
        }
    }
}

/// Feeds the service manager's watchdog each time the writer's thread has come by, which it does not while anybody hangs in
/// a write: a daemon whose disk hangs or whose writer is gone refuses every login, and is started anew; one whose journal
/// cannot be written answers, and that no restart puts right. In a thread of its own: what a tick does may
/// wait for a slow disk again and again.
fn watch(site: &Site, ended: &std::sync::mpsc::Receiver<()>) {
    let asked = Arc::new(AtomicBool::new(false));
    while ended.recv_timeout(limits::TICK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        if asked.swap(true, Ordering::Relaxed) {
            continue;
        }
        let answered = Arc::clone(&asked);
        let submitted = site.ledger.beat(move || {
            notify(&[sd_notify::NotifyState::Watchdog]);
            answered.store(false, Ordering::Relaxed);
        });
        if submitted.is_err() {
            // The queue is full: asked again at the next round.
            asked.store(false, Ordering::Relaxed);
        }
    }
}

/// The two sockets, from systemd or made here.
struct Sockets {
    gate: UnixListener,
    control: UnixListener,
}

impl Sockets {
    fn open(config: &Config) -> Result<Self, DaemonError> {
        let mut passed = listenfd::ListenFd::from_env();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut take = |name: &str| -> Result<Option<UnixListener>, DaemonError> {
            match names.split(':').position(|passed| passed == name) {
                Some(at) => {
                    passed.take_unix_listener(at).map_err(os(format!("taking socket {name} from systemd")))
                }
                None => Ok(None),
            }
        };
        let gate = match take("gate")? {
            Some(listener) => listener,
            None => bind(&config.gate.socket, 0o600)?,
        };
        let control = match take("control")? {
            Some(listener) => listener,
            None => bind(&config.control.socket, 0o666)?,
        };
        control.set_nonblocking(true).map_err(os("preparing the control socket"))?;
        gate.set_nonblocking(false).map_err(os("preparing the gate's socket"))?;
        Ok(Self { gate, control })
    }
}

/// A socket at `path`, in place of one that a daemon before left behind.
fn bind(path: &Path, mode: u32) -> Result<UnixListener, DaemonError> {
    let failed = || os(format!("listening on {}", path.display()));
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(failed()(why)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed())?;
    Ok(listener)
}

fn notify(state: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(state);
}

/// What this host is called.
pub fn host(config: &Config) -> Result<HostName, DaemonError> {
    if let Some(host) = &config.host {
        return Ok(host.clone());
    }
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    HostName::parse(&name).map_err(|why| DaemonError::Host(why.to_string()))
}

fn options(config: &Config) -> Options {
    Options {
        path: config.state.join("jitd.db"),
        max_bytes: config.journal.max_bytes,
        tables: include_str!("tables.sql"),
    }
}

/// The first record of a log.
fn opening(mark: Mark, detail: String) -> String {
    let record = MarkRecord { at: kernel::wall(), mark, detail };
    // Plain data always serialises.
    serde_json::to_string(&Record::Mark(Box::new(record))).unwrap_or_default()
}

/// Checks a configuration and says what is in force then.
pub fn check_config(path: &Path) -> Result<(), DaemonError> {
    let config = Config::load(path)?;
    let host = host(&config)?;
    let accounts = AccountBook::open(&config.accounts)?.now();
    say(&format!("{} is good: this host is {host}", path.display()));
    for members in [&config.roles.operators, &config.roles.auditors] {
        for group in accounts.missing(&members.groups) {
            say(&format!("note: there is no group {group}: make it with `groupadd {group}`"));
        }
    }
    Ok(())
}

/// Builds a new database from what is whole in a damaged one, and says what was lost.
pub fn repair(path: &Path) -> Result<(), DaemonError> {
    let config = Config::load(path)?;
    let boot = kernel::boot_id().map_err(os("reading the kernel's boot id"))?;
    let options = options(&config);
    let first = |repaired: &store::Repaired, log: LogId| {
        let old = repaired.old.map_or_else(|| "unknown".to_owned(), |old| old.to_string());
        let detail = format!(
            "log={log} old_log={old}{} whole_to={} last_seen={} old_head={} lost={}",
            repair::floor_in_words(repaired),
            repaired.whole_to,
            repaired.last_seen,
            repaired.old_head.map_or_else(|| "unknown".to_owned(), |hash| hash.to_string()),
            repaired.lost.len()
        );
        (ledger::stamps(boot)(), opening(Mark::Repaired, detail))
    };
    let repaired = store::repair(&options, first, &repair::Bodies).map_err(DaemonError::Unrepaired)?;
    say(&format!("the damaged database is kept at {}", repaired.kept.display()));
    say(&format!(
        "its records are whole up to {}, and readable up to {}",
        repaired.whole_to, repaired.last_seen
    ));
    for (table, rows) in &repaired.taken {
        say(&format!("taken over: {rows} of {table}"));
    }
    for lost in &repaired.lost {
        say(&format!("lost: {} {}: {}", lost.table, lost.which, lost.why));
    }
    say("start the daemon again: systemctl start jitd");
    Ok(())
}

/// Tells the running daemon that the wall clock is right.
pub fn accept_clock(path: &Path) -> Result<(), DaemonError> {
    let config = Config::load(path)?;
    let refused = |why: api::ClientError| DaemonError::Refused(why.to_string());
    let now =
        api::Client::on_socket(&config.control.socket).map_err(refused)?.accept_clock().map_err(refused)?;
    say(&format!("the gate's time is {now} from now on"));
    Ok(())
}

/// To whoever runs a command of the daemon.
pub fn say(line: &str) {
    use std::io::Write as _;
    // Nobody reads: nothing to do about it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
