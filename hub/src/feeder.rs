//! A hub in role `feed`: hosts listen to it, and it can neither grant nor write. It reads a database of which its user has
//! nothing but `SELECT`, has a key for views, and is told by a desk, through that database, which keys hosts believe. There
//! is no signer beside it.

use crate::certificate::Certificates;
use crate::chores;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::door::House;
use crate::error::{HubError, os};
use crate::feed::rows;
use crate::following::Following;
use crate::keys::ServerKeys;
use crate::postgres::{Place, Pool};
use crate::teller::{Speaker, Teller, told};
use crate::{inbox, limits, serve};
use access::HostName;
use desk::DeskError;
use loglines::{Log, Outcomes};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;
use store::{Reader, Sql};
use sync::Digest;

/// Serves hosts that listen, until it is told to stop.
pub fn start(config: &Config, log: &Log) -> Result<(), HubError> {
    let place = place(config)?;
    let certificates = Arc::new(Certificates::open(config)?);
    let reader = Reader::over(Pool::of(place.clone()));
    reader.read(reads_alone)?;
    let keys = ServerKeys::of(config);
    let speaker = reader.read(|sql| {
        let (root, nonces) = (common(sql, "root")?, common(sql, "nonces")?);
        let voice = told(sql, &keys, &root)?;
        Ok::<_, HubError>(Speaker { hub: voice.manifest.hub.clone(), root, nonces, voice, keys })
    })?;
    let clock = Arc::new(Clock::since(clock::wall()));
    let teller = Arc::new(Teller::new(config, log, speaker, reader, clock)?);
    let following = Following::begin(place, House::Feed(Arc::clone(&teller)))?;
    let fed = || serve::notify(&[sd_notify::NotifyState::Watchdog]);
    following.start(fed).map_err(os("starting the thread that follows the desks"))?;
    let (ended, ticks) = channel::<()>();
    let ticker = {
        let (teller, certificates) = (Arc::clone(&teller), Arc::clone(&certificates));
        std::thread::Builder::new()
            .name("tick".into())
            .spawn(move || tick(&teller, &certificates, &ticks))
            .map_err(os("starting the clock's thread"))?
    };
    let served = serve::answer(config, &House::Feed(teller), &certificates);
    drop(ended);
    // A panic of its has ended the process.
    let _ = ticker.join();
    served
}

/// The database that feeds and desks share.
pub fn place(config: &Config) -> Result<Place, HubError> {
    let url = config.database.url.as_ref().ok_or_else(|| HubError::NotSetUp(config.state.clone()))?;
    Place::of(url, config.database.ca.as_deref())
}

/// What the hubs of a database have in common.
pub fn common(sql: &dyn Sql, key: &'static str) -> Result<Digest, HubError> {
    let none = || {
        HubError::Database(
            "no desk has served from this database yet: start one in role desk or all first".to_owned(),
        )
    };
    let kept = store::meta(sql, key)?.ok_or_else(none)?;
    kept.parse().map_err(|why| HubError::Database(format!("what hubs have in common as {key}: {why}")))
}

/// Looks whether the database lets this user do all that a feed does, and nothing else: a feed that could write would be a
/// desk for whoever stole it.
pub fn reads_alone(sql: &dyn Sql) -> Result<(), HubError> {
    let (user, may_write): (String, i64) = sql.one(
        "SELECT current_user::text, count(*) FROM pg_class \
         WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('head')) \
         AND relkind IN ('r', 'p', 'v') AND (has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE') \
         OR has_any_column_privilege(oid, 'INSERT, UPDATE') OR pg_has_role(relowner, 'MEMBER'))",
        &[],
    )?;
    if may_write > 0 {
        return Err(HubError::Database(format!(
            "database.url: user {user} can write in this database, and a hub in role feed must not: make it a user of its own, \
             which has what /usr/share/doc/jit-hub/feed.sql gives it and nothing else"
        )));
    }
    let nobody = HostName::parse("localhost").map_err(|why| HubError::Database(why.to_string()))?;
    let looks = || -> Result<(), DeskError> {
        rows::host(sql, &nobody)?;
        rows::truth(sql, &nobody)?;
        rows::hosts_since(sql, u64::from(u32::MAX))?;
        rows::hinted(sql, 0, 0)?;
        inbox::rows::ending(sql, &nobody)?;
        rows::era(sql).map(drop)
    };
    looks().map_err(|why| {
        HubError::Database(format!(
            "database.url: user {user} cannot read what a feed needs: {why}; have the owner of the database run \
             /usr/share/doc/jit-hub/feed.sql there"
        ))
    })
}

/// A new certificate in time, until the other end is dropped.
fn tick(teller: &Teller, certificates: &Certificates, ended: &Receiver<()>) {
    let (outcomes, mut looked) = (Outcomes::of(teller.log.clone()), Instant::now());
    while ended.recv_timeout(limits::TICK) == Err(RecvTimeoutError::Timeout) {
        chores::certificates(certificates, &mut looked, &teller.log, &outcomes);
    }
}
