//! What somebody might ask for: an ask that nobody made, to see what would become of it.

use crate::request::{Ask, Channel, Kind};
use crate::world::World;
use access::{HostName, Login, Now, RequestId, Service, Span, Text};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What somebody might ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Who, by a login name.
    pub user: Login,
    /// Where.
    pub hosts: BTreeSet<HostName>,
    /// What for.
    pub services: BTreeSet<Service>,
    /// As whom.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub run_as: Option<Login>,
    /// For how long; the rule's default if left out.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Span>,
}

impl Wish {
    /// This as an ask at `now`; nothing, if nobody has that login name.
    pub fn ask(&self, world: &World, now: Now) -> Option<Ask> {
        let human = world.people.of_login(&self.user)?;
        let mut ask = Ask {
            id: RequestId::from_random(0),
            kind: Kind::Access,
            asked_by: human.person.clone(),
            person: human.person.clone(),
            names: human.names.clone(),
            hosts: self.hosts.clone(),
            labels: BTreeMap::new(),
            follows: false,
            before: None,
            services: self.services.clone(),
            run_as: self.run_as.clone(),
            length: self.length.unwrap_or(Span::SHORTEST),
            starts: None,
            reason: Text::parse("a wish").ok()?,
            ticket: None,
            source: None,
            channel: Channel::Policy,
            asked_at: now.trusted,
        };
        if let (None, Ok(rule)) = (self.length, world.rule(&ask, now)) {
            ask.length = rule.default;
        }
        Some(ask)
    }
}
