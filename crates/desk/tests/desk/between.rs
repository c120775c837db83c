//! A store between whose reads and writes something else happens.

use crate::room::{Hand, Place, Room};
use access::HostName;
use desk::{Committed, Desk, DeskError, Queries, SqlStore, Store, Transaction, Worlds};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

type Interruption = Box<dyn FnMut() + Send>;

/// The store of a room, with something else that happens before a write.
#[derive(Clone)]
pub struct Between {
    store: SqlStore<Committed>,
    first: Arc<Mutex<Option<Interruption>>>,
    again: bool,
    reads: Arc<AtomicUsize>,
}

impl Between {
    /// Before the next write alone.
    pub fn of(room: &Room) -> Self {
        Self { store: room.paper.store.clone(), first: Arc::default(), again: false, reads: Arc::default() }
    }

    /// Before every write.
    pub fn each(room: &Room) -> Self {
        Self { again: true, ..Self::of(room) }
    }

    /// How often it was read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    pub fn before_the_next_write(&self, first: impl FnOnce() + Send + 'static) {
        let mut once = Some(first);
        self.before_writes(move || once.take().into_iter().for_each(|first| first()));
    }

    pub fn before_writes(&self, first: impl FnMut() + Send + 'static) {
        *self.first.lock().unwrap() = Some(Box::new(first));
    }

    /// Another desk of the same room, on this store.
    pub fn desk(&self, room: &Room, hand: Arc<Hand>) -> Desk<Self> {
        let worlds: Arc<dyn Worlds> = Arc::<Place>::clone(&room.place);
        Desk::new(self.clone(), worlds, hand, HostName::parse("here").unwrap())
    }
}

impl Store for Between {
    fn write<T, F>(&self, work: F) -> Result<T, DeskError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Transaction) -> Result<T, DeskError> + Send + 'static,
    {
        let first = self.first.lock().unwrap().take();
        if let Some(mut first) = first {
            first();
            if self.again {
                *self.first.lock().unwrap() = Some(first);
            }
        }
        self.store.write(work)
    }

    fn read<T, F>(&self, work: F) -> Result<T, DeskError>
    where
        F: FnOnce(&dyn Queries) -> Result<T, DeskError>,
    {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.read(work)
    }
}
