//! `jit-hub serve`: everything checked, then opened, then served, until it is told to stop.

use crate::address::Tries;
use crate::certificate::{self, Authority, Certificates};
use crate::chats::{self, Chats};
use crate::chores;
use crate::clock::{self, Clock};
use crate::config::{self, Config, Role};
use crate::door::House;
use crate::error::{HubError, os};
use crate::feed::{self, Signing, Signs};
use crate::following::Following;
use crate::gone::Fleet;
use crate::inbox::Allowance;
use crate::keys::ServerKeys;
use crate::ledger::{Keeper, Ledger};
use crate::outbox::{self, Bell};
use crate::policy::Policies;
use crate::postgres::{Place, Pool, Server};
use crate::signer::Client;
use crate::signin::{self, Provider};
use crate::site::Site;
use crate::teams;
use crate::teller::{Speaker, Teller, random_digest};
use crate::voice::Voice;
use crate::{door, feeder, limits, rows, say};
use access::{HostName, Time};
use api::{Mark, MarkRecord, Record};
use chrono::TimeDelta;
use desk::{Committed, Desk, InForce, SqlStore, Worlds as _};
use loglines::{Level, Log};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use store::{File, Reader, Sql, Writer};
use sync::HubId;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

/// Serves until it is told to stop.
pub fn serve(config: &Config) -> Result<(), HubError> {
    let log = Log::to(&config.syslog.socket, "jit-hub").map_err(os("starting the log's thread"))?;
    loglines::abort_on_panic(log.clone(), "jit-hub", |name| {
        matches!(name, "writer" | "tick" | "permits" | "policy" | "log" | "signing" | "following" | "outbox")
    });
    let served = match config.role {
        Role::All | Role::Desk => start(config, &log),
        Role::Feed => feeder::start(config, &log),
    };
    if let Err(why) = &served {
        let meanwhile = match config.role {
            Role::All | Role::Desk => "nothing new is granted",
            Role::Feed => "no host listens here",
        };
        log.put(Level::Err, format!("jit-hub does not run, so {meanwhile}: {why}"));
    }
    log.flush();
    served
}

fn start(config: &Config, log: &Log) -> Result<(), HubError> {
    is_set_up(config)?;
    let certificates = Arc::new(Certificates::open(config)?);
    let (chats, name) = (Chats::open(config)?, name(config)?);
    let mut channels = outbox::channels(config, name.as_str()).map_err(HubError::Outbox)?;
    let ((signing, waiting), (bell, ringing)) = (Signing::new(), Bell::new());
    let (ledger, writer, read, reader) = open(config, log, (signing.clone(), bell), false)?;
    let (ledger, signer) = (Arc::new(ledger), Client::at(&config.signer.socket));
    let speaker = speaker(config, &ledger, &signer, log)?;
    let clock = Arc::new(Clock::since(read.read(|read| floor(read, log))?));
    let policies = Arc::new(read.read(|read| policies(read, log))?);
    let desk = {
        let store = SqlStore::new(writer, read, limits::WRITE_WAIT);
        let worlds = Arc::new(Fleet { policies: Arc::clone(&policies), ledger: Arc::clone(&ledger) });
        Arc::new(Desk::new(store, worlds, Arc::<Clock>::clone(&clock), None))
    };
    if policies.in_force().is_readable() {
        desk.begin()?;
    }
    ledger.mark(Mark::Started, format!("version={}", env!("CARGO_PKG_VERSION")), clock.time())?;
    let site = Arc::new(Site {
        teller: Arc::new(Teller::new(config, log, speaker, reader, clock)?),
        name,
        desk,
        ledger,
        policies,
        chats,
        calling: Tries::telling(limits::TOKEN_CALLS),
        too_often: Tries::telling(1),
        failed: Tries::telling(limits::FAILED_TRIES),
        certificates: Arc::clone(&certificates),
        room: Mutex::default(),
        hosts_days: config.journal.hosts_days,
        allowance: Allowance::of(limits::HOST_JOURNAL, limits::HOST_JOURNAL_A_DAY),
        asks: Allowance::of(limits::HOST_ASKS, limits::HOST_ASKS_A_DAY),
        says: Allowance::of(limits::HOST_SAYS, limits::HOST_SAYS_A_DAY),
        calls: Allowance::of(limits::HOST_CALLS, limits::HOST_CALLS_A_DAY),
        provider: Provider::of(&config.signin, &url(config))?,
        elsewhere: Tries::telling(signin::ELSEWHERE_TRIES),
        logins: Tries::telling(signin::LOGIN_TRIES),
        words: Tries::telling(signin::WORD_TRIES),
        url: url(config),
        signer,
        signing,
        unsigned: Mutex::default(),
        memberships: Semaphore::new(1),
        feeds: config.role == Role::All,
        reviews_on_hosts: config.approvals.on_hosts,
    });
    Signs::of(Arc::clone(&site)).start(waiting).map_err(os("starting the thread that has grants signed"))?;
    if let Some(url) = &config.database.url {
        let place = Place::of(url, config.database.ca.as_deref())?;
        let following = Following::begin(place, House::Hub(Arc::clone(&site)))?;
        following.start(|| ()).map_err(os("starting the thread that follows other hubs"))?;
    }
    channels.extend(teams::channels(&site));
    let outbox = outbox::start(&site, channels, ringing).map_err(HubError::Outbox)?;
    let served = run(config, &site, &certificates);
    if let Some(outbox) = outbox {
        outbox.stop();
    }
    served
}

