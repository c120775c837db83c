//! What a store lost, by a restore from a backup or a failover, and hosts still know.

use crate::desk::{Said, put};
use crate::{Broken, Desk, DeskError, Store, Transaction};
use access::{Ended, EndedHow, Grant, GrantId, HostName, Text, Time};
use api::{Change, ChangeRecord};
use std::collections::BTreeMap;
use workflow::{Channel, Rule, Stepped};

/// What a host gave back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Grants that the store knows now as the host does.
    pub grants: Vec<Grant>,
    /// How many of them it did not before, or in an older version.
    pub new: usize,
    /// Early ends that it did not know.
    pub ended: Vec<GrantId>,
}

impl<S: Store> Desk<S> {
    /// What takes back what `host` knows of grants for it: their newest versions, which were signed here, and their ends.
    /// A version never goes back, and an end stays. Nobody signed an end that comes without its grant: it counts, for it
    /// opens nothing, as what the host says and by nobody.
    pub fn restores(
        &self,
        host: &HostName,
        grants: Vec<Grant>,
        ended: BTreeMap<GrantId, Ended>,
    ) -> impl FnOnce(&mut dyn Transaction) -> Result<Restored, DeskError> + Send + 'static + use<S> {
        let (host, world, now) = (host.clone(), self.worlds.world(), self.clock.now());
        let at = now.trusted;
        move |store| {
            let mut restored = Restored::default();
            for grant in grants.into_iter().filter(|grant| grant.hosts.contains(&host)) {
                if grant.break_glass && store.request(grant.request)?.is_none() {
                    let rule = world.rule_named(&grant.rule, &grant.person, now);
                    let said = Said {
                        actor: Some(grant.person.clone()),
                        channel: Some(Channel::Host),
                        comment: None,
                    };
                    put(store, &unseen(&host, &grant, rule.as_ref(), at)?, &said, at)?;
                }
                let held = store.grant(grant.id)?;
                if held.as_ref() == Some(&grant) {
                    restored.grants.push(grant);
                    continue;
                }
                let ended = held.as_ref().is_some_and(|held| held.ended.is_some());
                if held.is_some_and(|held| held.version >= grant.version) || (ended && grant.ended.is_none())
                {
                    continue;
                }
                store.record(told(Change::Received, grant.clone(), at))?;
                store.put_grant(&grant, grant.ended.is_some())?;
                restored.grants.push(grant);
                restored.new += 1;
            }
            for (id, end) in ended {
                let held = store.grant(id)?;
                let Some(held) = held.filter(|held| held.ended.is_none() && held.hosts.contains(&host))
                else {
                    continue;
                };
                let change = match end.how {
                    EndedHow::Revoked => Change::Revoked,
                    EndedHow::Released => Change::Released,
                };
                let end = Ended {
                    how: end.how,
                    // Hosts take none that was before its approval or is to come.
                    at: end.at.min(at).max(held.approved_at),
                    by: None,
                    reason: as_said(&host, &end),
                };
                let grant = Grant { version: held.version + 1, ended: Some(end), ..held };
                let told = told(change, grant.clone(), at);
                store.record(told)?;
                store.put_grant(&grant, true)?;
                restored.ended.push(id);
            }
            Ok(restored)
        }
    }
}

/// Glass whose request is lost, and maybe that somebody looked at it: that is asked for again.
fn unseen(host: &HostName, grant: &Grant, rule: Option<&Rule>, at: Time) -> Result<Stepped, DeskError> {
    let why = format!("host {host} gave it back: its journal, or the hub's of before, says why");
    let reason = Text::parse(&why).map_err(|why| DeskError::Store(why.to_string()))?;
    let grant = grant.clone();
    let broken = Broken { request: grant.request, grant, reason, ticket: None, source: None };
    let request = broken.request_of(format!("host {host} gave it back"), rule, at);
    Ok(Stepped { request, grant: None, changes: vec![Change::Requested, Change::BreakGlass] })
}

/// Whose word an end is, and what else it says as far as there is room for that.
fn as_said(host: &HostName, end: &Ended) -> Option<Text> {
    let said = format!("as host {host} says");
    let by = end.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
    let why = end.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Text::parse(&format!("{said}{by}{why}")).or_else(|_| Text::parse(&said)).ok()
}

fn told(change: Change, grant: Grant, at: Time) -> ChangeRecord {
    ChangeRecord {
        at,
        change,
        actor: grant.ended.as_ref().and_then(|ended| ended.by.clone()),
        channel: Some(Channel::Host),
        comment: grant.ended.as_ref().and_then(|ended| ended.reason.clone()),
        request: None,
        grant: Some(grant),
        used: None,
        policy: None,
    }
}
