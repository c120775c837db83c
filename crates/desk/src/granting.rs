//! Grants: listed, shown, taken back and given back.

use crate::desk::{grant_view, no_grant};
use crate::paging::{Page, look_through};
use crate::{Caller, Desk, DeskError, Ground, Key, Store, limits};
use access::{EndedHow, Grant, GrantId, Login, Person};
use api::{AskGrants, Change, ChangeRecord, EndGrant, GrantView};
use std::sync::Arc;
use workflow::{End, World, end};

impl<S: Store> Desk<S> {
    /// Grants that the caller may see, newest first.
    pub fn grants(&self, caller: &Caller, ask: &AskGrants, limit: u32) -> Result<Vec<GrantView>, DeskError> {
        Ok(self.grants_page(caller, ask, limit)?.rows)
    }

    /// The same, and after which one the next page begins.
    pub fn grants_page(
        &self,
        caller: &Caller,
        ask: &AskGrants,
        limit: u32,
    ) -> Result<Page<GrantView, GrantId>, DeskError> {
        let world = self.worlds.world();
        let person = match &ask.user {
            Some(login) => Some(holder(&world, login)?),
            None if caller.roles.sees_all() => None,
            None if world.say_of(&caller.person, self.clock.now()).is_some() => None,
            None => Some(caller.person.clone()),
        };
        let limit = limit.min(api::limits::PAGE) as usize;
        let after = match ask.after {
            Some(id) => {
                let last =
                    self.store.read(|store| store.grant(id))?.ok_or_else(|| no_grant(&id.to_string()))?;
                Some((last.approved_at, id))
            }
            None => None,
        };
        let (person, host) = (person.as_ref(), ask.host.as_ref());
        let Page { rows, next } = look_through(
            limit,
            after,
            |after| self.store.read(|store| store.grants(person, host, ask.all, after, limits::LIST)),
            |grant| (grant.approved_at, grant.id),
            |grant| self.may_see(&world, &grant, caller).then_some(grant),
        )?;
        let views: Vec<GrantView> = self.store.read(|store| {
            rows.iter().map(|grant| grant_view(grant, store, &*self.clock)).collect::<Result<_, _>>()
        })?;
        Ok(Page { rows: self.worlds.as_told(views, self.clock.now())?, next })
    }

    /// Whether this person ever held a grant here.
    pub fn has_held(&self, person: &Person) -> Result<bool, DeskError> {
        self.store.read(|store| Ok(!store.grants(Some(person), None, true, None, 1)?.is_empty()))
    }

    /// One grant.
    pub fn show_grant(&self, caller: &Caller, id: &str) -> Result<GrantView, DeskError> {
        let grant = self.find_grant(&self.worlds.world(), caller, id)?;
        let view = self.store.read(|store| grant_view(&grant, store, &*self.clock))?;
        let told = self.worlds.as_told(vec![view], self.clock.now())?.pop();
        told.ok_or_else(|| no_grant(id))
    }

    /// Whether the caller has the right to take this grant from its holder; an error where their door is not sure enough.
    pub fn may_revoke(&self, world: &World, grant: &Grant, caller: &Caller) -> Result<bool, DeskError> {
        if caller.roles.revokes() {
            return Ok(true);
        }
        if !self.approves(world, grant, &caller.person) {
            return Ok(false);
        }
        caller.reviews.clone().map(|()| true).map_err(|why| DeskError::NotThem("nothing was revoked", why))
    }

    /// A grant is taken back or given back.
    pub fn end_grant(
        &self,
        caller: &Caller,
        id: &str,
        how: EndedHow,
        body: &EndGrant,
        key: &Key,
    ) -> Result<GrantView, DeskError> {
        self.grounded(|ground| self.end_grant_on(ground, caller, id, how, body.clone(), key))
    }

    fn end_grant_on(
        &self,
        ground: &Ground,
        caller: &Caller,
        id: &str,
        how: EndedHow,
        body: EndGrant,
        key: &Key,
    ) -> Result<GrantView, DeskError> {
        let found = self.find_grant(&ground.world, caller, id)?;
        let revokes_others = how == EndedHow::Revoked && found.person != caller.person;
        let has_right = revokes_others && self.may_revoke(&ground.world, &found, caller)?;
        let ending = End { how, by: caller.person.clone(), has_right, reason: body.reason.clone() };
        let (id, channel, clock) = (found.id, caller.channel, Arc::clone(&self.clock));
        self.once_on(ground, caller, Some(key), move |store| {
            let grant = store.grant(id)?.ok_or_else(|| no_grant(&id.to_string()))?;
            let by = ending.by.clone();
            let ended = end(&grant, ending, clock.now())?;
            store.record(ChangeRecord {
                at: clock.now().trusted,
                change: match how {
                    EndedHow::Revoked => Change::Revoked,
                    EndedHow::Released => Change::Released,
                },
                actor: Some(by),
                channel: Some(channel),
                comment: body.reason,
                request: None,
                grant: Some(ended.clone()),
                used: Some(store.usage(id, clock.now().trusted)?.used),
                policy: None,
            })?;
            store.put_grant(&ended, true)?;
            grant_view(&ended, store, &*clock)
        })
    }
}

/// Who has this login name, or, where nobody has it any more, who was called so: what they held is still there.
fn holder(world: &World, login: &Login) -> Result<Person, DeskError> {
    let human = world.people.of_login(login).map(|human| human.person.clone());
    human.map_or_else(
        || Person::parse(login.as_str()).map_err(|why| DeskError::BadRequest(why.to_string())),
        Ok,
    )
}
