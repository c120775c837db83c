//! Changes of requests, one after the other, for programs.

use crate::limits;
use crate::news::news;
use access::{RequestId, Time};
use api::RequestView;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One change, as one line of JSON.
#[derive(Debug, PartialEq, Serialize)]
pub struct Line<'a> {
    /// `waiting` for what waits already at the start, else the change as the journal names it.
    pub change: &'static str,
    /// The request afterwards.
    pub request: &'a RequestView,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Follow {
    /// Requests that something can still happen to.
    open: BTreeMap<RequestId, RequestView>,
    /// The newest ones that were over when they were seen.
    over: BTreeSet<RequestId>,
    /// What was asked before this is no news.
    since: Option<Time>,
}

impl Follow {
    /// What changed with these two lists, the second one looked up later: those that wait, and the newest of
    /// all. Also the requests that were open and are in neither, whose end has to be looked up.
    pub fn listed(
        &mut self,
        waiting: Vec<RequestView>,
        newest: Vec<RequestView>,
    ) -> (Vec<(&'static str, RequestView)>, Vec<RequestId>) {
        let first = self.since.is_none();
        let full = newest.len() >= limits::NEWEST as usize;
        let oldest = newest.iter().map(|request| request.ask.asked_at).min();
        let begin = newest.iter().map(|request| request.ask.asked_at).max().unwrap_or(Time::UNIX_EPOCH);
        let since = *self.since.get_or_insert(begin);
        let all: BTreeMap<RequestId, RequestView> =
            waiting.into_iter().chain(newest).map(|request| (request.ask.id, request)).collect();
        let gone = self.open.keys().filter(|id| !all.contains_key(id)).copied();
        let gone = gone.take(limits::NEWEST as usize).collect();
        let mut all: Vec<RequestView> = all.into_values().collect();
        all.sort_by_key(|request| (request.ask.asked_at, request.ask.id));
        let (mut told, mut over) = (Vec::new(), BTreeSet::new());
        for request in all {
            let (id, open) = (request.ask.id, is_open(&request));
            let before = self.open.remove(&id);
            let new = !self.over.contains(&id) && request.ask.asked_at >= since;
            if first && open {
                told.push(("waiting", request.clone()));
            } else if !first && (before.is_some() || new) {
                let changes = news(before.as_ref(), &request);
                told.extend(changes.into_iter().map(|change| (change.code(), request.clone())));
            }
            if open {
                self.open.insert(id, request);
            } else {
                over.insert(id);
            }
        }
        self.over = over;
        if let (true, Some(oldest)) = (full, oldest) {
            // What is not among the newest any more could come back to them without being new.
            self.since = self.since.max(Some(oldest));
        }
        (told, gone)
    }

    /// What became of a request that waits no more; nothing where it cannot be seen any more.
    pub fn looked(&mut self, id: RequestId, after: Option<RequestView>) -> Vec<(&'static str, RequestView)> {
        let before = self.open.remove(&id);
        self.over.insert(id);
        let Some(after) = after else { return Vec::new() };
        news(before.as_ref(), &after).into_iter().map(|change| (change.code(), after.clone())).collect()
    }
}

/// Whether something can still happen to it.
fn is_open(request: &RequestView) -> bool {
    let unseen = request.afterwards.as_ref().is_some_and(|glass| glass.review.is_none());
    request.state.is_pending() || unseen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{access, at, broken_glass, grant_id, person};
    use workflow::{Decider, RequestState};

    fn codes(told: &[(&'static str, RequestView)]) -> Vec<String> {
        told.iter().map(|(code, request)| format!("{code} {}", request.ask.reason)).collect()
    }

    fn named(reason: &str, n: u64) -> RequestView {
        let mut request = access();
        request.ask.id = RequestId::from_random(n);
        request.ask.asked_at = at(i64::try_from(n).unwrap());
        request.ask.reason = crate::sample::text(reason);
        request
    }

    fn approved(mut request: RequestView) -> RequestView {
        let by = Decider::People(vec![person("bob")]);
        request.state = RequestState::Approved { at: at(9), grant: grant_id(), by };
        request
    }

    #[test]
    fn what_waits_at_the_start_is_told_and_what_is_over_is_not() {
        let (old, waits) = (approved(named("old", 1)), named("waits", 2));
        let mut follow = Follow::default();
        let (told, gone) = follow.listed(vec![waits.clone()], vec![waits.clone(), old.clone()]);
        assert_eq!((codes(&told), gone), (vec!["waiting waits".to_owned()], vec![]));
        let (told, _) = follow.listed(vec![waits.clone()], vec![waits, old]);
        assert_eq!(codes(&told), [""; 0], "and each thing once");
    }

    #[test]
    fn a_new_request_and_its_end_are_told_also_when_both_came_within_one_look() {
        let mut follow = Follow::default();
        follow.listed(Vec::new(), Vec::new());
        let (one, two) = (named("one", 1), approved(named("two", 2)));
        let (told, _) = follow.listed(vec![one.clone()], vec![two.clone(), one.clone()]);
        assert_eq!(codes(&told), ["requested one", "requested two", "approved two"]);
        let (told, gone) = follow.listed(Vec::new(), vec![two, approved(one)]);
        assert_eq!((codes(&told), gone), (vec!["approved one".to_owned()], vec![]));
    }

    #[test]
    fn a_request_that_comes_in_between_the_two_lists_is_told_once_and_with_its_end() {
        let mut follow = Follow::default();
        follow.listed(Vec::new(), Vec::new());
        let one = named("one", 1);
        let (told, _) = follow.listed(Vec::new(), vec![one.clone()]);
        assert_eq!(codes(&told), ["requested one"]);
        let (told, _) = follow.listed(vec![one.clone()], vec![approved(one)]);
        assert_eq!(codes(&told), ["approved one"]);
    }

    #[test]
    fn an_end_in_neither_list_is_looked_up() {
        let mut follow = Follow::default();
        let one = named("one", 1);
        follow.listed(vec![one.clone()], Vec::new());
        let (told, gone) = follow.listed(Vec::new(), Vec::new());
        assert_eq!((codes(&told), gone), (vec![], vec![one.ask.id]));
        assert_eq!(codes(&follow.looked(one.ask.id, Some(approved(one.clone())))), ["approved one"]);
        assert_eq!(follow.listed(Vec::new(), Vec::new()).1, [], "once");
        follow.listed(vec![one.clone()], Vec::new());
        assert_eq!(codes(&follow.looked(one.ask.id, None)), [""; 0]);
    }

    #[test]
    fn an_old_request_that_comes_into_sight_is_no_news() {
        let newest = |from: u64| (from..from + 50).rev().map(|n| approved(named("x", n))).collect::<Vec<_>>();
        let mut follow = Follow::default();
        follow.listed(Vec::new(), newest(1));
        assert_eq!(follow.listed(Vec::new(), newest(41)).0.len(), 2 * 40);
        assert_eq!(follow.listed(Vec::new(), newest(11)).0, [], "seen before, or older than what was");
    }

    #[test]
    fn a_break_glass_stays_in_sight_until_somebody_looked_at_it() {
        let mut follow = Follow::default();
        follow.listed(Vec::new(), Vec::new());
        let glass = broken_glass();
        let (told, _) = follow.listed(vec![glass.clone()], vec![glass.clone()]);
        assert_eq!(codes(&told), ["requested the site is down", "break_glass the site is down"]);
        let mut seen = glass;
        if let Some(glass) = &mut seen.afterwards {
            glass.review = Some(crate::sample::review("bob", true, None));
        }
        assert_eq!(codes(&follow.listed(Vec::new(), vec![seen]).0), ["looked_at the site is down"]);
    }
}
