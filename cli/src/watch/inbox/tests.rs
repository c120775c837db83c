//! What keys and answers make of the inbox.

use super::*;
use crate::sample::{access, agrees, at, broken_glass, grant_id, person, text};
use access::Span;
use workflow::{Decider, Narrowing};

fn named(n: u64, reason: &str) -> RequestView {
    let mut request = access();
    request.ask.id = RequestId::from_random(n);
    request.ask.asked_at = at(i64::try_from(n).unwrap());
    request.ask.reason = text(reason);
    request
}

fn own(n: u64) -> RequestView {
    let mut request = named(n, "mine");
    request.ask.person = person("bob");
    request.yours_to_review = false;
    request.could_approve = vec![person("carol")];
    request
}

/// bob's inbox.
fn inbox(requests: Vec<RequestView>) -> Inbox {
    let mut inbox = Inbox::new(person("bob"), "jitd", at(100));
    assert_eq!(inbox.on(Input::Tick(at(100))), Some(Call::List));
    assert_eq!(inbox.on(Input::Listed(Ok(requests))), None);
    inbox
}

fn press(inbox: &mut Inbox, keys: &str) -> Option<Call> {
    let mut last = None;
    for c in keys.chars() {
        let key = match c {
            '\n' => Key::Enter,
            '\t' => Key::Tab,
            '\x1b' => Key::Escape,
            '\x08' => Key::Backspace,
            c => Key::Char(c),
        };
        last = inbox.on(Input::Key(key));
    }
    last
}

fn chosen(inbox: &Inbox) -> String {
    inbox.selected().unwrap().ask.reason.to_string()
}

fn told(inbox: &Inbox) -> (bool, &str) {
    let (good, words) = inbox.told.back().unwrap();
    (*good, words)
}

#[test]
fn what_one_can_review_is_on_top_and_broken_glass_before_all() {
    let mut others = named(1, "seen");
    others.yours_to_review = false;
    let inbox = inbox(vec![own(2), others, named(5, "later"), named(4, "first"), broken_glass()]);
    let shown: Vec<_> =
        inbox.shown().iter().map(|(section, one)| (*section, one.ask.reason.to_string())).collect();
    let row = |section, reason: &str| (section, reason.to_owned());
    assert_eq!(
        shown,
        [
            row(Section::Yours, "the site is down"),
            row(Section::Yours, "first"),
            row(Section::Yours, "later"),
            row(Section::Others, "seen"),
            row(Section::Own, "mine"),
        ]
    );
    assert_eq!(chosen(&inbox), "the site is down");
}

#[test]
fn keys_choose_and_stay_within_the_list() {
    let mut inbox = inbox(vec![named(1, "a"), named(2, "b"), named(3, "c")]);
    for (key, reason) in [
        (Key::Up, "a"),
        (Key::Char('j'), "b"),
        (Key::Down, "c"),
        (Key::Down, "c"),
        (Key::Char('k'), "b"),
        (Key::Last, "c"),
        (Key::Char('g'), "a"),
        (Key::Char('G'), "c"),
        (Key::First, "a"),
    ] {
        assert_eq!(inbox.on(Input::Key(key.clone())), None);
        assert_eq!(chosen(&inbox), reason, "{key:?}");
    }
    inbox.on(Input::Key(Key::PageDown));
    assert_eq!(inbox.scrolled, limits::SCROLL);
    inbox.settle(2);
    assert_eq!(inbox.scrolled, 2, "no further than there is something");
    inbox.on(Input::Key(Key::PageUp));
    assert_eq!(inbox.scrolled, 0);
    inbox.on(Input::Key(Key::PageDown));
    inbox.on(Input::Key(Key::Down));
    assert_eq!(inbox.scrolled, 0, "another request is read from its beginning");
}

#[test]
fn a_key_reviews_what_was_on_the_screen_and_nothing_that_came_since() {
    let mut inbox = inbox(vec![named(1, "a"), named(2, "b")]);
    press(&mut inbox, "ja");
    let mut changed = named(2, "b");
    changed.digest = "00d2".to_owned();
    inbox.on(Input::Listed(Ok(vec![changed])));
    let Some(Call::Review(id, review)) = press(&mut inbox, "\n") else { panic!("no review") };
    assert_eq!(inbox.sent.as_ref().map(|dialog| dialog.request.ask.id), Some(id), "and the screen says so");
    assert_eq!((id, review.digest.as_str()), (RequestId::from_random(2), "00d1"));
    assert_eq!(
        (review.verdict, review.narrowing, review.comment),
        (NewVerdict::Approve, Narrowing::default(), None)
    );
}