/// What hosts know this hub by. Hubs that share a database share it.
fn speaker(config: &Config, ledger: &Ledger, signer: &Client, log: &Log) -> Result<Speaker, HubError> {
    let (keys, hub) = (ServerKeys::of(config), crate::hub_id(config)?);
    let authority = keys.authority()?;
    tell_of_certificate(config, &keys, &hub, log);
    let root = authority.roots.fingerprint();
    let voice = Voice::find(&keys, signer, &root, clock::wall())?;
    if ledger.common("root", root.to_string())? != root.to_string() {
        return Err(HubError::Keys(
            "the root key of this hub is not that of the database: hubs that share one share their keys, so copy both folders \
             of state from one that runs"
                .to_owned(),
        ));
    }
    let nonces = ledger.common("nonces", random_digest()?.to_string())?;
    let nonces =
        nonces.parse().map_err(|why| HubError::Database(format!("what nonces are known by: {why}")))?;
    Ok(Speaker { hub, root, nonces, voice, keys })
}

/// Says where hosts do not believe the certificate that is shown from now on.
fn tell_of_certificate(config: &Config, keys: &ServerKeys, hub: &HubId, log: &Log) {
    if let Err(why) = is_believed(config, keys, hub) {
        log.put(Level::Err, why.clone());
        say(&why);
    }
}

/// Why hosts do not believe the certificate that is shown from now on, as far as that can be told here.
fn is_believed(config: &Config, keys: &ServerKeys, hub: &HubId) -> Result<(), String> {
    let doing = |why: HubError| format!("looking whether hosts believe the certificate of this hub: {why}");
    let wanted = Authority::of(&config.state).shown(config).map_err(doing)?;
    if keys.believed(hub).map_err(doing)?.certificate != wanted {
        let what = "the certificate that hub.toml has this hub show is not one that hosts believe";
        return Err(format!(
            "{what}: run `jit-hub init` as root, which has them believe it, and start the hub anew"
        ));
    }
    certificate::is_for(config, &url(config)).map_err(doing)
}

/// Whether there is a hub, as far as that shows in the folder of state.
pub fn is_set_up(config: &Config) -> Result<(), HubError> {
    if config.database.url.is_some() || config.file().path.exists() {
        return Ok(());
    }
    Err(HubError::NotSetUp(config.state.clone()))
}

