//! Sentences about requests and grants.

use access::{GrantState, Person, Service, Span, Time, Window, for_people};
use api::{Door, GrantView, Heard, RequestView, Reviewed};
use chrono::{SecondsFormat, TimeDelta};
use workflow::{Afterwards, Channel, Kind, RequestState, Review, ReviewVerdict};

/// The command that asks for access: a hub is no host itself.
pub const fn how_to_ask(door: &Door) -> &'static str {
    match door {
        Door::Socket(_) => "jit request --reason TEXT",
        Door::Hub(_) => "jit request --host NAME --reason TEXT",
    }
}

/// Names with commas between.
pub fn list<'a, T: ToString + 'a>(names: impl IntoIterator<Item = &'a T>) -> String {
    names.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// `bob`, `bob and carol`, `bob, carol and dave`.
pub fn all_of(people: &[Person]) -> String {
    match people {
        [] => "nobody".to_owned(),
        [one] => one.to_string(),
        [some @ .., last] => {
            let some: Vec<_> = some.iter().map(Person::as_str).collect();
            format!("{} and {last}", some.join(", "))
        }
    }
}

/// An instant, and how far from now it is.
pub fn when(time: Time, now: Time) -> String {
    let stamp = stamp(time);
    let off = time - now;
    if off >= TimeDelta::zero() {
        format!("{stamp} (in {})", for_people(off))
    } else {
        format!("{stamp} ({} ago)", for_people(-off))
    }
}

/// How long ago, as a table says it.
pub fn since(time: Time, now: Time) -> String {
    format!("{} ago", countdown(now - time))
}

fn stamp(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What is left of a time that runs out, two units of it: `23m07s`.
pub fn countdown(left: TimeDelta) -> String {
    let seconds = left.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// `twice`, `5 times`.
fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

/// What a request asks for, in one clause: `ssh,sudo as root on web-1 for 1h`.
pub fn asks(request: &RequestView) -> String {
    let ask = &request.ask;
    let as_root = ask.services.iter().any(Service::switches).then_some("root");
    let run_as = ask.run_as.as_ref().map(access::Login::as_str).or(as_root);
    let run_as = run_as.map(|login| format!(" as {login}")).unwrap_or_default();
    let access = format!("{}{run_as} on {}", list(&ask.services), list(&ask.hosts));
    let starts = ask.starts.map(|at| format!(" from {}", stamp(at))).unwrap_or_default();
    match ask.kind {
        Kind::Access => format!("{access} for {}{starts}", ask.length),
        Kind::Extend { grant } => format!("{} more on {grant}: {access}", ask.length),
        Kind::BreakGlass => format!("break glass: {access} for {}", ask.length),
        Kind::Standing => format!("standing: {access}"),
    }
}

/// Where a request stands, as a table says it: `pending, 1 of 2`.
pub fn standing(request: &RequestView) -> String {
    let code = request.state.code();
    match (&request.state, &request.afterwards, counted(request)) {
        (RequestState::Pending { .. }, _, Some(counted)) => format!("{code}, {counted}"),
        (_, Some(Afterwards { review: None, overdue: false, .. }), _) => {
            format!("{code}, not looked at")
        }
        (_, Some(Afterwards { review: None, overdue: true, .. }), _) => format!("{code}, overdue"),
        _ => code.to_owned(),
    }
}

/// `1 of 2`: how many agreed of those who must, where it still takes several.
pub fn counted(request: &RequestView) -> Option<String> {
    (request.state.is_pending() && request.needs > 1).then(|| format!("{} of {}", request.has, request.needs))
}

/// Those whose answer a request still waits for.
pub fn awaited(request: &RequestView) -> Vec<Person> {
    request.could_approve.iter().filter(|person| !request.agreed.contains(person)).cloned().collect()
}

/// What one approver said: `approved by bob for at most 30m`.
fn verdict(review: &Review) -> String {
    match &review.verdict {
        ReviewVerdict::Deny => format!("denied by {}", review.by),
        ReviewVerdict::Approve { narrowing } => {
            format!("approved by {} {narrowing}", review.by).trim_end().to_owned()
        }
    }
}

/// The same, as a sentence about somebody: `bob approved for at most 30m: be quick`.
pub fn said(review: &Review) -> String {
    let words = match &review.verdict {
        ReviewVerdict::Deny => format!("{} denied", review.by),
        ReviewVerdict::Approve { narrowing } => {
            format!("{} approved {narrowing}", review.by).trim_end().to_owned()
        }
    };
    format!("{words}{}", comment(review))
}

fn comment(review: &Review) -> String {
    review.comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default()
}

/// How long it can be granted for at most, after the narrowings so far.
pub fn longest(request: &RequestView) -> Span {
    request.left.length.unwrap_or(request.ask.length)
}

/// All there is to know of a request, each with its name.
pub fn facts(request: &RequestView, now: Time) -> Vec<(&'static str, String)> {
    let ask = &request.ask;
    let by = if ask.asked_by == ask.person { String::new() } else { format!(" (asked by {})", ask.asked_by) };
    let mut facts = vec![("who", format!("{}{by}", ask.person)), ("what", asks(request))];
    facts.extend(ask.labels_in_words().map(|labels| ("labels", labels)));
    facts.extend(request.clock().map(|clock| ("clock", clock)));
    facts.push(("why", ask.reason.to_string()));
    facts.extend(ask.ticket.as_ref().map(|ticket| ("ticket", ticket.to_string())));
    let from = ask.source.map(|source| format!(" from {source}")).unwrap_or_default();
    let how = match ask.channel {
        Channel::Terminal => "",
        Channel::Login => ", by a login that was refused",
        Channel::Policy => ", by the policy",
        Channel::Token => ", by a token",
        Channel::Host => ", on a host, by its word",
        Channel::Web => ", in a browser",
        Channel::Teams => ", in Teams",
        Channel::Slack => ", in Slack",
        Channel::Webhook => ", by a webhook of Teams, by the word of who knows its key",
    };
    facts.push(("asked", format!("{}{from}{how}", when(ask.asked_at, now))));
    facts.push(("rule", request.rule.clone()));
    for review in &request.reviews {
        let words = format!("{}, {}{}", verdict(review), when(review.at, now), comment(review));
        facts.push(("review", words));
    }
    facts.extend(request.narrowed().map(|left| ("left", left.to_string())));
    match &request.state {
        RequestState::Pending { until } => {
            facts.extend(counted(request).map(|counted| ("agreed", counted)));
            facts.push(("waits", format!("until {}", when(*until, now))));
            facts.push(("approvers", workflow::who_can(&awaited(request))));
            let others = |at| ("escalates", format!("{}: others can approve it too", when(at, now)));
            facts.extend(request.escalates.map(others));
        }
        RequestState::Approved { at, grant, by } => {
            let by = match ask.kind {
                Kind::BreakGlass => format!("{}, who broke glass", ask.person),
                _ => by.to_string(),
            };
            facts.push(("decided", format!("{} by {by}", when(*at, now))));
            facts.push(("grant", grant.to_string()));
        }
        RequestState::Denied { at, by, .. } => {
            facts.push(("decided", format!("{} by {by}", when(*at, now))));
        }
        RequestState::Cancelled { at, by } => {
            facts.push(("ended", format!("{}, taken back by {by}", when(*at, now))));
        }
        RequestState::Expired { at } => {
            facts.push(("ended", format!("{}: nobody decided in time", when(*at, now))));
        }
    }
    facts.extend(request.afterwards.as_ref().map(|glass| ("afterwards", looked(request, glass, now))));
    facts
}

/// What a request that needed nobody gave at once; the first line says the most.
pub fn at_once(request: &RequestView, view: &GrantView, now: Time) -> String {
    let id = request.ask.id;
    let first = match (&request.state, &request.afterwards) {
        (_, Some(glass)) => {
            format!(
                "You broke glass with request {id}, and everyone concerned has been told. {}.",
                upper(&looked(request, glass, now))
            )
        }
        (RequestState::Approved { by, .. }, None) => {
            format!("Request {id} was approved by {by}.")
        }
        _ => format!("Request {id} is {}.", request.state.code()),
    };
    format!("{first}\n{}", grant(view, now))
}

fn upper(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// What becomes of a break glass afterwards.
fn looked(request: &RequestView, glass: &Afterwards, now: Time) -> String {
    let who = || workflow::some_of(&request.could_approve);
    match glass {
        Afterwards { review: Some(review), .. } => {
            let Review { by, verdict, at, .. } = review;
            format!("{by} looked at it: {}, {}{}", verdict.of_glass(), when(*at, now), comment(review))
        }
        Afterwards { .. } if request.could_approve.is_empty() => {
            "nobody can look at it: see `jit policy show`".to_owned()
        }
        Afterwards { due, overdue: false, .. } => {
            format!("{} should look at it until {}", who(), when(*due, now))
        }
        Afterwards { due, overdue: true, .. } => {
            format!("overdue: {} should have looked at it until {}", who(), when(*due, now))
        }
    }
}

/// A request in full.
pub fn request(request: &RequestView, now: Time) -> String {
    let id = request.ask.id;
    let mut lines = vec![format!("Request {id} is {}.", standing(request))];
    lines.extend(facts(request, now).into_iter().map(|(name, fact)| format!("  {name:<10} {fact}")));
    if request.yours_to_review {
        lines.push(format!("Next: jit approve {id}   or   jit deny {id} --comment TEXT"));
    }
    lines.join("\n")
}

/// What a review did; the first line says the most.
pub fn reviewed(reviewed: &Reviewed, now: Time) -> String {
    let request = &reviewed.request;
    let (id, person) = (request.ask.id, &request.ask.person);
    if let Some(Afterwards { review: Some(review), .. }) = &request.afterwards {
        let said = format!("{person} broke glass with request {id}: {}.", review.verdict.of_glass());
        return match (&review.verdict, &reviewed.grant) {
            (ReviewVerdict::Approve { .. }, _) => said,
            (ReviewVerdict::Deny, Some(grant)) => format!("{said} Grant {} is revoked.", grant.grant.id),
            (ReviewVerdict::Deny, None) => format!("{said} Its grant was over already."),
        };
    }
    match (&request.state, &reviewed.grant) {
        (RequestState::Denied { .. }, _) => format!("Denied request {id} of {person}."),
        (_, Some(grant)) => format!(
            "Approved: {} may use {} on {} until {ends}.\nGrant {id}. To take it back: jit revoke {id} --reason TEXT",
            grant.grant.person,
            list(&grant.grant.services),
            list(&grant.grant.hosts),
            id = grant.grant.id,
            ends = ends(grant, now),
        ),
        _ => {
            let counted = counted(request).map(|counted| format!(" as {counted}")).unwrap_or_default();
            let others = match awaited(request).as_slice() {
                [] => "more people".to_owned(),
                some => workflow::some_of(some),
            };
            format!("Counted{counted}: request {id} of {person} waits for {others}.")
        }
    }
}

/// When a grant ends, or what it waits for.
pub fn ends(view: &GrantView, now: Time) -> String {
    match (view.state, &view.grant.window) {
        (GrantState::Scheduled, window @ Window::Approval { .. }) => {
            format!("starts {}", when(window.not_before(), now))
        }
        (GrantState::Revoked | GrantState::Released, _) => {
            let at = view.grant.ended.as_ref().map_or(view.ends, |ended| ended.at);
            when(at, now)
        }
        _ => view.ends_in_words(now, |at| when(at, now)),
    }
}

/// What a grant gives, as a table says it: `ssh,sudo on web-1, extended twice`.
pub fn gives(view: &GrantView) -> String {
    let grant = &view.grant;
    let mut words = format!("{} on {}", list(&grant.services), list(&grant.hosts));
    if grant.extended > 0 {
        words.push_str(&format!(", extended {}", times(grant.extended)));
    }
    words
}

/// Who let a grant come about: `bob,carol`, `rule on-call`, `broke glass`.
pub fn approved_by(view: &GrantView) -> String {
    let grant = &view.grant;
    let by: Vec<_> = grant.approved_by.iter().map(Person::as_str).collect();
    match (grant.break_glass, by.is_empty()) {
        (true, true) => "broke glass".to_owned(),
        (true, false) => format!("broke glass; {}", by.join(",")),
        (false, true) => format!("rule {}", grant.rule),
        (false, false) => by.join(","),
    }
}

/// A grant in full.
pub fn grant(view: &GrantView, now: Time) -> String {
    let grant = &view.grant;
    let mut lines = vec![format!("Grant {} is {}.", grant.id, view.state.code())];
    let mut say = |name: &str, fact: String| lines.push(format!("  {name:<10} {fact}"));
    say("who", grant.person.to_string());
    say("what", format!("{} on {}", list(&grant.services), list(&grant.hosts)));
    if grant.logins != grant.names {
        say("login as", list(&grant.logins));
    }
    if !grant.run_as.is_empty() {
        say("run as", list(&grant.run_as));
    }
    if let Some(source) = &grant.source {
        say("from", format!("{source} alone"));
    }
    say("ends", ends(view, now));
    if grant.extended > 0 {
        say("extended", times(grant.extended));
    }
    let by = match (grant.break_glass, grant.approved_by.as_slice()) {
        (true, []) => format!("by nobody: {} broke glass", grant.person),
        (true, some) => format!("by {}, after {} broke glass", all_of(some), grant.person),
        (false, []) => format!("by rule {} itself", grant.rule),
        (false, some) => format!("by {}", all_of(some)),
    };
    say("approved", format!("{by}, {}", when(grant.approved_at, now)));
    say("request", format!("{} by rule {}", grant.request, grant.rule));
    let most = grant.sessions.map(|most| format!(" of {most} at once")).unwrap_or_default();
    let used = for_people(TimeDelta::seconds(i64::try_from(view.used.seconds).unwrap_or(0)));
    say("sessions", format!("{} open{most}, {} in all, used for {used}", view.sessions, view.used.sessions));
    if let Some(ended) = &grant.ended {
        let why = ended.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let by = ended.by.as_ref().map_or("the policy", Person::as_str);
        say("ended", format!("by {by}{why}"));
    }
    lines.join("\n")
}

/// How many hosts go by a grant as it is, and what of the others.
pub fn heard(heard: &Heard, now: Time) -> String {
    let Heard { confirmed, not_yet, removed, over } = heard;
    let all = confirmed.len() + not_yet.len();
    let hosts = if all == 1 { "1 host".to_owned() } else { format!("{all} hosts") };
    if not_yet.is_empty() {
        return format!("Confirmed by {} of {hosts}.", confirmed.len());
    }
    let others = not_yet.iter().map(|(host, seen)| match seen {
        _ if removed.contains(host) => format!("{host} (none of the hub's hosts now, so it hears nothing)"),
        Some(seen) => format!("{host} (heard of {})", when(*seen, now)),
        None => format!("{host} (never heard of)"),
    });
    format!(
        "Confirmed by {} of {hosts}, not yet by {}. In the worst case it is over there {}.",
        confirmed.len(),
        others.collect::<Vec<_>>().join(", "),
        when(*over, now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{access, agrees, at, broken_glass, grant_id, person, review, text};
    use access::{Ended, EndedHow, Grant, Login, RequestId};
    use workflow::Decider;

    fn names<T: std::str::FromStr<Err: std::fmt::Debug>, All: FromIterator<T>>(names: &[&str]) -> All {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn granted() -> GrantView {
        GrantView {
            grant: Grant {
                id: grant_id(),
                version: 1,
                request: RequestId::from_random(1),
                person: person("alice"),
                names: names(&["alice"]),
                logins: names(&["alice"]),
                hosts: names(&["web-1"]),
                services: names(&["ssh", "sudo"]),
                run_as: names(&["root"]),
                window: Window::Approval { not_before: at(0), expires: at(7_200) },
                source: None,
                sessions: None,
                approved_at: at(0),
                approved_by: vec![person("bob"), person("carol")],
                rule: "team".into(),
                policy: "00".into(),
                break_glass: false,
                extended: 0,
                ended: None,
            },
            state: GrantState::Active,
            ends: at(7_200),
            sessions: 1,
            used: api::Used { sessions: 3, seconds: 300 },
        }
    }

    #[test]
    fn a_grant_that_waits_for_its_first_use_says_until_when_and_that_no_host_has_told_of_one() {
        let mut view = granted();
        let length = access::Span::parse("1h").unwrap();
        view.state = GrantState::Unclaimed;
        view.ends = at(10_800);
        view.grant.window =
            Window::FirstUse { not_before: at(0), claim_by: at(7_200), length, latest_end: at(10_800) };
        assert!(ends(&view, at(60)).starts_with("1h from the first use, which must come by "));
        let said = ends(&view, at(7_200));
        assert!(said.ends_with(" at the latest, for no host has told of a first use"), "{said}");
    }

    #[test]
    fn a_request_that_waits_says_all_that_an_approver_must_know() {
        let mut one = access();
        one.ask.labels.insert("env".to_owned(), "prod".to_owned());
        one.ask.asked_by = person("erik");
        one.ask.channel = Channel::Login;
        one.needs = 2;
        let narrowing = workflow::Narrowing {
            length: Span::seconds(1_800),
            hosts: Some(names(&["web-1"])),
            services: Some(names(&["ssh"])),
        };
        let verdict = ReviewVerdict::Approve { narrowing: narrowing.clone() };
        agrees(&mut one, "bob", Some("be quick"));
        one.reviews[0].verdict = verdict;
        one.left = narrowing;
        assert_eq!(
            request(&one, at(60)),
            "Request R-7K2Q9-M4XTB is pending, 1 of 2.
  who        alice (asked by erik)
  what       ssh,sudo as root on web-1 for 2h
  labels     env=prod
  why        the disk is full
  ticket     OPS-12
  asked      2026-11-24T14:00:00Z (1 minute ago) from 203.0.113.5, by a login that was refused
  rule       team
  review     approved by bob for at most 30m, on web-1 alone, for ssh alone, 2026-11-24T14:00:30Z (30 seconds ago): be quick
  left       for at most 30m, for ssh alone
  agreed     1 of 2
  waits      until 2026-11-24T15:00:00Z (in 59 minutes)
  approvers  carol can approve it
  escalates  2026-11-24T14:30:00Z (in 29 minutes): others can approve it too
Next: jit approve R-7K2Q9-M4XTB   or   jit deny R-7K2Q9-M4XTB --comment TEXT"
        );
    }

    #[test]
    fn what_is_asked_reads_by_its_kind() {
        let mut one = access();
        for (kind, words) in [
            (Kind::Extend { grant: grant_id() }, "2h more on G-00000-00007: ssh,sudo as root on web-1"),
            (Kind::BreakGlass, "break glass: ssh,sudo as root on web-1 for 2h"),
            (Kind::Standing, "standing: ssh,sudo as root on web-1"),
            (Kind::Access, "ssh,sudo as root on web-1 for 2h"),
        ] {
            one.ask.kind = kind;
            assert_eq!(asks(&one), words);
        }
        one.ask.starts = Some(at(3_600));
        one.ask.run_as = Some(Login::parse("postgres").unwrap());
        assert_eq!(asks(&one), "ssh,sudo as postgres on web-1 for 2h from 2026-11-24T15:00:00Z");
    }

    #[test]
    fn every_end_of_a_request_says_who_and_why() {
        let saw = vec!["on call: alice".to_owned(), "1 of 5 per 7d used".to_owned()];
        let policy = Decider::Policy { why: "rule \"team\" is gone".to_owned() };
        for (state, last) in [
            (
                RequestState::Approved { at: at(9), grant: grant_id(), by: Decider::Rule { saw } },
                "  decided    2026-11-24T14:00:09Z (51 seconds ago) by the rule itself (on call: alice; 1 of 5 per 7d used)\n  grant      G-00000-00007",
            ),
            (
                RequestState::Denied { at: at(9), by: policy, comment: None },
                "  decided    2026-11-24T14:00:09Z (51 seconds ago) by the policy (rule \"team\" is gone)",
            ),
            (
                RequestState::Cancelled { at: at(9), by: person("alice") },
                "  ended      2026-11-24T14:00:09Z (51 seconds ago), taken back by alice",
            ),
            (
                RequestState::Expired { at: at(9) },
                "  ended      2026-11-24T14:00:09Z (51 seconds ago): nobody decided in time",
            ),
        ] {
            let mut one = access();
            one.yours_to_review = false;
            one.state = state;
            let words = request(&one, at(60));
            assert!(words.ends_with(last), "{words}");
        }
    }

    #[test]
    fn a_break_glass_says_what_becomes_of_it() {
        let mut one = broken_glass();
        let afterwards = |one: &RequestView| facts(one, at(60)).pop().unwrap().1;
        assert_eq!(standing(&one), "approved, not looked at");
        assert_eq!(
            afterwards(&one),
            "bob or carol should look at it until 2026-11-25T14:00:00Z (in 23 hours 59 minutes)"
        );
        one.afterwards = Some(Afterwards { due: at(0), overdue: true, review: None });
        assert_eq!(standing(&one), "approved, overdue");
        assert_eq!(
            afterwards(&one),
            "overdue: bob or carol should have looked at it until 2026-11-24T14:00:00Z (1 minute ago)"
        );
        for (yes, words) in [(true, "it was in order"), (false, "it was not in order")] {
            let review = Some(review("bob", yes, Some("seen")));
            one.afterwards = Some(Afterwards { due: at(0), overdue: true, review });
            assert_eq!(standing(&one), "approved");
            assert_eq!(
                afterwards(&one),
                format!("bob looked at it: {words}, 2026-11-24T14:00:30Z (30 seconds ago): seen")
            );
        }
    }

    #[test]
    fn a_review_is_answered_with_what_it_did() {
        let mut one = access();
        one.needs = 2;
        agrees(&mut one, "bob", None);
        let done = |request: &RequestView, grant: Option<GrantView>| {
            reviewed(&Reviewed { request: request.clone(), grant }, at(0))
        };
        assert_eq!(done(&one, None), "Counted as 1 of 2: request R-7K2Q9-M4XTB of alice waits for carol.");
        assert_eq!(
            done(&one, Some(granted())),
            "Approved: alice may use ssh,sudo on web-1 until 2026-11-24T16:00:00Z (in 2 hours).\nGrant G-00000-00007. To take it back: jit revoke G-00000-00007 --reason TEXT"
        );
        let by = Decider::People(vec![person("bob")]);
        one.state = RequestState::Denied { at: at(0), by, comment: None };
        assert_eq!(done(&one, None), "Denied request R-7K2Q9-M4XTB of alice.");
        let mut glass = broken_glass();
        let id = glass.ask.id;
        for (yes, grant, words) in [
            (true, None, format!("alice broke glass with request {id}: it was in order.")),
            (
                false,
                None,
                format!(
                    "alice broke glass with request {id}: it was not in order. Its grant was over already."
                ),
            ),
            (
                false,
                Some(granted()),
                format!(
                    "alice broke glass with request {id}: it was not in order. Grant G-00000-00007 is revoked."
                ),
            ),
        ] {
            let review = Some(review("bob", yes, None));
            glass.afterwards = Some(Afterwards { due: at(9), overdue: false, review });
            assert_eq!(done(&glass, grant), words);
        }
    }

    #[test]
    fn a_grant_says_who_let_it_come_about_and_how_often_it_grew() {
        let mut one = granted();
        assert_eq!(
            (gives(&one), approved_by(&one)),
            ("ssh,sudo on web-1".to_owned(), "bob,carol".to_owned())
        );
        for (count, words) in [(1, "once"), (2, "twice"), (3, "3 times")] {
            one.grant.extended = count;
            assert_eq!(gives(&one), format!("ssh,sudo on web-1, extended {words}"));
        }
        let ended =
            Ended { how: EndedHow::Revoked, at: at(30), by: Some(person("bob")), reason: Some(text("done")) };
        one.grant.ended = Some(ended);
        one.grant.sessions = Some(2);
        one.state = GrantState::Revoked;
        assert_eq!(
            grant(&one, at(60)),
            "Grant G-00000-00007 is revoked.
  who        alice
  what       ssh,sudo on web-1
  run as     root
  ends       2026-11-24T14:00:30Z (30 seconds ago)
  extended   3 times
  approved   by bob and carol, 2026-11-24T14:00:00Z (1 minute ago)
  request    R-00000-00001 by rule team
  sessions   1 open of 2 at once, 3 in all, used for 5 minutes
  ended      by bob: done"
        );
        one.grant.approved_by.clear();
        assert_eq!(approved_by(&one), "rule team");
        assert!(grant(&one, at(60)).contains("  approved   by rule team itself, "));
        let mut asked = access();
        let saw = vec!["on call: alice".to_owned()];
        asked.state = RequestState::Approved { at: at(0), grant: grant_id(), by: Decider::Rule { saw } };
        assert!(at_once(&asked, &one, at(60)).starts_with(
            "Request R-7K2Q9-M4XTB was approved by the rule itself (on call: alice).\nGrant G-"
        ));
        one.grant.break_glass = true;
        assert!(at_once(&broken_glass(), &one, at(60)).starts_with(
            "You broke glass with request R-00000-00033, and everyone concerned has been told. Bob or carol should look at it until 2026-11-25T14:00:00Z (in 23 hours 59 minutes).\nGrant G-"
        ));
        assert_eq!(approved_by(&one), "broke glass");
        assert!(grant(&one, at(60)).contains("  approved   by nobody: alice broke glass, "));
    }

    #[test]
    fn a_host_that_is_removed_has_not_confirmed_and_is_told_of() {
        let mut of =
            Heard { confirmed: names(&["db-7"]), not_yet: [].into(), removed: [].into(), over: at(60) };
        assert_eq!(heard(&of, at(0)), "Confirmed by 1 of 1 host.");
        of.not_yet = names::<access::HostName, Vec<_>>(&["db-8", "db-9"])
            .into_iter()
            .map(|host| (host, None))
            .collect();
        of.removed = names(&["db-9"]);
        assert_eq!(
            heard(&of, at(0)),
            "Confirmed by 1 of 3 hosts, not yet by db-8 (never heard of), db-9 (none of the hub's hosts now, so it hears nothing). \
             In the worst case it is over there 2026-11-24T14:01:00Z (in 1 minute)."
        );
    }

    #[test]
    fn a_countdown_is_two_units_long() {
        for (seconds, words) in
            [(-1, "0s"), (59, "59s"), (60, "1m00s"), (1_387, "23m07s"), (7_500, "2h05m"), (273_600, "3d04h")]
        {
            assert_eq!(countdown(TimeDelta::seconds(seconds)), words);
        }
    }
}
