//! What the policy in force would make of an ask that nobody made.

use crate::desk::{asked_about, facts};
use crate::{Caller, Desk, DeskError, Store};
use access::Now;
use api::AskExplain;
use workflow::{Explained, Wish, explained};

impl<S: Store> Desk<S> {
    /// Which rule, which steps, who could agree. For oneself, and for others to those who may see theirs.
    pub fn explain(&self, caller: &Caller, ask: AskExplain) -> Result<Explained, DeskError> {
        let world = self.worlds.world();
        let now = self.clock.now();
        let user = ask.user.unwrap_or_else(|| caller.login.clone());
        let own = world.people.of_login(&user).is_some_and(|human| human.person == caller.person);
        if !own && !caller.roles.sees_all() && !world.say_of(&caller.person, now).is_some() {
            return Err(DeskError::Forbidden(format!(
                "what {user} could get is for them, approvers and auditors to see: ask about yourself"
            )));
        }
        // Facts are as fresh as they are now, whatever time is asked about.
        let at = asked_about(ask.at)?.map_or(now, |at| Now { trusted: at, ..now });
        let hosts = self.named(ask.hosts)?;
        let wish = Wish { user, hosts, services: ask.services, run_as: ask.run_as, length: ask.length };
        let asked = wish.ask(&world, at).ok_or_else(|| DeskError::NoAccount(wish.user.to_string()))?;
        let rule = world.rule(&asked, at).ok();
        let facts = self.store.read(|store| facts(store, &asked, rule.as_ref(), at.trusted))?;
        Ok(explained(&world, &asked, &facts, at))
    }
}