/// The database with its one writer here, and two ways to read. On a server it is made only where it may be `new`.
pub fn open(
    config: &Config,
    log: &Log,
    tells: (Signing, Bell),
    new: bool,
) -> Result<(Ledger, Writer<Committed>, Reader, Reader), HubError> {
    let stamps = || clock::stamps().map_err(os("reading the kernel's boot id"));
    let first = stamps()?;
    let opening = |log: journal::LogId| {
        let detail = format!("log={log} by=jit-hub-{}", env!("CARGO_PKG_VERSION"));
        let record = MarkRecord { at: clock::wall(), mark: Mark::Opened, detail };
        // Plain data always serialises.
        (first(), serde_json::to_string(&Record::Mark(Box::new(record))).unwrap_or_default())
    };
    let seq = Arc::new(AtomicU64::new(0));
    let keeper = Keeper::new(log.clone(), Arc::clone(&seq), tells);
    let failed = os("starting the writer's thread");
    let (writer, readers): (_, [Reader; 3]) = if let Some(url) = &config.database.url {
        let place = Place::of(url, config.database.ca.as_deref())?;
        let (server, open) = Server::open(place.clone(), config.journal.max_bytes, new.then_some(&opening))?;
        seq.store(open.1.seq, Ordering::Relaxed);
        let (writer, _) = Writer::over(server, open, stamps()?, keeper).map_err(failed)?;
        let reader = Reader::over(Pool::of(place));
        (writer, [reader.clone(), reader.clone(), reader])
    } else {
        let options = config.file();
        let file = File::open(options.clone(), opening)?;
        // A file of an older release has none of these.
        (file.connection() as &dyn Sql).batch(feed::TABLES)?;
        (file.connection() as &dyn Sql).batch(teams::TABLES)?;
        (file.connection() as &dyn Sql).batch(chats::TABLES)?;
        (file.connection() as &dyn Sql).batch(outbox::TABLES)?;
        (file.connection() as &dyn Sql).batch(signin::TABLES)?;
        seq.store(file.head().seq, Ordering::Relaxed);
        let (writer, _) = Writer::start(file, stamps()?, keeper).map_err(failed)?;
        let reader = || store::read_lists(&options.path).map(Reader::from);
        (writer, [reader()?, reader()?, reader()?])
    };
    let [reader, other, third] = readers;
    Ok((Ledger::new(writer.clone(), reader, seq), writer, other, third))
}

/// Looks something up in a database that another process may serve from.
pub fn look_at<T>(
    config: &Config,
    look: impl FnOnce(&dyn Sql) -> Result<T, desk::DeskError>,
) -> Result<T, HubError> {
    is_set_up(config)?;
    let reader = match &config.database.url {
        Some(url) => Reader::over(Pool::of(Place::of(url, config.database.ca.as_deref())?)),
        None => Reader::from(store::read_only(&config.file().path)?),
    };
    Ok(reader.read(look)?)
}

/// When the last record was written: the hub's time does not go back over a restart.
fn floor(read: &dyn Sql, log: &Log) -> Result<Time, HubError> {
    let last = store::journal_after(read, store::last_seq(read)?.saturating_sub(1), 1)?.pop();
    let last = last.and_then(|row| Time::from_timestamp_millis(row.stamp.wall_ms)).unwrap_or_default();
    let wall = clock::wall();
    if last - wall > TimeDelta::milliseconds(limits::CLOCK_BACK_MS) {
        // To go by a clock that was once far ahead would keep everybody's grants in the future for ever.
        log.put(
            Level::Err,
            format!("the clock says {wall}, and the last record is of {last}: one of the two is wrong, see to the clock"),
        );
        return Ok(wall);
    }
    Ok(last)
}

/// The policy that was applied last, over the hosts there are.
fn policies(read: &dyn Sql, log: &Log) -> Result<Policies, HubError> {
    let (in_force, unreadable) = InForce::found(desk::policy_in_force(read)?.as_ref());
    if let Some(why) = unreadable {
        let until = "so nobody can ask for anything until an administrator runs `jit policy apply`";
        log.put(Level::Err, format!("the policy in force cannot be read, {until}: {why}"));
    }
    Ok(Policies::new(rows::hosts(read)?, in_force))
}

/// What the hub is called: the first of its names that could be a host's.
pub fn name(config: &Config) -> Result<HostName, HubError> {
    let machine = crate::machine();
    let mut names = config.names.iter().chain([&machine]);
    names.find_map(|name| HostName::parse(name).ok()).ok_or_else(|| HubError::NoName(machine.clone()))
}

