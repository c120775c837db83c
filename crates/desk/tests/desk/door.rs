//! A refused door: what its login asks for by itself, and what its person can ask for there.

use crate::room::{caller, key, room, room_by, said, wants};
use access::{Login, Service, Span, Text};
use desk::{AtTheDoor, AtThePrompt, DeskError, Knock, Words};
use workflow::{Channel, Refusal, RequestState};

fn knock<'a>(login: &'a Login, service: &'a Service) -> Knock<'a> {
    Knock { login, service, run_as: None, source: None, host: None }
}

fn names(login: &str) -> (Login, Service) {
    (Login::parse(login).unwrap(), Service::parse("ssh").unwrap())
}

fn text(text: &str) -> Text {
    Text::parse(text).unwrap()
}

fn words(reason: &str, length: Option<&str>, ticket: Option<&str>) -> Words {
    Words {
        reason: text(reason),
        length: length.map(|length| Span::parse(length).unwrap()),
        ticket: ticket.map(text),
    }
}

#[test]
fn an_offer_opens_nothing_and_what_is_then_said_is_the_request() {
    let room = room();
    let (alice, ssh) = names("alice");
    let offered = room.desk.offer(knock(&alice, &ssh), text("refused ssh login")).unwrap();
    let AtThePrompt::Ask { length, ticket: None } = offered else { panic!("{offered:?}") };
    assert_eq!(length.to_string(), "1h");
    assert!(room.paper.heard.lines().is_empty(), "nothing is on record yet");

    let said = words("the disk is full", Some("30m"), None);
    let opened = room.desk.request_at_prompt(knock(&alice, &ssh), &said, true, None).unwrap();
    let ask = &opened.request.ask;
    assert_eq!((ask.reason.as_str(), ask.length.to_string()), ("the disk is full", "30m".to_owned()));
    assert_eq!(ask.channel, Channel::Login);
    let offered = room.desk.offer(knock(&alice, &ssh), text("again")).unwrap();
    let AtThePrompt::Wait(waits) = offered else { panic!("{offered:?}") };
    assert_eq!(waits.ask.id, ask.id, "an equal one is waited for");
    let again =
        room.desk.request_at_prompt(knock(&alice, &ssh), &words("more", None, None), true, None).unwrap();
    assert!(again.existed && again.request.ask.id == ask.id);

    let seen = room.desk.request_seen_by(&alice, ask.id).unwrap();
    assert!(seen.state.is_pending());
    room.approves("bob", &opened.request).unwrap();
    let seen = room.desk.request_seen_by(&alice, ask.id).unwrap();
    assert!(matches!(seen.state, RequestState::Approved { .. }));
    let mallory = Login::parse("mallory").unwrap();
    assert!(matches!(room.desk.request_seen_by(&mallory, ask.id), Err(DeskError::NotFound { .. })));
}

#[test]
fn what_the_rule_wants_is_asked_for_and_wanting_is_a_refusal_of_its_own() {
    let room = room_by(
        r#"
[[rule]]
id = "strict"
ask = { reason_min = 40, ticket = "OPS-[0-9]+" }
time = { default = "30m", max = "2h", pending = "1h" }
approve = [{ from = ["group:g"] }]
on_refusal = "hint"
"#,
    );
    let (alice, ssh) = names("alice");
    let offered = room.desk.offer(knock(&alice, &ssh), text("refused")).unwrap();
    let AtThePrompt::Ask { length, ticket } = offered else { panic!("{offered:?}") };
    assert_eq!((length.to_string(), ticket.as_deref()), ("30m".to_owned(), Some("OPS-[0-9]+")));
    let long = "the disk of this machine is full, and nobody else is there";
    let asks = |words: &Words| room.desk.request_at_prompt(knock(&alice, &ssh), words, true, None);
    let refused = |words: &Words| match asks(words) {
        Err(DeskError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(&words("short", None, Some("OPS-1"))), Refusal::ReasonTooShort { .. }));
    assert!(matches!(refused(&words(long, None, None)), Refusal::Ticket { .. }));
    assert!(matches!(refused(&words(long, None, Some("XXX"))), Refusal::Ticket { .. }));
    assert!(matches!(refused(&words(long, Some("3h"), Some("OPS-1"))), Refusal::TooLong { .. }));
    let opened = asks(&words(long, Some("2h"), Some("OPS-1"))).unwrap();
    assert_eq!(opened.request.ask.ticket, Some(text("OPS-1")));
}

