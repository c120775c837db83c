//! What happened to a request between two looks at it.

use crate::words;
use access::Person;
use api::RequestView;
use workflow::{Change, Kind, RequestState};

/// What happened since `before`, oldest first; to a request that is new, where there is no `before`.
pub fn news(before: Option<&RequestView>, after: &RequestView) -> Vec<Change> {
    let mut news = Vec::new();
    if before.is_none() {
        news.push(Change::Requested);
        if after.ask.kind == Kind::BreakGlass {
            news.push(Change::BreakGlass);
        }
    }
    if before.is_some_and(|before| before.rule != after.rule) {
        news.push(Change::Rechecked);
    }
    if after.state.is_pending() {
        let known = before.map_or(0, |before| before.reviews.len());
        news.extend(after.reviews.iter().skip(known).map(|_| Change::Reviewed));
        if before.is_some_and(|before| before.escalates.is_some() && before.escalates != after.escalates)
            && !newcomers(before, after).is_empty()
        {
            news.push(Change::Escalated);
        }
    }
    let waited = before.is_none_or(|before| before.state.is_pending());
    match (&after.state, after.ask.kind) {
        _ if !waited => {}
        // Whoever breaks glass approves it by that.
        (RequestState::Pending { .. }, _) | (RequestState::Approved { .. }, Kind::BreakGlass) => {}
        (RequestState::Approved { .. }, Kind::Extend { .. }) => news.push(Change::Extended),
        (RequestState::Approved { .. }, _) => news.push(Change::Approved),
        (RequestState::Denied { .. }, _) => news.push(Change::Denied),
        (RequestState::Cancelled { .. }, _) => news.push(Change::Cancelled),
        (RequestState::Expired { .. }, _) => news.push(Change::Lapsed),
    }
    let was = before.and_then(|before| before.afterwards.as_ref());
    if let Some(glass) = &after.afterwards {
        if glass.overdue && !was.is_some_and(|was| was.overdue) {
            news.push(Change::Overdue);
        }
        if glass.review.is_some() && was.is_none_or(|was| was.review.is_none()) {
            news.push(Change::LookedAt);
        }
    }
    news
}

/// Who can approve it now and could not before.
fn newcomers(before: Option<&RequestView>, after: &RequestView) -> Vec<Person> {
    let could = |person: &Person| before.is_some_and(|before| before.could_approve.contains(person));
    after.could_approve.iter().filter(|person| !could(person)).cloned().collect()
}

/// One piece of news in words, without the request's id.
pub fn sentence(change: Change, before: Option<&RequestView>, after: &RequestView) -> String {
    let person = &after.ask.person;
    let by = match &after.state {
        RequestState::Approved { by, .. } | RequestState::Denied { by, .. } => by.to_string(),
        RequestState::Cancelled { by, .. } => by.to_string(),
        RequestState::Pending { .. } | RequestState::Expired { .. } => String::new(),
    };
    match change {
        Change::Requested => format!("{person} asks for {}: {}", words::asks(after), after.ask.reason),
        Change::BreakGlass => format!("{person} broke glass: {}", after.ask.reason),
        Change::Rechecked => format!("the policy changed: rule {} covers it now", after.rule),
        Change::Escalated => {
            let others = words::all_of(&newcomers(before, after));
            format!("nobody decided for a while, so {others} can approve it too now")
        }
        Change::Reviewed => {
            let counted = words::counted(after).map(|counted| format!("{counted}: ")).unwrap_or_default();
            let last = after.reviews.last().map(words::said).unwrap_or_default();
            format!("{counted}{last}")
        }
        Change::Approved | Change::Extended => format!("approved by {by}"),
        Change::Denied => match &after.state {
            RequestState::Denied { comment: Some(comment), .. } => format!("denied by {by}: {comment}"),
            _ => format!("denied by {by}"),
        },
        Change::Cancelled => format!("taken back by {by}"),
        Change::Lapsed => "nobody decided in time".to_owned(),
        Change::Overdue => "nobody looked at it in time".to_owned(),
        Change::LookedAt => {
            let by = after.afterwards.as_ref().and_then(|glass| glass.review.as_ref());
            by.map_or_else(String::new, |review| {
                format!("{} looked at it: {}", review.by, review.verdict.of_glass())
            })
        }
        // Of grants and policies: a look at a request never finds them.
        _ => change.code().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{access, agrees, at, broken_glass, person, review};
    use workflow::Decider;

    fn told(before: Option<&RequestView>, after: &RequestView) -> Vec<String> {
        let told = news(before, after);
        told.iter().map(|change| format!("{}: {}", change.code(), sentence(*change, before, after))).collect()
    }

    #[test]
    fn each_change_of_a_request_is_told_once_and_in_order() {
        let first = access();
        assert_eq!(
            told(None, &first),
            ["requested: alice asks for ssh,sudo as root on web-1 for 2h: the disk is full"]
        );
        assert_eq!(told(Some(&first), &first), [""; 0]);
        let mut second = first.clone();
        second.needs = 2;
        agrees(&mut second, "bob", Some("be quick"));
        assert_eq!(told(Some(&first), &second), ["reviewed: 1 of 2: bob approved: be quick"]);
        let mut third = second.clone();
        third.escalates = None;
        third.could_approve.push(person("dave"));
        assert_eq!(
            told(Some(&second), &third),
            ["escalated: nobody decided for a while, so dave can approve it too now"]
        );
        let mut fourth = third.clone();
        fourth.rule = "other".to_owned();
        let by = Decider::People(vec![person("bob"), person("carol"), person("dave")]);
        fourth.state = RequestState::Denied { at: at(60), by, comment: None };
        assert_eq!(
            told(Some(&third), &fourth),
            [
                "rechecked: the policy changed: rule other covers it now",
                "denied: denied by bob, carol and dave"
            ]
        );
    }

    #[test]
    fn a_request_that_was_decided_before_anybody_looked_is_told_with_its_end() {
        let mut request = access();
        request.state = RequestState::Cancelled { at: at(1), by: person("alice") };
        assert_eq!(told(None, &request)[1], "cancelled: taken back by alice");
        request.state = RequestState::Expired { at: at(1) };
        assert_eq!(told(None, &request)[1], "lapsed: nobody decided in time");
    }

    #[test]
    fn a_break_glass_is_told_when_it_is_broken_forgotten_and_looked_at() {
        let first = broken_glass();
        assert_eq!(told(None, &first)[1], "break_glass: alice broke glass: the site is down");
        let mut second = first.clone();
        if let Some(glass) = &mut second.afterwards {
            glass.overdue = true;
        }
        assert_eq!(told(Some(&first), &second), ["overdue: nobody looked at it in time"]);
        let mut third = second.clone();
        if let Some(glass) = &mut third.afterwards {
            glass.review = Some(review("bob", true, None));
        }
        assert_eq!(told(Some(&second), &third), ["looked_at: bob looked at it: it was in order"]);
    }
}
