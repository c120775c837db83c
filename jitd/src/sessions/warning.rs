//! When a person is warned that their session ends, and in which words.

use super::fate::Over;
use access::{HostName, Time, for_people};
use api::{EndCause, Session};
use chrono::{SecondsFormat, TimeDelta};

/// The warning that is due: how many of `before` (longest first) have been reached with `left` to go.
pub fn reached(before: &[TimeDelta], left: TimeDelta) -> usize {
    before.iter().filter(|before| left <= **before).count()
}

/// When the next one is due, counted from the end; none where all were reached.
pub fn next(before: &[TimeDelta], left: TimeDelta) -> Option<TimeDelta> {
    before.iter().copied().filter(|before| *before < left).max()
}

/// `jit: your ssh access to web-1 (grant G-…) ends in 10 minutes, …`
pub fn ends_soon(session: &Session, host: &HostName, ends: Time, now: Time) -> String {
    let grant = session.grant.map(|grant| format!(" by grant {grant}")).unwrap_or_default();
    format!(
        "jit: your {} access to {host}{grant} ends in {}, at {}. For more time: jit extend --for 30m --reason TEXT",
        session.service,
        for_people(rounded(ends - now)),
        ends.to_rfc3339_opts(SecondsFormat::Secs, true)
    )
}

/// A warning that is due at two minutes is shown some milliseconds later, and says two minutes.
fn rounded(left: TimeDelta) -> TimeDelta {
    left + TimeDelta::milliseconds(500)
}

/// What is shown while the session ends; nothing where the login around it says it.
pub fn ends_now(session: &Session, over: &Over) -> Option<String> {
    let grant = session.grant.map(|grant| format!("grant {grant}")).unwrap_or_default();
    let by = over.by.as_ref().map_or_else(|| "the policy".to_owned(), ToString::to_string);
    let why = over.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let ends = format!("Your {} session ends now.", session.service);
    Some(match over.cause {
        EndCause::Expired => format!("jit: {grant} is over. {ends}"),
        EndCause::Revoked => format!("jit: {grant} was revoked by {by}{why}. {ends}"),
        EndCause::Released => format!("jit: {grant} was released by {by}. {ends}"),
        EndCause::Asked => format!("jit: {by} ends your {} session{why}.", session.service),
        EndCause::GrantLost => format!("jit: {grant} is lost. {ends}"),
        EndCause::Stale => format!("jit: this host was cut off from its hub for too long. {ends}"),
        EndCause::LoginEnded => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::sample::session;
    use access::{Person, Text};

    #[test]
    fn each_warning_comes_once_the_time_left_is_its_own_or_less() {
        let before = [TimeDelta::minutes(10), TimeDelta::minutes(2)];
        for (left_s, count, next_s) in
            [(601, 0, Some(600)), (600, 1, Some(120)), (121, 1, Some(120)), (120, 2, None), (0, 2, None)]
        {
            let left = TimeDelta::seconds(left_s);
            assert_eq!(reached(&before, left), count, "{left_s}");
            assert_eq!(next(&before, left), next_s.map(TimeDelta::seconds), "{left_s}");
        }
        assert_eq!((reached(&[], TimeDelta::zero()), next(&[], TimeDelta::days(1))), (0, None));
    }

    /// Read aloud: what ends, when, and what to do.
    #[test]
    fn what_a_person_reads_on_their_terminal() {
        let host = HostName::parse("web-1").unwrap();
        let ends: Time = "2026-11-24T15:04:00Z".parse().unwrap();
        let now = ends - TimeDelta::seconds(599);
        assert_eq!(
            ends_soon(&session(1), &host, ends, now),
            "jit: your ssh access to web-1 by grant G-00000-00001 ends in 9 minutes, at 2026-11-24T15:04:00Z. \
             For more time: jit extend --for 30m --reason TEXT"
        );
        assert!(
            ends_soon(&session(1), &host, ends, ends - TimeDelta::milliseconds(119_990))
                .contains("2 minutes")
        );
        let by = Some(Person::parse("bob").unwrap());
        let why = Some(Text::parse("wrong host").unwrap());
        let said =
            |cause| ends_now(&session(1), &Over { cause, since: ends, by: by.clone(), why: why.clone() });
        for (cause, words) in [
            (EndCause::Expired, "jit: grant G-00000-00001 is over. Your ssh session ends now."),
            (
                EndCause::Revoked,
                "jit: grant G-00000-00001 was revoked by bob: wrong host. Your ssh session ends now.",
            ),
            (EndCause::Released, "jit: grant G-00000-00001 was released by bob. Your ssh session ends now."),
            (EndCause::Asked, "jit: bob ends your ssh session: wrong host."),
            (EndCause::GrantLost, "jit: grant G-00000-00001 is lost. Your ssh session ends now."),
            (
                EndCause::Stale,
                "jit: this host was cut off from its hub for too long. Your ssh session ends now.",
            ),
        ] {
            assert_eq!(said(cause).as_deref(), Some(words));
        }
        assert_eq!(said(EndCause::LoginEnded), None);
    }
}
