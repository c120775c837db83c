//! What of the fleet is for whose eyes.

use crate::site::Site;
use api::HostView;
use desk::{Caller, Clock as _, DeskError, Worlds as _};

impl Site {
    /// Whether somebody sees what concerns others: everything by a role, or as one who decides over access.
    pub(crate) fn sees_others(&self, caller: &Caller) -> bool {
        let decides = || self.policies.world().say_of(&caller.person, self.clock.now()).is_some();
        caller.roles.sees_all() || decides()
    }

    /// All hosts, and what is wrong with each for whoever has to know: to others that would say where to try.
    pub(crate) fn hosts_for(&self, caller: &Caller) -> Result<Vec<HostView>, DeskError> {
        let mut hosts = self.host_views()?;
        if !self.sees_others(caller) {
            hosts.iter_mut().for_each(hide);
        }
        Ok(hosts)
    }
}

fn hide(view: &mut HostView) {
    (view.alarm, view.ahead_ms, view.version, view.gated) = (None, None, None, None);
}
