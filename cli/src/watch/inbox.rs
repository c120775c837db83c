//! What a person has before them, and what each key and answer makes of it. Pure: it asks for calls, and
//! others make them.

use super::dialog::{Dialog, Did};
use super::keys::{Key, Line};
use crate::limits;
use crate::news::{news, sentence};
use crate::words;
use access::{Person, RequestId, Time};
use api::{NewReview, NewVerdict, RequestView};
use std::collections::VecDeque;
use workflow::RequestState;

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A key.
    Key(Key),
    /// A second has passed.
    Tick(Time),
    /// The requests that wait, or why there is no list.
    Listed(Result<Vec<RequestView>, String>),
    /// What became of a request that waits no more; nothing where it cannot be seen any more.
    Looked(Option<Box<RequestView>>),
    /// What the desk made of a review, in words: done, or why not.
    Reviewed(Result<String, String>),
    /// This process is asked to stop.
    Stop,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The requests that wait.
    List,
    /// What became of this one.
    Look(RequestId),
    /// A review.
    Review(RequestId, Box<NewReview>),
    /// The end.
    Quit,
}

/// What keys mean now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They choose.
    List,
    /// They write what to look for.
    Filter,
    /// They close the help.
    Help,
    /// They write a review.
    Dialog(Box<Dialog>),
}

/// Where a request belongs, in the order of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The reader can review it.
    Yours,
    /// The reader has, or only looks on.
    Others,
    /// The reader asked for it or gets it.
    Own,
}

/// The state of the screen.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// Who reads it.
    pub you: Person,
    /// Who answers: `jitd`, `the hub`.
    pub door: &'static str,
    /// Now, as far as it was told.
    pub now: Time,
    /// What keys mean.
    pub mode: Mode,
    /// What is looked for.
    pub filter: Line,
    /// What happened last, newest at the end: whether well, and in words.
    pub told: VecDeque<(bool, String)>,
    /// Why the last list did not come.
    pub away: Option<String>,
    /// The first line of the details that is shown.
    pub scrolled: u16,
    requests: Vec<RequestView>,
    selected: Option<RequestId>,
    /// Whether a list came at least once: what is new before that is no news.
    begun: bool,
    listing: bool,
    looking: bool,
    /// A request whose next change is the reader's own doing, which the desk has answered already.
    mine: Option<RequestId>,
    /// The review that is on its way.
    pub sent: Option<Box<Dialog>>,
    /// Requests that wait no more, whose end nobody has told yet.
    gone: VecDeque<RequestView>,
}

impl Inbox {
    /// An inbox that knows nothing yet.
    pub fn new(you: Person, door: &'static str, now: Time) -> Self {
        Self {
            you,
            door,
            now,
            mode: Mode::List,
            filter: Line::default(),
            told: VecDeque::new(),
            away: None,
            scrolled: 0,
            requests: Vec::new(),
            selected: None,
            begun: false,
            listing: false,
            looking: false,
            mine: None,
            sent: None,
            gone: VecDeque::new(),
        }
    }

    /// Takes what came in; what is to be asked for now.
    pub fn on(&mut self, input: Input) -> Option<Call> {
        match input {
            Input::Stop | Input::Key(Key::Interrupt) => Some(Call::Quit),
            Input::Key(key) => self.key(&key),
            Input::Tick(now) => {
                self.now = now;
                if self.listing { None } else { Some(self.list()) }
            }
            Input::Listed(listed) => {
                self.listing = false;
                match listed {
                    Ok(requests) => self.listed(requests),
                    Err(why) => self.away = Some(why),
                }
                self.look()
            }
            Input::Looked(after) => {
                self.looking = false;
                let before = self.gone.pop_front();
                if let (Some(before), Some(after)) = (before, after) {
                    self.tell_news(Some(&before), &after);
                }
                self.look()
            }
            Input::Reviewed(done) => {
                let sent = self.sent.take();
                match done {
                    Ok(words) => {
                        self.mine = sent.map(|dialog| dialog.request.ask.id);
                        self.tell(true, words);
                    }
                    Err(why) => {
                        self.tell(false, why.clone());
                        // What was written is there to be sent again, unless something else is being written by now.
                        if let (Some(dialog), Mode::List) = (sent, &self.mode) {
                            self.mode = Mode::Dialog(Box::new(Dialog { wrong: Some(why), ..*dialog }));
                        }
                    }
                }
                Some(self.list())
            }
        }
    }

