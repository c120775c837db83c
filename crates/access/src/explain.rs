//! A decision in words, for the person at the door and for whoever asks why.

use crate::{Decision, Question, Reason, Time};
use chrono::{SecondsFormat, TimeDelta};

/// What was wrong, in one clause without a full stop: `your grant G-… for ssh ended 4 minutes ago`.
///
/// ASCII as long as names are, since keyboard-interactive logins garble anything else.
pub fn explain(decision: &Decision, question: &Question, host: &str, now: Time) -> String {
    let door = &question.service;
    let none = || format!("{} holds no grant for {door} on {host}", question.subject);
    let Some(grant) = &decision.grant else {
        return match decision.reason {
            Reason::NotEnrolled => format!("{host} is not enrolled yet"),
            Reason::Approver => "approvers may come in over ssh to approve".to_owned(),
            Reason::NoGrant => none(),
            other => format!("the answer is {other}"),
        };
    };
    let id = grant.id;
    let ends = decision.ends.unwrap_or_else(|| grant.window.latest_end());
    let over = grant.ended.is_some() || now >= ends;
    let list = |names: Vec<String>| names.join(", ");
    match decision.reason {
        Reason::Granted | Reason::BreakGlass => {
            format!("grant {id} covers {door} on {host} for another {}", for_people(ends - now))
        }
        Reason::Revoked | Reason::Released => {
            let (at, by) =
                grant.ended.as_ref().map_or((ends, String::new()), |e| (e.at, by_whom(e.by.as_ref())));
            format!("grant {id} was {}{by} {} ago", decision.reason, for_people(now - at))
        }
        Reason::Expired => format!("grant {id} for {door} ended {} ago", for_people(now - ends)),
        Reason::ClaimOver => {
            let claim_by = match &grant.window {
                crate::Window::FirstUse { claim_by, .. } => *claim_by,
                crate::Window::Approval { expires, .. } => *expires,
            };
            format!("grant {id} had to be used for the first time before {}", iso(claim_by))
        }
        Reason::NotYetValid => {
            let starts = grant.window.not_before();
            format!("grant {id} starts in {}, at {}", for_people(starts - now), iso(starts))
        }
        Reason::ClockUntrusted => format!(
            "grant {id} was approved to start later, and this host's clock is not confirmed since it started"
        ),
        Reason::WrongSource => format!("grant {id} is pinned to another client address"),
        Reason::TooManySessions => {
            let most = grant.sessions.unwrap_or(0);
            let plural = if most == 1 { "" } else { "s" };
            format!("grant {id} carries {most} session{plural} already, and no more at once")
        }
        // A grant that is over is no news to somebody at another door.
        Reason::WrongService | Reason::WrongHost | Reason::WrongRunAs if over => none(),
        Reason::WrongService => format!(
            "grant {id} is for {}, not for {door}",
            list(grant.services.iter().map(ToString::to_string).collect())
        ),
        Reason::WrongHost => format!("grant {id} is for other hosts, not for {host}"),
        Reason::WrongRunAs => {
            let names = if door.switches() { &grant.run_as } else { &grant.logins };
            format!("grant {id} is for {door} as {}", list(names.iter().map(ToString::to_string).collect()))
        }
        Reason::Stale => {
            format!("this host has not heard from its source for too long to trust grant {id}")
        }
        other => format!("grant {id}: {other}"),
    }
}

fn by_whom(by: Option<&crate::Person>) -> String {
    by.map_or_else(|| " by the policy".to_owned(), |person| format!(" by {person}"))
}

/// A length of time in the one or two units a person would say: `4 minutes`, `2 hours 5 minutes`.
pub fn for_people(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let say = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    let pair = |big: i64, unit: &str, small: i64, subunit: &str| {
        if small == 0 { say(big, unit) } else { format!("{} {}", say(big, unit), say(small, subunit)) }
    };
    match seconds {
        0..60 => say(seconds, "second"),
        60..3_600 => say(seconds / 60, "minute"),
        3_600..86_400 => pair(seconds / 3_600, "hour", seconds % 3_600 / 60, "minute"),
        _ => pair(seconds / 86_400, "day", seconds % 86_400 / 3_600, "hour"),
    }
}

fn iso(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_as_people_say_them() {
        for (seconds, said) in [
            (-5, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3_599, "59 minutes"),
            (3_600, "1 hour"),
            (7_500, "2 hours 5 minutes"),
            (86_400, "1 day"),
            (90_000, "1 day 1 hour"),
            (200_000, "2 days 7 hours"),
        ] {
            assert_eq!(for_people(TimeDelta::seconds(seconds)), said);
        }
    }
}
