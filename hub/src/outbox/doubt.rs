//! What a channel's other side may have taken and is not written down as sent yet: one at a time.
//!
//! A hub that is killed between the other side's yes and its own commit sends the same again. So that this is one of all
//! that are under way and not all of them, each waits before its point of no return until the one before is written down.
//! Who is slow to answer is not waited for long, and the less the more wait: what is in doubt then is what was sent within
//! one answer's time.

use super::limits;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The one place in doubt of a channel.
pub struct Doubt {
    place: Arc<Semaphore>,
    /// How many wait to be sent by it.
    waiting: AtomicUsize,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { place: Arc::new(Semaphore::new(1)), waiting: AtomicUsize::new(0) }
    }
}

impl Doubt {
    /// So many wait to be sent.
    pub fn wait(&self, waiting: usize) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// A way through it, for one delivery of a channel that leaves so much between two.
    pub fn passage(self: &Arc<Self>, between: Duration) -> Passage {
        Passage { doubt: Arc::clone(self), held: Arc::default(), between }
    }

    /// The next of the same channel would not go sooner than that anyway.
    fn longest(&self, between: Duration) -> Duration {
        let waiting = u32::try_from(self.waiting.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        (limits::DOUBT_ALL / waiting.max(1)).max(between).min(limits::DOUBT)
    }
}

/// One delivery's way. What it holds is given back when it is dropped: once it is written down what came of it.
pub struct Passage {
    doubt: Arc<Doubt>,
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    between: Duration,
}

impl Passage {
    /// Waits for the one before. To be called once, and what follows at once may be taken.
    pub async fn enter(&self) {
        // The place is never closed.
        let Ok(permit) = Arc::clone(&self.doubt.place).acquire_owned().await else { return };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        let (longest, held) = (self.doubt.longest(self.between), Arc::downgrade(&self.held));
        tokio::spawn(async move {
            tokio::time::sleep(longest).await;
            if let Some(held) = held.upgrade() {
                held.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn the_next_waits_until_the_one_before_is_written_down_or_slow() {
        let doubt = Arc::new(Doubt::default());
        let passage = || doubt.passage(Duration::ZERO);
        let (first, second, third) = (passage(), passage(), passage());
        first.enter().await;
        assert!(second.enter().now_or_never().is_none());
        drop(first);
        assert!(second.enter().now_or_never().is_some());
        assert!(third.enter().now_or_never().is_none());
        // The second is slow and goes on being in doubt.
        third.enter().await;
        doubt.wait(200);
        assert!(doubt.longest(Duration::ZERO) * 200 <= limits::DOUBT_ALL);
        let between = Duration::from_millis(25);
        assert_eq!(doubt.longest(between), between);
        assert_eq!(doubt.longest(Duration::from_secs(1)), limits::DOUBT);
    }
}
