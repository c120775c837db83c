//! The real store, full.

use crate::town::{Asked, request};
use api::{Change, ChangeRecord};
use desk::{Committed, SqlStore, Store as _, Transaction};
use journal::{Checkpoint, Stamp};
use std::path::Path;
use std::time::Duration;
use store::{File, Observer, Options, Sql, StoreError, Writer};

/// Requests that are put in one transaction.
const AT_ONCE: u64 = 5000;

struct Deaf;

impl Observer<Committed> for Deaf {
    fn committed(&mut self, _: Vec<Committed>) {}
    fn checkpoint(&mut self, _: Checkpoint) {}
    fn reopened(&mut self, _: &dyn Sql) -> Result<(), StoreError> {
        Ok(())
    }
    fn failed(&mut self, error: &StoreError) {
        println!("{error}");
    }
}

/// A store in `folder` with all that was asked.
pub fn full(folder: &Path, asked: Asked) -> SqlStore<Committed> {
    let options = Options { path: folder.join("x.db"), max_bytes: 4 << 30, tables: "" };
    let stamp = || Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 };
    let file = File::open(options.clone(), |_| (stamp(), "{}".into())).unwrap();
    let (writer, _) = Writer::start(file, Box::new(stamp), Deaf).unwrap();
    let reader = store::read_lists(&options.path).unwrap();
    let store = SqlStore::new(writer, reader, Duration::from_secs(120));
    for first in (0..asked.count).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let numbers = first..(first + AT_ONCE).min(asked.count);
        store.write(move |store| numbers.into_iter().try_for_each(|n| put(store, n, asked))).unwrap();
    }
    store
}

fn put(store: &mut dyn Transaction, number: u64, asked: Asked) -> Result<(), desk::DeskError> {
    let request = request(number, asked);
    store.record(ChangeRecord {
        at: request.ask.asked_at,
        change: if request.state.is_pending() { Change::Requested } else { Change::Denied },
        actor: None,
        channel: None,
        comment: None,
        request: Some(request.clone()),
        grant: None,
        used: None,
        policy: None,
    })?;
    store.put_request(&request)
}
