//! One event at a time: what it makes of a request, and what it is refused for.
#![allow(clippy::unwrap_used, clippy::panic)] // also in the functions that tests share

use access::{GrantId, HostName, Login, Person, RequestId, Service, Span, Text, Time, Window};
use std::collections::{BTreeMap, BTreeSet};
use workflow::policy::{ChatWeight, Quota, When};
use workflow::{
    Ask, Auto, Channel, Clock, Event, Extend, Facts, Held, Kind, Narrowing, OnRefusal, Refusal, Request,
    RequestState, Review, ReviewVerdict, Rule, Step, Stepped, Wants, digest,
};

fn at(second: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

fn people(names: &[&str]) -> BTreeSet<Person> {
    names.iter().map(|name| person(name)).collect()
}

fn hour() -> Span {
    Span::parse("1h").unwrap()
}

fn ask(by: &str, of: &str) -> Ask {
    Ask {
        id: RequestId::from_random(1),
        kind: Kind::Access,
        asked_by: person(by),
        person: person(of),
        names: [Login::parse(of).unwrap()].into(),
        hosts: [HostName::parse("a").unwrap(), HostName::parse("b").unwrap()].into(),
        services: [Service::parse("ssh").unwrap(), Service::parse("sudo").unwrap()].into(),
        labels: BTreeMap::new(),
        follows: false,
        before: None,
        run_as: None,
        length: hour(),
        starts: None,
        reason: Text::parse("why").unwrap(),
        ticket: None,
        source: None,
        channel: Channel::Terminal,
        asked_at: at(0),
    }
}

fn rule(steps: &[(&[&str], usize)]) -> Rule {
    Rule {
        id: "r".into(),
        policy: "p".into(),
        wants: Wants::default(),
        default: hour(),
        longest: hour(),
        ahead: Span::parse("7d").unwrap(),
        pending: Span::parse("10m").unwrap(),
        clock: Clock::Approval,
        steps: steps
            .iter()
            .map(|(from, need)| Step {
                from: people(from),
                need: *need,
                when: When::default(),
                named: "group g".into(),
            })
            .collect(),
        follows: false,
        sessions: None,
        escalations: Vec::new(),
        auto: None,
        extend: None,
        break_glass: None,
        chat: ChatWeight::Full,
        tell: BTreeSet::new(),
        on_refusal: OnRefusal::Open,
    }
}

fn open(ask: Ask, rule: &Rule, now: Time) -> Result<Request, Refusal> {
    workflow::open(ask, rule, &Facts::default(), GrantId::from_random(7), now).map(|stepped| stepped.request)
}

fn step(request: &Request, rule: &Rule, event: Event, now: Time) -> Result<Stepped, Refusal> {
    workflow::step(request, Ok(rule), &Facts::default(), event, now)
}

fn yes(request: &Request, by: &str) -> Event {
    narrowed(request, by, Narrowing::default())
}

fn narrowed(request: &Request, by: &str, narrowing: Narrowing) -> Event {
    review(request, by, ReviewVerdict::Approve { narrowing })
}

fn review(request: &Request, by: &str, verdict: ReviewVerdict) -> Event {
    Event::Review {
        review: Review {
            by: person(by),
            verdict,
            comment: None,
            channel: Channel::Terminal,
            at: at(1),
            digest: digest(request),
        },
        names: [Login::parse(by).unwrap()].into(),
        mint: GrantId::from_random(7),
    }
}

fn in_chat(event: Event) -> Event {
    said_in(Channel::Teams, event)
}

fn said_in(channel: Channel, event: Event) -> Event {
    let Event::Review { review, names, mint } = event else { panic!("no review") };
    Event::Review { review: Review { channel, ..review }, names, mint }
}

/// Whether these people, one after the other, are enough.
fn is_enough(rule: &Rule, names: &[&str]) -> bool {
    let mut request = open(ask("alice", "alice"), rule, at(0)).unwrap();
    for name in names {
        assert!(request.state.is_pending(), "{name} was not needed any more");
        request = step(&request, rule, yes(&request, name), at(1)).unwrap().request;
    }
    !request.state.is_pending()
}

#[test]
fn one_person_fills_one_seat_however_many_steps_name_them() {
    let two = rule(&[(&["bob", "carol"], 1), (&["bob", "dave"], 1)]);
    for (names, enough) in [
        (&["bob"][..], false),
        (&["carol"], false),
        (&["dave"], false),
        (&["bob", "carol"], true),
        (&["bob", "dave"], true),
        (&["carol", "dave"], true),
    ] {
        assert_eq!(is_enough(&two, names), enough, "{names:?}");
    }
    let three = rule(&[(&["bob", "carol"], 2), (&["bob", "dave", "erin"], 1)]);
    for (names, enough) in
        [(&["bob", "carol"][..], false), (&["bob", "dave", "erin"], false), (&["dave", "bob", "carol"], true)]
    {
        assert_eq!(is_enough(&three, names), enough, "{names:?}");
    }
    assert!(three.has_approver(&person("dave")) && !three.has_approver(&person("mallory")));
}

#[test]
fn a_request_that_nobody_could_approve_is_refused_at_once_and_says_why() {
    let alone = rule(&[(&["alice"], 1)]);
    let refusal = open(ask("alice", "alice"), &alone, at(0)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "nobody could approve this: rule \"r\" needs 1 of group g, and without alice there is nobody. \
         Whoever keeps the policy can change that"
    );
}

#[test]
fn what_the_rule_does_not_give_is_refused_at_once() {
    let rule = rule(&[(&["bob"], 1)]);
    let refused = |change: fn(&mut Ask)| {
        let mut ask = ask("alice", "alice");
        change(&mut ask);
        open(ask, &rule, at(0)).unwrap_err().to_string()
    };
    assert!(refused(|ask| ask.length = Span::parse("61m").unwrap()).contains("ask for 1h or less"));
    assert!(refused(|ask| ask.starts = Some(at(8 * 86_400))).contains("more than 7d from now"));
    assert!(refused(|ask| ask.starts = Some(at(-3600))).contains("ended at"));
    assert!(refused(|ask| ask.services.clear()).contains("at least one host"));
}

#[test]
fn who_left_the_group_has_no_say_and_no_longer_counts() {
    let before = rule(&[(&["bob", "carol", "dave"], 2)]);
    let request = open(ask("alice", "alice"), &before, at(0)).unwrap();
    let request = step(&request, &before, yes(&request, "bob"), at(1)).unwrap().request;
    let after = rule(&[(&["carol", "dave"], 2)]);
    assert!(matches!(step(&request, &after, yes(&request, "bob"), at(2)), Err(Refusal::NotApprover { .. })));
    let counted = step(&request, &after, yes(&request, "carol"), at(2)).unwrap();
    assert_eq!(counted.grant, None, "bob's review counts no more");
    assert!(step(&counted.request, &after, yes(&counted.request, "dave"), at(3)).unwrap().grant.is_some());
}

#[test]
fn narrowings_add_up_and_a_review_is_of_what_was_left() {
    let rule = rule(&[(&["bob", "carol"], 2)]);
    let request = open(ask("alice", "alice"), &rule, at(0)).unwrap();
    let only_a = Narrowing { hosts: Some([HostName::parse("a").unwrap()].into()), ..Narrowing::default() };
    let stale = yes(&request, "carol");
    let request = step(&request, &rule, narrowed(&request, "bob", only_a), at(1)).unwrap().request;
    assert!(matches!(step(&request, &rule, stale, at(2)), Err(Refusal::Changed(_))));
    let wider = Narrowing { hosts: Some([HostName::parse("b").unwrap()].into()), ..Narrowing::default() };
    assert!(matches!(
        step(&request, &rule, narrowed(&request, "carol", wider), at(2)),
        Err(Refusal::Widens(_))
    ));
    let longer = Narrowing { length: Span::parse("2h").ok(), ..Narrowing::default() };
    assert!(matches!(
        step(&request, &rule, narrowed(&request, "carol", longer), at(2)),
        Err(Refusal::Widens(_))
    ));
    let nothing = Narrowing { services: Some(BTreeSet::new()), ..Narrowing::default() };
    assert!(matches!(
        step(&request, &rule, narrowed(&request, "carol", nothing), at(2)),
        Err(Refusal::Widens(_))
    ));
    let sudo = Narrowing {
        services: Some([Service::parse("sudo").unwrap()].into()),
        length: Span::parse("10m").ok(),
        ..Narrowing::default()
    };
    let grant = step(&request, &rule, narrowed(&request, "carol", sudo), at(2)).unwrap().grant.unwrap();
    assert_eq!(*grant.hosts, [HostName::parse("a").unwrap()]);
    assert_eq!(*grant.services, [Service::parse("sudo").unwrap()]);
    assert_eq!(grant.window, Window::Approval { not_before: at(2), expires: at(602) });
}

#[test]
fn a_window_that_was_asked_for_does_not_move_when_it_is_approved_late() {
    let rule = rule(&[(&["bob"], 1)]);
    let request = open(Ask { starts: Some(at(100)), ..ask("alice", "alice") }, &rule, at(0)).unwrap();
    let early = step(&request, &rule, yes(&request, "bob"), at(50)).unwrap().grant.unwrap();
    assert_eq!(early.window, Window::Approval { not_before: at(100), expires: at(3700) });
    let late = step(&request, &rule, yes(&request, "bob"), at(400)).unwrap().grant.unwrap();
    assert_eq!(late.window, Window::Approval { not_before: at(400), expires: at(3700) });
}

#[test]
fn a_first_use_grant_carries_its_absolute_latest_end() {
    let rule =
        Rule { clock: Clock::FirstUse { claim_by: Span::parse("8h").unwrap() }, ..rule(&[(&["bob"], 1)]) };
    let request = open(ask("alice", "alice"), &rule, at(0)).unwrap();
    let grant = step(&request, &rule, yes(&request, "bob"), at(10)).unwrap().grant.unwrap();
    let claim_by = at(10 + 8 * 3600);
    assert_eq!(
        grant.window,
        Window::FirstUse { not_before: at(10), claim_by, length: hour(), latest_end: at(10 + 9 * 3600) }
    );
}

#[test]
fn whom_a_grant_opens_for_follows_from_what_was_asked() {
    let login = |name: &str| Login::parse(name).unwrap();
    let both = Ask { run_as: Some(login("postgres")), ..ask("alice", "alice") };
    assert_eq!((both.logins(), both.targets()), ([login("alice")].into(), [login("postgres")].into()));
    let shared = Ask { services: [Service::parse("ssh").unwrap()].into(), ..both };
    assert_eq!((shared.logins(), shared.targets()), ([login("postgres")].into(), BTreeSet::new()));
    let plain = ask("alice", "alice");
    assert_eq!((plain.logins(), plain.targets()), ([login("alice")].into(), [login("root")].into()));
    assert!(plain.equals(&plain) && !plain.equals(&ask("bob", "bob")));
    let more = Ask { kind: Kind::Extend { grant: GrantId::from_random(7) }, before: Some(hour()), ..plain };
    let hosts_came = Ask { hosts: [HostName::parse("c").unwrap()].into(), ..more.clone() };
    assert!(more.equals(&hosts_came) && !more.equals(&Ask { before: None, ..more.clone() }));
}

#[test]
fn a_click_in_a_chat_is_worth_what_the_rule_says() {
    let with = |chat, need| Rule { chat, ..rule(&[(&["bob", "carol", "dave"], need)]) };
    let of = |rule: &Rule| open(ask("alice", "alice"), rule, at(0)).unwrap();
    let clicks =
        |request: &Request, rule: &Rule, by: &str| step(request, rule, in_chat(yes(request, by)), at(1));

    let full = with(ChatWeight::Full, 1);
    let done = clicks(&of(&full), &full, "bob").unwrap().request;
    assert!(matches!(done.state, RequestState::Approved { .. }) && done.reviews[0].channel == Channel::Teams);

    let notify = with(ChatWeight::Notify, 1);
    let request = of(&notify);
    assert!(matches!(clicks(&request, &notify, "bob"), Err(Refusal::NotInChat { .. })));
    let no = in_chat(review(&request, "bob", ReviewVerdict::Deny));
    assert!(matches!(step(&request, &notify, no, at(1)), Err(Refusal::NotInChat { .. })));

    let alone = with(ChatWeight::FirstOfTwo, 1);
    let request = of(&alone);
    assert!(matches!(clicks(&request, &alone, "bob"), Err(Refusal::LastInChat { .. })), "one is enough here");
    let no = in_chat(review(&request, "bob", ReviewVerdict::Deny));
    assert!(matches!(step(&request, &alone, no, at(1)).unwrap().request.state, RequestState::Denied { .. }));

    let two = with(ChatWeight::FirstOfTwo, 2);
    let once = clicks(&of(&two), &two, "bob").unwrap().request;
    assert!(once.state.is_pending() && once.reviews.len() == 1);
    assert!(matches!(clicks(&once, &two, "carol"), Err(Refusal::LastInChat { .. })));
    let done = step(&once, &two, yes(&once, "carol"), at(1)).unwrap();
    assert_eq!(
        done.grant.unwrap().approved_by,
        [person("bob"), person("carol")],
        "the other came by a sure door"
    );
    let once = step(&of(&two), &two, yes(&of(&two), "bob"), at(1)).unwrap().request;
    assert!(matches!(clicks(&once, &two, "carol"), Err(Refusal::LastInChat { .. })), "whoever was first");
}

#[test]
fn a_click_in_slack_is_worth_what_one_in_teams_is() {
    let with = |chat, need| Rule { chat, ..rule(&[(&["bob", "carol", "dave"], need)]) };
    let clicks = |rule: &Rule| {
        let request = open(ask("alice", "alice"), rule, at(0)).unwrap();
        step(&request, rule, said_in(Channel::Slack, yes(&request, "bob")), at(1))
    };
    let done = clicks(&with(ChatWeight::Full, 1)).unwrap().request;
    assert!(matches!(done.state, RequestState::Approved { .. }) && done.reviews[0].channel.code() == "slack");
    assert!(matches!(clicks(&with(ChatWeight::Notify, 1)), Err(Refusal::NotInChat { .. })));
    assert!(matches!(clicks(&with(ChatWeight::FirstOfTwo, 1)), Err(Refusal::LastInChat { .. })));
    assert!(clicks(&with(ChatWeight::FirstOfTwo, 2)).unwrap().request.state.is_pending());
}

#[test]
fn a_policy_that_changes_never_makes_a_click_in_a_chat_the_last_one() {
    let full = Rule { chat: ChatWeight::Full, ..rule(&[(&["bob", "carol", "dave"], 2)]) };
    let request = open(ask("alice", "alice"), &full, at(0)).unwrap();
    let clicked = step(&request, &full, in_chat(yes(&request, "bob")), at(1)).unwrap().request;
    let recheck = || Event::Recheck { mint: GrantId::from_random(7) };
    for chat in [ChatWeight::FirstOfTwo, ChatWeight::Notify] {
        let one = Rule { chat, ..rule(&[(&["bob", "carol", "dave"], 1)]) };
        let waits = step(&clicked, &one, recheck(), at(2)).unwrap().request;
        assert!(waits.state.is_pending(), "{chat:?}");
        assert!(!step(&waits, &one, yes(&waits, "carol"), at(3)).unwrap().request.state.is_pending());
    }
    let one = rule(&[(&["bob", "carol", "dave"], 1)]);
    assert!(!step(&clicked, &one, recheck(), at(2)).unwrap().request.state.is_pending(), "it counts there");
    let sure = step(&request, &full, yes(&request, "bob"), at(1)).unwrap().request;
    let one = Rule { chat: ChatWeight::FirstOfTwo, ..rule(&[(&["bob", "carol", "dave"], 1)]) };
    assert!(
        !step(&sure, &one, recheck(), at(2)).unwrap().request.state.is_pending(),
        "it came by a sure door"
    );
}

#[test]
fn whose_click_is_worth_less_by_now_may_say_it_where_it_is_worth_all() {
    let with = |chat, need| Rule { chat, ..rule(&[(&["bob", "carol"], need)]) };
    let request = open(ask("alice", "alice"), &with(ChatWeight::Full, 2), at(0)).unwrap();
    let clicked =
        step(&request, &with(ChatWeight::Full, 2), in_chat(yes(&request, "bob")), at(1)).unwrap().request;
    for (chat, need) in [(ChatWeight::Notify, 2), (ChatWeight::FirstOfTwo, 1)] {
        let now = with(chat, need);
        let counted = usize::from(chat != ChatWeight::Notify);
        assert_eq!(workflow::agreed(&clicked, &now).len(), counted);
        let said = step(&clicked, &now, yes(&clicked, "bob"), at(2)).unwrap().request;
        assert_eq!(said.state.is_pending(), need == 2, "{chat:?}");
        assert_eq!(workflow::agreed(&said, &now), [person("bob")]);
        let again = step(&said, &with(chat, 2), yes(&said, "bob"), at(3));
        assert!(again.is_err(), "once is enough");
    }
    let again = step(&clicked, &with(ChatWeight::Full, 2), yes(&clicked, "bob"), at(2));
    assert!(matches!(again, Err(Refusal::AlreadyReviewed(_))));
}

#[test]
fn two_who_agreed_to_one_step_leave_the_other_open() {
    let two = rule(&[(&["bob", "carol"], 1), (&["dave"], 1)]);
    let request = open(ask("alice", "alice"), &two, at(0)).unwrap();
    let once = step(&request, &two, yes(&request, "bob"), at(1)).unwrap().request;
    let twice = step(&once, &two, yes(&once, "carol"), at(1)).unwrap().request;
    assert_eq!((workflow::agreed(&twice, &two).len(), workflow::has(&twice, &two)), (2, 1));
    assert!(twice.state.is_pending());
}

#[test]
fn a_rule_that_comes_to_want_an_address_denies_what_has_none() {
    let free = rule(&[(&["bob"], 1)]);
    let request = open(ask("alice", "alice"), &free, at(0)).unwrap();
    let pinned = Rule { wants: Wants { pin: true, ..Wants::default() }, ..free };
    assert!(matches!(step(&request, &pinned, yes(&request, "bob"), at(1)), Err(Refusal::NoAddress { .. })));
    let event = Event::Recheck { mint: GrantId::from_random(7) };
    let denied = step(&request, &pinned, event, at(1)).unwrap().request;
    assert!(matches!(denied.state, RequestState::Denied { .. }));
}

#[test]
fn more_time_counts_with_what_there_was_before() {
    let mut longer = rule(&[(&["bob"], 1), (&["carol"], 1)]);
    longer.steps[1].when.longer_than = Some(hour());
    longer.extend = Some(Extend {
        count: 2,
        longest: hour(),
        total: Span::parse("6h").unwrap(),
        free: false,
        steps: longer.steps.clone(),
    });
    let more = |before| {
        let kind = Kind::Extend { grant: GrantId::from_random(7) };
        let length = Span::parse("30m").unwrap();
        let mut request = open(ask("alice", "alice"), &longer, at(0)).unwrap();
        request.ask = Ask { kind, length, before, ..request.ask };
        longer.steps_of(&request).len()
    };
    assert_eq!(more(Span::parse("30m").ok()), 1, "an hour in all");
    assert_eq!(more(Some(hour())), 2, "an hour and a half in all");
}

/// A grant of this length, and what the store says of it to who asks for more.
fn held(length: Span) -> Facts {
    let free = Rule { longest: Span::LONGEST, ..rule(&[(&["bob"], 1)]) };
    let request = open(Ask { length, ..ask("alice", "alice") }, &free, at(0)).unwrap();
    let grant = step(&request, &free, yes(&request, "bob"), at(1)).unwrap().grant.unwrap();
    Facts { held: Some(Held { ends: grant.window.latest_end(), grant }), ..Facts::default() }
}

/// What comes of asking for more of it.
fn more(length: Span, rule: &Rule, facts: &Facts) -> Result<Stepped, Refusal> {
    let grant = &facts.held.as_ref().unwrap().grant;
    let (kind, before) = (Kind::Extend { grant: grant.id }, workflow::length_of(grant));
    let ask = Ask { kind, before, length, ..ask("alice", "alice") };
    workflow::open(ask, rule, facts, GrantId::from_random(8), at(2))
}

fn extends(steps: &[Step]) -> Extend {
    let total = Span::parse("40h").unwrap();
    Extend { count: 4, longest: Span::parse("8h").unwrap(), total, free: false, steps: steps.to_vec() }
}

#[test]
fn two_extensions_of_the_same_length_do_not_pass_by_the_step_that_both_together_meet() {
    let mut lead = rule(&[(&["bob"], 1), (&["carol"], 1)]);
    lead.steps[1].when.longer_than = Span::parse("3h").ok();
    lead.extend = Some(extends(&lead.steps));
    let facts = held(Span::parse("2h").unwrap());
    let [one, other] = [0; 2].map(|_| more(hour(), &lead, &facts).unwrap().request);
    let longer = workflow::step(&one, Ok(&lead), &facts, yes(&one, "bob"), at(3)).unwrap().grant.unwrap();
    let facts = Facts { held: Some(Held { ends: longer.window.latest_end(), grant: longer }), ..facts };
    let late = workflow::step(&other, Ok(&lead), &facts, yes(&other, "bob"), at(4));
    assert!(matches!(late, Err(Refusal::NotAsLong { .. })), "{late:?}");
    let event = Event::Recheck { mint: GrantId::from_random(8) };
    let rechecked = workflow::step(&other, Ok(&lead), &facts, event, at(4)).unwrap().request;
    assert!(matches!(rechecked.state, RequestState::Denied { .. }));
    let again = more(hour(), &lead, &facts).unwrap().request;
    assert_eq!(lead.steps_of(&again).len(), 2, "asked anew, it is four hours");
}

#[test]
fn a_rule_that_only_approves_by_itself_extends_to_no_more_than_that() {
    let auto = Auto {
        held: vec!["alice is on call".into()],
        missed: Vec::new(),
        longest: Some(Span::parse("2h").unwrap()),
        quota: Quota { count: 2, per: Span::parse("1d").unwrap() }.into(),
    };
    let own = Rule { extend: Some(extends(&[])), auto: Some(auto.clone()), ..rule(&[]) };
    let (facts, eight) = (held(hour()), Span::parse("8h").unwrap());
    let given = more(hour(), &own, &facts).unwrap();
    assert_eq!(given.grant.and_then(|grant| workflow::length_of(&grant)), Span::parse("2h").ok());
    let off_call = Auto { missed: vec!["alice is not on call".into()], ..auto };
    let used_up = Facts { auto_used: 2, ..facts.clone() };
    for (length, rule, facts, why) in [
        (eight, own.clone(), &facts, "9h is longer than the 2h that it gives by itself"),
        (hour(), Rule { auto: Some(off_call), ..own.clone() }, &facts, "alice is not on call"),
        (hour(), own.clone(), &used_up, "2 of 2 per 1d used"),
        (hour(), Rule { auto: None, ..own.clone() }, &facts, "names no approvers"),
    ] {
        let refused = more(length, &rule, facts).unwrap_err();
        assert!(matches!(refused, Refusal::NobodyCouldApprove(_)) && refused.to_string().contains(why));
    }
    let free = Rule { extend: own.extend.map(|extend| Extend { free: true, ..extend }), auto: None, ..own };
    assert!(more(eight, &free, &facts).unwrap().grant.is_some(), "as the policy says");
}