#[test]
fn what_would_be_refused_whatever_they_say_is_refused_before_they_are_asked() {
    let (alice, ssh) = names("alice");
    let rule = |more: &str| format!("[[rule]]\nid = \"r\"\nwho = {{ groups = [\"dev\"] }}\n{more}\n");
    let approve = "approve = [{ from = [\"group:g\"] }]";
    let offered =
        |policy: &str, login: &Login| room_by(policy).desk.offer(knock(login, &ssh), text("refused"));
    let mallory = Login::parse("mallory").unwrap();
    assert!(matches!(offered(&rule(approve), &mallory), Err(DeskError::NoRule(_))), "no rule");
    let deny = format!(
        "[[rule]]\nid = \"no\"\neffect = \"deny\"\nwho = {{ users = [\"alice\"] }}\n{}",
        rule(approve)
    );
    assert!(matches!(offered(&deny, &alice), Err(DeskError::NoRule(_))), "a deny rule");
    let nobody = said(offered(&rule("approve = [{ from = [\"group:empty\"] }]"), &alice));
    assert!(nobody.contains("nobody could approve this"), "{nobody}");
    let nobody = rule("ask = { ticket = \"OPS-[0-9]+\" }\napprove = [{ from = [\"group:empty\"] }]");
    assert!(said(offered(&nobody, &alice)).contains("nobody could approve this"), "nor with a ticket");
    let ghost = Login::parse("ghost").unwrap();
    assert!(said(offered(&rule(approve), &ghost)).contains("there is no account ghost"));
    // And what asks for itself, or is not to be asked for here.
    for (more, why) in [
        (format!("{approve}\nauto = {{ max = \"2h\" }}"), "the rule approves by itself"),
        (format!("{approve}\non_refusal = \"off\""), "the rule says so"),
    ] {
        let offered = offered(&rule(&more), &alice).unwrap();
        assert!(matches!(offered, AtThePrompt::Nothing), "{why}: {offered:?}");
    }
    let off = room_by(&rule(&format!("{approve}\non_refusal = \"off\"")));
    let asked =
        off.desk.request_at_prompt(knock(&alice, &ssh), &words("all the same", None, None), true, None);
    assert!(said(asked).contains("is asked by jit request alone"));
    let hint = rule(&format!("{approve}\nauto = {{ max = \"2h\" }}\non_refusal = \"hint\""));
    let hint = room_by(&hint);
    let offered = hint.desk.offer(knock(&alice, &ssh), text("refused")).unwrap();
    assert!(matches!(offered, AtThePrompt::Ask { .. }), "{offered:?}");
    let opened = hint.desk.request_at_prompt(knock(&alice, &ssh), &words("the disk", None, None), true, None);
    assert!(opened.unwrap().grant.is_some(), "the rule approves what is said");
}

#[test]
fn who_opened_too_many_is_pointed_at_what_waits_and_else_told_to_come_later() {
    let room = room();
    let (alice, ssh) = names("alice");
    let may_not =
        |reason| room.desk.request_at_prompt(knock(&alice, &ssh), &words(reason, None, None), false, None);
    assert!(matches!(may_not("x"), Err(DeskError::Busy(_))));
    let waits = room.desk.request(&caller("alice"), &wants("ssh"), &key()).unwrap();
    assert_eq!(may_not("x").unwrap().request.ask.id, waits.request.ask.id);
    let by_login = room.desk.request_of_login(knock(&alice, &ssh), text("x"), false, None).unwrap();
    assert!(matches!(by_login, AtTheDoor::Opened(opened) if opened.existed));
}