/// How hosts call it, and how browsers say that a form is of its pages.
pub fn url(config: &Config) -> String {
    let machine = crate::machine();
    let name = config.names.first().unwrap_or(&machine);
    let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    let url = config.url.clone().unwrap_or_else(|| format!("https://{name}:{}", config.listen.port()));
    config::origin(&url).unwrap_or(url)
}

fn run(config: &Config, site: &Arc<Site>, certificates: &Arc<Certificates>) -> Result<(), HubError> {
    let (ended, ticks) = std::sync::mpsc::channel::<()>();
    let ticker = {
        let (site, certificates) = (Arc::clone(site), Arc::clone(certificates));
        std::thread::Builder::new()
            .name("tick".into())
            .spawn(move || chores::by_time(&site, &certificates, &ticks))
            .map_err(os("starting the clock's thread"))?
    };
    // Those that can take long with a large fleet each have a thread of their own.
    let beside = |name: &str, does: fn(&Site, &Receiver<()>)| {
        let (over, rounds) = std::sync::mpsc::channel::<()>();
        let site = Arc::clone(site);
        let spawned = std::thread::Builder::new().name(name.into()).spawn(move || does(&site, &rounds));
        spawned.map(|_| over).map_err(os("starting a thread for what time makes due"))
    };
    let others = [beside("permits", chores::permits)?, beside("policy", chores::policy)?];
    let served = answer(config, &House::Hub(Arc::clone(site)), certificates);
    drop((ended, others));
    // A panic of its has ended the process.
    let _ = ticker.join();
    served
}

/// Answers calls until it is told to stop.
pub fn answer(config: &Config, house: &House, certificates: &Arc<Certificates>) -> Result<(), HubError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(limits::THREADS)
        .build()
        .map_err(os("starting the runtime"))?;
    let served = runtime.block_on(until_stopped(config, house, certificates));
    notify(&[sd_notify::NotifyState::Stopping]);
    served
}

async fn until_stopped(
    config: &Config,
    house: &House,
    certificates: &Arc<Certificates>,
) -> Result<(), HubError> {
    let listening = || os(format!("listening on {}", config.listen));
    let listener = tokio::net::TcpListener::bind(config.listen).await.map_err(listening())?;
    let at = listener.local_addr().map_err(listening())?;
    let handle = |kind| signal(kind).map_err(os("setting a signal handler"));
    let (mut term, mut int, mut hup) =
        (handle(SignalKind::terminate())?, handle(SignalKind::interrupt())?, handle(SignalKind::hangup())?);
    let (stop, stopped) = watch::channel(false);
    let tls = door::tls(Arc::clone(certificates))?;
    let door = tokio::spawn(door::serve(house, listener, tls, stopped));
    notify(&[sd_notify::NotifyState::Ready]);
    say(&format!("jit-hub answers on {at}"));
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => reload(house, certificates).await,
        }
    }
    let _ = stop.send(true);
    // A panic of the door has been told; there is nothing more to stop.
    let _ = door.await;
    Ok(())
}

/// Shows what the certificate's files hold now, and looks whether there are other keys.
async fn reload(house: &House, certificates: &Arc<Certificates>) {
    let (teller, certificates) = (Arc::clone(house.teller()), Arc::clone(certificates));
    let site = match house {
        House::Hub(site) => Some(Arc::clone(site)),
        House::Feed(_) => None,
    };
    match &site {
        Some(site) => site.renew_voice_now(),
        None => teller.doubt_voice(),
    }
    let told = move || {
        let done = match certificates.reload() {
            Ok(()) => site.map_or(Ok(()), |site| {
                let at = site.clock.time();
                let mark = site.ledger.mark(Mark::Reloaded, "the certificate was read anew".to_owned(), at);
                mark.map_err(|why| why.to_string())
            }),
            Err(why) => Err(format!("{why}; the certificate of before stays in use")),
        };
        match done {
            Ok(()) => say("jit-hub has read its certificate anew"),
            Err(why) => {
                teller.log.put(Level::Err, format!("reloading: {why}"));
                say(&format!("reloading: {why}"));
            }
        }
    };
    // A reload that panicked changed nothing.
    let _ = tokio::task::spawn_blocking(told).await;
}

pub fn notify(state: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(state);
}