#[test]
fn an_approval_can_be_shorter_and_carry_words_and_is_checked_before_it_is_sent() {
    let mut inbox = inbox(vec![named(1, "a")]);
    assert_eq!(press(&mut inbox, "a3h\n"), None);
    let Mode::Dialog(dialog) = &inbox.mode else { panic!("closed") };
    assert_eq!(dialog.wrong.as_deref(), Some("at most 2h is left of what was asked"));
    assert_eq!(press(&mut inbox, "\x08\x0830\n"), None);
    let Mode::Dialog(dialog) = &inbox.mode else { panic!("closed") };
    assert!(dialog.wrong.as_ref().unwrap().contains("has a number without a unit"));
    let Some(Call::Review(_, review)) = press(&mut inbox, "m\tbe quick\n") else { panic!("no review") };
    assert_eq!(review.narrowing.length, Span::seconds(1800));
    assert_eq!(review.comment, Some(text("be quick")));
    assert_eq!(inbox.mode, Mode::List);
}

#[test]
fn a_denial_says_why_or_is_not_sent() {
    let mut inbox = inbox(vec![named(1, "a")]);
    assert_eq!(press(&mut inbox, "d\n"), None);
    let Mode::Dialog(dialog) = &inbox.mode else { panic!("closed") };
    assert_eq!(dialog.wrong.as_deref(), Some("say why: the person reads it"));
    let Some(Call::Review(_, review)) = press(&mut inbox, "no\n") else { panic!("no review") };
    assert_eq!((review.verdict, review.comment), (NewVerdict::Deny, Some(text("no"))));
    press(&mut inbox, "dx\x1b");
    assert_eq!(inbox.mode, Mode::List, "Escape sends nothing");
}

#[test]
fn a_break_glass_is_looked_at_whole() {
    let mut inbox = inbox(vec![broken_glass()]);
    let Some(Call::Review(_, review)) = press(&mut inbox, "afine\n") else { panic!("no review") };
    assert_eq!((review.narrowing, review.comment), (Narrowing::default(), Some(text("fine"))));
}

#[test]
fn pasted_text_is_no_command() {
    let mut inbox = inbox(vec![named(1, "a")]);
    assert_eq!(inbox.on(Input::Key(Key::Pasted("a\nq".to_owned()))), None);
    assert_eq!(inbox.mode, Mode::List);
    press(&mut inbox, "d");
    inbox.on(Input::Key(Key::Pasted("not\nnow".to_owned())));
    let Some(Call::Review(_, review)) = press(&mut inbox, "\n") else { panic!("no review") };
    assert_eq!(review.comment, Some(text("not now")));
}

#[test]
fn what_one_cannot_review_is_said_without_asking() {
    let mut said = named(1, "said");
    said.yours_to_review = false;
    agrees(&mut said, "bob", None);
    let mut nobodys = named(2, "nobody's");
    nobodys.yours_to_review = false;
    nobodys.could_approve.clear();
    let mut inbox = inbox(vec![own(3), said, nobodys]);
    for (keys, words) in [
        ("ga", "you approved R-00000-00001 already; carol can approve it."),
        ("jd", "you may not review R-00000-00002; nobody can review it now."),
        ("ja", "R-00000-00003 is your own request; carol can approve it."),
    ] {
        assert_eq!(press(&mut inbox, keys), None);
        assert_eq!((told(&inbox), &inbox.mode), ((false, words), &Mode::List));
    }
}

#[test]
fn a_filter_finds_by_any_word_and_escape_shows_all() {
    let mut inbox = inbox(vec![named(1, "disk"), named(2, "Network")]);
    press(&mut inbox, "/netw");
    assert_eq!((inbox.shown().len(), chosen(&inbox).as_str()), (1, "Network"));
    press(&mut inbox, "\n");
    assert_eq!((inbox.shown().len(), &inbox.mode), (1, &Mode::List));
    press(&mut inbox, "\x1b");
    assert_eq!(inbox.shown().len(), 2);
    assert_eq!(chosen(&inbox), "Network", "what was found stays chosen");
    press(&mut inbox, "/nothing\na");
    assert_eq!(told(&inbox), (false, "There is nothing to review."));
    press(&mut inbox, "/\x1b");
    assert_eq!(inbox.shown().len(), 2);
}

#[test]
fn other_keys_look_again_help_and_quit() {
    let mut inbox = inbox(vec![named(1, "a")]);
    assert_eq!(press(&mut inbox, "r"), Some(Call::List));
    assert_eq!(press(&mut inbox, "?"), None);
    assert_eq!((inbox.mode == Mode::Help, press(&mut inbox, "q")), (true, None), "closes the help");
    assert_eq!(press(&mut inbox, "q"), Some(Call::Quit));
    for mode in ["", "/x", "d", "?"] {
        let mut inbox = self::inbox(vec![named(1, "a")]);
        press(&mut inbox, mode);
        assert_eq!(inbox.on(Input::Key(Key::Interrupt)), Some(Call::Quit), "from {mode:?}");
    }
    assert_eq!(inbox.on(Input::Stop), Some(Call::Quit));
}

#[test]
fn a_list_that_is_on_its_way_is_not_asked_for_again() {
    let mut inbox = inbox(Vec::new());
    assert_eq!(inbox.on(Input::Tick(at(101))), Some(Call::List));
    assert_eq!(inbox.on(Input::Tick(at(102))), None);
    inbox.on(Input::Listed(Err("gone".to_owned())));
    assert_eq!(inbox.on(Input::Tick(at(103))), Some(Call::List));
}