    /// Whether a list came already.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// The requests that are shown, with their sections, in the order of the screen.
    pub fn shown(&self) -> Vec<(Section, &RequestView)> {
        let shown = self.requests.iter().filter(|request| self.finds(request));
        shown.map(|request| (self.section(request), request)).collect()
    }

    /// The request that keys are about.
    pub fn selected(&self) -> Option<&RequestView> {
        let shown = self.shown();
        let chosen = shown.iter().find(|(_, request)| Some(request.ask.id) == self.selected);
        chosen.or(shown.first()).map(|(_, request)| *request)
    }

    fn list(&mut self) -> Call {
        self.listing = true;
        Call::List
    }

    /// Asks for the first end that nobody has told yet, one at a time.
    fn look(&mut self) -> Option<Call> {
        let gone = self.gone.front().filter(|_| !self.looking)?;
        self.looking = true;
        Some(Call::Look(gone.ask.id))
    }

    /// The details were drawn, and this is how far they can be scrolled.
    pub fn settle(&mut self, furthest: u16) {
        self.scrolled = self.scrolled.min(furthest);
    }

    fn section(&self, request: &RequestView) -> Section {
        if request.yours_to_review {
            Section::Yours
        } else if request.ask.person == self.you || request.ask.asked_by == self.you {
            Section::Own
        } else {
            Section::Others
        }
    }

    fn finds(&self, request: &RequestView) -> bool {
        let wanted = self.filter.as_str().to_lowercase();
        let ask = &request.ask;
        wanted.is_empty()
            || [
                ask.id.to_string(),
                ask.person.to_string(),
                words::asks(request),
                ask.reason.to_string(),
                ask.ticket.as_ref().map(ToString::to_string).unwrap_or_default(),
                request.rule.clone(),
            ]
            .iter()
            .any(|text| text.to_lowercase().contains(&wanted))
    }

    fn listed(&mut self, mut requests: Vec<RequestView>) {
        if self.away.take().is_some() {
            self.tell(true, format!("{} answers again.", self.door));
        }
        // Oldest first, so that nothing moves under the hand of a person when another one comes in.
        requests.sort_by_key(|request| {
            (self.section(request), request.afterwards.is_none(), request.ask.asked_at, request.ask.id)
        });
        let place = self.place();
        let before = std::mem::replace(&mut self.requests, requests);
        if self.begun {
            let same = |one: &RequestView, other: &RequestView| one.ask.id == other.ask.id;
            for after in self.requests.clone() {
                let known = before.iter().find(|before| same(before, &after));
                self.tell_news(known, &after);
            }
            let now = &self.requests;
            let gone = before.into_iter().filter(|before| !now.iter().any(|now| same(now, before)));
            self.gone.extend(gone);
            // All others are in `jit requests --all`.
            self.gone.truncate(limits::TOLD_AT_ONCE);
        }
        self.begun = true;
        self.choose(place);
    }

    fn tell_news(&mut self, before: Option<&RequestView>, after: &RequestView) {
        let (id, news) = (after.ask.id, news(before, after));
        if !news.is_empty() && self.mine == Some(id) {
            self.mine = None;
            return;
        }
        for change in news {
            self.tell(!change.is_loud(), format!("{id}: {}.", sentence(change, before, after)));
        }
    }

    fn tell(&mut self, good: bool, words: String) {
        self.told.push_back((good, words));
        let many = self.told.len().saturating_sub(limits::TOLD);
        self.told.drain(..many);
    }

    /// Which row is chosen, counted among those shown.
    fn place(&self) -> usize {
        let shown = self.shown();
        shown.iter().position(|(_, request)| Some(request.ask.id) == self.selected).unwrap_or(0)
    }

