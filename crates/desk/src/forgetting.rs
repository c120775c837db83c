//! What ended long ago is forgotten, so that what is asked for year after year does not fill the store. The journal keeps its
//! records by a rule of its own.

use crate::store::Old;
use crate::{Desk, DeskError, Store, limits};

impl<S: Store> Desk<S> {
    /// Forgets a round of what ended before `old`. Whether there may be more.
    pub fn forget(&self, old: Old) -> Result<bool, DeskError> {
        let (requests, grants) = self.store.read(|store| store.old(old, limits::PER_TICK))?;
        let most = limits::PER_TICK as usize;
        let more = requests.len() >= most || grants.len() >= most;
        if requests.is_empty() && grants.is_empty() {
            return Ok(false);
        }
        self.store.write(move |store| {
            // What a clock that was wrong had closed can be open again since it was looked for.
            let (requests, grants) = store.old(old, limits::PER_TICK)?;
            requests.into_iter().try_for_each(|id| store.forget_request(id))?;
            grants.iter().try_for_each(|grant| store.forget_grant(grant))
        })?;
        Ok(more)
    }
}