#[test]
fn a_daemon_that_went_away_is_told_until_it_is_back_and_the_list_stays() {
    let mut inbox = inbox(vec![named(1, "a")]);
    inbox.on(Input::Listed(Err("gone".to_owned())));
    assert_eq!((inbox.away.as_deref(), inbox.shown().len()), (Some("gone"), 1));
    inbox.on(Input::Listed(Ok(vec![named(1, "a")])));
    assert_eq!((inbox.away.as_deref(), told(&inbox)), (None, (true, "jitd answers again.")));
}

#[test]
fn a_new_request_is_told_and_moves_nothing_under_the_hand() {
    let mut inbox = inbox(vec![named(3, "c"), named(4, "d")]);
    press(&mut inbox, "j");
    inbox.on(Input::Listed(Ok(vec![named(1, "a"), named(3, "c"), named(4, "d")])));
    assert_eq!(chosen(&inbox), "d");
    assert_eq!(told(&inbox), (true, "R-00000-00001: alice asks for ssh,sudo as root on web-1 for 2h: a."));
    inbox.on(Input::Listed(Ok(vec![broken_glass()])));
    assert!(!told(&inbox).0 && told(&inbox).1.contains("alice broke glass"), "loud");
}

#[test]
fn what_others_decided_is_looked_up_and_told_one_by_one() {
    let mut inbox = inbox(vec![named(1, "a"), named(2, "b"), named(3, "c")]);
    press(&mut inbox, "j");
    let id = RequestId::from_random;
    assert_eq!(inbox.on(Input::Listed(Ok(vec![named(3, "c")]))), Some(Call::Look(id(1))));
    assert_eq!(chosen(&inbox), "c", "the one in its place");
    assert_eq!(inbox.on(Input::Listed(Ok(vec![named(3, "c")]))), None, "it is being looked up");
    let mut over = named(1, "a");
    let by = Decider::People(vec![person("carol")]);
    over.state = RequestState::Approved { at: at(5), grant: grant_id(), by };
    assert_eq!(inbox.on(Input::Looked(Some(Box::new(over)))), Some(Call::Look(id(2))));
    assert_eq!(told(&inbox), (true, "R-00000-00001: approved by carol."));
    assert_eq!(inbox.on(Input::Looked(None)), None);
}

#[test]
fn the_desk_has_the_last_word_on_a_review() {
    let mut inbox = inbox(vec![named(1, "a")]);
    press(&mut inbox, "a\n");
    assert_eq!(inbox.on(Input::Reviewed(Err("already approved by carol".to_owned()))), Some(Call::List));
    assert_eq!(told(&inbox), (false, "already approved by carol"));
    assert_eq!(inbox.sent, None);
    press(&mut inbox, "\x1bdno\n");
    inbox.on(Input::Reviewed(Ok("Denied request R.".to_owned())));
    assert_eq!(inbox.on(Input::Listed(Ok(Vec::new()))), Some(Call::Look(RequestId::from_random(1))));
    let mut over = named(1, "a");
    let by = Decider::People(vec![person("bob")]);
    over.state = RequestState::Denied { at: at(5), by, comment: None };
    inbox.on(Input::Looked(Some(Box::new(over))));
    assert_eq!(told(&inbox), (true, "Denied request R."), "and what one did oneself is not told twice");
}

#[test]
fn what_was_written_for_a_review_that_was_refused_is_there_to_be_sent_again() {
    let mut inbox = inbox(vec![named(1, "a")]);
    let sent = press(&mut inbox, "dnot today\n");
    inbox.on(Input::Reviewed(Err("no scope for it".to_owned())));
    let Mode::Dialog(dialog) = &inbox.mode else { panic!("{:?}", inbox.mode) };
    assert_eq!(dialog.wrong.as_deref(), Some("no scope for it"));
    assert_eq!(press(&mut inbox, "\n"), sent);
    press(&mut inbox, "a1h");
    inbox.on(Input::Reviewed(Err("no scope for it".to_owned())));
    let Mode::Dialog(dialog) = &inbox.mode else { panic!("{:?}", inbox.mode) };
    assert_eq!((dialog.verdict, &dialog.wrong), (NewVerdict::Approve, &None), "nobody's writing is replaced");
}

#[test]
fn a_refusal_stays_in_sight_beside_the_news_that_explains_it() {
    let mut inbox = inbox(vec![named(1, "a")]);
    press(&mut inbox, "a\n");
    inbox.on(Input::Reviewed(Err("already approved by carol".to_owned())));
    inbox.on(Input::Listed(Ok(Vec::new())));
    let mut over = named(1, "a");
    let by = Decider::People(vec![person("carol")]);
    over.state = RequestState::Approved { at: at(5), grant: grant_id(), by };
    inbox.on(Input::Looked(Some(Box::new(over))));
    let told: Vec<&str> = inbox.told.iter().map(|(_, words)| words.as_str()).collect();
    assert_eq!(told, ["already approved by carol", "R-00000-00001: approved by carol."]);
}
