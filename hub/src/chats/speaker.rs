//! Who says something in a chat, and as whom they are believed there.

use super::rows::{self, Account};
use crate::site::Site;
use access::{Login, Person};
use desk::{Caller, DeskError, Roles, Worlds as _};
use workflow::Channel;

/// Somebody in a chat, as what brought their words says.
pub struct Speaker<'a> {
    /// What they link is linked there, and believed there.
    pub tenant: &'a str,
    /// Where else accounts are linked that are believed here, and before those of here.
    pub believed: Option<&'a str>,
    /// Their account; empty: none that can be somebody's.
    pub account: &'a str,
    /// As the chat shows them.
    pub name: &'a str,
    /// What a bot calls them by.
    pub chat: &'a str,
    /// Which chat it is.
    pub channel: Channel,
    /// Why nothing that comes this way is a review, where nothing is.
    pub reviews: Result<(), String>,
}

impl Speaker<'_> {
    /// Whose account it is, if it is anybody's.
    pub fn whose(&self, site: &Site) -> Result<Option<Account>, DeskError> {
        if self.account.is_empty() {
            return Ok(None);
        }
        site.ledger.read(|sql| {
            for tenant in self.believed.into_iter().chain([self.tenant]) {
                if let Some(account) = rows::account_of(sql, tenant, self.account)? {
                    return Ok(Some(account));
                }
            }
            Ok(None)
        })
    }

    /// The person whose account said it, with the rights that they have by the policy alone.
    pub fn caller(&self, site: &Site, person: &Person) -> Result<Caller, DeskError> {
        let world = site.policies.world();
        let names = world.people.get(person).map(|human| human.names.clone()).unwrap_or_default();
        let login = match names.get(person.as_str()).or_else(|| names.first()) {
            Some(login) => login.clone(),
            None => Login::parse(person.as_str()).map_err(|why| DeskError::Store(why.to_string()))?,
        };
        Ok(Caller {
            person: person.clone(),
            login,
            names,
            source: None,
            roles: Roles::default(),
            channel: self.channel,
            reviews: self.reviews.clone(),
        })
    }

    /// The chat as people call it.
    pub const fn service(&self) -> &'static str {
        match self.channel {
            Channel::Slack => "Slack",
            _ => "Teams",
        }
    }
}
