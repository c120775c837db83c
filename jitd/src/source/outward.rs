//! What people and the daemon have for the hub, and who waits for its answer.

use super::call::Voice;
use crate::limits;
use access::RequestId;
use api::HostAnswer;
use arc_swap::ArcSwapOption;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The way to the hub, as far as the rest of the daemon has to do with it.
#[derive(Default)]
pub struct Outward {
    pub(super) voice: ArcSwapOption<Voice>,
    wakes: OnceLock<SyncSender<()>>,
    waits: Mutex<Vec<Waits>>,
    /// Tells those who wait apart.
    count: AtomicU64,
    /// Questions of the gate that wait now.
    gate: AtomicUsize,
    /// Why the last try failed.
    away: Mutex<Option<String>>,
    /// The last record that the hub has for sure, once that was looked up.
    uploaded: Mutex<Option<u64>>,
}

/// Somebody who waits for the answer to what was asked.
struct Waits {
    id: RequestId,
    who: u64,
    tell: SyncSender<HostAnswer>,
}

/// A place among the questions of the gate that wait for the hub.
pub struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Outward {
    /// A place for a question of the gate, where one is free.
    pub fn place(&self) -> Option<Place<'_>> {
        let place = Place(&self.gate);
        (self.gate.fetch_add(1, Ordering::Relaxed) < limits::HUB_WAITS).then_some(place)
    }

    /// Has `wake` told when there is something for the hub.
    pub(super) fn wakes(&self, wake: SyncSender<()>) {
        // There is one thread that tells it.
        let _ = self.wakes.set(wake);
    }

    /// There is something for the hub.
    pub(super) fn wake(&self) {
        if let Some(wake) = self.wakes.get() {
            // A word that waits already says the same.
            let _ = wake.try_send(());
        }
    }

    /// Waits so long at most for the answer to what was asked, once it is `known` that it is not there yet.
    pub(super) fn answer<E>(
        &self,
        id: RequestId,
        wait: Duration,
        known: impl FnOnce() -> Result<Option<HostAnswer>, E>,
    ) -> Result<Option<HostAnswer>, E> {
        let (tell, told) = sync_channel(1);
        let who = self.count.fetch_add(1, Ordering::Relaxed);
        let waits = || self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits().push(Waits { id, who, tell });
        let answer = match known() {
            Ok(None) => {
                self.wake();
                Ok(told.recv_timeout(wait).ok())
            }
            other => other,
        };
        waits().retain(|waits| waits.who != who);
        answer
    }

    /// The hub answered.
    pub(super) fn answered(&self, id: RequestId, answer: &HostAnswer) {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        for waits in waits.iter().filter(|waits| waits.id == id) {
            // Whoever waits no more asks again.
            let _ = waits.tell.try_send(answer.clone());
        }
    }

    /// How the last try went.
    pub(super) fn tried(&self, failed: Option<String>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    /// Why the hub has not answered, in words.
    pub fn why_away(&self) -> String {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.clone().unwrap_or_else(|| "the hub has not answered yet".to_owned())
    }

    /// The last record that the hub has for sure, once that was looked up.
    pub fn uploaded(&self) -> Option<u64> {
        *self.uploaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_uploaded(&self, seq: u64) {
        *self.uploaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(seq);
    }
}
