//! The control socket: API v1 for people on this machine, who are known by what the kernel says of them.

use crate::clock::Confirmed;
use crate::peer::{self, Peer};
use crate::sessions::routes::routes;
use crate::site::Site;
use crate::{limits, process};
use access::{Now, Person, Question};
use api::{AskJournal, Check, CheckQuery, DoctorReport, JournalRow, Monitored, ProblemCode, Status, Which};
use axum::extract::{DefaultBodyLimit, Extension, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::TimeDelta;
use desk::{Answer, Caller, DeskError, Refused, Roles, Worlds as _, blocking};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use loglines::Level;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use store::StoreError;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;
use workflow::Channel;

/// Serves connections, for ever.
pub async fn serve(site: Arc<Site>, listener: UnixListener) {
    let desk = if site.source.has_hub() {
        crate::source::routes(Arc::clone(&site))
    } else {
        desk::routes(Arc::clone(&site.desk))
    };
    let all = desk
        .route("/v1/status", get(status).with_state(Arc::clone(&site)))
        .route("/v1/check", get(check).with_state(Arc::clone(&site)))
        .route("/v1/journal", get(journal).with_state(Arc::clone(&site)))
        .route("/v1/openapi.json", get(desk::openapi))
        .route("/v1/monitor", get(monitored).with_state(Arc::clone(&site)))
        .route("/v1/doctor", post(examined).with_state(Arc::clone(&site)))
        .route("/v1/clock/accept", post(accept_clock).with_state(Arc::clone(&site)))
        .merge(routes(Arc::clone(&site)))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(api::limits::BODY));
    let places = Arc::new(Semaphore::new(limits::CONTROL_CONNECTIONS));
    let by_user = Arc::new(ByUser::default());
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(why) => {
                site.log.put(Level::Warning, format!("control: accepting a connection: {why}"));
                tokio::time::sleep(loglines::limits::RETRY.0).await;
                continue;
            }
        };
        let Ok((uid, _)) = peer::credentials(&stream) else {
            continue;
        };
        let user = User::of(uid, &site.accounts.now());
        let Some(seat) = by_user.seat(user) else {
            if let Some(turned_away) = by_user.turned_away(user, kernel::since_boot()) {
                site.log.put(
                    Level::Warning,
                    format!(
                        "control: {user} has {} connections open and gets no more ({turned_away} turned away)",
                        limits::CONTROL_PER_USER
                    ),
                );
            }
            continue;
        };
        let Ok(peer) = peer::look(&stream) else {
            continue;
        };
        let (site, routes) = (Arc::clone(&site), all.clone());
        tokio::spawn(async move {
            let _held = (place, seat);
            // A connection that lives too long is cut; what it asked for is durable or was not answered.
            let _ = tokio::time::timeout(limits::CONTROL_LIFE, connection(site, routes, stream, peer)).await;
        });
    }
}

async fn connection(site: Arc<Site>, routes: Router, stream: UnixStream, peer: Peer) {
    let service = tower::service_fn(move |mut call: hyper::Request<hyper::body::Incoming>| {
        let (site, routes, peer) = (Arc::clone(&site), routes.clone(), peer.clone());
        async move {
            match site.caller(&peer) {
                Ok(caller) => {
                    call.extensions_mut().insert(caller);
                    call.extensions_mut().insert(Here(peer.audit_session));
                    routes.oneshot(call.map(axum::body::Body::new)).await
                }
                Err(refused) => Ok(axum::response::IntoResponse::into_response(refused)),
            }
        }
    });
    // A caller that breaks off or talks nonsense has nobody to tell.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::CONTROL_HEAD_WAIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
}

/// The audit session that a call comes from.
#[derive(Clone, Copy)]
struct Here(Option<u32>);

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum User {
    /// An account of this host.
    Account(u32),
    /// Everybody else together: a person has 65,536 user ids of their own in a user namespace (subuid(5)), and
    /// would have the seats of as many users.
    Stranger,
}