    /// Keeps to the chosen request while it is shown, else to the one in its place.
    fn choose(&mut self, place: usize) {
        let shown = self.shown();
        let kept = shown.iter().any(|(_, request)| Some(request.ask.id) == self.selected);
        if kept {
            return;
        }
        let last = shown.len().saturating_sub(1);
        self.selected = shown.get(place.min(last)).map(|(_, request)| request.ask.id);
        self.scrolled = 0;
    }

    fn go(&mut self, place: usize) {
        let shown = self.shown();
        let last = shown.len().saturating_sub(1);
        self.selected = shown.get(place.min(last)).map(|(_, request)| request.ask.id);
        self.scrolled = 0;
    }

    fn key(&mut self, key: &Key) -> Option<Call> {
        match &mut self.mode {
            Mode::List => self.list_key(key),
            Mode::Help => {
                self.mode = Mode::List;
                None
            }
            Mode::Filter => {
                let place = self.place();
                match key {
                    Key::Enter => self.mode = Mode::List,
                    Key::Escape => {
                        self.filter = Line::default();
                        self.mode = Mode::List;
                    }
                    key => {
                        self.filter.take(key);
                    }
                }
                self.choose(place);
                None
            }
            Mode::Dialog(dialog) => match dialog.take(key) {
                Did::Wrote => None,
                Did::GaveUp => {
                    self.mode = Mode::List;
                    None
                }
                Did::Sent(review) => {
                    let id = dialog.request.ask.id;
                    self.sent = Some(dialog.clone());
                    self.mode = Mode::List;
                    Some(Call::Review(id, Box::new(review)))
                }
            },
        }
    }

    fn list_key(&mut self, key: &Key) -> Option<Call> {
        match key {
            Key::Char('q') => return Some(Call::Quit),
            Key::Char('r') => return Some(self.list()),
            Key::Char('?') => self.mode = Mode::Help,
            Key::Char('/') => self.mode = Mode::Filter,
            Key::Char('a') => self.review(NewVerdict::Approve),
            Key::Char('d') => self.review(NewVerdict::Deny),
            Key::Up | Key::Char('k') => self.go(self.place().saturating_sub(1)),
            Key::Down | Key::Char('j') => self.go(self.place() + 1),
            Key::First | Key::Char('g') => self.go(0),
            Key::Last | Key::Char('G') => self.go(usize::MAX),
            Key::PageUp => self.scrolled = self.scrolled.saturating_sub(limits::SCROLL),
            Key::PageDown => self.scrolled = self.scrolled.saturating_add(limits::SCROLL),
            Key::Escape => {
                let place = self.place();
                self.filter = Line::default();
                self.told.clear();
                self.choose(place);
            }
            _ => {}
        }
        None
    }

    /// Begins a review of the chosen request, or says why there can be none.
    fn review(&mut self, verdict: NewVerdict) {
        let Some(request) = self.selected() else {
            self.tell(false, "There is nothing to review.".to_owned());
            return;
        };
        if request.yours_to_review {
            self.mode = Mode::Dialog(Box::new(Dialog::new(request, verdict)));
            return;
        }
        let (id, said) = (request.ask.id, request.reviews.iter().any(|review| review.by == self.you));
        let who = match (words::awaited(request).as_slice(), &request.state) {
            ([], _) => "nobody can review it now".to_owned(),
            (some, RequestState::Pending { .. }) => workflow::who_can(some),
            (some, _) => format!("{} can look at it", workflow::some_of(some)),
        };
        let why = match self.section(request) {
            _ if said => format!("you approved {id} already; {who}."),
            Section::Own => format!("{id} is your own request; {who}."),
            Section::Yours | Section::Others => format!("you may not review {id}; {who}."),
        };
        self.tell(false, why);
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            inbox.sent.as_ref().map(|dialog| dialog.request.ask.id),
            Some(id),
            "and the screen says so"
        );
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
        assert_eq!(
            told(&inbox),
            (true, "R-00000-00001: alice asks for ssh,sudo as root on web-1 for 2h: a.")
        );
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
        assert_eq!(
            (dialog.verdict, &dialog.wrong),
            (NewVerdict::Approve, &None),
            "nobody's writing is replaced"
        );
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
}
