//! People on hosts: who they are by a host's word, and what they do by it.

use crate::site::Site;
use access::{HostName, Login};
use api::{HostCall, HostDoes, HostKnock, HostOffer, RequestView};
use desk::{AtThePrompt, Caller, DeskError, Key, Knock, Roles, Worlds as _};
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::IpAddr;
use workflow::Channel;

/// The login that a host tells of.
pub fn knock<'a>(
    host: &'a HostName,
    login: &'a Login,
    source: Option<IpAddr>,
    knock: &'a HostKnock,
) -> Knock<'a> {
    Knock { login, service: &knock.service, run_as: knock.run_as.as_ref(), source, host: Some(host) }
}

/// Whether these are that host and no others: its word counts for itself alone.
pub fn is_there_alone(hosts: &BTreeSet<HostName>, host: &HostName) -> bool {
    hosts.len() == 1 && hosts.contains(host)
}

impl Site {
    /// The person whom a host knows by this name, with no rights but their own affairs. `reviews` says whether the host
    /// is sure that it is really them.
    pub(super) fn on_host(
        &self,
        login: &Login,
        source: Option<IpAddr>,
        reviews: Result<(), String>,
    ) -> Result<Caller, DeskError> {
        let world = self.policies.world();
        let human = world.people.of_login(login).ok_or_else(|| {
            DeskError::Forbidden(format!(
                "the hub knows nobody by the login name {login}: whoever keeps the policy can name them in people.toml"
            ))
        })?;
        Ok(Caller {
            person: human.person.clone(),
            login: login.clone(),
            names: human.names.clone(),
            source,
            roles: Roles::default(),
            channel: Channel::Host,
            reviews,
        })
    }

    /// What somebody on a host looks at or does by its word; the answer as JSON.
    pub(super) fn host_calls(
        &self,
        host: &HostName,
        call: &HostCall,
        path: &str,
        body: &[u8],
    ) -> Result<serde_json::Value, DeskError> {
        let done = || self.done_on(host, call, path, body);
        match &call.what {
            HostDoes::Requests { .. }
            | HostDoes::Request { .. }
            | HostDoes::Grant { .. }
            | HostDoes::Offer(_) => done(),
            HostDoes::Cancel { .. }
            | HostDoes::Release { .. }
            | HostDoes::Extend { .. }
            | HostDoes::Review { .. } => self.recorded(host, body, done, |_| true),
        }
    }

    fn done_on(
        &self,
        host: &HostName,
        call: &HostCall,
        path: &str,
        body: &[u8],
    ) -> Result<serde_json::Value, DeskError> {
        let HostCall { login, source, key, what } = call;
        let key = Key::of(key, path, body);
        let reviews = match what {
            HostDoes::Review { .. } => Ok(()),
            _ => Err("a host's word is for this call alone".to_owned()),
        };
        let caller = &self.on_host(login, *source, reviews)?;
        let no = |what: &'static str, id: &str| DeskError::NotFound { what, id: id.to_owned() };
        let seen = |id: &str| {
            let view = self.desk.show_request(caller, id)?;
            if view.ask.hosts.contains(host) { Ok(view) } else { Err(no("request", id)) }
        };
        let about_it_alone = |hosts: &BTreeSet<HostName>| {
            if is_there_alone(hosts, host) {
                return Ok(());
            }
            Err(DeskError::Forbidden(format!(
                "it is about other hosts than {host} too, whose word counts for itself alone: do this at the hub, after `jit login`"
            )))
        };
        let of_grant = |id: &str| {
            let view = self.desk.show_grant(caller, id)?;
            if view.grant.hosts.contains(host) { Ok(view) } else { Err(no("grant", id)) }
        };
        match what {
            HostDoes::Requests { which } => {
                let mut views = self.desk.requests(caller, *which, desk::limits::LIST)?;
                views.retain(|view: &RequestView| view.ask.hosts.contains(host));
                json(&views)
            }
            HostDoes::Request { id } => json(&seen(id)?),
            HostDoes::Cancel { id } => {
                about_it_alone(&seen(id)?.ask.hosts)?;
                json(&self.desk.cancel(caller, id, &key)?)
            }
            HostDoes::Grant { id } => json(&of_grant(id)?),
            HostDoes::Release { id, body } => {
                about_it_alone(&(&of_grant(id)?.grant.hosts).into())?;
                json(&self.desk.end_grant(caller, id, access::EndedHow::Released, body, &key)?)
            }
            HostDoes::Extend { id, body } => {
                about_it_alone(&(&of_grant(id)?.grant.hosts).into())?;
                json(&self.desk.extend(caller, id, body, &key)?)
            }
            HostDoes::Review { .. } if !self.reviews_on_hosts => Err(DeskError::Forbidden(
                "reviews count that are given at the hub, after `jit login`: those on hosts do where hub.toml says \
                 on_hosts = true in [approvals]"
                    .to_owned(),
            )),
            HostDoes::Review { id, body } => {
                about_it_alone(&seen(id)?.ask.hosts)?;
                json(&self.desk.review(caller, id, body, &key)?)
            }
            HostDoes::Offer(knocks) => {
                let offer = self.desk.offer(knock(host, login, *source, knocks), knocks.reason.clone())?;
                json(&match offer {
                    AtThePrompt::Ask { length, ticket } => HostOffer::Ask { length, ticket },
                    AtThePrompt::Wait(request) => HostOffer::Wait(request),
                    AtThePrompt::Nothing => HostOffer::Nothing,
                })
            }
        }
    }
}

fn json(value: &impl Serialize) -> Result<serde_json::Value, DeskError> {
    serde_json::to_value(value).map_err(|why| DeskError::Store(why.to_string()))
}
