//! Looks at what is committed.

use crate::{Sql, StoreError};
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections to read by.
pub trait Connections: Send + Sync + 'static {
    /// Has `look` called once with a connection that nobody else uses meanwhile.
    fn lend(&self, look: &mut dyn FnMut(&dyn Sql)) -> Result<(), StoreError>;
}

impl Connections for Mutex<Connection> {
    fn lend(&self, look: &mut dyn FnMut(&dyn Sql)) -> Result<(), StoreError> {
        look(&*self.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

/// Reads what is committed. Cheap to clone.
#[derive(Clone)]
pub struct Reader(Arc<dyn Connections>);

impl Reader {
    /// One over these connections.
    pub fn over(connections: impl Connections) -> Self {
        Self(Arc::new(connections))
    }

    /// Looks something up. Blocks.
    pub fn read<T, R: From<StoreError>>(&self, look: impl FnOnce(&dyn Sql) -> Result<T, R>) -> Result<T, R> {
        let (mut look, mut found) = (Some(look), None);
        self.0.lend(&mut |sql| found = look.take().map(|look| look(sql)))?;
        found.unwrap_or_else(|| Err(StoreError::Closed.into()))
    }
}

impl From<Connection> for Reader {
    fn from(connection: Connection) -> Self {
        Self::over(Mutex::new(connection))
    }
}
