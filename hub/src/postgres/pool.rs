//! Connections to read by: some, opened when they are needed. One that was lost meanwhile is made anew.

use super::link::{Came, Link};
use super::place::Place;
use crate::limits;
use std::cell::RefCell;
use std::sync::{Condvar, Mutex, PoisonError};
use store::{Bind, Cells, Connections, Sql, StoreError};

/// Connections to one database.
pub struct Pool {
    place: Place,
    idle: Mutex<Idle>,
    returned: Condvar,
}

/// Those that nobody uses, and how many are in use.
#[derive(Default)]
struct Idle {
    links: Vec<Link>,
    lent: usize,
}

impl Pool {
    /// Connections to this database.
    pub fn of(place: Place) -> Self {
        Self { place, idle: Mutex::default(), returned: Condvar::new() }
    }

    fn take(&self) -> Result<Option<Link>, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let all_lent = |idle: &mut Idle| idle.lent >= limits::DATABASE_READERS;
        let (mut idle, late) = self
            .returned
            .wait_timeout_while(idle, limits::DATABASE_WAIT, all_lent)
            .unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            return Err(StoreError::Late);
        }
        idle.lent += 1;
        Ok(idle.links.pop())
    }
}

impl Connections for Pool {
    fn lend(&self, look: &mut dyn FnMut(&dyn Sql)) -> Result<(), StoreError> {
        let lent = Lent { link: RefCell::new(self.take()?), pool: self };
        look(&lent);
        Ok(())
    }
}

/// A connection in use. Given back when it is dropped, also by a panic of whoever uses it.
struct Lent<'a> {
    link: RefCell<Option<Link>>,
    pool: &'a Pool,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.lent -= 1;
        idle.links.extend(self.link.take().filter(|link| !link.is_broken()));
        drop(idle);
        self.pool.returned.notify_one();
    }
}

impl Lent<'_> {
    /// A statement that only reads, on another connection where this one was lost since it was used last.
    fn on_a_link<T>(&self, run: impl Fn(&Link) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(link) = &*self.link.borrow() {
            let ran = run(link);
            if ran.is_ok() || !(link.is_lost() || link.was_in_the_way()) {
                return ran;
            }
        }
        let link = self.pool.place.connect_to_read()?;
        let ran = run(&link);
        *self.link.borrow_mut() = Some(link);
        ran
    }
}

impl Sql for Lent<'_> {
    fn execute(&self, sql: &str, values: &[&dyn Bind]) -> Result<usize, StoreError> {
        self.on_a_link(|link| link.execute(sql, values))
    }

    fn query(
        &self,
        sql: &str,
        values: &[&dyn Bind],
        take: &mut dyn FnMut(&dyn Cells) -> bool,
    ) -> Result<(), StoreError> {
        let _ = self.on_a_link(|link| link.fetch(sql, values))?.iter().all(|row| take(&Came(row)));
        Ok(())
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.on_a_link(|link| link.batch(sql))
    }
}
