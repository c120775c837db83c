//! Standing access of automation accounts: given by the policy, and taken back by it.

use crate::change::Change;
use crate::request::{Ask, Channel, Decider, Kind, Request, RequestState};
use crate::step::Stepped;
use access::{
    Ended, EndedHow, Grant, GrantId, HostName, Login, Person, RequestId, Service, Set, Span, Text, Time,
    Window,
};
use ipnet::IpNet;
use std::collections::BTreeMap;

/// The grant that an automation account should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingGrant {
    /// The rule.
    pub rule: String,
    /// SHA-256 of the policy in force, in hex.
    pub policy: String,
    /// The account.
    pub person: Person,
    /// Its login names.
    pub names: Set<Login>,
    /// Where.
    pub hosts: Set<HostName>,
    /// What for.
    pub services: Set<Service>,
    /// Whom it may become.
    pub run_as: Set<Login>,
    /// From where alone.
    pub source: Option<IpNet>,
    /// Who answers for it.
    pub owner: Person,
    /// Until when.
    pub until: Time,
    /// The same in words.
    pub reason: Text,
}

impl StandingGrant {
    /// Whether this grant is what the account should hold.
    pub fn is(&self, grant: &Grant) -> bool {
        self.is_but_for_hosts(grant) && grant.hosts == self.hosts
    }

    /// Whether it is, were it for these hosts.
    pub fn is_but_for_hosts(&self, grant: &Grant) -> bool {
        grant.rule == self.rule
            && grant.person == self.person
            && grant.names == self.names
            && grant.services == self.services
            && grant.run_as == self.run_as
            && grant.source == self.source
            && grant.window.latest_end() == self.until
    }

    /// Whether a person ended this grant, and nobody has written its rule anew since: then it is not to be
    /// given again. Hosts and login names come and go without the rule, so they do not count.
    pub fn was_taken_back(&self, grant: &Grant) -> bool {
        grant.ended.as_ref().is_some_and(|ended| ended.by.is_some())
            && grant.rule == self.rule
            && grant.person == self.person
            && grant.services == self.services
            && grant.run_as == self.run_as
            && grant.source == self.source
            && grant.window.latest_end() == self.until
    }

    /// The request that the policy makes and approves itself, with its grant.
    pub fn given(&self, id: RequestId, mint: GrantId, now: Time) -> Stepped {
        let seconds = u32::try_from((self.until - now).num_seconds()).unwrap_or(u32::MAX);
        let saw =
            vec![format!("{} answers for {} until {}", self.owner, self.person, self.until.date_naive())];
        let request = Request {
            ask: Ask {
                id,
                kind: Kind::Standing,
                asked_by: self.owner.clone(),
                person: self.person.clone(),
                names: (&self.names).into(),
                hosts: (&self.hosts).into(),
                labels: BTreeMap::new(),
                follows: false,
                before: None,
                services: (&self.services).into(),
                run_as: self.run_as.first().cloned(),
                length: Span::seconds(seconds).unwrap_or(Span::LONGEST),
                starts: None,
                reason: self.reason.clone(),
                ticket: None,
                source: None,
                channel: Channel::Policy,
                asked_at: now,
            },
            rule: self.rule.clone(),
            state: RequestState::Approved { at: now, grant: mint, by: Decider::Rule { saw } },
            reviews: Vec::new(),
            escalated: None,
            escalates: None,
            afterwards: None,
        };
        let grant = Grant {
            id: mint,
            version: 1,
            request: id,
            person: self.person.clone(),
            names: self.names.clone(),
            logins: self.names.clone(),
            hosts: self.hosts.clone(),
            services: self.services.clone(),
            run_as: self.run_as.clone(),
            window: Window::Approval { not_before: now, expires: self.until },
            source: self.source,
            sessions: None,
            approved_at: now,
            approved_by: Vec::new(),
            rule: self.rule.clone().into(),
            policy: self.policy.clone().into(),
            break_glass: false,
            extended: 0,
            ended: None,
        };
        Stepped { request, grant: Some(grant), changes: vec![Change::Approved] }
    }
}

/// The grant, for these hosts from now on.
pub fn moved(grant: &Grant, hosts: Set<HostName>) -> Grant {
    Grant { version: grant.version + 1, hosts, ..grant.clone() }
}

/// The grant, taken back by the policy itself.
pub fn taken_back(grant: &Grant, why: &str, now: Time) -> Grant {
    let ended = Ended { how: EndedHow::Revoked, at: now, by: None, reason: Text::parse(why).ok() };
    Grant { version: grant.version + 1, ended: Some(ended), ..grant.clone() }
}
