//! Looking at requests, and answering them.

use crate::desk::{Said, facts, grant_view, is_of_use, mint_grant, no_request, put, sees, view, visible_in};
use crate::paging::{Page, look_through};
use crate::{Caller, Desk, DeskError, Ground, Key, RequestFilter, Store, limits};
use access::{GrantId, RequestId};
use api::{AskRequests, NewReview, NewVerdict, RequestView, Reviewed, Which};
use std::sync::Arc;
use workflow::{Event, Narrowing, Refusal, Request, RequestState, Review, ReviewVerdict, Step, step};

impl<S: Store> Desk<S> {
    /// Requests that the caller may see, newest first.
    pub fn requests(&self, caller: &Caller, which: Which, limit: u32) -> Result<Vec<RequestView>, DeskError> {
        let ask = AskRequests { which, limit: Some(limit), after: None };
        Ok(self.requests_page(caller, &ask)?.rows)
    }

    /// The same, and after which one the next page begins.
    pub fn requests_page(
        &self,
        caller: &Caller,
        ask: &AskRequests,
    ) -> Result<Page<RequestView, RequestId>, DeskError> {
        let filter = match ask.which {
            Which::Pending => RequestFilter::Waiting,
            Which::Mine => RequestFilter::Of(caller.person.clone()),
            Which::All => RequestFilter::All,
        };
        let limit = ask.limit.unwrap_or(limits::LIST).min(api::limits::PAGE) as usize;
        let (world, now) = (self.worlds.world(), self.clock.now());
        let say = world.say_of(&caller.person, now);
        let may_be_seen = |request: &Request| {
            // What was decided may be seen by whoever had a say about it then.
            let decided = !matches!(request.state, RequestState::Pending { .. });
            sees(caller, request, None) || say.is_some() && (decided || say.may_be_about(&request.ask))
        };
        let after = match ask.after {
            Some(id) => {
                let last = self.store.read(|store| store.request(id))?;
                Some((last.ok_or_else(|| no_request(&id.to_string()))?.ask.asked_at, id))
            }
            None => None,
        };
        look_through(
            limit,
            after,
            |after| self.store.read(|store| store.requests(&filter, after, limits::LIST)),
            |request| (request.ask.asked_at, request.ask.id),
            |request| may_be_seen(&request).then(|| visible_in(&world, now, &request, caller)).flatten(),
        )
    }

    /// One request.
    pub fn show_request(&self, caller: &Caller, id: &str) -> Result<RequestView, DeskError> {
        let request = self.find_request(id)?;
        let seen = visible_in(&self.worlds.world(), self.clock.now(), &request, caller);
        seen.ok_or_else(|| no_request(id))
    }

    /// The steps that a request must pass which its reader may see, by the rule that covers it now; none without a rule.
    pub fn steps_of(&self, view: &RequestView) -> Result<Vec<Step>, DeskError> {
        let request = self.find_request(&view.ask.id.to_string())?;
        let rule = self.worlds.world().rule_of(&request, self.clock.now()).ok();
        Ok(rule.map(|rule| rule.steps_of(&request)).unwrap_or_default())
    }

    /// An approver answers, or somebody looks at a break glass afterwards.
    pub fn review(
        &self,
        caller: &Caller,
        id: &str,
        new: &NewReview,
        key: &Key,
    ) -> Result<Reviewed, DeskError> {
        if let Err(why) = &caller.reviews {
            return Err(DeskError::NotThem("this review does not count", why.clone()));
        }
        self.grounded(|ground| self.review_on(ground, caller, id, new.clone(), key))
    }

    fn review_on(
        &self,
        ground: &Ground,
        caller: &Caller,
        id: &str,
        new: NewReview,
        key: &Key,
    ) -> Result<Reviewed, DeskError> {
        let found = self.find_request(id)?;
        let at = self.clock.now();
        if visible_in(&ground.world, at, &found, caller).is_none() {
            return Err(no_request(id));
        }
        let verdict = match new.verdict {
            NewVerdict::Approve => ReviewVerdict::Approve { narrowing: new.narrowing },
            NewVerdict::Deny if new.narrowing == Narrowing::default() => ReviewVerdict::Deny,
            NewVerdict::Deny => {
                return Err(DeskError::BadRequest(
                    "a denial has nothing to cut down: leave out the narrowing".into(),
                ));
            }
        };
        let is_wordless = new.verdict == NewVerdict::Deny && new.comment.is_none();
        let rule = ground.rule_of(&found, at);
        let review = Review {
            by: caller.person.clone(),
            verdict,
            comment: new.comment.clone(),
            channel: caller.channel,
            at: at.trusted,
            digest: new.digest,
        };
        let said = Said::by(caller, new.comment);
        let (id, reader, clock) = (found.ask.id, caller.clone(), Arc::clone(&self.clock));
        self.once_on(ground, caller, Some(key), move |store| {
            let request = store.request(id)?.ok_or_else(|| no_request(&id.to_string()))?;
            let rule = rule.as_ref().map_err(String::as_str);
            let now = review.at;
            let facts = facts(store, &request.ask, rule.ok(), now)?;
            let mint: GrantId = mint_grant(store)?;
            let event = Event::Review { review, names: reader.names.clone(), mint };
            let stepped = step(&request, rule, &facts, event, now)?;
            // Whose denial would not count need not say why.
            if is_wordless {
                return Err(Refusal::Senseless("a denial needs a reason: say why".to_owned()).into());
            }
            is_of_use(store, &stepped, at)?;
            put(store, &stepped, &said, now)?;
            let grant = match &stepped.grant {
                Some(grant) => Some(grant_view(grant, store, &*clock)?),
                None => None,
            };
            Ok(Reviewed { request: view(&stepped.request, rule.ok(), &reader), grant })
        })
    }
}
