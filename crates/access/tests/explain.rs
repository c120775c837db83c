//! Every reason in words, as a person reads it.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{
    Decision, Ended, EndedHow, Grant, GrantId, HostName, Login, Person, Phase, Question, Reason, RequestId,
    Service, Span, Time, Window, explain,
};
use std::sync::Arc;

fn at(second: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn words(reason: Reason, change: impl FnOnce(&mut Grant), door: &str) -> String {
    let mut grant = Grant {
        id: GrantId::from_random(1),
        version: 1,
        request: RequestId::from_random(1),
        person: Person::parse("alice").unwrap(),
        names: [Login::parse("alice").unwrap()].into(),
        logins: [Login::parse("alice").unwrap()].into(),
        hosts: [HostName::parse("db-1").unwrap()].into(),
        services: [Service::parse("ssh").unwrap()].into(),
        run_as: [Login::parse("postgres").unwrap()].into(),
        window: Window::Approval { not_before: at(0), expires: at(3600) },
        source: None,
        sessions: Some(2),
        approved_at: at(0),
        approved_by: vec![Person::parse("bob").unwrap()],
        rule: "r".into(),
        policy: "p".into(),
        break_glass: false,
        extended: 0,
        ended: None,
    };
    change(&mut grant);
    let question = Question {
        subject: Login::parse("alice").unwrap(),
        service: Service::parse(door).unwrap(),
        target: None,
        phase: Phase::Account,
        address: None,
        inside: Vec::new(),
    };
    let ends = Some(grant.window.latest_end());
    let bare = matches!(reason, Reason::NoGrant | Reason::NotEnrolled | Reason::Approver | Reason::Exempt);
    let decision = Decision { reason, grant: (!bare).then(|| Arc::new(grant)), ends, claim: None };
    explain(&decision, &question, "web-1", at(4000))
}

#[test]
fn each_reason_says_what_was_wrong_in_one_clause() {
    let ended = |how| {
        move |grant: &mut Grant| {
            grant.ended =
                Some(Ended { how, at: at(3400), by: Some(Person::parse("bob").unwrap()), reason: None });
        }
    };
    let open = |grant: &mut Grant| {
        grant.window = Window::Approval { not_before: at(0), expires: at(7600) };
    };
    let length = Span::seconds(60).unwrap();
    let said = [
        words(Reason::NoGrant, |_| {}, "ssh"),
        words(Reason::Expired, |_| {}, "ssh"),
        words(Reason::Revoked, ended(EndedHow::Revoked), "ssh"),
        words(Reason::Released, ended(EndedHow::Released), "ssh"),
        words(
            Reason::Granted,
            |g| g.window = Window::Approval { not_before: at(0), expires: at(7600) },
            "ssh",
        ),
        words(
            Reason::BreakGlass,
            |g| g.window = Window::Approval { not_before: at(0), expires: at(4060) },
            "ssh",
        ),
        words(
            Reason::NotYetValid,
            |g| g.window = Window::Approval { not_before: at(4300), expires: at(7600) },
            "ssh",
        ),
        words(
            Reason::ClaimOver,
            |g| {
                g.window = Window::FirstUse { not_before: at(0), claim_by: at(9), length, latest_end: at(69) }
            },
            "ssh",
        ),
        words(Reason::WrongService, open, "sudo"),
        words(Reason::WrongHost, open, "ssh"),
        words(Reason::WrongRunAs, open, "sudo"),
        words(Reason::WrongRunAs, open, "ssh"),
        // One that is over is no news at another door.
        words(Reason::WrongService, |_| {}, "sudo"),
        words(Reason::WrongHost, ended(EndedHow::Revoked), "ssh"),
        words(Reason::WrongRunAs, ended(EndedHow::Released), "sudo"),
        words(Reason::WrongSource, |_| {}, "ssh"),
        words(Reason::TooManySessions, |_| {}, "ssh"),
        words(Reason::ClockUntrusted, |_| {}, "ssh"),
        words(Reason::Stale, |_| {}, "ssh"),
        words(Reason::NotEnrolled, |_| {}, "ssh"),
        words(Reason::Approver, |_| {}, "ssh"),
        words(Reason::Exempt, |_| {}, "sudo"),
        words(Reason::RateLimited, |_| {}, "sudo"),
    ];
    assert_eq!(said.join("\n"), include_str!("golden_words.txt").trim());
    for line in said {
        assert!(line.bytes().all(|c| (b' '..=b'~').contains(&c)) && !line.ends_with('.'), "{line}");
    }
}
