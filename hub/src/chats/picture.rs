//! One request as everybody sees it who is told of it: what a card shows that several look at.

use super::limits;
use super::rows::Account;
use crate::inbox;
use crate::outbox::Truth;
use crate::site::Site;
use access::{Person, RequestId, Span, Time};
use api::{GrantView, RequestView, Used};
use desk::DeskError;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use workflow::policy::ChatWeight;
use workflow::{Request, Rule, hex};

/// A request, what the rules say of it at this moment, and what came of it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The request.
    pub request: Request,
    /// Whose approval counts now.
    pub agreed: Vec<Person>,
    /// How many people must approve, and how many of them did; none where no rule covers it any more.
    pub needs: usize,
    /// See [`Self::needs`].
    pub has: usize,
    /// Who could say something to it now.
    pub could: BTreeSet<Person>,
    /// When the clock would start, where that is not at the approval.
    pub clock: Option<String>,
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
            clock: view.clock(),
            agreed: view.agreed,
            needs: view.needs,
            has: view.has,
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
        self.request.is_unseen() || self.has + 1 >= self.needs
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

    /// Which state of it this is: another one is another word.
    pub fn revision(&self) -> String {
        let Request { ask, state, reviews, afterwards, .. } = &self.request;
        let grant = self.grant.as_ref().map(|view| (view.grant.version, view.state.code()));
        let seen = (ask.id, state, reviews, afterwards, grant, &self.clock);
        // Plain data always serialises; an empty text is only like itself.
        let seen = serde_json::to_vec(&seen).unwrap_or_default();
        hex(&Sha256::digest(seen)).chars().take(16).collect()
    }

    /// What a button carries, by its verb: which state of which request it was drawn for, and nothing that decides.
    pub fn carried(&self) -> impl Fn(&str) -> Value + use<> {
        let (id, revision, digest) =
            (self.request.ask.id.to_string(), self.revision(), workflow::digest(&self.request));
        move |verb| json!({"verb": verb, "request": id, "revision": revision, "digest": digest})
    }

    /// Lengths to choose from: what is left of what was asked, and shorter ones.
    pub fn lengths(&self) -> Vec<Span> {
        const SHORTER: [u32; 8] = [5 * 86_400, 86_400, 8 * 3600, 4 * 3600, 2 * 3600, 3600, 1800, 900];
        let left = self.request.scope().length;
        let shorter = SHORTER.into_iter().filter_map(Span::seconds).filter(|length| *length < left);
        std::iter::once(left).chain(shorter).take(limits::LENGTHS).collect()
    }

    /// What a length to choose is called: which of them is what was asked, or else all that reviews left of it.
    pub fn choice(&self, length: Span) -> String {
        match (length == self.request.ask.length, length == self.request.scope().length) {
            (true, _) => format!("{length}, as asked"),
            (_, true) => format!("{length}, what is left"),
            _ => length.to_string(),
        }
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
