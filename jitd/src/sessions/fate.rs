//! Whether a session goes on.

use access::{Claim, Ended, EndedHow, Grant, Now, Person, Text, Time};
use api::{EndCause, Session};

/// What becomes of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing ends it: no grant carries it, or the PAM line only watches.
    Free,
    /// It goes on until its grant ends.
    Until(Time),
    /// It should be over.
    Over(Over),
}

/// Why, since when and by whom a session should be over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// Why.
    pub cause: EndCause,
    /// Since when.
    pub since: Time,
    /// Who brought it about, if somebody did.
    pub by: Option<Person>,
    /// In their words.
    pub why: Option<Text>,
}

/// What becomes of `session` at `now`, carried by `grant` with the first use `claim`.
///
/// What is known of the hub is good enough for its service until `fresh`, where that matters.
pub fn fate(
    session: &Session,
    grant: Option<&Grant>,
    claim: Option<Claim>,
    fresh: Option<Time>,
    now: Now,
) -> Fate {
    if let Some(end) = &session.end {
        let (by, why) = (Some(end.by.clone()), Some(end.reason.clone()));
        return Fate::Over(Over { cause: EndCause::Asked, since: end.at, by, why });
    }
    if session.grant.is_none() || session.monitored {
        return Fate::Free;
    }
    let by_itself = |cause, since| Fate::Over(Over { cause, since, by: None, why: None });
    let Some(grant) = grant else {
        return by_itself(EndCause::GrantLost, now.trusted);
    };
    if let Some(Ended { how, at, by, reason }) = &grant.ended {
        let cause = match how {
            EndedHow::Revoked => EndCause::Revoked,
            EndedHow::Released => EndCause::Released,
        };
        return Fate::Over(Over { cause, since: *at, by: by.clone(), why: reason.clone() });
    }
    let ends = grant.ends(claim);
    match fresh {
        _ if now.latest >= ends => by_itself(EndCause::Expired, ends),
        Some(fresh) if now.trusted >= fresh => by_itself(EndCause::Stale, fresh),
        _ => Fate::Until(ends),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::sample::{grant, session};
    use chrono::TimeDelta;

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn over(fate: Fate) -> (EndCause, Time) {
        match fate {
            Fate::Over(over) => (over.cause, over.since),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_goes_on_to_the_last_instant_of_its_grant() {
        let (session, grant) = (session(1), grant(100));
        let fate = |now| fate(&session, Some(&grant), None, None, now);
        assert_eq!(fate(Now::exactly(at(99))), Fate::Until(at(100)));
        assert_eq!(over(fate(Now::exactly(at(100)))), (EndCause::Expired, at(100)));
        // As for a decision, the end is judged by the latest that it could be.
        let ahead = Now { trusted: at(5), latest: at(107), provisional: false };
        assert_eq!(over(fate(ahead)), (EndCause::Expired, at(100)));
    }

    #[test]
    fn a_session_ends_when_the_hub_was_not_heard_for_too_long_and_its_own_end_goes_first() {
        let (session, grant) = (session(1), grant(100));
        let fate = |fresh, now| fate(&session, Some(&grant), None, Some(at(fresh)), Now::exactly(at(now)));
        assert_eq!(fate(50, 49), Fate::Until(at(100)));
        assert_eq!(over(fate(50, 50)), (EndCause::Stale, at(50)));
        assert_eq!(over(fate(50, 100)), (EndCause::Expired, at(100)));
    }

    #[test]
    fn a_first_use_moves_the_end_and_an_extension_moves_it_again() {
        let session = session(1);
        let claim = Claim { started: at(0), ends: at(50) };
        let moved = Claim { started: at(0), ends: at(80) };
        let fate = |claim| fate(&session, Some(&grant(100)), Some(claim), None, Now::exactly(at(60)));
        // The window of this grant is by approval, so a claim changes nothing.
        assert_eq!(fate(claim), Fate::Until(at(100)));
        let mut by_use = grant(100);
        by_use.window = access::Window::FirstUse {
            not_before: at(0),
            claim_by: at(50),
            length: access::Span::seconds(50).unwrap(),
            latest_end: at(100),
        };
        let fate = |claim| super::fate(&session, Some(&by_use), Some(claim), None, Now::exactly(at(60)));
        assert_eq!(over(fate(claim)), (EndCause::Expired, at(50)));
        assert_eq!(fate(moved), Fate::Until(at(80)));
    }

    #[test]
    fn an_early_end_says_who_and_why() {
        let why = Text::parse("left the team").unwrap();
        let by = Person::parse("bob").unwrap();
        for (how, cause) in [(EndedHow::Revoked, EndCause::Revoked), (EndedHow::Released, EndCause::Released)]
        {
            let mut grant = grant(100);
            grant.ended = Some(Ended { how, at: at(7), by: Some(by.clone()), reason: Some(why.clone()) });
            let fate = fate(&session(1), Some(&grant), None, None, Now::exactly(at(8)));
            let over = Over { cause, since: at(7), by: Some(by.clone()), why: Some(why.clone()) };
            assert_eq!(fate, Fate::Over(over));
        }
    }

    #[test]
    fn what_no_grant_carries_and_what_is_only_watched_never_ends_by_itself() {
        let mut approver = session(1);
        approver.grant = None;
        let mut watched = session(1);
        watched.monitored = true;
        for session in [approver, watched] {
            assert_eq!(fate(&session, Some(&grant(0)), None, None, Now::exactly(at(9))), Fate::Free);
            let mut asked = session;
            let (by, reason) = (Person::parse("bob").unwrap(), Text::parse("now").unwrap());
            asked.end = Some(api::EndAsked { by, at: at(3), reason });
            let fate = fate(&asked, Some(&grant(100)), None, None, Now::exactly(at(9)));
            assert_eq!(over(fate), (EndCause::Asked, at(3)));
        }
    }

    #[test]
    fn a_grant_that_is_gone_carries_nothing() {
        assert_eq!(
            over(fate(&session(1), None, None, None, Now::exactly(at(9)))),
            (EndCause::GrantLost, at(9))
        );
    }
}