impl User {
    fn of(uid: u32, accounts: &workflow::Accounts) -> Self {
        if accounts.person_of_uid(uid).is_some() { Self::Account(uid) } else { Self::Stranger }
    }
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(uid) => write!(f, "user id {uid}"),
            Self::Stranger => f.write_str("who has no account here"),
        }
    }
}

/// Connections by user, so that nobody can take everybody's place.
#[derive(Default)]
struct ByUser {
    seats: Mutex<HashMap<User, usize>>,
    turned_away: Mutex<HashMap<User, TurnedAway>>,
}

/// Connections of one user that found no seat.
#[derive(Default)]
struct TurnedAway {
    told: Option<TimeDelta>,
    untold: u64,
}

struct Seat {
    by_user: Arc<ByUser>,
    user: User,
}

impl ByUser {
    fn seat(self: &Arc<Self>, user: User) -> Option<Seat> {
        let mut counts = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(user).or_insert(0);
        if *count >= limits::CONTROL_PER_USER {
            return None;
        }
        *count += 1;
        Some(Seat { by_user: Arc::clone(self), user })
    }

    /// Counts a connection without a seat. How many there were is told once in a while, so that nobody
    /// can fill the log by knocking.
    fn turned_away(&self, user: User, now: TimeDelta) -> Option<u64> {
        let mut users = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        if !users.contains_key(&user) && users.len() >= limits::CONTROL_TURNED_AWAY {
            users.clear();
        }
        let counted = users.entry(user).or_default();
        counted.untold += 1;
        let quiet = TimeDelta::from_std(limits::REPEAT_WINDOW).unwrap_or_default();
        if counted.told.is_some_and(|told| now - told < quiet) {
            return None;
        }
        counted.told = Some(now);
        Some(std::mem::take(&mut counted.untold))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.by_user.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

impl Site {
    /// The person behind a connection, with the rights of this moment.
    fn caller(&self, peer: &Peer) -> Result<Caller, Refused> {
        let accounts = self.accounts.now();
        let world = self.policies.world();
        let account = accounts.person_of_uid(peer.uid).and_then(|(_, names)| {
            // Who they are is the policy's people to say, by any of their names.
            names.iter().find_map(|name| world.people.of_login(name)).cloned()
        });
        let Some(workflow::Human { person, names, .. }) = account else {
            let why = format!(
                "user id {} has no account in {}",
                peer.uid,
                self.config.load().accounts.passwd.display()
            );
            return Err(Refused(ProblemCode::Forbidden.because(why)));
        };
        let login = names.iter().find(|login| login.as_str() == person.as_str()).cloned();
        let login = login.or_else(|| names.first().cloned());
        let Some(login) = login else {
            return Err(Refused(ProblemCode::Forbidden.because(format!("{person} has no login name"))));
        };
        let config = self.config.load();
        let mut people: Vec<_> =
            names.iter().filter_map(|name| accounts.person(name)).map(|(p, _)| p).collect();
        people.dedup();
        let is = |members: &crate::config::Members| {
            let theirs = accounts.people(&members.groups, &members.users);
            people.iter().any(|account| theirs.contains(account))
        };
        Ok(Caller {
            roles: Roles {
                auditor: is(&config.roles.auditors),
                operator: is(&config.roles.operators),
                admin: peer.uid == 0,
            },
            login,
            source: self
                .memory
                .session_of_audit(self.clock.boot(), peer.audit_session)
                .and_then(|session| session.address),
            names,
            person,
            channel: Channel::Terminal,
            reviews: peer.is_the_person.clone().map_err(|why| why.to_string()),
        })
    }

    fn status(&self, caller: &Caller, here: Here) -> Result<Status, DeskError> {
        let now = self.clock.now();
        let counts = self.memory.counts(now);
        let world = self.policies.world();
        let approvers = world.approvers(now);
        let mut warnings = self.warnings_of_source(now, &world, &approvers)?;
        warnings.extend(self.policy_differs());
        warnings.extend(self.unseen(caller)?);
        let clock = self.clock.words(self.source.has_hub());
        if self.clock.strays() {
            warnings.push(clock.clone());
        }
        if !process::all_are_seen() {
            warnings.push(
                "processes are hidden from jitd, so it ends no sessions and does not see them end, and nobody can approve from a \
                 terminal: mount /proc without hidepid, or with gid= of the group jitd"
                    .to_owned(),
            );
        }
        let doors = crate::doors::Doors::look();
        warnings.extend(doors.warnings);
        let sees_findings = caller.roles.sees_all() || approvers.contains(&caller.person);
        warnings.extend(self.watch_is_late().filter(|_| sees_findings));
        let journal_ok = self.ledger.works();
        if !journal_ok {
            warnings.push(
                "the journal takes no records, so nobody is let in: see `journalctl -u jitd`".to_owned(),
            );
        }
        if self.log.dropped() > 0 {
            warnings.push(format!(
                "{} log lines were dropped because the syslog daemon did not read: the journal has them",
                self.log.dropped()
            ));
        }
        let mut roles = caller.roles.names();
        if approvers.contains(&caller.person) {
            roles.insert(0, "approver".to_owned());
        }
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.host.clone(),
            source: self.source.name().to_owned(),
            now: now.trusted,
            clock_confirmed: !now.provisional,
            clock,
            journal_seq: counts.seq,
            journal_ok,
            lines_dropped: self.log.dropped(),
            pending: self.desk.requests(caller, Which::Pending, api::limits::PAGE)?.len() as u64,
            grants: counts.grants,
            sessions: counts.sessions,
            warnings,
            somebody_decides: if self.source.has_hub() {
                self.source.somebody_decides(now.trusted)
            } else {
                !approvers.is_empty()
            },
            gated: doors.gated,
            session: self.session_here(caller, here.0),
            left_over: self
                .left
                .all()
                .into_iter()
                .filter(|left| caller.roles.sees_all() || caller.names.contains(&left.user))
                .collect(),
            watch: sees_findings.then(|| self.watched()),
            you: caller.person.clone(),
            roles,
        })
    }

