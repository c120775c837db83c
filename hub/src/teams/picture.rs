//! One request as everybody sees it who is told of it: what a card shows that several look at.

use super::rows::Account;
use crate::inbox;
use crate::site::Site;
use access::{Login, Person, RequestId, Time};
use api::{GrantView, RequestView, Used};
use desk::{Caller, Clock as _, DeskError, Roles, Worlds as _};
use std::collections::BTreeSet;
use workflow::policy::ChatWeight;
use workflow::{Channel, Request, RequestState, Rule};

/// A request, what the rules say of it at this moment, and what came of it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The request.
    pub request: Request,
    /// How many people must approve; none where no rule covers it any more.
    pub needs: usize,
    /// Who could say something to it now.
    pub could: BTreeSet<Person>,
    /// What a click in a chat is worth to it.
    pub chat: ChatWeight,
    /// What it yielded.
    pub grant: Option<GrantView>,
    /// How hosts say that this was used.
    pub used: Used,
    /// When that is.
    pub now: Time,
}

impl Picture {
    /// What is to be seen of a request under the rule that covers it now, if one does.
    pub fn of(
        view: RequestView,
        grant: Option<GrantView>,
        rule: Option<&Rule>,
        used: Used,
        now: Time,
    ) -> Self {
        Self {
            needs: view.needs,
            could: view.could_approve.into_iter().collect(),
            chat: rule.map_or(ChatWeight::Notify, |rule| rule.chat),
            request: Request {
                ask: view.ask,
                rule: view.rule,
                state: view.state,
                reviews: view.reviews,
                escalated: None,
                escalates: view.escalates,
                afterwards: view.afterwards,
            },
            grant,
            used,
            now,
        }
    }

    /// Whether it waits for somebody's word.
    pub fn is_open(&self) -> bool {
        self.request.waits(self.now) || self.request.is_unseen()
    }

    /// Whether one more approval is enough.
    pub fn is_last(&self) -> bool {
        self.request.is_unseen() || self.request.approved_by().len() + 1 >= self.needs
    }

    /// Whether a click in a chat can approve it now.
    pub fn approves_in_chat(&self) -> bool {
        match self.chat {
            ChatWeight::Full => true,
            ChatWeight::FirstOfTwo => !self.is_last(),
            ChatWeight::Notify => false,
        }
    }

    /// Those of these accounts that can do something about it.
    pub fn viewers(&self, accounts: &[Account]) -> Vec<String> {
        let could = |account: &&Account| self.could.contains(&account.person);
        accounts.iter().filter(could).map(|account| account.chat.clone()).collect()
    }

    /// Whether a click in a chat can deny it.
    pub fn denies_in_chat(&self) -> bool {
        self.chat != ChatWeight::Notify
    }
}

/// The request as it is now, if there is one.
pub fn look(site: &Site, id: RequestId) -> Result<Option<Picture>, DeskError> {
    let reader = reader()?;
    let view = match site.desk.show_request(&reader, &id.to_string()) {
        Ok(view) => view,
        Err(DeskError::NotFound { .. }) => return Ok(None),
        Err(why) => return Err(why),
    };
    let grant = match &view.state {
        RequestState::Approved { grant, .. } => Some(site.desk.show_grant(&reader, &grant.to_string())?),
        _ => None,
    };
    let (world, now) = (site.policies.world(), site.clock.now());
    let rule = world.rule(&view.ask, now).ok();
    let used = match &grant {
        Some(view) => site.ledger.read(|sql| inbox::uses::used(sql, &view.grant))?,
        None => Used::default(),
    };
    Ok(Some(Picture::of(view, grant, rule.as_ref(), used, now.trusted)))
}

/// Somebody who sees everything and does nothing.
fn reader() -> Result<Caller, DeskError> {
    let wrong = |why: String| DeskError::Store(why);
    Ok(Caller {
        person: Person::parse("jit-hub").map_err(|why| wrong(why.to_string()))?,
        login: Login::parse("jit-hub").map_err(|why| wrong(why.to_string()))?,
        names: BTreeSet::new(),
        source: None,
        roles: Roles { auditor: true, ..Roles::default() },
        channel: Channel::Policy,
        reviews: Err("a card decides nothing".to_owned()),
    })
}
