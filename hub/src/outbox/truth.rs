//! How things are with a request at this moment: what is sent is made of this, so that what comes late is not wrong.

use crate::chats::picture::Picture;
use crate::rows;
use crate::site::Site;
use access::{Login, Person, RequestId, Time};
use api::{GrantView, RequestView, Used};
use desk::{Caller, Clock as _, DeskError, Roles, Worlds as _};
use std::collections::BTreeSet;
use workflow::{Channel, RequestState, Rule, World};

/// A request with all that is around it.
pub struct Truth {
    /// The request, and who could decide it.
    pub request: RequestView,
    /// What came of it.
    pub grant: Option<GrantView>,
    /// The rule that covers it now, or did.
    pub rule: Option<Rule>,
    /// The policy, people and hosts of this moment.
    pub world: World,
    /// This moment.
    pub now: Time,
    /// Where people look at it, signed in.
    pub link: String,
}

impl Truth {
    /// As it is committed now.
    pub fn of(site: &Site, about: RequestId) -> Result<Self, DeskError> {
        let (reader, world, now) = (reader("jit-hub", true)?, site.policies.world(), site.clock.now());
        let request = site.desk.show_request(&reader, &about.to_string())?;
        let grant = match &request.state {
            RequestState::Approved { grant, .. } => Some(site.desk.show_grant(&reader, &grant.to_string())?),
            _ => None,
        };
        let rule = world
            .rule(&request.ask, now)
            .ok()
            .or_else(|| world.rule_named(&request.rule, &request.ask.person, now));
        let link = format!("{}/web/requests/{about}", site.url);
        Ok(Self { request, grant, rule, world, now: now.trusted, link })
    }

    /// Whether this person may see it at this moment.
    pub fn is_for(&self, site: &Site, person: &Person) -> Result<bool, DeskError> {
        let has_role = !site.ledger.read(|sql| rows::roles_of(sql, person))?.is_empty();
        let reader = reader(person.as_str(), has_role)?;
        match site.desk.show_request(&reader, &self.request.ask.id.to_string()) {
            Ok(_) => Ok(true),
            Err(DeskError::NotFound { .. }) => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// Who hears of it by the policy's `tell`.
    pub fn told(&self) -> BTreeSet<Person> {
        self.rule.as_ref().map(|rule| rule.tell.clone()).unwrap_or_default()
    }

    /// What a chat shows where it can be decided.
    pub fn picture(&self) -> Picture {
        let (request, grant) = (self.request.clone(), self.grant.clone());
        Picture::of(request, grant, self.rule.as_ref(), Used::default(), self.now)
    }

    /// Whether it still waits to be decided.
    pub fn is_pending(&self) -> bool {
        matches!(self.request.state, RequestState::Pending { until } if self.now < until)
    }

    /// Whether it still waits for somebody's word: to be decided, or looked at afterwards.
    pub fn waits(&self) -> bool {
        let afterwards = self.request.afterwards.as_ref();
        self.is_pending() || afterwards.is_some_and(|afterwards| afterwards.review.is_none())
    }

    /// Whether this person could say something to it now.
    pub fn is_decider(&self, person: &Person) -> bool {
        let said = self.request.reviews.iter().any(|review| review.by == *person);
        self.waits() && !said && self.request.could_approve.contains(person)
    }

    /// Whether this person asked for it or gets it.
    pub fn is_own(&self, person: &Person) -> bool {
        self.request.ask.asked_by == *person || self.request.ask.person == *person
    }
}

/// Somebody who does nothing, and sees everything or what this person may.
fn reader(person: &str, sees_all: bool) -> Result<Caller, DeskError> {
    let wrong = |why: String| DeskError::Store(why);
    Ok(Caller {
        person: Person::parse(person).map_err(|why| wrong(why.to_string()))?,
        login: Login::parse("jit-hub").map_err(|why| wrong(why.to_string()))?,
        names: BTreeSet::new(),
        source: None,
        roles: Roles { auditor: sees_all, ..Roles::default() },
        channel: Channel::Policy,
        reviews: Err("the outbox decides nothing".to_owned()),
    })
}