    /// What is wrong with where grants come from.
    fn warnings_of_source(
        &self,
        now: Now,
        world: &workflow::World,
        approvers: &BTreeSet<Person>,
    ) -> Result<Vec<String>, DeskError> {
        let mut warnings = Vec::new();
        if !self.source.has_hub() {
            let findings = workflow::findings(world, now);
            let worth = |finding: &&workflow::Finding| finding.weight > workflow::Weight::Note;
            warnings.extend(findings.iter().filter(worth).map(ToString::to_string));
            match approvers.len() {
                0 => warnings.push("nobody can approve: put somebody into a group that the policy names, with `usermod -aG jit-approvers NAME`".to_owned()),
                1 => warnings.push("there is one approver, who cannot approve their own requests: name a second one".to_owned()),
                _ => {}
            }
        }
        if self.source.has_hub() {
            warnings.extend(self.unsent_here()?);
            warnings.extend(self.journal_waits()?);
            match self.source.staleness_s(now.trusted) {
                None => warnings.push(
                    "nothing was heard from the hub yet, so nobody is let in: see `journalctl -u jitd`".to_owned(),
                ),
                Some(stale) if !self.source.is_fresh(now.trusted) => warnings.push(match self.source.files() {
                    Some(files) => format!(
                        "{files} is {stale} s old: grants that are known stay good, and nothing new is heard of; see whether \
                         `jit-hub publish` runs, and what is between"
                    ),
                    None => format!(
                        "the hub was heard last {stale} s ago: grants that are known stay good, and nothing new is heard of"
                    ),
                }),
                Some(_) => {}
            }
        } else if !self.policies.in_force().is_readable() {
            let why = if self.policies.in_force().now().version.is_some() {
                "the policy in force cannot be read by this release"
            } else {
                "no policy is in force, for a repair lost it"
            };
            warnings.push(format!(
                "{why}, so nobody can ask for anything: look at {} and run `jit policy apply` as root",
                self.config.load().policy.file.display()
            ));
        }
        Ok(warnings)
    }

