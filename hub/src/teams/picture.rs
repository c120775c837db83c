//! One request as everybody sees it who is told of it: what a card shows that several look at.

use super::rows::Account;
use crate::inbox;
use crate::outbox::Truth;
use crate::site::Site;
use access::{Person, RequestId, Time};
use api::{GrantView, RequestView, Used};
use desk::DeskError;
use std::collections::BTreeSet;
use workflow::policy::ChatWeight;
use workflow::{Request, Rule};

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
    let truth = match Truth::of(site, id) {
        Ok(truth) => truth,
        Err(DeskError::NotFound { .. }) => return Ok(None),
        Err(why) => return Err(why),
    };
    let used = match &truth.grant {
        Some(view) => site.ledger.read(|sql| inbox::uses::used(sql, &view.grant))?,
        None => Used::default(),
    };
    Ok(Some(Picture::of(truth.request, truth.grant, truth.rule.as_ref(), used, truth.now)))
}