    fn check(&self, caller: &Caller, query: &CheckQuery) -> Result<Check, DeskError> {
        let host = query.host.as_ref().unwrap_or(&self.host);
        self.refresh_approvers();
        let decide = |question: &Question, now| Ok(self.memory.decide_on(Some(host), question, now));
        self.desk.check(caller, query, host, decide)
    }

    /// Requests that the hub has not heard of.
    fn unsent_here(&self) -> Result<Option<String>, DeskError> {
        let waiting = self.ledger.read(|connection| crate::source::outbox::count(connection));
        let waiting = waiting.map_err(crate::ledger::LedgerError::from)?;
        let why = self.source.outward().map(crate::source::Outward::why_away).unwrap_or_default();
        let words = format!("{waiting} requests of people here wait until the hub hears of them: {why}");
        Ok((waiting > 0).then_some(words))
    }

    /// A journal that waits for the hub while it fills.
    fn journal_waits(&self) -> Result<Option<String>, DeskError> {
        let Some(outward) = self.source.outward().ok().filter(|_| self.source.files().is_none()) else {
            return Ok(None);
        };
        let Some(uploaded) = outward.uploaded() else { return Ok(None) };
        let look = |connection: &rusqlite::Connection| {
            Ok::<_, StoreError>((store::used_bytes(connection)?, store::last_seq(connection)?))
        };
        let (used, last) = self.ledger.read(look).map_err(crate::ledger::LedgerError::from)?;
        let max = self.config.load().journal.max_bytes;
        Ok(waits_for_the_hub(used, max, last.saturating_sub(uploaded)))
    }

    /// Files that say something else than what is in force.
    fn policy_differs(&self) -> Vec<String> {
        let Ok(Some(applied)) = self.desk.in_force() else { return Vec::new() };
        let files = &self.config.load().policy;
        let differs = |path: &std::path::Path, text: Option<&str>| match std::fs::read_to_string(path) {
            Ok(there) => text != Some(there.as_str()),
            // One that cannot be read says nothing; one that is gone says so only where one was applied.
            Err(why) => why.kind() == std::io::ErrorKind::NotFound && text.is_some() && applied.version > 0,
        };
        [(&files.file, Some(applied.policy.as_str())), (&files.people, applied.people.as_deref())]
            .into_iter()
            .filter(|(path, text)| differs(path, *text))
            .map(|(path, _)| {
                format!(
                    "{} differs from the policy in force, version {}: see it with `jit policy diff`, then `jit policy apply`",
                    path.display(),
                    applied.version
                )
            })
            .collect()
    }

    /// Break glasses that wait for somebody to look at them.
    fn unseen(&self, caller: &Caller) -> Result<Vec<String>, DeskError> {
        let waiting = self.desk.requests(caller, Which::Pending, api::limits::PAGE)?;
        Ok(waiting
            .iter()
            .filter(|request| !request.state.is_pending())
            .map(|request| {
                format!(
                    "{} broke glass with {} and nobody has looked at it: jit show {1}",
                    request.ask.person, request.ask.id
                )
            })
            .collect())
    }
}

async fn status(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Extension(here): Extension<Here>,
) -> Answer<Status> {
    blocking(move || site.status(&caller, here)).await
}

async fn check(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<CheckQuery>,
) -> Answer<Check> {
    blocking(move || site.check(&caller, &query)).await
}

async fn journal(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<AskJournal>,
) -> Answer<Vec<JournalRow>> {
    blocking(move || {
        if !caller.roles.sees_all() {
            return Err(DeskError::Forbidden(
                "the journal is for auditors, operators and root to read: see [roles] in jitd.toml"
                    .to_owned(),
            ));
        }
        let limit = query.limit.unwrap_or(desk::limits::LIST).min(api::limits::PAGE);
        site.ledger.read(|connection| desk::journal_page(connection, query.after, limit))
    })
    .await
}

async fn accept_clock(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
) -> Answer<serde_json::Value> {
    blocking(move || {
        if !caller.roles.admin {
            return Err(DeskError::Forbidden("only root may say that the clock is right".to_owned()));
        }
        let now = site.ledger.confirm_clock(&site.clock, Confirmed::ByRoot)?;
        Ok(serde_json::json!({ "now": now }))
    })
    .await
}

async fn monitored(State(site): State<Arc<Site>>, Extension(caller): Extension<Caller>) -> Answer<Monitored> {
    blocking(move || site.monitored(&caller)).await
}

async fn examined(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Json(report): Json<DoctorReport>,
) -> Answer<serde_json::Value> {
    blocking(move || {
        if !caller.roles.admin {
            return Err(DeskError::Forbidden("what jit doctor found is for root to report".to_owned()));
        }
        site.examined(report);
        Ok(serde_json::json!({}))
    })
    .await
}

/// What there is to say of so many records that the hub has not taken yet, where so many bytes of `max` are used. A part of
/// them is always on its way.
fn waits_for_the_hub(used: u64, max: u64, records: u64) -> Option<String> {
    let is_late = used > max / 2 && records > limits::JOURNAL_PART.0;
    is_late.then(|| {
        format!(
            "{records} records of the journal wait for the hub, and over half of [journal] max_bytes is used: from five eighths on the oldest \
             go without it; see the lines on telling the hub in `journalctl -u jitd`"
        )
    })
}

async fn nothing() -> Result<Json<()>, Refused> {
    Err(Refused(ProblemCode::NotFound.because("there is no such call in API v1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_waits_for_the_hub_is_told_of_once_half_of_the_room_is_used() {
        assert_eq!(waits_for_the_hub(50, 100, 9000), None, "there is room");
        assert_eq!(waits_for_the_hub(90, 100, 500), None, "a part is always on its way");
        let told = waits_for_the_hub(51, 100, 501).unwrap();
        assert!(told.starts_with("501 records of the journal wait for the hub"), "{told}");
    }

    #[test]
    fn one_user_takes_their_own_seats_alone_and_knocking_fills_no_log() {
        let by_user = Arc::new(ByUser::default());
        let accounts = workflow::Accounts::parse("a:x:7:7::/:/bin/sh\nb:x:8:8::/:/bin/sh\n", "");
        let user = |uid| User::of(uid, &accounts);
        let seats: Vec<_> = (0..limits::CONTROL_PER_USER).map(|_| by_user.seat(user(7)).unwrap()).collect();
        assert!(by_user.seat(user(7)).is_none() && by_user.seat(user(8)).is_some());
        let told: Vec<u64> = (0..6000)
            .filter_map(|tenths| by_user.turned_away(user(7), TimeDelta::milliseconds(tenths * 100)))
            .collect();
        assert_eq!(told, [1, 600, 600, 600, 600, 600, 600, 600, 600, 600]);
        drop(seats);
        assert!(by_user.seat(user(7)).is_some());
    }

    #[test]
    fn all_user_ids_without_an_account_are_one_user() {
        let by_user = Arc::new(ByUser::default());
        let accounts = workflow::Accounts::parse("a:x:7:7::/:/bin/sh\n", "");
        let user = |uid| User::of(uid, &accounts);
        let subordinate = 100_000..165_536;
        let seats: Vec<_> = subordinate.clone().filter_map(|uid| by_user.seat(user(uid))).collect();
        assert_eq!(seats.len(), limits::CONTROL_PER_USER);
        assert!(by_user.seat(user(7)).is_some());
        let told = subordinate.filter_map(|uid| by_user.turned_away(user(uid), TimeDelta::zero()));
        assert_eq!(told.collect::<Vec<_>>(), [1], "one line for all of them");
    }
}
